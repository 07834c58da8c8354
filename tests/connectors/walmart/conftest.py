"""A simulated Walmart account, and connectors to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from connectors.walmart import Walmart, WalmartSettings
from connectors.walmart.simulator import WalmartSimulator
from tests.connectors.farend import goods, no_pauses

__all__ = ["no_pauses"]

FAST = 10_000.0
"""The pace of tests: limits are there, and nobody waits for them."""

Connect = Callable[..., Walmart]


def settings_for(simulator: WalmartSimulator, **keys: Any) -> WalmartSettings:
    """Settings that point a connector at this simulator."""
    values = simulator.config() | keys
    secret = simulator.secrets()[values["client_secret"].removeprefix("secret:")]
    values["client_secret"] = SecretStr(secret)
    values["ship_node_types"] = tuple(values["ship_node_types"])
    return WalmartSettings(**values)


@pytest.fixture
def simulator() -> Iterator[WalmartSimulator]:
    # Feeds wait until `settle_feeds`, so that no test depends on how fast it runs.
    with WalmartSimulator(listings=goods(WalmartSimulator()), pace=FAST, feed_seconds=3600 * FAST) as started:
        assert isinstance(started, WalmartSimulator)
        yield started


@pytest.fixture
def connect(simulator: WalmartSimulator) -> Iterator[Connect]:
    """Makes connectors to the simulator and closes them; keys overrule its settings."""
    made: list[Walmart] = []

    def one(**keys: Any) -> Walmart:
        made.append(Walmart("walmart-us", settings_for(simulator, **keys)))
        return made[-1]

    yield one
    for connector in made:
        connector.close()


@pytest.fixture
def connector(connect: Connect) -> Walmart:
    return connect()
