"""The play: buyers, channels, a warehouse and an operator, all drawn from one seed, and what each did in the books.

Everything goes the way it goes in service: orders come in pages and channels take their turns (`run_round`), parcels,
returns, transfers and deliveries are booked by the operator's own use cases. Nothing is read back to know what must be
so, but what a warehouse is told as well: what it is asked to send.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from decimal import Decimal

from core.days import Days
from core.model import instant
from core.settings import ChannelSettings
from core.sync.costs import cost_of, set_costs
from core.sync.facts import refresh_facts
from tests.core.sync.world import SECOND, START
from tests.year.floor import Floor
from tests.year.office import Office
from tests.year.stage import CHANNELS, DAY, HOUR, PLACES, TURNS, ZONE
from tests.year.trade import Trade


class Play(Trade, Floor, Office):
    """A year of it."""

    def open(self) -> None:
        """Items, kits, opening stock, channels."""
        for name, own in CHANNELS.items():
            settings = ChannelSettings(
                connector="fake", locations=dict.fromkeys(PLACES, ""), import_since=instant(START), reconcile_hours=0
            ).model_copy(update=own)
            self.channels[name] = self.world.channel(name, self.far[name], **settings.model_dump(exclude_unset=True))
        count = max(10, min(200, self.orders // 50))
        for index in range(1, count + 1):
            sku = f"I{index:03}"
            self.world.item(sku)
            self.books.parts[sku] = {sku: 1}  # type: ignore[index]
            self.prices[sku] = Decimal(self.random.randrange(500, 9000)) / 100
        for index in range(1, count // 20 + 2):
            kit, first, second = f"K{index:02}", f"I{2 * index:03}", f"I{2 * index + 1:03}"
            self.world.kit(kit, {first: 2, second: 1})
            self.books.parts[kit] = {first: 2, second: 1}  # type: ignore[index]
            self.prices[kit] = self.prices[first] * 2
        self.skus = list(self.prices)
        self.weights = [1 / (1 + index) for index in range(len(self.skus))]
        self.scarce = {sku for index, sku in enumerate(self.skus) if index % 4 == 1}
        self.costs = {sku: self.prices[sku] / 3 for sku in self.skus if not sku.endswith("5")}
        self.costs = {sku: round(cost, 6) for sku, cost in self.costs.items() if sku.startswith("I")}
        set_costs(self.store, {sku: cost_of(str(cost), "USD") for sku, cost in self.costs.items()})
        for sku in self.skus:
            if sku.startswith("I"):
                self._fill(sku)
        for channel in self.channels.values():
            self.world.offer(channel, *self.skus)

    def _fill(self, sku: str) -> None:
        for place in PLACES:
            if self._kept(sku, place):
                self._receive(sku, place, self._daily(sku) * (5 if sku in self.scarce else 20))

    def run(self, tell: Callable[[int], None] = lambda day: None) -> None:
        """The days, and then as many turns as it takes for everything to be heard."""
        due = 0.0
        for day in range(self.days):
            for turn in range(TURNS):
                self.world.now = max(self.now + SECOND, START + day * DAY + turn * DAY // TURNS)
                due += self.orders / self.days / TURNS
                while due >= 1:
                    due -= 1
                    self._order()
                self._happen()
                for name in CHANNELS:
                    self._turn(name)
                self._pick()
            self._buy()
            if day % 7 == 3:
                self._transfer()
            if day % 7 == 5:  # behind the rounds, as a channel's turn does it
                refresh_facts(self.store, Days(ZONE), self.world.clock)
            tell(day)
        while self._events or any(far.changed for far in self.far.values()):
            self.world.now = max(self.now + 6 * HOUR, self._events[0][0] if self._events else 0)
            self._happen()
            for name in CHANNELS:
                self._turn(name)
            self._pick()

    def _happen(self) -> None:
        while self._events and self._events[0][0] <= self.now:
            heapq.heappop(self._events)[2]()
