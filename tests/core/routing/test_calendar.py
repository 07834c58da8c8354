"""A location's days: its own midnight, its cut-off, its weekdays and holidays, over changes of its clocks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model import Location, micros
from core.routing.calendar import day_begins, leaves, ship_day, today

NEW_YORK = "America/New_York"
HOUR = 3_600_000_000


def place(**more: Any) -> Location:
    return Location(name="east", **({"timezone": NEW_YORK} | more))


def there(text: str, fold: int = 0) -> int:
    """An instant by the clock in New York."""
    return micros(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(NEW_YORK), fold=fold).astimezone(UTC))


def test_a_day_is_the_locations_own() -> None:
    late = micros(datetime(2026, 11, 28, 4, 59, tzinfo=UTC))
    assert today(place(), late) == date(2026, 11, 27)
    assert today(place(), late + 60_000_000) == date(2026, 11, 28)
    assert day_begins(place(), date(2026, 11, 28)) == late + 60_000_000


@pytest.mark.parametrize(
    ("at", "day"), [("2026-11-25T13:59:59", 25), ("2026-11-25T14:00", 27), ("2026-11-27T15:00", 30)]
)
def test_after_the_cut_off_the_next_ship_day_counts(at: str, day: int) -> None:
    east = place(cut_off=14 * 60, ship_days=(0, 1, 2, 3, 4), holidays=frozenset({date(2026, 11, 26)}))
    assert ship_day(east, there(at)) == date(2026, 11, day)


def test_without_a_cut_off_today_counts_until_midnight() -> None:
    assert ship_day(place(), there("2026-11-25T23:59")) == date(2026, 11, 25)


def test_an_hour_that_is_left_out_has_its_cut_off_when_the_clock_has_jumped() -> None:
    """On 2026-03-08 New York goes from 01:59 to 03:00."""
    east = place(cut_off=2 * 60 + 30)
    assert ship_day(east, there("2026-03-08T01:59:59")) == date(2026, 3, 8)
    assert ship_day(east, there("2026-03-08T03:29:59")) == date(2026, 3, 8)
    assert ship_day(east, there("2026-03-08T03:30")) == date(2026, 3, 9)


def test_an_hour_that_comes_twice_has_one_cut_off_at_its_first_coming() -> None:
    """On 2026-11-01 New York has the hour from 01:00 twice."""
    east = place(cut_off=60 + 30)
    assert ship_day(east, there("2026-11-01T01:29")) == date(2026, 11, 1)
    assert ship_day(east, there("2026-11-01T01:30")) == date(2026, 11, 2)
    assert ship_day(east, there("2026-11-01T01:15", fold=1)) == date(2026, 11, 2), "the clock reads 01:15 again"


def test_days_of_23_and_25_hours_begin_at_their_own_midnight() -> None:
    for day, hours in ((date(2026, 3, 8), 23), (date(2026, 11, 1), 25), (date(2026, 11, 2), 24)):
        assert day_begins(place(), day + timedelta(days=1)) - day_begins(place(), day) == hours * HOUR


@given(
    st.integers(there("2026-01-01T00:00") // 1_000_000, there("2027-12-31T00:00") // 1_000_000), st.integers(0, 1439)
)
def test_each_local_date_has_one_cut_off_and_ship_days_never_go_back(second: int, cut_off: int) -> None:
    east = place(cut_off=cut_off)
    now = second * 1_000_000
    days = [ship_day(east, now + step * 900_000_000) for step in range(8)]
    assert days == sorted(days)
    assert today(east, now) <= days[0] <= today(east, now) + timedelta(days=1)


def test_parcels_leave_at_the_cut_off_of_their_day_and_not_before_now() -> None:
    east = place(cut_off=14 * 60)
    noon = there("2026-11-25T12:00")
    assert leaves(east, date(2026, 11, 25), noon) == there("2026-11-25T14:00")
    assert leaves(place(), date(2026, 11, 25), noon) == noon
    assert leaves(place(), date(2026, 11, 26), noon) == there("2026-11-26T00:00")


def test_a_location_that_never_works_ships_far_off_and_does_not_hang() -> None:
    never = place(holidays=frozenset(date(2026, 1, 1) + timedelta(days=n) for n in range(900)))
    assert ship_day(never, there("2026-01-02T12:00")) > date(2027, 1, 1)
