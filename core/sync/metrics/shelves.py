"""Stock over a period, from its daily movements: what there was, came, was sold, and when there was none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import msgspec

from core.metrics import Sums
from core.store.database import Tx
from core.sync.metrics.period import ALL, Period

_KEYS = {"item": "i.sku", "location": "p.name", "": "''"}

_MOVED = """
 COALESCE(sum(CASE WHEN f.day < :first THEN f.on_hand ELSE 0 END), 0) AS opening,
 sum(f.on_hand) AS closing,
 sum(CASE WHEN f.day < :first THEN 0 ELSE f.received END) AS received,
 sum(CASE WHEN f.day < :first THEN 0 ELSE f.sold END) AS sold,
 sum(CASE WHEN f.day < :first THEN 0 ELSE f.returned END) AS returned,
 sum(f.on_hand * (CASE WHEN f.day < :first THEN :days ELSE :last - f.day + 1 END)) AS unit_days,
 COALESCE(sum(CASE WHEN f.day < :first THEN 0 ELSE f.sold * i.cost END), 0) AS cost_sold,
 COALESCE(sum(f.on_hand * i.cost * (CASE WHEN f.day < :first THEN :days ELSE :last - f.day + 1 END)), 0) AS value_days
"""

_FROM = "FROM facts_stock f JOIN items i ON i.id = f.item_id JOIN locations p ON p.id = f.location_id"


def add_stock(tx: Tx, period: Period, found: defaultdict[str, Sums], today: int) -> None:
    """Adds what the shelves say to the sums of each key. Days before anything was kept here, and days to come, are no
    days of it."""
    kept = days_kept(tx, period, today)
    if kept is None:
        return
    period = kept
    if period.timed:
        _add_by_time(tx, period, found)
    else:
        _add_by_key(tx, period, found)
    for key, days, items in _outs(tx, period):
        found[key].out_days += days
        found[key].out_items += items


def days_kept(tx: Tx, period: Period, today: int) -> Period | None:
    """The days of the period from the first movement until today; None where there are none."""
    began = tx.value("SELECT min(day) FROM facts_stock")
    if began is None:
        return None
    first, last = max(period.first, began), min(period.last, today)
    return msgspec.structs.replace(period, first=first, last=last) if first <= last else None


def _add_by_key(tx: Tx, period: Period, found: defaultdict[str, Sums]) -> None:
    key = _KEYS[period.by]
    rows = tx.rows(
        f"SELECT {key} AS key, {_MOVED}, count(DISTINCT CASE WHEN i.cost IS NOT NULL THEN i.currency END) AS currencies"
        f" {_FROM} WHERE f.day <= :last {f'GROUP BY {key}' if period.by else 'HAVING count(*) > 0'}",
        first=period.first,
        last=period.last,
        days=period.last - period.first + 1,
    )
    for row in rows:
        found[row.key].stock_days = period.last - period.first + 1
        for word in ("opening", "closing", "received", "sold", "returned", "unit_days", "cost_sold", "value_days",
                     "currencies"):  # fmt: skip
            setattr(found[row.key], word, int(getattr(row, word)))


class _Day(msgspec.Struct):
    on_hand: int = 0
    value: int = 0
    received: int = 0
    sold: int = 0
    returned: int = 0
    cost_sold: int = 0


def _add_by_time(tx: Tx, period: Period, found: defaultdict[str, Sums]) -> None:
    """Each part of the period begins with what the days before it left."""
    rows = tx.rows(
        "SELECT f.day AS day, sum(f.on_hand) AS on_hand, COALESCE(sum(f.on_hand * i.cost), 0) AS value,"
        " sum(f.received) AS received, sum(f.sold) AS sold, sum(f.returned) AS returned,"
        f" COALESCE(sum(f.sold * i.cost), 0) AS cost_sold {_FROM} WHERE f.day <= :last GROUP BY f.day",
        last=period.last,
    )
    currencies = int(
        tx.value(
            "SELECT count(DISTINCT i.currency) FROM items i WHERE i.cost IS NOT NULL"
            " AND EXISTS (SELECT 1 FROM facts_stock f WHERE f.item_id = i.id AND f.day <= :last)",
            last=period.last,
        )
    )
    by_day = {row.day: row for row in rows}
    units = sum(int(row.on_hand) for row in rows if row.day < period.first)
    value = sum(int(row.value) for row in rows if row.day < period.first)
    if not rows:
        return
    for key, (first, last) in period.buckets().items():
        into = found[key]
        into.opening, into.currencies, into.stock_days = units, currencies, last - first + 1
        for day in range(first, last + 1):
            row: Any = by_day.get(day, _Day())
            units += int(row.on_hand)
            value += int(row.value)
            into.received += int(row.received)
            into.sold += int(row.sold)
            into.returned += int(row.returned)
            into.cost_sold += int(row.cost_sold)
            into.unit_days += units
            into.value_days += value
        into.closing = units


def empty_shelves(tx: Tx, period: Period) -> Iterator[tuple[str, str, int, int]]:
    """Item, location (where that divides the period) and the days, first and last, at whose end it had no stock."""
    each = "f.item_id, f.location_id" if period.by == "location" else "f.item_id"
    names = "i.sku AS sku, p.name AS place" if period.by == "location" else "i.sku AS sku, '' AS place"
    place = "JOIN locations p ON p.id = r.location_id" if period.by == "location" else ""
    rows = tx.rows(
        f"SELECT {names}, r.day AS day, r.next AS next FROM (SELECT {each.replace('f.', 'd.')}, d.day AS day,"
        f" sum(d.moved) OVER (PARTITION BY {each.replace('f.', 'd.')} ORDER BY d.day) AS remains,"
        f" lead(d.day) OVER (PARTITION BY {each.replace('f.', 'd.')} ORDER BY d.day) AS next"
        f" FROM (SELECT {each}, f.day, sum(f.on_hand) AS moved FROM facts_stock f WHERE f.day <= :last"
        f" GROUP BY {each}, f.day) AS d) AS r JOIN items i ON i.id = r.item_id {place}"
        " WHERE r.remains <= 0 AND (r.next IS NULL OR r.next > :first) ORDER BY i.sku, r.day",
        first=period.first,
        last=period.last,
    )
    for row in rows:
        end = period.last if row.next is None else row.next - 1
        yield row.sku, row.place, max(row.day, period.first), min(end, period.last)


def _outs(tx: Tx, period: Period) -> Iterator[tuple[str, int, int]]:
    """By key: days without stock, and of how many items."""
    days: defaultdict[str, int] = defaultdict(int)
    items: defaultdict[str, set[str]] = defaultdict(set)
    for sku, place, first, last in empty_shelves(tx, period):
        if period.timed:
            for day in range(first, last + 1):
                days[period.key(day)] += 1
                items[period.key(day)].add(sku)
            continue
        key = {"item": sku, "location": place}.get(period.by, ALL)
        days[key] += last - first + 1
        items[key].add(sku)
    return ((key, days[key], len(items[key])) for key in days)
