"""ShopifyAPI's GraphQL call takes any answer for one; over our wire none that is none gets through it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from graphql import FieldNode, OperationDefinitionNode, parse
from werkzeug.wrappers import Request

from connectors.shopify import Shopify
from connectors.shopify.simulator import PATH, ShopifySimulator
from tests.connectors.farend import SimulatedFarEnd, goods
from tests.connectors.shopify.given import settings
from tests.connectors.shopify.test_conformance import TestConformance as Suite
from tests.connectors.spoiling import BAD, Spoiled, believed, outcome, steps
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
