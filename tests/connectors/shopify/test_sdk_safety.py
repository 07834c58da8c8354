"""ShopifyAPI's GraphQL call takes any answer for one; over our wire none that is none gets through it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import msgspec
import pytest
from graphql import FieldNode, OperationDefinitionNode, parse
from werkzeug.wrappers import Request

from connectors.shopify import Shopify
from connectors.shopify.simulator import PATH, ShopifySimulator
from tests.connectors.farend import SimulatedFarEnd, goods
from tests.connectors.shopify.given import order_of, settings
from tests.connectors.shopify.test_conformance import TestConformance as Suite
from tests.connectors.spoiling import BAD, BUYER, Spoiled, at_once, believed, outcome, steps
from tests.passing import passing

WITHOUT_SCOPE = {"403 with a message"}
"""An app may lack the scope of returns: none are read then, and the position stays where it was."""


def operation_of(request: Request) -> str:
    """The first field of the query or mutation."""
    if request.path != PATH:
        return ""
    document = parse(msgspec.json.decode(request.get_data())["query"], no_location=True)
    operation = next(one for one in document.definitions if isinstance(one, OperationDefinitionNode))
    return next(one.name.value for one in operation.selection_set.selections if isinstance(one, FieldNode))


@pytest.fixture
def far_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedFarEnd]:
    slept = passing(monkeypatch)
    with ShopifySimulator(listings=goods(ShopifySimulator), plan_points=2000) as simulator:
        yield SimulatedFarEnd(simulator, elapse=lambda: slept.later(60))


def test_no_answer_is_ever_taken_for_one(far_end: SimulatedFarEnd) -> None:
    assert isinstance(far_end.simulator, ShopifySimulator)
    own = settings(far_end.simulator)
    connector = Shopify("shop", own)
    spoiled = Spoiled(far_end, operation_of)
    seen: set[str] = set()
    all_asked: set[str] = set()
    taken: list[str] = []
    for name, step in steps(Suite(), connector, far_end):
        act = step()
        spoiled.asked.clear()
        outcome(act, Shopify("shop", own))
        asked = set(filter(None, spoiled.asked))
        all_asked |= asked
        for operation in sorted(asked):
            for what, bad in BAD.items():
                act = step()
                made = Shopify("shop", own)
                spoiled.target, spoiled.bad = operation, bad
                spoiled.asked.clear()
                came, error = outcome(act, made)
                spoiled.target = ""
                made.close()
                if operation in spoiled.asked:
                    seen.add(operation)
                    if believed(came, error, what) and not (name == "returns" and what in WITHOUT_SCOPE):
                        taken.append(f"{name}: {operation} answered {what}: {came} {error!r}")
    assert taken == [], "\n".join(taken)
    assert seen == all_asked
    assert seen >= {"orders", "fulfillmentCreate", "inventorySetQuantities"}


def test_nothing_of_a_token_or_a_buyer_is_said_at_any_level(
    far_end: SimulatedFarEnd, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)  # of the root, as somebody who looks for a fault would
    simulator = far_end.simulator
    assert isinstance(simulator, ShopifySimulator)
    connector = Shopify("shop", settings(simulator))
    for _, step in steps(Suite(), connector, far_end):
        outcome(step(), Shopify("shop", connector.settings))
    printed = capfd.readouterr()
    said = caplog.text + printed.out + printed.err
    assert "graphql.json" in said, "the wire's own lines are there"
    assert [one for one in ("shpat_", *simulator.secrets().values(), *BUYER) if one in said] == []


def test_two_shops_in_two_threads_never_share_a_token() -> None:
    with (
        ShopifySimulator(name="east", listings=goods(ShopifySimulator), plan_points=2000) as east,
        ShopifySimulator(name="west", listings=goods(ShopifySimulator), plan_points=2000) as west,
    ):
        shops = [one for one in (east, west) if isinstance(one, ShopifySimulator)]
        made = [Shopify(shop.name, settings(shop)) for shop in shops]
        numbers = [shop.place(order_of(("KIT-1", 1))) for shop in shops]

        def pull(at: int) -> set[str]:
            return {seen.number for _ in range(10) for page in made[at].pages(None) for seen in page.observations}

        assert at_once(2, pull) == [{number} for number in numbers]
        assert [one.calls["access_token"] for one in shops] == [1, 1], "a token of the other would have been refused"
