"""What ShipStation's labels tell: shapes of its answers, and documents of one event each, without the address. Pure.

A label is one parcel. One that was voided after it had been told as a parcel is nothing that core has an event for: its
document cannot be booked, and says to the person who reads it what to do.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Any

import msgspec

from connectors.shipstation import times
from connectors.shipstation.orders import line_of
from core.errors import BadDocument
from core.handover import Box, Event, Left, Notice
from core.model import MAX_QUANTITY

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
Units = Annotated[int, msgspec.Meta(ge=0, le=MAX_QUANTITY)]


class Item(msgspec.Struct, rename="camel"):
    quantity: Units
    line_item_key: str | None = None
    sku: str | None = None


class Shipment(msgspec.Struct, rename="camel"):
    shipment_id: int
    create_date: str
    order_id: int | None = None
    order_key: str | None = None
    order_number: str | None = None
    tracking_number: str | None = None
    carrier_code: str | None = None
    service_code: str | None = None
    warehouse_id: int | None = None
    voided: bool = False
    void_date: str | None = None
    is_return_label: bool | None = False
    shipment_items: list[Item] | None = None


class Shipments(msgspec.Struct):
    """A page of labels: each stays as it came, as one that cannot be read must not lose its neighbours."""

    shipments: list[msgspec.Raw]
    page: int
    pages: int

    @property
    def rows(self) -> list[msgspec.Raw]:
        return self.shipments


class Document(msgspec.Struct, omit_defaults=True):
    """One label in ShipStation's words, and the instant that its clock meant when it was read."""

    id: str
    kind: str
    """label, void or unread."""
    work: str = ""
    at: Instant | None = None
    tracking: str = ""
    carrier: str = ""
    service: str = ""
    place: str = ""
    items: list[Item] = []
    problem: str = ""


class Found(msgspec.Struct):
    """A label that is about our work."""

    label: str
    """The id of its event as a parcel."""
    made: datetime | None
    """None: it cannot be read."""
    void: datetime | None
    """When it was voided; None: it was not."""
    document: Document
    order: int | None = None
    """ShipStation's own number of the order."""


def find(raw: bytes, prefix: str, now: datetime) -> Found | None:
    """A listed label; None where it is none of ours, or comes back (a return's label)."""
    try:
        shipment = msgspec.json.decode(raw, type=Shipment)
        made = times.instant(shipment.create_date, now)
        void = times.instant(shipment.void_date or shipment.create_date, now) if shipment.voided else None
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        return _unread(raw, prefix, str(error))
    if shipment.is_return_label or not _is_ours(shipment.order_key, shipment.order_number, prefix):
        return None
    work = shipment.order_key or ""
    document = Document(
        id=str(shipment.shipment_id),
        kind="label",
        work=work,
        at=made,
        tracking=(shipment.tracking_number or "").strip(),
        carrier=shipment.carrier_code or "",
        service=shipment.service_code or "",
        place="" if shipment.warehouse_id is None else str(shipment.warehouse_id),
        items=shipment.shipment_items or [],
    )
    if not work.startswith(prefix):
        document.problem = (
            f"label {document.id} is of the order numbered {shipment.order_number}, which is not the one we handed "
            "over; book the parcel with `ordersync ship`"
        )
    return Found(label=document.id, made=made, void=void, document=document, order=shipment.order_id)


def voided(found: Found) -> Document:
    """The document that says that a label was voided after it was told as a parcel."""
    label = found.document
    return Document(id=f"{label.id}:void", kind="void", work=label.work, at=found.void, tracking=label.tracking)


def notice(document: Document) -> Notice:
    return Notice(id=document.id, body=msgspec.json.encode(document))


def normalize(body: bytes) -> Event:
    """A document as an event. Raises `BadDocument` with what is wrong and where."""
    try:
        found = msgspec.json.decode(body, type=Document)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadDocument(f"it is nothing that ShipStation told: {error}") from None
    if found.problem:
        raise BadDocument(found.problem)
    if found.kind == "void":
        raise BadDocument(
            f"the label {found.tracking} of {found.work} was voided in ShipStation after it was told as a parcel; if "
            f"it did not leave, take it back with `ordersync void`, which deletes {found.work} there where it has no "
            "other label, and asks for its units anew; then settle this notice"
        )
    if found.kind != "label" or not found.id or not found.work or found.at is None:
        raise BadDocument("it is no label of ShipStation's")
    if not found.tracking:
        raise BadDocument(f"label {found.id} of {found.work} has no tracking number; book it with `ordersync ship`")
    box = Box(tracking=found.tracking, carrier=found.carrier, lines=_lines(found), service=found.service)
    return Left(id=found.id, at=found.at, work=found.work, boxes=(box,), place=found.place)


def _lines(found: Document) -> dict[str, int]:
    """Units by line number, or by SKU where ShipStation does not give our line's key back."""
    units: dict[str, int] = {}
    for item in found.items:
        if not item.quantity:
            continue
        line = item.sku or ""
        if item.line_item_key:
            work, line = line_of(item.line_item_key)
            if work != found.work:
                other = f"of {work} too" if work else "that we did not ask for"
                raise BadDocument(
                    f"label {found.id} of {found.work} holds units {other}; book it with `ordersync ship`"
                )
        if not line:
            raise BadDocument(f"label {found.id} of {found.work} holds units without line and SKU")
        units[line] = units.get(line, 0) + item.quantity
    if not units:
        raise BadDocument(
            f"label {found.id} of {found.work} names nothing that it holds; book it with `ordersync ship`"
        )
    return units


def _is_ours(key: object, number: object, prefix: str) -> bool:
    """By the key; a part that was split off may have another key and begins with our number."""
    return any(isinstance(one, str) and one.startswith(prefix) for one in (key, number))


class _Head(msgspec.Struct, rename="camel"):
    shipment_id: Any = None
    order_key: Any = None
    order_number: Any = None


def _unread(raw: bytes, prefix: str, why: str) -> Found | None:
    """A label that cannot be read, without its text: an address may be in it."""
    try:
        head = msgspec.json.decode(raw, type=_Head)
    except (msgspec.DecodeError, RecursionError):
        head = _Head()
    known = head.order_key is not None or head.order_number is not None
    if known and not _is_ours(head.order_key, head.order_number, prefix):
        return None
    id = str(head.shipment_id) if isinstance(head.shipment_id, int) else hashlib.sha256(raw).hexdigest()[:32]
    problem = f"label {id} cannot be read ({why}); look at it in ShipStation and book it with `ordersync ship`"
    return Found(label=id, made=None, void=None, document=Document(id=id, kind="unread", problem=problem))
