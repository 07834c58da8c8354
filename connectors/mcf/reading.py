"""What Amazon says of fulfilment orders: answers as shapes, and documents of one event each, without the address.

An answer holds the buyer's address. A document keeps only what an event is made of, in Amazon's own words, so that a
later version can read it again.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated

import msgspec

from core.errors import BadDocument
from core.handover import Accepted, Box, Counted, Declined, Event, Left, Notice
from core.model import MAX_QUANTITY

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
Units = Annotated[int, msgspec.Meta(ge=0, le=MAX_QUANTITY)]

CANCELLABLE = ("New", "Received", "Planning")
DOING = ("Planning", "Processing", "Complete", "CompletePartialled")
FAILED = ("Unfulfillable", "Invalid", "Cancelled")
FINAL = ("Complete", "CompletePartialled", *FAILED)


class Item(msgspec.Struct, rename="camel"):
    seller_sku: str
    seller_fulfillment_order_item_id: str
    quantity: Units
    cancelled_quantity: Units
    unfulfillable_quantity: Units


class ShipmentItem(msgspec.Struct, rename="camel"):
    seller_fulfillment_order_item_id: str
    quantity: Units
    package_number: int | None = None


class Package(msgspec.Struct, rename="camel"):
    package_number: int
    carrier_code: str
    tracking_number: str | None = None
    amazon_fulfillment_tracking_number: str | None = None

    @property
    def number(self) -> str:
        return self.tracking_number or self.amazon_fulfillment_tracking_number or ""


class Shipment(msgspec.Struct, rename="camel"):
    amazon_shipment_id: str
    fulfillment_shipment_status: str
    fulfillment_shipment_item: list[ShipmentItem]
    shipping_date: Instant | None = None
    fulfillment_shipment_package: list[Package] | None = None

    @property
    def is_told(self) -> bool:
        """Whether it has left and every package has its number: before that there is nothing to book."""
        packages = self.fulfillment_shipment_package or []
        return self.fulfillment_shipment_status == "SHIPPED" and bool(packages) and all(one.number for one in packages)


class Order(msgspec.Struct, rename="camel"):
    seller_fulfillment_order_id: str
    fulfillment_order_status: str
    status_updated_date: Instant
    received_date: Instant


class Payload(msgspec.Struct, rename="camel"):
    fulfillment_order: Order
    fulfillment_order_items: list[Item]
    fulfillment_shipments: list[Shipment] | None = None


class Answer(msgspec.Struct):
    """getFulfillmentOrder."""

    payload: Payload


class Listed(msgspec.Struct, rename="camel"):
    next_token: str | None = None
    fulfillment_orders: list[Order] | None = None


class ListAnswer(msgspec.Struct):
    """listAllFulfillmentOrders."""

    payload: Listed


class Document(msgspec.Struct, omit_defaults=True):
    """One event in Amazon's words."""

    id: str
    kind: str
    """status, shipment or stock."""
    order: str = ""
    status: str = ""
    at: Instant | None = None
    place: str = ""
    items: list[Item] = []
    shipment: Shipment | None = None
    units: Mapping[str, Units] = {}


def notices(found: Payload) -> Iterator[Notice]:
    """What an order tells by now, each event once and always under the same id."""
    order = found.fulfillment_order
    key, status = order.seller_fulfillment_order_id, order.fulfillment_order_status
    if status in DOING:
        # Its instant is one that stays: the status changes again, and the same event says the same for ever.
        yield _notice(Document(id=f"{key}:accepted", kind="status", order=key, status="Planning",
                               at=order.received_date))  # fmt: skip
    for shipment in found.fulfillment_shipments or ():
        if shipment.is_told:
            yield _notice(Document(id=f"{key}:{shipment.amazon_shipment_id}", kind="shipment", order=key,
                                   shipment=shipment))  # fmt: skip
    off = any(item.unfulfillable_quantity or item.cancelled_quantity for item in found.fulfillment_order_items)
    if status in FAILED or (status == "CompletePartialled" and off) or status not in (*DOING, *FAILED, *CANCELLABLE):
        yield _notice(Document(id=f"{key}:{status}", kind="status", order=key, status=status,
                               at=order.status_updated_date, items=found.fulfillment_order_items))  # fmt: skip


def counted(place: str, units: Mapping[str, int], at: datetime) -> Notice:
    """FBA stock as a count of the location."""
    mark = hashlib.sha256(msgspec.json.encode([at, dict(units)])).hexdigest()[:32]
    return _notice(Document(id=f"stock:{mark}", kind="stock", at=at, place=place, units=units))


def _notice(document: Document) -> Notice:
    return Notice(id=document.id, body=msgspec.json.encode(document))


def normalize(body: bytes) -> Event:
    """A document as an event. Raises `BadDocument` with what is wrong and where."""
    try:
        found = msgspec.json.decode(body, type=Document)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadDocument(f"it is nothing that Amazon told: {error}") from None
    if not found.id:
        raise BadDocument("it has no id")
    if found.shipment is not None:
        return _left(found, found.shipment)
    if found.at is None:
        raise BadDocument("it says not when it was")
    if found.kind == "stock":
        return Counted(id=found.id, as_of=found.at, place=found.place, units=found.units)
    if found.status == "Planning":
        return Accepted(id=found.id, at=found.at, work=found.order)
    if found.status in FAILED:
        why = "cancelled at Amazon" if found.status == "Cancelled" else f"Amazon calls it {found.status.lower()}"
        return Declined(id=found.id, at=found.at, work=found.order, reason=why)
    if found.status == "CompletePartialled":
        lines = {
            item.seller_fulfillment_order_item_id: item.unfulfillable_quantity + item.cancelled_quantity
            for item in found.items
            if item.unfulfillable_quantity or item.cancelled_quantity
        }
        return Declined(id=found.id, at=found.at, work=found.order, reason="Amazon sent a part only", lines=lines)
    raise BadDocument(f"Amazon calls it {found.status!r}, which this version does not know")


def _left(found: Document, shipment: Shipment) -> Event:
    if shipment.shipping_date is None:
        raise BadDocument("a shipment that left has no shippingDate")
    packages = shipment.fulfillment_shipment_package or []
    held: defaultdict[int, dict[str, int]] = defaultdict(dict)
    for item in shipment.fulfillment_shipment_item:
        package = item.package_number
        if package is None and len(packages) == 1:
            package = packages[0].package_number
        if package is None or package not in {one.package_number for one in packages}:
            raise BadDocument("an item is in no package of its shipment")
        number = item.seller_fulfillment_order_item_id
        if item.quantity:
            held[package][number] = held[package].get(number, 0) + item.quantity
    boxes = tuple(
        Box(tracking=one.number, carrier=one.carrier_code, lines=held[one.package_number])
        for one in packages
        if held.get(one.package_number)
    )
    if not boxes:
        raise BadDocument("its packages hold nothing")
    return Left(id=found.id, at=shipment.shipping_date, work=found.order, boxes=boxes)


def set_apart(one: Payload) -> dict[str, int]:
    """Units that Amazon has set apart for this work and has not sent, by SKU: FBA does not call them fulfillable."""
    if one.fulfillment_order.fulfillment_order_status not in ("Planning", "Processing"):
        return {}
    gone: defaultdict[str, int] = defaultdict(int)
    for shipment in one.fulfillment_shipments or ():
        if shipment.fulfillment_shipment_status == "SHIPPED":
            for each in shipment.fulfillment_shipment_item:
                gone[each.seller_fulfillment_order_item_id] += each.quantity
    units: defaultdict[str, int] = defaultdict(int)
    for item in one.fulfillment_order_items:
        off = item.cancelled_quantity + item.unfulfillable_quantity + gone[item.seller_fulfillment_order_item_id]
        units[item.seller_sku] += max(0, item.quantity - off)
    return {sku: count for sku, count in units.items() if count}
