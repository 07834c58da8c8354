"""Whatever happens to orders and locations in whatever order: nothing is lost or bound twice, and all of it ends."""

from __future__ import annotations

import random
from contextlib import suppress

import msgspec
import pytest

from core.errors import UserError
from core.model import CancelReason
from core.settings import RoutingSettings
from core.sync.cancel import Decision, cancel
from core.sync.channel import Channel
from core.sync.pauses import pause, resume
from core.sync.reject import DeskOf, reject, reroute
from core.sync.traits import Traits, set_traits
from core.sync.verify import verify
from tests.core.sync.world import EAST, OAKLAND, WEST, World, check, edited, line, order

HOUR = 3_600


def _by(shop: Channel) -> DeskOf:
    return lambda tx, name: shop


@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_lost_whatever_happens(small_world: World, seed: int) -> None:
    world, chance = small_world, random.Random(seed)
    world.item("A", east=12, west=9)
    world.item("B", east=6, west=8)
    world.kit("K", {"A": 1, "B": 2})
    world.routing = RoutingSettings(
        rank=chance.choice([("priority",), ("balance", "distance")]),
        split=chance.random() < 0.7,
        ship_complete=chance.random() < 0.3,
    )
    world.locations = [
        msgspec.structs.replace(EAST, capacity_orders=chance.choice([None, 3]), keep=chance.choice([0, 2])),
        msgspec.structs.replace(WEST, capabilities=frozenset(chance.sample(["cold"], chance.randint(0, 1)))),
    ]
    shop = world.channel()
    orders = {
        str(n): order(str(n), *(line(at, chance.choice("ABK"), chance.randint(1, 3)) for at in (1, 2)))
        for n in range(6)
    }
    world.take(shop, *orders.values())
    for _ in range(30):
        world.later(chance.choice([1, HOUR, 9 * HOUR]))
        number = chance.choice(list(orders))
        desk = _by(shop)
        row = world.order(number)
        what = chance.randrange(10)
        with suppress(UserError):
            if what == 0:
                world.release(shop)
            elif what == 1:
                world.refill(shop)
            elif what == 2:
                works = world.rows("SELECT id FROM fulfilment_orders WHERE order_id = :id ORDER BY id", id=row.id)
                work = chance.choice(works).id if works else 0
                units = chance.choice([None, {"1": 1}])
                reject(world.store, work, units, "no", "3pl", world.now, desk=desk)
            elif what == 3:
                away = chance.choice(["", "east", "west"])
                allow = chance.choice([(), ("east", "west")])
                reroute(
                    world.store, row.id, "operator", world.now, away_from=away, allow=allow, recall=True,
                    desk=desk,
                )  # fmt: skip
            elif what == 4:
                world.ship(number, chance.choice(["east", "west"]), tracking=f"T{world.now}")
            elif what == 5:
                cancel(world.store, Decision(row.id, CancelReason.BUYER, units={"2": 1}), world.now)
            elif what == 6:
                world.receive(chance.choice("AB"), chance.choice(["east", "west"]), chance.randint(1, 3))
            elif what == 7:
                (pause if chance.random() < 0.5 else lambda s, n, w, a, t: resume(s, n, a, t))(
                    world.store, "east", "rest", "operator", world.now
                )
                shop = world.channel()
            elif what == 8:
                set_traits(world.store, {"B": Traits(needs=chance.choice([(), ("cold",)]))}, "operator", world.now)
            else:
                orders[number] = edited(orders[number], ship_to=chance.choice([OAKLAND, orders[number].ship_to]))
                world.take(shop, orders[number])
    check(world.store)
    assert verify(world.store, file=False) == []
    # All obstacles gone and plenty of everything: each order that is still open is routed to its last unit.
    world.locations, world.routing = [EAST, WEST], RoutingSettings()
    resume(world.store, "east", "operator", world.now)
    set_traits(world.store, {"B": Traits(needs=())}, "operator", world.now)
    for sku in "AB":
        world.receive(sku, "east", 99)
        world.receive(sku, "west", 99)
    shop = world.channel()
    for number in orders:
        reroute(
            world.store, world.order(number).id, "operator", world.later(), allow=("east", "west"), recall=True,
            desk=_by(shop),
        )  # fmt: skip
    world.refill(shop)
    assert world.rows("SELECT * FROM parked") == []
    assert [
        tuple(row) for row in world.rows("SELECT id FROM lines WHERE reserved > allocated OR backordered > 0")
    ] == []
    check(world.store)
    assert verify(world.store, file=False) == []
