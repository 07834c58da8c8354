"""The orders' part of a reconciliation: the channel's roll of a window beside the numbers stored here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from core.errors import NotFound, Rejected
from core.model import Page, instant, micros
from core.store.database import Store
from core.sync.channel import Channel, Clock
from core.sync.evidence import Cause, Difference, Reconciliation
from core.sync.gone import mark_gone, note_known
from core.sync.observe import clean
from core.sync.take_in import take_in

SINGLY = 200
"""Orders looked at one by one in one reconciliation; what differs beyond is told without a look."""

_LEFT = "too many differ to look at each; run `ordersync reconcile` again"


def compare_orders(
    store: Store, channel: Channel, clock: Clock, found: Reconciliation, pulled_at: int
) -> Iterator[Difference]:
    """Every order that only one side has in the window; counts both sides in `found`.

    What is missing here is taken in; what is missing there is asked for by itself.
    """
    window = {"since": instant(found.since), "until": instant(found.until)}
    there = {one.number: micros(one.placed_at) for one in channel.connector.roll_call(**window)}
    with store.read() as tx:
        here = {
            row.number: int(row.placed_at)
            for row in tx.rows(
                "SELECT number, placed_at FROM orders WHERE channel_id = :id AND placed_at >= :since"
                " AND placed_at < :until AND id NOT IN (SELECT order_id FROM exchanges)",
                id=channel.id,
                since=found.since,
                until=found.until,
            )
        }
        known = here.keys() | {
            row.number
            for row in tx.rows(
                "SELECT number FROM orders WHERE channel_id = :id AND number IN :numbers",
                id=channel.id,
                numbers=sorted(there.keys() - here.keys()),
            )
        }
        aside = {
            row.number: row.reason
            for row in tx.rows(
                "SELECT number, reason FROM quarantine WHERE channel_id = :id AND state = 'open' AND kind = 'order'",
                id=channel.id,
            )
        }
    note_known(store, channel, there, clock())
    found.orders_there, found.orders_here = len(there), len(here)
    # The channel's lists lag behind: what was placed since then may still come with the next pull, or came before it.
    settled = pulled_at - channel.settings.overlap_seconds * 1_000_000
    looks = iter(range(SINGLY))
    for number in sorted(there.keys() - known):
        subject: dict[str, Any] = {"kind": "order", "subject": clean(number), "here": "missing"}
        placed = f"placed {instant(there[number]):%Y-%m-%d %H:%M}Z"
        if number in aside:
            told = f"its document is set aside ({aside[number]}); see `ordersync quarantine list`"
            yield Difference(**subject, there=placed, cause=Cause.QUARANTINED, told=told)
        elif there[number] >= settled:
            told = "it is newer than the last pull could see"
            yield Difference(**subject, there=placed, cause=Cause.IN_FLIGHT, told=told)
        else:
            told = _fetch_missing(store, channel, number, clock) if next(looks, None) is not None else _LEFT
            yield Difference(**subject, there=placed, cause=Cause.UNEXPLAINED, told=told)
    for number in sorted(here.keys() - there.keys()):
        if next(looks, None) is None:
            yield Difference(
                kind="order", subject=number, there="missing", here="stored", cause=Cause.UNEXPLAINED, told=_LEFT
            )
        else:
            yield _look_for(store, channel, number, clock, newer=here[number] >= settled)


def _fetch_missing(store: Store, channel: Channel, number: str, clock: Clock) -> str:
    """Takes in an order that no pull brought; says what became of it."""
    asked = clock()
    try:
        seen = channel.connector.fetch(number)
    except (NotFound, Rejected) as error:
        return f"no pull brought it, and it cannot be fetched ({error}); look it up at the channel"
    counts = take_in(store, channel, Page(observations=(seen,), cursor=""), asked, clock(), move=False)
    became = "set aside" if counts.quarantined else "taken in now"
    return f"no pull brought it; {became}, tell the connector's author"


def _look_for(store: Store, channel: Channel, number: str, clock: Clock, *, newer: bool) -> Difference:
    """An order here that the roll leaves out: asked for by itself. `newer`: than what the channel's lists show already,
    as a hint brings orders at once."""
    subject: dict[str, Any] = {"kind": "order", "subject": number, "here": "stored"}
    asked = clock()
    try:
        seen = channel.connector.fetch(number)
    except NotFound:
        mark_gone(store, channel, number, clock())
        told = "the channel does not know it any more; it is kept here, cancel what will not ship"
        return Difference(**subject, there="unknown", cause=Cause.GONE, told=told)
    except Rejected as error:
        told = f"the channel's list leaves it out and will not show it ({error}); look it up there"
        return Difference(**subject, there="not shown", cause=Cause.UNEXPLAINED, told=told)
    take_in(store, channel, Page(observations=(seen,), cursor=""), asked, clock(), move=False)
    note_known(store, channel, [number], clock())
    if newer:
        told = "it is newer than the channel's list; the channel shows it when asked"
        return Difference(**subject, there="shown", cause=Cause.IN_FLIGHT, told=told)
    told = "the channel's list leaves it out and shows it when asked; compare it there"
    return Difference(**subject, there="shown", cause=Cause.UNEXPLAINED, told=told)
