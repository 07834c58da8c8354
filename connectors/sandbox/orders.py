"""The sandbox's order document as an `Order`. Pure: bytes in, values out, nothing else touched.

The structs name only the fields that are used; whatever else the channel sends is skipped, so a new field breaks
nothing. What is used is checked here, at the border: behind it every quantity is an integer in range, every instant
aware and every amount exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

import msgspec

from core.errors import BadDocument
from core.model import MAX_QUANTITY, ZERO, Address, Hold, Line, Observation, Order, Package, Refunded, micros

# msgspec refuses 1.5, "3" and true where an integer is asked for, and names the path of what it refused.
_Units = Annotated[int, msgspec.Meta(ge=0, le=MAX_QUANTITY)]
_Ordered = Annotated[int, msgspec.Meta(ge=1, le=MAX_QUANTITY)]
_Instant = Annotated[datetime, msgspec.Meta(tz=True)]
_Name = Annotated[str, msgspec.Meta(min_length=1)]


class _Line(msgspec.Struct):
    id: _Name
    sku: str
    title: str
    ordered: _Ordered
    cancelled: _Units
    shipped: _Units
    price: Decimal
    tax: Decimal
    place: str = ""


class _Parcel(msgspec.Struct):
    tracking: str
    carrier: str = ""
    lines: Mapping[str, _Units] = {}


class _Refund(msgspec.Struct):
    number: _Name
    at: _Instant
    amount: Decimal
    lines: Mapping[str, _Units] = {}


class _Buyer(msgspec.Struct):
    name: str
    email: str
    street: str
    city: str
    region: str
    postal_code: str
    country: str


class _Order(msgspec.Struct):
    number: _Name
    name: str
    placed: _Instant
    changed: _Instant
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
    total: Decimal
    shipping: Decimal
    status: str
    acknowledged: bool
    buyer: _Buyer
    lines: list[_Line]
    parcels: list[_Parcel]
    refunds: list[_Refund] = []


class _Numbered(msgspec.Struct):
    number: str


_order = msgspec.json.Decoder(_Order)
_numbered = msgspec.json.Decoder(_Numbered)

_HOLDS = {"open": (), "pending": (Hold.PENDING,)}
"""What each status of the channel means for shipping. One that is not here is held until a person has looked."""


def observe(body: bytes) -> Observation:
    """A document with its number, empty where even that cannot be read."""
    try:
        number = _numbered.decode(body).number
    except (msgspec.DecodeError, UnicodeDecodeError):
        number = ""
    return Observation(number=number, body=body)


def normalize(body: bytes) -> Order:
    """A document as an order; `BadDocument` names the place and what is wrong there, never what stands there."""
    try:
        document = _order.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        # msgspec says what it expected and where ("Expected `int`, got `str` - at `$.lines[0].ordered`") without
        # quoting the value, which may be a buyer's.
        raise BadDocument(str(error)) from None
    if not document.lines:
        raise BadDocument("$.lines: an order without lines")
    if len({line.id for line in document.lines}) < len(document.lines):
        raise BadDocument("$.lines: two lines have the same id")
    if len({refund.number for refund in document.refunds}) < len(document.refunds):
        raise BadDocument("$.refunds: two refunds have the same number")
    changed = _utc("$.changed", document.changed)
    buyer = document.buyer
    return Order(
        number=_text(document.number),
        name=_text(document.name),
        version=micros(changed),
        placed_at=_utc("$.placed", document.placed),
        currency=document.currency,
        total=_amount("$.total", document.total),
        shipping=_amount("$.shipping", document.shipping),
        lines=tuple(_line(f"$.lines[{at}]", line) for at, line in enumerate(document.lines)),
        holds=_HOLDS.get(document.status, (Hold.UNKNOWN_STATUS,)),
        acknowledged=document.acknowledged,
        email=_text(buyer.email),
        ship_to=Address(
            name=_text(buyer.name),
            line1=_text(buyer.street),
            city=_text(buyer.city),
            region=_text(buyer.region),
            postal_code=_text(buyer.postal_code),
            country=_text(buyer.country),
        ),
        packages=tuple(
            Package(
                tracking=_text(parcel.tracking),
                carrier=_text(parcel.carrier),
                lines={_text(line): units for line, units in parcel.lines.items()},
            )
            for parcel in document.parcels
        ),
        refunds=tuple(_refund(f"$.refunds[{at}]", refund) for at, refund in enumerate(document.refunds)),
    )


def _refund(where: str, refund: _Refund) -> Refunded:
    amount = _amount(f"{where}.amount", refund.amount)
    if amount <= 0:
        raise BadDocument(f"{where}.amount: a refund of nothing")
    return Refunded(
        number=_text(refund.number),
        at=_utc(f"{where}.at", refund.at),
        amount=amount,
        lines={_text(line): units for line, units in refund.lines.items()},
    )


def _line(where: str, line: _Line) -> Line:
    if line.ordered < line.cancelled + line.shipped:
        raise BadDocument(f"{where}: more units cancelled and shipped than ordered")
    return Line(
        number=_text(line.id),
        sku=_text(line.sku),
        title=_text(line.title),
        ordered=line.ordered,
        cancelled=line.cancelled,
        shipped=line.shipped,
        unit_price=_amount(f"{where}.price", line.price),
        tax=_amount(f"{where}.tax", line.tax),
        place=_text(line.place),
    )


def _amount(where: str, amount: Decimal) -> Decimal:
    """An amount the store can keep: a number, to the millionth (msgspec reads "NaN" and "1e400" as decimals too)."""
    if not amount.is_finite() or abs(amount) >= 10**12 or amount != round(amount, 6):
        raise BadDocument(f"{where}: no amount of money")
    return amount or ZERO


def _utc(where: str, instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError:  # the first or last day of the calendar, in another zone
        raise BadDocument(f"{where}: no instant in UTC") from None


def _text(value: str) -> str:
    """Text as the store can keep it: NUL, which PostgreSQL refuses, becomes the replacement character."""
    return value.replace("\0", "\ufffd") if "\0" in value else value
