"""Warehouses that need a person: each issue comes and goes with its cause."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.sandbox_warehouse import Yard
from core.model import Ack, AckState, CancelReason
from core.sync.cancel import Decision, cancel
from core.sync.channel import Channel
from core.sync.recall import settle_work
from core.sync.take_notices import settle_notices
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


def asked_to_stop(world: World, depot: Depot, units: int = 1) -> None:
    wish = Decision(order_id=world.order("1").id, reason=CancelReason.BUYER, units={"TEE": units})
    cancel(world.store, wish, world.now)
    depot.yard.slow = True
    depot.ok()


@pytest.mark.parametrize("answer", ["stopped", "too late", "it leaves", "settled"])
def test_a_recall_that_is_never_answered_until_it_is(world: World, shop: Channel, depot: Depot, answer: str) -> None:
    asked_to_stop(world, depot, 3)
    asked = world.now
    world.later(DAY - 1)
    depot.ok(0)
    assert of(seen(world, shop), "recall_unanswered") == []
    world.later(2)
    issue = one(seen(world, shop), "recall_unanswered")
    assert (issue.id, issue.subject, issue.since) == ("recall_unanswered:shop:OS-1", "#1", asked)
    assert issue.deadline == world.order("1").ship_by
    assert issue.cause.startswith("depot was asked to stop 3 TEE of OS-1 and has not answered")
    assert issue.commands[-1] == "ordersync warehouse settle --work OS-1 --why WHY"
    if answer == "it leaves":
        depot.send()
        depot.ok()
        (gone,) = world.rows("SELECT id FROM notices WHERE state = 'refused'")
        settle_notices(world.store, [gone.id], "the buyer keeps it", world.now)
    elif answer == "settled":
        settle_work(world.store, "OS-1", "they say it is stopped", world.now)
        depot.yard.answer_recall("OS-R1", done=False, reason="an answer that comes after all")
    else:
        depot.yard.answer_recall("OS-R1", done=answer == "stopped", reason="packed")
    depot.ok()
    assert of(seen(world, shop), "recall_unanswered") == []
    assert len(of(seen(world, shop), "recall_too_late")) == (answer == "too late")
    assert ("recall seen to" in world.timeline("1")) == (answer == "settled")
    assert depot.work() == [("OS-1", "handed" if answer == "too late" else "recalled")]


def test_two_recalls_of_one_work_that_wait_are_one_issue(world: World, shop: Channel, depot: Depot) -> None:
    asked_to_stop(world, depot)
    asked_to_stop(world, depot)
    world.later(DAY + 1)
    assert "to stop 2 TEE of OS-1" in one(seen(world, shop), "recall_unanswered").cause
    depot.yard.answer_recall("OS-R1", done=True)
    depot.ok()
    assert "to stop 1 TEE of OS-1" in one(seen(world, shop), "recall_unanswered").cause
    depot.yard.answer_recall("OS-R2", done=True)
    depot.ok()
    assert of(seen(world, shop), "recall_unanswered") == []


def test_a_recall_its_warehouse_does_not_take(world: World, shop: Channel, depot: Depot) -> None:
    live = depot.connector.recall
    depot.connector.recall = lambda some: iter([Ack(key=r.key, state=AckState.RETRY, reason="busy") for r in some])
    asked_to_stop(world, depot)
    world.later(DAY + 1)
    depot.ok()
    issue = one(seen(world, shop), "recall_unanswered")
    assert issue.cause == "depot does not take that 1 TEE of OS-1 are to stop, after 2 attempts: busy; ask there"
    depot.connector.recall, depot.yard.slow = live, False
    depot.ok()
    assert of(seen(world, shop), "recall_unanswered") == []


def test_work_that_does_not_get_there(world: World, shop: Channel, depot: Depot) -> None:
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


def test_what_left_without_stock_is_counted_where_its_warehouse_finds_it_as_it_is_here(
    world: World, shop: Channel, depot: Depot
) -> None:
    world.take(shop, order("2", line(1, "TEE", 12, shipped=12)))
    depot.ok()
    assert one(seen(world, shop), "shipped_unstocked").subject == "#2"
    depot.yard.count("E", {"TEE": world.stock("TEE")[0]}, as_of=depot.at())
    depot.ok()
    assert of(seen(world, shop), "shipped_unstocked") == []
