"""The JSON that warehouses and we write to each other where no vendor has a format of his own: docs/warehouses.md.

Strict where a guess would move stock: whole numbers are numbers, instants have their zone, and nothing that is missing
is taken for nought.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec

from core.errors import BadDocument
from core.handover import Accepted, Adjusted, Box, Counted, Declined, Event, Left, Recall, Withdrawn, WorkOrder
from core.model import MAX_QUANTITY

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Units = Mapping[Text, Annotated[int, msgspec.Meta(ge=1, le=MAX_QUANTITY)]]


class _Event(msgspec.Struct, tag_field="type"):
    id: Text


class _Accepted(_Event, tag="accepted"):
    at: Instant
    work: Text


class _Declined(_Event, tag="declined"):
    at: Instant
    work: Text
    reason: str = ""
    lines: Units = {}
    short: bool = False


class _Parcel(msgspec.Struct):
    tracking: str
    carrier: str
    lines: Units
    service: str = ""
    tracking_url: str = ""


class _Left(_Event, tag="left"):
    at: Instant
    work: Text
    parcels: Annotated[list[_Parcel], msgspec.Meta(min_length=1)]
    place: str = ""


class _Withdrawn(_Event, tag="recall"):
    at: Instant
    recall: Text
    done: bool
    reason: str = ""


class _Counted(_Event, tag="counted"):
    as_of: Instant
    place: Text
    units: Mapping[Text, Annotated[int, msgspec.Meta(ge=0, le=MAX_QUANTITY)]]


class _Adjusted(_Event, tag="adjusted"):
    at: Instant
    place: Text
    sku: Text
    change: Annotated[int, msgspec.Meta(ge=-MAX_QUANTITY, le=MAX_QUANTITY)]
    reason: str = ""


_Any = _Accepted | _Declined | _Left | _Withdrawn | _Counted | _Adjusted
_decoder = msgspec.json.Decoder(_Any)


def normalize(body: bytes) -> Event:
    """One event's JSON. Raises `BadDocument` with what is wrong and where."""
    try:
        return _event(_decoder.decode(body))
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadDocument(f"it is no event: {error}") from None


def _event(found: _Any) -> Event:
    if isinstance(found, _Accepted):
        return Accepted(id=found.id, at=found.at, work=found.work)
    if isinstance(found, _Declined):
        return Declined(
            id=found.id, at=found.at, work=found.work, reason=found.reason, lines=found.lines, short=found.short
        )
    if isinstance(found, _Left):
        boxes = tuple(
            Box(
                tracking=one.tracking.strip(),
                carrier=one.carrier,
                lines=one.lines,
                service=one.service,
                tracking_url=one.tracking_url,
            )
            for one in found.parcels
        )
        if not all(box.lines for box in boxes):
            raise BadDocument("a parcel names no lines - at `$.parcels[...].lines`")
        return Left(id=found.id, at=found.at, work=found.work, boxes=boxes, place=found.place)
    if isinstance(found, _Withdrawn):
        return Withdrawn(id=found.id, at=found.at, recall=found.recall, done=found.done, reason=found.reason)
    if isinstance(found, _Counted):
        return Counted(id=found.id, as_of=found.as_of, place=found.place, units=found.units)
    if found.change == 0:
        raise BadDocument("it changes nothing - at `$.change`")
    return Adjusted(
        id=found.id, at=found.at, place=found.place, sku=found.sku, change=found.change, reason=found.reason
    )


class _Named(msgspec.Struct):
    id: str = ""


def id_of(body: bytes) -> str:
    """The id an event's JSON names; empty where it cannot be read."""
    try:
        return msgspec.json.decode(body, type=_Named).id
    except (msgspec.DecodeError, RecursionError):
        return ""


def work(order: WorkOrder) -> dict[str, Any]:
    """A work order as JSON has it."""
    to = order.ship_to
    return {
        "key": order.key,
        "place": order.place,
        "order": order.order,
        "channel": order.channel,
        "placed_at": order.placed_at,
        "lines": [
            {"number": line.number, "sku": line.sku, "quantity": line.quantity, "title": line.title}
            for line in order.lines
        ],
        "ship_to": {**msgspec.structs.asdict(to), "email": order.email},
        "service": order.service,
        "ship_by": order.ship_by,
        "deliver_by": order.deliver_by,
    }


def recall(one: Recall) -> dict[str, Any]:
    """A recall as JSON has it."""
    return {"key": one.key, "work": one.work, "place": one.place, "lines": dict(one.lines), "whole": one.whole}
