"""What passes between connector and simulator keeps to the vendor's specs, and the vendor's own examples are read."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import jsonschema
import msgspec
import pytest

from connectors.amazon import Amazon
from connectors.amazon.feeds import Report, outcome
from connectors.amazon.orders import normalize
from connectors.amazon.simulator import AmazonSimulator
from connectors.amazon.simulator.warehouse import Pool
from core.errors import NotFound
from core.model import AckState, Hold, Level, LevelKey, Shipment, money_off
from tests.connectors.amazon.conftest import fetched, order
from tests.connectors.amazon.test_cancel import cancelling_all
from tests.connectors.amazon.vendor import DIFFERENCES, NAMES
from tests.specs import FOLDER, Spec, SpecViolation, Watch, check_request, check_response, specs

__all__ = ["specs"]

Load = Callable[[str], Spec]

EXAMPLES = {"orders": 1, "order": 1}
"""How many orders the vendor prints as examples, by the key they stand under."""


def walk(simulator: AmazonSimulator, amazon: Amazon, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything the connector can say, and some refusals."""
    numbers = [simulator.place(order(pending=number == 1, by_channel=number == 2)) for number in range(105)]
    simulator.cancel(numbers[3], sku="SKU-0", quantity=1)
    simulator.cancel(numbers[4])
    simulator.ask_to_cancel(numbers[5])
    parcel = Shipment(
        key="k",
        serial=1,
        order=numbers[0],
        lines={line.number: line.ordered for line in fetched(amazon, numbers[0]).lines},
        carrier="Bob's Bikes",
        tracking="1Z1",
        shipped_at=datetime.now(UTC),
        service="Ground",
        place="SRC-1",
    )
    other = Shipment(
        key="k2",
        serial=2,
        order=numbers[0],
        lines=parcel.lines,
        carrier="UPS",
        tracking="1Z2",
        shipped_at=datetime.now(UTC),
    )
    states = [ack.state for ack in amazon.push_tracking([parcel, other])]
    assert states == [AckState.APPLIED, AckState.REFUSED]
    cursor = [page.cursor for page in amazon.pages(None)][-1]
    list(amazon.pages(cursor))
    with pytest.raises(NotFound):
        amazon.fetch("111-1111111-1111111")
    handles = {listing.sku: listing.handle for listing in amazon.listings()}
    levels = [
        Level(key=sku, sku=sku, handle=handle, place="", quantity=5, revision=1) for sku, handle in handles.items()
    ]
    gone = [Level(key="gone", sku="GONE", handle=levels[0].handle, place="", quantity=5, revision=1)]
    acks = [*amazon.push_levels(levels + gone)]
    monkeypatch.setattr("connectors.amazon.levels.FEW", 1)
    acks += amazon.push_levels(levels + gone)
    list(amazon.settle({f"{ack.key}{at}": ack.ticket for at, ack in enumerate(acks) if ack.ticket}))
    list(amazon.read_levels([LevelKey(key=sku, sku=sku, handle="", place="") for sku in (*handles, "a,b")]))
    simulator.send_back(numbers[0], "SKU-0", 1)
    assert [len(page.observations) for page in amazon.returns(None)] == [1]
    simulator.warehouse.pools = [Pool(f"FBA-{number}", f"X{number}", number) for number in range(120)]
    assert len(list(amazon.own_stock())) == 120
    told = list(amazon.push_cancellations([cancelling_all(fetched(amazon, numbers[6]))]))
    assert [ack.state for ack in amazon.settle({"c": told[0].ticket})] == [AckState.APPLIED]
    assert all(finding.well for finding in amazon.examine())
    simulator.login.expire()
    fetched(amazon, numbers[1])


@pytest.mark.spec
def test_every_request_and_every_answer_keeps_to_the_vendors_specs(
    specs: Load, simulator: AmazonSimulator, amazon: Amazon, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(simulator, [specs(name) for name in NAMES], DIFFERENCES)
    walk(simulator, amazon, monkeypatch)
    watch.check(all_used=True)
    assert simulator.calls.keys() >= {
        *("searchOrders", "getOrder", "confirmShipment", "patchListingsItem", "getListingsItem", "searchListingsItems"),
        *("createReport", "getReport", "getReportDocument", "getInventorySummaries"),
        *("getReports", "getMarketplaceParticipations"),
        *("createFeedDocument", "createFeed", "getFeeds", "getFeed", "getFeedDocument", "token", "upload", "download"),
    }


@pytest.mark.spec
def test_the_feeds_document_and_its_report_keep_to_the_vendors_schemas(
    specs: Load, simulator: AmazonSimulator, amazon: Amazon, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk(simulator, amazon, monkeypatch)
    (feed,) = (feed for feed in simulator.feeds.feeds.values() if feed.kind == "JSON_LISTINGS_FEED")
    schemas = FOLDER / "amazon" / "schemas" / "feeds"
    written, reported = feed.document.body, simulator.feeds.documents[feed.result].body
    assert written is not None
    assert reported is not None
    jsonschema.validate(json.loads(written), json.loads((schemas / "listings-feed-schema-v2.json").read_text()))
    jsonschema.validate(
        json.loads(gzip.decompress(reported)),
        json.loads((schemas / "listings-feed-processing-report-schema-v2.json").read_text()),
    )


@pytest.mark.spec
def test_a_request_the_spec_does_not_allow_is_seen(specs: Load, simulator: AmazonSimulator, amazon: Amazon) -> None:
    watch = Watch(simulator, [specs(name) for name in NAMES])
    amazon._account.seller.search_orders(lastUpdatedAfter="2026-11-01T00:00:00Z", marketplaceIds="ATVPDKIKX0DER")
    with pytest.raises(SpecViolation, match="/auth/o2/token: no such path"):
        watch.check()


def examples(spec: Spec) -> list[tuple[str, dict[str, Any]]]:
    """Every order the vendor prints, with the key it stands under."""
    found = []
    for item in spec.document["paths"].values():
        for answer in item["get"]["responses"].values():
            for example in answer.get("examples", {}).values():
                found += [("orders", each) for each in example.get("orders", [])]
                found += [("order", each) for each in [example.get("order")] if each]
    return found


@pytest.mark.spec
def test_every_order_the_vendor_prints_is_read(specs: Load) -> None:
    printed = examples(specs(NAMES[0]))
    assert {key: sum(each == key for each, _ in printed) for key, _ in printed} == EXAMPLES
    read = {order.number: order for order in (normalize(json.dumps(example).encode()) for _, example in printed)}
    assert all(money_off(order) == 0 for order in read.values())
    american, british = read["123-4567890-1234567"], read["202-1234567-8901234"]
    assert (american.total, american.adjustment, american.holds) == (Decimal("154.99"), Decimal(5), ())
    assert [(line.ordered, line.shipped, line.cancelled) for line in american.lines] == [(2, 2, 0), (1, 1, 0)]
    assert (british.currency, british.shipping, british.shipping_tax) == ("GBP", 10, 1)
    assert [package.tracking for package in british.packages] == ["RR123456789GB"]
    assert Hold.BUYER_CANCEL not in american.holds  # asked, carried out, and shipped all the same


@pytest.mark.spec
def test_the_report_the_vendor_prints_is_read(specs: Load) -> None:
    specs(NAMES[0])
    printed = FOLDER / "amazon" / "schemas" / "feeds" / "listings-feed-processing-report-schema-v2.example.json"
    report = msgspec.json.decode(printed.read_bytes(), type=Report)
    acks = {ack.key: ack for ack in outcome(report, {"four": 4, "two": 2, "five": 5})}
    assert [acks[key].state for key in ("two", "four", "five")] == [
        AckState.APPLIED, AckState.REFUSED, AckState.REFUSED,
    ]  # fmt: skip
    assert "batteries_required" in acks["four"].reason


@pytest.mark.spec
@pytest.mark.parametrize(
    ("query", "body", "fault"),
    [
        ({"lastUpdatedAfter": "2026-01-01T00:00:00Z"}, None, ""),
        ({"lastUpdatedAfter": "yesterday"}, None, "date-time"),
        ({"MarketplaceIds": "A"}, None, "not a parameter"),
        ({"includedData": "EVERYTHING"}, None, "not one of"),
        ({}, b"{}", "body"),
    ],
)
def test_requests_are_judged_by_the_spec(specs: Load, query: dict[str, str], body: bytes | None, fault: str) -> None:
    spec = specs(NAMES[0])
    if fault:
        with pytest.raises(SpecViolation, match=fault):
            check_request(spec, "GET", "/orders/2026-01-01/orders", query, {}, body)
    else:
        check_request(spec, "GET", "/orders/2026-01-01/orders", query, {}, body)


@pytest.mark.spec
@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (200, b'{"orders": []}', ""),
        (200, b"{}", "'orders' is a required"),
        (200, b"<html>", "not JSON"),
        (418, b"{}", "status"),
    ],
)
def test_answers_are_judged_by_the_spec(specs: Load, status: int, body: bytes, fault: str) -> None:
    spec = specs(NAMES[0])
    if fault:
        with pytest.raises(SpecViolation, match=fault):
            check_response(spec, "GET", "/orders/2026-01-01/orders", status, body)
    else:
        check_response(spec, "GET", "/orders/2026-01-01/orders", status, body)
