"""Levels at channels that compare before they set: what is expected there."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from core.errors import Unavailable
from core.model import Ack, CancelReason
from core.sync.cancel import Decision, cancel
from core.sync.channel import Channel
from core.sync.push_levels import Told, push_levels, read_bases
from tests.core.sync.fake import Fake, applied
from tests.core.sync.test_levels import COMPARING, follow, level, push, shop_of
from tests.core.sync.world import World, connector, line, order


def comparing(world: World, held: int = 4) -> Channel:
    shop = shop_of(world, COMPARING)
    connector(shop).quantities["A", ""] = held
    return shop


def test_a_channel_that_compares_is_read_once_and_then_followed(world: World) -> None:
    shop = comparing(world)
    assert push(world, shop) == 1
    assert [(one.expected, one.quantity) for one in connector(shop).levels] == [(4, 9)]
    world.receive("A", "east", 1)
    assert push(world, shop) == 1
    assert [(one.expected, one.quantity) for one in connector(shop).levels] == [(4, 9), (9, 10)]
    assert connector(shop).calls.count("read_levels") == 1


def test_what_a_taken_in_order_took_at_the_channel_is_expected(world: World) -> None:
    shop = comparing(world)
    push(world, shop)
    world.later()
    connector(shop).quantities["A", ""] -= 2
    world.take(shop, order("1", line(1, "A", 2), at=world.now))
    assert push(world, shop) == 1
    assert connector(shop).levels[-1].expected == 7
    assert connector(shop).calls.count("read_levels") == 1


def test_units_cancelled_here_are_expected_back_when_the_channel_shows_it(world: World) -> None:
    shop = comparing(world)
    push(world, shop)
    world.later()
    held = connector(shop).quantities
    held["A", ""] -= 2
    one = order("1", line(1, "A", 2), at=world.now, version=world.now)
    world.take(shop, one)
    push(world, shop)
    cancel(world.store, Decision(world.order("1").id, CancelReason.OTHER), world.now)
    push(world, shop)
    assert [(level.expected, level.quantity) for level in connector(shop).levels][-1:] == [(7, 9)]
    world.later()
    held["A", ""] += 2  # the channel heard of it, and offers the two again by itself
    world.take(shop, msgspec.structs.replace(one, lines=(line(1, "A", 2, cancelled=2),), version=world.now))
    assert push(world, shop) == 1
    assert [(level.expected, level.quantity) for level in connector(shop).levels][-1:] == [(11, 9)]
    assert connector(shop).calls.count("read_levels") == 1


def test_what_moves_to_another_place_of_the_channel_is_expected_there(world: World) -> None:
    world.item("A", east=9, west=9)
    shop = world.channel(fake=Fake(abilities=COMPARING), locations={"east": "E", "west": "W"})
    world.offer(shop, "A")
    connector(shop).quantities |= {("A", "E"): 9, ("A", "W"): 9}
    push(world, shop)
    world.later()
    taken = line(1, "A", 2, place="E")
    connector(shop).quantities["A", "E"] -= 2
    world.take(shop, order("1", taken, at=world.now, version=world.now))
    push(world, shop)
    world.later()
    held = connector(shop).quantities
    held["A", "E"], held["A", "W"] = held["A", "E"] + 2, held["A", "W"] - 2
    connector(shop).levels.clear()
    world.take(shop, order("1", msgspec.structs.replace(taken, place="W"), at=world.now, version=world.now))
    assert push(world, shop) == 2
    assert sum(held.values()) == 16
    assert connector(shop).calls.count("read_levels") == 1


def test_an_order_placed_before_the_reading_is_not_expected_twice(world: World) -> None:
    shop = comparing(world)
    follow(world, shop)
    world.later()
    read_bases(world.store, shop, world.clock)
    world.take(shop, order("1", line(1, "A", 2), at=world.now - 30_000_000))
    follow(world, shop)
    assert push_levels(world.store, shop, world.clock) == Told(applied=1)
    assert connector(shop).levels[-1].expected == 4
    assert connector(shop).levels[-1].quantity == 7


def test_a_stale_level_is_read_again_before_it_is_pushed_again(world: World) -> None:
    shop = comparing(world)
    push(world, shop)
    connector(shop).quantities["A", ""] = 3
    world.receive("A", "east", 1)
    assert push(world, shop) == 0
    assert level(world).expected is None
    assert push_levels(world.store, shop, world.clock) == Told()
    assert push(world, shop) == 1
    assert connector(shop).quantities["A", ""] == 10


def test_after_an_ambiguous_failure_a_compared_level_is_read_again(world: World) -> None:
    shop = comparing(world)

    def lost(one: Any) -> Ack:
        raise Unavailable("reset", ambiguous=True)

    connector(shop).answer = lost
    with pytest.raises(Unavailable):
        push(world, shop)
    assert level(world).expected is None
    connector(shop).quantities["A", ""] = 9
    connector(shop).answer = applied
    assert push(world, shop) == 1
