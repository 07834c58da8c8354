from __future__ import annotations

import pytest

from core.errors import UserError
from core.model import Fulfiller, Hold, Package
from core.settings import RoutingSettings
from core.sync.channel import Channel
from core.sync.ship import Departure, ship
from tests.core.sync.world import World, edited, line, order


@pytest.fixture
def shop(world: World) -> Channel:
    world.item("A", east=5, west=5)
    return world.channel()


def test_what_a_location_was_asked_for_leaves_and_its_tracking_is_due(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 2)))
    world.release(shop)
    shipment, new = world.ship("1")
    assert new
    assert world.counts("1") == {"ordered": 2, "shipped": 2}
    assert world.at("A") == {"east": (3, 0), "west": (5, 0)}
    assert world.work("1") == [("east", "done", 2, 2)]
    push = world.row("SELECT kind, key, state, shipment_id FROM pushes")
    assert tuple(push) == ("tracking", f"shipment:{shipment}", "queued", shipment)
    assert world.channel_row().wanted == 1


def test_the_same_tracking_number_again_is_the_same_parcel(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 2)))
    first, _ = world.ship("1", A=1)
    again, new = world.ship("1", tracking=" T1 ", A=1)
    assert (again, new) == (first, False)
    assert world.counts("1") == {"ordered": 2, "shipped": 1, "reserved": 1, "allocated": 1}
    assert world.value("SELECT count(*) FROM pushes") == 1


def test_an_order_may_leave_in_several_parcels(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 3)))
    world.ship("1", tracking="T1", A=1)
    world.ship("1", tracking="T2")
    assert world.counts("1") == {"ordered": 3, "shipped": 3}
    assert world.work("1") == [("east", "done", 3, 3)]
    assert world.value("SELECT count(*) FROM pushes") == 2


def test_another_location_may_ship_what_was_asked_of_the_first(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 2)))
    world.ship("1", location="west", A=1)
    assert world.at("A") == {"east": (5, 1), "west": (4, 0)}
    assert world.work("1") == [("east", "planned", 1, 0)]
    world.ship("1", location="west", tracking="T2", A=1)
    assert world.work("1") == [("east", "cancelled", 0, 0)]
    assert world.at("A") == {"east": (5, 0), "west": (3, 0)}


def test_what_was_promised_without_a_location_may_ship_from_where_it_is(world: World) -> None:
    world.item("A", east=1, west=1)
    world.routing = RoutingSettings(split=False)
    world.take(world.channel(), order("1", line(1, "A", 2)))
    world.receive("A", "west", 1)
    world.ship("1", location="west", A=2)
    assert world.counts("1") == {"ordered": 2, "shipped": 2}
    assert world.stock("A") == (1, 0)


def test_a_location_cannot_ship_what_it_owes_to_another_order(world: World) -> None:
    world.item("A", east=2, west=1)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 2)))
    world.take(shop, order("2", line(1, "A", 1)))
    with pytest.raises(UserError, match="east has 0 of A that are not another order's"):
        world.ship("2", location="east", A=1)
    assert world.counts("2") == {"ordered": 1, "reserved": 1, "allocated": 1}


def test_more_than_is_reserved_cannot_ship(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 2)))
    with pytest.raises(UserError, match="order #1 has 2 reserved"):
        world.ship("1", A=3)
    assert world.counts("1") == {"ordered": 2, "reserved": 2, "allocated": 2}


def test_what_is_backordered_cannot_ship(world: World) -> None:
    world.item("A")
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 2)))
    with pytest.raises(UserError, match="0 reserved"):
        world.ship("1", A=1)
    with pytest.raises(UserError, match="was not asked to send anything"):
        world.ship("1")


def test_a_held_order_cannot_ship(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 2), holds=(Hold.FRAUD,)))
    with pytest.raises(UserError, match=r"held \(fraud\)"):
        world.ship("1", A=2)


def test_what_the_channel_ships_itself_cannot_ship_here(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 2), fulfiller=Fulfiller.CHANNEL))
    with pytest.raises(UserError, match="0 reserved"):
        world.ship("1", A=2)


@pytest.mark.parametrize("units", [0, -1])
def test_less_than_one_unit_cannot_ship(world: World, shop: Channel, units: int) -> None:
    world.take(shop, order("1", line(1, "A", 2)))
    with pytest.raises(UserError, match="cannot ship"):
        world.ship("1", A=units)


def test_a_parcel_names_its_units_by_sku_or_line_and_both_are_summed(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line("L1", "A", 3), line("L2", "A", 1)))
    world.ship("1", tracking="T1", L1=2, A=1)
    assert world.counts("1", "L1") == {"ordered": 3, "shipped": 3}
    assert world.counts("1", "L2") == {"ordered": 1, "reserved": 1, "allocated": 1}
    with pytest.raises(UserError, match="0 reserved"):
        world.ship("1", tracking="T2", L2=1, A=1)
    assert world.counts("1", "L2") == {"ordered": 1, "reserved": 1, "allocated": 1}


def test_a_kit_line_takes_its_components_off_the_shelf(world: World) -> None:
    world.item("CUP", east=5)
    world.item("SPOON", east=5)
    world.kit("SET", {"CUP": 2, "SPOON": 1})
    shop = world.channel()
    world.take(shop, order("1", line(1, "SET", 2), line(2, "CUP", 1)))
    world.ship("1", SET=1)
    assert world.stock("CUP") == (3, 3)
    assert world.stock("SPOON") == (4, 1)
    world.ship("1", tracking="T2")
    assert world.stock("CUP") == (0, 0)
    assert world.stock("SPOON") == (3, 0)
    assert world.counts("1", 1) == {"ordered": 2, "shipped": 2}


def test_one_order_may_ship_from_two_locations(world: World) -> None:
    world.item("A", east=1, west=1)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 2)))
    world.ship("1", location="east", tracking="T1")
    world.ship("1", location="west", tracking="T2")
    assert world.counts("1") == {"ordered": 2, "shipped": 2}
    assert {state for _, state, _, _ in world.work("1")} == {"done"}


def test_a_parcel_the_channel_already_showed_is_not_shipped_again(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    world.take(shop, edited(one, lines=(line(1, "A", 2, shipped=1),), packages=(Package(tracking="T1"),)))
    _, new = world.ship("1", tracking="T1", A=1)
    assert not new
    assert world.counts("1") == {"ordered": 2, "shipped": 1, "reserved": 1, "allocated": 1}


def test_what_is_misspelt_is_told_with_what_there_is(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 2)))
    with pytest.raises(UserError, match="no line 'B'"):
        world.ship("1", B=1)
    with pytest.raises(UserError, match="there are: east, west"):
        world.ship("1", location="north")
    with pytest.raises(UserError, match="needs its tracking number"):
        world.ship("1", tracking="  ")
    nothing = Departure(world.order("1").id, "east", "UPS", "T1", world.now, units={})
    with pytest.raises(UserError, match="nothing"):
        ship(world.store, nothing, world.now)
    with pytest.raises(UserError, match="no order 999"):
        ship(world.store, Departure(999, "east", "UPS", "T1", world.now), world.now)
    assert world.counts("1") == {"ordered": 2, "reserved": 2, "allocated": 2}
