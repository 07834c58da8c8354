"""After a clock was set back nothing waits for its old time: neither what goes out nor what is asked about."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from connectors.sandbox_warehouse import Yard
from core.connector import Ability
from core.model import Ack, AckState, CancelReason, ChannelListing, Hold, instant
from core.sync.backfill import ask_backfill, work_on_backfill
from core.sync.cancel import Decision, cancel
from core.sync.channel import Channel
from core.sync.clock_back import heed_clock
from core.sync.holds import hold
from core.sync.push import push_tracking
from core.sync.push_levels import push_levels
from core.sync.round import run_round
from tests.core.sync.depot import Depot
from tests.core.sync.fake import SIMPLE, Fake, applied
from tests.core.sync.world import SECOND, START, World, connector, line, order

DAY = 86_400


@pytest.fixture
def shop(world: World) -> Iterator[Channel]:
    world.item("A", east=9)
    fake = Fake(abilities=SIMPLE | {Ability.BACKFILL}, offers=[ChannelListing(sku="A")])
    yield world.channel(fake=fake)
    Yard.forget("depot")


def later(pushed: object) -> Ack:
    return Ack(key=applied(pushed).key, state=AckState.RETRY, reason="busy")


def heed(world: World, *, stepped: bool) -> int:
    return world.store.transact(lambda tx: heed_clock(tx, world.now, stepped=stepped))


def a_push(world: World, shop: Channel) -> Callable[[], object]:
    world.take(shop, order("1", line(1, "A")))
    world.ship("1")
    connector(shop).answer = later
    push_tracking(world.store, shop, world.clock)
    connector(shop).answer = applied
    return lambda: push_tracking(world.store, shop, world.clock)


def a_level(world: World, shop: Channel) -> Callable[[], object]:
    connector(shop).answer = later
    run_round(world.store, shop, {"shop": shop.settings}, world.clock)
    connector(shop).answer = applied
    return lambda: push_levels(world.store, shop, world.clock).applied


def a_backfill(world: World, shop: Channel) -> Callable[[], object]:
    ask_backfill(world.store, shop.id, instant(START - DAY * SECOND), instant(START), world.now)
    connector(shop).past = [[]]
    work_on_backfill(world.store, shop, world.clock)  # the channel is still gathering them

    def work() -> int:
        before = len(connector(shop).calls)
        work_on_backfill(world.store, shop, world.clock)
        return len(connector(shop).calls) - before

    return work


def some_work(world: World, shop: Channel) -> Callable[[], object]:
    depot = Depot(world)
    world.take(shop, order("1", line(1, "A")))
    world.release(shop)
    live = depot.connector.release
    depot.connector.release = lambda orders: map(later, orders)
    depot.ok()
    depot.connector.release = live
    return lambda: depot.ok(0).handed_over


def a_recall(world: World, shop: Channel) -> Callable[[], object]:
    depot = Depot(world)
    world.take(shop, order("1", line(1, "A")))
    world.release(shop)
    depot.ok()
    cancel(world.store, Decision(order_id=world.order("1").id, reason=CancelReason.BUYER), world.now)
    live = depot.connector.recall
    depot.connector.recall = lambda recalls: map(later, recalls)
    depot.ok()
    depot.connector.recall = live
    return lambda: depot.ok(0).recalled


@pytest.mark.parametrize("stepped", [True, False])
@pytest.mark.parametrize("waiting", [a_push, a_level, a_backfill, some_work, a_recall])
def test_what_waits_for_the_old_time_is_due(
    world: World, shop: Channel, waiting: Callable[[World, Channel], Callable[[], object]], stepped: bool
) -> None:
    again = waiting(world, shop)
    assert not again()  # it has just been tried
    assert heed(world, stepped=False) == 0, "what waits of itself waits on"
    world.later(-DAY)
    assert not again()
    with world.store.write() as tx:
        for table in ("channels", "warehouses"):
            tx.run(f"UPDATE {table} SET next_due = :due, last_success = :now", due=world.now + SECOND, now=world.now)
    assert heed(world, stepped=stepped) >= 1
    house = waiting in (some_work, a_recall)
    assert world.value(f"SELECT next_due FROM {'warehouses' if house else 'channels'}") == 0
    assert again()


def test_what_waits_on_purpose_waits_on(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A")))
    until = world.now + 30 * DAY * SECOND
    hold(world.store, world.order("1").id, "the buyer is away", world.now, until=until)
    assert heed(world, stepped=True) == 0
    assert world.value("SELECT until FROM holds WHERE hold = :hold", hold=Hold.OPERATOR.value) == until
