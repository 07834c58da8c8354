"""The outbox's ladder: queued → sent → accepted → applied → confirmed, or refused with its cure.

`sent` is written before the call, with the words of the push (see `said`), so a row found `sent` by a later round was
interrupted: its order is read back first, and only what the channel does not show is sent again. A row dropped by its
operator, or made needless by a correction, is `dropped`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from core.errors import Unavailable
from core.model import Ack, AckState
from core.store import tables
from core.store.database import Store, Tx
from core.sync.channel import Channel, Clock
from core.sync.observe import clean
from core.sync.refunded import book_given
from core.sync.said import OF_KIND, Words, fix_words, key_of
from core.sync.work import SECOND

BATCH = 200
"""Rows sent between two commits."""

BOOK_SECONDS = 1.0
"""How long an answer may wait to be written down: what a process killed in mid-batch has to read back again."""

RETRY_SECONDS = 30
"""Until a row the channel did not take, by no fault of its own, is pushed again."""

OPEN = "state IN ('queued','sent','unknown','accepted')"
"""Not decided yet: word for word the partial index's condition."""

_FLYING = f"e.{OPEN}"
_UNDECIDED = "e.state IN ('queued','sent','unknown','accepted','refused')"

# The channel takes the units of a parcel for shipped until it has taken it back: of a refusal somebody has to say.
_OF_THE_SAME_LINES = (
    "EXISTS (SELECT 1 FROM shipment_lines v JOIN shipment_lines n ON n.line_id = v.line_id"
    " WHERE v.shipment_id = e.shipment_id AND n.shipment_id = p.shipment_id)"
)

# A push waits for those of its order that it would be confused with, or whose outcome it builds on.
_BEFORE = {
    "acknowledge": "p.id < 0",
    "tracking": f"(e.kind = 'tracking' AND e.id < p.id AND p.generation > 1 AND e.shipment_id = p.shipment_id"
    f" AND {_FLYING} OR e.kind = 'void' AND {_UNDECIDED} AND {_OF_THE_SAME_LINES})",
    "void": "e.id < p.id AND e.kind IN ('tracking','void') AND e.state IN ('sent','unknown','accepted')",
    "cancel": f"e.id < p.id AND e.kind IN ('cancel','void') AND {_UNDECIDED}",
    "refund": f"e.id < p.id AND e.kind = 'refund' AND ({_FLYING} OR (e.state = 'applied' AND e.ticket = ''))",
}


def before(kind: str) -> str:
    """SQL: the push of this kind that the push `p` waits for; null where it waits for none."""
    return f"SELECT min(e.id) FROM pushes e WHERE e.order_id = p.order_id AND {_BEFORE[kind]}"


@dataclass(frozen=True)
class Due:
    """One push about to be sent."""

    id: int
    key: str
    """The channel knows it by this."""
    number: str
    """Its order's."""
    words: Words | None
    """None: there is no more to say than the order's number."""


Call = Callable[[Sequence[Due]], Iterator[Ack]]
"""Tells the channel of a batch. Every ack is for the key of one of it."""


def drain(
    store: Store, channel: Channel, kind: str, call: Call, clock: Clock, read_back: Callable[[], None] = lambda: None
) -> int:
    """Sends batch after batch until nothing is due; returns how many the channel took.

    A lost answer ends a batch, not the round: as long as a batch gets any answer at all, the rest goes on behind it.
    """
    taken = 0
    while True:
        read_back()
        rows = take(store, channel, kind, clock())
        if rows is None:
            return taken
        acks: list[tuple[int, Ack]] = []
        try:
            _send(store, channel, rows, lambda: call(rows), acks, clock)  # noqa: B023 - runs at once
        except Unavailable as error:
            if not (error.ambiguous and acks):
                raise
        taken += sum(ack.state in (AckState.APPLIED, AckState.ACCEPTED) for _, ack in acks)


def take(store: Store, channel: Channel, kind: str, now: int) -> list[Due] | None:
    """The next pushes to send, their words fixed and marked as sent; None when nothing is due."""

    def work(tx: Tx) -> list[Due] | None:
        channel.fence(tx)
        # Repeating an acknowledgement is harmless: no reading back is needed.
        states = ["queued", "sent", "unknown"] if kind == "acknowledge" else ["queued"]
        due = tx.rows(
            "SELECT p.id FROM pushes p WHERE p.channel_id = :channel AND p.kind = :kind AND p.state IN :states"
            f" AND p.due_at <= :now AND p.{OPEN} AND ({before(kind)}) IS NULL ORDER BY p.id LIMIT :batch",
            channel=channel.id,
            kind=kind,
            states=states,
            now=now,
            batch=BATCH,
        )
        if not due:
            return None
        # The state is looked at again: an operator may have dropped or corrected one in between.
        mine = tx.rows(
            "UPDATE pushes SET state = 'sent', attempts = attempts + 1, updated_at = :now, due_at = :next"
            " WHERE id IN :ids AND state IN :states RETURNING id",
            now=now,
            next=now + RETRY_SECONDS * SECOND,
            ids=[row.id for row in due],
            states=states,
        )
        rows = tx.rows(
            "SELECT p.*, o.number, o.total FROM pushes p JOIN orders o ON o.id = p.order_id WHERE p.id IN :ids"
            " ORDER BY p.id",
            ids=[row.id for row in mine],
        )
        if kind not in OF_KIND:
            return [Due(row.id, row.number, row.number, None) for row in rows]
        words = fix_words(tx, channel, kind, rows, now)
        return [Due(row.id, key_of(row), row.number, words[row.id]) for row in rows if row.id in words]

    return store.transact(work)


def _send(
    store: Store,
    channel: Channel,
    rows: Sequence[Due],
    call: Callable[[], Iterator[Ack]],
    acks: list[tuple[int, Ack]],
    clock: Clock,
) -> None:
    """Makes one call, fills `acks` and books them as they come. What was not answered may have arrived all the same."""
    open_keys = {row.key: row.id for row in rows}
    if not open_keys:
        return
    booked, at = 0, time.monotonic()
    try:
        for ack in call():
            acks.append((open_keys.pop(ack.key), ack))
            if time.monotonic() - at >= BOOK_SECONDS:
                book(store, channel, acks[booked:], clock())
                booked, at = len(acks), time.monotonic()
    except Unavailable as error:
        doubtful = open_keys.keys() & (open_keys.keys() if error.keys is None else error.keys)
        if not error.ambiguous:
            doubtful = set()
        book(store, channel, acks[booked:], clock())
        mark(store, channel, [open_keys[key] for key in doubtful], "unknown", str(error), clock())
        mark(store, channel, [open_keys[key] for key in open_keys.keys() - doubtful], "queued", str(error), clock())
        raise
    except Exception as error:
        book(store, channel, acks[booked:], clock())
        mark(store, channel, open_keys.values(), "unknown", type(error).__name__, clock())
        raise
    book(store, channel, acks[booked:], clock())
    if open_keys:
        mark(store, channel, open_keys.values(), "unknown", "no answer", clock())
        raise RuntimeError(f"the connector of {channel.name} left {len(open_keys)} pushes unanswered")


_STATE: Mapping[AckState, str] = {
    AckState.APPLIED: "applied",
    AckState.ACCEPTED: "accepted",
    AckState.REFUSED: "refused",
    AckState.STALE: "queued",
    AckState.RETRY: "queued",
}


def book(store: Store, channel: Channel, acks: Sequence[tuple[int, Ack]], now: int) -> None:
    """Writes answers to their rows, by the rows' ids."""
    rows = [(id, _STATE[ack.state], clean(ack.ticket), _reason(ack), now) for id, ack in acks]

    def work(tx: Tx) -> None:
        channel.fence(tx)
        tx.update(tables.pushes, ("id",), ("state", "ticket", "reason", "updated_at"), rows)
        book_given(tx, [(id, ticket) for id, state, ticket, _, _ in rows if state == "applied" and ticket], now)

    if rows:
        store.transact(work)


def _reason(ack: Ack) -> str:
    if ack.state is AckState.REFUSED and not ack.reason:
        return "the channel refuses it and does not say why; look the order up there"
    return clean(ack.reason)


def mark(store: Store, channel: Channel, ids: Iterable[int], state: str, reason: str, now: int) -> None:
    """Sets the state of rows by what happened to their call."""
    rows = [(id, state, clean(reason), now, now) for id in ids]

    def work(tx: Tx) -> None:
        channel.fence(tx)
        tx.update(tables.pushes, ("id",), ("state", "reason", "updated_at", "due_at"), rows)

    if rows:
        store.transact(work)
