"""What all rules share: the store, the books beside it, and picking among what there is."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
)

from core.model import (
    Fulfiller,
    Hold,
)
from core.store.database import Store
from core.sync import stock
from tests.core.sync.life.books import ALT, Kept, Sold
from tests.core.sync.life.live import CHANNELS, PLACES, PRICE, Live
from tests.core.sync.world import line

UNITS = st.integers(1, 4)
PLACE = st.sampled_from(PLACES)
NAME = st.sampled_from(list(CHANNELS))
ITEM = st.sampled_from(["A", "B", "NEW"])
HOLDS = st.sampled_from([(), (), (), (Hold.PENDING,), (Hold.PAYMENT,), (Hold.FRAUD,), (Hold.PAYMENT, Hold.FRAUD)])
DATA = st.data()


class Picking(RuleBasedStateMachine):
    """One life. Rules pick among what there is; one that finds nothing to do does nothing."""

    open_store: ClassVar[Callable[[], Store]]

    def __init__(self) -> None:
        super().__init__()
        self.store = type(self).open_store()
        self.live = Live(self.store)
        self.books = self.live.books
        self.numbers = itertools.count(1)

    def teardown(self) -> None:
        """In the end everything is heard and told: channels and store agree, and nobody waits for what is there."""
        try:
            if sys.exc_info()[0] is None:
                self.finish()
                self.live.check()
                left = [*self.live.unsettled(), *self.undone()]
                assert not left, left
        finally:
            self.live.watch.close()
            self.store.close()

    def finish(self) -> None:
        """Everything is heard and told."""
        self.live.settle()

    def undone(self) -> list[str]:
        """What should have come to an end besides."""
        return []

    @invariant()
    def all_is_in_order(self) -> None:
        self.live.check()

    def look(self) -> None:
        """What is looked at after each act of a story: what counts from one look to the next as well."""
        self.live.check()

    # Picking.

    def known(self, data: st.DataObject, which: Callable[[int, Sold], bool] = lambda id, sold: True) -> int | None:
        """The id of an order that is here, mostly one of `which`."""
        every = list(self.books.orders.items())
        fit = [id for id, sold in every if which(id, sold)]
        if not every:
            return None
        any_of_them = not fit or data.draw(st.integers(0, 7), label="1: any") == 1
        return data.draw(st.sampled_from([id for id, _ in every] if any_of_them else fit), label="order")

    def units(self, data: st.DataObject, id: int, able: Callable[[Kept], int]) -> dict[str, int]:
        """Units by line: about as many as `able` says, now and then one too many."""
        found = {}
        more = data.draw(st.integers(0, 9), label="1: too many") == 1
        for number, kept in self.books.orders[id].lines.items():
            count = data.draw(st.integers(0, able(kept) + more), label=f"of line {number}")
            if count:
                found[number] = count
        first = next((number for number, kept in self.books.orders[id].lines.items() if able(kept)), None)
        return found or ({} if first is None else {first: 1})

    def due(self) -> set[int]:
        """The orders that something is to leave of, and that nothing holds."""
        rows = self.live.world.rows(
            "SELECT f.order_id FROM fulfilment_orders f WHERE f.state IN ('planned', 'released')"
            " AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.order_id = f.order_id)"
        )
        return {row.order_id for row in rows}

    def asked(self, id: int) -> set[str]:
        """The locations that are asked for something of an order."""
        rows = self.live.world.rows(
            "SELECT p.name FROM fulfilment_orders f JOIN locations p ON p.id = f.location_id WHERE f.order_id = :id"
            " AND f.state IN ('planned', 'released')",
            id=id,
        )
        return {row.name for row in rows}

    def asked_of(self, order: int, place: str) -> int:
        """Units that a location is asked for of an order."""
        return int(
            self.live.world.value(
                "SELECT COALESCE(SUM(w.quantity - w.shipped), 0) FROM fulfilment_orders f"
                " JOIN fulfilment_lines w ON w.fulfilment_order_id = f.id JOIN locations p ON p.id = f.location_id"
                " WHERE f.order_id = :id AND p.name = :place AND f.state IN ('planned', 'released')",
                id=order,
                place=place,
            )
        )

    def promises(self, id: int) -> dict[str, Any]:
        """The lines of an order as they are promised, by number."""
        rows = self.live.world.rows("SELECT * FROM lines WHERE order_id = :id ORDER BY id", id=id)
        return {row.number: row for row in rows}

    def has_what_is_free(self, id: int, before: Mapping[str, Any]) -> None:
        """Of an order that wants more than `before`, nothing more waits for a single item that is free."""
        channel = self.books.orders[id].channel
        if channel == "zone" or any(not place.active or place.keep for place in self.live.world.locations):
            return  # what is there may not be for it
        if self.live.world.rows("SELECT 1 FROM expiries WHERE order_id = :id", id=id):
            return  # it is promised nothing
        for number, row in self.promises(id).items():
            waited = before[number].backordered if number in before else 0
            sku = self.books.orders[id].lines[number].sku
            if row.backordered > waited and sku in ("A", "B"):
                on_hand, reserved = self.live.world.stock(sku)
                assert on_hand <= reserved, f"line {number} waits anew, and {on_hand - reserved} of {sku} are free"

    def next(self, what: str) -> str:
        return f"{what}{next(self.numbers)}"

    @contextmanager
    def plenty(self, sku: str, sure: bool = True) -> Iterator[None]:
        """Meanwhile so many units of an item lie at a location that nobody has to wait for it; what is left of them
        goes again, and promises with it."""
        if sure:
            stock.receive(self.store, sku, "west", 40, self.live.now)
            self.books.move(sku, 40, "west")
        yield
        if sure:
            self.look()  # while it is there
            left = min(40, self.books.on_hand[sku, "west"])
            stock.adjust(self.store, sku, "west", -left, self.live.now)
            self.books.move(sku, -left, "west")

    # Stock comes first, so that there is something to sell.

    @initialize(units=st.lists(st.integers(0, 6), min_size=6, max_size=6))
    def shelves(self, units: list[int]) -> None:
        for (sku, place), count in zip(itertools.product("AB", PLACES), units, strict=True):
            stock.receive(self.store, sku, place, count, self.live.now)
            self.books.move(sku, count, place)
        for name, skus in (
            ("shop", "AB"),
            ("mart", ("SET", "A")),
            ("zone", ("B", "NEW")),
            ("shop", ("B", ALT)),
            ("shop", (ALT,)),
            ("mart", "A"),
        ):
            lines = [line(number, sku, 2 * number, unit_price=PRICE) for number, sku in enumerate(skus, 1)]
            self.live.deliver(name, self.live.far[name].now(self.live.begin(name, lines, (), Fulfiller.MERCHANT)))
            self.live.round(name)
        lines = [line(number, sku, 2, unit_price=PRICE) for number, sku in enumerate((ALT, "A"), 1)]
        self.live.deliver("shop", self.live.far["shop"].now(self.live.begin("shop", lines, (), Fulfiller.MERCHANT)))
        self.begin()

    def begin(self) -> None:
        """What else happens before anything else does."""
