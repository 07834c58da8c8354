"""What an order's promise does when the order is opened anew, replaced, or holds all there is."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.model import Refunded, instant
from core.sync.channel import Channel
from tests.core.sync.world import START, World, edited, line, order


@pytest.fixture
def shop(world: World) -> Channel:
    world.item("A", east=3)
    world.item("B", east=3)
    return world.channel()


ONE = order("1", line(1, "A", 3))
CANCELLED = (line(1, "A", 3, cancelled=3),)


def test_an_order_opened_again_after_it_was_cancelled_is_promised_anew_and_once(world: World, shop: Channel) -> None:
    world.take(shop, ONE)
    world.release(shop)
    world.take(shop, edited(ONE, version=2, lines=CANCELLED))
    assert (world.counts("1"), world.stock("A")) == ({"ordered": 3, "cancelled": 3}, (3, 0))
    for version in (3, 4):
        world.take(shop, edited(ONE, version=version))
        assert (world.counts("1"), world.stock("A")) == ({"ordered": 3, "reserved": 3, "allocated": 3}, (3, 3))
    assert world.release(shop) == 1
    assert world.work("1") == [("east", "cancelled", 0, 0), ("east", "released", 3, 0)]


def test_opened_again_when_its_units_are_gone_it_waits(world: World, shop: Channel) -> None:
    world.take(shop, ONE)
    world.take(shop, edited(ONE, version=2, lines=CANCELLED), order("2", line(1, "A", 2)))
    world.take(shop, edited(ONE, version=3))
    assert world.counts("1") == {"ordered": 3, "reserved": 1, "backordered": 2, "allocated": 1}
    assert world.stock("A") == (3, 3)


def test_an_order_first_seen_refunded_and_cancelled_is_closed_and_promised_nothing(world: World, shop: Channel) -> None:
    paid = Refunded(number="r1", at=instant(START), amount=Decimal("9.90"), lines={"1": 3})
    world.take(shop, order("1", *CANCELLED, refunds=(paid,)))
    assert (world.counts("1"), world.stock("A"), world.work("1")) == ({"ordered": 3, "cancelled": 3}, (3, 0), [])
    assert world.value("SELECT amount FROM refunds") == 9_900_000
    assert (world.refill(shop), world.release(shop)) == (0, 0)


def test_a_line_replaced_by_another_gives_back_and_takes_at_once(world: World, shop: Channel) -> None:
    world.take(shop, ONE)
    world.take(shop, edited(ONE, lines=(line(2, "B", 2),)), order("2", line(1, "A", 3)))
    assert world.counts("1") == {"ordered": 3, "cancelled": 3}
    assert world.counts("1", 2) == {"ordered": 2, "reserved": 2, "allocated": 2}
    assert (world.stock("A"), world.stock("B")) == ((3, 3), (3, 2))
    assert world.counts("2") == {"ordered": 3, "reserved": 3, "allocated": 3}


def test_an_older_look_after_a_newer_changes_no_promise(world: World, shop: Channel) -> None:
    world.take(shop, edited(ONE, version=5, lines=(line(1, "A", 1),)))
    world.take(shop, ONE)
    assert (world.counts("1"), world.stock("A")) == ({"ordered": 1, "reserved": 1, "allocated": 1}, (3, 1))


def test_an_order_that_holds_all_there_is_ships(world: World, shop: Channel) -> None:
    world.take(shop, ONE)
    world.release(shop)
    world.ship("1")
    assert (world.counts("1"), world.stock("A")) == ({"ordered": 3, "shipped": 3}, (0, 0))
