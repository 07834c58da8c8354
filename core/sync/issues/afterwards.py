"""What happened after a parcel left, or without one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from shlex import quote
from typing import Any

from core.store.database import Tx
from core.sync.gone import ASKS, GONE, KNOWN_AGAIN
from core.sync.issues.issue import NO_INSTANT, Query, Told, each
from core.sync.issues.orders import OPEN
from core.sync.late import UNDECIDED
from core.sync.revise import LEFT_ALREADY, LESS_THAN_LEFT, TOO_LATE
from core.sync.rma import paid_order

_LINE = "(' of ' || l.sku || ' left at the channel')"

# What names the line is the event's detail: the order's other lines left rightly, and stay out.
_OUT = (
    "EXISTS (SELECT 1 FROM lines l WHERE l.order_id = o.id AND l.shipped > l.returned"
    f" AND substr(a.detail, length(a.detail) - length({_LINE}) + 1) = {_LINE})"
)

# The event does not say which: all that has left of the order, kits as their components, is to be counted. By the index
# of what was counted; a warehouse's count that is as our books leaves no row there.
_UNCOUNTED = (
    "EXISTS (SELECT 1 FROM lines l LEFT JOIN kits k ON k.kit_id = l.item_id WHERE l.order_id = o.id AND l.shipped > 0"
    " AND l.item_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM ledger g"
    "  WHERE g.item_id = COALESCE(k.component_id, l.item_id) AND g.at > a.at AND g.kind IN ('count','set'))"
    " AND NOT EXISTS (SELECT 1 FROM counted n WHERE n.item_id = COALESCE(k.component_id, l.item_id)"
    "  AND n.as_of > a.at))"
)

_AT_THE_OLD_ONE = (
    "EXISTS (SELECT 1 FROM fulfilment_orders f WHERE f.order_id = o.id AND f.state = 'released'"
    " AND f.released_at <= a.at)"
)

_UNKNOWN_THERE = (
    f"{OPEN} AND o.observed_at <= a.at AND NOT EXISTS (SELECT 1 FROM audit k WHERE k.order_id = o.id"
    f" AND k.event = '{KNOWN_AGAIN}' AND k.id > a.id)"
)


_CANCELLED_LATE = f"""
SELECT o.number AS key, c.name AS channel, COALESCE(NULLIF(o.name, ''), o.number) AS subject,
 (SELECT min(a.at) FROM audit a WHERE a.order_id = o.id AND a.event IN ('{LEFT_ALREADY}', '{LESS_THAN_LEFT}')) AS since,
 {NO_INSTANT} AS deadline, w.units AS units, o.id AS order_id
FROM (SELECT l.order_id, sum({UNDECIDED}) AS units FROM lines l WHERE l.late > 0 AND {UNDECIDED} > 0
 GROUP BY l.order_id) AS w JOIN orders o ON o.id = w.order_id JOIN channels c ON c.id = o.channel_id
"""


def _event(condition: str, *events: str) -> str:
    """One row for each order and event; what nothing ends is told for `keep_days`. By the small partial index."""
    some = ", ".join(f"'{event}'" for event in events)
    return (
        "SELECT o.number || ':' || a.event AS key, c.name AS channel,"
        " COALESCE(NULLIF(o.name, ''), o.number) AS subject,"
        f" min(a.at) AS since, {NO_INSTANT} AS deadline, a.event AS event, max(a.detail) AS detail, o.id AS order_id"
        " FROM audit a JOIN orders o ON o.id = a.order_id JOIN channels c ON c.id = o.channel_id"
        f" WHERE a.event IN ({ASKS}) AND a.event IN ({some}) AND a.at >= :kept AND {condition}"
        " GROUP BY c.name, o.id, o.number, o.name, a.event"
    )


def _order(row: Any) -> str:
    return f"ordersync order {row.order_id}"


def _tell_unrefunded(tx: Tx, rows: Sequence[Any]) -> Iterator[Told]:
    """What was sent in exchange cost nothing: money is given back for what was paid first."""
    for row in rows:
        paid = paid_order(tx, row.order_id).id
        yield Told(
            f"{row.units} of its units came back, and nothing was given back for them",
            (
                f"ordersync return refund RMA-{row.rma_id}"
                if paid == row.order_id
                else f"ordersync refund {paid} --reason returned --line SKU=QTY",
                f"ordersync return exchange RMA-{row.rma_id} --for SKU=QTY",
                _order(row),
            ),
        )


KINDS = (
    Query(
        name="cancelled_late",
        means="a channel cancelled units after they had left, and nobody has decided what becomes of them",
        sql=_CANCELLED_LATE,
        tell=each(
            lambda row: Told(
                f"cancelled after it left: {row.units} of its units; stop the parcel, expect them back, or keep it so",
                (
                    _order(row),
                    f"ordersync return open {row.order_id} --line SKU=QTY",
                    f"ordersync keep {row.order_id} --why WHY",
                    f"ordersync void {row.order_id} --tracking NUMBER --why WHY",
                ),
            )
        ),
    ),
    Query(
        name="left_anyway",
        means="units that were cancelled here left all the same",
        sql=_event(_OUT, "shipped although cancelled"),
        tell=each(lambda row: Told(f"cancelled here, and {row.detail}", (_order(row),))),
    ),
    Query(
        name="shipped_unstocked",
        means="units left that were not on hand here: a count is wrong",
        sql=_event(_UNCOUNTED, "shipped without stock"),
        tell=each(
            lambda row: Told(f"{row.detail}; count the shelf", (_order(row), "ordersync stock count SKU LOCATION QTY"))
        ),
    ),
    Query(
        name="address_changed",
        means="an address changed after a location was asked to send the order",
        sql=_event(_AT_THE_OLD_ONE, TOO_LATE),
        tell=each(lambda row: Told(f"{TOO_LATE}: {row.detail}", (_order(row),))),
    ),
    Query(
        name="gone",
        means="the channel does not know an open order any more",
        sql=_event(_UNKNOWN_THERE, GONE),
        tell=each(
            lambda row: Told(
                "the channel does not know it any more; it keeps its stock until it is cancelled here",
                (
                    f"ordersync resync {row.channel} {quote(row.subject)}",
                    f"ordersync cancel {row.order_id} --reason other",
                ),
            )
        ),
    ),
    Query(
        name="void_shown",
        means="a parcel is void here, and its channel was told of it or shows it",
        sql="SELECT o.number || ':' || s.tracking AS key, c.name AS channel,"
        f" COALESCE(NULLIF(o.name, ''), o.number) AS subject, s.voided_at AS since, {NO_INSTANT} AS deadline,"
        " s.carrier, s.tracking, s.void_why, o.id AS order_id FROM shipments s JOIN orders o ON o.id = s.order_id"
        " JOIN channels c ON c.id = o.channel_id WHERE s.void_shown AND NOT s.void_settled"
        # What takes it back is told on its own, and the channel is read again soon after.
        " AND NOT EXISTS (SELECT 1 FROM pushes p WHERE p.order_id = s.order_id AND p.shipment_id = s.id"
        " AND p.kind = 'void' AND (p.state IN ('queued','sent','unknown','accepted')"
        " OR (p.state = 'applied' AND p.updated_at >= :settled)))",
        tell=each(
            lambda row: Told(
                f"parcel {row.carrier} {row.tracking} never left ({row.void_why}), and the channel was told of it: "
                "take it back there where it lets you, and say so here",
                (_order(row), f"ordersync void {row.order_id} --tracking {quote(row.tracking)} --settled --why WHY"),
            )
        ),
    ),
    Query(
        name="unrefunded",
        means="units came back, and for days nobody has given anything back or sent anything instead",
        sql=f"""
SELECT CAST(m.id AS text) AS key, c.name AS channel, COALESCE(NULLIF(o.name, ''), o.number) AS subject,
 g.since AS since, {NO_INSTANT} AS deadline, m.id AS rma_id, g.units AS units, o.id AS order_id
FROM (SELECT rma_id, min(at) AS since, sum(quantity) AS units FROM receipts GROUP BY rma_id) AS g
JOIN rmas m ON m.id = g.rma_id JOIN orders o ON o.id = m.order_id JOIN channels c ON c.id = o.channel_id
WHERE g.since < :stuck AND g.since >= :kept AND NOT EXISTS (
  SELECT 1 FROM exchanges e JOIN lines l ON l.order_id = e.order_id WHERE e.rma_id = m.id AND l.ordered > l.cancelled)
 AND NOT EXISTS (SELECT 1 FROM rma_refunds f JOIN pushes p ON p.id = f.push_id
  WHERE f.rma_id = m.id AND p.state NOT IN ('refused', 'dropped'))
 AND NOT EXISTS (SELECT 1 FROM return_lines l WHERE l.return_id = m.return_id AND l.refunded > 0)
 AND NOT EXISTS (SELECT 1 FROM refunds x WHERE x.order_id = o.id AND x.at >= m.opened_at)
 AND NOT EXISTS (SELECT 1 FROM exchanges e JOIN rmas f ON f.id = e.rma_id WHERE e.order_id = o.id AND (
  EXISTS (SELECT 1 FROM refunds x WHERE x.order_id = f.order_id AND x.at >= m.opened_at)
  OR EXISTS (SELECT 1 FROM pushes p WHERE p.order_id = f.order_id AND p.kind = 'refund' AND p.created_at >= m.opened_at
   AND p.state NOT IN ('refused', 'dropped'))))
""",
        tell=_tell_unrefunded,
    ),
    Query(
        name="stray_return",
        means="a return is under way whose order is not here",
        sql="SELECT r.number AS key, c.name AS channel, r.number AS subject, r.requested_at AS since,"
        f" {NO_INSTANT} AS deadline, r.order_number, r.state FROM returns r JOIN channels c ON c.id = r.channel_id"
        " WHERE r.state IN ('requested', 'authorised', 'delivered') AND NOT EXISTS"
        " (SELECT 1 FROM orders o WHERE o.channel_id = r.channel_id AND o.number = r.order_number)"
        " AND NOT EXISTS (SELECT 1 FROM rmas m WHERE m.return_id = r.id AND m.closed_at IS NOT NULL)",
        tell=each(
            lambda row: Told(
                f"it is {row.state}, and its order {row.order_number or '(none named)'} is not here",
                (
                    f"ordersync resync {row.channel} {quote(row.order_number or 'ORDER')}",
                    f"ordersync return receive {quote(f'{row.channel}:{row.key}')} --line SKU=QTY --at LOCATION",
                    f"ordersync return close {quote(f'{row.channel}:{row.key}')}",
                ),
            )
        ),
    ),
)
