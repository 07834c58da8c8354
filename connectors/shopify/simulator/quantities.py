"""Setting quantities at the simulated shop: compared, all or none, and idempotent by key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphql import GraphQLResolveInfo

from connectors.shopify.simulator.reads import at_most
from connectors.shopify.simulator.shop import Shop
from connectors.shopify.simulator.world import idempotent, user_error

MOST_QUANTITY = 1_000_000_000
_REASONS = frozenset(("correction", "cycle_count_available", "damaged", "other", "received", "restock", "shrinkage"))
"""Some of the reasons that Shopify lists."""


def set_quantities(_: Any, info: GraphQLResolveInfo, input: Mapping[str, Any]) -> dict[str, Any]:
    at_most(input["quantities"])
    shop: Shop = info.context.shop

    def work() -> tuple[Any, list[dict[str, Any]]]:
        errors = _wrong(shop, input)
        for row in input["quantities"] if not errors else ():
            level = shop.items[row["inventoryItemId"]].levels[row["locationId"]]
            level.available = row["quantity"] - (level.committed if input["name"] == "on_hand" else 0)
        return True, errors

    _, errors = idempotent(info, input, work)
    return {"userErrors": errors}


def _wrong(shop: Shop, input: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is wrong with quantities: of every row, in the order they came."""
    if input["name"] not in ("available", "on_hand"):
        what = "The quantity name must be either 'available' or 'on_hand'."
        return [user_error(what, "input", "name", code="INVALID_NAME")]
    if input["reason"] not in _REASONS:
        return [user_error("The specified reason is invalid.", "input", "reason", code="INVALID_REASON")]
    errors = []
    seen: set[tuple[str, str]] = set()
    for at, row in enumerate(input["quantities"]):
        wrong = _wrong_row(shop, input["name"], row, seen)
        if wrong is not None:
            code, name, what = wrong
            errors.append(user_error(what, "input", "quantities", str(at), name, code=code))
    return errors


def _wrong_row(
    shop: Shop, name: str, row: Mapping[str, Any], seen: set[tuple[str, str]]
) -> tuple[str, str, str] | None:
    pair = row["inventoryItemId"], row["locationId"]
    if pair in seen:
        what = "The combination of inventoryItemId and locationId must be unique."
        return "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR", "inventoryItemId", what
    seen.add(pair)
    if "changeFromQuantity" not in row:
        what = "The changeFromQuantity argument must be given to each quantity."
        return "COMPARE_QUANTITY_REQUIRED", "changeFromQuantity", what
    item = shop.items.get(row["inventoryItemId"])
    if item is None:
        return "INVALID_INVENTORY_ITEM", "inventoryItemId", "The specified inventory item could not be found."
    level = item.levels.get(row["locationId"])
    if level is None:
        return "INVALID_LOCATION", "locationId", "The specified location could not be found."
    if row["quantity"] < 0:
        return "INVALID_QUANTITY_NEGATIVE", "quantity", "The quantity can't be negative."
    if row["quantity"] > MOST_QUANTITY:
        return "INVALID_QUANTITY_TOO_HIGH", "quantity", "The total quantity can't be higher than 1,000,000,000."
    held = level.available + (level.committed if name == "on_hand" else 0)
    if row["changeFromQuantity"] not in (None, held):
        what = "The changeFromQuantity value does not match persisted value."
        return "CHANGE_FROM_QUANTITY_STALE", "changeFromQuantity", what
    return None
