"""Pacific time: what is written, what is asked for, and what is read, about the hours that change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connectors.shipstation.times import PACIFIC, instant, since, wall

YEARS = st.integers(1_577_836_800, 1_956_528_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
"""2020 to 2031."""
BACK = datetime(2026, 11, 1, 9, tzinfo=UTC)
"""When clocks there are put back: 02:00 becomes 01:00."""


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "now", "at"),
    [
        ("2026-01-15T12:00:00.1230000", "2026-02-01T00:00", "2026-01-15T20:00:00.123"),
        ("2026-07-15T12:00:00", "2026-08-01T00:00", "2026-07-15T19:00"),
        ("2026-07-15T12:00:00Z", "2026-08-01T00:00", "2026-07-15T12:00"),
        # The hour that happens twice: the second, unless it is still to come.
        ("2026-11-01T01:30:00", "2026-11-01T12:00", "2026-11-01T09:30"),
        ("2026-11-01T01:30:00", "2026-11-01T08:31", "2026-11-01T08:30"),
        # The hour that does not happen.
        ("2026-03-08T02:30:00", "2026-04-01T00:00", "2026-03-08T10:30"),
    ],
)
def test_an_instant_is_read_in_pacific_time(text: str, now: str, at: str) -> None:
    assert instant(text, utc(now)) == utc(at)


@pytest.mark.parametrize("text", ["", "2026-01-31", "yesterday at noon", "0001-01-01T00:00:00", "9999-12-31T23:59:59"])
def test_what_is_no_instant_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"time|calendar|Invalid isoformat"):
        instant(text, BACK)


@given(YEARS)
def test_what_is_written_is_read_as_the_same_instant_but_for_the_hour_that_happens_twice(at: datetime) -> None:
    found = instant(wall(at), at)
    twice = at.astimezone(PACIFIC).replace(fold=0).utcoffset() != at.astimezone(PACIFIC).replace(fold=1).utcoffset()
    assert found == at or (twice and abs(found - at) == timedelta(hours=1))
    assert found <= at + timedelta(minutes=5)


@example(BACK, -25, 35, 0)
@given(YEARS | st.just(BACK), st.integers(-180, 180), st.integers(0, 240), st.integers(0, 240))
def test_whatever_was_made_since_is_asked_for(base: datetime, shift: int, later: int, until: int) -> None:
    """The list compares its own wall clock, which goes back once a year."""
    begin = base + timedelta(minutes=shift)
    made = begin + timedelta(minutes=later)
    now = made + timedelta(minutes=until)
    asked = since(begin, now)
    assert asked <= wall(made)
    assert datetime.fromisoformat(wall(begin)) - datetime.fromisoformat(asked) <= timedelta(hours=1)
