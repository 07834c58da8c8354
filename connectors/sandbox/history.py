"""What the sandbox tells beside its live orders: the roll, the past, returns, and stock in its own warehouse.

A real channel that lacks one of these declares the ability absent and has no such function.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import msgspec

from connectors.sandbox import orders
from connectors.sandbox.pushes import Ask
from core.errors import BadDocument
from core.model import MAX_QUANTITY, Observation, OwnStock, Page, Present, Return, ReturnLine, ReturnState, micros

_Instant = Annotated[datetime, msgspec.Meta(tz=True)]
_Units = Annotated[int, msgspec.Meta(ge=0, le=MAX_QUANTITY)]
_Some = Annotated[int, msgspec.Meta(ge=1, le=MAX_QUANTITY)]
_Name = Annotated[str, msgspec.Meta(min_length=1)]

_STATES = {
    "requested": ReturnState.REQUESTED,
    "arrived": ReturnState.DELIVERED,
    "refunded": ReturnState.CLOSED,
    "withdrawn": ReturnState.CALLED_OFF,
}


class _Roll(msgspec.Struct):
    roll: list[tuple[str, _Instant]]
    more: bool


class _Past(msgspec.Struct):
    orders: list[msgspec.Raw]
    reached: str
    more: bool


class _Returns(msgspec.Struct):
    returns: list[msgspec.Raw]
    reached: str
    more: bool


class _Stock(msgspec.Struct):
    stock: list[tuple[str, _Units, _Units]]


class _Line(msgspec.Struct):
    id: _Name
    line: str
    sku: str
    units: _Some
    reason: str = ""


class _Return(msgspec.Struct):
    number: _Name
    order: _Name
    changed: _Instant
    asked: _Instant
    state: str
    lines: list[_Line]


class _Number(msgspec.Struct):
    number: str


def roll_call(ask: Ask, since: datetime, until: datetime, limit: int) -> Iterator[Present]:
    """Numbers only: a page of them costs the channel little."""
    after, more = "", True
    while more:
        page = ask("roll", {"since": _utc(since), "until": _utc(until), "after": after, "limit": limit}, _Roll)
        for after, placed_at in page.roll:
            yield Present(number=after, placed_at=placed_at)
        more = page.more


def backfill(ask: Ask, cursor: str | None, since: datetime, until: datetime, limit: int) -> Iterator[Page]:
    """By number, from where the last page ended; nothing here reaches into the live pull's position."""
    after, more = cursor or "", True
    while more:
        page = ask("past", {"since": _utc(since), "until": _utc(until), "after": after, "limit": limit}, _Past)
        after, more = page.reached, page.more
        observed = tuple(orders.observe(bytes(document)) for document in page.orders)
        yield Page(observations=observed, cursor=after if more else "")


def returns(ask: Ask, cursor: str | None, limit: int) -> Iterator[Page]:
    """By the instant of the last change; a return that changes comes again."""
    after, more = cursor or "", True
    while more:
        page = ask("returns", {"after": after, "limit": limit}, _Returns)
        after, more = page.reached, page.more
        yield Page(observations=tuple(_observe(bytes(document)) for document in page.returns), cursor=after)


def normalize_return(body: bytes) -> Return:
    """A document of `returns`; one in a state nobody knows is a `BadDocument`: nobody could act on it."""
    try:
        found = msgspec.json.decode(body, type=_Return)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadDocument(f"the return: {error}") from None
    if found.state not in _STATES:
        raise BadDocument("state: nobody knows it; upgrade ordersync")
    return Return(
        number=found.number,
        order=found.order,
        version=micros(found.changed),
        state=_STATES[found.state],
        requested_at=found.asked.astimezone(UTC),
        lines=tuple(
            ReturnLine(
                number=line.id,
                order_line=line.line,
                sku=line.sku,
                quantity=line.units,
                refunded=line.units if found.state == "refunded" else 0,
                reason=line.reason,
            )
            for line in found.lines
        ),
    )


def own_stock(ask: Ask) -> Iterator[OwnStock]:
    """Everything in the channel's warehouse."""
    for sku, on_hand, available in ask("own_stock", {}, _Stock).stock:
        yield OwnStock(sku=sku, on_hand=on_hand, available=available)


def _observe(body: bytes) -> Observation:
    """A document of a list; its number is empty where even that cannot be read."""
    try:
        return Observation(number=msgspec.json.decode(body, type=_Number).number, body=body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Observation(number="", body=body)


def _utc(instant: datetime) -> datetime:
    return instant.astimezone(UTC)
