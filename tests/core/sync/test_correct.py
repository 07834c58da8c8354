"""A parcel corrected: the same parcel in the channel's eyes, whatever was under way when it was corrected."""

from __future__ import annotations

from typing import Any

import pytest

from core.connector import Ability
from core.errors import Unavailable, UserError
from core.model import Ack, AckState, Package
from core.sync.channel import Channel
from core.sync.correct import Corrected, Correction, correct
from core.sync.outbox import take
from core.sync.push import push_tracking, settle_pushes
from core.sync.pushes import drop, retry
from tests.core.sync.fake import SIMPLE, Fake, applied, body
from tests.core.sync.world import World, connector, edited, line, order


@pytest.fixture
def shop(world: World) -> Channel:
    """An order of three whose first parcel, T1 with two of them, is due."""
    world.item("A", east=9)
    shop = world.channel(fake=Fake(abilities=SIMPLE | {Ability.CORRECT_TRACKING, Ability.SETTLE}))
    world.take(shop, order("1", line(1, "A", 3)))
    world.ship("1", A=2)
    return shop


def mend(world: World, was: str = "T1", now: str | None = "T2", *, unable: str = "", **more: str) -> Corrected:
    wanted = Correction(order_id=world.order("1").id, was=was, tracking=now, **more)
    return correct(world.store, wanted, world.now, unable=unable)


def push(world: World, shop: Channel) -> int:
    world.later()
    return push_tracking(world.store, shop, world.clock)


def told(shop: Channel) -> list[tuple[str, str, str]]:
    return [(one.key, one.tracking, one.corrects) for one in connector(shop).shipped]


def pushes(world: World) -> list[tuple[int, str]]:
    rows = world.rows("SELECT generation, state FROM pushes WHERE kind = 'tracking' ORDER BY id")
    return [(row.generation, row.state) for row in rows]


def shows(world: World, shop: Channel, *trackings: str, version: int = 2) -> None:
    packages = tuple(Package(tracking=tracking, lines={"1": 2}) for tracking in trackings)
    one = order("1", line(1, "A", 3, shipped=2 * len(packages)), packages=packages, version=version)
    connector(shop).orders["1"] = body(one)


def key(world: World) -> str:
    return f"shipment:{world.value('SELECT id FROM shipments')}"


def refusing(reason: str) -> Any:
    return lambda pushed: Ack(key=pushed.key, state=AckState.REFUSED, reason=reason)


def test_a_parcel_not_told_yet_is_told_right_and_once(world: World, shop: Channel) -> None:
    assert mend(world, carrier="FedEx").again is False
    assert push(world, shop) == 1
    assert told(shop) == [(key(world), "T2", "")]
    assert connector(shop).shipped[0].carrier == "FedEx"
    assert pushes(world) == [(1, "applied")]
    assert "parcel corrected" in world.timeline("1")


def test_a_parcel_told_already_is_corrected_under_its_own_key(world: World, shop: Channel) -> None:
    push(world, shop)
    done = mend(world)
    assert (done.again, world.channel_row().wanted) == (True, 2)
    assert push(world, shop) == 1
    first, second = connector(shop).shipped
    assert told(shop) == [(key(world), "T1", ""), (key(world), "T2", "T1")]
    assert (first.serial, first.lines, first.shipped_at) == (second.serial, second.lines, second.shipped_at)
    assert pushes(world) == [(1, "applied"), (2, "applied")]
    assert world.counts("1") == {"ordered": 3, "shipped": 2, "reserved": 1, "allocated": 1}


def test_the_channel_confirms_each_number_for_itself(world: World, shop: Channel) -> None:
    push(world, shop)
    mend(world)
    one = order("1", line(1, "A", 3, shipped=2), packages=(Package(tracking="T1", lines={"1": 2}),), version=2)
    world.take(shop, one)
    assert pushes(world) == [(1, "confirmed"), (2, "queued")], "the old number is no confirmation of the new one"
    push(world, shop)
    world.take(shop, edited(one, packages=(Package(tracking="T2", lines={"1": 2}),)))
    assert pushes(world) == [(1, "confirmed"), (2, "confirmed")]
    assert world.counts("1")["shipped"] == 2
    assert world.value("SELECT count(*) FROM shipments") == 1


def test_what_a_correction_replaced_is_over_once_the_correction_is_shown(world: World, shop: Channel) -> None:
    push(world, shop)
    mend(world)
    push(world, shop)
    package = Package(tracking="T2", lines={"1": 2})
    world.take(shop, order("1", line(1, "A", 3, shipped=2), packages=(package,), version=2))
    assert pushes(world) == [(1, "confirmed"), (2, "confirmed")]


def test_a_refusal_that_a_correction_mended_is_no_issue_any_more(world: World, shop: Channel) -> None:
    connector(shop).answer = lambda pushed: Ack(key=pushed.key, state=AckState.ACCEPTED, ticket="feed")
    push(world, shop)
    mend(world)
    connector(shop).settled["feed"] = Ack(key="", state=AckState.REFUSED, reason="no such number; correct it")
    connector(shop).answer = applied
    world.later()
    settle_pushes(world.store, shop, world.clock)
    assert push(world, shop) == 1
    assert pushes(world) == [(1, "refused"), (2, "applied")]
    package = Package(tracking="T2", lines={"1": 2})
    world.take(shop, order("1", line(1, "A", 3, shipped=2), packages=(package,), version=2))
    assert pushes(world) == [(1, "dropped"), (2, "confirmed")]


def test_a_correction_while_its_parcel_is_on_its_way_waits_for_it(world: World, shop: Channel) -> None:
    assert [due.words for due in take(world.store, shop, "tracking", world.now) or []]
    assert mend(world).again
    assert pushes(world) == [(1, "sent"), (2, "queued")]
    shows(world, shop, "T1")
    assert push(world, shop) == 1
    assert told(shop) == [(key(world), "T2", "T1")]
    assert pushes(world) == [(1, "confirmed"), (2, "applied")]


def test_a_correction_of_a_parcel_that_never_arrived_tells_it(world: World, shop: Channel) -> None:
    take(world.store, shop, "tracking", world.now)
    mend(world)
    shows(world, shop)
    assert push(world, shop) == 2
    assert told(shop) == [(key(world), "T1", ""), (key(world), "T2", "T1")], "word for word, then the correction"


def test_a_correction_waits_for_an_accepted_parcel_to_settle(world: World, shop: Channel) -> None:
    connector(shop).answer = lambda pushed: Ack(key=pushed.key, state=AckState.ACCEPTED, ticket="feed")
    push(world, shop)
    mend(world)
    assert push(world, shop) == 0
    connector(shop).settled["feed"] = Ack(key="", state=AckState.APPLIED)
    connector(shop).answer = applied
    world.later()
    settle_pushes(world.store, shop, world.clock)
    assert push(world, shop) == 1
    assert told(shop)[-1] == (key(world), "T2", "T1")


def test_a_parcel_tried_but_not_taken_is_told_by_its_correction_alone(world: World, shop: Channel) -> None:
    connector(shop).answer = lambda pushed: Ack(key=pushed.key, state=AckState.RETRY)
    push(world, shop)
    mend(world)
    connector(shop).answer = applied
    assert push(world, shop) == 1
    assert told(shop)[1:] == [(key(world), "T2", "T1")]
    assert pushes(world) == [(1, "dropped"), (2, "applied")]


def test_a_second_correction_before_the_first_was_told_replaces_it(world: World, shop: Channel) -> None:
    push(world, shop)
    mend(world)
    mend(world, "T2", "T3")
    assert push(world, shop) == 1
    assert told(shop)[1:] == [(key(world), "T3", "T1")]
    mend(world, "T3", "T1")
    assert push(world, shop) == 1
    assert told(shop)[2:] == [(key(world), "T1", "T3")]


def test_a_refused_parcel_is_due_again_once_it_is_corrected(world: World, shop: Channel) -> None:
    connector(shop).answer = refusing("no carrier is called UPPS; name another")
    assert push(world, shop) == 0
    assert mend(world, now=None, carrier="USPS").again is False
    connector(shop).answer = applied
    assert push(world, shop) == 1
    assert [(one.carrier, one.tracking, one.corrects) for one in connector(shop).shipped][1:] == [("USPS", "T1", "")]
    assert pushes(world) == [(1, "applied")]


def test_a_refused_parcel_is_retried_with_what_was_mended_elsewhere(world: World, shop: Channel) -> None:
    connector(shop).answer = refusing("the location is not known there; map it")
    push(world, shop)
    push_id = world.value("SELECT id FROM pushes")
    retry(world.store, push_id, world.now)
    mapped = world.channel(fake=connector(shop), locations={"east": "loc-7", "west": ""})
    connector(mapped).answer = applied
    assert push(world, mapped) == 1
    assert [one.place for one in connector(shop).shipped] == ["", "loc-7"]
    assert "push retried" in world.timeline("1")


def test_a_refused_correction_is_retried_as_the_correction_it_is(world: World, shop: Channel) -> None:
    push(world, shop)
    mend(world)
    connector(shop).answer = refusing("delivered already; leave it")
    push(world, shop)
    first, second = (row.id for row in world.rows("SELECT id FROM pushes ORDER BY id"))
    world.later()
    retry(world.store, second, world.now)
    connector(shop).answer = applied
    assert push(world, shop) == 1
    assert told(shop)[-1] == (key(world), "T2", "T1")
    with pytest.raises(UserError, match="was corrected by push"):
        retry(world.store, first, world.now)


def test_a_refused_parcel_that_was_corrected_later_is_told_by_that(world: World, shop: Channel) -> None:
    take(world.store, shop, "tracking", world.now)
    mend(world)
    first, second = (row.id for row in world.rows("SELECT id FROM pushes ORDER BY id"))
    with world.store.write() as tx:
        tx.run("UPDATE pushes SET state = 'refused', reason = 'no; look' WHERE id = :id", id=first)
    with pytest.raises(UserError, match=f"push {first} was corrected by push {second}"):
        retry(world.store, first, world.now)


def test_a_channel_that_takes_no_corrections_is_told_right_or_not_at_all(world: World, shop: Channel) -> None:
    mend(world, unable="no")
    assert push(world, shop) == 1
    assert told(shop) == [(key(world), "T2", "")]
    with pytest.raises(UserError, match="shop takes none: it is final; correct it there"):
        mend(world, "T2", "T3", unable="shop takes none: it is final")
    assert world.value("SELECT tracking FROM shipments") == "T2"


def test_a_parcel_dropped_by_its_operator_is_corrected_here_alone(world: World, shop: Channel) -> None:
    drop(world.store, world.value("SELECT id FROM pushes"), "told by hand", world.now)
    assert mend(world).push is None
    assert push(world, shop) == 0
    assert world.value("SELECT tracking FROM shipments") == "T2"


def test_the_old_number_booked_again_is_the_same_parcel(world: World, shop: Channel) -> None:
    mend(world)
    shipment, new = world.ship("1", tracking="T1", A=1)
    assert (shipment, new) == (world.value("SELECT id FROM shipments"), False)
    assert world.counts("1") == {"ordered": 3, "shipped": 2, "reserved": 1, "allocated": 1}


def test_the_old_number_still_shown_beside_a_parcel_sent_there_is_no_third_one(world: World, shop: Channel) -> None:
    push(world, shop)
    mend(world)
    packages = (Package(tracking="T1", lines={"1": 2}), Package(tracking="T9", lines={"1": 1}))
    world.take(shop, order("1", line(1, "A", 3, shipped=3), packages=packages, version=2))
    assert sorted(row.tracking for row in world.rows("SELECT tracking FROM shipments")) == ["T2", "T9"]
    assert world.counts("1") == {"ordered": 3, "shipped": 3}


def test_what_cannot_be_corrected_is_told(world: World, shop: Channel) -> None:
    world.ship("1", tracking="T5", A=1)
    with pytest.raises(UserError, match="no parcel 'T9'; there are: T1, T5"):
        mend(world, "T9")
    with pytest.raises(UserError, match="T5 is another parcel of order #1"):
        mend(world, "T1", "T5")
    with pytest.raises(UserError, match="needs its tracking number"):
        mend(world, "T1", " ")
    with pytest.raises(UserError, match="parcel T1 is so already"):
        mend(world, "T1", "T1", carrier="UPS")
    mend(world, "T5", "T6")
    with pytest.raises(UserError, match="T5 is another parcel of order #1"):
        mend(world, "T1", "T5")
    with pytest.raises(UserError, match="there is no order 999"):
        correct(world.store, Correction(999, "T1", "T2"), world.now)


def test_what_the_channel_shipped_itself_is_corrected_there(world: World, shop: Channel) -> None:
    package = Package(tracking="T9", lines={"1": 1})
    world.take(shop, order("1", line(1, "A", 3, shipped=3), packages=(package,), version=2))
    with pytest.raises(UserError, match="parcel T9 was shipped by somebody at the channel; correct it there"):
        mend(world, "T9")


def test_a_correction_whose_answer_was_lost_is_read_back(world: World, shop: Channel) -> None:
    push(world, shop)
    mend(world)

    def lost(pushed: Any) -> Ack:
        raise Unavailable("reset", ambiguous=True)

    connector(shop).answer = lost
    with pytest.raises(Unavailable):
        push(world, shop)
    shows(world, shop, "T2")
    connector(shop).answer = applied
    assert push(world, shop) == 0
    assert pushes(world)[-1] == (2, "confirmed")
