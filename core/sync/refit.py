"""Promises that no location of their channel can keep any more, found again and taken back.

Units are promised out of what a channel's locations have (`core.spare`). That stops being true when its list of
locations changes, a location is switched off, or units leave a location other than by its orders. Bound units stay
where they are, planned ones excepted; of the others the newest orders' go back to waiting, and resume by themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from core.spare import Laid
from core.store.catalogue import parts_of
from core.store.database import Store, Tx
from core.store.moves import Stock
from core.store.unbound import as_sites, as_text, unbound
from core.sync.stored import load_lines
from core.sync.take_back import NeedOrders, TakenBack, load_holders, plan, take_back, with_orders

_WHY = "the locations that ship for the channel do not have them free"


def refit(store: Store, now: int) -> list[TakenBack]:
    """Takes back what cannot be kept, of all channels; the orders that lost something, the newest first.

    Costs two small queries where every channel ships from every location: there, what is on hand decides alone.
    """
    with store.read() as tx:
        items = _misfits(tx)
    if not items:
        return []
    try:
        return with_orders(store, lambda tx, held: _refit(tx, items, held, now))
    except NeedOrders:  # orders keep changing; the next round looks again
        return []


def _misfits(tx: Tx) -> list[int]:
    """The items with promises that do not fit."""
    channels = {row.id: row.sites for row in tx.rows("SELECT id, sites FROM channels")}
    everywhere = as_text([row.id for row in tx.rows("SELECT id FROM locations")])
    if all(sites in ("", everywhere) for sites in channels.values()):
        return []
    waiting = tx.rows("SELECT DISTINCT item_id FROM lines WHERE reserved > allocated")
    parts = parts_of(tx, [row.item_id for row in waiting if row.item_id is not None])
    promised = unbound(tx, sorted({item for made_of in parts.values() for item, _ in made_of}))
    free: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for item, place, units in tx.rows(
        "SELECT item_id, location_id, on_hand - allocated FROM stock WHERE item_id IN :ids", ids=sorted(promised)
    ):
        free[item][place] = units
    found = _called_off(tx, channels)
    for item, by in promised.items():
        laid = Laid(free[item])
        if any(laid.add(sites, units) < units for sites, units in by.items()):
            found.add(item)
    return sorted(found)


def _called_off(tx: Tx, channels: dict[int, Any]) -> set[int]:
    """The items planned to leave where their channel does not ship from."""
    planned = tx.rows(
        "SELECT DISTINCT o.channel_id, f.location_id FROM fulfilment_orders f JOIN orders o ON o.id = f.order_id"
        " WHERE f.state = 'planned'"
    )
    found: set[int] = set()
    for channel_id, place in planned:
        sites = as_sites(channels[channel_id])
        if sites is not None and place not in sites:
            rows = tx.rows(
                "SELECT DISTINCT r.item_id FROM fulfilment_orders f JOIN orders o ON o.id = f.order_id"
                " JOIN fulfilment_lines w ON w.fulfilment_order_id = f.id JOIN reservations r ON r.line_id = w.line_id"
                " WHERE f.state = 'planned' AND f.location_id = :place AND o.channel_id = :channel",
                place=place,
                channel=channel_id,
            )
            found |= {row.item_id for row in rows}
    return found


def _refit(tx: Tx, items: Sequence[int], held: frozenset[int], now: int) -> list[TakenBack]:
    orders = sorted(held)
    tx.rows("SELECT id FROM orders WHERE id IN :ids ORDER BY id /*lock*/", ids=orders)
    lines = load_lines(tx, orders)
    parts = {item for found in lines.values() for line in found for item, _ in line.claim.parts or ()}
    stock = Stock(tx, parts.union(items))
    free: dict[int, dict[int, int]] = {item: {} for item in items}
    for (item, place), units in stock.free_at.items():
        if item in free:
            free[item][place] = units
    losses = plan(load_holders(tx, items), {}, {}, free)
    wanted = {loss.order_id for loss in losses.values()}
    if not wanted <= held:
        raise NeedOrders(wanted)
    taken = take_back(tx, losses, lines, stock, _WHY, "ordersync", now)
    stock.write(now)
    return taken
