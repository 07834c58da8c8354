"""How Walmart is spoken to: headers, tokens, limits, and what its refusals say."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
import respx
from pydantic import SecretStr

from connectors.simulation import SimulatedListing
from connectors.walmart import Walmart, WalmartSettings, api
from connectors.walmart.simulator import WalmartSimulator
from core.errors import NotFound, Throttled, Unauthorized, Unavailable
from core.model import AckState
from tests.connectors.walmart.conftest import Connect
from tests.connectors.walmart.trade import level, parcel, place, pulled
from tests.passing import passing

BASE = "https://walmart.example"
EMPTY = {"list": {"meta": {"totalCount": 0}, "elements": {"order": []}}}


def settings(**keys: Any) -> WalmartSettings:
    given: dict[str, Any] = {
        "connector": "walmart",
        "client_id": "me",
        "client_secret": SecretStr("open sesame"),
        "base_url": BASE,
    }
    return WalmartSettings(**(given | keys))


@pytest.fixture
def wire() -> Iterator[respx.MockRouter]:
    with respx.mock(base_url=BASE, assert_all_called=False) as router:
        token = {"access_token": "T1", "token_type": "Bearer", "expires_in": 900}
        router.post("/v3/token", name="token").respond(json=token)
        yield router


@pytest.fixture
def walmart(wire: respx.MockRouter, monkeypatch: pytest.MonkeyPatch) -> Iterator[Walmart]:
    monkeypatch.setattr("core.sockets.transport", httpx.HTTPTransport)
    connector = Walmart("walmart-us", settings())
    yield connector
    connector.close()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between tries, which are not slept."""
    return passing(monkeypatch)


def test_every_attempt_has_the_headers_and_its_own_correlation_id(
    wire: respx.MockRouter, walmart: Walmart, waits: list[float]
) -> None:
    orders = wire.get("/v3/orders").mock(side_effect=[httpx.Response(503), httpx.Response(200, json=EMPTY)])
    pulled(walmart)
    requests = [call.request for call in orders.calls]
    assert len(requests) == 2
    assert {request.headers["WM_SEC.ACCESS_TOKEN"] for request in requests} == {"T1"}
    assert {request.headers["WM_SVC.NAME"] for request in requests} == {"Walmart Marketplace"}
    assert {request.headers["Accept"] for request in requests} == {"application/json"}
    assert len({uuid.UUID(request.headers["WM_QOS.CORRELATION_ID"]) for request in requests}) == 2


def test_the_token_is_asked_for_once_with_basic_credentials(wire: respx.MockRouter, walmart: Walmart) -> None:
    wire.get("/v3/orders").respond(json=EMPTY)
    pulled(walmart)
    pulled(walmart)
    assert wire["token"].call_count == 1
    request = wire["token"].calls[0].request
    assert request.headers["Authorization"] == "Basic bWU6b3BlbiBzZXNhbWU="
    assert request.content == b"grant_type=client_credentials"
    uuid.UUID(request.headers["WM_QOS.CORRELATION_ID"])


def test_the_token_may_come_from_another_address(wire: respx.MockRouter) -> None:
    wire.get("/v3/orders").respond(json=EMPTY)
    other = wire.post("https://token.example/v3/token").respond(json={"access_token": "T2", "expires_in": 900})
    connector = Walmart("walmart-us", settings(auth_url="https://token.example"))
    pulled(connector)
    connector.close()
    assert (other.call_count, wire["token"].call_count) == (1, 0)


@pytest.mark.parametrize("status", [400, 401])
def test_refused_credentials_park_the_channel_and_name_no_secret(
    wire: respx.MockRouter, walmart: Walmart, status: int
) -> None:
    wire["token"].respond(status, json={"error": [{"code": "INVALID"}]})
    with pytest.raises(Unauthorized) as raised:
        pulled(walmart)
    assert "walmart-us" in str(raised.value)
    assert "sesame" not in str(raised.value)


@pytest.mark.parametrize("body", ["{}", '{"access_token":"","expires_in":900}', '{"access_token":"x"}', "[]"])
def test_a_token_service_without_a_token_is_an_outage(wire: respx.MockRouter, walmart: Walmart, body: str) -> None:
    wire["token"].respond(text=body, content_type="application/json")
    with pytest.raises(Unavailable):
        pulled(walmart)


def test_an_expired_token_is_renewed_once(wire: respx.MockRouter, walmart: Walmart) -> None:
    tokens = [{"access_token": name, "expires_in": 900} for name in ("T1", "T2")]
    wire["token"].mock(side_effect=[httpx.Response(200, json=token) for token in tokens])
    orders = wire.get("/v3/orders").mock(side_effect=[httpx.Response(401, json={}), httpx.Response(200, json=EMPTY)])
    pulled(walmart)
    assert [call.request.headers["WM_SEC.ACCESS_TOKEN"] for call in orders.calls] == ["T1", "T2"]


@pytest.mark.parametrize("name", ["x-next-replenish-time", "x-next-replenishment-time"])
@pytest.mark.parametrize("form", ["milliseconds", "iso", "iso without zone"])
def test_a_limit_names_when_to_come_again(
    wire: respx.MockRouter, walmart: Walmart, waits: list[float], name: str, form: str
) -> None:
    due = datetime.now(UTC) + timedelta(seconds=5)
    text = {
        "milliseconds": str(int(due.timestamp() * 1000)),
        "iso": due.isoformat(),
        "iso without zone": due.replace(tzinfo=None).isoformat(),
    }[form]
    answers = [httpx.Response(429, json={}, headers={name: text}), httpx.Response(200, json=EMPTY)]
    wire.get("/v3/orders").mock(side_effect=answers)
    pulled(walmart)
    assert 3 < waits[0] <= 5


def test_retry_after_goes_before_the_replenishment(
    wire: respx.MockRouter, walmart: Walmart, waits: list[float]
) -> None:
    headers = {"retry-after": "2", "x-next-replenish-time": str(int((time.time() + 9) * 1000))}
    wire.get("/v3/orders").mock(
        side_effect=[httpx.Response(429, json={}, headers=headers), httpx.Response(200, json=EMPTY)]
    )
    pulled(walmart)
    assert waits == [2.0]


def test_a_long_limit_is_raised_with_its_length(wire: respx.MockRouter, walmart: Walmart) -> None:
    headers = {"x-next-replenish-time": str(int((time.time() + 300) * 1000))}
    wire.get("/v3/orders").respond(429, json={}, headers=headers)
    with pytest.raises(Unavailable) as raised:
        pulled(walmart)
    assert raised.value.after is not None
    assert 290 < raised.value.after <= 300


def test_with_no_token_left_the_next_request_is_not_sent(wire: respx.MockRouter, walmart: Walmart) -> None:
    headers = {"x-current-token-count": "0", "x-next-replenish-time": str(int((time.time() + 300) * 1000))}
    orders = wire.get("/v3/orders").respond(json=EMPTY, headers=headers)
    pulled(walmart)
    with pytest.raises(Throttled, match="the budget of getAllOrders is spent"):
        pulled(walmart)
    assert orders.call_count == 1


@pytest.mark.parametrize("text", ["", "soon", "-5", "99999999999999999999", "Mon, 23 Nov 2026 13:53:23 +0000"])
def test_a_replenishment_that_cannot_be_read_is_none(text: str) -> None:
    assert api.replenished_in(httpx.Headers({"x-next-replenish-time": text})) is None


SHAPES = [
    b'{"errors":[{"code":"C.X","field":"f","description":"wrong"}]}',
    b'{"errors":{"error":[{"code":"C.X","field":"f","description":"wrong"}]}}',
    b'{"error":[{"code":"C.X","field":"f","description":"wrong"}]}',
    b'{"errors":[{"code":"C.X","message":"wrong","field":"f"}]}',
    b'{"type":"C.X","title":"no","detail":"wrong","status":400,"field":"f"}',
    b"<?xml version='1.0'?><ns2:errors xmlns:ns2='x'><ns2:error><ns2:code>C.X</ns2:code><ns2:field>f</ns2:field>"
    b"<ns2:description>wrong</ns2:description></ns2:error></ns2:errors>",
]


@pytest.mark.parametrize("body", SHAPES)
def test_a_refusal_is_read_in_each_of_its_shapes(body: bytes) -> None:
    assert api.reasons(body) == [api.Reason(code="C.X", field="f", text="wrong")]
    assert api.why(body) == "wrong (f)"


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"5", b"null", b'"x"', b'{"errors":"x"}', b'{"errors":[5]}', b"<a>", b"\xff"]
)
def test_a_refusal_that_says_nothing_is_read_all_the_same(body: bytes) -> None:
    assert isinstance(api.why(body), str)


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(503, html="<html>busy</html>"),
        httpx.Response(500),
        httpx.Response(200, html="<html>log in</html>"),
        httpx.Response(200, content=b'{"list":{"meta', headers={"content-type": "application/json"}),
        httpx.Response(206, json=EMPTY),
        httpx.Response(200, content=b""),
    ],
    ids=["503 html", "500 empty", "200 html", "200 cut", "206", "200 empty"],
)
def test_an_outage_is_never_an_empty_page_or_a_confirmation(
    wire: respx.MockRouter, walmart: Walmart, answer: httpx.Response
) -> None:
    wire.route(host="walmart.example", path__regex="/v3/(orders|inventories|inventory|feeds).*").mock(
        side_effect=lambda request: httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
    )
    for ask in (
        lambda: pulled(walmart),
        lambda: walmart.fetch("1"),
        lambda: list(walmart.acknowledge(["1"])),
        lambda: list(walmart.push_tracking([parcel("1", {"1": 1})])),
        lambda: list(walmart.push_levels([level("A", 1)])),
        lambda: list(walmart.push_levels([level(f"A{i}", 1) for i in range(50)])),
        lambda: list(walmart.settle({"k": '["F","A"]'})),
        lambda: list(walmart.listings()),
    ):
        with pytest.raises(Unavailable):
            ask()


def test_a_403_with_a_body_is_no_page_of_orders(wire: respx.MockRouter, walmart: Walmart) -> None:
    wire.get("/v3/orders").respond(403, json=EMPTY)
    with pytest.raises(Unauthorized) as raised:
        pulled(walmart)
    assert raised.value.forbidden


def test_nothing_matches_is_an_empty_page_on_the_list_alone(wire: respx.MockRouter, walmart: Walmart) -> None:
    nothing = {"errors": {"error": [{"code": "CONTENT_NOT_FOUND.GMP_ORDER_API"}]}}
    wire.get("/v3/orders").respond(404, json=nothing)
    wire.get("/v3/orders/1").respond(404, json=nothing)
    assert pulled(walmart) == []
    with pytest.raises(NotFound):
        walmart.fetch("1")


def test_a_locked_feed_is_told_later(wire: respx.MockRouter, walmart: Walmart) -> None:
    wire.post("/v3/feeds").respond(423, json={"errors": [{"code": "RESOURCE_IS_LOCKED.GMP_RECEIVER_API"}]})
    acks = list(walmart.push_levels([level(f"A{i}", 1) for i in range(50)]))
    assert {ack.state for ack in acks} == {AckState.RETRY}


def test_no_message_holds_a_query_or_a_token(simulator: WalmartSimulator, connect: Connect) -> None:
    number = place(simulator)
    connector = connect()
    secret = next(iter(simulator.secrets().values()))
    simulator.stop()
    with pytest.raises(Unavailable) as raised:
        connector.fetch(number)
    assert secret not in str(raised.value)
    assert "?" not in str(raised.value)
    simulator.start()


@pytest.mark.parametrize("sku", ["a/b?c#d", "50% off & more", "über 1+1", "..", "a b", "'(x)*,;=$@!:[]{}"])
def test_any_sku_survives_its_address(simulator: WalmartSimulator, connect: Connect, sku: str) -> None:
    simulator.offer(SimulatedListing(sku=sku, title=sku, price=Decimal(1), quantities={}))
    connector = connect()
    assert {ack.state for ack in connector.push_levels([level(sku, 6), level(sku, 7, "")])} == {AckState.APPLIED}
    assert simulator.levels()[sku, "100009"] in (6, 7)
