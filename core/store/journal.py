"""How promises moved: one row for each transaction that moved any, written with it and read only by who looks back.

The ledger holds what came and left. Promises move too often for a row each: a page of orders moves hundreds, and its
transaction must not wait for what hardly anybody will read. So a transaction writes all its changes as one text, and
who looks back searches the texts (docs/decisions/0028).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from core.store.database import Tx

Change = tuple[int, dict[int, int]]
"""Of one item: reserved, and allocated by location's id; signed."""

_DECODER = msgspec.json.Decoder(list[tuple[int, int, dict[int, int]]])


def write_moves(tx: Tx, reserved: Mapping[int, int], allocated: Sequence[tuple[int, int, int]], now: int) -> None:
    """Writes what a transaction moved: units by item, and (item, location, units)."""
    changes: dict[int, tuple[int, int, dict[int, int]]] = {
        item: (item, units, {}) for item, units in reserved.items() if units
    }
    for item, location, units in allocated:
        if units:
            changes.setdefault(item, (item, 0, {}))[2][location] = units
    if changes:
        text = msgspec.json.encode(list(changes.values())).decode()
        tx.run("INSERT INTO moves (at, changes) VALUES (:now, :text)", now=now, text=text)


def moves_of(tx: Tx, item: int, after: int) -> Iterator[tuple[int, int, Change]]:
    """How the promises of an item moved after an instant, the newest first: (row's id, when, change)."""
    found = "instr(changes, :sign)" if tx.sqlite else "strpos(changes, :sign)"
    rows = tx.rows(
        f"SELECT id, at, changes FROM moves WHERE at > :after AND {found} > 0 ORDER BY at DESC, id DESC",
        after=after,
        sign=f"[{item},",
    )
    for row in rows:
        for one, units, places in _DECODER.decode(row.changes):
            if one == item:
                yield row.id, row.at, (units, places)


def begins(tx: Tx) -> int | None:
    """Since when it is known how promises moved; None: nothing was kept yet."""
    first = tx.value("SELECT MIN(at) FROM moves")
    return None if first is None else int(first)
