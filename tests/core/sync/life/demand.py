"""What buffers that follow demand must be: reckoned from every single sale, and how long everything took.

`Watch` stands beside the product while it learns: it sees the same order lines at the same moment, and remembers all of
them. Nothing fades here but by the clock, nothing is rounded, and no sum is kept from one time to the next.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from core.model import Ack, Level
from core.store.database import Store
from core.sync import levels as product
from core.sync import round as rounds
from core.sync.demand import learn
from core.sync.levels import refresh
from tests.core.sync.fake import applied
from tests.core.sync.life.far import Far

WEEK, QUARTER, DAY, HOUR = 604_800.0, 21_600.0, 86_400.0, 3_600.0
SECOND = 1_000_000
AGAIN, SETTLED = 600 * SECOND, 60 * SECOND
Parts = Mapping[str, Mapping[str, int]]
"""What one unit of an item is made of."""

UPPER_ENDS = [2 ** (n / 2) for n in range(-2, 25)]
"""Of the classes of duration: two to a doubling."""


@dataclass(frozen=True)
class Sale:
    """Units of an item in one order line, in seconds."""

    item: str
    channel: str
    units: int
    at: float


@dataclass
class Demand:
    """All that was sold, and how long it took to hear of it and to tell of it."""

    sales: list[Sale] = field(default_factory=list)
    intakes: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Seconds from an order's placing until it was here, by channel."""
    falls: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Seconds from a level's fall until its channel had it, by channel."""
    counted: set[int] = field(default_factory=set)
    """Order lines by id."""
    learnt: int | None = None
    """When it was counted last."""

    def count(self, lines: Sequence[Any], parts: Parts, now: int) -> None:
        """Every line that came since and has been here for a minute; none that comes after one that has not."""
        orders = {}
        for line in lines:
            if line.id in self.counted:
                continue
            if line.imported_at >= now - SETTLED:
                break
            self.counted.add(line.id)
            if line.test or line.fulfiller != "merchant":
                continue
            orders[line.order_id] = line
            for part, per in parts[line.item].items() if line.item is not None and line.ordered else ():
                self.sales.append(Sale(part, line.channel, line.ordered * per, line.placed_at / SECOND))
        for line in orders.values():
            self.intakes[line.channel].append((line.imported_at - line.placed_at) / SECOND)
        self.learnt = now

    def sold(self, item: str, channel: str, now: float) -> tuple[float, float]:
        """Units, and squares of units, that a channel sells a second: of its week or of its six hours, by which is
        more."""
        own = [sale for sale in self.sales if (sale.item, sale.channel) == (item, channel)]
        if not own:
            return 0.0, 0.0
        rates = []
        for half, youngest in ((WEEK, DAY), (QUARTER, HOUR)):
            age = max(youngest, now - min(sale.at for sale in own))
            seconds = half / math.log(2) * (1 - 0.5 ** (age / half))  # all of them as they weigh together
            weights = [0.5 ** ((now - sale.at) / half) for sale in own]
            units = sum(weight * sale.units for weight, sale in zip(weights, own, strict=True))
            squares = sum(weight * sale.units**2 for weight, sale in zip(weights, own, strict=True))
            rates.append((units / seconds, squares / seconds))
        return max(rates)

    def window(self, channel: str, polls: Mapping[str, float]) -> float:
        """Seconds in which a channel may sell what was sold elsewhere."""
        intakes = [longest(self.intakes[other], polls[other]) for other in polls if other != channel]
        return max(intakes) + longest(self.falls[channel], polls[channel])

    def wrong(self, item: str, channel: str, units: int, quantile: float, polls: Mapping[str, float]) -> str:
        """Why `units` are not the buffer of an item; empty where they are."""
        now = (self.learnt or 0) / SECOND
        others = [self.sold(item, other, now) for other in polls if other != channel]
        window = self.window(channel, polls)
        mean = window * sum(one[0] for one in others)
        variance = max(mean, window * sum(one[1] for one in others))
        enough, fewer = at_most(units, mean, variance), at_most(units - 1, mean, variance)
        # The product rounds its sums to the millionth, so a hair's breadth decides nothing.
        if enough < quantile - 1e-4 or fewer >= quantile + 1e-4:
            return (
                f"{units} of {item} kept from {channel}: {mean:.4f} are sold elsewhere in {window:.1f} s (variance"
                f" {variance:.4f}); {enough:.4f} of all times no more than that, {fewer:.4f} fewer"
            )
        return ""


def longest(seconds: Sequence[float], otherwise: float) -> float:
    """What 95 of a hundred take at most, by the upper end of its class; what took over an hour was no ordinary day."""
    usual = sorted(one for one in seconds if 0 <= one <= HOUR)
    if not usual:
        return otherwise
    nth = next(count for count in range(1, len(usual) + 1) if count >= 0.95 * len(usual))
    return next(end for end in UPPER_ENDS if usual[nth - 1] <= end)


def at_most(units: int, mean: float, variance: float) -> float:
    """How likely no more than `units` are sold: by a negative binomial of this mean and variance."""
    if units < 0:
        return 0.0
    if mean == 0:
        return 1.0
    if variance - mean <= 1e-9 * mean:
        return sum(math.exp(n * math.log(mean) - mean - math.lgamma(n + 1)) for n in range(units + 1))
    size, kept = mean**2 / (variance - mean), mean / variance
    return sum(
        math.exp(
            math.lgamma(n + size)
            - math.lgamma(size)
            - math.lgamma(n + 1)
            + size * math.log(kept)
            + n * math.log(1 - kept)
        )
        for n in range(units + 1)
    )


class Watch:
    """Looks on whenever levels are refreshed; says what is wrong where buffers are not as they must be."""

    def __init__(self, parts: Parts, far: Mapping[str, Far], clock: Callable[[], int]) -> None:
        self.demand = Demand()
        self._parts, self._far, self._clock = parts, far, clock
        self._fell: dict[tuple[str, str, str], int] = {}
        """When there came to be less than a channel was told, by channel, SKU and place."""
        self._learn, self._refresh = learn, refresh
        for name, one in far.items():
            one.answer = self._answered(name)
        self._patched = ExitStack()
        self._patched.enter_context(mock.patch.object(product, "learn", self.learn))
        self._patched.enter_context(mock.patch.object(rounds, "refresh", self.refresh))

    def close(self) -> None:
        self._patched.close()

    def _answered(self, channel: str) -> Callable[[Any], Ack]:
        def answer(pushed: Any) -> Ack:
            if isinstance(pushed, Level):
                key = channel, pushed.sku, pushed.place
                since, held = self._fell.pop(key, None), self._far[channel].quantities.get(key[1:])
                if since is not None and held is not None and pushed.quantity < held:
                    self.demand.falls[channel].append((self._clock() - since) / SECOND)
            return applied(pushed)

        return answer

    def refresh(self, store: Store, channels: Mapping[str, Any], now: int) -> set[int]:
        due = self._refresh(store, channels, now)
        with store.read() as tx:
            rows = tx.rows(
                "SELECT c.name, l.sku, v.place, v.desired FROM levels v JOIN listings l ON l.id = v.listing_id"
                " JOIN channels c ON c.id = v.channel_id"
            )
        for row in rows:
            key = row.name, row.sku, row.place
            if row.desired >= self._far[row.name].quantities.get(key[1:], 0):
                self._fell.pop(key, None)
            else:
                self._fell.setdefault(key, now)
        return due

    def learn(self, store: Store, channels: Mapping[str, Any], by: Mapping[int, Any], now: int) -> None:
        learns = self.demand.learnt is None or now - self.demand.learnt >= AGAIN
        if learns:
            with store.read() as tx:
                lines = tx.rows(
                    "SELECT l.id, i.sku AS item, l.ordered, l.order_id, c.name AS channel, o.placed_at, o.imported_at,"
                    " o.test, o.fulfiller FROM lines l JOIN orders o ON o.id = l.order_id"
                    " JOIN channels c ON c.id = o.channel_id LEFT JOIN items i ON i.id = l.item_id ORDER BY l.id"
                )
            self.demand.count(lines, self._parts, now)
        before = self.buffers(store)
        self._learn(store, channels, by, now)
        after = self.buffers(store)
        assert learns or before == after, "buffers were reckoned anew before their time"
        wrong = list(self._wrong(channels, after)) if learns else []
        assert not wrong, wrong

    def _wrong(self, channels: Mapping[str, Any], buffers: Mapping[tuple[str, str], int]) -> Iterator[str]:
        polls = {name: float(settings.poll_seconds) for name, settings in channels.items()}
        auto = {name: one.buffer_quantile for name, one in channels.items() if one.buffer == "auto"}
        items = {sale.item for sale in self.demand.sales} | {item for _, item in buffers}
        for name, quantile in auto.items():
            found = [self.demand.wrong(item, name, buffers.get((name, item), 0), quantile, polls) for item in items]
            yield from sorted(one for one in found if one)
        yield from (f"{name} keeps {item} back by demand" for name, item in buffers if name not in auto)

    def buffers(self, store: Store) -> dict[tuple[str, str], int]:
        """Units by channel and item."""
        with store.read() as tx:
            rows = tx.rows(
                "SELECT c.name, i.sku, b.units FROM buffers b JOIN channels c ON c.id = b.channel_id"
                " JOIN items i ON i.id = b.item_id"
            )
        return {(row.name, row.sku): row.units for row in rows}
