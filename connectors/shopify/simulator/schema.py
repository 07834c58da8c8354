"""How the simulated schema is answered: each field from the shop's records, and the two mutations with their rules."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec
from graphql import (
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    build_schema,
    get_directive_values,
)

from connectors.shopify.simulator.cost import MOST_ROWS, refusal
from connectors.shopify.simulator.records import FulfillmentOrder, Item, Order, WorkLine
from connectors.shopify.simulator.shop import Shop, micros

MOST_PAGED = 25_000
MOST_LINES = 512
MOST_QUANTITY = 1_000_000_000
_REASONS = frozenset(("correction", "cycle_count_available", "damaged", "other", "received", "restock", "shrinkage"))
"""Some of the reasons that Shopify lists."""
_GID = re.compile(r"gid://shopify/[A-Za-z]+/[0-9]+")
_SEARCH = re.compile(r"updated_at:(>=|>)'([^']+)'")

Resolve = Callable[..., Any]


class World:
    """What resolvers work on: the shop, the idempotency keys it has seen, and whether a page is served again."""

    def __init__(self, shop: Shop, repeat_page: Callable[[], bool]) -> None:
        self.shop = shop
        self.repeat_page = repeat_page
        self.keys: dict[str, tuple[bytes, list[dict[str, Any]]]] = {}


def build() -> GraphQLSchema:
    """The schema with its resolvers; every other field is an attribute or a key of what it is asked of."""
    made = build_schema(Path(__file__).parent.with_name("simulator.graphql").read_text())
    for kind in made.type_map.values():
        if isinstance(kind, GraphQLInterfaceType):
            kind.resolve_type = lambda value, info, of: value.kind
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__"):
            for name, field in kind.fields.items():
                field.resolve = _RESOLVERS.get((kind.name, name)) or _plain(kind.name, name)
    return made


_ATTRIBUTES = frozenset(
    (
        *("Order", "LineItem", "Fulfillment", "FulfillmentLineItem", "FulfillmentOrder", "FulfillmentOrderLineItem"),
        *("Location", "ProductVariant", "InventoryItem", "InventoryLevel"),
    )
)


def _plain(kind: str, name: str) -> Resolve:
    if kind in _ATTRIBUTES:
        attribute = attrgetter(name)
        return lambda source, info, **given: attribute(source)
    return lambda source, info, **given: source.get(name)


# Lists.


def _rows(rows: Sequence[Any], first: int | None, after: str | None) -> dict[str, Any]:
    """A page of a list that only grows at its end; its cursors are positions."""
    start = 0 if after is None else _position(after)["at"] + 1
    page = rows[start : start + (first or MOST_ROWS)]
    return _page(page, start + len(page) < len(rows), {"at": start + len(page) - 1})


def _page(rows: Sequence[Any], more: bool, last: dict[str, Any]) -> dict[str, Any]:
    end = base64.b64encode(msgspec.json.encode(last)).decode() if rows else None
    return {"nodes": rows, "pageInfo": {"hasNextPage": more, "endCursor": end}}


def _position(cursor: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(base64.b64decode(cursor, validate=True), type=dict[str, Any])
    except (msgspec.DecodeError, binascii.Error, UnicodeDecodeError):
        raise refusal("Invalid cursor for current pagination sort.", "BAD_REQUEST") from None


def _list_of(name: str) -> Resolve:
    rows = attrgetter(name)
    return lambda source, info, first=None, after=None: _rows(rows(source), first, after)


def _orders(
    _: Any,
    info: GraphQLResolveInfo,
    sortKey: str,  # noqa: N803
    first: int,
    query: str = "",
    after: str | None = None,
) -> dict[str, Any]:
    if sortKey != "UPDATED_AT":
        raise refusal("this simulator sorts orders by UPDATED_AT only", "BAD_REQUEST")
    world: World = info.context
    start = bound = _bound(query)
    if after is not None:
        place = _position(after)
        start = (place["changed"], place["number"])
        if world.shop.exceeds(MOST_PAGED, bound, start):
            raise refusal("Pagination beyond 25,000 objects is not possible; narrow the query.", "BAD_REQUEST")
        if world.repeat_page():
            rows = [order for order in islice(world.shop.changed_before(start), first) if _key(order) > bound]
            return _page(rows[::-1], True, place)
    found = list(islice(world.shop.changed(start), first + 1))
    rows = found[:first]
    last = {"changed": rows[-1].changed, "number": rows[-1].number} if rows else {}
    return _page(rows, len(found) > first, last)


def _key(order: Order) -> tuple[int, str]:
    return order.changed, order.number


def _bound(query: str) -> tuple[int, str]:
    """The position just before the first change a search finds. What Shopify would ignore as no search is refused."""
    if not query:
        return -1, ""
    found = _SEARCH.fullmatch(query)
    if found is None:
        raise refusal("this simulator searches by updated_at:>='…' only", "BAD_REQUEST")
    try:
        instant = datetime.fromisoformat(found.group(2))
    except ValueError:
        raise refusal("Invalid timestamp in the search", "BAD_REQUEST") from None
    if instant.tzinfo is None:
        raise refusal("a timestamp without a zone would be read in the shop's own", "BAD_REQUEST")
    return micros(instant), "~" if found.group(1) == ">" else ""


def _node(_: Any, info: GraphQLResolveInfo, id: str) -> Any:
    if not _GID.fullmatch(id):
        raise refusal(f"Invalid global id '{id}'", "argumentLiteralsIncompatible")
    return info.context.shop.nodes.get(id)


def _order(_: Any, info: GraphQLResolveInfo, id: str) -> Any:
    found = _node(_, info, id)
    return found if isinstance(found, Order) else None


def _nodes(_: Any, info: GraphQLResolveInfo, ids: Sequence[str]) -> list[Any]:
    _at_most(ids)
    return [_node(_, info, id) for id in ids]


def _at_most(rows: Sequence[Any]) -> None:
    if len(rows) > MOST_ROWS:
        raise refusal(
            f"The input array size of {len(rows)} is greater than the maximum allowed of {MOST_ROWS}.",
            "MAX_INPUT_SIZE_EXCEEDED",
        )


def _variants(_: Any, info: GraphQLResolveInfo, sortKey: str, first: int, after: str | None = None) -> Any:  # noqa: N803
    return _rows(list(info.context.shop.variants.values()), first, after)


def _level(item: Item, info: GraphQLResolveInfo, locationId: str) -> Any:  # noqa: N803
    return item.levels.get(locationId)


def _quantities(level: Any, info: GraphQLResolveInfo, names: Sequence[str]) -> list[dict[str, Any]]:
    known = {
        "available": level.available,
        "committed": level.committed,
        "on_hand": level.available + level.committed,
    }
    return [{"name": name, "quantity": known[name]} for name in names if name in known]


# Writes.


def _user_error(message: str, *path: str, code: str | None = None) -> dict[str, Any]:
    return {"field": list(path), "message": message, "code": code}


def _fulfil(_: Any, info: GraphQLResolveInfo, fulfillment: Mapping[str, Any], message: str = "") -> dict[str, Any]:
    shop: Shop = info.context.shop
    parts, errors = _work(shop, fulfillment["lineItemsByFulfillmentOrder"])
    given = fulfillment.get("trackingInfo") or {}
    if ("number" in given and "numbers" in given) or ("url" in given and "urls" in given):
        errors.append(_user_error("Give number or numbers, and url or urls.", "fulfillment", "trackingInfo"))
    if errors or not parts:
        return {"fulfillment": None, "userErrors": errors or [_user_error("Nothing to fulfill.", "fulfillment")]}
    numbers = given.get("numbers") or [given.get("number")]
    urls = given.get("urls") or [given.get("url")] * len(numbers)
    tracking = [
        {"company": given.get("company"), "number": number, "url": url}
        for number, url in zip(numbers, urls, strict=False)
        if number or url or given.get("company")
    ]
    return {"fulfillment": shop.ship(parts, tracking), "userErrors": []}


def _work(
    shop: Shop, given: Sequence[Mapping[str, Any]]
) -> tuple[list[tuple[FulfillmentOrder, WorkLine, int]], list[dict[str, Any]]]:
    """The units to ship, or what is wrong with them."""
    where = ("fulfillment", "lineItemsByFulfillmentOrder")
    chosen: list[tuple[FulfillmentOrder, WorkLine, int]] = []
    for entry in given:
        part = shop.nodes.get(entry["fulfillmentOrderId"])
        if not isinstance(part, FulfillmentOrder):
            return [], [_user_error("Fulfillment order does not exist.", *where)]
        if {"action": "CREATE_FULFILLMENT"} not in part.supportedActions:
            what = f"Fulfillment order {part.id.rpartition('/')[2]} has an unfulfillable status= {part.status.lower()}."
            return [], [_user_error(what, *where)]
        rows = {row.id: row for row in part.lines}
        lines = entry.get("fulfillmentOrderLineItems")
        if lines is None:
            chosen += [(part, row, row.remainingQuantity) for row in part.lines if row.remainingQuantity]
            continue
        if len(lines) > MOST_LINES:
            return [], [_user_error(f"A fulfillment order may name {MOST_LINES} line items.", *where)]
        units: dict[str, int] = {}
        for line in lines:
            if line["id"] not in rows:
                return [], [_user_error("Fulfillment order line item does not exist.", *where)]
            if line["quantity"] < 1:
                return [], [_user_error("Quantity must be greater than 0.", *where)]
            units[line["id"]] = units.get(line["id"], 0) + line["quantity"]
        if any(count > rows[id_].remainingQuantity for id_, count in units.items()):
            return [], [_user_error("Invalid fulfillment order line item quantity requested.", *where)]
        chosen += [(part, rows[id_], count) for id_, count in units.items()]
    if len({part.order.id for part, _, _ in chosen}) > 1:
        return [], [_user_error("All fulfillment orders must belong to the same order.", *where)]
    if len({part.location.id for part, _, _ in chosen}) > 1:
        return [], [_user_error("All fulfillment orders must be assigned to the same location.", *where)]
    return chosen, []


def _set_quantities(_: Any, info: GraphQLResolveInfo, input: Mapping[str, Any]) -> dict[str, Any]:
    world: World = info.context
    directive = info.schema.get_directive("idempotent")
    named = get_directive_values(directive, info.field_nodes[0], info.variable_values) if directive else None
    if not named or not named["key"]:
        raise refusal("The @idempotent directive is required for this mutation but was not provided.", "BAD_REQUEST")
    _at_most(input["quantities"])
    key, body = named["key"], msgspec.json.encode(input)
    if key in world.keys:
        before, errors = world.keys[key]
        if before != body:
            what = "The same idempotency key cannot be used with different operation parameters."
            return {"userErrors": [_user_error(what, code="IDEMPOTENCY_KEY_PARAMETER_MISMATCH")]}
        if errors:
            what = "A previous request with this idempotency key failed. Retry with a new idempotency key."
            return {"userErrors": [_user_error(what, code="IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED")]}
        return {"userErrors": []}
    errors = _wrong(world.shop, input)
    world.keys[key] = (body, errors)
    if not errors:
        for row in input["quantities"]:
            level = world.shop.items[row["inventoryItemId"]].levels[row["locationId"]]
            level.available = row["quantity"] - (level.committed if input["name"] == "on_hand" else 0)
    return {"userErrors": errors}


def _wrong(shop: Shop, input: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is wrong with quantities: of every row, in the order they came."""
    if input["name"] not in ("available", "on_hand"):
        what = "The quantity name must be either 'available' or 'on_hand'."
        return [_user_error(what, "input", "name", code="INVALID_NAME")]
    if input["reason"] not in _REASONS:
        return [_user_error("The specified reason is invalid.", "input", "reason", code="INVALID_REASON")]
    errors = []
    seen: set[tuple[str, str]] = set()
    for at, row in enumerate(input["quantities"]):
        wrong = _wrong_row(shop, input["name"], row, seen)
        if wrong is not None:
            code, name, what = wrong
            errors.append(_user_error(what, "input", "quantities", str(at), name, code=code))
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


_RESOLVERS: dict[tuple[str, str], Resolve] = {
    ("QueryRoot", "node"): _node,
    ("QueryRoot", "nodes"): _nodes,
    ("QueryRoot", "order"): _order,
    ("QueryRoot", "orders"): _orders,
    ("QueryRoot", "productVariants"): _variants,
    ("Mutation", "fulfillmentCreate"): _fulfil,
    ("Mutation", "inventorySetQuantities"): _set_quantities,
    ("Order", "lineItems"): _list_of("lines"),
    ("Order", "fulfillmentOrders"): _list_of("parts"),
    ("Order", "fulfillments"): lambda order, info, first=None: order.shipped[: first or MOST_ROWS],
    ("Fulfillment", "fulfillmentLineItems"): _list_of("lines"),
    ("FulfillmentOrder", "lineItems"): _list_of("lines"),
    ("InventoryItem", "inventoryLevel"): _level,
    ("InventoryItem", "inventoryLevels"): lambda item, info, first=None, after=None: _rows(
        list(item.levels.values()), first, after
    ),
    ("InventoryLevel", "quantities"): _quantities,
}
