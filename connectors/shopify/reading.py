"""Reading a shop: pages of changed orders, whole orders, levels, listings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import msgspec

from connectors.shopify import queries
from connectors.shopify.documents import Instant, PageInfo, Record
from connectors.shopify.graph import Graph
from connectors.shopify.orders import gid, is_number, observe, short
from connectors.shopify.paging import MOST_PAGED, Rows, onward
from core.errors import NotFound, Rejected, Unavailable
from core.model import ChannelListing, LevelKey, Observation, Page

T = TypeVar("T")

_TRIES = 3


def pages(
    graph: Graph,
    bound: datetime,
    reached: datetime,
    *,
    places: bool,
    known: bool,
    expected: int | None = None,
    most: int = MOST_PAGED,
) -> Iterator[Page]:
    """Orders changed since `bound`, oldest change first, whole; see `paging.onward`. `expected`: about how many."""
    document, first = queries.orders(places), queries.PAGE_WITH_PLACES if places else queries.PAGE
    found = onward(graph, document, first, _glance, bound, reached, known=known, most=most, begin_with=expected)
    for some, cursor in found:
        yield Page(observations=tuple(_whole(graph, one, places=places) for one in some), cursor=cursor)


def order_of(graph: Graph, work: str) -> str:
    """The global id of the order a fulfilment order belongs to, by the latter's. Raises `NotFound`."""
    node = graph.ask(queries.ORDER_OF, {"id": work}, _Node).node
    if node is None or node.order is None:
        raise NotFound("Shopify knows no such fulfillment order")
    return node.order.id


def whole(graph: Graph, number: str, *, places: bool) -> bytes:
    """One order with every row of its lists, as it stands. Raises `NotFound`."""
    if not is_number(short(number)):
        raise NotFound(f"{number[:40]!r} is no order id of Shopify")
    for _ in range(_TRIES):
        order = graph.ask(queries.order(places), {"id": gid("Order", number)}, _Order).order
        body = bytes(order)
        if body == b"null":
            raise NotFound(f"Shopify knows no order {number}")
        if not _unfinished(body, queries.ALL, queries.MANY_REFUNDS):
            return body
        value = msgspec.json.decode(body)
        finish(graph, value, queries.MORE)
        after = graph.ask(queries.CHANGED, {"id": value["id"]}, _Order).order
        if (msgspec.json.decode(after) or {}).get("updatedAt") == value["updatedAt"]:
            return msgspec.json.encode(value)
    raise Unavailable(f"order {number} keeps changing while it is read")


def _whole(graph: Graph, one: _Glance, *, places: bool) -> Observation:
    """An order of a page, read again alone where its page did not hold all of it."""
    if one.finished:
        return one.seen
    try:
        return observe(whole(graph, one.seen.number, places=places))
    except NotFound:
        return one.seen  # deleted meanwhile: `normalize` sets it aside as unfinished


def complete(graph: Graph, node: bytes, *, places: bool) -> Observation:
    """An order of a page with every row of its lists."""
    return _whole(graph, _glance(node), places=places)


class _Several(Record):
    nodes: list[msgspec.Raw]


def wholes(graph: Graph, ids: Sequence[str], *, places: bool, hurry: bool = False) -> dict[str, bytes]:
    """Several orders with every row of their lists, by global id; deleted ones are left out. Without `hurry` they are
    read as points can be spared."""
    found = {}
    for some in batches(ids, queries.SPARE_ORDERS):
        for node in graph.ask(queries.wholes(places), {"ids": some}, _Several).nodes:
            if bytes(node) != b"null":
                seen = complete(graph, bytes(node), places=places)
                found[gid("Order", seen.number)] = seen.body
        if not hurry:
            graph.spare()
    return found


def finish(graph: Graph, order: dict[str, Any], document: str) -> None:
    """Reads on, by `document`, until every list inside an order is whole."""
    for owner, name, rows in _lists(order):
        extend(graph, document, owner, name, rows)


def extend(graph: Graph, document: str, owner: str, name: str, rows: dict[str, Any]) -> None:
    """Reads on, by `document`, until the list `rows`, the field `name` of `owner`, is whole."""
    while rows["pageInfo"]["hasNextPage"]:
        after = rows["pageInfo"]["endCursor"]
        node = graph.ask(document, {"id": owner, "after": after}, dict[str, Any])["node"] or {}
        further = node.get("assigned" if "/FulfillmentOrder/" in owner else name)
        if not isinstance(further, dict) or not further["nodes"] or further["pageInfo"]["endCursor"] == after:
            raise Unavailable(f"Shopify breaks off in the middle of {name} of {owner}")
        rows["nodes"] += further["nodes"]
        rows["pageInfo"] = further["pageInfo"]


def _lists(order: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every list inside an order that can be read on: whose it is, its name, its rows."""
    if "lineItems" in order:
        yield order["id"], "lineItems", order["lineItems"]
    for fulfillment in order["fulfillments"]:
        yield fulfillment["id"], "fulfillmentLineItems", fulfillment["fulfillmentLineItems"]
    for refund in order.get("refunds", ()):
        if "refundLineItems" in refund:
            yield refund["id"], "refundLineItems", refund["refundLineItems"]
    for part in order["fulfillmentOrders"]["nodes"]:
        if "lineItems" in part:
            yield part["id"], "lineItems", part["lineItems"]


class _Glance(NamedTuple):
    """What paging needs to know of an order. One that cannot be read is left to `normalize` as it stands."""

    seen: Observation
    changed: datetime | None
    finished: bool = True


def _glance(body: bytes) -> _Glance:
    try:
        peek = _peek.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Glance(observe(body), _changed(body))
    seen = Observation(number=short(peek.id), body=body)
    return _Glance(seen, peek.updated_at, not _holds_a_part(peek, queries.MOST_PARTS, queries.MOST_REFUNDS))


def _unfinished(body: bytes, parts: int, refunds: int) -> bool:
    """Whether a document, read with up to so many fulfilments and refunds, holds only a part of its order.

    One that cannot be read is left to `normalize`.
    """
    try:
        return _holds_a_part(_peek.decode(body), parts, refunds)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


def _holds_a_part(peek: _Peek, parts: int, refunds: int) -> bool:
    ends = [peek.line_items.page_info, peek.fulfillment_orders.page_info]
    ends += [part.fulfillment_line_items.page_info for part in peek.fulfillments]
    ends += [part.line_items.page_info for part in peek.fulfillment_orders.nodes if part.line_items is not None]
    ends += [refund.refund_line_items.page_info for refund in peek.refunds]
    # Fulfilments and refunds come as plain lists, which do not say whether they go on.
    cut = len(peek.fulfillments) >= parts or len(peek.refunds) >= refunds
    return cut or any(end.has_next_page for end in ends)


def _changed(body: bytes) -> datetime | None:
    try:
        return msgspec.json.decode(body, type=_Changed).updated_at
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def levels(graph: Graph, keys: Sequence[LevelKey], place: Callable[[str], str]) -> Iterator[tuple[str, int]]:
    """Key and quantity on offer now, below zero where the shop has oversold.

    `place` gives a location's global id, empty where there is none. Keys that Shopify has no level for are left out.
    """
    wanted: dict[str, list[tuple[str, str]]] = {}
    for key in keys:
        if place(key.place) and is_item(key.handle):
            wanted.setdefault(key.handle, []).append((key.key, place(key.place)))
    names = {where: f"l{at}" for at, where in enumerate(sorted({row[1] for rows in wanted.values() for row in rows}))}
    given = {name: where for where, name in names.items()}
    for batch in batches(list(wanted), queries.levels_at_once(max(1, len(names)))):
        answer = graph.ask(queries.levels(len(names)), {"ids": batch, **given}, _Levels)
        for node in answer.nodes:
            for name, where in wanted.get(str(node.get("id", "")), ()) if node else ():
                held = node.get(names[where]) if node else None
                if isinstance(held, _Held) and held.quantities:
                    yield name, held.quantities[0].quantity


def is_item(handle: str) -> bool:
    """Whether a handle is an inventory item's id: one that is none would void the whole request it stands in."""
    return handle == gid("InventoryItem", short(handle)) and is_number(short(handle))


def listings(graph: Graph, name: Callable[[str], str]) -> Iterator[ChannelListing]:
    """Every variant of the shop; `name` gives what the settings call a location by its global id."""
    after: str | None = None
    more = True
    while more:
        answer = graph.ask(queries.VARIANTS, {"after": after, "first": queries.LISTINGS}, _Variants).product_variants
        more = answer.page_info.has_next_page
        if more and (not answer.page_info.end_cursor or answer.page_info.end_cursor == after):
            raise Unavailable("Shopify answers the same page of variants again")
        after = answer.page_info.end_cursor
        for variant in answer.nodes:
            item = variant.inventory_item
            if item.inventory_levels.page_info.has_next_page:
                raise Rejected(f"{item.id} is stocked at more locations than can be read at once")
            yield ChannelListing(
                sku=variant.sku or "",
                title=variant.display_name,
                handle=item.id,
                quantities={
                    name(level.location.id): max(0, level.quantities[0].quantity)
                    for level in item.inventory_levels.nodes
                    if item.tracked and level.quantities
                },
            )


def batches(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """`rows` in pieces of at most `size`."""
    for at in range(0, len(rows), size):
        yield rows[at : at + size]


# Answers, as far as they are needed: unknown fields are skipped, absent ones are an outage.


class _Order(Record):
    order: msgspec.Raw


class _Owner(Record):
    id: str


class _WorkOf(Record):
    order: _Owner | None = None


class _Node(Record):
    node: _WorkOf | None


class _Ends(Record):
    page_info: PageInfo


class _Part(Record):
    fulfillment_line_items: _Ends


class _Work(Record):
    line_items: _Ends | None = None


class _Refund(Record):
    refund_line_items: _Ends


class _Peek(Record):
    id: str
    updated_at: Instant
    line_items: _Ends
    fulfillments: list[_Part]
    fulfillment_orders: Rows[_Work]
    refunds: list[_Refund] = msgspec.field(default_factory=list)


_peek = msgspec.json.Decoder(_Peek)


class _Changed(Record):
    updated_at: Instant


class _Quantity(Record):
    quantity: int


class _Held(Record):
    quantities: list[_Quantity]


class _Levels(Record):
    nodes: list[dict[str, str | _Held | None] | None]


class _Place(Record):
    id: str


class _Stocked(Record):
    location: _Place
    quantities: list[_Quantity]


class _Item(Record):
    id: str
    tracked: bool
    inventory_levels: Rows[_Stocked]


class _Variant(Record):
    display_name: str
    inventory_item: _Item
    sku: str | None = None


class _Variants(Record):
    product_variants: Rows[_Variant]
