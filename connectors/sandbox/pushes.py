"""What the sandbox channel is told: acknowledgements, parcels, levels; and what became of those it took for later.

Every function yields one ack for each key it was given, as soon as the channel's answer for it is known, so that a
failure half-way loses nothing that was known before. `Unavailable` and `Unauthorized` are not caught here: they say
nothing of any one key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from core.errors import NotFound, Rejected, in_doubt
from core.model import Ack, AckState, Level, Shipment

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


class _Feed(msgspec.Struct):
    done: bool
    results: list[_Result]


_REFUSALS = {
    "unknown_order": "the channel does not know this order; compare its number with the channel's own list",
    "unknown_listing": "the channel has no such listing at this place; map the SKU anew or take it off this channel",
    "negative_quantity": "the channel takes no quantity below zero; correct the item's stock",
}
"""What the channel's error codes mean to an operator, ending in what to do."""


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
            # Our key goes along, so the channel itself knows a repeat. A channel without such a key has to be asked
            # what it already has before a parcel is told again.
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
            if error.status != 409:
                raise  # the request itself was wrong: ours to mend, not the operator's
            yield Ack(
                key=shipment.key,
                state=AckState.REFUSED,
                reason="the channel has fewer open units than this parcel; look the order up there and correct it",
            )
        else:
            yield Ack(key=shipment.key, state=AckState.APPLIED)


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
