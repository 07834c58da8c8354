"""The metrics of a period as they are told: each with its values by key and the marketplaces' limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

import msgspec

from core.days import Days
from core.errors import Fenced
from core.metrics import METRICS, Limit, Metric, limit_of
from core.settings import ChannelSettings
from core.store.database import Store
from core.sync.facts import refresh_facts
from core.sync.metrics.period import Period
from core.sync.metrics.sums import sums

_TRIES = 5


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One value."""

    metric: Metric
    key: str
    """The channel, location, SKU or first day of what it is of; empty: all together."""
    value: Fraction | None
    limit: Limit | None = None
    """The marketplace's, where this is a channel of one."""


def up_to_date(store: Store, days: Days, clock: Callable[[], int]) -> None:
    """Works all facts off. Raises `Fenced` when others keep beginning to."""
    for attempt in range(_TRIES):
        try:
            refresh_facts(store, days, clock)
            return
        except Fenced:
            if attempt + 1 == _TRIES:
                raise


def measure(
    store: Store,
    period: Period,
    days: Days,
    now: int,
    channels: Mapping[str, ChannelSettings],
    names: Sequence[str] = (),
) -> list[Measured]:
    """The metrics of these names, of all that the period's division allows when none is named; by metric, then key."""
    with store.read() as tx:
        found = sums(tx, period, days, days.day(now))
    chosen = [metric for metric in METRICS if (metric.name in names if names else fits(metric, period))]
    return [
        Measured(
            metric=metric,
            key=key,
            value=metric.value(found[key]),
            limit=_limit(metric, period.channel or (key if period.by == "channel" else ""), channels),
        )
        for metric in chosen
        for key in sorted(found)
    ] or [Measured(metric=metric, key="", value=None) for metric in chosen if not period.by]


def fits(metric: Metric, period: Period) -> bool:
    """Whether a metric can be broken down so, and is a single channel's where one is named."""
    if period.channel and "channel" not in metric.by:
        return False
    return not period.by or period.timed or period.by in metric.by


def _limit(metric: Metric, channel: str, channels: Mapping[str, ChannelSettings]) -> Limit | None:
    return limit_of(channels[channel].connector, metric.name) if channel in channels else None
