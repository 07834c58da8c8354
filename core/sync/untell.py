"""Taking back at a channel what it was told: a parcel that is void here is taken back there by one push of its own.

It is told once for each parcel (its key is the parcel's), and what builds on it waits: another parcel of the same
lines, and a cancellation, as the channel takes the units for shipped until it has landed.
"""

from __future__ import annotations

from typing import Any

from core.store import tables
from core.store.database import Tx


def untell(tx: Tx, order: Any, parcel: Any, now: int) -> int:
    """Makes due that the channel takes back a parcel it was told of; the push that says so. The order is locked."""
    push_id = tx.ids(tables.pushes, 1)[0]
    tx.insert(
        tables.pushes,
        ("id", "channel_id", "kind", "key", "order_id", "shipment_id", "due_at", "created_at", "updated_at"),
        [(push_id, order.channel_id, "void", f"shipment:{parcel.id}", order.id, parcel.id, now, now, now)],
    )
    return push_id


def settle_untold(tx: Tx, parcel: Any, now: int) -> bool:
    """Somebody has seen to the parcel at its channel, as far as that could be done: what is not on its way is not told
    any more, and what waited for it goes on. Whether there was such a push."""
    return bool(
        tx.run(
            "UPDATE pushes SET state = 'dropped', reason = 'seen to at the channel', updated_at = :now"
            " WHERE order_id = :order AND shipment_id = :id AND kind = 'void' AND state IN ('queued', 'refused')",
            now=now,
            order=parcel.order_id,
            id=parcel.id,
        )
    )
