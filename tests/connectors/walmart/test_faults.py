"""Bad days: whatever fails, no order is lost, no parcel ships twice, and the levels land in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import pytest

from connectors.simulation import ABOUT_HINTS, Fault, FaultPlan
from connectors.walmart import Walmart, windows
from connectors.walmart.simulator import WalmartSimulator
from core.errors import Unavailable
from core.model import Ack, AckState, Shipment
from tests.connectors.walmart.conftest import Connect
from tests.connectors.walmart.trade import SKUS, level, parcel, place

pytestmark = pytest.mark.usefixtures("no_pauses")

T = TypeVar("T")

TRIES = 400
EVERYTHING = dict.fromkeys(Fault, 0.08)
PLANS = {fault.value: {fault: 0.35} for fault in Fault if fault not in ABOUT_HINTS} | {"everything": EVERYTHING}


@pytest.fixture(params=sorted(PLANS))
def bad_day(request: pytest.FixtureRequest, simulator: WalmartSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulator fails all the time, and pages are short so that there are many."""
    monkeypatch.setattr(windows, "LIMIT", 3)
    simulator.faults = FaultPlan(5, PLANS[request.param])


def in_the_end(step: Callable[[], T]) -> T:
    """Does a step again while the channel is away, as the rounds do."""
    for _ in range(TRIES):
        try:
            return step()
        except Unavailable:
            continue
    raise AssertionError("it never came to an end")


def all_orders(connector: Walmart) -> set[str]:
    """Pulls to the end, each time from the last cursor that was handed out."""
    cursor: str | None = None
    found: set[str] = set()

    def go_on() -> None:
        nonlocal cursor
        for page in connector.pages(cursor):
            found.update(one.number for one in page.observations)
            cursor = page.cursor

    in_the_end(go_on)
    return found


def until_applied(tell: Callable[[list[str]], Iterable[Ack]], keys: Iterable[str]) -> None:
    """Tells what is not applied yet until all is. Nothing may be refused."""
    left = set(keys)

    def go_on() -> None:
        for ack in tell(sorted(left)):
            assert ack.state is not AckState.REFUSED, ack.reason
            if ack.state is AckState.APPLIED:
                left.discard(ack.key)
        if left:
            raise Unavailable("some are left")

    in_the_end(go_on)


@pytest.mark.usefixtures("bad_day")
def test_no_order_is_lost_and_no_parcel_ships_twice(simulator: WalmartSimulator, connect: Connect) -> None:
    connector = connect()
    placed = [place(simulator, (SKUS[0], 2), (SKUS[1], 1)) for _ in range(10)]
    assert all_orders(connector) == set(placed)
    until_applied(connector.acknowledge, placed)
    parcels: dict[str, Shipment] = {}
    for at, number in enumerate(placed):
        for half in (0, 1):
            one = parcel(number, {"1": 1}, serial=2 * at + half)
            parcels[one.key] = one
    until_applied(lambda keys: connector.push_tracking([parcels[key] for key in keys]), parcels)
    effects = [(effect.order, effect.tracking) for effect in simulator.effects()]
    assert sorted(effects) == sorted((one.order, one.tracking) for one in parcels.values())
    assert {truth.shipped[SKUS[0]] for truth in simulator.truths().values()} == {2}


@pytest.mark.usefixtures("bad_day")
def test_the_levels_land_in_the_end(simulator: WalmartSimulator, connect: Connect) -> None:
    connector = connect()
    wanted = {
        row.key: row for row in (level(sku, 40 + at, node) for at, sku in enumerate(SKUS) for node in simulator.places)
    }
    until_applied(lambda keys: connector.push_levels([wanted[key] for key in keys]), wanted)
    simulator.faults.heal()
    assert {(row.sku, row.place): row.quantity for row in wanted.values()} == simulator.levels()


@pytest.mark.usefixtures("bad_day")
def test_every_listing_is_found_once(simulator: WalmartSimulator, connector: Walmart) -> None:
    assert sorted(in_the_end(lambda: [listing.sku for listing in connector.listings()])) == sorted(SKUS)


def test_a_dead_token_costs_one_new_one(simulator: WalmartSimulator, connector: Walmart) -> None:
    number = place(simulator)
    connector.fetch(number)
    simulator.expire_tokens()
    connector.fetch(number)
    assert simulator.calls["token"] == 2
