"""Many workers on one PostgreSQL: nothing is sold twice, and nobody is ever stopped by a deadlock."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import sqlalchemy as sa

from core.errors import UserError
from core.model import Fulfiller, Line, Order
from core.store import database
from core.store.database import Store
from core.sync.channel import Channel
from core.sync.levels import refresh, touch_changed_rules
from core.sync.refill import refill
from core.sync.release import release
from core.sync.ship import Departure, ship
from core.sync.take_in import take_in
from core.sync.verify import verify
from tests.core.sync.world import START, World, check, edited, line, order, page

pytestmark = pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)

SKUS = [f"S{number}" for number in range(6)]


@pytest.fixture
def retried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the database made us do again, by its code."""
    codes: list[str] = []
    transient = database._transient

    def told(error: sa.exc.DBAPIError) -> bool:
        codes.append(str(getattr(error.orig, "sqlstate", "")))
        return transient(error)

    monkeypatch.setattr(database, "_transient", told)
    return codes


def at_once(works: list[Callable[[], None]]) -> None:
    """Runs all at the same time; raises the first error of any."""
    start = Barrier(len(works))

    def run(work: Callable[[], None]) -> None:
        start.wait(timeout=30)
        work()

    with ThreadPoolExecutor(len(works)) as pool:
        for future in [pool.submit(run, work) for work in works]:
            future.result(timeout=120)


def test_eight_writers_never_oversell_one_hot_item(store: Store, retried: list[str]) -> None:
    world = World(store)
    world.item("HOT", east=40, west=30)
    channels = [world.channel(f"shop{number}") for number in range(8)]

    def sell(shop: Channel) -> Callable[[], None]:
        def work() -> None:
            for step in range(5):
                orders = [order(f"{step}-{number}", line(1, "HOT")) for number in range(5)]
                take_in(store, shop, page(*orders), START + step, START + step)

        return work

    at_once([sell(shop) for shop in channels])
    assert world.stock("HOT") == (70, 70)
    row = world.row("SELECT sum(reserved) AS reserved, sum(backordered) AS waiting, count(*) AS n FROM lines")
    assert tuple(row) == (70, 130, 200)
    assert world.at("HOT") == {"east": (40, 40), "west": (30, 30)}
    assert retried == []
    check(store)
    assert verify(store) == []


def busy(world: World, shop: Channel, seed: int, also: Callable[[int], None]) -> Callable[[], None]:
    """A channel that takes in new orders, edits, and orders it ships itself, over many items in any order."""

    def work() -> None:
        chance = random.Random(seed)
        known: list[Order] = []
        for step in range(8):
            news = []
            for number in range(4):
                skus = chance.sample([*SKUS, "SET"], 3)
                lines = [line(index, sku, chance.randint(1, 2)) for index, sku in enumerate(skus)]
                theirs = Fulfiller.CHANNEL if chance.random() < 0.4 else Fulfiller.MERCHANT
                news.append(order(f"{step}-{number}", *lines, fulfiller=theirs))
            olds = [
                edited(one, lines=tuple(edited_line(chance, part) for part in one.lines))
                for one in chance.sample(known, min(2, len(known)))
            ]
            take_in(world.store, shop, page(*news, *olds), START + step, START + step)
            known = [one for one in known if one.number not in {old.number for old in olds}] + news + olds
            also(step)

    return work


def edited_line(chance: random.Random, part: Line) -> Line:
    return line(part.number, part.sku, chance.randint(1, 3))


def test_pages_shipments_stock_and_levels_get_along(store: Store, retried: list[str]) -> None:
    world = World(store)
    for sku in SKUS:
        world.item(sku, east=15, west=15)
    world.kit("SET", {"S5": 1, "S0": 2})
    channels = [world.channel(f"shop{number}") for number in range(4)]
    for shop in channels:
        world.offer(shop, *SKUS, "SET")
    settings = {shop.name: shop.settings for shop in channels}

    def rounds(shop: Channel) -> Callable[[int], None]:
        def also(step: int) -> None:
            refill(store, shop, lambda: START + step)
            release(store, shop, START + step)
            touch_changed_rules(store, settings)
            refresh(store, settings, START + step)

        return also

    def shipper(seed: int) -> Callable[[], None]:
        def work() -> None:
            chance = random.Random(seed)
            for step in range(16):
                ids = [row.id for row in world.rows("SELECT DISTINCT order_id AS id FROM lines WHERE reserved > 0")]
                if ids:
                    place = chance.choice(["east", "west"])
                    try:
                        ship(store, Departure(chance.choice(ids), place, "UPS", f"{seed}-{step}", START), START)
                    except UserError:
                        continue

        return work

    def receiver() -> None:
        chance = random.Random(99)
        for _ in range(16):
            world.receive(chance.choice(SKUS), chance.choice(["east", "west"]), 1)

    at_once(
        [
            *(busy(world, shop, seed, rounds(shop)) for seed, shop in enumerate(channels)),
            shipper(11),
            shipper(12),
            receiver,
        ]
    )
    check(store)
    assert verify(store) == []
    refresh(store, settings, START)
    assert world.rows("SELECT * FROM touched") == []
    assert [code for code in retried if code != ""] == []
