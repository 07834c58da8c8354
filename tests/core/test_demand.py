"""How large a buffer must be: enough as often as it has to suffice, and no larger."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.demand import FAST, HOUR, SLOW, Sold, needed, note_lags, percentile, rate, sell

DAY = 24 * HOUR


def poisson(mean: float, units: int) -> float:
    """How often no more than `units` are sold, by the definition."""
    return sum(math.exp(-mean) * mean**k / math.factorial(k) for k in range(units + 1))


@given(st.floats(0.001, 30), st.floats(0.5, 0.999))
def test_where_each_order_takes_one_unit_it_is_the_quantile_of_poisson(mean: float, quantile: float) -> None:
    units = needed(mean, mean, quantile)
    assert poisson(mean, units) >= quantile - 1e-9
    assert units == 0 or poisson(mean, units - 1) < quantile + 1e-9


@given(st.floats(0, 2000), st.floats(0, 3000), st.floats(0.5, 0.999), st.floats(0, 0.0009))
def test_more_demand_or_more_safety_is_never_less_buffer(
    mean: float, over: float, quantile: float, more: float
) -> None:
    units = needed(mean, mean + over, quantile)
    assert units >= 0
    assert needed(mean, mean + over, quantile + more) >= units
    assert units <= mean + 40 * math.sqrt(mean + over) + 1


def test_large_orders_need_more_than_many_small_ones() -> None:
    """Ten units an hour, once one by one, once ten at a time."""
    assert needed(10, 10, 0.95) == 15
    assert needed(10, 100, 0.95) > 25


def test_what_is_hardly_sold_needs_none() -> None:
    assert needed(0, 0, 0.95) == 0
    assert needed(0.05, 0.05, 0.95) == 0
    assert needed(0.06, 0.06, 0.95) == 1


def test_a_great_demand_is_taken_as_normal_and_goes_on_where_the_sum_ends() -> None:
    assert needed(599, 599, 0.95) == pytest.approx(needed(601, 601, 0.95), abs=4)
    assert needed(800, 800, 0.95) == 847
    assert needed(1_000_000, 1_000_000, 0.95) == 1_001_645


def test_two_hours_of_sales_are_a_rate_although_the_memory_is_young() -> None:
    sold = Sold(0.0, 0.0)
    for minute in range(120):
        sold = sell(sold, 1, minute * 60.0)
    assert rate(sold, 2 * HOUR)[0] * HOUR == pytest.approx(60, rel=0.1)


@given(st.integers(1, 400), st.integers(1, 5))
def test_steady_sales_are_their_own_rate(a_day: int, units: int) -> None:
    """A month of them, evenly spread."""
    sold = Sold(0.0, 0.0)
    for number in range(30 * a_day):
        sold = sell(sold, units, (number + 0.5) * DAY / a_day)
    mean, squares = rate(sold, 30 * DAY)
    assert mean * DAY == pytest.approx(a_day * units, rel=0.1) or (
        a_day < 10 and mean * DAY >= 0.9 * a_day * units  # the fast memory has just seen one
    )
    assert squares == pytest.approx(mean * units, rel=1e-6)


def test_a_peak_counts_on_its_day_and_a_quiet_night_does_not_make_reckless() -> None:
    sold = Sold(0.0, 0.0)
    for hour in range(28 * 24):
        sold = sell(sold, 1, hour * HOUR)
    quiet, _ = rate(sold, 28 * DAY)
    assert quiet * DAY == pytest.approx(24, rel=0.1)
    assert rate(sold, 28 * DAY + 12 * HOUR)[0] > 0.9 * quiet
    for second in range(3600):
        sold = sell(sold, 1, 28 * DAY + second)
    assert rate(sold, 28 * DAY + HOUR)[0] * HOUR > 390


def test_orders_that_come_out_of_order_count_as_if_they_had_come_in_order() -> None:
    times = [hour * HOUR for hour in range(100)]
    ordered = shuffled = Sold(0.0, 0.0)
    for at in times:
        ordered = sell(ordered, 2, at)
    for at in random.Random(7).sample(times, len(times)):
        shuffled = sell(shuffled, 2, at)
    assert shuffled.slow == pytest.approx(ordered.slow)
    assert shuffled.fast == pytest.approx(ordered.fast)


def test_a_sale_of_a_year_ago_is_heard_late_and_means_nothing_any_more() -> None:
    """Sums stand as of the newest sale, where all that is older has shrunk: reckoned as of the old one they burst."""
    sold = sell(Sold(400 * DAY, 400 * DAY), 3, 400 * DAY)
    late = sell(sold, 5, 0.0)
    assert (late.at, late.since) == (400 * DAY, 0.0)
    assert late.slow == pytest.approx(sold.slow)
    assert late.fast == pytest.approx(sold.fast)


def test_one_sale_is_no_rate() -> None:
    mean, _ = rate(sell(Sold(0.0, 0.0), 1, 0.0), 1.0)
    assert mean * HOUR <= 1.1
    assert SLOW > FAST


@given(st.lists(st.floats(0.01, 4000), min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.95]))
def test_a_percentile_is_never_told_too_short_and_less_than_half_too_long(lags: list[float], quantile: float) -> None:
    told = percentile(note_lags({}, lags), quantile)
    exact = sorted(lags)[math.ceil(quantile * len(lags)) - 1]
    assert told is not None
    assert exact <= told * (1 + 1e-9)
    assert told <= max(0.5, exact * 2**0.5) * (1 + 1e-9)


def test_lags_of_long_ago_weigh_less() -> None:
    counts: dict[int, int] = {}
    for _ in range(40):
        counts = note_lags(counts, [1000.0] * 50)
    for _ in range(80):
        counts = note_lags(counts, [1.0] * 50)
    assert percentile(counts, 0.95) == 1.0
    assert sum(counts.values()) <= 1050
    assert percentile({}, 0.95) is None
