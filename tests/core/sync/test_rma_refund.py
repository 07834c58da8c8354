"""What is given back for what came back: proposed from receipts, decided once, and apart from every shelf."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from core.connector import Ability
from core.errors import UserError
from core.model import Ack, AckState, Observation, Page, RefundReason, Return, ReturnLine, ReturnState, instant
from core.sync.channel import Channel
from core.sync.push import push_refunds
from core.sync.pushes import drop
from core.sync.received import Came, Disposition, Receiving, receive
from core.sync.refund import Part, Quote, Wish, refund
from core.sync.returns import take_returns
from core.sync.rma import Opening, open_return
from core.sync.rma_refund import Proposal, bind, propose
from tests.core.sync.fake import SIMPLE, Fake
from tests.core.sync.world import START, World, connector, line, order


@pytest.fixture
def shop(world: World) -> Channel:
    world.item("A", east=9)
    world.item("B", east=9)
    shop = world.channel(fake=Fake(abilities=SIMPLE | {Ability.REFUND, Ability.RETURNS}))
    lines = (
        line(1, "A", 4, unit_price=Decimal(10), tax=Decimal("3.20")),
        line(2, "B", 2, unit_price=Decimal(5)),
    )
    world.take(shop, order("1", *lines, total=Decimal("58.20"), shipping=Decimal(5)))
    world.ship("1")
    return shop


def rma(world: World) -> None:
    open_return(world.store, Opening(order_id=world.order("1").id, reason="x"), world.now)


def come(world: World, target: str = "RMA-1", disposition: Disposition = Disposition.DAMAGED, **units: int) -> None:
    came = [Came(name=sku, units=count, disposition=disposition) for sku, count in units.items()]
    receive(world.store, Receiving(target=target, came=came), world.now)


def give(world: World, found: Proposal) -> Quote:
    return refund(world.store, found.wish, world.now, also=bind(found, world.now))


def test_what_came_is_proposed_and_nothing_of_what_did_not(world: World, shop: Channel) -> None:
    rma(world)
    with pytest.raises(UserError, match="nothing of return RMA-1 was received"):
        propose(world.store, "RMA-1")
    come(world, A=2)
    come(world, disposition=Disposition.DISPOSE, B=1)
    found = propose(world.store, "RMA-1")
    assert found.units == {"1": 2, "2": 1}
    before = (world.stock("A"), world.stock("B"))
    assert give(world, found).amount == Decimal("26.60")
    assert (world.stock("A"), world.stock("B")) == before  # money puts nothing on a shelf
    with pytest.raises(UserError, match="nothing of return RMA-1 was received that is not given back"):
        propose(world.store, "RMA-1")
    come(world, A=1)
    assert propose(world.store, "RMA-1").units == {"1": 1}


def test_what_comes_gives_no_money_back(world: World, shop: Channel) -> None:
    rma(world)
    come(world, disposition=Disposition.RESTOCK, A=4)
    assert world.value("SELECT count(*) FROM pushes WHERE kind = 'refund'") == 0


def test_two_who_decide_at_once_give_it_once(world: World, shop: Channel) -> None:
    rma(world)
    come(world, A=2)
    first, second = propose(world.store, "RMA-1"), propose(world.store, "RMA-1")
    give(world, first)
    with pytest.raises(UserError, match="RMA-1 has changed: 0 of line 1 are due"):
        give(world, second)
    assert world.value("SELECT count(*) FROM pushes WHERE kind = 'refund'") == 1


def test_what_was_given_back_before_for_something_else_is_not_proposed_beyond_what_was_bought(
    world: World, shop: Channel
) -> None:
    rma(world)
    come(world, A=4)
    named = propose(world.store, "RMA-1", parts={"A": Part(units=3)})
    assert named.units == {}
    give(world, named)
    assert propose(world.store, "RMA-1").units == {"1": 1}


def test_units_given_back_without_the_return_leave_fewer_to_propose(world: World, shop: Channel) -> None:
    rma(world)
    come(world, A=4)
    wish = Wish(order_id=world.order("1").id, reason=RefundReason.GOODWILL, parts={"A": Part(units=3)})
    refund(world.store, wish, world.now)
    assert propose(world.store, "RMA-1").units == {"1": 1}


def test_a_refused_refund_is_due_again_once_it_is_dropped(world: World, shop: Channel) -> None:
    rma(world)
    come(world, A=1)
    push = give(world, propose(world.store, "RMA-1")).push
    connector(shop).answer = lambda told: Ack(key=told.key, state=AckState.REFUSED, reason="no")
    push_refunds(world.store, shop, world.clock)
    assert push is not None
    drop(world.store, push, "wrong", world.now)
    assert propose(world.store, "RMA-1").units == {"1": 1}


def tell(world: World, shop: Channel, refunded: int, version: int) -> None:
    lines = (ReturnLine(number="1", order_line="1", sku="A", quantity=3, refunded=refunded),)
    one = Return(number="R1", order="1", version=version, state=ReturnState.AUTHORISED, requested_at=instant(START),
                 lines=lines)  # fmt: skip
    page = Page(observations=(Observation(number="R1", body=msgspec.json.encode(one)),), cursor="r")
    take_returns(world.store, shop, page, world.now, world.now)


def test_a_channels_return_is_named_to_it_and_what_it_gave_back_itself_is_not_due(world: World, shop: Channel) -> None:
    tell(world, shop, 0, 1)
    come(world, "R1", A=3)
    tell(world, shop, 1, 2)
    found = propose(world.store, "R1")
    assert (found.units, found.wish.rma) == ({"1": 2}, "R1")
    give(world, found)
    push_refunds(world.store, shop, world.clock)
    (told,) = connector(shop).refunded
    assert (told.rma, told.lines["1"].quantity) == ("R1", 2)
    tell(world, shop, 3, 3)  # it shows ours as well by now
    with pytest.raises(UserError, match="nothing of return R1"):
        propose(world.store, "R1")


def test_only_a_return_has_one(world: World, shop: Channel) -> None:
    with pytest.raises(UserError, match="order #1 is no return"):
        propose(world.store, "1")
    rma(world)
    assert propose(world.store, "RMA-1", shipping=Decimal(2)).wish.parts is None
