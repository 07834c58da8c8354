"""The office: it cancels, holds, buys, moves stock and gives money back."""

from __future__ import annotations

from core.model import CancelReason, RefundReason
from core.sync import stock
from core.sync.cancel import Decision, cancel
from core.sync.holds import hold, lift
from core.sync.incoming import expect
from core.sync.received import Came, Disposition, Receiving, receive
from core.sync.refund import Part, Wish, refund
from core.sync.rma import Opening, open_return
from core.sync.transfer import transfer
from tests.core.sync.life.books import Way
from tests.year.stage import DAY, PLACES, Stage


class Office(Stage):
    """What an operator does."""

    def _cancel(self, name: str, number: str) -> None:
        id = self.ids.get((name, number))
        if id is None:
            return
        sold = self.books.orders[id]
        open = {of: kept.open for of, kept in sold.lines.items() if kept.open}
        reason = CancelReason.BUYER if self.chance(0.4) else CancelReason.OUT_OF_STOCK
        wish = Decision(id, reason)
        if self.attempt("cancelled here", lambda: cancel(self.store, wish, self.now)) is not None:
            if reason is not CancelReason.BUYER:
                self.let_down.add(id)
            for of, units in open.items():
                sold.lines[of].cancelled += units
                sold.lines[of].cancelling += units

    def _hold(self, name: str, number: str) -> None:
        id = self.ids.get((name, number))
        if id is not None and self.attempt("held", lambda: hold(self.store, id, "a look", self.now)) is not None:
            self.after(5, 30, lambda: self.attempt("released", lambda: lift(self.store, id, None, self.now)) and None)

    def _back(self, id: int, shipment: int) -> None:
        """What was in a parcel comes back, and mostly the buyer's money goes back too."""
        sold, box = self.books.orders[id], self.books.orders[id].boxes[shipment]
        number = self.random.choice(list(box.units))
        kept = sold.lines[number]
        units = min(box.units[number], kept.shipped - kept.returned)
        if box.void or not units:
            return
        what = self.random.choices(list(Disposition), (70, 12, 10, 8))[0]
        place = self.random.choice(PLACES)
        target = f"{sold.channel}:{sold.number}"
        if self.chance(0.5):
            opened = self.attempt(
                "return opened", lambda: open_return(self.store, Opening(id, "", {number: units}), self.now)
            )
            target = opened.name if opened is not None else target
        wish = Receiving(target, [Came(name=number, units=units, disposition=what)], place)
        if self.attempt("returned", lambda: receive(self.store, wish, self.now)) is None:
            return
        kept.returned += units
        if what is not Disposition.DISPOSE:
            self.move(kept.sku, units, place, "returned", aside="" if what is Disposition.RESTOCK else what.value)
        if self.chance(0.9):
            given = Wish(id, RefundReason.RETURNED, {number: Part(units=units)})
            done = self.attempt("refunded", lambda: refund(self.store, given, self.now))
            if done is not None:
                self.refunded[sold.channel] += self.prices[kept.sku] * units

    def _kept(self, sku: str, place: str) -> bool:
        """Every ninth item is bought for one place alone."""
        return place == PLACES[0] or not sku.startswith("I") or int(sku[1:]) % 9 != 0

    def _daily(self, sku: str) -> int:
        """About as many as are sold of an item a day."""
        share = self.weights[self.skus.index(sku)] / sum(self.weights)
        return max(1, round(self.orders / self.days * 2.2 * share))

    def _receive(self, sku: str, place: str, units: int, expected: str = "") -> None:
        stock.receive(self.store, sku, place, units, self.now, expected=expected, reference=self.number("D"))
        moved = expected and self.books.ways[expected].start is not None
        self.move(sku, units, place, "other" if moved else "received")
        self.did["units received"] += 0 if moved else units
        if expected:
            way = self.books.ways[expected]
            way.received += units
            way.state = "received" if way.received >= way.quantity else way.state

    def _buy(self) -> None:
        """What runs low is ordered, and comes within two weeks, now and then in two deliveries."""
        for sku in self.skus:
            if sku.startswith("K"):
                continue
            for place in PLACES:
                if not self._kept(sku, place):
                    continue
                low = self._daily(sku) * (2 if sku in self.scarce else 9)
                if self.books.on_hand[sku, place] + self._coming[sku, place] >= low or self.chance(0.3):
                    continue
                units, reference = self._daily(sku) * 14, self.number("PO")
                expect(self.store, sku, place, units, reference, self.now, eta=self.now + 7 * DAY)
                self.did["purchases"] += 1
                self._coming[sku, place] += units
                self.books.ways[reference] = Way(sku, None, place, units)
                first = units // 2 if self.chance(0.2) else units
                for part in (first, units - first):
                    if part:
                        self.after(72, 330, lambda part=part, sku=sku, place=place, reference=reference:  # type: ignore[misc]
                                   self._arrive(sku, place, part, reference))  # fmt: skip

    def _arrive(self, sku: str, place: str, units: int, reference: str) -> None:
        self._coming[sku, place] -= units
        self._receive(sku, place, units, reference)

    def _transfer(self) -> None:
        for _ in range(5):
            sku = self.random.choice([one for one in self.skus if one.startswith("I")])
            start, end = self.random.sample(PLACES, 2)
            units, journey = self.random.randint(1, 8), self.chance(0.5)
            reference = self.number("T")
            eta = self.now + 2 * DAY if journey else None
            done = self.attempt(
                "transferred",
                lambda: transfer(self.store, sku, units, start, end, self.now, eta=eta, reference=reference),  # noqa: B023
            )
            if done is None:
                continue
            self.move(sku, -units, start, "other")
            if journey:
                self.books.ways[reference] = Way(sku, start, end, units)
                self.after(24, 90, lambda sku=sku, end=end, units=units, ref=reference:  # type: ignore[misc]
                           self._receive(sku, end, units, ref))  # fmt: skip
            else:
                self.move(sku, units, end, "other")
