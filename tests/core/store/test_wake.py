"""Who waits for a location is looked at again when an item is free: found by the item, however many wait."""

from __future__ import annotations

from core.store import moves
from core.store.database import Store, Tx
from core.sync.kits import define_kit
from tests.core.sync.world import World, line, order

PARKED = 20_000


def plan(tx: Tx, sqlite: bool) -> str:
    words = "EXPLAIN QUERY PLAN" if sqlite else "EXPLAIN"
    sql = f"{words} UPDATE parked SET due_at = 1 WHERE order_id IN ({moves._WAITING_FOR})"
    return "\n".join(str(row[-1]) for row in tx.rows(sql, items=[7]))


def many(tx: Tx, sqlite: bool) -> None:
    """Each of so many orders waits with one line of one of a thousand items."""
    numbers = (
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {PARKED})"
        if sqlite
        else f"WITH n AS (SELECT generate_series(1, {PARKED}) AS i)"
    )
    tx.run("INSERT INTO channels (id, name) VALUES (1, 'shop')")
    tx.run(f"INSERT INTO items (id, sku) {numbers} SELECT i, 'S' || i FROM n WHERE i <= 1000")
    tx.run(
        "INSERT INTO orders (id, channel_id, number, version, digest, observed_at, placed_at, imported_at, updated_at,"
        f" currency, priced, acknowledged, test) {numbers}"
        " SELECT i, 1, CAST(i AS text), 1, :digest, 1, 1, 1, 1, 'USD', 1 = 1, 1 = 1, 1 = 0 FROM n",
        digest=b"x",
    )
    tx.run(
        f"INSERT INTO lines (id, order_id, number, item_id, ordered, reserved) {numbers}"
        " SELECT i, i, '1', i % 1000 + 1, 1, 1 FROM n"
    )
    tx.run(f"INSERT INTO reservations (line_id, item_id, per, quantity) {numbers} SELECT i, i % 1000 + 1, 1, 1 FROM n")
    tx.run(f"INSERT INTO parked (order_id, reason) {numbers} SELECT i, 'split' FROM n")


def test_of_many_that_wait_those_of_the_item_are_found_by_it(store: Store) -> None:
    with store.write() as tx:
        many(tx, store.sqlite)
        if not store.sqlite:
            tx.run("ANALYZE")
        steps = plan(tx, store.sqlite)
        moves.wake(tx, [7, 8], 99)
        woken = [row.order_id for row in tx.rows("SELECT order_id FROM parked WHERE due_at = 99")]
    assert {id % 1000 + 1 for id in woken} == {7, 8}
    assert len(woken) == 2 * PARKED // 1000
    assert "ix_reservations_item_id" in steps
    if store.sqlite:
        assert "SEARCH parked USING INTEGER PRIMARY KEY" in steps
        assert "SCAN l" not in steps
    else:
        assert "Index Scan using pk_parked on parked" in steps
        assert "Seq Scan on lines" not in steps


def test_kits_wake_by_what_was_promised_of_them(store: Store) -> None:
    """A kit that is made otherwise by now keeps the parts that it was promised with."""
    world = World(store)
    world.routing = world.routing.model_copy(update={"split": False})
    for sku in ("A", "B", "C", "D"):
        world.item(sku, east=5)
    world.item("E", west=5)
    world.kit("K", {"A": 1, "B": 1})
    shop = world.channel()
    world.take(shop, order("1", line(1, "K"), line(2, "E")), order("2", line(1, "C"), line(2, "E")))
    define_kit(store, "K", {"A": 1, "D": 1})
    assert len(world.rows("SELECT * FROM parked WHERE due_at IS NULL")) == 2

    def woken_by(sku: str) -> list[str]:
        with store.write() as tx:
            tx.run("UPDATE parked SET due_at = NULL")
            moves.wake(tx, [world.items[sku]], 99)
            rows = tx.rows("SELECT o.number FROM parked p JOIN orders o ON o.id = p.order_id WHERE p.due_at = 99")
        return sorted(row.number for row in rows)

    assert {sku: woken_by(sku) for sku in "ABCDE"} == {"A": ["1"], "B": ["1"], "C": ["2"], "D": [], "E": ["1", "2"]}
