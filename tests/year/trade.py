"""Buyers and channels: orders come, change, are called off, and are told in pages."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import msgspec

from core.model import Fulfiller, Hold, Line, Order, Package, instant, micros
from core.sync.channel import Channel
from core.sync.round import run_round
from tests.core.sync.life.books import Sold
from tests.core.sync.life.far import open_units
from tests.core.sync.world import NEW_YORK, OAKLAND, START, page
from tests.year.sight import Sight
from tests.year.stage import CHANNELS, HOUR, PAGE


class Trade(Sight):
    """What comes from channels."""

    def _order(self) -> None:
        name = self.random.choice(list(CHANNELS))
        far = self.far[name]
        number = self.number(name[0])
        lines = []
        for index, sku in enumerate(
            dict.fromkeys(self.random.choices(self.skus, self.weights, k=self.random.choice((1, 1, 1, 2, 3)))), 1
        ):
            units = self.random.choice((1, 1, 1, 1, 2, 3))
            lines.append(Line(number=str(index), sku=sku, title=sku, ordered=units, unit_price=self.prices[sku]))
        held: tuple[Hold, ...] = ()
        if self.chance(0.04):
            held = (self.random.choice((Hold.PENDING, Hold.FRAUD)),)
            self.after(2, 90, lambda: self._change(name, number, holds=()))
        theirs = self.chance(0.02)
        begun, boxes = self._begun(lines)
        placed = max(START, self.now - int(self.random.uniform(0, 30) * HOUR)) if self.chance(0.2) else self.now
        due = None if self.chance(0.1) else placed + int(self.random.uniform(12, 96) * HOUR)
        far.begin(
            Order(
                number=number, name=f"#{number}", version=self.now, placed_at=instant(placed), currency="USD",
                total=Decimal(0), shipping=Decimal("4.90"), lines=tuple(begun), packages=boxes, holds=held,
                ship_by=None if due is None else instant(due), test=self.chance(0.01),
                fulfiller=Fulfiller.CHANNEL if theirs else Fulfiller.MERCHANT,
                ship_to=self.random.choice((NEW_YORK, OAKLAND)),
            )
        )  # fmt: skip
        self._recent[name].append(number)
        self.did["ordered"] += 1
        for share, act in ((0.03, self._call_off), (0.025, self._edit), (0.01, self._there), (0.01, self._cancel),
                           (0.01, self._hold)):  # fmt: skip
            if self.chance(share * self.seldom):
                self.after(1, 40, lambda act=act: act(name, number))  # type: ignore[misc]

    def _begun(self, lines: list[Line]) -> tuple[list[Line], tuple[Package, ...]]:
        """Some lines have units cancelled, or gone by the channel's own screens, before they are heard of."""
        first, *rest = lines
        if first.ordered == 1 or not self.chance(0.08):
            return lines, ()
        if self.chance(0.5):
            return [msgspec.structs.replace(first, cancelled=1), *rest], ()
        box = Package(tracking=self.number("OUT"), carrier="UPS", lines={first.number: 1})
        return [msgspec.structs.replace(first, shipped=1), *rest], (box,)

    def _change(self, name: str, number: str, **changes: Any) -> None:
        far = self.far[name]
        far.change(number, version=max(self.now, far.now(number).version + 1), **changes)

    def _call_off(self, name: str, number: str) -> None:
        """The buyer cancels at the channel, a line or all that is open, and has the money back there."""
        order = self.far[name].now(number)
        some = self.random.choice(order.lines).number if self.chance(0.4) else ""
        lines, back = [], Decimal(0)
        for line in order.lines:
            units = open_units(line) if some in ("", line.number) else 0
            back += line.unit_price * units
            lines.append(msgspec.structs.replace(line, cancelled=line.cancelled + units))
        if back:
            self.did["cancelled there"] += 1
            self._change(name, number, lines=tuple(lines))
            self.far[name].give_back(number, back, {})
            self.refunded[name] += back

    def _edit(self, name: str, number: str) -> None:
        """A line is of more or fewer units, or one is added; now and then it is to leave by another hour."""
        order = self.far[name].now(number)
        line = self.random.choice(order.lines)
        if self.chance(0.3):
            sku = self.random.choices(self.skus, self.weights)[0]
            new = Line(number=self.number("x"), sku=sku, title=sku, ordered=1, unit_price=self.prices[sku])
            lines = (*order.lines, new)
        else:
            more = 1 if self.chance(0.5) or open_units(line) < 2 else -1
            lines = tuple(
                msgspec.structs.replace(one, ordered=one.ordered + more) if one is line else one for one in order.lines
            )
        self.did["edited"] += 1
        due = order.ship_by
        if due is not None and self.chance(0.2):
            due = instant(micros(due) + int(self.random.uniform(-30, 60) * HOUR))
        self._change(name, number, lines=lines, ship_by=due)

    def _there(self, name: str, number: str) -> None:
        """Somebody ships by the channel's own screens."""
        order = self.far[name].now(number)
        line = self.random.choice(order.lines)
        if not open_units(line) or order.holds:
            return
        box = Package(tracking=self.number("OUT"), carrier="UPS", lines={line.number: 1})
        lines = tuple(
            msgspec.structs.replace(one, shipped=one.shipped + 1) if one is line else one for one in order.lines
        )
        self.did["shipped there"] += 1
        self._change(name, number, lines=lines, packages=(*order.packages, box))

    def _turn(self, name: str) -> None:
        """All that has changed comes in pages, with a few orders that have not; the books hear of each version."""
        far, channel = self.far[name], self.channels[name]
        numbers = list(far.changed)
        far.changed.clear()
        far.watch = lambda page, stored: self._look(name, page, stored)
        self._loud.clear()
        numbers += self.random.sample(self._recent[name], min(2, len(self._recent[name])))
        orders = [far.now(number) for number in dict.fromkeys(numbers)]
        far.pulls = [[page(*orders[at : at + PAGE]) for at in range(0, len(orders), PAGE)]]
        self.world.later(1)
        everyone = {one: channel.settings for one, channel in self.channels.items()}
        run_round(self.store, channel, everyone, self.world.clock)
        for told in (far.levels, far.calls, far.cursors, far.shipped):
            told.clear()
        self.did["turns"] += 1
        self._learn(channel, orders)
        left: Counter[str] = Counter()
        for order in orders:
            left += self._hear(name, order)
        for sku, place, units in self.books.left_elsewhere(self.store, left):
            self.seen[self.day, sku, place, "sold"] += units

    def _hear(self, name: str, order: Order) -> Counter[str]:
        """What left by the channel's own screens, and in which parcels."""
        sold = self.sold(name, order.number)
        id = self.ids[name, order.number]
        self.ship_by.pop(id, None)
        if order.ship_by is not None:
            self.ship_by[id] = micros(order.ship_by)
        before = {number: kept.shipped for number, kept in sold.lines.items()}
        left = sold.hear(order, self.books.alt)
        if left:
            more = {number: kept.shipped - before.get(number, 0) for number, kept in sold.lines.items()}
            for box in order.packages:
                units = {number: min(count, more.get(number, 0)) for number, count in box.lines.items()}
                new = box.tracking.startswith("OUT") and (id, box.tracking) not in self.parcels
                if new and any(units.values()):
                    more = {number: count - units.get(number, 0) for number, count in more.items()}
                    self._note_outside(id, box.tracking)
        return left

    def _note_outside(self, id: int, tracking: str) -> None:
        """Nobody has said where it left from: that is where the store has found the units."""
        place = self.world.value(
            "SELECT p.name FROM shipments s LEFT JOIN locations p ON p.id = s.location_id WHERE s.order_id = :id"
            " AND s.tracking = :tracking",
            id=id,
            tracking=tracking,
        )
        self.parcels[id, tracking] = place or "nowhere known", self.now

    def _learn(self, channel: Channel, orders: list[Order]) -> None:
        """By which ids the store knows orders: everything else goes by those."""
        new = [order.number for order in orders if (channel.name, order.number) not in self.ids]
        for row in self.world.rows(
            "SELECT id, number FROM orders WHERE channel_id = :id AND number IN :new", id=channel.id, new=new
        ):
            self.ids[channel.name, row.number] = row.id
            self.books.orders[row.id] = Sold(channel.name, row.number)
            self.placed[row.id] = micros(self.far[channel.name].now(row.number).placed_at)
