"""A seller at a hurried Amazon, and the connector of that account."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from connectors.amazon import Amazon
from connectors.amazon.account import BUDGETS
from connectors.amazon.settings import AmazonSettings
from connectors.amazon.simulator import AmazonSimulator
from connectors.simulation import SimulatedLine, SimulatedListing, SimulatedOrder
from core.model import Observation, Order, Page
from tests.passing import passing

Connect = Callable[..., Amazon]


def listings(count: int = 3) -> list[SimulatedListing]:
    return [
        SimulatedListing(sku=f"SKU-{number}", title=f"Thing {number}", price=Decimal("12.50"), quantities={"": 500})
        for number in range(count)
    ]


def hurried(**more: Any) -> AmazonSimulator:
    """Amazon without its waits: no data lag, a usage plan a thousand times as fast, feeds done in no time."""
    quick: dict[str, Any] = {"pace": 1000.0, "data_lag_seconds": 0.0}
    quick |= dict.fromkeys(("landing_seconds", "feed_seconds", "report_seconds"), 0.0)
    return AmazonSimulator(**({"listings": listings()} | quick | more))


def settings(simulator: AmazonSimulator, **more: Any) -> AmazonSettings:
    secrets = simulator.secrets()
    keys = simulator.config()
    for key in ("client_secret", "refresh_token"):
        keys[key] = SecretStr(secrets[keys[key].removeprefix("secret:")])
    return AmazonSettings(**(keys | more))


def order(*lines: tuple[str, int], **more: Any) -> SimulatedOrder:
    taken = lines or (("SKU-0", 2), ("SKU-1", 1))
    return SimulatedOrder(lines=tuple(SimulatedLine(sku=sku, quantity=count) for sku, count in taken), **more)


def seen(pages: list[Page]) -> list[Observation]:
    return [observation for page in pages for observation in page.observations]


def fetched(amazon: Amazon, number: str) -> Order:
    return amazon.normalize(amazon.fetch(number).body)


@pytest.fixture
def simulator() -> Iterator[AmazonSimulator]:
    with hurried() as running:
        assert isinstance(running, AmazonSimulator)
        yield running


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes connectors for simulators and closes them at the end."""
    made: list[Amazon] = []

    def connecting(simulator: AmazonSimulator, **more: Any) -> Amazon:
        """At another `pace` the account's usage plan is another one, as Amazon's answers say too."""
        for operation, bucket in simulator._buckets.items():
            bucket.rate = BUDGETS[operation].rate * more.get("pace", simulator.pace)
        made.append(Amazon("amazon-us", settings(simulator, **more)))
        return made[-1]

    yield connecting
    for each in made:
        each.close()


@pytest.fixture
def amazon(simulator: AmazonSimulator, connect: Connect) -> Amazon:
    return connect(simulator)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wire tries again at once."""
    passing(monkeypatch)
