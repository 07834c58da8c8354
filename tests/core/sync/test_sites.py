"""Channels that do not all ship from the same locations: nobody is promised what cannot be sent for him."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from core.model import Hold, Location, Order
from core.settings import RoutingSettings
from core.store.database import Store
from core.sync import refill as refilling
from core.sync.channel import Channel
from core.sync.levels import refresh, touch_changed_rules
from core.sync.refit import refit
from core.sync.stock import count as count_stock
from tests.core.sync.world import EAST, OAKLAND, START, WEST, World, edited, line, order

FRAUD = (Hold.FRAUD,)
SOUTH = Location(name="south", priority=3)


def eastern(world: World, name: str = "eastern") -> Channel:
    return world.channel(name, locations={"east": ""})


def held(number: str, units: int = 1, sku: str = "A", **more: int) -> Order:
    return order(number, line(1, sku, units), holds=FRAUD, **more)


def freed(one: Order) -> Order:
    return edited(one, holds=())


def offered(world: World, *channels: Channel) -> dict[str, int]:
    """What each channel would be told of its one listing."""
    settings = {channel.name: channel.settings for channel in channels}
    touch_changed_rules(world.store, settings)
    refresh(world.store, settings, world.now)
    return {
        row.name: row.units
        for row in world.rows(
            "SELECT c.name, sum(v.desired) AS units FROM levels v"
            " JOIN channels c ON c.id = v.channel_id GROUP BY c.name"
        )
    }


def test_units_where_the_channel_does_not_ship_from_are_not_promised(world: World) -> None:
    world.item("A", west=5)
    own, other = eastern(world), world.channel("other")
    world.offer(own, "A")
    world.offer(other, "A")
    assert offered(world, own, other) == {"eastern": 0, "other": 5}
    world.take(own, order("1", line(1, "A", 2)))
    world.take(other, order("2", line(1, "A", 5)))
    assert world.counts("1", channel="eastern") == {"ordered": 2, "backordered": 2}
    assert world.counts("2", channel="other") == {"ordered": 5, "reserved": 5, "allocated": 5}


def test_a_location_that_is_switched_off_promises_and_offers_nothing(world: World) -> None:
    world.item("A", east=2, west=5)
    world.locations = [EAST, Location(name="west", priority=2, active=False)]
    shop = world.channel()
    world.offer(shop, "A")
    assert offered(world, shop) == {"shop": 2}
    world.take(shop, order("1", line(1, "A", 3)))
    assert world.counts("1") == {"ordered": 3, "reserved": 2, "backordered": 1, "allocated": 2}


def test_another_channels_held_order_keeps_its_only_location(world: World) -> None:
    """The newer order takes the other location although it is ranked lower, and no more than that one has."""
    world.item("A", east=1, west=1)
    own, other = eastern(world), world.channel("other")
    waits = held("1")
    world.take(own, waits)
    world.take(other, order("2", line(1, "A", 2)))
    assert world.counts("2", channel="other") == {"ordered": 2, "reserved": 1, "backordered": 1, "allocated": 1}
    assert world.work("2", channel="other") == [("west", "planned", 1, 0)]
    world.take(own, freed(waits))
    assert world.work("1", channel="eastern") == [("east", "planned", 1, 0)]


def test_a_held_order_that_may_go_elsewhere_makes_way(world: World) -> None:
    world.item("A", east=1, west=1)
    own, other = eastern(world), world.channel("other")
    waits = held("1")
    world.take(other, waits)
    world.take(own, order("2", line(1, "A")), order("3", line(1, "A"), at=START + 9))
    assert world.work("2", channel="eastern") == [("east", "planned", 1, 0)]
    assert world.counts("3", channel="eastern") == {"ordered": 1, "backordered": 1}
    world.take(other, freed(waits))
    assert world.work("1", channel="other") == [("west", "planned", 1, 0)]


def test_three_channels_that_overlap_in_a_chain_are_never_promised_one_unit_too_many(world: World) -> None:
    """No two of them want too much together; all three would."""
    world.locations = [EAST, WEST, SOUTH]
    world.item("A", east=1, west=1, south=0)
    first = world.channel("first", locations={"east": "", "south": ""})
    second = world.channel("second", locations={"east": "", "west": ""})
    third = world.channel("third", locations={"west": "", "south": ""})
    waiting = [held(str(number)) for number in range(3)]
    for channel, one in zip((first, second, third), waiting, strict=True):
        world.take(channel, one)
    assert world.counts("2", channel="third") == {"ordered": 1, "backordered": 1}
    for channel, one in zip((first, second, third), waiting, strict=True):
        world.take(channel, freed(one))
    assert world.work("0", channel="first") == [("east", "planned", 1, 0)]
    assert world.work("1", channel="second") == [("west", "planned", 1, 0)]


def test_what_could_not_be_served_resumes_once_stock_comes_to_a_fitting_location(world: World) -> None:
    world.item("A", west=2)
    own = eastern(world)
    world.take(own, order("1", line(1, "A", 2)))
    world.receive("A", "west", 3)
    assert world.refill(own) == 0
    world.receive("A", "east", 1)
    assert world.refill(own) == 1
    assert world.counts("1", channel="eastern") == {"ordered": 2, "reserved": 1, "backordered": 1, "allocated": 1}


def test_orders_that_cannot_be_served_are_not_looked_at_again_and_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.item("A", east=1, west=5)
    world.item("B", east=1)
    world.kit("SET", {"A": 3, "B": 1})
    own, other = eastern(world), world.channel("other")
    waits = held("0")
    world.take(other, waits, held("1", units=5))
    world.take(own, order("2", line(1, "A")), order("3", line(1, "SET"), at=START + 9))
    assert world.counts("2", channel="eastern") == {"ordered": 1, "backordered": 1}, (
        "both held orders need all there is"
    )
    looked = []
    resume = refilling.resume
    monkeypatch.setattr(
        refilling, "resume", lambda tx, o, ids, n, **more: looked.append(ids) or resume(tx, o, ids, n, **more)
    )
    world.refill(own)
    assert looked == []
    world.take(other, edited(waits, lines=(line(1, "A", 1, cancelled=1),)))
    world.refill(own)
    assert len(looked) == 1
    assert world.counts("2", channel="eastern") == {"ordered": 1, "reserved": 1, "allocated": 1}


def test_a_kit_is_promised_where_its_parts_stand_together(world: World) -> None:
    world.item("CUP", east=4)
    world.item("SPOON", west=4)
    world.kit("SET", {"CUP": 2, "SPOON": 1})
    shop = world.channel()
    world.offer(shop, "SET")
    assert offered(world, shop) == {"shop": 0}
    world.take(shop, order("1", line(1, "SET")))
    assert world.counts("1") == {"ordered": 1, "backordered": 1}
    assert world.refill(shop) == 0
    world.receive("SPOON", "east", 1)
    assert offered(world, shop) == {"shop": 1}
    assert world.refill(shop) == 1
    assert world.work("1") == [("east", "planned", 1, 0)]


def test_a_held_kit_whose_parts_stand_apart_is_not_promised(world: World) -> None:
    world.item("CUP", east=4, west=1)
    world.item("SPOON", west=4)
    world.kit("SET", {"CUP": 2, "SPOON": 1})
    shop = world.channel()
    world.take(shop, held("1", sku="SET"))
    assert world.counts("1") == {"ordered": 1, "backordered": 1}
    assert world.refill(shop) == 0
    world.receive("CUP", "west", 3)
    assert world.refill(shop) == 1
    assert world.counts("1") == {"ordered": 1, "reserved": 1}


def test_what_routing_cannot_send_whole_is_given_back_and_told_once(world: World) -> None:
    """A kit's cups are promised while it is held; then the only location with its spoon has no cup any more."""
    world.item("CUP", east=1, west=1)
    world.item("SPOON", east=1)
    world.kit("SET", {"CUP": 1, "SPOON": 1})
    shop = world.channel()
    waits = held("1", sku="SET")
    world.take(shop, waits)
    world.take(shop, order("2", line(1, "CUP")))
    assert world.work("2") == [("east", "planned", 1, 0)]
    world.take(shop, freed(waits))
    assert world.counts("1") == {"ordered": 1, "backordered": 1}
    assert world.timeline("1") == ["promise taken back", "hold lifted"]
    assert world.refill(shop) == 0
    assert world.stock("CUP") == (2, 1)


def test_an_order_found_unroutable_by_a_round_gives_its_promise_back(world: World) -> None:
    world.item("CUP", east=1, west=1)
    world.item("SPOON", east=1)
    world.kit("SET", {"CUP": 1, "SPOON": 1})
    shop = world.channel()
    world.take(shop, order("1", line(1, "SET")))
    world.hold("1")
    with world.store.write() as tx:  # as if it had been held before it was routed
        tx.run("UPDATE fulfilment_lines SET quantity = 0")
        tx.run("UPDATE fulfilment_orders SET state = 'cancelled'")
        tx.run("UPDATE lines SET allocated = 0")
        tx.run("UPDATE stock SET allocated = 0")
    world.take(shop, order("2", line(1, "CUP")))
    world.lift("1")
    assert world.refill(shop) == 1
    assert world.counts("1") == {"ordered": 1, "backordered": 1}
    assert world.timeline("1") == ["promise taken back"]
    assert world.refill(shop) == 0


# When the lists change.


def test_a_promise_its_channel_can_keep_no_more_goes_back_to_waiting(world: World) -> None:
    world.item("A", east=1, west=1)
    shop = world.channel()
    world.take(shop, held("1", at=START), held("2", at=START + 9))
    assert refit(world.store, world.now) == []
    eastern(world, "shop")
    (lost,) = refit(world.store, world.now)
    assert (lost.name, lost.channel, lost.backordered, lost.unbound) == ("#2", "shop", 1, 0)
    assert world.counts("2") == {"ordered": 1, "backordered": 1}
    assert world.counts("1") == {"ordered": 1, "reserved": 1}
    told = world.row("SELECT * FROM audit")
    assert (told.event, told.actor) == ("promise taken back", "ordersync")
    assert told.detail == "1 of A backordered again; the locations that ship for the channel do not have them free"
    assert refit(world.store, world.now) == []
    assert world.refill(world.channel()) == 1
    assert world.counts("2") == {"ordered": 1, "reserved": 1}


def test_of_two_channels_that_want_the_same_unit_the_newer_order_loses_it(world: World) -> None:
    world.locations = [EAST, WEST, SOUTH]
    world.item("A", east=1, west=1, south=9)
    own, other = eastern(world), world.channel("other")
    world.take(own, held("older", at=START))
    world.take(other, held("newer", at=START + 9))
    world.receive("A", "west", -1)
    assert [lost.name for lost in refit(world.store, world.now)] == ["#newer"]


def test_the_older_order_keeps_it_whichever_channel_it_is_of(world: World) -> None:
    world.locations = [EAST, WEST, SOUTH]
    world.item("A", east=1, west=1, south=9)
    own, other = eastern(world), world.channel("other")
    world.take(own, held("newer", at=START + 9))
    world.take(other, held("older", at=START))
    world.receive("A", "west", -1)
    assert [lost.name for lost in refit(world.store, world.now)] == ["#newer"]


def test_nothing_more_is_promised_while_too_much_is(world: World) -> None:
    """Between the loss of a location's units and the round that takes their promises back."""
    world.item("A", east=5, west=5)
    own, other = eastern(world), world.channel("other", locations={"west": ""})
    world.take(other, held("1", units=5))
    world.receive("A", "west", -5)
    world.take(own, order("2", line(1, "A")))
    assert world.counts("2", channel="eastern") == {"ordered": 1, "backordered": 1}
    assert [lost.name for lost in refit(world.store, world.now)] == ["#1"]
    assert world.refill(own) == 1


def test_planned_work_where_the_channel_ships_no_more_is_routed_anew(world: World) -> None:
    world.item("A", east=2, west=2)
    shop = world.channel()
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    world.take(shop, edited(one, holds=FRAUD))
    assert world.work("1") == [("east", "planned", 2, 0)]
    world.locations = [Location(name="east", priority=1, active=False), WEST]
    shop = world.channel()
    (lost,) = refit(world.store, world.now)
    assert (lost.backordered, lost.unbound, lost.recalled) == (0, 2, 0)
    assert world.counts("1") == {"ordered": 2, "reserved": 2}
    assert world.timeline("1")[-1] == "promise taken back"
    world.take(shop, edited(one, version=3))
    assert world.work("1") == [("east", "cancelled", 0, 0), ("west", "planned", 2, 0)]


def test_released_work_stays_where_it_is_when_the_list_changes(world: World) -> None:
    world.item("A", east=2)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 2)))
    world.release(shop)
    world.receive("A", "east", 1)
    world.take(shop, held("2"))
    world.channel(locations={"west": ""})
    assert [lost.name for lost in refit(world.store, world.now)] == ["#2"]
    assert world.work("1") == [("east", "released", 2, 0)]


def test_units_of_work_called_off_are_free_for_other_promises(world: World) -> None:
    """The planned order and the held one change places, and nobody loses anything."""
    world.item("A", east=1, west=1)
    both, other = world.channel("both"), world.channel("other")
    one = order("1", line(1, "A"), at=START + 9)
    world.take(other, one)
    world.take(other, edited(one, holds=FRAUD))
    assert world.work("1", channel="other") == [("east", "planned", 1, 0)]
    waits = held("2", at=START)
    world.take(both, waits)
    other = world.channel("other", locations={"west": ""})
    assert [(lost.name, lost.backordered) for lost in refit(world.store, world.now)] == [("#1", 0)]
    world.take(other, edited(one, version=3))
    world.take(both, freed(waits))
    assert world.work("1", channel="other")[-1] == ("west", "planned", 1, 0)
    assert world.work("2", channel="both") == [("east", "planned", 1, 0)]


def test_a_changed_list_moves_the_levels_of_the_others(world: World) -> None:
    world.item("A", east=3, west=3)
    shop, other = world.channel(), eastern(world, "other")
    world.offer(other, "A")
    world.take(shop, held("1", units=3))
    assert offered(world, other)["other"] == 3, "the held order may go from the west"
    eastern(world, "shop")
    assert offered(world, other)["other"] == 0


def test_a_count_names_the_orders_that_lose_their_only_location(world: World) -> None:
    """There is enough of it in all, and none where the channel ships from."""
    world.item("A", east=2, west=9)
    own = eastern(world)
    world.take(own, held("1", units=2))
    booking = count_stock(world.store, "A", "east", 1, world.later(1))
    assert [(lost.name, lost.backordered) for lost in booking.taken_back] == [("#1", 1)]
    assert world.counts("1", channel="eastern") == {"ordered": 2, "reserved": 1, "backordered": 1}


def test_a_count_takes_from_who_cannot_be_sent_it_rather_than_from_the_newest(world: World) -> None:
    world.item("A", east=1, west=1)
    own, other = eastern(world), world.channel("other")
    world.take(own, held("older", at=START))
    world.take(other, order("newer", line(1, "A"), at=START + 9))
    assert world.work("newer", channel="other") == [("west", "planned", 1, 0)]
    booking = count_stock(world.store, "A", "east", 0, world.later(1))
    assert [lost.name for lost in booking.taken_back] == ["#older"]
    assert world.counts("newer", channel="other") == {"ordered": 1, "reserved": 1, "allocated": 1}


def test_a_parcel_somebody_sent_at_the_channel_takes_nothing_another_channel_needs(world: World) -> None:
    world.item("A", east=1, west=1)
    own, other = eastern(world), world.channel("other", import_since=None)
    world.take(own, held("1"))
    world.take(other, order("2", line(1, "A", 2, shipped=2), at=world.now + 1))
    assert world.at("A") == {"east": (1, 0), "west": (0, 0)}
    assert world.counts("1", channel="eastern") == {"ordered": 1, "reserved": 1}
    events = world.rows("SELECT detail FROM audit WHERE event = 'shipped without stock'")
    assert [row.detail for row in events] == ["1 unit left that is not on hand here"]


def test_a_held_kit_of_another_channel_keeps_its_parts_where_it_needs_them(world: World) -> None:
    world.item("CUP", east=1, west=1)
    world.item("SPOON", east=1)
    world.kit("SET", {"CUP": 1, "SPOON": 1})
    own, other = eastern(world), world.channel("other")
    waits = held("1", sku="SET")
    world.take(own, waits)
    world.take(other, order("2", line(1, "CUP")))
    assert world.work("2", channel="other") == [("west", "planned", 1, 0)]
    world.take(own, freed(waits))
    assert world.counts("1", channel="eastern") == {"ordered": 1, "reserved": 1, "allocated": 1}


# A page that comes while work stands where the channel does not ship from any more.


def _bound_in_the_east(world: World) -> tuple[Channel, Order]:
    """A channel that ships from the west since its order was bound in the east; one more unit stands in the west."""
    world.item("A", east=1)
    one = order("1", line(1, "A"))
    world.take(world.channel(), one)
    assert world.work("1") == [("east", "planned", 1, 0)]
    world.receive("A", "west", 1)
    return world.channel(locations={"west": ""}), one


def test_what_is_routed_anew_comes_out_of_what_others_could_be_promised(world: World) -> None:
    shop, one = _bound_in_the_east(world)
    world.take(shop, edited(one, ship_to=OAKLAND), held("2", at=START + 9))
    assert world.work("1") == [("east", "cancelled", 0, 0), ("west", "planned", 1, 0)]
    assert world.counts("2") == {"ordered": 1, "backordered": 1}


def test_what_left_elsewhere_takes_nothing_from_where_the_channel_ships(world: World) -> None:
    shop, one = _bound_in_the_east(world)
    world.take(shop, edited(one, lines=(line(1, "A", shipped=1),)), order("2", line(1, "A"), at=START + 9))
    assert world.at("A") == {"east": (0, 0), "west": (1, 1)}
    assert world.counts("2") == {"ordered": 1, "reserved": 1, "allocated": 1}


def test_a_kit_sent_at_the_channel_takes_from_a_closed_location_no_more_than_was_promised(world: World) -> None:
    closed = Location(name="north", priority=0, active=False)
    world.locations = [closed, EAST, WEST, SOUTH]
    world.item("CUP", north=2, east=1, west=1)
    world.item("SPOON", north=2, east=1, south=1)
    world.kit("SET", {"CUP": 1, "SPOON": 1})
    shop = world.channel(locations=dict.fromkeys(("north", "east", "west", "south"), ""))
    world.take(shop, order("1", line(1, "SET", 2, shipped=2), at=world.now + 1))
    assert (world.at("CUP")["north"], world.at("CUP")["east"]) == ((1, 0), (0, 0))
    assert world.stock("CUP") == (2, 0)


# What it costs.


@contextmanager
def statements(store: Store) -> Iterator[list[str]]:
    said: list[str] = []

    def note(*args: object) -> None:
        said.append(str(args[2]))

    sa.event.listen(store.engine, "before_cursor_execute", note)
    try:
        yield said
    finally:
        sa.event.remove(store.engine, "before_cursor_execute", note)


def _page(world: World, channel: Channel, number: str) -> list[str]:
    with statements(world.store) as said:
        world.take(channel, order(number, line(1, "A")))
    return said


def test_it_costs_nothing_where_all_ship_from_the_same_and_one_query_a_page_where_not(small_world: World) -> None:
    world = small_world
    world.item("A", east=50, west=50)
    shop, other = world.channel(), world.channel("other")
    plain = len(_page(world, shop, "1"))
    world.take(other, held("2", units=3))
    assert len(_page(world, shop, "3")) == plain
    eastern(world, "third")
    assert len(_page(world, shop, "4")) == plain + 1
    world.take(other, order("2", line(1, "A", 3), version=2))
    assert len(_page(world, shop, "5")) == plain, "nothing is promised without a location any more"


def test_a_round_looks_for_promises_that_do_not_fit_only_where_lists_differ(small_world: World) -> None:
    world = small_world
    world.item("A", east=50, west=50)
    world.take(world.channel(), held("1", units=3))
    with statements(world.store) as said:
        refit(world.store, world.now)
    assert sum(sql.startswith("SELECT") for sql in said) == 2


def test_an_order_that_must_not_be_split_keeps_its_promise(world: World) -> None:
    world.item("A", east=1, west=1)
    world.routing = RoutingSettings(split=False)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 2)))
    assert world.counts("1") == {"ordered": 2, "reserved": 2}
    assert refit(world.store, world.now) == []
