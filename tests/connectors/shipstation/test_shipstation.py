"""The contract of warehouses, kept with ShipStation, and what of it is ShipStation's own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from connectors.shipstation import ShipStation
from connectors.shipstation.client import PRODUCTION, Cursor
from connectors.shipstation.orders import request
from connectors.shipstation.simulator import ShipStationSimulator
from connectors.simulation import Fault, FaultPlan
from core.conformance.warehouses import WarehouseConformance
from core.errors import BadDocument, Throttled, Unavailable
from core.handover import Event, Left, Recall
from core.model import Ack, AckState, Address
from tests.connectors.shipstation.yard import PLACE, ShipStationYard, connect, schema
from tests.passing import Slept, passing


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> Slept:
    return passing(monkeypatch)


@pytest.fixture
def simulator() -> Iterator[ShipStationSimulator]:
    """Whatever is said to it keeps to the fields that the vendor documents."""
    with ShipStationSimulator(limit=10_000) as running:
        yield running
    for body in running.bodies:
        schema().validate(body)


@pytest.fixture
def shipstation(simulator: ShipStationSimulator) -> Iterator[ShipStation]:
    made = connect(simulator)
    yield made
    made.close()


class TestShipStation(WarehouseConformance):
    @pytest.fixture
    def yard(self, simulator: ShipStationSimulator) -> ShipStationYard:
        return ShipStationYard(simulator)

    @pytest.fixture
    def warehouse(self, yard: ShipStationYard) -> Iterator[ShipStation]:
        made = connect(yard.simulator)
        yield made
        made.close()


suite = WarehouseConformance()


def handed(simulator: ShipStationSimulator, shipstation: ShipStation, serial: int = 1, **units: int) -> str:
    work = suite.work(ShipStationYard(simulator), serial, units or None)
    (ack,) = shipstation.release([work])
    assert ack.state is AckState.ACCEPTED
    return work.key


def told(shipstation: ShipStation, cursor: str | None = None) -> tuple[list[Event], list[str], str]:
    """Events, reasons of what cannot be booked, and the cursor."""
    events, odd, pages = [], [], list(shipstation.events(cursor))
    for notice in (notice for page in pages for notice in page.notices):
        try:
            events.append(shipstation.normalize(notice.body))
        except BadDocument as error:
            odd.append(str(error))
    return events, odd, pages[-1].cursor


def recalled(shipstation: ShipStation, key: str, lines: dict[str, int] | None = None) -> Ack:
    lines = {"100": 2, "101": 1} if lines is None else lines
    (ack,) = shipstation.recall([Recall(key="OS-R1", work=key, place=PLACE, lines=lines, whole=True)])
    return ack


# Handing over.


def test_an_order_says_what_the_work_says(simulator: ShipStationSimulator, shipstation: ShipStation) -> None:
    work = msgspec.structs.replace(
        suite.work(ShipStationYard(simulator)),
        ship_by=datetime(2026, 11, 3, 8, tzinfo=UTC),
        deliver_by=datetime(2026, 7, 9, 2, tzinfo=UTC),
    )
    assert next(shipstation.release([work])).ticket == "9001"
    (body,) = simulator.bodies
    assert (body["orderNumber"], body["orderKey"], body["orderStatus"]) == ("OS-1", "OS-1", "awaiting_shipment")
    assert body["orderDate"] == "2026-11-02T01:00:00"  # 09:00 in UTC, in standard time
    assert body["shipByDate"] == "2026-11-03T00:00:00"
    assert body["internalNotes"] == "Deliver by 2026-07-08T19:00:00 Pacific time"  # daylight-saving time
    assert body["advancedOptions"] == {"source": "shop", "customField1": "#1001", "warehouseId": 16079}
    assert body["items"][0] == {"lineItemKey": "OS-1:100", "sku": "MUG", "name": "Mug", "quantity": 2}
    assert body["requestedShippingService"] == "Standard"
    assert "customerEmail" not in body


def test_store_and_email_are_as_the_settings_say(simulator: ShipStationSimulator) -> None:
    shipstation = connect(simulator, store_id=77, give_email=True)
    handed(simulator, shipstation)
    (body,) = simulator.bodies
    assert (body["advancedOptions"]["storeId"], body["customerEmail"]) == (77, "buyer@example.test")
    shipstation.close()


def test_what_people_did_to_an_order_is_not_overwritten(
    simulator: ShipStationSimulator, shipstation: ShipStation
) -> None:
    key = handed(simulator, shipstation)
    simulator.order(key).status = "on_hold"
    handed(simulator, shipstation)
    assert (simulator.order(key).status, simulator.calls["createorder"]) == ("on_hold", 1)


def test_a_number_that_only_begins_so_is_other_work(simulator: ShipStationSimulator, shipstation: ShipStation) -> None:
    for serial in (10, 11, 12, 1):
        handed(simulator, shipstation, serial)
    assert simulator.calls["createorder"] == 4
    assert recalled(shipstation, "OS-1").state is AckState.APPLIED
    assert [one.key for one in simulator.orders if one.active] == ["OS-10", "OS-11", "OS-12"]


def test_a_refused_order_tells_the_fields_and_no_values(
    simulator: ShipStationSimulator, shipstation: ShipStation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(order: Any, settings: Any) -> dict[str, Any]:
        return {**request(order, settings), "orderStatus": "awaiting_shipment", "orderDate": "2026-11-02T01:00:00Z"}

    monkeypatch.setattr("connectors.shipstation.client.request", odd)
    (ack,) = shipstation.release([suite.work(ShipStationYard(simulator))])
    assert (ack.state, ack.reason) == (
        AckState.REFUSED, "ShipStation says: The request is invalid. (apiOrder.orderDate)")  # fmt: skip
    simulator.bodies.clear()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"ship_to": Address(name="Ada", country="US")}, "the address has no street, city; mend it at the channel"),
        ({"key": f"OS-{'1' * 48}"}, f"the number OS-{'1' * 48} is longer than 50 letters; set a shorter key_prefix"),
    ],
)
def test_what_work_lacks_is_told_without_asking(
    simulator: ShipStationSimulator, shipstation: ShipStation, change: dict[str, Any], why: str
) -> None:
    work = msgspec.structs.replace(suite.work(ShipStationYard(simulator)), **change)
    (ack,) = shipstation.release([work])
    assert (ack.state, ack.reason) == (AckState.REFUSED, why)
    assert not simulator.calls


def test_work_that_was_cancelled_there_is_refused(simulator: ShipStationSimulator, shipstation: ShipStation) -> None:
    key = handed(simulator, shipstation)
    simulator.order(key).status = "cancelled"
    (ack,) = shipstation.release([suite.work(ShipStationYard(simulator))])
    assert (ack.state, ack.reason) == (AckState.REFUSED, "ShipStation has this order as cancelled")


# Calling back.


@pytest.mark.parametrize(
    ("status", "state"),
    [("awaiting_shipment", "applied"), ("on_hold", "applied"), ("awaiting_payment", "applied"),
     ("cancelled", "applied"), ("shipped", "refused"), ("pending_fulfillment", "refused")],
)  # fmt: skip
def test_only_what_nobody_has_sent_can_be_called_back(
    simulator: ShipStationSimulator, shipstation: ShipStation, status: str, state: str
) -> None:
    key = handed(simulator, shipstation)
    simulator.order(key).status = status
    assert recalled(shipstation, key).state == state
    assert simulator.calls["deleteOrder"] == (state == "applied" and status != "cancelled")


def test_a_label_made_while_it_is_called_back_makes_it_too_late(
    simulator: ShipStationSimulator, shipstation: ShipStation, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = handed(simulator, shipstation)
    delete = simulator._delete

    def raced(id: str) -> dict[str, Any]:
        simulator.send(key, {"MUG": 2, "PEN": 1}, "1Z1")
        simulator.order(key).status = "awaiting_shipment"
        return delete(id)

    monkeypatch.setattr(simulator, "_delete", raced)
    ack = recalled(shipstation, key)
    assert (ack.state, ack.reason) == (
        AckState.REFUSED, "a label was made in ShipStation before it could be called back")  # fmt: skip


def test_an_order_that_is_gone_with_a_label_has_left(simulator: ShipStationSimulator, shipstation: ShipStation) -> None:
    key = handed(simulator, shipstation)
    label = simulator.send(key, {"MUG": 2, "PEN": 1}, "1Z1")
    simulator.order(key).active = False
    assert recalled(shipstation, key).state is AckState.REFUSED
    simulator.void(label)
    assert recalled(shipstation, key).state is AckState.APPLIED


def test_parts_that_were_split_off_are_called_back_too(
    simulator: ShipStationSimulator, shipstation: ShipStation
) -> None:
    handed(simulator, shipstation, 7)
    key = handed(simulator, shipstation)
    simulator.split(key, {"MUG": 1})
    assert recalled(shipstation, key).state is AckState.APPLIED
    assert [one.key for one in simulator.orders if one.active] == ["OS-7"]


def test_a_part_that_left_leaves_the_rest_where_it_is(
    simulator: ShipStationSimulator, shipstation: ShipStation
) -> None:
    """Whoever asks for all of it back does not know yet that a part is gone."""
    key = handed(simulator, shipstation)
    simulator.split(key, {"MUG": 1}).status = "shipped"
    ack = recalled(shipstation, key)
    assert ack.state is AckState.REFUSED
    assert "not what is called back" in ack.reason
    assert all(one.active for one in simulator.orders)
    assert recalled(shipstation, key, {"100": 1, "101": 1}).state is AckState.APPLIED


# Labels.


def test_a_label_is_a_parcel_with_its_instant_and_place(
    simulator: ShipStationSimulator, shipstation: ShipStation
) -> None:
    key = handed(simulator, shipstation)
    before = datetime.now(UTC)
    simulator.send(key, {"MUG": 2}, " 1Z1 ")
    ((left,), _, _) = told(shipstation)
    assert isinstance(left, Left)
    assert (left.id, left.work, left.place) == ("5001", key, PLACE)
    assert before <= left.at <= datetime.now(UTC)
    (box,) = left.boxes
    assert (box.tracking, box.carrier, box.service, dict(box.lines)) == ("1Z1", "ups", "ups_ground", {"100": 2})


def test_where_lines_come_without_our_key_they_are_told_by_sku(
    simulator: ShipStationSimulator, shipstation: ShipStation
) -> None:
    key = handed(simulator, shipstation)
    simulator.send(key, {"MUG": 1, "PEN": 1}, "1Z1", keys=False)
    ((left,), _, _) = told(shipstation)
    assert isinstance(left, Left)
    assert dict(left.boxes[0].lines) == {"MUG": 1, "PEN": 1}


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"shipmentItems": None}, "names nothing that it holds"),
        ({"trackingNumber": None}, "has no tracking number"),
        ({"shipmentItems": [{"lineItemKey": "OS-7:1", "sku": "MUG", "quantity": 1}]}, "holds units of OS-7 too"),
        ({"shipmentItems": [{"lineItemKey": "gift", "sku": "MUG", "quantity": 1}]}, "that we did not ask for"),
        ({"shipmentItems": [{"quantity": 1}]}, "without line and SKU"),
        ({"orderKey": "manual-1"}, "is not the one we handed over"),
        ({"createDate": "2026-11-27"}, "has no time of day"),
        ({"createDate": "0001-01-01T00:00:00"}, "before ShipStation's time"),
        ({"createDate": "9999-12-31T23:59:59"}, "beyond the calendar"),
        ({"shipmentItems": [{"sku": "MUG", "quantity": 1.5}]}, "cannot be read"),
    ],
)
def test_a_label_that_cannot_be_booked_is_set_aside_once(
    simulator: ShipStationSimulator, shipstation: ShipStation, more: dict[str, Any], why: str
) -> None:
    key = handed(simulator, shipstation)
    simulator.send(key, {"MUG": 1}, "1Z1", **more)
    events, (odd,), cursor = told(shipstation)
    assert why in odd
    assert not events
    assert told(shipstation, cursor)[:2] == ([], [])


@pytest.mark.parametrize(
    "more",
    [
        {"orderKey": "theirs", "orderNumber": "1001"},
        {"isReturnLabel": True},
        {"orderKey": "theirs", "orderNumber": "1001", "createDate": 7},
    ],
)
def test_labels_that_are_none_of_ours_are_left_alone(
    simulator: ShipStationSimulator, shipstation: ShipStation, more: dict[str, Any]
) -> None:
    simulator.send(handed(simulator, shipstation), {"MUG": 1}, "1Z1", **more)
    assert told(shipstation)[:2] == ([], [])


def test_no_document_holds_a_buyers_address(simulator: ShipStationSimulator, shipstation: ShipStation) -> None:
    yard = ShipStationYard(simulator)
    simulator.send(handed(simulator, shipstation), {"MUG": 1}, "1Z1")
    yard.garble()
    pages = list(shipstation.events(None))
    said = b"".join(notice.body for page in pages for notice in page.notices) + pages[-1].cursor.encode()
    assert b"1Z1" in said
    assert b"cannot be read" in said
    assert not [word for word in (b"Lovelace", b"Analytical", b"64106", b"0100") if word in said]


def test_labels_are_told_once_over_readings_and_pages(
    simulator: ShipStationSimulator, shipstation: ShipStation
) -> None:
    for serial in range(1, 6):
        simulator.send(handed(simulator, shipstation, serial), {"MUG": 1}, f"1Z{serial}")
    events, _, cursor = told(shipstation)
    assert len(events) == 5
    simulator.send("OS-1", {"PEN": 1}, "1Z9")
    events, _, cursor = told(shipstation, cursor)
    assert [one.boxes[0].tracking for one in events if isinstance(one, Left)] == ["1Z9"]
    assert told(shipstation, cursor)[0] == []


def test_a_label_is_told_once_it_is_old_enough_and_never_if_it_was_voided_before(
    simulator: ShipStationSimulator,
) -> None:
    shipstation = connect(simulator, label_minutes=10)
    now = datetime.now(UTC)
    key = handed(simulator, shipstation)
    simulator.clock = lambda: now - timedelta(minutes=11)
    old = simulator.send(key, {"MUG": 1}, "OLD")
    wrong = simulator.send(key, {"MUG": 1}, "WRONG")
    simulator.clock = lambda: now - timedelta(minutes=3)
    simulator.send(key, {"PEN": 1}, "NEW")
    simulator.void(wrong)
    events, odd, cursor = told(shipstation)
    assert [one.boxes[0].tracking for one in events if isinstance(one, Left)] == ["OLD"]
    assert (odd, str(old.id) in cursor) == ([], True)
    assert told(shipstation, cursor)[:2] == ([], [])
    # Eight minutes later: as if the last reading had been then.
    known = msgspec.json.decode(cursor, type=Cursor)
    simulator.labels[2].made -= timedelta(minutes=8)
    events, odd, _ = told(shipstation, cursor)
    assert [one.boxes[0].tracking for one in events if isinstance(one, Left)] == ["NEW"]
    assert odd == []
    assert known.since <= now - timedelta(minutes=9)
    shipstation.close()


def test_a_label_voided_after_it_was_told_is_for_a_person_to_see_once(
    simulator: ShipStationSimulator, shipstation: ShipStation
) -> None:
    key = handed(simulator, shipstation)
    label = simulator.send(key, {"MUG": 1}, "1Z1")
    events, _, cursor = told(shipstation)
    assert len(events) == 1
    simulator.void(label)
    events, (odd,), cursor = told(shipstation, cursor)
    assert events == []
    assert f"the label 1Z1 of {key} was voided in ShipStation after it was told" in odd
    assert told(shipstation, cursor)[:2] == ([], [])
    simulator.send(key, {"MUG": 1}, "1Z2")
    assert [one.id for one in told(shipstation, cursor)[0]] == ["5002"]


def test_the_memory_of_what_was_told_ends(simulator: ShipStationSimulator, shipstation: ShipStation) -> None:
    simulator.clock = lambda: datetime.now(UTC) - timedelta(hours=5)
    simulator.send(handed(simulator, shipstation), {"MUG": 1}, "1Z1")
    events, _, cursor = told(shipstation)
    assert len(events) == 1
    assert msgspec.json.decode(cursor, type=Cursor).told == {}
    assert told(shipstation, cursor)[0] == []


def test_a_page_other_than_the_one_asked_for_is_an_outage(
    simulator: ShipStationSimulator, shipstation: ShipStation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulator, "_paged", lambda name, rows, given: {name: [], "page": 1, "pages": 3})
    with pytest.raises(Unavailable, match="gave page 1"):
        told(shipstation)


# The wire.


def test_the_vendors_address_is_taken_where_none_is_set(simulator: ShipStationSimulator) -> None:
    assert connect(simulator, base_url=None)._base == PRODUCTION == "https://ssapi.shipstation.com"


def test_a_wrong_address_is_told_and_no_bug(simulator: ShipStationSimulator) -> None:
    shipstation = connect(simulator, base_url=f"{simulator.base_url}/api")
    with pytest.raises(Unavailable, match="check base_url"):
        told(shipstation)
    shipstation.close()


def test_the_limit_of_a_minute_is_kept(slept: Slept) -> None:
    with ShipStationSimulator(limit=40) as simulator:
        shipstation = connect(simulator, requests_per_minute=40, page_size=500)
        keys = []
        for serial in range(1, 41):  # two requests each
            try:
                keys.append(handed(simulator, shipstation, serial))
            except Throttled as error:
                slept.later(error.after or 0)
        assert simulator.violations.total() == 0
        assert len(keys) >= 35
        shipstation.close()


def test_another_program_that_spends_the_limit_makes_it_wait_for_the_next_minute() -> None:
    with ShipStationSimulator(limit=4) as simulator:
        one, other = (connect(simulator, page_size=500) for _ in range(2))
        told(one)
        told(other)
        with pytest.raises(Throttled) as caught:
            told(one)
        assert 40 < (caught.value.after or 0) <= 60
        with pytest.raises(Throttled):
            told(one)
        assert simulator.violations.total() == 1  # it has not asked again
        one.close()
        other.close()


def test_on_a_bad_day_every_order_arrives_once_and_every_parcel_is_told_once(slept: Slept) -> None:
    rates = dict.fromkeys((Fault.THROTTLE, Fault.HTML_503, Fault.TRUNCATED, Fault.RESET, Fault.RESET_AFTER_WRITE), 0.06)
    with ShipStationSimulator(limit=100_000, faults=FaultPlan(3, rates)) as simulator:
        shipstation = connect(simulator)
        todo = {work.key: work for work in (suite.work(ShipStationYard(simulator), nth) for nth in range(1, 25))}
        for _ in range(30):
            try:
                for ack in shipstation.release(list(todo.values())):
                    todo.pop(ack.key)
            except Unavailable as error:
                slept.later(error.after or 1)
            if not todo:
                break
        assert not todo
        assert {one.key: one.times for one in simulator.orders} == {f"OS-{nth}": 1 for nth in range(1, 25)}
        for one in list(simulator.orders):
            simulator.send(one.key, {"MUG": 2, "PEN": 1}, f"1Z{one.key}")
        cursor: str | None = None
        found: list[str] = []
        for _ in range(30):
            try:
                for page in shipstation.events(cursor):
                    found += [shipstation.normalize(notice.body).id for notice in page.notices]
                    cursor = page.cursor
            except Unavailable as error:
                slept.later(error.after or 1)
                continue
            break
        assert sorted(found) == sorted(str(label.id) for label in simulator.labels)
        assert simulator.faults.struck.total() > 10
        shipstation.close()


def test_a_place_is_a_number(simulator: ShipStationSimulator) -> None:
    with pytest.raises(ValidationError, match="no Ship From location"):
        connect(simulator, locations={"east": "WH-1"})


def test_a_label_that_is_listed_on_two_pages_is_told_once(
    simulator: ShipStationSimulator, shipstation: ShipStation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages are counted by number: whatever comes into the list in between shifts them."""
    for serial in (1, 2, 3):
        simulator.send(handed(simulator, shipstation, serial), {"MUG": 1}, f"1Z{serial}")
    paged = simulator._paged

    def shifted(name: str, rows: list[dict[str, Any]], given: dict[str, str]) -> dict[str, Any]:
        return paged(name, rows if given["page"] == "1" else [rows[0], *rows], given)

    monkeypatch.setattr(simulator, "_paged", shifted)
    events, _, cursor = told(shipstation)
    assert [one.id for one in events] == ["5001", "5002", "5003"]
    simulator.void(simulator.labels[1])
    simulator.void(simulator.labels[0])
    simulator.void(simulator.labels[2])
    assert len(told(shipstation, cursor)[1]) == 3
