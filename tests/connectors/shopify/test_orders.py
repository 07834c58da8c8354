"""Order documents: money, units, holds, places, and what is no order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from connectors.shopify.orders import normalize, observe
from core.errors import BadDocument
from core.model import Hold, Order, money_off
from tests.connectors.shopify.given import EAST, FIXTURES, WEST, changed, document


def order(name: str, **fields: Any) -> Order:
    body = document(name)
    return normalize(changed(body, **fields) if fields else body, {EAST: "101", WEST: "102"})


def units(of: Order) -> list[tuple[int, int, int]]:
    return [(line.ordered, line.cancelled, line.shipped) for line in of.lines]


def with_line(name: str, /, **fields: Any) -> bytes:
    """A document whose first line has other fields."""
    value = msgspec.json.decode(document(name))
    value["lineItems"]["nodes"][0] |= fields
    return msgspec.json.encode(value)


@pytest.mark.parametrize("name", sorted(path.stem for path in FIXTURES.glob("*.json")))
def test_the_amounts_of_every_sound_order_add_up(name: str) -> None:
    assert money_off(order(name)) == 0


def test_an_amount_that_is_missing_from_the_sum_is_not_mended() -> None:
    wrong = {"shopMoney": {"amount": "36.00"}, "presentmentMoney": {"amount": "36.00", "currencyCode": "USD"}}
    assert money_off(order("plain", totalPriceSet=wrong)) == Decimal("0.68")


def test_an_order_is_told_in_our_words() -> None:
    told = order("plain")
    assert (told.number, told.name, told.currency, told.service) == ("5500000001", "#1042", "USD", "Ground")
    assert told.placed_at == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert told.version == 1772359500_000_000
    assert told.ship_to is not None
    assert (told.ship_to.line1, told.ship_to.region, told.ship_to.country) == ("7 Compiler Court", "VA", "US")
    assert [line.number for line in told.lines] == ["1", "2"]
    assert told.holds == ()


def test_an_order_discount_is_the_share_that_each_line_carries() -> None:
    assert [line.discount for line in order("discounted").lines] == [Decimal("3.00"), Decimal("0.31")]


def test_tax_inside_the_price_is_not_added_and_the_buyers_currency_is_told() -> None:
    told = order("taxes_included_foreign")
    assert told.lines[0].tax == told.shipping_tax == 0
    assert (told.presentment_currency, told.presentment_total) == ("USD", Decimal("26.15"))


def test_duties_fees_and_tips_are_an_adjustment_unless_the_prices_hold_them() -> None:
    assert order("duties_fees_and_tip").adjustment == Decimal("15.00")
    assert order("duties_fees_and_tip", dutiesIncluded=True).adjustment == Decimal("7.00")
    assert order("tip_as_a_line").adjustment == 0


def test_a_line_without_a_parcel_counts_as_shipped_and_asks_for_no_address() -> None:
    assert units(order("gift_card_beside_goods")) == [(1, 0, 0), (1, 0, 1)]
    value = msgspec.json.decode(document("gift_card_beside_goods"))
    del value["lineItems"]["nodes"][0]
    value["shippingAddress"] = None
    assert normalize(msgspec.json.encode(value), {}).holds == ()


def test_an_edited_order_keeps_what_was_ordered_and_cancels_what_was_removed() -> None:
    assert units(order("edited_line_removed")) == [(2, 1, 0), (1, 1, 0)]


def test_a_unit_that_was_shipped_and_refunded_stays_shipped() -> None:
    assert units(order("shipped_then_refunded")) == [(2, 0, 2), (1, 0, 0)]


def test_shipped_and_cancelled_units_of_one_line_are_told_apart() -> None:
    told = order("part_shipped_part_cancelled")
    assert units(told) == [(4, 2, 1), (1, 0, 0)]
    assert [(package.tracking, package.carrier, package.lines) for package in told.packages] == [
        ("1Z999", "UPS", {"1": 1})
    ]


def test_all_of_a_cancelled_order_is_cancelled_whatever_its_lines_say() -> None:
    assert units(order("cancelled")) == [(2, 2, 0), (1, 1, 0)]
    assert order("cancelled").holds == ()


def test_a_line_that_was_added_is_a_line_of_its_own_whatever_its_sku() -> None:
    told = order("edited_line_added")
    assert [(line.number, line.sku, line.ordered) for line in told.lines] == [
        ("1", "MUG-1", 2),
        ("2", "TEE-2", 1),
        ("3", "MUG-1", 1),
    ]
    assert told.version > order("plain").version


def test_a_quantity_that_went_up_and_down_again_keeps_what_was_ever_ordered() -> None:
    assert units(order("edited_up_and_down")) == [(5, 2, 0), (1, 0, 0)]


def test_an_address_that_changed_is_the_orders_newer_one() -> None:
    before, after = order("plain"), order("address_changed")
    assert before.ship_to is not None
    assert after.ship_to is not None
    assert (before.ship_to.postal_code, after.ship_to.postal_code) == ("22202", "23510")
    assert after.version > before.version


def test_work_on_hold_holds_and_its_release_lets_go() -> None:
    assert order("on_hold").holds == (Hold.CHANNEL,)
    assert order("hold_released").holds == ()
    assert order("hold_released").version > order("on_hold").version


def test_an_order_that_was_unfulfilled_again_is_open_again() -> None:
    told = order("unfulfilled_again")
    assert units(told) == [(2, 0, 0), (1, 0, 0)]
    assert (told.packages, told.holds) == ((), ())
    assert told.ship_by == datetime(2026, 3, 9, 12, tzinfo=UTC)


def test_refunds_are_told_with_their_units_and_only_where_money_went_back() -> None:
    told = order("refunded_three_times")
    assert [(one.number, one.at, one.amount, one.lines) for one in told.refunds] == [
        ("901", datetime(2026, 3, 4, 8, tzinfo=UTC), Decimal("10.80"), {"1": 1}),
        ("903", datetime(2026, 3, 5, 9, 30, tzinfo=UTC), Decimal("5.00"), {}),
    ]
    assert {one.at.utcoffset() for one in told.refunds} == {timedelta(0)}
    assert units(told) == [(2, 0, 2), (1, 0, 0)]


def test_refunds_that_were_not_all_read_are_no_order() -> None:
    value = msgspec.json.decode(document("refunded_three_times"))
    one = value["refunds"][0]
    for refunds in ([one] * 50, [one | {"refundLineItems": {"nodes": [], "pageInfo": {"hasNextPage": True}}}]):
        with pytest.raises(BadDocument, match=r"^refunds: "):
            normalize(msgspec.json.encode(value | {"refunds": refunds}), {})


@pytest.mark.parametrize(
    ("status", "holds"),
    [
        ("PAID", ()),
        ("AUTHORIZED", ()),
        ("PARTIALLY_REFUNDED", ()),
        ("PENDING", (Hold.PAYMENT,)),
        ("EXPIRED", (Hold.PAYMENT,)),
        ("VOIDED", (Hold.PAYMENT,)),
        ("REFUNDED", (Hold.PAYMENT,)),
        ("PARTIALLY_PAID", (Hold.PAYMENT,)),
        ("SETTLED_IN_SEASHELLS", (Hold.UNKNOWN_STATUS,)),
        (None, (Hold.UNKNOWN_STATUS,)),
    ],
)
def test_payment_decides_whether_an_order_may_ship(status: str | None, holds: tuple[Hold, ...]) -> None:
    assert order("plain", displayFinancialStatus=status).holds == holds


def test_test_orders_risk_waiting_work_and_missing_addresses_hold() -> None:
    told = order("plain", test=True)
    assert (told.holds, told.test, order("plain").test) == ((Hold.TEST,), True, False)
    assert order("plain", risk={"recommendation": "CANCEL"}).holds == (Hold.FRAUD,)
    assert order("plain", risk={"recommendation": "INVESTIGATE"}).holds == ()
    assert order("two_places").holds == (Hold.CHANNEL,)
    assert order("plain", shippingAddress=None).holds == (Hold.ADDRESS,)
    assert order("plain", shippingAddress={"name": "Grace"}).holds == (Hold.ADDRESS,)


def test_an_unknown_status_of_the_work_holds_and_one_of_a_parcel_ships_nothing() -> None:
    work = {"nodes": [{"id": "x", "status": "TELEPORTED"}], "pageInfo": {"hasNextPage": False}}
    assert order("plain", fulfillmentOrders=work).holds == (Hold.UNKNOWN_STATUS,)
    value = msgspec.json.decode(document("shipped_then_refunded"))
    value["fulfillments"][0]["status"] = "TELEPORTED"
    told = normalize(msgspec.json.encode(value), {})
    assert told.holds == (Hold.UNKNOWN_STATUS,)
    assert [line.shipped for line in told.lines] == [0, 0]


def test_a_line_knows_the_place_its_units_came_from_and_the_order_its_first_due_date() -> None:
    told = order("two_places")
    assert [line.place for line in told.lines] == ["101", "102"]
    assert told.ship_by == datetime(2026, 3, 3, 22, tzinfo=UTC)


def test_a_line_over_two_places_is_of_the_one_that_gave_most() -> None:
    value = msgspec.json.decode(document("two_places"))
    east, west = (part["lineItems"]["nodes"] for part in value["fulfillmentOrders"]["nodes"])
    west.append({**east[0], "totalQuantity": 1})
    assert normalize(msgspec.json.encode(value), {}).lines[0].place == EAST
    west[1]["totalQuantity"] = 3
    assert normalize(msgspec.json.encode(value), {}).lines[0].place == WEST


def test_text_of_any_length_and_kind_is_kept_and_nul_is_replaced() -> None:
    name = "😀\u202e" + "é" * 10_000
    told = normalize(with_line("plain", name=name), {})
    assert told.lines[0].title == name
    # A backslash before the u is text, not half of an escape.
    body = document("plain").replace(b'"MUG-1"', rb'"a\u0000b\\u0000c"', 1)
    assert normalize(body, {}).lines[0].sku == "a\ufffdb\\u0000c"


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "1e3", 2**31, None, True])
def test_a_quantity_that_is_none_is_a_bad_document_that_names_its_path(wrong: object) -> None:
    with pytest.raises(BadDocument, match=r"^lineItems\.nodes\[0\]\.quantity: "):
        normalize(with_line("plain", quantity=wrong), {})


def test_a_missing_quantity_is_a_bad_document() -> None:
    value = msgspec.json.decode(document("plain"))
    del value["lineItems"]["nodes"][0]["quantity"]
    with pytest.raises(BadDocument, match=r"^lineItems\.nodes\[0\]: .*quantity"):
        normalize(msgspec.json.encode(value), {})


@pytest.mark.parametrize(
    "body",
    [
        with_line("plain", currentQuantity=3),
        with_line("plain", id="gid://shopify/LineItem/2"),
        with_line("shipped_then_refunded", quantity=1, currentQuantity=0),
        with_line("shipped_then_refunded", id="gid://shopify/LineItem/9"),
        changed(document("plain"), lineItems={"nodes": [], "pageInfo": {"hasNextPage": True}}),
        changed(document("plain"), currencyCode="dollars"),
        changed(document("plain"), id="gid://shopify/Order/"),
        changed(document("plain"), createdAt="2026-03-01T10:00:00"),
        changed(document("plain"), createdAt="0001-01-01T00:00:00+14:00"),
        changed(document("plain"), totalTipReceivedSet={"shopMoney": {"amount": "NaN"}}),
        with_line("plain", originalUnitPriceSet={"shopMoney": {"amount": "Infinity"}}),
        b"[]",
        b"{",
    ],
)
def test_what_is_no_whole_order_is_a_bad_document(body: bytes) -> None:
    with pytest.raises(BadDocument, match=r"^[A-Za-z.0-9\[\]]+: ."):
        normalize(body, {})


def test_an_observation_keeps_its_document_verbatim_and_its_number_if_it_has_one() -> None:
    body = document("plain")
    assert observe(body).body == body
    assert observe(body).number == "5500000001"
    assert observe(b'{"id": 7}').number == ""
