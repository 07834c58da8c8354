"""Shopify's order documents as orders. Pure: bytes in, `core.model.Order` out.

**Money is told as it stood before returns**, on both sides of the sum: `quantity`, discounts and taxes of a line count
removed and refunded units too, and so does `totalPriceSet`. An edited or refunded order therefore still adds up; what
was given back is not part of the order's sum. `discountAllocations` hold the line's share of order-wide discounts, so
nothing is left for `Order.discount`. Duties (unless the prices include them), additional fees and tips are
`adjustment`. Where prices include tax, no tax comes on top.

**Units.** Shipped is what living fulfilments hold, also when it was refunded later: a unit that left stays shipped.
Cancelled is what was removed or refunded before it left, and all of a cancelled order that has not left.

**A line without a parcel** (`requiresShipping` false: gift cards, downloads, services, tips) counts as shipped as soon
as it is ordered: it is handed over without us, and so is never reserved, routed or held.

**Holds.** Payment: PENDING, EXPIRED, VOIDED and REFUNDED never ship; PARTIALLY_PAID waits for the rest. AUTHORIZED
ships, as the money is promised and shops that capture by hand do so when they ship. Shopify's advice to cancel for
risk holds for fraud. A fulfilment order on hold or scheduled holds the whole order. A status that is not known holds
the order as such; the units of a fulfilment with one are not taken as shipped. Buyers who ask to cancel do so by
e-mail or in the shop's own apps: Shopify's API knows no such request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

import msgspec

from connectors.shopify.documents import (
    Counted,
    Discount,
    Document,
    Fulfillment,
    FulfillmentOrder,
    Id,
    LineItem,
    MailingAddress,
    Nodes,
    Refund,
    Tax,
)
from core.errors import BadDocument
from core.model import ZERO, Address, Hold, Line, Observation, Order, Package, Refunded, micros

T = TypeVar("T")

UNPAID = frozenset(("PENDING", "EXPIRED", "VOIDED", "REFUNDED", "PARTIALLY_PAID"))
PAID = frozenset(("AUTHORIZED", "PAID", "PARTIALLY_REFUNDED"))
LEFT = frozenset(("SUCCESS", "OPEN", "PENDING"))
"""A fulfilment's statuses under which its units are gone or a warehouse is at them."""
NOT_LEFT = frozenset(("CANCELLED", "ERROR", "FAILURE"))
WAITING = frozenset(("ON_HOLD", "SCHEDULED"))
OVER = frozenset(("CLOSED", "CANCELLED", "INCOMPLETE"))
KNOWN = frozenset(("OPEN", "IN_PROGRESS")) | WAITING | OVER

MOST_FULFILLMENTS = 250
MOST_REFUNDS = 50
"""As many as are read of one order: there may be more."""

_MOST_MONEY = 10**15

_document = msgspec.json.Decoder(Document)
_id = msgspec.json.Decoder(Id)
_CURRENCY = re.compile("[A-Z]{3}")
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")


def short(gid: str) -> str:
    """The number at the end of a global id ("gid://shopify/Order/1" is "1"): what people and the admin's URLs say."""
    return gid.rpartition("/")[2]


def is_number(text: str) -> bool:
    """Whether `text` is such a number."""
    return text.isascii() and text.isdecimal()


def gid(kind: str, number: str) -> str:
    """The global id of `number`, which may be one already."""
    return number if number.startswith("gid://") else f"gid://shopify/{kind}/{number}"


def observe(body: bytes) -> Observation:
    """A raw order node, as it stands. Its number is empty where even that cannot be read."""
    try:
        number = short(_id.decode(body).id)
    except (msgspec.DecodeError, UnicodeDecodeError):
        number = ""
    return Observation(number=number, body=body)


def normalize(body: bytes, places: Mapping[str, str]) -> Order:
    """A raw order node as an order. `places` is what the settings call each location, by its global id.

    Raises `BadDocument`: "path: what".
    """
    body = without_nul(body)
    try:
        document = _document.decode(body)
    except msgspec.ValidationError as error:
        what, _, path = str(error).rpartition(" - at `$.")
        raise BadDocument(f"{path.rstrip('`')}: {what}" if what else f"order: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadDocument(f"order: {error}") from None
    try:
        return _order(document, places)
    except ArithmeticError:
        raise BadDocument("order: an amount or an instant lies beyond all bounds") from None


def without_nul(body: bytes) -> bytes:
    """A document in which every NUL of its texts is replaced: databases refuse it."""
    return _NUL.sub(rb"\1\\ufffd", body) if b"\\" in body and b"\\u0000" in body else body


def _order(document: Document, places: Mapping[str, str]) -> Order:
    if not is_number(short(document.id)):
        raise BadDocument("id: no order's id")
    if not _CURRENCY.fullmatch(document.currency_code):
        raise BadDocument("currencyCode: no currency")
    _must_be_whole(document)
    shipped = _shipped(document.fulfillments)
    assigned = _assigned(document.fulfillment_orders.nodes, places)
    items = document.line_items.nodes
    lines = tuple(
        [_line(at, item, document, shipped.pop(item.id, 0), assigned.get(item.id, "")) for at, item in enumerate(items)]
    )
    if shipped:
        raise BadDocument("fulfillments: hold lines that the order does not have")
    if len({item.id for item in items}) < len(items):
        raise BadDocument("lineItems: a line stands twice")
    freight = document.shipping_line
    total = document.total_price_set
    shown = total.presentment_money
    elsewhere = shown.currency_code != document.currency_code
    address = _address(document.shipping_address)
    order = Order(
        number=short(document.id),
        name=document.name,
        version=micros(document.updated_at),
        placed_at=document.created_at.astimezone(UTC),
        currency=document.currency_code,
        total=total.shop_money.amount,
        shipping=freight.discounted_price_set.shop_money.amount if freight else ZERO,
        shipping_tax=_taxes(freight.tax_lines) if freight and not document.taxes_included else ZERO,
        adjustment=_adjustment(document),
        presentment_currency=shown.currency_code if elsewhere else "",
        presentment_total=shown.amount if elsewhere else ZERO,
        lines=lines,
        holds=_holds(document, lines, address),
        test=document.test,
        service=freight.title if freight else "",
        ship_by=_ship_by(document.fulfillment_orders.nodes),
        ship_to=address,
        email=document.email or "",
        packages=tuple(_packages(document.fulfillments)),
        refunds=tuple(_refunds(document.refunds)) if document.refunds else (),
    )
    _must_be_finite(order)
    return order


def _line(at: int, item: LineItem, document: Document, shipped: int, place: str) -> Line:
    line = short(item.id)
    if not is_number(line):
        raise BadDocument(f"lineItems.nodes[{at}].id: no line's id")
    ordered, removed = item.quantity, item.quantity - item.current_quantity
    if removed < 0:
        raise BadDocument(f"lineItems.nodes[{at}].currentQuantity: more than the {ordered} ordered")
    if shipped > ordered:
        raise BadDocument(f"lineItems.nodes[{at}]: {shipped} shipped of {ordered} ordered")
    cancelled = 0
    if removed or document.cancelled_at is not None:
        cancelled = never_shipping(item, shipped, whole=document.cancelled_at is not None)
    if not item.requires_shipping:
        shipped = ordered - cancelled
    return Line(
        number=line,
        sku=item.sku or "",
        title=item.name,
        ordered=ordered,
        cancelled=cancelled,
        shipped=shipped,
        unit_price=item.original_unit_price_set.shop_money.amount,
        tax=_taxes(item.tax_lines) if not document.taxes_included else ZERO,
        discount=_discounts(item.discount_allocations),
        place=place,
    )


def never_shipping(item: Counted, shipped: int, *, whole: bool) -> int:
    """Units of a line that will never ship, of which `shipped` have; `whole`: all of its order is cancelled."""
    if whole:
        return item.quantity - shipped
    # A refund does not say whether its units had left. What is neither shipped nor still to be fulfilled had not.
    removed = item.quantity - item.current_quantity
    gone = item.quantity - shipped - item.unfulfilled_quantity
    return max(removed - shipped, min(removed, gone), 0)


def _taxes(lines: Iterable[Tax]) -> Decimal:
    total = ZERO
    for line in lines:
        total += line.price_set.shop_money.amount
    return total


def _discounts(parts: Iterable[Discount]) -> Decimal:
    total = ZERO
    for part in parts:
        total += part.allocated_amount_set.shop_money.amount
    return total


def _adjustment(document: Document) -> Decimal:
    adjustment = ZERO
    if document.original_total_duties_set is not None and not document.duties_included:
        adjustment += document.original_total_duties_set.shop_money.amount
    if document.original_total_additional_fees_set is not None:
        adjustment += document.original_total_additional_fees_set.shop_money.amount
    tip = document.total_tip_received_set.shop_money.amount
    if tip and not any(_is_tip(item, tip) for item in document.line_items.nodes):
        adjustment += tip
    return adjustment


def _is_tip(item: LineItem, tip: Decimal) -> bool:
    """A tip comes as a sum of its own, and sometimes as a line as well: without SKU, of that very amount."""
    price = item.original_unit_price_set.shop_money.amount
    return not item.requires_shipping and not item.sku and price * item.quantity == tip


def _shipped(fulfillments: Iterable[Fulfillment]) -> dict[str, int]:
    """Units that left, by line id."""
    units: dict[str, int] = {}
    for fulfillment in fulfillments:
        if fulfillment.status in LEFT:
            for row in fulfillment.fulfillment_line_items.nodes:
                units[row.line_item.id] = units.get(row.line_item.id, 0) + row.quantity
    return units


def _assigned(fulfillment_orders: Iterable[FulfillmentOrder], places: Mapping[str, str]) -> dict[str, str]:
    """The place that most units of each line were taken from; only where the locations were asked for."""
    most: dict[str, tuple[int, str]] = {}
    for part in fulfillment_orders:
        location = part.assigned_location.location if part.assigned_location else None
        if location is None or part.line_items is None or part.status in ("CANCELLED", "INCOMPLETE"):
            continue
        place = places.get(location.id, location.id)
        for row in part.line_items.nodes:
            if row.total_quantity > most.get(row.line_item.id, (0, ""))[0]:
                most[row.line_item.id] = (row.total_quantity, place)
    return {line: place for line, (_, place) in most.items()}


def _packages(fulfillments: Iterable[Fulfillment]) -> Iterable[Package]:
    for fulfillment in fulfillments:
        if fulfillment.status not in LEFT:
            continue
        parcels = [tracking for tracking in fulfillment.tracking_info if tracking.number]
        # With several numbers on one fulfilment nobody says which units are in which parcel.
        rows = fulfillment.fulfillment_line_items.nodes if len(parcels) == 1 else ()
        lines: dict[str, int] = {}
        for row in rows:
            lines[short(row.line_item.id)] = lines.get(short(row.line_item.id), 0) + row.quantity
        for tracking in parcels:
            yield Package(tracking=tracking.number or "", carrier=tracking.company or "", lines=lines)


def _refunds(refunds: Iterable[Refund]) -> Iterable[Refunded]:
    """Refunds that gave money back; others only took units off."""
    for refund in refunds:
        amount = refund.total_refunded_set.shop_money.amount
        if not amount:
            continue
        lines: dict[str, int] = {}
        for row in refund.refund_line_items.nodes:
            lines[short(row.line_item.id)] = lines.get(short(row.line_item.id), 0) + row.quantity
        yield Refunded(number=short(refund.id), at=refund.processed_at.astimezone(UTC), amount=amount, lines=lines)


def _holds(document: Document, lines: tuple[Line, ...], address: Address | None) -> tuple[Hold, ...]:
    """Why what is still open may not ship; an order with nothing left to ship is only marked as a test."""
    holds = [Hold.TEST] if document.test else []
    for line in lines:
        if line.ordered > line.cancelled + line.shipped:
            break
    else:
        return tuple(holds)
    status = document.display_financial_status
    unknown = status not in UNPAID and status not in PAID
    waits = False
    for part in document.fulfillment_orders.nodes:
        waits = waits or part.status in WAITING
        unknown = unknown or part.status not in KNOWN
    for fulfillment in document.fulfillments:
        unknown = unknown or (fulfillment.status not in LEFT and fulfillment.status not in NOT_LEFT)
    if status in UNPAID:
        holds.append(Hold.PAYMENT)
    if document.risk is not None and document.risk.recommendation == "CANCEL":
        holds.append(Hold.FRAUD)
    if waits:
        holds.append(Hold.CHANNEL)
    if unknown:
        holds.append(Hold.UNKNOWN_STATUS)
    if address is None:
        holds.append(Hold.ADDRESS)
    return tuple(holds)


def _ship_by(fulfillment_orders: Iterable[FulfillmentOrder]) -> datetime | None:
    first = None
    for part in fulfillment_orders:
        due = part.fulfill_by
        if due is not None and part.status not in OVER and (first is None or due < first):
            first = due
    return None if first is None else first.astimezone(UTC)


def _address(given: MailingAddress | None) -> Address | None:
    """None where nobody could deliver to it."""
    if given is None or not (given.address1 or given.zip):
        return None
    return Address(
        name=given.name or "",
        company=given.company or "",
        line1=given.address1 or "",
        line2=given.address2 or "",
        city=given.city or "",
        region=given.province_code or given.province or "",
        postal_code=given.zip or "",
        country=given.country_code_v2 or "",
        phone=given.phone or "",
    )


def _must_be_whole(document: Document) -> None:
    """Half an order would reserve half its stock."""
    _must_end("lineItems", document.line_items)
    _must_end("fulfillmentOrders", document.fulfillment_orders)
    if len(document.fulfillments) >= MOST_FULFILLMENTS:
        raise BadDocument(f"fulfillments: {MOST_FULFILLMENTS} or more; Shopify lists no further ones")
    if len(document.refunds) >= MOST_REFUNDS:
        raise BadDocument(f"refunds: {MOST_REFUNDS} or more; no further ones were read")
    for refund in document.refunds:
        _must_end("refunds", refund.refund_line_items)
    for fulfillment in document.fulfillments:
        _must_end("fulfillments", fulfillment.fulfillment_line_items)
    for part in document.fulfillment_orders.nodes:
        if part.line_items is not None:
            _must_end("fulfillmentOrders.nodes", part.line_items)


def _must_end(path: str, list_: Nodes[T]) -> None:
    if list_.page_info is not None and list_.page_info.has_next_page:
        raise BadDocument(f"{path}: not all of it was read")


def _must_be_finite(order: Order) -> None:
    money = order.total + order.shipping + order.shipping_tax + order.adjustment + order.presentment_total
    for line in order.lines:
        money += line.unit_price + line.tax + line.discount
    if not money.is_finite() or abs(money) > _MOST_MONEY:
        raise BadDocument("totalPriceSet: some amount is none")
