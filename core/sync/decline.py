"""Work that a warehouse will not do goes back to its order, to be routed anew (see `reject`)."""

from __future__ import annotations

from typing import Any

from core.store.database import Tx
from core.sync.reject import reject

Units = dict[int, int]
"""Units of order lines, by the lines' ids."""


def decline(tx: Tx, row: Any, units: Units, why: str, reference: str, actor: str, now: int) -> int:
    """Takes units of a handover's work off its location, as far as they are still asked of it; returns how many.

    What was called off meanwhile is not declined as well: the warehouse said so before it heard of it.
    """
    open = tx.rows(
        "SELECT w.line_id, l.number, w.quantity - w.shipped AS open FROM fulfilment_lines w"
        " JOIN lines l ON l.id = w.line_id JOIN fulfilment_orders f ON f.id = w.fulfilment_order_id"
        " WHERE f.id = :id AND f.state = 'released'",
        id=row.fulfilment_order_id,
    )
    off = {line.number: min(line.open, units.get(line.line_id, 0)) for line in open}
    off = {number: count for number, count in off.items() if count}
    if off:
        reject(tx, row.fulfilment_order_id, off, why, actor, now, reference=reference)
    return sum(off.values())
