"""Purchase orders become orders of ours, or bad documents that say where."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.walmart import Walmart, documents, orders
from connectors.walmart.simulator import WalmartSimulator
from core.errors import BadDocument
from core.model import Fulfiller, Hold, Package, money_off
from tests.connectors.walmart.trade import place

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures" / "walmart"

Document = dict[str, Any]


@pytest.fixture
def document() -> Document:
    """An order of two lines: three mugs of which one shipped and one was cancelled, and two plates only created."""
    loaded: Document = json.loads((FIXTURES / "order-partly-shipped-and-cancelled.json").read_text())
    return loaded


def normalized(document: Document) -> orders.Order:
    return orders.normalize(json.dumps(document).encode())


def first(document: Document) -> Document:
    line: Document = document["orderLines"]["orderLine"][0]
    return line


def statuses(document: Document) -> list[Document]:
    found: list[Document] = first(document)["orderLineStatuses"]["orderLineStatus"]
    return found


def test_units_stand_where_their_statuses_say(document: Document) -> None:
    mugs, plates = normalized(document).lines
    assert (mugs.ordered, mugs.shipped, mugs.cancelled) == (3, 1, 1)
    assert (plates.ordered, plates.shipped, plates.cancelled) == (2, 0, 0)


def test_money_is_exact_and_adds_up(document: Document) -> None:
    order = normalized(document)
    mugs, plates = order.lines
    assert money_off(order) == 0
    assert (plates.unit_price, plates.tax) == (Decimal("12.25"), Decimal("2.02"))
    assert (order.shipping, order.shipping_tax) == (Decimal("4.99"), Decimal("0.41"))
    # 20.00 for three: a price finer than a millionth is rounded up, and what that adds is taken off again
    assert mugs.unit_price == Decimal("6.666667")
    assert mugs.unit_price * 3 - mugs.discount == Decimal("20.00")


def test_a_subscription_discount_is_taken_off_its_line(document: Document) -> None:
    plates = document["orderLines"]["orderLine"][1]
    plates["charges"]["charge"].append(
        {
            "chargeType": "PRODUCT",
            "chargeName": "SubscriptionDiscount",
            "chargeAmount": {"currency": "USD", "amount": 1.25},
        }
    )
    order = normalized(document)
    assert order.lines[1].discount == Decimal("1.25")
    assert money_off(order) == 0


def test_fees_beside_the_tax_are_charged_and_the_tax_in_them_only_once(document: Document) -> None:
    charge = document["orderLines"]["orderLine"][1]["charges"]["charge"][0]
    charge["taxAndOtherFees"]["taxAmount"]["amount"] = 2.5
    order = normalized(document)
    assert order.lines[1].tax == Decimal("2.5")
    assert money_off(order) == 0


def test_a_total_that_the_charges_miss_is_told_and_not_mended(document: Document) -> None:
    document["orderSummary"] = {"totalAmount": {"currencyAmount": 999.99, "currencyUnit": "USD"}}
    order = normalized(document)
    assert order.total == Decimal("999.99")
    assert money_off(order) != 0


def test_an_order_is_acknowledged_when_no_unit_is_only_created(document: Document) -> None:
    assert not normalized(document).acknowledged
    document["orderLines"]["orderLine"][1]["orderLineStatuses"]["orderLineStatus"][0]["status"] = "Acknowledged"
    assert normalized(document).acknowledged


def test_two_lines_of_one_sku_stay_two_lines(document: Document) -> None:
    twin = copy.deepcopy(first(document))
    twin["lineNumber"] = "9"
    document["orderLines"]["orderLine"].append(twin)
    order = normalized(document)
    assert [(line.number, line.sku) for line in order.lines] == [("1", "MUG-12"), ("2", "PLATE-10"), ("9", "MUG-12")]
    assert order.packages[0].lines == {"1": 1, "9": 1}


def test_one_parcel_of_several_lines_is_one_package(document: Document) -> None:
    assert normalized(document).packages == (Package(tracking="1Z999AA10123456784", carrier="UPS", lines={"1": 1}),)


def test_a_wrapped_order_is_the_same_order(document: Document) -> None:
    assert normalized({"order": document}) == normalized(document)
    assert documents.observe(json.dumps({"order": document}).encode()).number == "1086431029384"


def test_instants_are_utc_and_the_newest_change_is_the_version(document: Document) -> None:
    order = normalized(document)
    assert order.placed_at == datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
    assert order.version == 1795248000123 * 1000
    assert order.ship_by is not None
    assert order.ship_by.tzinfo is UTC


def test_a_buyer_who_asks_to_cancel_holds_what_is_open(document: Document) -> None:
    first(document)["intentToCancel"] = "TRUE"
    assert normalized(document).holds == (Hold.BUYER_CANCEL,)
    first(document)["intentToCancel"] = "false"
    assert normalized(document).holds == ()


def test_a_request_to_cancel_what_has_shipped_holds_nothing(document: Document) -> None:
    line = first(document)
    line["intentToCancel"] = "TRUE"
    line["orderLineStatuses"]["orderLineStatus"] = [
        {"status": "Shipped", "statusQuantity": {"unitOfMeasurement": "EACH", "amount": "3"}}
    ]
    assert normalized(document).holds == ()


def test_a_status_nobody_knows_holds_its_order(document: Document) -> None:
    document["orderLines"]["orderLine"][1]["orderLineStatuses"]["orderLineStatus"][0]["status"] = "OnTheMoon"
    order = normalized(document)
    assert order.holds == (Hold.UNKNOWN_STATUS,)
    assert order.lines[1].shipped == 0


@pytest.mark.parametrize("beside", [0, 1])
def test_refunded_units_have_shipped_and_are_counted_once(document: Document, beside: int) -> None:
    # whether the vendor lists a refunded unit instead of the shipped one, or beside it
    refunded = {"status": "Refund", "statusQuantity": {"unitOfMeasurement": "EACH", "amount": "1"}}
    if beside:
        statuses(document).append(refunded)
    else:
        statuses(document)[0] = refunded
    assert normalized(document).lines[0].shipped == 1


def test_orders_walmart_ships_itself_want_nothing_of_us(document: Document) -> None:
    document["shipNode"] = {"type": "WFSFulfilled"}
    order = normalized(document)
    assert order.fulfiller is Fulfiller.CHANNEL
    assert order.acknowledged
    assert order.lines[0].place == ""


def test_an_order_without_an_address_is_held(document: Document) -> None:
    document["shippingInfo"]["postalAddress"] = None
    order = normalized(document)
    assert (order.ship_to, order.holds) == (None, (Hold.ADDRESS,))


def test_nulls_and_unknown_fields_are_read_over(document: Document) -> None:
    document |= {"shipNode": None, "orderSummary": None, "somethingNew": {"a": [1]}}
    first(document).update(intentToCancel=None, charges=None, statusDate=None)
    assert normalized(document).lines[0].unit_price == 0


def test_nul_is_replaced_and_emoji_and_long_names_are_kept(document: Document) -> None:
    name = "Ada \u0000 \N{ROCKET} \\u0000 " + "long" * 2500
    document["shippingInfo"]["postalAddress"]["name"] = name
    ship_to = normalized(document).ship_to
    assert ship_to is not None
    assert ship_to.name == name.replace("\u0000", "\ufffd")


BAD_UNITS = ["0", "-1", "1.5", "1e3", "2147483648", "", " 1", "\u0663", -1, 0, 1.5, None, True, [], "9" * 5000]


@pytest.mark.parametrize("amount", BAD_UNITS, ids=lambda amount: repr(amount)[:20])
def test_what_is_no_quantity_is_a_bad_document_that_says_where(document: Document, amount: object) -> None:
    first(document)["orderLineQuantity"]["amount"] = amount
    with pytest.raises(BadDocument, match=r"^orderLines\.orderLine\[.*\]\.orderLineQuantity\.amount: "):
        normalized(document)


def test_a_missing_quantity_is_a_bad_document_that_says_where(document: Document) -> None:
    del first(document)["orderLineQuantity"]["amount"]
    with pytest.raises(BadDocument, match=r"orderLineQuantity: .*amount"):
        normalized(document)


Spoil = Callable[[Document], object]


@pytest.mark.parametrize(
    ("spoil", "where"),
    [
        (lambda it: statuses(it)[0]["statusQuantity"].update(amount="7"), "9 of 3"),
        (lambda it: it.update(orderDate=-5), "orderDate"),
        (lambda it: it.update(orderDate=10**18), "orderDate|statusDate"),
        (lambda it: it.update(purchaseOrderId=""), "purchaseOrderId"),
        (lambda it: it.pop("purchaseOrderId"), "purchase"),
        (lambda it: it["orderLines"].update(orderLine=[]), "orderLine: empty"),
        (lambda it: it["orderLines"]["orderLine"][1].update(lineNumber="1"), "lineNumber"),
        (lambda it: first(it)["charges"]["charge"][0]["chargeAmount"].update(amount="NaN"), "charges"),
        (lambda it: first(it)["charges"]["charge"][0]["chargeAmount"].update(currency="EUR"), "two currencies"),
        (lambda it: first(it)["charges"]["charge"][0]["chargeAmount"].update(currency="$"), "currenc"),
        (lambda it: first(it).update(item="a mug"), r"orderLine\[0\]\.item: "),
    ],
)
def test_a_document_that_is_no_order_says_where(document: Document, spoil: Spoil, where: str) -> None:
    spoil(document)
    with pytest.raises(BadDocument, match=where):
        normalized(document)


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{", b'{"order": 5}', b"<order/>", b"\xff"])
def test_what_is_hardly_a_document_is_a_bad_one(body: bytes) -> None:
    assert documents.observe(body).number == ""
    with pytest.raises(BadDocument):
        orders.normalize(body)


def test_an_order_of_five_hundred_lines_is_whole(document: Document) -> None:
    lines = []
    for number in range(500):
        lines.append(copy.deepcopy(first(document)) | {"lineNumber": str(number)})
    document["orderLines"]["orderLine"] = lines
    order = normalized(document)
    assert len(order.lines) == 500
    assert money_off(order) == 0


def test_an_order_nobody_acknowledged_says_until_when_it_waits(simulator: WalmartSimulator, connector: Walmart) -> None:
    number = place(simulator)
    order = connector.normalize(connector.fetch(number).body)
    assert (order.acknowledged, order.acknowledge_by) == (False, order.placed_at + timedelta(hours=4))
    list(connector.acknowledge([number]))
    order = connector.normalize(connector.fetch(number).body)
    assert (order.acknowledged, order.acknowledge_by) == (True, None)
    theirs = connector.normalize(connector.fetch(place(simulator, by_channel=True)).body)
    assert (theirs.acknowledged, theirs.acknowledge_by) == (True, None)
