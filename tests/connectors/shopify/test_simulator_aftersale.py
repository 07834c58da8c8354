"""The simulator refuses what Shopify refuses of corrections, moves, cancellations and refunds, and asks for scopes."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.shopify import cancel, moves, queries, refunds
from connectors.shopify.corrections import _document as correct
from connectors.shopify.simulator import ShopifySimulator
from connectors.shopify.simulator.records import Order
from tests.connectors.shopify.given import EAST, WEST, order_of
from tests.connectors.shopify.test_simulator import Caller, part


@pytest.fixture
def call(simulator: ShopifySimulator) -> Caller:
    return Caller(simulator)


@pytest.fixture
def order(simulator: ShopifySimulator) -> Order:
    return simulator.shop.orders[simulator.place(order_of(("MUG-1", 3), ("TEE-2", 1)))]


def cancelled(call: Caller, order: Order, **more: Any) -> list[tuple[str, str]]:
    given = {"id": order.id, "reason": "OTHER", "restock": True, "notify": False, "money": None, "note": ""} | more
    answer = call(cancel.CANCEL, given)["data"]["orderCancel"]
    return [(error["code"], error["message"]) for error in answer["orderCancelUserErrors"]]


def refunded(call: Caller, order: Order, key: str = "k", **more: Any) -> list[str]:
    answer = call(refunds.DOCUMENT, {"input": {"orderId": order.id} | more, "key": key})["data"]["refundCreate"]
    return [error["message"] for error in answer["userErrors"]]


def row(order: Order, units: int = 1, kind: str = "NO_RESTOCK", at: int = 0, **more: Any) -> dict[str, Any]:
    return {"lineItemId": order.lines[at].id, "quantity": units, "restockType": kind} | more


def pay(order: Order, amount: str = "1.00", **more: Any) -> dict[str, Any]:
    paid = order.paid[0]
    values = {"orderId": order.id, "parentId": paid.id, "gateway": paid.gateway, "kind": "REFUND", "amount": amount}
    return values | more


def test_an_order_is_cancelled_once_and_only_while_nothing_has_left(
    simulator: ShopifySimulator, call: Caller, order: Order
) -> None:
    assert cancelled(call, order, id="gid://shopify/Order/1") == [("NOT_FOUND", "Order does not exist")]
    assert cancelled(call, order, note="x" * 256)[0][0] == "INVALID"
    assert cancelled(call, order) == cancelled(call, order) == [], "both are taken: the jobs have not run"
    simulator.settle_feeds()
    assert order.cancelledAt is not None
    assert [node.status for node in simulator.shop.nodes.values() if node.kind == "OrderCancelJobResult"] == [
        "SUCCEEDED",
        "FAILED",
    ]
    assert cancelled(call, order) == [("INVALID", "Order has already been cancelled")]
    shipped = simulator.shop.orders[simulator.place(order_of(("MUG-1", 1)))]
    assert call.fulfil(part(simulator, shipped.number)) == []
    assert cancelled(call, shipped) == [("INVALID", "Cannot cancel an order that has fulfillments")]


def test_a_job_runs_when_its_time_has_come(simulator: ShopifySimulator, call: Caller, order: Order) -> None:
    assert cancelled(call, order) == []
    assert order.cancelledAt is None
    simulator.jobs._waiting[0].job.due = 0.0
    call("{ shop: productVariantsCount { count } }")
    assert order.cancelledAt is not None


def test_restocking_at_a_closed_location_fails_the_job_of_a_paid_order(
    simulator: ShopifySimulator, call: Caller, order: Order
) -> None:
    simulator.shop.locations[EAST].isActive = False
    assert cancelled(call, order) == []
    simulator.settle_feeds()
    assert order.cancelledAt is None


def test_a_refund_wants_a_key_that_is_not_blank(call: Caller, order: Order) -> None:
    bare = refunds.DOCUMENT.replace("@idempotent(key: $key)", "").replace(", $key: String!", "")
    assert call.code(bare, {"input": {"orderId": order.id, "transactions": [pay(order)]}}) == "BAD_REQUEST"
    assert call.code(refunds.DOCUMENT, {"input": {"orderId": order.id}, "key": "  "}) == "BAD_REQUEST"
    assert order.refunds == []


def test_a_refunds_key_stands_for_one_body_and_one_outcome(call: Caller, order: Order) -> None:
    assert refunded(call, order, transactions=[pay(order)]) == []
    assert refunded(call, order, transactions=[pay(order)]) == []
    assert len(order.refunds) == 1
    assert "different operation parameters" in refunded(call, order, transactions=[pay(order, "2.00")])[0]
    assert refunded(call, order, "other", transactions=[pay(order, "999.00")]) != []
    assert "new idempotency key" in refunded(call, order, "other", transactions=[pay(order, "999.00")])[0]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("lineItemId", "gid://shopify/LineItem/1")], "Line item does not exist"),
        ([("quantity", 0)], "Quantity must be greater than 0"),
        ([("quantity", 4)], "Quantity cannot refund more items than were purchased"),
        ([("restockType", "LEGACY_RESTOCK")], "not accepted"),
        ([("locationId", EAST)], "Location must be empty"),
        ([("restockType", "CANCEL")], "Location must be an active one"),
        ([("restockType", "CANCEL"), ("locationId", "gid://shopify/Location/1")], "Location must be an active one"),
        ([("restockType", "RETURN"), ("locationId", EAST)], "more items than were purchased"),
    ],
)
def test_units_are_refunded_as_they_stand(call: Caller, order: Order, rows: Any, said: str) -> None:
    assert said in refunded(call, order, refundLineItems=[row(order) | dict(rows)])[0]
    assert order.refunds == []


def test_of_what_has_left_nothing_is_cancelled_and_of_the_rest_nothing_returned(
    simulator: ShopifySimulator, call: Caller, order: Order
) -> None:
    rows = part(simulator, order.number)
    rows["fulfillmentOrderLineItems"] = [{"id": order.parts[0].lines[0].id, "quantity": 2}]
    assert call.fulfil(rows) == []
    at = {"locationId": EAST}
    assert refunded(call, order, "a", refundLineItems=[row(order, 2, "CANCEL", **at)]) != []
    assert refunded(call, order, "b", refundLineItems=[row(order, 3, "RETURN", **at)]) != []
    assert (
        refunded(call, order, "c", refundLineItems=[row(order, 1, "CANCEL", **at), row(order, 2, "RETURN", **at)]) == []
    )
    line = order.lines[0]
    assert (line.currentQuantity, line.unfulfilledQuantity, line.refundableQuantity) == (0, 0, 0)
    assert simulator.levels()["MUG-1", EAST] == 500, "two returned and one never left"


def test_without_restocking_the_units_that_have_left_are_refunded_first(
    simulator: ShopifySimulator, call: Caller, order: Order
) -> None:
    rows = part(simulator, order.number)
    rows["fulfillmentOrderLineItems"] = [{"id": order.parts[0].lines[0].id, "quantity": 1}]
    assert call.fulfil(rows) == []
    assert refunded(call, order, refundLineItems=[row(order, 2)]) == []
    line = order.lines[0]
    assert (line.currentQuantity, line.unfulfilledQuantity) == (1, 1)
    assert simulator.levels()["MUG-1", EAST] == 497


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"parentId": None}, "must refund a payment"),
        ({"parentId": "gid://shopify/OrderTransaction/1"}, "must refund a payment"),
        ({"kind": "SALE"}, "must refund a payment"),
        ({"orderId": "gid://shopify/Order/1"}, "must refund a payment"),
        ({"gateway": "bogus"}, "Gateway is not the payment's"),
        ({"amount": "0"}, "greater than 0"),
        ({"amount": "-1"}, "greater than 0"),
        ({"amount": "0.001"}, "greater than 0"),
        ({"amount": "999"}, "exceeds"),
    ],
)
def test_money_goes_back_to_a_payment_as_far_as_it_goes(
    call: Caller, order: Order, change: dict[str, Any], said: str
) -> None:
    assert said in refunded(call, order, transactions=[pay(order) | change])[0]
    assert refunded(call, order, "twice", transactions=[pay(order, "40.00"), pay(order, "40.00")]) != []
    assert order.refunds == []


def test_a_refund_of_nothing_or_in_the_wrong_currency_is_none(call: Caller, order: Order) -> None:
    assert refunded(call, order) == ["Refund must have line items, shipping or transactions"]
    assert "Currency" in refunded(call, order, "b", transactions=[pay(order)], currency="EUR")[0]
    order.presentmentCurrencyCode = "EUR"
    assert "Currency" in refunded(call, order, "c", transactions=[pay(order)])[0]
    assert refunded(call, order, "d", shipping={"amount": "0"}, currency="EUR")[0].startswith("Shipping amount")
    assert "INVALID_VARIABLE" in call.code(
        refunds.DOCUMENT, {"input": {"orderId": order.id, "transactions": [pay(order, "much")]}, "key": "k"}
    )


def test_tracking_is_corrected_of_what_is_there(simulator: ShopifySimulator, call: Caller, order: Order) -> None:
    def corrected(fulfillment: str, **tracking: Any) -> list[str]:
        given = {"f0": fulfillment, "t0": tracking, "notify": False}
        return [error["message"] for error in call(correct(1), given)["data"]["c0"]["userErrors"]]

    assert call.fulfil(part(simulator, order.number), number="A") == []
    there = order.shipped[0].id
    assert corrected("gid://shopify/Fulfillment/1", number="B") == ["Fulfillment not found."]
    assert corrected(there, number="B", numbers=["B"]) != []
    assert corrected(there, numbers=["B", "C"], urls=["https://x.example/B"]) != []
    assert corrected(there, numbers=["B", "C"]) == []
    order.shipped[0].status = "CANCELLED"
    assert "cancelled" in corrected(there, number="D")[0]
    assert [info["number"] for info in order.shipped[0].trackingInfo] == ["B", "C"]
    given = {"f0": there, "t0": {"number": "B", "url": "no address"}, "notify": False}
    assert call.code(correct(1), given) == "INVALID_VARIABLE"


def test_work_moves_as_far_as_it_may(simulator: ShopifySimulator, call: Caller, order: Order) -> None:
    def moved(place: str, units: int = 1, work: str = order.parts[0].id) -> list[str]:
        rows = [{"id": order.parts[0].lines[0].id, "quantity": units}]
        answer = call(moves._document(1), {"i0": work, "l0": place, "r0": rows})
        return [error["message"] for error in answer["data"]["m0"]["userErrors"]]

    assert moved(WEST, work="gid://shopify/FulfillmentOrder/1") != []
    assert moved("gid://shopify/Location/1") != []
    assert moved(EAST) != []
    assert moved(WEST, 0) != []
    assert moved(WEST, 4) != []
    simulator.shop.locations[WEST].isActive = False
    assert moved(WEST) != []
    simulator.shop.locations[WEST].isActive = True
    del simulator.shop.variants["MUG-1"].inventoryItem.levels[WEST]
    assert moved(WEST) != []
    assert call.fulfil(part(simulator, order.number, 1)) == []
    assert "in progress" in moved(WEST)[0]
    assert len(order.parts) == 1


def test_a_location_that_has_work_of_the_order_takes_more_of_it(simulator: ShopifySimulator, order: Order) -> None:
    mugs, tees = order.parts[0].lines
    west = simulator.shop.locations[WEST]
    first = simulator.shop.move(order.parts[0], [(mugs, 1)], west)
    second = simulator.shop.move(order.parts[0], [(mugs, 2), (tees, 1)], west)
    assert (first.status, [row.remainingQuantity for row in second.lines]) == ("CLOSED", [2, 1, 1])
    assert [part.status for part in order.parts] == ["CLOSED", "CLOSED", "OPEN"]
    held = simulator.shop.variants["MUG-1"].inventoryItem.levels
    assert [(held[place].available, held[place].committed) for place in (EAST, WEST)] == [(500, 0), (497, 3)]


@pytest.mark.parametrize(
    ("scope", "query", "variables"),
    [
        ("_orders", queries.orders(False), {"query": "", "after": None, "first": 1}),
        ("read_products", queries.VARIANTS, {"after": None, "first": 1}),
        ("_inventory", queries.VARIANTS, {"after": None, "first": 1}),
        ("read_locations", queries.VARIANTS, {"after": None, "first": 1}),
        ("write_inventory", queries.SET_QUANTITIES, None),
        ("write_orders", refunds.DOCUMENT, None),
        ("write_orders", cancel.CANCEL, None),
        ("write_merchant_managed_fulfillment_orders", queries.fulfil(1), None),
        ("write_merchant_managed_fulfillment_orders", moves._document(1), None),
        ("write_merchant_managed_fulfillment_orders", correct(1), None),
        ("merchant_managed_fulfillment_orders", queries.orders(False), {"query": "", "after": None, "first": 1}),
    ],
)
def test_each_thing_wants_its_scope(
    simulator: ShopifySimulator, call: Caller, order: Order, scope: str, query: str, variables: dict[str, Any] | None
) -> None:
    given = variables or {
        "input": {"orderId": order.id, "name": "available", "reason": "correction", "quantities": []},
        "key": "k",
        "id": order.id,
        "reason": "OTHER",
        "restock": True,
        "notify": False,
        "p0": {"lineItemsByFulfillmentOrder": []},
        "i0": order.parts[0].id,
        "l0": WEST,
        "r0": [],
        "f0": order.id,
        "t0": {},
    }
    if "inventorySet" in query:
        given["input"] = {key: given["input"][key] for key in ("name", "reason", "quantities")}
    if "refundCreate" in query:
        given["input"] = {"orderId": order.id}
    assert "ACCESS_DENIED" not in str(call(query, given).get("errors"))
    simulator.world.scopes = frozenset(one for one in simulator.world.scopes if scope not in one)
    errors = call(query, given)["errors"]
    assert {error["extensions"]["code"] for error in errors} == {"ACCESS_DENIED"}


def test_orders_older_than_sixty_days_want_a_scope_of_their_own(simulator: ShopifySimulator, call: Caller) -> None:
    from datetime import UTC, datetime, timedelta

    simulator.place(order_of(("MUG-1", 1), placed_at=datetime.now(UTC) - timedelta(days=61)))
    page = {"query": "", "after": None, "first": 9}
    assert len(call(queries.orders(False), page)["data"]["orders"]["nodes"]) == 1
    simulator.world.scopes -= {"read_all_orders"}
    assert call(queries.orders(False), page)["data"]["orders"]["nodes"] == []
    assert call("{ ordersCount { count } }")["data"]["ordersCount"]["count"] == 0
