"""What happens to stock beside the orders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
        before = self.holders(sku)
        done = self.live.attempt(lambda: book(self.store, sku, place, units, self.live.now))
        self.newest_lost_first(sku, before)
        there = self.books.on_hand[sku, place]
        if done is None:
            known = self.live.world.rows("SELECT 1 FROM items WHERE sku = :sku", sku=sku)
            assert not known or (there + units < 0 if how == "adjust" else units < 0), "refused for nothing"
        else:
            if how == "adjust":
                self.books.on_hand[sku, place] += units
            else:
                self.books.count_by_hand(sku, place, units, self.live.now)

    def holders(self, sku: str) -> dict[int, Any]:
        """The lines of an item of channels that ship from everywhere, the oldest order first."""
        rows = self.live.world.rows(
            "SELECT l.id, l.reserved, l.allocated FROM lines l JOIN items i ON i.id = l.item_id"
            " JOIN orders o ON o.id = l.order_id JOIN channels c ON c.id = o.channel_id"
            " WHERE i.sku = :sku AND c.name <> 'zone' ORDER BY o.placed_at, o.id, l.id",
            sku=sku,
        )
        return {row.id: row for row in rows}

    def newest_lost_first(self, sku: str, before: Mapping[int, Any]) -> None:
        """Nobody lost a promise while a newer order keeps one that is bound to no location: those go first.

        What was bound where it lacks is bound nowhere now; what is bound elsewhere stays so.
        """
        if any(not place.active or place.keep for place in self.live.world.locations):
            return  # what is there may be of no use to some of them
        lost = 0
        for id, row in self.holders(sku).items():
            assert not (lost and row.reserved > row.allocated), (
                f"line {lost} lost units of {sku} before line {id}, which is newer"
            )
            lost = id if row.reserved < before[id].reserved else lost

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
        self.moves(sku, start, end, units, journey, twice)

    @rule(sku=st.sampled_from("AB"), end=st.sampled_from(["east", "south"]), units=st.integers(2, 5),
          rest=st.sampled_from(["there", "comes", "back", "back", "lost"]))  # fmt: skip
    def transferred_of_plenty(self, sku: str, end: str, units: int, rest: str) -> None:
        """Units go from where there are enough; of some on a journey a part arrives, and the rest is called off."""
        with self.plenty(sku):
            reference = self.moves(sku, "west", end, units, rest != "there", twice=True)
            self.live.check()
            if reference in self.books.ways and rest != "comes":
                self.arrives(reference, units // 2, over=False)
                self.calls_off(reference, rest == "lost")
                self.live.check()

    def moves(self, sku: str, start: str, end: str, units: int, journey: bool, twice: bool) -> str:
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
        return reference

    @precondition(lambda self: self.books.ways)
    @rule(data=DATA, units=st.integers(1, 5), over=st.booleans())
    def arrived(self, data: st.DataObject, units: int, over: bool) -> None:
        self.arrives(data.draw(st.sampled_from(list(self.books.ways))), units, over)

    def arrives(self, reference: str, units: int, over: bool) -> None:
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
        self.calls_off(data.draw(st.sampled_from(list(self.books.ways))), lost)

    def calls_off(self, reference: str, lost: bool) -> None:
        way = self.books.ways[reference]
        if self.live.attempt(lambda: call_off(self.store, reference, self.live.now, lost=lost)) is None:
            assert way.state != "open" or (lost and way.start is None)
            return
        if way.start is not None and not lost:
            self.books.move(way.sku, way.left, way.start)
        way.lost += way.left if lost else 0
        way.state = "cancelled"
