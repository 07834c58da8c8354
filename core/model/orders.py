"""An order as its channel tells it, and the pages such orders come in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from core.model.measures import ZERO


class Address(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where an order goes. Personal data: kept apart from the order and never logged."""

    name: str = ""
    company: str = ""
    line1: str = ""
    line2: str = ""
    city: str = ""
    region: str = ""
    postal_code: str = ""
    country: str = ""
    """ISO 3166-1 alpha-2, or empty where the channel does not say."""
    phone: str = ""


class Hold(StrEnum):
    """Why an order may not ship yet. It keeps its reservation; it is not routed or released."""

    PENDING = "pending"
    """The channel has not confirmed the order yet (payment pending, no address)."""
    PAYMENT = "payment"
    FRAUD = "fraud"
    ADDRESS = "address"
    """The channel gave no address to ship to."""
    CHANNEL = "channel"
    """The channel itself asks to wait (an on-hold fulfilment order, a scheduled date)."""
    BUYER_CANCEL = "buyer_cancel"
    """The buyer asked to cancel and nobody has answered yet."""
    UNKNOWN_STATUS = "unknown_status"
    """The channel reports a status this version does not know."""
    TEST = "test"
    """A test order: imported and marked, never shipped."""
    PREORDER = "preorder"
    """It is sold before it is there: until its day, or until its units have come."""
    OPERATOR = "operator"


class Fulfiller(StrEnum):
    """Who ships an order."""

    MERCHANT = "merchant"
    CHANNEL = "channel"
    """The channel's own warehouse (FBA, WFS): never touches the seller's stock."""


class Line(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line of an order as its channel tells it.

    `ordered` counts every unit ever ordered on the line, so `ordered >= cancelled + shipped` always holds.
    """

    number: str
    """The channel's line id, unique within the order."""
    sku: str
    """The seller's SKU as this channel names it; empty when the channel has none."""
    title: str
    ordered: int
    cancelled: int = 0
    """Units that will never ship: cancelled, removed by an edit, or refunded before they left."""
    shipped: int = 0
    """Units the channel knows as shipped, by whomever."""
    unit_price: Decimal = ZERO
    tax: Decimal = ZERO
    """Tax of the whole line, where it is charged on top of the price."""
    discount: Decimal = ZERO
    """Discount of the whole line, positive."""
    place: str = ""
    """The channel's own id of the location it took the units from, where it keeps levels per location."""


class Package(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One parcel as the channel shows it: what reading a pushed shipment back looks like."""

    tracking: str
    carrier: str = ""
    lines: Mapping[str, int] = msgspec.field(default_factory=dict)
    """Units by line number; empty where the channel does not say."""


class Refunded(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Money the channel has given back to the buyer, by whomever it was decided."""

    number: str
    """The channel's id of the refund, unique within the order."""
    at: datetime
    amount: Decimal
    """In the order's currency, positive."""
    lines: Mapping[str, int] = msgspec.field(default_factory=dict)
    """Units refunded by line number; empty where the channel does not say."""


class Order(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One order of one channel, as of one observation.

    `version` orders observations of the same order: microseconds since 1970 of the channel's own
    last-changed instant. A smaller version never replaces a larger one.
    """

    number: str
    """The channel's order id: with the channel's name it is unique for ever."""
    name: str
    """What people call it ("#1001")."""
    version: int
    placed_at: datetime
    currency: str
    """ISO 4217."""
    total: Decimal
    """What the buyer pays, in `currency`."""
    shipping: Decimal = ZERO
    shipping_tax: Decimal = ZERO
    discount: Decimal = ZERO
    """Discount on the order as a whole, beside the lines' own; positive."""
    adjustment: Decimal = ZERO
    """Duties, tips, fees and rounding the channel lists apart, signed."""
    presentment_currency: str = ""
    """The currency the buyer saw, where it differs from `currency`."""
    presentment_total: Decimal = ZERO
    lines: tuple[Line, ...]
    holds: tuple[Hold, ...] = ()
    fulfiller: Fulfiller = Fulfiller.MERCHANT
    acknowledged: bool = True
    """False while the channel waits for an acknowledgement (Walmart: four hours)."""
    acknowledge_by: datetime | None = None
    """Until when the channel waits for it; None where it sets no time. Operators are warned before."""
    priced: bool = True
    """False while the channel has not told the amounts yet (Amazon PENDING): the money is not checked. An order that
    may ship so is told as an issue; one that is known to be free is priced, at nothing."""
    test: bool = False
    service: str = ""
    """The shipping service the buyer chose, in the channel's words."""
    ship_by: datetime | None = None
    deliver_by: datetime | None = None
    ship_to: Address | None = None
    email: str = ""
    packages: tuple[Package, ...] = ()
    refunds: tuple[Refunded, ...] = ()


def money_off(order: Order) -> Decimal:
    """By how much an order's amounts miss its total: lines + shipping + taxes - discounts + adjustment - total.

    Zero for a sound order, and for one whose amounts are not known yet. Never "mended": the caller flags it.
    """
    if not order.priced:
        return ZERO
    due = order.shipping + order.shipping_tax + order.adjustment - order.discount - order.total
    for line in order.lines:
        due += line.unit_price * line.ordered + line.tax - line.discount
    return due


class Observation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One raw order document as a channel sent it."""

    number: str
    """The channel's order id; empty where even that cannot be read."""
    body: bytes
    """The document, verbatim: what `normalize` takes and what the store keeps."""


class Page(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One page of a pull: its observations and the cursor from which a pull goes on once they are stored."""

    observations: tuple[Observation, ...]
    cursor: str
    """Opaque to everyone but the connector; handed back to `pages` after a restart."""


class Present(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An order's being there at its channel: what a roll call answers."""

    number: str
    placed_at: datetime
