"""Telling Shopify quantities: compare and set, up to 250 at once, all or nothing.

A request is idempotent by its key, which is made of our keys, revisions and the very quantities sent: a push whose
answer was lost is the same request when it comes again. One that was answered is not: the shop's number may have
drifted meanwhile, and Shopify would only repeat its old answer, so its key is spent.

Shopify applies all rows or none, and says which row it minds: that row is answered for itself and the others are sent
again; where it does not say, halves are tried. A row that says nothing of what it expects is STALE at once, as nothing
may be set blindly: the caller reads and comes back.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from connectors.shopify import queries
from connectors.shopify.documents import Record
from connectors.shopify.graph import Graph
from connectors.shopify.reading import batches, is_item
from connectors.shopify.reading import levels as read
from core.errors import Rejected
from core.model import Ack, AckState, Level, LevelKey

_ATTEMPTS = 3
_REMEMBERED = 10_000

CURES = {
    "INVALID_INVENTORY_ITEM": "there is no such variant; read its listings anew, or map the SKU anew",
    "INVALID_LOCATION": "there is no such location; correct `locations` in the channel's file",
    "INVALID_QUANTITY_NEGATIVE": "it takes no quantity below zero; correct the item's stock",
    "INVALID_QUANTITY_TOO_HIGH": "it takes no quantity above 1,000,000,000; set a `cap`",
    "NON_MUTABLE_INVENTORY_ITEM": "it derives this quantity itself, as of a bundle; take the listing off this channel",
}
"""What Shopify's codes mean to an operator."""

_AGAIN = frozenset(("IDEMPOTENCY_CONCURRENT_REQUEST", "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED"))
_OURS = frozenset(
    ("INVALID_NAME", "INVALID_REASON", "INVALID_REFERENCE_DOCUMENT", "IDEMPOTENCY_KEY_PARAMETER_MISMATCH")
)


class _Error(Record):
    message: str
    code: str | None = None
    field: list[str] | None = None


class _Payload(Record):
    user_errors: list[_Error]


class _Answer(Record):
    inventory_set_quantities: _Payload | None


class Row(msgspec.Struct, frozen=True):
    """A level as it is sent. `expected` differs from the level's own where Shopify's number is below zero."""

    level: Level
    place: str
    expected: int


def push(graph: Graph, levels: Sequence[Level], place: Callable[[str], str], spent: set[str]) -> Iterator[Ack]:
    """One ack a level. `place` gives a location's global id, empty where there is none; `spent` holds the keys of
    answered requests and is added to."""
    rounds: list[dict[tuple[str, str], Row]] = []
    for level in sorted(levels, key=lambda level: level.revision):
        where = place(level.place)
        if not where:
            yield _refused(level, "no location is named; map one in `locations` of the channel's file")
        elif not is_item(level.handle):
            yield _refused(level, "the listing's handle is no inventory item; read the channel's listings anew")
        elif level.expected is None:
            yield _stale(level)
        else:
            # An item and location may stand in a request once: a second one waits for the next round.
            pair = (level.handle, where)
            free = next((rows for rows in rounds if pair not in rows), None)
            if free is None:
                rounds.append(free := {})
            free[pair] = Row(level, where, level.expected)
    for rows in rounds:
        for batch in batches(list(rows.values()), queries.LEVELS):
            acks = _set(graph, batch, spent)
            yield from _doubted(graph, acks, {row.level.key: row for row in batch}, place, spent)


def _doubted(
    graph: Graph, acks: Iterator[Ack], rows: dict[str, Row], place: Callable[[str], str], spent: set[str]
) -> Iterator[Ack]:
    """What is said to be stale is read: it may stand as wanted already, as after a repeat, or below zero, which the
    caller knows as 0; the latter is sent again with the true number."""
    doubtful = {}
    for ack in acks:
        if ack.state is AckState.STALE:
            doubtful[ack.key] = rows[ack.key].level
        else:
            yield ack
    if not doubtful:
        return
    keys = [LevelKey(key=key, sku=one.sku, handle=one.handle, place=one.place) for key, one in doubtful.items()]
    held = dict(read(graph, keys, place))
    again = []
    for key, level in doubtful.items():
        if held.get(key) == level.quantity:
            yield Ack(key=key, state=AckState.APPLIED)
        elif held.get(key, 0) < 0 and level.expected == 0:
            again.append(Row(level, place(level.place), held[key]))
        else:
            yield _stale(level)
    if again:
        yield from _set(graph, again, spent)


def _set(graph: Graph, rows: Sequence[Row], spent: set[str]) -> Iterator[Ack]:
    """Applies all rows but those Shopify minds."""
    left = list(rows)
    while left:
        errors = _send(graph, left, spent)
        if not errors:
            yield from (Ack(key=row.level.key, state=AckState.APPLIED) for row in left)
            return
        if any(error.code in _AGAIN for error in errors):
            reason = "Shopify is still at an earlier try of the same push"
            yield from (Ack(key=row.level.key, state=AckState.RETRY, reason=reason) for row in left)
            return
        minded = _minded(errors, left)
        if not minded:
            for half in (left[: len(left) // 2], left[len(left) // 2 :]):
                yield from _set(graph, half, spent)
            return
        yield from (_answer(left[at].level, error) for at, error in minded.items())
        left = [row for at, row in enumerate(left) if at not in minded]


def _minded(errors: Sequence[_Error], rows: Sequence[Row]) -> dict[int, _Error]:
    """The rows that errors point to; a lone row is meant by any error. Raises for errors of the request itself."""
    minded: dict[int, _Error] = {}
    for error in errors:
        if error.code in _OURS:
            raise Rejected(f"Shopify refused to set quantities: {error.code}")
        path = error.field or []
        at = next((int(part) for part in path if part.isdecimal()), 0 if len(rows) == 1 else None)
        if at is not None and at < len(rows):
            minded.setdefault(at, error)
    return minded


def _answer(level: Level, error: _Error) -> Ack:
    if error.code == "CHANGE_FROM_QUANTITY_STALE":
        return _stale(level)
    what = CURES.get(
        error.code or "", f"{error.code or 'no code'}; look the variant up at Shopify and correct it there"
    )
    return _refused(level, f"Shopify refused the quantity: {what}")


def _send(graph: Graph, rows: Sequence[Row], spent: set[str]) -> list[_Error]:
    """Sends the rows and returns what Shopify minds. Safe to repeat: the key makes it the same request."""
    sent = {
        "name": "available",
        "reason": "correction",
        "quantities": [
            {
                "inventoryItemId": row.level.handle,
                "locationId": row.place,
                "quantity": row.level.quantity,
                "changeFromQuantity": row.expected,
            }
            for row in rows
        ],
    }
    errors: list[_Error] = []
    keys = (key for attempt in itertools.count() if (key := _key(rows, sent, attempt)) not in spent)
    for key in itertools.islice(keys, _ATTEMPTS):
        answer, problems = graph.tell(queries.SET_QUANTITIES, {"input": sent, "key": key}, _Answer, safe=True)
        if problems or answer.inventory_set_quantities is None:
            raise graph.lost(problems)
        errors = answer.inventory_set_quantities.user_errors
        if all(error.code != "IDEMPOTENCY_CONCURRENT_REQUEST" for error in errors):
            if len(spent) > _REMEMBERED:
                spent.clear()
            spent.add(key)
        if all(error.code != "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED" for error in errors):
            break
    return errors


def _key(rows: Sequence[Row], sent: dict[str, Any], attempt: int) -> str:
    """The same for the same push, another for every other one and for a new attempt after a failed one."""
    named = [(row.level.key, row.level.revision) for row in rows]
    return hashlib.sha256(msgspec.json.encode([named, sent, attempt])).hexdigest()[:40]


def _stale(level: Level) -> Ack:
    return Ack(key=level.key, state=AckState.STALE, reason="Shopify holds another quantity; read it and push again")


def _refused(level: Level, reason: str) -> Ack:
    return Ack(key=level.key, state=AckState.REFUSED, reason=reason)
