"""Work handed over to a warehouse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from core.errors import Unavailable
from core.model import Ack, AckState, CancelReason
from core.sync.cancel import Decision, cancel
from core.sync.channel import Channel
from core.sync.holds import hold
from core.sync.turn import Trouble
from tests.core.sync.depot import Depot
from tests.core.sync.world import World, line, order


def released(world: World, shop: Channel, number: str = "1", tees: int = 2, mugs: int = 1) -> None:
    lines = [line(1, "TEE", tees), *([line(2, "MUG", mugs)] if mugs else [])]
    world.take(shop, order(number, *lines))
    world.release(shop)


def call_off(world: World, number: str = "1", **units: int) -> Any:
    decision = Decision(order_id=world.order(number).id, reason=CancelReason.BUYER, units=units or None)
    return cancel(world.store, decision, world.now)


def test_what_is_released_is_handed_over_once(world: World, shop: Channel, depot: Depot) -> None:
    released(world, shop)
    assert depot.ok().handed_over == 1
    assert depot.ok().handed_over == 0
    (work,) = depot.yard.works().values()
    assert (work.key, work.place) == ("OS-1", "E")
    assert sorted(work.skus.values()) == ["MUG", "TEE"]
    assert (work.ship_to["name"], work.ship_to["postal_code"]) == ("Ada", "10002")
    assert depot.work() == [("OS-1", "handed")]
    assert "work is handed over" in world.timeline("1")


def test_a_release_wakes_the_warehouse(world: World, shop: Channel, depot: Depot) -> None:
    depot.ok()
    row = world.row("SELECT wanted, done FROM warehouses")
    assert row.wanted == row.done
    released(world, shop)
    row = world.row("SELECT wanted, done FROM warehouses")
    assert row.wanted > row.done


def test_what_was_released_before_the_warehouse_was_connected_is_left_alone(world: World, shop: Channel) -> None:
    world.item("TEE", east=10)
    released(world, shop, mugs=0)
    world.later()
    depot = Depot(world)
    assert depot.ok().handed_over == 0
    depot = Depot(world, hand_over_since=depot.at(-3600))
    assert depot.ok().handed_over == 1


def test_work_of_another_location_is_not_handed_over(world: World, depot: Depot) -> None:
    shop = world.channel(locations={"west": ""})
    world.item("PEN", west=4)
    world.take(shop, order("1", line(1, "PEN")))
    world.release(shop)
    assert depot.ok().handed_over == 0


def test_work_of_a_held_order_waits(world: World, shop: Channel, depot: Depot) -> None:
    released(world, shop)
    world.hold("1")
    assert depot.ok().handed_over == 0
    world.lift("1")
    assert depot.ok().handed_over == 1


def test_a_kit_is_asked_for_as_its_components_in_the_warehouses_own_words(world: World, shop: Channel) -> None:
    world.item("TEE", east=10)
    world.item("MUG", east=10)
    world.kit("SET", {"TEE": 2, "MUG": 1})
    depot = Depot(world, skus={"TEE": "100-T"})
    world.take(shop, order("1", line(1, "SET", 3)))
    world.release(shop)
    depot.ok()
    (work,) = depot.yard.works().values()
    assert {work.skus[number]: units for number, units in work.asked.items()} == {"100-T": 6, "MUG": 3}
    depot.send([{"100-T": 2, "MUG": 1}, {"100-T": 4, "MUG": 2}])
    depot.ok()
    assert world.counts("1") == {"ordered": 3, "shipped": 3}
    assert (world.at("TEE")["east"], world.at("MUG")["east"]) == ((4, 0), (7, 0))
    assert depot.work() == [("OS-1", "done")]


def test_a_part_of_a_kit_is_not_booked_as_a_kit(world: World, shop: Channel) -> None:
    world.item("TEE", east=10)
    world.item("MUG", east=10)
    world.kit("SET", {"TEE": 1, "MUG": 1})
    depot = Depot(world)
    world.take(shop, order("1", line(1, "SET")))
    world.release(shop)
    depot.ok()
    depot.send([{"TEE": 1}])
    assert depot.ok().heard.refused == 1
    assert "no whole kit" in depot.notices()[0][2]
    assert world.counts("1") == {"ordered": 1, "reserved": 1, "allocated": 1}


@pytest.mark.parametrize("ambiguous", [True, False])
def test_an_answer_that_was_lost_is_asked_for_again_under_the_same_key(
    world: World, shop: Channel, depot: Depot, ambiguous: bool
) -> None:
    released(world, shop)
    depot.yard.fail("lost answer" if ambiguous else "unavailable")
    assert isinstance(depot.turn(), Trouble)
    assert depot.work() == [("OS-1", "sent" if ambiguous else "queued")]
    assert len(depot.yard.works()) == ambiguous
    depot.yard.fail(None)
    assert depot.ok().handed_over == 1
    assert list(depot.yard.works()) == ["OS-1"]
    assert depot.work() == [("OS-1", "handed")]


def test_refusals_of_several_orders_lock_their_items_in_one_order(world: World, shop: Channel, depot: Depot) -> None:
    """A booking that holds a later item and waits for an earlier one may wait for ever: `locks_in_order` watches."""
    world.take(shop, order("1", line(1, "MUG")))
    world.take(shop, order("2", line(1, "TEE")))
    world.release(shop)
    depot.yard.unknown = {"TEE", "MUG"}
    depot.ok()
    assert [state for _, state in depot.work()] == ["refused"] * 2
    assert world.counts("2") == {"ordered": 1, "reserved": 1}


def test_what_was_in_doubt_when_the_process_died_is_handed_over_again(
    world: World, shop: Channel, depot: Depot
) -> None:
    released(world, shop)

    class Killed(BaseException):
        pass

    def die(orders: object) -> Iterator[Ack]:
        raise Killed

    live = depot.connector.release
    depot.connector.release = die
    with pytest.raises(Killed):
        depot.turn()
    assert depot.work() == [("OS-1", "sent")]
    depot.connector.release = live
    assert depot.ok().handed_over == 1


@pytest.mark.parametrize("what", ["cancelled", "held"])
@pytest.mark.parametrize("asked", ["it is down", "not now"])
def test_what_is_not_to_be_sent_by_now_is_not_handed_over_after_an_outage(
    world: World, shop: Channel, depot: Depot, what: str, asked: str
) -> None:
    released(world, shop)
    live = depot.connector.release
    if asked == "not now":
        depot.connector.release = lambda orders: iter([Ack(key=one.key, state=AckState.RETRY) for one in orders])
    else:
        depot.yard.fail("unavailable")
    depot.turn()
    assert world.row("SELECT state, attempts FROM handovers") == ("queued", 1)
    if what == "held":
        world.hold("1")
    else:
        call_off(world)
    depot.yard.fail(None)
    depot.connector.release = live
    assert depot.ok().handed_over == 0
    assert depot.yard.works() == {}
    assert depot.work() == [("OS-1", "dropped")]
    if what == "held":
        world.lift("1")
        assert depot.ok().handed_over == 1
        assert depot.work() == [("OS-1", "dropped"), ("OS-1-2", "handed")]


@pytest.mark.parametrize("then", ["down", "not now"])
def test_what_may_have_arrived_stays_in_doubt_until_it_is_answered_for(
    world: World, shop: Channel, depot: Depot, then: str
) -> None:
    released(world, shop)
    live = depot.connector.release
    depot.yard.fail("lost answer")
    depot.turn()
    assert list(depot.yard.works()) == ["OS-1"]
    depot.yard.fail("unavailable" if then == "down" else None)
    if then == "not now":
        depot.connector.release = lambda orders: iter([Ack(key=one.key, state=AckState.RETRY) for one in orders])
    depot.turn()
    assert depot.work() == [("OS-1", "sent")]
    call_off(world)
    depot.yard.fail(None)
    depot.connector.release = live
    assert depot.ok().recalled == 1
    assert depot.work() == [("OS-1", "recalled")]


def test_what_may_have_arrived_is_not_handed_over_again_while_its_order_is_held(
    world: World, shop: Channel, depot: Depot
) -> None:
    released(world, shop)

    def lost(orders: object) -> Iterator[Ack]:
        raise Unavailable("it broke off", ambiguous=True)

    live = depot.connector.release
    depot.connector.release = lost
    depot.turn()
    depot.connector.release = live
    world.hold("1")
    for _ in range(2):
        assert depot.ok().handed_over == 0
        assert world.value("SELECT wake_at FROM warehouses") > world.now
    assert depot.yard.works() == {}
    world.lift("1")
    assert depot.ok().handed_over == 1
    assert depot.work() == [("OS-1", "handed")]


@pytest.mark.parametrize("arrived", [True, False])
def test_what_may_have_arrived_and_is_asked_back_by_a_hold_is_called_back(
    world: World, shop: Channel, depot: Depot, arrived: bool
) -> None:
    released(world, shop)
    live = depot.connector.release

    def lost(orders: Any) -> Iterator[Ack]:
        if arrived:
            list(live(orders))
        raise Unavailable("it broke off", ambiguous=True)

    depot.connector.release = lost
    depot.turn()
    depot.connector.release = live
    assert depot.work() == [("OS-1", "sent")]
    hold(world.store, world.order("1").id, "the buyer called", world.now, recall=True)
    assert depot.ok().recalled == 1
    assert depot.work() == [("OS-1", "recalled")]
    assert all(work.open(line) == 0 for work in depot.yard.works().values() for line in work.asked)
    assert depot.ok().handed_over == 0


def test_what_is_called_off_while_others_are_handed_over_is_left_out(
    world: World, shop: Channel, depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.sync.hand_over.BATCH", 1)
    released(world, shop, "1")
    released(world, shop, "2")
    live = depot.connector.release

    def slow(orders: Any) -> Iterator[Ack]:
        if orders[0].key == "OS-1":
            call_off(world, "2")
        yield from live(orders)

    depot.connector.release = slow
    assert depot.ok().handed_over == 1
    assert list(depot.yard.works()) == ["OS-1"]
    assert depot.work() == [("OS-1", "handed"), ("OS-2", "dropped")]


def test_refused_work_goes_back_to_its_order(world: World, shop: Channel, depot: Depot) -> None:
    depot.yard.unknown.add("TEE")
    released(world, shop, "1")
    released(world, shop, "2", tees=1, mugs=0)
    released(world, shop, "3", tees=1, mugs=1)
    depot.yard.unknown.discard("TEE")
    depot.yard.unknown.add("MUG")
    assert depot.ok().handed_over == 1
    assert [state for _, state in depot.work()] == ["refused", "handed", "refused"]
    assert world.counts("1") == {"ordered": 2, "reserved": 2}
    assert world.counts("2") == {"ordered": 1, "reserved": 1, "allocated": 1}
    assert any("is refused" in event for event in world.timeline("1"))


def test_an_unanswered_work_order_is_a_bug_that_is_told(world: World, shop: Channel, depot: Depot) -> None:
    released(world, shop)
    depot.connector.release = lambda orders: iter(())
    trouble = depot.turn()
    assert isinstance(trouble, Trouble)
    assert trouble.parked
    assert "left 1 work orders unanswered" in trouble.reason


def test_work_that_is_to_be_retried_waits(world: World, shop: Channel, depot: Depot) -> None:
    released(world, shop)
    live = depot.connector.release
    depot.connector.release = lambda orders: iter([Ack(key=one.key, state=AckState.RETRY) for one in orders])
    assert depot.ok().handed_over == 0
    assert world.row("SELECT wake_at FROM warehouses").wake_at == world.now + 30_000_000
    depot.connector.release = live
    assert depot.ok(10).handed_over == 0
    assert depot.ok(30).handed_over == 1


def test_a_warehouse_that_is_told_nothing_only_listens(world: World, shop: Channel) -> None:
    world.item("TEE", east=10)
    depot = Depot(world, hand_over=False)
    released(world, shop, mugs=0)
    depot.yard.adjust("E", "TEE", -1, "broken", at=depot.at())
    done = depot.ok()
    assert (done.handed_over, done.heard.taken) == (0, 1)
    assert world.stock("TEE") == (9, 2)
    assert "tell it" in (call_off(world) and world.value("SELECT detail FROM audit WHERE event = 'cancelled here'"))


def test_an_outage_is_the_warehouses_own_and_ends(world: World, shop: Channel, depot: Depot) -> None:
    depot.yard.fail("unavailable")
    trouble = depot.turn()
    assert isinstance(trouble, Trouble)
    assert not trouble.parked
    row = world.row("SELECT * FROM warehouses")
    assert (row.health, row.fails) == ("unavailable", 1)
    assert world.channel_row().health == "ok"
    depot.yard.fail("unauthorized")
    trouble = depot.turn()
    assert isinstance(trouble, Trouble)
    assert trouble.parked
    depot.yard.fail(None)
    depot.ok()
    row = world.row("SELECT * FROM warehouses")
    assert (row.health, row.fails, row.outage_since) == ("ok", 0, None)


def test_a_worker_that_was_overtaken_commits_nothing(world: World, shop: Channel, depot: Depot) -> None:
    released(world, shop)
    live = depot.connector.release

    def overtaken(orders: Any) -> Iterator[Ack]:
        depot.take_up()
        yield from live(orders)

    depot.connector.release = overtaken
    trouble = depot.turn()
    assert isinstance(trouble, Trouble)
    assert "taken this warehouse over" in trouble.reason
    assert depot.work() == [("OS-1", "sent")]


def test_what_cannot_be_read_now_keeps_no_work_from_being_handed_over(
    world: World, shop: Channel, depot: Depot
) -> None:
    released(world, shop)

    def out(cursor: object) -> Iterator[Any]:
        raise Unavailable("no answer")

    depot.connector.events = out
    assert isinstance(depot.turn(), Trouble)
    assert depot.work() == [("OS-1", "handed")]


def test_however_much_was_released_all_of_it_goes_out_in_one_turn(
    world: World, shop: Channel, depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.sync import hand_over

    monkeypatch.setattr(hand_over, "MOST", 2)
    world.take(shop, *(order(str(n), line(1, "TEE")) for n in range(5)))
    world.release(shop)
    assert depot.ok().handed_over == 5


def test_a_spent_budget_is_a_wait_and_no_outage(world: World, shop: Channel, depot: Depot) -> None:
    from core.errors import Throttled

    released(world, shop)

    def spent(cursor: object) -> Iterator[Any]:
        raise Throttled("the budget is spent", after=90)

    depot.connector.events = spent
    assert depot.ok().handed_over == 1
    row = world.row("SELECT * FROM warehouses")
    assert (row.health, row.wake_at) == ("ok", world.now + 90_000_000)
