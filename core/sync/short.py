"""A short pick: a location sends less than it was asked for, and says so as it books the parcel.

The parcel is booked as any other; the rest is taken from the location, which is not asked for this order again, and
becomes what the operator chooses. Each step is known by the parcel's tracking number, so saying it all again finishes
what broke off and repeats nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from core.errors import UserError
from core.model import CancelReason
from core.store.database import Store
from core.sync.cancel import Decision, cancel
from core.sync.reject import DeskOf, Rerouted, reject_at
from core.sync.ship import Departure, ship
from core.sync.stock import book
from core.sync.stock_asked import Ask


class Rest(StrEnum):
    """What becomes of units that a location is short of."""

    REROUTE = "reroute"
    """Another location is asked; what none has waits, with its reason."""
    BACKORDER = "backorder"
    """They are not on the shelf at all: on hand there falls by them. What no location has then is backordered."""
    CANCEL = "cancel"
    """They will not ship: cancelled as out of stock, and the channel is told."""


@dataclass(frozen=True)
class Sent:
    """What a parcel that is short came to."""

    shipment: int
    new: bool
    rest: Rerouted
    cancelled: int | None = None
    """The push that tells the channel of the cancelled rest."""


def ship_short(
    store: Store, departure: Departure, rest: Rest, now: int, *, desk: DeskOf | None = None, unable: str = ""
) -> Sent:
    """Books a departure that is `short`, and what becomes of the rest.

    `unable`: why the channel cannot be told to cancel; empty where it can. Raises `UserError` as `ship` does, and,
    before anything is done, where the choice is not possible.
    """
    if rest is Rest.CANCEL and unable:
        raise UserError(f"the channel cannot be told to cancel ({unable}); choose another --rest, and cancel it there")
    skus = _skus(store, departure, rest)
    shipment, new = ship(store, departure, now)
    reference = f"short of {departure.tracking.strip()}"
    done = reject_at(
        store,
        departure.order_id,
        departure.location,
        departure.short,
        f"short in parcel {departure.tracking}",
        departure.actor,
        now,
        reference=reference,
        desk=desk if rest is Rest.REROUTE else None,
    )
    push = None
    if rest is Rest.CANCEL:
        decision = Decision(
            order_id=departure.order_id,
            reason=CancelReason.OUT_OF_STOCK,
            units=departure.short,
            note=f"{departure.location} was short",
            reference=reference,
            actor=departure.actor,
        )
        push = cancel(store, decision, now).push
    elif rest is Rest.BACKORDER:
        own = f"{reference}:{departure.order_id}"
        place = departure.location
        asks = [Ask(kind="adjust", sku=sku, location=place, units=-count) for sku, count in sorted(skus.items())]
        book(store, asks, now, reference=own, actor=departure.actor, note="short pick")
    return Sent(shipment, new, done, push)


def _skus(store: Store, departure: Departure, rest: Rest) -> dict[str, int]:
    """The units by their item's SKU, where on hand is to fall by them."""
    if rest is not Rest.BACKORDER:
        return {}
    found: dict[str, int] = {}
    with store.read() as tx:
        for name, count in departure.short.items():
            items = tx.rows(
                "SELECT DISTINCT i.id, i.sku, EXISTS (SELECT 1 FROM kits k WHERE k.kit_id = i.id) AS kit FROM lines l"
                " JOIN items i ON i.id = l.item_id WHERE l.order_id = :order AND (l.number = :name OR l.sku = :name)",
                order=departure.order_id,
                name=name,
            )
            if len(items) > 1 or (items and items[0].kit):
                raise UserError(
                    f"{name} is made of parts: choose --rest reroute, and count the parts (`ordersync stock count`)"
                )
            if items:  # a name that no line has is told by the parcel itself
                found[items[0].sku] = found.get(items[0].sku, 0) + count
    return found
