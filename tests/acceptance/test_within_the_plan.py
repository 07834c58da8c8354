"""Rounds over simulated minutes at the vendors' usage plans: the far end, which owns the true bucket, refuses none."""

from __future__ import annotations

import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from connectors.amazon.account import BUDGETS
from connectors.amazon.simulator import AmazonSimulator
from connectors.shopify.simulator import ShopifySimulator
from connectors.simulation import SimulatedLine, SimulatedListing, SimulatedOrder, Simulator
from connectors.walmart.simulator import WalmartSimulator
from core.connector import find
from core.settings import DaemonSettings, LocationSettings, LogSettings, RoutingSettings, Settings, StoreSettings
from core.store.database import Store
from core.sync.connect import Keepers
from core.sync.round import Outcome
from core.sync.stock import receive
from core.sync.turn import turn
from tests.passing import Slept, passing

SKUS = [f"SKU-{number}" for number in range(12)]
MINUTES = 40


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Slept:
    return passing(monkeypatch)


def goods(places: tuple[str, ...]) -> list[SimulatedListing]:
    return [
        SimulatedListing(sku=sku, title=sku, price=Decimal("10.00"), quantities=dict.fromkeys(places, 500))
        for sku in SKUS
    ]


def settings_of(simulator: Simulator) -> Settings:
    secrets = {f"secret:{name}": SecretStr(value) for name, value in simulator.secrets().items()}
    keys: dict[str, Any] = {
        key: secrets.get(value, value) if isinstance(value, str) else value for key, value in simulator.config().items()
    }
    keys = {key: tuple(value) if isinstance(value, list) else value for key, value in keys.items()}
    own = find(simulator.connector).Settings(**keys, locations={"east": simulator.places[0]})
    return Settings(
        folder=Path("/nowhere"),
        store=StoreSettings(),
        daemon=DaemonSettings(),
        log=LogSettings(),
        locations=(LocationSettings(name="east"),),
        routing=RoutingSettings(),
        channels={"shop": own},
    )


def now() -> int:
    return int(time.time() * 1_000_000)


def trade(store: Store, simulator: Simulator, clocks: Slept, *, every: float = 60.0) -> list[Outcome]:
    """Turns whenever one is due, over simulated minutes in which a buyer orders now and then."""
    settings = settings_of(simulator)
    for sku in SKUS:
        receive(store, sku, "east", 400, now=now())
    keepers = Keepers(store, settings.store)
    connector = keepers.connect("shop", settings.channels["shop"])
    outcomes: list[Outcome] = []
    ends = clocks.ahead + MINUTES * 60
    buys = clocks.ahead
    while clocks.ahead < ends:
        while buys <= clocks.ahead:
            simulator.place(SimulatedOrder(lines=(SimulatedLine(sku=SKUS[len(outcomes) % 12], quantity=1),)))
            buys += every
        done = turn(store, settings, "shop", now=now, connector=connector, keepers=keepers)
        assert isinstance(done, Outcome), done
        outcomes.append(done)
        with store.read() as tx:
            row = tx.row("SELECT * FROM channels")
        due = min(row.next_due, row.wake_at or row.next_due)
        clocks.later(max(1.0, (due - now()) / 1_000_000))
    connector.close()
    return outcomes


def stored(store: Store) -> int:
    with store.read() as tx:
        return int(tx.value("SELECT count(*) FROM orders"))


@pytest.fixture
def place(sqlite_store: Store) -> Store:
    with sqlite_store.write() as tx:
        tx.run("INSERT INTO locations (name, country, priority) VALUES ('east', 'US', 1)")
    return sqlite_store


def test_amazon_at_its_own_plan(place: Store, clocks: Slept) -> None:
    with AmazonSimulator(listings=goods(("",)), data_lag_seconds=0.0, landing_seconds=0.0) as simulator:
        outcomes = trade(place, simulator, clocks)
        spent = simulator.calls["searchOrders"]
        assert simulator.violations == {}
        assert stored(place) >= MINUTES - 5, "what came in the last minutes is on its way"
    plan = BUDGETS["searchOrders"]
    assert spent <= plan.burst + MINUTES * 60 * plan.rate
    assert spent > MINUTES / 3 * 1.5, "the burst was used: that is more than a pull in three minutes"
    assert sum(outcome.levels for outcome in outcomes) > len(SKUS)


@pytest.mark.parametrize("points", [20, 1000])
def test_shopify_at_its_own_plan(place: Store, clocks: Slept, points: int) -> None:
    with ShopifySimulator(listings=goods(ShopifySimulator.places), plan_points=points) as simulator:
        outcomes = trade(place, simulator, clocks, every=20.0)
        assert simulator.violations == {}
        assert stored(place) >= MINUTES * 3 - 5
    assert sum(outcome.levels for outcome in outcomes) > len(SKUS)


def test_walmart_at_its_own_plan(place: Store, clocks: Slept) -> None:
    with WalmartSimulator() as simulator:
        for listing in goods(simulator.places):
            simulator.offer(listing)
        outcomes = trade(place, simulator, clocks, every=20.0)
        assert simulator.violations == {}
        assert stored(place) > 0, "not all: its windows go by the calendar, which stands still here"
    assert sum(outcome.levels for outcome in outcomes) > len(SKUS)
