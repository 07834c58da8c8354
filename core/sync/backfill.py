"""Backfills: the past of a channel, taken in beside its live orders.

A backfill is a row: it survives restarts, and goes on from its last page. Each turn works on it for a few seconds when
everything live is done, so live orders always come first; a channel's budget that is spent, or an outage, only makes it
wait. Its pages go the road of every other page, and where a version is equal, what the live pull has seen stays.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
import structlog

from core.connector import Ability
from core.errors import ChannelError, Fenced, Unauthorized, Unavailable
from core.model import Page, instant, micros
from core.store import tables
from core.store.database import Store, Tx
from core.sync.channel import Channel, Clock
from core.sync.observe import clean
from core.sync.take_in import Counts, take_in

log = structlog.get_logger("ordersync")

SECOND = 1_000_000
SLICE_SECONDS = 5.0
"""How long a turn works on a backfill before it looks after its live orders again."""
PATIENCE_SECONDS = 60
"""Until an outage that says nothing of its own length is tried again, about."""


class Backfill(msgspec.Struct, kw_only=True):
    """A backfill as its row tells it; instants are microseconds since 1970 UTC."""

    id: int
    since: int
    until: int
    state: str
    """open, done, stopped or failed."""
    reason: str
    """Why it waits or failed."""
    asked_at: int
    due_at: int
    done_at: int | None
    reached: int | None
    """When the newest order of the last page was placed."""
    received: int
    stored: int
    quarantined: int


def ask_backfill(store: Store, channel_id: int, since: datetime, until: datetime, now: int) -> tuple[int, bool]:
    """Asks for the orders placed from `since` to before `until`; returns the backfill's id and whether it is new.

    One that is open goes on instead; whether it has the same window is the caller's to see.
    """

    def work(tx: Tx) -> tuple[int, bool]:
        tx.row("SELECT id FROM channels WHERE id = :id /*lock*/", id=channel_id)
        open_one = tx.value("SELECT id FROM backfills WHERE channel_id = :id AND state = 'open'", id=channel_id)
        if open_one is not None:
            return int(open_one), False
        (id,) = tx.ids(tables.backfills, 1)
        columns = ("id", "channel_id", "since", "until", "asked_at", "due_at")
        tx.insert(tables.backfills, columns, [(id, channel_id, micros(since), micros(until), now, now)])
        return int(id), True

    return store.transact(work)


def stop_backfill(store: Store, channel_id: int, now: int) -> bool:
    """Ends the channel's open backfill where it stands; what it took in stays. Returns whether there was one."""
    return store.transact(
        lambda tx: bool(
            tx.run(
                "UPDATE backfills SET state = 'stopped', done_at = :now WHERE channel_id = :id AND state = 'open'",
                id=channel_id,
                now=now,
            )
        )
    )


def backfill_of(store: Store, id: int) -> Backfill:
    """How a backfill stands."""
    with store.read() as tx:
        return _as_backfill(tx.row("SELECT * FROM backfills WHERE id = :id", id=id))


def open_backfills(tx: Tx) -> dict[int, Backfill]:
    """Every open backfill, by its channel's id."""
    return {row.channel_id: _as_backfill(row) for row in tx.rows("SELECT * FROM backfills WHERE state = 'open'")}


def _as_backfill(row: Any) -> Backfill:
    return Backfill(**{name: getattr(row, name) for name in Backfill.__struct_fields__})


def work_on_backfill(
    store: Store, channel: Channel, clock: Clock, *, stopping: Callable[[], bool] = lambda: False
) -> Counts:
    """Works a few seconds on the channel's open backfill, where it has one that is due; returns what came of it.

    Raises `Unauthorized`. Other trouble of the channel is the backfill's own: it waits, or fails and says why.
    """
    if Ability.BACKFILL not in channel.connector.abilities:
        return Counts()
    with store.read() as tx:
        row = tx.row(
            "SELECT * FROM backfills WHERE channel_id = :id AND state = 'open' AND due_at <= :now",
            id=channel.id,
            now=clock(),
        )
    if row is None:
        return Counts()
    total = Counts()
    ends = time.monotonic() + SLICE_SECONDS
    window = {"since": instant(row.since), "until": instant(row.until)}
    asked = clock()
    try:
        for page in channel.connector.backfill(row.cursor, **window):
            total += _take_page(store, channel, row.id, page, asked, clock())
            if not page.cursor:
                log.info("backfill is done", channel=channel.name, **_counts(store, row.id))
                return total
            if stopping() or time.monotonic() >= ends:
                break
            asked = clock()
        else:
            _wait(store, channel, row.id, PATIENCE_SECONDS, "the channel is still gathering them", clock())
            return total
        _wait(store, channel, row.id, 0.1, "", clock())  # at once, behind whatever is live
    except Unauthorized:
        raise
    except Unavailable as error:
        wait = error.after or PATIENCE_SECONDS * random.uniform(0.5, 1.5)  # noqa: S311 - jitter
        _wait(store, channel, row.id, wait, str(error), clock())
    except ChannelError as error:
        _fail(store, channel, row.id, f"{error}; mend it, then ask for the backfill again", clock())
        log.error("backfill has failed", channel=channel.name, reason=str(error))
    return total


def _take_page(store: Store, channel: Channel, id: int, page: Page, asked: int, now: int) -> Counts:
    """One page, and how far the backfill has come by it, in one transaction."""

    def advance(tx: Tx, counts: Counts, reached: int | None) -> None:
        moved = tx.run(
            "UPDATE backfills SET cursor = :cursor, state = CASE WHEN :cursor = '' THEN 'done' ELSE state END,"
            " done_at = CASE WHEN :cursor = '' THEN :now ELSE NULL END, reason = '',"
            " reached = COALESCE(:reached, reached), received = received + :received, stored = stored + :stored,"
            " quarantined = quarantined + :quarantined WHERE id = :id AND state = 'open'",
            id=id,
            cursor=page.cursor,
            now=now,
            reached=reached,
            received=counts.received,
            stored=counts.stored,
            quarantined=counts.quarantined,
        )
        if not moved:
            raise Fenced("the backfill was stopped")

    try:
        return take_in(store, channel, page, asked, now, move=False, live=False, also=advance)
    except Fenced:
        if backfill_of(store, id).state == "open":
            raise
        return Counts()  # stopped between two pages: this one is not kept


def _wait(store: Store, channel: Channel, id: int, seconds: float, reason: str, now: int) -> None:
    def work(tx: Tx) -> None:
        channel.fence(tx)
        tx.run(
            "UPDATE backfills SET due_at = :due, reason = :reason WHERE id = :id",
            id=id,
            due=now + int(seconds * SECOND),
            reason=clean(reason),
        )

    store.transact(work)


def _fail(store: Store, channel: Channel, id: int, reason: str, now: int) -> None:
    def work(tx: Tx) -> None:
        channel.fence(tx)
        tx.run(
            "UPDATE backfills SET state = 'failed', reason = :reason, done_at = :now WHERE id = :id AND state = 'open'",
            id=id,
            reason=clean(reason),
            now=now,
        )

    store.transact(work)


def _counts(store: Store, id: int) -> dict[str, int]:
    found = backfill_of(store, id)
    return {"received": found.received, "stored": found.stored, "quarantined": found.quarantined}
