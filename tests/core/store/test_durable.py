"""What is committed is on the disk before anybody is told so."""

from __future__ import annotations

from core.store.database import Store

NAMES = ("journal_mode", "synchronous", "foreign_keys")


def test_each_connection_waits_for_the_disk(sqlite_store: Store) -> None:
    with sqlite_store.read() as one, sqlite_store.read() as other:
        found = [[tx.value(f"PRAGMA {name}") for name in NAMES] for tx in (one, other)]
    assert found == [["wal", 2, 1]] * 2
