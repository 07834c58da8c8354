"""Reading documents: what a channel sent becomes orders, or a reason. Done before any transaction begins."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from hashlib import blake2b
from typing import Any

import msgspec

from core.connector import Connector
from core.errors import BadDocument
from core.model import MAX_QUANTITY, ZERO, Observation, Order, money_off

_MAX_DIGITS = 12
"""Digits an amount may have before its point: what a 64-bit column keeps in millionths."""

_TOO_MUCH = Decimal(10) ** _MAX_DIGITS

_SMALLEST = Decimal("0.000001")
"""The smallest amount the store can keep."""

_MAX_VERSION = 2**63 - 1

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class Seen(msgspec.Struct, frozen=True, gc=False):
    """One observation of one order: its document, and the order or why it cannot be read."""

    number: str
    body: bytes
    digest: bytes
    order: Order | None
    reason: str = ""
    money_off: Decimal = ZERO
    """By how much the order's amounts miss its total."""
    mended: bool = False
    """A later document of the same page and order reads well."""


def read(connector: Connector, observations: Iterable[Observation]) -> list[Seen]:
    """Each observation read; of several of one order, the newest version, of equal ones the last."""
    newest: dict[str, Seen] = {}
    unread: list[Seen] = []
    for observation in observations:
        seen = _read_one(connector, observation)
        if seen.order is None:
            unread.append(seen)
            continue
        known = newest.get(seen.number)
        if known is None or known.order is None or known.order.version <= seen.order.version:
            newest[seen.number] = seen
        if unread:
            unread = [msgspec.structs.replace(u, mended=u.mended or u.number == seen.number) for u in unread]
    return [*newest.values(), *unread]


def clean(text: str) -> str:
    """`text` as every database keeps it: NUL and lone surrogates become U+FFFD."""
    return text if text.isascii() and "\0" not in text else _UNSTORABLE.sub("\ufffd", text)


def digest(body: bytes) -> bytes:
    """What tells two documents apart."""
    return blake2b(body, digest_size=16).digest()


def _read_one(connector: Connector, observation: Observation) -> Seen:
    body = observation.body
    mark = digest(body)
    try:
        order = connector.normalize(body)
        # Only an escape or a bare NUL can bring what a database refuses. One byte is looked for far faster than two.
        if (b"\\" in body and b"\\u" in body) or b"\0" in body:
            order = _clean(order)
        number = clean(observation.number)
        _check(order, number)
        off = money_off(order)
        _check_amount("what the amounts miss the total by", off)
    except BadDocument as error:
        return Seen(clean(observation.number), body, mark, None, clean(str(error)))
    return Seen(order.number, body, mark, order, money_off=off)


def _clean(value: Any) -> Any:
    """A value of the model with all its texts clean."""
    if type(value) is str:  # not an enum, which is a text of our own
        return clean(value)
    if isinstance(value, tuple):
        return tuple(_clean(one) for one in value)
    if isinstance(value, Mapping):
        return {_clean(key): _clean(one) for key, one in value.items()}
    if isinstance(value, msgspec.Struct):
        return type(value)(**{name: _clean(getattr(value, name)) for name in value.__struct_fields__})
    return value


def _check(order: Order, number: str) -> None:
    """What every connector promises, checked where the store would otherwise refuse a whole page."""
    if not order.number or (number and number != order.number):
        raise BadDocument(f"the order calls itself {order.number!r}, its page {number!r}")
    if not 0 <= order.version <= _MAX_VERSION:
        raise BadDocument(f"version {order.version} is no instant")
    amounts = [order.total, order.shipping, order.shipping_tax, order.discount, order.adjustment]
    amounts.append(order.presentment_total)
    numbers = set()
    for line in order.lines:
        if line.number in numbers:
            raise BadDocument(f"line {line.number} is there twice")
        numbers.add(line.number)
        ordered, cancelled, shipped = line.ordered, line.cancelled, line.shipped
        if not type(ordered) is type(cancelled) is type(shipped) is int:
            raise BadDocument(f"line {line.number}: its units are no whole numbers")
        if not (cancelled >= 0 and shipped >= 0 and cancelled + shipped <= ordered):
            raise BadDocument(f"line {line.number}: {ordered} ordered, {cancelled} cancelled, {shipped} shipped")
        if ordered > MAX_QUANTITY:
            raise BadDocument(f"line {line.number}: {ordered} units are more than a line can hold")
        amounts += (line.unit_price, line.tax, line.discount)
    if order.refunds:
        amounts += [refund.amount for refund in order.refunds]
        _check_refunds(order)
    if not _are_storable(amounts):
        for amount in amounts:
            _check_amount("an amount", amount)


def _check_refunds(order: Order) -> None:
    numbers = {refund.number for refund in order.refunds}
    if len(numbers) < len(order.refunds) or "" in numbers:
        raise BadDocument("its refunds have no numbers of their own")
    for refund in order.refunds:
        if not refund.amount.is_finite() or refund.amount < _SMALLEST:
            raise BadDocument(f"refund {refund.number}: it gives nothing back")
        if not all(type(units) is int and 0 <= units <= MAX_QUANTITY for units in refund.lines.values()):
            raise BadDocument(f"refund {refund.number}: its units are no quantities")


def _are_storable(amounts: Sequence[Decimal]) -> bool:
    """Whether a column can keep them all: two passes in C, where a look at each would cost more than storing it."""
    try:
        return min(amounts) > -_TOO_MUCH and max(amounts) < _TOO_MUCH
    except InvalidOperation:  # one of them is no number
        return False


def _check_amount(name: str, amount: Decimal) -> None:
    if amount and (not amount.is_finite() or amount.adjusted() >= _MAX_DIGITS):
        raise BadDocument(f"{name}: {amount} is no amount the store can keep")
