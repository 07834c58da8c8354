"""The metrics' formulas, by hand."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.metrics import LIMITS, METRICS, TIME, Sums, limit_of, percentile, ratio, turnover, weeks_of_supply

OF = {metric.name: metric for metric in METRICS}


def value(name: str, **sums: object) -> Fraction | None:
    return OF[name].value(Sums(**sums))  # type: ignore[arg-type]


def test_fill_rates_are_what_was_got_of_what_was_asked() -> None:
    sums = {"units": 10, "units_first": 7, "units_later": 9, "lines": 4, "lines_first": 1, "lines_later": 3}
    assert value("unit_fill_first", **sums) == Fraction(7, 10)
    assert value("unit_fill_later", **sums) == Fraction(9, 10)
    assert value("line_fill_first", **sums) == Fraction(1, 4)
    assert value("line_fill_later", **sums) == Fraction(3, 4)
    assert value("order_fill_first", asked=5, asked_first=2, asked_later=4) == Fraction(2, 5)
    assert value("order_fill_later", asked=5, asked_first=2, asked_later=4) == Fraction(4, 5)


def test_turnover_is_what_was_sold_by_what_lay_there_on_average() -> None:
    # Thirty days, ten units on each: sixty sold is six turns.
    assert value("unit_turnover", sold=60, unit_days=300, stock_days=30) == 6
    assert value("turnover", cost_sold=90, value_days=900, stock_days=30, currencies=1) == 3
    assert value("turnover", cost_sold=90, value_days=900, stock_days=30, currencies=2) is None
    assert turnover(0, 0, 30) is None


def test_sell_through_has_two_variants() -> None:
    sums = {"sold": 30, "received": 40, "opening": 20}
    assert value("sell_through", **sums) == Fraction(3, 4)
    assert value("sell_through_stock", **sums) == Fraction(1, 2)


def test_weeks_of_supply_without_sales_are_no_number() -> None:
    assert weeks_of_supply(60, 30, 14) == 4
    assert weeks_of_supply(60, 0, 14) is None
    assert weeks_of_supply(60, -2, 14) is None
    assert OF["weeks_of_supply"].nothing == "no sales"


def test_percentiles_are_the_nearest_rank() -> None:
    assert percentile({}, Fraction(1, 2)) is None
    assert percentile({5: 1}, Fraction(99, 100)) == 5
    assert percentile({1: 1, 2: 1, 3: 1, 4: 1}, Fraction(1, 2)) == 2
    assert percentile({60: 9, 600: 1}, Fraction(9, 10)) == 60
    assert percentile({60: 89, 600: 11}, Fraction(9, 10)) == 600
    assert value("time_to_ship_p50", minutes={90: 3}) == Fraction(3, 2)
    assert value("oversell_window_p99", seconds={2: 98, 30: 2}) == 30


@given(
    st.lists(st.integers(0, 50), min_size=1),
    st.sampled_from([Fraction(1, 2), Fraction(9, 10), Fraction(99, 100), Fraction(1)]),
)
def test_a_percentile_is_the_least_that_enough_do_not_pass(measures: list[int], share: Fraction) -> None:
    counts = {measure: measures.count(measure) for measure in measures}
    found = percentile(counts, share)
    assert found == min(one for one in measures if Fraction(sum(x <= one for x in measures), len(measures)) >= share)


def test_rates_by_the_marketplaces_limits() -> None:
    assert value("late_rate", due=100, late=4) == Fraction(1, 25)
    amazon, walmart = limit_of("amazon", "late_rate"), limit_of("walmart", "cancel_rate")
    assert amazon is not None
    assert walmart is not None
    assert not amazon.met(Fraction(4, 100))  # under 4 %
    assert amazon.met(Fraction(399, 10_000))
    assert walmart.met(Fraction(2, 100))  # at most 2 %
    assert not walmart.met(Fraction(201, 10_000))
    assert limit_of("shopify", "late_rate") is None
    assert all(one.source and OF[one.metric].better == "low" for one in LIMITS)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_metric_says_what_it_is_and_is_nothing_without_facts(metric: object) -> None:
    found = OF[metric.name]  # type: ignore[attr-defined]
    assert found.formula
    assert found.by
    assert not set(found.by) & set(TIME)
    assert found.value(Sums()) in (None, 0)
    assert ratio(1, 0) is None
