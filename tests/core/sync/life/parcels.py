"""What leaves, and what never left."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import (
    precondition,
    rule,
)

from core.sync.correct import Correction, correct
from core.sync.ship import Departure, ship
from core.sync.short import Rest, ship_short
from core.sync.void import Void, void
from tests.core.sync.life.books import Box
from tests.core.sync.life.picking import DATA, PLACE, Picking


class Parcels(Picking):
    """Parcels leave, short ones too, are void, or have another number."""

    @rule(data=DATA, place=PLACE, whole=st.booleans(), short=st.sampled_from([None, None, None, *Rest]))
    def shipped(self, data: st.DataObject, place: str, whole: bool, short: Rest | None) -> None:
        id = self.known(data, lambda id, sold: id in self.due())
        if id is None:
            return
        asked = self.asked(id)
        if asked and data.draw(st.integers(0, 4)):
            place = data.draw(st.sampled_from(sorted(asked)))
        boxes = list(self.books.orders[id].boxes.values())
        tracking = data.draw(st.sampled_from([number for box in boxes for number in sorted(box.numbers)] + ["", ""]))
        short = None if tracking else short  # of a parcel that was booked before nothing else is said
        units = None if whole else self.units(data, id, lambda kept: kept.open)
        rest = self.units(data, id, lambda kept: min(2, kept.open)) if short is not None else {}
        leaving = Departure(id, place, "UPS", tracking or self.next("T"), self.live.now, units, rest)
        if short is None or not rest:
            done = self.live.attempt(lambda: ship(self.store, leaving, self.live.now))
        else:
            before = self.asked_of(id, place)
            sent = self.live.attempt(lambda: ship_short(self.store, leaving, short, self.live.now, desk=self.live.desk))
            done = None if sent is None else (sent.shipment, sent.new)
            if sent is not None and sent.new:
                self._short(id, place, rest, short)
                self.books.out[id, place] = before - sum(rest.values())
                again = ship_short(self.store, leaving, short, self.live.now, desk=self.live.desk)
                assert (again.shipment, again.new, again.rest.new) == (sent.shipment, False, False)
        if done is None or not done[1]:
            return
        rows = self.live.world.rows(
            "SELECT l.number, p.quantity FROM shipment_lines p JOIN lines l ON l.id = p.line_id"
            " WHERE p.shipment_id = :id",
            id=done[0],
        )
        left = {row.number: row.quantity for row in rows}
        assert units is None or left == units
        self._left(id, done[0], place, leaving.tracking, left)

    @rule(data=DATA, part=st.booleans())
    def picked(self, data: st.DataObject, part: bool) -> None:
        """What a location is asked for and nothing holds back can leave it, all of it or a part."""
        due = sorted(self.due())
        if not due:
            return
        id = data.draw(st.sampled_from(due), label="order")
        place = data.draw(st.sampled_from(sorted(self.asked(id))))
        rows = self.live.world.rows(
            "SELECT l.number, SUM(w.quantity - w.shipped) AS units FROM fulfilment_lines w"
            " JOIN lines l ON l.id = w.line_id JOIN fulfilment_orders f ON f.id = w.fulfilment_order_id"
            " JOIN locations p ON p.id = f.location_id WHERE f.order_id = :id AND p.name = :place"
            " AND f.state IN ('planned', 'released') AND w.quantity > w.shipped GROUP BY l.number ORDER BY l.number",
            id=id,
            place=place,
        )
        asked = {row.number: int(row.units) for row in rows}
        units = {number: data.draw(st.integers(1, count)) for number, count in asked.items()} if part else None
        leaving = Departure(id, place, "UPS", self.next("P"), self.live.now, units)
        shipment, new = ship(self.store, leaving, self.live.now)
        assert new
        self._left(id, shipment, place, leaving.tracking, units or asked)

    def _left(self, id: int, shipment: int, place: str, tracking: str, units: dict[str, int]) -> None:
        sold = self.books.orders[id]
        for number, count in units.items():
            assert count <= sold.lines[number].open
            sold.lines[number].shipped += count
            self.books.leave(sold.lines[number].sku, count, place)
        sold.boxes[shipment] = Box(place, {tracking}, units, self.live.now)

    def _short(self, id: int, place: str, rest: dict[str, int], what: Rest) -> None:
        for number, units in rest.items():
            kept = self.books.orders[id].lines[number]
            if what is Rest.CANCEL:
                self.books.orders[id].cancel(number, units)
            elif what is Rest.BACKORDER:
                self.books.move(kept.sku, -units, place)

    def box(self, data: st.DataObject) -> tuple[int, int, Box] | None:
        every = [(id, key, box) for id, sold in self.books.orders.items() for key, box in sold.boxes.items()]
        return data.draw(st.sampled_from(every)) if every else None

    @precondition(lambda self: any(sold.boxes for sold in self.books.orders.values()))
    @rule(data=DATA)
    def voided(self, data: st.DataObject) -> None:
        picked = self.box(data)
        if picked is None:
            return
        id, _, box = picked
        self.voids(data, id, box)

    def voids(self, data: st.DataObject, id: int, box: Box) -> None:
        wish = Void(id, data.draw(st.sampled_from(sorted(box.numbers))), "never left")
        takes_back = data.draw(st.booleans())
        before = self.promises(id)
        done = self.live.attempt(lambda: void(self.store, wish, self.live.now, takes_back=takes_back))
        if done is None or not done.new:
            assert done is None or box.void
            return
        assert not box.void
        assert dict(done.units) == box.units
        box.void = True
        for number, units in box.units.items():
            kept = self.books.orders[id].lines[number]
            off = min(units, kept.late)
            assert done.cancelled.get(number, 0) == off
            kept.shipped -= units
            kept.cancelled += off
            kept.late -= off
        self.books.never_left(box, {number: self.books.orders[id].lines[number].sku for number in box.units})
        self.has_what_is_free(id, before)

    @precondition(lambda self: any(sold.boxes for sold in self.books.orders.values()))
    @rule(data=DATA)
    def corrected(self, data: st.DataObject) -> None:
        picked = self.box(data)
        if picked is None:
            return
        id, _, box = picked
        wish = Correction(id, data.draw(st.sampled_from(sorted(box.numbers))), tracking=self.next("C"))
        if self.live.attempt(lambda: correct(self.store, wish, self.live.now)) is not None:
            box.numbers.add(str(wish.tracking))
