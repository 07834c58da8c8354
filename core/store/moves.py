"""Movements of stock: summed per item and location while a transaction works, written once, in lock order.

Every writer that moves stock locks its items first (`lock_items`), always by ascending id: that one lock guards the
item's counters, its stock rows and its reservations, so no two writers can wait for each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from core.store import tables
from core.store.database import Tx


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One ledger row: stock that came, went or was corrected, with the one cause it may ever have."""

    item_id: int
    location_id: int | None
    cause: str
    kind: str
    on_hand: int = 0
    reserved: int = 0
    allocated: int = 0
    actor: str = "ordersync"
    note: str = ""


class Moves:
    """Changes to the counters, signed; nothing is written before `write`."""

    def __init__(self) -> None:
        self.reserved: defaultdict[int, int] = defaultdict(int)
        self.allocated: defaultdict[tuple[int, int], int] = defaultdict(int)
        self._on_hand: defaultdict[tuple[int, int], int] = defaultdict(int)
        self._entries: list[Entry] = []
        self._touched: set[int] = set()

    def on_hand(self, entry: Entry) -> None:
        """Units that came to or left a location, with their ledger row."""
        if entry.location_id is None:
            raise ValueError("units on hand stand at a location")
        self._on_hand[entry.item_id, entry.location_id] += entry.on_hand
        self._entries.append(entry)

    def note(self, entry: Entry) -> None:
        """A ledger row whose counters are written elsewhere (a repair)."""
        self._entries.append(entry)

    def touch(self, items: Iterable[int]) -> None:
        """Marks items whose levels may have changed although no counter moves here."""
        self._touched.update(items)

    def write(self, tx: Tx, now: int) -> None:
        """Writes the counters, the ledger and the marks of what changed. The items must be locked."""
        places = sorted(self._on_hand.keys() | self.allocated.keys())
        arrivals = [(item, place) for (item, place), units in sorted(self._on_hand.items()) if units > 0]
        tx.insert(tables.stock, ("item_id", "location_id"), arrivals, "ON CONFLICT DO NOTHING")
        totals: defaultdict[int, int] = defaultdict(int)
        for (item, _), units in self._on_hand.items():
            totals[item] += units
        changed = [
            (item, totals.get(item, 0), self.reserved.get(item, 0))
            for item in sorted(totals.keys() | self.reserved.keys())
        ]
        changed = [row for row in changed if row[1] or row[2]]
        tx.update(tables.items, ("id",), ("on_hand+", "reserved+"), changed)
        moved = [(*place, self._on_hand.get(place, 0), self.allocated.get(place, 0)) for place in places]
        moved = [row for row in moved if row[2] or row[3]]
        tx.update(tables.stock, ("item_id", "location_id"), ("on_hand+", "allocated+"), moved)
        write_ledger(tx, self._entries, now)
        touch(tx, self._touched | {row[0] for row in changed} | {row[0] for row in moved})


def write_ledger(tx: Tx, entries: Iterable[Entry], now: int) -> None:
    """Appends ledger rows; a cause that was there before is an error, not a second movement."""
    columns = ("at", "item_id", "location_id", "on_hand", "reserved", "allocated", "cause", "kind", "actor", "note")
    tx.insert(
        tables.ledger,
        columns,
        [
            (now, e.item_id, e.location_id, e.on_hand, e.reserved, e.allocated, e.cause, e.kind, e.actor, e.note)
            for e in entries
        ],
    )


def touch(tx: Tx, items: Iterable[int]) -> None:
    """Marks items whose levels must be computed again. A mark set while one is being worked off is not lost."""
    tx.insert(
        tables.touched,
        ("item_id",),
        [(item,) for item in sorted(items)],
        "ON CONFLICT (item_id) DO UPDATE SET mark = touched.mark + 1",
    )


def lock_items(tx: Tx, items: Iterable[int]) -> dict[int, int]:
    """Locks items by ascending id; returns what is free to promise of each."""
    ids = sorted(set(items))
    rows = tx.rows("SELECT id, on_hand - reserved FROM items WHERE id IN :ids ORDER BY id /*lock*/", ids=ids)
    return {row[0]: row[1] for row in rows}


def free_at(tx: Tx, items: Iterable[int]) -> dict[tuple[int, int], int]:
    """What is free to allocate of locked items, by (item, location)."""
    ids = sorted(set(items))
    rows = tx.rows("SELECT item_id, location_id, on_hand - allocated FROM stock WHERE item_id IN :ids", ids=ids)
    return {(row[0], row[1]): row[2] for row in rows}
