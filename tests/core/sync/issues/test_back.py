"""Issues of what comes back: each goes when it is received, settled or closed."""

from __future__ import annotations

import msgspec
import pytest

from core.model import Observation, Package, Page
from core.sync.channel import Channel
from core.sync.push import push_tracking
from core.sync.received import Came, Disposition, Receiving, receive
from core.sync.returns import take_returns
from core.sync.rma import close_return, find
from core.sync.void import Void, settle, void
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
