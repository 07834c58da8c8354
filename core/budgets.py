"""What is left of an account's budgets: a token bucket for each operation, by the vendor's usage plan.

The plan is where a bucket begins; what the vendor's answers say goes before it. One `Budgets` serves everything that
speaks for an account in this process, and is written down as a few numbers from which another goes on.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

USED = 0.95
"""The part of a rate that is counted on: two machines' clocks, and the way between them, are never quite even."""


@dataclass(frozen=True)
class Budget:
    """A usage plan's token bucket: `rate` requests (or points) a second in the long run, `burst` at once."""

    rate: float
    burst: float


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer says of its operation's budget; None where it says nothing of that."""

    left: float | None = None
    rate: float | None = None
    burst: float | None = None
    wait: float | None = None
    """Seconds before which nothing more is given."""
    cost: float | None = None
    """What the request cost after all."""


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """How one budget stood `at` an instant, in seconds since 1970."""

    left: float
    rate: float
    burst: float
    at: float
    shut_until: float = 0.0
    """Before this instant the vendor gives nothing."""

    def now(self, now: float) -> float:
        """What is left by then."""
        if now < self.shut_until:
            return 0.0
        return min(self.burst, self.left + max(0.0, now - self.at) * self.rate)


class _Bucket:
    def __init__(self, budget: Budget, level: float, now: float, shut_until: float = 0.0) -> None:
        self.rate, self.burst = budget.rate, budget.burst
        self.level = min(level, budget.burst)
        self.at = now
        self.shut_until = shut_until
        self.under_way = 0.0
        """What requests without an answer yet have taken."""

    def refill(self, now: float) -> None:
        self.level = min(self.burst, self.level + max(0.0, now - self.at) * self.rate * USED)
        self.at = now

    def wait(self, cost: float, now: float, keep: float = 0.0) -> float:
        """Seconds until it holds so much beside what is kept; 0 when it does."""
        self.refill(now)
        missing = min(cost, self.burst) + keep - self.level
        # A hair's breadth is none: the seconds waited add up to a little less than what is missing.
        fill = missing / (self.rate * USED) if missing > 1e-6 else 0.0
        return max(0.0, fill, self.shut_until - now)


class Budgets:
    """One account's budgets by operation. Any thread may ask."""

    def __init__(self, before: Mapping[str, Left] | None = None) -> None:
        """`before`: how they stood when they were last written down."""
        self.pulling = ""
        """The operation that lists changed orders, where its budget is dear: what is left of it decides how often it is
        asked. Empty where the channel's `poll_seconds` is all there is to it."""
        self.fetching = ""
        """The operation that reads a single order, where that is counted too."""
        self.news_at = -math.inf
        """When orders were last taken in by it, by the monotonic clock."""
        self._before = dict(before or {})
        self._lock = threading.Lock()
        self._plan: dict[str, Budget] = {}
        self._buckets: dict[str, _Bucket] = {}

    def plan(self, plan: Mapping[str, Budget]) -> Budgets:
        """The usage plan. What is left stays as it is where the plan was known before; returns itself."""
        now, today = time.monotonic(), time.time()
        with self._lock:
            for name, budget in plan.items():
                if self._plan.get(name) == budget:
                    continue
                known, before = self._buckets.get(name), self._before.get(name)
                if known is not None:
                    known.refill(now)
                    self._buckets[name] = _Bucket(budget, known.level, now, known.shut_until)
                elif before is not None:
                    shut = now + max(0.0, before.shut_until - today)
                    self._buckets[name] = _Bucket(budget, before.now(max(today, before.shut_until)), now, shut)
                else:
                    self._buckets[name] = _Bucket(budget, budget.burst, now)
                self._plan[name] = budget
        return self

    def take(self, operation: str, cost: float = 1.0, *, patience: float = 0.0, keep: float = 0.0) -> float:
        """Takes the cost of one request, with so much `keep` left to others; returns the seconds to wait before it is
        sent. Nothing was taken where that is more than `patience`. An operation without a budget costs nothing.
        """
        with self._lock:
            bucket = self._buckets.get(operation)
            if bucket is None:
                return 0.0
            wait = bucket.wait(cost, time.monotonic(), keep)
            if wait <= patience:
                cost = min(cost, bucket.burst)
                bucket.level -= cost  # below zero where it is waited for: who comes next waits behind it
                bucket.under_way += cost
            return wait

    def answered(self, operation: str, cost: float, reading: Reading | None) -> None:
        """The request that took `cost` is over; `reading`: what its answer said, None when there was none."""
        with self._lock:
            bucket = self._buckets.get(operation)
            if bucket is None:
                return
            now = time.monotonic()
            bucket.refill(now)
            bucket.under_way = max(0.0, bucket.under_way - min(cost, bucket.burst))
            if reading is None:
                return
            if reading.rate is not None and 0 < reading.rate < math.inf:
                bucket.rate = reading.rate
            if reading.burst is not None and 0 < reading.burst < math.inf:
                bucket.burst = reading.burst
            if reading.cost is not None:
                bucket.level = min(bucket.burst, bucket.level + min(cost, bucket.burst) - reading.cost)
            if reading.left is not None:
                bucket.burst = max(bucket.burst, reading.left)
                bucket.level = reading.left - bucket.under_way
            if reading.wait is not None:
                bucket.shut_until = max(bucket.shut_until, now + reading.wait)

    def wait(self, operation: str, cost: float = 1.0) -> float | None:
        """Seconds until the operation could be paid; None where it has no budget."""
        with self._lock:
            bucket = self._buckets.get(operation)
            return None if bucket is None else bucket.wait(cost, time.monotonic())

    def left(self, operation: str) -> Left | None:
        """How the operation's budget stands; None where it has none."""
        return self.standing().get(operation)

    def standing(self) -> dict[str, Left]:
        """How every budget stands, to be written down."""
        now, today = time.monotonic(), time.time()
        with self._lock:
            for bucket in self._buckets.values():
                bucket.refill(now)
            return {
                name: Left(
                    left=round(max(0.0, bucket.level), 3),
                    rate=bucket.rate,
                    burst=bucket.burst,
                    at=today,
                    shut_until=today + bucket.shut_until - now if bucket.shut_until > now else 0.0,
                )
                for name, bucket in self._buckets.items()
            }


def written(standing: Mapping[str, Left]) -> str:
    """How budgets stood, as text; `read` gives it back."""
    return msgspec.json.encode(standing).decode()


def read(text: str) -> dict[str, Left]:
    """What `written` wrote; empty for no text."""
    return msgspec.json.decode(text, type=dict[str, Left]) if text else {}
