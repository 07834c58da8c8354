"""Whose turn it is when stock comes: the orders of all channels that wait for it, in one queue.

First the channels with the smaller `backorder_priority`; then by the day an order was to ship (the channel's ship-by
date, else when it was placed), then by when it was placed. Everyone is given what there is beside the promises made and
beside those before them, from the locations that ship for them; a kit as many as all of its parts allow.

The others' share is left to them: their own channel's turn fetches it. A channel that is parked is not waited for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from typing import Any

from core.model import Parts
from core.settings import ChannelSettings
from core.spare import Laid, Sites, whole
from core.store.catalogue import parts_of
from core.store.database import Tx
from core.store.unbound import as_sites, unbound
from core.sync.channel import Channel

# The first is read off the index of what waits alone: mostly nothing of it is free, and that is all.
_FREE = """
SELECT w.item_id FROM (SELECT DISTINCT item_id FROM lines WHERE backordered > 0) w JOIN items i ON i.id = w.item_id
WHERE i.on_hand > i.reserved OR EXISTS (SELECT 1 FROM kits k WHERE k.kit_id = i.id)
"""

WAITING = """
SELECT l.id, l.order_id, l.item_id, l.sku, l.backordered, o.placed_at, o.ship_by, o.channel_id, c.name, c.sites,
 c.health FROM lines l JOIN orders o ON o.id = l.order_id JOIN channels c ON c.id = o.channel_id
WHERE l.backordered > 0 AND l.item_id IN :items
 AND NOT EXISTS (SELECT 1 FROM expiries e WHERE e.order_id = l.order_id)
"""
"""SQL: the lines that wait for `items` and may be given them."""


def turns(
    tx: Tx, channel: Channel, channels: Mapping[str, ChannelSettings] | None, *, but: Collection[int] = ()
) -> dict[int, dict[int, int]]:
    """What the channel's own orders are to be given now: units by line, by order, in the order of the queue.

    `channels`: those that are waited for; all when not given. `but`: orders that had their turn.
    """
    items = [row.item_id for row in tx.rows(_FREE)]
    if not items:
        return {}
    parts = parts_of(tx, items)
    free = _Free(tx, {item for made_of in parts.values() for item, _ in made_of})
    items = [item for item in items if all(free.on_hand[part] for part, _ in parts[item])]
    if not items:
        return {}
    found: dict[int, dict[int, int]] = {}
    for row in in_turn(tx.rows(WAITING, items=items), channels):
        own = row.channel_id == channel.id
        if row.order_id in but or not (own or _is_waited_for(row, channels)):
            continue
        units = free.give(parts[row.item_id], row.backordered, channel.ships_from if own else as_sites(row.sites))
        if units and own:
            found.setdefault(row.order_id, {})[row.id] = units
    return found


def in_turn(rows: Sequence[Any], channels: Mapping[str, ChannelSettings] | None) -> list[Any]:
    """Rows of `WAITING` in the order of the queue."""
    rank = {name: own.backorder_priority for name, own in (channels or {}).items()}

    def key(row: Any) -> tuple[int, ...]:
        due = row.placed_at if row.ship_by is None else row.ship_by
        return rank.get(row.name, 100), due, row.placed_at, row.order_id, row.id

    return sorted(rows, key=key)


def _is_waited_for(row: Any, channels: Mapping[str, ChannelSettings] | None) -> bool:
    return row.health != "parked" and (channels is None or row.name in channels)


class _Free:
    """What is free of some items beside the promises there are; it grows less as it is given."""

    def __init__(self, tx: Tx, items: Collection[int]) -> None:
        ids = sorted(items)
        at: defaultdict[int, dict[int, int]] = defaultdict(dict)
        keep = {row.id: row.keep for row in tx.rows("SELECT id, keep FROM locations WHERE keep > 0")}
        for row in tx.rows("SELECT * FROM stock WHERE item_id IN :ids ORDER BY location_id", ids=ids):
            at[row.item_id][row.location_id] = max(0, row.on_hand - row.allocated - keep.get(row.location_id, 0))
        self._laid = {item: Laid(at[item]) for item in ids}
        for item, by in unbound(tx, ids).items():
            for sites, units in by.items():
                self._laid[item].add(sites, units)
        self.on_hand = {item: any(laid.left.values()) for item, laid in self._laid.items()}

    def give(self, parts: Parts, wanted: int, sites: Sites) -> int:
        """Gives up to `wanted` units made of `parts`; returns how many there were."""
        if len(parts) == 1 and parts[0][1] == 1:
            return self._laid[parts[0][0]].add(sites, wanted)
        able = min(deepcopy(self._laid[item]).add(sites, wanted * per) // per for item, per in parts)
        left = {(item, place): count for item, _ in parts for place, count in self._laid[item].left.items()}
        spots = {place for _, place in left} if sites is None else sites
        able = min(able, whole(parts, left, spots))
        for item, per in parts:
            self._laid[item].add(sites, able * per)
        return able
