"""How things stand, read from the rows alone: each channel's health and backlog, and the status of an order.

An order has no status of its own: `ORDER_STATUS` derives it from the counters of its lines.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from core.plurals import many
from core.store.database import Store, Tx
from core.sync.backfill import Backfill, open_backfills


class OrderStatus(StrEnum):
    """What is to be said of an order as a whole. The first that fits, from the top."""

    EMPTY = "empty"
    """It has no lines."""
    CANCELLED = "cancelled"
    """Nothing of it shipped and nothing will."""
    RETURNED = "returned"
    """Everything that shipped came back."""
    SHIPPED = "shipped"
    """Everything that was to ship has."""
    CHANNEL = "channel"
    """The channel's own warehouse ships what is open."""
    TEST = "test"
    """A test order: never shipped."""
    PENDING = "pending"
    """The channel has not confirmed it yet."""
    HELD = "held"
    """Something holds it, or one of its SKUs is not known."""
    BACKORDERED = "backordered"
    """Nothing of what is open could be reserved."""
    PARTIALLY_BACKORDERED = "partially_backordered"
    """Some of what is open could not be reserved."""
    UNROUTED = "unrouted"
    """Reserved, and no location found for some of it."""
    PARTIALLY_SHIPPED = "partially_shipped"
    """Some of it shipped, and the rest is asked of a location."""
    ALLOCATED = "allocated"
    """All of it is asked of a location."""


ORDER_STATUS = """
(SELECT CASE
  WHEN count(*) = 0 THEN 'empty'
  WHEN sum(l.ordered - l.cancelled) = 0 THEN 'cancelled'
  WHEN sum(l.ordered - l.cancelled - l.shipped) = 0 AND sum(l.returned) = sum(l.shipped) THEN 'returned'
  WHEN sum(l.ordered - l.cancelled - l.shipped) = 0 THEN 'shipped'
  WHEN o.fulfiller = 'channel' THEN 'channel'
  WHEN o.test THEN 'test'
  WHEN EXISTS (SELECT 1 FROM holds h WHERE h.order_id = o.id AND h.hold = 'pending') THEN 'pending'
  WHEN sum(l.held) > 0 OR EXISTS (SELECT 1 FROM holds h WHERE h.order_id = o.id) THEN 'held'
  WHEN sum(l.backordered) > 0 AND sum(l.reserved) = 0 THEN 'backordered'
  WHEN sum(l.backordered) > 0 THEN 'partially_backordered'
  WHEN sum(l.reserved) > sum(l.allocated) THEN 'unrouted'
  WHEN sum(l.shipped) > 0 THEN 'partially_shipped'
  ELSE 'allocated'
 END FROM lines l WHERE l.order_id = o.id)
"""
"""SQL: the `OrderStatus` of the order `o`."""


class Waiting(msgspec.Struct):
    """A channel's backlog: counts of orders, pushes, levels and documents."""

    held: int = 0
    """Orders something holds, or with units of an unknown SKU."""
    backordered: int = 0
    """Orders that want more than there is."""
    unrouted: int = 0
    """Orders nothing holds and that wait for no stock, with reserved units and no location for them."""
    pushes_due: int = 0
    pushes_refused: int = 0
    levels_due: int = 0
    levels_unlisted: int = 0
    """Levels of listings that the channel does not show: they are told once it does."""
    levels_refused: int = 0
    quarantine: int = 0
    """Documents set aside that nobody has resolved."""


class Hearing(msgspec.Struct):
    """What a channel told by itself."""

    received: int = 0
    """Events heard, each once, ever."""
    repeated: int = 0
    """Events that had been heard before."""
    refused: int = 0
    """Calls and messages that were forged, stale or not to be read."""
    waiting: int = 0
    """What is still to be looked at."""
    last_received: int | None = None
    last_refused: int | None = None
    refusal: str = ""
    """Why the last one was refused."""
    notices: list[str] = []
    """What concerns the whole account and somebody has to see to, the newest first."""
    trouble: str = ""
    """Why the channel cannot tell of changes just now, ending in what to do; it is polled."""


class Standing(msgspec.Struct):
    """The store as it stands."""

    channels: dict[str, Any]
    """Every channel ever taken up: its row by its name."""
    waiting: dict[str, Waiting]
    touched: int
    """Items whose levels are to be computed again."""
    refusals: dict[str, list[str]] = {}
    """What each channel refuses, in words that end in what to do; the commonest reasons first."""
    backfills: dict[str, Backfill] = {}
    """Each channel's open backfill."""
    reconciled: dict[str, tuple[int, int]] = {}
    """Each channel's last reconciliation: when, and how many differences nothing explains."""
    hearing: dict[str, Hearing] = {}
    """Each channel that told, or was to tell, of something by itself."""


_OPEN = "o.fulfiller = 'merchant' AND NOT o.test"

_UNTOLD = (
    "FROM levels v JOIN listings i ON i.id = v.listing_id WHERE v.state <> 'applied' AND i.fulfiller = 'merchant' AND"
)
_SHOWN_REFUSED = f"{_UNTOLD} i.listed AND v.state = 'refused'"
"""SQL: refused levels that are still to be told: of a listing that is gone nobody is told anything."""

_COUNTS = {
    "held": f"""
SELECT o.channel_id, count(*) FROM orders o WHERE {_OPEN} AND o.id IN (
  SELECT l.order_id FROM lines l WHERE l.held > 0
  UNION SELECT l.order_id FROM holds h JOIN lines l ON l.order_id = h.order_id WHERE l.reserved + l.backordered > 0)
GROUP BY o.channel_id""",
    "backordered": f"""
SELECT o.channel_id, count(*) FROM orders o WHERE {_OPEN}
 AND o.id IN (SELECT l.order_id FROM lines l WHERE l.backordered > 0)
GROUP BY o.channel_id""",
    "unrouted": f"""
SELECT o.channel_id, count(*) FROM orders o WHERE {_OPEN}
 AND o.id IN (SELECT l.order_id FROM lines l WHERE l.reserved > l.allocated)
 AND o.id NOT IN (SELECT h.order_id FROM holds h)
 AND o.id NOT IN (SELECT l.order_id FROM lines l WHERE l.backordered > 0)
GROUP BY o.channel_id""",
    "pushes_due": "SELECT channel_id, count(*) FROM pushes"
    " WHERE state IN ('queued','sent','unknown','accepted') GROUP BY channel_id",
    "pushes_refused": "SELECT channel_id, count(*) FROM pushes WHERE state = 'refused' GROUP BY channel_id",
    "levels_due": f"SELECT v.channel_id, count(*) {_UNTOLD} v.state <> 'refused' AND (i.listed OR v.state = 'accepted')"
    " GROUP BY v.channel_id",
    "levels_unlisted": f"SELECT v.channel_id, count(*) {_UNTOLD} NOT i.listed AND v.state <> 'accepted'"
    " GROUP BY v.channel_id",
    "levels_refused": f"SELECT v.channel_id, count(*) {_SHOWN_REFUSED} GROUP BY v.channel_id",
    "quarantine": "SELECT channel_id, count(*) FROM quarantine WHERE state = 'open' GROUP BY channel_id",
}


def standing(store: Store) -> Standing:
    """Every channel's row and backlog, in one view of the store."""
    with store.read() as tx:
        return _standing(tx)


def _standing(tx: Tx) -> Standing:
    rows = {row.id: row for row in tx.rows("SELECT * FROM channels ORDER BY name")}
    waiting = {id: Waiting() for id in rows}
    for word, sql in _COUNTS.items():
        for channel_id, count in tx.rows(sql):
            setattr(waiting[channel_id], word, int(count))
    return Standing(
        {row.name: row for row in rows.values()},
        {row.name: waiting[id] for id, row in rows.items()},
        int(tx.value("SELECT count(*) FROM touched")),
        {rows[id].name: told for id, told in _refusals(tx).items()},
        {rows[id].name: found for id, found in open_backfills(tx).items()},
        {
            rows[row.channel_id].name: (row.at, row.unexplained)
            for row in tx.rows(
                "SELECT channel_id, at, unexplained FROM reconciliations"
                " WHERE id IN (SELECT max(id) FROM reconciliations GROUP BY channel_id)"
            )
        },
        {rows[id].name: heard for id, heard in _hearing(tx).items()},
    )


def _hearing(tx: Tx) -> dict[int, Hearing]:
    found: dict[int, Hearing] = {}
    for row in tx.rows("SELECT * FROM hearing"):
        trouble = "; ".join(part for part in (row.audit_trouble, row.queue_trouble) if part)
        found[row.channel_id] = Hearing(
            *(row.received, row.repeated, row.refused),
            last_received=row.last_received,
            last_refused=row.last_refused,
            refusal=row.refusal,
            trouble=trouble,
        )
    for id, count in tx.rows("SELECT channel_id, count(*) FROM hints WHERE kind <> 'account' GROUP BY channel_id"):
        found.setdefault(id, Hearing()).waiting = int(count)
    for id, reason in tx.rows(
        "SELECT channel_id, reason FROM hints WHERE kind = 'account' ORDER BY happened_at DESC, subject"
    ):
        found.setdefault(id, Hearing()).notices.append(reason)
    return found


def _refusals(tx: Tx) -> dict[int, list[str]]:
    told: dict[int, list[str]] = {}
    for channel_id, what, reason, count in tx.rows(
        f"SELECT v.channel_id, 'levels', v.reason, count(*) AS n {_SHOWN_REFUSED} GROUP BY v.channel_id, v.reason"
        " UNION ALL SELECT channel_id, kind, reason, count(*) FROM pushes"
        " WHERE state = 'refused' GROUP BY channel_id, kind, reason ORDER BY n DESC, 1, 2, 3"
    ):
        said = many(count, "level") if what == "levels" else f"{count} {what}"
        told.setdefault(channel_id, []).append(f"{said} refused: {reason}")
    return told
