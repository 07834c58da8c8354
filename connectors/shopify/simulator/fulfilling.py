"""Fulfilment at the simulated shop: one order and one location a fulfilment, never more than is left of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphql import GraphQLResolveInfo

from connectors.shopify.simulator.records import Fulfillment, FulfillmentOrder, Location, WorkLine
from connectors.shopify.simulator.shop import Shop
from connectors.shopify.simulator.world import user_error

MOST_LINES = 512
_COMING_BACK = ("REQUESTED", "OPEN", "CLOSED")


def fulfil(_: Any, info: GraphQLResolveInfo, fulfillment: Mapping[str, Any], message: str = "") -> dict[str, Any]:
    shop: Shop = info.context.shop
    parts, errors = _work(shop, fulfillment["lineItemsByFulfillmentOrder"])
    tracking, more = tracking_of(fulfillment.get("trackingInfo") or {})
    errors += more
    if errors or not parts:
        return {"fulfillment": None, "userErrors": errors or [user_error("Nothing to fulfill.", "fulfillment")]}
    return {"fulfillment": shop.ship(parts, tracking), "userErrors": []}


def tracking_of(given: Mapping[str, Any]) -> tuple[list[dict[str, str | None]], list[dict[str, Any]]]:
    """What a fulfilment says of its tracking, or what is wrong with it."""
    if ("number" in given and "numbers" in given) or ("url" in given and "urls" in given):
        return [], [user_error("Give number or numbers, and url or urls.", "trackingInfo")]
    numbers = given.get("numbers") or [given.get("number")]
    urls = given.get("urls") or [given.get("url")] * len(numbers)
    if len(urls) != len(numbers):
        return [], [user_error("Give a url for each number, or none.", "trackingInfo")]
    return [
        {"company": given.get("company"), "number": number, "url": url}
        for number, url in zip(numbers, urls, strict=True)
        if number or url or given.get("company")
    ], []


def _work(
    shop: Shop, given: Sequence[Mapping[str, Any]]
) -> tuple[list[tuple[FulfillmentOrder, WorkLine, int]], list[dict[str, Any]]]:
    """The units to ship, or what is wrong with them."""
    where = ("fulfillment", "lineItemsByFulfillmentOrder")
    chosen: list[tuple[FulfillmentOrder, WorkLine, int]] = []
    for entry in given:
        part = shop.nodes.get(entry["fulfillmentOrderId"])
        if not isinstance(part, FulfillmentOrder):
            return [], [user_error("Fulfillment order does not exist.", *where)]
        if {"action": "CREATE_FULFILLMENT"} not in part.supportedActions:
            what = f"Fulfillment order {part.id.rpartition('/')[2]} has an unfulfillable status= {part.status.lower()}."
            return [], [user_error(what, *where)]
        rows = {row.id: row for row in part.lines}
        lines = entry.get("fulfillmentOrderLineItems")
        if lines is None:
            chosen += [(part, row, row.remainingQuantity) for row in part.lines if row.remainingQuantity]
            continue
        if len(lines) > MOST_LINES:
            return [], [user_error(f"A fulfillment order may name {MOST_LINES} line items.", *where)]
        units: dict[str, int] = {}
        for line in lines:
            if line["id"] not in rows:
                return [], [user_error("Fulfillment order line item does not exist.", *where)]
            if line["quantity"] < 1:
                return [], [user_error("Quantity must be greater than 0.", *where)]
            units[line["id"]] = units.get(line["id"], 0) + line["quantity"]
        if any(count > rows[id_].remainingQuantity for id_, count in units.items()):
            return [], [user_error("Invalid fulfillment order line item quantity requested.", *where)]
        chosen += [(part, rows[id_], count) for id_, count in units.items()]
    if len({part.order.id for part, _, _ in chosen}) > 1:
        return [], [user_error("All fulfillment orders must belong to the same order.", *where)]
    if len({part.location.id for part, _, _ in chosen}) > 1:
        return [], [user_error("All fulfillment orders must be assigned to the same location.", *where)]
    return chosen, []


def correct(
    _: Any,
    info: GraphQLResolveInfo,
    fulfillmentId: str,  # noqa: N803
    trackingInfoInput: Mapping[str, Any],  # noqa: N803
    notifyCustomer: bool = False,  # noqa: N803
) -> dict[str, Any]:
    """Replaces all that a fulfilment says of its tracking."""
    shop: Shop = info.context.shop
    found = shop.nodes.get(fulfillmentId)
    if not isinstance(found, Fulfillment):
        return {"fulfillment": None, "userErrors": [user_error("Fulfillment not found.", "fulfillmentId")]}
    if found.status == "CANCELLED":
        what = "Fulfillment is cancelled and its tracking cannot be updated."
        return {"fulfillment": None, "userErrors": [user_error(what, "fulfillmentId")]}
    tracking, errors = tracking_of(trackingInfoInput)
    if not errors:
        found.trackingInfo = tracking
        shop.touch(found.order)
    return {"fulfillment": None if errors else found, "userErrors": errors}


def cancel(_: Any, info: GraphQLResolveInfo, id: str) -> dict[str, Any]:
    """The units of a fulfilment are to be fulfilled again.

    What comes back or was refunded is refused: Shopify's pages do not say what becomes of it.
    """
    shop: Shop = info.context.shop
    found = shop.nodes.get(id)
    wrong = _uncancellable(found)
    if wrong or not isinstance(found, Fulfillment):
        return {"fulfillment": None, "userErrors": [user_error(wrong, "id")]}
    shop.unship(found)
    return {"fulfillment": found, "userErrors": []}


def _uncancellable(found: Any) -> str:
    """Why a fulfilment cannot be cancelled."""
    if not isinstance(found, Fulfillment):
        return "Fulfillment not found."
    if found.status == "CANCELLED":
        return "Fulfillment is already cancelled."
    back = [line.fulfillmentLineItem for one in found.order.returns for line in one.lines if one.status in _COMING_BACK]
    if any(row in back for row in found.lines):
        return "Fulfillment has items that are being returned."
    if any(row.lineItem.refundedShipped for row in found.lines):
        return "Fulfillment has items that were refunded."
    return ""


def move(
    _: Any,
    info: GraphQLResolveInfo,
    id: str,
    newLocationId: str,  # noqa: N803
    fulfillmentOrderLineItems: Sequence[Mapping[str, Any]] | None = None,  # noqa: N803
) -> dict[str, Any]:
    shop: Shop = info.context.shop
    part, location = shop.nodes.get(id), shop.locations.get(newLocationId)
    rows, wrong = _movable(shop, part, location, fulfillmentOrderLineItems)
    if wrong or not isinstance(part, FulfillmentOrder) or location is None:
        errors = [user_error(wrong or "Fulfillment order does not exist.", "id")]
        return {"movedFulfillmentOrder": None, "originalFulfillmentOrder": None, "userErrors": errors}
    moved = shop.move(part, rows, location)
    return {"movedFulfillmentOrder": moved, "originalFulfillmentOrder": part, "userErrors": []}


def _movable(
    shop: Shop, part: Any, location: Location | None, given: Sequence[Mapping[str, Any]] | None
) -> tuple[list[tuple[WorkLine, int]], str]:
    """The units to move, or what is wrong with that."""
    if not isinstance(part, FulfillmentOrder):
        return [], "Fulfillment order does not exist."
    if {"action": "MOVE"} not in part.supportedActions:
        return [], "Cannot change location, because the fulfillment order is in progress, on hold or closed."
    if location is None or not location.isActive:
        return [], "The new location does not exist or is not active."
    if location is part.location:
        return [], "The fulfillment order is assigned to the location already."
    lines = {row.id: row for row in part.lines}
    asked: Sequence[Mapping[str, Any]] = (
        given if given is not None else [{"id": row.id, "quantity": row.remainingQuantity} for row in part.lines]
    )
    rows = []
    for line in asked:
        row = lines.get(line["id"])
        if row is None or not 1 <= line["quantity"] <= row.remainingQuantity:
            return [], "Invalid fulfillment order line item quantity requested."
        variant = shop.variants.get(row.lineItem.sku or "")
        if variant is None or location.id not in variant.inventoryItem.levels:
            return [], "The new location does not stock the inventory item."
        rows.append((row, line["quantity"]))
    return rows, ""
