"""Telling a channel what happened: the outbox of acknowledgements and tracking.

A row climbs queued → sent → accepted → applied → confirmed, or is refused with its cure. `sent` is written before the
call, so a row found `sent` by a later round was interrupted: its order is read back first, and only what the channel
does not show is sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from core.connector import Ability
from core.errors import NotFound, Rejected, Unavailable
from core.model import Ack, AckState, Page, Shipment, instant
from core.store import tables
from core.store.database import Store, Tx
from core.sync.channel import Channel, Clock
from core.sync.observe import clean, read
from core.sync.take_in import take_in
from core.sync.work import SECOND

BATCH = 200
"""Rows sent between two commits."""

Acks = list[tuple[int, Ack]]
"""Answers with the ids of the rows they are for."""

RETRY_SECONDS = 30
"""Until a row the channel did not take, by no fault of its own, is pushed again."""


def push_acknowledgements(store: Store, channel: Channel, clock: Clock) -> int:
    """Acknowledges the orders that are due; returns how many the channel took."""
    if not channel.tells(Ability.ACKNOWLEDGE):
        return 0

    def send(rows: Sequence[Any], acks: Acks) -> None:
        keys = {row.number: row.id for row in rows}  # repeating an acknowledgement is harmless: no read-back needed
        _send(store, channel, keys, lambda: channel.connector.acknowledge(list(keys)), acks, clock)

    return _all(store, channel, "acknowledge", send, lambda: None, clock)


def push_tracking(store: Store, channel: Channel, clock: Clock) -> int:
    """Pushes the shipments that are due; returns how many the channel took."""
    if not channel.tells(Ability.PUSH_TRACKING):
        return 0

    def send(rows: Sequence[Any], acks: Acks) -> None:
        shipments = _shipments(store, channel, rows)
        keys = {row.key: row.id for row in rows}
        _send(store, channel, keys, lambda: channel.connector.push_tracking(shipments), acks, clock)

    return _all(store, channel, "tracking", send, lambda: _read_back(store, channel, clock), clock)


def _all(
    store: Store,
    channel: Channel,
    kind: str,
    send: Callable[[Sequence[Any], Acks], None],
    read_back: Callable[[], None],
    clock: Clock,
) -> int:
    """Sends batch after batch until nothing is due; returns how many the channel took.

    A lost answer ends a batch, not the round: as long as a batch gets any answer at all, the rest goes on behind it.
    """
    taken = 0
    while True:
        read_back()
        rows = _take(store, channel, kind, clock())
        if not rows:
            return taken
        acks: Acks = []
        try:
            send(rows, acks)
        except Unavailable as error:
            if not (error.ambiguous and acks):
                raise
        taken += sum(ack.state in (AckState.APPLIED, AckState.ACCEPTED) for _, ack in acks)


def settle_pushes(store: Store, channel: Channel, clock: Clock) -> None:
    """Asks what became of accepted pushes."""
    if Ability.SETTLE not in channel.connector.abilities:
        return
    with store.read() as tx:
        rows = tx.rows(
            "SELECT id, key, ticket FROM pushes WHERE channel_id = :channel AND state = 'accepted'"
            " AND state IN ('queued','sent','unknown','accepted')"
            " AND due_at <= :now ORDER BY id",
            channel=channel.id,
            now=clock(),
        )
    if rows:
        keys = {row.key: row.id for row in rows}
        for ack in channel.connector.settle({row.key: row.ticket for row in rows}):
            _book(store, channel, [(keys[ack.key], ack)], clock())


def _take(store: Store, channel: Channel, kind: str, now: int) -> Sequence[Any]:
    """The next rows to send, marked as sent."""

    def work(tx: Tx) -> Sequence[Any]:
        channel.fence(tx)
        states = ["queued", "sent", "unknown"] if kind == "acknowledge" else ["queued"]
        rows = tx.rows(
            "SELECT p.id, p.key, p.shipment_id, o.number FROM pushes p JOIN orders o ON o.id = p.order_id"
            " WHERE p.channel_id = :channel AND p.kind = :kind AND p.state IN :states AND p.due_at <= :now"
            " AND p.state IN ('queued','sent','unknown','accepted')"  # word for word the partial index's condition
            " ORDER BY p.id LIMIT :batch",
            channel=channel.id,
            kind=kind,
            states=states,
            now=now,
            batch=BATCH,
        )
        tx.run(
            "UPDATE pushes SET state = 'sent', attempts = attempts + 1, updated_at = :now, due_at = :next"
            " WHERE id IN :ids",
            now=now,
            next=now + RETRY_SECONDS * SECOND,
            ids=[row.id for row in rows],
        )
        return rows

    return store.transact(work)


def _send(
    store: Store,
    channel: Channel,
    keys: dict[str, int],
    call: Callable[[], Iterator[Ack]],
    acks: Acks,
    clock: Clock,
) -> None:
    """Makes one call, fills `acks` and books them. What was not answered may have arrived all the same."""
    open_keys = dict(keys)
    try:
        for ack in call():
            acks.append((open_keys.pop(ack.key), ack))
    except Unavailable as error:
        doubtful = open_keys.keys() & (open_keys.keys() if error.keys is None else error.keys)
        if not error.ambiguous:
            doubtful = set()
        _book(store, channel, acks, clock())
        _mark(store, channel, [open_keys[key] for key in doubtful], "unknown", str(error), clock())
        _mark(store, channel, [open_keys[key] for key in open_keys.keys() - doubtful], "queued", str(error), clock())
        raise
    except Exception as error:
        _book(store, channel, acks, clock())
        _mark(store, channel, open_keys.values(), "unknown", type(error).__name__, clock())
        raise
    _book(store, channel, acks, clock())
    if open_keys:
        _mark(store, channel, open_keys.values(), "unknown", "no answer", clock())
        raise RuntimeError(f"the connector of {channel.name} left {len(open_keys)} pushes unanswered")


def _book(store: Store, channel: Channel, acks: Sequence[tuple[int, Ack]], now: int) -> None:
    state = {
        AckState.APPLIED: "applied",
        AckState.ACCEPTED: "accepted",
        AckState.REFUSED: "refused",
        AckState.STALE: "queued",
        AckState.RETRY: "queued",
    }
    rows = [(id, state[ack.state], ack.ticket, clean(ack.reason), now) for id, ack in acks]

    def work(tx: Tx) -> None:
        channel.fence(tx)
        tx.update(tables.pushes, ("id",), ("state", "ticket", "reason", "updated_at"), rows)

    if rows:
        store.transact(work)


def _mark(store: Store, channel: Channel, ids: Iterable[int], state: str, reason: str, now: int) -> None:
    rows = [(id, state, clean(reason), now, now) for id in ids]

    def work(tx: Tx) -> None:
        channel.fence(tx)
        tx.update(tables.pushes, ("id",), ("state", "reason", "updated_at", "due_at"), rows)

    if rows:
        store.transact(work)


def _read_back(store: Store, channel: Channel, clock: Clock) -> None:
    """Looks at each order whose push was interrupted; what the channel does not show is queued again."""
    with store.read() as tx:
        rows = tx.rows(
            "SELECT p.id, o.number FROM pushes p JOIN orders o ON o.id = p.order_id WHERE p.channel_id = :channel"
            " AND p.kind = 'tracking' AND p.state IN ('sent', 'unknown')"
            " AND p.state IN ('queued','sent','unknown','accepted') ORDER BY p.id",
            channel=channel.id,
        )
    for number in dict.fromkeys(row.number for row in rows):
        ids = [row.id for row in rows if row.number == number]
        asked = clock()
        try:
            seen = channel.connector.fetch(number)
        except NotFound:
            _mark(store, channel, ids, "refused", "the channel does not know this order any more; look there", clock())
            continue
        except Rejected as error:  # one order it will not show keeps no other's parcel waiting
            _mark(store, channel, ids, "unknown", f"{error}; look the order up at the channel", clock())
            continue
        take_in(store, channel, Page(observations=(seen,), cursor=""), asked, clock(), move=False)
        order = read(channel.connector, (seen,))[0].order
        if order is None:  # nobody knows whether it arrived: not sent again before that order reads well
            _mark(store, channel, ids, "unknown", "the order cannot be read; see `ordersync quarantine`", clock())
            continue
        shown = {package.tracking for package in order.packages}
        _decide(store, channel, ids, shown, clock())


def _decide(store: Store, channel: Channel, ids: Sequence[int], shown: set[str], now: int) -> None:
    def work(tx: Tx) -> None:
        channel.fence(tx)
        rows = tx.rows(
            "SELECT p.id, s.tracking FROM pushes p JOIN shipments s ON s.id = p.shipment_id"
            " WHERE p.id IN :ids AND p.state IN ('sent', 'unknown')",
            ids=list(ids),
        )
        tx.update(
            tables.pushes,
            ("id",),
            ("state", "reason", "due_at", "updated_at"),
            [(row.id, "confirmed" if row.tracking in shown else "queued", "", now, now) for row in rows],
        )

    store.transact(work)


def _shipments(store: Store, channel: Channel, rows: Sequence[Any]) -> list[Shipment]:
    with store.read() as tx:
        found = {
            row.id: row
            for row in tx.rows("SELECT * FROM shipments WHERE id IN :ids", ids=[row.shipment_id for row in rows])
        }
        units: dict[int, dict[str, int]] = {id: {} for id in found}
        for line in tx.rows(
            "SELECT s.shipment_id, l.number, s.quantity FROM shipment_lines s JOIN lines l ON l.id = s.line_id"
            " WHERE s.shipment_id IN :ids ORDER BY l.id",
            ids=list(found),
        ):
            units[line.shipment_id][line.number] = line.quantity
    return [
        Shipment(
            key=row.key,
            serial=row.shipment_id,
            order=row.number,
            lines=units[row.shipment_id],
            carrier=found[row.shipment_id].carrier,
            tracking=found[row.shipment_id].tracking,
            shipped_at=instant(found[row.shipment_id].shipped_at),
            service=found[row.shipment_id].service,
            place=channel.places.get(found[row.shipment_id].location_id, ""),
            tracking_url=found[row.shipment_id].tracking_url,
        )
        for row in rows
    ]
