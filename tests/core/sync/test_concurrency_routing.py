"""Many workers on one PostgreSQL: a day is never filled twice, and nobody is stopped by a deadlock."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import msgspec
import pytest

from core.errors import UserError
from core.store.database import Store
from core.sync.channel import Channel
from core.sync.reject import reject
from core.sync.ship import Departure, ship
from core.sync.take_in import take_in
from core.sync.verify import verify
from tests.core.sync.test_concurrency import at_once
from tests.core.sync.world import EAST, START, WEST, World, check, line, order, page

pytestmark = pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)


def test_a_days_capacity_is_not_filled_twice_by_channels_that_share_no_item(store: Store) -> None:
    world = World(store)
    world.locations = [
        msgspec.structs.replace(EAST, capacity_orders=7),
        msgspec.structs.replace(WEST, capacity_units=9),
    ]
    channels = [world.channel(f"shop{number}") for number in range(4)]
    for number in range(4):
        world.item(f"S{number}", east=99, west=99)

    def sell(shop: Channel, number: int) -> Callable[[], None]:
        def work() -> None:
            for step in range(4):
                orders = [order(f"{step}-{at}", line(1, f"S{number}")) for at in range(3)]
                take_in(store, shop, page(*orders), START + step, START + step)

        return work

    at_once([sell(shop, number) for number, shop in enumerate(channels)])
    given = {row.name: row.n for row in world.rows(
        "SELECT p.name, count(*) AS n FROM fulfilment_orders f JOIN locations p ON p.id = f.location_id GROUP BY p.name"
    )}  # fmt: skip
    assert given == {"east": 7, "west": 9}
    counted = {row.orders for row in world.rows("SELECT orders FROM loads")}
    assert counted == {7, 9}
    assert len(world.rows("SELECT * FROM parked")) == 4 * 4 * 3 - 16
    check(store)
    assert verify(store) == []


def test_a_rejection_and_a_parcel_of_the_same_work_are_one_or_the_other(store: Store) -> None:
    world = World(store)
    world.item("A", east=50, west=50)
    shop = world.channel()
    numbers = [str(number) for number in range(12)]
    world.take(shop, *(order(number, line(1, "A", 2)) for number in numbers))
    world.release(shop)
    works = {row.order_id: row.id for row in world.rows("SELECT id, order_id FROM fulfilment_orders")}
    told: list[str] = []

    def no() -> None:
        for order_id, work in works.items():
            with suppress(UserError):  # it has left
                reject(store, work, None, "broken", "3pl", START, desk=lambda tx, name: shop)
                told.append(f"no {order_id}")

    def yes() -> None:
        for order_id in reversed(works):
            with suppress(UserError):  # it was rejected
                ship(store, Departure(order_id, "east", "UPS", f"T{order_id}", START), START)
                told.append(f"yes {order_id}")

    at_once([no, yes])
    assert sorted(one.split()[1] for one in told) == sorted(str(order_id) for order_id in works)
    for number in numbers:
        states = {(place, state, units, sent) for place, state, units, sent in world.work(number)}
        assert states in ({("east", "done", 2, 2)}, {("east", "rejected", 0, 0), ("west", "planned", 2, 0)})
    check(store)
    assert verify(store) == []
