"""Several works of one order line at one warehouse: no unit is asked for twice, and none is sent twice unseen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.sandbox_warehouse import Yard
from core.model import CancelReason
from core.sync.cancel import Decision, cancel, restore
from core.sync.channel import Channel
from core.sync.void import Void, void
from tests.core.sync.depot import Depot
from tests.core.sync.world import World, line, order


@pytest.fixture
def depot(world: World, shop: Channel) -> Iterator[Depot]:
    world.item("TEE", east=1)
    yield Depot(world)
    Yard.forget("depot")


def routed(world: World, shop: Channel, depot: Depot) -> None:
    world.refill(shop)
    world.release(shop)
    depot.ok()


def open_there(depot: Depot) -> dict[str, int]:
    """Units the warehouse would still send, by work."""
    return {key: sum(work.open(number) for number in work.asked) for key, work in depot.yard.works().items()}


@pytest.mark.parametrize("first", [0, 1])
def test_what_was_backordered_is_asked_for_once_whichever_work_leaves_first(
    world: World, shop: Channel, depot: Depot, first: int
) -> None:
    world.take(shop, order("1", line(1, "TEE", 3)))
    routed(world, shop, depot)
    world.receive("TEE", "east", 2)
    routed(world, shop, depot)
    assert open_there(depot) == {"OS-1": 1, "OS-2": 2}
    depot.send(nth=first)
    routed(world, shop, depot)
    assert sum(open_there(depot).values()) == 3 - (1, 2)[first]
    assert depot.work()[first] == (f"OS-{first + 1}", "done")
    depot.send(nth=1 - first)
    routed(world, shop, depot)
    assert depot.work() == [("OS-1", "done"), ("OS-2", "done")]
    assert world.work("1") == [("east", "done", 1, 1), ("east", "done", 2, 2)]
    assert world.counts("1") == {"ordered": 3, "shipped": 3}
    assert depot.recalls() == []


def test_by_hand_the_oldest_work_is_the_one_that_left(world: World, shop: Channel, depot: Depot) -> None:
    world.take(shop, order("1", line(1, "TEE", 3)))
    routed(world, shop, depot)
    world.receive("TEE", "east", 2)
    routed(world, shop, depot)
    world.ship("1", TEE=1)
    assert world.work("1") == [("east", "done", 1, 1), ("east", "released", 2, 0)]


@pytest.mark.parametrize("turns", [0, 2])
def test_a_parcel_booked_by_hand_is_of_the_work_that_tells_of_it(
    world: World, shop: Channel, depot: Depot, turns: int
) -> None:
    """By hand the oldest work is taken for the sender; the warehouse says that it was the other one."""
    world.take(shop, order("1", line(1, "TEE", 3)))
    routed(world, shop, depot)
    world.receive("TEE", "east", 2)
    routed(world, shop, depot)
    number = depot.number()
    world.ship("1", tracking="T1", TEE=1)
    for _ in range(turns):
        routed(world, shop, depot)
    depot.yard.send("OS-2", [("T1", {number: 1})], at=depot.at())
    depot.ok()
    assert world.work("1") == [("east", "released", 1, 0), ("east", "released", 2, 1)]
    routed(world, shop, depot)
    assert open_there(depot) == {"OS-1": 1, "OS-2": 1}
    depot.yard.send("OS-2", [("T2", {number: 1})], at=depot.at())
    for _ in range(2):
        routed(world, shop, depot)
        assert open_there(depot) == {"OS-1": 1, "OS-2": 0}, "nothing is asked for twice"
    depot.yard.send("OS-1", [("T3", {number: 1})], at=depot.at())
    routed(world, shop, depot)
    assert depot.work() == [("OS-1", "done"), ("OS-2", "done")]
    assert world.work("1") == [("east", "done", 1, 1), ("east", "done", 2, 2)]
    assert world.counts("1") == {"ordered": 3, "shipped": 3}
    assert world.stock("TEE") == (0, 0)
    assert depot.recalls() == []


def test_a_parcel_booked_by_hand_of_work_that_was_cancelled_too_late_calls_the_other_one_back(
    world: World, shop: Channel, depot: Depot
) -> None:
    """Else that one lies at the warehouse as if it had left, and is sent besides."""
    world.take(shop, order("1", line(1, "TEE", 2)))
    routed(world, shop, depot)
    world.receive("TEE", "east", 1)
    routed(world, shop, depot)
    depot.yard.slow = True
    cancel(world.store, Decision(world.order("1").id, CancelReason.OTHER, units={"1": 1}), world.now)
    depot.ok()
    assert world.work("1") == [("east", "released", 1, 0), ("east", "cancelled", 0, 0)]
    depot.yard.answer_recall("OS-R1", done=False, reason="on the truck")
    depot.yard.slow = False
    world.ship("1", tracking="T1", TEE=1)
    depot.ok()
    depot.yard.send("OS-2", [("T1", {depot.number(): 1})], at=depot.at())
    depot.ok()
    assert open_there(depot) == {"OS-1": 0, "OS-2": 0}
    assert depot.work() == [("OS-1", "recalled"), ("OS-2", "done")]
    assert world.work("1") == [("east", "cancelled", 0, 0), ("east", "cancelled", 0, 0)]
    assert world.counts("1") == {"ordered": 2, "cancelled": 1, "shipped": 1}


def test_a_void_parcel_was_of_the_work_that_told_of_it(world: World, shop: Channel, depot: Depot) -> None:
    """Else what is booked by hand later is taken off the wrong work, and one that has ended is asked for once more."""
    world.take(shop, order("1", line(1, "TEE", 3)))
    routed(world, shop, depot)
    world.receive("TEE", "east", 1)
    routed(world, shop, depot)
    for nth in range(2):
        depot.send(nth=nth)
        depot.ok()
    tracking = world.value("SELECT min(tracking) FROM shipments")
    void(world.store, Void(world.order("1").id, tracking, "label bought twice"), world.now)
    assert world.work("1") == [("east", "cancelled", 0, 0), ("east", "done", 1, 1)]
    routed(world, shop, depot)
    world.receive("TEE", "east", 1)
    routed(world, shop, depot)
    assert open_there(depot) == {"OS-1": 0, "OS-2": 0, "OS-3": 1, "OS-4": 1}
    world.ship("1", tracking="T9", TEE=1)
    depot.yard.send("OS-4", [("T9", {depot.number(): 1})], at=depot.at())
    depot.ok()
    assert world.work("1")[2:] == [("east", "released", 1, 0), ("east", "done", 1, 1)]
    assert depot.work()[2:] == [("OS-3", "handed"), ("OS-4", "done")]


def cancelled_too_late_and_wanted_again(world: World, depot: Depot) -> None:
    """The work lies at the warehouse still, and its order waits to be routed anew."""
    depot.yard.slow = True
    push = cancel(world.store, Decision(world.order("1").id, CancelReason.OTHER), world.now).push
    depot.ok()
    depot.yard.answer_recall("OS-R1", done=False, reason="on the truck")
    depot.yard.slow = False
    depot.ok()
    with world.store.write() as tx:
        restore(tx, world.order("1"), push, world.now)
        tx.run("UPDATE pushes SET state = 'dropped' WHERE id = :id", id=push)


def test_what_an_older_work_sends_after_all_calls_the_newer_one_back(world: World, shop: Channel, depot: Depot) -> None:
    """Cancelled, too late to call back, and the cancellation is taken back: both lie there."""
    world.receive("TEE", "east", 2)
    world.take(shop, order("1", line(1, "TEE", 3)))
    routed(world, shop, depot)
    cancelled_too_late_and_wanted_again(world, depot)
    routed(world, shop, depot)
    assert open_there(depot) == {"OS-1": 3, "OS-2": 3}
    depot.send(nth=0)
    depot.ok()
    assert open_there(depot) == {"OS-1": 0, "OS-2": 0}
    assert depot.work() == [("OS-1", "done"), ("OS-2", "recalled")]
    assert world.work("1") == [("east", "cancelled", 0, 0), ("east", "cancelled", 0, 0)]
    assert world.counts("1") == {"ordered": 3, "shipped": 3}


def test_what_an_older_work_sends_is_the_newer_ones_unit_though_another_lies_elsewhere(
    world: World, shop: Channel, depot: Depot
) -> None:
    wide = world.channel(locations={"east": "", "west": ""})
    world.take(wide, order("1", line(1, "TEE", 2)))
    routed(world, wide, depot)
    cancelled_too_late_and_wanted_again(world, depot)
    routed(world, wide, depot)
    world.hold("1")
    world.receive("TEE", "west", 1)
    world.refill(wide)
    assert world.counts("1") == {"ordered": 2, "reserved": 2, "allocated": 1}
    depot.yard.send("OS-1", [("T1", {depot.number(nth=0): 1})], at=depot.at())
    depot.ok()
    assert world.rows("SELECT reason FROM notices WHERE state <> 'taken'") == []
    assert world.counts("1") == {"ordered": 2, "shipped": 1, "reserved": 1}
    assert world.at("TEE") == {"east": (0, 0), "west": (1, 0)}
