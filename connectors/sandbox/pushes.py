"""What the sandbox channel is told: of orders, parcels, cancelled units, refunds and levels; and what came of it later.

Every function yields one ack for each key it was given, as soon as the channel's answer for it is known, so that a
failure half-way loses nothing that was known before. `Unavailable` and `Unauthorized` are not caught here: they say
nothing of any one key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from core.errors import BadDocument, NotFound, Rejected, in_doubt
from core.model import Ack, AckState, Cancellation, CancelReason, Level, Order, Refund, RefundReason, Shipment, Voiding

T = TypeVar("T")

MOST_ROWS = 50
"""Rows the channel takes in one batch: fewer calls are fewer waits."""


class Ask(Protocol):
    """Sends one request and reads its answer as a shape; see `Sandbox._ask`."""

    def __call__(self, operation: str, request: object, shape: type[Any]) -> Any: ...


class _Result(msgspec.Struct):
    reference: str
    error: str = ""


class _Results(msgspec.Struct):
    results: list[_Result]


class _Taken(msgspec.Struct):
    """A batch is answered at once (`results`) or taken for later (`feed`)."""

    results: list[_Result] = []
    feed: str = ""


class _Given(msgspec.Struct):
    refund: str


class _Refusal(msgspec.Struct):
    error: str


class _Feed(msgspec.Struct):
    done: bool
    results: list[_Result]


_REFUSALS = {
    "unknown_order": "the channel does not know this order; compare its number with the channel's own list",
    "unknown_listing": "the channel has no such listing at this place; map the SKU anew or take it off this channel",
    "negative_quantity": "the channel takes no quantity below zero; correct the item's stock",
    "not_open": "the channel has fewer open units than this; look the order up there and correct it",
    "parcel_differs": "the channel has this parcel with other units in it; look the order up there and correct it",
    "no_such_units": "the channel has no such units on the order; look the order up there and name what it shows",
    "more_than_paid": "the buyer has not paid that much, or has some of it back; look the order up there",
}
"""What the channel's error codes mean to an operator, ending in what to do."""

CANCEL_REASONS = {
    CancelReason.BUYER: "buyer",
    CancelReason.OUT_OF_STOCK: "no_stock",
    CancelReason.ADDRESS: "address",
    CancelReason.PRICE: "price",
    CancelReason.FRAUD: "fraud",
    CancelReason.OTHER: "other",
}
REFUND_REASONS = {
    RefundReason.RETURNED: "returned",
    RefundReason.NOT_RECEIVED: "lost",
    RefundReason.DAMAGED: "damaged",
    RefundReason.WRONG_ITEM: "wrong_item",
    RefundReason.PRICE: "price",
    RefundReason.CANCELLED: "cancelled",
    RefundReason.GOODWILL: "goodwill",
    RefundReason.OTHER: "other",
}
"""Our reasons in the channel's words, one table each: a channel with fewer words has some of them twice."""


def batches(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """The rows in batches as large as the channel takes; none of no rows."""
    for start in range(0, len(rows), MOST_ROWS):
        yield rows[start : start + MOST_ROWS]


def acknowledge(ask: Ask, numbers: Sequence[str]) -> Iterator[Ack]:
    for batch in batches(numbers):
        yield from _acks(batch, ask("acknowledge", {"numbers": batch}, _Results).results)


def push_tracking(ask: Ask, shipments: Sequence[Shipment]) -> Iterator[Ack]:
    for shipment in shipments:
        request = {
            "order": shipment.order,
            # Our key goes along, so the channel itself knows a repeat, and a corrected number for one (`corrects`). A
            # channel without such a key has to be asked what it already has before a parcel is told again.
            "key": shipment.key,
            "tracking": shipment.tracking,
            "carrier": shipment.carrier,
            "lines": shipment.lines,
        }
        try:
            with in_doubt([shipment.key]):  # one request tells one parcel: no other can have arrived by it
                ask("ship", request, dict)
        except NotFound:
            yield Ack(key=shipment.key, state=AckState.REFUSED, reason=_REFUSALS["unknown_order"])
        except Rejected as error:
            yield _refused(shipment.key, error)
        else:
            yield Ack(key=shipment.key, state=AckState.APPLIED)


def push_voids(ask: Ask, voids: Sequence[Voiding]) -> Iterator[Ack]:
    """The channel knows each parcel by the key it was told under, and a repeat for one. A channel without such a key
    has to be asked what it shows first, and which of it is meant: a tracking number may stand on more than one parcel.
    """
    for one in voids:
        try:
            with in_doubt([one.key]):
                ask("unship", {"order": one.order, "key": one.told}, dict)
        except NotFound:
            yield Ack(key=one.key, state=AckState.REFUSED, reason=_REFUSALS["unknown_order"])
        except Rejected as error:
            yield _refused(one.key, error)
        else:
            yield Ack(key=one.key, state=AckState.APPLIED)


def push_cancellations(ask: Ask, now: Callable[[str], Order], cancellations: Sequence[Cancellation]) -> Iterator[Ack]:
    """The channel knows no repeat of a cancellation, so each is looked up first: `before` tells what is there of it."""
    for one in cancellations:
        try:
            there = {line.number: line.cancelled for line in now(one.order).lines}
            missing = {
                line: min(units, one.before.get(line, 0) + units - there.get(line, 0))
                for line, units in one.lines.items()
            }
            request = {
                "order": one.order,
                "lines": {line: units for line, units in missing.items() if units > 0},
                "reason": CANCEL_REASONS[one.reason],
            }
            if request["lines"]:
                with in_doubt([one.key]):
                    ask("cancel", request, dict)
        except NotFound:
            yield Ack(key=one.key, state=AckState.REFUSED, reason=_REFUSALS["unknown_order"])
        except BadDocument as error:
            yield Ack(key=one.key, state=AckState.RETRY, reason=f"the order cannot be read, {error}; it is tried again")
        except Rejected as error:
            yield _refused(one.key, error)
        else:
            yield Ack(key=one.key, state=AckState.APPLIED)


def push_refunds(ask: Ask, refunds: Sequence[Refund]) -> Iterator[Ack]:
    for refund in refunds:
        request = {
            "order": refund.order,
            "key": refund.key,  # as with parcels: the channel itself knows a repeat
            "lines": {
                number: {"units": row.quantity, "amount": row.amount, "tax": row.tax}
                for number, row in refund.lines.items()
            },
            "shipping": refund.shipping,
            "currency": refund.currency,
            "reason": REFUND_REASONS[refund.reason],
        }
        try:
            with in_doubt([refund.key]):
                given = ask("refund", request, _Given)
        except NotFound:
            yield Ack(key=refund.key, state=AckState.REFUSED, reason=_REFUSALS["unknown_order"])
        except Rejected as error:
            yield _refused(refund.key, error)
        else:
            # The channel's number for it: the order will show the refund under this name.
            yield Ack(key=refund.key, state=AckState.APPLIED, ticket=given.refund)


def _refused(key: str, error: Rejected) -> Ack:
    """The channel's answer to a request it will not do. Anything but 409 is the request itself: ours to mend."""
    if error.status != 409:
        raise error
    code = msgspec.json.decode(error.body, type=_Refusal).error
    if code not in _REFUSALS:
        raise error
    return Ack(key=key, state=AckState.REFUSED, reason=_REFUSALS[code])


def push_levels(ask: Ask, levels: Sequence[Level]) -> Iterator[Ack]:
    for batch in batches(levels):
        rows = [
            {
                "reference": level.key,
                "sku": level.sku,
                "place": level.place,
                "quantity": level.quantity,
                # The channel sells units on its own, before we have heard of the order. Setting a level blindly
                # would offer those units again; with the quantity we believe in, the channel refuses instead.
                "expected": level.expected,
            }
            for level in batch
        ]
        taken = ask("levels", {"rows": rows}, _Taken)
        if taken.feed:
            for level in batch:
                yield Ack(key=level.key, state=AckState.ACCEPTED, ticket=taken.feed)
        else:
            yield from _acks([level.key for level in batch], taken.results)


def settle(ask: Ask, pending: Mapping[str, str]) -> Iterator[Ack]:
    """The ticket is the feed's id, so one question answers for a whole batch."""
    feeds: dict[str, list[str]] = {}
    for key, feed in pending.items():
        feeds.setdefault(feed, []).append(key)
    for feed, keys in feeds.items():
        try:
            answer = ask("feed", {"feed": feed}, _Feed)
        except NotFound:
            for key in keys:
                yield Ack(key=key, state=AckState.RETRY, reason="the channel has forgotten the feed; it is sent again")
            continue
        if answer.done:
            yield from _acks(keys, answer.results)


def _acks(keys: Sequence[str], results: Sequence[_Result]) -> Iterator[Ack]:
    """One ack a key, whatever the channel answered: a row it says nothing about is pushed again."""
    errors = {result.reference: result.error for result in results}
    for key in keys:
        error = errors.get(key)
        if error is None:
            yield Ack(
                key=key, state=AckState.RETRY, reason="the channel's answer leaves this row out; it is sent again"
            )
        elif error == "":
            yield Ack(key=key, state=AckState.APPLIED)
        elif error == "stale":
            yield Ack(key=key, state=AckState.STALE, reason="the channel holds another quantity; it is read again")
        else:
            reason = _REFUSALS.get(
                error, f"the channel refused it as {error}; look it up in the channel's documentation"
            )
            yield Ack(key=key, state=AckState.REFUSED, reason=reason)
