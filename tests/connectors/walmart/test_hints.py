"""What Walmart tells by itself: read from real deliveries, told apart from others' calls, subscribed to and kept so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from connectors.simulation import Fault, SimulatedLine, SimulatedOrder
from connectors.walmart import Walmart
from connectors.walmart.hints import SIGNATURE, signing_key
from connectors.walmart.simulator import WalmartSimulator
from core.errors import BadDocument, Forged, Stale
from core.model import Call, HintKind
from core.signature import as_base64, as_hex, sha256
from tests.connectors.farend import goods
from tests.connectors.receiving import ADDRESS, OUTSIDE, receiving
from tests.connectors.walmart.conftest import settings_for

AT = datetime(2026, 11, 27, 12, tzinfo=UTC)


def key_of(connector: Walmart) -> str:
    return signing_key(connector.settings.client_secret.get_secret_value())


def document(at: datetime = AT, **more: Any) -> dict[str, Any]:
    source = {"eventType": "ORDER_UPDATES", "eventTime": at.isoformat(), "eventId": "e-1"}
    payload = {"subEventType": "PO_CREATED", "order": {"purchaseOrderId": "1796277083022"}}
    return {"source": source, "payload": payload} | more


def signed(connector: Walmart, body: Any = None, *, hexadecimal: bool = False, **headers: str) -> Call:
    content = body if isinstance(body, bytes) else msgspec.json.encode(document() if body is None else body)
    write = as_hex if hexadecimal else as_base64
    proof = write(sha256(key_of(connector), content)).decode()
    return Call(body=content, headers={SIGNATURE.lower(): proof, **headers}, at=AT)


@pytest.mark.parametrize("hexadecimal", [False, True])
def test_a_notification_names_its_order(connector: Walmart, hexadecimal: bool) -> None:
    (hint,) = connector.hints(signed(connector, hexadecimal=hexadecimal))
    assert (hint.id, hint.kind, hint.order, hint.at) == ("e-1", HintKind.ORDER, "1796277083022", AT)


@pytest.mark.parametrize("what", ["PO_CREATED", "PO_LINE_AUTOCANCELLED", "INTENT_TO_CANCEL", "FRAUD_CANCEL", "NEWS"])
def test_whatever_happened_to_an_order_is_a_reason_to_look(connector: Walmart, what: str) -> None:
    payload = {"subEventType": what, "order": {"purchaseOrderId": "12"}}
    assert [hint.order for hint in connector.hints(signed(connector, document(payload=payload)))] == ["12"]


@pytest.mark.parametrize("payload", [{}, {"order": {}}, {"order": {"purchaseOrderId": "1; DROP"}}])
def test_an_order_that_is_not_named_is_whatever_has_changed(connector: Walmart, payload: Any) -> None:
    assert [hint.order for hint in connector.hints(signed(connector, document(payload=payload)))] == [""]


def test_other_events_are_nothing_to_look_at(connector: Walmart) -> None:
    body = document()
    body["source"]["eventType"] = "INVENTORY_OOS"
    assert connector.hints(signed(connector, body)) == []


@pytest.mark.parametrize("signature", ["ä", "\udcff", "", "x" * 10_000])
def test_a_signature_of_any_letters_is_forged_and_nothing_worse(connector: Walmart, signature: str) -> None:
    call = signed(connector)
    with pytest.raises(Forged):
        connector.hints(Call(body=call.body, headers={SIGNATURE.lower(): signature}, at=AT))


def test_an_altered_body_is_forged(connector: Walmart) -> None:
    call = signed(connector)
    with pytest.raises(Forged):
        connector.hints(Call(body=call.body.replace(b"1796", b"1797"), headers=call.headers, at=AT))


@pytest.mark.parametrize("minutes", [-6, -4, 0, 4, 6])
def test_the_window_is_five_minutes_to_both_sides(connector: Walmart, minutes: int) -> None:
    by_body = signed(connector, document(AT + timedelta(minutes=minutes)))
    stamp = str((AT + timedelta(minutes=minutes)).timestamp())
    by_header = signed(connector, **{"wm_sec.timestamp": stamp})
    for call in (by_body, by_header):
        if abs(minutes) > 5:
            with pytest.raises(Stale):
                connector.hints(call)
        else:
            assert len(connector.hints(call)) == 1


@pytest.mark.parametrize("stamp", ["", "noon", "inf", "nan", "1e99"])
def test_an_instant_nobody_can_read_was_never_on_time(connector: Walmart, stamp: str) -> None:
    with pytest.raises(Stale):
        connector.hints(signed(connector, **{"wm_sec.timestamp": stamp}))


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff\xfe", b'{"source": {}}'])
def test_a_genuine_body_nobody_can_read_is_a_bad_document(connector: Walmart, body: bytes) -> None:
    with pytest.raises(BadDocument, match="a notification cannot be read"):
        connector.hints(signed(connector, body))


def test_the_secret_of_the_account_is_never_handed_out(simulator: WalmartSimulator, connector: Walmart) -> None:
    connector.subscriptions(ADDRESS)
    (kept,) = simulator.bell.subscriptions.values()
    assert kept.auth_details is not None
    assert kept.auth_details.client_secret == key_of(connector)
    assert connector.settings.client_secret.get_secret_value() not in repr(kept)


def test_what_somebody_changed_by_hand_is_mended(simulator: WalmartSimulator, connector: Walmart) -> None:
    assert connector.subscriptions(ADDRESS).done == ("subscribed to ORDER_UPDATES",)
    (kept,) = simulator.bell.subscriptions.values()
    for name, value in (("status", "INACTIVE"), ("auth_details", None), ("headers", {})):
        setattr(kept, name, value)
        assert connector.subscriptions(ADDRESS).done == ("mended ORDER_UPDATES",), name
        (kept,) = simulator.bell.subscriptions.values()
        assert connector.subscriptions(ADDRESS).done == (), name


def test_an_order_placed_and_one_cancelled_are_delivered(simulator: WalmartSimulator, connector: Walmart) -> None:
    with receiving() as address:
        simulator.route(OUTSIDE, address.inside)
        connector.subscriptions(ADDRESS)
        sku = goods(simulator)[0].sku
        number = simulator.place(SimulatedOrder(lines=(SimulatedLine(sku=sku, quantity=2),)))
        simulator.cancel(number)
        calls = address.until(lambda calls: len(calls) >= 2)
    assert {hint.order for call in calls for hint in connector.hints(call)} == {number}
    assert len({hint.id for call in calls for hint in connector.hints(call)}) == len(calls)


def test_a_delivery_is_tried_three_times_and_the_subscription_stays() -> None:
    with WalmartSimulator(listings=goods(WalmartSimulator()), hint_speed=1e6) as simulator, receiving() as address:
        assert isinstance(simulator, WalmartSimulator)
        connector = Walmart("walmart-us", settings_for(simulator))
        address.status = 500
        simulator.route(OUTSIDE, address.inside)
        connector.subscriptions(ADDRESS)
        sku = goods(simulator)[0].sku
        simulator.place(SimulatedOrder(lines=(SimulatedLine(sku=sku, quantity=1),)))
        assert simulator.bell.deliveries.settle()
        assert len(address.calls) == 3
        assert len({connector.hints(call)[0].id for call in address.calls}) == 1
        assert len(simulator.bell.subscriptions) == 1
        connector.close()


def test_faults_lose_and_repeat_deliveries(simulator: WalmartSimulator, connector: Walmart) -> None:
    with receiving() as address:
        simulator.route(OUTSIDE, address.inside)
        connector.subscriptions(ADDRESS)
        sku = goods(simulator)[0].sku
        simulator.faults.set({Fault.HINT_LOST: 1.0})
        simulator.place(SimulatedOrder(lines=(SimulatedLine(sku=sku, quantity=1),)))
        simulator.faults.set({Fault.HINT_TWICE: 1.0})
        number = simulator.place(SimulatedOrder(lines=(SimulatedLine(sku=sku, quantity=1),)))
        assert simulator.bell.deliveries.settle()
    assert [connector.hints(call)[0].order for call in address.calls] == [number, number]
