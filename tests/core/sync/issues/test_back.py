"""Issues of what comes back: each goes when it is received, settled or closed."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from core.connector import Ability
from core.errors import UserError
from core.model import Observation, Package, Page, Refunded, RefundReason, instant
from core.sync.channel import Channel
from core.sync.exchange import Exchange, exchange
from core.sync.push import push_tracking, push_voids
from core.sync.received import Came, Disposition, Receiving, receive
from core.sync.refund import Part, Wish, refund
from core.sync.returns import take_returns
from core.sync.rma import Opening, close_return, find, open_return
from core.sync.rma_refund import bind, propose
from core.sync.void import Void, settle, void
from tests.core.sync.fake import SIMPLE, Fake
from tests.core.sync.issues.seen import of, one, seen
from tests.core.sync.test_returns import back
from tests.core.sync.world import World, edited, line, order


@pytest.fixture
def shop(world: World) -> Channel:
    world.item("A", east=5)
    return world.channel()


def come(world: World, target: str, at: str = "", **units: int) -> None:
    came = [Came(name=sku, units=count, disposition=Disposition.RESTOCK) for sku, count in units.items()]
    receive(world.store, Receiving(target=target, came=came, location=at), world.now)


def test_a_void_parcel_its_channel_shows_is_an_issue_until_it_is_settled(world: World, shop: Channel) -> None:
    first = order("1", line(1, "A", 2))
    world.take(shop, first)
    world.ship("1")
    push_tracking(world.store, shop, world.clock)
    wish = Void(order_id=world.order("1").id, tracking="T1", why="damaged while packing")
    assert void(world.store, wish, world.now).shown
    issue = one(seen(world, shop), "void_shown")
    assert (issue.id, issue.subject, issue.since) == ("void_shown:shop:1:T1", "#1", world.now)
    shown = edited(first, lines=(line(1, "A", 2, shipped=2),), packages=(Package(tracking="T1", lines={"1": 2}),))
    assert settle(world.store, wish, world.now)
    world.take(shop, shown)  # Amazon shows it for ever
    assert of(seen(world, shop), "void_shown") == []
    assert not settle(world.store, wish, world.now)
    assert world.timeline("1").count("void parcel settled") == 1


def test_a_void_parcel_its_channel_shows_no_more_is_no_issue(world: World, shop: Channel) -> None:
    first = order("1", line(1, "A", 2))
    world.take(shop, first)
    world.ship("1")
    push_tracking(world.store, shop, world.clock)
    void(world.store, Void(order_id=world.order("1").id, tracking="T1", why="x"), world.now)
    world.take(shop, edited(first))
    assert of(seen(world, shop), "void_shown") == []


def test_what_takes_a_void_parcel_back_keeps_it_from_being_an_issue(world: World) -> None:
    world.item("A", east=5)
    shop = world.channel(fake=Fake(abilities=SIMPLE | {Ability.VOID_TRACKING}))
    world.take(shop, order("1", line(1, "A", 2)))
    world.ship("1")
    push_tracking(world.store, shop, world.clock)
    void(world.store, Void(order_id=world.order("1").id, tracking="T1", why="x"), world.now, takes_back=True)
    assert of(seen(world, shop), "void_shown") == []
    push_voids(world.store, shop, world.clock)
    assert of(seen(world, shop), "void_shown") == [], "the channel is read again soon"
    world.later(601)
    assert one(seen(world, shop), "void_shown").subject == "#1", "it was taken back and is shown all the same"
    with world.store.write() as tx:
        tx.run("UPDATE pushes SET state = 'refused', reason = 'no; look' WHERE kind = 'void'")
    assert one(seen(world, shop), "void_shown").subject == "#1"
    assert one(seen(world, shop), "push_refused").cause == "void (UPS T1 never left) refused: no; look"


def test_units_cancelled_late_that_come_back_are_no_issue(world: World, shop: Channel) -> None:
    first = order("1", line(1, "A", 2))
    world.take(shop, first)
    world.ship("1")
    world.take(shop, edited(first, lines=(line(1, "A", 2, cancelled=1),)))
    assert one(seen(world, shop), "cancelled_late")
    come(world, "1", A=1)
    assert of(seen(world, shop), "cancelled_late") == []


@pytest.mark.parametrize("how", ["received", "closed"])
def test_a_stray_return_is_an_issue_until_it_is_dealt_with(world: World, shop: Channel, how: str) -> None:
    sent = Observation(number="R1", body=msgspec.json.encode(back(of="9")))
    take_returns(world.store, shop, Page(observations=(sent,), cursor="r"), world.now, world.now)
    assert one(seen(world, shop), "stray_return")
    if how == "received":
        world.receive("A", "west", 1)
        come(world, "R1", at="west", A=1)
        assert one(seen(world, shop), "stray_return")
        come(world, "R1", at="west", A=1)
    else:
        with world.store.read() as tx:
            found = find(tx, "R1")
        close_return(world.store, found, "not ours", world.now)
    assert of(seen(world, shop), "stray_return") == []


@pytest.mark.parametrize("how", ["refunded", "exchanged", "refunded at the channel"])
def test_units_that_came_back_for_nothing_are_an_issue_after_a_day(world: World, how: str) -> None:
    world.item("A", east=5)
    shop = world.channel(fake=Fake(abilities=SIMPLE | {Ability.REFUND}))
    first = order("1", line(1, "A", 2, unit_price=Decimal(3)), total=Decimal(6))
    world.take(shop, first)
    world.ship("1")
    push_tracking(world.store, shop, world.clock)
    open_return(world.store, Opening(order_id=world.order("1").id, reason="x"), world.now)
    come(world, "1", A=1)
    began = world.now
    assert of(seen(world, shop), "unrefunded") == []
    world.later(25 * 3600)
    issue = one(seen(world, shop), "unrefunded")
    assert (issue.id, issue.subject, issue.since) == ("unrefunded:shop:1", "#1", began)
    assert issue.commands[0] == "ordersync return refund RMA-1"
    if how == "refunded":
        found = propose(world.store, "RMA-1")
        refund(world.store, found.wish, world.now, also=bind(found, world.now))
    elif how == "exchanged":
        exchange(world.store, Exchange(target="RMA-1", units={"A": 1}), world.now)
    else:
        given = Refunded(number="g", at=instant(world.now), amount=Decimal(3))
        world.take(shop, edited(first, refunds=(given,)))
    assert of(seen(world, shop), "unrefunded") == []


def test_for_what_was_sent_in_exchange_and_came_back_the_first_order_is_refunded(world: World) -> None:
    """It cost nothing, and its channel does not know it."""
    world.item("A", east=5)
    able = world.channel(fake=Fake(abilities=SIMPLE | {Ability.REFUND}))
    world.take(able, order("1", line(1, "A", 1, unit_price=Decimal(9)), total=Decimal(9)))
    world.ship("1")
    open_return(world.store, Opening(order_id=world.order("1").id, reason="x"), world.now)
    come(world, "RMA-1", A=1)
    number = exchange(world.store, Exchange(target="RMA-1", units={"A": 1}), world.now).number
    world.refill(able)
    world.release(able)
    world.ship(number, tracking="T2")
    world.later()
    open_return(world.store, Opening(order_id=world.order(number).id, reason="x"), world.now)
    come(world, "RMA-2", A=1)
    world.later(25 * 3600)
    issue = one(seen(world, able), "unrefunded")
    id = world.order("1").id
    assert (issue.subject, issue.commands[0]) == (number, f"ordersync refund {id} --reason returned --line SKU=QTY")
    with pytest.raises(UserError, match=f"sent in exchange and cost nothing; .* order #1 .*refund {id}"):
        propose(world.store, "RMA-2")
    refund(world.store, Wish(id, RefundReason.RETURNED, parts={"1": Part(units=1)}), world.now)
    assert of(seen(world, able), "unrefunded") == []


def test_units_that_nobody_gives_money_for_are_told_for_some_days(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 2)))
    world.ship("1")
    come(world, "1", A=1)
    world.later(31 * 24 * 3600)
    assert of(seen(world, shop), "unrefunded") == []
