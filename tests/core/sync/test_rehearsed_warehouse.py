"""The warehouse of a rehearsal: what its people do there, and how it is judged."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from connectors.sandbox_warehouse import Yard
from core.commands.judgement_depot import judge_depot
from core.commands.packers import Packers
from core.model import CancelReason
from core.sync.cancel import Decision, cancel
from core.sync.channel import Channel
from core.sync.holds import hold
from core.sync.kits import define_kit
from tests.core.sync.depot import Depot
from tests.core.sync.world import World, line, order


@pytest.fixture
def shop(world: World) -> Channel:
    return world.channel(locations={"east": "", "west": ""})


@pytest.fixture
def depot(world: World, shop: Channel) -> Iterator[Depot]:
    world.item("TEE", east=20)
    world.item("VASE-CLAY", east=20)
    define_kit(world.store, "SET", {"TEE": 1, "VASE-CLAY": 1})
    made = Depot(world)
    yield made
    Yard.forget("depot")


@pytest.fixture
def packers(world: World, depot: Depot) -> Packers:
    play: Any = SimpleNamespace(
        store=world.store, called_off=set(), random=random.Random(1), seed=1, staff=SimpleNamespace(parts=1.0)
    )
    return Packers(play, depot.yard)


def asked(world: World, shop: Channel, depot: Depot, number: str, *lines: Any) -> str:
    """An order whose work lies at the warehouse; its work's key."""
    world.take(shop, order(number, *lines))
    world.release(shop)
    depot.ok()
    return depot.key()


def boxes(packers: Packers) -> list[list[int]]:
    return [sorted(box.values()) for _, box in packers.sent.values()]


def test_work_is_taken_up_then_sent_in_two_parcels_and_judged_sound(
    world: World, shop: Channel, depot: Depot, packers: Packers
) -> None:
    asked(world, shop, depot, "1", line(1, "TEE", 3))
    assert packers.work() == 1
    assert (packers.sent, len(packers.taken)) == ({}, 1)
    depot.ok()
    assert depot.work() == [("OS-1", "accepted")]
    assert packers.work() == 1
    assert boxes(packers) == [[1], [2]]
    assert packers.untold() == {world.order("1").id}, "the store has not heard of it"
    depot.ok()
    assert packers.untold() == set()
    assert packers.work() == 0
    told = judge_depot(world.store, "depot", depot.yard, packers)
    assert (told.location, told.handed, told.taken, told.parcels, told.booked, told.lying) == ("east", 1, 1, 2, 2, 0)
    assert told.problems == []


def test_a_kit_leaves_in_one_parcel_and_is_judged_by_the_kit(
    world: World, shop: Channel, depot: Depot, packers: Packers
) -> None:
    asked(world, shop, depot, "1", line(1, "SET", 2))
    packers.work(), packers.work()
    depot.ok()
    assert boxes(packers) == [[2, 2]]
    told = judge_depot(world.store, "depot", depot.yard, packers)
    assert (told.booked, told.problems) == (1, [])


def test_what_is_declined_is_declined_once_and_only_where_another_location_may_have_it(
    world: World, shop: Channel, depot: Depot, packers: Packers
) -> None:
    only = asked(world, shop, depot, "1", line(1, "VASE-CLAY"))
    other = asked(world, shop, depot, "2", line(1, "TEE"))
    packers.declining = 5
    packers.work(), packers.work()
    assert packers.declined == {other}
    assert [key for key, _ in packers.sent.values()] == [only]
    depot.ok()
    told = judge_depot(world.store, "depot", depot.yard, packers)
    assert (told.declined, told.lying, told.problems) == (1, 0, [])


CALLED_OFF: dict[str, Callable[[World, Packers], Any]] = {
    "held": lambda world, packers: hold(world.store, world.order("1").id, "asked", world.now),
    "cancelled": lambda world, packers: cancel(
        world.store, Decision(world.order("1").id, CancelReason.BUYER, None, notify=False), world.now
    ),
    "cancelled in part": lambda world, packers: cancel(
        world.store, Decision(world.order("1").id, CancelReason.BUYER, {"1": 1}, notify=False), world.now
    ),
    "called off by its buyer": lambda world, packers: packers._play.called_off.add(("shop", "1")),
}


@pytest.mark.parametrize("why", CALLED_OFF)
def test_what_was_called_off_stays_on_the_shelf(
    world: World, shop: Channel, depot: Depot, packers: Packers, why: str
) -> None:
    asked(world, shop, depot, "1", line(1, "TEE", 3))
    packers.work()
    CALLED_OFF[why](world, packers)
    assert (packers.work(), packers.sent) == (0, {})


def test_what_is_left_of_work_that_was_called_back_in_part_is_finished(
    world: World, shop: Channel, depot: Depot, packers: Packers
) -> None:
    asked(world, shop, depot, "1", line(1, "TEE", 3))
    packers.work()
    cancel(world.store, Decision(world.order("1").id, CancelReason.OTHER, units={"1": 1}), world.now)
    assert (packers.work(), packers.sent) == (0, {}), "it is about to be called back"
    depot.ok()
    assert [state for state, _ in depot.recalls()] == ["done"]
    assert packers.work() == 1
    assert boxes(packers) == [[1], [1]]
    depot.ok()
    assert world.counts("1") == {"ordered": 3, "cancelled": 1, "shipped": 2}


def test_each_thing_that_does_not_hold_is_told(world: World, shop: Channel, depot: Depot, packers: Packers) -> None:
    key = asked(world, shop, depot, "1", line(1, "TEE", 3))
    packers.work(), packers.work()
    depot.ok()

    def problems() -> list[str]:
        return judge_depot(world.store, "depot", depot.yard, packers).problems

    assert problems() == []
    sent = dict(packers.sent)
    (tracking, (_, box)), *_ = sent.items()
    number = next(iter(box))
    the_line = world.value("SELECT id FROM lines")
    packers.sent["1Wlost"] = key, {number: 1}
    (lost,) = problems()
    assert lost == f"depot: parcel 1Wlost: 1 of line {the_line} left, nothing booked"
    packers.sent = {**sent, tracking: (key, {number: 2})}
    assert "2 of line" in problems()[0]
    packers.sent = {name: one for name, one in sent.items() if name != tracking}
    assert problems() == [f"depot: parcel {tracking} is booked and did not leave"]
    packers.sent = sent
    packers.declined.add("OS-9")
    assert problems() == ["depot: 1 work order declined there, 0 here"]
    packers.declined.clear()
    depot.yard.works()[key].asked[number] += 1
    assert problems() == [f"depot: work {key} lies there, and nothing here wants it"]
    depot.yard.works()[key].asked[number] -= 1
    depot.yard.garble()
    depot.ok()
    assert problems() == ["depot: 1 notice set aside; see `ordersync warehouse notices`"]
    world.store.transact(lambda tx: tx.run("UPDATE notices SET state = 'settled' WHERE state = 'unread'"))
    world.store.transact(lambda tx: tx.run("UPDATE handovers SET state = 'dropped'"))
    assert problems()[0] == f"depot: work {key} is not both there and here"
    assert judge_depot(world.store, "none", depot.yard, packers).problems == ["the warehouse was never reached"]
