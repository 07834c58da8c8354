"""A parcel that never left: its units come back once, and what its channel goes on showing is never taken for more."""

from __future__ import annotations

import pytest

from core.errors import UserError
from core.model import Fulfiller, Package
from core.sync.channel import Channel
from core.sync.correct import Correction, correct
from core.sync.push import push_tracking
from core.sync.verify import CHECKS, verify
from core.sync.void import Void, Voided, void
from tests.core.sync.corrupt import corrupting
from tests.core.sync.world import World, connector, edited, line, order


@pytest.fixture
def shop(world: World) -> Channel:
    world.item("A", east=5, west=5)
    return world.channel()


def take_out(world: World, number: str = "1", tracking: str = "T1", why: str = "label bought twice") -> Voided:
    return void(world.store, Void(order_id=world.order(number).id, tracking=tracking, why=why), world.now)


def shown(*numbers: str, units: int = 2) -> tuple[Package, ...]:
    return tuple(Package(tracking=number, carrier="UPS", lines={"1": units}) for number in numbers)


def test_units_are_on_hand_and_promised_again_and_are_routed_anew(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 3)))
    world.release(shop)
    world.ship("1", A=2)
    done = take_out(world)
    assert (done.new, done.location, done.units, done.shown) == (True, "east", {"1": 2}, False)
    assert world.counts("1") == {"ordered": 3, "reserved": 3, "allocated": 1}
    assert world.at("A") == {"east": (5, 1), "west": (5, 0)}
    assert world.stock("A") == (10, 3)
    assert world.work("1") == [("east", "released", 1, 0)]
    assert world.row("SELECT state, reason FROM pushes") == ("dropped", "the parcel is void")
    assert world.timeline("1")[-1] == "parcel voided"
    world.refill(shop)
    assert world.counts("1") == {"ordered": 3, "reserved": 3, "allocated": 3}


def test_a_parcel_is_void_once(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 2)))
    first, _ = world.ship("1")
    assert take_out(world).new
    again = take_out(world)
    assert (again.new, again.shipment, again.units) == (False, first, {})
    assert world.stock("A") == (10, 2)
    assert world.work("1") == [("east", "cancelled", 0, 0)]
    assert world.timeline("1").count("parcel voided") == 1


def test_the_same_units_leave_again_under_another_number(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 2)))
    world.ship("1")
    take_out(world)
    with pytest.raises(UserError, match="parcel T1 of order #1 is void"):
        world.ship("1", A=2)
    world.refill(shop)
    world.ship("1", tracking="T2")
    assert world.counts("1") == {"ordered": 2, "shipped": 2}
    push_tracking(world.store, shop, world.clock)
    assert [one.tracking for one in connector(shop).shipped] == ["T2"]


def test_a_kit_comes_back_as_it_left(world: World) -> None:
    shop = world.channel()
    world.item("A", east=6)
    world.item("B", east=3)
    kit = world.kit("K", {"A": 2, "B": 1})
    world.take(shop, order("1", line(1, "K", 2)))
    world.ship("1")
    with world.store.write() as tx:  # sold as something else from now on
        tx.run("UPDATE kits SET quantity = 1 WHERE kit_id = :kit AND component_id = :a", kit=kit, a=world.items["A"])
    take_out(world)
    assert world.at("A") == {"east": (6, 0)}
    assert world.at("B") == {"east": (3, 0)}
    assert (world.stock("A"), world.stock("B")) == ((6, 2), (3, 2))


@pytest.mark.parametrize("state", ["sent", "unknown", "accepted"])
def test_while_the_channel_is_being_told_its_answer_comes_first(world: World, shop: Channel, state: str) -> None:
    world.take(shop, order("1", line(1, "A", 2)))
    world.ship("1")
    with world.store.write() as tx:
        tx.run("UPDATE pushes SET state = :state", state=state)
    with pytest.raises(UserError, match="after the channel's next round"):
        take_out(world)
    assert world.counts("1") == {"ordered": 2, "shipped": 2}


def test_what_the_channel_goes_on_showing_ships_nothing(world: World, shop: Channel) -> None:
    first = order("1", line(1, "A", 2))
    world.take(shop, first)
    world.ship("1")
    push_tracking(world.store, shop, world.clock)
    assert take_out(world).shown
    told = edited(first, lines=(line(1, "A", 2, shipped=2),), packages=shown("T1"))
    world.take(shop, told)
    assert world.counts("1") == {"ordered": 2, "reserved": 2, "allocated": 2}
    assert world.value("SELECT count(*) FROM shipments") == 1
    assert world.value("SELECT void_shown FROM shipments")
    world.ship("1", tracking="T2")
    world.take(shop, edited(told, packages=shown("T1", "T2")))
    assert world.counts("1") == {"ordered": 2, "shipped": 2}
    assert world.stock("A") == (8, 0)


def test_what_leaves_at_the_channel_besides_is_still_seen(world: World, shop: Channel) -> None:
    first = order("1", line(1, "A", 4))
    world.take(shop, first)
    world.ship("1", A=2)
    push_tracking(world.store, shop, world.clock)
    take_out(world)
    world.take(shop, edited(first, lines=(line(1, "A", 4, shipped=3),), packages=(*shown("T1"), *shown("X9", units=1))))
    assert world.counts("1") == {"ordered": 4, "shipped": 1, "reserved": 3, "allocated": 3}
    assert world.rows("SELECT tracking FROM shipments WHERE origin = 'channel'") == [("X9",)]


def test_once_the_channel_shows_it_no_more_nothing_is_left_to_do(world: World, shop: Channel) -> None:
    first = order("1", line(1, "A", 2))
    world.take(shop, first)
    world.ship("1")
    push_tracking(world.store, shop, world.clock)
    told = edited(first, lines=(line(1, "A", 2, shipped=2),), packages=shown("T1"))
    world.take(shop, told)
    take_out(world)
    world.take(shop, edited(told, lines=first.lines, packages=()))
    assert not world.value("SELECT void_shown FROM shipments")
    assert world.counts("1") == {"ordered": 2, "reserved": 2, "allocated": 2}
    # Shipped there by somebody, under another number: nothing is taken for the void parcel any more.
    world.take(shop, edited(told, version=9, packages=shown("X9")))
    assert world.counts("1") == {"ordered": 2, "shipped": 2}


def test_another_parcel_shown_instead_is_not_taken_for_the_void_one(world: World, shop: Channel) -> None:
    first = order("1", line(1, "A", 2))
    world.take(shop, first)
    world.ship("1")
    push_tracking(world.store, shop, world.clock)
    take_out(world)
    world.take(shop, edited(first, lines=(line(1, "A", 2, shipped=2),), packages=shown("X9")))
    assert world.counts("1") == {"ordered": 2, "shipped": 2}
    assert not world.value("SELECT void_shown FROM shipments WHERE tracking = 'T1'")


def test_a_channel_that_shows_no_parcels_is_believed_by_its_counts(world: World, shop: Channel) -> None:
    first = order("1", line(1, "A", 2))
    world.take(shop, first)
    world.ship("1")
    push_tracking(world.store, shop, world.clock)
    take_out(world)
    world.take(shop, edited(first, lines=(line(1, "A", 2, shipped=2),)))
    assert world.counts("1")["reserved"] == 2
    assert world.value("SELECT void_shown FROM shipments")
    world.take(shop, edited(first, version=3))
    assert not world.value("SELECT void_shown FROM shipments")


def test_a_corrected_parcel_is_void_under_all_its_numbers(world: World, shop: Channel) -> None:
    first = order("1", line(1, "A", 2))
    world.take(shop, first)
    world.ship("1")
    push_tracking(world.store, shop, world.clock)
    correct(world.store, Correction(order_id=world.order("1").id, was="T1", tracking="T2"), world.now)
    assert take_out(world, tracking="T1").shown
    assert [row.state for row in world.rows("SELECT state FROM pushes ORDER BY id")] == ["applied", "dropped"]
    world.take(shop, edited(first, lines=(line(1, "A", 2, shipped=2),), packages=shown("T1")))
    assert world.counts("1") == {"ordered": 2, "reserved": 2, "allocated": 2}
    with pytest.raises(UserError, match="is void"):
        correct(world.store, Correction(order_id=world.order("1").id, was="T2", tracking="T3"), world.now)


def test_what_cannot_be_void_is_told_and_nothing_done(world: World, shop: Channel) -> None:
    first = order("1", line(1, "A", 2))
    world.take(shop, first)
    world.ship("1", A=1)
    world.take(shop, edited(first, lines=(line(1, "A", 2, shipped=2),), packages=shown("X1", units=1)))
    with pytest.raises(UserError, match="has no parcel 'T7'; there are: T1, X1"):
        take_out(world, tracking="T7")
    with pytest.raises(UserError, match="by somebody at the channel"):
        take_out(world, tracking="X1")
    with pytest.raises(UserError, match="--why"):
        take_out(world, why=" ")
    with pytest.raises(UserError, match="there is no order 99"):
        void(world.store, Void(order_id=99, tracking="T1", why="x"), world.now)
    assert world.counts("1") == {"ordered": 2, "shipped": 2}


@pytest.mark.parametrize("units", [1, 2])
def test_an_order_the_channel_has_taken_over_is_promised_nothing(world: World, shop: Channel, units: int) -> None:
    first = order("1", line(1, "A", 2))
    world.take(shop, first)
    world.ship("1", A=units)
    world.take(shop, edited(first, fulfiller=Fulfiller.CHANNEL))
    take_out(world)
    assert world.counts("1") == {"ordered": 2, "held": 2}
    assert world.stock("A") == (10, 0)


def test_units_the_channel_cancelled_too_late_are_free(world: World, shop: Channel) -> None:
    first = order("1", line(1, "A", 3))
    world.take(shop, first)
    world.ship("1", A=2)
    world.take(shop, edited(first, lines=(line(1, "A", 3, cancelled=2),)))
    assert world.line("1").late == 1
    done = take_out(world)
    assert (done.units, done.cancelled) == ({"1": 2}, {"1": 1})
    assert world.counts("1") == {"ordered": 3, "cancelled": 2, "reserved": 1}
    assert world.line("1").late == 0
    world.take(shop, edited(first, version=3, lines=(line(1, "A", 3, cancelled=2),)))
    assert world.counts("1")["cancelled"] == 2


CORRUPTIONS = {
    "units of a void parcel did not come back": (
        "I1",
        "DELETE FROM ledger WHERE kind = 'void'; UPDATE ledger SET on_hand = on_hand + 2 WHERE kind = 'adjust'"
        " AND id = (SELECT min(id) FROM ledger WHERE kind = 'adjust')",
    ),
    "units came back of a parcel that has left": (
        "I1",
        "UPDATE ledger SET cause = 'void:99:1:1' WHERE kind = 'void'",
    ),
    "a channel is about to be told of a void parcel": ("I12", "UPDATE pushes SET state = 'queued'"),
    "a void parcel's units count as shipped": (
        "I8",
        "UPDATE lines SET shipped = 2, reserved = 0; DELETE FROM reservations; UPDATE items SET reserved = 0",
    ),
}


@pytest.mark.parametrize("what", CORRUPTIONS)
def test_each_corruption_is_named_by_its_invariant_alone(small_world: World, what: str) -> None:
    world = small_world
    world.item("A", east=5)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 2)))
    world.ship("1")
    take_out(world)
    name, statements = CORRUPTIONS[what]
    with corrupting(world.store) as tx:
        tx.run("SAVEPOINT here")
        for statement in statements.split(";"):
            tx.run(statement)
        found = {breach.name for check in CHECKS for breach in check(tx)}
        tx.run("ROLLBACK TO here")
    assert found == {name}
    assert verify(world.store, file=False) == []
