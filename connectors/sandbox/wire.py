"""The sandbox channel's JSON as it stands on the wire: the shapes its far end reads and writes.

A real channel's shapes are the vendor's. The connector does not import this file to read orders: `orders.py` names
only the fields it needs, so that a field the channel adds tomorrow changes nothing.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec


class Strict(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A request: what the far end does not know, it refuses."""


class OrdersAsked(Strict):
    """A page of orders behind the position `after`: the last change seen and its order's number."""

    after: tuple[datetime, str]
    limit: int


class OrderAsked(Strict):
    number: str


class Acknowledge(Strict):
    numbers: list[str]


class Ship(Strict):
    """One parcel; the same `key` again is the same parcel, its tracking perhaps corrected."""

    order: str
    key: str
    tracking: str
    carrier: str
    lines: dict[str, int]


class Unship(Strict):
    """A parcel never left: the one that was told under this `key`. One that is not known is taken back already."""

    order: str
    key: str


class Cancel(Strict):
    """Units that will not ship, by line. The channel knows no repeat of it: told again, it cancels again."""

    order: str
    lines: dict[str, int]
    reason: str


class RefundRow(Strict):
    """What is given back for one line: so many units, or none, and the money."""

    units: int
    amount: Decimal
    tax: Decimal


class GiveBack(Strict):
    """Money for the buyer; the same `key` again is the same refund and has to say the same."""

    order: str
    key: str
    lines: dict[str, RefundRow]
    shipping: Decimal
    currency: str
    reason: str


class LevelRow(Strict):
    """One level to set; with `expected`, only if that is what the channel holds."""

    reference: str
    sku: str
    place: str
    quantity: int
    expected: int | None


class SetLevels(Strict):
    rows: list[LevelRow]


class FeedAsked(Strict):
    feed: str


class ReadLevels(Strict):
    """Pairs of SKU and place."""

    rows: list[tuple[str, str]]


class ListingsAsked(Strict):
    """A page of listings behind the SKU `after`; the empty one starts."""

    after: str
    limit: int


class WindowAsked(Strict):
    """Orders placed from `since` to before `until`, behind the number `after`; the empty one starts."""

    since: datetime
    until: datetime
    after: str
    limit: int


class ReturnsAsked(Strict):
    """Returns changed behind the position `after`; the empty one starts."""

    after: str
    limit: int


class Nothing(Strict):
    """A question that needs no words."""


class Subscribe(Strict):
    address: str


class Unsubscribe(Strict):
    id: str


class Receive(Strict):
    """A look into the queue; with `wait`, seconds to wait for the first message."""

    wait: float


class Delete(Strict):
    ids: list[str]


class Told(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a call or a message says: an event of some topic (order, level, account)."""

    event: str
    at: datetime
    topic: str
    order: str = ""
    sku: str = ""
    place: str = ""
    quantity: int | None = None
    text: str = ""


class Result(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What became of one row of a batch: no `error`, or its code."""

    reference: str
    error: str = ""


class Listing(msgspec.Struct, kw_only=True):
    sku: str
    title: str
    price: Decimal
    quantities: dict[str, int]


class Line(msgspec.Struct, kw_only=True):
    id: str
    sku: str
    title: str
    ordered: int
    cancelled: int = 0
    shipped: int = 0
    price: Decimal
    tax: Decimal
    place: str

    @property
    def open(self) -> int:
        return self.ordered - self.cancelled - self.shipped


class Parcel(msgspec.Struct, kw_only=True):
    key: str
    tracking: str
    carrier: str
    lines: dict[str, int]


class Refund(msgspec.Struct, kw_only=True):
    """One refund as the order shows it; `lines` are units."""

    number: str
    at: datetime
    amount: Decimal
    lines: dict[str, int]


class Buyer(msgspec.Struct, kw_only=True):
    name: str
    email: str
    street: str
    city: str
    region: str
    postal_code: str
    country: str


class Order(msgspec.Struct, kw_only=True):
    """The document a pull yields."""

    number: str
    name: str
    placed: datetime
    changed: datetime
    currency: str
    total: Decimal
    shipping: Decimal
    status: str = "open"
    acknowledged: bool = False
    buyer: Buyer
    lines: list[Line]
    parcels: list[Parcel] = msgspec.field(default_factory=list)
    refunds: list[Refund] = msgspec.field(default_factory=list)

    @property
    def refunded(self) -> Decimal:
        return sum((refund.amount for refund in self.refunds), Decimal(0))


class ReturnLine(msgspec.Struct, kw_only=True):
    id: str
    line: str
    sku: str
    units: int
    reason: str = ""


class Return(msgspec.Struct, kw_only=True):
    """The document the returns' list yields."""

    number: str
    order: str
    asked: datetime
    changed: datetime
    state: str = "requested"
    lines: list[ReturnLine]
