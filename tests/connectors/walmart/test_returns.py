"""Returns at Walmart: what is told of them, in whatever shape, and refunding them once."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from werkzeug.wrappers import Request, Response

from connectors.simulation import Fault
from connectors.walmart import Walmart, returns, windows
from connectors.walmart.simulator import WalmartSimulator, answers
from core.errors import BadDocument, Rejected, Unavailable
from core.model import ZERO, Ack, AckState, Refund, RefundLine, RefundReason, Return, ReturnState
from tests.connectors.walmart.conftest import Connect
from tests.connectors.walmart.test_refunds import given, shown, sold
from tests.connectors.walmart.trade import SKUS, place

pytestmark = pytest.mark.usefixtures("no_pauses")

Handle = Callable[[Request], Response]

APPLIED, REFUSED = AckState.APPLIED, AckState.REFUSED


def pulled(connector: Walmart, cursor: str | None = None, **since: datetime) -> dict[str, Return]:
    """The returns of one reading, in their last version."""
    found = {}
    for page in connector.returns(cursor, **since):
        for one in page.observations:
            found[one.number] = connector.normalize_return(one.body)
    return found


def last_cursor(connector: Walmart) -> str:
    return list(connector.returns(None))[-1].cursor


# Reading.


def test_a_return_goes_its_way(simulator: WalmartSimulator, connector: Walmart) -> None:
    number = sold(simulator, connector)
    returned = simulator.send_back(number, SKUS[0], 1)
    seen = [pulled(connector)[returned]]
    simulator.return_arrives(returned)
    seen.append(pulled(connector)[returned])
    simulator.refund_return(returned)
    seen.append(pulled(connector)[returned])
    assert [one.state for one in seen] == [ReturnState.AUTHORISED, ReturnState.DELIVERED, ReturnState.CLOSED]
    assert [one.lines[0].refunded for one in seen] == [0, 0, 1]
    versions = [one.version for one in seen]
    assert versions == sorted(set(versions))
    assert (seen[0].order, seen[0].lines[0].order_line, seen[0].lines[0].sku) == (number, "1", SKUS[0])
    assert (seen[0].lines[0].reason, seen[0].carrier) == ("DEFECTIVE", "FEDEX")
    assert seen[0].tracking


def test_a_return_that_is_called_off_is_completed_at_walmart(simulator: WalmartSimulator, connector: Walmart) -> None:
    returned = simulator.send_back(sold(simulator, connector), SKUS[0], 1)
    simulator.return_called_off(returned)
    assert pulled(connector)[returned].state is ReturnState.CALLED_OFF


def test_many_returns_are_read_page_by_page_from_any_cursor(
    simulator: WalmartSimulator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "LIMIT", 2)
    connector = connect()
    number = sold(simulator, connector, (SKUS[0], 7))
    numbers = {simulator.send_back(number, SKUS[0], 1) for _ in range(7)}
    pages = list(connector.returns(None))
    assert len(pages) == 4
    assert {one.number for page in pages for one in page.observations} == numbers
    for at, page in enumerate(pages, 1):
        rest = {one.number for later in pages[at:] for one in later.observations}
        assert rest <= pulled(connect(), page.cursor).keys()


def test_the_last_page_may_name_a_next_one(
    simulator: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator.send_back(sold(simulator, connector), SKUS[0], 1)
    handle: Handle = simulator.handle

    def naming(request: Request) -> Response:
        response = handle(request)
        if request.path == "/v3/returns":
            body = json.loads(response.get_data())
            body["meta"]["nextCursor"] = "?sellerId=8&limit=200&offset=200"
            response.set_data(json.dumps(body))
        return response

    monkeypatch.setattr(simulator, "handle", naming)
    assert len(pulled(connector)) == 1


def test_a_reading_goes_on_behind_the_last(simulator: WalmartSimulator, connect: Connect) -> None:
    connector = connect(overlap_seconds=0)
    number = sold(simulator, connector)
    old = simulator.send_back(number, SKUS[1], 1)
    simulator._returns.returns[old].changed -= 60_000
    cursor = last_cursor(connector)
    returned = simulator.send_back(number, SKUS[0], 1)
    assert pulled(connector, cursor).keys() == {returned}
    long_ago = datetime.now(UTC) - timedelta(days=400)
    assert pulled(connector, since=long_ago).keys() == {old, returned}
    assert pulled(connector, since=datetime.now(UTC) + timedelta(hours=1)) == {}


def test_no_returns_are_an_empty_page_also_as_a_404(
    simulator: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [page.observations for page in connector.returns(None)] == [()]
    missing = answers.returns(404, "CONTENT_NOT_FOUND", "no returns").response
    handle: Handle = simulator.handle
    monkeypatch.setattr(simulator, "handle", lambda r: missing if r.path == "/v3/returns" else handle(r))
    assert [page.observations for page in connector.returns(None)] == [()]
    gone = answers.gateway(404, "URI_NOT_FOUND", "no such address").response
    monkeypatch.setattr(simulator, "handle", lambda r: gone if r.path == "/v3/returns" else handle(r))
    with pytest.raises(Rejected, match="check base_url"):
        list(connector.returns(None))


def test_returns_of_orders_walmart_ships_come_where_those_orders_do(
    simulator: WalmartSimulator, connect: Connect
) -> None:
    mine = simulator.send_back(sold(simulator, connect()), SKUS[0], 1)
    number = place(simulator, (SKUS[0], 1), by_channel=True)
    simulator.ship_itself(number)
    theirs = simulator.send_back(number, SKUS[0], 1)
    for kinds, wanted in (
        (("SellerFulfilled",), {mine}),
        (("WFSFulfilled",), {theirs}),
        (("SellerFulfilled", "WFSFulfilled"), {mine, theirs}),
    ):
        assert pulled(connect(ship_node_types=kinds)).keys() == wanted


# What a document means.

DOCUMENT: dict[str, Any] = {
    "returnOrderId": "330",
    "customerOrderId": "200",
    "returnOrderDate": "2026-11-01T10:00:00.000Z",
    "returnOrderLines": [
        {
            "returnOrderLineNumber": 1,
            "purchaseOrderId": "100",
            "purchaseOrderLineNumber": 2,
            "item": {"sku": "A"},
            "quantity": {"unitOfMeasure": "EACH", "measurementValue": 2.0},
            "refundedQty": 1.0,
            "status": "DELIVERED",
            "statusTime": "2026-11-05T10:00:00.000Z",
            "returnReason": "DAMAGED",
        }
    ],
}


def read(**line: Any) -> Return:
    lines = [DOCUMENT["returnOrderLines"][0] | line]
    return returns.normalize_return(json.dumps(DOCUMENT | {"returnOrderLines": lines}).encode())


def test_lines_of_another_purchase_order_name_no_line_of_this_one() -> None:
    other = DOCUMENT["returnOrderLines"][0] | {"returnOrderLineNumber": 2, "purchaseOrderId": "101"}
    document = DOCUMENT | {"returnOrderLines": [*DOCUMENT["returnOrderLines"], other]}
    found = returns.normalize_return(json.dumps(document).encode())
    assert (found.order, [line.order_line for line in found.lines]) == ("100", ["2", ""])


@pytest.mark.parametrize(
    ("states", "wanted"),
    [
        (("INITIATED", "DELIVERED"), ReturnState.AUTHORISED),
        (("COMPLETED", "DELIVERED"), ReturnState.DELIVERED),
        (("COMPLETED", "CANCELLED"), ReturnState.CLOSED),
        (("CANCELLED", "CANCELLED"), ReturnState.CALLED_OFF),
    ],
)
def test_a_return_is_as_far_as_the_last_of_its_lines(states: tuple[str, ...], wanted: ReturnState) -> None:
    lines = [
        DOCUMENT["returnOrderLines"][0] | {"returnOrderLineNumber": at, "status": state}
        for at, state in enumerate(states)
    ]
    document = json.dumps(DOCUMENT | {"returnOrderLines": lines}).encode()
    assert returns.normalize_return(document).state is wanted


def test_a_return_without_much_is_a_return() -> None:
    found = read(item=None, statusTime=None, refundedQty=None, purchaseOrderLineNumber=None, returnReason=None)
    (line,) = found.lines
    assert (line.sku, line.order_line, line.refunded, line.reason) == ("", "", 0, "")
    assert found.requested_at == datetime(2026, 11, 1, 10, tzinfo=UTC)
    assert found.version == int(found.requested_at.timestamp()) * 1_000_000


def test_the_last_event_says_whether_a_completed_return_was_called_off() -> None:
    cancelled = {"eventTag": "RETURN_CANCELLED", "eventTime": "2026-11-06T10:00:00.000Z", "sequenceNo": 2}
    begun = {"eventTag": "RETURN_INITIATED", "eventTime": "2026-11-01T10:00:00.000Z", "sequenceNo": 1}
    assert read(status="COMPLETED", returnTrackingDetail=[cancelled, begun]).state is ReturnState.CALLED_OFF
    assert read(status="COMPLETED", returnTrackingDetail=[begun]).state is ReturnState.CLOSED
    assert read(status="COMPLETED").state is ReturnState.CLOSED


@pytest.mark.parametrize(
    ("line", "where"),
    [
        ({"status": "LOST"}, "status: nobody knows it; upgrade"),
        ({"quantity": {"measurementValue": 1.5}}, "not a quantity"),
        ({"quantity": {"measurementValue": -1}}, "not a quantity"),
        ({"quantity": {"measurementValue": 0}}, "0 units"),
        ({"refundedQty": 1e12}, "not a quantity"),
        ({"statusTime": "yesterday"}, "no instant"),
        ({"returnOrderLineNumber": "one"}, "returnOrderLineNumber"),
    ],
)
def test_what_cannot_be_meant_is_a_bad_document_that_says_where(line: dict[str, Any], where: str) -> None:
    with pytest.raises(BadDocument, match=where):
        read(**line)


def test_a_return_without_lines_or_with_one_twice_is_a_bad_document() -> None:
    for lines in ([], DOCUMENT["returnOrderLines"] * 2):
        with pytest.raises(BadDocument):
            returns.normalize_return(json.dumps(DOCUMENT | {"returnOrderLines": lines}).encode())


# Refunding.


def refund(order: str, rma: str, units: int = 2, **more: Any) -> Refund:
    row = RefundLine(quantity=units, amount=Decimal(10) * units, tax=Decimal("0.80") * units)
    values: dict[str, Any] = {"key": "r", "order": order, "lines": {"1": row}, "currency": "USD", "rma": rma}
    return Refund(reason=RefundReason.RETURNED, **(values | more))


def pushed(connector: Walmart, row: Refund) -> Ack:
    (ack,) = connector.push_refunds([row])
    return ack


@pytest.fixture
def returned(simulator: WalmartSimulator, connector: Walmart) -> tuple[str, str]:
    """An order, and the return of two of its three units."""
    number = sold(simulator, connector, (SKUS[0], 3))
    return number, simulator.send_back(number, SKUS[0], 2)


def test_a_return_is_refunded_once(simulator: WalmartSimulator, connector: Walmart, returned: tuple[str, str]) -> None:
    number, rma = returned
    for _ in range(3):
        assert pushed(connector, refund(number, rma)) == Ack(key="r", state=APPLIED, ticket=rma)
    assert given(simulator, number) == Decimal("21.60")
    assert simulator.calls["issueRefund"] == 1
    assert pulled(connector)[rma].state is ReturnState.CLOSED
    assert list(shown(connector, number).values()) == [Decimal("21.60")]


def test_a_return_walmart_has_refunded_itself_is_not_paid_again(
    simulator: WalmartSimulator, connector: Walmart, returned: tuple[str, str]
) -> None:
    number, rma = returned
    simulator.refund_return(rma)
    assert pushed(connector, refund(number, rma)).state is APPLIED
    assert simulator.calls["issueRefund"] == 0
    assert given(simulator, number) == Decimal("21.60")


def test_what_is_left_of_a_return_is_refunded(
    simulator: WalmartSimulator, connector: Walmart, returned: tuple[str, str]
) -> None:
    number, rma = returned
    simulator.refund_return(rma, 1)
    assert pushed(connector, refund(number, rma)).state is REFUSED
    assert pushed(connector, refund(number, rma, 1)).state is APPLIED
    assert given(simulator, number) == Decimal("21.60")


@pytest.mark.parametrize(
    ("change", "why", "cure"),
    [
        ({"rma": "42"}, "knows no return 42", "check its number"),
        ({"units": 1}, "in one go, which is 2 units of line 1", "refund all of them"),
        ({"shipping": Decimal(1)}, "without what was paid for shipping", "refund that apart"),
        ({"lines": {"1": RefundLine(quantity=2, amount=Decimal(15))}}, "at what they cost, 21.60 USD", "refund that"),
        ({"lines": {"2": RefundLine(quantity=2, amount=Decimal(15))}}, "is not of line 2", "look at the order"),
        ({"lines": {}}, "of nothing", "enter what"),
    ],
)
def test_what_walmart_would_refund_otherwise_is_refused_with_its_cure(
    simulator: WalmartSimulator,
    connector: Walmart,
    returned: tuple[str, str],
    change: dict[str, Any],
    why: str,
    cure: str,
) -> None:
    number, rma = returned
    ack = pushed(connector, refund(number, **({"rma": rma} | change)))
    wrong, _, told = ack.reason.rpartition(";")
    assert (ack.state, why in wrong, cure in told) == (REFUSED, True, True)
    assert given(simulator, number) == ZERO


def test_a_return_called_off_is_refused_in_walmarts_words(
    simulator: WalmartSimulator, connector: Walmart, returned: tuple[str, str]
) -> None:
    number, rma = returned
    simulator.return_called_off(rma)
    ack = pushed(connector, refund(number, rma))
    assert (ack.state, "not so many units left" in ack.reason) == (REFUSED, True)


def test_a_lost_answer_to_a_refund_of_a_return_is_ambiguous_and_pays_once(
    simulator: WalmartSimulator, connector: Walmart, returned: tuple[str, str]
) -> None:
    number, rma = returned
    simulator.faults.set({Fault.RESET_AFTER_WRITE: 1.0})
    with pytest.raises(Unavailable) as raised:
        pushed(connector, refund(number, rma))
    assert (raised.value.ambiguous, raised.value.keys) == (True, frozenset({"r"}))
    simulator.faults.heal()
    assert pushed(connector, refund(number, rma)).state is APPLIED
    assert given(simulator, number) == Decimal("21.60")


def test_a_refusal_that_was_a_success_is_read_back(
    simulator: WalmartSimulator, connector: Walmart, returned: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    number, rma = returned
    handle: Handle = simulator.handle

    def contradictory(request: Request) -> Response:
        response = handle(request)
        if request.path.endswith("/refund"):
            return answers.returns(400, "INVALID_REQUEST_CONTENT", "refunded already").response
        return response

    monkeypatch.setattr(simulator, "handle", contradictory)
    assert pushed(connector, refund(number, rma)) == Ack(key="r", state=APPLIED, ticket=rma)


def test_an_answer_of_another_return_is_ambiguous(
    simulator: WalmartSimulator, connector: Walmart, returned: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    number, rma = returned
    handle: Handle = simulator.handle
    for body in (b"{}", b"[]", b'{"returnOrderId":"7"}', b"nothing"):

        def other(request: Request, body: bytes = body) -> Response:
            if request.path.endswith("/refund"):
                return Response(body, mimetype="application/json")
            return handle(request)

        monkeypatch.setattr(simulator, "handle", other)
        with pytest.raises(Unavailable) as raised:
            pushed(connector, refund(number, rma))
        assert raised.value.ambiguous


# The simulator.


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "201"},
        {"limit": "0"},
        {"status": "LOST"},
        {"isWFSEnabled": "yes"},
        {"returnLastModifiedStartDate": "yesterday"},
        {"offset": "10"},
        {"colour": "red"},
    ],
)
def test_the_simulator_answers_no_search_walmart_would_refuse(
    simulator: WalmartSimulator, connector: Walmart, query: dict[str, str]
) -> None:
    with pytest.raises(Rejected):
        connector._api.ask("getReturns", "GET", "/v3/returns", query)


def test_the_simulator_refunds_no_return_walmart_would_not(
    simulator: WalmartSimulator, connector: Walmart, returned: tuple[str, str]
) -> None:
    number, rma = returned
    good: dict[str, Any] = {
        "customerOrderId": simulator._book.by_number[number].customer,
        "refundLines": [{"returnOrderLineNumber": 1, "quantity": {"unitOfMeasure": "EACH", "measurementValue": 2}}],
    }
    for change in (
        {"customerOrderId": "1"},
        {"refundLines": []},
        {"refundLines": [{"returnOrderLineNumber": 2, "quantity": {"unitOfMeasure": "EACH", "measurementValue": 1}}]},
        {"refundLines": [{"returnOrderLineNumber": 1, "quantity": {"unitOfMeasure": "EACH", "measurementValue": 3}}]},
        {"refundLines": [{"returnOrderLineNumber": 1, "quantity": {"unitOfMeasure": "KG", "measurementValue": 1}}]},
        {"note": "no"},
    ):
        with pytest.raises(Rejected):
            connector._api.ask("issueRefund", "POST", f"/v3/returns/{rma}/refund", body=good | change)
    assert given(simulator, number) == ZERO
    with pytest.raises(ValueError, match="not so many"):
        simulator.send_back(number, SKUS[0], 2)
