"""A SKU comes to mean another item, or an item gets another SKU, while orders are open."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import UserError
from core.model import Hold, Package
from core.store.database import Store
from core.sync.history import at_instant
from core.sync.mapping import map_listing
from core.sync.received import Came, Disposition, Receiving
from core.sync.received import receive as take_returned
from core.sync.rename import rename_item
from core.sync.verify import verify
from tests.core.sync.world import SECOND, START, World, edited, line, order


@pytest.fixture
def shop(world: World) -> World:
    channel = world.channel(match="mapped")
    world.item("A", east=5)
    world.item("B", east=2, west=1)
    world.offer(channel, "X")
    map_listing(world.store, channel.id, "X", "A", world.now)
    return world


def _map(world: World, item: str, *, keep: bool = False) -> tuple[list[tuple[str, int, int, int]], ...]:
    """What moved and what was left: order, open units, promised now and before."""
    done = map_listing(world.store, world.channel_row().id, "X", item, world.later(), keep=keep, actor="ann")
    assert done.was is not None
    return tuple(
        [(one.order, one.units, one.reserved, one.was_reserved) for one in some] for some in (done.moved, done.left)
    )


def test_open_promises_move_to_the_new_item_by_a_pair_of_ledger_rows(shop: World) -> None:
    channel = shop.channel(match="mapped")
    shop.take(channel, order("1", line(1, "X", 2)))
    at = shop.now
    moved, left = _map(shop, "B")
    assert (moved, left) == ([("order #1 of shop", 2, 2, 2)], [])
    assert (shop.stock("A"), shop.stock("B")) == ((5, 0), (3, 2))
    rows = shop.rows("SELECT i.sku, g.reserved, g.on_hand, g.actor FROM ledger g JOIN items i ON i.id = g.item_id"
                     " WHERE g.kind = 'remap' ORDER BY g.id")  # fmt: skip
    assert [tuple(row) for row in rows] == [("A", -2, 0, "ann"), ("B", 2, 0, "ann")]
    assert shop.line("1").item_id == shop.items["B"]
    assert shop.counts("1") == {"ordered": 2, "reserved": 2}
    shop.refill(channel)
    assert shop.work("1") == [("east", "cancelled", 0, 0), ("east", "planned", 2, 0)]
    assert shop.timeline("1") == ["remapped", "resumed"]
    assert [at_instant(shop.store, sku, at).reserved for sku in "AB"] == [2, 0]
    assert [at_instant(shop.store, sku, shop.now).reserved for sku in "AB"] == [0, 2]


def test_the_oldest_order_is_first_where_the_new_item_does_not_suffice(shop: World) -> None:
    channel = shop.channel(match="mapped")
    shop.take(channel, order("new", line(1, "X", 2), at=START + 9 * SECOND), order("old", line(1, "X", 2)))
    shop.take(channel, order("held", line(1, "X", 1), at=START + 20 * SECOND, holds=(Hold.PAYMENT,)))
    moved, _ = _map(shop, "B")
    assert moved == [
        ("order #old of shop", 2, 2, 2),
        ("order #new of shop", 2, 1, 2),
        ("order #held of shop", 1, 0, 1),
    ]
    assert shop.counts("new") == {"ordered": 2, "reserved": 1, "backordered": 1}
    assert shop.stock("A") == (5, 0)


def test_what_a_location_was_asked_for_or_has_sent_keeps_its_item(shop: World) -> None:
    channel = shop.channel(match="mapped")
    shop.take(channel, order("sent", line(1, "X", 2)))
    shop.release(channel)
    shop.ship("sent", X=1)
    shop.take(channel, order("asked", line(1, "X", 1)))
    shop.release(channel)
    shop.take(channel, order("free", line(1, "X", 1)))
    seen = (Package(tracking="elsewhere", carrier="UPS", lines={"1": 1}),)
    shop.take(channel, order("seen", line(1, "X", 2, shipped=1), packages=seen, holds=(Hold.PAYMENT,)))
    moved, left = _map(shop, "B")
    assert [one[0] for one in moved] == ["order #free of shop"]
    assert sorted(one[0] for one in left) == ["order #asked of shop", "order #seen of shop", "order #sent of shop"]
    assert [shop.line(number).item_id for number in ("sent", "asked", "seen")] == [shop.items["A"]] * 3


def test_they_stay_where_that_is_wanted(shop: World) -> None:
    shop.take(shop.channel(match="mapped"), order("1", line(1, "X", 2)))
    assert _map(shop, "B", keep=True) == ([], [])
    assert (shop.stock("A"), shop.line("1").item_id) == ((5, 2), shop.items["A"])


def test_backorders_move_too_and_kits_are_promised_by_their_parts(shop: World) -> None:
    channel = shop.channel(match="mapped")
    shop.take(channel, order("1", line(1, "X", 7)))
    shop.kit("K", {"B": 1})
    moved, _ = _map(shop, "K")
    assert moved == [("order #1 of shop", 7, 3, 5)]
    assert shop.stock("B") == (3, 3)
    moved, _ = _map(shop, "A")
    assert moved == [("order #1 of shop", 7, 5, 3)]
    assert (shop.stock("A"), shop.stock("B")) == ((5, 5), (3, 0))


def test_other_skus_channels_and_tests_are_left_alone(shop: World) -> None:
    channel = shop.channel(match="mapped")
    other = shop.channel("other", match="mapped")
    map_listing(shop.store, other.id, "X", "A", shop.now)
    map_listing(shop.store, channel.id, "Y", "A", shop.now)
    shop.take(other, order("1", line(1, "X", 1)))
    shop.take(channel, order("1", line(1, "Y", 1)), order("t", line(1, "X", 1), test=True))
    assert _map(shop, "B") == ([], [])
    assert shop.stock("A") == (5, 2)


# A new SKU for the same item.


def test_a_renamed_item_keeps_its_orders_and_what_comes_back_is_its_own(world: World) -> None:
    """The order still says the old SKU: a refund, a return and the next order of it are of the same item."""
    shop = world.channel()
    world.item("A", east=5)
    first = order("1", line(1, "A", 3))
    world.take(shop, first)
    world.release(shop)
    world.ship("1", A=2)
    assert rename_item(world.store, "A", "NEW-A", world.later()) == ("shop",)
    world.take(shop, edited(first, lines=(line(1, "A", 3, cancelled=1),)))
    take_returned(world.store, Receiving("#1", [Came(name="A", units=1, disposition=Disposition.RESTOCK)]), world.now)
    world.take(shop, order("2", line(1, "A", 1), line(2, "NEW-A", 1)))
    assert {world.line("1").item_id, world.line("2").item_id, world.line("2", 2).item_id} == {world.items["A"]}
    assert world.stock("NEW-A") == (5 - 2 + 1, 2)
    assert verify(world.store) == []


def test_a_channel_that_lists_it_is_told_as_before(world: World) -> None:
    shop = world.channel()
    world.item("A", east=5)
    world.offer(shop, "A")
    assert rename_item(world.store, "A", "NEW-A", world.later()) == ("shop",)
    world.offer(shop)  # read again
    assert world.value("SELECT item_id FROM listings WHERE sku = 'A'") == world.items["A"]


def test_what_cannot_be_renamed_is_refused(world: World) -> None:
    world.item("A")
    world.item("B")
    for sku, new, said in (("Z", "N", "no item Z"), ("A", "B", "B is another item already"), ("A", " N", "no SKU")):
        with pytest.raises(UserError, match=said):
            rename_item(world.store, sku, new, world.now)


# Whatever is mapped when.

_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("order"), st.integers(1, 4), st.booleans()),
        st.tuples(st.just("map"), st.integers(0, 2), st.booleans()),
        st.tuples(st.sampled_from(["release", "refill", "ship"]), st.just(0), st.just(False)),
    ),
    max_size=10,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS)
def test_however_often_it_is_mapped_nothing_is_lost(store: Store, steps: list[tuple[str, int, bool]]) -> None:
    world = World(store)
    run = world.value("SELECT COUNT(*) FROM items")
    channel = world.channel(f"shop{run}", match="mapped")
    items = [f"A{run}", f"B{run}", f"K{run}"]
    world.item(items[0], east=6)
    world.item(items[1], east=3, west=3)
    world.kit(items[2], {items[0]: 1, items[1]: 2})
    map_listing(store, channel.id, "X", items[0], world.now)
    for number, (what, units, flag) in enumerate(steps):
        world.later()
        if what == "order":
            made = order(f"{run}-{number}", line(1, "X", units), line(2, "X", 1), holds=(Hold.PAYMENT,) * flag)
            world.take(channel, made)
        elif what == "map":
            map_listing(store, channel.id, "X", items[units], world.now, keep=flag)
        elif what == "ship":
            released = (
                "SELECT DISTINCT o.number, p.name FROM fulfilment_orders f JOIN orders o ON o.id = f.order_id"
                " JOIN locations p ON p.id = f.location_id WHERE f.state = 'released' AND o.channel_id = :id"
                " ORDER BY 1 LIMIT 1"
            )
            for row in world.rows(released, id=channel.id):
                world.ship(row.number, row.name, tracking=f"T{run}-{number}", channel=channel.name)
        else:
            (world.refill if what == "refill" else world.release)(channel)
    assert verify(store, file=False) == []
