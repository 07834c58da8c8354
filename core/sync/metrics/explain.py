"""What stands behind a number: the order lines, orders, parcels, movements or measures that made it what it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from core.days import QUARTER, Days
from core.store.database import Tx
from core.sync.facts_of_days import FIRST, LATER, LEFT_LATE, MINUTES, OURS, SEEN, SOLD_OUT_HERE
from core.sync.metrics.period import Period
from core.sync.metrics.shelves import days_kept, empty_shelves


class Behind(msgspec.Struct, frozen=True):
    """Rows with their columns' names; the ones that weigh most first."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]
    what: str = ""
    """What a row is, and which of them are told."""


def explain(tx: Tx, metric: str, period: Period, days: Days, today: int, limit: int) -> Behind:
    """At most `limit` rows behind a metric's value."""
    what, find = _BEHIND[metric]
    return msgspec.structs.replace(find(tx, period, days, today, limit), what=what)


_NAME = "COALESCE(NULLIF(o.name, ''), o.number)"
_MINE = "(CAST(:channel AS text) = '' OR ch.name = :channel)"

_PLACED = (
    "FROM facts_calendar c JOIN orders o ON o.id = c.order_id JOIN channels ch ON ch.id = o.channel_id"
    f" {{lines}} WHERE c.placed_day >= :first AND c.placed_day <= :last AND {OURS} AND {_MINE}"
)
_LINES = _PLACED.format(lines="JOIN lines l ON l.order_id = o.id")
_ORDERS = _PLACED.format(lines="")


def _given(period: Period, limit: int) -> dict[str, Any]:
    return {"first": period.first, "last": period.last, "channel": period.channel, "limit": limit}


def _lines(got: str) -> Callable[..., Behind]:
    """Lines that did not get all they asked for."""

    def behind(tx: Tx, period: Period, days: Days, today: int, limit: int) -> Behind:
        rows = tx.rows(
            f"SELECT ch.name AS channel, o.id AS id, {_NAME} AS name, l.sku AS sku, {SEEN} AS asked, {got} AS got,"
            f" l.shipped, l.reserved, l.backordered, l.held, l.cancelled {_LINES} AND {SEEN} > {got}"
            f" ORDER BY {SEEN} - {got} DESC, o.id, l.id LIMIT :limit",
            **_given(period, limit),
        )
        return Behind(
            ("channel", "id", "order", "SKU", "asked", "got", "shipped", "reserved", "backordered", "held",
             "cancelled"),
            [tuple(row) for row in rows],
        )  # fmt: skip

    return behind


def _late(tx: Tx, period: Period, days: Days, today: int, limit: int) -> Behind:
    rows = tx.rows(
        f"SELECT ch.name AS channel, o.id AS id, {_NAME} AS name, o.ship_by AS ship_by,"
        " (SELECT max(s.shipped_at) FROM shipments s WHERE s.order_id = o.id AND s.voided_at IS NULL) AS left_at,"
        " (SELECT sum(l.reserved + l.backordered + l.held) FROM lines l WHERE l.order_id = o.id) AS still"
        " FROM facts_calendar c JOIN orders o ON o.id = c.order_id JOIN channels ch ON ch.id = o.channel_id"
        f" WHERE c.due_day >= :first AND c.due_day <= :last AND c.due_day < :today AND {OURS} AND {_MINE}"
        f" AND EXISTS (SELECT 1 FROM lines l WHERE l.order_id = o.id AND l.ordered > l.cancelled)"
        f" AND ({LEFT_LATE} OR EXISTS (SELECT 1 FROM lines l WHERE l.order_id = o.id"
        " AND l.reserved + l.backordered + l.held > 0)) ORDER BY o.ship_by, o.id LIMIT :limit",
        today=today,
        **_given(period, limit),
    )
    return Behind(("channel", "id", "order", "ship_by_at", "left_at", "not left"), [tuple(row) for row in rows])


def _cancelled(tx: Tx, period: Period, days: Days, today: int, limit: int) -> Behind:
    rows = tx.rows(
        f"SELECT ch.name AS channel, o.id AS id, {_NAME} AS name, o.placed_at AS placed_at,"
        " (SELECT sum(l.cancelled) FROM lines l WHERE l.order_id = o.id) AS units"
        f" {_ORDERS} AND {SOLD_OUT_HERE} ORDER BY o.placed_at, o.id LIMIT :limit",
        **_given(period, limit),
    )
    return Behind(("channel", "id", "order", "placed_at", "units cancelled"), [tuple(row) for row in rows])


def _split(tx: Tx, period: Period, days: Days, today: int, limit: int) -> Behind:
    parcels = "(SELECT count(*) FROM shipments s WHERE s.order_id = o.id AND s.voided_at IS NULL)"
    rows = tx.rows(
        f"SELECT ch.name AS channel, o.id AS id, {_NAME} AS name, o.placed_at AS placed_at, {parcels} AS parcels"
        f" {_ORDERS} AND {parcels} > 1 AND NOT EXISTS (SELECT 1 FROM lines l WHERE l.order_id = o.id"
        " AND l.reserved + l.backordered + l.held > 0) ORDER BY 5 DESC, o.id LIMIT :limit",
        **_given(period, limit),
    )
    return Behind(("channel", "id", "order", "placed_at", "parcels"), [tuple(row) for row in rows])


def _parcels(tx: Tx, period: Period, days: Days, today: int, limit: int) -> Behind:
    """The slowest first."""
    rows = tx.rows(
        f"SELECT ch.name AS channel, o.id AS id, {_NAME} AS name, COALESCE(p.name, '') AS place,"
        " s.tracking AS tracking,"
        f" o.placed_at AS placed_at, s.shipped_at AS left_at, {MINUTES} AS minutes FROM shipments s"
        " JOIN orders o ON o.id = s.order_id JOIN channels ch ON ch.id = o.channel_id"
        " LEFT JOIN locations p ON p.id = s.location_id WHERE s.shipped_at >= :begin AND s.shipped_at < :end"
        f" AND s.voided_at IS NULL AND {OURS} AND {_MINE} ORDER BY 8 DESC, s.id LIMIT :limit",
        begin=days.begin(period.first),
        end=days.begin(period.last + 1),
        channel=period.channel,
        limit=limit,
    )
    columns = ("channel", "id", "order", "location", "tracking", "placed_at", "left_at", "minutes")
    return Behind(columns, [tuple(row) for row in rows])


def _moves(*kinds: str) -> Callable[..., Behind]:
    """The ledger's rows of these kinds, the newest first."""

    def behind(tx: Tx, period: Period, days: Days, today: int, limit: int) -> Behind:
        rows = tx.rows(
            "SELECT i.sku AS sku, p.name AS place, g.at AS moved_at, g.kind AS kind, g.on_hand AS units,"
            " g.cause AS cause, g.actor AS actor FROM ledger g JOIN items i ON i.id = g.item_id"
            " JOIN locations p ON p.id = g.location_id WHERE g.at >= :begin AND g.at < :end AND g.on_hand <> 0"
            " AND g.kind IN :kinds ORDER BY g.at DESC, g.id DESC LIMIT :limit",
            begin=days.begin(period.first),
            end=days.begin(period.last + 1),
            kinds=list(kinds),
            limit=limit,
        )
        return Behind(("SKU", "location", "moved_at", "kind", "units", "cause", "by"), [tuple(row) for row in rows])

    return behind


def _outs(tx: Tx, period: Period, days: Days, today: int, limit: int) -> Behind:
    kept = days_kept(tx, period, today)
    rows = sorted(empty_shelves(tx, kept) if kept else (), key=lambda row: (row[2] - row[3], row))
    told = [(sku, days.begin(first), days.begin(last), last - first + 1) for sku, _, first, last in rows[:limit]]
    return Behind(("SKU", "first_day_at", "last_day_at", "days"), told)


def _windows(tx: Tx, period: Period, days: Days, today: int, limit: int) -> Behind:
    """The measures themselves, the longest first: when levels were told, not which. More is not kept of them."""
    first, after = period.quarters(days)
    rows = tx.rows(
        "SELECT ch.name AS channel, f.quarter AS quarter, f.seconds AS seconds, f.levels AS levels FROM facts_windows f"
        f" JOIN channels ch ON ch.id = f.channel_id WHERE f.quarter >= :first AND f.quarter < :after AND {_MINE}"
        " ORDER BY f.seconds DESC, f.quarter DESC, ch.name LIMIT :limit",
        first=first,
        after=after,
        channel=period.channel,
        limit=limit,
    )
    told = [(row.channel, row.quarter * QUARTER, (row.quarter + 1) * QUARTER, row.seconds, row.levels) for row in rows]
    return Behind(("channel", "from_at", "until_at", "seconds", "levels"), told)


_SOLD = ("ship", "ship_outside", "void")

_AT_FIRST = "order lines that were not promised all they asked for at first", _lines(FIRST)
_BY_NOW = "order lines that are not promised all they asked for by now", _lines(LATER)
_EACH_PARCEL = "parcels, the slowest first", _parcels
_SALES = "movements of stock by sales, the newest first", _moves(*_SOLD)
_SALES_AND_RECEIPTS = "movements of stock by sales and receipts, the newest first", _moves(*_SOLD, "receive")
_OUT = "items and the days at whose end there was none", _outs
_TOLD = "levels that were lowered, by quarters of an hour, the longest first", _windows

_BEHIND: dict[str, tuple[str, Callable[..., Behind]]] = {
    "unit_fill_first": _AT_FIRST,
    "line_fill_first": _AT_FIRST,
    "order_fill_first": _AT_FIRST,
    "unit_fill_later": _BY_NOW,
    "line_fill_later": _BY_NOW,
    "order_fill_later": _BY_NOW,
    "time_to_ship_p50": _EACH_PARCEL,
    "time_to_ship_p90": _EACH_PARCEL,
    "late_rate": ("orders that left late, or have not left", _late),
    "cancel_rate": ("orders cancelled here, not for the buyer's wish", _cancelled),
    "parcels_per_order": ("orders that left in more than one parcel", _split),
    "turnover": _SALES,
    "unit_turnover": _SALES,
    "sell_through": _SALES_AND_RECEIPTS,
    "sell_through_stock": _SALES_AND_RECEIPTS,
    "weeks_of_supply": _SALES,
    "restock_rate": ("what was put on the shelf again, the newest first", _moves("return")),
    "stock_out_days": _OUT,
    "stock_out_items": _OUT,
    "oversell_window_p50": _TOLD,
    "oversell_window_p99": _TOLD,
}
