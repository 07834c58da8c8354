"""The invariants of stock that is to come: each unit that is received, on its way or lost is in the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from core.store import tables
from core.store.database import Tx
from core.sync.verify_breach import MOST, REPAIR, Breach, Check, name_items

# What the ledger says of each expectation: units that came where they were to come, and units that left for there.
_MOVED = """
SELECT n.id, n.item_id, n.reference, n.source, n.quantity, n.received, n.lost, n.state,
  COALESCE(SUM(CASE WHEN g.location_id = n.location_id THEN g.on_hand ELSE 0 END), 0) AS came,
  -COALESCE(SUM(CASE WHEN g.location_id <> n.location_id THEN g.on_hand ELSE 0 END), 0) AS sent,
  COALESCE(SUM(CASE WHEN g.item_id <> n.item_id OR (g.location_id <> n.location_id
    AND g.location_id <> COALESCE(n.from_id, 0)) THEN 1 ELSE 0 END), 0) AS strange
FROM incoming n LEFT JOIN ledger g ON g.incoming_id = n.id
"""


def what_came_was_expected(tx: Tx) -> Iterator[Breach]:
    """I1: what was received of an expectation is what the ledger says, and what left on a transfer is received, on its
    way, lost or back."""
    rows = tx.rows(
        f"""
        SELECT * FROM ({_MOVED} GROUP BY n.id) t
        WHERE came <> received OR (state = 'received' AND received < quantity)
          OR (state <> 'cancelled' AND lost <> 0)
          OR sent <> CASE WHEN source = 'purchase' THEN 0 WHEN state = 'cancelled' THEN received + lost
            ELSE quantity END
        ORDER BY id LIMIT {MOST}
        """
    )
    skus = name_items(tx, [row.item_id for row in rows])
    for row in rows:
        sent = f", {row.quantity} sent" if row.source == "transfer" else ""
        moved = f"{row.came} came and {row.sent} left" if row.source == "transfer" else f"{row.came} came"
        yield Breach(
            name="I1",
            subject=f"{skus[row.item_id]} expected as {row.reference}",
            wrong=f"{row.received} of {row.quantity} received{sent}, {row.lost} lost ({row.state}), but by the ledger "
            f"{moved}",
            cure=REPAIR,
            item_id=row.item_id,
        )


CHECKS: tuple[Check, ...] = (what_came_was_expected,)


def repair_incoming(tx: Tx, item_id: int, now: int) -> list[str]:
    """Counts anew what came of an item's expectations, by the ledger; returns what was done or left, a line each."""
    tx.rows("SELECT id FROM items WHERE id = :id /*lock*/", id=item_id)
    sku = name_items(tx, [item_id])[item_id]
    told: list[str] = []
    changes: list[tuple[Any, ...]] = []
    for row in tx.rows(f"{_MOVED} WHERE n.item_id = :id GROUP BY n.id ORDER BY n.id", id=item_id):
        subject = f"{sku} expected as {row.reference}"
        counted = _counted(row)
        if counted is None:
            told.append(f"left: {subject}: {row.came} came and {row.sent} left by the ledger; count both locations")
        elif counted != (row.quantity, row.received, row.lost, row.state):
            changes.append((row.id, *counted, "verify --repair", now))
            quantity, received, lost, state = counted
            told.append(
                f"repaired: {subject}: it was {row.received} of {row.quantity} received, {row.lost} lost ({row.state});"
                f" the ledger says {received} of {quantity}, {lost} lost ({state})"
            )
    tx.update(
        tables.incoming, ("id",), ("quantity", "received", "lost", "state", "actor", "updated_at"), changes
    )  # fmt: skip
    return told


def _counted(row: Any) -> tuple[int, int, int, str] | None:
    """Quantity, received, lost and state as the ledger has them; None where it makes no sense of them."""
    came, sent = int(row.came), int(row.sent)
    if row.strange or came < 0:
        return None
    if row.source == "purchase":
        done: Sequence[str] = ("received",) if came >= row.quantity else ("open", "cancelled")
        return row.quantity, came, 0, row.state if row.state in done else done[0]
    if sent <= 0 or came > sent:
        return None
    if row.state == "cancelled":
        return max(row.quantity, sent), came, sent - came, row.state
    return sent, came, 0, "received" if came == sent else "open"
