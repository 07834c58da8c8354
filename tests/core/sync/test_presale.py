"""What is sold before it is there: what is offered of it, and how its orders wait."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.connector import Ability
from core.errors import UserError
from core.model import ChannelListing, Hold
from core.store.database import Store
from core.sync.channel import Channel
from core.sync.holds import lift
from core.sync.presale import backorder, end, preorder, shown
from core.sync.round import Outcome, run_round
from core.sync.verify import verify
from core.sync.void import Void, void
from tests.core.sync.fake import SIMPLE, Fake
from tests.core.sync.world import SECOND, START, World, check, connector, edited, line, order, page

DAY = 86_400 * SECOND
LATER = START + 10 * DAY


def turn(world: World, *channels: Channel) -> list[Outcome]:
    known = {one.name: one.settings for one in channels}
    return [run_round(world.store, one, known, world.clock) for one in channels]


def level(world: World, sku: str = "A", channel: str = "shop") -> int:
    return int(
        world.value(
            "SELECT v.desired FROM levels v JOIN listings l ON l.id = v.listing_id"
            " JOIN channels c ON c.id = v.channel_id WHERE l.sku = :sku AND c.name = :channel",
            sku=sku,
            channel=channel,
        )
    )


@pytest.fixture
def shop(world: World) -> Channel:
    world.item("A")
    return world.channel(fake=Fake(abilities=SIMPLE | {Ability.CANCEL}, offers=[ChannelListing(sku="A")]))


def sell(shop: Channel, number: str, units: int = 1, sku: str = "A", **more: Any) -> None:
    connector(shop).pulls.append([page(order(number, line(1, sku, units), **more))])


# What is offered


def test_a_preorder_offers_its_cap_less_what_is_promised(world: World, shop: Channel) -> None:
    preorder(world.store, "A", LATER, world.now, cap=10)
    turn(world, shop)
    assert level(world) == 10
    sell(shop, "1", 3)
    turn(world, shop)
    assert level(world) == 7
    world.receive("A", "east", 5)
    turn(world, shop)
    assert world.counts("1") == {"ordered": 3, "reserved": 3}
    assert level(world) == 7


def test_what_of_a_preorder_has_left_is_not_offered_again(world: World, shop: Channel) -> None:
    preorder(world.store, "A", LATER, world.now, cap=10, ships="stock")
    sell(shop, "1", 3)
    turn(world, shop)
    world.receive("A", "east", 5)
    turn(world, shop)
    world.ship("1")
    turn(world, shop)
    assert world.stock("A") == (2, 0)
    assert level(world) == 7


def test_what_never_left_is_counted_as_promised_and_no_more(world: World, shop: Channel) -> None:
    preorder(world.store, "A", LATER, world.now, cap=10, ships="stock")
    sell(shop, "1", 3)
    turn(world, shop)
    world.receive("A", "east", 5)
    turn(world, shop)
    world.ship("1")
    tracking = world.value("SELECT tracking FROM shipments")
    void(world.store, Void(order_id=world.order("1").id, tracking=tracking, why="bought twice"), world.now)
    turn(world, shop)
    assert world.stock("A") == (5, 3)
    assert level(world) == 7


def test_without_a_cap_no_more_is_offered_than_is_there(world: World, shop: Channel) -> None:
    world.receive("A", "east", 2)
    preorder(world.store, "A", LATER, world.now)
    turn(world, shop)
    assert level(world) == 2


def test_a_preorder_that_is_sold_out_offers_nothing(world: World, shop: Channel) -> None:
    preorder(world.store, "A", LATER, world.now, cap=2)
    sell(shop, "1", 3)
    turn(world, shop)
    assert level(world) == 0


def test_a_backorder_offers_its_cap_beside_what_is_there(world: World, shop: Channel) -> None:
    world.receive("A", "east", 4)
    backorder(world.store, "A", 5, world.now)
    turn(world, shop)
    assert level(world) == 9
    sell(shop, "1", 6)
    turn(world, shop)
    assert world.counts("1") == {"ordered": 6, "reserved": 4, "backordered": 2, "allocated": 4}
    assert level(world) == 3
    world.receive("A", "east", 2)
    turn(world, shop)
    assert level(world) == 5


def test_what_one_channel_sells_ahead_another_is_offered_no_more(world: World, shop: Channel) -> None:
    other = world.channel("other", Fake(offers=[ChannelListing(sku="A")]), locations={"west": ""})
    preorder(world.store, "A", LATER, world.now, cap=10)
    sell(shop, "1", 4)
    turn(world, shop, other)
    assert (level(world), level(world, channel="other")) == (6, 6)


def test_rules_of_the_channel_hold_for_what_is_sold_ahead(world: World) -> None:
    world.item("A")
    shop = world.channel(fake=Fake(offers=[ChannelListing(sku="A")]), cap=6, percent=50)
    preorder(world.store, "A", LATER, world.now, cap=10)
    turn(world, shop)
    assert level(world) == 3


def test_units_in_kits_count(world: World, shop: Channel) -> None:
    world.kit("SET", {"A": 2})
    preorder(world.store, "A", LATER, world.now, cap=10)
    sell(shop, "1", 2, "SET")
    turn(world, shop)
    assert world.holds("1") == {"preorder"}
    assert level(world) == 6


# How its orders wait


def test_its_orders_are_held_until_its_day_although_it_came_before(world: World, shop: Channel) -> None:
    preorder(world.store, "A", LATER, world.now, cap=10)
    world.receive("A", "east", 5)
    sell(shop, "1")
    (done,) = turn(world, shop)
    assert (done.held, done.released, world.holds("1")) == (1, 0, {"preorder"})
    assert world.work("1") == [("east", "planned", 1, 0)]
    (again,) = turn(world, shop)
    assert (again.held, again.lifted, again.released) == (0, 0, 0)
    world.now = LATER
    (done,) = turn(world, shop)
    assert (done.lifted, done.released, world.holds("1")) == (1, 1, set())
    assert level(world) == 4
    assert world.timeline("1") == ["held", "hold lifted"]
    assert [row.event for row in world.rows("SELECT event FROM audit WHERE order_id IS NULL ORDER BY id")] == [
        "preorder opened",
        "preorder ended",
    ]


def test_by_stock_its_orders_ship_as_soon_as_their_units_are_there(world: World, shop: Channel) -> None:
    preorder(world.store, "A", LATER, world.now, cap=10, ships="stock")
    sell(shop, "1", 2)
    turn(world, shop)
    assert world.holds("1") == {"preorder"}
    world.receive("A", "east", 1)
    (done,) = turn(world, shop)
    assert (done.released, world.holds("1")) == (0, {"preorder"})
    world.receive("A", "east", 1)
    (done,) = turn(world, shop)
    assert (done.lifted, done.released, world.holds("1")) == (1, 1, set())


def test_what_is_not_there_on_its_day_is_backordered_as_any_other(world: World, shop: Channel) -> None:
    preorder(world.store, "A", LATER, world.now, cap=10)
    sell(shop, "1")
    turn(world, shop)
    world.now = LATER
    turn(world, shop)
    assert (world.holds("1"), level(world)) == (set(), 0)
    world.receive("A", "east", 1)
    assert turn(world, shop)[0].released == 1


def test_a_day_that_moves_moves_the_hold(world: World, shop: Channel) -> None:
    preorder(world.store, "A", LATER, world.now)
    sell(shop, "1")
    turn(world, shop)
    preorder(world.store, "A", LATER + DAY, world.now)
    turn(world, shop)
    assert world.value("SELECT until FROM holds") == LATER + DAY
    world.now = LATER
    turn(world, shop)
    assert world.holds("1") == {"preorder"}


def test_a_preorder_that_is_called_off_holds_nothing_any_more(world: World, shop: Channel) -> None:
    preorder(world.store, "A", LATER, world.now, cap=9)
    sell(shop, "1")
    turn(world, shop)
    end(world.store, "A", "preorder", world.now)
    turn(world, shop)
    assert (world.holds("1"), level(world)) == (set(), 0)


def test_an_order_that_was_there_before_waits_too_and_one_that_is_picked_does_not(world: World, shop: Channel) -> None:
    world.receive("A", "east", 1)
    sell(shop, "1")
    turn(world, shop)
    sell(shop, "2")
    turn(world, shop)
    preorder(world.store, "A", LATER, world.now, cap=9)
    turn(world, shop)
    assert (world.holds("1"), world.holds("2")) == (set(), {"preorder"})


def test_an_order_edited_to_hold_no_such_line_waits_no_more(world: World, shop: Channel) -> None:
    world.item("B", east=1)
    preorder(world.store, "A", LATER, world.now)
    both = order("1", line(1, "A"), line(2, "B"))
    connector(shop).pulls = [[page(both)], [page(edited(both, lines=both.lines[1:]))]]
    turn(world, shop)
    assert world.holds("1") == {"preorder"}
    (done,) = turn(world, shop)
    assert (world.holds("1"), done.released) == (set(), 1)


def test_a_hold_set_aside_is_not_set_again(world: World, shop: Channel) -> None:
    preorder(world.store, "A", LATER, world.now)
    world.receive("A", "east", 1)
    sell(shop, "1")
    turn(world, shop)
    lift(world.store, world.order("1").id, Hold.PREORDER, world.now)
    (done,) = turn(world, shop)
    assert (done.held, done.released, world.holds("1")) == (0, 1, set())
    one = order("1", line(1, "A", 2), version=2)
    connector(shop).pulls = [[page(one)]]
    turn(world, shop)
    assert world.holds("1") == set()


def test_a_channel_that_waits_for_nothing_waits_for_what_is_sold_ahead(world: World) -> None:
    world.item("A")
    world.item("B")
    world.item("C")
    shop = world.channel(fake=Fake(abilities=SIMPLE | {Ability.CANCEL}), backorder="never")
    preorder(world.store, "A", LATER, world.now)
    backorder(world.store, "B", 9, world.now)
    sell(shop, "1")
    sell(shop, "2", sku="B")
    sell(shop, "3", sku="C")
    for _ in range(3):
        turn(world, shop)
    assert [world.counts(number) for number in ("1", "2", "3")] == [
        {"ordered": 1, "backordered": 1},
        {"ordered": 1, "backordered": 1},
        {"ordered": 1, "cancelled": 1},
    ]


def test_what_is_open_is_listed_and_mistakes_are_told(world: World, shop: Channel) -> None:
    world.kit("SET", {"A": 2})
    preorder(world.store, "NEW", LATER, world.now, cap=3, title="Brand new")
    sell(shop, "1", sku="NEW")
    turn(world, shop)
    (one,) = shown(world.store)
    assert (one.sku, one.promised, one.ahead, one.cap) == ("NEW", 1, 2, 3)
    with pytest.raises(UserError, match="is past"):
        preorder(world.store, "A", world.now, world.now)
    with pytest.raises(UserError, match="is a kit"):
        preorder(world.store, "SET", LATER, world.now)
    with pytest.raises(UserError, match="there is no item NOBODY"):
        backorder(world.store, "NOBODY", 1, world.now)
    with pytest.raises(UserError, match="no backorder of 'NEW' is open"):
        end(world.store, "NEW", "backorder", world.now)
    with pytest.raises(UserError, match="no cap"):
        backorder(world.store, "A", 2**31, world.now)


@pytest.mark.parametrize("values", ["1, 'preorder', NULL, 5", "1, 'backorder', 9, 5", "1, 'backorder', NULL, NULL"])
def test_what_makes_no_sense_cannot_be_stored(world: World, shop: Channel, values: str) -> None:
    with pytest.raises(sa.exc.IntegrityError), world.store.write() as tx:
        tx.run(f"INSERT INTO presales (item_id, kind, until, cap) VALUES ({values})")


QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
_numbers = itertools.count()
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("sell"), st.integers(1, 3)),
        st.tuples(st.just("receive"), st.integers(1, 3)),
        st.tuples(st.just("cancel"), st.integers(0, 4)),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=8, deadline=None, suppress_health_check=QUIET)
@given(steps=STEPS, cap=st.integers(0, 6), kind=st.sampled_from(["preorder", "backorder"]))
def test_as_long_as_buyers_keep_to_what_is_offered_no_more_is_sold_than_the_cap(
    store: Store, steps: list[tuple[str, int]], cap: int, kind: str
) -> None:
    """And nothing of a pre-order is released before its day, whatever comes."""
    world = World(store)
    run = next(_numbers)
    sku, name = f"P{run}", f"p{run}"
    world.item(sku)
    shop = world.channel(name, Fake(offers=[ChannelListing(sku=sku)]))
    if kind == "preorder":
        preorder(store, sku, LATER, world.now, cap=cap)
    else:
        backorder(store, sku, cap, world.now)
    turn(world, shop)
    sold: dict[str, int] = {}
    came = 0
    for number, (what, units) in enumerate(steps):
        if what == "sell":
            bought = min(units, level(world, sku, name))
            if bought:
                sell(shop, f"{number}", bought, sku)
                sold[f"{number}"] = bought
        elif what == "receive":
            world.receive(sku, "east", units)
            came += units
        elif str(units) in sold:
            gone = order(str(units), line(1, sku, sold[str(units)], cancelled=sold.pop(str(units))), version=9)
            connector(shop).pulls.append([page(gone)])
        turn(world, shop)
        total = sum(sold.values())
        assert total <= (cap if kind == "preorder" else cap + came)
        assert level(world, sku, name) == (cap if kind == "preorder" else cap + came) - total
        if kind == "preorder":
            released = "SELECT 1 FROM fulfilment_orders f JOIN orders o ON o.id = f.order_id WHERE f.state = 'released'"
            assert not world.rows(f"{released} AND o.channel_id = :id", id=shop.id)
        check(store)
    assert verify(store, file=False) == []
