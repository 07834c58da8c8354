"""What was read and is not right: documents, amounts, differences from the channel, broken invariants."""

from __future__ import annotations

from decimal import Decimal
from shlex import quote
from typing import Any

from core.sync.issues.issue import NO_INSTANT, Query, Told, each
from core.sync.issues.orders import OPEN, OURS

_ORDER = "COALESCE(NULLIF(o.name, ''), o.number)"

# A pending order names no amounts, and is held; one that may ship is paid for, or known to be free.
_UNPRICED = f"""
SELECT o.number AS key, c.name AS channel, {_ORDER} AS subject, o.imported_at AS since, o.ship_by AS deadline,
 o.id AS order_id, o.number FROM orders o JOIN channels c ON c.id = o.channel_id
WHERE NOT o.priced AND {OPEN} AND o.imported_at < :settled AND {OURS}
 AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.order_id = o.id)
"""


def _tell_money(row: Any) -> Told:
    amount = f"{Decimal(row.money_off).scaleb(-6).normalize():f}"
    return Told(
        f"its amounts miss its total by {amount} {row.currency}; the channel sent it so",
        (f"ordersync order {row.order_id}", f"ordersync resync {row.channel} {quote(row.number)}"),
    )


def _tell_unpriced(row: Any) -> Told:
    return Told(
        "it may ship, and its channel names no amount of money for it; look there whether it is paid for",
        (f"ordersync order {row.order_id}", f"ordersync resync {row.channel} {quote(row.number)}"),
    )


def _tell_difference(row: Any) -> Told:
    told = row.told or f"there: {row.there}, here: {row.here}; nothing explains it"
    return Told(told, (f"ordersync reconcile {row.channel} --last", f"ordersync reconcile {row.channel}"))


KINDS = (
    Query(
        name="quarantine",
        means="a document cannot be read and is set aside",
        sql="SELECT q.id AS key, c.name AS channel,"
        " CASE WHEN q.number = '' THEN 'a document' ELSE q.kind || ' ' || q.number END AS subject,"
        f" q.observed_at AS since, {NO_INSTANT} AS deadline, q.id AS id, q.reason FROM quarantine q"
        " JOIN channels c ON c.id = q.channel_id WHERE q.state = 'open'",
        tell=each(
            lambda row: Told(
                row.reason, (f"ordersync quarantine show {row.id}", f"ordersync quarantine retry {row.id}")
            )
        ),
    ),
    Query(
        name="money",
        means="an order's amounts do not add up to its total",
        sql=f"SELECT o.number AS key, c.name AS channel, {_ORDER} AS subject, o.imported_at AS since,"
        f" {NO_INSTANT} AS deadline, o.id AS order_id, o.number, o.money_off, o.currency FROM orders o"
        " JOIN channels c ON c.id = o.channel_id WHERE o.money_off <> 0 AND o.imported_at >= :kept",
        tell=each(_tell_money),
    ),
    Query(
        name="unpriced",
        means="an order may ship, and its channel names no amount for it",
        sql=_UNPRICED,
        tell=each(_tell_unpriced),
    ),
    Query(
        name="difference",
        means="the last reconciliation found something that nothing explains",
        sql="SELECT d.kind || ':' || d.subject AS key, c.name AS channel, d.kind || ' ' || d.subject AS subject,"
        f" r.at AS since, {NO_INSTANT} AS deadline, d.there, d.here, d.told FROM differences d"
        " JOIN reconciliations r ON r.id = d.reconciliation_id JOIN channels c ON c.id = r.channel_id"
        " WHERE d.cause = 'unexplained' AND r.id IN (SELECT max(id) FROM reconciliations GROUP BY channel_id)",
        tell=each(_tell_difference),
    ),
    Query(
        name="breach",
        means="the last `ordersync verify` found an invariant broken",
        sql="SELECT b.name || ':' || b.subject AS key, COALESCE(c.name, '') AS channel, b.subject, b.since,"
        f" {NO_INSTANT} AS deadline, b.name, b.wrong, b.cure FROM breaches b"
        " LEFT JOIN orders o ON o.id = b.order_id LEFT JOIN channels c ON c.id = o.channel_id",
        tell=each(
            lambda row: Told(f"{row.name}: {row.wrong}; {row.cure}", ("ordersync verify", "ordersync verify --repair"))
        ),
    ),
)
