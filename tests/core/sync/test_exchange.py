"""Other units sent instead: promised, routed and shipped like any order, and never told to the channel."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from core.connector import Ability
from core.errors import UserError
from core.model import CancelReason, Observation, Page, Present, ReturnState, instant
from core.settings import ChannelSettings
from core.sync.cancel import Decision, cancel
from core.sync.channel import Channel
from core.sync.correct import Correction, correct
from core.sync.exchange import Exchange, Exchanged, exchange
from core.sync.push import push_cancellations, push_tracking
from core.sync.received import Came, Disposition, Receiving, receive
from core.sync.reconcile import reconcile
from core.sync.refund import refund
from core.sync.returns import take_returns
from core.sync.rma import Opening, close_return, find, open_return
from core.sync.rma_refund import bind, propose
from core.sync.void import Void, void
from tests.core.sync.fake import SIMPLE, Fake
from tests.core.sync.test_returns import back
from tests.core.sync.world import OAKLAND, World, connector, line, order

NUMBER = "RMA-1-X1"


@pytest.fixture
def shop(world: World) -> Channel:
    world.item("A", east=3, west=1)
    world.item("B", east=2)
    return world.channel(fake=Fake(abilities=SIMPLE | {Ability.CANCEL, Ability.ROLL_CALL}))


def sold(world: World, shop: Channel, **more: object) -> None:
    world.take(shop, order("1", line(1, "A", 2), **more))
    world.release(shop)
    world.ship("1")
    push_tracking(world.store, shop, world.clock)
    open_return(world.store, Opening(order_id=world.order("1").id, reason="too small"), world.now)


def instead(world: World, reference: str = "", target: str = "RMA-1", over: bool = False, **units: int) -> Exchanged:
    wish = Exchange(target=target, units=units, reference=reference, over=over)
    return exchange(world.store, wish, world.now)


def come(world: World, target: str = "RMA-1", **units: int) -> None:
    came = [Came(name=sku, units=count, disposition=Disposition.RESTOCK) for sku, count in units.items()]
    receive(world.store, Receiving(target=target, came=came), world.now)


def test_it_is_promised_at_once_and_routed_to_where_the_first_order_went(world: World, shop: Channel) -> None:
    sold(world, shop, ship_to=OAKLAND)
    before = world.channel_row().wanted
    done = instead(world, A=1, B=1)
    assert (done.new, done.number, done.reserved, done.backordered) == (True, NUMBER, {"A": 1, "B": 1}, {})
    assert (world.stock("A"), world.stock("B")) == ((2, 1), (2, 1))
    assert world.channel_row().wanted == before + 1
    assert world.row("SELECT city FROM buyers WHERE order_id = :id", id=done.order_id) == ("Oakland",)
    world.refill(shop)
    assert world.counts(NUMBER) == {"ordered": 1, "reserved": 1, "allocated": 1}
    assert world.timeline("1")[-1] == "exchanged"
    assert world.timeline(NUMBER)[0] == "made here"


def test_its_parcel_is_told_to_nobody(world: World, shop: Channel) -> None:
    sold(world, shop)
    instead(world, B=2)
    world.refill(shop)
    world.release(shop)
    shipment, _ = world.ship(NUMBER, tracking="T2")
    push_tracking(world.store, shop, world.clock)
    assert [one.tracking for one in connector(shop).shipped] == ["T1"]
    assert world.value("SELECT state FROM pushes WHERE shipment_id = :id", id=shipment) == "dropped"
    assert world.counts(NUMBER) == {"ordered": 2, "shipped": 2}
    assert world.stock("B") == (0, 0)
    own = world.order(NUMBER).id
    assert correct(world.store, Correction(order_id=own, was="T2", tracking="T3"), world.now).push is None
    assert not void(world.store, Void(order_id=own, tracking="T3", why="never left"), world.now).shown
    assert world.stock("B") == (2, 2)


def test_what_is_not_there_waits_for_stock(world: World, shop: Channel) -> None:
    sold(world, shop)
    assert instead(world, over=True, B=3).backordered == {"B": 1}
    world.receive("B", "west", 1)
    world.refill(shop)
    assert world.counts(NUMBER) == {"ordered": 3, "reserved": 3, "allocated": 3}


def test_it_is_cancelled_here_alone(world: World, shop: Channel) -> None:
    sold(world, shop)
    own = instead(world, B=2).order_id
    world.refill(shop)
    for new in (True, False):
        decision = Decision(order_id=own, reason=CancelReason.BUYER, units={"B": 1}, reference="r")
        assert cancel(world.store, decision, world.now).new is new
    assert world.counts(NUMBER) == {"ordered": 2, "cancelled": 1, "reserved": 1, "allocated": 1}
    assert world.line(NUMBER).cancelling == 0
    push_cancellations(world.store, shop, world.clock)
    assert connector(shop).cancelled == []


def test_the_same_reference_is_decided_once_and_another_is_another_order(world: World, shop: Channel) -> None:
    sold(world, shop)
    first = instead(world, "r1", B=1)
    again = instead(world, "r1", B=1)
    assert (again.new, again.order_id) == (False, first.order_id)
    assert instead(world, B=1).number == "RMA-1-X2"
    assert world.stock("B") == (2, 2)


def test_units_are_exchanged_once(world: World, shop: Channel) -> None:
    """Said twice without a reference, it would be two orders."""
    sold(world, shop)
    assert instead(world, B=1).new
    assert instead(world, B=1).new  # two are to come
    why = r"0 units left to exchange, not 1: 2 came back or may come.*\(RMA-1-X1, RMA-1-X2\)"
    with pytest.raises(UserError, match=why):
        instead(world, B=1)
    come(world, A=2)
    with pytest.raises(UserError, match="0 units left to exchange, not 1"):
        instead(world, A=1)
    assert world.value("SELECT count(*) FROM orders") == 3
    first = world.order("RMA-1-X1").id
    cancel(world.store, Decision(order_id=first, reason=CancelReason.BUYER), world.now)
    assert instead(world, A=1).number == "RMA-1-X3"
    assert instead(world, over=True, A=1).number == "RMA-1-X4"


def test_a_closed_return_exchanges_what_came_of_it(world: World, shop: Channel) -> None:
    sold(world, shop)
    come(world, A=1)
    with world.store.read() as tx:
        found = find(tx, "RMA-1")
    close_return(world.store, found, "", world.now)
    with pytest.raises(UserError, match="has 1 unit left to exchange, not 2"):
        instead(world, B=2)
    assert instead(world, B=1).new


@pytest.mark.parametrize("state", list(ReturnState))
def test_a_return_its_channel_tells_of_exchanges_what_it_authorises(
    world: World, shop: Channel, state: ReturnState
) -> None:
    sold(world, shop)
    told = msgspec.json.encode(back(of="1", state=state))
    page = Page(observations=(Observation(number="R1", body=told),), cursor="r")
    take_returns(world.store, shop, page, world.now, world.now)
    if state in (ReturnState.AUTHORISED, ReturnState.DELIVERED):
        assert instead(world, target="R1", B=2).new
    else:
        with pytest.raises(UserError, match="has 0 units left to exchange, not 1"):
            instead(world, target="R1", B=1)


def test_what_money_was_given_back_for_is_not_exchanged_nor_the_other_way_round(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 2, unit_price=Decimal(3)), total=Decimal(6)))
    world.ship("1")
    open_return(world.store, Opening(order_id=world.order("1").id, reason="x"), world.now)
    come(world, A=2)
    instead(world, B=1)
    found = propose(world.store, "RMA-1")
    assert found.units == {"1": 1}
    refund(world.store, found.wish, world.now, also=bind(found, world.now))
    with pytest.raises(UserError, match="0 units left to exchange, not 1: 2 came back or may come, of 1 the money"):
        instead(world, B=1)
    with pytest.raises(UserError, match=r"or may not be one of the 1 that others are sent for \(RMA-1-X1\)"):
        propose(world.store, "RMA-1")


def test_which_of_two_lines_is_exchanged_is_not_guessed(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A"), line(2, "B")))
    world.release(shop)
    world.ship("1")
    push_tracking(world.store, shop, world.clock)
    open_return(world.store, Opening(order_id=world.order("1").id, reason="too small"), world.now)
    come(world, A=1, B=1)
    assert propose(world.store, "RMA-1").units == {"1": 1, "2": 1}
    instead(world, B=1)
    with pytest.raises(UserError, match="name it with --line"):
        propose(world.store, "RMA-1")


def test_what_was_sent_instead_may_come_back_too(world: World, shop: Channel) -> None:
    sold(world, shop)
    instead(world, B=1)
    world.refill(shop)
    world.ship(NUMBER, tracking="T2")
    open_return(world.store, Opening(order_id=world.order(NUMBER).id, reason="no"), world.now)
    came = [Came(name="B", units=1, disposition=Disposition.RESTOCK)]
    assert receive(world.store, Receiving(target="RMA-2", came=came), world.now).done
    assert world.stock("B") == (2, 0)
    assert instead(world, target="RMA-2", B=1).number == "RMA-2-X1"


def test_a_reconciliation_does_not_miss_it_at_the_channel(world: World, shop: Channel) -> None:
    sold(world, shop)
    instead(world, B=1)
    connector(shop).roll = [Present(number="1", placed_at=instant(world.order("1").placed_at))]
    found = reconcile(world.store, shop, world.clock, world.later(3600))
    assert found.differences == []
    assert (found.orders_there, found.orders_here) == (1, 1)


def test_what_cannot_be_is_told_and_nothing_made(world: World, shop: Channel) -> None:
    sold(world, shop)
    for target, units, why in (
        ("1", {"B": 1}, "order #1 is no return"),
        ("RMA-1", {"Z": 1}, "no item Z"),
        ("RMA-1", {}, "nothing was named"),
    ):
        with pytest.raises(UserError, match=why):
            instead(world, target=target, **units)
    assert world.value("SELECT count(*) FROM orders") == 1


def test_a_channels_own_settings_are_not_needed(world: World) -> None:
    """The promise is made out of the locations the channel ships from, by its row alone."""
    world.item("A", east=2, west=2)
    shop = world.channel(locations={"east": ""})
    assert isinstance(shop.settings, ChannelSettings)
    sold(world, shop)
    assert instead(world, A=1).backordered == {"A": 1}
