"""The part of the far end that speaks first: subscriptions, signed calls, and a queue of messages.

`FarEnd` is made of this and of what stands in `far_end.py`; a plugin author's simulator takes the place of both.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from connectors.sandbox import wire
from core.model import Call
from core.signature import as_hex, sha256

MOST_MESSAGES = 10
"""Messages one look into the queue may bring."""

LONGEST_WAIT = 20.0
"""Seconds one look may wait for the first message."""


class Telling:
    """What the far end tells by itself. Callers of `_answer_…` hold the lock."""

    def __init__(self) -> None:
        self.secret = "sandbox"  # noqa: S105 - of a channel in memory
        """What calls are signed with."""
        self._lock = threading.RLock()
        self._news = threading.Condition(self._lock)
        self._subscriptions: dict[str, str] = {}
        """Addresses by the subscription's id."""
        self._messages: dict[str, bytes] = {}
        self._events: Iterator[int] = itertools.count(1)

    # What tests and the curious may do.

    def event(self, number: str, *, at: datetime | None = None) -> Call:
        """The call by which this order's change is told; each is another event. `at`: when it happened."""
        return self.sign(self._told_of(number, at))

    def sign(self, body: bytes) -> Call:
        """A genuine call with this body."""
        signature = as_hex(sha256(self.secret, body)).decode()
        return Call(body=body, headers={"sandbox-signature": signature}, at=datetime.now(UTC))

    def told(self) -> list[str]:
        """The addresses that would be told of a change, as often as each would be."""
        with self._lock:
            return sorted(self._subscriptions.values())

    def subscribe(self, address: str) -> None:
        """Somebody subscribes an address by hand."""
        with self._lock:
            self._subscriptions[f"W-{next(self._events)}"] = address

    def unsubscribe(self) -> None:
        """All subscriptions are gone, as after too many failures."""
        with self._lock:
            self._subscriptions.clear()

    def enqueue(self, number: str) -> None:
        """A message about an order's change; without a number, one that nobody can read."""
        with self._news:
            self._messages[f"M-{next(self._events)}"] = self._told_of(number, None) if number else b"{"
            self._news.notify_all()

    def queued(self) -> int:
        """Messages that nobody has taken out."""
        with self._lock:
            return len(self._messages)

    def _told_of(self, number: str, at: datetime | None) -> bytes:
        with self._lock:
            event = f"E-{next(self._events)}"
        return msgspec.json.encode(wire.Told(event=event, at=at or datetime.now(UTC), topic="order", order=number))

    # What the connector may do.

    def _answer_subscriptions(self, request: bytes) -> tuple[int, object]:
        msgspec.json.decode(request, type=wire.Nothing)
        return 200, {"subscriptions": [{"id": id, "address": where} for id, where in self._subscriptions.items()]}

    def _answer_subscribe(self, request: bytes) -> tuple[int, object]:
        asked = msgspec.json.decode(request, type=wire.Subscribe)
        self.subscribe(asked.address)
        return 200, {}

    def _answer_unsubscribe(self, request: bytes) -> tuple[int, object]:
        gone = self._subscriptions.pop(msgspec.json.decode(request, type=wire.Unsubscribe).id, None)
        return (404, {}) if gone is None else (200, {})

    def _answer_receive(self, request: bytes) -> tuple[int, object]:
        asked = msgspec.json.decode(request, type=wire.Receive)
        self._news.wait_for(lambda: bool(self._messages), timeout=min(asked.wait, LONGEST_WAIT))
        batch = itertools.islice(self._messages.items(), MOST_MESSAGES)
        return 200, {"messages": [{"id": id, "body": body.decode()} for id, body in batch]}

    def _answer_delete(self, request: bytes) -> tuple[int, object]:
        for id in msgspec.json.decode(request, type=wire.Delete).ids:
            self._messages.pop(id, None)
        return 200, {}
