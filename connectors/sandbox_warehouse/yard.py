"""The warehouse itself, in memory: shelves, people who pick and pack, and a log of what happened.

The connector reaches it through `answer` alone, as over HTTP. Everything else is for tests and the curious: they play
the people (`accept`, `send`, `decline`), the shelves (`count`, `adjust`) and the bad days (`fail`).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar

import msgspec


class Trouble(StrEnum):
    """How the yard can misbehave."""

    UNAVAILABLE = "unavailable"
    """503 to everything; nothing takes effect."""
    UNAUTHORIZED = "unauthorized"
    """401 to everything; nothing takes effect."""
    LOST_ANSWER = "lost answer"
    """A write takes effect and its answer is lost; reads are answered."""


class Asked(msgspec.Struct, kw_only=True):
    """One piece of work as the yard has it; units by SKU."""

    key: str
    place: str
    skus: dict[str, str]
    """By line number."""
    asked: dict[str, int]
    """By line number, as all that follow."""
    sent: dict[str, int]
    off: dict[str, int]
    ship_to: Mapping[str, Any]

    def open(self, number: str) -> int:
        return self.asked[number] - self.sent[number] - self.off[number]


class _Line(msgspec.Struct):
    number: str
    sku: str
    quantity: int


class _Release(msgspec.Struct):
    key: str
    place: str
    lines: list[_Line]
    ship_to: dict[str, Any]


class _Recall(msgspec.Struct):
    key: str
    work: str
    lines: dict[str, int]


class _Page(msgspec.Struct):
    after: int
    limit: int


class Yard:
    """One warehouse. Every method may be called from any thread."""

    _yards: ClassVar[dict[str, Yard]] = {}
    _yards_lock: ClassVar[threading.Lock] = threading.Lock()

    @classmethod
    def named(cls, name: str) -> Yard:
        """The yard of this name, made empty when nobody has asked for it yet."""
        with cls._yards_lock:
            return cls._yards.setdefault(name, cls())

    @classmethod
    def forget(cls, name: str) -> None:
        """Ends a yard; the next one of its name starts empty."""
        with cls._yards_lock:
            cls._yards.pop(name, None)

    def __init__(self) -> None:
        self.slow = False
        """Whether recalls are asked of people, who answer with `answer_recall`."""
        self.unknown: set[str] = set()
        """SKUs it never heard of: work with one of them is refused."""
        self._lock = threading.Lock()
        self._works: dict[str, Asked] = {}
        self._recalls: dict[str, _Recall] = {}
        self._outcomes: dict[str, dict[str, Any]] = {}
        self._events: list[bytes] = []
        self._trouble: Trouble | None = None

    # What tests and the curious may do.

    def works(self) -> dict[str, Asked]:
        """All work by its key."""
        with self._lock:
            return dict(self._works)

    def accept(self, key: str) -> None:
        """The yard takes work up."""
        with self._lock:
            self._tell("accepted", work=key, at=_now())

    def send(
        self,
        key: str,
        parcels: Sequence[tuple[str, Mapping[str, int]]],
        *,
        at: datetime | None = None,
        place: str = "",
    ) -> None:
        """Parcels leave at once: (tracking number, units by line number). Strict about nothing: people err."""
        with self._lock:
            known = self._works.get(key)
            for _, lines in parcels:
                for number, units in lines.items():
                    if known is not None and number in known.sent:
                        known.sent[number] += units
            boxes = [{"tracking": tracking, "carrier": "UPS", "lines": dict(lines)} for tracking, lines in parcels]
            self._tell("left", work=key, at=at or _now(), parcels=boxes, **({"place": place} if place else {}))

    def decline(
        self, key: str, lines: Mapping[str, int] | None = None, *, reason: str = "damaged", short: bool = False
    ) -> None:
        """The yard will not do work, or not these units of it, by line number."""
        with self._lock:
            known = self._works[key]
            for number, units in (lines or {number: known.open(number) for number in known.asked}).items():
                known.off[number] += units
            self._tell("declined", work=key, at=_now(), reason=reason, lines=dict(lines or {}), short=short)

    def count(self, place: str, units: Mapping[str, int], *, as_of: datetime | None = None) -> None:
        """The yard counts shelves; a SKU that is not named was not counted."""
        with self._lock:
            self._tell("counted", place=place, as_of=as_of or _now(), units=dict(units))

    def adjust(self, place: str, sku: str, change: int, reason: str, *, at: datetime | None = None) -> None:
        """Units come or go other than by work."""
        with self._lock:
            self._tell("adjusted", place=place, sku=sku, at=at or _now(), change=change, reason=reason)

    def answer_recall(self, key: str, *, done: bool, reason: str = "") -> None:
        """A recall that was asked of people is answered."""
        with self._lock:
            one = self._recalls[key]
            if done:
                self._withdraw(one)
            self._tell("recall", recall=key, at=_now(), done=done, reason=reason)

    def garble(self, body: bytes = b'{"id": "garbled", "type": "left"}') -> None:
        """An event nobody can read."""
        with self._lock:
            self._events.append(body)

    def repeat(self, nth: int = -1) -> None:
        """One of its events is told once more."""
        with self._lock:
            self._events.append(self._events[nth])

    def fail(self, how: str | None) -> bool:
        """From now on this `Trouble`; None ends it."""
        with self._lock:
            self._trouble = None if how is None else Trouble(how)
            return True

    def _tell(self, kind: str, **what: Any) -> None:
        number = len(self._events) + 1
        self._events.append(msgspec.json.encode({"id": f"Y-{number}", "type": kind, **what}))

    # What the connector sees.

    def answer(self, operation: str, request: bytes) -> tuple[int, bytes]:
        """A status and JSON. Raises `ConnectionError` where the answer is lost."""
        with self._lock:
            if self._trouble is Trouble.UNAVAILABLE:
                return 503, b"{}"
            if self._trouble is Trouble.UNAUTHORIZED:
                return 401, b"{}"
            try:
                status, answer = self._answers(operation, request)
            except msgspec.DecodeError as error:
                return 400, str(error).encode()
            if self._trouble is Trouble.LOST_ANSWER and operation != "events":
                raise ConnectionError
            return status, msgspec.json.encode(answer) if status == 200 else str(answer).encode()

    def _answers(self, operation: str, request: bytes) -> tuple[int, Any]:
        if operation == "release":
            return self._release(msgspec.json.decode(request, type=_Release))
        if operation == "recall":
            return self._recall(msgspec.json.decode(request, type=_Recall))
        if operation == "events":
            page = msgspec.json.decode(request, type=_Page)
            found = self._events[page.after : page.after + page.limit]
            more = page.after + page.limit < len(self._events)
            return 200, {"events": [_raw(one) for one in found], "more": more}
        return 404, "no such operation"

    def _release(self, asked: _Release) -> tuple[int, Any]:
        strange = sorted({line.sku for line in asked.lines} & self.unknown)
        if strange:
            return 422, f"no such SKU: {', '.join(strange)}"
        if asked.key not in self._works:
            self._works[asked.key] = Asked(
                key=asked.key,
                place=asked.place,
                skus={line.number: line.sku for line in asked.lines},
                asked={line.number: line.quantity for line in asked.lines},
                sent=dict.fromkeys((line.number for line in asked.lines), 0),
                off=dict.fromkeys((line.number for line in asked.lines), 0),
                ship_to=asked.ship_to,
            )
        return 200, {"number": f"W-{list(self._works).index(asked.key) + 1}"}

    def _recall(self, one: _Recall) -> tuple[int, Any]:
        if one.key in self._outcomes:
            return 200, self._outcomes[one.key]
        known = self._works.get(one.work)
        if known is None:
            return 404, "no such work"
        self._recalls[one.key] = one
        if self.slow:
            self._outcomes[one.key] = {"done": False, "asked": True}
        elif any(known.open(number) < units for number, units in one.lines.items()):
            self._outcomes[one.key] = {"done": False, "reason": "it has left already"}
        else:
            self._withdraw(one)
            self._outcomes[one.key] = {"done": True}
        return 200, self._outcomes[one.key]

    def _withdraw(self, one: _Recall) -> None:
        known = self._works[one.work]
        for number, units in one.lines.items():
            known.off[number] += units


def _raw(body: bytes) -> Any:
    """Any bytes as a part of a JSON answer: what is no JSON travels as the text it is."""
    try:
        msgspec.json.decode(body)
    except msgspec.DecodeError:
        return body.decode(errors="replace")
    return msgspec.Raw(body)


def _now() -> datetime:
    return datetime.now(UTC)
