"""The stage of the play: its clock, its books, and what is to happen at an instant."""

from __future__ import annotations

import functools
import heapq
import itertools
import random
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from core.errors import UserError
from core.model import Order, Page
from core.store.database import Store
from core.sync.channel import Channel
from tests.core.sync.life.books import Books, Sold
from tests.core.sync.life.far import Far
from tests.core.sync.world import EAST, SECOND, WEST, World

HOUR = 3600 * SECOND
DAY = 24 * HOUR
ZONE = ZoneInfo("America/New_York")
"""Whose days the metrics are of."""
TURNS = 3
"""Turns of each channel a day."""
PAGE = 100
PLACES = ("east", "west")
CHANNELS: dict[str, dict[str, Any]] = {
    "shop": {},
    "mart": {"backorder": "whole", "unpaid_expire_hours": 48},
    "bay": {"backorder_priority": 50},
}


def day_of(at: int) -> int:
    """Which day of the zone, counted from 1970, an instant falls on."""
    return _day_of_hour(at // HOUR)


@functools.cache
def _day_of_hour(hour: int) -> int:
    return datetime.fromtimestamp(hour * 3600, UTC).astimezone(ZONE).date().toordinal() - _FIRST


_FIRST = datetime(1970, 1, 1, tzinfo=UTC).toordinal()


@dataclass
class Shelf(Far):
    """A channel that forgets how its orders stood before, and knows which have changed since it was asked last."""

    changed: dict[str, None] = field(default_factory=dict)
    watch: Callable[[Page, bool], None] = lambda page, stored: None
    """Called just before a page is told, and again as soon as it is stored."""

    def pages(self, cursor: str | None, *, since: datetime | None = None) -> Iterator[Page]:
        for page in super().pages(cursor, since=since):
            self.watch(page, False)
            yield page
            self.watch(page, True)

    def _show(self, order: Order) -> None:
        super()._show(order)
        del self.told[order.number][:-1]
        self.changed[order.number] = None


class Stage:
    def __init__(self, store: Store, orders: int, days: int, seed: int) -> None:
        self.store, self.orders, self.days = store, orders, days
        self.random = random.Random(seed)
        self.seldom = 4 if orders < 5_000 else 1
        """How much more often something is cancelled, edited or void: a small year has it, too."""
        self.world = World(store, locations=[EAST, WEST])
        self.far = {name: Shelf() for name in CHANNELS}
        self.channels: dict[str, Channel] = {}
        self.prices: dict[str, Decimal] = {}
        self.scarce: set[str] = set()
        """Items that are bought late, and run out."""
        self.books = Books(parts={})
        self.did: Counter[str] = Counter()
        self.refunded: dict[str, Decimal] = {name: Decimal(0) for name in CHANNELS}
        """What buyers have back, by channel."""
        self.ids: dict[tuple[str, str], int] = {}
        self.seen: Counter[tuple[int, str, str, str]] = Counter()
        """Units by day, SKU, location and kind: received, sold (void ones taken off), returned, other."""
        self.parcels: dict[tuple[int, str], tuple[str, int]] = {}
        """By order and parcel: the location and the instant it left; void ones out."""
        self.placed: dict[int, int] = {}
        """When orders were placed, by id."""
        self.ship_by: dict[int, int] = {}
        """By when orders have to leave, by id."""
        self.first: dict[tuple[str, str, str], tuple[int, int]] = {}
        """By channel, order and line, as the line was seen first: units asked, and units promised at once."""
        self._foreseen: dict[tuple[str, str, str], int] = {}
        self._loud: set[str] = set()
        self.costs: dict[str, Decimal] = {}
        self.wrong: list[str] = []
        """What went otherwise than it was to, and is not seen afterwards."""
        self.let_down: set[int] = set()
        """Orders of which something was cancelled here, and not for the buyer."""
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = itertools.count(1)
        self._recent: dict[str, deque[str]] = {name: deque(maxlen=50) for name in CHANNELS}
        self._asked: set[int] = set()
        self._coming: Counter[tuple[str, str]] = Counter()

    @property
    def now(self) -> int:
        return self.world.now

    def after(self, low: float, high: float, act: Callable[[], None]) -> None:
        """`act` happens between so many hours from now."""
        at = self.now + int(self.random.uniform(low, high) * HOUR)
        heapq.heappush(self._events, (at, next(self._numbers), act))

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def number(self, what: str) -> str:
        return f"{what}{next(self._numbers)}"

    def attempt(self, what: str, work: Callable[[], Any]) -> Any:
        """What `work` returns; None where it was refused, which is counted."""
        try:
            done = work()
        except UserError:
            self.did[f"{what} refused"] += 1
            return None
        self.did[what] += 1
        return done

    def sold(self, name: str, number: str) -> Sold:
        return self.books.orders[self.ids[name, number]]

    def move(self, sku: str, units: int, place: str, kind: str, *, aside: str = "") -> None:
        """Units come or leave: in the books, and in what the day has seen."""
        self.books.move(sku, units, place, aside=aside)
        if not aside:
            for part, per in self.books.parts[sku].items():
                self.seen[self.day, part, place, kind] += per * units

    @property
    def day(self) -> int:
        """Counted from 1970, as the zone has it."""
        return day_of(self.now)
