"""Walmart's order documents as they are: their shapes, and reading bytes into them.

Source: Marketplace Order Management, the answers of `GET /v3/orders` and `GET /v3/orders/{purchaseOrderId}`. The single
order comes wrapped as `{"order": ...}` although the spec shows it bare, and in a list a wrapped one may stand between
bare ones: both are read.
"""

from __future__ import annotations

import re
from decimal import Decimal

import msgspec

from core.errors import BadDocument
from core.model import Observation

_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")


class Document(msgspec.Struct, gc=False, rename="camel"):
    """Base of what is decoded: fields nobody needs are skipped, and so are those that are null."""


class Money(Document):
    amount: Decimal
    currency: str


class Tax(Document):
    tax_amount: Money | None = None


class Charge(Document):
    charge_type: str
    charge_amount: Money
    charge_name: str | None = None
    is_discount: bool | None = None
    tax: Tax | None = None
    tax_and_other_fees: Tax | None = None


class Charges(Document):
    charge: list[Charge] | None = None


class Quantity(Document):
    amount: str | int


class CarrierName(Document):
    carrier: str | None = None
    other_carrier: str | None = None


class Tracking(Document):
    tracking_number: str | None = None
    carrier_name: CarrierName | None = None


class LineStatus(Document):
    status: str
    status_quantity: Quantity
    tracking_info: Tracking | None = None


class LineStatuses(Document):
    order_line_status: list[LineStatus]


class Item(Document):
    product_name: str | None = None
    sku: str | None = None


class RefundCharge(Document):
    charge: Charge


class RefundCharges(Document):
    refund_charge: list[RefundCharge] | None = None


class LineRefund(Document):
    refund_charges: RefundCharges | None = None


class OrderLine(Document):
    line_number: str
    item: Item
    order_line_quantity: Quantity
    order_line_statuses: LineStatuses
    status_date: int | None = None
    charges: Charges | None = None
    intent_to_cancel: str | bool | None = None
    refund: LineRefund | None = None


class OrderLines(Document):
    order_line: list[OrderLine]


class PostalAddress(Document):
    name: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None


class ShippingInfo(Document):
    phone: str | None = None
    estimated_delivery_date: int | None = None
    estimated_ship_date: int | None = None
    method_code: str | None = None
    postal_address: PostalAddress | None = None


class ShipNode(Document):
    type: str | None = None
    id: str | None = None


class SummaryAmount(Document):
    currency_amount: Decimal | None = None


class OrderSummary(Document):
    total_amount: SummaryAmount | None = None


class PurchaseOrder(Document):
    purchase_order_id: str
    order_date: int
    order_lines: OrderLines
    customer_order_id: str | None = None
    customer_email_id: str | None = None
    shipping_info: ShippingInfo | None = None
    ship_node: ShipNode | None = None
    order_summary: OrderSummary | None = None


class Wrapped(Document):
    order: PurchaseOrder


_NOTHING = msgspec.Raw()


class _Peek(Document):
    purchase_order_id: str = ""
    order: msgspec.Raw = _NOTHING


_decode = msgspec.json.Decoder(PurchaseOrder).decode
_decode_wrapped = msgspec.json.Decoder(Wrapped).decode
_peek = msgspec.json.Decoder(_Peek).decode


def observe(document: bytes | msgspec.Raw) -> Observation:
    """One document as it came, unwrapped, with its purchase order id; an empty id where that cannot be read."""
    body = bytes(document)
    try:
        seen = _peek(body)
        if not seen.purchase_order_id and bytes(seen.order):
            body = bytes(seen.order)
            seen = _peek(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Observation(number="", body=body)
    return Observation(number=seen.purchase_order_id, body=body)


def read(body: bytes) -> PurchaseOrder:
    """The document as its vendor means it. Raises `BadDocument` with the path and what is wrong there."""
    if b"\\" in body and rb"\u0000" in body:  # no database keeps NUL in text
        body = _NUL.sub(rb"\1\\ufffd", body)
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if b'"order"' in body[:64]:
            try:
                return _decode_wrapped(body).order
            except (msgspec.DecodeError, UnicodeDecodeError) as inner:
                raise _bad(inner) from None
        raise _bad(error) from None


def _bad(error: Exception) -> BadDocument:
    what, _, path = str(error).rpartition(" - at `$")
    return BadDocument(f"{path.strip('.`')}: {what}" if what else f"the document: {error}")
