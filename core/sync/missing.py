"""Units that a warehouse counted no more and that were in doubt, and that nobody asks it for any more.

As long as it was asked for them they may have left with a parcel that is still to be told, and stay promised. Called
off, declined or picked short they are nobody's, and would be sold although they were not there.
"""

from __future__ import annotations

from typing import NamedTuple

import structlog

from core.counting import weigh
from core.errors import UserError
from core.store.database import Store, Tx
from core.sync.doubts import doubt
from core.sync.notices_of_stock import asked_of
from core.sync.stock import book_within, concerned
from core.sync.stock_asked import Ask
from core.sync.stored import lock_items
from core.sync.take_back import NeedOrders, with_orders
from core.sync.warehouse import Warehouse
from core.sync.work import poke

log = structlog.get_logger("ordersync")


class _Shelf(NamedTuple):
    """One shelf in doubt, and what is on hand and in doubt of it by now."""

    item_id: int
    location_id: int
    sku: str
    location: str
    reference: str
    on_hand: int
    left: int
    doubted: int


def take_off_missing(store: Store, house: Warehouse, now: int) -> int:
    """Takes what is in doubt for no reason any more off the shelves; returns how many shelves there were."""
    with store.read() as tx:
        if not house.settings.book_counts or not _changed(tx, house):
            return 0
    channels: set[int] = set()

    def work(tx: Tx, held: frozenset[int]) -> int:
        house.fence(tx)
        orders = sorted(held)
        tx.rows("SELECT id FROM orders WHERE id IN :ids ORDER BY id /*lock*/", ids=orders)
        lock_items(tx, orders, sorted({one.sku for one in _changed(tx, house)}))
        shelves = _changed(tx, house)  # as they stand under the items' locks
        channels.clear()
        for one in shelves:
            if one.left != one.on_hand:
                ask = Ask(kind="count", sku=one.sku, location=one.location, units=one.left)
                note = "counted no more, and asked for no more"
                lost = book_within(
                    tx, [ask], held, now, reference=one.reference, actor=house.name, note=note
                ).taken_back
                channels.update(order.channel_id for order in lost)
            doubt(tx, one.item_id, one.location_id, one.doubted)
        channels.update(concerned(tx, [one.sku for one in shelves]))
        return len(shelves)

    try:
        found = with_orders(store, work)
    except NeedOrders:  # they keep changing: the next turn sees to it
        return 0
    except UserError as error:  # the issue stays, and no other work waits for it
        log.warning("a shelf in doubt cannot be settled", warehouse=house.name, reason=str(error))
        return 0
    poke(store, sorted(channels))
    return found


def _changed(tx: Tx, house: Warehouse) -> list[_Shelf]:
    """The shelves of which more is in doubt than the warehouse is asked for."""
    rows = tx.rows(
        "SELECT c.item_id, c.location_id, c.doubted, c.notice_id, i.sku, p.name, s.on_hand, s.allocated FROM counted c"
        " JOIN items i ON i.id = c.item_id JOIN locations p ON p.id = c.location_id"
        " JOIN stock s ON s.item_id = c.item_id AND s.location_id = c.location_id"
        " WHERE c.doubted > 0 AND c.location_id IN :places ORDER BY c.item_id, c.location_id",
        places=sorted(house.places),
    )
    asked = {
        place: asked_of(tx, place, [row.item_id for row in rows if row.location_id == place])
        for place in sorted({row.location_id for row in rows})
    }
    found = []
    for row in rows:
        wanted = min(asked[row.location_id].get(row.item_id, 0), row.allocated)
        verdict = weigh(row.on_hand - row.doubted, wanted)
        doubted = min(verdict.doubted, wanted)
        if (verdict.on_hand, doubted) != (row.on_hand, row.doubted):
            reference = f"doubt:{row.notice_id}:{row.doubted}"
            names = (row.item_id, row.location_id, row.sku, row.name, reference)
            found.append(_Shelf(*names, row.on_hand, verdict.on_hand, doubted))
    return found
