"""Which expected stock covers which waiting line: the queue of `core.sync.turns` beside what is to come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.expected import Coming, Hope, Waiter, cover
from core.settings import ChannelSettings
from core.store.catalogue import parts_of
from core.store.database import Tx
from core.store.unbound import as_sites
from core.sync.turns import WAITING, in_turn


def expected(tx: Tx, orders: Sequence[int], channels: Mapping[str, ChannelSettings] | None) -> dict[int, Hope]:
    """What the waiting lines of `orders` may hope for, by line; those that nothing covers are left out.

    All who wait for the same items are served in their turn; what is free already and only not given out yet is not
    looked at. `channels` says who comes before whom.
    """
    mine = {
        row.id: row.item_id
        for row in tx.rows(
            "SELECT id, item_id FROM lines WHERE order_id IN :ids AND backordered > 0 AND item_id IS NOT NULL",
            ids=list(orders),
        )
    }
    if not mine:
        return {}
    parts = parts_of(tx, mine.values())
    needed = sorted({item for made_of in parts.values() for item, _ in made_of})
    coming = [
        Coming(row.item_id, row.location_id, row.quantity - row.received - row.lost, row.eta, row.reference)
        for row in tx.rows("SELECT * FROM incoming WHERE state = 'open' AND item_id IN :ids", ids=needed)
    ]
    if not coming:
        return {}
    kits = tx.rows("SELECT DISTINCT kit_id FROM kits WHERE component_id IN :ids", ids=needed)
    items = sorted({*needed, *(row.kit_id for row in kits)})
    parts = parts_of(tx, items)
    queue = in_turn(tx.rows(WAITING, items=items), channels)
    waiters = [Waiter(row.id, parts[row.item_id], row.backordered, as_sites(row.sites)) for row in queue]
    return {line: one for line, one in cover(waiters, coming).items() if line in mine}
