"""Handing released work over to a warehouse: an outbox, queued → sent → handed → accepted, or refused.

`sent` is written before the call. A row found `sent` by a later turn was interrupted: it may have arrived, and is
handed over again under the same key, which is harmless by the connector's promise. One that is `queued` has never
arrived, however often it was tried: it follows what is wanted by now. What was handed over is called back (see
`recall`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from core.errors import Unavailable
from core.handover import WorkLine, WorkOrder
from core.model import Ack, AckState, Address, instant
from core.store import tables
from core.store.database import Store, Tx
from core.sync.channel import Clock
from core.sync.decline import Units, decline
from core.sync.observe import clean
from core.sync.stored import lock_items, parts_of_lines
from core.sync.warehouse import LIVE, Warehouse
from core.sync.work import SECOND
from core.warehouse import Deed

BATCH = 50
"""Work orders handed over between two commits."""

MOST = 1000
"""Work orders planned in one transaction."""

RETRY_SECONDS = 30


def plan_work(store: Store, house: Warehouse, now: int) -> int:
    """Queues what was released to the warehouse's locations, and drops what is queued and wanted no more; returns how
    many were queued."""
    if not house.does(Deed.RELEASE):
        return 0

    def work(tx: Tx) -> int:
        house.fence(tx)
        _drop_changed(tx, house, now)
        _keep_held(tx, house, now)
        _end_finished(tx, house, now)
        return _queue(tx, house, now)

    return store.transact(work)


_HELD = "EXISTS (SELECT 1 FROM holds h WHERE h.order_id = handovers.order_id)"
_OUTDATED = (
    "EXISTS (SELECT 1 FROM handover_lines l JOIN fulfilment_orders f ON f.id = handovers.fulfilment_order_id"
    "  LEFT JOIN fulfilment_lines w ON w.fulfilment_order_id = f.id AND w.line_id = l.line_id"
    "  WHERE l.handover_id = handovers.id AND (f.state <> 'released'"
    "   OR l.quantity <> l.per * COALESCE(w.quantity - w.shipped, 0)))"
)
"""SQL: it asks for something else than what is wanted by now."""


def _drop_changed(tx: Tx, house: Warehouse, now: int) -> None:
    """What never arrived and is not what is wanted by now: it is queued anew, as far as it is wanted."""
    tx.run(
        "UPDATE handovers SET state = 'dropped', updated_at = :now WHERE warehouse_id = :house"
        f" AND {LIVE} AND state = 'queued' AND (NOT location_id IN :places OR {_HELD} OR {_OUTDATED})",
        house=house.id,
        now=now,
        places=sorted(house.places),
    )


def _keep_held(tx: Tx, house: Warehouse, now: int) -> None:
    """What may have arrived, and whose order is held by now, is not handed over once more before the hold is lifted.

    Unless it is to be stopped there: only what is known to lie there can be called back, which then follows at once.
    """
    tx.run(
        "UPDATE handovers SET due_at = :next WHERE warehouse_id = :house"
        f" AND {LIVE} AND state = 'sent' AND due_at <= :now AND {_HELD} AND NOT {_OUTDATED}",
        house=house.id,
        now=now,
        next=now + RETRY_SECONDS * SECOND,
    )


def _end_finished(tx: Tx, house: Warehouse, now: int) -> None:
    """Work all of which has left, some of it told by hand and not by the warehouse."""
    tx.run(
        "UPDATE handovers SET state = 'done', updated_at = :now WHERE warehouse_id = :house"
        f" AND {LIVE} AND state IN ('handed', 'accepted') AND EXISTS (SELECT 1 FROM fulfilment_orders f"
        "  WHERE f.id = handovers.fulfilment_order_id AND f.state = 'done') AND NOT EXISTS ("
        "  SELECT 1 FROM handover_lines l LEFT JOIN fulfilment_lines w ON w.line_id = l.line_id"
        "   AND w.fulfilment_order_id = handovers.fulfilment_order_id WHERE l.handover_id = handovers.id"
        "   AND l.quantity - l.withdrawn > l.per * (COALESCE(w.quantity, 0) - l.before))",
        house=house.id,
        now=now,
    )


def _queue(tx: Tx, house: Warehouse, now: int) -> int:
    """Released work that nobody holds and that was not handed over, or whose earlier handing over was called back.

    Nothing of an order is handed over before its warehouse has been asked to stop what is not wanted of it any more.
    """
    rows = tx.rows(
        "SELECT f.id, f.order_id, f.location_id, (SELECT COALESCE(MAX(h.generation), 0) FROM handovers h"
        "  WHERE h.fulfilment_order_id = f.id) AS generations FROM fulfilment_orders f"
        " WHERE f.state = 'released' AND f.location_id IN :places AND f.released_at >= :since"
        " AND NOT EXISTS (SELECT 1 FROM handovers h WHERE h.fulfilment_order_id = f.id"
        "  AND h.state NOT IN ('recalled', 'dropped', 'done'))"
        " AND NOT EXISTS (SELECT 1 FROM handovers h JOIN recalls r ON r.handover_id = h.id"
        "  WHERE h.order_id = f.order_id AND h.warehouse_id = :house AND r.state IN ('queued', 'sent'))"
        " AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.order_id = f.order_id) ORDER BY f.id LIMIT :most",
        places=sorted(house.places),
        house=house.id,
        since=house.since,
        most=MOST,
    )
    asked = _asked_lines(tx, house, [row.id for row in rows])
    ids = tx.ids(tables.handovers, len(rows))
    tx.insert(
        tables.handovers,
        ("id", "warehouse_id", "fulfilment_order_id", "order_id", "location_id", "generation", "key", "due_at",
         "created_at", "updated_at"),
        [
            (id, house.id, row.id, row.order_id, row.location_id, row.generations + 1,
             _key(house, row.id, row.generations + 1), now, now, now)
            for id, row in zip(ids, rows, strict=True)
        ],
    )  # fmt: skip
    tx.insert(
        tables.handover_lines,
        ("handover_id", "number", "line_id", "item_id", "sku", "per", "quantity", "before"),
        [(id, *line) for id, row in zip(ids, rows, strict=True) for line in asked[row.id]],
    )
    return len(rows)


def _key(house: Warehouse, fulfilment_order_id: int, generation: int) -> str:
    again = f"-{generation}" if generation > 1 else ""
    return f"{house.settings.key_prefix}{fulfilment_order_id}{again}"


def _asked_lines(tx: Tx, house: Warehouse, ids: Sequence[int]) -> defaultdict[int, list[tuple[Any, ...]]]:
    """What each fulfilment order asks for by now, item by item: a kit's line as its components."""
    rows = tx.rows(
        "SELECT w.*, l.item_id FROM fulfilment_lines w JOIN lines l ON l.id = w.line_id"
        " WHERE w.fulfilment_order_id IN :ids AND w.shipped < w.quantity ORDER BY w.fulfilment_order_id, w.line_id",
        ids=list(ids),
    )
    parts = parts_of_lines(tx, [row.line_id for row in rows], [row.item_id for row in rows])
    items = sorted({item for made_of in parts.values() for item, _ in made_of})
    skus = {row.id: row.sku for row in tx.rows("SELECT id, sku FROM items WHERE id IN :ids", ids=items)}
    asked: defaultdict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for row in rows:
        made_of = parts[row.line_id]
        for item, per in made_of:
            number = str(row.line_id) if len(made_of) == 1 else f"{row.line_id}-{item}"
            units = per * (row.quantity - row.shipped)
            sku = house.sku_there(skus[item])
            asked[row.fulfilment_order_id].append((number, row.line_id, item, sku, per, units, row.shipped))
    return asked


def hand_over(store: Store, house: Warehouse, clock: Clock) -> int:
    """Plans and hands over until nothing is due; returns how much the warehouse took.

    Raises what the connector raises; what waits is handed over by a later turn.
    """
    taken, queued = 0, MOST
    while queued >= MOST:
        queued = plan_work(store, house, clock())
        taken += _drain(store, house, clock)
    return taken


def _drain(store: Store, house: Warehouse, clock: Clock) -> int:
    """Batch after batch of what is planned."""
    taken = 0
    while house.does(Deed.RELEASE):
        due, doubted = _take(store, house, clock())
        if not due:
            break
        taken += _send(store, house, due, doubted, clock)
    return taken


def _take(store: Store, house: Warehouse, now: int) -> tuple[dict[int, WorkOrder], frozenset[int]]:
    """The next work to hand over, marked as sent, by the handover's id; and which of it may have arrived before."""

    def work(tx: Tx) -> tuple[dict[int, WorkOrder], frozenset[int]]:
        house.fence(tx)
        _drop_changed(tx, house, now)  # looked at again: what stands before it may have taken long
        _keep_held(tx, house, now)
        rows = tx.rows(
            f"SELECT * FROM handovers WHERE warehouse_id = :house AND {LIVE} AND state IN ('queued', 'sent')"
            " AND due_at <= :now ORDER BY id LIMIT :batch",
            house=house.id,
            now=now,
            batch=BATCH,
        )
        tx.run(
            "UPDATE handovers SET state = 'sent', attempts = attempts + 1, due_at = :next, updated_at = :now"
            " WHERE id IN :ids",
            ids=[row.id for row in rows],
            next=now + RETRY_SECONDS * SECOND,
            now=now,
        )
        return _as_work(tx, house, rows), frozenset(row.id for row in rows if row.state == "sent")

    return store.transact(work)


def _as_work(tx: Tx, house: Warehouse, rows: Sequence[Any]) -> dict[int, WorkOrder]:
    """Handovers as the warehouse is told of them."""
    orders = {
        row.id: row
        for row in tx.rows(
            "SELECT o.*, c.name AS channel, b.email, b.name AS buyer, b.company, b.line1, b.line2, b.city, b.region,"
            " b.postal_code, b.country, b.phone FROM orders o JOIN channels c ON c.id = o.channel_id"
            " LEFT JOIN buyers b ON b.order_id = o.id WHERE o.id IN :ids",
            ids=sorted({row.order_id for row in rows}),
        )
    }
    lines: defaultdict[int, list[WorkLine]] = defaultdict(list)
    for line in tx.rows(
        "SELECT h.*, i.title FROM handover_lines h JOIN items i ON i.id = h.item_id WHERE h.handover_id IN :ids"
        " ORDER BY h.handover_id, h.line_id, h.item_id",
        ids=[row.id for row in rows],
    ):
        lines[line.handover_id].append(
            WorkLine(number=line.number, sku=line.sku, quantity=line.quantity, title=line.title)
        )
    return {row.id: _worded(house, row, orders[row.order_id], lines[row.id]) for row in rows}


def _worded(house: Warehouse, row: Any, order: Any, lines: Sequence[WorkLine]) -> WorkOrder:
    return WorkOrder(
        key=row.key,
        place=house.places.get(row.location_id, ""),
        order=order.name or order.number,
        channel=order.channel,
        lines=tuple(lines),
        placed_at=instant(order.placed_at),
        ship_to=Address(
            name=order.buyer or "",
            company=order.company or "",
            line1=order.line1 or "",
            line2=order.line2 or "",
            city=order.city or "",
            region=order.region or "",
            postal_code=order.postal_code or "",
            country=order.country or "",
            phone=order.phone or "",
        ),
        email=order.email or "",
        service=order.service,
        ship_by=None if order.ship_by is None else instant(order.ship_by),
        deliver_by=None if order.deliver_by is None else instant(order.deliver_by),
    )


def _send(store: Store, house: Warehouse, due: dict[int, WorkOrder], doubted: frozenset[int], clock: Clock) -> int:
    """One call, its answers booked; what was not answered may have arrived all the same.

    `doubted`: what may have arrived before. It stays in doubt until the warehouse has answered for it.
    """
    open_keys = {work.key: id for id, work in due.items()}
    acks: list[tuple[int, Ack]] = []
    try:
        for ack in house.connector.release(list(due.values())):
            acks.append((open_keys.pop(ack.key), ack))
    except Unavailable as error:
        doubtful = open_keys.keys() & (open_keys.keys() if error.keys is None else error.keys)
        back = open_keys.keys() - doubtful if error.ambiguous else open_keys.keys()
        back -= {key for key, id in open_keys.items() if id in doubted}
        _book(store, house, acks, doubted, clock())
        wait = max(RETRY_SECONDS, error.after or 0)
        _wait(store, house, [open_keys[key] for key in back], "queued", str(error), wait, clock())
        _wait(store, house, [open_keys[key] for key in open_keys.keys() - back], "sent", str(error), wait, clock())
        raise
    except Exception as error:
        _book(store, house, acks, doubted, clock())
        _wait(store, house, open_keys.values(), "sent", type(error).__name__, RETRY_SECONDS, clock())
        raise
    _book(store, house, acks, doubted, clock())
    if open_keys:
        raise RuntimeError(f"the connector of {house.name} left {len(open_keys)} work orders unanswered")
    return sum(ack.state in (AckState.APPLIED, AckState.ACCEPTED) for _, ack in acks)


_STATE = {AckState.APPLIED: "accepted", AckState.ACCEPTED: "handed", AckState.REFUSED: "refused"}


def _book(store: Store, house: Warehouse, acks: Sequence[tuple[int, Ack]], doubted: frozenset[int], now: int) -> None:
    """Writes answers down, with a line on each order's timeline; refused work goes back to be routed anew."""
    if not acks:
        return

    def work(tx: Tx) -> None:
        house.fence(tx)
        ids = [id for id, _ in acks]
        rows = {row.id: row for row in tx.rows("SELECT * FROM handovers WHERE id IN :ids ORDER BY id", ids=ids)}
        refused = [rows[id] for id, ack in acks if ack.state is AckState.REFUSED]
        orders = sorted({row.order_id for row in refused})
        tx.rows("SELECT id FROM orders WHERE id IN :ids ORDER BY id /*lock*/", ids=orders)
        lock_items(tx, orders)
        tx.update(
            tables.handovers,
            ("id",),
            ("state", "ticket", "reason", "due_at", "updated_at"),
            [
                (
                    id,
                    _STATE.get(ack.state, "sent" if id in doubted else "queued"),
                    clean(ack.ticket),
                    _reason(ack),
                    now + RETRY_SECONDS * SECOND,
                    now,
                )
                for id, ack in acks
            ],
        )
        for id, ack in acks:
            if ack.state in _STATE:
                told = "is handed over" if ack.state is not AckState.REFUSED else f"is refused: {_reason(ack)}"
                note(tx, house, rows[id], f"work {told}", now)
        for row in refused:
            given = decline_all(tx, row)
            why = next(_reason(ack) for id, ack in acks if id == row.id)
            decline(tx, row, given, why, f"handover:{row.key}", house.name, now)

    store.transact(work)


def decline_all(tx: Tx, row: Any) -> Units:
    """Takes all that is open of a handover off it; returns it as units of order lines."""
    found: Units = {}
    for line in tx.rows("SELECT * FROM handover_lines WHERE handover_id = :id", id=row.id):
        found[line.line_id] = (line.quantity - line.shipped - line.withdrawn) // line.per
    tx.run("UPDATE handover_lines SET withdrawn = quantity - shipped WHERE handover_id = :id", id=row.id)
    return {line: units for line, units in found.items() if units}


def _reason(ack: Ack) -> str:
    if ack.state is AckState.REFUSED and not ack.reason:
        return "the warehouse refuses it and does not say why; ask there"
    return clean(ack.reason)


def _wait(store: Store, house: Warehouse, ids: Any, state: str, reason: str, seconds: float, now: int) -> None:
    rows = [(id, state, clean(reason), now + int(seconds * SECOND), now) for id in ids]

    def work(tx: Tx) -> None:
        house.fence(tx)
        tx.update(tables.handovers, ("id",), ("state", "reason", "due_at", "updated_at"), rows)

    if rows:
        store.transact(work)


def note(tx: Tx, house: Warehouse, row: Any, event: str, now: int, detail: str = "") -> None:
    """A line on the timeline of a handover's order."""
    lines = tx.rows("SELECT sku, quantity FROM handover_lines WHERE handover_id = :id ORDER BY number", id=row.id)
    told = detail or ", ".join(f"{line.quantity} {line.sku}" for line in lines)
    tx.insert(
        tables.audit,
        ("at", "actor", "channel_id", "order_id", "event", "detail"),
        [
            (now, house.name, tx.value("SELECT channel_id FROM orders WHERE id = :id", id=row.order_id), row.order_id,
             event, clean(f"{row.key}: {told}"))
        ],
    )  # fmt: skip
