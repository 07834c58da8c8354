"""What the channel does with an order once it is placed: parcels, cancelled units, refunds.

Part of the far end: a plugin author replaces it. Each function changes the order as asked, or says why not by raising
`Refused` and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from connectors.sandbox import wire

CANCEL_REASONS = frozenset({"buyer", "no_stock", "address", "price", "fraud", "other"})
REFUND_REASONS = frozenset({"returned", "lost", "damaged", "wrong_item", "price", "cancelled", "goodwill", "other"})


class Refused(Exception):
    """The order cannot be changed so; the text is the channel's error code."""


class Wrong(Exception):
    """A request that no client should have sent."""


def ship(order: wire.Order, parcel: wire.Ship) -> bool:
    """A parcel left, or its tracking is corrected; False: it is known already, word for word."""
    known = wire.Parcel(key=parcel.key, tracking=parcel.tracking, carrier=parcel.carrier, lines=parcel.lines)
    before = next((old for old in order.parcels if old.key == parcel.key), None)
    if before is None:
        _must_be_open(order, parcel.lines)
        for line in order.lines:
            line.shipped += parcel.lines.get(line.id, 0)
        order.parcels.append(known)
        return True
    if before.lines != parcel.lines:
        raise Refused("parcel_differs")  # an edit may correct the tracking, not what is inside
    order.parcels[order.parcels.index(before)] = known
    return before != known


def unship(order: wire.Order, key: str) -> bool:
    """A parcel never left: its units are open again. False: there is none of this key (any more)."""
    parcel = next((one for one in order.parcels if one.key == key), None)
    if parcel is None:
        return False
    for line in order.lines:
        line.shipped -= parcel.lines.get(line.id, 0)
    order.parcels.remove(parcel)
    return True


def cancel(order: wire.Order, asked: wire.Cancel) -> None:
    """Units will not ship."""
    if asked.reason not in CANCEL_REASONS:
        raise Wrong("reason is not one of this channel's")
    _must_be_open(order, asked.lines)
    for line in order.lines:
        line.cancelled += asked.lines.get(line.id, 0)


def give_back(order: wire.Order, asked: wire.GiveBack, number: str, at: datetime) -> wire.Refund:
    """Money goes back to the buyer."""
    if asked.reason not in REFUND_REASONS:
        raise Wrong("reason is not one of this channel's")
    if asked.currency != order.currency:
        raise Wrong("currency is not the order's")
    amounts = [
        asked.shipping,
        *(row.amount for row in asked.lines.values()),
        *(row.tax for row in asked.lines.values()),
    ]
    if any(not amount.is_finite() or amount < 0 or amount != round(amount, 2) for amount in amounts):
        raise Wrong("an amount is whole cents, and never negative")
    lines = {line.id: line for line in order.lines}
    if any(id not in lines or not 0 <= row.units <= lines[id].ordered for id, row in asked.lines.items()):
        raise Refused("no_such_units")
    amount = sum(amounts, Decimal(0))
    if not amount:
        raise Wrong("a refund of nothing")
    if order.refunded + amount > order.total:
        raise Refused("more_than_paid")
    units = {id: row.units for id, row in asked.lines.items() if row.units}
    refund = wire.Refund(number=number, at=at, amount=amount, lines=units)
    order.refunds.append(refund)
    return refund


def _must_be_open(order: wire.Order, units: Mapping[str, int]) -> None:
    lines = {line.id: line for line in order.lines}
    if not units or any(count < 1 for count in units.values()):
        raise Wrong("units are named, one or more of each line")
    if any(id not in lines or count > lines[id].open for id, count in units.items()):
        raise Refused("not_open")
