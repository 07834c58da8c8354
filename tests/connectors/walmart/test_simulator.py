"""The simulated Walmart is as strict as the real one."""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from connectors.simulation import SimulatedLine, SimulatedListing, SimulatedOrder
from connectors.walmart import Walmart
from connectors.walmart.simulator import WalmartSimulator
from connectors.walmart.simulator.book import Book, Purchase, PurchaseLine
from tests.connectors.walmart.conftest import FAST
from tests.connectors.walmart.trade import SKUS, acknowledged, parcel, place


class Client:
    """A seller's own program: it says what it likes."""

    def __init__(self, simulator: WalmartSimulator) -> None:
        secret = next(iter(simulator.secrets().values()))
        self.basic = base64.b64encode(f"{simulator.config()['client_id']}:{secret}".encode()).decode()
        self.http = httpx.Client(base_url=simulator.base_url)
        self.headers = {
            "WM_QOS.CORRELATION_ID": str(uuid.uuid4()),
            "WM_SVC.NAME": "Walmart Marketplace",
            "Accept": "application/json",
        }
        self.headers["WM_SEC.ACCESS_TOKEN"] = self.token().json()["access_token"]

    def token(self, grant: str = "client_credentials", **headers: str) -> httpx.Response:
        given = self.headers | {"Authorization": f"Basic {self.basic}"} | headers
        return self.http.post("/v3/token", data={"grant_type": grant}, headers=given)

    def ask(self, method: str, path: str, *, without: str = "", **request: Any) -> httpx.Response:
        headers = {name: value for name, value in self.headers.items() if name != without}
        return self.http.request(method, path, headers=headers | request.pop("headers", {}), **request)


@pytest.fixture
def client(simulator: WalmartSimulator) -> Iterator[Client]:
    client = Client(simulator)
    yield client
    client.http.close()


def shipment(number: str = "1", **changes: Any) -> dict[str, Any]:
    """The body of a good shipment of one unit, with changes at any depth by `__`-joined names."""
    tracking = {
        "shipDateTime": int(time.time() * 1000),
        "carrierName": {"carrier": "UPS"},
        "methodCode": "Standard",
        "trackingNumber": "1Z",
    }
    status = {
        "status": "Shipped",
        "statusQuantity": {"unitOfMeasurement": "EACH", "amount": "1"},
        "trackingInfo": tracking | changes.pop("tracking", {}),
    } | changes.pop("status", {})
    line = {"lineNumber": number, "sellerOrderId": "s", "orderLineStatuses": {"orderLineStatus": [status]}} | changes
    return {"orderShipment": {"orderLines": {"orderLine": [line]}}}


# Who gets in.


@pytest.mark.parametrize(
    ("header", "status"),
    [("WM_SEC.ACCESS_TOKEN", 401), ("WM_QOS.CORRELATION_ID", 400), ("WM_SVC.NAME", 400)],
)
def test_a_call_without_its_headers_is_refused(client: Client, header: str, status: int) -> None:
    assert client.ask("GET", "/v3/orders", without=header).status_code == status


def test_a_correlation_id_is_a_guid(client: Client) -> None:
    assert client.ask("GET", "/v3/orders", headers={"WM_QOS.CORRELATION_ID": "1"}).status_code == 400


def test_wrong_credentials_are_a_400(client: Client) -> None:
    assert client.token(Authorization="Basic bm86bm8=").status_code == 400
    assert client.token(Authorization="Bearer x").status_code == 400
    assert client.token(grant="password").status_code == 400


def test_a_token_dies_after_its_time() -> None:
    with WalmartSimulator(pace=FAST, token_seconds=0.05) as simulator:
        assert isinstance(simulator, WalmartSimulator)
        client = Client(simulator)
        time.sleep(0.06)
        assert client.ask("GET", "/v3/orders").status_code == 401
        client.http.close()


def test_who_does_not_ask_for_json_gets_xml(simulator: WalmartSimulator, client: Client) -> None:
    number = place(simulator)
    answer = client.ask("GET", f"/v3/orders/{number}", headers={"Accept": "*/*"})
    assert answer.headers["content-type"].startswith("application/xml")
    assert f"<purchaseOrderId>{number}</purchaseOrderId>" in answer.text


def test_the_usage_plan_holds(simulator: WalmartSimulator) -> None:
    with WalmartSimulator(pace=0.01) as slow:  # no token comes back while a slow machine asks sixty times
        assert isinstance(slow, WalmartSimulator)
        number = place(slow, ("X", 1))
        client = Client(slow)
        answers = [client.ask("POST", f"/v3/orders/{number}/acknowledge") for _ in range(61)]
        assert [answer.status_code for answer in answers] == [200] * 60 + [429]
        assert 50 < int(answers[-1].headers["retry-after"]) <= 100
        assert answers[59].headers["x-current-token-count"] == "0"
        assert int(answers[-1].headers["x-next-replenish-time"]) > time.time() * 1000
        client.http.close()


# Orders.


@pytest.mark.parametrize(
    "query",
    [
        "limit=201", "limit=0", "limit=many", "limit=5&limit=5", "nextCursor=x", "poIndex=200&hasMoreElements=true",
        "lastModifiedStartDate=2026-11-20T10:00:00.123Z", "lastModifiedStartDate=2026-11-20T10:00:00%2B09:00",
        "lastModifiedStartDate=2026-13-20", "shipNodeType=Mine", "createdStartDate=2020-01-01", "status=Lost",
        "replacementInfo=yes", "lastModifiedStartDate=2026-11-20&lastModifiedEndDate=2026-11-19",
    ],
)  # fmt: skip
def test_a_search_that_walmart_refuses_is_refused(simulator: WalmartSimulator, client: Client, query: str) -> None:
    place(simulator)
    assert client.ask("GET", f"/v3/orders?{query}").status_code == 400


def test_a_search_looks_back_a_week_unless_told_and_never_half_a_year(
    simulator: WalmartSimulator, client: Client
) -> None:
    place(simulator, placed_at=datetime.now(UTC) - timedelta(days=8))
    assert client.ask("GET", "/v3/orders").status_code == 404
    told = (datetime.now(UTC) - timedelta(days=9)).strftime("%Y-%m-%d")
    assert client.ask("GET", f"/v3/orders?createdStartDate={told}").status_code == 200


def test_a_named_page_is_taken_as_it_was_named_and_not_otherwise(simulator: WalmartSimulator, client: Client) -> None:
    for _ in range(5):
        place(simulator)
    cursor = client.ask("GET", "/v3/orders?limit=2").json()["list"]["meta"]["nextCursor"]
    assert cursor.startswith("?")
    assert client.ask("GET", f"/v3/orders{cursor}").status_code == 200
    assert client.ask("GET", f"/v3/orders{cursor}&limit=3").status_code == 400


def test_a_pending_order_is_shown_once_it_is_paid(simulator: WalmartSimulator, client: Client) -> None:
    number = place(simulator, pending=True)
    assert client.ask("GET", f"/v3/orders/{number}").status_code == 404
    assert number not in simulator.truths()
    simulator.confirm(number)
    assert client.ask("GET", f"/v3/orders/{number}").status_code == 200


def test_only_what_was_created_can_be_acknowledged(simulator: WalmartSimulator, connector: Walmart) -> None:
    client = Client(simulator)
    shipped, cancelled, theirs = acknowledged(simulator, connector), place(simulator), place(simulator, by_channel=True)
    list(connector.push_tracking([parcel(shipped, {"1": 1})]))
    simulator.cancel(cancelled)
    for number, status in ((shipped, 400), (cancelled, 400), (theirs, 400), ("1", 404)):
        assert client.ask("POST", f"/v3/orders/{number}/acknowledge").status_code == status
    client.http.close()


BAD_SHIPMENTS: list[dict[str, Any]] = [
    {"number": "7"},
    {"status": {"status": "Delivered"}},
    {"status": {"statusQuantity": {"unitOfMeasurement": "EACH", "amount": "3"}}},
    {"status": {"statusQuantity": {"unitOfMeasurement": "EACH", "amount": "0"}}},
    {"status": {"statusQuantity": {"unitOfMeasurement": "EACH", "amount": 1}}},
    {"status": {"statusQuantity": {"unitOfMeasurement": "BOX", "amount": "1"}}},
    {"tracking": {"carrierName": {"carrier": "Local Bikes"}}},
    {"tracking": {"carrierName": {"otherCarrier": "Local Bikes"}}},
    {"tracking": {"carrierName": {}}},
    {"tracking": {"methodCode": "Ground"}},
    {"tracking": {"trackingNumber": ""}},
    {"tracking": {"shipDateTime": 1795442003}},  # seconds, where milliseconds are asked for
    {"tracking": {"shipDateTime": "2026-11-20T10:00:00Z"}},
    {"sellerOrderId": "s" * 31},
    {"unheardOf": 1},
]


@pytest.mark.parametrize("changes", BAD_SHIPMENTS, ids=lambda changes: json.dumps(changes)[:60])
def test_a_shipment_that_walmart_refuses_is_refused(
    simulator: WalmartSimulator, connector: Walmart, client: Client, changes: dict[str, Any]
) -> None:
    number = acknowledged(simulator, connector)
    answer = client.ask("POST", f"/v3/orders/{number}/shipping", json=shipment(**changes))
    assert answer.status_code == 400
    assert answer.json()["errors"]["error"][0]["code"].startswith("INVALID_REQUEST")
    assert simulator.effects() == []


def test_a_good_shipment_is_taken_and_its_repeat_refused_in_the_vendors_words(
    simulator: WalmartSimulator, connector: Walmart, client: Client
) -> None:
    number = acknowledged(simulator, connector, (SKUS[0], 1))
    said = [client.ask("POST", f"/v3/orders/{number}/shipping", json=shipment()) for _ in range(2)]
    assert [answer.status_code for answer in said] == [200, 400]
    assert "SHIPPED status" in said[1].json()["errors"]["error"][0]["description"]
    assert len(simulator.effects()) == 1


def test_what_nobody_acknowledged_cannot_be_shipped(simulator: WalmartSimulator, client: Client) -> None:
    number = place(simulator)
    answer = client.ask("POST", f"/v3/orders/{number}/shipping", json=shipment())
    assert answer.status_code == 400
    assert "OverShipped" in answer.json()["errors"]["error"][0]["description"]


def test_what_the_buyer_asked_to_cancel_needs_the_override(
    simulator: WalmartSimulator, connector: Walmart, client: Client
) -> None:
    number = acknowledged(simulator, connector)
    simulator.ask_to_cancel(number)
    path = f"/v3/orders/{number}/shipping"
    assert client.ask("POST", path, json=shipment()).status_code == 400
    assert client.ask("POST", path, json=shipment(intentToCancelOverride=True)).status_code == 200


def test_every_change_moves_the_last_change(simulator: WalmartSimulator, connector: Walmart) -> None:
    number = place(simulator)
    seen = []
    for change in (
        lambda: None,
        lambda: list(connector.acknowledge([number])),
        lambda: simulator.cancel(number, sku=SKUS[0], quantity=1),
        lambda: list(connector.push_tracking([parcel(number, {"1": 1})])),
        lambda: simulator.ask_to_cancel(number),
    ):
        change()
        seen.append(simulator._book.by_number[number].changed)
    assert seen == sorted(set(seen))


# Stock.


def test_levels_fall_with_orders_and_rise_with_cancellations_by_what_was_taken(simulator: WalmartSimulator) -> None:
    simulator.offer(SimulatedListing(sku="S", title="s", price=Decimal(1), quantities={"100009": 2, "361451": 1}))
    number = place(simulator, ("S", 5))
    assert simulator.levels()["S", "100009"] == 0
    simulator.cancel(number)
    assert simulator.levels()["S", "100009"] == 2
    elsewhere = place(simulator, ("S", 2))
    simulator.cancel(elsewhere, quantity=1)
    assert simulator.levels()["S", "100009"] == 1
    assert simulator.levels()["S", "361451"] == 1


def test_an_unknown_place_cannot_be_stocked(simulator: WalmartSimulator) -> None:
    with pytest.raises(ValueError, match="no ship node"):
        simulator.offer(SimulatedListing(sku="S", title="s", price=Decimal(1), quantities={"nowhere": 2}))


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v3/inventory?sku=KIT-1", {"sku": "KIT-2", "quantity": {"unit": "EACH", "amount": 1}}, 400),
        ("/v3/inventory?sku=KIT-1", {"sku": "KIT-1", "quantity": {"unit": "EACH", "amount": -1}}, 400),
        ("/v3/inventory?sku=KIT-1", {"sku": "KIT-1", "quantity": {"unit": "BOX", "amount": 1}}, 400),
        ("/v3/inventory?sku=KIT-1", {"sku": "KIT-1", "quantity": {"unit": "EACH", "amount": "1"}}, 400),
        ("/v3/inventory?sku=KIT-1&shipNode=0", {"sku": "KIT-1", "quantity": {"unit": "EACH", "amount": 1}}, 400),
        ("/v3/inventory?sku=KIT+2", {"sku": "KIT 2", "quantity": {"unit": "EACH", "amount": 1}}, 400),
        ("/v3/inventory?sku=NO", {"sku": "NO", "quantity": {"unit": "EACH", "amount": 1}}, 404),
        ("/v3/inventories/NO", {"inventories": {"nodes": []}}, 404),
        ("/v3/inventories/KIT-1", {"inventories": {"nodes": []}}, 400),
        ("/v3/inventories/KIT(1)", {"inventories": {"nodes": []}}, 400),
        ("/v3/inventories/KIT-1", {"nodes": []}, 400),
    ],
)
def test_a_level_that_walmart_refuses_is_refused(client: Client, path: str, body: dict[str, Any], status: int) -> None:
    assert client.ask("PUT", path, json=body).status_code == status


def test_a_cursor_of_the_inventory_list_is_good_once(simulator: WalmartSimulator, client: Client) -> None:
    path = "/v3/inventories?limit=1"
    cursor = client.ask("GET", path).json()["meta"]["nextCursor"]
    assert client.ask("GET", f"{path}&nextCursor={cursor}").status_code == 200
    assert client.ask("GET", f"{path}&nextCursor={cursor}").status_code == 404
    assert client.ask("GET", "/v3/inventories?limit=51").status_code == 400


GOOD = {"inventoryHeader": {"version": "1.5"}, "inventory": [{"sku": "KIT-1", "shipNodes": []}]}


@pytest.mark.parametrize(
    ("kind", "file", "status"),
    [
        ("MP_INVENTORY", GOOD, 200),
        ("inventory", GOOD, 422),
        ("price", GOOD, 400),
        ("MP_INVENTORY", GOOD | {"inventoryHeader": {"version": "1.4"}}, 422),
        ("MP_INVENTORY", GOOD | {"inventory": []}, 422),
        ("MP_INVENTORY", GOOD | {"Inventory": []}, 422),
        ("MP_INVENTORY", None, 415),
    ],
)
def test_a_feed_that_walmart_refuses_is_refused(client: Client, kind: str, file: Any, status: int) -> None:
    body = json.dumps(file).encode() if file is not None else b"<xml/>"
    assert client.ask("POST", f"/v3/feeds?feedType={kind}", files={"file": body}).status_code == status


def test_a_feed_is_a_multipart_file_of_at_most_five_megabytes(client: Client) -> None:
    path = "/v3/feeds?feedType=MP_INVENTORY"
    assert client.ask("POST", path, json=GOOD).status_code == 415
    assert client.ask("POST", path, files={"levels": json.dumps(GOOD).encode()}).status_code == 400
    assert client.ask("POST", path, files={"file": b" " * 5_000_001}).status_code == 413


def test_a_feed_takes_effect_when_it_is_processed_and_over_what_was_set_meanwhile(
    simulator: WalmartSimulator, client: Client
) -> None:
    nodes = [{"shipNode": "100009", "quantity": {"unit": "EACH", "amount": 3}}]
    rows = [{"sku": "KIT-1", "shipNodes": nodes}, {"sku": "NO", "shipNodes": nodes}]
    simulator._shelves._feed_seconds = 3600
    file = json.dumps(GOOD | {"inventory": rows}).encode()
    feed = client.ask("POST", "/v3/feeds?feedType=MP_INVENTORY", files={"file": file}).json()["feedId"]
    path = f"/v3/feeds/{feed.replace('@', '%40')}"
    assert client.ask("GET", path).json()["feedStatus"] == "RECEIVED"
    put = {"sku": "KIT-1", "quantity": {"unit": "EACH", "amount": 8}}
    assert client.ask("PUT", "/v3/inventory?sku=KIT-1", json=put).status_code == 200
    assert simulator.levels()["KIT-1", "100009"] == 8
    simulator.settle_feeds()
    assert simulator.levels()["KIT-1", "100009"] == 3
    status = client.ask("GET", f"{path}?includeDetails=true&limit=50").json()
    assert (status["feedStatus"], status["itemsSucceeded"], status["itemsFailed"]) == ("PROCESSED", 1, 1)
    assert client.ask("GET", f"{path}?includeDetails=true&limit=51").status_code == 400


def test_stock_in_walmarts_own_warehouse_is_apart(simulator: WalmartSimulator, client: Client) -> None:
    simulator.offer(SimulatedListing(sku="W", title="w", price=Decimal(1), quantities={"100009": 4}, by_channel=True))
    place(simulator, ("W", 1), by_channel=True)
    assert ("W", "100009") not in simulator.levels()
    put = {"sku": "W", "quantity": {"unit": "EACH", "amount": 8}}
    assert client.ask("PUT", "/v3/inventory?sku=W", json=put).status_code == 400
    rows = client.ask("GET", "/v3/wfs/inventory").json()["payload"]["inventory"]
    assert [row["inventoryData"]["availableUnits"] for row in rows] == [3]


def test_an_order_of_what_is_not_on_offer_is_an_order(simulator: WalmartSimulator, connector: Walmart) -> None:
    number = simulator.place(SimulatedOrder(lines=(SimulatedLine(sku="GONE", quantity=2),)))
    order = connector.normalize(connector.fetch(number).body)
    assert (order.lines[0].sku, order.lines[0].unit_price) == ("GONE", Decimal(10))


def test_the_book_finds_changes_among_very_many_orders_without_walking_through_all() -> None:
    book = Book()
    for at in range(30_000):
        book.add(Purchase(f"{at:013d}", "c", "SellerFulfilled", "1", at, [PurchaseLine("1", "S", "s", Decimal(1), 1)]))
    for at in range(0, 30_000, 1000):
        book.touch(book.by_number[f"{at:013d}"], 200_000 + at)
    assert len(book.changed(20_000, 21_001)) == 999
    assert [purchase.placed for purchase in book.changed(200_000, 203_001)] == [3000, 2000, 1000]
