"""The words between us and a warehouse: the work it is asked to do, and what it tells of.

All are frozen, and none knows the store. A key is ours and stable for ever; an id is the warehouse's. Quantities are
units of single items, never of kits: a kit's line is asked for as its components. SKUs are the warehouse's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from core.model import Address


class WorkLine(msgspec.Struct, frozen=True, kw_only=True):
    """Units of one item that a location is asked to send."""

    number: str
    """Ours, unique within the work: what the warehouse tells of is told by it."""
    sku: str
    quantity: int
    """At least 1."""
    title: str = ""


class WorkOrder(msgspec.Struct, frozen=True, kw_only=True):
    """The work one location is asked to do for one order. The address is the buyer's: it is never logged."""

    key: str
    """The same key is the same work, however often it is handed over."""
    place: str
    """The warehouse's own id of the location."""
    order: str
    """What people call the order ("#1001"); it may stand on the packing slip."""
    channel: str
    """The name of the channel it was sold at."""
    lines: tuple[WorkLine, ...]
    placed_at: datetime
    ship_to: Address = Address()
    email: str = ""
    service: str = ""
    """The shipping service the buyer chose, in the channel's words."""
    ship_by: datetime | None = None
    deliver_by: datetime | None = None


class Recall(msgspec.Struct, frozen=True, kw_only=True):
    """Units of handed-over work that are not to be sent any more. It may come too late."""

    key: str
    """Its own: the same key is the same recall."""
    work: str
    """The work's key."""
    place: str
    lines: Mapping[str, int]
    """Units by the work's line number; every quantity is at least 1."""
    whole: bool
    """Nothing of the work is to be sent that has not been."""


class Box(msgspec.Struct, frozen=True, kw_only=True):
    """One parcel that left."""

    tracking: str
    carrier: str
    lines: Mapping[str, int]
    """Units by the work's line number, or by the warehouse's SKU where only one line has it; each at least 1."""
    service: str = ""
    tracking_url: str = ""


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The warehouse has taken work up."""

    id: str
    at: datetime
    work: str


class Declined(msgspec.Struct, frozen=True, kw_only=True):
    """The warehouse will not do work, or not these units of it: refused, or picked short."""

    id: str
    at: datetime
    work: str
    reason: str
    lines: Mapping[str, int] = msgspec.field(default_factory=dict)
    """Units by line number or SKU, as `Box.lines`; empty: all that has not left."""
    short: bool = False
    """The shelf held less than it should (a short pick)."""


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """Parcels of one work left at once; more may follow. All of it is booked, or nothing."""

    id: str
    at: datetime
    """When they left the location: before or after an instant of a count is told by it."""
    work: str
    boxes: tuple[Box, ...]
    """At least one. Those of one number are one parcel."""
    place: str = ""
    """The warehouse's own id of the location they left from; empty: the one that was asked."""


class Withdrawn(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a recall."""

    id: str
    at: datetime
    recall: str
    """The recall's key."""
    done: bool
    """True: these units will not be sent. False: it is too late, or the warehouse will not."""
    reason: str = ""


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """What lay at a location at one instant.

    Units that are promised, or picked and not gone, are among them. A SKU that is not named is not
    counted: it is not 0.
    """

    id: str
    as_of: datetime
    """What left or came up to and at this instant is in the numbers; what moved later is not."""
    place: str
    units: Mapping[str, int]


class Adjusted(msgspec.Struct, frozen=True, kw_only=True):
    """Units came to or left a shelf other than by our work: a delivery, a breakage, something found."""

    id: str
    at: datetime
    place: str
    sku: str
    change: int
    """Not 0."""
    reason: str


Event = Accepted | Declined | Left | Withdrawn | Counted | Adjusted
"""What a warehouse tells of. `id` is the warehouse's own: the same id is the same event, told once more."""


class EventKind(StrEnum):
    """The events by name."""

    ACCEPTED = "accepted"
    DECLINED = "declined"
    LEFT = "left"
    WITHDRAWN = "withdrawn"
    COUNTED = "counted"
    ADJUSTED = "adjusted"


def kind_of(event: Event) -> EventKind:
    """Which event it is."""
    return _KINDS[type(event)]


_KINDS: Mapping[type, EventKind] = {
    Accepted: EventKind.ACCEPTED,
    Declined: EventKind.DECLINED,
    Left: EventKind.LEFT,
    Withdrawn: EventKind.WITHDRAWN,
    Counted: EventKind.COUNTED,
    Adjusted: EventKind.ADJUSTED,
}


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One raw document in which a warehouse tells of one event."""

    id: str
    """The event's; empty where even that cannot be read."""
    body: bytes
    """The document, verbatim: what `normalize` takes and what the store keeps."""
    source: str = ""
    """Where it stands, for people: a file and its line. No part of what it says; stands before why it is set aside."""


class NoticePage(msgspec.Struct, frozen=True, kw_only=True):
    """Some notices and the cursor from which the reading goes on once they are stored."""

    notices: tuple[Notice, ...]
    cursor: str
    """Opaque to everyone but the connector."""
