"""An order of the Orders API 2026-01-01 as ours. Pure: document bytes in, `Order` out.

What the documents leave open is read so that nothing is sold or cancelled by a guess:

- A pending order has no prices and no address, and its units may all read as neither shipped nor open: none of them
  is cancelled, its money is not checked, and its currency is that of its marketplace.
- A confirmed order of the seller's own that names prices or charges and not its total is checked against none: what it
  names shows in `money_off`. One that names no amount at all is free where it replaces another order, and else stays
  unpriced.
- Units that are neither fulfilled nor unfulfilled are cancelled. A whole cancelled line may count 0 ordered units.
- A discount is taken off whichever sign it comes with. The charges of cancelled units leave the item's subtotal while
  its units stay in `quantityOrdered`: the difference is an adjustment. Any other difference shows in `money_off`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from connectors.amazon.documents import Charge, Item, Money, OrderDocument, PackageDocument, Recipient, Window
from core.errors import BadDocument
from core.model import (
    MAX_QUANTITY,
    ZERO,
    Address,
    Fulfiller,
    Hold,
    Line,
    Order,
    Package,
    micros,
)

INCLUDED = ("BUYER", "RECIPIENT", "PROCEEDS", "CANCELLATION", "FULFILLMENT", "PACKAGES")
"""The data sets this reads: without them an answer has no status, no address and no money."""

CURRENCIES = {
    "ATVPDKIKX0DER": "USD",
    "A2EUQ1WTGCTBG2": "CAD",
    "A1AM78C64UM0Y8": "MXN",
    "A2Q3Y263D00KWC": "BRL",
    "A1F83G8C2ARO7P": "GBP",
    "A2NODRKZP88ZB9": "SEK",
    "A1C3SOZRARQ6R3": "PLN",
    "A33AVAJ2PDY3EV": "TRY",
    "A17E79C6D8DWNP": "SAR",
    "A2VIGQ35RCS4UG": "AED",
    "ARBP9OOSHTCHU": "EGP",
    "A21TJRUUN4KGV": "INR",
    "AE08WJ6YKNBMC": "ZAR",
    "A19VAU5U5O7RUS": "SGD",
    "A39IBJ37TRP1C6": "AUD",
    "A1VC38T7YXB528": "JPY",
    "A1RKKUPIHCS9HS": "EUR",
    "A13V1IB3VIYZZH": "EUR",
    "AMEN7PMS3EDWL": "EUR",
    "A1805IZSGTT6HS": "EUR",
    "A1PA6795UKMFR9": "EUR",
    "APJ6JRA9NG5V4": "EUR",
    "A28R8C7NBKEWEA": "EUR",
}
"""Currency by marketplace, for orders that name none yet; elsewhere it is XXX, ISO 4217's "no currency".

So XXX never stands beside an amount: only where no amount of an order is told is it used.
"""

_PENDING = ("PENDING", "PENDING_AVAILABILITY")
_REPLACES = ("REPLACEMENT_ORIGINAL_ID", "EXCHANGE_ORIGINAL_ID")
_CONFIRMED = ("UNSHIPPED", "PARTIALLY_SHIPPED", "SHIPPED")
_HOLDS: dict[str, Hold | None] = {
    "PENDING": Hold.PENDING,
    "PENDING_AVAILABILITY": Hold.PENDING,
    "UNSHIPPED": None,
    "PARTIALLY_SHIPPED": None,
    "SHIPPED": None,
    "CANCELLED": None,
    "UNFULFILLABLE": Hold.CHANNEL,
}

_decoder = msgspec.json.Decoder(OrderDocument)


DIGITS = 12
"""An amount has so many digits before its point at most: what the store can keep."""


class _Sums:
    """What a document's charges come to beside the lines themselves. Charges in another currency are refused."""

    __slots__ = ("adjustment", "currency", "shipping", "shipping_tax")

    def __init__(self, currency: str) -> None:
        if len(currency) != 3 or not (currency.isascii() and currency.isalpha() and currency.isupper()):
            raise BadDocument("proceeds.grandTotal.currencyCode: not a currency")
        self.currency = currency
        self.shipping = self.shipping_tax = self.adjustment = ZERO

    def amount(self, money: Money, item: int | None, part: str) -> Decimal:
        """The amount at `part` of the item at this place, or of the order."""
        value = money.amount
        if value.is_finite() and value.adjusted() < DIGITS and money.currency_code == self.currency:
            return value
        where = part if item is None else f"orderItems[{item}].{part}"
        if money.currency_code != self.currency:
            raise BadDocument(f"{where}.currencyCode: another currency than the order's total")
        raise BadDocument(f"{where}.amount: not an amount of money")


def normalize(body: bytes) -> Order:
    """The document as an order. Raises `BadDocument` naming the path and what is wrong there."""
    found = _read(body)
    try:
        return _order(found)
    except OverflowError:
        raise BadDocument("an instant lies outside the years that can be told") from None


def _order(found: OrderDocument) -> Order:
    fulfillment = found.fulfillment
    status = fulfillment.fulfillment_status if fulfillment is not None else ""
    total = found.proceeds.grand_total if found.proceeds is not None else None
    by_channel = fulfillment is not None and fulfillment.fulfilled_by == "AMAZON"
    sums = _Sums(total.currency_code if total is not None else _currency(found))
    grand = sums.amount(total, None, "proceeds.grandTotal") if total is not None else ZERO
    charged = total is not None or (status in _CONFIRMED and not by_channel)
    lines = tuple([_line(item, status, sums, charged, index) for index, item in enumerate(found.order_items)])
    if len(lines) > 1 and len({line.number for line in lines}) < len(lines):
        raise BadDocument("orderItems: the same orderItemId twice")
    if total is not None and found.proceeds is not None:
        for charge in found.proceeds.breakdowns or ():
            if charge.type == "DELIVERY_TIP":  # all other kinds are sums of the items' own charges
                sums.adjustment += sums.amount(charge.subtotal, None, "proceeds.breakdowns")
    ship_to = _address(found.recipient)
    return Order(
        number=found.order_id,
        name=found.order_id,
        version=micros(found.last_updated_time),
        placed_at=_utc(found.created_time),
        currency=sums.currency,
        total=grand,
        shipping=sums.shipping,
        shipping_tax=sums.shipping_tax,
        adjustment=sums.adjustment,
        lines=lines,
        holds=_holds(found, status, by_channel, ship_to),
        fulfiller=Fulfiller.CHANNEL if by_channel else Fulfiller.MERCHANT,
        priced=status not in _PENDING
        and (total is not None or (charged and (_names_money(lines, sums) or _replaces(found)))),
        service=(fulfillment.fulfillment_service_level or "") if fulfillment is not None else "",
        ship_by=_latest(fulfillment.ship_by_window) if fulfillment is not None else None,
        deliver_by=_latest(fulfillment.deliver_by_window) if fulfillment is not None else None,
        ship_to=ship_to,
        email=(found.buyer.buyer_email or "") if found.buyer is not None else "",
        packages=_packages(found.packages),
    )


def _read(body: bytes) -> OrderDocument:
    try:
        if b"\\u0000" not in body:
            return _decoder.decode(body)
        return msgspec.convert(_without_nul(msgspec.json.decode(body)), OrderDocument)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at ")
        raise BadDocument(f"{path.strip('`').removeprefix('$').removeprefix('.') or 'document'}: {what}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadDocument("document: not JSON") from None


def _without_nul(value: Any) -> Any:
    """No database can be relied on to keep NUL: it becomes U+FFFD."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, list):
        return [_without_nul(part) for part in value]
    if isinstance(value, dict):
        return {name: _without_nul(part) for name, part in value.items()}
    return value


def _currency(found: OrderDocument) -> str:
    for item in found.order_items:
        if item.product.price is not None and item.product.price.unit_price is not None:
            return item.product.price.unit_price.currency_code
        for charge in item.proceeds.breakdowns or () if item.proceeds is not None else ():
            return charge.subtotal.currency_code
    return CURRENCIES.get((found.sales_channel.marketplace_id or "") if found.sales_channel is not None else "", "XXX")


def _names_money(lines: Sequence[Line], sums: _Sums) -> bool:
    """Whether any amount is told."""
    return bool(sums.shipping or sums.shipping_tax or sums.adjustment) or any(
        line.unit_price or line.tax or line.discount for line in lines
    )


def _replaces(found: OrderDocument) -> bool:
    """Whether it is sent in place of what another order brought: such a one may cost nothing."""
    return any(other.association_type in _REPLACES for other in found.associated_orders or ())


def _line(item: Item, status: str, sums: _Sums, charged: bool, index: int) -> Line:
    ordered = item.quantity_ordered
    shipped, cancelled = _units(item, status, index)
    price = item.product.price.unit_price if item.product.price is not None else None
    unit = sums.amount(price, index, "product.price.unitPrice") if price is not None else ZERO
    tax = discount = ZERO
    if charged and item.proceeds is not None:
        goods: Decimal | None = None
        for charge in item.proceeds.breakdowns or ():
            kind = charge.type
            amount = sums.amount(charge.subtotal, index, "proceeds.breakdowns")
            if kind == "ITEM":
                goods = amount if goods is None else goods + amount
            elif kind == "TAX":
                on_shipping = _of_shipping(charge, sums, index)
                sums.shipping_tax += on_shipping
                tax += amount - on_shipping
            elif kind == "SHIPPING":
                sums.shipping += amount
            elif kind == "DISCOUNT":
                discount += abs(amount)
            else:
                sums.adjustment += amount
        if goods is not None:
            if price is None and ordered:
                unit = (goods / ordered).quantize(Decimal("0.0001"))
            _settle_goods(goods, unit, ordered, cancelled, sums)
    return Line(
        number=item.order_item_id,
        sku=item.product.seller_sku or "",
        title=item.product.title or "",
        ordered=ordered,
        cancelled=cancelled,
        shipped=shipped,
        unit_price=unit,
        tax=tax,
        discount=discount,
    )


def _settle_goods(goods: Decimal, unit: Decimal, ordered: int, cancelled: int, sums: _Sums) -> None:
    """What the item's subtotal misses of price times units, where cancelled units or rounding explain it."""
    gap = goods - unit * ordered
    if gap and (gap == -unit * cancelled or abs(gap) < Decimal("0.01") * ordered):
        sums.adjustment += gap


def _of_shipping(charge: Charge, sums: _Sums, index: int) -> Decimal:
    """The part of a tax that is on shipping."""
    tax = ZERO
    for detail in charge.detailed_breakdowns or ():
        if detail.subtype == "SHIPPING" and detail.value is not None:
            tax += sums.amount(detail.value, index, "proceeds.breakdowns.detailedBreakdowns")
    return tax


def _units(item: Item, status: str, index: int) -> tuple[int, int]:
    """Shipped and cancelled units of an item. Raises `BadDocument` where the counts contradict each other."""
    ordered, units = item.quantity_ordered, item.fulfillment
    fulfilled = units.quantity_fulfilled if units is not None else None
    unfulfilled = units.quantity_unfulfilled if units is not None else None
    executed = item.cancellation is not None and item.cancellation.cancellation_execution is not None
    if ordered == 0 and status != "CANCELLED" and not executed:
        raise BadDocument(f"orderItems[{index}].quantityOrdered: 0 units ordered on a line that was not cancelled")
    if fulfilled is None:
        if status == "SHIPPED":
            fulfilled = ordered - (unfulfilled or 0)
        elif unfulfilled in (None, ordered) or status == "CANCELLED" or status in _PENDING:
            fulfilled = 0
        else:
            raise BadDocument(f"orderItems[{index}].fulfillment.quantityFulfilled: absent beside quantityUnfulfilled")
    if fulfilled > ordered or (fulfilled + (unfulfilled or 0) > ordered):
        raise BadDocument(f"orderItems[{index}].fulfillment: more units fulfilled and unfulfilled than were ordered")
    if status == "CANCELLED":
        return fulfilled, ordered - fulfilled
    if unfulfilled is None or status in _PENDING:
        return fulfilled, 0
    return fulfilled, ordered - fulfilled - unfulfilled


def _holds(found: OrderDocument, status: str, by_channel: bool, ship_to: Address | None) -> tuple[Hold, ...]:
    holds = []
    hold = _HOLDS.get(status, Hold.UNKNOWN_STATUS)
    if hold is not None:
        holds.append(hold)
    if status in ("UNSHIPPED", "PARTIALLY_SHIPPED"):
        if ship_to is None and not by_channel:
            holds.append(Hold.ADDRESS)
        if any(_asks_to_cancel(item) for item in found.order_items):
            holds.append(Hold.BUYER_CANCEL)
    return tuple(holds)


def _asks_to_cancel(item: Item) -> bool:
    """Whether the buyer's wish to cancel is still open: not carried out, and something is left to cancel."""
    wish = item.cancellation
    if wish is None or wish.cancellation_request is None or wish.cancellation_execution is not None:
        return False
    return item.fulfillment is None or item.fulfillment.quantity_unfulfilled != 0


def _address(recipient: Recipient | None) -> Address | None:
    given = recipient.delivery_address if recipient is not None else None
    if given is None or not (given.address_line1 or given.postal_code or given.city):
        return None
    return Address(
        name=given.name or "",
        company=given.company_name or "",
        line1=given.address_line1 or "",
        line2=", ".join(line for line in (given.address_line2, given.address_line3) if line),
        city=given.city or "",
        region=given.state_or_region or "",
        postal_code=given.postal_code or "",
        country=given.country_code or "",
        phone=given.phone or "",
    )


def _packages(packages: Sequence[PackageDocument] | None) -> tuple[Package, ...]:
    if not packages:
        return ()
    return tuple(
        Package(
            tracking=package.tracking_number or "",
            carrier=package.carrier or "",
            lines=_packed(package),
        )
        for package in packages
        if package.package_status is None or package.package_status.status != "CANCELLED"
    )


def _packed(package: PackageDocument) -> dict[str, int]:
    units: dict[str, int] = {}
    for item in package.package_items or ():
        units[item.order_item_id] = units.get(item.order_item_id, 0) + item.quantity
        if units[item.order_item_id] > MAX_QUANTITY:
            raise BadDocument("packages.packageItems.quantity: more units than can be counted")
    return units


def _latest(window: Window | None) -> datetime | None:
    if window is None or window.latest_date_time is None:
        return None
    return _utc(window.latest_date_time)


def _utc(instant: datetime) -> datetime:
    return instant if instant.tzinfo is UTC else instant.astimezone(UTC)
