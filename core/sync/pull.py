"""Pulling: pages from where the last pull ended, each taken in with its cursor before the next is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime

from core.errors import NotFound
from core.model import Page, instant
from core.store.database import Store
from core.sync.channel import Channel, Clock
from core.sync.gap import note_gap
from core.sync.gone import note_known
from core.sync.take_in import Counts, take_in

Progress = Callable[[Counts], None]
"""Called after each page with the counts so far."""


class Stopped(Exception):
    """The daemon was asked to stop: what is committed stays, the rest is pulled again."""


def pull(
    store: Store,
    channel: Channel,
    clock: Clock,
    *,
    since: datetime | None = None,
    stopping: Callable[[], bool] = lambda: False,
    progress: Progress = lambda counts: None,
) -> Counts:
    """Takes in what changed at the channel. With `since`, what changed since then, and the cursor stays.

    Raises what the connector raises; every page before that is kept. Raises `Stopped` between two pages.
    """
    with store.read() as tx:
        cursor = tx.value("SELECT cursor FROM channels WHERE id = :id", id=channel.id)
    move = since is None
    if move:
        note_gap(store, channel, clock())
    total = Counts()
    start = since or channel.settings.since(instant(clock()))
    asked = clock()
    for page in channel.connector.pages(cursor if move else None, since=start):
        total += take_in(store, channel, page, asked, clock(), move=move)
        progress(total)
        if stopping():
            raise Stopped
        asked = clock()
    return total


def pull_orders(store: Store, channel: Channel, numbers: Sequence[str], clock: Clock) -> dict[str, str]:
    """Looks at single orders now; returns what became of each: stored, unchanged, quarantined, or not found."""
    outcome = {}
    for number in numbers:
        asked = clock()
        try:
            seen = channel.connector.fetch(number)
        except NotFound:
            outcome[number] = "not found at the channel"
            continue
        counts = take_in(store, channel, Page(observations=(seen,), cursor=""), asked, clock(), move=False)
        note_known(store, channel, [number], clock())
        outcome[number] = "stored" if counts.stored else "quarantined" if counts.quarantined else "unchanged"
    return outcome


def wanted_numbers(argument: str) -> list[str]:
    """The order numbers of a stored request."""
    return [str(number) for number in json.loads(argument)["orders"]]
