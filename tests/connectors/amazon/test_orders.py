"""What an Amazon order document becomes."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sp_api.base import Marketplaces

from connectors.amazon.orders import CURRENCIES, normalize
from core.errors import BadDocument
from core.model import Fulfiller, Hold, Order, micros, money_off

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures" / "amazon"


def document(name: str = "unshipped") -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text())
    return loaded


def read(name: str = "unshipped") -> Order:
    return normalize((FIXTURES / f"{name}.json").read_bytes())


def changed(change: Callable[[dict[str, Any]], object], name: str = "unshipped") -> Order:
    """The fixture's order after a change of its document."""
    altered = document(name)
    change(altered)
    return normalize(json.dumps(altered).encode())


def first(altered: dict[str, Any]) -> dict[str, Any]:
    item: dict[str, Any] = altered["orderItems"][0]
    return item


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.json")), ids=lambda path: path.stem)
def test_the_amounts_of_every_recorded_order_add_up(path: Path) -> None:
    assert money_off(normalize(path.read_bytes())) == 0


def test_an_unshipped_order_is_read_whole() -> None:
    order = read()
    assert (order.number, order.currency, order.total) == ("111-2223334-4445556", "USD", Decimal("35.43"))
    assert order.placed_at == datetime(2026, 11, 20, 8, 15, tzinfo=UTC)
    assert order.version == micros(datetime(2026, 11, 20, 9, 30, 12, tzinfo=UTC))
    assert (order.shipping, order.shipping_tax, order.adjustment) == (Decimal("4.99"), Decimal("0.40"), 0)
    mug, pen = order.lines
    assert (mug.number, mug.sku, mug.title) == ("90000000000001", "MUG-BLUE", "Mug, blue")
    assert (mug.ordered, mug.cancelled, mug.shipped, mug.unit_price, mug.tax) == (2, 0, 0, Decimal("12.50"), 2)
    assert (pen.unit_price, pen.discount, pen.tax) == (Decimal("3.10"), Decimal("0.31"), Decimal("0.25"))
    assert order.service == "EXPEDITED"
    assert order.ship_by == datetime(2026, 11, 22, 7, 59, 59, tzinfo=UTC)
    assert order.deliver_by == datetime(2026, 11, 25, 15, 59, 59, tzinfo=UTC)
    assert order.ship_to is not None
    assert (order.ship_to.line1, order.ship_to.line2) == ("7 Compiler Court", "Flat 2, Rear door")
    assert (order.ship_to.postal_code, order.ship_to.country, order.ship_to.phone) == ("22201", "US", "555-0100")
    assert order.email == "q1w2e3@marketplace.example"
    assert (order.holds, order.fulfiller, order.acknowledged, order.priced) == ((), Fulfiller.MERCHANT, True, True)


def test_a_pending_order_is_held_unpriced_and_keeps_all_its_units() -> None:
    order = read("pending")
    assert order.holds == (Hold.PENDING,)
    assert not order.priced
    assert order.currency == "USD"  # its marketplace's: the document names none
    assert order.ship_to is None
    assert [(line.ordered, line.cancelled, line.shipped) for line in order.lines] == [(2, 0, 0), (1, 0, 0)]


def test_prices_of_an_order_that_is_still_pending_are_not_its_last_word() -> None:
    assert read().priced
    assert not changed(lambda d: d["fulfillment"].update(fulfillmentStatus="PENDING")).priced


def test_a_preorder_waits_like_a_pending_order() -> None:
    assert changed(lambda d: d["fulfillment"].update(fulfillmentStatus="PENDING_AVAILABILITY"), "pending").holds == (
        Hold.PENDING,
    )


def test_an_unpriced_order_of_an_unknown_marketplace_has_no_currency() -> None:
    assert changed(lambda d: d["salesChannel"].update(marketplaceId="A0NEW"), "pending").currency == "XXX"


def test_every_marketplace_the_sdk_knows_has_its_currency() -> None:
    assert {place.marketplace_id for place in Marketplaces} <= CURRENCIES.keys()


def test_a_confirmed_order_that_keeps_its_total_to_itself_is_told_by_what_it_names() -> None:
    def hide(d: dict[str, Any]) -> None:
        del d["proceeds"]
        d["salesChannel"].update(marketplaceId="A0NEW")

    order = changed(hide)
    assert (order.priced, order.total, order.currency) == (True, 0, "USD")
    assert money_off(order) == Decimal("35.43")
    charged = changed(lambda d: (hide(d), [item["product"].pop("price") for item in d["orderItems"]]))
    assert (money_off(charged), charged.currency) == (Decimal("35.43"), "USD")


def test_where_no_amount_is_told_nothing_is_checked() -> None:
    def hide(d: dict[str, Any]) -> None:
        del d["proceeds"]
        for item in d["orderItems"]:
            del item["proceeds"], item["product"]["price"]

    order = changed(hide)
    assert (order.priced, order.total, money_off(order)) == (False, 0, 0)

    def replace(d: dict[str, Any], kind: str = "REPLACEMENT_ORIGINAL_ID") -> None:
        hide(d)
        d["associatedOrders"] = [{"orderId": "111-1", "associationType": kind}]

    free = changed(replace)
    assert (free.priced, free.total, money_off(free)) == (True, 0, 0)
    assert changed(lambda d: replace(d, "EXCHANGE_ORIGINAL_ID")).priced
    assert not changed(lambda d: replace(d, "NEW_KIND")).priced
    assert not changed(lambda d: (replace(d), d["fulfillment"].update(fulfillmentStatus="PENDING"))).priced


def test_amounts_of_an_order_that_amazon_ships_for_another_shop_are_not_checked_without_their_total() -> None:
    order = changed(lambda d: d.pop("proceeds"), "fulfilled_by_amazon")
    assert (order.priced, money_off(order)) == (False, 0)


def test_an_order_amazon_ships_is_the_channels() -> None:
    order = read("fulfilled_by_amazon")
    assert order.fulfiller is Fulfiller.CHANNEL
    assert order.holds == ()


def test_a_buyers_wish_to_cancel_holds_the_order() -> None:
    assert read("buyer_asks_to_cancel").holds == (Hold.BUYER_CANCEL,)


def test_a_wish_to_cancel_that_was_carried_out_holds_nothing() -> None:
    def execute(d: dict[str, Any]) -> None:
        d["orderItems"][1]["cancellation"]["cancellationExecution"] = {"cancelledBy": "MERCHANT"}

    assert changed(execute, "buyer_asks_to_cancel").holds == ()


def test_cancelled_units_and_their_missing_charges_are_counted() -> None:
    order = read("partly_cancelled_and_shipped")
    (line,) = order.lines
    assert (line.ordered, line.cancelled, line.shipped) == (3, 1, 1)
    assert order.adjustment == Decimal("-12.50")
    assert money_off(order) == 0


def test_a_cancelled_order_has_no_open_unit_and_may_count_none_ordered() -> None:
    order = read("cancelled")
    assert [(line.ordered, line.cancelled) for line in order.lines] == [(2, 2), (0, 0)]
    assert order.holds == ()
    assert not order.priced


def test_parcels_are_read_with_their_units_and_cancelled_ones_left_out() -> None:
    packages = read("shipped_in_two_parcels").packages
    assert [(package.carrier, package.tracking, dict(package.lines)) for package in packages] == [
        ("UPS", "1Z0001", {"90000000000005": 2}),
        ("USPS", "94000002", {"90000000000005": 1, "90000000000006": 1}),
    ]


@pytest.mark.parametrize("sign", ["", "-"])
def test_a_discount_is_taken_off_whichever_sign_it_has(sign: str) -> None:
    def charge(d: dict[str, Any]) -> None:
        d["orderItems"][1]["proceeds"]["breakdowns"][1]["subtotal"]["amount"] = f"{sign}0.31"

    assert money_off(changed(charge)) == 0


def test_a_total_that_does_not_add_up_is_told_and_not_mended() -> None:
    assert money_off(changed(lambda d: d["proceeds"]["grandTotal"].update(amount="36.43"))) == Decimal("-1.00")


def test_a_tip_a_gift_wrap_and_a_fee_are_adjustments() -> None:
    def charge(d: dict[str, Any]) -> None:
        tip = {"type": "DELIVERY_TIP", "status": "FINALIZED", "subtotal": {"amount": "5", "currencyCode": "USD"}}
        d["proceeds"]["breakdowns"].append(tip)
        for kind in ("GIFT_WRAP", "COD_FEE"):
            first(d)["proceeds"]["breakdowns"].append(
                {"type": kind, "subtotal": {"amount": "1.25", "currencyCode": "USD"}}
            )
        d["proceeds"]["grandTotal"]["amount"] = "42.93"

    order = changed(charge)
    assert order.adjustment == Decimal("7.50")
    assert money_off(order) == 0


def test_a_price_that_is_not_given_is_the_items_share_and_its_rounding_an_adjustment() -> None:
    def charge(d: dict[str, Any]) -> None:
        first(d)["quantityOrdered"] = 3
        first(d)["fulfillment"]["quantityUnfulfilled"] = 3
        del first(d)["product"]["price"]

    order = changed(charge)
    assert order.lines[0].unit_price == Decimal("8.3333")
    assert order.adjustment == Decimal("0.0001")
    assert money_off(order) == 0


@pytest.mark.parametrize("status", ["ON_THE_MOON", ""])
def test_an_unknown_status_is_held(status: str) -> None:
    assert changed(lambda d: d["fulfillment"].update(fulfillmentStatus=status)).holds == (Hold.UNKNOWN_STATUS,)


def test_an_order_without_its_status_is_held() -> None:
    assert changed(lambda d: d.pop("fulfillment")).holds == (Hold.UNKNOWN_STATUS,)


def test_an_unfulfillable_order_is_held_for_the_channel() -> None:
    assert changed(lambda d: d["fulfillment"].update(fulfillmentStatus="UNFULFILLABLE")).holds == (Hold.CHANNEL,)


def test_an_open_order_without_an_address_is_held() -> None:
    assert changed(lambda d: d.pop("recipient")).holds == (Hold.ADDRESS,)


@pytest.mark.parametrize(
    ("quantity", "what"),
    [
        (-1, ">= 0"),
        (1.5, "float"),
        ("1", "str"),
        ("1e3", "str"),
        (2**31, "<= 2147483647"),
        (None, "null"),
        (0, "0 units"),
    ],
)
def test_a_quantity_that_is_none_is_a_bad_document(quantity: object, what: str) -> None:
    with pytest.raises(BadDocument, match=rf"orderItems\[0\]\.quantityOrdered: .*{what}"):
        changed(lambda d: first(d).update(quantityOrdered=quantity))


def test_a_quantity_in_exponents_is_a_bad_document() -> None:
    body = (FIXTURES / "unshipped.json").read_bytes().replace(b'"quantityOrdered": 2', b'"quantityOrdered": 2e0')
    with pytest.raises(BadDocument, match="quantityOrdered"):
        normalize(body)


def test_an_absent_quantity_is_a_bad_document() -> None:
    with pytest.raises(BadDocument, match=r"orderItems\[0\]: .*quantityOrdered"):
        changed(lambda d: first(d).pop("quantityOrdered"))


def test_more_units_done_than_ordered_is_a_bad_document() -> None:
    with pytest.raises(BadDocument, match=r"orderItems\[0\]\.fulfillment: more units"):
        changed(lambda d: first(d)["fulfillment"].update(quantityFulfilled=1, quantityUnfulfilled=2))


def test_fulfilled_units_that_are_not_told_are_not_guessed() -> None:
    with pytest.raises(BadDocument, match="quantityFulfilled: absent"):
        changed(lambda d: first(d).update(fulfillment={"quantityUnfulfilled": 1}))


def test_counts_that_are_all_absent_leave_the_line_open() -> None:
    line = changed(lambda d: first(d).pop("fulfillment")).lines[0]
    assert (line.ordered, line.cancelled, line.shipped) == (2, 0, 0)


def test_two_lines_of_one_number_are_a_bad_document() -> None:
    with pytest.raises(BadDocument, match="the same orderItemId twice"):
        changed(lambda d: d["orderItems"].append(copy.deepcopy(first(d))))


def test_two_currencies_in_one_order_are_a_bad_document() -> None:
    with pytest.raises(BadDocument, match="another currency"):
        changed(lambda d: first(d)["product"]["price"]["unitPrice"].update(currencyCode="EUR"))


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "1e300", "ten"])
def test_an_amount_that_is_no_money_is_a_bad_document(amount: str) -> None:
    with pytest.raises(BadDocument, match="amount"):
        changed(lambda d: d["proceeds"]["grandTotal"].update(amount=amount))


def test_nul_becomes_the_replacement_character_and_emoji_stay() -> None:
    title = "Mug 🏳️‍🌈\0" + "x" * 10_000
    order = changed(lambda d: first(d)["product"].update(title=title))
    assert order.lines[0].title == title.replace("\0", "\ufffd")


def test_an_instant_without_a_zone_is_a_bad_document() -> None:
    with pytest.raises(BadDocument, match="createdTime"):
        changed(lambda d: d.update(createdTime="2026-11-20T08:15:00"))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_what_is_no_order_is_a_bad_document(body: bytes) -> None:
    with pytest.raises(BadDocument, match="document"):
        normalize(body)


def test_a_bad_documents_text_holds_nothing_of_the_buyer() -> None:
    with pytest.raises(BadDocument) as caught:
        changed(lambda d: d["recipient"]["deliveryAddress"].update(name=["Grace Hopper"]))
    assert "Grace" not in str(caught.value)
