"""ShipStation's clock: Pacific time without an offset, in which one hour a year happens twice. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

PACIFIC: Final = ZoneInfo("America/Los_Angeles")

AHEAD: Final = timedelta(minutes=5)
"""By how much ShipStation's clock may be before ours."""

FIRST_YEAR: Final = 2000


def wall(at: datetime) -> str:
    """An instant as ShipStation writes it."""
    return f"{at.astimezone(PACIFIC):%Y-%m-%dT%H:%M:%S}"


def since(at: datetime, now: datetime) -> str:
    """What to ask for to be told everything since `at`: a clock that was put back in between must hide nothing.

    It may ask for up to an hour more.
    """
    offset = min(_offset(at), _offset(now))
    return f"{at.astimezone(UTC) + offset:%Y-%m-%dT%H:%M:%S}"


def _offset(at: datetime) -> timedelta:
    return at.astimezone(PACIFIC).utcoffset() or timedelta(0)


def instant(text: str, now: datetime) -> datetime:
    """The instant that ShipStation wrote down, in UTC. Raises `ValueError` where it is none.

    Of the hour that happens twice it is the second, unless that is still to come at `now`: a parcel that is taken to
    have left too late leaves a shelf with a unit too few in our books, never with one too many.
    """
    if len(text) <= len("2026-01-31"):
        raise ValueError(f"{text!r} has no time of day")
    found = datetime.fromisoformat(text)
    if found.year < FIRST_YEAR:  # an empty date is written as one of the year 1
        raise ValueError(f"{text!r} is before ShipStation's time")
    try:
        if found.tzinfo is not None:
            return found.astimezone(UTC)
        first, second = sorted(found.replace(tzinfo=PACIFIC, fold=fold).astimezone(UTC) for fold in (0, 1))
    except OverflowError:
        raise ValueError(f"{text!r} is beyond the calendar") from None
    return second if second <= now + AHEAD else first
