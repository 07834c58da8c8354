"""A channel whose documents are encoded `Order`s and whose every answer a test decides."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

import msgspec

from core.connector import Ability
from core.errors import BadDocument, NotFound
from core.guard import forbid_in_transaction
from core.model import (
    Ack,
    AckState,
    Cancellation,
    ChannelLevel,
    ChannelListing,
    Level,
    LevelKey,
    Observation,
    Order,
    OwnStock,
    Page,
    Present,
    Refund,
    Return,
    Shipment,
    Voiding,
)
from core.settings import ChannelSettings

SIMPLE = frozenset({Ability.ACKNOWLEDGE, Ability.PUSH_TRACKING, Ability.PUSH_LEVELS, Ability.LISTINGS})

Answer = Callable[[Any], Ack]


def body(order: Order) -> bytes:
    return msgspec.json.encode(order)


def observation(order: Order) -> Observation:
    return Observation(number=order.number, body=body(order))


def applied(pushed: Any) -> Ack:
    return Ack(key=pushed if isinstance(pushed, str) else pushed.key, state=AckState.APPLIED)


@dataclass
class Fake:
    """Keeps what it was told in `shipped`, `levels` and `calls`. An exception in a list of answers is raised there."""

    Settings: ClassVar[type[ChannelSettings]] = ChannelSettings

    abilities: frozenset[Ability] = SIMPLE
    look_back: timedelta | None = None
    absent: Mapping[Ability, str] = field(default_factory=dict)
    name: str = "fake"
    pulls: list[list[Page | Exception]] = field(default_factory=list)
    """What each coming pull yields; one that is not planned yields nothing."""
    orders: dict[str, bytes] = field(default_factory=dict)
    """What `fetch` finds."""
    offers: list[ChannelListing] = field(default_factory=list)
    answer: Answer = applied
    """To every push; it may raise."""
    settled: dict[str, Ack] = field(default_factory=dict)
    """By ticket."""
    quantities: dict[tuple[str, str], int] = field(default_factory=dict)
    """What it holds, by SKU and place."""
    past: list[list[Page | Exception]] = field(default_factory=list)
    """What each coming call of `backfill` yields."""
    sent_back: list[list[Page | Exception]] = field(default_factory=list)
    """What each coming call of `returns` yields."""
    own: list[OwnStock] = field(default_factory=list)
    roll: list[Present] = field(default_factory=list)
    """The orders a roll call names."""
    calls: list[str] = field(default_factory=list)
    cursors: list[str | None] = field(default_factory=list)
    shipped: list[Shipment] = field(default_factory=list)
    voided: list[Voiding] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    cancelled: list[Cancellation] = field(default_factory=list)
    refunded: list[Refund] = field(default_factory=list)
    levels: list[Level] = field(default_factory=list)
    closed: bool = False

    def pages(self, cursor: str | None, *, since: datetime | None = None) -> Iterator[Page]:
        self._called("pages")
        self.cursors.append(cursor)
        for page in self.pulls.pop(0) if self.pulls else []:
            if isinstance(page, Exception):
                raise page
            yield page

    def fetch(self, number: str) -> Observation:
        self._called("fetch")
        if number not in self.orders:
            raise NotFound(number)
        return Observation(number=number, body=self.orders[number])

    def normalize(self, document: bytes) -> Order:
        try:
            return msgspec.convert(json.loads(document, parse_float=Decimal), Order)
        except (ValueError, msgspec.ValidationError) as error:
            raise BadDocument(str(error)) from None

    def acknowledge(self, numbers: Sequence[str]) -> Iterator[Ack]:
        self._called("acknowledge")
        for number in numbers:
            self.acknowledged.append(number)
            yield self.answer(number)

    def push_tracking(self, shipments: Sequence[Shipment]) -> Iterator[Ack]:
        self._called("push_tracking")
        for shipment in shipments:
            self.shipped.append(shipment)
            yield self.answer(shipment)

    def push_voids(self, voids: Sequence[Voiding]) -> Iterator[Ack]:
        self._called("push_voids")
        for one in voids:
            self.voided.append(one)
            yield self.answer(one)

    def push_cancellations(self, cancellations: Sequence[Cancellation]) -> Iterator[Ack]:
        self._called("push_cancellations")
        for cancellation in cancellations:
            self.cancelled.append(cancellation)
            yield self.answer(cancellation)

    def push_refunds(self, refunds: Sequence[Refund]) -> Iterator[Ack]:
        self._called("push_refunds")
        for refund in refunds:
            self.refunded.append(refund)
            yield self.answer(refund)

    def push_levels(self, levels: Sequence[Level]) -> Iterator[Ack]:
        self._called("push_levels")
        compare = Ability.COMPARE_AND_SET in self.abilities
        for level in levels:
            self.levels.append(level)
            held = self.quantities.get((level.sku, level.place), 0)
            if compare and level.expected != held:
                yield Ack(key=level.key, state=AckState.STALE)
                continue
            ack = self.answer(level)
            if ack.state is AckState.APPLIED:
                self.quantities[level.sku, level.place] = level.quantity
            yield ack

    def settle(self, pending: Mapping[str, str]) -> Iterator[Ack]:
        self._called("settle")
        for key, ticket in pending.items():
            if ticket in self.settled:
                yield msgspec.structs.replace(self.settled[ticket], key=key)

    def read_levels(self, keys: Sequence[LevelKey]) -> Iterator[ChannelLevel]:
        self._called("read_levels")
        for key in keys:
            if (key.sku, key.place) in self.quantities:
                yield ChannelLevel(key=key.key, quantity=self.quantities[key.sku, key.place])

    def listings(self) -> Iterator[ChannelListing]:
        self._called("listings")
        yield from self.offers

    def roll_call(self, *, since: datetime, until: datetime) -> Iterator[Present]:
        self._called("roll_call")
        yield from (one for one in self.roll if since <= one.placed_at < until)

    def backfill(self, cursor: str | None, *, since: datetime, until: datetime) -> Iterator[Page]:
        self._called("backfill")
        self.cursors.append(cursor)
        for page in self.past.pop(0) if self.past else []:
            if isinstance(page, Exception):
                raise page
            yield page

    def returns(self, cursor: str | None, *, since: datetime | None = None) -> Iterator[Page]:
        self._called("returns")
        self.cursors.append(cursor)
        for page in self.sent_back.pop(0) if self.sent_back else []:
            if isinstance(page, Exception):
                raise page
            yield page

    def normalize_return(self, document: bytes) -> Return:
        try:
            return msgspec.json.decode(document, type=Return)
        except msgspec.DecodeError as error:
            raise BadDocument(str(error)) from None

    def own_stock(self) -> Iterator[OwnStock]:
        self._called("own_stock")
        yield from self.own

    def close(self) -> None:
        self.closed = True

    def _called(self, what: str) -> None:
        forbid_in_transaction(what)
        self.calls.append(what)
