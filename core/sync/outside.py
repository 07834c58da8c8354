"""Units a channel knows as shipped that did not ship from here: somebody used the channel's own screens.

They left all the same, so they are taken from where they were bound, else from what was promised, else from what is
free; what no stock can be found for is told on the order's timeline.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from core.model import Order
from core.plurals import are, many
from core.store import tables
from core.store.database import Tx
from core.store.moves import Stock
from core.sync.channel import Channel
from core.sync.promise import Claim
from core.sync.rows import tell
from core.sync.stored import Bound


@dataclass(slots=True)
class _Departed:
    """What left of one order."""

    order: Order
    known: frozenset[str]
    numbers: dict[int, str] = field(default_factory=dict)
    units: dict[int, int] = field(default_factory=dict)
    locations: set[int] = field(default_factory=set)
    unfound: int = 0


class Outside:
    """Collects the units shipped elsewhere in one transaction."""

    def __init__(self, channel: Channel, stock: Stock) -> None:
        self._channel = channel
        self._stock = stock
        self._departed: dict[int, _Departed] = {}

    def take(
        self,
        order_id: int,
        order: Order,
        number: str,
        claim: Claim,
        units: int,
        upto: int,
        *,
        move: bool,
        bound: Iterable[Bound] = (),
        known: frozenset[str] = frozenset(),
    ) -> None:
        """`units` of line `number` left, `upto` in all now. With `move` they leave the stock, `bound` first.

        `known`: the tracking numbers the order has here already.
        """
        if not units:
            return
        departed = self._departed.setdefault(order_id, _Departed(order, known))
        departed.numbers[claim.line_id] = number
        departed.units[claim.line_id] = units
        if not move or claim.parts is None:
            return
        left = units
        cause = f"outside:{claim.line_id}:{upto}"
        for one in bound:
            count = min(one.open, left)
            if count:
                self._stock.allocate(claim.parts, -count, one.location_id)
                why = f"{cause}:b{one.fulfilment_order_id}"
                self._stock.ship(claim.parts, count, one.location_id, why, kind="ship_outside")
                one.shipped += count
                claim.allocated -= count
                claim.reserved -= count
                left -= count
                departed.locations.add(one.location_id)
        promised = min(left, claim.reserved - claim.allocated)
        self._stock.release(claim.parts, promised)
        claim.reserved -= promised
        for site in self._channel.sites:
            count = left
            for item, per in claim.parts:
                count = min(count, self._stock.free_at.get((item, site.id), 0) // per, self._stock.free[item] // per)
            count = self._stock.reserve(claim.parts, count) if count > 0 else 0
            if count:
                self._stock.ship(claim.parts, count, site.id, f"{cause}:f{site.id}", kind="ship_outside")
                left -= count
                departed.locations.add(site.id)
        departed.unfound += left

    def write(self, tx: Tx, now: int) -> None:
        """The shipments and what the timelines say of them; the lines must be stored already."""
        parcels = [(id, one, parcel) for id, one in self._departed.items() for parcel in _parcels(one)]
        rows, lines = [], []
        ids = tx.ids(tables.shipments, len(parcels))
        for shipment_id, (order_id, one, (tracking, carrier, units)) in zip(ids, parcels, strict=True):
            place = next(iter(one.locations)) if len(one.locations) == 1 else None
            rows.append((shipment_id, order_id, place, carrier, tracking or f"unseen-{shipment_id}", "channel", now))
            lines += [(shipment_id, line_id, count) for line_id, count in units.items()]
        columns = ("id", "order_id", "location_id", "carrier", "tracking", "origin", "shipped_at")
        tx.insert(tables.shipments, columns, rows)
        tx.insert(tables.shipment_lines, ("shipment_id", "line_id", "quantity"), lines)
        events = [
            (
                order_id,
                "shipped without stock",
                f"{many(one.unfound, 'unit')} left that {are(one.unfound)} not on hand here",
            )
            for order_id, one in self._departed.items()
            if one.unfound
        ]
        tell(tx, events, self._channel, now)


def _parcels(departed: _Departed) -> list[tuple[str, str, dict[int, int]]]:
    """What left, by the parcels the channel shows: tracking, carrier, units by line. No tracking: shown in none."""
    left = dict(departed.units)
    found: dict[str, tuple[str, dict[int, int]]] = {}
    silent = "", ""
    for package in departed.order.packages:
        if not package.tracking or package.tracking in departed.known or package.tracking in found:
            continue
        units = {id: min(count, package.lines.get(departed.numbers[id], 0)) for id, count in left.items()}
        units = {id: count for id, count in units.items() if count > 0}
        if units:
            found[package.tracking] = package.carrier, units
            left = {id: count - units.get(id, 0) for id, count in left.items()}
        elif not package.lines and not silent[0]:
            silent = package.tracking, package.carrier
    rest = {id: count for id, count in left.items() if count}
    if rest and silent[0] in found:  # one number on two packages, and only one says what is in it
        units = found[silent[0]][1]
        units.update({id: units.get(id, 0) + count for id, count in rest.items()})
        rest = {}
    parcels = [(tracking, carrier, units) for tracking, (carrier, units) in found.items()]
    return [*parcels, (*silent, rest)] if rest else parcels
