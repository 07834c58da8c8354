"""Acknowledging orders and telling of parcels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from werkzeug.wrappers import Request, Response

from connectors.simulation import Fault
from connectors.walmart import Walmart
from connectors.walmart.methods import METHODS, method
from connectors.walmart.simulator import WalmartSimulator, answers
from core.errors import Unavailable
from core.model import AckState
from tests.connectors.walmart.conftest import Connect
from tests.connectors.walmart.trade import SKUS, acknowledged, parcel, place, states
from tests.specs import Spec, specs  # noqa: F401 - a fixture

pytestmark = pytest.mark.usefixtures("no_pauses")

Handle = Callable[[Request], Response]

APPLIED, REFUSED, RETRY = AckState.APPLIED, AckState.REFUSED, AckState.RETRY


def told(simulator: WalmartSimulator, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The bodies of all shipping calls from now on."""
    bodies: list[dict[str, Any]] = []
    handle: Handle = simulator.handle

    def seen(request: Request) -> Response:
        if request.path.endswith("/shipping"):
            bodies.append(msgspec.json.decode(request.get_data()))
        return handle(request)

    monkeypatch.setattr(simulator, "handle", seen)
    return bodies


# Acknowledging.


def test_an_acknowledgement_costs_one_call_and_takes_hold(simulator: WalmartSimulator, connector: Walmart) -> None:
    numbers = [place(simulator) for _ in range(3)]
    assert states(connector.acknowledge(numbers)) == dict.fromkeys(numbers, APPLIED)
    assert simulator.calls["acknowledgeOrders"] == 3
    assert simulator.calls["getAnOrder"] == 0


def test_an_order_already_shipped_or_cancelled_counts_as_acknowledged(
    simulator: WalmartSimulator, connector: Walmart
) -> None:
    shipped, cancelled = acknowledged(simulator, connector), place(simulator)
    list(connector.push_tracking([parcel(shipped, {"1": 1})]))
    simulator.cancel(cancelled)
    assert states(connector.acknowledge([shipped, cancelled])) == {shipped: APPLIED, cancelled: APPLIED}


def test_an_order_walmart_ships_itself_is_refused(simulator: WalmartSimulator, connector: Walmart) -> None:
    ack = next(iter(connector.acknowledge([place(simulator, by_channel=True)])))
    assert ack.state is REFUSED
    assert ack.reason.endswith("leave it alone")


def test_a_lost_answer_to_an_acknowledgement_is_asked_again(simulator: WalmartSimulator, connector: Walmart) -> None:
    number = place(simulator)
    simulator.faults.set({Fault.RESET_AFTER_WRITE: 0.5})
    assert states(connector.acknowledge([number])) == {number: APPLIED}


# Parcels.


def test_all_parcels_of_an_order_go_in_one_call(
    simulator: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = acknowledged(simulator, connector, (SKUS[0], 3), (SKUS[1], 1))
    bodies = told(simulator, monkeypatch)
    parcels = [parcel(number, {"1": 2, "2": 1}, 1), parcel(number, {"1": 1}, 2, carrier="FedEx")]
    assert states(connector.push_tracking(parcels)) == {"parcel-1": APPLIED, "parcel-2": APPLIED}
    assert len(bodies) == 1
    lines = bodies[0]["orderShipment"]["orderLines"]["orderLine"]
    statuses = {line["lineNumber"]: line["orderLineStatuses"]["orderLineStatus"] for line in lines}
    assert [status["statusQuantity"]["amount"] for status in statuses["1"]] == ["2", "1"]
    assert [status["trackingInfo"]["carrierName"] for status in statuses["1"]] == [
        {"carrier": "UPS"},
        {"carrier": "FedEx"},
    ]
    assert len(statuses["2"]) == 1
    assert [effect.lines for effect in simulator.effects()] == [{SKUS[0]: 2, SKUS[1]: 1}, {SKUS[0]: 1}]


def test_whole_lines_of_an_order_just_acknowledged_cost_one_call(
    simulator: WalmartSimulator, connector: Walmart
) -> None:
    number = acknowledged(simulator, connector)
    parcels = [parcel(number, {"1": 2}, 1), parcel(number, {"2": 1}, 2)]
    assert set(states(connector.push_tracking(parcels)).values()) == {APPLIED}
    assert (simulator.calls["shippingUpdates"], simulator.calls["getAnOrder"]) == (1, 0)
    assert set(states(connector.push_tracking(parcels)).values()) == {APPLIED}
    assert (simulator.calls["shippingUpdates"], simulator.calls["getAnOrder"]) == (1, 1)
    assert len(simulator.effects()) == 2


def test_whole_lines_whose_answer_was_lost_ship_once(simulator: WalmartSimulator, connector: Walmart) -> None:
    number = acknowledged(simulator, connector)
    simulator.faults.set({Fault.RESET_AFTER_WRITE: 1.0})
    with pytest.raises(Unavailable) as raised:
        list(connector.push_tracking([parcel(number, {"1": 2})]))
    assert raised.value.ambiguous
    simulator.faults.heal()
    assert states(connector.push_tracking([parcel(number, {"1": 2})])) == {"parcel-1": APPLIED}
    assert len(simulator.effects()) == 1


def test_a_part_of_a_line_that_another_instance_told_meanwhile_ships_once(
    simulator: WalmartSimulator, connect: Connect
) -> None:
    first, other = connect(), connect()
    number = acknowledged(simulator, first, (SKUS[0], 2))
    for connector in (other, first):
        assert states(connector.push_tracking([parcel(number, {"1": 1})])) == {"parcel-1": APPLIED}
    assert len(simulator.effects()) == 1


def test_an_order_that_changed_since_its_acknowledgement_is_read_first(
    simulator: WalmartSimulator, connector: Walmart
) -> None:
    number = acknowledged(simulator, connector)
    simulator.cancel(number, sku=SKUS[0], quantity=1)
    parcels = [parcel(number, {"1": 2}, 1), parcel(number, {"2": 1}, 2)]
    assert states(connector.push_tracking(parcels)) == {"parcel-1": REFUSED, "parcel-2": APPLIED}


def test_a_part_of_a_line_told_twice_ships_once(simulator: WalmartSimulator, connector: Walmart) -> None:
    number = acknowledged(simulator, connector, (SKUS[0], 2))
    for _ in range(2):
        assert states(connector.push_tracking([parcel(number, {"1": 1})])) == {"parcel-1": APPLIED}
    assert len(simulator.effects()) == 1


def test_a_parcel_whose_answer_was_lost_is_found_there_when_told_again(
    simulator: WalmartSimulator, connector: Walmart
) -> None:
    number = acknowledged(simulator, connector, (SKUS[0], 2))
    simulator.faults.set({Fault.RESET_AFTER_WRITE: 1.0})
    with pytest.raises(Unavailable) as raised:
        list(connector.push_tracking([parcel(number, {"1": 1})]))
    assert raised.value.ambiguous
    simulator.faults.heal()
    assert states(connector.push_tracking([parcel(number, {"1": 1})])) == {"parcel-1": APPLIED}
    assert len(simulator.effects()) == 1


def test_two_lines_of_one_sku_ship_apart(simulator: WalmartSimulator, connector: Walmart) -> None:
    number = acknowledged(simulator, connector, (SKUS[0], 1), (SKUS[0], 1))
    list(connector.push_tracking([parcel(number, {"2": 1})]))
    order = connector.normalize(connector.fetch(number).body)
    assert [line.shipped for line in order.lines] == [0, 1]


def test_an_order_nobody_acknowledged_waits_for_it(simulator: WalmartSimulator, connector: Walmart) -> None:
    number = place(simulator)
    assert states(connector.push_tracking([parcel(number, {"1": 1})])) == {"parcel-1": RETRY}
    assert simulator.calls["shippingUpdates"] == 0
    list(connector.acknowledge([number]))
    assert states(connector.push_tracking([parcel(number, {"1": 1})])) == {"parcel-1": APPLIED}


@pytest.mark.parametrize(
    ("lines", "given", "cure"),
    [
        ({"1": 3}, {}, "correct the shipment"),
        ({"7": 1}, {}, "correct the shipment"),
        ({"1": 1}, {"carrier": "Local Bikes"}, "name the carrier as Walmart does"),
        ({"1": 1}, {"tracking": "  "}, "give the shipment one"),
    ],
    ids=["more than is open", "an unknown line", "another carrier without a URL", "no tracking number"],
)
def test_a_bad_parcel_is_refused_with_its_cure_and_sinks_no_other(
    simulator: WalmartSimulator, connector: Walmart, lines: dict[str, int], given: dict[str, Any], cure: str
) -> None:
    number = acknowledged(simulator, connector)
    acks = list(connector.push_tracking([parcel(number, lines, 1, **given), parcel(number, {"1": 1}, 2)]))
    assert states(acks) == {"parcel-1": REFUSED, "parcel-2": APPLIED}
    assert acks[0].reason.endswith(cure)
    assert simulator.calls["shippingUpdates"] == 1


def test_a_parcel_of_an_order_walmart_ships_itself_is_refused(simulator: WalmartSimulator, connector: Walmart) -> None:
    number = place(simulator, by_channel=True)
    ack = next(iter(connector.push_tracking([parcel(number, {"1": 1})])))
    assert (ack.state, ack.reason.endswith("take the shipment back")) == (REFUSED, True)


def test_a_call_refused_as_a_whole_is_told_parcel_by_parcel(
    simulator: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = acknowledged(simulator, connector, (SKUS[0], 2), (SKUS[1], 1))
    handle: Handle = simulator.handle

    def picky(request: Request) -> Response:
        if request.path.endswith("/shipping") and b"BAD" in request.get_data():
            return answers.orders(400, "INVALID_REQUEST_CONTENT", "the tracking number is no good").response
        return handle(request)

    monkeypatch.setattr(simulator, "handle", picky)
    parcels = [parcel(number, {"1": 1}, 1), parcel(number, {"1": 1}, 2, tracking="BAD"), parcel(number, {"2": 1}, 3)]
    acks = list(connector.push_tracking(parcels))
    assert states(acks) == {"parcel-1": APPLIED, "parcel-2": REFUSED, "parcel-3": APPLIED}
    assert "the tracking number is no good" in next(ack.reason for ack in acks if ack.state is REFUSED)
    assert len(simulator.effects()) == 2


def test_a_parcel_refused_because_somebody_told_it_meanwhile_is_there(
    simulator: WalmartSimulator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector, other = connect(), connect()
    number = acknowledged(simulator, connector, (SKUS[0], 1))
    handle: Handle = simulator.handle
    once = [True]

    def overtaken(request: Request) -> Response:
        if request.path.endswith("/shipping") and once.pop():
            once.append(False)
            monkeypatch.setattr(simulator, "handle", handle)
            list(other.push_tracking([parcel(number, {"1": 1})]))
        return handle(request)

    monkeypatch.setattr(simulator, "handle", overtaken)
    assert states(connector.push_tracking([parcel(number, {"1": 1})])) == {"parcel-1": APPLIED}
    assert len(simulator.effects()) == 1


def test_what_the_buyer_asked_to_cancel_ships_once_it_has_left(
    simulator: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = acknowledged(simulator, connector)
    simulator.ask_to_cancel(number, sku=SKUS[0])
    bodies = told(simulator, monkeypatch)
    assert states(connector.push_tracking([parcel(number, {"1": 2, "2": 1})])) == {"parcel-1": APPLIED}
    lines = bodies[-1]["orderShipment"]["orderLines"]["orderLine"]
    assert [line["intentToCancelOverride"] for line in lines] == [True, False]


def test_a_confirmation_that_is_none_is_ambiguous(
    simulator: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = acknowledged(simulator, connector)
    handle: Handle = simulator.handle

    def empty(request: Request) -> Response:
        response = handle(request)
        if request.path.endswith("/shipping"):
            response.set_data(b'{"order":{}}')
        return response

    monkeypatch.setattr(simulator, "handle", empty)
    with pytest.raises(Unavailable) as raised:
        list(connector.push_tracking([parcel(number, {"1": 1})]))
    assert raised.value.ambiguous


# Carriers and methods.


def test_the_methods_are_those_of_the_vendor(specs: Callable[[str], Spec]) -> None:  # noqa: F811
    paths = specs("walmart/order-management.openapi.json").document["paths"]
    schema = paths["/v3/orders/{purchaseOrderId}/shipping"]["post"]["requestBody"]["content"]["application/json"][
        "schema"
    ]
    for step in ("orderShipment", "orderLines", "orderLine", "orderLineStatuses", "orderLineStatus", "trackingInfo"):
        schema = schema["properties"][step]
        schema = schema.get("items", schema)
    assert set(METHODS) == set(schema["properties"]["methodCode"]["enum"])


def test_the_method_is_the_shipments_or_else_the_orders() -> None:
    assert method("One Day", "Value") == "OneDay"
    assert method("something", "Value") == "Value"
    assert method("", "") == "Standard"


def test_another_carrier_goes_with_the_page_its_parcels_are_followed_on(
    simulator: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = acknowledged(simulator, connector)
    bodies = told(simulator, monkeypatch)
    given = parcel(number, {"1": 1}, carrier="purolator", tracking="ABC 1")
    assert states(connector.push_tracking([given])) == {given.key: APPLIED}
    line = bodies[0]["orderShipment"]["orderLines"]["orderLine"][0]
    info = line["orderLineStatuses"]["orderLineStatus"][0]["trackingInfo"]
    assert info["carrierName"] == {"otherCarrier": "Purolator"}
    assert info["trackingURL"] == "https://www.purolator.com/en/shipping/tracker?pin=ABC1"


def test_carriers_nobody_can_follow_are_refused_with_the_cure_and_sink_no_batch(
    simulator: WalmartSimulator, connector: Walmart
) -> None:
    number = acknowledged(simulator, connector)
    parcels = [
        parcel(number, {"1": 1}, 1, carrier="Local Bikes"),
        parcel(number, {"1": 1}, 2, carrier=" ", tracking_url="https://bikes.example/2"),
        parcel(number, {"2": 1}, 3),
    ]
    acks = {ack.key: ack for ack in connector.push_tracking(parcels)}
    assert states(acks.values()) == {"parcel-1": REFUSED, "parcel-2": REFUSED, "parcel-3": APPLIED}
    assert "no carrier 'Local Bikes'" in acks["parcel-1"].reason
    assert "; give the shipment one" in acks["parcel-1"].reason
    assert "wants a carrier; give" in acks["parcel-2"].reason


def test_a_refusal_says_that_the_number_looks_like_another_carriers(
    simulator: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = acknowledged(simulator, connector)

    def no(asked: Any) -> Response:
        raise answers.orders(400, "INVALID_REQUEST_CONTENT", "the tracking number is not valid", "trackingNumber")

    monkeypatch.setattr(simulator._shipping, "ship", no)
    given = parcel(number, {"1": 1}, carrier="FedEx", tracking="1Z5R89390357567127")
    (ack,) = connector.push_tracking([given])
    assert ack.state is REFUSED
    assert "and its tracking number looks like UPS's, not FedEx's; look at" in ack.reason
