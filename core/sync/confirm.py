"""Pushes confirmed: what the channel itself shows of them is the surest answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.model import Cancellation, Order, Shipment
from core.store import tables
from core.store.database import Tx
from core.sync.refunded import match
from core.sync.said import decoded

OVERTAKEN = "{units} of line {line} left at the channel although cancelled here; drop it, and have the parcel back"


@dataclass(slots=True)
class Shown:
    """One order as its channel shows it now, and what that did to units cancelled here."""

    id: int
    order: Order
    cancelling: Mapping[str, int] = field(default_factory=dict)
    """By line number: units cancelled here that the channel does not show as cancelled."""
    overtaken: Mapping[str, int] = field(default_factory=dict)
    """By line number: units cancelled here that have just turned out to have left."""


def confirm(tx: Tx, orders: Sequence[Shown], now: int) -> None:
    """Looks at the pushes of stored, locked orders; those the channel shows are done."""
    if not orders:
        return
    by_id = {one.id: one for one in orders}
    pushes: defaultdict[str, list[Any]] = defaultdict(list)
    for row in tx.rows(
        "SELECT p.id, p.kind, p.order_id, p.shipment_id, p.state, p.argument, p.digest, p.ticket, s.tracking,"
        " s.void_shown"
        " FROM pushes p LEFT JOIN shipments s ON s.id = p.shipment_id"
        " WHERE p.order_id IN :ids AND p.state <> 'confirmed' AND p.state <> 'dropped' ORDER BY p.id",
        ids=list(by_id),
    ):
        pushes[row.kind].append(row)
    done = [row.id for row in pushes["acknowledge"] if by_id[row.order_id].order.acknowledged]
    shown = [row for row in pushes["tracking"] if told_number(row) in _trackings(by_id[row.order_id].order)]
    done += [row.id for row in shown]
    _end_corrected(tx, shown, pushes["tracking"], now)
    # One that is still queued is told all the same: what was read here may have been written before it was told of it.
    done += [row.id for row in pushes["void"] if row.state != "queued" and not row.void_shown]
    if pushes["cancel"]:
        gone, refused = _cancellations(pushes["cancel"], by_id)
        done += gone
        tx.update(tables.pushes, ("id",), ("state", "reason", "updated_at"), [(*row, now) for row in refused])
    if pushes["refund"]:
        done += match(tx, [(one.id, one.order) for one in orders], pushes["refund"])
    if done:
        tx.run(
            "UPDATE pushes SET state = 'confirmed', reason = '', updated_at = :now WHERE id IN :ids", ids=done, now=now
        )


def _end_corrected(tx: Tx, shown: Sequence[Any], pushes: Sequence[Any], now: int) -> None:
    """What a parcel was told before its correction is over once the correction is shown: it is replaced."""
    newest = {row.shipment_id: row.id for row in shown}
    over = [row for row in pushes if row.id < newest.get(row.shipment_id, 0) and row not in shown]
    rows = [
        (row.id, "confirmed" if row.state == "applied" else "dropped", "corrected since", now)
        for row in over
        if row.state in ("applied", "refused")
    ]
    tx.update(tables.pushes, ("id",), ("state", "reason", "updated_at"), rows)


def _trackings(order: Order) -> Collection[str]:
    return {package.tracking for package in order.packages}


def told_number(row: Any) -> str:
    """The tracking number a push tells: as it was sent, else as its parcel (`tracking`) has it now."""
    if row.digest is None:
        return str(row.tracking)
    words = decoded(row.argument, Shipment)
    return words.tracking


def shows_cancelled(order: Order, argument: str) -> bool:
    """Whether an order has all the units cancelled that a cancellation asks for, beside those that were before."""
    words = decoded(argument, Cancellation)
    there = {line.number: line.cancelled for line in order.lines}
    return all(there.get(line, 0) >= words.before.get(line, 0) + units for line, units in words.lines.items())


def _cancellations(pushes: Iterable[Any], orders: Mapping[int, Shown]) -> tuple[list[int], list[tuple[int, str, str]]]:
    """The cancellations the channel shows as done, and those a parcel has overtaken: refused, with why."""
    by_order: defaultdict[int, list[Any]] = defaultdict(list)
    for row in pushes:
        by_order[row.order_id].append(row)
    done: list[int] = []
    refused: list[tuple[int, str, str]] = []
    for id, rows in by_order.items():
        shown = orders[id]
        left = remaining(rows, shown.cancelling)
        for row in rows:
            words = decoded(row.argument, Cancellation)
            late = {line: units for line, units in shown.overtaken.items() if line in words.lines}
            if late:
                told = "; ".join(OVERTAKEN.format(line=line, units=units) for line, units in late.items())
                refused.append((row.id, "refused", told))
            elif shows_cancelled(shown.order, row.argument) or (not left[row.id] and row.state != "refused"):
                done.append(row.id)
    return done, refused


def remaining(pushes: Sequence[Any], cancelling: Mapping[str, int]) -> dict[int, dict[str, int]]:
    """Of each cancellation of one order, by push, the units its channel does not show yet, by line number.

    `pushes` are all that are neither confirmed nor dropped, the oldest first; `cancelling` is what the order's lines
    say. What the channel has shown is always taken for the oldest.
    """
    open_units = dict(cancelling)
    found: dict[int, dict[str, int]] = {}
    for row in reversed(pushes):
        words = decoded(row.argument, Cancellation)
        left = {line: min(units, open_units.get(line, 0)) for line, units in words.lines.items()}
        for line, units in left.items():
            open_units[line] = open_units.get(line, 0) - units
        found[row.id] = {line: units for line, units in left.items() if units}
    return found
