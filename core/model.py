"""The words of the trade as values: what a connector says of its channel and what it is asked to tell it.

All are frozen, and none knows the store. Instants are aware and in UTC, quantities are integers from 0 to
`MAX_QUANTITY`, money is a `Decimal` in the currency its order names.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

MAX_QUANTITY = 2**31 - 1
"""The largest quantity a line, a level or a count may hold: what a 32-bit column keeps."""

ZERO = Decimal(0)

Parts = tuple[tuple[int, int], ...]
"""What one unit of a line or a listing takes from stock: (item's id, units). Itself once, or a kit's components."""


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
    """False while the channel has not told the amounts yet (Amazon PENDING): the money is not checked."""
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


def micros(instant: datetime) -> int:
    """Microseconds since 1970 UTC of an aware instant: how versions and the store keep time."""
    if instant.tzinfo is None:
        raise ValueError("an instant without a time zone")
    delta = instant - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def instant(value: int) -> datetime:
    """The aware UTC instant of `micros`."""
    return datetime.fromtimestamp(value // 1_000_000, UTC).replace(microsecond=value % 1_000_000)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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


class Shipment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One parcel that left, as a channel is told of it."""

    key: str
    """Ours, stable for ever and unique within the channel: the same key is the same parcel."""
    serial: int
    """A positive number with the same promise, for channels whose package ids are numbers."""
    order: str
    """The channel's order id."""
    lines: Mapping[str, int]
    """Units by the channel's line number; every quantity is at least 1."""
    carrier: str
    tracking: str
    shipped_at: datetime
    service: str = ""
    place: str = ""
    """The channel's id of the location it left from, where the channel has one."""
    tracking_url: str = ""
    corrects: str = ""
    """The tracking number it had before, where this corrects it; same key, same parcel.

    A channel that shows neither number has not been told of the parcel yet: it is told as any other.
    """


class CancelReason(StrEnum):
    """Why units will not ship; each connector maps it to its channel's own codes."""

    BUYER = "buyer"
    """The buyer asked for it."""
    OUT_OF_STOCK = "out_of_stock"
    ADDRESS = "address"
    """It cannot be delivered there."""
    PRICE = "price"
    """The price was wrong."""
    FRAUD = "fraud"
    OTHER = "other"


class Cancellation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Units the channel is to cancel because they will not ship. Never of units that have shipped."""

    key: str
    """Ours, stable for ever and unique within the channel: the same key is the same cancellation."""
    order: str
    """The channel's order id."""
    lines: Mapping[str, int]
    """Units by the channel's line number; every quantity is at least 1. All that is open: the whole order's rest."""
    before: Mapping[str, int]
    """Units of those lines that were cancelled already when this was decided: a repeat is told by them.

    So of a line min(units, before + units − what is cancelled there by now) are still to be cancelled.
    """
    reason: CancelReason
    whole: bool = False
    """Nothing of the order has shipped, and after this nothing of it is open: the order itself is cancelled."""
    notify: bool = True
    """Let the channel write to the buyer, where it asks."""
    note: str = ""


class RefundReason(StrEnum):
    """Why money is given back; each connector maps it to its channel's own codes."""

    RETURNED = "returned"
    NOT_RECEIVED = "not_received"
    DAMAGED = "damaged"
    WRONG_ITEM = "wrong_item"
    PRICE = "price"
    CANCELLED = "cancelled"
    GOODWILL = "goodwill"
    OTHER = "other"


class RefundLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is given back for one line."""

    quantity: int
    """Units it is for; 0 where money is given back without units."""
    amount: Decimal
    """In the order's currency, taxes not included."""
    tax: Decimal = ZERO


class Refund(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Money the channel is to give back to the buyer."""

    key: str
    """Ours, stable for ever and unique within the channel: the same key is the same refund."""
    order: str
    """The channel's order id."""
    lines: Mapping[str, RefundLine]
    """By the channel's line number."""
    currency: str
    shipping: Decimal = ZERO
    """Of the shipping charge, in `currency`, its tax included."""
    reason: RefundReason = RefundReason.OTHER
    known: tuple[str, ...] = ()
    """Numbers of the refunds the channel showed when this was decided: a new one tells that this was done."""
    rma: str = ""
    """The channel's id of the return it is for, where there is one."""
    notify: bool = True
    note: str = ""


class ReturnState(StrEnum):
    """How far a return has come at its channel. What stands on our shelves is told by people, never by this."""

    REQUESTED = "requested"
    AUTHORISED = "authorised"
    """The buyer may send it."""
    DELIVERED = "delivered"
    """The channel or its carrier says it has arrived."""
    CLOSED = "closed"
    """Refunded or otherwise done."""
    CALLED_OFF = "called_off"
    """Declined or withdrawn: nothing comes back."""


class ReturnLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Units of one order line that come back. Two may be of the same order line."""

    number: str
    """The channel's id, unique within the return."""
    order_line: str
    """The order's line number; empty where the channel does not say."""
    sku: str
    quantity: int
    refunded: int = 0
    """Units the channel has refunded."""
    reason: str = ""
    """In the channel's words."""


class Return(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One return (RMA) of one channel, as of one observation; `version` orders them as it does for orders."""

    number: str
    """The channel's return id: with the channel's name it is unique for ever."""
    order: str
    """The channel's order id."""
    version: int
    state: ReturnState
    requested_at: datetime
    lines: tuple[ReturnLine, ...]
    tracking: str = ""
    carrier: str = ""


class Present(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An order's being there at its channel: what a roll call answers."""

    number: str
    placed_at: datetime


class OwnStock(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Units that lie in the channel's own warehouses (FBA, WFS). Only that channel sells and ships them."""

    sku: str
    on_hand: int
    """Units there, whatever is promised."""
    available: int
    """Units that can be sold now."""
    incoming: int = 0
    """Units on their way there."""


class Finding(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One thing that was looked at when an account was examined."""

    what: str
    """A few words: credentials, scopes, clock, API version, locations, listings …"""
    well: bool
    told: str
    """What was found; where it is not well, ending in what to do. Never a secret."""


class Level(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The quantity one listing may sell at one of the channel's places."""

    key: str
    """Ours: listing and place. An `Ack` answers with it."""
    sku: str
    handle: str
    """The connector's own words for the listing (`ChannelListing.handle`)."""
    place: str
    """The channel's location id; empty where the channel keeps one number a listing."""
    quantity: int
    revision: int
    """Grows with every new desired quantity of this key; a lower one never lands after a higher."""
    expected: int | None = None
    """What we believe the channel holds now, for channels that compare and set; None: not known."""


class LevelKey(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Names one level to read back."""

    key: str
    sku: str
    handle: str
    place: str


class ChannelLevel(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A level as the channel holds it."""

    key: str
    quantity: int


class ChannelListing(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One thing a channel offers for sale."""

    sku: str
    title: str = ""
    handle: str = ""
    """What the connector needs to push its level (ids, product type): opaque to others."""
    fulfiller: Fulfiller = Fulfiller.MERCHANT
    quantities: Mapping[str, int] = msgspec.field(default_factory=dict)
    """Level by place; the empty place where the channel keeps one number."""


class AckState(StrEnum):
    """How far one pushed key has come."""

    APPLIED = "applied"
    """The channel has it."""
    ACCEPTED = "accepted"
    """Taken for later: `ticket` settles it."""
    REFUSED = "refused"
    """The channel will not have it: `reason` says why and ends in what to do."""
    STALE = "stale"
    """The channel's quantity is not the one expected: read, recompute, push again."""
    RETRY = "retry"
    """Not taken, by no fault of the key: push it again later."""


class Ack(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The channel's answer for one pushed key. Every pushed key gets exactly one."""

    key: str
    state: AckState
    ticket: str = ""
    reason: str = ""


class Call(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One request that somebody sent to the address we gave a channel. Whether it is genuine is yet to be seen."""

    body: bytes
    """As it arrived: signatures are made over these very bytes."""
    headers: Mapping[str, str]
    """By name in small letters. Their bytes are read as Latin-1, so any bytes make a text, and not only ASCII."""
    at: datetime
    """When it arrived."""


class HintKind(StrEnum):
    """What a hint asks us to look at."""

    ORDER = "order"
    """One order; where the channel does not say which, whatever has changed."""
    LEVEL = "level"
    """The quantity of one listing at one place."""
    ACCOUNT = "account"
    """The account itself: its rights, or something a person has to know."""


class Hint(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A channel's word that something changed. It is a reason to look, never what is believed: looking is."""

    id: str
    """The channel's own id of the event: the same id is the same event, delivered once more."""
    kind: HintKind
    at: datetime
    """When it happened, by the channel's clock."""
    order: str = ""
    """ORDER: what `fetch` takes; empty where the channel does not say."""
    handle: str = ""
    """LEVEL: which listing, by its `ChannelListing.handle`; by its SKU where the channel's handles are empty."""
    place: str = ""
    """LEVEL: the channel's id of the place, as the settings write it."""
    quantity: int | None = None
    """LEVEL: what the channel says it holds there; None where it does not say."""
    reason: str = ""
    """ACCOUNT: what happened, ending in what to do."""
    parks: bool = False
    """ACCOUNT: where a look shows that we are not let in any more, `reason` is why the channel is parked."""


class Subscribed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How a look at a channel's subscriptions ended."""

    done: tuple[str, ...] = ()
    """What was created, mended or removed, in words; empty where all stood well."""
    refused: tuple[str, ...] = ()
    """What the channel will not tell us of, ending in what to do."""


class Location(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A place stock ships from, as routing sees it."""

    name: str
    priority: int = 100
    """Smaller is preferred."""
    postal_code: str = ""
    country: str = "US"
    active: bool = True
    paused: str = ""
    """Why nothing is routed here for now; empty where it is not paused."""
    capabilities: frozenset[str] = frozenset()
    """What it can handle that not every location can: hazmat, cold, a carrier, a service."""
    serves: frozenset[str] = frozenset()
    """The countries it ships to, ISO 3166-1 alpha-2; empty: all."""
    capacity_orders: int | None = None
    """So many fulfilment orders a day, at most."""
    capacity_units: int | None = None
    timezone: str = "UTC"
    """Where its days begin and end (IANA)."""
    cut_off: int | None = None
    """What is routed here later than so many minutes after its midnight ships on its next ship day."""
    ship_days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    """The weekdays it ships on, Monday is 0."""
    holidays: frozenset[date] = frozenset()
    keep: int = 0
    """Units of every item that are kept for its own counter: neither promised to channels nor routed."""

    @property
    def has_calendar(self) -> bool:
        """Whether the hour an order comes at decides when it ships."""
        return self.cut_off is not None or len(self.ship_days) < 7 or bool(self.holidays)

    @property
    def has_capacity(self) -> bool:
        return self.capacity_orders is not None or self.capacity_units is not None
