"""The usage plan, and what Amazon's answers say of it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from connectors.amazon import Amazon
from connectors.amazon.account import BUDGETS, reading
from connectors.amazon.simulator import AmazonSimulator
from core.budgets import Reading
from core.credentials import Memory
from core.errors import Throttled
from tests.connectors.amazon.conftest import order
from tests.passing import passing


@pytest.mark.parametrize(
    ("text", "found"),
    [("0.0056", Reading(rate=0.0056)), ("2.0", Reading(rate=2.0)), ("", None), ("soon", None), (None, None)],
)
def test_the_rate_is_read_from_the_header(text: str | None, found: Reading | None) -> None:
    headers = {} if text is None else {"x-amzn-RateLimit-Limit": text}
    assert reading(httpx.Response(200, headers=headers)) == found


def test_the_accounts_own_rate_goes_before_the_plan(simulator: AmazonSimulator, amazon: Amazon) -> None:
    keeper = Memory()
    simulator.place(order())
    own = Amazon("amazon", amazon.settings.model_copy(update={"pace": 3.0}), keeper)
    list(own.pages(None))
    left = keeper.budgets.left("searchOrders")
    assert left is not None
    assert left.rate == pytest.approx(BUDGETS["searchOrders"].rate * simulator.pace, rel=0.01)
    assert left.burst == 20


def test_the_burst_is_spent_and_the_next_request_waits_unsent(
    simulator: AmazonSimulator, amazon: Amazon, monkeypatch: pytest.MonkeyPatch
) -> None:
    passing(monkeypatch)
    slow = amazon.settings.model_copy(update={"pace": 1.0})
    own = Amazon("amazon", slow, Memory())
    answer: Any = simulator._answered

    def plain(request: Any, path: str) -> Any:
        response = answer(request, path)
        response.headers["x-amzn-RateLimit-Limit"] = "0.0056"
        return response

    monkeypatch.setattr(simulator, "_answered", plain)
    for _ in range(20):
        list(own.pages(None))
    with pytest.raises(Throttled, match="searchOrders") as raised:
        list(own.pages(None))
    assert raised.value.after is not None
    assert 170 < raised.value.after < 200
    assert simulator.calls["searchOrders"] == 20
