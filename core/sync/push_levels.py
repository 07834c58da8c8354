"""Telling a channel its levels: read what it holds where that is needed, push what differs, learn what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from core.connector import Ability
from core.days import QUARTER
from core.errors import Throttled, Unavailable
from core.model import Ack, AckState, Level, LevelKey
from core.store import tables
from core.store.database import Store, Tx
from core.sync.channel import Channel, Clock
from core.sync.demand import note_told
from core.sync.levels_plain import Key
from core.sync.observe import clean
from core.sync.told import write_tellings
from core.sync.work import SECOND

AT_ONCE = 25_000
"""Levels handed to a connector in one call: the most that any channel takes in one feed."""

RETRY_SECONDS = 30

_UNSTOCKED = "the channel keeps no level of it there; stock it at that place, then resync levels"


_BASELESS = (
    " FROM levels v JOIN listings i ON i.id = v.listing_id WHERE v.channel_id = :channel AND v.expected IS NULL"
    " AND v.state <> 'applied' AND v.state IN ('queued', 'sent')"  # the first as the partial index says it
    " AND i.listed AND i.fulfiller = 'merchant'"
)


def bases_wanted(store: Store, channel: Channel, now: int) -> bool:
    """Whether a level that is due now waits for being read, which wants a pull behind it: see `read_bases`."""
    if not {Ability.COMPARE_AND_SET, Ability.READ_LEVELS} <= channel.connector.abilities:
        return False
    with store.read() as tx:
        return tx.row(f"SELECT 1 {_BASELESS} AND v.due_at <= :now LIMIT 1", channel=channel.id, now=now) is not None


def read_bases(store: Store, channel: Channel, clock: Clock) -> int:
    """Reads what the channel holds where that is needed and not known; returns how many levels were read.

    Done before a pull: every order placed before this reading is then taken in before the level is pushed, so a
    push that finds the channel as it was read here cannot sell the units of an order nobody imported.
    """
    if not {Ability.COMPARE_AND_SET, Ability.READ_LEVELS} <= channel.connector.abilities:
        return 0
    with store.read() as tx:
        rows = tx.rows(
            f"SELECT v.listing_id, v.place, i.sku, i.handle {_BASELESS} ORDER BY v.listing_id, v.place",
            channel=channel.id,
        )
    if not rows:
        return 0
    asked = clock()
    keys = {_key(row.listing_id, row.place): (row.listing_id, row.place) for row in rows}
    found = {
        level.key: level.quantity
        for level in channel.connector.read_levels(
            [LevelKey(key=_key(r.listing_id, r.place), sku=r.sku, handle=r.handle, place=r.place) for r in rows]
        )
    }

    def work(tx: Tx) -> None:
        channel.fence(tx)
        tx.update(
            tables.levels,
            ("listing_id", "place"),
            ("expected", "known_at"),
            sorted((*keys[key], units, asked) for key, units in found.items()),
        )
        tx.update(
            tables.levels,
            ("listing_id", "place"),
            ("state", "reason"),
            sorted(
                (
                    *place,
                    "refused",
                    "the channel keeps no level of it there; stock it at that place, then resync levels",
                )
                for key, place in keys.items()
                if key not in found
            ),
        )

    store.transact(work)
    return len(found)


class Told(msgspec.Struct, frozen=True):
    """What became of levels that the channel was told."""

    applied: int = 0
    accepted: int = 0
    """Taken for later: what becomes of them is not known yet."""
    refused: int = 0

    def __add__(self, other: Told) -> Told:
        return Told(self.applied + other.applied, self.accepted + other.accepted, self.refused + other.refused)


def push_levels(store: Store, channel: Channel, clock: Clock) -> Told:
    """Pushes the levels that are due; returns what became of them.

    A level the channel calls stale is read again by the next round, before its pull.
    """
    if not channel.tells(Ability.PUSH_LEVELS):
        return Told()
    compare = Ability.COMPARE_AND_SET in channel.connector.abilities
    done = Told()
    while batch := _take(store, channel, compare, clock()):
        done += _send(store, channel, batch, clock)
    return done


def _take(store: Store, channel: Channel, compare: bool, now: int) -> list[Level]:
    """The next levels to send, marked as sent."""

    def work(tx: Tx) -> list[Level]:
        channel.fence(tx)
        rows = tx.rows(
            "SELECT v.*, i.sku, i.handle FROM levels v JOIN listings i ON i.id = v.listing_id"
            " WHERE v.channel_id = :channel AND v.state <> 'applied' AND v.state IN ('queued', 'sent')"
            " AND v.due_at <= :now"
            " AND i.listed AND i.fulfiller = 'merchant' AND (:compare = 0 OR v.expected IS NOT NULL)"
            " ORDER BY v.listing_id, v.place LIMIT :batch",
            channel=channel.id,
            now=now,
            compare=int(compare),
            batch=AT_ONCE,
        )
        tx.update(
            tables.levels,
            ("listing_id", "place"),
            ("state", "sent", "sent_revision", "attempts+", "due_at"),
            [(r.listing_id, r.place, "sent", r.desired, r.revision, 1, now + RETRY_SECONDS * SECOND) for r in rows],
        )
        return [
            Level(
                key=_key(row.listing_id, row.place),
                sku=row.sku,
                handle=row.handle,
                place=row.place,
                quantity=row.desired,
                revision=row.revision,
                expected=row.expected if compare else None,
            )
            for row in rows
        ]

    return store.transact(work)


def _send(store: Store, channel: Channel, batch: Sequence[Level], clock: Clock) -> Told:
    sent = {level.key: level for level in batch}
    acks: list[Ack] = []
    asked = clock()
    try:
        for ack in channel.connector.push_levels(batch):
            sent.pop(ack.key)
            acks.append(ack)
    except Unavailable as error:
        _book(store, channel, acks, asked, clock())
        wait = error.after if isinstance(error, Throttled) else None
        _requeue(store, channel, sent.values(), str(error), clock(), known=not error.ambiguous, wait=wait)
        if not (error.ambiguous and acks):  # as long as some get through, a lost answer is not the round's end
            raise
        sent = {}
    except Exception as error:
        _book(store, channel, acks, asked, clock())
        _requeue(store, channel, sent.values(), type(error).__name__, clock(), known=False)
        raise
    else:
        _book(store, channel, acks, asked, clock())
    if sent:
        _requeue(store, channel, sent.values(), "no answer", clock(), known=False)
        raise RuntimeError(f"the connector of {channel.name} left {len(sent)} levels unanswered")
    return _told(acks)


def _told(acks: Sequence[Ack]) -> Told:
    states = Counter(ack.state for ack in acks)
    return Told(states[AckState.APPLIED], states[AckState.ACCEPTED], states[AckState.REFUSED])


def settle_levels(store: Store, channel: Channel, clock: Clock) -> Told:
    """Asks what became of accepted levels; returns it, of those that are settled. Asks less and less often."""
    if Ability.SETTLE not in channel.connector.abilities:
        return Told()
    now = clock()
    with store.read() as tx:
        rows = tx.rows(
            "SELECT listing_id, place, ticket, attempts FROM levels WHERE channel_id = :channel"
            " AND state <> 'applied' AND state = 'accepted' AND due_at <= :now ORDER BY listing_id, place",
            channel=channel.id,
            now=now,
        )
    if not rows:
        return Told()
    acks = list(channel.connector.settle({_key(row.listing_id, row.place): row.ticket for row in rows}))
    _book(store, channel, acks, None, clock())
    answered = {ack.key for ack in acks}

    def later(tx: Tx) -> None:
        channel.fence(tx)
        tx.update(
            tables.levels,
            ("listing_id", "place"),
            ("attempts+", "due_at"),
            [
                (row.listing_id, row.place, 1, now + int(min(900.0, 2.0 ** min(row.attempts, 10)) * SECOND))
                for row in rows
                if _key(row.listing_id, row.place) not in answered
            ],
        )

    store.transact(later)
    return _told(acks)


def _book(store: Store, channel: Channel, acks: Sequence[Ack], asked: int | None, now: int) -> None:
    """Books the channel's answers. `asked`: when the push began, None where only an old ticket is settled."""
    if not acks:
        return

    def work(tx: Tx) -> None:
        channel.fence(tx)
        keys = dict(zip((ack.key for ack in acks), (_place(ack.key) for ack in acks), strict=True))
        rows = {
            (row.listing_id, row.place): row
            for row in tx.rows(
                "SELECT * FROM levels WHERE channel_id = :channel AND listing_id IN :ids"
                " ORDER BY listing_id, place /*lock*/",
                channel=channel.id,
                ids=sorted({listing for listing, _ in keys.values()}),
            )
        }
        columns = ("state", "told", "expected", "known_at", "ticket", "reason", "attempts", "due_at", "wanted_at")
        changes = [
            (*keys[ack.key], *_after(row := rows[keys[ack.key]], ack, asked, now), _wanted(row, ack, asked, now))
            for ack in acks
        ]
        answers = [(rows[keys[ack.key]], ack) for ack in acks]
        falls = [(now - row.fell_at) / SECOND for row, ack in answers if _took_less(row, ack)]
        note_told(tx, channel, falls)
        write_tellings(tx, answers, now)
        tx.update(tables.levels, ("listing_id", "place"), columns, sorted(changes, key=lambda row: row[:2]))
        _write_windows(tx, channel, falls, now)

    store.transact(work)


def _took_less(row: Any, ack: Ack) -> bool:
    """Whether the channel has now applied a level that fell: until now it could sell what was not there any more."""
    told_again = row.revision != row.sent_revision  # it fell before
    return ack.state is AckState.APPLIED and bool(row.fell_at) and row.sent < row.told and not told_again


def _write_windows(tx: Tx, channel: Channel, falls: Sequence[float], now: int) -> None:
    """`falls`: how long the channel could sell what was not there any more, in seconds."""
    fell = Counter(int(max(0.0, seconds)) for seconds in falls)
    tx.insert(
        tables.facts_windows,
        ("quarter", "channel_id", "seconds", "levels"),
        [(now // QUARTER, channel.id, seconds, count) for seconds, count in sorted(fell.items())],
        "ON CONFLICT (quarter, channel_id, seconds) DO UPDATE SET levels = facts_windows.levels + excluded.levels",
    )


def _after(row: Any, ack: Ack, asked: int | None, now: int) -> tuple[Any, ...]:
    """What a level's row becomes by an answer: state, told, expected, known_at, ticket, reason, attempts, due_at."""
    newer = row.revision > row.sent_revision
    reason = clean(ack.reason)
    if ack.state is AckState.APPLIED:
        state = "queued" if newer else "applied"
        known = asked if asked is not None else row.known_at
        return state, row.sent, row.sent, known, "", "", 0, now
    if ack.state is AckState.ACCEPTED:
        return "accepted", row.told, row.expected, row.known_at, ack.ticket, reason, 0, now + SECOND
    if ack.state is AckState.REFUSED:
        state = "queued" if newer else "refused"
        return state, row.told, row.expected, row.known_at, "", reason, row.attempts, now
    if ack.state is AckState.STALE:
        soon = now + int(min(60.0, 0.1 * 2.0 ** min(row.attempts, 10)) * SECOND)  # read again before that
        return "queued", row.told, None, row.known_at, "", "the channel held another quantity", row.attempts, soon
    return "queued", row.told, row.expected, row.known_at, "", reason, row.attempts, now + RETRY_SECONDS * SECOND


def _wanted(row: Any, ack: Ack, asked: int | None, now: int) -> int | None:
    """Since when the level is not as the channel was told."""
    if ack.state is not AckState.APPLIED:
        return row.wanted_at  # type: ignore[no-any-return]
    return None if row.revision <= row.sent_revision else (now if asked is None else asked)


def _requeue(
    store: Store, channel: Channel, batch: Any, reason: str, now: int, *, known: bool, wait: float | None = None
) -> None:
    """Puts unanswered levels back. Where they may have landed, what the channel holds is not known any more."""
    soon = now + int((0.1 if wait is None else wait) * SECOND)  # in a turn that it wakes
    rows = [(*_place(level.key), "queued", clean(reason), soon) for level in batch]

    def work(tx: Tx) -> None:
        channel.fence(tx)
        tx.update(tables.levels, ("listing_id", "place"), ("state", "reason", "due_at"), sorted(rows))
        if not known:
            tx.update(tables.levels, ("listing_id", "place"), ("expected",), sorted((*row[:2], None) for row in rows))

    store.transact(work)


def _key(listing_id: int, place: str) -> str:
    return f"{listing_id}@{place}"


def _place(key: str) -> Key:
    listing, _, place = key.partition("@")
    return int(listing), place
