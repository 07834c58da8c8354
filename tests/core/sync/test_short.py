"""A location sends less than it was asked for, and says so: the rest goes where the operator says, once."""

from __future__ import annotations

import pytest

from core.errors import UserError
from core.store.database import Tx
from core.sync.channel import Channel, Desk
from core.sync.ship import Departure
from core.sync.short import Rest, Sent, ship_short
from tests.core.sync.world import World, line, order


@pytest.fixture
def shop(world: World) -> Channel:
    world.item("A", east=3, west=5)
    world.item("B", east=1)
    world.kit("K", {"B": 1})
    return world.channel()


def send(
    world: World, shop: Channel | None, rest: Rest = Rest.REROUTE, unable: str = "", tracking: str = "T1",
    units: dict[str, int] | None = None, **short: int,
) -> Sent:  # fmt: skip
    departure = Departure(
        order_id=world.order("1").id,
        location="east",
        carrier="UPS",
        tracking=tracking,
        shipped_at=world.now,
        units=units,
        short=short,
    )

    def desk(tx: Tx, channel: str) -> Desk | None:
        return shop

    return ship_short(world.store, departure, rest, world.now, desk=desk, unable=unable)


def test_the_rest_is_asked_of_another_location(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 3)))
    world.release(shop)
    done = send(world, shop, A=1)
    assert (done.new, done.rest.units, done.rest.asked) == (True, {"1": 1}, {"west": 1})
    assert world.counts("1") == {"ordered": 3, "shipped": 2, "reserved": 1, "allocated": 1}
    assert world.at("A") == {"east": (1, 0), "west": (5, 1)}
    again = send(world, shop, A=1)
    assert (again.new, again.rest.new, again.shipment) == (False, False, done.shipment)
    assert world.counts("1") == {"ordered": 3, "shipped": 2, "reserved": 1, "allocated": 1}


def test_the_rest_is_off_the_shelf_and_backordered_where_nobody_has_it(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 3)))
    world.receive("A", "west", -5)
    for _ in range(2):
        send(world, shop, Rest.BACKORDER, A=2)
        assert world.counts("1") == {"ordered": 3, "shipped": 1, "backordered": 2}
        assert world.stock("A") == (0, 0)
    world.refill(shop)
    assert world.counts("1")["backordered"] == 2


def test_what_is_off_the_shelf_here_may_stand_elsewhere(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 3)))
    send(world, shop, Rest.BACKORDER, A=1)
    assert world.at("A")["east"] == (0, 0)
    world.refill(shop)
    assert world.counts("1") == {"ordered": 3, "shipped": 2, "reserved": 1, "allocated": 1}


def test_the_rest_is_cancelled_and_due_at_the_channel(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 3)))
    for _ in range(2):
        done = send(world, shop, Rest.CANCEL, A=1)
        assert world.counts("1") == {"ordered": 3, "shipped": 2, "cancelled": 1}
    assert world.stock("A") == (6, 0)
    (push,) = world.rows("SELECT id, state FROM pushes WHERE kind = 'cancel'")
    assert (push.id, push.state) == (done.cancelled, "queued")


def test_a_rest_the_channel_cannot_be_told_of_ships_nothing(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 3)))
    with pytest.raises(UserError, match="by hand only"):
        send(world, shop, Rest.CANCEL, unable="by hand only", A=1)
    assert world.counts("1")["reserved"] == 3


def test_what_left_may_be_named_beside_what_is_short(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 3)))
    send(world, shop, units={"A": 1}, A=1)
    assert world.counts("1") == {"ordered": 3, "shipped": 1, "reserved": 2, "allocated": 2}
    assert world.at("A") == {"east": (2, 1), "west": (5, 1)}


@pytest.mark.parametrize(
    ("units", "short", "why"),
    [
        (None, {"A": 4}, "cannot be short of 4 of A: it is asked for 3"),
        (None, {"A": 3, "K": 1}, "nothing is left to leave east"),
        ({"A": 2}, {"A": 2}, "cannot be short of 2 of A: it is asked for 1"),
        (None, {"Z": 1}, "has no line 'Z'"),
    ],
    ids=str,
)
def test_what_was_not_asked_for_cannot_be_short(
    world: World, shop: Channel, units: dict[str, int] | None, short: dict[str, int], why: str
) -> None:
    world.take(shop, order("1", line(1, "A", 3), line(2, "K", 1)))
    with pytest.raises(UserError, match=why):
        send(world, shop, units=units, **short)
    assert world.counts("1") == {"ordered": 3, "reserved": 3, "allocated": 3}


def test_a_kits_parts_are_counted_by_hand(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 1), line(2, "K", 1)))
    with pytest.raises(UserError, match="K is made of parts"):
        send(world, shop, Rest.BACKORDER, K=1)
    assert world.counts("1")["reserved"] == 1
    send(world, shop, K=1)
    assert world.counts("1", 2) == {"ordered": 1, "reserved": 1}
