"""How a dear budget of pulls is spent: quickly while orders flow, from a reserve never, and no more than the plan."""

from __future__ import annotations

import math
import random

import pytest

from core.budgets import USED, Left
from core.sync.pace import QUICKEST, RESERVE, next_pull

RATE, BURST = 0.0056, 20
SLOW = 1 / (RATE * USED)


def left(level: float, *, rate: float = RATE, burst: float = BURST, shut_until: float = 0.0) -> Left:
    return Left(left=level, rate=rate, burst=burst, at=0.0, shut_until=shut_until)


def test_pulls_that_nobody_counts_keep_to_their_clock() -> None:
    assert next_pull(15, None, 0.0, quiet_for=60) == 15
    assert next_pull(15, None, 0.0, quiet_for=math.inf) == 15


def test_a_full_burst_is_spent_while_orders_flow() -> None:
    assert next_pull(180, left(20), 0.0, quiet_for=60) == QUICKEST
    assert next_pull(180, left(20), 0.0, quiet_for=math.inf) == pytest.approx(SLOW)


def test_the_emptier_it_is_the_slower_pulls_come_and_the_reserve_is_left_alone() -> None:
    waits = [next_pull(180, left(level), 0.0, quiet_for=60) for level in range(20, 0, -1)]
    assert waits == sorted(waits)
    assert next_pull(180, left(RESERVE * BURST), 0.0, quiet_for=60) == pytest.approx(SLOW)


def test_a_quiet_channel_fills_its_burst() -> None:
    assert next_pull(180, left(10), 0.0, quiet_for=math.inf) > SLOW


def test_an_empty_or_shut_budget_is_waited_for() -> None:
    assert next_pull(180, left(0.2), 0.0, quiet_for=60) >= SLOW
    assert next_pull(180, left(20, shut_until=900.0), 0.0, quiet_for=60) == 900.0


def test_more_orders_told_of_than_can_be_fetched_one_by_one_are_listed() -> None:
    fetching = left(5, rate=0.5, burst=30)
    assert next_pull(180, left(10), 0.0, quiet_for=math.inf, told=40, fetching=fetching) == QUICKEST
    assert next_pull(180, left(10), 0.0, quiet_for=math.inf, told=4, fetching=fetching) > SLOW
    assert next_pull(180, left(4), 0.0, quiet_for=math.inf, told=40, fetching=fetching) > SLOW, (
        "from the reserve nothing"
    )


def test_a_poll_that_is_meant_to_be_rare_stays_so_while_nothing_happens() -> None:
    assert next_pull(3600, left(20), 0.0, quiet_for=math.inf) == 3600


def test_a_generous_plan_is_polled_as_configured() -> None:
    assert next_pull(5, left(20, rate=10.0), 0.0, quiet_for=math.inf) == 5
    assert next_pull(5, left(20, rate=10.0), 0.0, quiet_for=60) == 5


def flurries(chance: random.Random, until: float) -> list[float]:
    """Orders by their instants: some every few hours, for a quarter of an hour."""
    instants, now = [], 0.0
    while now < until:
        now += chance.expovariate(1 / 7200)
        ends = now + 900
        while now < ends:
            now += chance.expovariate(1 / 60)
            instants.append(now)
    return instants


@pytest.mark.parametrize("seed", range(5))
def test_two_days_of_trade_stay_within_the_plan_and_are_seen_sooner_than_by_the_clock(seed: int) -> None:
    until = 2 * 86_400.0
    orders = flurries(random.Random(seed), until)
    level, now, pulls, lowest, news = float(BURST), 0.0, 0, float(BURST), -math.inf
    waited: list[float] = []
    while orders and now < until:
        wait = next_pull(180, Left(left=level, rate=RATE, burst=BURST, at=now), now, quiet_for=now - news)
        now += wait
        seen = [at for at in orders if at <= now]
        orders = orders[len(seen) :]
        waited += [now - at for at in seen]
        news = now if seen else news
        level = min(BURST, level + wait * RATE) - 1
        lowest = min(lowest, level)
        pulls += 1
    assert lowest >= RESERVE * BURST - 1.5, "the vendor would never have refused one"
    assert pulls <= BURST + until * RATE
    assert sum(waited) / len(waited) < 70, "where a pull every 180 seconds has 90"
