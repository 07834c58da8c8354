"""API calls: how many the real rounds make, beside the least that the channel's own limits allow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from connectors.shopify import queries
from connectors.simulation import Simulator
from core.connector import Connector, find
from core.settings import Settings
from core.store.database import Store
from core.sync import channel as time
from core.sync.channel import Channel, take_up
from core.sync.levels import refresh
from core.sync.pull import pull
from core.sync.push import push_acknowledgements
from core.sync.push_levels import push_levels, read_bases, settle_levels
from core.sync.turn import Trouble, turn
from tests.bench import seller
from tests.bench.accounts import accounts, buy
from tests.bench.databases import Sqlite, databases, opened
from tests.bench.figures import Figure, Report

_TOKENS = ("access_token", "token")
"""Operations that fetch tokens: as many as tokens expire, whatever is pulled or pushed."""


@dataclass(frozen=True)
class Least:
    """How few calls could do, by the vendor's limits: the number, and how it comes about."""

    orders: Callable[[int], tuple[int, str]]
    acknowledgements: Callable[[int], tuple[int, str]]
    levels: Callable[[int], tuple[int, str]]


def _pages(size: int, what: str) -> Callable[[int], tuple[int, str]]:
    return lambda count: (ceil(count / size), f"⌈{count:,} / {size} {what}⌉")


def _searches(count: int) -> tuple[int, str]:
    return ceil(count / 200) + 1, f"⌈{count:,} / 200 a page⌉ + 1 for what Walmart ships: a search shows one of the two"


def _listings_feeds(count: int) -> tuple[int, str]:
    feeds = ceil(count / 25_000)
    what = "document, upload, feed, its state, its report's address, its report"
    return 6 * feeds, f"⌈{count:,} / 25,000 a feed⌉ × 6 ({what})"


def _inventory_feeds(count: int) -> tuple[int, str]:
    return 1 + ceil(count / 50), f"1 feed + ⌈{count:,} / 50 items a page of its state⌉"


LEAST = {
    "shopify": Least(_pages(queries.PAGE, "that 1,000 points buy"), lambda count: (0, ""), _pages(250, "a mutation")),
    "amazon": Least(_pages(100, "a page"), lambda count: (0, ""), _listings_feeds),
    "walmart": Least(_searches, _pages(1, "a call"), _inventory_feeds),
}


def calls(quick: bool) -> Report:
    """A thousand new orders and ten thousand changed levels for each channel, in a store whose channels are settled."""
    orders, levels = (120, 300) if quick else (1_000, 10_000)
    skus = [f"SKU-{number:05d}" for number in range(levels)]
    report = Report()
    with accounts(skus) as (simulators, settings), databases() as kinds:
        database = next(kind for kind in kinds if isinstance(kind, Sqlite))
        for name, simulator in simulators.items():
            url = database.template(lambda store: None)
            connector = find(settings.channels[name].connector)(name, settings.channels[name])
            try:
                with opened(url) as store:
                    round_ = _Round(store, settings, name, simulator, connector)
                    round_.begin(skus)
                    report.figures += round_.orders(skus, orders)
                    report.figures += round_.levels(levels)
                    report.faults += round_.faults
            finally:
                connector.close()
            database.drop(url)
    return report


class _Round:
    """One channel's rounds, step by step, with a clock that may be put forward."""

    def __init__(self, store: Store, settings: Settings, name: str, simulator: Simulator, connector: Connector) -> None:
        self.store, self.settings, self.name, self.simulator, self.connector = (
            store,
            settings,
            name,
            simulator,
            connector,
        )
        self.faults: list[str] = []
        self._skew = 0

    def clock(self) -> int:
        return time.clock() + self._skew

    def begin(self, skus: list[str]) -> None:
        """Stock, listings, and every level told."""
        self._take_up()
        with self.store.write() as tx:
            seller.fill_shelves(tx, skus, 500)
        result = turn(self.store, self.settings, self.name, now=self.clock, connector=self.connector)
        if isinstance(result, Trouble):
            raise RuntimeError(f"{self.name}: {result.reason}")
        self._settle(self._take_up())

    def orders(self, skus: list[str], count: int) -> list[Figure]:
        for number in range(count):
            buy(self.simulator, skus, number)
        channel = self._take_up()
        self.simulator.calls.clear()
        counts = pull(self.store, channel, self.clock)
        if counts.stored != count:
            self.faults.append(f"{self.name}: of {count} orders {counts.stored} were stored")
        figures = [self._figure(f"pull {count:,} orders", *LEAST[self.name].orders(count))]
        self.simulator.calls.clear()
        while push_acknowledgements(self.store, channel, self.clock):
            pass
        least, why = LEAST[self.name].acknowledgements(count)
        if least:
            figures.append(self._figure(f"acknowledge {count:,} orders", least, why))
        return figures

    def levels(self, count: int) -> list[Figure]:
        """Every level changes, the orders' effect on them included, and is told."""
        channel = self._take_up()
        with self.store.write() as tx:
            tx.run("UPDATE stock SET on_hand = on_hand + 7")
            tx.run("UPDATE items SET on_hand = on_hand + 7")
            tx.run("INSERT INTO touched (item_id) SELECT id FROM items WHERE true ON CONFLICT DO NOTHING")
        self.simulator.calls.clear()
        self._settle(channel)
        return [self._figure(f"tell {count:,} levels", *LEAST[self.name].levels(count))]

    def _settle(self, channel: Channel) -> None:
        """The level steps of a round, again until the channel has everything. A feed is done when it is asked for."""
        refresh(self.store, self.settings.channels, self.clock())
        for _ in range(40):
            read_bases(self.store, channel, self.clock)
            push_levels(self.store, channel, self.clock)
            if not self._open():
                return
            self.simulator.settle_feeds()
            self._skew += 3600 * 1_000_000
            settle_levels(self.store, channel, self.clock)
        self.faults.append(f"{self.name}: {self._open()} levels did not settle")

    def _open(self) -> int:
        with self.store.read() as tx:
            return int(tx.value("SELECT count(*) FROM levels WHERE state <> 'applied'"))

    def _take_up(self) -> Channel:
        places = [place.as_location() for place in self.settings.locations]
        own = self.settings.channels[self.name]
        return take_up(self.store, self.name, own, self.connector, places, self.settings.must_route(), self.clock())

    def _figure(self, what: str, least: int, why: str) -> Figure:
        made = Counter({name: count for name, count in self.simulator.calls.items() if name not in _TOKENS})
        told = ", ".join(f"{count} {name}" for name, count in made.most_common())
        return Figure(
            part="calls",
            what=f"{self.name}: {what}",
            unit="calls",
            ours=made.total(),
            floor=least,
            against=f"the least: {why}",
            less_is_better=True,
            note=told,
        )
