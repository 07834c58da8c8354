"""The sums of a period's facts, by the keys of whatever it is broken down by."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from core.days import QUARTER, Days
from core.metrics import Sums
from core.store.database import Tx
from core.sync.metrics.period import Period
from core.sync.metrics.shelves import add_stock

_KEYS = {
    "channel": ("c.name", "JOIN channels c ON c.id = f.channel_id"),
    "location": ("COALESCE(p.name, 'nowhere known')", "LEFT JOIN locations p ON p.id = f.location_id"),
    "item": ("COALESCE(i.sku, 'unknown')", "LEFT JOIN items i ON i.id = f.item_id"),
    "day": ("f.day", ""),
    "week": ("f.day", ""),
    "month": ("f.day", ""),
    "": ("''", ""),
}

LINES = ("lines", "lines_first", "lines_later", "units", "units_first", "units_later")
ORDERS = ("orders", "asked", "asked_first", "asked_later", "cancelled", "shipped", "parcels")

_HAS = {
    "facts_lines": ("channel", "item"),
    "facts_orders": ("channel",),
    "facts_due": ("channel",),
    "facts_times": ("channel", "location"),
    "facts_windows": ("channel",),
}


def sums(tx: Tx, period: Period, days: Days, today: int) -> dict[str, Sums]:
    """By key, in no order. `today`: the day that is not over yet, and on which nothing is late; later ones are none."""
    found: defaultdict[str, Sums] = defaultdict(Sums)
    for name in ("facts_lines", "facts_orders"):
        words = LINES if name == "facts_lines" else ORDERS
        for row in _rows(tx, period, name, ", ".join(f"sum(f.{word}) AS {word}" for word in words)):
            into = found[_key(period, row.key)]
            for word in words:
                setattr(into, word, getattr(into, word) + int(getattr(row, word)))
    due = "sum(f.orders) AS due, sum(f.late + f.unshipped) AS late"
    for row in _rows(tx, period, "facts_due", due, before=today):
        into = found[_key(period, row.key)]
        into.due += int(row.due)
        into.late += int(row.late)
    for row in _rows(tx, period, "facts_times", "f.minutes AS measure, sum(f.parcels) AS count", measure="f.minutes"):
        _add(found[_key(period, row.key)].minutes, row)
    _add_windows(tx, period, days, found)
    if not period.channel and period.by != "channel":
        add_stock(tx, period, found, today)
    return dict(found)


def _rows(tx: Tx, period: Period, table: str, what: str, *, measure: str = "", before: int | None = None) -> Any:
    """The table's sums by key; none where it does not know what the period is broken down by."""
    if period.by and not period.timed and period.by not in _HAS[table]:
        return []
    key, join = _KEYS[period.by]
    own = "" if not period.channel else " AND f.channel_id = (SELECT id FROM channels WHERE name = :channel)"
    last = period.last if before is None else min(period.last, before - 1)
    groups = ", ".join(part for part in (key if period.by else "", measure) if part)
    return tx.rows(
        f"SELECT {key} AS key, {what} FROM {table} f {join} WHERE f.day >= :first AND f.day <= :last{own}"
        + (f" GROUP BY {groups}" if groups else " HAVING count(*) > 0"),
        first=period.first,
        last=last,
        **({"channel": period.channel} if period.channel else {}),
    )


def _key(period: Period, key: Any) -> str:
    return period.key(key) if period.timed else str(key)


def _add(into: dict[int, int], row: Any) -> None:
    into[int(row.measure)] = into.get(int(row.measure), 0) + int(row.count)


def _add_windows(tx: Tx, period: Period, days: Days, found: defaultdict[str, Sums]) -> None:
    if period.by and not period.timed and period.by != "channel":
        return
    first, after = period.quarters(days)
    quarter = "f.quarter" if period.timed else "0"
    groups = ["c.name", "f.seconds", *(["f.quarter"] if period.timed else [])]
    rows = tx.rows(
        f"SELECT c.name AS channel, {quarter} AS quarter, f.seconds AS measure, sum(f.levels) AS count"
        " FROM facts_windows f JOIN channels c ON c.id = f.channel_id"
        " WHERE f.quarter >= :first AND f.quarter < :after AND (CAST(:channel AS text) = '' OR c.name = :channel)"
        f" GROUP BY {', '.join(groups)}",
        first=first,
        after=after,
        channel=period.channel,
    )
    for row in rows:
        key = row.channel if period.by == "channel" else ""
        _add(found[period.key(days.day(int(row.quarter) * QUARTER)) if period.timed else key].seconds, row)
