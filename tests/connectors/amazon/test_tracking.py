"""Parcels told to Amazon: what is sent, and what a refusal comes to."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import msgspec
import pytest
from werkzeug.wrappers import Request, Response

from connectors.amazon import Amazon
from connectors.amazon.pushes import package_detail
from connectors.amazon.simulator import AmazonSimulator
from connectors.simulation import Fault
from core.errors import Unavailable
from core.model import Ack, AckState, Order, Shipment
from tests.connectors.amazon.conftest import fetched, order


def parcel(placed: Order, serial: int = 1, **more: object) -> Shipment:
    """A parcel with all units of an order, unless said otherwise."""
    made = Shipment(
        key=f"key-{serial}",
        serial=serial,
        order=placed.number,
        lines={line.number: line.ordered for line in placed.lines},
        carrier="UPS",
        tracking=f"1Z{serial:06d}",
        shipped_at=datetime(2026, 11, 23, 9, 30, tzinfo=timezone(timedelta(hours=-6))),
    )
    return msgspec.structs.replace(made, **more)


def placed(simulator: AmazonSimulator, amazon: Amazon, *lines: tuple[str, int]) -> Order:
    return fetched(amazon, simulator.place(order(*lines)))


def one(amazon: Amazon, shipment: Shipment) -> Ack:
    (ack,) = amazon.push_tracking([shipment])
    return ack


def test_a_parcel_takes_effect_and_is_read_back(simulator: AmazonSimulator, amazon: Amazon) -> None:
    before = placed(simulator, amazon)
    assert one(amazon, parcel(before)).state is AckState.APPLIED
    after = fetched(amazon, before.number)
    assert [(line.ordered, line.shipped) for line in after.lines] == [(2, 2), (1, 1)]
    assert [(package.tracking, dict(package.lines)) for package in after.packages] == [
        ("1Z000001", dict(parcel(before).lines))
    ]


def test_what_is_sent_is_what_the_vendor_asks_for(simulator: AmazonSimulator, amazon: Amazon) -> None:
    before = placed(simulator, amazon)
    line = before.lines[0].number
    detail = package_detail(parcel(before, 42, lines={line: 2}, carrier="Bob's Bikes", service="Ground", place="SRC-1"))
    assert detail == {
        "packageReferenceId": "42",
        "carrierCode": "Other",
        "carrierName": "Bob's Bikes",
        "shippingMethod": "Ground",
        "trackingNumber": "1Z000042",
        "shipDate": "2026-11-23T15:30:00Z",
        "shipFromSupplySourceId": "SRC-1",
        "orderItems": [{"orderItemId": line, "quantity": 2}],
    }


def test_the_same_parcel_told_twice_takes_effect_once(simulator: AmazonSimulator, amazon: Amazon) -> None:
    shipment = parcel(placed(simulator, amazon))
    assert [one(amazon, shipment).state for _ in range(3)] == [AckState.APPLIED] * 3
    assert len(simulator.effects()) == 1


def test_a_part_of_a_line_told_twice_takes_effect_once(simulator: AmazonSimulator, amazon: Amazon) -> None:
    """There are units left that could ship: nothing but the package id says that it is the same parcel."""
    before = placed(simulator, amazon)
    shipment = parcel(before, lines={before.lines[0].number: 1})
    assert [one(amazon, shipment).state for _ in range(2)] == [AckState.APPLIED] * 2
    assert len(simulator.effects()) == 1
    assert fetched(amazon, before.number).lines[0].shipped == 1


def test_a_corrected_tracking_number_edits_the_parcel(simulator: AmazonSimulator, amazon: Amazon) -> None:
    before = placed(simulator, amazon)
    one(amazon, parcel(before))
    assert one(amazon, parcel(before, tracking="1ZCORRECT")).state is AckState.APPLIED
    assert [effect.tracking for effect in simulator.effects()] == ["1ZCORRECT"]


def test_a_parcel_amazon_has_under_another_id_is_there(simulator: AmazonSimulator, amazon: Amazon) -> None:
    before = placed(simulator, amazon)
    one(amazon, parcel(before, 1))
    again = parcel(before, 2, tracking="1z 000-001")  # the same number, written otherwise
    assert one(amazon, again) == Ack(key="key-2", state=AckState.APPLIED)
    assert len(simulator.effects()) == 1


def test_units_shipped_with_other_tracking_are_refused(simulator: AmazonSimulator, amazon: Amazon) -> None:
    before = placed(simulator, amazon)
    one(amazon, parcel(before, 1))
    ack = one(amazon, parcel(before, 2))
    assert ack.state is AckState.REFUSED
    assert "shipped already" in ack.reason
    assert ack.reason.endswith("compare the order in Seller Central and correct the shipment")


def test_the_same_tracking_with_other_units_is_not_the_same_parcel(simulator: AmazonSimulator, amazon: Amazon) -> None:
    before = placed(simulator, amazon, ("SKU-0", 2))
    (line,) = before.lines
    one(amazon, parcel(before, 1, lines={line.number: 1}))
    ack = one(amazon, parcel(before, 2, lines={line.number: 2}, tracking="1Z000001"))
    assert ack.state is AckState.REFUSED


def test_one_order_may_leave_in_several_parcels(simulator: AmazonSimulator, amazon: Amazon) -> None:
    before = placed(simulator, amazon)
    first, second = (line.number for line in before.lines)
    shipments = [parcel(before, 1, lines={first: 1}), parcel(before, 2, lines={first: 1, second: 1})]
    assert [ack.state for ack in amazon.push_tracking(shipments)] == [AckState.APPLIED] * 2
    assert simulator.truths()[before.number].shipped == {"SKU-0": 2, "SKU-1": 1}


@pytest.mark.parametrize(
    "change",
    [
        {"tracking": " "},
        {"carrier": ""},
        {"lines": {}},
        {"serial": 0},
        {"lines": {"no such line": 1}},
        {"order": "111-1111111-1111111"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_parcel_that_cannot_be_told_is_refused_and_the_next_one_goes_on(
    simulator: AmazonSimulator, amazon: Amazon, change: dict[str, object]
) -> None:
    good, bad = placed(simulator, amazon), placed(simulator, amazon)
    refused, applied = amazon.push_tracking([msgspec.structs.replace(parcel(bad, 1), **change), parcel(good, 2)])
    assert refused.state is AckState.REFUSED
    assert len(refused.reason.rpartition(";")[2].split()) > 1
    assert applied.state is AckState.APPLIED


@pytest.mark.parametrize("change", [{"tracking": " "}, {"carrier": ""}, {"lines": {}}, {"serial": 0}])
def test_what_a_parcel_lacks_is_told_without_asking_amazon(
    simulator: AmazonSimulator, amazon: Amazon, change: dict[str, object]
) -> None:
    one(amazon, msgspec.structs.replace(parcel(placed(simulator, amazon), 1), **change))
    assert simulator.calls["confirmShipment"] == 0


def test_more_units_than_are_left_are_refused_in_amazons_words(simulator: AmazonSimulator, amazon: Amazon) -> None:
    before = placed(simulator, amazon, ("SKU-0", 2))
    ack = one(amazon, parcel(before, lines={before.lines[0].number: 3}, carrier="FedEx", tracking="1Z5R89390357567127"))
    assert ack.state is AckState.REFUSED
    assert "InvalidInput: quantity is more than is left" in ack.reason
    assert "and its tracking number looks like UPS's, not FedEx's)" in ack.reason
    assert simulator.effects() == []


def test_a_lost_answer_is_ambiguous_and_told_once(simulator: AmazonSimulator, amazon: Amazon) -> None:
    before, later = placed(simulator, amazon), placed(simulator, amazon)
    simulator.faults.set({Fault.RESET_AFTER_WRITE: 1.0})
    acks = amazon.push_tracking([parcel(before, 1), parcel(later, 2)])
    with pytest.raises(Unavailable) as caught:
        next(acks)
    assert caught.value.ambiguous
    assert simulator.calls["confirmShipment"] == 1
    simulator.faults.heal()
    assert one(amazon, parcel(before, 1)).state is AckState.APPLIED
    assert len(simulator.effects()) == 1


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [(500, b"", "application/json"), (503, b"<html></html>", "text/html"), (200, b"<html></html>", "text/html")],
)
def test_what_is_no_confirmation_is_never_taken_for_one(
    simulator: AmazonSimulator, amazon: Amazon, status: int, body: bytes, kind: str
) -> None:
    before = placed(simulator, amazon)
    handle: Callable[[Request], Response] = simulator.handle
    simulator.handle = lambda request: (  # type: ignore[method-assign]
        Response(body, status, content_type=kind) if request.path.endswith("Confirmation") else handle(request)
    )
    with pytest.raises(Unavailable):
        one(amazon, parcel(before))


def test_an_order_that_cannot_be_read_back_is_refused_not_confirmed(simulator: AmazonSimulator, amazon: Amazon) -> None:
    before = placed(simulator, amazon)
    one(amazon, parcel(before, 1))
    handle: Callable[[Request], Response] = simulator.handle

    def spoilt(request: Request) -> Response:
        if request.method == "GET":
            return Response(json.dumps({"order": {"orderId": 7}}), mimetype="application/json")
        return handle(request)

    simulator.handle = spoilt  # type: ignore[method-assign]
    assert one(amazon, parcel(before, 2)).state is AckState.REFUSED
