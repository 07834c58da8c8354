"""When a channel is due, and how its last round went: state in its row, so that any process can go on from it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from core.budgets import Budgets, written
from core.errors import Unauthorized, Unavailable
from core.store.database import Store, Tx
from core.sync.observe import clean

SECOND = 1_000_000
LONGEST_WAIT = 300
"""Seconds between two tries of a channel that does not answer, at most."""


DUE_AT_ONCE = "next_due = CASE WHEN next_due <= 0 THEN next_due - 1 ELSE 0 END"
"""SQL: makes a channel due by the clock. Asked for twice is another instant: a turn knows that it was asked again."""


def poke(store: Store, channel_ids: Sequence[int]) -> None:
    """Something else than the clock wants a turn of these channels. A poke during a turn is not lost."""
    if channel_ids:
        store.transact(
            lambda tx: tx.run("UPDATE channels SET wanted = wanted + 1 WHERE id IN :ids", ids=sorted(set(channel_ids)))
        )


def finished(
    tx: Tx,
    channel_id: int,
    epoch: int,
    before: Any,
    next_due: int,
    now: int,
    *,
    began: int | None = None,
    wake: int | None = None,
    pulled: bool = True,
) -> None:
    """Books a turn that went well. `before`: the channel's row as it was when the turn `began`. `wake`: when what waits
    for a budget may go on.

    What was to be settled later and fell due meanwhile is the next turn's. Not `pulled`: orders could not be asked for,
    so that it counts as no success. Who has made the channel due meanwhile gets another turn: see `DUE_AT_ONCE`.
    """
    tx.run(
        "UPDATE channels SET health = 'ok', reason = '', fails = 0, outage_since = NULL,"
        " last_success = CASE WHEN :pulled = 1 THEN :now ELSE last_success END,"
        " done = :wanted, next_due = CASE WHEN next_due = :seen THEN :next ELSE next_due END, wake_at = ("
        "  SELECT min(due_at) FROM ("
        "   SELECT due_at, state FROM levels WHERE channel_id = :id AND state <> 'applied'"
        "    AND state IN ('queued', 'sent', 'accepted')"
        "   UNION ALL SELECT due_at, state FROM pushes WHERE channel_id = :id"
        "    AND state IN ('queued','sent','unknown','accepted')"
        "   UNION ALL SELECT due_at, state FROM backfills WHERE channel_id = :id AND state = 'open'"
        "   UNION ALL SELECT h.until, '' FROM holds h JOIN orders o ON o.id = h.order_id"
        "    WHERE h.until IS NOT NULL AND o.channel_id = :id"
        "   UNION ALL SELECT CAST(:wake AS BIGINT), ''"
        "  ) AS waiting WHERE due_at > CASE WHEN state = 'accepted' THEN :began ELSE :now END)"
        " WHERE id = :id AND epoch = :epoch",
        id=channel_id,
        epoch=epoch,
        wanted=before.wanted,
        now=now,
        began=now if began is None else began,
        seen=before.next_due,
        next=next_due,
        wake=wake,
        pulled=int(pulled),
    )


def note_budgets(tx: Tx, channel_id: int, epoch: int, budgets: Budgets) -> None:
    """Writes down how the channel's budgets stand, for other processes to go on from."""
    standing = budgets.standing()
    if standing:  # a turn that asked for nothing has nothing new to say
        tx.run(
            "UPDATE channels SET budgets = :budgets WHERE id = :id AND epoch = :epoch",
            id=channel_id,
            epoch=epoch,
            budgets=written(standing),
        )


def due_now(store: Store, name: str) -> None:
    """Makes a channel's next turn one of the clock's: it pulls, however lately it did."""
    store.transact(lambda tx: tx.run(f"UPDATE channels SET {DUE_AT_ONCE} WHERE name = :name", name=name))


def failed(tx: Tx, channel_id: int, epoch: int, error: Exception, parked_retry: int, now: int) -> Any:
    """Books a round that failed; returns the channel's row as it was before.

    `Unavailable` is tried again after the wait it asks for or a growing one; anything else parks the channel.
    """
    before = tx.row("SELECT * FROM channels WHERE id = :id AND epoch = :epoch /*lock*/", id=channel_id, epoch=epoch)
    if before is None:
        return None
    if isinstance(error, Unavailable):
        health = "unavailable"
        backoff = min(LONGEST_WAIT, 2.0 ** min(before.fails, 10)) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
        wait = max(backoff, error.after or 0.0)
    else:
        health, wait = "parked", float(parked_retry)
    tx.run(
        "UPDATE channels SET health = :health, reason = :reason, fails = fails + 1, next_due = :next,"
        " outage_since = COALESCE(outage_since, :now) WHERE id = :id",
        id=channel_id,
        health=health,
        reason=reason_of(error),
        next=now + int(wait * SECOND),
        now=now,
    )
    return before


def reason_of(error: Exception) -> str:
    """What status says of a failure: what happened and what to do."""
    said = clean(str(error))
    if isinstance(error, Unavailable):
        return f"{said}; tried again by itself"
    if isinstance(error, Unauthorized):
        return said
    return f"{type(error).__name__}: {said}; see the log, then `ordersync round`"
