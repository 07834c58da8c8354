"""Correcting the tracking of parcels Walmart knows: the same parcel edited, never a second one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from connectors.walmart import Walmart
from connectors.walmart.simulator import WalmartSimulator
from connectors.walmart.simulator.shipping_desk import CORRECTABLE
from core.errors import Rejected
from core.model import AckState, Shipment
from tests.connectors.walmart.test_pushes import told
from tests.connectors.walmart.trade import SKUS, acknowledged, parcel, states

APPLIED, REFUSED = AckState.APPLIED, AckState.REFUSED


def corrected(before: Shipment, tracking: str, **change: Any) -> Shipment:
    return msgspec.structs.replace(before, tracking=tracking, corrects=before.tracking, **change)


def shown(connector: Walmart, number: str) -> list[tuple[str, str, dict[str, int]]]:
    order = connector.normalize(connector.fetch(number).body)
    return sorted((package.tracking, package.carrier, dict(package.lines)) for package in order.packages)


def test_a_correction_names_the_number_it_replaces(
    simulator: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = acknowledged(simulator, connector)
    before = parcel(number, {"1": 2, "2": 1})
    list(connector.push_tracking([before]))
    bodies = told(simulator, monkeypatch)
    assert states(connector.push_tracking([corrected(before, "NEW", carrier="fedex")])) == {before.key: APPLIED}
    (body,) = bodies
    assert body["orderShipment"]["processMode"] == "PARTIAL_UPDATE"
    lines = body["orderShipment"]["orderLines"]["orderLine"]
    assert [line["lineNumber"] for line in lines] == ["1", "2"]
    for line in lines:
        (status,) = line["orderLineStatuses"]["orderLineStatus"]
        assert status["currentTrackingInfo"] == {"trackingNumber": before.tracking}
        assert status["trackingInfo"]["trackingNumber"] == "NEW"
    assert shown(connector, number) == [("NEW", "FedEx", {"1": 2, "2": 1})]
    (effect,) = simulator.effects()
    assert (effect.tracking, effect.lines) == ("NEW", {SKUS[0]: 2, SKUS[1]: 1})


def test_one_of_several_parcels_of_a_line_is_corrected_while_others_are_told(
    simulator: WalmartSimulator, connector: Walmart
) -> None:
    number = acknowledged(simulator, connector, (SKUS[0], 4))
    first, second, third = (parcel(number, {"1": units}, serial) for serial, units in ((1, 1), (2, 2), (3, 1)))
    list(connector.push_tracking([first, second]))
    acks = list(connector.push_tracking([third, corrected(second, "NEW"), first]))
    assert states(acks) == {"parcel-1": APPLIED, "parcel-2": APPLIED, "parcel-3": APPLIED}
    assert shown(connector, number) == [
        (first.tracking, "UPS", {"1": 1}),
        (third.tracking, "UPS", {"1": 1}),
        ("NEW", "UPS", {"1": 2}),
    ]
    assert len(simulator.effects()) == 3


def test_a_parcel_may_be_corrected_again_and_back(simulator: WalmartSimulator, connector: Walmart) -> None:
    number = acknowledged(simulator, connector, (SKUS[0], 2))
    before = parcel(number, {"1": 1})
    list(connector.push_tracking([before]))
    once = corrected(before, "NEW")
    for told_now in (once, corrected(once, "NEWER"), corrected(corrected(once, "NEWER"), before.tracking)):
        assert states(connector.push_tracking([told_now])) == {before.key: APPLIED}
        assert [effect.tracking for effect in simulator.effects()] == [told_now.tracking]


def test_the_carrier_alone_may_be_corrected(simulator: WalmartSimulator, connector: Walmart) -> None:
    number = acknowledged(simulator, connector, (SKUS[0], 2))
    before = parcel(number, {"1": 1})
    list(connector.push_tracking([before]))
    change = corrected(before, before.tracking, carrier="FedEx")
    for _ in range(2):
        assert states(connector.push_tracking([change])) == {before.key: APPLIED}
        assert shown(connector, number) == [(before.tracking, "FedEx", {"1": 1})]
    assert simulator.calls["shippingUpdates"] == 2


def test_an_order_of_500_lines_is_told_and_corrected_in_one_call_each(
    simulator: WalmartSimulator, connector: Walmart
) -> None:
    number = acknowledged(simulator, connector, *((SKUS[at % 3], 1) for at in range(500)))
    before = parcel(number, {str(line): 1 for line in range(1, 501)})
    assert states(connector.push_tracking([before])) == {before.key: APPLIED}
    assert states(connector.push_tracking([corrected(before, "NEW")])) == {before.key: APPLIED}
    assert simulator.calls["shippingUpdates"] == 2
    ((tracking, _, lines),) = shown(connector, number)
    assert (tracking, len(lines)) == ("NEW", 500)


def test_too_late_a_correction_is_refused_with_its_cure_and_sinks_no_other(
    simulator: WalmartSimulator, connector: Walmart
) -> None:
    number = acknowledged(simulator, connector)
    old, young = parcel(number, {"1": 2}, 1), parcel(number, {"2": 1}, 2)
    list(connector.push_tracking([old, young]))
    simulator._book.by_number[number].lines[0].parcels[0].told -= CORRECTABLE + 1
    acks = {ack.key: ack for ack in connector.push_tracking([corrected(old, "LATE"), corrected(young, "NEW")])}
    assert states(acks.values()) == {"parcel-1": REFUSED, "parcel-2": APPLIED}
    assert "four hours" in acks["parcel-1"].reason
    assert acks["parcel-1"].reason.endswith("; correct the tracking in Seller Center")
    assert sorted(effect.tracking for effect in simulator.effects()) == sorted([old.tracking, "NEW"])


@pytest.mark.parametrize(
    ("mode", "current", "amount", "why"),
    [
        ({"processMode": "PARTIAL_UPDATE"}, {"trackingNumber": "NOBODY'S"}, "1", "no such shipment"),
        ({"processMode": "PARTIAL_UPDATE"}, {"trackingNumber": "1Z0000000000000001"}, "2", "no such shipment"),
        ({"processMode": "PARTIAL_UPDATE"}, None, "1", "say which"),
        ({"processMode": "WHOLE_UPDATE"}, {"trackingNumber": "1Z0000000000000001"}, "1", "cannot be read"),
        ({}, {"trackingNumber": "1Z0000000000000001"}, "1", "belongs to a PARTIAL_UPDATE"),
    ],
)
def test_the_simulator_refuses_a_correction_that_names_no_parcel(
    simulator: WalmartSimulator,
    connector: Walmart,
    mode: dict[str, str],
    current: dict[str, str] | None,
    amount: str,
    why: str,
) -> None:
    number = acknowledged(simulator, connector, (SKUS[0], 4))
    list(connector.push_tracking([parcel(number, {"1": 1}, 1), parcel(number, {"1": 1}, 2)]))
    status: dict[str, Any] = {
        "status": "Shipped",
        "statusQuantity": {"unitOfMeasurement": "EACH", "amount": amount},
        "trackingInfo": {
            "shipDateTime": 1_700_000_000_000,
            "carrierName": {"carrier": "UPS"},
            "methodCode": "Value",
            "trackingNumber": "NEW",
        },
    }
    if current is not None:
        status["currentTrackingInfo"] = current
    line = {"lineNumber": "1", "sellerOrderId": "1", "orderLineStatuses": {"orderLineStatus": [status]}}
    body = {"orderShipment": mode | {"orderLines": {"orderLine": [line]}}}
    with pytest.raises(Rejected) as refusal:
        connector._api.ask("shippingUpdates", "POST", f"/v3/orders/{number}/shipping", body=body)
    assert why in refusal.value.body.decode()
    assert sorted(effect.tracking for effect in simulator.effects()) == ["1Z0000000000000001", "1Z0000000000000002"]
