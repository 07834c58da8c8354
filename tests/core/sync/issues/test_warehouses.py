"""Warehouses that need a person: each issue comes and goes with its cause."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.sandbox_warehouse import Yard
from core.model import CancelReason
from core.sync.cancel import Decision, cancel
from core.sync.channel import Channel
from tests.core.sync.depot import Depot
from tests.core.sync.issues.seen import of, one, seen
from tests.core.sync.world import World, line, order

DAY = 86_400


@pytest.fixture
def shop(world: World) -> Channel:
    world.item("TEE", east=10)
    return world.channel(locations={"east": ""})


@pytest.fixture
def depot(world: World, shop: Channel) -> Iterator[Depot]:
    made = Depot(world)
    world.take(shop, order("1", line(1, "TEE", 3)))
    world.release(shop)
    made.ok()
    yield made
    Yard.forget("depot")


def test_a_warehouse_that_does_not_answer(world: World, shop: Channel, depot: Depot) -> None:
    depot.yard.fail("unavailable")
    depot.turn()
    assert of(seen(world, shop), "warehouse_down") == []
    world.later(11 * 60)
    issue = one(seen(world, shop), "warehouse_down")
    assert (issue.subject, issue.commands) == ("depot", ("ordersync round depot",))
    depot.yard.fail("unauthorized")
    depot.turn()
    assert "refused the credentials" in one(seen(world, shop), "warehouse_down").cause
    depot.yard.fail(None)
    depot.ok()
    assert of(seen(world, shop), "warehouse_down") == []


def test_a_notice_that_is_set_aside_until_it_is_corrected(world: World, shop: Channel, depot: Depot) -> None:
    depot.send([{"TEE": 5}])
    depot.yard.garble()
    depot.ok()
    over, torn = of(seen(world, shop), "notice_set_aside")
    assert "cannot be booked: OS-1: 5 of TEE left" in over.cause
    assert over.commands[0] == f"ordersync order {world.order('1').id}"
    assert over.commands[1].startswith("ordersync warehouse retry ")
    assert "cannot be read" in torn.cause
    depot.yard._events.append(depot.yard._events[0].replace(b":5}", b":3}"))
    depot.ok()
    assert [issue.cause for issue in of(seen(world, shop), "notice_set_aside")] == [torn.cause]


def test_a_recall_that_came_too_late_until_it_has_left(world: World, shop: Channel, depot: Depot) -> None:
    cancel(world.store, Decision(order_id=world.order("1").id, reason=CancelReason.BUYER, units={"TEE": 1}), world.now)
    depot.yard.slow = True
    depot.ok()
    assert of(seen(world, shop), "recall_too_late") == []
    depot.yard.answer_recall("OS-R1", done=False, reason="packed")
    depot.ok()
    issue = one(seen(world, shop), "recall_too_late")
    assert (issue.channel, issue.subject, issue.cause) == ("shop", "#1", "depot sends OS-1 all the same: packed")
    number = depot.number("TEE")
    depot.yard.send("OS-1", [("1Z1", {number: 2})], at=depot.at())
    depot.yard.decline("OS-1", {number: 1})
    depot.ok()
    assert of(seen(world, shop), "recall_too_late") == []


def test_work_that_does_not_get_there(world: World, shop: Channel, depot: Depot) -> None:
    from core.model import Ack, AckState

    depot.connector.release = lambda orders: iter([Ack(key=o.key, state=AckState.RETRY, reason="full") for o in orders])
    world.take(shop, order("2", line(1, "TEE")))
    world.release(shop)
    depot.ok()
    assert of(seen(world, shop), "work_stuck") == []
    world.later(2 * DAY)
    depot.ok()
    assert "OS-2 is queued for depot after 2 attempts: full" in one(seen(world, shop), "work_stuck").cause
    del depot.connector.release
    depot.ok()
    assert of(seen(world, shop), "work_stuck") == []


def test_a_shelf_in_doubt_until_the_parcel_is_told(world: World, shop: Channel, depot: Depot) -> None:
    depot.yard.count("E", {"TEE": 1}, as_of=depot.at())
    left = depot.at(-30)
    depot.ok()
    assert of(seen(world, shop), "shelf_in_doubt") == []
    world.later(2 * DAY)
    issue = one(seen(world, shop), "shelf_in_doubt")
    assert issue.cause == "depot counts 1, 2 fewer than it was asked to send and has not sent"
    depot.yard.send("OS-1", [("1Z1", {depot.number("TEE"): 3})], at=left)
    depot.ok()
    assert of(seen(world, shop), "shelf_in_doubt") == []
    assert world.stock("TEE") == (1, 0)  # what was counted: the parcel had left by then
