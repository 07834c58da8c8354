"""Calling the roll: numbers of a window, cheaply, however many."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connectors.shopify import Shopify, paging, queries
from connectors.shopify.simulator import ShopifySimulator
from core.errors import Unavailable
from tests.connectors.shopify.given import order_of

NOW = datetime.now(UTC).replace(microsecond=0)


def test_a_window_ends_before_its_end_to_the_microsecond(simulator: ShopifySimulator, shop: Shopify) -> None:
    instants = [NOW + timedelta(microseconds=part) for part in (-1, 0, 500_000, 999_999, 1_000_000)]
    numbers = [simulator.place(order_of(("MUG-1", 1), placed_at=at)) for at in instants]
    called = list(shop.roll_call(since=NOW, until=NOW + timedelta(microseconds=999_999)))
    assert [(one.number, one.placed_at) for one in called] == list(zip(numbers[1:3], instants[1:3], strict=True))
    assert [one.number for one in shop.roll_call(since=instants[2], until=instants[4])] == numbers[2:4]


def test_250_orders_are_one_cheap_request(simulator: ShopifySimulator, shop: Shopify) -> None:
    for _ in range(251):
        simulator.place(order_of(("MUG-1", 1)))
    simulator.calls.clear()
    simulator.graphql.points = 30.0
    simulator.graphql.restore = 0.0
    called = list(shop.roll_call(since=NOW - timedelta(days=1), until=NOW + timedelta(days=1)))
    assert len({one.number for one in called}) == len(called) == 251
    assert simulator.calls["orders"] == 2


def test_behind_25_000_orders_the_query_starts_anew_and_names_none_twice(
    simulator: ShopifySimulator, shop: Shopify, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = {simulator.place(order_of(("MUG-1", 1), placed_at=NOW + timedelta(seconds=at))) for at in range(30)}
    until = NOW + timedelta(hours=1)
    pages = list(paging.placed(shop._graph, queries.ROLL_CALL, 3, NOW, until, most=9))
    found = [order.rpartition("/")[2] for page in pages for order, _, _ in page]
    assert (set(found), len(found)) == (numbers, 30)
    with pytest.raises(Unavailable, match="at one instant"):
        list(paging.placed(shop._graph, queries.ROLL_CALL, 3, until, until, most=0))
