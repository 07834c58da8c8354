"""What happens to stock beside the orders."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import (
    precondition,
    rule,
)

from core.sync import stock
from core.sync.call_off import call_off
from core.sync.incoming import expect
from core.sync.transfer import transfer
from tests.core.sync.life.books import Way
from tests.core.sync.life.picking import DATA, ITEM, PLACE, UNITS, Picking


class Shelves(Picking):
    """Stock is received, counted, moved, expected and called off."""

    @rule(sku=ITEM, place=PLACE, units=st.integers(0, 5), twice=st.booleans())
    def received(self, sku: str, place: str, units: int, twice: bool) -> None:
        reference = self.next("D")
        for _ in range(1 + twice):
            stock.receive(self.store, sku, place, units, self.live.now, reference=reference)
        self.books.move(sku, units, place)

    @rule(sku=ITEM, place=PLACE, how=st.sampled_from(["count", "set", "adjust"]), units=st.integers(-3, 6))
    def counted(self, sku: str, place: str, how: str, units: int) -> None:
        book = {"count": stock.count, "set": stock.set_on_hand, "adjust": stock.adjust}[how]
        done = self.live.attempt(lambda: book(self.store, sku, place, units, self.live.now))
        there = self.books.on_hand[sku, place]
        if done is None:
            known = self.live.world.rows("SELECT 1 FROM items WHERE sku = :sku", sku=sku)
            assert not known or (there + units < 0 if how == "adjust" else units < 0), "refused for nothing"
        else:
            if how == "adjust":
                self.books.on_hand[sku, place] += units
            else:
                self.books.count_by_hand(sku, place, units, self.live.now)

    @rule(sku=ITEM, place=PLACE, units=UNITS)
    def expected(self, sku: str, place: str, units: int) -> None:
        reference = self.next("PO")
        expect(self.store, sku, place, units, reference, self.live.now, eta=self.live.seconds(3600))
        self.books.ways[reference] = Way(sku, None, place, units)

    @rule(sku=ITEM, start=PLACE, end=PLACE, units=UNITS, journey=st.booleans(), twice=st.booleans())
    def transferred(self, sku: str, start: str, end: str, units: int, journey: bool, twice: bool) -> None:
        if place_of := [key for key, count in sorted(self.books.on_hand.items()) if count and key[0] == sku]:
            start = place_of[units % len(place_of)][1]
            units = min(units, self.books.on_hand[sku, start])
        reference, eta = self.next("T"), self.live.seconds(86_400) if journey else None
        for again in range(1 + twice):
            done = self.live.attempt(
                lambda: transfer(self.store, sku, units, start, end, self.live.now, eta=eta, reference=reference)
            )
            if done is None or again:
                continue
            self.books.on_hand[sku, start] -= units
            if journey:
                self.books.ways[reference] = Way(sku, start, end, units)
            else:
                self.books.on_hand[sku, end] += units

    @precondition(lambda self: self.books.ways)
    @rule(data=DATA, units=st.integers(1, 5), over=st.booleans())
    def arrived(self, data: st.DataObject, units: int, over: bool) -> None:
        reference = data.draw(st.sampled_from(list(self.books.ways)))
        way = self.books.ways[reference]
        done = self.live.attempt(
            lambda: stock.receive(
                self.store,
                way.sku,
                way.place,
                units,
                self.live.now,
                expected=reference,
                over=over,
                reference=self.next("D"),
            )
        )
        more = over and way.start is None and way.state != "cancelled"
        assert (done is not None) == (units <= way.left or more)
        if done is not None:
            way.received += units
            way.state = "received" if way.received + way.lost >= way.quantity else way.state
            self.books.move(way.sku, units, way.place)

    @precondition(lambda self: self.books.ways)
    @rule(data=DATA, lost=st.booleans())
    def called_off(self, data: st.DataObject, lost: bool) -> None:
        reference = data.draw(st.sampled_from(list(self.books.ways)))
        way = self.books.ways[reference]
        if self.live.attempt(lambda: call_off(self.store, reference, self.live.now, lost=lost)) is None:
            assert way.state != "open" or (lost and way.start is None)
            return
        if way.start is not None and not lost:
            self.books.move(way.sku, way.left, way.start)
        way.lost += way.left if lost else 0
        way.state = "cancelled"
