"""What is read of Shopify's order documents: names as Shopify has them, fields we do not use skipped."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Generic, TypeVar

import msgspec

from core.model import MAX_QUANTITY

T = TypeVar("T")

Units = Annotated[int, msgspec.Meta(ge=0, le=MAX_QUANTITY)]
SomeUnits = Annotated[int, msgspec.Meta(ge=1, le=MAX_QUANTITY)]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class Record(msgspec.Struct, rename="camel", gc=False):
    """Base of every shape here."""


class Amount(Record):
    amount: Decimal
    currency_code: str = ""


class Money(Record):
    shop_money: Amount


class Total(Record):
    shop_money: Amount
    presentment_money: Amount


class Tax(Record):
    price_set: Money


class Discount(Record):
    allocated_amount_set: Money


class PageInfo(Record):
    has_next_page: bool
    end_cursor: str | None = None


class Nodes(Record, Generic[T]):
    nodes: list[T]
    page_info: PageInfo | None = None


class Id(Record):
    id: str


class Counted(Record):
    """A line's counts: all units ever ordered, those not removed or refunded, those not fulfilled."""

    id: str
    quantity: SomeUnits
    current_quantity: Units
    unfulfilled_quantity: Units
    requires_shipping: bool


class LineItem(Counted, kw_only=True):
    name: str
    original_unit_price_set: Money
    discount_allocations: list[Discount]
    tax_lines: list[Tax]
    sku: str | None = None


class Tracking(Record):
    number: str | None = None
    company: str | None = None


class FulfilledLine(Record):
    line_item: Id
    quantity: Units


class Fulfillment(Record):
    status: str
    tracking_info: list[Tracking]
    fulfillment_line_items: Nodes[FulfilledLine]


class AssignedLocation(Record):
    location: Id | None = None


class Assigned(Record):
    line_item: Id
    total_quantity: Units


class FulfillmentOrder(Record):
    status: str
    fulfill_by: Instant | None = None
    assigned_location: AssignedLocation | None = None
    line_items: Nodes[Assigned] | None = None


class RefundedLine(Record):
    line_item: Id
    quantity: Units


class Refund(Record):
    id: str
    processed_at: Instant
    total_refunded_set: Money
    refund_line_items: Nodes[RefundedLine]


class ShippingLine(Record):
    title: str
    discounted_price_set: Money
    tax_lines: list[Tax]


class MailingAddress(Record):
    name: str | None = None
    company: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    province: str | None = None
    province_code: str | None = None
    zip: str | None = None
    country_code_v2: str | None = msgspec.field(name="countryCodeV2", default=None)
    phone: str | None = None


class Risk(Record):
    recommendation: str


class Document(Record):
    """An order as `queries.ORDER` asks for it."""

    id: str
    name: str
    created_at: Instant
    updated_at: Instant
    currency_code: str
    test: bool
    taxes_included: bool
    total_price_set: Total
    total_tip_received_set: Money
    line_items: Nodes[LineItem]
    fulfillments: list[Fulfillment]
    fulfillment_orders: Nodes[FulfillmentOrder]
    cancelled_at: Instant | None = None
    display_financial_status: str | None = None
    duties_included: bool = False
    original_total_duties_set: Money | None = None
    original_total_additional_fees_set: Money | None = None
    shipping_line: ShippingLine | None = None
    shipping_address: MailingAddress | None = None
    risk: Risk | None = None
    email: str | None = None
    refunds: list[Refund] = []
