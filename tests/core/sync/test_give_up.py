from __future__ import annotations

from typing import Any

import pytest

from core.connector import Ability
from core.model import Cancellation, CancelReason, Hold
from core.sync.channel import Channel
from core.sync.give_up import give_up
from core.sync.round import run_round
from core.sync.said import decoded
from core.sync.stock import count
from tests.core.sync.fake import SIMPLE, Fake
from tests.core.sync.world import SECOND, World, edited, line, order

DAY = 86_400
ABLE = SIMPLE | {Ability.CANCEL}


def channel(world: World, name: str = "shop", **settings: Any) -> Channel:
    return world.channel(name, Fake(abilities=ABLE), **settings)


def words(world: World) -> list[Cancellation]:
    return [
        decoded(row.argument, Cancellation)
        for row in world.rows("SELECT * FROM pushes WHERE kind = 'cancel' ORDER BY id")
    ]


def due(world: World, shop: Channel, days: float = 30) -> int:
    return give_up(world.store, shop, world.later(days * DAY))


def test_what_waited_too_long_is_cancelled_and_due_at_the_channel(world: World) -> None:
    world.item("A", east=1)
    shop = channel(world, backorder_cancel_days=30)
    world.take(shop, order("1", line(1, "A", 3)))
    assert due(world, shop, 29.9) == 0
    assert due(world, shop, 0.1) == 1
    assert world.counts("1") == {"ordered": 3, "cancelled": 2, "reserved": 1, "allocated": 1}
    (told,) = words(world)
    assert (told.lines, told.reason, told.whole) == ({"1": 2}, CancelReason.OUT_OF_STOCK, False)
    (row,) = world.rows("SELECT * FROM audit WHERE event = 'cancelled here'")
    assert (row.actor, row.detail) == ("ordersync", "2 of A (out of stock); waited for stock for 30 days")
    assert due(world, shop) == 0


def test_a_channel_that_waits_for_nothing_cancels_at_once(world: World) -> None:
    world.item("A")
    shop = channel(world, backorder="never")
    world.take(shop, order("1", line(1, "A", 3)))
    assert run_round(world.store, shop, {"shop": shop.settings}, world.clock).given_up == 1
    assert world.counts("1") == {"ordered": 3, "cancelled": 3}
    assert words(world)[0].whole


def test_before_anything_is_given_up_it_gets_what_came(world: World) -> None:
    world.item("A")
    shop = channel(world, backorder="never")
    world.take(shop, order("1", line(1, "A", 3)))
    world.receive("A", "east", 3)
    assert run_round(world.store, shop, {"shop": shop.settings}, world.clock).given_up == 0


def test_without_a_rule_everything_waits_on(world: World) -> None:
    world.item("A")
    shop = channel(world)
    world.take(shop, order("1", line(1, "A", 3)))
    assert due(world, shop, 3000) == 0


@pytest.mark.parametrize("why", ["held", "cannot be told", "not to be told", "shadow"])
def test_what_is_not_ours_to_give_up_waits_on(world: World, why: str) -> None:
    world.item("A")
    more = {"not to be told": {"push_cancellations": False}, "shadow": {"mode": "shadow"}}.get(why, {})
    using = Fake() if why == "cannot be told" else Fake(abilities=ABLE)
    shop = world.channel("shop", using, backorder="never", **more)
    world.take(shop, order("1", line(1, "A", 3), holds=(Hold.FRAUD,) if why == "held" else ()))
    assert due(world, shop) == 0
    assert world.counts("1") == {"ordered": 3, "backordered": 3}


def test_a_promise_taken_back_begins_to_wait_then(world: World) -> None:
    world.item("A", east=3)
    shop = channel(world, backorder_cancel_days=30)
    world.take(shop, order("1", line(1, "A", 3)))
    count(world.store, "A", "east", 0, world.later(40 * DAY))
    assert world.counts("1") == {"ordered": 3, "backordered": 3}
    assert due(world, shop, 29) == 0
    assert due(world, shop, 1) == 1


def test_what_the_channel_refused_to_cancel_is_not_cancelled_over_and_over(world: World) -> None:
    world.item("A")
    shop = channel(world, backorder_cancel_days=30)
    one = order("1", line(1, "A", 3))
    world.take(shop, one)
    due(world, shop)
    with world.store.write() as tx:
        tx.run("UPDATE pushes SET state = 'refused', reason = 'no'")
    world.take(shop, edited(one, lines=(line(1, "A", 5),)))
    assert world.counts("1") == {"ordered": 5, "cancelled": 3, "backordered": 2}
    assert due(world, shop) == 0
    assert world.now > 60 * DAY * SECOND
