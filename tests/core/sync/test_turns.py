"""Who waits for stock gets it in turn: within a channel and over all of them, and never twice."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.model import Hold, instant
from core.settings import ChannelSettings
from core.store.database import Store
from core.sync.channel import Channel
from core.sync.expire import expire
from core.sync.round import run_round
from core.sync.verify import verify
from tests.core.sync.world import SECOND, START, World, check, connector, edited, line, order, page

DAY = 86_400 * SECOND


def refill(world: World, *channels: Channel) -> None:
    """A turn of each, in this order, all waiting for each other."""
    from core.sync.refill import refill as fill

    known: dict[str, ChannelSettings] = {one.name: one.settings for one in channels}
    for one in channels:
        fill(world.store, one, world.clock, known)


def reserved(world: World, number: str, channel: str = "shop") -> int:
    return int(world.line(number, channel=channel).reserved)


def test_what_was_to_ship_first_comes_first_although_it_was_placed_later(world: World) -> None:
    world.item("A")
    shop = world.channel()
    world.take(shop, order("calm", line(1, "A"), at=START, ship_by=instant(START + 5 * DAY)))
    world.take(shop, order("urgent", line(1, "A"), at=START + DAY, ship_by=instant(START + 2 * DAY)))
    world.receive("A", "east", 1)
    refill(world, shop)
    assert (reserved(world, "calm"), reserved(world, "urgent")) == (0, 1)


def test_without_a_day_to_ship_by_it_is_first_come_first_served(world: World) -> None:
    world.item("A")
    shop = world.channel()
    world.take(shop, order("second", line(1, "A"), at=START + 5), order("first", line(1, "A"), at=START))
    world.receive("A", "east", 1)
    refill(world, shop)
    assert (reserved(world, "first"), reserved(world, "second")) == (1, 0)


def test_the_turn_of_another_channel_leaves_what_is_not_its_turn(world: World) -> None:
    world.item("A")
    shop, other = world.channel(), world.channel("other")
    world.take(shop, order("1", line(1, "A", 2), at=START))
    world.take(other, order("2", line(1, "A", 2), at=START + 1))
    world.receive("A", "east", 3)
    refill(world, other, shop)
    assert reserved(world, "2", "other") == 1
    assert reserved(world, "1") == 2


def test_a_channel_of_higher_priority_comes_before_older_orders_of_others(world: World) -> None:
    world.item("A")
    shop, best = world.channel(), world.channel("best", backorder_priority=1)
    world.take(shop, order("1", line(1, "A", 2), at=START))
    world.take(best, order("2", line(1, "A", 2), at=START + 1))
    world.receive("A", "east", 3)
    refill(world, shop, best)
    assert (reserved(world, "1"), reserved(world, "2", "best")) == (1, 2)


def test_a_parked_channel_is_not_waited_for(world: World) -> None:
    world.item("A")
    shop, other = world.channel(), world.channel("other")
    world.take(shop, order("1", line(1, "A", 2), at=START))
    world.take(other, order("2", line(1, "A", 2), at=START + 1))
    with world.store.write() as tx:
        tx.run("UPDATE channels SET health = 'parked' WHERE name = 'shop'")
    world.receive("A", "east", 2)
    refill(world, other, shop)
    assert reserved(world, "2", "other") == 2


def test_a_channel_that_is_not_configured_any_more_is_not_waited_for(world: World) -> None:
    world.item("A")
    shop, other = world.channel(), world.channel("other")
    world.take(shop, order("1", line(1, "A", 2), at=START))
    world.take(other, order("2", line(1, "A", 2), at=START + 1))
    world.receive("A", "east", 2)
    refill(world, other)
    assert reserved(world, "2", "other") == 2


def test_whoever_can_only_be_served_from_elsewhere_keeps_nobody_waiting(world: World) -> None:
    world.item("A")
    shop = world.channel(locations={"west": ""})
    other = world.channel("other", locations={"east": ""})
    world.take(shop, order("1", line(1, "A", 2), at=START))
    world.take(other, order("2", line(1, "A", 2), at=START + 1))
    world.receive("A", "east", 2)
    refill(world, other, shop)
    assert (reserved(world, "1"), reserved(world, "2", "other")) == (0, 2)


def test_a_kit_that_lacks_a_part_keeps_nobody_from_the_others(world: World) -> None:
    world.item("A")
    world.item("B")
    world.kit("SET", {"A": 1, "B": 1})
    shop = world.channel()
    world.take(shop, order("kit", line(1, "SET"), at=START), order("one", line(1, "A"), at=START + 1))
    world.receive("A", "east", 1)
    refill(world, shop)
    assert (reserved(world, "kit"), reserved(world, "one")) == (0, 1)


def test_a_kit_whose_parts_stand_apart_keeps_no_other_channel_waiting(world: World) -> None:
    world.item("A")
    world.item("B")
    world.kit("SET", {"A": 1, "B": 1})
    shop, other = world.channel(), world.channel("other")
    world.take(other, order("kit", line(1, "SET"), at=START))
    world.take(shop, order("one", line(1, "A"), at=START + 1))
    world.receive("A", "east", 1)
    world.receive("B", "west", 1)
    refill(world, shop, other)
    assert (reserved(world, "kit", "other"), reserved(world, "one")) == (0, 1)


def test_what_was_left_to_a_kit_that_cannot_be_made_goes_to_whoever_waits_longest(world: World) -> None:
    """On paper the kit is whole in the west, until the first takes a unit there. What is left is its turn, too."""
    world.item("A")
    world.item("B")
    world.kit("SET", {"A": 2, "B": 1})
    shop, other = world.channel(locations={"west": ""}), world.channel("other")
    world.take(other, order("kit", line(1, "SET"), at=START))
    world.take(shop, order("first", line(1, "A", 2), at=START + 1), order("next", line(1, "A"), at=START + 2))
    for place, units in (("west", 2), ("east", 1)):
        world.receive("A", place, units)
    world.receive("B", "west", 1)
    refill(world, shop, other)
    assert (reserved(world, "first"), reserved(world, "next")) == (2, 0)
    assert reserved(world, "kit", "other") == 0


def test_an_order_whose_promise_expired_keeps_nobody_waiting(world: World) -> None:
    world.item("A", east=2)
    shop, other = world.channel(unpaid_expire_hours=1), world.channel("other")
    world.take(shop, order("1", line(1, "A", 2), holds=(Hold.PAYMENT,), at=START - DAY))
    world.take(other, order("2", line(1, "A", 2), at=START))
    expire(world.store, shop, world.later(3600))
    refill(world, other, shop)
    assert (reserved(world, "1"), reserved(world, "2", "other")) == (0, 2)


def test_who_waits_is_served_before_who_is_new(world: World) -> None:
    world.item("A")
    shop = world.channel()
    connector(shop).pulls = [[page(order("1", line(1, "A")))], [page(order("2", line(1, "A"), at=START - DAY))]]
    own = {"shop": shop.settings}
    run_round(world.store, shop, own, world.clock)
    world.receive("A", "east", 1)
    done = run_round(world.store, shop, own, world.clock)
    assert (reserved(world, "1"), reserved(world, "2")) == (1, 0)
    assert (done.resumed, done.released) == (1, 1)


def test_a_newer_version_of_who_waits_brings_it_before_nobody(world: World) -> None:
    """Not when the same page gives units back, nor when units are left to another channel."""
    world.item("A", east=1)
    shop, best = world.channel(), world.channel("best", backorder_priority=1)
    has, first, next_ = (order(name, line(1, "A"), at=START + at) for at, name in enumerate(("has", "first", "next")))
    world.take(shop, has, first, next_)
    world.take(best, order("other", line(1, "A")))
    world.take(shop, edited(next_, service="fast"), edited(has, lines=(line(1, "A", cancelled=1),)))
    assert reserved(world, "next") == 0
    refill(world, shop)
    assert reserved(world, "first") == 1
    world.receive("A", "east", 1)
    world.take(shop, edited(next_, version=3, service="slow"))
    refill(world, shop, best)
    assert (reserved(world, "next"), reserved(world, "other", "best")) == (0, 1)


def test_what_a_newer_version_wants_more_is_promised_at_once_and_what_waited_waits(world: World) -> None:
    world.item("A", east=1)
    shop = world.channel()
    one = order("1", line(1, "A", 3))
    world.take(shop, one)
    world.receive("A", "east", 5)
    world.take(shop, edited(one, lines=(line(1, "A", 4),)))
    assert world.counts("1") == {"ordered": 4, "reserved": 2, "backordered": 2, "allocated": 2}
    refill(world, shop)
    assert world.counts("1") == {"ordered": 4, "reserved": 4, "allocated": 4}


def test_an_order_that_waits_for_all_ships_nothing_before(world: World) -> None:
    world.item("A", east=1)
    world.item("B")
    shop = world.channel(backorder="whole")
    both = order("1", line(1, "A"), line(2, "B"))
    world.take(shop, both)
    assert world.counts("1") == {"ordered": 1, "reserved": 1}
    assert (world.refill(shop), world.release(shop), world.work("1")) == (0, 0, [])
    world.take(shop, edited(both, service="slow"))
    assert world.work("1") == []
    world.receive("B", "west", 1)
    assert (world.refill(shop), world.release(shop)) == (1, 2)
    assert world.counts("1", 2) == {"ordered": 1, "reserved": 1, "allocated": 1}


def test_what_comes_for_an_order_that_waits_for_all_is_kept_for_it(world: World) -> None:
    world.item("A")
    world.item("B")
    shop = world.channel(backorder="whole")
    world.take(shop, order("1", line(1, "A"), line(2, "B")))
    world.receive("A", "east", 1)
    assert (world.refill(shop), world.work("1")) == (1, [])
    assert world.counts("1") == {"ordered": 1, "reserved": 1}
    world.take(shop, order("2", line(1, "A")))
    assert world.counts("2") == {"ordered": 1, "backordered": 1}


def test_what_was_planned_whole_and_is_whole_no_more_is_not_released(world: World) -> None:
    world.item("A", east=1)
    shop = world.channel(backorder="whole")
    one = order("1", line(1, "A"))
    world.take(shop, one)
    assert world.work("1") == [("east", "planned", 1, 0)]
    world.take(shop, edited(one, lines=(line(1, "A", 2),)))
    assert world.release(shop) == 0
    world.receive("A", "east", 1)
    assert (world.refill(shop), world.release(shop)) == (1, 2)


def test_by_parts_what_is_there_ships_and_the_rest_follows(world: World) -> None:
    world.item("A", east=1)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 3)))
    assert world.release(shop) == 1
    world.receive("A", "east", 1)
    assert (world.refill(shop), world.release(shop)) == (1, 1)
    assert world.counts("1") == {"ordered": 3, "reserved": 2, "backordered": 1, "allocated": 2}


def test_one_edited_backorder_changes_no_other(world: World) -> None:
    world.item("A")
    shop = world.channel()
    one, two = order("1", line(1, "A", 2)), order("2", line(1, "A", 2), at=START + 1)
    world.take(shop, one, two)
    world.take(shop, edited(one, lines=(line(1, "A", 5),)))
    world.receive("A", "east", 1)
    refill(world, shop)
    world.take(shop, edited(one, version=3, lines=(line(1, "A", 1),)))
    assert world.counts("1") == {"ordered": 1, "reserved": 1, "allocated": 1}
    assert world.counts("2") == {"ordered": 2, "backordered": 2}


QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
_numbers = itertools.count()

ORDERS = st.lists(
    st.tuples(
        st.integers(0, 1),  # whose
        st.integers(1, 3),  # units
        st.integers(0, 5),  # placed at
        st.none() | st.integers(0, 5),  # to ship by
        st.booleans(),  # held
    ),
    min_size=2,
    max_size=6,
)
ARRIVALS = st.lists(
    st.tuples(st.sampled_from(["east", "west"]), st.integers(1, 4), st.booleans()), min_size=1, max_size=4
)


@settings(max_examples=12, deadline=None, suppress_health_check=QUIET)
@given(orders=ORDERS, arrivals=ARRIVALS, priority=st.integers(99, 101))
def test_whatever_comes_the_queue_is_kept_nothing_is_promised_twice_and_no_hold_releases(
    store: Store, orders: list[tuple[Any, ...]], arrivals: list[tuple[str, int, bool]], priority: int
) -> None:
    world = World(store)
    run = next(_numbers)
    names = [f"a{run}", f"b{run}"]
    shops = [world.channel(names[0]), world.channel(names[1], backorder_priority=priority)]
    world.item(f"X{run}")
    wanted: dict[tuple[Any, ...], tuple[str, str, int, bool]] = {}
    for number, (whose, units, at, due, held) in enumerate(orders):
        placed, ship_by = START + at, None if due is None else START + due
        holds = (Hold.FRAUD,) if held else ()
        more = {} if ship_by is None else {"ship_by": instant(ship_by)}
        world.take(shops[whose], order(str(number), line(1, f"X{run}", units), at=placed, holds=holds, **more))
        key = ((100, priority)[whose], placed if ship_by is None else ship_by, placed)
        wanted[(*key, world.order(str(number), names[whose]).id)] = (str(number), names[whose], units, held)
    came = 0
    for place, units, swapped in arrivals:
        world.receive(f"X{run}", place, units)
        came += units
        refill(world, *(reversed(shops) if swapped else shops))
        for shop in shops:
            world.release(shop)
        left = came
        for key in sorted(wanted):
            number, name, asked, held = wanted[key]
            counts = world.counts(number, channel=name)
            assert counts.get("reserved", 0) == min(asked, left), (key, wanted)
            left -= min(asked, left)
            assert (
                (counts.get("allocated", 0) == 0) if held else (counts.get("allocated", 0) == counts.get("reserved", 0))
            )
            assert not held or world.work(number, name) == []
        check(store)
    assert verify(store, file=False) == []


@pytest.mark.parametrize("mode", ["partial", "whole"])
def test_a_backorder_that_waits_is_looked_at_once_and_told_once(world: World, mode: str) -> None:
    world.item("A")
    shop = world.channel(backorder=mode)
    world.take(shop, order("1", line(1, "A", 2)))
    world.receive("A", "east", 1)
    assert [world.refill(shop) for _ in range(3)] == [1, 0, 0]
    assert world.timeline("1") == ["resumed"]
