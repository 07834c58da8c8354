"""A machine's clock that was set back: what was booked by its old time is made due, else it would wait for that."""

from __future__ import annotations

from core.store.database import Tx
from core.sync.outbox import OPEN
from core.sync.turn import LONGEST_WAIT
from core.sync.warehouse import LIVE
from core.sync.work import SECOND

CLOCK_STEP = 60
"""Seconds the clock may be set back without a word; whatever is due waits for no longer than that."""

_TURNS = ("channels", "warehouses")

# Whatever goes out, or is asked about, with its condition as its partial index says it, the longest it waits of itself
# (a row between two tries, a budget), and whose it is. Holds, and orders parked until a time of day, wait on purpose.
_WAITS = (
    ("pushes", OPEN, CLOCK_STEP, "channels", "channel_id"),
    ("levels", "state <> 'applied' AND state IN ('queued','sent','accepted')", LONGEST_WAIT, "channels", "channel_id"),
    ("backfills", "state = 'open'", LONGEST_WAIT, "channels", "channel_id"),
    ("hints", "kind <> 'account'", LONGEST_WAIT, "channels", "channel_id"),
    ("handovers", f"{LIVE} AND state IN ('queued','sent')", LONGEST_WAIT, "warehouses", "warehouse_id"),
    (
        "recalls",
        "state IN ('queued','sent','asked') AND state <> 'asked'",
        LONGEST_WAIT,
        "warehouses",
        "(SELECT h.warehouse_id FROM handovers h WHERE h.id = handover_id)",
    ),
)


def heed_clock(tx: Tx, now: int, *, stepped: bool) -> int:
    """Makes due what a clock that was set back leaves waiting; returns how many channels, warehouses and rows that are.

    `stepped`: it was set back just now, so that nothing that waits does so by today's time: trying it early does no
    harm. Else, at a start, only what waits longer than it ever would of itself is taken for booked by another time.
    """
    if stepped:
        waits, at = "next_due > :at", now
    else:
        waits, at = "last_success > :at", now + CLOCK_STEP * SECOND
    found = sum(tx.run(f"UPDATE {table} SET next_due = 0 WHERE {waits}", at=at) for table in _TURNS)
    for table, condition, longest, owners, owner in _WAITS:
        late = f"{condition} AND due_at > :at"
        at = now if stepped else now + longest * SECOND
        ids = {row[0] for row in tx.rows(f"SELECT DISTINCT {owner} FROM {table} WHERE {late}", at=at)}
        if ids:
            found += tx.run(f"UPDATE {table} SET due_at = :now WHERE {late}", at=at, now=now)
            tx.run(f"UPDATE {owners} SET next_due = 0 WHERE id IN :ids", ids=sorted(ids))
    return found
