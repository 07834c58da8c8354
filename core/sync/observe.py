"""Reading documents: what a channel sent becomes orders, or a reason. Done before any transaction begins."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import msgspec

from core.connector import Connector
from core.errors import BadDocument
from core.model import MAX_QUANTITY, Observation, Order


class Seen(msgspec.Struct, frozen=True, gc=False):
    """One observation of one order: its document, and the order or why it cannot be read."""

    number: str
    body: bytes
    digest: bytes
    order: Order | None
    reason: str = ""


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
    return [*newest.values(), *unread]


def _read_one(connector: Connector, observation: Observation) -> Seen:
    digest = blake2b(observation.body, digest_size=16).digest()
    try:
        order = connector.normalize(observation.body)
        _check(order, observation)
    except BadDocument as error:
        return Seen(observation.number, observation.body, digest, None, str(error))
    return Seen(order.number, observation.body, digest, order)


def _check(order: Order, observation: Observation) -> None:
    """What every connector promises, checked where the store would otherwise refuse a whole page."""
    if not order.number or (observation.number and observation.number != order.number):
        raise BadDocument(f"the order calls itself {order.number!r}, its page {observation.number!r}")
    numbers = set()
    for line in order.lines:
        if line.number in numbers:
            raise BadDocument(f"line {line.number} is there twice")
        numbers.add(line.number)
        if not (line.cancelled >= 0 and line.shipped >= 0 and line.cancelled + line.shipped <= line.ordered):
            raise BadDocument(
                f"line {line.number}: {line.ordered} ordered, {line.cancelled} cancelled, {line.shipped} shipped"
            )
        if line.ordered > MAX_QUANTITY:
            raise BadDocument(f"line {line.number}: {line.ordered} units are more than a line can hold")
