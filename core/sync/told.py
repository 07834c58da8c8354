"""What channels took, level by level, for who looks back; and how long what was is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.model import Ack, AckState
from core.store import tables
from core.store.database import Store, Tx
from core.sync.work import SECOND

DAY = 86_400 * SECOND

FORGET_SECONDS = 3600
"""How often what is too old is looked for."""

BATCH = 5_000
"""Rows deleted in one transaction."""


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
        last = tx.value("SELECT at FROM marks WHERE name = 'history'")
    if last is not None and now - last < FORGET_SECONDS * SECOND:
        return 0
    gone = 0
    for sql in (_MOVES, _TELLINGS):
        while True:
            count = store.transact(lambda tx: tx.run(sql, before=now - days * DAY, batch=BATCH))  # noqa: B023 - at once
            gone += count
            if count < BATCH:
                break

    def done(tx: Tx) -> None:
        tx.insert(tables.marks, ("name", "at"), [("history", now)],
                  "ON CONFLICT (name) DO UPDATE SET at = excluded.at")  # fmt: skip

    store.transact(done)
    return gone


_MOVES = (
    "DELETE FROM moves WHERE id IN (SELECT id FROM moves WHERE at < :before"
    " AND id < (SELECT MAX(id) FROM moves) ORDER BY at LIMIT :batch)"  # the last one says since when it is kept
)

_TELLINGS = """
DELETE FROM tellings WHERE id IN (SELECT t.id FROM tellings t WHERE t.at < :before AND EXISTS (
  SELECT 1 FROM tellings n WHERE n.listing_id = t.listing_id AND n.place = t.place AND n.id > t.id AND n.at < :before
  AND n.state = 'applied') ORDER BY t.id LIMIT :batch)
"""
