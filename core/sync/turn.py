"""A channel's turn: taken up, one round run, and how it went written down; of the daemon and `ordersync round`."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from core.budgets import Budgets
from core.connector import Ability, Connector
from core.days import Days
from core.errors import Fenced, StoreError, Unauthorized, Unavailable
from core.settings import Settings
from core.store.database import Store, Tx
from core.sync.channel import Channel, Clock, clock, take_up
from core.sync.connect import Keepers
from core.sync.deadlines import warn
from core.sync.facts import facts_wait, refresh_facts
from core.sync.hints import told_of
from core.sync.listings import read_listings
from core.sync.pace import next_pull
from core.sync.pull import Progress, Stopped
from core.sync.round import DEAR_POLL_SECONDS, Outcome, run_round
from core.sync.shadow import in_shadow
from core.sync.told import forget
from core.sync.work import SECOND, failed, finished, note_budgets, reason_of

log = structlog.get_logger("ordersync")

FACTS_AT_ONCE = 20
"""Steps of the facts that one turn does: of twenty thousand changes, or a week's days."""

LONGEST_WAIT = 3600
"""Seconds a channel may be held up by its budgets before that is an outage: it takes in no orders meanwhile."""


@dataclass(frozen=True)
class Trouble:
    """Why a turn ended early; the channel's row says the same."""

    channel: str
    reason: str
    parked: bool
    """True when a person must act; False when it is tried again by itself."""


def turn(
    store: Store,
    settings: Settings,
    name: str,
    *,
    now: Clock = clock,
    connector: Connector | None = None,
    keepers: Keepers | None = None,
    stopping: Callable[[], bool] = lambda: False,
    progress: Progress = lambda counts: None,
    woken: Callable[[], None] = lambda: None,
) -> Outcome | Trouble:
    """One turn of the channel `name`. Its trouble is returned and written to its row, never raised.

    Raises `StoreError` when the store cannot be used, and `Stopped` when `stopping` said so between two pages.
    `connector` is used and left open when given; else one is opened for this turn. `keepers`: those of this process.
    `woken` is called as soon as other channels have something to do.
    """

    def run(channel: Channel, budgets: Budgets) -> Outcome:
        return _run(store, settings, channel, budgets, now, stopping, progress, woken)

    return _taken_up(store, settings, name, now, connector, keepers or Keepers(store, settings.store), run)


def read_now(
    store: Store, settings: Settings, name: str, *, now: Clock = clock, connector: Connector | None = None
) -> Outcome | Trouble:
    """Reads the listings of the channel `name` and does nothing else of a turn; trouble is booked as a turn's."""

    def run(channel: Channel, budgets: Budgets) -> Outcome:
        count = read_listings(store, channel, now)
        store.transact(lambda tx: note_budgets(tx, channel.id, channel.epoch, budgets))
        return Outcome(channel=name, listings=count)

    return _taken_up(store, settings, name, now, connector, Keepers(store, settings.store), run)


def _taken_up(
    store: Store,
    settings: Settings,
    name: str,
    now: Clock,
    connector: Connector | None,
    keepers: Keepers,
    run: Callable[[Channel, Budgets], Outcome],
) -> Outcome | Trouble:
    own = settings.channels[name]
    budgets = keepers.of(name).budgets
    opened = connector or keepers.connect(name, own)
    using = in_shadow(opened) if own.mode == "shadow" else opened
    channel: Channel | None = None
    try:
        channel = take_up(
            store, name, own, using, [place.as_location() for place in settings.locations], settings.must_route(), now()
        )
        outcome = run(channel, budgets)
        forget(store, settings.store.history_days, now())
        warn(store, channel, now())
        return outcome
    except (Stopped, StoreError):
        raise
    except Fenced:
        return Trouble(name, "another process has taken this channel over", parked=False)
    except Exception as error:
        if channel is None:
            raise
        trouble = _book_trouble(store, channel, budgets, error, settings.daemon.parked_retry_seconds, now())
        warn(store, channel, now())  # an outage is when a deadline is missed
        return trouble
    finally:
        if connector is None:
            opened.close()


def _run(
    store: Store,
    settings: Settings,
    channel: Channel,
    budgets: Budgets,
    now: Clock,
    stopping: Callable[[], bool],
    progress: Progress,
    woken: Callable[[], None],
) -> Outcome:
    began = now()
    with store.read() as tx:
        before = tx.row("SELECT * FROM channels WHERE id = :id", id=channel.id)
    poll = channel.settings.poll_seconds
    by_clock = (
        before.next_due <= now()
        or before.health != "ok"  # it is well again when it has answered, not when nothing was asked of it
        or (poll <= DEAR_POLL_SECONDS and not _compares(channel))
    )
    outcome = run_round(
        store,
        channel,
        settings.channels,
        now,
        stopping=stopping,
        progress=progress,
        pulling=by_clock,
        address=settings.receiver.address_of(channel.name),
        woken=woken,
    )
    if outcome.pull_wait and before.last_pull is not None and now() - before.last_pull > LONGEST_WAIT * SECOND:
        raise Unavailable(f"{outcome.waits}, and no orders were taken in for an hour", after=outcome.pull_wait)

    def book(tx: Tx) -> None:
        told = told_of(tx, channel) if budgets.fetching else 0
        next_due = now() + int(_until_next(outcome, poll, budgets, told) * SECOND)
        if not by_clock:  # sooner than planned where more is told than can be looked at one by one; never later
            next_due = min(next_due, before.next_due) if told else before.next_due
        finished(
            tx,
            channel.id,
            channel.epoch,
            before,
            next_due,
            now(),
            began=began,
            wake=now() + int(outcome.wait * SECOND) if outcome.wait else None,
            pulled=not outcome.pull_wait,
        )
        note_budgets(tx, channel.id, channel.epoch, budgets)

    store.transact(book)
    if before.last_success is not None:
        _work_facts_off(store, settings, now)
    if before.health != "ok":
        log.info("channel works again", channel=channel.name, out_since=before.outage_since)
    if outcome.taken_back:
        cure = "see `ordersync orders`, and the timeline of each"
        log.warning("promises taken back that no location can keep", orders=outcome.taken_back, cure=cure)
    told = (outcome.tracking, outcome.cancelled, outcome.refunded, outcome.levels)
    if outcome.orders.stored or outcome.orders.quarantined or any(told):
        log.info("round", **_told(outcome))
    return outcome


def _work_facts_off(store: Store, settings: Settings, now: Clock) -> None:
    """What the metrics are read from follows the rounds, a few seconds' worth at a time."""
    if not facts_wait(store, now()):
        return
    with suppress(Fenced):  # somebody else has begun to meanwhile
        refresh_facts(store, Days(settings.metrics.zone), now, most=FACTS_AT_ONCE)


def _until_next(outcome: Outcome, poll: int, budgets: Budgets, told: int) -> float:
    """Seconds until the next turn that pulls; `told`: orders the channel told of that wait to be looked at."""
    if outcome.orders.stored:
        budgets.news_at = time.monotonic()
    if outcome.pull_wait:
        return outcome.pull_wait
    listing = budgets.left(budgets.pulling) if budgets.pulling else None
    fetching = budgets.left(budgets.fetching) if budgets.fetching else None
    quiet_for = time.monotonic() - budgets.news_at
    return next_pull(poll, listing, time.time(), quiet_for=quiet_for, told=told, fetching=fetching)


def _compares(channel: Channel) -> bool:
    """Whether a push to it is safe without a pull before: it refuses to sell what it has sold meanwhile."""
    return {Ability.COMPARE_AND_SET, Ability.READ_LEVELS} <= channel.connector.abilities


def _told(outcome: Outcome) -> dict[str, object]:
    return {
        "channel": outcome.channel,
        "stored": outcome.orders.stored,
        "quarantined": outcome.orders.quarantined,
        "tracking": outcome.tracking,
        "cancelled": outcome.cancelled,
        "refunded": outcome.refunded,
        "levels": outcome.levels,
    }


def _book_trouble(
    store: Store, channel: Channel, budgets: Budgets, error: Exception, parked_retry: int, now: int
) -> Trouble:
    def book(tx: Tx) -> Any:
        before = failed(tx, channel.id, channel.epoch, error, parked_retry, now)
        note_budgets(tx, channel.id, channel.epoch, budgets)
        return before

    before = store.transact(book)
    parked = not isinstance(error, Unavailable)
    expected = isinstance(error, Unavailable | Unauthorized)
    if before is None:
        return Trouble(channel.name, "another process has taken this channel over", parked=False)
    # One line when an outage begins and one when it becomes a person's to mend; none while it lasts.
    if parked and (before.health != "parked" or (not expected and before.reason != reason_of(error))):
        log.error("channel is parked", channel=channel.name, reason=reason_of(error), exc_info=not expected)
    elif before.health == "ok":
        log.warning("channel does not answer", channel=channel.name, reason=reason_of(error))
    return Trouble(channel.name, reason_of(error), parked=parked)
