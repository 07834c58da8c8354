"""Work of warehouses whose parcel never left after all: they are asked not to send it once more.

A warehouse may give what it has packed another label, told of it or not. So what a void parcel took of its work is open
there again, and all of that work is called back: only of the whole it is plain what is meant, whether or not it still
counts the void units as sent. What is wanted is handed over anew once it has been asked (`hand_over`). Where the units
leave by the old work all the same, their parcel is booked to it, and the newer work is called back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from core.store import tables
from core.store.database import Tx
from core.sync.recall import said_of
from core.sync.warehouse import LIVE


class Lying(NamedTuple):
    """Whether a warehouse may send units of a void parcel once more."""

    handed: bool
    """It was handed work that has them open."""
    stopping: bool
    """It is asked to stop; else people have to tell it."""


def unsend_work(tx: Tx, parcel: Any, units: Mapping[int, int], others: Mapping[int, int], now: int) -> Lying:
    """Opens again what a void parcel of a locked order took of handed-over work, and calls that work back.

    `units`: those of the parcel, by order line; `others`: those that left by other parcels.
    """
    rows = tx.rows(
        "SELECT l.* FROM handover_lines l JOIN handovers h ON h.id = l.handover_id"
        " WHERE h.order_id = :order AND l.line_id IN :lines"
        # The work that told of it first; where none did, the newest of those at the location it left from.
        " ORDER BY CASE WHEN EXISTS (SELECT 1 FROM notices n WHERE n.handover_id = h.id AND n.kind = 'left'"
        "  AND n.state = 'taken' AND n.happened_at = :at) THEN 0 ELSE 1 END,"
        " CASE WHEN h.location_id = :place THEN 0 ELSE 1 END, h.id DESC, l.number",
        order=parcel.order_id,
        place=parcel.location_id,
        lines=sorted(units),
        at=parcel.shipped_at,
    )
    opened: set[int] = set()
    for line_id, count in units.items():
        by_work: dict[int, list[Any]] = {}
        for row in rows:
            if row.line_id == line_id:
                by_work.setdefault(row.handover_id, []).append(row)
        sent = {id: max(row.shipped // row.per for row in parts) for id, parts in by_work.items()}
        # What was booked by hand may have been told as well, as far as no other parcel accounts for what was told.
        left = count if parcel.origin == "warehouse" else min(count, max(0, sum(sent.values()) - others[line_id]))
        for id, parts in by_work.items():
            back = min(left, sent[id])
            left -= back
            if back:
                _open(tx, id, parts, back)
                opened.add(id)
    lying = _live_again(tx, parcel, sorted(units), now)
    _call_back(tx, sorted(opened), now)
    return lying


def _open(tx: Tx, id: int, parts: Sequence[Any], units: int) -> None:
    """`units` of one order line are open again in a handover; to one that followed it fewer had left before."""
    for part in parts:
        tx.run(
            "UPDATE handover_lines SET shipped = shipped - :units WHERE handover_id = :id AND number = :number",
            units=units * part.per,
            id=id,
            number=part.number,
        )
    tx.run(
        "UPDATE handover_lines SET before = CASE WHEN before > :units THEN before - :units ELSE 0 END"
        " WHERE line_id = :line AND handover_id IN (SELECT n.id FROM handovers h JOIN handovers n"
        "  ON n.fulfilment_order_id = h.fulfilment_order_id AND n.generation > h.generation WHERE h.id = :id)",
        units=units,
        line=parts[0].line_id,
        id=id,
    )


def _live_again(tx: Tx, parcel: Any, lines: Sequence[int], now: int) -> Lying:
    """Ended work that has open units again is live, where it can be called back and nothing that followed it is."""
    rows = tx.rows(
        "SELECT h.id, h.fulfilment_order_id AS work, w.recalls FROM handovers h JOIN warehouses w"
        " ON w.id = h.warehouse_id WHERE h.order_id = :order AND h.state IN ('sent', 'handed', 'accepted', 'done',"
        " 'refused') AND EXISTS (SELECT 1 FROM handover_lines l WHERE l.handover_id = h.id"
        "  AND l.line_id IN :lines AND l.quantity > l.shipped + l.withdrawn) ORDER BY h.id",
        order=parcel.order_id,
        lines=lines,
    )
    now_live = f"SELECT id, fulfilment_order_id AS work FROM handovers WHERE order_id = :order AND {LIVE}"
    live = {row.work: row.id for row in tx.rows(now_live, order=parcel.order_id)}
    ended = {row.work: row.id for row in rows if row.recalls and row.work not in live}  # the newest of each
    tx.run(
        "UPDATE handovers SET state = 'accepted', updated_at = :now WHERE id IN :ids",
        ids=sorted(ended.values()),
        now=now,
    )
    live |= ended
    stopping = all(row.recalls and live.get(row.work) == row.id for row in rows)
    return Lying(handed=bool(rows), stopping=bool(rows) and stopping)


def _call_back(tx: Tx, ids: Sequence[int], now: int) -> None:
    """Calls all of a handover back that has not left and whose recall was not asked for yet."""
    works = tx.rows(
        "SELECT h.* FROM handovers h JOIN warehouses w ON w.id = h.warehouse_id WHERE h.id IN :ids AND w.recalls"
        f" AND h.{LIVE} ORDER BY h.id",
        ids=list(ids),
    )
    said = said_of(tx, [work.id for work in works])
    for work, id in zip(works, tx.ids(tables.recalls, len(works)), strict=True):
        lines = {
            line.number: line.quantity - line.shipped - line.withdrawn - said[work.id].get(line.number, 0)
            for line in tx.rows("SELECT * FROM handover_lines WHERE handover_id = :id", id=work.id)
        }
        lines = {number: units for number, units in lines.items() if units > 0}
        again = f"-{work.generation}" if work.generation > 1 else ""
        prefix = work.key.removesuffix(f"{work.fulfilment_order_id}{again}")
        tx.insert(
            tables.recalls,
            ("id", "handover_id", "key", "lines", "whole", "due_at", "created_at", "updated_at"),
            [(id, work.id, f"{prefix}R{id}", msgspec.json.encode(lines).decode(), True, now, now, now)],
        )
