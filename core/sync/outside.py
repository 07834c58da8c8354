"""Units a channel knows as shipped that did not ship from here: somebody used the channel's own screens.

They left all the same, so they are taken from where they were bound, else from what was promised, else from what is
free; what no stock can be found for is told on the order's timeline.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from core.model import Order
from core.store import tables
from core.store.database import Tx
from core.store.moves import Stock
from core.sync.channel import Channel
from core.sync.promise import Claim
from core.sync.rows import tell
from core.sync.stored import Bound


@dataclass(slots=True)
class _Parcel:
    order: Order
    known: frozenset[str]
    units: dict[int, int] = field(default_factory=dict)
    locations: set[int] = field(default_factory=set)
    unfound: int = 0


class Outside:
    """Collects the units shipped elsewhere in one transaction."""

    def __init__(self, channel: Channel, stock: Stock) -> None:
        self._channel = channel
        self._stock = stock
        self._parcels: dict[int, _Parcel] = {}

    def take(
        self,
        order_id: int,
        order: Order,
        claim: Claim,
        units: int,
        upto: int,
        *,
        move: bool,
        bound: Iterable[Bound] = (),
        known: frozenset[str] = frozenset(),
    ) -> None:
        """`units` of a line left, `upto` in all now. With `move` they leave the stock, `bound` first.

        `known`: the tracking numbers the order has here already.
        """
        if not units:
            return
        parcel = self._parcels.setdefault(order_id, _Parcel(order, known))
        parcel.units[claim.line_id] = units
        if not move or claim.parts is None:
            return
        left = units
        cause = f"outside:{claim.line_id}:{upto}"
        for one in bound:
            count = min(one.open, left)
            if count:
                self._stock.allocate(claim.parts, -count, one.location_id)
                self._stock.ship(
                    claim.parts, count, one.location_id, f"{cause}:b{one.location_id}", kind="ship_outside"
                )
                one.shipped += count
                claim.allocated -= count
                claim.reserved -= count
                left -= count
                parcel.locations.add(one.location_id)
        promised = min(left, claim.reserved - claim.allocated)
        self._stock.release(claim.parts, promised)
        claim.reserved -= promised
        for site in self._channel.sites:
            count = left
            for item, per in claim.parts:
                count = min(count, self._stock.free_at.get((item, site.id), 0) // per, self._stock.free[item] // per)
            if count > 0 and self._stock.reserve(claim.parts, count):
                self._stock.ship(claim.parts, count, site.id, f"{cause}:f{site.id}", kind="ship_outside")
                left -= count
                parcel.locations.add(site.id)
        parcel.unfound += left

    def write(self, tx: Tx, now: int) -> None:
        """The shipments and what the timelines say of them; the lines must be stored already."""
        ids = tx.ids(tables.shipments, len(self._parcels))
        rows, lines, events = [], [], []
        for shipment_id, (order_id, parcel) in zip(ids, self._parcels.items(), strict=True):
            seen = [package for package in parcel.order.packages if package.tracking not in parcel.known]
            tracking, carrier = (seen[0].tracking, seen[0].carrier) if seen else (f"unseen-{shipment_id}", "")
            place = next(iter(parcel.locations)) if len(parcel.locations) == 1 else None
            rows.append((shipment_id, order_id, place, carrier, tracking, "channel", now))
            lines += [(shipment_id, line_id, units) for line_id, units in parcel.units.items()]
            if parcel.unfound:
                events.append(
                    (order_id, "shipped without stock", f"{parcel.unfound} units left that are not on hand here")
                )
        tx.insert(
            tables.shipments,
            ("id", "order_id", "location_id", "carrier", "tracking", "origin", "shipped_at"),
            rows,
            "ON CONFLICT DO NOTHING",
        )
        tx.insert(tables.shipment_lines, ("shipment_id", "line_id", "quantity"), lines)
        tell(tx, events, self._channel, now)
