"""What a day's facts are, as queries over the orders, parcels and movements of that day."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from core.days import Days
from core.store import tables


@dataclass(frozen=True)
class Made:
    """One table's rows of some days."""

    table: sa.Table
    columns: tuple[str, ...]
    """What the query yields, in its order."""
    sql: Callable[[Sequence[int], Days], str]


OURS = "o.fulfiller = 'merchant' AND NOT o.test"
"""SQL: the order `o` comes out of the seller's own stock."""

SEEN = "l.first_asked"
FIRST = "(CASE WHEN l.first_filled < l.first_asked THEN l.first_filled ELSE l.first_asked END)"
_UNWANTED = (
    "(CASE WHEN l.ordered - l.cancelled < l.first_asked THEN l.first_asked - l.ordered + l.cancelled ELSE 0 END)"
)
"""SQL: units line `l` asked at first and does not want any more, as they were cancelled or edited away."""
_HAD = (
    "(CASE WHEN l.first_filled - l.shipped - l.reserved <= 0 THEN 0"
    f" WHEN {_UNWANTED} < l.first_filled - l.shipped - l.reserved THEN {_UNWANTED}"
    " ELSE l.first_filled - l.shipped - l.reserved END)"
)
"""SQL: units promised at first that are not wanted any more: we had them."""
_GOT = f"(l.shipped + l.reserved + {_HAD})"
LATER = f"(CASE WHEN {_GOT} < l.first_asked THEN {_GOT} ELSE l.first_asked END)"
"""SQL: of what line `l` asked at first, the units that have left, are promised, or were promised at first and then not
wanted any more."""

SOLD_OUT_HERE = (
    "EXISTS (SELECT 1 FROM pushes p WHERE p.order_id = o.id AND p.kind = 'cancel' AND p.state <> 'dropped'"
    """ AND p.argument NOT LIKE '%"reason":"buyer"%')"""
)
"""SQL: some of the order `o` was cancelled here, and not because its buyer asked."""

_LINES = f"""
SELECT c.placed_day AS day, o.channel_id AS channel_id, COALESCE(l.item_id, 0) AS item_id,
 count(*) AS lines, sum(CASE WHEN {FIRST} = {SEEN} THEN 1 ELSE 0 END) AS lines_first,
 sum(CASE WHEN {LATER} = {SEEN} THEN 1 ELSE 0 END) AS lines_later,
 sum({SEEN}) AS units, sum({FIRST}) AS units_first, sum({LATER}) AS units_later
FROM facts_calendar c JOIN orders o ON o.id = c.order_id JOIN lines l ON l.order_id = o.id
WHERE c.placed_day IN (:days) AND {OURS} AND {SEEN} > 0
GROUP BY c.placed_day, o.channel_id, COALESCE(l.item_id, 0)
"""

_ORDERS = f"""
SELECT day, channel_id, count(*) AS orders, sum(asked) AS asked,
 sum(CASE WHEN asked = 1 AND lacks_first = 0 THEN 1 ELSE 0 END) AS asked_first,
 sum(CASE WHEN asked = 1 AND lacks_later = 0 THEN 1 ELSE 0 END) AS asked_later,
 sum(cancelled) AS cancelled, sum(left_whole) AS shipped,
 sum(CASE WHEN left_whole = 1 THEN parcels ELSE 0 END) AS parcels
FROM (
 SELECT c.placed_day AS day, o.channel_id AS channel_id, o.id AS id,
  max(CASE WHEN {SEEN} > 0 THEN 1 ELSE 0 END) AS asked, sum({SEEN} - {FIRST}) AS lacks_first,
  sum({SEEN} - {LATER}) AS lacks_later, CASE WHEN {SOLD_OUT_HERE} THEN 1 ELSE 0 END AS cancelled,
  CASE WHEN sum(l.shipped) > 0 AND sum(l.reserved + l.backordered + l.held) = 0 THEN 1 ELSE 0 END AS left_whole,
  (SELECT count(*) FROM shipments s WHERE s.order_id = o.id AND s.voided_at IS NULL) AS parcels
 FROM facts_calendar c JOIN orders o ON o.id = c.order_id JOIN lines l ON l.order_id = o.id
 WHERE c.placed_day IN (:days) AND {OURS} GROUP BY c.placed_day, o.channel_id, o.id
) AS one GROUP BY day, channel_id
"""

LEFT_LATE = (
    "EXISTS (SELECT 1 FROM shipments s WHERE s.order_id = o.id AND s.voided_at IS NULL AND s.shipped_at > o.ship_by)"
)

_DUE = f"""
SELECT day, channel_id, count(*) AS orders, sum(late) AS late, sum(CASE WHEN late = 0 THEN unshipped ELSE 0 END)
 AS unshipped
FROM (
 SELECT c.due_day AS day, o.channel_id AS channel_id, o.id AS id, CASE WHEN {LEFT_LATE} THEN 1 ELSE 0 END AS late,
  CASE WHEN sum(l.reserved + l.backordered + l.held) > 0 THEN 1 ELSE 0 END AS unshipped
 FROM facts_calendar c JOIN orders o ON o.id = c.order_id JOIN lines l ON l.order_id = o.id
 WHERE c.due_day IN (:days) AND {OURS} GROUP BY c.due_day, o.channel_id, o.id HAVING sum(l.ordered - l.cancelled) > 0
) AS one GROUP BY day, channel_id
"""

MINUTES = "(CASE WHEN s.shipped_at > o.placed_at THEN (s.shipped_at - o.placed_at) / 60000000 ELSE 0 END)"


_TIMES = f"""
SELECT d.day AS day, o.channel_id AS channel_id, COALESCE(s.location_id, 0) AS location_id, {MINUTES} AS minutes,
 count(*) AS parcels
FROM (:spans) AS d JOIN shipments s ON s.shipped_at >= d.begins AND s.shipped_at < d.ends
JOIN orders o ON o.id = s.order_id
WHERE s.voided_at IS NULL AND {OURS} GROUP BY d.day, o.channel_id, COALESCE(s.location_id, 0), {MINUTES}
"""

_STOCK = """
SELECT d.day AS day, g.item_id AS item_id, g.location_id AS location_id, sum(g.on_hand) AS on_hand,
 sum(CASE WHEN g.kind = 'receive' THEN g.on_hand ELSE 0 END) AS received,
 -sum(CASE WHEN g.kind IN ('ship', 'ship_outside', 'void') THEN g.on_hand ELSE 0 END) AS sold,
 sum(CASE WHEN g.kind = 'return' THEN g.on_hand ELSE 0 END) AS returned
FROM (:spans) AS d JOIN ledger g ON g.at >= d.begins AND g.at < d.ends
WHERE g.location_id IS NOT NULL AND g.on_hand <> 0 GROUP BY d.day, g.item_id, g.location_id
"""


def _of_days(sql: str) -> Callable[[Sequence[int], Days], str]:
    return lambda days, zone: sql.replace(":days", ", ".join(map(str, days)))


def _by_clock(sql: str) -> Callable[[Sequence[int], Days], str]:
    """`:spans` is each day with its first instant and that of the next."""

    def made(days: Sequence[int], zone: Days) -> str:
        spans = [f"SELECT {day} AS day, {zone.begin(day)} AS begins, {zone.begin(day + 1)} AS ends" for day in days]
        return sql.replace(":spans", " UNION ALL ".join(spans))

    return made


FAMILIES: Mapping[str, Sequence[Made]] = {
    "placed": (
        Made(
            tables.facts_lines,
            ("day", "channel_id", "item_id", "lines", "lines_first", "lines_later", "units", "units_first",
             "units_later"),
            _of_days(_LINES),
        ),
        Made(
            tables.facts_orders,
            ("day", "channel_id", "orders", "asked", "asked_first", "asked_later", "cancelled", "shipped", "parcels"),
            _of_days(_ORDERS),
        ),
    ),
    "due": (Made(tables.facts_due, ("day", "channel_id", "orders", "late", "unshipped"), _of_days(_DUE)),),
    "shipped": (
        Made(
            tables.facts_times, ("day", "channel_id", "location_id", "minutes", "parcels"), _by_clock(_TIMES)
        ),
    ),
    "stock": (
        Made(
            tables.facts_stock,
            ("day", "item_id", "location_id", "on_hand", "received", "sold", "returned"),
            _by_clock(_STOCK),
        ),
    ),
}  # fmt: skip
"""Facts that are counted together, as they change for the same reasons."""
