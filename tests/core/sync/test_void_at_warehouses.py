"""A parcel of a warehouse that never left: it is asked to stop before anything is asked for anew; nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from connectors.sandbox_warehouse import Yard
from core.errors import UserError
from core.model import CancelReason
from core.sync.cancel import Decision, cancel
from core.sync.channel import Channel
from core.sync.recall import settle_work
from core.sync.take_notices import settle_notices
from core.sync.turn import Trouble
from core.sync.void import Void, Voided, void
from core.warehouse import Deed
from tests.core.sync.depot import Depot
from tests.core.sync.issues.seen import of, one, seen
from tests.core.sync.world import World, line, order


@pytest.fixture
def depot(world: World, shop: Channel) -> Iterator[Depot]:
    world.item("TEE", east=10)
    made = Depot(world)
    world.take(shop, order("1", line(1, "TEE", 3)))
    world.release(shop)
    made.ok()
    yield made
    Yard.forget("depot")


def wish(world: World) -> Void:
    """The newest parcel never left."""
    tracking = world.value("SELECT tracking FROM shipments WHERE id = (SELECT max(id) FROM shipments)")
    return Void(world.order("1").id, tracking, "label bought twice")


def take_out(world: World, shop: Channel) -> Voided:
    """It is void, and what is to leave is routed anew and released."""
    done = void(world.store, wish(world), world.now)
    world.refill(shop)
    world.release(shop)
    return done


def relabelled(depot: Depot) -> None:
    """All of the first work leaves with a new label."""
    (number,) = depot.yard.works()["OS-1"].asked
    depot.yard.send("OS-1", [("1ZNEW", {number: 3})], at=depot.at())


def open_there(depot: Depot) -> dict[str, int]:
    """Units the warehouse would still send, by work."""
    return {key: sum(work.open(number) for number in work.asked) for key, work in depot.yard.works().items()}


def unpacked(depot: Depot) -> None:
    """The warehouse took the parcel apart: what was sent is open there."""
    work = depot.yard.works()["OS-1"]
    work.sent.update(dict.fromkeys(work.sent, 0))


def test_work_that_was_unpacked_is_called_back_before_it_is_handed_over_anew(
    world: World, shop: Channel, depot: Depot
) -> None:
    depot.send()
    depot.ok()
    assert depot.work() == [("OS-1", "done")]
    unpacked(depot)
    done = take_out(world, shop)
    assert (done.handed, done.stopping) == (True, True)
    assert "east may send it once more: it is asked to stop" in world.value(
        "SELECT detail FROM audit WHERE event = 'parcel voided'"
    )
    row = world.row("SELECT wanted, done FROM warehouses")
    assert row.wanted > row.done
    depot.ok()
    assert depot.work() == [("OS-1", "recalled"), ("OS-2", "handed")]
    assert open_there(depot) == {"OS-1": 0, "OS-2": 3}
    depot.send()
    depot.ok()
    assert world.counts("1") == {"ordered": 3, "shipped": 3}
    assert world.at("TEE")["east"] == (7, 0)
    assert depot.work() == [("OS-1", "recalled"), ("OS-2", "done")]


def test_nothing_is_handed_over_anew_before_the_warehouse_was_asked_to_stop(
    world: World, shop: Channel, depot: Depot
) -> None:
    depot.send()
    depot.ok()
    unpacked(depot)
    take_out(world, shop)
    depot.yard.fail("unavailable")
    assert isinstance(depot.turn(), Trouble)
    depot.yard.fail(None)
    recall = depot.connector.recall

    def refuses(recalls: object) -> Iterator[object]:
        depot.yard.fail("unavailable")
        try:
            yield from recall(recalls)
        finally:
            depot.yard.fail(None)

    depot.connector.recall = refuses
    assert isinstance(depot.turn(), Trouble)
    assert depot.work() == [("OS-1", "accepted")]
    depot.connector.recall = recall
    depot.ok()
    assert depot.work() == [("OS-1", "recalled"), ("OS-2", "handed")]


def test_what_is_too_late_to_stop_is_an_issue_until_somebody_has_seen_to_it(
    world: World, shop: Channel, depot: Depot
) -> None:
    depot.send()
    depot.ok()
    take_out(world, shop)
    depot.ok()
    assert depot.work() == [("OS-1", "accepted"), ("OS-2", "handed")]
    issue = one(seen(world, shop), "recall_too_late")
    assert issue.cause == "depot sends OS-1 all the same: it has left already"
    assert issue.commands[-1] == "ordersync warehouse settle --work OS-1 --why WHY"
    depot.send()
    depot.ok()
    assert world.counts("1") == {"ordered": 3, "shipped": 3}
    assert of(seen(world, shop), "recall_too_late")
    settle_work(world.store, "OS-1", "it is here", world.now)
    with pytest.raises(UserError, match="nothing of work OS-1 was too late"):
        settle_work(world.store, "OS-1", "it is here", world.now)
    assert "too late, and seen to" in world.timeline("1")
    assert of(seen(world, shop), "recall_too_late") == []
    assert depot.work() == [("OS-1", "recalled"), ("OS-2", "done")]
    relabelled(depot)
    assert depot.ok().heard.refused == 1
    assert "3 of TEE left, and 3 were asked for, of which 0 left before and 3 withdrawn" in depot.notices()[-1][2]


def test_what_leaves_by_the_old_work_after_all_is_booked_and_the_new_work_called_back(
    world: World, shop: Channel, depot: Depot
) -> None:
    depot.send()
    depot.ok()
    take_out(world, shop)
    depot.ok()
    relabelled(depot)
    depot.ok()
    assert world.counts("1") == {"ordered": 3, "shipped": 3}
    assert world.at("TEE")["east"] == (7, 0)
    assert depot.work() == [("OS-1", "done"), ("OS-2", "recalled")]
    assert open_there(depot)["OS-2"] == 0


@pytest.mark.parametrize("by_units", [True, False])
@pytest.mark.parametrize("parted", [True, False])
def test_of_a_parcel_of_some_units_the_rest_is_sent_once(
    world: World, shop: Channel, depot: Depot, parted: bool, by_units: bool
) -> None:
    """Whether or not the warehouse still counts the void unit as sent."""
    if not by_units:
        depot.connector.abilities = depot.connector.abilities - {Deed.RECALL_UNITS}
    depot.send([{"TEE": 1}])
    depot.ok()
    if parted:
        unpacked(depot)
    take_out(world, shop)
    for _ in range(3):
        depot.ok()
    assert sum(open_there(depot).values()) == 3
    for nth, work in enumerate(depot.yard.works().values()):
        if any(work.open(number) for number in work.asked):
            depot.send(nth=nth)
            depot.ok()
    assert world.counts("1") == {"ordered": 3, "shipped": 3}
    assert sum(open_there(depot).values()) == 0
    assert world.at("TEE")["east"] == (7, 0)


def test_what_leaves_before_it_is_called_back_is_not_called_back_with_the_rest(
    world: World, shop: Channel, depot: Depot
) -> None:
    depot.send([{"TEE": 2}])
    depot.ok()
    unpacked(depot)
    take_out(world, shop)
    depot.send([{"TEE": 2}], nth=0)  # with a new label, before our turn
    depot.ok()
    assert [state for state, _ in depot.recalls()] == ["done"]
    world.refill(shop)
    world.release(shop)
    depot.ok()
    assert sum(open_there(depot).values()) == 1
    assert world.counts("1") == {"ordered": 3, "shipped": 2, "reserved": 1, "allocated": 1}


def test_what_was_booked_by_hand_and_never_told_is_called_back(world: World, shop: Channel, depot: Depot) -> None:
    world.ship("1")
    depot.ok()
    assert depot.work() == [("OS-1", "done")]
    done = take_out(world, shop)
    assert (done.handed, done.stopping) == (True, True)
    depot.ok()
    depot.ok()
    assert depot.work() == [("OS-1", "recalled"), ("OS-2", "handed")]
    assert open_there(depot) == {"OS-1": 0, "OS-2": 3}


def test_what_the_warehouse_told_of_other_parcels_stays_told(world: World, shop: Channel, depot: Depot) -> None:
    depot.send([{"TEE": 1}])
    depot.ok()
    world.ship("1", tracking="HAND", TEE=2)
    depot.ok()
    done = void(world.store, Void(world.order("1").id, "HAND", "it was another order's"), world.now)
    assert done.units == {"1": 2}
    assert world.value("SELECT shipped FROM handover_lines") == 1


def test_where_nobody_can_be_asked_people_have_to_tell_it(world: World, shop: Channel, depot: Depot) -> None:
    depot.connector.abilities = depot.connector.abilities - {Deed.RECALL, Deed.RECALL_UNITS}
    depot.send()
    depot.ok()
    done = take_out(world, shop)
    assert (done.handed, done.stopping) == (True, False)
    assert "east may send it once more: tell it" in world.value(
        "SELECT detail FROM audit WHERE event = 'parcel voided'"
    )
    depot.ok()
    assert depot.work() == [("OS-1", "done"), ("OS-2", "handed")]
    relabelled(depot)
    depot.ok()
    assert world.counts("1") == {"ordered": 3, "shipped": 3}


def test_a_kit_told_in_its_parts_is_open_again_in_its_parts(world: World) -> None:
    world.item("CUP", east=10)
    world.item("BOX", east=10)
    world.kit("SET", {"CUP": 2, "BOX": 1})
    shop = world.channel(locations={"east": ""})
    depot = Depot(world)
    world.take(shop, order("1", line(1, "SET", 2)))
    world.release(shop)
    depot.ok()
    depot.send()
    depot.ok()
    take_out(world, shop)
    rows = world.rows("SELECT sku, shipped FROM handover_lines ORDER BY sku")
    assert [tuple(row) for row in rows] == [("BOX", 0), ("CUP", 0)]
    depot.ok()
    ((_, lines),) = depot.recalls()
    assert sorted(msgspec.json.decode(lines, type=dict[str, int]).values()) == [2, 4]
    assert sum(open_there(depot).values()) == 6
    Yard.forget("depot")


def test_a_parcel_that_was_too_late_to_call_back_and_is_seen_to_is_no_issue_any_more(
    world: World, shop: Channel, depot: Depot
) -> None:
    cancel(world.store, Decision(world.order("1").id, CancelReason.BUYER), world.now)
    depot.yard.slow = True
    depot.ok()
    depot.yard.answer_recall("OS-R1", done=False, reason="on the truck")
    depot.ok()
    depot.send()
    assert depot.ok().heard.refused == 1
    assert of(seen(world, shop), "recall_too_late")
    notice = world.value("SELECT id FROM notices WHERE state = 'refused'")
    settle_notices(world.store, [notice], "the buyer keeps it", world.now)
    assert of(seen(world, shop), "recall_too_late") == []
    assert depot.work() == [("OS-1", "recalled")]
    assert depot.ok().recalled == 0


def test_a_void_parcel_that_was_booked_by_hand_was_of_the_work_at_its_location(world: World) -> None:
    """Its warehouse told of it at another instant than the operator: which work it was of shows by where it left."""
    world.item("TEE", east=1, west=2)
    shop = world.channel()
    depot = Depot(world, locations={"east": "E", "west": "W"})
    world.take(shop, order("1", line(1, "TEE", 3)))
    world.release(shop)
    depot.ok()
    assert [work.place for work in depot.yard.works().values()] == ["E", "W"]
    number = depot.number()
    world.ship("1", "east", tracking="T1", TEE=1)
    world.later()
    depot.yard.send("OS-1", [("T1", {number: 1})], at=depot.at(-30))
    depot.yard.send("OS-2", [("T2", {number: 1})], at=depot.at())
    depot.ok()
    void(world.store, Void(world.order("1").id, "T1", "label bought twice"), world.now)
    sent = world.rows(
        "SELECT h.key, l.shipped FROM handover_lines l JOIN handovers h ON h.id = l.handover_id ORDER BY h.id"
    )
    assert [tuple(row) for row in sent] == [("OS-1", 0), ("OS-2", 1)]
    Yard.forget("depot")
