"""The warehouse: what was asked for is packed, in parts, short or not at all; parcels are void or come back."""

from __future__ import annotations

from core.sync.correct import Correction, correct
from core.sync.reject import reject_at
from core.sync.ship import Departure, ship
from core.sync.short import Rest, ship_short
from core.sync.void import Void, void
from tests.core.sync.life.books import Box
from tests.year.stage import HOUR, Stage


class Floor(Stage):
    """What leaves and comes back."""

    def _pick(self) -> None:
        """What locations are asked for since the last look is picked within two days."""
        for row in self.world.rows(
            "SELECT f.id, f.order_id, p.name FROM fulfilment_orders f JOIN locations p ON p.id = f.location_id"
            " WHERE f.state = 'released' ORDER BY f.id"
        ):
            if row.id not in self._asked:
                self._asked.add(row.id)
                self.after(2, 44, lambda row=row: self._pack(row.id, row.order_id, row.name))  # type: ignore[misc]

    def _pack(self, work: int, id: int, place: str) -> None:
        rows = self.world.rows(
            "SELECT l.number, w.quantity - w.shipped AS open FROM fulfilment_lines w JOIN lines l ON l.id = w.line_id"
            " JOIN fulfilment_orders f ON f.id = w.fulfilment_order_id WHERE f.id = :id AND f.state = 'released'"
            " AND w.quantity > w.shipped ORDER BY l.id",
            id=work,
        )
        asked = {row.number: int(row.open) for row in rows}
        if not asked:
            return
        if self.chance(0.008):
            self.attempt("rejected", lambda: reject_at(self.store, id, place, None, "broken", "floor", self.now))
            return
        dice = self.random.random()
        if dice < 0.015:
            self._short(id, place, asked)
        elif dice < 0.05 and sum(asked.values()) > 1:
            first = dict([next(iter(asked.items()))])
            self._ship(id, place, dict.fromkeys(first, 1))
            self.after(1, 20, lambda: self._pack(work, id, place))
        else:
            self._ship(id, place, asked)

    def _ship(self, id: int, place: str, units: dict[str, int]) -> None:
        tracking, at = self.number("1Z"), self._left_at(id)
        leaving = Departure(id, place, "UPS", tracking, at, units)
        done = self.attempt("shipped", lambda: ship(self.store, leaving, self.now))
        if done is None:  # held meanwhile: tried again
            self.after(20, 30, lambda: self._ship_rest(id, place))
            return
        self._left(id, place, units, leaving, done[0])

    def _left_at(self, id: int) -> int:
        """Some parcels are booked hours after they left."""
        hours = self.random.uniform(1, 9) if self.chance(0.15) else 0
        return max(self.placed[id], self.now - int(hours * HOUR))

    def _ship_rest(self, id: int, place: str) -> None:
        for row in self.world.rows(
            "SELECT f.id FROM fulfilment_orders f JOIN locations p ON p.id = f.location_id WHERE f.order_id = :id"
            " AND f.state = 'released' AND p.name = :place ORDER BY f.id",
            id=id,
            place=place,
        ):
            self._pack(row.id, id, place)

    def _left(self, id: int, place: str, units: dict[str, int], leaving: Departure, shipment: int) -> None:
        sold, tracking = self.books.orders[id], leaving.tracking
        sold.boxes[shipment] = Box(place, {tracking}, units, self.now)
        self.parcels[id, tracking] = place, leaving.shipped_at
        for number, count in units.items():
            sold.lines[number].shipped += count
            self.move(sold.lines[number].sku, -count, place, "sold")
        if self.chance(0.008 * self.seldom):
            self.after(0, 30, lambda: self._void(id, shipment, tracking))
        elif self.chance(0.01):
            self.after(0, 30, lambda: self._correct(id, shipment, tracking))
        elif self.chance(0.08):
            self.after(100, 500, lambda: self._back(id, shipment))

    def _short(self, id: int, place: str, asked: dict[str, int]) -> None:
        number = self.random.choice(list(asked))
        left = {one: count - (one == number) for one, count in asked.items()}
        left = {one: count for one, count in left.items() if count}
        sold = self.books.orders[id]
        sku = sold.lines[number].sku
        rest = self.random.choice([Rest.REROUTE, Rest.CANCEL, *([] if sku.startswith("K") else [Rest.BACKORDER])])
        if not left:
            return self._ship(id, place, asked)
        tracking = self.number("1Z")
        leaving = Departure(id, place, "UPS", tracking, self._left_at(id), left, {number: 1})
        done = self.attempt("short", lambda: ship_short(self.store, leaving, rest, self.now))
        if done is None:
            self.after(20, 30, lambda: self._ship_rest(id, place))
            return None
        if rest is Rest.CANCEL:
            self.let_down.add(id)
            sold.lines[number].cancelled += 1
            sold.lines[number].cancelling += 1
        elif rest is Rest.BACKORDER:
            self.move(sku, -1, place, "other")
        return self._left(id, place, left, leaving, done.shipment)

    def _void(self, id: int, shipment: int, tracking: str) -> None:
        box = self.books.orders[id].boxes[shipment]
        done = self.attempt("voided", lambda: void(self.store, Void(id, tracking, "label only"), self.now))
        if done is None:
            return
        box.void = True
        del self.parcels[id, tracking]
        for number, units in box.units.items():
            kept = self.books.orders[id].lines[number]
            off = min(units, kept.late)
            kept.shipped -= units
            kept.cancelled += off
            kept.late -= off
            self.move(kept.sku, units, box.place, "sold")

    def _correct(self, id: int, shipment: int, tracking: str) -> None:
        wish = Correction(id, tracking, tracking=self.number("1Z"))
        if self.attempt("corrected", lambda: correct(self.store, wish, self.now)) is not None:
            self.books.orders[id].boxes[shipment].numbers.add(str(wish.tracking))
