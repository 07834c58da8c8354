"""Work called back from the warehouse it was handed over to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from core.model import Ack
from core.sync.channel import Channel
from core.sync.recall import end_recall, settle_work
from core.sync.turn import Trouble
from tests.core.sync.depot import Depot
from tests.core.sync.test_hand_over import call_off, released
from tests.core.sync.world import World, edited, line, order


def test_a_cancelled_order_that_was_not_handed_over_never_is(world: World, shop: Channel, depot: Depot) -> None:
    released(world, shop)
    call_off(world)
    assert depot.ok().handed_over == 0
    assert depot.work() == []


def test_work_queued_and_cancelled_meanwhile_is_dropped(world: World, shop: Channel, depot: Depot) -> None:
    released(world, shop)
    depot.yard.fail("unavailable")
    depot.turn()
    world.store.transact(lambda tx: tx.run("UPDATE handovers SET attempts = 0"))
    call_off(world, TEE=1)
    depot.yard.fail(None)
    assert depot.ok().handed_over == 1
    assert depot.work() == [("OS-1", "dropped"), ("OS-1-2", "handed")]
    assert sum(depot.yard.works()["OS-1-2"].asked.values()) == 2


def test_a_cancelled_order_is_called_back(world: World, shop: Channel, depot: Depot) -> None:
    released(world, shop)
    depot.ok()
    done = call_off(world)
    assert done.recalled == {"east": 3}
    told = world.value("SELECT detail FROM audit WHERE event = 'cancelled here'")
    assert "east was asked for 3 already: it is asked to stop" in told
    row = world.row("SELECT wanted, done FROM warehouses")
    assert row.wanted > row.done
    assert depot.ok().recalled == 1
    (work,) = depot.yard.works().values()
    assert [work.open(number) for number in work.asked] == [0, 0]
    assert depot.work() == [("OS-1", "recalled")]
    assert "called back" in world.timeline("1")
    assert depot.ok().recalled == 0


def test_some_units_of_it_are_called_back_and_the_rest_is_sent(world: World, shop: Channel, depot: Depot) -> None:
    released(world, shop)
    depot.ok()
    call_off(world, TEE=1)
    depot.ok()
    (work,) = depot.yard.works().values()
    assert {work.skus[number]: work.open(number) for number in work.asked} == {"TEE": 1, "MUG": 1}
    depot.send()
    assert depot.ok().recalled == 0
    assert depot.work() == [("OS-1", "done")]
    assert world.counts("1") == {"ordered": 2, "cancelled": 1, "shipped": 1}


def test_where_only_all_can_be_called_back_the_rest_is_handed_over_anew(
    world: World, shop: Channel, depot: Depot
) -> None:
    from core.warehouse import Deed

    depot.connector.abilities = depot.connector.abilities - {Deed.RECALL_UNITS}
    released(world, shop, tees=3)
    depot.ok()
    depot.send([{"TEE": 1}])
    call_off(world, TEE=1)
    assert depot.ok().handed_over == 1
    assert depot.work() == [("OS-1", "done"), ("OS-1-2", "handed")]
    assert depot.ok().handed_over == 0
    assert sorted(depot.yard.works()["OS-1-2"].asked.values()) == [1, 1]
    depot.send()
    assert depot.ok().recalled == 0
    assert world.counts("1") == {"ordered": 3, "cancelled": 1, "shipped": 2}
    assert depot.work()[-1] == ("OS-1-2", "done")


def test_what_the_channel_cancels_is_called_back_too(world: World, shop: Channel, depot: Depot) -> None:
    released(world, shop, mugs=0)
    depot.ok()
    world.take(shop, edited(order("1", line(1, "TEE", 2, cancelled=2))))
    assert depot.ok().recalled == 1
    assert depot.work() == [("OS-1", "recalled")]


def test_promises_taken_back_are_called_back_too(world: World, shop: Channel, depot: Depot) -> None:
    from core.sync.stock import count

    released(world, shop, tees=8, mugs=0)
    depot.ok()
    (lost,) = count(world.store, "TEE", "east", 5, world.now).taken_back
    assert (lost.recalled, lost.stopping) == (3, 3)
    told = world.value("SELECT detail FROM audit WHERE event = 'promise taken back'")
    assert "3 of them already asked for: the warehouse is asked to stop" in told
    assert depot.ok().recalled == 1
    (work,) = depot.yard.works().values()
    assert [work.open(number) for number in work.asked] == [5]


def test_too_late_is_told_and_not_asked_again(world: World, shop: Channel, depot: Depot) -> None:
    released(world, shop, mugs=0)
    depot.ok()
    depot.yard.slow = True
    call_off(world)
    assert depot.ok().recalled == 1
    assert [state for state, _ in depot.recalls()] == ["asked"]
    depot.yard.answer_recall("OS-R1", done=False, reason="on the truck")
    assert depot.ok().recalled == 0
    assert [state for state, _ in depot.recalls()] == ["refused"]
    assert "too late to call back" in world.timeline("1")
    depot.send()
    assert depot.ok().heard.refused == 1
    kind, state, reason = depot.notices()[-1]
    assert (kind, state) == ("left", "refused")
    assert "has 0 reserved" in reason
    assert world.counts("1") == {"ordered": 2, "cancelled": 2}


def test_a_recall_that_people_answer_later(world: World, shop: Channel, depot: Depot) -> None:
    released(world, shop)
    depot.ok()
    depot.yard.slow = True
    call_off(world)
    depot.ok()
    assert depot.ok().recalled == 0
    depot.yard.answer_recall("OS-R1", done=True)
    depot.yard.repeat()
    depot.ok()
    assert depot.work() == [("OS-1", "recalled")]
    assert world.timeline("1").count("called back") == 1


def test_an_answer_that_comes_as_a_person_sees_to_it_is_counted_once(world: World, shop: Channel, depot: Depot) -> None:
    """Whoever booked it had read the recall before the person settled it."""
    depot.yard.slow = True
    released(world, shop, tees=3)
    depot.ok()
    call_off(world, TEE=1)
    depot.ok()
    house, row = depot.take_up(), world.row("SELECT * FROM recalls")
    settle_work(world.store, "OS-1", "asked by telephone", world.now)
    world.store.transact(lambda tx: end_recall(tx, house, row, True, "", world.now))
    assert world.value("SELECT sum(withdrawn) FROM handover_lines") == 1
    assert "called back" not in world.timeline("1")


@pytest.mark.parametrize("arrived", [True, False])
def test_a_recall_in_doubt_when_the_process_died_is_asked_for_again_under_its_key(
    world: World, shop: Channel, depot: Depot, arrived: bool
) -> None:
    released(world, shop)
    depot.ok()
    call_off(world, TEE=1)

    class Killed(BaseException):
        pass

    live, keys = depot.connector.recall, []

    def die(recalls: Any) -> Iterator[Ack]:
        keys.extend(one.key for one in recalls)
        if arrived:
            list(live(recalls))
        raise Killed

    depot.connector.recall = die
    with pytest.raises(Killed):
        depot.turn()
    assert [state for state, _ in depot.recalls()] == ["sent"]
    depot.connector.recall = lambda recalls: (keys.extend(one.key for one in recalls), live(recalls))[1]
    assert depot.ok().recalled == 1
    assert keys == ["OS-R1", "OS-R1"]
    (work,) = depot.yard.works().values()
    assert {work.skus[number]: work.open(number) for number in work.asked} == {"TEE": 1, "MUG": 1}
    assert world.rows("SELECT withdrawn FROM handover_lines WHERE withdrawn > 0") == [(1,)]


def test_a_recall_whose_answer_was_lost_is_asked_for_again(world: World, shop: Channel, depot: Depot) -> None:
    released(world, shop)
    depot.ok()
    call_off(world)
    depot.yard.fail("lost answer")
    assert isinstance(depot.turn(), Trouble)
    depot.yard.fail(None)
    assert depot.ok().recalled == 1
    assert depot.work() == [("OS-1", "recalled")]
    assert len(depot.recalls()) == 1


def test_nothing_is_called_back_that_left_by_hand(world: World, shop: Channel, depot: Depot) -> None:
    released(world, shop)
    depot.ok()
    world.ship("1", "east", "HAND-1")
    done = depot.ok()
    assert (done.recalled, depot.work()) == (0, [("OS-1", "done")])


def test_what_a_hold_asks_back_is_called_back_by_the_connector(world: World, shop: Channel, depot: Depot) -> None:
    from core.sync.holds import hold

    released(world, shop, mugs=0)
    depot.ok()
    held = hold(world.store, world.order("1").id, "the buyer called", world.now, recall=True)
    assert (held.recalled, held.asked_to_stop) == ({"east": 2}, {"east"})
    assert "2 asked back from east: it is asked to stop" in world.value("SELECT detail FROM audit WHERE event = 'held'")
    assert depot.ok().recalled == 1
    assert depot.work() == [("OS-1", "recalled")]
    assert depot.ok().handed_over == 0


def test_rerouted_work_is_called_back_at_once(world: World, depot: Depot) -> None:
    from core.sync.reject import reroute

    both = world.channel(locations={"east": "", "west": ""})
    world.item("PEN", east=2, west=2)
    world.take(both, order("9", line(1, "PEN", 2)))
    world.release(both)
    depot.ok()
    reroute(world.store, world.order("9").id, "operator", world.now, away_from="east", recall=True)
    row = world.row("SELECT wanted, done FROM warehouses")
    assert row.wanted > row.done
    assert depot.ok().recalled == 1
    assert depot.work() == [("OS-1", "recalled")]
    assert depot.ok().handed_over == 0
