"""The simulated Amazon refuses what Amazon refuses."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from connectors.amazon.simulator import AmazonSimulator
from connectors.simulation import SimulatedListing
from core.connector import find_simulator
from tests.connectors.amazon.conftest import hurried, order

Ask = Callable[..., httpx.Response]

ORDERS = "/orders/2026-01-01/orders"
FEEDS = "/feeds/2021-06-30/feeds"
DOCUMENTS = "/feeds/2021-06-30/documents"
AFTER = {"lastUpdatedAfter": "2026-01-01T00:00:00Z"}


def grant(simulator: AmazonSimulator, **form: str) -> httpx.Response:
    whole = {
        "grant_type": "refresh_token",
        "refresh_token": simulator.login.refresh_token,
        "client_id": simulator.login.client_id,
        "client_secret": simulator.login.client_secret,
    }
    return httpx.post(f"{simulator.base_url}/auth/o2/token", data=whole | form, trust_env=False)


def asking(simulator: AmazonSimulator, client: httpx.Client) -> Ask:
    token = grant(simulator).json()["access_token"]

    def ask(method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"x-amz-access-token": token} | more.pop("headers", {})
        return client.request(method, simulator.base_url + path, headers=headers, **more)

    return ask


@pytest.fixture
def ask(simulator: AmazonSimulator) -> Iterator[Ask]:
    with httpx.Client(trust_env=False) as client:
        yield asking(simulator, client)


def refused(response: httpx.Response, status: int, part: str) -> None:
    assert response.status_code == status, response.text
    assert part in response.text


def test_it_is_found_by_the_connectors_name() -> None:
    assert find_simulator("amazon") is AmazonSimulator


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"refresh_token": "other"}, 400, "invalid_grant"),
        ({"client_secret": "other"}, 401, "invalid_client"),
        ({"client_id": ""}, 400, "invalid_request"),
    ],
)
def test_a_token_is_granted_to_the_right_credentials_only(
    simulator: AmazonSimulator, form: dict[str, str], status: int, error: str
) -> None:
    response = grant(simulator, **form)
    assert (response.status_code, response.json()["error"]) == (status, error)
    assert grant(simulator).json()["expires_in"] == 3600


def test_a_token_request_must_be_a_form(simulator: AmazonSimulator) -> None:
    response = httpx.post(f"{simulator.base_url}/auth/o2/token", json={}, trust_env=False)
    assert response.json()["error"] == "invalid_request"


@pytest.mark.parametrize("token", ["", "Atza|made-up"])
def test_no_request_passes_without_a_living_token(ask: Ask, token: str) -> None:
    assert ask("GET", ORDERS, params=AFTER).status_code == 200
    refused(ask("GET", ORDERS, params=AFTER, headers={"x-amz-access-token": token}), 403, "Unauthorized")


def test_an_expired_token_is_a_403(simulator: AmazonSimulator, ask: Ask) -> None:
    assert ask("GET", ORDERS, params=AFTER).status_code == 200
    simulator.login.expire()
    refused(ask("GET", ORDERS, params=AFTER), 403, "has expired")


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"createdAfter": "2026-01-01T00:00:00Z", **AFTER},
        {"lastUpdatedAfter": "2026-01-01T00:00:00"},
        {"lastUpdatedAfter": "2026-01-01T00:00:00+00:00"},
        {"lastUpdatedAfter": "2026-01-01T09:00:00+09:00"},
        {"lastUpdatedAfter": "2099-01-01T00:00:00Z"},
        {**AFTER, "lastUpdatedBefore": "2025-01-01T00:00:00Z"},
        {**AFTER, "createdBefore": "2026-01-02T00:00:00Z"},
        {**AFTER, "maxResultsPerPage": "101"},
        {**AFTER, "maxResultsPerPage": "0"},
        {**AFTER, "includedData": "EVERYTHING"},
        {**AFTER, "fulfillmentStatuses": "Shipped"},
        {**AFTER, "fulfilledBy": "ME"},
        {**AFTER, "marketplaceIds": "A1F83G8C2ARO7P"},
        {**AFTER, "marketplaceIds": ",".join(["ATVPDKIKX0DER"] * 51)},
        {**AFTER, "MarketplaceIds": "ATVPDKIKX0DER"},
        {**AFTER, "marketplaceIds": ["ATVPDKIKX0DER", "A2EUQ1WTGCTBG2"]},
        {**AFTER, "paginationToken": "made up"},
    ],
)
def test_a_search_keeps_to_the_rules(ask: Ask, query: dict[str, Any]) -> None:
    assert ask("GET", ORDERS, params=AFTER).status_code == 200
    refused(ask("GET", ORDERS, params=query), 400, "InvalidInput")


def test_a_window_may_not_end_in_the_last_two_minutes() -> None:
    with hurried(data_lag_seconds=120.0) as simulator, httpx.Client(trust_env=False) as client:
        assert isinstance(simulator, AmazonSimulator)
        ask = asking(simulator, client)
        for age, status in ((119, 400), (121, 200)):
            before = (datetime.now(UTC) - timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%SZ")
            assert ask("GET", ORDERS, params={**AFTER, "lastUpdatedBefore": before}).status_code == status
        simulator.place(order())
        body = ask("GET", ORDERS, params=AFTER).json()
        assert body["orders"] == []
        end = datetime.fromisoformat(body["lastUpdatedBefore"])
        assert timedelta(seconds=120) <= datetime.now(UTC) - end < timedelta(seconds=125)


def test_a_token_goes_with_the_parameters_it_was_given_for(simulator: AmazonSimulator, ask: Ask) -> None:
    for _ in range(3):
        simulator.place(order())
    first = ask("GET", ORDERS, params={**AFTER, "maxResultsPerPage": "1", "fulfilledBy": "MERCHANT"}).json()
    token = {"paginationToken": first["pagination"]["nextToken"]}
    refused(ask("GET", ORDERS, params={**AFTER, **token}), 400, "parameters it was given for")
    again = {**AFTER, **token, "fulfilledBy": "MERCHANT"}
    second = ask("GET", ORDERS, params={**again, "maxResultsPerPage": "2", "includedData": "BUYER"})
    assert [len(second.json()["orders"]), "pagination" in second.json()] == [2, False]


def test_orders_come_by_when_they_were_created_too(simulator: AmazonSimulator, ask: Ask) -> None:
    old = simulator.place(order(placed_at=datetime(2020, 1, 1, tzinfo=UTC)))
    new = simulator.place(order())
    body = ask("GET", ORDERS, params={"createdAfter": "2026-01-01T00:00:00Z"}).json()
    assert [each["orderId"] for each in body["orders"]] == [new]
    assert "createdBefore" in body
    body = ask("GET", ORDERS, params={"createdAfter": "2019-01-01T00:00:00Z"}).json()
    assert [each["orderId"] for each in body["orders"]] == [old, new]


def test_without_its_data_sets_an_order_tells_little(simulator: AmazonSimulator, ask: Ask) -> None:
    number = simulator.place(order())
    shown = ask("GET", f"{ORDERS}/{number}").json()["order"]
    assert not {"fulfillment", "recipient", "buyer", "proceeds", "packages"} & shown.keys()
    assert "fulfillment" not in shown["orderItems"][0]


def test_a_pending_order_shows_no_price_no_buyer_and_no_address(simulator: AmazonSimulator, ask: Ask) -> None:
    number = simulator.place(order(pending=True))
    everything = {"includedData": "BUYER,RECIPIENT,PROCEEDS,FULFILLMENT"}
    shown = ask("GET", f"{ORDERS}/{number}", params=everything).json()["order"]
    assert shown["fulfillment"]["fulfillmentStatus"] == "PENDING"
    assert not {"recipient", "buyer", "proceeds"} & shown.keys()
    assert "price" not in shown["orderItems"][0]["product"]
    simulator.confirm(number)
    shown = ask("GET", f"{ORDERS}/{number}", params=everything).json()["order"]
    assert {"recipient", "buyer", "proceeds"} <= shown.keys()


def test_every_change_moves_the_instant_of_the_last_change(simulator: AmazonSimulator, ask: Ask) -> None:
    number = simulator.place(order(pending=True))
    steps: list[Callable[[], object]] = [
        lambda: simulator.confirm(number),
        lambda: simulator.ask_to_cancel(number),
        lambda: simulator.cancel(number, sku="SKU-0", quantity=1),
        lambda: simulator.cancel(number),
    ]
    seen = [ask("GET", f"{ORDERS}/{number}").json()["order"]["lastUpdatedTime"]]
    for step in steps:
        step()
        seen.append(ask("GET", f"{ORDERS}/{number}").json()["order"]["lastUpdatedTime"])
    assert seen == sorted(set(seen))


def test_stock_falls_with_an_order_never_below_zero_and_rises_with_its_cancellation(simulator: AmazonSimulator) -> None:
    simulator.offer(SimulatedListing(sku="LAST", title="Last", price=Decimal(1), quantities={"": 1}))
    number = simulator.place(order(("SKU-0", 2), ("LAST", 3)))
    assert (simulator.levels()["SKU-0", ""], simulator.levels()["LAST", ""]) == (498, 0)
    simulator.cancel(number, sku="SKU-0")
    assert simulator.levels()["SKU-0", ""] == 500


def confirmation(simulator: AmazonSimulator, number: str, **more: Any) -> dict[str, Any]:
    item = simulator.book.orders[number].items[0].number
    detail = {
        "packageReferenceId": "1",
        "carrierCode": "UPS",
        "trackingNumber": "1Z1",
        "shipDate": "2026-11-20T00:00:00Z",
        "orderItems": [{"orderItemId": item, "quantity": 1}],
    }
    return {"marketplaceId": "ATVPDKIKX0DER", "packageDetail": {**detail, **more}}


@pytest.mark.parametrize(
    "change",
    [
        {"packageReferenceId": 1},
        {"packageReferenceId": "0"},
        {"packageReferenceId": "PKG-1"},
        {"carrierCode": "Other"},
        {"carrierCode": ""},
        {"trackingNumber": ""},
        {"shipDate": "2026-11-20"},
        {"orderItems": []},
        {"orderItems": [{"orderItemId": "none", "quantity": 1}]},
        {"orderItems": [{"orderItemId": "none", "quantity": "1"}]},
    ],
    ids=str,
)
def test_a_confirmation_keeps_to_the_rules(simulator: AmazonSimulator, ask: Ask, change: dict[str, Any]) -> None:
    number = simulator.place(order())
    path = f"/orders/v0/orders/{number}/shipmentConfirmation"
    refused(ask("POST", path, json=confirmation(simulator, number, **change)), 400, "InvalidInput")
    assert ask("POST", path, json=confirmation(simulator, number)).status_code == 204


@pytest.mark.parametrize("quantity", [0, -1, 3, True, 1.5])
def test_only_what_is_left_may_be_confirmed(simulator: AmazonSimulator, ask: Ask, quantity: object) -> None:
    number = simulator.place(order())
    item = simulator.book.orders[number].items[0].number
    body = confirmation(simulator, number, orderItems=[{"orderItemId": item, "quantity": quantity}])
    refused(ask("POST", f"/orders/v0/orders/{number}/shipmentConfirmation", json=body), 400, "InvalidInput")
    assert simulator.effects() == []


@pytest.mark.parametrize("more", [{"pending": True}, {"by_channel": True}])
def test_an_order_that_is_not_the_sellers_to_ship_cannot_be_confirmed(
    simulator: AmazonSimulator, ask: Ask, more: dict[str, bool]
) -> None:
    number = simulator.place(order(**more))
    body = confirmation(simulator, number)
    refused(ask("POST", f"/orders/v0/orders/{number}/shipmentConfirmation", json=body), 400, "InvalidInput")
    assert simulator.effects() == []


def test_a_shipped_order_takes_edits_and_no_new_parcel(simulator: AmazonSimulator, ask: Ask) -> None:
    number = simulator.place(order(("SKU-0", 1)))
    path = f"/orders/v0/orders/{number}/shipmentConfirmation"
    assert ask("POST", path, json=confirmation(simulator, number)).status_code == 204
    assert ask("POST", path, json=confirmation(simulator, number, trackingNumber="1Z2")).status_code == 204
    other = confirmation(simulator, number, packageReferenceId="2")
    refused(ask("POST", path, json=other), 400, "PackageToUpdateNotFound")
    assert [effect.tracking for effect in simulator.effects()] == ["1Z2"]


def test_an_exhausted_budget_is_a_429_without_a_hint_of_when() -> None:
    with hurried(pace=1.0) as simulator, httpx.Client(trust_env=False) as client:
        assert isinstance(simulator, AmazonSimulator)
        ask = asking(simulator, client)
        answers = [ask("GET", ORDERS, params=AFTER) for _ in range(21)]
        assert [answer.status_code for answer in answers] == [200] * 20 + [429]
        assert answers[0].headers["x-amzn-RateLimit-Limit"] == "0.0056"
        assert answers[-1].json()["errors"][0]["code"] == "QuotaExceeded"
        assert "retry-after" not in answers[-1].headers
        number = simulator.place(order())
        assert ask("GET", f"{ORDERS}/{number}").status_code == 200  # each operation has its own


def test_a_late_page_of_many_orders_is_found_at_its_place() -> None:
    with hurried() as simulator, httpx.Client(trust_env=False) as client:
        assert isinstance(simulator, AmazonSimulator)
        taken = order(("SKU-0", 1))
        for _ in range(20_000):
            simulator.place(taken)
        ask = asking(simulator, client)
        page = ask("GET", ORDERS, params=AFTER).json()
        late = json.loads(simulator_page(ask, page["pagination"]["nextToken"], places=19_950))
        assert len(late["orders"]) == 50


def simulator_page(ask: Ask, token: str, *, places: int) -> str:
    """The page a token would name had it been reached by paging."""
    inside = json.loads(base64.urlsafe_b64decode(token))
    moved = base64.urlsafe_b64encode(json.dumps({**inside, "place": places}).encode()).decode()
    return ask("GET", ORDERS, params={**AFTER, "paginationToken": moved}).text
