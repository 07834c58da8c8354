"""What `verify` finds is repaired where the books say how, and left to a person where they do not."""

from __future__ import annotations

from core.store.database import Store
from core.sync.verify import Breach, repair, verify
from tests.core.sync.corrupt import corrupting
from tests.core.sync.test_verify import CORRUPTIONS, lived_in, spelled
from tests.core.sync.world import World

__all__ = ["lived_in"]


def _broken(store: Store, *statements: str) -> list[Breach]:
    with corrupting(store) as tx:
        for statement in statements:
            assert tx.run(spelled(statement)) > 0
    found = verify(store)
    assert found
    return found


def test_drifted_totals_are_brought_back_and_the_ledger_says_why(lived_in: World) -> None:
    world, store = lived_in, lived_in.store
    was = world.stock("A"), world.stock("B"), world.at("A"), world.at("B")
    found = _broken(
        store,
        "UPDATE items SET on_hand = on_hand + 3, reserved = reserved + 1 WHERE id = {a}",
        "UPDATE stock SET on_hand = on_hand + 1, allocated = 0 WHERE item_id = {a} AND location_id = {east}",
        "UPDATE items SET reserved = 0 WHERE id = {b}",
    )
    told = repair(store, found, now=world.clock)
    assert verify(store) == []
    assert (world.stock("A"), world.stock("B"), world.at("A"), world.at("B")) == was
    rows = world.rows("SELECT note, on_hand, reserved, allocated FROM ledger WHERE kind = 'repair' ORDER BY id")
    assert [f"repaired: {sku}: {row.note}" for sku, row in zip("AAAAB", rows, strict=True)] == told
    assert [(row.on_hand, row.reserved, row.allocated) for row in rows][2:] == [(0, 0, 0), (0, -1, 0), (0, 2, 0)]
    assert all(world.rows("SELECT 1 FROM touched WHERE item_id = :id", id=world.items[sku]) for sku in "AB")


def test_a_movement_the_ledger_lacks_is_added_to_it(lived_in: World) -> None:
    """An item's total and its locations agree: it is the ledger that is short, by all of B and by one of A."""
    found = _broken(
        lived_in.store,
        "DELETE FROM ledger WHERE item_id = {b} AND kind = 'adjust'",
        "UPDATE ledger SET on_hand = on_hand - 1 WHERE item_id = {a} AND location_id = {west} AND kind = 'adjust'",
    )
    was = lived_in.at("A"), lived_in.at("B")
    told = repair(lived_in.store, found, now=lived_in.clock)
    assert ["a movement was missing" in line for line in told] == [True, True]
    assert (lived_in.at("A"), lived_in.at("B")) == was
    assert [
        row.on_hand for row in lived_in.rows("SELECT on_hand FROM ledger WHERE kind = 'repair' ORDER BY item_id")
    ] == [1, 4]
    assert verify(lived_in.store) == []


def test_lines_are_counted_anew_and_their_timeline_says_so(lived_in: World) -> None:
    was = lived_in.counts("6"), lived_in.counts("3")
    found = _broken(
        lived_in.store,
        "UPDATE lines SET reserved = 0, allocated = 0, backordered = 1 WHERE order_id = {six}",
        "UPDATE lines SET backordered = backordered + 2 WHERE order_id = {three} AND number = '1'",
    )
    repair(lived_in.store, found, now=lived_in.clock)
    assert verify(lived_in.store) == []
    assert (lived_in.counts("6"), lived_in.counts("3")) == was
    assert lived_in.timeline("6") == ["repaired"] * 3


def test_a_promise_to_a_closed_line_is_taken_back_and_told(lived_in: World) -> None:
    was = lived_in.stock("A")
    found = _broken(lived_in.store, *CORRUPTIONS["a promise to a closed line"][2].split(";"))
    told = repair(lived_in.store, found, now=lived_in.clock)
    assert "free again" in told[0]
    assert verify(lived_in.store) == []
    assert lived_in.stock("A") == was
    assert "repaired" in lived_in.timeline("4")


def test_what_would_break_a_promise_is_left_and_named_with_its_cure(lived_in: World) -> None:
    """All of B that is on hand is promised: its total cannot fall to what stands there."""
    store = lived_in.store
    statements = ["UPDATE stock SET on_hand = 0, allocated = 0 WHERE item_id = {b}"]
    found = _broken(store, *statements, "DELETE FROM ledger WHERE item_id = {b} AND kind = 'adjust'")
    told = repair(store, found, now=lived_in.clock)
    left = [line for line in told if line.startswith("left")]
    assert any("receive" in line and "B" in line for line in left)
    assert lived_in.stock("B") == (2, 2)


def test_other_breaches_are_left_to_a_person(lived_in: World) -> None:
    found = _broken(lived_in.store, "UPDATE channels SET received = received + 1")
    assert repair(lived_in.store, found) == [f"left: {breach}" for breach in found]


def test_repairing_twice_changes_nothing_the_second_time(lived_in: World) -> None:
    found = _broken(
        lived_in.store,
        "UPDATE stock SET on_hand = on_hand + 1 WHERE item_id = {a} AND location_id = {east}",
        "UPDATE lines SET allocated = 0 WHERE order_id = {six}",
    )
    assert repair(lived_in.store, found, now=lived_in.clock)
    count = lived_in.value("SELECT COUNT(*) FROM ledger"), lived_in.value("SELECT COUNT(*) FROM audit")
    assert repair(lived_in.store, found, now=lived_in.clock) == []
    assert (lived_in.value("SELECT COUNT(*) FROM ledger"), lived_in.value("SELECT COUNT(*) FROM audit")) == count
