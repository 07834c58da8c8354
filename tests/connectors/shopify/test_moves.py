"""A parcel that left from another location than Shopify assigned its lines to."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.shopify import Shopify
from connectors.shopify.simulator import ShopifySimulator
from core.errors import Unavailable
from core.model import Order
from tests.connectors.shopify.given import EAST, WEST, connector, parcel, placed, refetched, states

HERE, THERE = (place.rpartition("/")[2] for place in (EAST, WEST))


@pytest.fixture
def both(simulator: ShopifySimulator) -> Shopify:
    return connector(simulator, locations={"east": HERE, "west": THERE})


def work(simulator: ShopifySimulator, order: Order) -> list[tuple[str, str, int]]:
    """Where the order's work is, its status, and units left."""
    return [
        (part.location.id, part.status, sum(row.remainingQuantity for row in part.lines))
        for part in simulator.shop.orders[order.number].parts
    ]


def stock(simulator: ShopifySimulator, place: str) -> tuple[int, int]:
    level = simulator.shop.variants["MUG-1"].inventoryItem.levels[place]
    return level.available, level.committed


def test_the_work_moves_to_where_the_parcel_left(simulator: ShopifySimulator, both: Shopify) -> None:
    order = placed(simulator, both)
    assert work(simulator, order) == [(EAST, "OPEN", 3)]
    sent = parcel(order, place=THERE)
    assert states(both.push_tracking([sent])) == {sent.key: "applied"}
    assert work(simulator, order) == [(WEST, "CLOSED", 0)]
    assert (stock(simulator, EAST), stock(simulator, WEST)) == ((500, 0), (497, 0))
    assert refetched(both, order).lines[0].place == THERE
    assert states(both.push_tracking([sent])) == {sent.key: "applied"}
    assert simulator.calls["fulfillmentOrderMove"] == simulator.calls["fulfillmentCreate"] == 1


def test_only_the_parcels_units_move(simulator: ShopifySimulator, both: Shopify) -> None:
    order = placed(simulator, both)
    sent = parcel(order, units=1, place=THERE)
    assert states(both.push_tracking([sent])) == {sent.key: "applied"}
    assert work(simulator, order) == [(EAST, "OPEN", 2), (WEST, "CLOSED", 0)]
    assert (stock(simulator, EAST), stock(simulator, WEST)) == ((498, 2), (499, 0))
    more = [parcel(order, "B", units=1, place=THERE), parcel(order, "C", units=1, place=HERE)]
    assert list(states(both.push_tracking(more)).values()) == ["applied", "applied"]
    assert (stock(simulator, EAST), stock(simulator, WEST)) == ((499, 0), (498, 0))
    assert {effect.tracking for effect in simulator.effects()} == {"1Z1", "B", "C"}


def test_two_parcels_of_one_batch_move_their_own_units(simulator: ShopifySimulator, both: Shopify) -> None:
    order, other = placed(simulator, both), placed(simulator, both)
    parcels = [
        parcel(order, "A", units=1, place=THERE),
        parcel(order, "B", units=1, place=THERE),
        parcel(order, "C", units=1, place=HERE),
        parcel(other, "D", place=HERE),
    ]
    assert set(states(both.push_tracking(parcels)).values()) == {"applied"}
    assert simulator.calls["fulfillmentOrderMove"] == 1
    assert work(simulator, order) == [(EAST, "CLOSED", 0), (WEST, "CLOSED", 0)]


def test_parcels_never_move_more_than_there_is(simulator: ShopifySimulator, both: Shopify) -> None:
    order = placed(simulator, both)
    parcels = [parcel(order, tracking, units=2, place=THERE) for tracking in ("A", "B")]
    assert list(states(both.push_tracking(parcels)).values()) == ["refused", "applied"]
    assert work(simulator, order) == [(WEST, "IN_PROGRESS", 1)]


def test_a_parcel_without_a_place_ships_from_where_the_work_is(simulator: ShopifySimulator) -> None:
    shop = connector(simulator, locations={"west": THERE})
    order = placed(simulator, shop)
    sent = parcel(order)
    assert states(shop.push_tracking([sent])) == {sent.key: "applied"}
    assert work(simulator, order) == [(EAST, "CLOSED", 0)]
    assert simulator.calls["fulfillmentOrderMove"] == 0


def test_work_that_has_begun_ships_from_where_it_is(simulator: ShopifySimulator, both: Shopify) -> None:
    order = placed(simulator, both)
    list(both.push_tracking([parcel(order, "A", units=1, place=HERE)]))
    sent = parcel(order, "B", units=2, place=THERE)
    assert states(both.push_tracking([sent])) == {sent.key: "applied"}
    assert simulator.calls["fulfillmentOrderMove"] == 0, "its supported actions do not hold MOVE"
    assert work(simulator, order) == [(EAST, "CLOSED", 0)]


def test_where_the_move_is_refused_the_parcel_ships_from_where_the_work_is(
    simulator: ShopifySimulator, both: Shopify
) -> None:
    order = placed(simulator, both)
    del simulator.shop.variants["MUG-1"].inventoryItem.levels[WEST]
    sent = parcel(order, place=THERE)
    assert states(both.push_tracking([sent])) == {sent.key: "applied"}
    assert simulator.calls["fulfillmentOrderMove"] == 1
    assert work(simulator, order) == [(EAST, "CLOSED", 0)]


def test_a_move_whose_answer_was_lost_leaves_no_parcel_in_doubt(
    simulator: ShopifySimulator, both: Shopify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.http.pause", lambda seconds: None)
    order = placed(simulator, both)
    sent = parcel(order, place=THERE)
    tell = both._graph.tell

    def cut(document: str, *rest: Any, **more: Any) -> Any:
        answer = tell(document, *rest, **more)
        if document.startswith("mutation Move"):
            raise Unavailable("cut", ambiguous=True)
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(both._graph, "tell", cut)
        with pytest.raises(Unavailable) as lost:
            list(both.push_tracking([sent]))
    assert not lost.value.ambiguous
    assert states(both.push_tracking([sent])) == {sent.key: "applied"}
    assert simulator.calls["fulfillmentOrderMove"] == 1
    assert work(simulator, order) == [(WEST, "CLOSED", 0)]
