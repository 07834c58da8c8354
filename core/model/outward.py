"""What a channel is asked to do, and its answers: parcels, cancellations, refunds, acks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from core.model.measures import ZERO


class Shipment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One parcel that left, as a channel is told of it."""

    key: str
    """Ours, stable for ever and unique within the channel: the same key is the same parcel."""
    serial: int
    """A positive number with the same promise, for channels whose package ids are numbers."""
    order: str
    """The channel's order id."""
    lines: Mapping[str, int]
    """Units by the channel's line number; every quantity is at least 1."""
    carrier: str
    tracking: str
    shipped_at: datetime
    service: str = ""
    place: str = ""
    """The channel's id of the location it left from, where the channel has one."""
    tracking_url: str = ""
    corrects: str = ""
    """The tracking number it had before, where this corrects it; same key, same parcel.

    A channel that shows neither number has not been told of the parcel yet: it is told as any other.
    """


class Voiding(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One parcel that never left, as a channel that was told of it is asked to take it back."""

    key: str
    """Ours, stable for ever and unique within the channel."""
    order: str
    """The channel's order id."""
    told: str
    """The key of the `Shipment` it was told as."""
    numbers: tuple[str, ...]
    """Every tracking number it was, or may have been, told under, the last one first."""
    lines: Mapping[str, int]
    """Its units by the channel's line number, as they were told."""
    tickets: tuple[str, ...] = ()
    """What the channel answered when it was told: see `Ack.ticket`."""


class CancelReason(StrEnum):
    """Why units will not ship; each connector maps it to its channel's own codes."""

    BUYER = "buyer"
    """The buyer asked for it."""
    OUT_OF_STOCK = "out_of_stock"
    ADDRESS = "address"
    """It cannot be delivered there."""
    PRICE = "price"
    """The price was wrong."""
    FRAUD = "fraud"
    OTHER = "other"


class Cancellation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Units the channel is to cancel because they will not ship. Never of units that have shipped."""

    key: str
    """Ours, stable for ever and unique within the channel: the same key is the same cancellation."""
    order: str
    """The channel's order id."""
    lines: Mapping[str, int]
    """Units by the channel's line number; every quantity is at least 1. All that is open: the whole order's rest."""
    before: Mapping[str, int]
    """Units of those lines that were cancelled already when this was decided: a repeat is told by them.

    So of a line min(units, before + units − what is cancelled there by now) are still to be cancelled.
    """
    reason: CancelReason
    whole: bool = False
    """Nothing of the order has shipped, and after this nothing of it is open: the order itself is cancelled."""
    notify: bool = True
    """Let the channel write to the buyer, where it asks."""
    note: str = ""


class RefundReason(StrEnum):
    """Why money is given back; each connector maps it to its channel's own codes."""

    RETURNED = "returned"
    NOT_RECEIVED = "not_received"
    DAMAGED = "damaged"
    WRONG_ITEM = "wrong_item"
    PRICE = "price"
    CANCELLED = "cancelled"
    GOODWILL = "goodwill"
    OTHER = "other"


class RefundLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is given back for one line."""

    quantity: int
    """Units it is for; 0 where money is given back without units."""
    amount: Decimal
    """In the order's currency, taxes not included."""
    tax: Decimal = ZERO


class Refund(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Money the channel is to give back to the buyer."""

    key: str
    """Ours, stable for ever and unique within the channel: the same key is the same refund."""
    order: str
    """The channel's order id."""
    lines: Mapping[str, RefundLine]
    """By the channel's line number."""
    currency: str
    shipping: Decimal = ZERO
    """Of the shipping charge, in `currency`, its tax included."""
    reason: RefundReason = RefundReason.OTHER
    known: tuple[str, ...] = ()
    """Numbers of the refunds the channel showed when this was decided: a new one tells that this was done."""
    rma: str = ""
    """The channel's id of the return it is for, where there is one."""
    notify: bool = True
    note: str = ""


class AckState(StrEnum):
    """How far one pushed key has come."""

    APPLIED = "applied"
    """The channel has it."""
    ACCEPTED = "accepted"
    """Taken for later: `ticket` settles it."""
    REFUSED = "refused"
    """The channel will not have it: `reason` says why and ends in what to do."""
    STALE = "stale"
    """The channel's quantity is not the one expected: read, recompute, push again."""
    RETRY = "retry"
    """Not taken, by no fault of the key: push it again later."""


class Ack(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The channel's answer for one pushed key. Every pushed key gets exactly one."""

    key: str
    state: AckState
    ticket: str = ""
    """Of what is accepted, what settles it; of what is applied, the channel's own id of what it made, where it has one.
    """
    reason: str = ""
