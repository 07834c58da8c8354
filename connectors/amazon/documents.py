"""The parts of the vendor's order documents that are read, by their own names. Unknown fields are skipped."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated

import msgspec

from core.model import MAX_QUANTITY

Quantity = Annotated[int, msgspec.Meta(ge=0, le=MAX_QUANTITY)]
Name = Annotated[str, msgspec.Meta(min_length=1)]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class Part(msgspec.Struct, rename="camel", gc=False):
    """A struct of the vendor's: unknown fields are skipped, null reads as absent."""


class Money(Part, gc=False):
    amount: Decimal
    currency_code: str


class Detail(Part, gc=False):
    subtype: str | None = None
    value: Money | None = None


class Charge(Part, gc=False):
    type: str
    subtotal: Money
    detailed_breakdowns: list[Detail] | None = None


class Proceeds(Part, gc=False):
    breakdowns: list[Charge] | None = None


class Total(Part, gc=False):
    grand_total: Money | None = None
    breakdowns: list[Charge] | None = None


class Price(Part, gc=False):
    unit_price: Money | None = None


class Product(Part, gc=False):
    title: str | None = None
    seller_sku: str | None = None
    price: Price | None = None


class Said(Part, gc=False):
    """Something of which only its being there counts."""


class Cancellation(Part, gc=False):
    cancellation_request: Said | None = None
    cancellation_execution: Said | None = None


class Units(Part, gc=False):
    quantity_fulfilled: Quantity | None = None
    quantity_unfulfilled: Quantity | None = None


class Item(Part, gc=False):
    order_item_id: Name
    quantity_ordered: Quantity
    product: Product
    proceeds: Proceeds | None = None
    cancellation: Cancellation | None = None
    fulfillment: Units | None = None


class Window(Part, gc=False):
    latest_date_time: Instant | None = None


class Fulfillment(Part, gc=False):
    fulfillment_status: str
    fulfilled_by: str | None = None
    fulfillment_service_level: str | None = None
    ship_by_window: Window | None = None
    deliver_by_window: Window | None = None


class AddressDocument(Part, gc=False):
    name: str | None = None
    company_name: str | None = None
    address_line1: str | None = None
    address_line2: str | None = None
    address_line3: str | None = None
    city: str | None = None
    state_or_region: str | None = None
    postal_code: str | None = None
    country_code: str | None = None
    phone: str | None = None


class Recipient(Part, gc=False):
    delivery_address: AddressDocument | None = None


class Buyer(Part, gc=False):
    buyer_email: str | None = None


class SalesChannel(Part, gc=False):
    marketplace_id: str | None = None


class PackageItem(Part, gc=False):
    order_item_id: Name
    quantity: Quantity


class PackageStatus(Part, gc=False):
    status: str | None = None


class PackageDocument(Part, gc=False):
    package_status: PackageStatus | None = None
    carrier: str | None = None
    tracking_number: str | None = None
    package_items: list[PackageItem] | None = None


class AssociatedOrder(Part, gc=False):
    association_type: str | None = None


class OrderDocument(Part, gc=False):
    order_id: Name
    created_time: Instant
    last_updated_time: Instant
    order_items: list[Item]
    sales_channel: SalesChannel | None = None
    buyer: Buyer | None = None
    recipient: Recipient | None = None
    proceeds: Total | None = None
    fulfillment: Fulfillment | None = None
    packages: list[PackageDocument] | None = None
    associated_orders: list[AssociatedOrder] | None = None
