"""`verify` names each broken invariant, by its own name alone."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from core.model import Fulfiller, Hold, Observation, Package, Page
from core.store.database import Store, Tx
from core.sync.channel import Channel
from core.sync.incoming import expect
from core.sync.levels import refresh, touch_changed_rules
from core.sync.push import push_acknowledgements, push_tracking
from core.sync.push_levels import push_levels
from core.sync.stock import receive
from core.sync.take_in import take_in
from core.sync.verify import CHECKS, Breach, notes, run_checks, verify
from tests.core.sync.corrupt import corrupting
from tests.core.sync.world import World, edited, line, order


@pytest.fixture
def lived_in(store: Store) -> World:
    """A store that has seen a bit of everything: kits, splits, parcels, cancellations, holds, FBA, edits, levels."""
    world = World(store)
    shop = world.channel(buffer=1)
    world.item("A", east=10, west=5)
    world.item("B", east=4)
    world.kit("K", {"A": 2, "B": 1})
    world.offer(shop, "A", "B", "K")
    first = order("1", line(1, "A", 2), line(2, "K", 2))
    world.take(shop, first)
    world.take(shop, order("2", line(1, "A", 3)), order("3", line(1, "B", 9), line(2, "nothing we know", 1)))
    world.take(shop, order("4", line(1, "A", 1), holds=(Hold.PAYMENT,)))
    world.take(shop, order("5", line(1, "A", 1), fulfiller=Fulfiller.CHANNEL), order("6", line(1, "A", 1)))
    world.release(shop)
    world.ship("1", tracking="T1")
    world.ship("2", tracking="T2", A=1)
    shown = (Package(tracking="seen elsewhere", carrier="UPS", lines={"1": 1}),)
    second = order("2", line(1, "A", 3, shipped=2), packages=shown, version=2)
    world.take(shop, second)
    world.take(shop, edited(first, lines=first.lines[:1], version=2))
    world.take(shop, edited(order("4", line(1, "A", 1, cancelled=1)), version=2))
    world.take(shop, order("7", line(1, "A", 1), adjustment=Decimal("0.01"), acknowledged=False))
    expect(store, "C", "east", 5, "PO-1", world.now)
    receive(store, "C", "east", 2, world.now, expected="PO-1")
    _levels(world, shop)
    push_acknowledgements(store, shop, world.clock)
    push_tracking(store, shop, world.clock)
    assert push_levels(store, shop, world.clock)
    return world


def _levels(world: World, shop: Channel) -> None:
    own = {"shop": shop.settings}
    touch_changed_rules(world.store, own)
    refresh(world.store, own, world.now)


def _unreadable(world: World, shop: Channel) -> None:
    take_in(
        world.store, shop, Page(observations=(Observation(number="8", body=b"?"),), cursor="c"), world.now, world.now
    )


def test_a_store_that_has_lived_is_sound(lived_in: World) -> None:
    assert verify(lived_in.store) == []


def test_verify_tells_how_far_it_is(sqlite_store: Store) -> None:
    seen: list[tuple[int, int]] = []
    verify(sqlite_store, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, len(seen) - 1) for done in range(len(seen))]
    assert len(seen) > len(CHECKS)


def test_every_query_says_which_invariant_it_checks() -> None:
    names = {(check.__doc__ or "").split(":")[0] for check in CHECKS}
    assert names == {"I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10", "I12", "I13", "I16", "I24"}


def test_money_that_does_not_add_up_is_a_note_and_no_breach(lived_in: World) -> None:
    (note,) = notes(lived_in.store)
    assert "#7" in str(note)
    assert "0.01 USD" in note.wrong
    assert note.name == "I16"


_ONE = "(SELECT id FROM orders WHERE number = '{}')"
_ITEM = "(SELECT id FROM items WHERE sku = '{}')"
_AT = "(SELECT id FROM locations WHERE name = '{}')"


def spelled(text: str, **names: str) -> str:
    return text.format(
        a=_ITEM.format("A"), b=_ITEM.format("B"), k=_ITEM.format("K"), east=_AT.format("east"), west=_AT.format("west"),
        one=_ONE.format(1), two=_ONE.format(2), three=_ONE.format(3), four=_ONE.format(4), six=_ONE.format(6),
        seven=_ONE.format(7),
    )  # fmt: skip


WAITS = (
    "UPDATE stock SET allocated = allocated - 1 WHERE item_id = {a} AND location_id = (SELECT location_id FROM"
    " fulfilment_orders WHERE order_id = {six}); DELETE FROM fulfilment_lines WHERE line_id IN (SELECT id FROM lines"
    " WHERE order_id = {six}); DELETE FROM fulfilment_orders WHERE order_id = {six};"
    " UPDATE lines SET allocated = 0 WHERE order_id = {six}; "
)
"""Order 6 waits for a location, and rightly, but for what is said of it."""

CORRUPTIONS = {
    "more received of an order than came": (
        "I1",
        "C expected as PO-1",
        "UPDATE incoming SET received = received + 1 WHERE reference = 'PO-1'",
    ),
    "an order counts as received that is not": (
        "I1",
        "C expected as PO-1",
        "UPDATE incoming SET state = 'received' WHERE reference = 'PO-1'",
    ),
    "a delivery of another item": (
        "I1",
        "C expected as PO-1",
        "UPDATE ledger SET incoming_id = (SELECT id FROM incoming) WHERE id ="
        " (SELECT MIN(id) FROM ledger WHERE item_id = {a})",
    ),
    "more stands at a location than came": (
        "I1",
        "A at east",
        "UPDATE stock SET on_hand = on_hand + 1 WHERE item_id = {a} AND location_id = {east}",
    ),
    "a movement is gone from the ledger": (
        "I1",
        "B at east",
        "DELETE FROM ledger WHERE item_id = {b} AND kind = 'adjust'",
    ),
    "a movement at no location": (
        "I1",
        "A at no location",
        "INSERT INTO ledger (item_id, on_hand, cause, kind) VALUES ({a}, 1, 'x', 'adjust')",
    ),
    "an item has more than its locations": (
        "I1",
        "B",
        "UPDATE items SET on_hand = on_hand + 1 WHERE id = {b}",
    ),
    "a parcel's units left another location": (
        "I1",
        "#2",
        "UPDATE shipments SET location_id = {west} WHERE tracking = 'T2'",
    ),
    "a parcel is gone and its ledger row is not": (
        "I1",
        "A",
        "UPDATE ledger SET cause = 'ship:999:9:' || item_id WHERE kind = 'ship' AND item_id = {a} AND id = "
        "(SELECT MAX(id) FROM ledger WHERE kind = 'ship' AND item_id = {a})",
    ),
    "more of an item is promised than its reservations": (
        "I2",
        "A",
        "UPDATE items SET reserved = reserved + 1 WHERE id = {a}",
    ),
    "a reservation is gone, and its promise is not": (
        "I2",
        "#6",
        "DELETE FROM reservations WHERE line_id IN (SELECT id FROM lines WHERE order_id = {six}); UPDATE items "
        "SET reserved = reserved - 1 WHERE id = {a}; UPDATE fulfilment_lines SET quantity = shipped WHERE line_id"
        " IN (SELECT id FROM lines WHERE order_id = {six}); UPDATE lines SET allocated = 0 WHERE order_id = "
        "{six}; UPDATE stock SET allocated = allocated - 1 WHERE item_id = {a} AND location_id = {east}",
    ),
    "a reservation is larger than its line": (
        "I2",
        "#6",
        "UPDATE reservations SET quantity = quantity + 1 WHERE line_id IN (SELECT id FROM lines WHERE order_id = "
        "{six}); UPDATE items SET reserved = reserved + 1 WHERE id = {a}",
    ),
    "less than nothing is on hand": (
        "I3",
        "K",
        "INSERT INTO ledger (item_id, location_id, on_hand, cause, kind) VALUES ({k}, {east}, -1, 'x', 'adjust');"
        " UPDATE items SET on_hand = -1 WHERE id = {k}; INSERT INTO stock (item_id, location_id, on_hand) VALUES "
        "({k}, {east}, -1)",
    ),
    "a line does not balance": (
        "I4",
        "line 2 (nothing we know)",
        "UPDATE lines SET held = held + 1 WHERE order_id = {three} AND number = '2'",
    ),
    "a counter is below zero": (
        "I4",
        "line 2 (nothing we know)",
        "UPDATE lines SET held = 2, backordered = -1 WHERE order_id = {three} AND number = '2'",
    ),
    "an order without its channel's number": (
        "I5",
        "#3",
        "UPDATE orders SET number = '' WHERE id = {three}",
    ),
    "a document newer than its order": (
        "I6",
        "#3",
        "INSERT INTO documents (order_id, version, body) SELECT order_id, 99, body FROM documents WHERE order_id "
        "= {three}",
    ),
    "more done than wanted": (
        "I6",
        "channel shop",
        "UPDATE channels SET done = wanted + 1",
    ),
    "an order's document is gone": (
        "I7",
        "#3",
        "DELETE FROM documents WHERE order_id = {three}",
    ),
    "a pulled channel without a cursor": (
        "I7",
        "channel shop",
        "UPDATE channels SET cursor = NULL, last_success = 1",
    ),
    "units shipped in no parcel": (
        "I8",
        "line 2 (nothing we know)",
        "UPDATE lines SET shipped = 1, held = 0 WHERE order_id = {three} AND number = '2'",
    ),
    "a location sent more than its parcels": (
        "I8",
        "#1",
        "UPDATE fulfilment_lines SET quantity = quantity + 1, shipped = shipped + 1 WHERE line_id IN (SELECT id "
        "FROM lines WHERE order_id = {one} AND number = '1')",
    ),
    "a promise to a closed line": (
        "I8",
        "#4",
        "INSERT INTO reservations (line_id, item_id, per, quantity) SELECT id, item_id, 1, 1 FROM lines WHERE "
        "order_id = {four}; UPDATE items SET reserved = reserved + 1 WHERE id = {a}",
    ),
    "a promise to the channel's own order": (
        "I8",
        "#6",
        "UPDATE orders SET fulfiller = 'channel' WHERE id = {six}",
    ),
    "a line bound to nothing": (
        "I9",
        "#6",
        "UPDATE lines SET allocated = 0 WHERE order_id = {six}",
    ),
    "less is bound at a location than it is asked for": (
        "I9",
        "A at east",
        "UPDATE stock SET allocated = allocated - 1 WHERE item_id = {a} AND location_id = {east}",
    ),
    "work for another order's line": (
        "I9",
        "#6",
        "UPDATE fulfilment_orders SET order_id = {seven} WHERE order_id = {six}",
    ),
    "an order parked that waits for nothing": (
        "I9",
        "#6",
        "INSERT INTO parked (order_id, reason) VALUES ({six}, 'rejected')",
    ),
    "a location paused since no instant": (
        "I9",
        "location east",
        "UPDATE locations SET paused = 'why' WHERE id = {east}",
    ),
    "an order parked for no known reason": (
        "I9",
        "#6",
        "INSERT INTO parked (order_id, reason) VALUES ({six}, 'whim')",
    ),
    "an order parked by a rejection that is taken back": (
        "I9",
        "#6",
        WAITS + "INSERT INTO parked (order_id, reason) VALUES ({six}, 'rejected')",
    ),
    "an order parked for a pause that is over": (
        "I9",
        "#6",
        WAITS + "INSERT INTO parked (order_id, reason) VALUES ({six}, 'paused')",
    ),
    "an order parked for all of it that is there": (
        "I9",
        "#6",
        WAITS + "INSERT INTO parked (order_id, reason) VALUES ({six}, 'incomplete')",
    ),
    "an order parked for a full day that never ends": (
        "I9",
        "#6",
        WAITS + "INSERT INTO parked (order_id, reason) VALUES ({six}, 'capacity')",
    ),
    "work rejected by nobody": (
        "I9",
        "#6",
        "INSERT INTO fulfilment_orders (order_id, location_id, state) VALUES ({six}, {west}, 'rejected')",
    ),
    "a level that was told otherwise": (
        "I10",
        "level of A at shop",
        "UPDATE levels SET told = told + 1 WHERE listing_id = (SELECT id FROM listings WHERE sku = 'A')",
    ),
    "a push ahead of its revision": (
        "I10",
        "level of A at shop",
        "UPDATE levels SET sent_revision = revision + 1 WHERE listing_id = (SELECT id FROM listings WHERE sku = 'A')",
    ),
    "more offered than is free": (
        "I10",
        "level of A at shop",
        "UPDATE levels SET desired = 99, told = 99 WHERE listing_id = (SELECT id FROM listings WHERE sku = 'A')",
    ),
    "more kits offered than their parts": (
        "I10",
        "level of K at shop",
        "UPDATE levels SET desired = 5, told = 5 WHERE listing_id = (SELECT id FROM listings WHERE sku = 'K')",
    ),
    "a parcel nobody tells": (
        "I12",
        "#2",
        "DELETE FROM pushes WHERE kind = 'tracking' AND order_id = {two}",
    ),
    "a parcel told twice": (
        "I12",
        "#2",
        "INSERT INTO pushes (channel_id, kind, key, order_id, shipment_id, state) SELECT channel_id, kind, key ||"
        " '-2', order_id, shipment_id, 'confirmed' FROM pushes WHERE kind = 'tracking' AND order_id = {two}",
    ),
    "a parcel told for another order": (
        "I12",
        "shipment",
        "UPDATE pushes SET order_id = {three} WHERE kind = 'tracking' AND order_id = {two}",
    ),
    "a flag that is not the difference": (
        "I16",
        "#7",
        "UPDATE orders SET money_off = 0 WHERE id = {seven}",
    ),
    "a price that changed": (
        "I16",
        "#3",
        "UPDATE lines SET unit_price = 1000000 WHERE order_id = {three} AND number = '1'",
    ),
    "received and not accounted for": (
        "I24",
        "channel shop",
        "UPDATE channels SET received = received + 1",
    ),
    "set aside and gone": (
        "I24",
        "channel shop",
        "DELETE FROM quarantine",
    ),
    "orders nobody counted": (
        "I24",
        "channel shop",
        "UPDATE channels SET received = received - stored + 1, stored = 1",
    ),
}


def test_each_corruption_is_named_by_its_invariant_alone(lived_in: World) -> None:
    _unreadable(lived_in, lived_in.channel())
    named: dict[str, set[str]] = {}
    astray: dict[str, list[str]] = {}
    with corrupting(lived_in.store) as tx:
        for what, (_, subject, statements) in CORRUPTIONS.items():
            tx.run("SAVEPOINT sound")
            for statement in spelled(statements).split(";"):
                assert tx.run(statement) > 0, f"{what}: the corruption must change something"
            found = [breach for check in CHECKS for breach in check(tx)]
            named[what] = {breach.name for breach in found}
            assert all(breach.cure and breach.wrong for breach in found)
            if not any(subject in breach.subject for breach in found):
                astray[what] = [str(breach) for breach in found]
            tx.run("ROLLBACK TO sound")
        assert [breach for check in CHECKS for breach in check(tx)] == []
    assert named == {what: {name} for what, (name, _, _) in CORRUPTIONS.items()}
    assert astray == {}


def test_money_still_adds_up_when_a_line_is_taken_away_or_shrinks_behind_its_parcel(lived_in: World) -> None:
    shop, price = lived_in.channel(), Decimal(3)
    full = order("9", line(1, "A", 2, unit_price=price), line(2, "A", 1, unit_price=price), total=Decimal(9))
    lived_in.take(shop, full)
    lived_in.take(shop, edited(full, lines=full.lines[:1], total=Decimal(6)))
    assert verify(lived_in.store) == []
    lived_in.ship("9", "west", tracking="T9", A=2)
    shrunk = edited(full, lines=(line(1, "A", 1, unit_price=price),), total=price, version=3)
    lived_in.take(shop, shrunk)
    lived_in.take(shop, edited(shrunk))
    assert verify(lived_in.store) == []
    assert lived_in.timeline("9").count("edited after shipping") == 1


def test_a_channel_told_again_after_a_silence_is_told_what_is_true_now(lived_in: World) -> None:
    lived_in.receive("A", "west", -3)
    silent = lived_in.channel(buffer=1, push_levels=False)
    _levels(lived_in, silent)
    assert verify(lived_in.store) == []
    _levels(lived_in, lived_in.channel(buffer=1))
    assert verify(lived_in.store) == []
    assert lived_in.value("SELECT COUNT(*) FROM levels WHERE state = 'queued'") > 0


def test_sqlite_says_what_is_wrong_with_its_own_file(sqlite_store: Store) -> None:
    with corrupting(sqlite_store) as tx:
        tx.run("INSERT INTO items (sku, on_hand) VALUES ('S', -1)")
    assert {breach.name for breach in verify(sqlite_store)} == {"I1", "I3", "file"}
    with sqlite_store.engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        connection.exec_driver_sql("INSERT INTO kits (kit_id, component_id, quantity) VALUES (77, 78, 1)")
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")
    told = [str(breach) for breach in verify(sqlite_store) if "does not exist" in breach.wrong]
    assert len(told) == 2
    assert all("kits" in line for line in told)


def test_a_daemon_that_writes_meanwhile_is_seen_between_two_commits(lived_in: World) -> None:
    """The first query pins the view: what is committed between two queries belongs to neither."""
    seen: list[int] = []

    def look(tx: Tx) -> Iterator[Breach]:
        seen.append(tx.value("SELECT COUNT(*) FROM orders"))
        yield from ()

    def write(done: int, total: int) -> None:
        if done == 1:
            lived_in.take(lived_in.channel(), order("9", line(1, "A", 1)))
            lived_in.ship("9", "west", tracking="T9")

    run_checks(lived_in.store, (look, look), write)
    assert seen[0] == seen[1] == lived_in.value("SELECT COUNT(*) FROM orders") - 1
    assert verify(lived_in.store) == []
