"""Bad days: every fault at a high rate; nothing is lost, nothing takes effect twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.shopify import Shopify, queries
from connectors.shopify.simulator import ShopifySimulator
from connectors.simulation import ABOUT_HINTS, Fault, FaultPlan
from core.errors import Unauthorized, Unavailable
from core.model import Ack, AckState, Level, Order, Shipment
from tests.connectors.shopify.given import EAST, SKUS, connector, goods, levels_of, order_of, parcel
from tests.passing import passing

ROUNDS = 300


@pytest.fixture(params=[fault for fault in Fault if fault not in ABOUT_HINTS])
def bad(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ShopifySimulator]:
    """A simulator with forty orders, of which every third request fails in one way."""
    passing(monkeypatch)
    monkeypatch.setattr(queries, "PAGE", 5)
    monkeypatch.setattr(queries, "SHIPPED_ORDERS", 3)
    monkeypatch.setattr(queries, "LEVELS", 4)
    listings = goods(skus=[*SKUS, *(f"S-{at}" for at in range(17))])
    with ShopifySimulator(listings=listings, plan_points=100_000, faults=FaultPlan(7)) as simulator:
        assert isinstance(simulator, ShopifySimulator)
        for at in range(40):
            simulator.place(order_of((SKUS[at % 3], 2), ("S-1", 1)))
        simulator.faults.set({request.param: 0.35})
        yield simulator


def pull(shop: Shopify) -> dict[str, Order]:
    """Pulls as the rounds do: from the last page's cursor, again and again, until a pull ends."""
    found: dict[str, Order] = {}
    cursor = None
    for _ in range(ROUNDS):
        try:
            for page in shop.pages(cursor):
                found |= {seen.number: shop.normalize(seen.body) for seen in page.observations}
                cursor = page.cursor
        except Unavailable:
            continue
        return found
    raise AssertionError("no pull ever ended")


def test_a_pull_on_a_bad_day_loses_nothing(bad: ShopifySimulator) -> None:
    shop = connector(bad, overlap_seconds=0)
    found = pull(shop)
    assert found.keys() == bad.truths().keys()
    assert all(len(order.lines) == 2 for order in found.values())


def test_parcels_on_a_bad_day_arrive_once(bad: ShopifySimulator) -> None:
    shop = connector(bad)
    parcels: dict[str, Shipment] = {}
    for order in pull(shop).values():
        one, two = parcel(order, f"A{order.number}", units=1), parcel(order, f"B{order.number}", units=1, line=1)
        parcels |= {one.key: one, two.key: two}
    for _ in range(ROUNDS):
        try:
            for ack in shop.push_tracking(list(parcels.values())):
                assert ack.state is AckState.APPLIED, ack
                del parcels[ack.key]
        except Unavailable:
            continue
        break
    assert not parcels
    assert sum(bad.faults.struck.values()), "the fault happened"
    effects = bad.effects()
    assert len(effects) == len({effect.tracking for effect in effects}) == 80
    assert all(truth.shipped["S-1"] == 1 for truth in bad.truths().values())


def test_levels_on_a_bad_day_end_as_told(bad: ShopifySimulator) -> None:
    shop = connector(bad)
    levels: list[Level] = []
    for _ in range(ROUNDS):
        try:
            levels = levels_of(shop, bad, 11)
        except Unavailable:
            continue
        break
    assert len(levels) == 20
    acks: dict[str, Ack] = {}
    for _ in range(ROUNDS):
        left = [level for level in levels if level.key not in acks]
        try:
            for ack in shop.push_levels(left):
                assert ack.state in (AckState.APPLIED, AckState.RETRY), ack
                if ack.state is AckState.APPLIED:
                    acks[ack.key] = ack
        except Unavailable:
            continue
        if len(acks) == len(levels):
            break
    assert {quantity for (_, place), quantity in bad.levels().items() if place == EAST} == {11}


def test_a_token_that_dies_after_each_request_is_renewed_each_time(simulator: ShopifySimulator) -> None:
    number = simulator.place(order_of(("MUG-1", 1)))
    simulator.faults.set({Fault.TOKEN_EXPIRY: 1.0})
    shop = connector(simulator)
    for _ in range(3):
        assert shop.fetch(number).number == number
    assert simulator.calls["access_token"] == 3


def test_a_401_with_a_fresh_token_too_asks_for_a_person(simulator: ShopifySimulator) -> None:
    simulator.door.life = -1.0
    with pytest.raises(Unauthorized):
        list(connector(simulator).pages(None))
    assert simulator.calls["access_token"] == 2
