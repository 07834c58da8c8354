"""Whether `ordersync metrics` tells what the books do: of all days, of each month, and of all that divides them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from fractions import Fraction

from core.days import Days
from core.metrics import METRICS
from core.sync.metrics.measure import measure, up_to_date
from core.sync.metrics.period import Period
from tests.year.measures import Found, measures
from tests.year.play import Play
from tests.year.record import Record, record
from tests.year.stage import ZONE

_EPOCH = date(1970, 1, 1)
NOT_KEPT = ("oversell_window_p50", "oversell_window_p99")
"""Seconds between rounds, which the books do not see."""
_KNOWN = {metric.name for metric in METRICS} - set(NOT_KEPT)
_COUNTS = ("stock_out_days", "stock_out_items")
"""Not told at all they are zero; the others have no value then."""
TOLD = 12
"""Disagreements of one table that are told."""


def judge_metrics(play: Play) -> list[str]:
    """Every value that is not exactly what the books say, as of now."""
    up_to_date(play.store, Days(ZONE), play.world.clock)
    kept = record(play)
    found: list[str] = []
    for period in _periods(kept.began - 1, kept.today + 20, list(play.channels)):
        told = _told(play, period)
        books = _timed(play, kept, period) if period.timed else _between(play, kept, period)
        play.did["metrics compared"] += len(books)
        play.did["metrics with a value"] += sum(value is not None for value in books.values())
        found += list(_differ(period, told, books))[:TOLD]
    return found


def _periods(first: int, last: int, channels: list[str]) -> Iterator[Period]:
    """A day more than there was at either end: those count for nothing."""
    for by in ("", "channel", "location", "item", "month", "week", "day"):
        yield Period(first=first, last=last, by=by)
    for channel in channels:
        for by in ("", "location", "item", "month"):
            yield Period(first=first, last=last, by=by, channel=channel)
    for begin, end in _parts(first, last, _month).values():
        for by in ("", "channel", "location", "item"):
            yield Period(first=begin, last=end, by=by)


def _parts(first: int, last: int, name: Callable[[date], date]) -> dict[str, tuple[int, int]]:
    """By name, the first and the last day of what these days are divided into."""
    found: dict[str, tuple[int, int]] = {}
    for day in range(first, last + 1):
        key = name(_EPOCH + timedelta(days=day)).isoformat()
        found[key] = found.get(key, (day, day))[0], day
    return found


def _month(day: date) -> date:
    return date(day.year, day.month, 1)


def _week(day: date) -> date:
    return day - timedelta(days=day.isoweekday() - 1)


def _between(play: Play, kept: Record, period: Period) -> Found:
    return measures(kept, play.costs, period.first, period.last, period.by, period.channel)


def _timed(play: Play, kept: Record, period: Period) -> Found:
    name: Callable[[date], date] = {"month": _month, "week": _week, "day": lambda day: day}[period.by]
    found: Found = {}
    for key, (first, last) in _parts(period.first, period.last, name).items():
        values = measures(kept, play.costs, first, last, "", period.channel)
        found |= {(metric, key): value for (metric, _), value in values.items()}
    return found


def _told(play: Play, period: Period) -> Found:
    settings = {name: channel.settings for name, channel in play.channels.items()}
    values = measure(play.store, period, Days(ZONE), play.now, settings)
    return {(one.metric.name, one.key): one.value for one in values if one.metric.name in _KNOWN}


def _differ(period: Period, told: Found, books: Found) -> Iterator[str]:
    days = f"{_EPOCH + timedelta(days=period.first)} to {_EPOCH + timedelta(days=period.last)}"
    of = f"{days}, by {period.by or 'nothing'}" + (f", of {period.channel}" if period.channel else "")
    for name, key in sorted(told.keys() | books.keys()):
        here, there = told.get((name, key)), books.get((name, key))
        if name in _COUNTS:
            here, there = here or Fraction(0), there or Fraction(0)
        if here != there:
            yield f"metrics, {name} of {key or 'all'} ({of}): {here}, and {there} was to be"
