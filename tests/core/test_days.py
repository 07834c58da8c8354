"""Days in a zone, in Python and as SQL: the same, also where the clock is set."""

from __future__ import annotations

import sqlite3
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.days import DAY, QUARTER, SECOND, Days, as_date, month, of_date, week

ZONES = [UTC, *map(ZoneInfo, ("America/New_York", "America/Sao_Paulo", "Asia/Kathmandu", "Australia/Lord_Howe"))]
HOUR = 3600 * SECOND
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Sao Paulo set its clock forward at midnight until 2018: those days began at one o'clock.
INSTANTS = st.integers(int(1.4e15), int(1.9e15))


def local(at: int, zone: tzinfo) -> date:
    return (EPOCH + timedelta(microseconds=at)).astimezone(zone).date()


@given(at=INSTANTS, zone=st.sampled_from(ZONES))
def test_a_day_is_the_local_date_and_begins_with_its_first_instant(at: int, zone: tzinfo) -> None:
    days = Days(zone)
    day = days.day(at)
    assert as_date(day) == local(at, zone)
    begin = days.begin(day)
    assert days.day(begin) == day
    assert days.day(begin - 1) == day - 1
    assert begin % QUARTER == 0


@given(first=INSTANTS, length=st.integers(0, 900 * DAY), zone=st.sampled_from(ZONES), data=st.data())
def test_sql_says_the_same(first: int, length: int, zone: tzinfo, data: st.DataObject) -> None:
    days = Days(zone)
    at = data.draw(st.lists(st.integers(first, first + length), min_size=1, max_size=30))
    changes = [days.begin(days.day(one)) for one in at if days.begin(days.day(one)) >= first]
    at += [moment for change in changes for moment in (change, change + 2 * HOUR - 1, change + 2 * HOUR)]
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE t (at BIGINT)")
        database.executemany("INSERT INTO t VALUES (?)", [(one,) for one in at])
        told = database.execute(f"SELECT at, {days.sql('at', min(at), max(at))} FROM t").fetchall()
    database.close()
    assert all(day == days.day(moment) for moment, day in told)


@pytest.mark.parametrize("when", [date(2018, 11, 4), date(2018, 2, 18)])
def test_sql_says_the_same_where_midnight_is_set_back_or_left_out(when: date) -> None:
    days = Days(ZoneInfo("America/Sao_Paulo"))
    middle = days.begin(of_date(when))
    at = [middle + n * QUARTER + off for n in range(-200, 200) for off in (-1, 0)]
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE t (at BIGINT)")
        database.executemany("INSERT INTO t VALUES (?)", [(one,) for one in at])
        told = database.execute(f"SELECT at, {days.sql('at', min(at), max(at))} FROM t").fetchall()
    database.close()
    assert [day for _, day in told] == [days.day(moment) for moment, _ in told]


def test_an_instant_before_1970_has_its_day_too() -> None:
    days = Days(UTC)
    with sqlite3.connect(":memory:") as database:
        two = "SELECT -1 AS at UNION SELECT 0"
        told = database.execute(f"SELECT {days.sql('v.at', -1, 0)} FROM ({two}) AS v").fetchall()
    database.close()
    assert [day for (day,) in told] == [-1, 0] == [days.day(-1), days.day(0)]


@pytest.mark.parametrize(("when", "hours"), [(date(2026, 3, 8), 23), (date(2026, 11, 1), 25), (date(2026, 6, 1), 24)])
def test_a_day_has_as_many_hours_as_the_clock_says(when: date, hours: int) -> None:
    days = Days(ZoneInfo("America/New_York"))
    day = of_date(when)
    assert days.begin(day + 1) - days.begin(day) == hours * HOUR


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    sunday = of_date(date(2026, 3, 1))
    assert (week(sunday), month(sunday)) == (date(2026, 2, 23), date(2026, 3, 1))
    assert week(sunday + 1) == date(2026, 3, 2)
