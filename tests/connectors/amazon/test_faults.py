"""Bad days at Amazon: nothing is lost, nothing takes effect twice, nothing is confirmed that is not so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import pytest

from connectors.amazon import Amazon
from connectors.amazon.simulator import AmazonSimulator
from connectors.simulation import ABOUT_HINTS, Fault, FaultPlan
from core.errors import Unavailable
from core.model import Ack, AckState, Level, Order
from tests.connectors.amazon.conftest import Connect, fetched, hurried, listings, order
from tests.connectors.amazon.test_tracking import parcel

pytestmark = pytest.mark.usefixtures("no_pauses")

T = TypeVar("T")

HARSH = 0.25
TRIES = 200

FAULTS = [fault for fault in Fault if fault not in ABOUT_HINTS]
ALL = dict.fromkeys(FAULTS, 0.08)


def persist(attempt: Callable[[], T]) -> T:
    """Tries again for as long as the channel is merely unavailable, as the rounds do."""
    for _ in range(TRIES):
        try:
            return attempt()
        except Unavailable:
            continue
    raise AssertionError(f"still unavailable after {TRIES} tries")


@pytest.fixture(params=[*FAULTS, "all"], ids=str)
def rates(request: pytest.FixtureRequest) -> Mapping[Fault, float]:
    return ALL if request.param == "all" else {request.param: HARSH}


@pytest.fixture
def harsh(connect: Connect) -> Iterator[tuple[AmazonSimulator, Amazon]]:
    with hurried(listings=listings(40), faults=FaultPlan(7)) as simulator:
        assert isinstance(simulator, AmazonSimulator)
        yield simulator, connect(simulator)


def test_every_order_is_pulled(harsh: tuple[AmazonSimulator, Amazon], rates: Mapping[Fault, float]) -> None:
    simulator, amazon = harsh
    placed = {simulator.place(order()) for _ in range(450)}
    simulator.faults.set(rates)
    found: dict[str, int] = {}
    cursor: str | None = None

    def pull() -> None:
        nonlocal cursor
        for page in amazon.pages(cursor):
            for observation in page.observations:
                found[observation.number] = amazon.normalize(observation.body).version
            cursor = page.cursor

    for _ in range(4):
        persist(pull)
    assert found.keys() == placed
    assert sum(simulator.faults.struck.values()) or rates.keys() == {Fault.RESET_AFTER_WRITE}  # which needs a write


def test_every_parcel_takes_effect_exactly_once(
    harsh: tuple[AmazonSimulator, Amazon], rates: Mapping[Fault, float]
) -> None:
    simulator, amazon = harsh
    orders = [fetched(amazon, simulator.place(order())) for _ in range(25)]
    simulator.faults.set(rates)
    shipments = {f"key-{serial}": parcel(each, serial) for serial, each in enumerate(orders, 1)}
    acks: dict[str, Ack] = {}

    def push() -> None:
        for ack in amazon.push_tracking([each for key, each in shipments.items() if key not in acks]):
            acks[ack.key] = ack

    persist(push)
    assert {ack.state for ack in acks.values()} == {AckState.APPLIED}
    assert Counter(effect.tracking for effect in simulator.effects()) == Counter(
        each.tracking for each in shipments.values()
    )


def test_every_quantity_ends_as_it_should(harsh: tuple[AmazonSimulator, Amazon], rates: Mapping[Fault, float]) -> None:
    simulator, amazon = harsh
    handles = {listing.sku: listing.handle for listing in amazon.listings()}
    simulator.faults.set(rates)
    for quantity in (11, 7):
        wanted = [
            Level(key=sku, sku=sku, handle=handle, place="", quantity=quantity, revision=quantity)
            for sku, handle in handles.items()
        ]
        deliver(amazon, wanted)
        assert set(simulator.levels().values()) == {quantity}


def deliver(amazon: Amazon, wanted: Sequence[Level]) -> None:
    """Pushes and settles until every level is applied, as the rounds do."""
    states: dict[str, Ack] = {}

    def push() -> None:
        due = [each for each in wanted if each.key not in states or states[each.key].state is AckState.RETRY]
        for ack in amazon.push_levels(due):
            states[ack.key] = ack

    def settle() -> None:
        for ack in amazon.settle({k: ack.ticket for k, ack in states.items() if ack.state is AckState.ACCEPTED}):
            states[ack.key] = ack

    for _ in range(TRIES):
        persist(push)
        persist(settle)
        if len(states) == len(wanted) and {ack.state for ack in states.values()} == {AckState.APPLIED}:
            return
    raise AssertionError(f"not delivered: {Counter(ack.state for ack in states.values())}")


def test_levels_and_listings_are_read_whole(
    harsh: tuple[AmazonSimulator, Amazon], rates: Mapping[Fault, float]
) -> None:
    simulator, amazon = harsh
    simulator.faults.set(rates)
    for _ in range(3):
        assert {listing.sku for listing in persist(lambda: list(amazon.listings()))} == {
            f"SKU-{number}" for number in range(40)
        }


def test_a_bad_day_costs_one_refresh_for_each_token_that_died(simulator: AmazonSimulator, amazon: Amazon) -> None:
    number = simulator.place(order())
    list(amazon.pages(None))
    for _ in range(5):
        simulator.login.expire()
        seen: Order = fetched(amazon, number)
        assert seen.number == number
    assert simulator.calls["token"] == 6
