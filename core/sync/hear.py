"""Hearing: what channels tell by themselves is written down before anybody is told that it arrived.

A hint waits as a row for what is to be looked at, so a thousand hints of one order are one look; the events' own ids
are kept beside them for a while, so that one delivered again, or replayed, is known. That a hint waits makes its
channel due: nothing else is written, and no lock of a channel's row is waited for.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from core.model import Hint, HintKind, micros
from core.store import tables
from core.store.database import Store, Tx
from core.sync.observe import clean
from core.sync.work import SECOND

REMEMBERED_SECONDS = 2 * 24 * 3600
"""How long an event's id is known. Channels deliver again for hours."""

LEVEL_PATIENCE = 3 * SECOND
"""How long a level's hint waits: what our own pushes and orders did to it is known here by then."""


class Heard(msgspec.Struct):
    """What came for one channel."""

    hints: list[Hint] = []
    refused: int = 0
    """Requests or messages that were refused or could not be read."""
    refusal: str = ""
    """Why the last of them was; never its words."""


def hear(store: Store, heard: Mapping[str, Heard], now: int) -> set[str]:
    """Writes down what came, by the channels' names; all of it or nothing.

    Returns the names of the channels that were never taken up: nothing of theirs is kept.
    """

    def work(tx: Tx) -> set[str]:
        ids = {row.name: row.id for row in tx.rows("SELECT id, name FROM channels WHERE name IN :n", n=list(heard))}
        for name in sorted(ids, key=lambda name: int(ids[name])):
            _hear(tx, ids[name], heard[name], now)
        return heard.keys() - ids.keys()

    return store.transact(work)


def _hear(tx: Tx, channel_id: int, heard: Heard, now: int) -> None:
    fresh = [hint for hint in sorted(heard.hints, key=lambda hint: hint.id) if _is_new(tx, channel_id, hint, now)]
    rows = sorted((_row(channel_id, hint, now) for hint in fresh), key=lambda row: (*row[:4], row[7]))
    for row in rows:  # one by one: two of the same thing are one row, which one statement may not touch twice
        tx.insert(tables.hints, _COLUMNS, [row], _AGAIN)
    tx.run(
        "INSERT INTO hearing (channel_id, received, repeated, refused, last_received, last_refused, refusal)"
        " VALUES (:id, :received, :repeated, :refused, :heard_at, :refused_at, :refusal)"
        " ON CONFLICT (channel_id) DO UPDATE SET received = hearing.received + excluded.received,"
        " repeated = hearing.repeated + excluded.repeated, refused = hearing.refused + excluded.refused,"
        " last_received = COALESCE(excluded.last_received, hearing.last_received),"
        " last_refused = COALESCE(excluded.last_refused, hearing.last_refused),"
        " refusal = CASE WHEN excluded.refused > 0 THEN excluded.refusal ELSE hearing.refusal END",
        id=channel_id,
        received=len(fresh),
        repeated=len(heard.hints) - len(fresh),
        refused=heard.refused,
        heard_at=now if heard.hints else None,
        refused_at=now if heard.refused else None,
        refusal=clean(heard.refusal),
    )


def _is_new(tx: Tx, channel_id: int, hint: Hint, now: int) -> bool:
    """Whether the event was never heard before; from now on it was."""
    sql = "INSERT INTO heard (channel_id, event, received_at) VALUES (:id, :event, :now) ON CONFLICT DO NOTHING"
    return bool(tx.run(sql, id=channel_id, event=clean(hint.id), now=now))


_COLUMNS = ("channel_id", "kind", "subject", "place", "quantity", "reason", "parks", "happened_at", "received_at",
            "due_at")  # fmt: skip

_AGAIN = """ON CONFLICT (channel_id, kind, subject, place) DO UPDATE SET
 quantity = CASE WHEN excluded.happened_at >= hints.happened_at THEN excluded.quantity ELSE hints.quantity END,
 happened_at = CASE WHEN excluded.happened_at >= hints.happened_at
  THEN excluded.happened_at ELSE hints.happened_at END,
 due_at = CASE WHEN excluded.due_at < hints.due_at THEN excluded.due_at ELSE hints.due_at END,
 received_at = excluded.received_at, attempts = 0, mark = hints.mark + 1"""


def _row(channel_id: int, hint: Hint, now: int) -> tuple[object, ...]:
    patience = LEVEL_PATIENCE if hint.kind is HintKind.LEVEL else 0
    subject = {HintKind.ORDER: hint.order, HintKind.LEVEL: hint.handle, HintKind.ACCOUNT: hint.id}[hint.kind]
    return (
        channel_id,
        hint.kind.value,
        clean(subject),
        clean(hint.place),
        hint.quantity,
        clean(hint.reason),
        hint.parks,
        micros(hint.at),
        now,
        now + patience,
    )


def forget(store: Store, now: int) -> int:
    """Forgets the ids of events that no channel delivers any more; returns how many."""
    sql = "DELETE FROM heard WHERE received_at < :before"
    return store.transact(lambda tx: tx.run(sql, before=now - REMEMBERED_SECONDS * SECOND))


def note_queue(store: Store, name: str, trouble: str) -> None:
    """Notes why a channel's queue cannot be listened to, ending in what to do; empty: it can."""
    store.transact(
        lambda tx: tx.run(
            "INSERT INTO hearing (channel_id, queue_trouble) SELECT id, :trouble FROM channels WHERE name = :name"
            " ON CONFLICT (channel_id) DO UPDATE SET queue_trouble = excluded.queue_trouble",
            name=name,
            trouble=clean(trouble),
        )
    )


def due_hints(tx: Tx) -> dict[int, int]:
    """When the first waiting hint of each channel is due, by the channel's id."""
    return {row[0]: row[1] for row in tx.rows("SELECT channel_id, min(due_at) FROM hints GROUP BY channel_id")}
