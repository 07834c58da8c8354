"""The contract of warehouses, kept in plain signed HTTP, and what of it the wire is for."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from connectors.webhook import Webhook, signing
from core.conformance.warehouses import WarehouseConformance
from core.errors import BadDocument, Forged, Stale, Unauthorized, Unavailable
from core.handover import Accepted
from core.model import AckState, Call
from tests.connectors.webhook.server import SECRET, Service
from tests.core.warehouses.broken import BROKEN
from tests.passing import passing

_names = (f"http-{number}" for number in itertools.count())


def connect(service: Service, **keys: Any) -> Webhook:
    given = {"connector": "http", "base_url": service.address, "signing_secret": SecretStr(SECRET), "page_size": 2}
    return Webhook("depot", Webhook.Settings(**{**given, **keys}))


@pytest.fixture
def yard() -> Iterator[Service]:
    made = Service(next(_names))
    yield made
    made.stop()


@pytest.fixture
def warehouse(yard: Service) -> Iterator[Webhook]:
    made = connect(yard)
    yield made
    made.close()


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    passing(monkeypatch)


@pytest.mark.usefixtures("no_pauses")
class TestWebhook(WarehouseConformance):
    unknown_sku = "GHOST"

    @pytest.fixture
    def yard(self) -> Iterator[Service]:
        made = Service(next(_names))
        yield made
        made.stop()
        assert made.refused == []


CALLING = ("test_a_genuine_call_tells_its_events", "test_a_forged_call_is_forged", "test_an_old_call_is_stale")
"""The promises of those who are called: the sandbox is not, so they are broken here."""


class Deaf(Webhook):
    def receive(self, call: Call) -> Any:
        return super().receive(call)[:0]


class Trusting(Webhook):
    def receive(self, call: Call) -> Any:
        try:
            return super().receive(call)
        except Forged:
            return ()


class Patient(Webhook):
    def receive(self, call: Call) -> Any:
        try:
            return super().receive(call)
        except Stale:
            return ()


@pytest.mark.parametrize(("promise", "kind"), list(zip(CALLING, (Deaf, Trusting, Patient), strict=True)))
def test_who_breaks_a_promise_of_those_who_are_called_is_caught(
    yard: Service, promise: str, kind: type[Webhook]
) -> None:
    broken = kind("depot", connect(yard).settings)
    for name in CALLING:
        check: Callable[..., None] = getattr(WarehouseConformance(), name)
        if name == promise:
            with pytest.raises(AssertionError):
                check(broken, yard)
        else:
            check(broken, yard)
    assert promise not in {promise for promise, _, _ in BROKEN}


def test_a_wrong_secret_is_for_a_person(yard: Service) -> None:
    warehouse = connect(yard, signing_secret=SecretStr("another"))
    with pytest.raises(Unauthorized, match="; signing_secret has to be the same on both sides, and the clocks"):
        list(warehouse.events(None))
    assert set(yard.refused) == {"the signature is not the warehouse's"}


def test_a_warehouse_that_only_calls_is_not_asked(yard: Service) -> None:
    assert list(connect(yard, polls=False).events(None)) == []
    assert not yard.asked


@pytest.mark.usefixtures("no_pauses")
def test_an_address_that_leads_nowhere_refuses_no_work(yard: Service) -> None:
    warehouse = connect(yard, base_url=yard.address + "/elsewhere")
    work = WarehouseConformance().work(yard)
    with pytest.raises(Unavailable, match="check base_url"):
        list(warehouse.release([work]))


def test_an_answer_to_work_that_cannot_be_read_leaves_it_in_doubt(
    yard: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    from werkzeug.wrappers import Response

    monkeypatch.setattr(yard.wire, "handle", lambda *_: Response('{"state": "maybe"}', mimetype="application/json"))
    with pytest.raises(Unavailable) as raised:
        list(connect(yard).release([WarehouseConformance().work(yard)]))
    assert raised.value.ambiguous


def test_pages_that_do_not_get_on_are_an_outage(yard: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    from werkzeug.wrappers import Response

    answer = Response('{"events": [], "cursor": "", "more": true}', mimetype="application/json")
    monkeypatch.setattr(yard.wire, "_events", lambda *_: answer)
    with pytest.raises(Unavailable, match="does not get on"):
        list(connect(yard).events(None))


def signed(body: bytes, at: datetime, **more: str) -> Call:
    headers = signing.headers(SECRET, int(at.timestamp()), "POST", "/warehouses/depot", body) | more
    return Call(body=body, headers=headers, at=datetime.now(UTC))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"x-ordersync-signature": ""}, Forged),
        ({"x-ordersync-signature": "é"}, Forged),
        ({"x-ordersync-timestamp": "0"}, Forged),
    ],
)
def test_a_request_that_was_altered_is_forged(yard: Service, change: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error):
        connect(yard).receive(signed(b'{"events": []}', datetime.now(UTC), **change))


@pytest.mark.parametrize("seconds", [-301, 302])
def test_a_request_out_of_its_time_is_stale(yard: Service, seconds: int) -> None:
    at = datetime.now(UTC) + timedelta(seconds=seconds)
    with pytest.raises(Stale):
        connect(yard).receive(signed(b'{"events": []}', at))


def test_one_signed_for_another_warehouse_is_forged(yard: Service) -> None:
    other = Webhook("other", connect(yard).settings)
    with pytest.raises(Forged):
        other.receive(signed(b'{"events": []}', datetime.now(UTC)))


def test_a_genuine_request_that_is_none_is_a_bad_document(yard: Service) -> None:
    with pytest.raises(BadDocument):
        connect(yard).receive(signed(b"[]", datetime.now(UTC)))


def test_one_event_nobody_can_read_is_handed_on_with_its_neighbours(yard: Service) -> None:
    body = b'{"events": [{"id": "1"}, {"id": "2", "type": "accepted", "work": "OS-1", "at": "2026-01-31T12:00:00Z"}]}'
    bad, good = connect(yard).receive(signed(body, datetime.now(UTC)))
    assert isinstance(connect(yard).normalize(good.body), Accepted)
    with pytest.raises(BadDocument):
        connect(yard).normalize(bad.body)


def test_refused_work_says_why_in_the_warehouses_words(yard: Service) -> None:
    (ack,) = connect(yard).release([WarehouseConformance().work(yard, 1, {"GHOST": 1})])
    assert (ack.state, ack.reason) == (AckState.REFUSED, "no such SKU: GHOST")
