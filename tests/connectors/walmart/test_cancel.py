"""Cancelling at Walmart: per line and quantity, once, and in Walmart's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest
from werkzeug.wrappers import Request, Response

from connectors.simulation import Fault
from connectors.walmart import Walmart
from connectors.walmart.cancel import REASONS
from connectors.walmart.simulator import WalmartSimulator, answers
from core.errors import Rejected, Unavailable
from core.model import AckState, Cancellation, CancelReason, Hold
from tests.connectors.walmart.trade import SKUS, acknowledged, parcel, place, states
from tests.specs import Spec, specs  # noqa: F401 - a fixture

pytestmark = pytest.mark.usefixtures("no_pauses")

Handle = Callable[[Request], Response]

APPLIED, REFUSED, RETRY = AckState.APPLIED, AckState.REFUSED, AckState.RETRY


def cancellation(
    order: str,
    lines: Mapping[str, int],
    serial: int = 1,
    reason: CancelReason = CancelReason.OTHER,
    before: Mapping[str, int] | None = None,
) -> Cancellation:
    return Cancellation(
        key=f"cancel-{serial}",
        order=order,
        lines=lines,
        before=before or dict.fromkeys(lines, 0),
        reason=reason,
    )


def cancelled(simulator: WalmartSimulator, number: str) -> dict[str, int]:
    return {sku: units for sku, units in simulator.truths()[number].cancelled.items() if units}


def told(simulator: WalmartSimulator, monkeypatch: pytest.MonkeyPatch) -> list[list[dict[str, Any]]]:
    """The lines of all cancel calls from now on."""
    bodies: list[list[dict[str, Any]]] = []
    handle: Handle = simulator.handle

    def seen(request: Request) -> Response:
        if request.path.endswith("/cancel"):
            body = msgspec.json.decode(request.get_data())
            bodies.append(body["orderCancellation"]["orderLines"]["orderLine"])
        return handle(request)

    monkeypatch.setattr(simulator, "handle", seen)
    return bodies


def test_units_of_several_lines_are_cancelled_in_one_call(
    simulator: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = acknowledged(simulator, connector, (SKUS[0], 3), (SKUS[1], 1))
    bodies = told(simulator, monkeypatch)
    row = cancellation(number, {"1": 2, "2": 1}, reason=CancelReason.ADDRESS)
    assert states(connector.push_cancellations([row])) == {row.key: APPLIED}
    ((first, second),) = bodies
    assert (first["lineNumber"], second["lineNumber"]) == ("1", "2")
    assert first["orderLineStatuses"]["orderLineStatus"] == [
        {
            "status": "Cancelled",
            "cancellationReason": "SELLER_CANCEL_ADDRESS_NOT_SERVICEABLE",
            "statusQuantity": {"unitOfMeasurement": "EACH", "amount": "2"},
        }
    ]
    assert cancelled(simulator, number) == {SKUS[0]: 2, SKUS[1]: 1}
    order = connector.normalize(connector.fetch(number).body)
    assert [(line.ordered, line.cancelled) for line in order.lines] == [(3, 2), (1, 1)]


def test_an_order_nobody_acknowledged_can_be_cancelled(simulator: WalmartSimulator, connector: Walmart) -> None:
    number = place(simulator, (SKUS[0], 2))
    assert states(connector.push_cancellations([cancellation(number, {"1": 2})])) == {"cancel-1": APPLIED}
    assert connector.normalize(connector.fetch(number).body).acknowledged


def test_what_is_cancelled_there_already_is_not_cancelled_again(
    simulator: WalmartSimulator, connector: Walmart
) -> None:
    number = acknowledged(simulator, connector, (SKUS[0], 5))
    simulator.cancel(number, quantity=1)
    row = cancellation(number, {"1": 2}, before={"1": 1})
    for _ in range(3):
        assert states(connector.push_cancellations([row])) == {row.key: APPLIED}
    assert cancelled(simulator, number) == {SKUS[0]: 3}
    assert simulator.calls["cancelOrderLines"] == 1
    later = cancellation(number, {"1": 1}, 2, before={"1": 3})
    assert states(connector.push_cancellations([row, later])) == {row.key: APPLIED, later.key: APPLIED}
    assert cancelled(simulator, number) == {SKUS[0]: 4}


def test_two_cancellations_of_one_order_in_one_batch_both_happen(
    simulator: WalmartSimulator, connector: Walmart
) -> None:
    number = acknowledged(simulator, connector, (SKUS[0], 3), (SKUS[1], 1))
    rows = [
        cancellation(number, {"1": 1}, 1),
        cancellation(number, {"1": 2, "2": 1}, 2, before={"1": 1, "2": 0}),
        cancellation(number, {"1": 1}, 3, before={"1": 3}),
    ]
    assert states(connector.push_cancellations(rows)) == {"cancel-1": APPLIED, "cancel-2": APPLIED, "cancel-3": REFUSED}
    assert cancelled(simulator, number) == {SKUS[0]: 3, SKUS[1]: 1}
    assert simulator.calls["getAnOrder"] == 1


def test_of_two_decided_on_the_same_sight_the_second_finds_its_units_cancelled(
    simulator: WalmartSimulator, connector: Walmart
) -> None:
    number = acknowledged(simulator, connector, (SKUS[0], 3))
    rows = [cancellation(number, {"1": 1}, serial) for serial in (1, 2)]
    assert states(connector.push_cancellations(rows)) == {"cancel-1": APPLIED, "cancel-2": APPLIED}
    assert cancelled(simulator, number) == {SKUS[0]: 1}


def test_a_cancellation_half_done_is_finished(simulator: WalmartSimulator, connector: Walmart) -> None:
    number = acknowledged(simulator, connector, (SKUS[0], 3), (SKUS[1], 1))
    simulator.cancel(number, sku=SKUS[0], quantity=1)
    assert states(connector.push_cancellations([cancellation(number, {"1": 2, "2": 1})])) == {"cancel-1": APPLIED}
    assert cancelled(simulator, number) == {SKUS[0]: 2, SKUS[1]: 1}


@pytest.mark.parametrize(
    ("lines", "why", "cure"),
    [
        ({"1": 2}, "1 units of line 1 that have not shipped, not 2", "refund what has shipped"),
        ({"2": 1, "1": 2}, "1 units of line 1 that have not shipped, not 2", "refund what has shipped"),
        ({"9": 1}, "no line 9", "look at the order"),
    ],
)
def test_what_cannot_be_cancelled_is_refused_whole_and_sinks_no_other(
    simulator: WalmartSimulator, connector: Walmart, lines: dict[str, int], why: str, cure: str
) -> None:
    number, other = (acknowledged(simulator, connector) for _ in range(2))
    list(connector.push_tracking([parcel(number, {"1": 1})]))
    acks = {
        ack.key: ack
        for ack in connector.push_cancellations([cancellation(number, lines, 1), cancellation(other, {"1": 1}, 2)])
    }
    assert states(acks.values()) == {"cancel-1": REFUSED, "cancel-2": APPLIED}
    assert why in acks["cancel-1"].reason
    assert cure in acks["cancel-1"].reason.rpartition(";")[2]
    assert cancelled(simulator, number) == {}


def test_an_order_walmart_ships_itself_is_not_cancelled_from_here(
    simulator: WalmartSimulator, connector: Walmart
) -> None:
    (ack,) = connector.push_cancellations([cancellation(place(simulator, by_channel=True), {"1": 1})])
    assert (ack.state, ack.reason.endswith("ask Walmart's support to stop it")) == (REFUSED, True)


def test_a_long_order_is_cancelled_a_hundred_lines_a_call(
    simulator: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = acknowledged(simulator, connector, *((SKUS[at % 3], 1) for at in range(250)))
    bodies = told(simulator, monkeypatch)
    row = cancellation(number, {str(line): 1 for line in range(1, 251)})
    assert states(connector.push_cancellations([row])) == {row.key: APPLIED}
    assert [len(lines) for lines in bodies] == [100, 100, 50]
    assert sum(cancelled(simulator, number).values()) == 250


# Reasons.


def test_the_reasons_are_walmarts(specs: Callable[[str], Spec]) -> None:  # noqa: F811
    paths = specs("walmart/order-management.openapi.json").document["paths"]
    schema = paths["/v3/orders/{purchaseOrderId}/cancel"]["post"]["requestBody"]["content"]["application/json"][
        "schema"
    ]
    for step in ("orderCancellation", "orderLines", "orderLine", "orderLineStatuses", "orderLineStatus"):
        schema = schema["properties"][step]
        schema = schema.get("items", schema)
    printed = set(schema["properties"]["cancellationReason"]["enum"])
    assert set(REASONS.values()) | {"CUSTOMER_REQUESTED_SELLER_TO_CANCEL"} == printed


@pytest.mark.parametrize(
    ("reason", "asked", "word"),
    [
        (CancelReason.BUYER, True, "CUSTOMER_REQUESTED_SELLER_TO_CANCEL"),
        (CancelReason.OTHER, True, "CUSTOMER_REQUESTED_SELLER_TO_CANCEL"),
        (CancelReason.PRICE, True, "SELLER_CANCEL_PRICING_ERROR"),
        (CancelReason.BUYER, False, "SELLER_CANCEL_OUT_OF_STOCK"),
        (CancelReason.OTHER, False, "SELLER_CANCEL_OUT_OF_STOCK"),
        (CancelReason.OUT_OF_STOCK, False, "SELLER_CANCEL_OUT_OF_STOCK"),
        (CancelReason.FRAUD, False, "SELLER_CANCEL_FRAUD_STOP_SHIPMENT"),
    ],
)
def test_the_buyers_reason_is_told_only_where_the_buyer_asked(
    simulator: WalmartSimulator,
    connector: Walmart,
    monkeypatch: pytest.MonkeyPatch,
    reason: CancelReason,
    asked: bool,
    word: str,
) -> None:
    number = acknowledged(simulator, connector, (SKUS[0], 2))
    if asked:
        simulator.ask_to_cancel(number)
    bodies = told(simulator, monkeypatch)
    (ack,) = connector.push_cancellations([cancellation(number, {"1": 2}, reason=reason)])
    assert ack.state is APPLIED
    (status,) = bodies[0][0]["orderLineStatuses"]["orderLineStatus"]
    assert status["cancellationReason"] == word
    assert ("no wish of the buyer's" in ack.reason) is (reason is CancelReason.BUYER and not asked)


def test_a_buyers_wish_that_was_answered_holds_the_order_no_more(
    simulator: WalmartSimulator, connector: Walmart
) -> None:
    number = acknowledged(simulator, connector, (SKUS[0], 2), (SKUS[1], 1))
    simulator.ask_to_cancel(number, sku=SKUS[0])
    assert connector.normalize(connector.fetch(number).body).holds == (Hold.BUYER_CANCEL,)
    list(connector.push_cancellations([cancellation(number, {"1": 2}, reason=CancelReason.BUYER)]))
    assert connector.normalize(connector.fetch(number).body).holds == ()


def test_out_of_stock_empties_the_shelf_and_another_reason_gives_the_units_back(
    simulator: WalmartSimulator, connector: Walmart
) -> None:
    first, second = (acknowledged(simulator, connector, (sku, 2)) for sku in SKUS[:2])
    rows = [cancellation(first, {"1": 1}, 1), cancellation(second, {"1": 1}, 2, CancelReason.PRICE)]
    list(connector.push_cancellations(rows))
    levels = simulator.levels()
    assert (levels[SKUS[0], "100009"], levels[SKUS[1], "100009"]) == (0, 499)


# What goes wrong on the way.


def test_a_lost_answer_leaves_only_its_own_cancellation_in_doubt(
    simulator: WalmartSimulator, connector: Walmart
) -> None:
    orders = [acknowledged(simulator, connector, (SKUS[0], 3), (SKUS[1], 1)) for _ in range(2)]
    rows = [cancellation(number, {"1": 1}, serial) for serial, number in enumerate(orders, 1)]
    rows.insert(1, cancellation(orders[0], {"2": 1}, 3))
    simulator.faults.set({Fault.RESET_AFTER_WRITE: 1.0})
    with pytest.raises(Unavailable) as raised:
        list(connector.push_cancellations(rows))
    assert (raised.value.ambiguous, raised.value.keys) == (True, frozenset({"cancel-1"}))
    simulator.faults.heal()
    assert set(states(connector.push_cancellations(rows)).values()) == {APPLIED}
    assert [cancelled(simulator, number) for number in orders] == [{SKUS[0]: 1, SKUS[1]: 1}, {SKUS[0]: 1}]


def test_a_refusal_because_somebody_cancelled_meanwhile_is_read_back(
    simulator: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, other = (acknowledged(simulator, connector, (SKUS[0], 1)) for _ in range(2))
    handle: Handle = simulator.handle

    def late(request: Request) -> Response:
        if request.path == f"/v3/orders/{number}/cancel":
            simulator.cancel(number)
        if request.path == f"/v3/orders/{other}/cancel":
            return answers.orders(400, "INVALID_REQUEST_CONTENT", "not today").response
        return handle(request)

    monkeypatch.setattr(simulator, "handle", late)
    rows = [cancellation(number, {"1": 1}, 1), cancellation(other, {"1": 1}, 2)]
    acks = {ack.key: ack for ack in connector.push_cancellations(rows)}
    assert states(acks.values()) == {"cancel-1": APPLIED, "cancel-2": REFUSED}
    assert "not today; look at" in acks["cancel-2"].reason


@pytest.mark.parametrize("body", [b'{"order":{}}', b"{}", b'{"order":{"purchaseOrderId":"1"}}'])
def test_an_answer_that_is_no_order_is_no_cancellation(
    simulator: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    number = acknowledged(simulator, connector, (SKUS[0], 2))
    handle: Handle = simulator.handle

    def empty(request: Request) -> Response:
        response = handle(request)
        if request.path.endswith("/cancel"):
            response.set_data(body)
        return response

    monkeypatch.setattr(simulator, "handle", empty)
    with pytest.raises(Unavailable) as raised:
        list(connector.push_cancellations([cancellation(number, {"1": 1})]))
    assert raised.value.ambiguous


def test_a_cancellation_that_is_taken_and_not_shown_is_told_again_later(
    simulator: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = acknowledged(simulator, connector, (SKUS[0], 2))
    before = connector.fetch(number).body
    handle: Handle = simulator.handle

    def lagging(request: Request) -> Response:
        response = handle(request)
        if request.path.endswith("/cancel"):
            response.set_data(b'{"order":%b}' % before)
        return response

    monkeypatch.setattr(simulator, "handle", lagging)
    row = cancellation(number, {"1": 1})
    assert states(connector.push_cancellations([row])) == {row.key: RETRY}
    monkeypatch.setattr(simulator, "handle", handle)
    assert states(connector.push_cancellations([row])) == {row.key: APPLIED}
    assert cancelled(simulator, number) == {SKUS[0]: 1}


# The simulator.


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"status": "Shipped"}, "cannot be read"),
        ({"cancellationReason": "CHANGED_MY_MIND"}, "cannot be read"),
        ({"cancellationReason": "CUSTOMER_REQUESTED_SELLER_TO_CANCEL"}, "no intent to cancel"),
        ({"statusQuantity": {"unitOfMeasurement": "EACH", "amount": "3"}}, "not so many units"),
        ({"statusQuantity": {"unitOfMeasurement": "EACH", "amount": "0"}}, "no quantity"),
        ({"statusQuantity": {"unitOfMeasurement": "EACH", "amount": 1}}, "cannot be read"),
        ({"statusQuantity": {"unitOfMeasurement": "BOX", "amount": "1"}}, "cannot be read"),
        ({"note": "why not"}, "cannot be read"),
    ],
)
def test_the_simulator_is_as_strict_as_walmart(
    simulator: WalmartSimulator, connector: Walmart, change: dict[str, Any], why: str
) -> None:
    number = acknowledged(simulator, connector, (SKUS[0], 2))
    status = {
        "status": "Cancelled",
        "cancellationReason": "SELLER_CANCEL_OUT_OF_STOCK",
        "statusQuantity": {"unitOfMeasurement": "EACH", "amount": "1"},
    } | change
    body = lines_of({"lineNumber": "1", "orderLineStatuses": {"orderLineStatus": [status]}})
    with pytest.raises(Rejected) as refusal:
        connector._api.ask("cancelOrderLines", "POST", f"/v3/orders/{number}/cancel", body=body)
    assert why in refusal.value.body.decode()
    assert cancelled(simulator, number) == {}


def test_the_simulator_takes_a_call_of_known_lines_once_each_and_a_hundred_at_most(
    simulator: WalmartSimulator, connector: Walmart
) -> None:
    number = acknowledged(simulator, connector, *((SKUS[at % 3], 1) for at in range(101)))

    def line(at: int) -> dict[str, Any]:
        quantity = {"unitOfMeasurement": "EACH", "amount": "1"}
        status = {"status": "Cancelled", "cancellationReason": "SELLER_CANCEL_OUT_OF_STOCK", "statusQuantity": quantity}
        return {"lineNumber": str(at), "orderLineStatuses": {"orderLineStatus": [status]}}

    for lines in ([], [line(1), line(1)], [line(1), line(102)], [line(at) for at in range(1, 102)]):
        with pytest.raises(Rejected):
            connector._api.ask("cancelOrderLines", "POST", f"/v3/orders/{number}/cancel", body=lines_of(*lines))
    assert cancelled(simulator, number) == {}


def lines_of(*lines: dict[str, Any]) -> dict[str, Any]:
    return {"orderCancellation": {"orderLines": {"orderLine": list(lines)}}}
