"""Releasing work to locations: what is planned and not held may be picked."""

from __future__ import annotations

from core.store.database import Store, Tx
from core.sync.channel import Channel
from core.sync.warehouse import poke_warehouses


def release(store: Store, channel: Channel, now: int) -> int:
    """Releases every planned fulfilment order of the channel that nothing holds; returns how many.

    Warehouses look at once what of it is theirs.
    """

    def work(tx: Tx) -> int:
        channel.fence(tx)
        return tx.run(
            "UPDATE fulfilment_orders SET state = 'released', released_at = :now WHERE state = 'planned'"
            " AND EXISTS (SELECT 1 FROM orders o WHERE o.id = fulfilment_orders.order_id AND o.channel_id = :channel)"
            " AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.order_id = fulfilment_orders.order_id)"
            " AND (:whole = 0 OR NOT EXISTS (SELECT 1 FROM lines l WHERE l.order_id = fulfilment_orders.order_id"
            " AND l.backordered + l.held > 0))",
            whole=int(channel.settings.backorder == "whole"),
            now=now,
            channel=channel.id,
        )

    released = store.transact(work)
    if released:
        poke_warehouses(store)
    return released
