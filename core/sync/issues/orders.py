"""Orders that do not ship by themselves, and those whose time is running out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from shlex import quote
from typing import Any

import msgspec

from core.connector import Ability
from core.plurals import many
from core.store.database import Tx
from core.sync.issues.issue import Query, Told, View, each, per_channel
from core.sync.promise import TAKEN_BACK

_MINUTE = 60_000_000
OURS = "o.fulfiller = 'merchant' AND NOT o.test"
_HEAD = (
    "SELECT o.number AS key, c.name AS channel, COALESCE(NULLIF(o.name, ''), o.number) AS subject, o.id AS order_id,"
    " o.ship_by AS deadline"
)

OPEN = "EXISTS (SELECT 1 FROM lines l WHERE l.order_id = o.id AND l.reserved + l.backordered + l.held > 0)"
"""SQL: some of order `o` is still to leave."""

# A line has a reservation exactly while some of it is promised: what is open is found without a look at what is done.
_LATE = " UNION ".join(
    f"""
{_HEAD}, o.imported_at AS since FROM orders o JOIN channels c ON c.id = o.channel_id
WHERE o.ship_by <= :late AND {OURS} AND o.id IN (SELECT l.order_id FROM {some})
"""
    for some in (
        "reservations r JOIN lines l ON l.id = r.line_id",
        "lines l WHERE l.backordered > 0",
        "lines l WHERE l.held > 0",
    )
)

_UNROUTED = f"""
{_HEAD}, COALESCE(w.since, o.imported_at) AS since, w.why AS why FROM orders o JOIN channels c ON c.id = o.channel_id
LEFT JOIN parked w ON w.order_id = o.id
WHERE o.id IN (SELECT l.order_id FROM lines l WHERE l.reserved > l.allocated)
 AND o.imported_at < :settled AND {OURS} AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.order_id = o.id)
 AND (w.due_at IS NULL OR w.due_at < :now)
 AND (w.order_id IS NOT NULL OR NOT EXISTS (SELECT 1 FROM lines b WHERE b.order_id = o.id AND b.backordered > 0))
"""

_LOST = f"""SELECT max(a.at) FROM audit a WHERE a.order_id = o.id AND a.event = '{TAKEN_BACK}'"""

_TAKEN_BACK = f"""
SELECT * FROM ({_HEAD}, ({_LOST}) AS since FROM orders o JOIN channels c ON c.id = o.channel_id
WHERE o.id IN (SELECT l.order_id FROM lines l WHERE l.backordered > 0) AND {OURS}) AS t WHERE t.since IS NOT NULL
"""

_BACKORDER = f"""
{_HEAD}, o.imported_at AS since FROM orders o JOIN channels c ON c.id = o.channel_id
WHERE o.id IN (SELECT l.order_id FROM lines l WHERE l.backordered > 0)
 AND o.imported_at <= :waited AND {OURS} AND ({_LOST}) IS NULL
"""

_A_PERSONS = ("operator", "address", "fraud", "buyer_cancel", "unknown_status")
"""Holds that no later version of the order need lift; the others wait for the buyer or the channel."""

# CROSS: SQLite joins in the order written, and else would look through all orders for their holds.
_HELD = f"""
SELECT o.number || ':' || h.hold AS key, c.name AS channel, COALESCE(NULLIF(o.name, ''), o.number) AS subject,
 o.id AS order_id, o.ship_by AS deadline, h.since AS since, h.hold AS hold, h.why AS why
FROM holds h CROSS JOIN orders o CROSS JOIN channels c
WHERE o.id = h.order_id AND c.id = o.channel_id AND {OURS}
 AND h.hold IN ({", ".join(f"'{hold}'" for hold in _A_PERSONS)})
 AND EXISTS (SELECT 1 FROM lines l WHERE l.order_id = o.id AND l.reserved + l.backordered + l.held > 0)
"""

# One row a SKU, not an order: mapping it frees them all.
_UNKNOWN_SKU = f"""
SELECT l.sku AS key, c.name AS channel, CASE WHEN l.sku = '' THEN 'lines without a SKU' ELSE l.sku END AS subject,
 min(o.imported_at) AS since, min(o.ship_by) AS deadline, l.sku AS sku, count(DISTINCT o.id) AS orders,
 sum(l.held) AS units, min(o.id) AS order_id
FROM lines l JOIN orders o ON o.id = l.order_id JOIN channels c ON c.id = o.channel_id
WHERE l.held > 0 AND {OURS} GROUP BY c.name, l.sku
"""


def _acknowledge(view: View) -> str:
    until = {
        name: view.now + view.channels[name].acknowledge_alert_minutes * _MINUTE
        for name in view.able(Ability.ACKNOWLEDGE, "acknowledge")
    }
    return (
        "SELECT o.number AS key, c.name AS channel, COALESCE(NULLIF(o.name, ''), o.number) AS subject,"
        " p.created_at AS since, o.acknowledge_by AS deadline, o.id AS order_id, p.state, p.attempts"
        " FROM pushes p JOIN orders o ON o.id = p.order_id JOIN channels c ON c.id = p.channel_id"
        " WHERE p.state IN ('queued','sent','unknown','accepted') AND p.kind = 'acknowledge'"
        f" AND o.acknowledge_by <= {per_channel(until)}"
    )


class _Open(msgspec.Struct):
    """What is open of one order, in units."""

    ordered: int = 0
    open: int = 0
    reserved: int = 0
    allocated: int = 0
    backordered: int = 0
    held: int = 0
    at: dict[str, int] = {}
    """Asked of each location and not sent."""
    holds: list[str] = []

    def told(self) -> str:
        """Where its open units are."""
        parts = [f"{units} asked of {place}" for place, units in self.at.items()]
        parts += [
            f"{units} {word}"
            for units, word in (
                (self.reserved - self.allocated, "reserved and asked of nobody"),
                (self.backordered, "backordered"),
                (self.held, "of a SKU nobody knows"),
            )
            if units > 0
        ]
        held = f"; held: {', '.join(self.holds)}" if self.holds else ""
        have = "unit has" if self.ordered == 1 else "units have"
        return f"{self.open} of {self.ordered} {have} not left ({', '.join(parts)}{held})"


def open_of(tx: Tx, orders: Sequence[int]) -> Mapping[int, _Open]:
    """What is open of these orders."""
    found: defaultdict[int, _Open] = defaultdict(_Open)
    for row in tx.rows(
        "SELECT order_id, sum(ordered - cancelled) AS ordered, sum(reserved + backordered + held) AS open,"
        " sum(reserved) AS reserved, sum(allocated) AS allocated, sum(backordered) AS backordered, sum(held) AS held"
        " FROM lines WHERE order_id IN :ids GROUP BY order_id",
        ids=list(orders),
    ):
        found[row.order_id] = _Open(
            ordered=int(row.ordered),
            open=int(row.open),
            reserved=int(row.reserved),
            allocated=int(row.allocated),
            backordered=int(row.backordered),
            held=int(row.held),
        )
    for order_id, place, units in tx.rows(
        "SELECT f.order_id, p.name, sum(l.quantity - l.shipped) FROM fulfilment_orders f"
        " JOIN locations p ON p.id = f.location_id JOIN fulfilment_lines l ON l.fulfilment_order_id = f.id"
        " WHERE f.order_id IN :ids AND f.state IN ('planned', 'released') GROUP BY f.order_id, p.name ORDER BY p.name",
        ids=list(orders),
    ):
        found[order_id].at[place] = int(units)
    for order_id, hold in tx.rows("SELECT order_id, hold FROM holds WHERE order_id IN :ids ORDER BY hold",
                                  ids=list(orders)):  # fmt: skip
        found[order_id].holds.append(hold)
    return found


def _tell_late(tx: Tx, rows: Sequence[Any]) -> Iterator[Told]:
    opened = open_of(tx, [row.order_id for row in rows])
    for row in rows:
        one = opened[row.order_id]
        ship = [
            f"ordersync ship {row.order_id} --location {quote(place)} --carrier CARRIER --tracking NUMBER"
            for place in one.at
        ]
        yield Told(one.told(), (f"ordersync order {row.order_id}", *ship))


def _tell_waiting(tx: Tx, rows: Sequence[Any]) -> Iterator[Told]:
    skus: defaultdict[int, list[str]] = defaultdict(list)
    for order_id, sku, units in tx.rows(
        "SELECT order_id, sku, sum(backordered) FROM lines WHERE order_id IN :ids AND backordered > 0"
        " GROUP BY order_id, sku ORDER BY sku",
        ids=[row.order_id for row in rows],
    ):
        skus[order_id].append(f"{units} of {sku}")
    for row in rows:
        wanted = skus[row.order_id]
        first = wanted[0].partition(" of ")[2]
        yield Told(
            f"{', '.join(wanted)} backordered",
            (
                f"ordersync order {row.order_id}",
                f"ordersync stock show {quote(first)}",
                f"ordersync cancel {row.order_id} --reason out_of_stock",
            ),
        )


def _tell_taken_back(tx: Tx, rows: Sequence[Any]) -> Iterator[Told]:
    for one in _tell_waiting(tx, rows):
        yield Told(f"a promise was taken back: {one.cause} again", one.commands)


def _tell_unrouted(tx: Tx, rows: Sequence[Any]) -> Iterator[Told]:
    ids = [row.order_id for row in rows]
    opened = open_of(tx, ids)
    asked_again: defaultdict[int, list[str]] = defaultdict(list)
    for order_id, place in tx.rows(
        "SELECT x.order_id, p.name FROM left_out x JOIN locations p ON p.id = x.location_id WHERE x.order_id IN :ids"
        " ORDER BY p.name",
        ids=ids,
    ):
        asked_again[order_id].append(f"ordersync reroute {order_id} --allow {quote(place)}")
    for row in rows:
        units = opened[row.order_id].reserved - opened[row.order_id].allocated
        yield Told(
            f"{units} of its units are reserved, and no location can send them{f': {row.why}' if row.why else ''}",
            (f"ordersync order {row.order_id}", *asked_again[row.order_id], "ordersync stock show"),
        )


_HOLDS = {
    "operator": "somebody here holds it",
    "address": "the channel gave no address that can be shipped to",
    "fraud": "the channel suspects fraud",
    "buyer_cancel": "the buyer asked to cancel, and nobody has answered",
    "unknown_status": "the channel reports a status this version does not know",
}


def _tell_held(row: Any) -> Told:
    why = f": {row.why}" if row.why else ""
    commands = [f"ordersync order {row.order_id}", f"ordersync release {row.order_id}"]
    if row.hold != "operator":
        commands[1] += f" --hold {row.hold} --why WHY"
    if row.hold == "buyer_cancel":
        commands.insert(0, f"ordersync cancel {row.order_id} --reason buyer")
    return Told(f"{_HOLDS[row.hold]}{why}", tuple(commands))


def _tell_unknown(row: Any) -> Told:
    orders = many(row.orders, "order")
    units = many(row.units, "unit")
    one = row.units == 1
    resume = "is held, and resumes" if one else "are held, and resume"
    if not row.sku:
        return Told(
            f"{units} of {orders} {'has' if one else 'have'} no SKU: give the product one there, then read the orders"
            " anew",
            (f"ordersync order {row.order_id}",),
        )
    return Told(
        f"nobody knows which item it is: {units} of {orders} {resume} once it is mapped",
        (f"ordersync listings map {row.channel} {quote(row.sku)} ITEM-SKU", f"ordersync order {row.order_id}"),
    )


def _tell_acknowledge(row: Any) -> Told:
    tried = f"tried {many(row.attempts, 'time')}" if row.attempts else "not told yet"
    return Told(
        f"the channel waits for its acknowledgement ({row.state}, {tried}); if the next turn does not, do it there",
        (f"ordersync push list {row.channel}", f"ordersync round {row.channel}"),
    )


KINDS = (
    Query(
        name="late",
        means="an order has not left, and its ship-by instant is near or over",
        sql=_LATE,
        tell=_tell_late,
    ),
    Query(
        name="acknowledge",
        means="an order is not acknowledged, and its channel soon stops waiting",
        sql=_acknowledge,
        tell=each(_tell_acknowledge),
    ),
    Query(
        name="unknown_sku",
        means="order lines are held because nobody knows the item of their SKU",
        sql=_UNKNOWN_SKU,
        tell=each(_tell_unknown),
    ),
    Query(
        name="held",
        means="an order is held for something only a person can decide",
        sql=_HELD,
        tell=each(_tell_held),
    ),
    Query(
        name="unrouted",
        means="an order is reserved, and no location can send it",
        sql=_UNROUTED,
        tell=_tell_unrouted,
    ),
    Query(
        name="taken_back",
        means="units that were promised to an order are not there any more",
        sql=_TAKEN_BACK,
        tell=_tell_taken_back,
    ),
    Query(
        name="backorder",
        means="an order has been waiting for stock for days",
        sql=_BACKORDER,
        tell=_tell_waiting,
    ),
)
