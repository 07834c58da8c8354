"""What happens at the channels, and their turns."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import (
    rule,
)

from core.model import (
    Fulfiller,
    Hold,
    Order,
    Package,
)
from core.sync.refit import refit
from tests.core.sync.life.books import ALT
from tests.core.sync.life.far import open_units
from tests.core.sync.life.live import PRICE, SKUS
from tests.core.sync.life.picking import DATA, HOLDS, NAME, UNITS, Picking
from tests.core.sync.world import OAKLAND, line

CALLED = st.sampled_from([*SKUS, ALT, ALT])

MISSPELT = msgspec.structs.replace(OAKLAND, postal_code="9460")
"""No post office knows it: where addresses are looked at, its order is held."""


class Channels(Picking):
    """Orders come, change, and are told again; channels answer, or do not."""

    @rule(name=NAME, lines=st.lists(st.tuples(CALLED, UNITS), min_size=1, max_size=3), holds=HOLDS,
          theirs=st.integers(0, 9), told=st.integers(0, 4))  # fmt: skip
    def ordered(self, name: str, lines: list[tuple[str, int]], holds: tuple[Hold, ...], theirs: int, told: int) -> None:
        lines = [(sku if sku != ALT or name == "shop" else "A", units) for sku, units in lines]
        wanted = [line(number, sku, units, unit_price=PRICE) for number, (sku, units) in enumerate(lines, 1)]
        by = Fulfiller.CHANNEL if theirs == 9 else Fulfiller.MERCHANT
        number = self.live.begin(name, wanted, holds, by)
        if told:
            self.live.deliver(name, self.live.far[name].now(number))

    @rule(data=DATA, what=st.sampled_from(["more", "fewer", "cancel", "cancel all", "add", "remove", "paid", "held",
          "moved", "misspelt", "shipped there", "refunded there", "reopened"]), told=st.integers(0, 3))  # fmt: skip
    def changed(self, data: st.DataObject, what: str, told: int) -> None:
        """Something happens to an order at its channel, which we hear of at once, or later."""
        name = data.draw(NAME)
        far = self.live.far[name]
        if not far.told:
            return
        number = data.draw(st.sampled_from(list(far.told)))
        now = far.now(number)
        one = data.draw(st.sampled_from(now.lines)) if now.lines else None
        units = data.draw(st.integers(1, max(1, open_units(one)))) if one is not None else 1
        able = one is not None and units <= open_units(one)
        if what == "more" and one is not None:
            far.change_line(number, one.number, ordered=one.ordered + units)
        elif what == "fewer" and one is not None and able:
            far.change_line(number, one.number, ordered=one.ordered - units)
        elif what == "cancel" and one is not None and able:
            far.change_line(number, one.number, cancelled=one.cancelled + units)
        elif what == "reopened" and one is not None:
            far.change_line(number, one.number, cancelled=0)
            far.reopened.add((number, one.number))
        elif what == "cancel all":
            all_of_it = [msgspec.structs.replace(each, cancelled=each.ordered - each.shipped) for each in now.lines]
            far.change(number, lines=tuple(all_of_it))
        elif what == "add":
            more = line(f"x{now.version}", data.draw(st.sampled_from(SKUS)), units, unit_price=PRICE)
            far.change(number, lines=(*now.lines, more))
        elif what == "remove" and one is not None and not one.shipped:
            far.change(number, lines=tuple(each for each in now.lines if each.number != one.number))
        elif what in ("paid", "held"):
            far.change(number, holds=() if what == "paid" else (Hold.PAYMENT,))
        elif what in ("moved", "misspelt"):
            far.change(number, ship_to=OAKLAND if what == "moved" else MISSPELT)
        elif what == "shipped there" and one is not None and able:
            box = Package(tracking=self.next("OUT"), carrier="UPS", lines={one.number: units})
            far.change_line(number, one.number, shipped=one.shipped + units)
            far.change(number, packages=(*now.packages, box))
        elif what == "refunded there":
            left = now.total - sum((each.amount for each in now.refunds), Decimal(0))
            if left >= 1:
                far.give_back(number, Decimal(1), {})
        if told:
            self.live.deliver(name, far.now(number))

    @rule(data=DATA, name=NAME)
    def told_again(self, data: st.DataObject, name: str) -> None:
        """A page of any versions, older and newer ones, some of them twice."""
        every: list[Order] = [one for told in self.live.far[name].told.values() for one in told]
        if every:
            self.live.deliver(name, *data.draw(st.lists(st.sampled_from(every), min_size=1, max_size=4)))

    @rule(data=DATA, name=NAME)
    def unreadable(self, data: st.DataObject, name: str) -> None:
        """An order comes as nobody can read it, one that is here or another."""
        told = list(self.live.far[name].told)
        if told:
            self.live.garble(name, data.draw(st.sampled_from(told)))

    @rule(name=NAME, mood=st.sampled_from(["well", "well", "away", "deaf", "refuses"]))
    def answers(self, name: str, mood: str) -> None:
        self.live.far[name].mood = mood

    @rule(name=NAME, news=st.booleans())
    def turn(self, name: str, news: bool) -> None:
        self.live.round(name, news=news)
        for row in self.live.world.rows(
            "SELECT o.number FROM orders o JOIN buyers b ON b.order_id = o.id WHERE o.channel_id = :id"
            " AND o.fulfiller = 'merchant' AND b.postal_code = :wrong AND NOT EXISTS (SELECT 1 FROM holds h"
            "  WHERE h.order_id = o.id) AND NOT EXISTS (SELECT 1 FROM overrides v WHERE v.order_id = o.id)"
            " AND EXISTS (SELECT 1 FROM lines l WHERE l.order_id = o.id AND l.reserved > l.allocated)",
            id=self.live.channels[name].id,
            wrong=MISSPELT.postal_code,
        ):
            assert not self.live.channels[name].settings.check_addresses, f"{row.number} has an address that is none"

    @rule(name=NAME, step=st.sampled_from(["refill", "release", "refit"]))
    def step(self, name: str, step: str) -> None:
        channel = self.live.channels[name]
        if step == "refill":
            before = self.live.queue(name)
            self.live.world.refill(channel)
            self.live.in_turn(before, name)
        elif step == "release":
            self.live.world.release(channel)
        else:
            refit(self.store, self.live.now)

    @rule(hours=st.sampled_from([0.5, 2, 30, 80]))
    def time_passes(self, hours: float) -> None:
        self.live.world.later(hours * 3600)

    @rule(place=st.sampled_from([1, 2]))
    def switched(self, place: int) -> None:
        """West or south is closed, or open again."""
        was = self.live.world.locations[place]
        self.live.world.locations[place] = msgspec.structs.replace(was, active=not was.active)
        self.live.take_up()
