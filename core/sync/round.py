"""One round of one channel: everything that is due, from its newest order to its newest level.

The order of the steps carries meaning. Levels are read before the pull and pushed after it, so that no push sells the
units of an order placed before it, and not at all when it failed. What buyers wait for is pushed all the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from core.errors import ChannelError, Throttled, Unauthorized, Unavailable
from core.settings import ChannelSettings
from core.store.database import Store, Tx
from core.sync.addresses import judge_addresses
from core.sync.ahead import watch
from core.sync.backfill import work_on_backfill
from core.sync.channel import Channel, Clock
from core.sync.expire import expire
from core.sync.give_up import give_up
from core.sync.hints import Answered, answer_hints, hints_wait, looked
from core.sync.holds import lift_due
from core.sync.levels import refresh, touch_changed_rules
from core.sync.listings import map_by_sku, read_listings
from core.sync.observe import clean
from core.sync.own_stock import read_own_stock
from core.sync.preorders import hold_preorders
from core.sync.pull import Progress, pull, pull_orders, wanted_numbers
from core.sync.push import (
    push_acknowledgements,
    push_cancellations,
    push_refunds,
    push_tracking,
    push_voids,
    settle_pushes,
)
from core.sync.push_levels import Told, bases_wanted, push_levels, read_bases, settle_levels
from core.sync.reconcile import beginning, is_due, reconcile
from core.sync.refill import refill
from core.sync.refit import refit
from core.sync.release import release
from core.sync.returns import pull_returns
from core.sync.subscribe import audit_subscriptions
from core.sync.take_in import Counts
from core.sync.work import poke

T = TypeVar("T")

DEAR_POLL_SECONDS = 30
"""A channel polled more rarely than this has few pulls to spend: its turns pull when the clock says so, and not when
a hint came or its levels have to follow another channel's orders. One that compares before it sets a level needs no
pull for those either."""

LISTINGS_SECONDS = 6 * 3600
"""How old the list of a channel's listings may grow before it is read again."""


EARLY = ("orders", "since", "levels")
"""Requests that are answered before the pull."""

LATE = ("reconcile",)
"""Requests that are answered when everything else is done."""


class Outcome(msgspec.Struct, kw_only=True):
    """What one round did."""

    channel: str
    orders: Counts = Counts()
    listings: int = 0
    taken_back: int = 0
    """Orders, of any channel, that lost a promise no location can keep."""
    expired: int = 0
    """Orders whose promise was given back as nobody pays for them."""
    held: int = 0
    """Orders held as their items are sold before they are there, or as their address cannot be right."""
    lifted: int = 0
    """Holds that lifted as their time, or what they waited for, had come."""
    resumed: int = 0
    given_up: int = 0
    """Orders of which units were cancelled, as they waited for stock for too long."""
    released: int = 0
    acknowledged: int = 0
    cancelled: int = 0
    """Cancellations the channel took."""
    tracking: int = 0
    voided: int = 0
    """Parcels that never left, which the channel took back."""
    refunded: int = 0
    """Refunds the channel took."""
    levels: int = 0
    """That the channel applied, at once or now that it worked off what it had accepted."""
    levels_accepted: int = 0
    """That it has accepted and is still to work off, at the end."""
    levels_refused: int = 0
    backfilled: int = 0
    poked: tuple[int, ...] = ()
    """Other channels whose levels this round has made due."""
    waits: str = ""
    """What had to wait as the channel was asked as often as it allows; empty where nothing had."""
    wait: float = 0.0
    """Seconds until some of that may go on."""
    pull_wait: float = 0.0
    """Seconds until the pull may go on, where it had to wait."""


def run_round(
    store: Store,
    channel: Channel,
    channels: Mapping[str, ChannelSettings],
    clock: Clock,
    *,
    stopping: Callable[[], bool] = lambda: False,
    progress: Progress = lambda counts: None,
    pulling: bool = True,
    address: str = "",
    woken: Callable[[], None] = lambda: None,
) -> Outcome:
    """Runs one round. `channels`: the settings of all configured channels, whose levels follow the same stock.

    Not `pulling` leaves out the pull, unless a hint or a level wants one: for rounds that follow hints, or what another
    channel has changed. `address`: where the channel is to tell of changes; `woken` is called as soon as other channels
    have something to do. Raises the first thing the connector raised, once everything that does not depend on it is
    done; what was done is kept. A spent budget is nothing to raise: the outcome says what waits for it.
    """
    outcome = Outcome(channel=channel.name)
    troubles: list[ChannelError] = []
    waits: list[float] = []
    pages = 0

    def counted(counts: Counts) -> None:
        nonlocal pages
        pages += 1
        progress(counts)

    def attempt(step: Callable[[], T], otherwise: T) -> T:
        """What the channel fails to do in one step keeps it from no other; refused credentials end the round."""
        try:
            return step()
        except Unauthorized:
            raise
        except ChannelError as error:
            if isinstance(error, Throttled) and error.after is not None:
                waits.append(error.after)
                outcome.waits = outcome.waits or str(error)
            else:
                troubles.append(error)
            return otherwise

    def answer(row: Any) -> Any:
        return _answer(store, channel, row, clock, stopping, progress)

    outcome.listings = attempt(lambda: _listings(store, channel, clock), 0)
    _map(store, channel, channels)
    attempt(lambda: settle_pushes(store, channel, clock), None)
    told = attempt(lambda: settle_levels(store, channel, clock), Told())
    outcome.resumed = refill(store, channel, clock, channels)  # who waits comes before who is new
    hinted = attempt(lambda: answer_hints(store, channel, clock, stopping), Answered())
    due = _follow(store, channel, channels, clock, woken)  # at once: what follows may take long, or fail
    pulling = pulling or bool(hinted.look) or bases_wanted(store, channel, clock())
    if pulling:
        attempt(lambda: read_bases(store, channel, clock), 0)
    attempt(lambda: _requests(store, channel, clock, EARLY, answer), 0)
    pulled: Counts | None = Counts()
    pulled_at = clock()
    if pulling:
        before = len(waits)
        with _explained(hinted.parked):
            pulled = attempt(lambda: pull(store, channel, clock, stopping=stopping, progress=counted), None)
        outcome.pull_wait = max(waits[before:], default=0.0)
        if pulled is not None:
            looked(store, channel, hinted)
        if outcome.pull_wait and not pages and channel.settings.poll_seconds > DEAR_POLL_SECONDS:
            pulled = Counts()  # as in the turns between two pulls: what follows the stock goes on
    outcome.orders = hinted.orders + (pulled or Counts())
    outcome.expired = expire(store, channel, clock())
    lost = refit(store, clock())
    poke(store, sorted({one.channel_id for one in lost} - {channel.id}))
    outcome.taken_back = len(lost)
    _resume(store, channel, channels, clock, outcome)
    outcome.given_up = give_up(store, channel, clock())
    outcome.voided = attempt(lambda: push_voids(store, channel, clock), 0)
    outcome.acknowledged = attempt(lambda: push_acknowledgements(store, channel, clock), 0)
    outcome.cancelled = attempt(lambda: push_cancellations(store, channel, clock), 0)
    outcome.released = release(store, channel, clock())
    outcome.tracking = attempt(lambda: push_tracking(store, channel, clock), 0)
    outcome.refunded = attempt(lambda: push_refunds(store, channel, clock), 0)
    due |= _follow(store, channel, channels, clock, woken)
    outcome.poked = tuple(sorted(due))
    if pulled is not None:
        told += attempt(lambda: push_levels(store, channel, clock), Told())
        if pulling:
            attempt(lambda: pull_returns(store, channel, clock), 0)
            attempt(lambda: read_own_stock(store, channel, clock), 0)
            attempt(lambda: _reconcile(store, channel, clock, pulled_at), None)
        # What is live goes before what is past: a hint that comes ends the slice.
        behind = work_on_backfill(
            store, channel, clock, stopping=lambda: stopping() or hints_wait(store, channel, clock())
        )
        outcome.backfilled = behind.stored
    outcome.levels, outcome.levels_refused = told.applied, told.refused
    outcome.levels_accepted = _accepted(store, channel)
    attempt(lambda: audit_subscriptions(store, channel, address, clock), None)
    if troubles:
        raise troubles[0]
    outcome.wait = min(waits, default=0.0)
    return outcome


def _reconcile(store: Store, channel: Channel, clock: Clock, pulled_at: int) -> None:
    """At the end of a turn, when everything that is due has been told: as asked for, else once a day."""

    def answer(row: Any) -> Any:
        since = beginning(json.loads(row.argument))
        return {"reconciliation": reconcile(store, channel, clock, pulled_at, since=since).id}

    if not _requests(store, channel, clock, LATE, answer) and is_due(store, channel, clock()):
        reconcile(store, channel, clock, pulled_at)


def _resume(
    store: Store, channel: Channel, channels: Mapping[str, ChannelSettings], clock: Clock, outcome: Outcome
) -> None:
    """Holds come and go by themselves, and who waits gets what came; what came lifts the holds that waited for it."""
    outcome.lifted = lift_due(store, channel, clock())
    outcome.held = judge_addresses(store, channel, clock())
    for _ in range(2):
        held, lifted = hold_preorders(store, channel, clock())
        resumed = refill(store, channel, clock, channels)
        outcome.held += held
        outcome.lifted += lifted
        outcome.resumed += resumed
        if not resumed:
            break


def _follow(
    store: Store, channel: Channel, channels: Mapping[str, ChannelSettings], clock: Clock, woken: Callable[[], None]
) -> set[int]:
    """Levels follow the stock: pokes the other channels whose levels are due by it, and returns their ids."""
    watch(store)
    others = refresh(store, channels, clock()) - {channel.id}
    if others:
        poke(store, sorted(others))
        woken()
    return others


@contextmanager
def _explained(reason: str) -> Iterator[None]:
    """Where the channel has told why it lets us in no more, that is what parks it."""
    try:
        yield
    except Unauthorized as error:
        if not reason:
            raise
        raise Unauthorized(reason, forbidden=error.forbidden) from error


def _listings(store: Store, channel: Channel, clock: Clock) -> int:
    with store.read() as tx:
        read = tx.value("SELECT listings_read FROM channels WHERE id = :id", id=channel.id)
    if read is None or clock() - read > LISTINGS_SECONDS * 1_000_000:
        return read_listings(store, channel, clock)
    return 0


def _map(store: Store, channel: Channel, channels: Mapping[str, ChannelSettings]) -> None:
    def work(tx: Tx) -> None:
        channel.fence(tx)
        map_by_sku(tx, channel)

    store.transact(work)
    touch_changed_rules(store, channels)


def _requests(store: Store, channel: Channel, clock: Clock, kinds: Sequence[str], answer: Callable[[Any], Any]) -> int:
    """What an operator asked for by hand; returns how much that was."""
    with store.read() as tx:
        rows = tx.rows(
            "SELECT * FROM requests WHERE channel_id = :channel AND done_at IS NULL AND kind IN :kinds ORDER BY id",
            channel=channel.id,
            kinds=list(kinds),
        )
    for row in rows:
        try:
            result = answer(row)
        except (Unavailable, Unauthorized):
            raise
        except ChannelError as error:  # asked again it would be refused again, and keep the channel for ever
            result = {"error": clean(str(error))}

        def work(tx: Tx, id: int = row.id, result: Any = result) -> None:
            channel.fence(tx)
            tx.run(
                "UPDATE requests SET done_at = :now, outcome = :outcome WHERE id = :id",
                now=clock(),
                outcome=json.dumps(result),
                id=id,
            )

        store.transact(work)
    return len(rows)


def _answer(
    store: Store, channel: Channel, row: Any, clock: Clock, stopping: Callable[[], bool], progress: Progress
) -> Any:
    if row.kind == "orders":
        return pull_orders(store, channel, wanted_numbers(row.argument), clock)
    if row.kind == "since":
        since = datetime.fromisoformat(json.loads(row.argument)["since"]).astimezone(UTC)
        counts = pull(store, channel, clock, since=since, stopping=stopping, progress=progress)
        return msgspec.to_builtins(counts)
    return {"listings": read_listings(store, channel, clock), "levels": _all_levels_due(store, channel, clock())}


def _accepted(store: Store, channel: Channel) -> int:
    with store.read() as tx:
        return int(
            tx.value(
                "SELECT count(*) FROM levels WHERE channel_id = :channel AND state <> 'applied' AND state = 'accepted'",
                channel=channel.id,
            )
        )


def _all_levels_due(store: Store, channel: Channel, now: int) -> int:
    """Makes every level of the channel due again, the refused ones too; returns how many."""

    def work(tx: Tx) -> int:
        channel.fence(tx)
        return tx.run(
            "UPDATE levels SET state = 'queued', expected = NULL, attempts = 0, reason = '', due_at = :now,"
            " revision = revision + 1 WHERE channel_id = :channel AND state <> 'accepted'",
            channel=channel.id,
            now=now,
        )

    return store.transact(work)
