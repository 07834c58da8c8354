"""Answering hints: a look at each order they name, by the road every order comes; and at levels somebody moved.

Nothing is believed that a hint says: an order is fetched, a level is read, an account is asked. A hint that is lost
costs no more than the wait for the next poll, and one whose order was seen since it came costs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import structlog

from core.connector import Ability
from core.errors import NotFound, Rejected, Unavailable
from core.model import Page
from core.store.database import Store, Tx
from core.sync.channel import Channel, Clock
from core.sync.take_in import Counts, take_in
from core.sync.work import SECOND

log = structlog.get_logger("ordersync")

LIFE = 24 * 3600 * SECOND
"""A hint that waited longer is dropped: polls have been over what it was about, or go over it once they can."""

NOTICE_LIFE = 30 * 24 * 3600 * SECOND
"""How long what a person has to know is shown: as long as channels give to act on it."""

SLICE = 1.0
"""Seconds one turn looks at orders before it goes on to what follows from them; the next turn comes at once."""

AT_ONCE = 200
TRIES = 6
"""Looks at an order the channel does not know (yet) before its hint is dropped: two minutes in all."""


class Answered(msgspec.Struct):
    """What became of the hints that were due."""

    orders: Counts = Counts()
    look: list[tuple[Any, ...]] = []
    """Keys and marks of hints that a pull answers: something changed, or the account is to be asked."""
    parked: str = ""
    """Why the channel is parked, should the pull show that we are not let in any more."""


def answer_hints(store: Store, channel: Channel, clock: Clock, stopping: Callable[[], bool]) -> Answered:
    """Answers the hints that are due, orders first. Raises what the connector raises; unanswered ones wait."""
    _expire(store, channel, clock())
    with store.read() as tx:
        rows = tx.rows(
            "SELECT h.*, o.observed_at, o.version FROM hints h"
            " LEFT JOIN orders o ON o.channel_id = h.channel_id AND o.number = h.subject AND h.kind = 'order'"
            " WHERE h.channel_id = :channel AND h.due_at <= :now"
            " ORDER BY h.received_at, h.kind, h.subject, h.place LIMIT :most",
            channel=channel.id,
            now=clock(),
            most=AT_ONCE,
        )
    answered = Answered()
    named = [row for row in rows if row.kind == "order" and row.subject]
    answered.orders = _orders(store, channel, named, clock, stopping)
    _levels(store, channel, [row for row in rows if row.kind == "level"], clock)
    alarms = [row for row in rows if row.kind == "account" and row.parks]
    answered.look = [_key(row) for row in rows if row.kind == "order" and not row.subject] + [_key(a) for a in alarms]
    answered.parked = alarms[0].reason if alarms else ""
    for row in rows:
        if row.kind == "account" and not row.parks:
            _tell(store, channel, row, clock())
    return answered


def told_of(tx: Tx, channel: Channel) -> int:
    """How many orders the channel has told of that wait to be looked at one by one."""
    return int(
        tx.value(
            "SELECT count(*) FROM hints WHERE channel_id = :channel AND kind = 'order' AND subject <> ''",
            channel=channel.id,
        )
    )


def _orders(store: Store, channel: Channel, rows: Sequence[Any], clock: Clock, stopping: Callable[[], bool]) -> Counts:
    """One look at each order that was not seen since its hint came, for as long as a slice lasts."""
    total = Counts()
    ends = time.monotonic() + SLICE
    _done(store, channel, [_key(row) for row in rows if _seen_since(row)])
    for row in rows:
        if _seen_since(row):
            continue
        asked = clock()
        try:
            seen = channel.connector.fetch(row.subject)
        except NotFound:
            _again(store, channel, row, clock())
        except Rejected as error:
            log.warning("hint dropped: the channel refuses the look", channel=channel.name, reason=str(error))
            _done(store, channel, [_key(row)])
        except Unavailable as error:
            if error.after is None:
                raise
            # The account's budget for single looks is spent: the rest waits for it, or for the next poll.
            _later(store, channel, clock() + int(error.after * SECOND))
            break
        else:
            total += take_in(store, channel, Page(observations=(seen,), cursor=""), asked, clock(), move=False)
            _done(store, channel, [_key(row)])
        if time.monotonic() >= ends or stopping():
            break
    return total


def _seen_since(row: Any) -> bool:
    """Whether the order was asked for since its hint came, and came no older than the hint: lists lag behind."""
    return row.observed_at is not None and row.observed_at > row.received_at and row.version >= row.happened_at


def _levels(store: Store, channel: Channel, rows: Sequence[Any], clock: Clock) -> None:
    """A level that is not as we believe is read by this turn, before its pull, and told again behind it.

    What our own pushes and the orders taken in have made of it is as we believe, so their echo ends here.
    """
    if not rows:
        return
    compares = {Ability.COMPARE_AND_SET, Ability.READ_LEVELS} <= channel.connector.abilities

    def work(tx: Tx) -> None:
        channel.fence(tx)
        for row in rows if compares else ():
            tx.run(
                "UPDATE levels SET expected = NULL, revision = revision + 1, due_at = :now,"
                " state = CASE WHEN state = 'accepted' THEN 'accepted' ELSE 'queued' END"
                " WHERE channel_id = :channel AND place = :place AND known_at < :happened"
                " AND state IN ('applied', 'queued', 'accepted') AND expected IS NOT NULL"
                " AND (:quantity IS NULL OR expected <> :quantity)"
                " AND listing_id IN (SELECT id FROM listings WHERE channel_id = :channel"
                " AND (handle = :handle OR (handle = '' AND sku = :handle)))",
                channel=channel.id,
                handle=row.subject,
                place=row.place,
                happened=row.happened_at,
                quantity=row.quantity,
                now=clock(),
            )
        _delete(tx, channel, [_key(row) for row in rows])

    store.transact(work)


def _tell(store: Store, channel: Channel, row: Any, now: int) -> None:
    """What a person has to know: told once in the log, kept in the history, and shown until it expires."""

    def work(tx: Tx) -> None:
        channel.fence(tx)
        tx.run(
            "INSERT INTO audit (at, actor, channel_id, event, detail)"
            " VALUES (:now, 'channel', :channel, 'notice', :text)",
            now=now,
            channel=channel.id,
            text=row.reason,
        )
        tx.run(
            "UPDATE hints SET due_at = :due WHERE channel_id = :channel AND kind = 'account' AND subject = :subject",
            channel=channel.id,
            subject=row.subject,
            due=row.received_at + NOTICE_LIFE,
        )

    store.transact(work)
    log.warning("the channel gives notice", channel=channel.name, reason=row.reason)


def _expire(store: Store, channel: Channel, now: int) -> None:
    def work(tx: Tx) -> None:
        channel.fence(tx)
        tx.run(
            "DELETE FROM hints WHERE channel_id = :channel AND received_at <"
            " CASE WHEN kind = 'account' AND NOT parks THEN :notices ELSE :before END",
            channel=channel.id,
            before=now - LIFE,
            notices=now - NOTICE_LIFE,
        )

    with store.read() as tx:
        waiting = tx.value("SELECT min(received_at) FROM hints WHERE channel_id = :channel", channel=channel.id)
    if waiting is not None and waiting < now - LIFE:
        store.transact(work)


def _again(store: Store, channel: Channel, row: Any, now: int) -> None:
    """An order the channel does not know may show in a moment: looked at again, less and less often."""
    if row.attempts + 1 >= TRIES:
        log.info("hint dropped: the channel knows no such order", channel=channel.name)
        _done(store, channel, [_key(row)])
        return

    def work(tx: Tx) -> None:
        channel.fence(tx)
        tx.run(
            "UPDATE hints SET attempts = attempts + 1, due_at = :due WHERE channel_id = :channel AND kind = 'order'"
            " AND subject = :subject AND mark = :mark",
            channel=channel.id,
            subject=row.subject,
            mark=row.mark,
            due=now + 2 * 2**row.attempts * SECOND,
        )

    store.transact(work)


def _later(store: Store, channel: Channel, due: int) -> None:
    def work(tx: Tx) -> None:
        channel.fence(tx)
        tx.run(
            "UPDATE hints SET due_at = :due WHERE channel_id = :channel AND kind = 'order' AND subject <> ''"
            " AND due_at < :due",
            channel=channel.id,
            due=due,
        )

    store.transact(work)


def _key(row: Any) -> tuple[Any, ...]:
    return row.kind, row.subject, row.place, row.mark


def _done(store: Store, channel: Channel, keys: Sequence[tuple[Any, ...]]) -> None:
    if not keys:
        return

    def work(tx: Tx) -> None:
        channel.fence(tx)
        _delete(tx, channel, keys)

    store.transact(work)


def _delete(tx: Tx, channel: Channel, keys: Sequence[tuple[Any, ...]]) -> None:
    """Answered hints, but for those that came again meanwhile."""
    for kind, subject, place, mark in sorted(keys):
        tx.run(
            "DELETE FROM hints WHERE channel_id = :channel AND kind = :kind AND subject = :subject"
            " AND place = :place AND mark = :mark",
            channel=channel.id,
            kind=kind,
            subject=subject,
            place=place,
            mark=mark,
        )


def looked(store: Store, channel: Channel, answered: Answered) -> None:
    """A pull has answered what single looks could not."""
    _done(store, channel, answered.look)


def hints_wait(store: Store, channel: Channel, now: int) -> bool:
    """Whether a hint is due for the channel."""
    with store.read() as tx:
        sql = "SELECT 1 FROM hints WHERE channel_id = :channel AND due_at <= :now LIMIT 1"
        return tx.row(sql, channel=channel.id, now=now) is not None
