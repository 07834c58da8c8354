"""The metrics against a slow and obvious counting, after any history, whenever the facts were worked off in between."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.days import Days, as_date
from core.errors import UserError
from core.metrics import Sums
from core.model import CancelReason, Fulfiller, instant
from core.store.database import Store, connect
from core.sync import stock
from core.sync.cancel import Decision, cancel
from core.sync.costs import cost_of, set_costs
from core.sync.facts import refresh_facts
from core.sync.metrics.period import Period
from core.sync.metrics.sums import sums
from core.sync.void import Void, void
from tests.core.sync.metrics.slow import Slow
from tests.core.sync.world import World, check, edited, line, order

HOUR = 3_600_000_000
SKUS = "ABC"
BY = ("", "channel", "location", "item", "day", "week", "month")
ZONES: tuple[tzinfo, ...] = (UTC, ZoneInfo("America/New_York"), ZoneInfo("Asia/Kolkata"), ZoneInfo("Pacific/Apia"))


class History:
    """Something happens, by chance."""

    def __init__(self, store: Store, seed: int, zone: tzinfo) -> None:
        self.chance = random.Random(seed)
        self.world = World(store)
        self.days = Days(zone)
        self.orders: dict[tuple[str, str], Any] = {}
        for sku in SKUS:
            self.world.item(sku)
            stock.receive(store, sku, self.place(), self.chance.randint(0, 6), self.world.now)
        self.world.receive("A", "east", 1)
        self.world.receive("A", "west", 1)
        self.world.kit("KIT", {"A": 2, "B": 1})
        set_costs(store, {"A": cost_of("4.5", "USD"), "B": cost_of("0.333333", "USD")})
        self.shops = {name: self.world.channel(name) for name in ("shop", "mall")}

    def place(self) -> str:
        self.world.receive("A", "east", 0)
        self.world.receive("A", "west", 0)
        return self.chance.choice(("east", "west"))

    def step(self) -> None:
        self.world.later(self.chance.choice((60, 3600, 7 * 3600, 26 * 3600)))
        acts: tuple[Callable[[], object], ...] = (
            self.take, self.take, self.take, self.edit, self.ship, self.ship, self.cancel, self.receive, self.count,
            self.void, self.refill, self.refresh, self.refresh, self.refresh,
        )  # fmt: skip
        try:
            self.chance.choice(acts)()
        except UserError:
            return  # what cannot be done just then is not done

    def take(self) -> None:
        name = self.chance.choice(tuple(self.shops))
        number = str(len(self.orders) + 1)
        lines = []
        for n in range(self.chance.randint(1, 3)):
            ordered = self.chance.randint(1, 4)
            shipped = self.chance.choice((0, 0, 0, 0, ordered))
            lines.append(line(n, self.chance.choice((*SKUS, "KIT", "NEW")), ordered, shipped=shipped))
        placed = self.world.now - self.chance.randint(0, 60) * HOUR
        due = self.chance.choice((None, placed + self.chance.randint(1, 80) * HOUR))
        made = order(
            number, *lines, at=placed, ship_by=None if due is None else instant(due),
            test=self.chance.random() < 0.1,
            fulfiller=Fulfiller.CHANNEL if self.chance.random() < 0.1 else Fulfiller.MERCHANT,
        )  # fmt: skip
        self.orders[name, number] = made
        self.world.take(self.shops[name], made)

    def some(self) -> tuple[str, str]:
        if not self.orders:
            raise UserError("nothing has been ordered yet")
        return self.chance.choice(sorted(self.orders))

    def edit(self) -> None:
        """Its channel cancels, ships, adds, or takes off; or says that it is to ship by another day."""
        key = self.some()
        lines = []
        for one in self.orders[key].lines:
            open_ = one.ordered - one.cancelled - one.shipped
            gone = self.chance.randint(0, open_)
            word = self.chance.choice(("cancelled", "shipped", "ordered"))
            more = -gone if word == "ordered" else gone
            lines.append(msgspec.structs.replace(one, **{word: getattr(one, word) + more}))
        if self.chance.random() < 0.3:
            lines.append(line(len(lines), self.chance.choice(SKUS), 2))
        due = instant(self.world.now + self.chance.randint(-20, 60) * HOUR)
        self.orders[key] = edited(self.orders[key], lines=tuple(lines), ship_by=self.chance.choice((None, due)))
        self.world.take(self.shops[key[0]], self.orders[key])

    def ship(self) -> None:
        name, number = self.some()
        place = self.place()
        self.world.ship(number, place, f"T{self.world.now}", name, **self._one_unit(name, number))

    def _one_unit(self, name: str, number: str) -> dict[str, int]:
        """Of the first line that has one, sometimes."""
        rows = self.world.rows("SELECT sku FROM lines WHERE order_id = :id AND reserved > 0 ORDER BY id",
                               id=self.world.order(number, name).id)  # fmt: skip
        return {rows[0].sku: 1} if rows and self.chance.random() < 0.5 else {}

    def cancel(self) -> None:
        name, number = self.some()
        reason = self.chance.choice((CancelReason.BUYER, CancelReason.OUT_OF_STOCK))
        decision = Decision(order_id=self.world.order(number, name).id, reason=reason, note='"reason":"buyer"')
        cancel(self.world.store, decision, self.world.now)

    def receive(self) -> None:
        stock.receive(
            self.world.store, self.chance.choice(SKUS), self.place(), self.chance.randint(1, 5), self.world.now
        )

    def count(self) -> None:
        stock.count(self.world.store, self.chance.choice(SKUS), self.place(), self.chance.randint(0, 3), self.world.now)

    def void(self) -> None:
        rows = self.world.rows("SELECT order_id, tracking FROM shipments WHERE origin = 'operator' ORDER BY id")
        if rows:
            one = self.chance.choice(rows)
            void(self.world.store, Void(one.order_id, one.tracking, "lost"), self.world.now)

    def refill(self) -> None:
        for shop in self.shops.values():
            self.world.refill(shop)

    def refresh(self) -> None:
        most = self.chance.choice((None, 1, 3))
        refresh_facts(self.world.store, self.days, self.world.clock, most=most)


def told(found: dict[str, Sums]) -> dict[str, dict[str, Any]]:
    """The sums that are not zero, of the keys that have any."""
    keep = {key: {n: v for n, v in msgspec.structs.asdict(one).items() if v} for key, one in found.items()}
    return {key: {n: v for n, v in one.items() if n not in ("currencies", "seconds")} for key, one in keep.items()}


def agree(history: History, zone: tzinfo) -> None:
    world = history.world
    assert refresh_facts(world.store, history.days, world.clock)
    slow = Slow(world.store, zone, world.now)
    end = history.days.day(world.now)
    spans = ((end - 400, end), (end - 3, end - 1), (end, end), (end - 9, end + 2))
    for first, last in spans:
        for by in BY:
            for channel in ("", "shop"):
                period = Period(first=first, last=last, by=by, channel=channel)
                with world.store.read() as tx:
                    found = told(sums(tx, period, history.days, end))
                wanted = slow.sums(as_date(first), as_date(last), by, channel)
                if by in ("day", "week", "month"):  # the slow way does not say what a part ends with
                    found = {key: {n: v for n, v in one.items() if n != "closing"} for key, one in found.items()}
                assert {k: v for k, v in found.items() if v} == {k: v for k, v in wanted.items() if v}, (by, channel)


@contextmanager
def fresh(template: Path, folder: Path) -> Iterator[Store]:
    path = folder / "ordersync.sqlite"
    for old in folder.glob("ordersync.sqlite*"):
        old.unlink()
    shutil.copyfile(template, path)
    store = Store(connect(f"sqlite:///{path}"))
    try:
        yield store
    finally:
        store.close()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), steps=st.integers(5, 30), zone=st.sampled_from(ZONES))
def test_any_history_is_measured_exactly(
    sqlite_template: Path, tmp_path: Path, seed: int, steps: int, zone: tzinfo
) -> None:
    with fresh(sqlite_template, tmp_path) as store:
        history = History(store, seed, zone)
        for _ in range(steps):
            history.step()
        agree(history, zone)
        check(store)


@pytest.mark.parametrize("seed", [1])
def test_a_history_is_measured_exactly_on_either_database(world: World, seed: int) -> None:
    history = History(world.store, seed, ZONES[seed])
    for _ in range(50):
        history.step()
    assert history.orders
    assert world.rows("SELECT 1 FROM shipments")
    agree(history, ZONES[seed])
