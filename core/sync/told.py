"""What channels took, level by level, for who looks back; and how long what was is kept."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from core.model import Ack, AckState
from core.store import tables
from core.store.database import Store, Tx
from core.sync.work import SECOND

DAY = 86_400 * SECOND

FORGET_SECONDS = 3600
"""How often what is too old is looked for."""

BATCH = 5_000
"""Rows looked at in one transaction."""


def write_tellings(tx: Tx, answers: Sequence[tuple[Any, Ack]], now: int) -> None:
    """Appends what a channel has taken. `answers`: rows of levels as they were, with what the channel said.

    A level that is told again as it was is no news.
    """
    rows = []
    for row, ack in answers:
        news = ack.state is AckState.ACCEPTED or (ack.state is AckState.APPLIED and row.told != row.sent)
        if news and row.sent is not None:
            rows.append((now, row.listing_id, row.place, row.sent, ack.state.value))
    tx.insert(tables.tellings, ("at", "listing_id", "place", "units", "state"), rows)


def forget(store: Store, days: int, now: int) -> int:
    """Deletes what is older than `days`, at most once an hour; returns how many rows.

    The newest of each level stays, however old it is: it is what the channel has.
    """
    with store.read() as tx:
        mark = tx.row("SELECT at, reached FROM marks WHERE name = 'history'")
    if mark is not None and now - mark.at < FORGET_SECONDS * SECOND:
        return 0
    before = now - days * DAY
    gone = batch = store.transact(lambda tx: tx.run(_MOVES, before=before, batch=BATCH))
    while batch == BATCH:
        batch = store.transact(lambda tx: tx.run(_MOVES, before=before, batch=BATCH))
        gone += batch
    reached, last = 0 if mark is None else mark.reached, -1
    while reached != last:
        last = reached
        count, reached = store.transact(lambda tx: _outdated(tx, last, before))  # noqa: B023 - at once
        gone += count

    def done(tx: Tx) -> None:
        tx.insert(tables.marks, ("name", "at", "reached"), [("history", now, reached)],
                  "ON CONFLICT (name) DO UPDATE SET at = excluded.at, reached = excluded.reached")  # fmt: skip

    store.transact(done)
    return gone


def _outdated(tx: Tx, after: int, before: int) -> tuple[int, int]:
    """Deletes what the next tellings that have become too old came after: how many rows, and the last of those.

    Only what has become too old since is looked at: that which stays is never walked again.
    """
    rows = tx.rows("SELECT id, at FROM tellings WHERE id > :after ORDER BY id LIMIT :batch", after=after, batch=BATCH)
    old = list(takewhile(lambda row: row.at < before, rows))
    if not old:
        return 0, after
    return tx.run(_TELLINGS, after=after, last=old[-1].id), old[-1].id


_MOVES = (
    "DELETE FROM moves WHERE id IN (SELECT id FROM moves WHERE at < :before"
    " AND id < (SELECT MAX(id) FROM moves) ORDER BY at LIMIT :batch)"  # the last one says since when it is kept
)

_TELLINGS = """
DELETE FROM tellings WHERE id IN (SELECT t.id FROM tellings n
  JOIN tellings t ON t.listing_id = n.listing_id AND t.place = n.place AND t.id < n.id
  WHERE n.id > :after AND n.id <= :last AND n.state = 'applied')
"""
