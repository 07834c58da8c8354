"""Refunding at Walmart: once, of what has shipped, never more than was paid."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from werkzeug.wrappers import Request, Response

from connectors.simulation import Fault
from connectors.walmart import Walmart
from connectors.walmart.refunds import REASONS
from connectors.walmart.simulator import WalmartSimulator, answers
from core.errors import Rejected, Unavailable
from core.model import ZERO, Ack, AckState, Refund, RefundLine, RefundReason
from tests.connectors.walmart.trade import SKUS, acknowledged, parcel, place, states
from tests.specs import Spec, specs  # noqa: F401 - a fixture

pytestmark = pytest.mark.usefixtures("no_pauses")

Handle = Callable[[Request], Response]

APPLIED, REFUSED = AckState.APPLIED, AckState.REFUSED


def sold(simulator: WalmartSimulator, connector: Walmart, *lines: tuple[str, int]) -> str:
    """An order that has shipped whole: 10.00 a unit and 0.80 tax; shipping, 4.99 and 0.40, stands on its first line."""
    number = acknowledged(simulator, connector, *lines)
    units = {str(at): count for at, (_, count) in enumerate(lines or ((SKUS[0], 2), (SKUS[1], 1)), 1)}
    assert states(connector.push_tracking([parcel(number, units)])) == {"parcel-1": APPLIED}
    return number


def refund(order: str, lines: dict[str, tuple[str, str]], serial: int = 1, **more: Any) -> Refund:
    """Gives back (amount, tax) by line."""
    rows = {line: RefundLine(quantity=1, amount=Decimal(a), tax=Decimal(t)) for line, (a, t) in lines.items()}
    given: dict[str, Any] = {"key": f"refund-{serial}", "order": order, "lines": rows, "currency": "USD"}
    return Refund(**(given | more))


def pushed(connector: Walmart, *rows: Refund) -> dict[str, Ack]:
    return {ack.key: ack for ack in connector.push_refunds(rows)}


def shown(connector: Walmart, number: str) -> dict[str, Decimal]:
    return {one.number: one.amount for one in connector.normalize(connector.fetch(number).body).refunds}


def given(simulator: WalmartSimulator, number: str) -> Decimal:
    return simulator.truths()[number].refunded


def told(simulator: WalmartSimulator, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    bodies: list[dict[str, Any]] = []
    handle: Handle = simulator.handle

    def seen(request: Request) -> Response:
        if request.path.endswith("/refund"):
            bodies.append(msgspec.json.decode(request.get_data()))
        return handle(request)

    monkeypatch.setattr(simulator, "handle", seen)
    return bodies


def test_goods_tax_and_shipping_of_several_lines_go_in_one_call(
    simulator: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = sold(simulator, connector)
    bodies = told(simulator, monkeypatch)
    row = refund(
        number,
        {"1": ("10.00", "0.80"), "2": ("2.50", "0")},
        shipping=Decimal("1.99"),
        reason=RefundReason.DAMAGED,
        note="broken cup",
    )
    ack = pushed(connector, row)[row.key]
    assert ack.state is APPLIED
    ((body,), first, second) = (bodies, *bodies[0]["orderRefund"]["orderLines"]["orderLine"])
    assert body["orderRefund"]["purchaseOrderId"] == number
    assert (first["lineNumber"], first["isFullRefund"]) == ("1", False)
    (one,) = first["refunds"]["refund"]
    assert one["refundComments"] == "broken cup"
    levy = {"taxName": "Item Price Tax", "taxAmount": {"currency": "USD", "amount": -0.80}}
    freight = {"taxName": "Shipping Tax", "taxAmount": {"currency": "USD", "amount": -0.15}}
    assert [charge["charge"] for charge in one["refundCharges"]["refundCharge"]] == [
        {
            "chargeType": "PRODUCT",
            "chargeName": "ItemPrice",
            "chargeAmount": {"currency": "USD", "amount": -10.00},
            "tax": levy,
            "taxAndOtherFees": levy,
        },
        {
            "chargeType": "SHIPPING",
            "chargeName": "Shipping",
            "chargeAmount": {"currency": "USD", "amount": -1.84},
            "tax": freight,
            "taxAndOtherFees": freight,
        },
    ]
    assert {charge["refundReason"] for charge in one["refundCharges"]["refundCharge"]} == {"DamagedItem"}
    assert second["lineNumber"] == "2"
    assert given(simulator, number) == Decimal("15.29")
    assert shown(connector, number) == {
        "1 PRODUCT 10.8": Decimal("10.80"),
        "1 SHIPPING 1.99": Decimal("1.99"),
        "2 PRODUCT 2.5": Decimal("2.50"),
    }
    assert ack.ticket.split(", ") == list(shown(connector, number))


def test_a_refund_told_again_is_found_and_not_paid_again(simulator: WalmartSimulator, connector: Walmart) -> None:
    number = sold(simulator, connector)
    row = refund(number, {"1": ("10.00", "0.80")}, shipping=Decimal("4.99"))
    for _ in range(3):
        assert pushed(connector, row)[row.key] == Ack(
            key=row.key, state=APPLIED, ticket="1 PRODUCT 10.8, 1 SHIPPING 4.99"
        )
    assert given(simulator, number) == Decimal("15.79")
    assert simulator.calls["refundOrderLines"] == 1


def test_equal_refunds_are_told_apart_by_what_was_known(simulator: WalmartSimulator, connector: Walmart) -> None:
    number = sold(simulator, connector, (SKUS[0], 3))
    known: tuple[str, ...] = ()
    for serial in (1, 2, 3):
        row = refund(number, {"1": ("10.00", "0.80")}, serial, known=known)
        for _ in range(2):
            assert pushed(connector, row)[row.key].state is APPLIED
        known = tuple(shown(connector, number))
    assert known == ("1 PRODUCT 10.8", "1 PRODUCT 10.8 #2", "1 PRODUCT 10.8 #3")
    assert given(simulator, number) == Decimal("32.40")


def test_equal_refunds_of_one_batch_are_both_paid(simulator: WalmartSimulator, connector: Walmart) -> None:
    number = sold(simulator, connector, (SKUS[0], 3))
    rows = [refund(number, {"1": ("10.00", "0.80")}, serial, shipping=Decimal("2")) for serial in (1, 2)]
    assert {ack.state for ack in pushed(connector, *rows).values()} == {APPLIED}
    assert given(simulator, number) == Decimal("25.60")


def test_a_name_stands_in_whatever_order_the_charges_are_listed(
    simulator: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = sold(simulator, connector, (SKUS[0], 3))
    first = refund(number, {"1": ("5.00", "0")}, 1)
    pushed(connector, first)
    known = tuple(shown(connector, number))
    second = refund(number, {"1": ("7.00", "0")}, 2, known=known)
    pushed(connector, second)
    simulator._book.by_number[number].lines[0].refunds.reverse()
    simulator._book.by_number[number]._body = None
    assert pushed(connector, second)["refund-2"] == Ack(key="refund-2", state=APPLIED, ticket="1 PRODUCT 7")
    assert given(simulator, number) == Decimal("12.00")


def test_money_somebody_gave_back_meanwhile_asks_for_a_person(simulator: WalmartSimulator, connector: Walmart) -> None:
    number = sold(simulator, connector)
    pushed(connector, refund(number, {"1": ("3.00", "0")}))
    late = refund(number, {"1": ("10.00", "0.80")}, 2)  # decided before that was seen
    ack = pushed(connector, late)[late.key]
    assert ack.state is REFUSED
    assert "a refund nobody here knew of: 3.00 USD on line 1; compare" in ack.reason
    assert given(simulator, number) == Decimal("3.00")


@pytest.mark.parametrize(
    ("lines", "more", "why", "cure"),
    [
        ({"9": ("1", "0")}, {}, "no line 9", "look at the order"),
        ({"2": ("1", "0")}, {}, "nothing of line 2 has shipped", "cancel it instead"),
        ({"1": ("0", "0.50")}, {}, "taxes back with a price only", "refund some of the price"),
        ({"1": ("0.005", "0")}, {}, "whole cents", "round the amounts"),
        ({}, {"shipping": Decimal("5.40")}, "0.01 USD less than that for shipping", "refund less of it"),
        ({}, {}, "of nothing", "enter an amount"),
        ({"1": ("20.01", "0")}, {}, "more than was charged for line 1", "look at the order"),
        ({"1": ("1", "9")}, {}, "more than was charged for line 1", "look at the order"),
        ({"1": ("1", "0")}, {"currency": "CAD"}, "cannot be read", "look at the order"),
    ],
)
def test_what_cannot_be_given_back_is_refused_with_its_cure_and_sinks_no_other(
    simulator: WalmartSimulator,
    connector: Walmart,
    lines: dict[str, tuple[str, str]],
    more: dict[str, Any],
    why: str,
    cure: str,
) -> None:
    number, other = acknowledged(simulator, connector), sold(simulator, connector)
    list(connector.push_tracking([parcel(number, {"1": 2})]))
    acks = pushed(connector, refund(number, lines, 1, **more), refund(other, {"1": ("1", "0")}, 2))
    assert states(acks.values()) == {"refund-1": REFUSED, "refund-2": APPLIED}
    wrong, _, told_cure = acks["refund-1"].reason.rpartition(";")
    assert why in wrong
    assert cure in told_cure
    assert given(simulator, number) == ZERO


def test_an_order_walmart_ships_itself_is_not_refunded_from_here(
    simulator: WalmartSimulator, connector: Walmart
) -> None:
    number = place(simulator, by_channel=True)
    simulator.ship_itself(number)
    ack = pushed(connector, refund(number, {"1": ("1", "0")}))["refund-1"]
    assert (ack.state, ack.reason.endswith("ask Walmart's support")) == (REFUSED, True)


def test_shipping_is_given_back_on_the_lines_it_was_charged_on(simulator: WalmartSimulator, connector: Walmart) -> None:
    number = sold(simulator, connector)
    first = refund(number, {}, 1, shipping=Decimal("3.00"))
    assert pushed(connector, first)[first.key].ticket == "1 SHIPPING 3"
    second = refund(number, {}, 2, shipping=Decimal("2.39"), known=("1 SHIPPING 3",))
    assert pushed(connector, second)[second.key].ticket == "1 SHIPPING 2.39"
    assert given(simulator, number) == Decimal("5.39")
    third = refund(number, {}, 3, shipping=Decimal("0.01"), known=("1 SHIPPING 3", "1 SHIPPING 2.39"))
    assert pushed(connector, third)[third.key].state is REFUSED
    # What was decided then is still the same now that no shipping is left.
    assert pushed(connector, second)[second.key] == Ack(key="refund-2", state=APPLIED, ticket="1 SHIPPING 2.39")


def test_shipping_of_what_has_not_left_is_not_given_back(simulator: WalmartSimulator, connector: Walmart) -> None:
    number = acknowledged(simulator, connector)  # the shipping charge stands on line 1
    list(connector.push_tracking([parcel(number, {"2": 1})]))
    ack = pushed(connector, refund(number, {}, shipping=Decimal("1.00")))["refund-1"]
    assert (ack.state, "1.00 USD less than that" in ack.reason) == (REFUSED, True)


def test_the_reasons_are_walmarts(specs: Callable[[str], Spec]) -> None:  # noqa: F811
    paths = specs("walmart/order-management.openapi.json").document["paths"]
    schema = paths["/v3/orders/{purchaseOrderId}/refund"]["post"]["requestBody"]["content"]["application/json"][
        "schema"
    ]
    for step in ("orderRefund", "orderLines", "orderLine", "refunds", "refund", "refundCharges", "refundCharge"):
        schema = schema["properties"][step]
        schema = schema.get("items", schema)
    printed = schema["properties"]["refundReason"]["enum"]
    assert len(printed) == 22
    assert set(REASONS.values()) <= set(printed)
    assert set(REASONS) == set(RefundReason)


# What goes wrong on the way.


def test_a_lost_answer_leaves_only_its_own_refund_in_doubt(simulator: WalmartSimulator, connector: Walmart) -> None:
    orders = [sold(simulator, connector) for _ in range(2)]
    rows = [refund(number, {"1": ("1.00", "0")}, serial) for serial, number in enumerate(orders, 1)]
    rows.insert(1, refund(orders[0], {"2": ("1.00", "0")}, 3))
    simulator.faults.set({Fault.RESET_AFTER_WRITE: 1.0})
    with pytest.raises(Unavailable) as raised:
        pushed(connector, *rows)
    assert (raised.value.ambiguous, raised.value.keys) == (True, frozenset({"refund-1"}))
    simulator.faults.heal()
    assert {ack.state for ack in pushed(connector, *rows).values()} == {APPLIED}
    assert [given(simulator, number) for number in orders] == [Decimal("2.00"), Decimal("1.00")]


def test_a_refusal_that_was_a_success_is_read_back(
    simulator: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = sold(simulator, connector)
    handle: Handle = simulator.handle

    def contradictory(request: Request) -> Response:
        response = handle(request)
        if request.path.endswith("/refund"):
            return answers.orders(400, "INVALID_REQUEST_CONTENT", "already refunded").response
        return response

    monkeypatch.setattr(simulator, "handle", contradictory)
    row = refund(number, {"1": ("1.00", "0")})
    assert pushed(connector, row)[row.key] == Ack(key=row.key, state=APPLIED, ticket="1 PRODUCT 1")


@pytest.mark.parametrize("body", [b'{"order":{}}', b"{}", b'{"order":{"purchaseOrderId":"1"}}'])
def test_an_answer_that_is_no_order_is_ambiguous(
    simulator: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    number = sold(simulator, connector)
    handle: Handle = simulator.handle

    def empty(request: Request) -> Response:
        response = handle(request)
        if request.path.endswith("/refund"):
            response.set_data(body)
        return response

    monkeypatch.setattr(simulator, "handle", empty)
    with pytest.raises(Unavailable) as raised:
        pushed(connector, refund(number, {"1": ("1.00", "0")}))
    assert raised.value.ambiguous


def test_a_refund_that_was_taken_and_is_not_shown_is_never_sent_again(
    simulator: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = sold(simulator, connector)
    before = connector.fetch(number).body
    handle: Handle = simulator.handle

    def lagging(request: Request) -> Response:
        response = handle(request)
        if request.path.endswith("/refund"):
            response.set_data(b'{"order":%b}' % before)
        return response

    monkeypatch.setattr(simulator, "handle", lagging)
    row = refund(number, {"1": ("1.00", "0")})
    ack = pushed(connector, row)[row.key]
    assert (ack.state, ack.ticket) == (APPLIED, "")
    assert "does not show it yet; look" in ack.reason


# The simulator.


def body_of(number: str, change: Callable[[dict[str, Any]], object] = lambda body: None) -> dict[str, Any]:
    money = {"currency": "USD", "amount": -1.0}
    charge = {"chargeType": "PRODUCT", "chargeName": "ItemPrice", "chargeAmount": money}
    charges = {"refundCharge": [{"refundReason": "Others", "charge": charge}]}
    line = {"lineNumber": "1", "isFullRefund": False, "refunds": {"refund": [{"refundCharges": charges}]}}
    body: dict[str, Any] = {"orderRefund": {"purchaseOrderId": number, "orderLines": {"orderLine": [line]}}}
    change(body)
    return body


def line_of(body: dict[str, Any]) -> dict[str, Any]:
    line: dict[str, Any] = body["orderRefund"]["orderLines"]["orderLine"][0]
    return line


def charge_of(body: dict[str, Any]) -> dict[str, Any]:
    charge: dict[str, Any] = line_of(body)["refunds"]["refund"][0]["refundCharges"]["refundCharge"][0]
    return charge


WRONG: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a positive amount": (
        lambda b: charge_of(b)["charge"].update(chargeAmount={"currency": "USD", "amount": 1}),
        "neg",
    ),
    "half a cent": (
        lambda b: charge_of(b)["charge"].update(chargeAmount={"currency": "USD", "amount": -1.005}),
        "negative",
    ),
    "nothing": (lambda b: charge_of(b)["charge"].update(chargeAmount={"currency": "USD", "amount": 0}), "negative"),
    "another reason": (lambda b: charge_of(b).update(refundReason="Because"), "cannot be read"),
    "another charge": (lambda b: charge_of(b)["charge"].update(chargeType="FEE"), "cannot be read"),
    "two taxes": (
        lambda b: charge_of(b)["charge"].update(
            tax={"taxName": "t", "taxAmount": {"currency": "USD", "amount": -0.1}},
            taxAndOtherFees={"taxName": "t", "taxAmount": {"currency": "USD", "amount": -0.2}},
        ),
        "differ",
    ),
    "another order": (lambda b: b["orderRefund"].update(purchaseOrderId="1"), "another order"),
    "no line": (lambda b: b["orderRefund"]["orderLines"].update(orderLine=[]), "no line"),
    "a line twice": (lambda b: b["orderRefund"]["orderLines"].update(orderLine=[line_of(b)] * 2), "twice"),
    "a line nobody knows": (lambda b: line_of(b).update(lineNumber="7"), "invalid"),
    "a line that has not shipped": (lambda b: line_of(b).update(lineNumber="2"), "SHIPPED"),
    "no charge": (
        lambda b: line_of(b)["refunds"]["refund"][0].update(refundCharges={"refundCharge": []}),
        "no charge",
    ),
}


@pytest.mark.parametrize("name", list(WRONG))
def test_the_simulator_is_as_strict_as_walmart(simulator: WalmartSimulator, connector: Walmart, name: str) -> None:
    change, why = WRONG[name]
    number = acknowledged(simulator, connector)
    list(connector.push_tracking([parcel(number, {"1": 2})]))
    with pytest.raises(Rejected) as refusal:
        connector._api.ask("refundOrderLines", "POST", f"/v3/orders/{number}/refund", body=body_of(number, change))
    assert why in refusal.value.body.decode()
    assert given(simulator, number) == ZERO


def test_the_simulator_gives_back_what_was_charged_and_no_more(simulator: WalmartSimulator, connector: Walmart) -> None:
    number = sold(simulator, connector)

    def all_of_it(body: dict[str, Any]) -> None:
        charge_of(body)["charge"]["chargeAmount"] = {"currency": "USD", "amount": -15}

    path = f"/v3/orders/{number}/refund"
    assert connector._api.ask("refundOrderLines", "POST", path, body=body_of(number, all_of_it)).status_code == 200
    with pytest.raises(Rejected, match="400"):
        connector._api.ask("refundOrderLines", "POST", path, body=body_of(number, all_of_it))
    assert given(simulator, number) == Decimal(15)
