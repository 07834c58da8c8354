"""Statements on both databases: whatever a text, a number or a document holds arrives as it was."""

from __future__ import annotations

import pytest

from core.store import tables
from core.store.database import Store

TEXTS = [
    "", " ", "plain", 'a "quoted" word', "back\\slash", '\\"', "\\n", "line\nbreak\ttab\r", "{braces,and,commas}",
    "NULL", "it's", "%", "%s %(a)s %%", ":name", "100% :x", "żółw 🐢", "\x01\x1f\x7f", "trailing\\",
]  # fmt: skip


@pytest.mark.parametrize("more", [[], [None]], ids=["texts", "texts and nothing"])
def test_texts_written_as_a_set_come_back(store: Store, more: list[str | None]) -> None:
    with store.write() as tx:
        tx.insert(tables.channels, ("name", "cursor"), [(str(at), text) for at, text in enumerate([*TEXTS, *more])])
        found = {int(row.name): row.cursor for row in tx.rows("SELECT name, cursor FROM channels")}
    assert found == dict(enumerate([*TEXTS, *more]))


def test_bytes_flags_and_numbers_written_as_a_set_come_back(store: Store) -> None:
    bodies = [b"", b"\0\\x\"{},'\xff", bytes(range(256)), b"{}"]
    with store.write() as tx:
        tx.run("INSERT INTO channels (name) VALUES ('c')")
        of = tx.value("SELECT id FROM channels")
        columns = ("channel_id", "number", "digest", "priced", "acknowledged", "test", "total", "ship_by")
        rows = [(of, str(n), b, n % 2 == 0, True, False, -n * 10**12, n or None) for n, b in enumerate(bodies)]
        tx.insert(tables.orders, columns, rows)
        stored = tx.rows(f"SELECT {', '.join(columns)} FROM orders ORDER BY number")
    assert [(row[0], row[1], bytes(row[2]), *row[3:]) for row in stored] == rows


def test_a_list_means_membership_whatever_its_texts(store: Store) -> None:
    with store.write() as tx:
        tx.insert(tables.channels, ("name",), [(text,) for text in TEXTS])
        tx.insert(tables.channels, ("name",), [("other",)])
        found = tx.rows("SELECT name FROM channels WHERE name IN :names", names=[*TEXTS, "not there"])
        ids = [row.id for row in tx.rows("SELECT id FROM channels WHERE name IN :names", names=["%", "plain"])]
        by_id = tx.rows("SELECT name FROM channels WHERE id IN :ids", ids=ids)
        nothing = tx.rows("SELECT name FROM channels WHERE id IN :ids OR name IN :names", ids=[], names=[])
    assert {row.name for row in found} == set(TEXTS)
    assert {row.name for row in by_id} == {"%", "plain"}
    assert nothing == []


def test_a_statement_may_hold_percent_signs_and_colons_of_its_own(store: Store) -> None:
    with store.write() as tx:
        tx.insert(tables.channels, ("name", "reason"), [("a", "50% off"), ("b", "at: noon")])
        like = tx.value("SELECT name FROM channels WHERE reason LIKE '%off' AND name = :name", name="a")
        cast = tx.value("SELECT name FROM channels WHERE reason = 'at: noon' AND name <> :name", name="a")
        assert (like, cast) == ("a", "b")
        assert tx.run("UPDATE channels SET reason = :text WHERE reason LIKE '%off'", text="%s :name") == 1
        assert tx.value("SELECT reason FROM channels WHERE name = 'a'") == "%s :name"


def test_counters_are_raised_and_columns_replaced_by_key(store: Store) -> None:
    with store.write() as tx:
        tx.insert(tables.items, ("id", "sku", "on_hand"), [(1, "A", 5), (2, "B", 7), (3, "C", 9)])
        tx.update(tables.items, ("id",), ("on_hand+", "title"), [(1, 2, 'the "first"'), (3, -9, "")])
        rows = tx.rows("SELECT id, on_hand, title FROM items ORDER BY id")
    assert [tuple(row) for row in rows] == [(1, 7, 'the "first"'), (2, 7, ""), (3, 0, "")]
