"""Whose parcel it was: what an operator booked before its warehouse tells which of several works it was of.

By hand a parcel counts for the oldest work at the location it left from. Where the warehouse says that another
work there sent it, that one has sent it: else the warehouse would be asked for its units once more, while the work that
was taken for the sender still lies there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.store.database import Tx
from core.sync.stored import Bound, close_fulfilment

# What a work's warehouse has told of, in whole units of the line: what had left before it was handed over, and since.
_TOLD = """
SELECT COALESCE(MAX(l.before + l.shipped / l.per), 0) FROM handovers h JOIN handover_lines l ON l.handover_id = h.id
WHERE h.fulfilment_order_id = w.fulfilment_order_id AND l.line_id = w.line_id
"""

_WORKS = f"""
SELECT w.fulfilment_order_id AS id, w.line_id, f.location_id, f.state, w.quantity, w.shipped, ({_TOLD}) AS told
FROM fulfilment_lines w JOIN fulfilment_orders f ON f.id = w.fulfilment_order_id
WHERE f.order_id = :order AND w.line_id IN :lines AND f.state IN ('released', 'done') AND f.released_at IS NOT NULL
ORDER BY f.id
"""


def credit(tx: Tx, row: Any, units: Mapping[int, int], now: int) -> dict[int, int]:
    """The work of handover `row` sent these units, by line, of a parcel that was booked by hand; its order is locked.

    What was taken off other works at its location for them is asked of those again, as far as this one was asked for
    it; where that was cancelled, and too late, they are asked for it no more and called back. Moves no stock: it left
    once, and as much is asked of the location as before. Returns the units that were of other works, by line.
    """
    works: dict[tuple[int, int], Bound] = {}
    told: dict[tuple[int, int], int] = {}
    for one in tx.rows(_WORKS, order=row.order_id, lines=sorted(units)):
        works[one.id, one.line_id] = Bound(one.id, one.line_id, one.location_id, one.state, one.quantity, one.shipped)
        told[one.id, one.line_id] = int(one.told)
    moved: dict[int, int] = {}
    changed: list[Bound] = []
    for line, count in units.items():
        own = works.get((row.fulfilment_order_id, line))
        missing = count if own is None else min(count, told[own.fulfilment_order_id, line] - own.shipped)
        for key, other in works.items():
            spare = other.shipped - told[key]
            if other is own or key[1] != line or other.location_id != row.location_id or spare <= 0 or missing <= 0:
                continue
            took = min(spare, missing)
            asked = 0 if own is None else min(took, own.open)
            other.shipped -= took
            other.quantity -= took - asked
            missing -= took
            moved[line] = moved.get(line, 0) + took
            changed.append(other)
            if own is not None:
                own.shipped += asked
                changed.append(own)
    if changed:
        _reopen(tx, [one for one in changed if one.fulfilment_order_id != row.fulfilment_order_id], now)
        close_fulfilment(tx, list({(one.fulfilment_order_id, one.line_id): one for one in changed}.values()))
    return moved


def _reopen(tx: Tx, works: list[Bound], now: int) -> None:
    """Works that sent fewer than was thought, and what their warehouse was handed of them last, which lies there still;
    those that have nothing to send are closed again afterwards."""
    ids = sorted({one.fulfilment_order_id for one in works})
    tx.run("UPDATE fulfilment_orders SET state = 'released' WHERE id IN :ids AND state = 'done'", ids=ids)
    tx.run(
        "UPDATE handovers SET state = 'accepted', updated_at = :now WHERE fulfilment_order_id IN :ids"
        " AND state = 'done' AND EXISTS (SELECT 1 FROM handover_lines l WHERE l.handover_id = handovers.id"
        "  AND l.quantity > l.shipped + l.withdrawn)"
        " AND NOT EXISTS (SELECT 1 FROM handovers n WHERE n.fulfilment_order_id = handovers.fulfilment_order_id"
        "  AND n.generation > handovers.generation)",
        ids=ids,
        now=now,
    )
