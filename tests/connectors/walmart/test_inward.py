"""Recorded documents of what happens to orders at Walmart: cancelled, wished away, refunded, shipped by Walmart."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.walmart import orders
from core.errors import BadDocument
from core.model import Address, Fulfiller, Hold, Order, money_off

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures" / "walmart"


def document(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FIXTURES / f"order-{name}.json").read_text())
    return loaded


def read(loaded: dict[str, Any]) -> Order:
    order = orders.normalize(json.dumps(loaded).encode())
    assert money_off(order) == 0
    return order


def first(loaded: dict[str, Any]) -> dict[str, Any]:
    line: dict[str, Any] = loaded["orderLines"]["orderLine"][0]
    return line


def test_what_walmart_cancels_itself_is_cancelled() -> None:
    order = read(document("cancelled-by-walmart"))
    assert [(line.ordered, line.cancelled, line.shipped) for line in order.lines] == [(2, 2, 0)]
    assert (order.total, order.holds, order.acknowledged, order.acknowledge_by) == (Decimal(0), (), True, None)


def test_a_buyers_wish_to_cancel_holds_the_order_until_it_is_withdrawn_or_answered() -> None:
    asking = document("buyer-asks-to-cancel")
    order = read(asking)
    assert order.holds == (Hold.BUYER_CANCEL,)
    assert [(line.number, line.sku) for line in order.lines] == [("1", "MUG-12"), ("2", "MUG-12")]
    first(asking).pop("intentToCancel")
    assert read(asking).holds == ()
    first(asking)["intentToCancel"] = "TRUE"
    first(asking)["orderLineStatuses"]["orderLineStatus"][0]["status"] = "Cancelled"
    assert read(asking).holds == ()


def test_money_given_back_is_told_charge_by_charge_and_moves_no_unit() -> None:
    order = read(document("refunded-in-parts"))
    assert [(one.number, one.amount) for one in order.refunds] == [
        ("1 PRODUCT 10.83", Decimal("10.83")),
        ("1 SHIPPING 5.4", Decimal("5.40")),
        ("1 PRODUCT 10.82", Decimal("10.82")),
    ]
    (line,) = order.lines
    assert (line.ordered, line.shipped, line.cancelled) == (2, 2, 0)
    assert [package.tracking for package in order.packages] == ["1Z999AA10123456784", "9400111202555842332669"]
    assert all(one.at == order.refunds[0].at for one in order.refunds)


@pytest.mark.parametrize("amount", ["NaN", 1e400, "ten", None])
def test_a_refund_of_no_amount_is_a_bad_document(amount: object) -> None:
    loaded = document("refunded-in-parts")
    charge = first(loaded)["refund"]["refundCharges"]["refundCharge"][0]["charge"]
    charge["chargeAmount"]["amount"] = amount
    with pytest.raises(BadDocument):
        orders.normalize(json.dumps(loaded).encode())


def test_refunds_that_say_nothing_are_none() -> None:
    loaded = document("refunded-in-parts")
    for nothing in (None, {}, {"refundCharges": None}, {"refundCharges": {"refundCharge": None}}):
        first(loaded)["refund"] = nothing
        assert read(loaded).refunds == ()


def test_an_order_walmart_ships_is_told_apart() -> None:
    order = read(document("shipped-by-walmart"))
    assert (order.fulfiller, order.acknowledged, order.holds) == (Fulfiller.CHANNEL, True, ())
    assert [line.place for line in order.lines] == [""]


def test_a_replacement_costs_nothing_and_ships() -> None:
    order = read(document("replacement"))
    assert (order.total, order.fulfiller, order.test) == (Decimal(0), Fulfiller.MERCHANT, False)
    assert not order.acknowledged


def test_a_changed_address_is_the_orders_address() -> None:
    loaded = document("replacement")
    before = read(loaded)
    loaded["shippingInfo"]["postalAddress"] |= {"address1": "8 Compiler Court", "postalCode": "22202"}
    after = read(loaded)
    assert isinstance(before.ship_to, Address)
    assert isinstance(after.ship_to, Address)
    assert (before.ship_to.line1, after.ship_to.line1, after.ship_to.postal_code) == (
        "7 Compiler Court",
        "8 Compiler Court",
        "22202",
    )
    assert after.version == before.version  # a later look at the same version that shows something else
