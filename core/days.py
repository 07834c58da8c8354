"""Days in a time zone, numbered from 1970-01-01, and the same as SQL.

A day begins with its first instant, also where a clock that is set forward skips midnight; it has 23 to 25 hours.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo

SECOND = 1_000_000
QUARTER = 900 * SECOND
"""Microseconds in a quarter of an hour: every zone's days begin with one."""
DAY = 86_400 * SECOND
_EPOCH = date(1970, 1, 1)
_BASE = datetime(1970, 1, 1, tzinfo=UTC)
_LONG_AGO = 100_000
"""Days added before a division and taken off behind it: databases cut off towards zero."""


class Days:
    """The days of one zone."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone

    @property
    def name(self) -> str:
        return str(self._zone)

    def day(self, at: int) -> int:
        """The number of the day that an instant, in microseconds since 1970 UTC, falls on."""
        return (at + self._offset(at)) // DAY

    def begin(self, day: int) -> int:
        """The day's first instant."""
        midnight = datetime.combine(as_date(day), datetime.min.time(), tzinfo=self._zone)
        return (midnight.astimezone(UTC) - _BASE) // timedelta(microseconds=1)

    def sql(self, column: str, first: int, last: int) -> str:
        """SQL: the day of an instant between `first` and `last`, both included; NULL of NULL."""
        *steps, end = self._offsets(first, last)
        cases = [f"WHEN {column} < {until} THEN {_sql_day(column, offset)}" for until, offset in steps]
        whole = _sql_day(column, end[1])
        return f"(CASE {' '.join(cases)} ELSE {whole} END)" if cases else f"({whole})"

    def _offset(self, at: int) -> int:
        local = (_BASE + timedelta(microseconds=at)).astimezone(self._zone)
        return (local.utcoffset() or timedelta()) // timedelta(microseconds=1)

    def _offsets(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """From `first` to `last`: until when, exclusive, each offset from UTC holds, and that offset."""
        at, offset = first, self._offset(first)
        while at < last:
            step = min(at + DAY, last)
            if (found := self._offset(step)) != offset:
                low, high = at, step  # the change lies behind the one and not behind the other
                while high - low > 1:
                    middle = (low + high) // 2
                    low, high = (middle, high) if self._offset(middle) == offset else (low, middle)
                yield high, offset
                offset = found
            at = step
        yield last + 1, offset


def as_date(day: int) -> date:
    return _EPOCH + timedelta(days=day)


def of_date(when: date) -> int:
    return (when - _EPOCH).days


def week(day: int) -> date:
    """The Monday of its week."""
    when = as_date(day)
    return when - timedelta(days=when.weekday())


def month(day: int) -> date:
    """The first of its month."""
    return as_date(day).replace(day=1)


def _sql_day(column: str, offset: int) -> str:
    return f"({column} + {offset + _LONG_AGO * DAY}) / {DAY} - {_LONG_AGO}"
