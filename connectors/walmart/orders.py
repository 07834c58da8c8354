"""Walmart's purchase orders as orders of ours: pure, bytes in and values out.

Source: Marketplace Order Management, `GET /v3/orders` and `GET /v3/orders/{purchaseOrderId}`. State lives per line and
quantity: `orderLineStatuses` says how many units of a line stand where. Quantities are strings, money is numbers,
instants are milliseconds since 1970. The shapes stand in `documents.py`.

What a charge is: `charges` belong to the whole line, so a line's price is its PRODUCT charges over its quantity.
`taxAndOtherFees` holds `tax` and comes with the same value beside it, so one of the two is counted.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import ROUND_UP, Decimal

import msgspec

from connectors.walmart.documents import Money, OrderLine, OrderSummary, ShippingInfo, Tracking, read
from connectors.walmart.refunded import refunds
from core.errors import BadDocument
from core.model import MAX_QUANTITY, ZERO, Address, Fulfiller, Hold, Line, Order, Package

WFS = "WFSFulfilled"
"""The ship node type of orders Walmart ships itself."""
ACKNOWLEDGE_WITHIN = 4 * 3_600_000
"""Milliseconds after it was placed within which Walmart wants an order acknowledged."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LATEST = 253_402_300_799_000
_DIGITS = 12
"""Before the point: what no amount of an order reaches."""
_MILLIONTH = Decimal("0.000001")
_COUNTRIES = {"USA": "US", "CAN": "CA", "MEX": "MX", "PRI": "PR", "GUM": "GU", "VIR": "VI", "ASM": "AS", "MNP": "MP"}
_PRICES = ("ItemPrice", "Shipping")
_OPEN = ("Created", "Acknowledged")
_GONE = ("Shipped", "Delivered")


def normalize(body: bytes) -> Order:
    """A purchase order as an `Order`; see the module for what its numbers mean. Raises `BadDocument`."""
    document = read(body)
    if not document.purchase_order_id:
        raise BadDocument("purchaseOrderId: empty")
    node = document.ship_node
    by_channel = node is not None and node.type == WFS
    place = (node.id or "") if node is not None and not by_channel else ""
    sums = _Sums()
    holds: set[Hold] = set()
    packages: Packages = {}
    lines = []
    newest = document.order_date
    created = waiting = refunded = False
    for index, line in enumerate(document.order_lines.order_line):
        counts = counts_of(line, index, packages)
        lines.append(_line(line, index, counts, sums, place))
        created = created or counts.created > 0
        if counts.open:
            waiting = True
            if counts.unknown:
                holds.add(Hold.UNKNOWN_STATUS)
            if asks_to_cancel(line):
                holds.add(Hold.BUYER_CANCEL)
        if line.status_date is not None and line.status_date > newest:
            newest = line.status_date
        refunded = refunded or line.refund is not None
    if not lines:
        raise BadDocument("orderLines.orderLine: empty")
    numbers = {line.number for line in lines}
    if len(numbers) != len(lines) or "" in numbers:
        raise BadDocument("orderLines.orderLine: a lineNumber is empty or stands twice")
    shipping = document.shipping_info or ShippingInfo()
    ship_to = _address(shipping)
    if ship_to is None and waiting and not by_channel:
        holds.add(Hold.ADDRESS)
    return Order(
        number=document.purchase_order_id,
        name=document.customer_order_id or document.purchase_order_id,
        version=_millis(newest, "statusDate") * 1000,
        placed_at=_instant(document.order_date, "orderDate"),
        currency=sums.currency or "USD",
        total=_total(document.order_summary, sums.total),
        shipping=sums.shipping,
        shipping_tax=sums.shipping_tax,
        adjustment=sums.adjustment,
        lines=tuple(lines),
        holds=tuple(sorted(holds)),
        fulfiller=Fulfiller.CHANNEL if by_channel else Fulfiller.MERCHANT,
        acknowledged=by_channel or not created,
        acknowledge_by=None if by_channel or not created else _acknowledge_by(document.order_date),
        service=shipping.method_code or "",
        ship_by=_maybe_instant(shipping.estimated_ship_date, "shippingInfo.estimatedShipDate"),
        deliver_by=_maybe_instant(shipping.estimated_delivery_date, "shippingInfo.estimatedDeliveryDate"),
        ship_to=ship_to,
        email=document.customer_email_id or "",
        packages=tuple(
            Package(tracking=tracking, carrier=carrier, lines=units) for (tracking, carrier), units in packages.items()
        ),
        refunds=refunds(document) if refunded else (),
    )


Packages = dict[tuple[str, str], dict[str, int]]
"""Units by line number of each parcel, named by tracking number and carrier."""


class Counts(msgspec.Struct, frozen=True, gc=False):
    """How many units of one line stand where."""

    ordered: int
    created: int
    shipped: int
    cancelled: int
    unknown: int
    """Units in a status this version does not know: still open as far as anyone can tell."""

    @property
    def open(self) -> int:
        return self.ordered - self.shipped - self.cancelled


def counts_of(line: OrderLine, index: int, packages: Packages) -> Counts:
    """The units of one line by where they stand; `index` is its place among the lines, for errors.

    Parcels named there are added to `packages`. Raises `BadDocument` for what is no quantity, and for too many units.
    """
    ordered = _units(line.order_line_quantity.amount, index, "orderLineQuantity.amount")
    if ordered == 0:
        raise BadDocument(f"orderLines.orderLine[{index}].orderLineQuantity.amount: 0 units ordered")
    created = acknowledged = gone = cancelled = refunded = unknown = 0
    for status in line.order_line_statuses.order_line_status:
        units = _units(status.status_quantity.amount, index, "orderLineStatuses.statusQuantity.amount")
        if status.status == "Created":
            created += units
        elif status.status == "Acknowledged":
            acknowledged += units
        elif status.status in _GONE:
            gone += units
        elif status.status == "Cancelled":
            cancelled += units
        elif status.status == "Refund":
            refunded += units
        else:
            unknown += units
        if status.tracking_info is not None and status.status not in _OPEN:
            _pack(packages, status.tracking_info, line.line_number, units)
    left = ordered - created - acknowledged - gone - cancelled - unknown
    if left < 0:
        raise BadDocument(f"orderLines.orderLine[{index}].orderLineStatuses: {ordered - left} of {ordered} units")
    # Only what has shipped can be refunded, so refunded units shipped, whether or not they are counted as shipped too.
    return Counts(ordered, created, gone + min(refunded, left), cancelled, unknown)


def _pack(packages: Packages, tracking: Tracking, line: str, units: int) -> None:
    number = (tracking.tracking_number or "").strip()
    if not number or not units:
        return
    name = tracking.carrier_name
    carrier = ((name.carrier or name.other_carrier) if name is not None else None) or ""
    held = packages.setdefault((number, carrier), {})
    held[line] = held.get(line, 0) + units


class _Sums:
    """The amounts of an order, added up over its lines."""

    __slots__ = ("adjustment", "currency", "shipping", "shipping_tax", "total")

    def __init__(self) -> None:
        self.currency = ""
        self.total = self.shipping = self.shipping_tax = self.adjustment = ZERO

    def amount(self, money: Money, index: int) -> Decimal:
        value = money.amount
        if money.currency == self.currency and value.is_finite() and value.adjusted() < _DIGITS:
            return value
        where = f"orderLines.orderLine[{index}].charges"
        if self.currency and money.currency != self.currency:
            raise BadDocument(f"{where}: amounts in two currencies")
        if not (len(money.currency) == 3 and money.currency.isascii() and money.currency.isupper()):
            raise BadDocument(f"{where}: no ISO 4217 currency")
        if not _is_money(value):
            raise BadDocument(f"{where}: an amount that is none")
        self.currency = money.currency
        return value


def _line(line: OrderLine, index: int, counts: Counts, sums: _Sums, place: str) -> Line:
    price = discount = tax = ZERO
    for charge in (line.charges.charge or ()) if line.charges is not None else ():
        amount = sums.amount(charge.charge_amount, index)
        taxed = charge.tax_and_other_fees or charge.tax
        levy = sums.amount(taxed.tax_amount, index) if taxed is not None and taxed.tax_amount is not None else ZERO
        name = charge.charge_name
        if charge.is_discount or (name is not None and name not in _PRICES and "Discount" in name):
            amount = -abs(amount)
        sums.total += amount + levy
        if charge.charge_type == "PRODUCT":
            tax += levy
            if amount < ZERO:
                discount -= amount
            else:
                price += amount
        elif charge.charge_type == "SHIPPING":
            sums.shipping += amount
            sums.shipping_tax += levy
        else:
            sums.adjustment += amount + levy
    unit = price
    if counts.ordered > 1:
        unit = price / counts.ordered
        if unit != (exact := unit.quantize(_MILLIONTH, ROUND_UP)):
            unit = exact
            discount += exact * counts.ordered - price  # what the rounding adds is taken off again
    return Line(
        number=line.line_number,
        sku=line.item.sku or "",
        title=line.item.product_name or "",
        ordered=counts.ordered,
        cancelled=counts.cancelled,
        shipped=counts.shipped,
        unit_price=unit,
        tax=tax,
        discount=discount,
        place=place,
    )


def _is_money(value: Decimal) -> bool:
    return value.is_finite() and value.adjusted() < _DIGITS


def _total(summary: OrderSummary | None, charged: Decimal) -> Decimal:
    """What the buyer pays: the document's own word where it has one, otherwise its charges added up."""
    if summary is None or summary.total_amount is None or summary.total_amount.currency_amount is None:
        return charged
    total = summary.total_amount.currency_amount
    if not _is_money(total):
        raise BadDocument("orderSummary.totalAmount.currencyAmount: an amount that is none")
    return total


def asks_to_cancel(line: OrderLine) -> bool:
    """Whether the buyer asked to cancel this line and the seller has not answered."""
    word = line.intent_to_cancel
    if word is None or isinstance(word, bool):
        return bool(word)
    return word.strip().lower() not in ("", "false", "no", "n", "0", "null")


def _address(shipping: ShippingInfo) -> Address | None:
    given = shipping.postal_address
    if given is None or not (given.address1 or given.postal_code):
        return None
    country = (given.country or "").strip().upper()
    return Address(
        name=given.name or "",
        line1=given.address1 or "",
        line2=given.address2 or "",
        city=given.city or "",
        region=given.state or "",
        postal_code=given.postal_code or "",
        country=_COUNTRIES.get(country, country if len(country) == 2 else ""),
        phone=shipping.phone or "",
    )


def _units(amount: str | int, index: int, field: str) -> int:
    if isinstance(amount, str):
        units = int(amount) if amount.isascii() and amount.isdecimal() and len(amount) <= 12 else -1
    else:
        units = amount
    if not 0 <= units <= MAX_QUANTITY:
        raise BadDocument(f"orderLines.orderLine[{index}].{field}: not a quantity from 0 to {MAX_QUANTITY}")
    return units


def _millis(value: int, field: str) -> int:
    if not 0 < value <= _LATEST:
        raise BadDocument(f"{field}: not milliseconds since 1970")
    return value


def _instant(value: int, field: str) -> datetime:
    return _EPOCH + _MILLISECOND * _millis(value, field)


def _acknowledge_by(placed: int) -> datetime | None:
    """Walmart wants an order acknowledged within four hours."""
    return _instant(min(placed + ACKNOWLEDGE_WITHIN, _LATEST), "orderDate")


def _maybe_instant(value: int | None, field: str) -> datetime | None:
    return None if value is None else _instant(value, field)
