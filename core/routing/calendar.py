"""The days of a location: which one it is there, and on which it ships what it is asked for now.

All is compared as instants, never as readings of a clock: an hour that comes twice in a night has one cut-off, at its
first coming, and one that is left out has it when the clock has jumped. So each local date has one cut-off.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from core.model import Location

_LONGEST = 400
"""Days looked ahead for one that a location ships on."""


def today(place: Location, now: int) -> date:
    """The date there."""
    return datetime.fromtimestamp(now / 1_000_000, _zone(place.timezone)).date()


def day_begins(place: Location, day: date) -> int:
    """The instant its date `day` begins, in microseconds since 1970 UTC."""
    return _instant(place, day, 0)


def ship_day(place: Location, now: int) -> date:
    """The day it ships what it is asked for now: today before its cut-off, else the next one it works on.

    A location without a single day to ship on in the next year ships on the last day looked at.
    """
    day = today(place, now)
    if place.cut_off is not None and now >= _instant(place, day, place.cut_off):
        day += timedelta(days=1)
    for _ in range(_LONGEST):
        if day.weekday() in place.ship_days and day not in place.holidays:
            break
        day += timedelta(days=1)
    return day


def leaves(place: Location, day: date, now: int) -> int:
    """When what ships on `day` leaves: at its cut-off, as parcels are fetched then; without one, as the day begins."""
    return max(now, _instant(place, day, place.cut_off or 0))


def _instant(place: Location, day: date, minutes: int) -> int:
    local = datetime.combine(day, time(minutes // 60, minutes % 60), _zone(place.timezone))
    return int(local.astimezone(UTC).timestamp()) * 1_000_000


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
