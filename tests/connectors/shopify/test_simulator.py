"""The simulator refuses what Shopify refuses, the schema's silence notwithstanding."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from connectors.shopify import queries
from connectors.shopify.simulator import PATH, TOKEN_PATH, ShopifySimulator
from connectors.shopify.simulator.cost import weight
from connectors.simulation import Fault
from tests.connectors.shopify.given import EAST, WEST, order_of

PAGE = {"query": "updated_at:>='2020-01-01T00:00:00Z'", "after": None, "first": 10}


class Caller:
    """Speaks to the simulator without any care."""

    def __init__(self, simulator: ShopifySimulator) -> None:
        self.url = simulator.base_url + PATH
        self.headers = {"X-Shopify-Access-Token": simulator.issue_token()}

    def __call__(self, query: str, variables: Mapping[str, Any] | None = None) -> Any:
        response = httpx.post(self.url, json={"query": query, "variables": variables or {}}, headers=self.headers)
        assert response.status_code == 200
        return response.json()

    def code(self, query: str, variables: Mapping[str, Any] | None = None) -> str:
        """The code, or the message, of the first error."""
        first = self(query, variables)["errors"][0]
        return str(first.get("extensions", {}).get("code") or first["message"])

    def set(self, rows: list[dict[str, Any]], key: str = "k", **more: Any) -> list[Any]:
        values = {"name": "available", "reason": "correction", "quantities": rows} | more
        answer = self(queries.SET_QUANTITIES, {"input": values, "key": key})
        return [error["code"] for error in answer["data"]["inventorySetQuantities"]["userErrors"]]

    def fulfil(self, *parts: Mapping[str, Any], **tracking: Any) -> list[str]:
        given = {"lineItemsByFulfillmentOrder": list(parts), "trackingInfo": tracking}
        answer = self(queries.fulfil(1), {"p0": given})
        return [error["message"] for error in answer["data"]["p0"]["userErrors"]]


@pytest.fixture
def call(simulator: ShopifySimulator) -> Caller:
    return Caller(simulator)


def items(simulator: ShopifySimulator) -> list[str]:
    return list(simulator.shop.items)


def row(item: str, quantity: int = 7, expected: int | None = 500, place: str = EAST) -> dict[str, Any]:
    return {"inventoryItemId": item, "locationId": place, "quantity": quantity, "changeFromQuantity": expected}


def part(simulator: ShopifySimulator, number: str, units: int | None = None, at: int = 0) -> dict[str, Any]:
    """A fulfilment order's lines, so many units of each (None: as Shopify takes it when lines are left out)."""
    made = simulator.shop.orders[number].parts[at]
    if units is None:
        return {"fulfillmentOrderId": made.id}
    rows = [{"id": line.id, "quantity": units} for line in made.lines]
    return {"fulfillmentOrderId": made.id, "fulfillmentOrderLineItems": rows}


def test_a_request_without_a_valid_token_or_of_another_kind_is_refused(simulator: ShopifySimulator) -> None:
    url, token = simulator.base_url + PATH, {"X-Shopify-Access-Token": simulator.issue_token()}
    assert httpx.post(url, json={"query": "{}"}).status_code == 401
    assert httpx.post(url, json={"query": "{}"}, headers={"X-Shopify-Access-Token": "x"}).status_code == 401
    assert httpx.get(url, headers=token).status_code == 405
    assert httpx.post(url, content=b"{", headers=token | {"content-type": "application/json"}).status_code == 400
    assert httpx.post(url, content=b"{}", headers=token).status_code == 415
    assert httpx.post(url.replace("2026-10", "2020-01"), json={}, headers=token).status_code == 404
    simulator.expire_tokens()
    assert httpx.post(url, json={"query": "{}"}, headers=token).status_code == 401


def test_tokens_are_given_for_the_right_credentials_only(simulator: ShopifySimulator) -> None:
    url = simulator.base_url + TOKEN_PATH
    right = {
        "grant_type": "client_credentials",
        "client_id": simulator.config()["client_id"],
        "client_secret": next(iter(simulator.secrets().values())),
    }
    assert httpx.post(url, data=right).json()["expires_in"] == 86_399
    for wrong in ({"client_secret": "x"}, {"client_id": "x"}, {"grant_type": "password"}):
        assert httpx.post(url, data=right | wrong).status_code == 400
    assert httpx.post(url, json=right).status_code == 400


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("{ orders(sortKey: UPDATED_AT) { nodes { id } } }", "BAD_REQUEST"),
        ("{ orders(first: 251, sortKey: UPDATED_AT) { nodes { id } } }", "BAD_REQUEST"),
        ("{ orders(first: 0, sortKey: UPDATED_AT) { nodes { id } } }", "BAD_REQUEST"),
        ("{ orders(first: 1) { nodes { id } } }", "BAD_REQUEST"),
        ('{ orders(first: 1, sortKey: UPDATED_AT, after: "?") { nodes { id } } }', "BAD_REQUEST"),
        ('{ orders(first: 1, sortKey: UPDATED_AT, query: "changed:1") { nodes { id } } }', "BAD_REQUEST"),
        ("{ orders(first: 1, sortKey: UPDATED_AT, query: \"updated_at:>='soon'\") { nodes { id } } }", "BAD_REQUEST"),
        (
            "{ orders(first: 1, sortKey: UPDATED_AT, query: \"updated_at:>='2026-01-01T00:00:00'\") { nodes { id } } }",
            "BAD_REQUEST",
        ),
        ("{ orders(first: 9, sortKey: UPDATED_AT) { nodes { lineItems { nodes { id } } } } }", "BAD_REQUEST"),
        ('{ order(id: "7") { id } }', "argumentLiteralsIncompatible"),
        ('{ nodes(ids: ["gid://shopify/Order/1", "x"]) { id } }', "argumentLiteralsIncompatible"),
        ("{ orders(first: 1) { nodes { secret } } }", "Cannot query field 'secret' on type 'Order'."),
        ("query Q($id: ID!) { order(id: $id) { id } }", "INVALID_VARIABLE"),
        ("{", "Syntax Error: Expected Name, found <EOF>."),
    ],
)
def test_a_request_that_shopify_would_not_take_is_an_error(call: Caller, query: str, said: str) -> None:
    assert call.code(query) == said


def test_an_input_list_holds_250_rows(simulator: ShopifySimulator, call: Caller) -> None:
    ids = [f"gid://shopify/Order/{at}" for at in range(251)]
    assert call.code("query Q($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ids}) == "MAX_INPUT_SIZE_EXCEEDED"
    values = {"name": "available", "reason": "correction", "quantities": [row(items(simulator)[0])] * 251}
    assert call.code(queries.SET_QUANTITIES, {"input": values, "key": "k"}) == "MAX_INPUT_SIZE_EXCEEDED"


def test_a_request_may_cost_1000_points(call: Caller) -> None:
    assert call.code(queries.orders(True), PAGE | {"first": 240}) == "MAX_COST_EXCEEDED"
    assert "errors" not in call(queries.orders(False), PAGE | {"first": 240})


def test_costs_fit_those_seen_in_the_wild() -> None:
    assert [weight(first) for first in (1, 3, 10, 250)] == [1, 2, 4, 11]


def test_an_empty_bucket_throttles_and_fills_by_the_plan(simulator: ShopifySimulator, call: Caller) -> None:
    simulator.place(order_of(("MUG-1", 1)))
    first = call(queries.orders(False), PAGE)["extensions"]["cost"]
    assert first["requestedQueryCost"] == 2 + weight(10) * 97 == 390
    assert first["actualQueryCost"] < 60
    simulator.graphql.restore, simulator.graphql.points, simulator.graphql.filled = 100.0, 300.0, time.monotonic()
    throttled = call(queries.orders(False), PAGE)
    assert throttled["errors"][0]["extensions"]["code"] == "THROTTLED"
    assert "data" not in throttled
    status = throttled["extensions"]["cost"]
    assert status["throttleStatus"]["restoreRate"] == 100.0
    assert 300 <= status["throttleStatus"]["currentlyAvailable"] < 390
    simulator.graphql.filled -= 1
    assert "errors" not in call(queries.orders(False), PAGE)


def test_quantities_want_an_idempotency_key(simulator: ShopifySimulator, call: Caller) -> None:
    values = {"name": "available", "reason": "correction", "quantities": [row(items(simulator)[0])]}
    bare = queries.SET_QUANTITIES.replace("@idempotent(key: $key)", "").replace(", $key: String!", "")
    assert call.code(bare, {"input": values}) == "BAD_REQUEST"
    assert simulator.levels()["MUG-1", EAST] == 500


def test_a_key_stands_for_one_body_and_one_outcome(simulator: ShopifySimulator, call: Caller) -> None:
    mug, tee, _ = items(simulator)
    assert call.set([row(mug)], "a") == []
    assert call.set([row(mug, 500, 7)], "b") == []
    assert call.set([row(mug)], "a") == [], "answered from memory"
    assert simulator.levels()["MUG-1", EAST] == 500, "and not done again"
    assert call.set([row(tee)], "a") == ["IDEMPOTENCY_KEY_PARAMETER_MISMATCH"]
    assert call.set([row(tee, 7, 1)], "c") == ["CHANGE_FROM_QUANTITY_STALE"]
    assert call.set([row(tee, 7, 1)], "c") == ["IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED"]


def test_quantities_are_set_all_or_none_and_every_bad_row_is_named(simulator: ShopifySimulator, call: Caller) -> None:
    mug, tee, cap = items(simulator)
    bare = {name: value for name, value in row(cap).items() if name != "changeFromQuantity"}
    rows = [
        row(mug),
        row(mug),
        bare,
        row("gid://shopify/InventoryItem/1"),
        row(tee, place="gid://shopify/Location/1"),
        row(tee, -1),
        row(tee, 2_000_000_000, place=WEST),
        row(cap, 7, 499, place=WEST),
    ]
    assert call.set(rows) == [
        "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR",
        "COMPARE_QUANTITY_REQUIRED",
        "INVALID_INVENTORY_ITEM",
        "INVALID_LOCATION",
        "INVALID_QUANTITY_NEGATIVE",
        "INVALID_QUANTITY_TOO_HIGH",
        "CHANGE_FROM_QUANTITY_STALE",
    ]
    assert set(simulator.levels().values()) == {500}
    assert call.set([row(mug)], "n", name="committed") == ["INVALID_NAME"]
    assert call.set([row(mug)], "r", reason="because") == ["INVALID_REASON"]
    assert call.set([row(mug, expected=None)], "o") == [], "an explicit null opts out"


def test_nothing_is_fulfilled_beyond_what_is_left(simulator: ShopifySimulator, call: Caller) -> None:
    number = simulator.place(order_of(("MUG-1", 3)))
    assert call.fulfil(part(simulator, number, 4)) == ["Invalid fulfillment order line item quantity requested."]
    twice = part(simulator, number, 2)
    twice["fulfillmentOrderLineItems"] *= 2
    assert call.fulfil(twice) == ["Invalid fulfillment order line item quantity requested."]
    assert call.fulfil(part(simulator, number, 0)) == ["Quantity must be greater than 0."]
    assert call.fulfil(part(simulator, number, 2), number="1Z") == []
    assert call.fulfil(part(simulator, number)) == []
    assert simulator.truths()[number].shipped == {"MUG-1": 3}
    assert "unfulfillable status= closed" in call.fulfil(part(simulator, number))[0]
    assert [effect.lines for effect in simulator.effects()] == [{"MUG-1": 2}, {"MUG-1": 1}]


def test_one_fulfilment_is_of_one_order_and_one_location(simulator: ShopifySimulator, call: Caller) -> None:
    one, other = simulator.place(order_of(("MUG-1", 1))), simulator.place(order_of(("TEE-2", 1)))
    assert call.fulfil(part(simulator, one), part(simulator, other)) == [
        "All fulfillment orders must belong to the same order."
    ]
    simulator.shop.items[items(simulator)[0]].levels[EAST].available = 0
    split = simulator.place(order_of(("MUG-1", 1), ("TEE-2", 1), ("CAP-3", 1)))
    assert len(simulator.shop.orders[split].parts) == 2
    assert call.fulfil(part(simulator, split), part(simulator, split, at=1)) == [
        "All fulfillment orders must be assigned to the same location."
    ]
    assert call.fulfil({"fulfillmentOrderId": "gid://shopify/FulfillmentOrder/1"}) == [
        "Fulfillment order does not exist."
    ]
    simulator.shop.orders[one].parts[0].status = "ON_HOLD"
    assert "on_hold" in call.fulfil(part(simulator, one))[0]
    assert simulator.effects() == []


def test_stock_falls_where_most_is_and_comes_back_when_units_are_cancelled(simulator: ShopifySimulator) -> None:
    first = simulator.place(order_of(("MUG-1", 3)))
    simulator.place(order_of(("MUG-1", 1)))
    assert {simulator.levels()["MUG-1", place] for place in (EAST, WEST)} == {497, 499}
    simulator.place(order_of(("MUG-1", 600)))
    assert min(simulator.levels().values()) == 0, "never below zero"
    before = simulator.levels()["MUG-1", EAST]
    simulator.cancel(first, sku="MUG-1", quantity=2)
    assert simulator.levels()["MUG-1", EAST] == before + 2
    truth = simulator.truths()[first]
    assert (truth.ordered, truth.cancelled, truth.shipped) == ({"MUG-1": 3}, {"MUG-1": 2}, {})


def test_every_change_is_later_than_all_before(simulator: ShopifySimulator) -> None:
    numbers = [simulator.place(order_of(("MUG-1", 1), pending=True)) for _ in range(50)]
    simulator.confirm(numbers[3])
    simulator.cancel(numbers[4])
    stamps = [order.changed for order in simulator.shop.changed((0, ""))]
    assert stamps == sorted(set(stamps))
    assert len(stamps) == 50
    assert simulator.shop.orders[numbers[4]].displayFinancialStatus == "VOIDED"


def test_an_unknown_sku_can_be_ordered_and_fulfilled(simulator: ShopifySimulator, call: Caller) -> None:
    number = simulator.place(order_of(("GONE", 1)))
    assert call.fulfil(part(simulator, number), number="1Z") == []


def test_a_repeated_page_carries_the_token_it_was_asked_with(simulator: ShopifySimulator, call: Caller) -> None:
    for _ in range(6):
        simulator.place(order_of(("MUG-1", 1)))
    page = call(queries.orders(False), PAGE | {"first": 2})["data"]["orders"]
    simulator.faults.set({Fault.REPEATED_PAGE: 1.0})
    again = call(queries.orders(False), PAGE | {"first": 2, "after": page["pageInfo"]["endCursor"]})["data"]["orders"]
    assert again == page


def test_two_accounts_differ_in_ids_and_secrets() -> None:
    one, other = ShopifySimulator(name="one"), ShopifySimulator(name="other")
    assert one.place(order_of(("X", 1))) != other.place(order_of(("X", 1)))
    assert one.secrets().keys() != other.secrets().keys()


def test_a_hundred_thousand_changes_are_paged_through_without_sorting(simulator: ShopifySimulator) -> None:
    placed = datetime.now(UTC)
    orders = [simulator.place(order_of(("MUG-1", 1), placed_at=placed)) for _ in range(300)]
    for _ in range(20):
        for number in orders:
            simulator.shop.touch(simulator.shop.orders[number])
    assert len(simulator.shop._changes) <= 2 * 300 + 1001
    assert [order.number for order in simulator.shop.changed((0, ""))] == orders
    assert json.dumps(orders)
