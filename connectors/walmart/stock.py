"""What Walmart holds: the levels it offers now, and everything that is on offer.

Source: `GET /v3/inventory`, `/v3/inventories/{sku}`, `/v3/inventories` and `/v3/wfs/inventory`. The specs have no list
of items; the list of inventories names every SKU of the seller. What may be sold is `availToSellQty`; `inputQty` is
what was told last, before orders took from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from connectors.walmart.api import Api, quoted
from connectors.walmart.levels import WFS_HANDLE
from core.errors import NotFound, Unavailable
from core.http import decode
from core.model import MAX_QUANTITY, ChannelLevel, ChannelListing, Fulfiller, LevelKey, OwnStock

PAGE = 50
WFS_PAGE = 300
WALKS = 3
"""How often a walk begins anew after the vendor no longer knew its place in it."""


class _Amount(msgspec.Struct):
    amount: float


class _Node(msgspec.Struct, rename="camel"):
    ship_node: str
    avail_to_sell_qty: _Amount | None = None
    input_qty: _Amount | None = None


class _Sku(msgspec.Struct):
    sku: str
    nodes: list[_Node]


class _Meta(msgspec.Struct, rename="camel"):
    total_count: int | None = None
    next_cursor: str | None = None


class _Inventories(msgspec.Struct):
    inventories: list[_Sku]


class _Page(msgspec.Struct):
    elements: _Inventories
    meta: _Meta


class _OneNumber(msgspec.Struct):
    sku: str
    quantity: _Amount


class _WfsItem(msgspec.Struct, rename="camel"):
    sku: str
    item_name: str | None = None


class _WfsStock(msgspec.Struct, rename="camel"):
    available_units: int | None = None
    onhand_units: int | None = None
    inbound_units: int | None = None


class _WfsRow(msgspec.Struct, rename="camel"):
    item_information: _WfsItem
    inventory_data: _WfsStock | None = None


class _WfsPayload(msgspec.Struct):
    inventory: list[_WfsRow]


class _WfsHeaders(msgspec.Struct, rename="camel"):
    total_count: int = 0


class _WfsPage(msgspec.Struct):
    payload: _WfsPayload
    headers: _WfsHeaders


def read_levels(api: Api, keys: Sequence[LevelKey]) -> Iterator[ChannelLevel]:
    """See `Connector.read_levels`: SKU by SKU, or by walking the whole list where that takes fewer calls."""
    by_sku: dict[str, list[LevelKey]] = {}
    for key in keys:
        if key.place:
            by_sku.setdefault(key.sku, []).append(key)
        else:
            yield from _default_node(api, key)
    if len(by_sku) > 1:
        for row, fewer_by_walking in _walk(api, len(by_sku)):
            if not fewer_by_walking:
                break
            yield from _levels(row, by_sku.pop(row.sku, []))
            if not by_sku:
                return
        else:
            return
    for sku, wanted in by_sku.items():
        try:
            path = f"/v3/inventories/{quoted(sku)}"
            response = api.ask("getMultiNodeInventoryForSkuAndAllShipnodes", "GET", path)
        except NotFound:
            continue
        yield from _levels(decode(response, _Sku), wanted)


def _default_node(api: Api, key: LevelKey) -> Iterator[ChannelLevel]:
    try:
        held = decode(api.ask("getInventory", "GET", "/v3/inventory", {"sku": key.sku}), _OneNumber)
    except NotFound:
        return
    yield ChannelLevel(key=key.key, quantity=_units(held.quantity))


def _levels(row: _Sku, wanted: Sequence[LevelKey]) -> Iterator[ChannelLevel]:
    held = _quantities(row)
    for key in wanted:
        if key.place in held:
            yield ChannelLevel(key=key.key, quantity=held[key.place])


def listings(api: Api, *, wfs: bool) -> Iterator[ChannelListing]:
    """See `Connector.listings`; with `wfs` also what Walmart's own warehouse holds of the seller's."""
    for row, _ in _walk(api, 0):
        yield ChannelListing(sku=row.sku, quantities=_quantities(row))
    if wfs:
        for one in _wfs(api):
            yield _wfs_listing(one)


def _walk(api: Api, skus: int) -> Iterator[tuple[_Sku, bool]]:
    """Every SKU once, with whether walking takes no more calls than asking for `skus` one by one.

    A cursor is good for one request, in its turn: when its answer was lost, the vendor knows it no more (404), and the
    walk begins anew.
    """
    seen: set[str] = set()
    cursor, used, walks, worth = "", set[str](), 1, True
    while True:
        query = {"limit": str(PAGE)} | ({"nextCursor": cursor} if cursor else {})
        try:
            page = decode(
                api.ask("getMultiNodeInventoryForAllSkuAndAllShipNodes", "GET", "/v3/inventories", query), _Page
            )
        except NotFound:
            if not cursor:
                return  # a seller without a single item
            if walks == WALKS:
                raise Unavailable(
                    "Walmart's list of inventories breaks off again and again; it is tried anew"
                ) from None
            cursor, used, walks = "", set(), walks + 1
            continue
        if not cursor and page.meta.total_count is not None:
            worth = -(-page.meta.total_count // PAGE) <= skus
        for row in page.elements.inventories:
            if row.sku not in seen:
                seen.add(row.sku)
                yield row, worth
        used.add(cursor)
        cursor = page.meta.next_cursor or ""
        if not cursor:
            return
        if cursor in used:
            raise Unavailable("Walmart's list of inventories does not get on: a page is named again; it is tried anew")


def count(api: Api) -> int:
    """How many SKUs the list of inventories names. Raises `NotFound` for a seller without a single item."""
    query = {"limit": "1"}
    response = api.ask("getMultiNodeInventoryForAllSkuAndAllShipNodes", "GET", "/v3/inventories", query)
    page = decode(response, _Page)
    return page.meta.total_count if page.meta.total_count is not None else len(page.elements.inventories)


def own_stock(api: Api) -> Iterator[OwnStock]:
    """See `Connector.own_stock`: what lies in Walmart's own warehouses (WFS)."""
    for row in _wfs(api):
        held = row.inventory_data or _WfsStock()
        available = max(0, held.available_units or 0)
        yield OwnStock(
            sku=row.item_information.sku,
            on_hand=max(available, held.onhand_units or 0),
            available=available,
            incoming=max(0, held.inbound_units or 0),
        )


def _wfs_listing(row: _WfsRow) -> ChannelListing:
    return ChannelListing(
        sku=row.item_information.sku,
        title=row.item_information.item_name or "",
        handle=WFS_HANDLE,
        fulfiller=Fulfiller.CHANNEL,
        quantities={"": (row.inventory_data.available_units or 0) if row.inventory_data is not None else 0},
    )


def _wfs(api: Api) -> Iterator[_WfsRow]:
    """Every SKU in Walmart's warehouses once."""
    offset = 0
    while True:
        query = {"limit": str(WFS_PAGE), "offset": str(offset)}
        try:
            page = decode(api.ask("getWFSInventoryDetails", "GET", "/v3/wfs/inventory", query), _WfsPage)
        except NotFound:
            return
        rows = page.payload.inventory
        yield from rows
        offset += len(rows)
        if not rows or offset >= page.headers.total_count:
            return


def _quantities(row: _Sku) -> dict[str, int]:
    return {
        node.ship_node: _units(amount)
        for node in row.nodes
        if (amount := node.avail_to_sell_qty or node.input_qty) is not None
    }


def _units(amount: _Amount) -> int:
    """A level as an integer. Orders can take more than there is, which the vendor then shows as less than nothing."""
    if amount.amount != int(amount.amount) or amount.amount > MAX_QUANTITY:
        raise Unavailable("Walmart answered with a level that is no whole number of units")
    return max(0, int(amount.amount))
