"""What changes about an order after it was placed: wishes, edits, addresses, holds; and how each reads."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from connectors.amazon import Amazon
from connectors.amazon.simulator import AmazonSimulator
from core.connector import Ability
from core.model import Fulfiller, Hold, money_off
from tests.connectors.amazon.conftest import fetched, order
from tests.connectors.amazon.test_orders import changed, first, read


def test_a_wish_to_cancel_holds_the_order_until_it_is_withdrawn(simulator: AmazonSimulator, amazon: Amazon) -> None:
    number = simulator.place(order())
    versions = [fetched(amazon, number).version]
    for act, holds in (
        (simulator.ask_to_cancel, (Hold.BUYER_CANCEL,)),
        (simulator.withdraw_wish, ()),
        (simulator.ask_to_cancel, (Hold.BUYER_CANCEL,)),
    ):
        act(number)
        seen = fetched(amazon, number)
        assert seen.holds == holds
        versions.append(seen.version)
    assert versions == sorted(set(versions))  # each is newer than the one before, so each replaces it


def test_a_wish_to_cancel_is_answered_by_cancelling(simulator: AmazonSimulator, amazon: Amazon) -> None:
    number = simulator.place(order())
    simulator.ask_to_cancel(number)
    simulator.cancel(number)
    seen = fetched(amazon, number)
    assert seen.holds == ()
    assert all(line.cancelled == line.ordered for line in seen.lines)


def test_a_wish_to_cancel_one_line_ends_when_that_line_has_shipped() -> None:
    seen = read("shipped_despite_a_wish_to_cancel")
    assert seen.holds == ()
    assert [(line.shipped, line.ordered) for line in seen.lines] == [(0, 2), (1, 1)]
    assert [package.tracking for package in seen.packages] == ["1Z0007"]


@pytest.mark.parametrize("wish", [None, {}, {"cancellationRequest": None}])
def test_an_order_without_a_wish_is_not_held(wish: object) -> None:
    assert changed(lambda d: d["orderItems"][1].update(cancellation=wish), "buyer_asks_to_cancel").holds == ()


def test_the_same_sku_on_two_lines_stays_two_lines() -> None:
    seen = read("same_sku_twice")
    assert [(line.number, line.sku, line.ordered) for line in seen.lines] == [
        ("90000000000001", "MUG-BLUE", 2),
        ("90000000000003", "MUG-BLUE", 1),
    ]


def test_a_line_that_was_added_changed_or_removed_reads_as_it_stands() -> None:
    def add(d: dict[str, Any]) -> None:
        d["orderItems"].append({**copy.deepcopy(first(d)), "orderItemId": "90000000000009"})

    def raise_units(d: dict[str, Any]) -> None:
        first(d).update(quantityOrdered=5, fulfillment={"quantityFulfilled": 0, "quantityUnfulfilled": 5})

    assert [line.number for line in changed(add).lines][-1] == "90000000000009"
    assert changed(raise_units).lines[0].ordered == 5
    assert [line.sku for line in changed(lambda d: d["orderItems"].pop(0)).lines] == ["PEN-7"]


def test_an_address_that_changed_is_the_new_one_and_one_that_was_taken_away_holds_the_order() -> None:
    def move(d: dict[str, Any]) -> None:
        d["recipient"]["deliveryAddress"].update(addressLine1="1 New Street", addressType="PICKUP_POINT", phone=None)

    moved = changed(move).ship_to
    assert moved is not None
    assert (moved.line1, moved.phone) == ("1 New Street", "")
    assert changed(lambda d: d.update(recipient={"deliveryAddress": None})).holds == (Hold.ADDRESS,)


def test_a_pending_order_is_released_with_its_address_and_prices(simulator: AmazonSimulator, amazon: Amazon) -> None:
    number = simulator.place(order(pending=True))
    held = fetched(amazon, number)
    simulator.confirm(number)
    free = fetched(amazon, number)
    assert (held.holds, held.priced, held.ship_to) == ((Hold.PENDING,), False, None)
    assert (free.holds, free.priced, free.ship_to is None) == ((), True, False)
    assert free.version > held.version
    assert [line.number for line in held.lines] == [line.number for line in free.lines]


def test_a_free_replacement_is_an_order_of_its_own_that_costs_nothing() -> None:
    seen = read("free_replacement")
    assert (seen.number, seen.total, money_off(seen)) == ("111-2223334-4445571", 0, 0)
    assert [(line.ordered, line.unit_price) for line in seen.lines] == [(1, 0)]


def test_an_order_of_another_shop_that_amazon_ships_never_touches_our_stock() -> None:
    def elsewhere(d: dict[str, Any]) -> None:
        d["salesChannel"] = {"channelName": "NON_AMAZON"}
        del d["proceeds"]

    seen = changed(elsewhere, "fulfilled_by_amazon")
    assert seen.fulfiller is Fulfiller.CHANNEL
    assert not seen.priced


def test_amazons_orders_tell_of_no_refund_and_so_none_can_be_checked() -> None:
    assert read("shipped_in_two_parcels").refunds == ()
    assert "twice" in Amazon.absent[Ability.REFUND]
