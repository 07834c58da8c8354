"""The simulated Amazon's reports, warehouses, roles and cancelling feed refuse what Amazon refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree as Xml

import httpx
import pytest
import time_machine

from connectors.amazon.account import OPERATIONS
from connectors.amazon.simulator import AmazonSimulator
from connectors.amazon.simulator.cancelling import work_off
from connectors.amazon.simulator.notifications import GRANTLESS
from connectors.amazon.simulator.reports import RETURNS
from connectors.amazon.simulator.warehouse import Pool
from tests.connectors.amazon.conftest import hurried, order
from tests.connectors.amazon.test_simulator import Ask, ask, asking, refused

__all__ = ["ask"]

REPORTS = "/reports/2021-06-30/reports"
PAPERS = "/reports/2021-06-30/documents"
STOCK = "/fba/inventory/v1/summaries"
HERE = "ATVPDKIKX0DER"
ASKED = {"granularityType": "Marketplace", "granularityId": HERE, "marketplaceIds": HERE}


def stamp(ago: timedelta) -> str:
    return (datetime.now(UTC) - ago).strftime("%Y-%m-%dT%H:%M:%SZ")


# Reports.


@pytest.mark.parametrize(
    "change",
    [
        {"reportType": "GET_SOMETHING"},
        {"marketplaceIds": ["A1F83G8C2ARO7P"]},
        {"marketplaceIds": []},
        {"dataStartTime": "2026-01-01T00:00:00+09:00"},
        {"dataStartTime": "2026-01-02T00:00:00Z", "dataEndTime": "2026-01-01T00:00:00Z"},
        {"unknown": 1},
    ],
)
def test_a_report_is_asked_for_by_the_rules(ask: Ask, change: dict[str, Any]) -> None:
    sound = {"reportType": RETURNS, "marketplaceIds": [HERE], "dataStartTime": stamp(timedelta(days=59))}
    assert ask("POST", REPORTS, json=sound).status_code == 202
    refused(ask("POST", REPORTS, json=sound | change), 400, "InvalidInput")


def test_a_report_about_nothing_is_cancelled_and_one_too_long_is_given_up(simulator: AmazonSimulator, ask: Ask) -> None:
    def state(days: int) -> str:
        body = {"reportType": RETURNS, "marketplaceIds": [HERE], "dataStartTime": stamp(timedelta(days=days))}
        number = ask("POST", REPORTS, json=body).json()["reportId"]
        return str(ask("GET", f"{REPORTS}/{number}").json()["processingStatus"])

    assert state(59) == "CANCELLED"
    assert state(61) == "FATAL"


def test_a_report_takes_its_time() -> None:
    with hurried(report_seconds=60.0) as simulator, httpx.Client(trust_env=False) as client:
        assert isinstance(simulator, AmazonSimulator)
        ask = asking(simulator, client)
        body = {"reportType": RETURNS, "marketplaceIds": [HERE]}
        number = ask("POST", REPORTS, json=body).json()["reportId"]
        assert ask("GET", f"{REPORTS}/{number}").json()["processingStatus"] in ("IN_QUEUE", "IN_PROGRESS")


def test_reports_and_documents_that_are_not_there_are_not_found(ask: Ask) -> None:
    refused(ask("GET", f"{REPORTS}/7"), 404, "NotFound")
    refused(ask("GET", f"{PAPERS}/7"), 404, "NotFound")
    refused(ask("GET", REPORTS), 400, "reportTypes")
    assert ask("GET", REPORTS, params={"reportTypes": RETURNS}).json() == {"reports": []}


# Warehouses.


@pytest.mark.parametrize(
    "change",
    [
        {"granularityType": "World"},
        {"granularityId": "A1F83G8C2ARO7P"},
        {"marketplaceIds": "A1F83G8C2ARO7P"},
        {"details": "yes"},
        {"startDateTime": "2026-01-01"},
        {"sellerSkus": ",".join(str(number) for number in range(51))},
        {"nextToken": "x"},
        {"unknown": "1"},
    ],
)
def test_stock_is_asked_for_by_the_rules(ask: Ask, change: dict[str, str]) -> None:
    assert ask("GET", STOCK, params=ASKED).status_code == 200
    refused(ask("GET", STOCK, params=ASKED | change), 400, "InvalidInput")
    refused(ask("GET", STOCK, params={"details": "true"}), 400, "missing")


def test_stock_comes_fifty_a_page_under_a_token_of_thirty_seconds(simulator: AmazonSimulator, ask: Ask) -> None:
    simulator.warehouse.pools = [Pool(f"S{number}", f"X{number}", number) for number in range(51)]
    page = ask("GET", STOCK, params=ASKED).json()
    assert len(page["payload"]["inventorySummaries"]) == 50
    assert "inventoryDetails" not in page["payload"]["inventorySummaries"][0]
    token = page["pagination"]["nextToken"]
    rest = ask("GET", STOCK, params=ASKED | {"nextToken": token}).json()
    assert [each["sellerSku"] for each in rest["payload"]["inventorySummaries"]] == ["S50"]
    assert "pagination" not in rest
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=31)):
        refused(ask("GET", STOCK, params=ASKED | {"nextToken": token}), 400, "expired")


# Roles.


def test_every_operation_is_denied_without_its_role(simulator: AmazonSimulator, ask: Ask) -> None:
    simulator.denied = {name for _, _, name in OPERATIONS}
    for method, pattern, name in OPERATIONS:
        if name not in GRANTLESS:  # those are the application's, and refuse a seller's token before that
            path = pattern.pattern.removesuffix("$").replace("[^/]+", "000-0000000-0000000")
            refused(ask(method, path), 403, "Access to requested resource is denied.")
            assert simulator.calls[name] == 1
    simulator.denied = set()
    assert ask("GET", STOCK, params=ASKED).status_code == 200


# The feed that cancels.

GOOD = """<AmazonEnvelope><Header><DocumentVersion>1.01</DocumentVersion><MerchantIdentifier>{seller}
</MerchantIdentifier></Header><MessageType>OrderAcknowledgement</MessageType><Message><MessageID>1</MessageID><OrderAcknowledgement>
<AmazonOrderID>{order}</AmazonOrderID><StatusCode>Failure</StatusCode><Item><AmazonOrderItemCode>{item}
</AmazonOrderItemCode><CancelReason>NoInventory</CancelReason></Item></OrderAcknowledgement></Message></AmazonEnvelope>"""


def told(
    simulator: AmazonSimulator, *changes: tuple[str, str], order_: dict[str, Any] | None = None
) -> list[str] | None:
    """The error codes of a document; None where it is refused as a whole."""
    number = simulator.place(order(("SKU-0", 2), **(order_ or {})))
    text = GOOD.format(seller=simulator.seller_id, order=number, item=simulator.book.orders[number].items[0].number)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    report = work_off(simulator.book, simulator.shop, "1", text.replace("\n", "").encode())
    if report is None:
        return None
    return [each.text or "" for each in Xml.fromstring(report).iter("ResultMessageCode")]  # noqa: S314 - written by the simulator


def test_a_sound_message_cancels_the_whole_order_and_leaves_no_stock_where_there_was_none(
    simulator: AmazonSimulator,
) -> None:
    assert told(simulator) == []
    (truth,) = simulator.truths().values()
    assert truth.cancelled == {"SKU-0": 2}
    assert simulator.levels()["SKU-0", ""] == 498
    assert told(simulator, ("NoInventory", "BuyerCanceled")) == []
    assert simulator.levels()["SKU-0", ""] == 498  # the second order's two units came back


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<DocumentVersion>1.01</DocumentVersion>", ""),
        ("1.01", "2.0"),
        ("<MessageType>OrderAcknowledgement", "<MessageType>OrderAdjustment"),
        ("<MessageID>1<", "<MessageID>0<"),
        ("<MessageID>1<", "<MessageID>one<"),
        ("<StatusCode>Failure</StatusCode>", ""),
        ("Failure", "Cancelled"),
        ("<Item>", "<Items>"),
        ("<CancelReason>NoInventory</CancelReason>", "<Reason>NoInventory</Reason>"),
        ("AmazonEnvelope>", "Envelope>"),
    ],
)
def test_a_document_that_is_not_of_the_schema_is_given_up(simulator: AmazonSimulator, old: str, new: str) -> None:
    assert told(simulator, (old, new)) is None
    assert not any(sum(truth.cancelled.values()) for truth in simulator.truths().values())


def test_a_document_of_another_seller_is_given_up(simulator: AmazonSimulator) -> None:
    assert told(simulator, (simulator.seller_id, "ANOTHER")) is None


@pytest.mark.parametrize(
    ("changes", "placed", "code"),
    [
        ([("<AmazonOrderID>", "<AmazonOrderID>9")], {}, "18024"),
        ([("<AmazonOrderItemCode>", "<AmazonOrderItemCode>9")], {}, "18028"),
        ([("NoInventory", "NoStock")], {}, "18028"),
        ([("<CancelReason>NoInventory</CancelReason>", "")], {}, "18028"),
        ([], {"pending": True}, "18026"),
        ([], {"by_channel": True}, "18026"),
    ],
)
def test_a_message_that_may_not_cancel_is_refused_by_itself(
    simulator: AmazonSimulator, changes: list[tuple[str, str]], placed: dict[str, Any], code: str
) -> None:
    assert told(simulator, *changes, order_=placed) == [code]
    assert not any(sum(truth.cancelled.values()) for truth in simulator.truths().values())
