"""The invariants of what channels are told: parcels, cancelled units and refunds, each once and in the same words.

All hold at every commit: what is decided here is written with the push that tells it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from core.model import Cancellation, CancelReason
from core.plurals import are, many
from core.store import tables
from core.store.database import Tx
from core.sync.confirm import remaining
from core.sync.observe import digest
from core.sync.said import encoded
from core.sync.verify_breach import LOOK, MOST, REPAIR, Breach, Check, name_lines, name_orders

_WAITING = "state <> 'confirmed' AND state <> 'dropped'"


def parcels_are_told_once(tx: Tx) -> Iterator[Breach]:
    """I12: each parcel that left from here is told to its channel by one push, and no other parcel is.

    Its corrections are further generations of the same push.
    """
    rows = tx.rows(
        f"""
        SELECT shipment_id, MAX(order_id) AS order_id, SUM(due) AS due, SUM(pushes) AS pushes FROM (
          SELECT id AS shipment_id, order_id, CASE WHEN origin = 'channel' THEN 0 ELSE 1 END AS due, 0 AS pushes
          FROM shipments
          UNION ALL
          SELECT shipment_id, order_id, 0, 1 FROM pushes WHERE kind = 'tracking' AND generation = 1
        ) t GROUP BY shipment_id HAVING SUM(due) <> SUM(pushes) OR MIN(order_id) <> MAX(order_id)
        ORDER BY shipment_id LIMIT {MOST}
        """
    )
    orders = name_orders(tx, [row.order_id for row in rows])
    for row in rows:
        yield Breach(
            name="I12",
            subject=f"{orders[row.order_id]}, shipment {row.shipment_id}",
            wrong=f"the channel is told of it by {many(row.pushes, 'push')}, and there must be {row.due}",
            cure=LOOK.format(id=row.order_id) + " and give it the tracking number by hand where it is missing there",
            order_id=row.order_id,
        )


def cancelled_units_are_told(tx: Tx) -> Iterator[Breach]:
    """I12: of units cancelled here that their channel still shows open, each is in a cancellation it is told."""
    for order_id, rows, pushes in _cancellations(tx):
        left = remaining(pushes, {row.number: row.cancelling for row in rows})
        told: defaultdict[str, int] = defaultdict(int)
        for push in pushes:
            for line, units in left[push.id].items():
                told[line] += units
        names = name_lines(tx, [row.id for row in rows if row.cancelling > told[row.number]])
        for row in rows:
            if row.id in names:
                yield Breach(
                    name="I12",
                    subject=names[row.id][1],
                    wrong=f"{many(row.cancelling, 'unit')} {are(row.cancelling)} cancelled here and open at the"
                    f" channel, which is told of {told[row.number]}",
                    cure=REPAIR,
                    order_id=order_id,
                )
        for push in pushes:
            if not left[push.id] and push.state != "refused":
                yield Breach(
                    name="I12",
                    subject=name_orders(tx, [order_id])[order_id],
                    wrong=f"push {push.id} is {push.state}, and the channel shows all its units as cancelled",
                    cure=REPAIR,
                    order_id=order_id,
                )


def _cancellations(tx: Tx) -> Iterator[tuple[int, Sequence[Any], Sequence[Any]]]:
    """Each order with units being cancelled or a cancellation not done with: its id, lines and pushes."""
    pushes: defaultdict[int, list[Any]] = defaultdict(list)
    for push in tx.rows(f"SELECT * FROM pushes WHERE kind = 'cancel' AND {_WAITING} ORDER BY id LIMIT {MOST}"):
        pushes[push.order_id].append(push)
    cancelling = tx.rows(f"SELECT DISTINCT order_id FROM lines WHERE cancelling > 0 ORDER BY order_id LIMIT {MOST}")
    orders = sorted({*pushes, *(row.order_id for row in cancelling)})
    lines: defaultdict[int, list[Any]] = defaultdict(list)
    for row in tx.rows("SELECT * FROM lines WHERE order_id IN :ids ORDER BY order_id, id", ids=orders):
        lines[row.order_id].append(row)
    for order_id in orders:
        yield order_id, lines[order_id], pushes[order_id]


def refunds_are_given_once(tx: Tx) -> Iterator[Breach]:
    """I12: a refund the channel has given stands under one number of its own, and one it refused under none."""
    rows = tx.rows(
        "SELECT p.id, p.order_id, p.state, r.number FROM pushes p LEFT JOIN refunds r ON r.push_id = p.id"
        " WHERE p.kind = 'refund' AND ((r.id IS NOT NULL AND p.state IN ('refused', 'dropped')) OR (r.id IS NULL"
        f" AND (p.state = 'confirmed' OR (p.state = 'applied' AND p.ticket <> '')))) ORDER BY p.id LIMIT {MOST}"
    )
    orders = name_orders(tx, [row.order_id for row in rows])
    for row in rows:
        stands = f"stands as {row.number}" if row.number else "stands under no number of its own"
        yield Breach(
            name="I12",
            subject=f"{orders[row.order_id]}, push {row.id}",
            wrong=f"the refund is {row.state} and {stands}",
            cure=LOOK.format(id=row.order_id) + ": how often was it given there?",
            order_id=row.order_id,
        )


def pushes_keep_their_words(tx: Tx) -> Iterator[Breach]:
    """I13: what is on its way says what it said first, and what is refused says why."""
    rows = tx.rows(f"SELECT * FROM pushes WHERE {_WAITING} ORDER BY id LIMIT 100000")
    wrong: dict[int, str] = {}
    for row in rows:
        if row.digest is not None and bytes(row.digest) != digest(row.argument.encode()):
            wrong[row.id] = "it does not say any more what it said first"
        elif (
            row.digest is None
            and row.kind in ("void", "cancel", "refund")
            and row.state in ("sent", "unknown", "accepted")
        ):
            wrong[row.id] = "it is on its way, and nobody knows what it said"
        elif row.state == "refused" and not row.reason:
            wrong[row.id] = "it is refused without a reason"
    told = [row for row in rows if row.id in wrong][:MOST]
    orders = name_orders(tx, [row.order_id for row in told])
    for row in told:
        yield Breach(
            name="I13",
            subject=f"{orders[row.order_id]}, push {row.id}",
            wrong=wrong[row.id],
            cure=LOOK.format(id=row.order_id) + ", then `ordersync push drop` it or decide it anew",
            order_id=row.order_id,
        )


CHECKS: tuple[Check, ...] = (
    parcels_are_told_once,
    cancelled_units_are_told,
    refunds_are_given_once,
    pushes_keep_their_words,
)


def repair_cancellations(tx: Tx, order_id: int, now: int) -> list[str]:
    """Makes due what nobody tells the channel of an order's cancelled units, and ends what it shows already.

    Returns what was done, each as one line.
    """
    order = tx.row("SELECT * FROM orders WHERE id = :id /*lock*/", id=order_id)
    lines = tx.rows("SELECT * FROM lines WHERE order_id = :id ORDER BY id", id=order_id)
    pushes = tx.rows(
        f"SELECT * FROM pushes WHERE order_id = :id AND kind = 'cancel' AND {_WAITING} ORDER BY id /*lock*/",
        id=order_id,
    )
    left = remaining(pushes, {line.number: line.cancelling for line in lines})
    done = []
    for push in pushes:
        if not left[push.id] and push.state != "refused":
            tx.run("UPDATE pushes SET state = 'confirmed', updated_at = :now WHERE id = :id", now=now, id=push.id)
            done.append(f"push {push.id} is confirmed: the channel shows its units as cancelled")
    missing = {line.number: line.cancelling for line in lines}
    for units in left.values():
        for number, count in units.items():
            missing[number] -= count
    missing = {number: count for number, count in missing.items() if count}
    if missing:
        done.append(_tell_missing(tx, order, lines, missing, now))
    subject = name_orders(tx, [order_id])[order_id]
    rows = [(now, "verify --repair", order.channel_id, order_id, "repaired", text) for text in done]
    tx.insert(tables.audit, ("at", "actor", "channel_id", "order_id", "event", "detail"), rows)
    return [f"repaired: {subject}: {text}" for text in done]


def _tell_missing(tx: Tx, order: Any, lines: Sequence[Any], missing: dict[str, int], now: int) -> str:
    """A cancellation of the units nobody tells of; behind those that wait, whose units count as cancelled before."""
    push_id = tx.ids(tables.pushes, 1)[0]
    words = Cancellation(
        key=f"cancel:{push_id}",
        order=order.number,
        lines=missing,
        before={line.number: line.cancelled - missing[line.number] for line in lines if line.number in missing},
        reason=CancelReason.OTHER,
        whole=all(not line.shipped and line.ordered == line.cancelled for line in lines),
    )
    tx.insert(
        tables.pushes,
        ("id", "channel_id", "kind", "key", "order_id", "argument", "due_at", "created_at", "updated_at"),
        [(push_id, order.channel_id, "cancel", f"id:{push_id}", order.id, encoded(words), now, now, now)],
    )
    units = ", ".join(f"{count} of line {number}" for number, count in missing.items())
    return f"{units} cancelled here are told to the channel (push {push_id})"
