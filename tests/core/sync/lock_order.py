"""Watches that a transaction locks items by ascending id, over all that it does: else two could wait in a circle."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pytest

from core.store.database import Tx
from core.store.moves import Stock


def watch(patch: pytest.MonkeyPatch) -> list[str]:
    """From now on, what is locked out of order is told in the list that is returned."""
    held: WeakKeyDictionary[Tx, set[int]] = WeakKeyDictionary()
    broken: list[str] = []
    take, ask = Stock.__init__, Tx.rows

    def note(tx: Tx, ids: set[int]) -> None:
        before = held.setdefault(tx, set())
        late = {id for id in ids - before if id < max(before, default=0)}
        if late:
            callers = [f"{Path(one.filename).name}:{one.lineno}" for one in inspect.stack()[2:7]]
            broken.append(f"items {sorted(late)} locked after {max(before)}, by {' < '.join(callers)}")
        before |= ids

    def asked(self: Tx, sql: str, **params: Any) -> Sequence[Any]:
        rows = ask(self, sql, **params)
        if sql.startswith("SELECT id FROM items ") and sql.endswith("ORDER BY id /*lock*/"):
            note(self, {row.id for row in rows})
        return rows

    def watched(self: Stock, tx: Tx, items: Iterable[int], *more: Any, lock: bool = True, **named: Any) -> None:
        ids = set(items)
        if lock:
            note(tx, ids)
        take(self, tx, ids, *more, lock=lock, **named)

    patch.setattr(Stock, "__init__", watched)
    patch.setattr(Tx, "rows", asked)
    return broken
