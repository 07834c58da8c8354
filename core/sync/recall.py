"""Calling work back: what a warehouse was handed and is not wanted any more.

Nobody has to ask for a recall: what a warehouse may still send is compared with what its fulfilment order wants, and
the difference is called back, whatever has made it: a cancellation here or at the channel, a promise taken back, a
rerouting. It may come too late; then the warehouse says so, and what leaves all the same is told as it leaves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from core.errors import Unavailable, UserError
from core.handover import Recall
from core.model import Ack, AckState
from core.store import tables
from core.store.database import Store, Tx
from core.sync.channel import Clock
from core.sync.hand_over import RETRY_SECONDS, note
from core.sync.observe import clean
from core.sync.warehouse import LIVE, Warehouse
from core.sync.work import SECOND
from core.warehouse import Deed

BATCH = 50

_UNWANTED = f"""
SELECT h.id, l.number, l.quantity - l.shipped - l.withdrawn AS open,
 l.quantity - l.shipped - l.withdrawn - CASE WHEN f.state IN ('released', 'done')
  THEN l.per * (COALESCE(w.quantity, 0) - COALESCE(w.shipped, 0))
   + CASE WHEN l.per * (COALESCE(w.shipped, 0) - l.before) > l.shipped
     THEN l.per * (COALESCE(w.shipped, 0) - l.before) - l.shipped ELSE 0 END
  ELSE 0 END AS over
FROM handovers h JOIN handover_lines l ON l.handover_id = h.id
JOIN fulfilment_orders f ON f.id = h.fulfilment_order_id
LEFT JOIN fulfilment_lines w ON w.fulfilment_order_id = f.id AND w.line_id = l.line_id
WHERE h.{LIVE} AND h.state IN ('handed', 'accepted')
"""
"""Each line of the work that lies there: what may still leave, and how many units more than are wanted of it. What was
booked by hand and not told of yet has left already."""


def plan_recalls(store: Store, house: Warehouse, now: int) -> int:
    """Queues a recall for whatever lies at the warehouse and is not wanted any more; returns how many are new."""
    if not house.does(Deed.RECALL):
        return 0

    def work(tx: Tx) -> int:
        house.fence(tx)
        rows = tx.rows(
            f"SELECT * FROM ({_UNWANTED} AND h.warehouse_id = :house) u WHERE u.open > 0 AND u.over > 0 ORDER BY id",
            house=house.id,
        )
        ids = sorted({row.id for row in rows})
        if not ids:
            return 0
        said = said_of(tx, ids)
        unwanted: defaultdict[int, dict[str, int]] = defaultdict(dict)
        for row in rows:
            units = min(row.open, row.over) - said[row.id].get(row.number, 0)
            if units > 0:
                unwanted[row.id][row.number] = units
        return _queue(tx, house, unwanted, said, now)

    return store.transact(work)


def said_of(tx: Tx, ids: Sequence[int]) -> defaultdict[int, dict[str, int]]:
    """Units whose recall is under way, or was asked for in vain, by handover and line."""
    said: defaultdict[int, dict[str, int]] = defaultdict(dict)
    for row in tx.rows("SELECT * FROM recalls WHERE handover_id IN :ids AND state <> 'done'", ids=list(ids)):
        for number, units in lines_of(row).items():
            said[row.handover_id][number] = said[row.handover_id].get(number, 0) + units
    return said


def _queue(
    tx: Tx,
    house: Warehouse,
    unwanted: Mapping[int, Mapping[str, int]],
    said: Mapping[int, Mapping[str, int]],
    now: int,
) -> int:
    by_units = house.does(Deed.RECALL_UNITS)
    fresh = []
    for id, lines in unwanted.items():
        open = {
            row.number: row.quantity - row.shipped - row.withdrawn - said[id].get(row.number, 0)
            for row in tx.rows("SELECT * FROM handover_lines WHERE handover_id = :id", id=id)
        }
        open = {number: units for number, units in open.items() if units > 0}
        # Where single units cannot be called back all of it is, and what is wanted of it is handed over anew.
        fresh.append((id, dict(lines) if by_units else open, not by_units or lines == open))
    ids = tx.ids(tables.recalls, len(fresh))
    tx.insert(
        tables.recalls,
        ("id", "handover_id", "key", "lines", "whole", "due_at", "created_at", "updated_at"),
        [
            (own, id, f"{house.settings.key_prefix}R{own}", msgspec.json.encode(lines).decode(), whole, now, now, now)
            for own, (id, lines, whole) in zip(ids, fresh, strict=True)
        ],
    )
    return len(fresh)


def lines_of(row: Any) -> dict[str, int]:
    """A recall's units of items, by the work's line number."""
    return msgspec.json.decode(row.lines, type=dict[str, int])


def send_recalls(store: Store, house: Warehouse, clock: Clock) -> int:
    """Asks for what is due; returns how many the warehouse took. Raises what the connector raises."""
    taken = 0
    while house.does(Deed.RECALL):
        due = _take(store, house, clock())
        if not due:
            break
        taken += _send(store, house, due, clock)
    return taken


def _take(store: Store, house: Warehouse, now: int) -> dict[int, Recall]:
    def work(tx: Tx) -> dict[int, Recall]:
        house.fence(tx)
        _trim(tx, house, now)
        rows = tx.rows(
            "SELECT r.*, h.key AS work, h.location_id FROM recalls r JOIN handovers h ON h.id = r.handover_id"
            " WHERE h.warehouse_id = :house AND r.state IN ('queued','sent','asked') AND r.state <> 'asked'"
            " AND r.due_at <= :now ORDER BY r.id LIMIT :batch",
            house=house.id,
            now=now,
            batch=BATCH,
        )
        tx.run(
            "UPDATE recalls SET state = 'sent', attempts = attempts + 1, due_at = :next, updated_at = :now"
            " WHERE id IN :ids",
            ids=[row.id for row in rows],
            next=now + RETRY_SECONDS * SECOND,
            now=now,
        )
        return {
            row.id: Recall(
                key=row.key,
                work=row.work,
                place=house.places.get(row.location_id, ""),
                lines=lines_of(row),
                whole=bool(row.whole),
            )
            for row in rows
        }

    return store.transact(work)


def _trim(tx: Tx, house: Warehouse, now: int) -> None:
    """What has left since a recall was written, and before it was sent, is not called back by it."""
    rows = tx.rows(
        "SELECT r.* FROM recalls r JOIN handovers h ON h.id = r.handover_id WHERE h.warehouse_id = :house"
        " AND r.state IN ('queued','sent','asked') AND r.state = 'queued' AND r.attempts = 0 ORDER BY r.id",
        house=house.id,
    )
    open = {
        (row.handover_id, row.number): row.open
        for row in tx.rows(
            "SELECT handover_id, number, quantity - shipped - withdrawn AS open FROM handover_lines"
            " WHERE handover_id IN :ids",
            ids=sorted({row.handover_id for row in rows}),
        )
    }
    for row in rows:
        before = lines_of(row)
        lines = {number: min(units, open[row.handover_id, number]) for number, units in before.items()}
        lines = {number: units for number, units in lines.items() if units > 0}
        if not lines:
            _set(tx, row, "refused", "all of it has left already", now)
        elif lines != before:
            tx.update(tables.recalls, ("id",), ("lines",), [(row.id, msgspec.json.encode(lines).decode())])


def _send(store: Store, house: Warehouse, due: Mapping[int, Recall], clock: Clock) -> int:
    open_keys = {one.key: id for id, one in due.items()}
    acks: list[tuple[int, Ack]] = []
    try:
        for ack in house.connector.recall(list(due.values())):
            acks.append((open_keys.pop(ack.key), ack))
    except Unavailable:  # those without an answer stay as sent: asking again is harmless
        _book(store, house, acks, clock())
        raise
    _book(store, house, acks, clock())
    if open_keys:
        raise RuntimeError(f"the connector of {house.name} left {len(open_keys)} recalls unanswered")
    return sum(ack.state in (AckState.APPLIED, AckState.ACCEPTED) for _, ack in acks)


def _book(store: Store, house: Warehouse, acks: Sequence[tuple[int, Ack]], now: int) -> None:
    def work(tx: Tx) -> None:
        house.fence(tx)
        for id, ack in acks:
            row = tx.row("SELECT * FROM recalls WHERE id = :id", id=id)
            if ack.state is AckState.ACCEPTED:
                if _set(tx, row, "asked", "", now):
                    note(tx, house, work_of(tx, row), "recall asked", now, told(tx, row))
            elif ack.state in (AckState.APPLIED, AckState.REFUSED):
                end_recall(tx, house, row, ack.state is AckState.APPLIED, ack.reason, now)
            else:
                tx.run(
                    "UPDATE recalls SET state = 'queued', reason = :reason, due_at = :due WHERE id = :id",
                    id=id,
                    reason=clean(ack.reason),
                    due=now + RETRY_SECONDS * SECOND,
                )

    if acks:
        store.transact(work)


def work_of(tx: Tx, row: Any) -> Any:
    """The handover that a recall is of."""
    return tx.row("SELECT * FROM handovers WHERE id = :id", id=row.handover_id)


def told(tx: Tx, row: Any) -> str:
    """A recall's units as people say them."""
    return _worded(tx, row.handover_id, lines_of(row))


def told_open(tx: Tx, handover_id: int) -> str:
    """The units of a handover's recalls that nothing has become of yet, as people say them."""
    units: dict[str, int] = {}
    for row in tx.rows(
        "SELECT * FROM recalls WHERE handover_id = :id AND state IN ('queued','sent','asked')", id=handover_id
    ):
        for number, count in lines_of(row).items():
            units[number] = units.get(number, 0) + count
    return _worded(tx, handover_id, units)


def _worded(tx: Tx, handover_id: int, units: Mapping[str, int]) -> str:
    skus = {
        line.number: line.sku
        for line in tx.rows("SELECT number, sku FROM handover_lines WHERE handover_id = :id", id=handover_id)
    }
    return ", ".join(f"{count} {skus.get(number, number)}" for number, count in sorted(units.items()))


def end_recall(tx: Tx, house: Warehouse, row: Any, done: bool, reason: str, now: int) -> None:
    """What became of a recall: its units do not leave, or they do all the same. One that ended says no more."""
    if row.state in ("done", "refused"):
        return
    work = work_of(tx, row)
    why = clean(reason) if done else clean(reason) or "the warehouse does not say why"
    if not _set(tx, row, "done" if done else "refused", why, now):
        return
    if not done:
        note(tx, house, work, "too late to call back", now, f"{told(tx, row)}: {why}")
        return
    for number, units in lines_of(row).items():
        tx.run(
            "UPDATE handover_lines SET withdrawn = CASE WHEN withdrawn + :units > quantity - shipped"
            " THEN quantity - shipped ELSE withdrawn + :units END WHERE handover_id = :id AND number = :number",
            id=row.handover_id,
            number=number,
            units=units,
        )
    close_work(tx, [row.handover_id], now)
    note(tx, house, work, "called back", now, told(tx, row))


def settle_work(store: Store, key: str, why: str, now: int, actor: str = "operator") -> None:
    """Somebody has seen to what was too late to call back of the work `key`, or was asked for and never answered.

    Raises `UserError` where nothing was. An answer that comes after all changes nothing.
    """

    def work(tx: Tx) -> None:
        works = tx.rows(
            "SELECT h.id, h.order_id, o.channel_id, EXISTS (SELECT 1 FROM recalls l WHERE l.handover_id = h.id"
            "  AND l.state = 'refused') AS late FROM handovers h JOIN orders o ON o.id = h.order_id"
            f" WHERE h.key = :key AND h.{LIVE} AND EXISTS (SELECT 1 FROM recalls r WHERE r.handover_id = h.id"
            "  AND r.state IN ('refused', 'asked')) ORDER BY h.order_id",
            key=key,
        )
        if not works:
            raise UserError(
                f"nothing of work {key} was too late to call back or waits for an answer;"
                " see `ordersync warehouse work`"
            )
        orders = [one.order_id for one in works]
        tx.rows("SELECT id FROM orders WHERE id IN :ids ORDER BY id /*lock*/", ids=orders)
        late = {one.id for one in works if one.late}
        seen_to(tx, [one.id for one in works], now, states=("refused", "asked"))
        told = [
            (now, actor, one.channel_id, one.order_id,
             "too late, and seen to" if one.id in late else "recall seen to", f"{key}: {why}")
            for one in works
        ]  # fmt: skip
        tx.insert(tables.audit, ("at", "actor", "channel_id", "order_id", "event", "detail"), told)

    store.transact(work)


def seen_to(tx: Tx, ids: Sequence[int], now: int, states: Sequence[str] = ("refused",)) -> bool:
    """Somebody has seen to what was too late to call back of this work, whose orders are locked: nothing that is not
    wanted is expected of it any more. Returns whether there was anything. `states`: of which recalls that holds.

    What leaves all the same is more than was asked for: its notice cannot be booked, and a person sees it.
    """
    asked_for: defaultdict[int, dict[str, int]] = defaultdict(dict)
    for row in tx.rows(
        "SELECT * FROM recalls WHERE handover_id IN :ids AND state IN :states ORDER BY id", ids=ids, states=list(states)
    ):
        if not _set(tx, row, "done", f"{row.reason or 'no answer'}; seen to by hand", now):
            continue
        for number, units in lines_of(row).items():
            asked_for[row.handover_id][number] = asked_for[row.handover_id].get(number, 0) + units
    for row in tx.rows(f"{_UNWANTED} AND h.id IN :ids", ids=sorted(asked_for)):
        units = min(row.open, row.over, asked_for[row.id].get(row.number, 0))
        if units > 0:
            tx.run(
                "UPDATE handover_lines SET withdrawn = withdrawn + :units WHERE handover_id = :id AND number = :number",
                units=units,
                id=row.id,
                number=row.number,
            )
    close_work(tx, sorted(asked_for), now)
    return bool(asked_for)


def _set(tx: Tx, row: Any, state: str, reason: str, now: int) -> bool:
    """False where the recall is not as it was read any more: its answer may come as a person sees to it."""
    return bool(
        tx.run(
            "UPDATE recalls SET state = :state, reason = :reason, updated_at = :now WHERE id = :id AND state = :was",
            state=state,
            reason=reason,
            now=now,
            id=row.id,
            was=row.state,
        )
    )


def close_work(tx: Tx, ids: Sequence[int], now: int) -> None:
    """Ends live work of which nothing is to come any more: done where something left, else recalled."""
    tx.run(
        "UPDATE handovers SET updated_at = :now, state = CASE WHEN EXISTS (SELECT 1 FROM handover_lines l"
        "  WHERE l.handover_id = handovers.id AND l.shipped > 0) THEN 'done' ELSE 'recalled' END"
        f" WHERE id IN :ids AND {LIVE} AND NOT EXISTS (SELECT 1 FROM handover_lines l"
        "  WHERE l.handover_id = handovers.id AND l.quantity > l.shipped + l.withdrawn)",
        ids=list(ids),
        now=now,
    )
