"""How a dear budget of pulls is spent: quickly while orders flow, from a reserve never, and no more than the plan."""

from __future__ import annotations

import random

import pytest

from core.budgets import USED, Left
from core.sync.pace import QUICKEST, RESERVE, next_pull

RATE, BURST = 0.0056, 20
SLOW = 1 / (RATE * USED)


def left(level: float, *, rate: float = RATE, burst: float = BURST, shut_until: float = 0.0) -> Left:
    return Left(left=level, rate=rate, burst=burst, at=0.0, shut_until=shut_until)


def test_pulls_that_nobody_counts_keep_to_their_clock() -> None:
    assert next_pull(15, None, 0.0, flowing=True) == 15
    assert next_pull(15, None, 0.0, flowing=False) == 15


def test_a_full_burst_is_spent_while_orders_flow() -> None:
    assert next_pull(180, left(20), 0.0, flowing=True) == QUICKEST
    assert next_pull(180, left(20), 0.0, flowing=False) == pytest.approx(SLOW)


def test_the_emptier_it_is_the_slower_pulls_come_and_the_reserve_is_left_alone() -> None:
    waits = [next_pull(180, left(level), 0.0, flowing=True) for level in range(20, 0, -1)]
    assert waits == sorted(waits)
    assert next_pull(180, left(RESERVE * BURST), 0.0, flowing=True) == pytest.approx(SLOW)


def test_a_quiet_channel_fills_its_burst() -> None:
    assert next_pull(180, left(10), 0.0, flowing=False) > SLOW


def test_an_empty_or_shut_budget_is_waited_for() -> None:
    assert next_pull(180, left(0.2), 0.0, flowing=True) >= SLOW
    assert next_pull(180, left(20, shut_until=900.0), 0.0, flowing=True) == 900.0


def test_more_orders_told_of_than_can_be_fetched_one_by_one_are_listed() -> None:
    fetching = left(5, rate=0.5, burst=30)
    assert next_pull(180, left(10), 0.0, flowing=False, told=40, fetching=fetching) == QUICKEST
    assert next_pull(180, left(10), 0.0, flowing=False, told=4, fetching=fetching) > SLOW
    assert next_pull(180, left(4), 0.0, flowing=False, told=40, fetching=fetching) > SLOW, "from the reserve nothing"


def test_a_poll_that_is_meant_to_be_rare_stays_so_while_nothing_happens() -> None:
    assert next_pull(3600, left(20), 0.0, flowing=False) == 3600


def test_a_generous_plan_is_polled_as_configured() -> None:
    assert next_pull(5, left(20, rate=10.0), 0.0, flowing=False) == 5
    assert next_pull(5, left(20, rate=10.0), 0.0, flowing=True) == 5


@pytest.mark.parametrize("seed", range(5))
def test_two_days_of_trade_stay_within_the_plan_and_are_seen_sooner_than_by_the_clock(seed: int) -> None:
    chance = random.Random(seed)
    level, now, pulls, lowest = float(BURST), 0.0, 0, float(BURST)
    waits: list[float] = []
    day = 86_400.0
    flowing = False
    while now < 2 * day:
        wait = next_pull(180, Left(left=level, rate=RATE, burst=BURST, at=now), now, flowing=flowing)
        busy = chance.random() < 0.1 or (flowing and chance.random() < 0.8)  # orders come in flurries
        waits += [chance.uniform(0, wait)] if busy else []
        now += wait
        level = min(BURST, level + wait * RATE) - 1
        lowest = min(lowest, level)
        pulls += 1
        flowing = busy
    assert lowest >= RESERVE * BURST - 1.5, "the vendor would never have refused one"
    assert pulls <= BURST + 2 * day * RATE
    assert sum(waits) / len(waits) < 0.9 * 90, "on the average of a pull every 180 seconds"
