"""What the suite needs of a channel's far end: buyers, the passing of time, bad days, and auditors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from core.model import Call


class Failure(StrEnum):
    """A way to fail that a far end may be told to have."""

    UNAVAILABLE = "unavailable"
    """Everything is answered by an outage; nothing takes effect."""
    UNAUTHORIZED = "unauthorized"
    """The credentials are refused, the renewed ones too; nothing takes effect."""
    LOST_ANSWER = "lost answer"
    """A write takes effect and its answer is lost; reads are answered."""
    NO_LIST = "no list"
    """Every request takes effect and is answered without its list: the key is absent, all else is there."""


def without_lists(body: bytes) -> bytes:
    """This JSON answer without its outermost lists, as a far end that has the failure `NO_LIST` gives it."""

    def cut(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {key: cut(part) for key, part in value.items() if not isinstance(part, list)}

    return msgspec.json.encode(cut(msgspec.json.decode(body)))


class Truth(Protocol):
    """How an order stands at the far end; units by SKU, a SKU without any left out or 0."""

    @property
    def ordered(self) -> Mapping[str, int]: ...
    @property
    def cancelled(self) -> Mapping[str, int]: ...
    @property
    def shipped(self) -> Mapping[str, int]: ...
    @property
    def acknowledged(self) -> bool: ...
    @property
    def refunded(self) -> Decimal: ...


class Effect(Protocol):
    """One parcel that took effect at the far end; units by SKU."""

    @property
    def order(self) -> str: ...
    @property
    def tracking(self) -> str: ...
    @property
    def lines(self) -> Mapping[str, int]: ...


class RefundEffect(Protocol):
    """One refund that took effect at the far end; its amount is all the buyer got, taxes included."""

    @property
    def order(self) -> str: ...
    @property
    def number(self) -> str: ...
    @property
    def amount(self) -> Decimal: ...


class FarEnd(Protocol):
    """The channel as everyone but the connector sees it."""

    @property
    def skus(self) -> Sequence[str]:
        """SKUs on offer, fulfilled by the seller: at least three, with a hundred units and more at every place."""
        ...

    @property
    def places(self) -> Sequence[str]:
        """The channel's own location ids; one empty id where it keeps one level a listing."""
        ...

    def place(self, lines: Sequence[tuple[str, int]]) -> str:
        """A buyer orders (SKU, units) line by line, paid and with an address. Returns the order's number."""
        ...

    def cancel(self, number: str, *, sku: str | None = None, quantity: int | None = None) -> None:
        """A buyer cancels an order, one SKU of it, or some units of that: only what has not shipped."""
        ...

    def send_back(self, number: str, sku: str, quantity: int) -> str:
        """A buyer asks to send back shipped units; returns the return's number. Of channels that tell of returns."""
        ...

    def own_stock(self) -> Mapping[str, int]:
        """What can be sold out of the channel's own warehouses, by SKU: some, of channels that tell of it."""
        ...

    def truths(self) -> Mapping[str, Truth]:
        """Every order by its number."""
        ...

    def effects(self) -> Sequence[Effect]:
        """Every parcel that took effect; telling one again may replace it, never add one."""
        ...

    def refunds(self) -> Sequence[RefundEffect]:
        """Every refund that took effect; none where the channel has no refunds."""
        ...

    def levels(self) -> Mapping[tuple[str, str], int]:
        """What is on offer now, by SKU and place."""
        ...

    def let_time_pass(self) -> None:
        """Whatever waits for its time has happened afterwards: an index that lags, a feed that is worked off."""
        ...

    def fail(self, how: str | None) -> bool:
        """From now on this `Failure`; None ends it. False, and nothing changed: this far end cannot do that."""
        ...

    # Of channels that tell by themselves.

    def event(self, number: str, *, at: datetime | None = None) -> Call:
        """The call by which the channel tells whoever subscribed that this order changed, as it would arrive now; each
        is another event. `at`: when it happened, where that is not now."""
        ...

    def sign(self, body: bytes) -> Call:
        """A genuine call with this body."""
        ...

    def told(self) -> Sequence[str]:
        """The addresses that would be told of a new order, as often as each would be."""
        ...

    def subscribe(self, address: str) -> None:
        """Somebody subscribes an address to new orders by hand, though it be subscribed already."""
        ...

    def unsubscribe(self) -> None:
        """The channel drops all subscriptions."""
        ...

    def enqueue(self, number: str) -> None:
        """A message that this order changed; without a number, one that nobody can read."""
        ...

    def queued(self) -> int:
        """Messages in the queue, those included that were given out and not taken out."""
        ...
