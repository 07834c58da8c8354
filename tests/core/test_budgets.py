"""Budgets: by the plan at first, by the vendor's word from then on, and the same for everybody."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx
import pytest

from core import http
from core.budgets import USED, Budget, Budgets, Left, Reading, read, written
from core.errors import Throttled, Unavailable

PLAN = {"orders": Budget(2.0, 4)}


class Clocks:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monotonic, self.time = 1_000.0, 1_800_000_000.0
        self.slept: list[float] = []
        monkeypatch.setattr(time, "monotonic", lambda: self.monotonic)
        monkeypatch.setattr(time, "time", lambda: self.time)

    def later(self, seconds: float) -> None:
        self.monotonic += seconds
        self.time += seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.later(seconds)


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    return Clocks(monkeypatch)


def drained(budgets: Budgets, operation: str = "orders") -> int:
    """How many requests it pays at once."""
    count = 0
    while budgets.take(operation) == 0:
        budgets.answered(operation, 1.0, None)
        count += 1
    return count


def test_a_bucket_begins_full_and_refills_a_little_slower_than_the_plan(clocks: Clocks) -> None:
    budgets = Budgets().plan(PLAN)
    assert drained(budgets) == 4
    assert budgets.take("orders") == pytest.approx(1 / (2.0 * USED))
    assert budgets.take("orders") > 0.51
    clocks.later(1.0)
    assert drained(budgets) == 1
    clocks.later(1000.0)
    assert drained(budgets) == 4


def test_what_is_waited_for_is_taken_and_who_comes_next_waits_behind_it(clocks: Clocks) -> None:
    budgets = Budgets().plan({"orders": Budget(1.0, 1)})
    assert budgets.take("orders") == 0
    first = budgets.take("orders", patience=10)
    second = budgets.take("orders", patience=10)
    assert (first, second) == (pytest.approx(1 / USED), pytest.approx(2 / USED))
    assert budgets.take("orders", patience=2.0) > 2.0
    assert budgets.take("orders", patience=10) == pytest.approx(3 / USED), "what was not taken cost nothing"


def test_what_costs_more_than_the_bucket_holds_takes_all_of_it(clocks: Clocks) -> None:
    budgets = Budgets().plan({"points": Budget(100.0, 1000)})
    assert budgets.take("points", 5000.0) == 0
    assert budgets.take("points", 1.0) > 0


def test_an_operation_without_a_budget_is_free(clocks: Clocks) -> None:
    budgets = Budgets().plan(PLAN)
    assert [budgets.take("other") for _ in range(100)] == [0.0] * 100
    assert budgets.wait("other") is None
    assert budgets.left("other") is None


def test_the_vendors_rate_goes_before_the_plans(clocks: Clocks) -> None:
    budgets = Budgets().plan(PLAN)
    drained(budgets)
    budgets.answered("orders", 0.0, Reading(rate=0.5))
    assert budgets.take("orders") == pytest.approx(1 / (0.5 * USED))
    for nonsense in (0.0, -1.0, float("inf"), float("nan")):
        budgets.answered("orders", 0.0, Reading(rate=nonsense))
    assert budgets.take("orders") == pytest.approx(1 / (0.5 * USED))


def test_the_vendors_count_goes_before_ours_less_what_is_under_way(clocks: Clocks) -> None:
    budgets = Budgets().plan({"points": Budget(100.0, 1000)})
    budgets.take("points", 200.0)
    budgets.take("points", 300.0)
    budgets.answered("points", 200.0, Reading(left=700.0))
    left = budgets.left("points")
    assert left is not None
    assert left.left == 400.0, "the other request's 300 are not in the vendor's count yet"
    budgets.answered("points", 300.0, Reading(left=650.0, burst=2000.0, rate=50.0))
    left = budgets.left("points")
    assert left is not None
    assert (left.left, left.burst, left.rate) == (650.0, 2000.0, 50.0)


def test_what_a_request_did_not_cost_is_given_back(clocks: Clocks) -> None:
    budgets = Budgets().plan({"points": Budget(100.0, 1000)})
    budgets.take("points", 800.0)
    budgets.answered("points", 800.0, Reading(cost=10.0))
    left = budgets.left("points")
    assert left is not None
    assert left.left == 990.0


def test_nothing_is_sent_before_the_instant_the_vendor_names(clocks: Clocks) -> None:
    budgets = Budgets().plan(PLAN)
    budgets.answered("orders", 0.0, Reading(left=0.0, wait=60.0))
    assert budgets.take("orders") == 60.0
    clocks.later(59.0)
    assert budgets.take("orders") == pytest.approx(1.0)
    clocks.later(1.1)
    assert budgets.take("orders") == 0


def test_a_new_plan_leaves_what_was_left(clocks: Clocks) -> None:
    budgets = Budgets().plan(PLAN)
    drained(budgets)
    budgets.answered("orders", 0.0, Reading(rate=0.5))
    budgets.plan(PLAN)
    assert budgets.take("orders") == pytest.approx(1 / (0.5 * USED)), "the vendor's word still holds"
    assert drained(budgets) == 0, "a connector opened anew begins where the last one ended"
    budgets.plan({"orders": Budget(4.0, 8)})
    assert drained(budgets) == 0
    clocks.later(1.0)
    assert drained(budgets) == 3


def test_another_process_goes_on_where_this_one_ended(clocks: Clocks) -> None:
    before = Budgets().plan(PLAN)
    drained(before)
    text = written(before.standing())
    clocks.later(1.0)
    assert drained(Budgets(read(text)).plan(PLAN)) == 2
    assert drained(Budgets(read("")).plan(PLAN)) == 4
    before.answered("orders", 0.0, Reading(left=0.0, wait=60.0))
    text = written(before.standing())
    clocks.later(30.0)
    assert Budgets(read(text)).plan(PLAN).take("orders") == pytest.approx(30.0)


def test_what_is_left_by_now_is_told_from_what_was_written_down() -> None:
    left = Left(left=1.0, rate=0.5, burst=4.0, at=100.0)
    assert [left.now(at) for at in (100.0, 102.0, 1000.0, 0.0)] == [1.0, 2.0, 4.0, 1.0]
    assert Left(left=1.0, rate=0.5, burst=4.0, at=100.0, shut_until=110.0).now(105.0) == 0.0


# The wire.


def wired(
    clocks: Clocks,
    *answers: httpx.Response,
    budgets: Budgets | None = None,
    plan: dict[str, Budget] = PLAN,
    reading: Callable[[httpx.Response], Reading | None] = lambda response: None,
) -> tuple[httpx.Client, list[httpx.Request]]:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return answers[min(len(sent), len(answers)) - 1]

    own = (budgets or Budgets()).plan(plan)
    client = http.client(
        "shop",
        operation=lambda request: request.url.path.strip("/"),
        budgets=own,
        reading=reading,
        transport=httpx.MockTransport(answer),
        sleep=clocks.sleep,
    )
    return client, sent


OK = httpx.Response(200, json={})


def test_all_clients_of_an_account_pay_from_one_budget(clocks: Clocks) -> None:
    shared = Budgets()
    (one, sent), (two, also) = wired(clocks, OK, budgets=shared), wired(clocks, OK, budgets=shared)
    for client in (one, two, one, two):
        client.get("http://far.test/orders")
    assert clocks.slept == []
    one.get("http://far.test/orders")
    assert clocks.slept == [pytest.approx(1 / (2.0 * USED))]
    assert (len(sent), len(also)) == (3, 2)


def test_a_429_without_a_word_empties_the_bucket_and_backs_off(clocks: Clocks) -> None:
    client, sent = wired(clocks, httpx.Response(429), OK, plan={"orders": Budget(0.5, 4)})
    client.get("http://far.test/orders")
    assert len(sent) == 2
    assert sum(clocks.slept) >= 1 / 0.5, "a whole token was waited for"


def test_a_429_whose_token_is_long_in_coming_is_raised_with_its_wait(clocks: Clocks) -> None:
    client, sent = wired(clocks, httpx.Response(429), plan={"orders": Budget(0.0056, 20)})
    with pytest.raises(Throttled, match="the budget of orders is spent") as raised:
        client.get("http://far.test/orders")
    assert raised.value.after == pytest.approx(1 / (0.0056 * USED), abs=2)
    assert len(sent) == 1
    with pytest.raises(Throttled):
        client.get("http://far.test/orders")
    assert len(sent) == 1, "and nothing more is sent until then"


def test_a_429_that_never_ends_says_in_the_end_how_long_to_wait(clocks: Clocks) -> None:
    client, sent = wired(clocks, httpx.Response(429))
    with pytest.raises(Throttled) as raised:
        client.get("http://far.test/orders")
    assert len(sent) == http.ATTEMPTS
    assert raised.value.after == pytest.approx(1 / (2.0 * USED), abs=0.1)


def test_a_retry_after_shuts_the_operation_for_every_client(clocks: Clocks) -> None:
    shared = Budgets()
    one, _ = wired(clocks, httpx.Response(429, headers={"Retry-After": "300"}), budgets=shared)
    two, sent = wired(clocks, OK, budgets=shared)
    with pytest.raises(Throttled) as raised:
        one.get("http://far.test/orders")
    assert raised.value.after == 300.0
    with pytest.raises(Throttled):
        two.get("http://far.test/orders")
    assert sent == []
    two.get("http://far.test/feeds")
    assert len(sent) == 1, "another operation is not shut"


def test_what_an_answer_says_is_heeded_whatever_its_status(clocks: Clocks) -> None:
    client, _ = wired(clocks, httpx.Response(503), OK, reading=lambda response: Reading(rate=0.01))
    client.get("http://far.test/orders")
    for _ in range(2):
        client.get("http://far.test/orders")
    with pytest.raises(Throttled):
        client.get("http://far.test/orders")


def test_a_lost_answer_stays_paid_for_and_is_no_longer_under_way(clocks: Clocks) -> None:
    def lost(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("gone")

    budgets = Budgets().plan(PLAN)
    client = http.client(
        "shop", operation=lambda request: "orders", budgets=budgets, transport=httpx.MockTransport(lost)
    )
    with pytest.raises(Unavailable):
        client.post("http://far.test/orders")
    left = budgets.left("orders")
    assert left is not None
    assert left.left == 3.0
    budgets.answered("orders", 0.0, Reading(left=4.0))
    again = budgets.left("orders")
    assert again is not None
    assert again.left == 4.0


def test_a_throttle_is_no_outage_and_nothing_took_effect(clocks: Clocks) -> None:
    client, _ = wired(clocks, httpx.Response(429, headers={"Retry-After": "60"}))
    with pytest.raises(Throttled) as raised:
        client.post("http://far.test/orders")
    assert not raised.value.ambiguous
