"""python-amazon-sp-api raises only on JSON with `errors`; over our wire no answer that is none gets through it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from werkzeug.wrappers import Request

from connectors.amazon import Amazon
from connectors.amazon.account import OPERATIONS
from connectors.amazon.simulator import AmazonSimulator
from tests.connectors.amazon.conftest import Connect, hurried, order
from tests.connectors.amazon.test_conformance import TestConformance as Suite
from tests.connectors.amazon.vendor import OUTBOUND
from tests.connectors.farend import SimulatedFarEnd, goods
from tests.connectors.spoiling import BAD, BUYER, Act, Spoiled, at_once, believed, outcome, settling, steps
from tests.passing import passing

ELSEWHERE = {"getMarketplaceParticipations", "getReports"}
"""Asked by `examine` alone, which raises nothing."""


def operation_of(request: Request) -> str:
    path = request.environ["RAW_URI"].partition("?")[0]
    if path.startswith("/presigned/"):
        return "upload" if request.method == "PUT" else "download"
    return next((name for method, pattern, name in OPERATIONS if method == request.method and pattern.match(path)), "")


@pytest.fixture
def far_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedFarEnd]:
    slept = passing(monkeypatch)
    skus = ("KIT-1", "KIT,2", "KIT-3")  # a SKU with a comma cannot be searched for
    with hurried(listings=goods(hurried(), skus)) as simulator:
        # A feed of a kind is sent once in twenty minutes.
        yield SimulatedFarEnd(simulator, elapse=lambda: slept.later(1_300))


def test_no_answer_is_ever_taken_for_one(
    far_end: SimulatedFarEnd, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiled = Spoiled(far_end, operation_of)
    queue = "https://sqs.us-east-1.amazonaws.com/123456789013/q"
    connector = connect(far_end.simulator, overlap_seconds=0, queue_url=queue)
    seen: set[str] = set()
    taken: list[str] = []
    suite = Suite()

    def report() -> Act:
        """The returns of a report that was asked for before and is made by now."""
        for sold in suite.sold(connector, far_end, 1, 2):
            far_end.send_back(sold.number, sold.lines[0].sku, 1)
        far_end.let_time_pass()
        (page,) = connector.returns(None)
        far_end.let_time_pass()
        return lambda made: made.returns(page.cursor)

    def forgotten() -> Act:
        """Seeing to subscriptions, where Amazon knows neither the queue nor a subscription."""
        there = far_end.simulator.notifications
        there.subscriptions.clear()
        there.destinations.clear()
        return lambda made: [made.subscriptions("")]

    def outdated() -> Act:
        """The same where the subscription is in words we do not read."""
        act = forgotten()
        connector.subscriptions("")
        for subscription in far_end.simulator.notifications.subscriptions.values():
            subscription.version = "0.9"
        return act

    more = [
        ("forgotten", forgotten),
        ("outdated", outdated),
        ("settle", settling(suite, connector, far_end)),
        ("returns", report),
    ]
    for name, step in [*steps(suite, connector, far_end), *more]:
        for few in {"push_levels": (50, 0), "settle": (50, 0)}.get(name, (50,)):
            monkeypatch.setattr("connectors.amazon.levels.FEW", few)
            act = step()
            spoiled.asked.clear()
            outcome(act, Amazon("amazon-us", connector.settings))
            for operation in dict.fromkeys(filter(None, spoiled.asked)):
                for what, bad in BAD.items():
                    act = step()
                    made = Amazon("amazon-us", connector.settings)
                    spoiled.target, spoiled.bad = operation, bad
                    spoiled.asked.clear()
                    came, error = outcome(act, made)
                    spoiled.target = ""
                    made.close()
                    if operation in spoiled.asked:
                        seen.add(operation)
                        if believed(came, error, what):
                            taken.append(f"{name}: {operation} answered {what}: {came} {error!r}")
    assert taken == []
    assert seen == {name for _, _, name in OPERATIONS} - ELSEWHERE - OUTBOUND | {"upload", "download"}


def test_nothing_of_a_token_or_a_buyer_is_said_at_any_level(
    far_end: SimulatedFarEnd, connect: Connect, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)  # of the root, as somebody who looks for a fault would
    simulator = far_end.simulator
    assert isinstance(simulator, AmazonSimulator)
    connector = connect(simulator, overlap_seconds=0)
    for _, step in steps(Suite(), connector, far_end):
        outcome(step(), Amazon("amazon-us", connector.settings))
    printed = capfd.readouterr()
    said = caplog.text + printed.out + printed.err
    assert "/orders/2026-01-01/orders" in said, "the wire's own lines are there"
    tokens = list(simulator.login._tokens)
    assert tokens
    assert [one for one in (*tokens, *simulator.secrets().values(), *BUYER) if one in said] == []


def test_two_accounts_in_two_threads_never_share_a_token(connect: Connect) -> None:
    with hurried(name="east") as east, hurried(name="west") as west:
        made = [connect(east), connect(west)]
        numbers = [east.place(order()), west.place(order())]

        def pull(at: int) -> set[str]:
            return {seen.number for _ in range(20) for page in made[at].pages(None) for seen in page.observations}

        assert at_once(2, pull) == [{number} for number in numbers]
        assert [one.calls["token"] for one in (east, west)] == [1, 1], "a token of the other would have been refused"
