"""What warehouses told that cannot be booked, and what they were not told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from shlex import quote
from typing import Any

from core.plurals import many
from core.store.database import Tx
from core.sync.issues.issue import NO_INSTANT, Query, Told, each
from core.sync.recall import told_open
from core.sync.warehouse import LIVE

_NO_CHANNEL = "'' AS channel"

_NOTICE = f"""
SELECT n.id AS key, {_NO_CHANNEL}, w.name || ' notice ' || n.id AS subject, n.observed_at AS since,
 {NO_INSTANT} AS deadline, n.state, n.reason, w.name AS warehouse, h.order_id
FROM notices n JOIN warehouses w ON w.id = n.warehouse_id LEFT JOIN handovers h ON h.id = n.handover_id
WHERE n.state IN ('waiting','unread','refused')
"""

_DOWN = f"""
SELECT w.name AS key, {_NO_CHANNEL}, w.name AS subject, w.outage_since AS since, {NO_INSTANT} AS deadline, w.health,
 w.reason FROM warehouses w
WHERE w.health = 'parked' OR (w.health = 'unavailable' AND w.outage_since < :settled)
"""

_LATE = f"""
SELECT r.id AS key, c.name AS channel, COALESCE(NULLIF(o.name, ''), o.number) AS subject, r.updated_at AS since,
 {NO_INSTANT} AS deadline, r.reason, r.lines, h.key AS work, w.name AS warehouse, o.id AS order_id
FROM recalls r JOIN handovers h ON h.id = r.handover_id JOIN warehouses w ON w.id = h.warehouse_id
JOIN orders o ON o.id = h.order_id JOIN channels c ON c.id = o.channel_id
WHERE r.state = 'refused' AND h.{LIVE}
"""

# One row for each work that is to be stopped, however many recalls of it wait: one call settles them.
_UNANSWERED = f"""
SELECT h.key AS key, c.name AS channel, COALESCE(NULLIF(o.name, ''), o.number) AS subject, r.created_at AS since,
 o.ship_by AS deadline, r.state, r.attempts, r.reason, r.handover_id, h.key AS work, w.name AS warehouse,
 o.id AS order_id
FROM recalls r JOIN handovers h ON h.id = r.handover_id JOIN warehouses w ON w.id = h.warehouse_id
JOIN orders o ON o.id = h.order_id JOIN channels c ON c.id = o.channel_id
WHERE r.state IN ('queued','sent','asked') AND r.created_at < :stuck AND h.{LIVE} AND w.health = 'ok'
 AND NOT EXISTS (SELECT 1 FROM recalls e WHERE e.handover_id = r.handover_id AND e.id < r.id
  AND e.state IN ('queued','sent','asked'))
"""

_STUCK = f"""
SELECT h.id AS key, c.name AS channel, COALESCE(NULLIF(o.name, ''), o.number) AS subject, h.created_at AS since,
 o.ship_by AS deadline, h.state, h.attempts, h.reason, h.key AS work, w.name AS warehouse, o.id AS order_id
FROM handovers h JOIN warehouses w ON w.id = h.warehouse_id JOIN orders o ON o.id = h.order_id
JOIN channels c ON c.id = o.channel_id
WHERE h.{LIVE} AND h.state IN ('queued', 'sent') AND h.created_at < :stuck AND w.health = 'ok'
"""

_DOUBT = f"""
SELECT i.sku || '@' || p.name AS key, {_NO_CHANNEL}, i.sku || ' at ' || p.name AS subject, c.as_of AS since,
 {NO_INSTANT} AS deadline, i.sku, p.name AS location, c.doubted, c.units, w.name AS warehouse
FROM counted c JOIN items i ON i.id = c.item_id JOIN locations p ON p.id = c.location_id
JOIN served s ON s.location_id = p.id JOIN warehouses w ON w.id = s.warehouse_id
WHERE c.doubted > 0 AND c.as_of < :stuck
"""


def _tell_notices(tx: Tx, rows: Sequence[Any]) -> Iterator[Told]:
    for row in rows:
        what = "cannot be read" if row.state == "unread" else "cannot be booked"
        look = (f"ordersync order {row.order_id}",) if row.order_id is not None else ()
        yield Told(
            f"what {row.warehouse} told {what}: {row.reason}",
            (*look, f"ordersync warehouse retry {row.key}", f"ordersync warehouse settle {row.key} --why WHY"),
        )


def _tell_unanswered(tx: Tx, rows: Sequence[Any]) -> Iterator[Told]:
    for row in rows:
        units = told_open(tx, row.handover_id)
        look = (f"ordersync warehouse work {row.warehouse}", f"ordersync order {row.order_id}")
        if row.state == "asked":
            yield Told(
                f"{row.warehouse} was asked to stop {units} of {row.work} and has not answered: it may send them all"
                " the same; ask there",
                (*look, f"ordersync warehouse settle --work {quote(row.work)} --why WHY"),
            )
        else:
            why = f": {row.reason}" if row.reason else ""
            yield Told(
                f"{row.warehouse} does not take that {units} of {row.work} are to stop, after"
                f" {many(row.attempts, 'attempt')}{why}; ask there",
                look,
            )


KINDS = (
    Query(
        name="warehouse_down",
        means="a warehouse does not answer, or does not let us in",
        sql=_DOWN,
        tell=each(lambda row: Told(row.reason, (f"ordersync round {row.subject}",))),
    ),
    Query(
        name="notice_set_aside",
        means="a warehouse told something that cannot be read or booked",
        sql=f"{_NOTICE} AND n.state IN ('unread', 'refused')",
        tell=_tell_notices,
    ),
    Query(
        name="recall_too_late",
        means="a warehouse sends units although they were called back",
        sql=_LATE,
        tell=each(
            lambda row: Told(
                f"{row.warehouse} sends {row.work} all the same: {row.reason}",
                (
                    f"ordersync order {row.order_id}",
                    f"ordersync warehouse work {row.warehouse}",
                    f"ordersync warehouse settle --work {quote(row.work)} --why WHY",
                ),
            )
        ),
    ),
    Query(
        name="recall_unanswered",
        means="a warehouse was asked to stop work, and has not said whether it does",
        sql=_UNANSWERED,
        tell=_tell_unanswered,
    ),
    Query(
        name="work_stuck",
        means="work has not reached its warehouse for long, although that works",
        sql=_STUCK,
        tell=each(
            lambda row: Told(
                f"{row.work} is {row.state} for {row.warehouse} after {many(row.attempts, 'attempt')}"
                + (f": {row.reason}" if row.reason else ""),
                (f"ordersync warehouse work {row.warehouse}", f"ordersync order {row.order_id}"),
            )
        ),
    ),
    Query(
        name="shelf_in_doubt",
        means="units were asked for, are counted no more, and no parcel is told of",
        sql=_DOUBT,
        tell=each(
            lambda row: Told(
                f"{row.warehouse} counts {row.units}, {row.doubted} fewer than it was asked to send and has not sent",
                (
                    f"ordersync warehouse work {row.warehouse}",
                    f"ordersync stock count {quote(row.sku)} {quote(row.location)} UNITS",
                ),
            )
        ),
    ),
)
