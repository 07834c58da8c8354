"""What is to come: expected, received in parts, called off; never on hand before it is there."""

from __future__ import annotations

import pytest

from core.errors import UserError
from core.sync.call_off import call_off
from core.sync.incoming import Expected, expect, incoming
from core.sync.stock import count, receive
from core.sync.verify import repair, verify
from tests.core.sync.corrupt import corrupting
from tests.core.sync.world import SECOND, START, World, line, order

DAY = 86_400 * SECOND


@pytest.fixture
def shop(world: World) -> World:
    world.channel()
    world.item("A", east=1)
    return world


def _open(world: World, *skus: str) -> list[tuple[str, str, int]]:
    return [(one.reference, one.location, one.left) for one in incoming(world.store, skus, now=world.now)]


def _one(world: World, reference: str) -> Expected:
    (found,) = [one for one in incoming(world.store, now=world.now, closed=True) if one.reference == reference]
    return found


def test_what_is_expected_is_not_on_hand_and_promised_to_nobody(shop: World) -> None:
    told = expect(shop.store, "A", "east", 5, "PO-1", shop.now, eta=START + DAY, note="by sea", actor="ann")
    assert (told.quantity, told.received, told.left, told.state, told.overdue) == (5, 0, 5, "open", False)
    assert shop.stock("A") == (1, 0)
    shop.take(shop.channel(), order("1", line(1, "A", 3)))
    assert shop.counts("1") == {"ordered": 3, "reserved": 1, "backordered": 2, "allocated": 1}
    shop.later(2 * 86_400)
    assert _one(shop, "PO-1").overdue


def test_it_comes_in_as_many_deliveries_as_it_takes(shop: World) -> None:
    expect(shop.store, "A", "east", 5, "PO-1", shop.now)
    receive(shop.store, "A", "east", 2, shop.now, expected="PO-1", reference="truck 1")
    assert _open(shop) == [("PO-1", "east", 3)]
    again = receive(shop.store, "A", "east", 2, shop.now, expected="PO-1", reference="truck 1")
    assert not again.moved[0].new
    assert _open(shop) == [("PO-1", "east", 3)]
    receive(shop.store, "A", "east", 3, shop.now, expected="PO-1")
    assert _open(shop) == []
    assert (_one(shop, "PO-1").state, _one(shop, "PO-1").received) == ("received", 5)
    assert shop.at("A") == {"east": (6, 0)}
    rows = shop.rows(
        "SELECT g.on_hand, n.reference FROM ledger g JOIN incoming n ON n.id = g.incoming_id ORDER BY g.id"
    )
    assert [tuple(row) for row in rows] == [(2, "PO-1"), (3, "PO-1")]


def test_more_than_was_expected_is_refused_unless_it_is_meant(shop: World) -> None:
    expect(shop.store, "A", "east", 5, "PO-1", shop.now)
    with pytest.raises(UserError, match=r"PO-1 still brings 5 of A to east, not 6; receive that, or all .* --over"):
        receive(shop.store, "A", "east", 6, shop.now, expected="PO-1")
    assert shop.at("A") == {"east": (1, 0)}
    receive(shop.store, "A", "east", 6, shop.now, expected="PO-1", over=True)
    assert (_one(shop, "PO-1").received, _one(shop, "PO-1").left) == (6, 0)
    receive(shop.store, "A", "east", 1, shop.now, expected="PO-1", over=True)
    assert (shop.at("A"), _one(shop, "PO-1").received) == ({"east": (8, 0)}, 7)


def test_what_nobody_expects_is_refused_and_what_is_expected_named(shop: World) -> None:
    with pytest.raises(UserError, match="no A is expected at east as 'PO-9'; see `ordersync stock incoming`"):
        receive(shop.store, "A", "east", 1, shop.now, expected="PO-9")
    expect(shop.store, "A", "west", 5, "PO-1", shop.now)
    with pytest.raises(UserError, match="no A is expected at east as 'PO-1'; it brings A at west"):
        receive(shop.store, "A", "east", 1, shop.now, expected="PO-1")
    assert shop.at("A") == {"east": (1, 0)}


def test_one_purchase_order_brings_many_items_to_many_places(shop: World) -> None:
    expect(shop.store, "A", "east", 5, "PO-1", shop.now, eta=START + 2 * DAY)
    expect(shop.store, "A", "west", 4, "PO-1", shop.now, eta=START + DAY)
    expect(shop.store, "B", "east", 3, "PO-1", shop.now, title="New one")
    assert _open(shop) == [("PO-1", "west", 4), ("PO-1", "east", 5), ("PO-1", "east", 3)]  # no date comes last
    assert _open(shop, "B") == [("PO-1", "east", 3)]
    assert shop.value("SELECT title FROM items WHERE sku = 'B'") == "New one"
    assert [one.sku for one in call_off(shop.store, "PO-1", shop.now, location="west")] == ["A"]
    assert [one.sku for one in call_off(shop.store, "PO-1", shop.now, sku="B")] == ["B"]
    assert _open(shop) == [("PO-1", "east", 5)]


def test_said_again_it_is_replaced(shop: World) -> None:
    expect(shop.store, "A", "east", 5, "PO-1", shop.now, eta=START)
    receive(shop.store, "A", "east", 2, shop.now, expected="PO-1")
    told = expect(shop.store, "A", "east", 8, "PO-1", shop.now, eta=START + DAY)
    assert (told.quantity, told.received, told.left, told.eta) == (8, 2, 6, START + DAY)
    with pytest.raises(UserError, match="2 of A came to east as PO-1 already; expect as many at least"):
        expect(shop.store, "A", "east", 1, "PO-1", shop.now)
    assert expect(shop.store, "A", "east", 2, "PO-1", shop.now).state == "received"
    assert expect(shop.store, "A", "east", 3, "PO-1", shop.now).left == 1


def test_what_is_left_is_cancelled_and_what_came_stays(shop: World) -> None:
    expect(shop.store, "A", "east", 5, "PO-1", shop.now)
    receive(shop.store, "A", "east", 2, shop.now, expected="PO-1")
    (gone,) = call_off(shop.store, "PO-1", shop.now, actor="ann")
    assert (gone.state, gone.received, gone.left) == ("cancelled", 2, 0)
    assert (_open(shop), shop.at("A")) == ([], {"east": (3, 0)})
    with pytest.raises(UserError, match="nothing is open as 'PO-1'"):
        call_off(shop.store, "PO-1", shop.now)
    with pytest.raises(UserError, match="no A is expected at east as 'PO-1'"):
        receive(shop.store, "A", "east", 1, shop.now, expected="PO-1")
    assert expect(shop.store, "A", "east", 5, "PO-1", shop.now).left == 3


@pytest.mark.parametrize("reference", ["", " PO", "PO\n"])
def test_a_reference_that_cannot_be_said_again_is_refused(shop: World, reference: str) -> None:
    with pytest.raises(UserError, match="is no reference"):
        expect(shop.store, "A", "east", 5, reference, shop.now)


def test_a_kit_and_no_units_are_nothing_to_expect(shop: World) -> None:
    shop.kit("K", {"A": 1})
    with pytest.raises(UserError, match="K is a kit and has no stock of its own"):
        expect(shop.store, "K", "east", 5, "PO-1", shop.now)
    with pytest.raises(UserError, match="0 of A are nothing to expect"):
        expect(shop.store, "A", "east", 0, "PO-1", shop.now)


def test_a_count_that_drifted_is_taken_from_the_ledger(shop: World) -> None:
    expect(shop.store, "A", "east", 5, "PO-1", shop.now)
    receive(shop.store, "A", "east", 2, shop.now, expected="PO-1")
    with corrupting(shop.store) as tx:
        tx.run("UPDATE incoming SET received = 5, state = 'received'")
    (breach,) = verify(shop.store)
    assert (breach.name, breach.subject) == ("I1", "A expected as PO-1")
    (told,) = repair(shop.store, [breach], now=shop.clock)
    assert told.startswith("repaired: A expected as PO-1: it was 5 of 5 received")
    assert (_one(shop, "PO-1").received, _one(shop, "PO-1").state) == (2, "open")


def test_a_count_says_nothing_of_what_is_to_come(shop: World) -> None:
    expect(shop.store, "A", "east", 5, "PO-1", shop.now)
    count(shop.store, "A", "east", 4, shop.now)
    assert _open(shop) == [("PO-1", "east", 5)]


def test_a_delivery_of_another_item_is_left_for_a_person(shop: World) -> None:
    expect(shop.store, "A", "east", 5, "PO-1", shop.now)
    receive(shop.store, "B", "east", 2, shop.now)
    with shop.store.write() as tx:
        tx.run("UPDATE ledger SET incoming_id = (SELECT id FROM incoming) WHERE kind = 'receive'")
    told = repair(shop.store, verify(shop.store), now=shop.clock)
    assert told == ["left: A expected as PO-1: 2 came and 0 left by the ledger; count both locations"]
    with shop.store.write() as tx:
        tx.run("UPDATE ledger SET incoming_id = NULL")
