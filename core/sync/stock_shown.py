"""What is in stock, as an operator reads it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from core.errors import UserError
from core.store.database import Store


class Stand(msgspec.Struct, frozen=True):
    """An item at one location."""

    location: str
    on_hand: int
    allocated: int
    available: int
    """On hand less allocated: free to bind to an order."""


class Elsewhere(msgspec.Struct, frozen=True):
    """An item in a channel's own warehouse (FBA, WFS): only that channel sells and ships it; no part of our counts."""

    channel: str
    sku: str
    """As the channel names it."""
    on_hand: int
    available: int
    incoming: int
    read_at: int
    """Microseconds since 1970 UTC."""


class Shown(msgspec.Struct, frozen=True):
    """An item, with where it stands."""

    sku: str
    title: str
    on_hand: int
    reserved: int
    available: int
    """On hand less reserved: free to promise; of a kit, how many its components make."""
    places: tuple[Stand, ...] = ()
    components: dict[str, int] = {}
    """Of a kit: units by component SKU. It has no stock of its own."""
    elsewhere: tuple[Elsewhere, ...] = ()


def show(store: Store, skus: Sequence[str] = ()) -> list[Shown]:
    """The items of `skus`, or all, by SKU. Refuses a SKU that is not there."""
    named = " WHERE i.sku IN :skus" if skus else ""
    given = {"skus": sorted(set(skus))} if skus else {}
    with store.read() as tx:
        items = tx.rows(f"SELECT i.* FROM items i{named} ORDER BY i.sku", **given)
        places = tx.rows(
            "SELECT s.item_id, l.name, s.on_hand, s.allocated FROM stock s JOIN locations l ON l.id = s.location_id"
            f" JOIN items i ON i.id = s.item_id{named} ORDER BY s.item_id, l.priority, l.name",
            **given,
        )
        kits = tx.rows(
            "SELECT k.kit_id, c.sku, k.quantity, c.on_hand - c.reserved AS free FROM kits k"
            f" JOIN items i ON i.id = k.kit_id JOIN items c ON c.id = k.component_id{named} ORDER BY k.kit_id, c.sku",
            **given,
        )
        own = tx.rows(
            "SELECT COALESCE(l.item_id, i.id) AS item_id, c.name, o.* FROM own_stock o"
            " JOIN channels c ON c.id = o.channel_id"
            " LEFT JOIN listings l ON l.channel_id = o.channel_id AND l.sku = o.sku LEFT JOIN items i ON i.sku = o.sku"
            " ORDER BY c.name, o.sku"
        )
    unknown = sorted(set(skus) - {item.sku for item in items})
    if unknown:
        raise UserError(f"there is no item {', '.join(unknown)}; `ordersync stock show` lists them all")
    stands: defaultdict[int, list[Stand]] = defaultdict(list)
    for row in places:
        stands[row.item_id].append(Stand(row.name, row.on_hand, row.allocated, row.on_hand - row.allocated))
    elsewhere: defaultdict[int | None, list[Elsewhere]] = defaultdict(list)
    for row in own:
        found = Elsewhere(row.name, row.sku, row.on_hand, row.available, row.incoming, row.read_at)
        elsewhere[row.item_id].append(found)
    parts: defaultdict[int, dict[str, int]] = defaultdict(dict)
    makes: dict[int, int] = {}
    for row in kits:
        parts[row.kit_id][row.sku] = row.quantity
        makes[row.kit_id] = min(makes.get(row.kit_id, row.free), row.free // row.quantity)
    return [
        Shown(
            item.sku,
            item.title,
            item.on_hand,
            item.reserved,
            makes.get(item.id, item.on_hand - item.reserved),
            tuple(stands[item.id]),
            parts[item.id],
            tuple(elsewhere[item.id]),
        )
        for item in items
    ]
