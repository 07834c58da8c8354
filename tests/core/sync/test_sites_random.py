"""Levels and promises agree, and nothing is left unrouted, whichever channel ships from wherever."""

from __future__ import annotations

import random

import pytest

from core.model import Order
from core.sync.channel import Channel
from core.sync.levels import desired, rules
from core.sync.status import standing
from tests.core.sync.test_sites import SOUTH, freed, held
from tests.core.sync.world import EAST, START, WEST, World

NAMES = ("east", "west", "south")
LISTS = [["east"], ["west"], ["east", "west"], ["west", "south"], ["east", "west", "south"]]


def _random_world(world: World, play: random.Random) -> list[Channel]:
    world.locations = [EAST, WEST, SOUTH]
    for sku in ("A", "B"):
        world.item(sku, **{name: play.randrange(5) for name in NAMES})
    world.kit("SET", {"A": 2, "B": 1})
    return [
        world.channel(f"c{number}", locations=dict.fromkeys(play.choice(LISTS), ""), match="sku") for number in range(4)
    ]


@pytest.mark.parametrize("seed", range(25))
def test_a_channel_is_offered_what_its_next_order_would_be_promised(small_world: World, seed: int) -> None:
    world, play = small_world, random.Random(seed)
    channels = _random_world(world, play)
    for channel in channels:
        world.offer(channel, "A", "SET")
    for number in range(12):
        one = held(str(number), units=play.randrange(1, 4), sku=play.choice(["A", "B", "SET"]))
        world.take(play.choice(channels), one if play.random() < 0.7 else freed(one))
    settings = {channel.name: channel.settings for channel in channels}
    for channel in channels:
        with world.store.read() as tx:
            told = desired(tx, rules(tx, settings), list(world.items.values()))
            listing = {row.sku: row.id for row in tx.rows("SELECT * FROM listings WHERE channel_id = :c", c=channel.id)}
        (free,) = (units for (id, _), (_, units) in told.items() if id == listing["A"])
        (kits,) = (units for (id, _), (_, units) in told.items() if id == listing["SET"])
        stock = world.store.transact(lambda tx, own=channel: own.stock(tx, world.items.values()))
        assert stock.able(((world.items["A"], 1),)) == free
        assert stock.able(((world.items["A"], 2), (world.items["B"], 1))) >= kits


@pytest.mark.parametrize("seed", range(25))
def test_once_nothing_holds_them_all_promises_are_bound(small_world: World, seed: int) -> None:
    world, play = small_world, random.Random(seed)
    channels = _random_world(world, play)
    waiting: list[tuple[Channel, Order]] = []
    for number in range(30):
        channel, one = play.choice(channels), held(str(number), units=play.randrange(1, 4), at=START + number)
        if play.random() < 0.5:
            waiting.append((channel, one))
            world.take(channel, one)
        else:
            world.take(channel, freed(one))
        if play.random() < 0.2 and waiting:
            channel, one = waiting.pop(play.randrange(len(waiting)))
            world.take(channel, freed(one))
        assert not any(row.unrouted for row in standing(world.store).waiting.values())
    promised = world.value("SELECT sum(reserved) FROM lines")
    play.shuffle(waiting)
    for channel, one in waiting:
        world.take(channel, freed(one))
    assert world.value("SELECT sum(reserved) FROM lines") == world.value("SELECT sum(allocated) FROM lines") == promised
    assert world.value("SELECT count(*) FROM audit WHERE event = 'promise taken back'") == 0
