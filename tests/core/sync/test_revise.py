from __future__ import annotations

import msgspec
import pytest

from core.connector import Ability
from core.model import Address, Fulfiller, Hold, Line, Package
from core.sync.channel import Channel
from tests.core.sync.fake import Fake
from tests.core.sync.world import NEW_YORK, OAKLAND, World, edited, line, order

NOTHING = {"ordered": 2, "cancelled": 2}


@pytest.fixture
def shop(world: World) -> Channel:
    world.item("A", east=5, west=5)
    return world.channel()


def cancelled(number: str = "1", units: int = 2, shipped: int = 0) -> tuple[Line, ...]:
    return (line(number, "A", 2, cancelled=units, shipped=shipped),)


def test_a_cancellation_of_what_was_only_backordered_asks_for_nothing_more(world: World) -> None:
    world.item("A")
    shop = world.channel()
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    world.take(shop, edited(one, lines=cancelled()))
    assert world.counts("1") == NOTHING


def test_a_cancellation_gives_back_a_promise_that_has_no_location(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 2), holds=(Hold.PENDING,))
    world.take(shop, one)
    world.take(shop, edited(one, lines=cancelled()))
    assert world.counts("1") == NOTHING
    assert world.stock("A") == (10, 0)


def test_a_cancellation_ends_planned_work(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    world.take(shop, edited(one, lines=cancelled()))
    assert world.counts("1") == NOTHING
    assert world.stock("A") == (10, 0)
    assert world.at("A")["east"] == (5, 0)
    assert world.work("1") == [("east", "cancelled", 0, 0)]
    assert world.timeline("1") == ["cancelled at the channel"]


def test_a_cancellation_recalls_released_work_and_says_so(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    assert world.release(shop) == 1
    world.take(shop, edited(one, lines=cancelled()))
    assert world.work("1") == [("east", "cancelled", 0, 0)]
    assert world.stock("A") == (10, 0)
    assert "recalled" in world.timeline("1")


def test_a_cancellation_after_half_has_shipped_keeps_what_left(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    world.release(shop)
    world.ship("1", A=1)
    world.take(shop, edited(one, lines=cancelled()))
    assert world.counts("1") == {"ordered": 2, "cancelled": 1, "shipped": 1}
    assert world.stock("A") == (9, 0)
    assert world.work("1") == [("east", "done", 1, 1)]
    assert "cancelled after shipping" in world.timeline("1")


def test_a_cancellation_after_everything_shipped_changes_no_stock_and_is_told_once(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    world.ship("1")
    world.take(shop, edited(one, lines=cancelled()))
    world.take(shop, edited(one, version=3, lines=cancelled(), service="other"))
    assert world.counts("1") == {"ordered": 2, "shipped": 2}
    assert world.stock("A") == (8, 0)
    assert world.timeline("1").count("cancelled after shipping") == 1


def test_a_quantity_raised_reserves_the_difference(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    world.take(shop, edited(one, lines=(line(1, "A", 4),)))
    assert world.counts("1") == {"ordered": 4, "reserved": 4, "allocated": 4}
    assert world.work("1") == [("east", "planned", 2, 0), ("east", "planned", 2, 0)]


def test_a_quantity_lowered_gives_the_difference_back(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 4))
    world.take(shop, one)
    world.take(shop, edited(one, lines=(line(1, "A", 1),)))
    assert world.counts("1") == {"ordered": 1, "reserved": 1, "allocated": 1}
    assert world.at("A")["east"] == (5, 1)


def test_what_one_order_gives_back_another_of_the_same_page_gets(world: World) -> None:
    world.item("A", east=2)
    shop = world.channel()
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    world.take(shop, order("2", line(1, "A", 2)), edited(one, lines=cancelled()))
    assert world.counts("2") == {"ordered": 2, "reserved": 2, "allocated": 2}


def test_a_line_that_is_gone_is_cancelled_and_one_that_comes_back_reserves_anew(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 2), line(2, "A", 3))
    world.take(shop, one)
    world.take(shop, edited(one, lines=(line(1, "A", 2),)))
    assert world.counts("1", 2) == {"ordered": 3, "cancelled": 3}
    assert world.stock("A") == (10, 2)
    world.take(shop, edited(one, version=3))
    assert world.counts("1", 2) == {"ordered": 3, "reserved": 3, "allocated": 3}
    assert world.stock("A") == (10, 5)


def test_a_line_reopened_after_a_cancellation_reserves_anew(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    world.take(shop, edited(one, lines=cancelled()))
    world.take(shop, edited(one, version=3))
    assert world.counts("1") == {"ordered": 2, "reserved": 2, "allocated": 2}


def test_a_line_whose_sku_became_known_reserves_with_its_next_version(world: World) -> None:
    shop = world.channel()
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    world.item("A", east=5)
    world.take(shop, edited(one))
    assert world.counts("1") == {"ordered": 2, "reserved": 2, "allocated": 2}
    assert world.line("1").item_id == world.items["A"]


def test_what_shipped_elsewhere_is_taken_from_where_it_was_bound(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    parcel = Package(tracking="X1", carrier="UPS", lines={"1": 2})
    world.take(shop, edited(one, lines=(line(1, "A", 2, shipped=2),), packages=(parcel,)))
    assert world.counts("1") == {"ordered": 2, "shipped": 2}
    assert world.at("A") == {"east": (3, 0), "west": (5, 0)}
    assert world.work("1") == [("east", "done", 2, 2)]
    assert world.row("SELECT tracking, carrier, origin FROM shipments") == ("X1", "UPS", "channel")
    assert world.rows("SELECT * FROM pushes WHERE kind = 'tracking'") == []


def test_what_shipped_elsewhere_may_end_two_pieces_of_work_at_one_location(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    world.take(shop, edited(one, lines=(line(1, "A", 4),)))
    world.take(shop, edited(one, version=3, lines=(line(1, "A", 4, shipped=4),)))
    assert world.counts("1") == {"ordered": 4, "shipped": 4}
    assert world.at("A")["east"] == (1, 0)
    assert world.work("1") == [("east", "done", 2, 2), ("east", "done", 2, 2)]


def test_what_shipped_elsewhere_is_taken_from_a_promise_without_location(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 2), holds=(Hold.PAYMENT,))
    world.take(shop, one)
    world.take(shop, edited(one, lines=(line(1, "A", 2, shipped=1),)))
    assert world.counts("1") == {"ordered": 2, "shipped": 1, "reserved": 1}
    assert world.stock("A") == (9, 1)


def test_what_shipped_elsewhere_is_taken_from_what_is_free(world: World) -> None:
    world.item("A")
    shop = world.channel()
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    world.receive("A", "west", 3)
    world.take(shop, edited(one, lines=(line(1, "A", 2, shipped=2),)))
    assert world.counts("1") == {"ordered": 2, "shipped": 2}
    assert world.at("A") == {"west": (1, 0)}


def test_what_shipped_elsewhere_without_stock_is_told(world: World) -> None:
    world.item("A")
    shop = world.channel()
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    world.take(shop, edited(one, lines=(line(1, "A", 2, shipped=2),)))
    assert world.counts("1") == {"ordered": 2, "shipped": 2}
    assert world.stock("A") == (0, 0)
    assert "shipped without stock" in world.timeline("1")


def test_what_shipped_elsewhere_never_takes_what_others_were_promised(world: World) -> None:
    world.item("A", east=2)
    shop = world.channel()
    one = order("1", line(1, "A", 2))
    late = order("2", line(1, "A", 1))
    world.take(shop, one)
    world.take(shop, late)
    world.take(shop, edited(late, lines=(line(1, "A", 1, shipped=1),)))
    assert world.counts("1") == {"ordered": 2, "reserved": 2, "allocated": 2}
    assert world.stock("A") == (2, 2)
    assert "shipped without stock" in world.timeline("2")


def test_a_kit_shipped_elsewhere_takes_its_components(world: World) -> None:
    world.item("CUP", east=5)
    world.item("SPOON", east=5)
    world.kit("SET", {"CUP": 2, "SPOON": 1})
    shop = world.channel()
    one = order("1", line(1, "SET", 2))
    world.take(shop, one)
    world.take(shop, edited(one, lines=(line(1, "SET", 2, shipped=1),)))
    assert world.stock("CUP") == (3, 2)
    assert world.stock("SPOON") == (4, 1)


def test_our_own_shipment_seen_again_at_the_channel_ships_nothing_twice(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    world.ship("1", tracking="T1")
    seen = edited(one, lines=(line(1, "A", 2, shipped=2),), packages=(Package(tracking="T1"),))
    world.take(shop, seen)
    assert world.stock("A") == (8, 0)
    assert world.value("SELECT count(*) FROM shipments") == 1
    assert world.value("SELECT state FROM pushes WHERE kind = 'tracking'") == "confirmed"


def test_every_parcel_the_channel_shows_keeps_its_own_tracking(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 2), line(2, "A", 2))
    world.take(shop, one)
    parcels = (Package(tracking="X1", lines={"1": 2}), Package(tracking="X2", lines={"2": 1}))
    world.take(shop, edited(one, lines=(line(1, "A", 2, shipped=2), line(2, "A", 2, shipped=1)), packages=parcels))
    told = world.rows(
        "SELECT s.tracking, l.number, x.quantity FROM shipments s JOIN shipment_lines x ON x.shipment_id = s.id"
        " JOIN lines l ON l.id = x.line_id ORDER BY s.tracking"
    )
    assert [tuple(row) for row in told] == [("X1", "1", 2), ("X2", "2", 1)]


def test_a_new_address_before_release_routes_anew(world: World) -> None:
    world.item("A", east=5, west=5)
    world.locations = [msgspec.structs.replace(place, priority=1) for place in world.locations]
    shop = world.channel()
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    assert world.work("1") == [("east", "planned", 2, 0)]
    world.take(shop, edited(one, ship_to=OAKLAND))
    assert world.work("1") == [("east", "cancelled", 0, 0), ("west", "planned", 2, 0)]
    assert world.at("A") == {"east": (5, 0), "west": (5, 2)}
    assert world.value("SELECT city FROM buyers") == "Oakland"


def test_a_new_address_after_release_leaves_the_work_where_it_is(world: World) -> None:
    world.item("A", east=5, west=5)
    world.locations = [msgspec.structs.replace(place, priority=1) for place in world.locations]
    shop = world.channel()
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    world.release(shop)
    world.take(shop, edited(one, ship_to=OAKLAND))
    assert world.work("1") == [("east", "released", 2, 0)]
    assert "address changed after release" in world.timeline("1")


def test_a_new_street_in_the_same_place_routes_nothing_anew(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    moved = msgspec.structs.replace(NEW_YORK, line1="9 Main St")
    world.take(shop, edited(one, ship_to=moved))
    assert world.work("1") == [("east", "planned", 2, 0)]
    assert world.value("SELECT line1 FROM buyers") == "9 Main St"


def test_an_address_the_channel_stops_telling_is_kept(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 2), email="ada@example.com")
    world.take(shop, one)
    world.take(shop, edited(one, ship_to=None))
    assert world.value("SELECT city FROM buyers") == "New York"


def test_a_hold_lifted_by_the_channel_lets_the_order_be_routed(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 2), holds=(Hold.PENDING, Hold.ADDRESS), ship_to=None)
    world.take(shop, one)
    world.take(shop, edited(one, holds=(Hold.PENDING,), ship_to=NEW_YORK))
    assert world.counts("1") == {"ordered": 2, "reserved": 2}
    world.take(shop, edited(one, version=3, holds=(), ship_to=NEW_YORK))
    assert world.holds("1") == set()
    assert world.counts("1") == {"ordered": 2, "reserved": 2, "allocated": 2}
    assert world.work("1") == [("east", "planned", 2, 0)]


def test_a_hold_set_by_the_channel_stops_the_release_of_planned_work(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    world.take(shop, edited(one, holds=(Hold.FRAUD,)))
    assert world.holds("1") == {"fraud"}
    assert world.release(shop) == 0
    assert world.counts("1")["reserved"] == 2


def test_an_operators_hold_stays_whatever_the_channel_says(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 2), holds=(Hold.PENDING,))
    world.take(shop, one)
    world.hold("1")
    world.take(shop, edited(one, holds=()))
    assert world.holds("1") == {"operator"}
    assert world.work("1") == []
    world.lift("1")
    assert world.refill(shop) == 1
    assert world.work("1") == [("east", "planned", 2, 0)]


def test_a_hold_set_and_lifted_tells_the_timeline(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    world.take(shop, edited(one, holds=(Hold.FRAUD,)))
    world.take(shop, edited(one, version=3))
    assert world.timeline("1") == ["held", "hold lifted"]


def test_an_acknowledgement_the_channel_shows_is_confirmed(world: World) -> None:
    shop = world.channel()
    one = order("1", acknowledged=False)
    world.take(shop, one)
    assert world.value("SELECT state FROM pushes") == "queued"
    world.take(shop, edited(one, acknowledged=True))
    assert world.value("SELECT state FROM pushes") == "confirmed"


def test_an_order_that_asks_for_an_acknowledgement_only_later_gets_one(world: World) -> None:
    shop = world.channel()
    one = order("1", holds=(Hold.PENDING,))
    world.take(shop, one)
    assert world.rows("SELECT * FROM pushes") == []
    world.take(shop, edited(one, holds=(), acknowledged=False))
    assert world.value("SELECT state FROM pushes WHERE kind = 'acknowledge'") == "queued"


def test_a_channel_that_wants_no_acknowledgement_gets_none(world: World) -> None:
    shop = world.channel(fake=Fake(abilities=frozenset({Ability.PUSH_TRACKING})))
    one = order("1", acknowledged=False)
    world.take(shop, one)
    world.take(shop, edited(one))
    assert world.rows("SELECT * FROM pushes") == []


def test_an_order_the_channel_takes_over_gives_its_stock_back_and_may_return(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    world.take(shop, edited(one, fulfiller=Fulfiller.CHANNEL))
    assert world.counts("1") == {"ordered": 2, "held": 2}
    assert world.stock("A") == (10, 0)
    world.take(shop, edited(one, version=3))
    assert world.counts("1") == {"ordered": 2, "reserved": 2, "allocated": 2}


def test_what_shipped_here_stays_shipped_whatever_the_channel_says(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    world.ship("1")
    world.take(shop, edited(one, lines=(line(1, "A", 1),)))
    assert world.counts("1") == {"ordered": 2, "shipped": 2}


def test_an_address_that_comes_late_is_stored(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A"), ship_to=None)
    world.take(shop, one)
    world.take(shop, edited(one, ship_to=Address(city="Reno", country="US", postal_code="89501")))
    assert world.value("SELECT city FROM buyers") == "Reno"


@pytest.mark.parametrize("lines", [{"1": 1}, {"1": 2}], ids=["of which one tells a part", "of which one tells all"])
def test_one_number_on_two_packages_is_one_parcel(world: World, shop: Channel, lines: dict[str, int]) -> None:
    """Both left under the same number, and only one of them says what is in it."""
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    parcels = (Package(tracking="X1", carrier="UPS"), Package(tracking="X1", carrier="UPS", lines=lines))
    world.take(shop, edited(one, lines=(line(1, "A", 2, shipped=2),), packages=parcels))
    assert world.counts("1") == {"ordered": 2, "shipped": 2}
    (parcel,) = world.rows("SELECT * FROM shipments")
    assert (parcel.tracking, parcel.carrier, parcel.origin) == ("X1", "UPS", "channel")
    assert world.value("SELECT quantity FROM shipment_lines") == 2
