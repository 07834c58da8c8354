from __future__ import annotations

from typing import Any

import pytest

from core.model import CancelReason, Hold
from core.sync.cancel import Decision, cancel
from core.sync.channel import Channel
from core.sync.expire import expire
from core.sync.holds import lift
from core.sync.mapping import map_listing
from core.sync.pushes import drop
from core.sync.round import run_round
from core.sync.ship import Departure, ship
from core.sync.verify import verify
from core.sync.void import Void, void
from tests.core.sync.corrupt import corrupting
from tests.core.sync.world import World, edited, line, order

HOUR = 3600
UNPAID = order("1", line(1, "A", 2), holds=(Hold.PAYMENT,))


@pytest.fixture
def shop(world: World) -> Channel:
    world.item("A", east=2)
    return world.channel(unpaid_expire_hours=48)


def due(world: World, shop: Channel, hours: float = 48) -> int:
    return expire(world.store, shop, world.later(hours * HOUR))


def events(world: World) -> list[Any]:
    return [row.event for row in world.rows("SELECT event FROM audit WHERE order_id = 1 ORDER BY id")]


@pytest.mark.parametrize("hold", [Hold.PAYMENT, Hold.PENDING])
def test_what_nobody_pays_for_is_free_for_others_in_time(world: World, shop: Channel, hold: Hold) -> None:
    world.take(shop, edited(UNPAID, holds=(hold,)))
    assert due(world, shop, 47.9) == 0
    assert world.counts("1") == {"ordered": 2, "reserved": 2}
    assert due(world, shop, 0.1) == 1
    assert world.counts("1") == {"ordered": 2, "backordered": 2}
    assert world.stock("A") == (2, 0)
    assert world.timeline("1") == ["promise expired"]
    assert due(world, shop) == 0
    world.take(shop, order("2", line(1, "A", 2)))
    assert world.counts("2") == {"ordered": 2, "reserved": 2, "allocated": 2}


def test_an_expired_order_is_promised_nothing_before_it_is_paid_and_then_what_there_is(
    world: World, shop: Channel
) -> None:
    world.take(shop, UNPAID)
    due(world, shop)
    assert world.refill(shop) == 0
    world.take(shop, edited(UNPAID, lines=(line(1, "A", 1),), version=2))
    assert world.counts("1") == {"ordered": 1, "backordered": 1}
    world.take(shop, edited(UNPAID, holds=(), version=3))
    assert world.counts("1") == {"ordered": 2, "reserved": 2, "allocated": 2}
    assert events(world)[-2:] == ["hold lifted", "paid after its promise expired"]
    assert world.release(shop) == 1
    assert world.rows("SELECT * FROM expiries") == []


def test_paid_too_late_it_waits_as_any_other(world: World, shop: Channel) -> None:
    world.take(shop, UNPAID)
    due(world, shop)
    world.take(shop, order("2", line(1, "A", 2)))
    world.take(shop, edited(UNPAID, holds=(), version=2))
    assert world.counts("1") == {"ordered": 2, "backordered": 2}
    world.receive("A", "east", 2)
    assert world.refill(shop) == 1
    assert world.counts("1") == {"ordered": 2, "reserved": 2, "allocated": 2}


def test_a_payment_hold_set_aside_brings_the_promise_back(world: World, shop: Channel) -> None:
    world.take(shop, UNPAID)
    due(world, shop)
    lift(world.store, world.order("1").id, Hold.PAYMENT, world.now, why="paid by transfer")
    assert events(world)[-2:] == ["hold set aside", "paid after its promise expired"]
    assert (world.refill(shop), world.release(shop)) == (1, 1)


def test_without_a_rule_nothing_expires(world: World) -> None:
    world.item("A", east=2)
    shop = world.channel()
    world.take(shop, UNPAID)
    assert due(world, shop, 10_000) == 0


def test_other_holds_other_channels_and_paid_orders_keep_their_promise(world: World, shop: Channel) -> None:
    world.item("B", east=9)
    other = world.channel("other", unpaid_expire_hours=48)
    world.take(shop, order("1", line(1, "B"), holds=(Hold.FRAUD,)), order("2", line(1, "B")))
    world.take(other, order("3", line(1, "B"), holds=(Hold.PAYMENT,)))
    assert due(world, shop) == 0
    assert world.stock("B") == (9, 3)


def test_planned_work_is_given_back_and_released_work_never(world: World, shop: Channel) -> None:
    world.item("B", east=9)
    one, two = order("1", line(1, "A", 2)), order("2", line(1, "B", 2))
    world.take(shop, two)
    world.release(shop)
    world.take(shop, one)
    world.take(shop, edited(one, holds=(Hold.PAYMENT,)), edited(two, holds=(Hold.PAYMENT,)))
    assert world.work("1") == [("east", "planned", 2, 0)]
    assert due(world, shop) == 1
    assert world.work("1") == [("east", "cancelled", 0, 0)]
    assert world.work("2") == [("east", "released", 2, 0)]
    assert world.at("A") == {"east": (2, 0)}


def test_an_expired_order_that_is_cancelled_releases_nothing_twice(world: World, shop: Channel) -> None:
    world.take(shop, UNPAID)
    due(world, shop)
    cancel(world.store, Decision(order_id=world.order("1").id, reason=CancelReason.OTHER), world.now)
    assert world.counts("1") == {"ordered": 2, "cancelled": 2}
    assert world.stock("A") == (2, 0)


def test_whatever_is_done_to_an_expired_order_it_is_promised_nothing(world: World, shop: Channel) -> None:
    """A cancellation is taken back, a parcel never left, its SKU comes to mean another item."""
    world.item("B", east=9)
    plain = order("1", line(1, "A", 2), line(2, "OURS", 3))
    world.offer(shop, "A", "B", "OURS")
    map_listing(world.store, shop.id, "OURS", "A", world.now)
    world.take(shop, plain)
    ship(world.store, Departure(1, "east", "UPS", "1Z", world.now, {"1": 1}), world.now)
    world.take(shop, edited(plain, holds=(Hold.PAYMENT,)))
    done = cancel(world.store, Decision(order_id=1, reason=CancelReason.BUYER, units={"2": 1}), world.now)
    world.receive("A", "east", 7)
    assert due(world, shop) == 1
    drop(world.store, done.push, "the buyer wants it after all", world.now)
    assert (world.line("1", 2).backordered, world.line("1", 2).reserved) == (3, 0)
    void(world.store, Void(order_id=1, tracking="1Z", why="label only"), world.now)
    assert (world.line("1", 1).backordered, world.line("1", 1).reserved) == (2, 0)
    map_listing(world.store, shop.id, "OURS", "B", world.now)
    assert (world.line("1", 2).backordered, world.line("1", 2).reserved) == (3, 0)
    assert verify(world.store, file=False) == []
    world.take(shop, edited(plain, version=3))
    assert (world.stock("A"), world.stock("B")) == ((9, 2), (9, 3))


def test_the_turn_expires_and_gives_the_units_to_who_waits_for_them(world: World, shop: Channel) -> None:
    world.take(shop, UNPAID)
    world.take(shop, order("2", line(1, "A", 2)))
    assert world.counts("2") == {"ordered": 2, "backordered": 2}
    world.later(48 * HOUR)
    done = run_round(world.store, shop, {"shop": shop.settings}, world.clock)
    assert (done.expired, done.resumed, done.released) == (1, 1, 1)
    assert world.counts("2") == {"ordered": 2, "reserved": 2, "allocated": 2}


def test_an_expired_order_that_holds_something_or_waits_for_nothing_is_a_breach(world: World, shop: Channel) -> None:
    world.take(shop, UNPAID)
    with corrupting(world.store) as tx:
        tx.run("INSERT INTO expiries (order_id, at) SELECT id, 0 FROM orders")
    (breach,) = verify(world.store, file=False)
    assert (breach.name, "2 units are promised" in breach.wrong) == ("I2", True)
    with corrupting(world.store) as tx:
        tx.run("DELETE FROM expiries")
    due(world, shop)
    with corrupting(world.store) as tx:
        tx.run("DELETE FROM holds")
    (breach,) = verify(world.store, file=False)
    assert (breach.name, "waits for no payment" in breach.wrong) == ("I2", True)
    with corrupting(world.store) as tx:
        tx.run("DELETE FROM expiries")
