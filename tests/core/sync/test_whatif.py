"""Orders of a time routed once more, out of what stood on the shelves then."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from core.model import instant
from core.routing.replay import Result, add_up, replay
from core.routing.rules import rules_of
from core.settings import ChannelSettings, LocationSettings, RoutingSettings, Settings
from core.sync.whatif import load_window, sites_of
from tests.core.sync.world import OAKLAND, START, World, line, order

HOUR = 3_600


def settings(routing: RoutingSettings, **east: Any) -> Settings:
    places = (
        LocationSettings(name="east", postal_code="10001", priority=1, **east),
        LocationSettings(name="west", postal_code="94105", priority=2),
    )
    own = ChannelSettings(connector="fake", locations={"east": "", "west": ""})
    return Settings(
        folder=Path(), store=None, daemon=None, log=None, locations=places, routing=routing,  # type: ignore[arg-type]
        channels=MappingProxyType({"shop": own}),
    )  # fmt: skip


def again(world: World, since: int, until: int, routing: RoutingSettings, **east: Any) -> list[Result]:
    with world.store.read() as tx:
        by = settings(routing, **east)
        window = load_window(tx, by, rules_of(routing), since, until)
        return replay(window.orders, window.moves, window.free, sites_of(tx, by), rules_of(routing))


def test_other_rules_send_orders_elsewhere_and_change_nothing(world: World) -> None:
    world.item("A", east=9, west=9)
    shop = world.channel()
    world.later(HOUR)
    since = world.now
    ship_by = instant(START) + timedelta(hours=3)
    world.take(
        shop,
        order("1", line(1, "A", 2), at=since, ship_to=OAKLAND, ship_by=ship_by),
        order("2", line(1, "A"), at=since + 1),
    )
    world.release(shop)
    world.ship("1")
    before = [tuple(row) for row in world.rows("SELECT * FROM stock ORDER BY item_id, location_id")]
    now = again(world, since, world.later(HOUR), RoutingSettings())
    assert [one.shares for one in now] == [{"east": 2}, {"east": 1}], "as they went"
    near = again(world, since, world.now, RoutingSettings(rank=("distance",)))
    assert [one.shares for one in near] == [{"west": 2}, {"east": 1}]
    sums = add_up(now)
    assert (sums.orders, sums.units, sums.filled_units, sums.parcels, sums.split) == (2, 3, 3, 2, 0)
    assert (sums.late, sums.with_ship_by) == (0, 1)
    assert add_up(near).km < sums.km
    late = add_up(again(world, since, world.now, RoutingSettings(), cut_off="09:30"))
    assert (late.late, late.with_ship_by) == (1, 1)
    assert [tuple(row) for row in world.rows("SELECT * FROM stock ORDER BY item_id, location_id")] == before


def test_the_shelves_are_as_they_were_and_what_came_comes_when_it_came(world: World) -> None:
    world.item("A", east=3)
    shop = world.channel()
    world.take(shop, order("old", line(1, "A", 1), at=START), order("older", line(1, "A", 1), at=START - 9))
    world.release(shop)
    world.later(HOUR)
    since = world.now
    world.take(shop, order("1", line(1, "A", 2), at=since))
    world.later(HOUR)
    world.receive("A", "west", 5)
    world.take(shop, order("2", line(1, "A", 2), at=world.now + 1))
    world.ship("old", tracking="T0")
    world.refill(shop)
    world.release(shop)
    world.later(HOUR)
    found = again(world, since, world.now, RoutingSettings())
    assert [(one.name, one.shares, one.waits) for one in found] == [
        ("#1", {"east": 1}, "stock"),
        ("#2", {"west": 2}, ""),
    ]
    sums = add_up(found)
    assert (sums.units, sums.filled_units, sums.filled_orders, sums.waits) == (4, 3, 1, {"stock": 1})


def test_capacity_and_splitting_are_replayed(world: World) -> None:
    world.item("A", east=2, west=2)
    world.item("B", east=9, west=9)
    shop = world.channel()
    since = world.later(HOUR)
    numbers = [order(f"b{n}", line(1, "B"), at=since + n) for n in range(3)]
    world.take(shop, order("1", line(1, "A", 3), at=since + 9), *numbers)
    until = world.later(HOUR)
    unsplit = again(world, since, until, RoutingSettings(split=False))
    assert [one.waits for one in unsplit] == ["", "", "", "split"]
    full = again(world, since, until, RoutingSettings(), capacity_orders=2)
    assert [one.shares for one in full[:3]] == [{"east": 1}, {"east": 1}, {"west": 1}]
    assert (full[3].shares, full[3].waits) == ({"west": 2}, "capacity")
    whole = again(world, since, until, RoutingSettings(ship_complete=True), capacity_orders=2)
    assert (whole[3].shares, whole[3].waits) == ({}, "capacity")


def test_what_is_not_there_waits_for_stock_whatever_the_rules(world: World) -> None:
    world.item("A", east=1)
    world.item("B", east=2, west=2)
    shop = world.channel()
    since = world.later(HOUR)
    world.take(
        shop,
        order("1", line(1, "A", 3), at=since),
        order("2", line(1, "A", 3), at=since + 1),
        order("3", line(1, "B", 3), line(2, "A"), at=since + 2),
    )
    world.release(shop)
    until = world.later(HOUR)
    told = [(one.shares, one.waits) for one in again(world, since, until, RoutingSettings(split=False))]
    assert told == [({"east": 1}, "stock"), ({}, "stock"), ({}, "split")], (
        "routed is what is promised, as it is taken in"
    )
    assert [one.waits for one in again(world, since, until, RoutingSettings())] == ["stock", "stock", "stock"]
    whole = again(world, since, until, RoutingSettings(ship_complete=True))
    assert [(one.shares, one.waits) for one in whole] == [
        ({}, "incomplete"),
        ({}, "incomplete"),
        ({"east": 3, "west": 1}, ""),
    ]


def test_orders_of_nobodys_channel_and_of_unknown_items_are_counted_out(world: World) -> None:
    world.item("A", east=2)
    world.take(world.channel("other"), order("1", line(1, "A"), at=START))
    world.take(world.channel(), order("2", line(1, "what"), at=START), order("3", line(1, "A"), at=START))
    with world.store.read() as tx:
        by = settings(RoutingSettings())
        window = load_window(tx, by, rules_of(by.must_route()), START, START + 1)
    assert ([one.name for one in window.orders], window.skipped) == (["#3"], 2)
