from __future__ import annotations

from typing import Any

import pytest

from core.connector import Ability
from core.errors import Rejected, Unauthorized, Unavailable, in_doubt
from core.model import Ack, AckState, Package
from core.sync import outbox
from core.sync.channel import Channel
from core.sync.push import push_acknowledgements, push_tracking, settle_pushes
from tests.core.sync.fake import SIMPLE, Fake, applied, body
from tests.core.sync.world import World, connector, edited, line, order


@pytest.fixture
def shop(world: World) -> Channel:
    """Three orders, each with one parcel due."""
    world.item("A", east=9)
    shop = world.channel(fake=Fake(abilities=SIMPLE | {Ability.SETTLE}))
    world.take(shop, *(order(number, line(1, "A")) for number in "123"))
    for number in "123":
        world.ship(number, tracking=f"T{number}")
    return shop


def states(world: World) -> list[str]:
    return [row.state for row in world.rows("SELECT state FROM pushes ORDER BY id")]


def push(world: World, shop: Channel) -> int:
    world.later()
    return push_tracking(world.store, shop, world.clock)


def answering(state: AckState, reason: str = "") -> Any:
    return lambda pushed: Ack(key=applied(pushed).key, state=state, ticket="feed", reason=reason)


def breaking(at: str, error: Exception) -> Any:
    def answer(shipment: Any) -> Ack:
        if shipment.tracking == at:
            raise error
        return applied(shipment)

    return answer


def shows(shop: Channel, number: str, *trackings: str) -> None:
    packages = tuple(Package(tracking=tracking, lines={"1": 1}) for tracking in trackings)
    shipped = len(trackings)
    connector(shop).orders[number] = body(
        order(number, line(1, "A", 1, shipped=shipped), packages=packages, version=1 + shipped)
    )


def test_a_parcel_is_told_once_and_whole(world: World, shop: Channel) -> None:
    assert push(world, shop) == 3
    told = connector(shop).shipped[0]
    assert (told.order, dict(told.lines), told.carrier, told.tracking) == ("1", {"1": 1}, "UPS", "T1")
    assert told.serial > 0
    assert told.key == f"shipment:{told.serial}"
    assert states(world) == ["applied"] * 3
    assert push(world, shop) == 0
    assert len(connector(shop).shipped) == 3


def test_a_refused_parcel_stays_refused_with_its_reason(world: World, shop: Channel) -> None:
    connector(shop).answer = answering(AckState.REFUSED, "the carrier is not known; name another")
    assert push(world, shop) == 0
    assert push(world, shop) == 0
    assert len(connector(shop).shipped) == 3
    assert world.value("SELECT min(reason) FROM pushes") == "the carrier is not known; name another"
    assert states(world) == ["refused"] * 3


def test_a_reason_with_a_nul_is_kept(world: World, shop: Channel) -> None:
    connector(shop).answer = answering(AckState.REFUSED, "odd\0\ud800")
    push(world, shop)
    assert world.value("SELECT min(reason) FROM pushes") == "odd\ufffd\ufffd"


@pytest.mark.parametrize("state", [AckState.RETRY, AckState.STALE])
def test_a_parcel_not_taken_is_pushed_again_later_and_not_at_once(world: World, shop: Channel, state: AckState) -> None:
    connector(shop).answer = answering(state)
    assert push(world, shop) == 0
    assert states(world) == ["queued"] * 3
    assert len(connector(shop).shipped) == 3
    connector(shop).answer = applied
    assert push(world, shop) == 3


def test_an_accepted_parcel_is_settled_by_its_ticket(world: World, shop: Channel) -> None:
    connector(shop).answer = answering(AckState.ACCEPTED)
    assert push(world, shop) == 3
    assert states(world) == ["accepted"] * 3
    world.later()
    settle_pushes(world.store, shop, world.clock)
    assert states(world) == ["accepted"] * 3
    connector(shop).settled["feed"] = Ack(key="", state=AckState.APPLIED)
    settle_pushes(world.store, shop, world.clock)
    assert states(world) == ["applied"] * 3
    assert push(world, shop) == 0
    assert len(connector(shop).shipped) == 3


def test_a_refusal_that_settles_late_is_booked(world: World, shop: Channel) -> None:
    connector(shop).answer = answering(AckState.ACCEPTED)
    push(world, shop)
    connector(shop).settled["feed"] = Ack(key="", state=AckState.REFUSED, reason="look there")
    world.later()
    settle_pushes(world.store, shop, world.clock)
    assert states(world) == ["refused"] * 3


def test_an_outage_before_anything_arrived_queues_it_again(world: World, shop: Channel) -> None:
    connector(shop).answer = breaking("T2", Unavailable("down"))
    with pytest.raises(Unavailable):
        push(world, shop)
    assert states(world) == ["applied", "queued", "queued"]
    connector(shop).answer = applied
    assert push(world, shop) == 2
    assert "fetch" not in connector(shop).calls


def test_a_push_that_broke_half_way_is_read_back_and_the_rest_goes_on(world: World, shop: Channel) -> None:
    connector(shop).answer = breaking("T2", Unavailable("reset", ambiguous=True))
    shows(shop, "2", "T2")
    shows(shop, "3")
    assert push(world, shop) == 2
    assert [shipment.tracking for shipment in connector(shop).shipped].count("T2") == 1
    assert states(world) == ["applied", "confirmed", "applied"]
    assert world.stock("A") == (6, 0)


def test_only_what_is_in_doubt_is_read_back(world: World, shop: Channel) -> None:
    def answer(shipment: Any) -> Ack:
        with in_doubt([shipment.key]):
            return breaking("T2", Unavailable("reset", ambiguous=True))(shipment)

    looked: list[str] = []
    fetch = connector(shop).fetch

    def watched(number: str) -> Any:
        looked.append(number)
        return fetch(number)

    connector(shop).answer = answer
    connector(shop).fetch = watched  # type: ignore[method-assign]
    shows(shop, "2", "T2")
    assert push(world, shop) == 2
    assert looked == ["2"]


def test_a_push_that_gets_no_answer_at_all_ends_the_round(world: World, shop: Channel) -> None:
    connector(shop).answer = breaking("T1", Unavailable("reset", ambiguous=True))
    with pytest.raises(Unavailable):
        push(world, shop)
    assert states(world) == ["unknown"] * 3


def test_a_crash_after_sending_is_read_back(world: World, shop: Channel) -> None:
    connector(shop).answer = breaking("T1", KeyboardInterrupt())  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        push(world, shop)
    assert states(world) == ["sent"] * 3
    for number in "123":
        shows(shop, number, f"T{number}")
    world.later()
    again = world.channel(fake=connector(shop))
    connector(again).answer = applied
    assert push(world, again) == 0
    assert states(world) == ["confirmed"] * 3


def test_a_read_back_that_cannot_reach_the_channel_decides_nothing(world: World, shop: Channel) -> None:
    connector(shop).answer = breaking("T1", Unavailable("reset", ambiguous=True))
    with pytest.raises(Unavailable):
        push(world, shop)

    def down(number: str) -> Any:
        raise Unavailable("down")

    connector(shop).fetch = down  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        push(world, shop)
    assert states(world) == ["unknown"] * 3


def test_an_order_gone_from_the_channel_refuses_its_parcel(world: World, shop: Channel) -> None:
    connector(shop).answer = breaking("T1", Unavailable("reset", ambiguous=True))
    with pytest.raises(Unavailable):
        push(world, shop)
    assert push(world, shop) == 0
    assert states(world) == ["refused"] * 3


def test_an_order_the_channel_refuses_to_show_keeps_no_other_parcel_waiting(world: World, shop: Channel) -> None:
    connector(shop).answer = breaking("T1", Unavailable("reset", ambiguous=True))
    with pytest.raises(Unavailable):
        push(world, shop)
    fetch = connector(shop).fetch

    def refusing(number: str) -> Any:
        if number == "2":
            raise Rejected("GET shop/orders/2 was refused (403)", status=403)
        return fetch(number)

    connector(shop).fetch = refusing  # type: ignore[method-assign]
    connector(shop).answer = applied
    shows(shop, "1")
    shows(shop, "3", "T3")
    assert push(world, shop) == 1
    assert states(world) == ["applied", "unknown", "confirmed"]
    (waits,) = world.rows("SELECT reason FROM pushes WHERE state = 'unknown'")
    assert waits.reason == "GET shop/orders/2 was refused (403); look the order up at the channel"
    connector(shop).fetch = fetch  # type: ignore[method-assign]
    shows(shop, "2", "T2")
    push(world, shop)
    assert states(world) == ["applied", "confirmed", "confirmed"]


def test_an_order_that_cannot_be_read_back_stops_no_other_parcel(world: World, shop: Channel) -> None:
    connector(shop).answer = breaking("T2", Unavailable("reset", ambiguous=True))
    connector(shop).orders["2"] = b"?"
    shows(shop, "3")
    assert push(world, shop) == 2
    assert states(world) == ["applied", "unknown", "applied"]
    assert world.value("SELECT number FROM quarantine") == "2"
    shows(shop, "2")
    connector(shop).answer = applied
    assert push(world, shop) == 1


def test_a_connector_that_answers_too_little_is_a_loud_bug_and_nothing_is_sent_blindly(
    world: World, shop: Channel
) -> None:
    connector(shop).push_tracking = lambda shipments: iter([applied(shipments[0])])  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="left 2 pushes unanswered"):
        push(world, shop)
    assert states(world) == ["applied", "unknown", "unknown"]


@pytest.mark.parametrize("answers", [["nobody"], ["shipment:1", "shipment:1"]])
def test_a_connector_that_answers_what_was_not_asked_is_a_loud_bug(
    world: World, shop: Channel, answers: list[str]
) -> None:
    fake = connector(shop)
    fake.push_tracking = lambda shipments: iter(map(applied, answers))  # type: ignore[method-assign]
    with pytest.raises(KeyError):
        push(world, shop)
    assert set(states(world)) <= {"applied", "unknown"}
    assert "unknown" in states(world)


def test_credentials_refused_half_way_lose_no_answer(world: World, shop: Channel) -> None:
    connector(shop).answer = breaking("T2", Unauthorized("renew the token"))
    with pytest.raises(Unauthorized):
        push(world, shop)
    assert states(world) == ["applied", "unknown", "unknown"]


def test_more_parcels_than_one_batch_are_all_pushed(
    world: World, shop: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "BATCH", 2)
    assert push(world, shop) == 3


def test_a_channel_that_wants_no_tracking_is_told_none(world: World, shop: Channel) -> None:
    quiet = world.channel(fake=connector(shop), push_tracking=False)
    assert push(world, quiet) == 0
    assert states(world) == ["queued"] * 3


def test_an_order_is_acknowledged_once(world: World) -> None:
    shop = world.channel()
    world.take(shop, order("1", acknowledged=False), order("2"))
    assert push_acknowledgements(world.store, shop, world.clock) == 1
    assert push_acknowledgements(world.store, shop, world.clock) == 0
    assert connector(shop).acknowledged == ["1"]


def test_an_acknowledgement_that_broke_half_way_is_sent_again(world: World) -> None:
    shop = world.channel()
    world.take(shop, order("1", acknowledged=False))

    def lost(number: Any) -> Ack:
        raise Unavailable("reset", ambiguous=True)

    connector(shop).answer = lost
    with pytest.raises(Unavailable):
        push_acknowledgements(world.store, shop, world.clock)
    connector(shop).answer = applied
    world.later()
    assert push_acknowledgements(world.store, shop, world.clock) == 1
    assert states(world) == ["applied"]


def test_an_acknowledgement_seen_done_meanwhile_is_not_sent_again(world: World) -> None:
    shop = world.channel()
    one = order("1", acknowledged=False)
    world.take(shop, one)
    world.take(shop, edited(one, acknowledged=True))
    assert push_acknowledgements(world.store, shop, world.clock) == 0
    assert connector(shop).acknowledged == []
