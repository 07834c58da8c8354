"""For every kind of issue, what causes it and what takes the cause away, by the use cases that really do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec

from core.connector import Ability
from core.errors import Rejected, Unauthorized, Unavailable
from core.model import (
    Ack,
    AckState,
    CancelReason,
    ChannelListing,
    Fulfiller,
    Hint,
    HintKind,
    Hold,
    Observation,
    Package,
    Page,
    Present,
    instant,
)
from core.settings import Problem
from core.sync import late as late_units
from core.sync.ask import ask_levels, ask_orders
from core.sync.backfill import ask_backfill, work_on_backfill
from core.sync.breaches import keep_breaches
from core.sync.cancel import Decision, cancel
from core.sync.channel import Channel
from core.sync.hear import Heard, hear
from core.sync.hints import NOTICE_LIFE
from core.sync.listings import read_listings
from core.sync.mapping import map_listing
from core.sync.push import push_acknowledgements, push_tracking
from core.sync.pushes import retry
from core.sync.received import Came, Disposition, Receiving, receive
from core.sync.reconcile import reconcile
from core.sync.refund import refund
from core.sync.reject import reroute
from core.sync.returns import take_returns
from core.sync.rma import Opening, open_return
from core.sync.rma_refund import bind, propose
from core.sync.round import run_round
from core.sync.stock import count
from core.sync.take_in import take_in
from core.sync.verify import verify
from core.sync.void import Void, settle, void
from core.sync.work import failed, finished
from tests.core.sync.corrupt import corrupting
from tests.core.sync.depot import Depot
from tests.core.sync.fake import SIMPLE, Fake, applied, body
from tests.core.sync.test_returns import back
from tests.core.sync.test_subscriptions import ADDRESS, Telling
from tests.core.sync.world import OAKLAND, START, World, connector, edited, line, order, page

Steps = Iterator[dict[str, Any]]
"""Stops three times: before the cause is there, with it, and without it. Yields what the inbox looks at besides the
store, as `seen` takes it."""

CAUSES: dict[str, Callable[[World], Steps]] = {}

MINUTE, HOUR, DAY = 60, 3600, 86_400


def causes(make: Callable[[World], Steps]) -> Callable[[World], Steps]:
    CAUSES[make.__name__] = make
    return make


def of(*channels: Channel, **more: Any) -> dict[str, Any]:
    return {"channels": channels, **more}


def stocked(world: World, fake: Fake | None = None, units: int = 9, **settings: Any) -> Channel:
    """A channel, and nine of A in the east."""
    world.item("A", east=units)
    return world.channel(fake=fake, **settings)


def turned(world: World, shop: Channel, error: Exception | None = None) -> None:
    """A turn that went well, or failed."""
    with world.store.write() as tx:
        if error is not None:
            failed(tx, shop.id, shop.epoch, error, 300, world.now)
            return
        row = tx.row("SELECT * FROM channels WHERE id = :id", id=shop.id)
        finished(tx, shop.id, shop.epoch, row, world.now + 15_000_000, world.now, began=world.now)


def run(world: World, shop: Channel, **more: Any) -> None:
    world.later()
    run_round(world.store, shop, {shop.name: shop.settings}, world.clock, **more)


def by(hours: float) -> Any:
    return instant(START) + timedelta(hours=hours)


def refuse(pushed: Any) -> Ack:
    return Ack(key=applied(pushed).key, state=AckState.REFUSED, reason="no; look there")


def come(world: World, target: str, **units: int) -> None:
    came = [Came(name=sku, units=some, disposition=Disposition.RESTOCK) for sku, some in units.items()]
    receive(world.store, Receiving(target=target, came=came), world.now)


def call_off(world: World, number: str = "1", **units: int) -> None:
    wish = Decision(order_id=world.order(number).id, reason=CancelReason.BUYER, units=units or None)
    cancel(world.store, wish, world.now)


# Channels.


@causes
def configuration(world: World) -> Steps:
    shop = stocked(world)
    yield of(shop)
    yield of(shop, problems=(Problem("channels/mall.toml:3", "buffer", "no number", "write one"),))
    yield of(shop)


@causes
def parked(world: World) -> Steps:
    shop = stocked(world)
    yield of(shop)
    turned(world, shop, Unauthorized("the token is revoked; make a new one"))
    yield of(shop)
    turned(world, shop)
    yield of(shop)


@causes
def outage(world: World) -> Steps:
    shop = stocked(world)
    yield of(shop)
    turned(world, shop, Unavailable("no answer"))
    yield of(shop)
    turned(world, shop)
    yield of(shop)


@causes
def idle(world: World) -> Steps:
    shop = stocked(world)
    turned(world, shop)
    yield of(shop, poll=60)
    world.later(HOUR)
    yield of(shop, poll=60)
    turned(world, shop)
    yield of(shop, poll=60)


@causes
def subscription(world: World) -> Steps:
    fake = Telling(abilities=SIMPLE | {Ability.HINTS})
    shop = stocked(world, fake)
    run(world, shop, address=ADDRESS)
    yield of(shop)
    fake.fails = Unavailable("it does not answer")
    world.later(2 * HOUR)
    run(world, shop, address=ADDRESS)
    yield of(shop)
    fake.fails = None
    world.later(2 * HOUR)
    run(world, shop, address=ADDRESS)
    yield of(shop)


@causes
def notice(world: World) -> Steps:
    shop = stocked(world)
    yield of(shop)
    hint = Hint(id="e1", kind=HintKind.ACCOUNT, at=instant(world.now), reason="a policy was broken")
    hear(world.store, {"shop": Heard(hints=[hint])}, world.now)
    run(world, shop)
    yield of(shop)
    world.later(NOTICE_LIFE // 1_000_000)
    run(world, shop)
    yield of(shop)


@causes
def backfill(world: World) -> Steps:
    fake = Fake(abilities=SIMPLE | {Ability.BACKFILL})
    shop = stocked(world, fake)

    def ask() -> None:
        ask_backfill(world.store, shop.id, by(-9), by(0), world.now)
        world.later()
        work_on_backfill(world.store, shop, world.clock)

    yield of(shop)
    fake.past = [[Rejected("too far back")], [page(cursor="")]]
    ask()
    yield of(shop)
    ask()
    yield of(shop)


# Orders.


@causes
def late(world: World) -> Steps:
    shop = stocked(world)
    world.take(shop, order("1", line(1, "A", 2), ship_by=by(30)))
    yield of(shop)
    world.later(7 * HOUR)
    yield of(shop)
    world.release(shop)
    world.ship("1")
    yield of(shop)


@causes
def acknowledge(world: World) -> Steps:
    shop = stocked(world)
    world.take(shop, order("1", line(1, "A"), acknowledged=False, acknowledge_by=by(4)))
    yield of(shop)
    world.later(4 * HOUR - 20 * MINUTE)
    yield of(shop)
    push_acknowledgements(world.store, shop, world.clock)
    yield of(shop)


@causes
def unknown_sku(world: World) -> Steps:
    shop = stocked(world)
    yield of(shop)
    world.take(shop, order("1", line(1, "NEW")), order("2", line(1, "NEW")))
    yield of(shop)
    map_listing(world.store, shop.id, "NEW", "A", world.now)
    world.refill(shop)
    yield of(shop)


@causes
def held(world: World) -> Steps:
    shop = stocked(world)
    yield of(shop)
    first = order("1", line(1, "A"), holds=(Hold.FRAUD,))
    world.take(shop, first)
    yield of(shop)
    world.take(shop, edited(first, holds=()))
    yield of(shop)


@causes
def unrouted(world: World) -> Steps:
    world.routing = world.routing.model_copy(update={"split": False})
    world.item("B", west=1)
    shop = stocked(world)
    world.take(shop, order("1", line(1, "A"), line(2, "B")))
    yield of(shop)
    world.later(11 * MINUTE)
    yield of(shop)
    world.receive("B", "east", 1)
    world.refill(shop)
    yield of(shop)


@causes
def taken_back(world: World) -> Steps:
    shop = stocked(world, units=2)
    world.take(shop, order("1", line(1, "A", 2)))
    yield of(shop)
    count(world.store, "A", "east", 1, world.later())
    yield of(shop)
    count(world.store, "A", "east", 2, world.later())
    world.refill(shop)
    yield of(shop)


@causes
def backorder(world: World) -> Steps:
    shop = stocked(world, units=1)
    world.take(shop, order("1", line(1, "A", 3)))
    yield of(shop)
    world.later(8 * DAY)
    yield of(shop)
    world.receive("A", "west", 2)
    world.refill(shop)
    yield of(shop)


# What channels are told.


@causes
def push_refused(world: World) -> Steps:
    shop = stocked(world)
    world.take(shop, order("1", line(1, "A")))
    world.ship("1")
    yield of(shop)
    connector(shop).answer = refuse
    push_tracking(world.store, shop, world.clock)
    yield of(shop)
    connector(shop).answer = applied
    retry(world.store, world.value("SELECT id FROM pushes WHERE kind = 'tracking'"), world.now)
    push_tracking(world.store, shop, world.clock)
    yield of(shop)


@causes
def push_stuck(world: World) -> Steps:
    shop = stocked(world)
    world.take(shop, order("1", line(1, "A")))
    world.ship("1")
    yield of(shop)
    world.later(DAY + 1)
    yield of(shop)
    push_tracking(world.store, shop, world.clock)
    yield of(shop)


@causes
def push_unshown(world: World) -> Steps:
    shop, first = sent(world)
    push_tracking(world.store, shop, world.clock)
    yield of(shop)
    world.later(DAY + 1)
    yield of(shop)
    shown = Package(tracking="T1", lines={"1": 2})
    world.take(shop, edited(first, lines=(line(1, "A", 2, shipped=2),), packages=(shown,)))
    yield of(shop)


@causes
def level_refused(world: World) -> Steps:
    shop = stocked(world, Fake(offers=[ChannelListing(sku="A")]))
    connector(shop).answer = refuse
    yield of(shop)
    run(world, shop)
    yield of(shop)
    connector(shop).answer = applied
    ask_levels(world.store, shop.id, world.now)
    run(world, shop)
    yield of(shop)


# Warehouses.


def depot_of(world: World) -> tuple[Channel, Depot]:
    """A warehouse that was handed three of A."""
    shop = stocked(world, locations={"east": ""})
    depot = Depot(world)
    world.take(shop, order("1", line(1, "A", 3)))
    world.release(shop)
    depot.ok()
    return shop, depot


@causes
def warehouse_down(world: World) -> Steps:
    shop, depot = depot_of(world)
    yield of(shop)
    depot.yard.fail("unavailable")
    depot.turn()
    world.later(11 * MINUTE)
    yield of(shop)
    depot.yard.fail(None)
    depot.ok()
    yield of(shop)


@causes
def notice_set_aside(world: World) -> Steps:
    shop, depot = depot_of(world)
    yield of(shop)
    depot.send([{"A": 5}])
    depot.ok()
    yield of(shop)
    depot.yard._events.append(depot.yard._events[0].replace(b":5}", b":3}"))
    depot.ok()
    yield of(shop)


@causes
def recall_too_late(world: World) -> Steps:
    shop, depot = depot_of(world)
    call_off(world, A=1)
    depot.yard.slow = True
    depot.ok()
    yield of(shop)
    depot.yard.answer_recall("OS-R1", done=False, reason="packed")
    depot.ok()
    yield of(shop)
    depot.yard.send("OS-1", [("1Z1", {depot.number(): 2})], at=depot.at())
    depot.yard.decline("OS-1", {depot.number(): 1})
    depot.ok()
    yield of(shop)


@causes
def recall_unanswered(world: World) -> Steps:
    shop, depot = depot_of(world)
    call_off(world, A=1)
    depot.yard.slow = True
    depot.ok()
    yield of(shop)
    world.later(DAY + 1)
    yield of(shop)
    depot.yard.answer_recall("OS-R1", done=True)
    depot.ok()
    yield of(shop)


@causes
def work_stuck(world: World) -> Steps:
    shop, depot = depot_of(world)
    depot.connector.release = lambda orders: iter([Ack(key=o.key, state=AckState.RETRY, reason="full") for o in orders])
    world.take(shop, order("2", line(1, "A")))
    world.release(shop)
    depot.ok()
    yield of(shop)
    world.later(2 * DAY)
    depot.ok()
    yield of(shop)
    del depot.connector.release
    depot.ok()
    yield of(shop)


@causes
def shelf_in_doubt(world: World) -> Steps:
    shop, depot = depot_of(world)
    depot.yard.count("E", {"A": 1}, as_of=depot.at())
    left = depot.at(-30)
    depot.ok()
    yield of(shop)
    world.later(2 * DAY)
    yield of(shop)
    depot.yard.send("OS-1", [("1Z1", {depot.number(): 3})], at=left)
    depot.ok()
    yield of(shop)


# Documents.


@causes
def quarantine(world: World) -> Steps:
    shop = stocked(world)
    yield of(shop)
    take_in(world.store, shop, Page(observations=(Observation(number="7", body=b"{"),), cursor="c"), 1, world.now)
    yield of(shop)
    world.take(shop, order("7", line(1, "A")))
    yield of(shop)


@causes
def money(world: World) -> Steps:
    shop = stocked(world)
    yield of(shop)
    world.take(shop, order("8", line(1, "A"), total=Decimal("3.5")))
    yield of(shop)
    world.take(shop, order("8", line(1, "A"), version=2))
    yield of(shop)


@causes
def unpriced(world: World) -> Steps:
    shop = stocked(world)
    world.take(shop, order("1", line(1, "A"), priced=False))
    yield of(shop)
    world.later(11 * MINUTE)
    yield of(shop)
    world.take(shop, order("1", line(1, "A"), version=2))
    yield of(shop)


def roll_of(world: World) -> tuple[Channel, Fake]:
    """A channel that names its orders; order 1 is there and here."""
    fake = Fake(abilities=SIMPLE | {Ability.ROLL_CALL})
    shop = stocked(world, fake)
    first = order("1", line(1, "A"))
    world.take(shop, first)
    fake.orders["1"] = body(first)
    fake.roll = [Present(number="1", placed_at=first.placed_at)]
    turned(world, shop)
    run(world, shop)
    world.later(3 * HOUR)
    run(world, shop)
    return shop, fake


def reconciled(world: World, shop: Channel) -> None:
    reconcile(world.store, shop, world.clock, world.later())


@causes
def difference(world: World) -> Steps:
    shop, fake = roll_of(world)
    reconciled(world, shop)
    yield of(shop)
    missed = order("2", line(1, "A"))
    fake.orders["2"] = body(missed)
    fake.roll.append(Present(number="2", placed_at=missed.placed_at))
    reconciled(world, shop)
    yield of(shop)
    reconciled(world, shop)
    yield of(shop)


@causes
def breach(world: World) -> Steps:
    shop = stocked(world)
    world.take(shop, order("1", line(1, "A")))
    yield of(shop)
    with corrupting(world.store) as tx:
        tx.run("UPDATE lines SET backordered = backordered + 1")
    keep_breaches(world.store, verify(world.store, file=False), world.now)
    yield of(shop)
    with corrupting(world.store) as tx:
        tx.run("UPDATE lines SET backordered = backordered - 1")
    keep_breaches(world.store, verify(world.store, file=False), world.later())
    yield of(shop)


# Afterwards.


def sent(world: World, *others: str, fake: Fake | None = None, **more: Any) -> tuple[Channel, Any]:
    """Two of A left."""
    shop = stocked(world, fake)
    first = order("1", line(1, "A", 2), *(line(nth, sku) for nth, sku in enumerate(others, 2)), **more)
    world.take(shop, first)
    world.ship("1")
    return shop, first


@causes
def cancelled_late(world: World) -> Steps:
    shop, first = sent(world)
    yield of(shop)
    world.take(shop, edited(first, lines=(line(1, "A", 2, cancelled=2),)))
    yield of(shop)
    late_units.keep(world.store, late_units.Keep(world.order("1").id, "a gift"), world.now)
    yield of(shop)


@causes
def left_anyway(world: World) -> Steps:
    """Whatever else the order has sent, and rightly."""
    world.item("B", east=1)
    shop = stocked(world)
    first = order("1", line(1, "A", 2), line(2, "B"))
    world.take(shop, first)
    call_off(world, A=2)
    yield of(shop)
    world.take(shop, edited(first, lines=(line(1, "A", 2, shipped=2), line(2, "B", shipped=1))))
    yield of(shop)
    come(world, "1", A=2)
    yield of(shop)


@causes
def shipped_unstocked(world: World) -> Steps:
    world.item("B", east=9)
    world.kit("KIT", {"B": 2})
    shop = stocked(world)
    yield of(shop)
    world.take(shop, order("1", line(1, "A", 12, shipped=12), line(2, "KIT", shipped=1)))
    yield of(shop)
    count(world.store, "A", "east", 0, world.later())
    count(world.store, "B", "east", 7, world.now)
    yield of(shop)


@causes
def address_changed(world: World) -> Steps:
    shop = stocked(world)
    first = order("1", line(1, "A", 2))
    world.take(shop, first)
    world.release(shop)
    yield of(shop)
    world.take(shop, edited(first, ship_to=OAKLAND))
    yield of(shop)
    world.receive("A", "west", 2)
    reroute(world.store, world.order("1").id, "operator", world.later(), away_from="east", recall=True)
    world.refill(shop)
    world.later()
    world.release(shop)
    yield of(shop)


@causes
def gone(world: World) -> Steps:
    shop, fake = roll_of(world)
    reconciled(world, shop)
    yield of(shop)
    was, fake.roll = fake.orders.pop("1"), []
    reconciled(world, shop)
    yield of(shop)
    fake.orders["1"] = was
    ask_orders(world.store, shop.id, ["1"], world.now)
    run(world, shop)
    yield of(shop)


@causes
def void_shown(world: World) -> Steps:
    shop, _ = sent(world)
    push_tracking(world.store, shop, world.clock)
    yield of(shop)
    wish = Void(order_id=world.order("1").id, tracking="T1", why="it never left")
    void(world.store, wish, world.now)
    yield of(shop)
    settle(world.store, wish, world.now)
    yield of(shop)


@causes
def unrefunded(world: World) -> Steps:
    fake = Fake(abilities=SIMPLE | {Ability.REFUND})
    shop, _ = sent(world, fake=fake)
    world.take(shop, order("1", line(1, "A", 2, unit_price=Decimal(3)), total=Decimal(6), version=2))
    open_return(world.store, Opening(order_id=world.order("1").id, reason="x"), world.now)
    come(world, "1", A=1)
    yield of(shop)
    world.later(DAY + 1)
    yield of(shop)
    found = propose(world.store, "RMA-1")
    refund(world.store, found.wish, world.now, also=bind(found, world.now))
    yield of(shop)


@causes
def stray_return(world: World) -> Steps:
    shop = stocked(world)
    yield of(shop)
    stray = Observation(number="R1", body=msgspec.json.encode(back(of="9")))
    take_returns(world.store, shop, Page(observations=(stray,), cursor="r"), world.now, world.now)
    yield of(shop)
    world.take(shop, order("9", line(1, "A")))
    yield of(shop)


# Listings.


def offers(world: World, shop: Channel, *listings: ChannelListing) -> dict[str, Any]:
    connector(shop).offers = list(listings)
    read_listings(world.store, shop, world.clock)
    return of(shop)


@causes
def listing_unmapped(world: World) -> Steps:
    shop = stocked(world)
    yield offers(world, shop, ChannelListing(sku="A"))
    yield offers(world, shop, ChannelListing(sku="A"), ChannelListing(sku="B"))
    map_listing(world.store, shop.id, "B", "A", world.now)
    yield of(shop)


@causes
def listing_duplicate(world: World) -> Steps:
    shop = stocked(world)
    yield offers(world, shop, ChannelListing(sku="A"))
    yield offers(world, shop, ChannelListing(sku="A"), ChannelListing(sku="A"))
    yield offers(world, shop, ChannelListing(sku="A"))


@causes
def listing_mixed(world: World) -> Steps:
    shop = stocked(world)
    own = ChannelListing(sku="A", fulfiller=Fulfiller.CHANNEL)
    yield offers(world, shop, ChannelListing(sku="A"))
    yield offers(world, shop, ChannelListing(sku="A"), own)
    yield offers(world, shop, ChannelListing(sku="A"))
