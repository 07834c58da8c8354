"""What a warehouse does that serves two of the locations, and what it tells of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    invariant,
    precondition,
    rule,
)

from connectors.sandbox_warehouse import Yard
from connectors.sandbox_warehouse.yard import Asked
from core.model import instant
from core.sync.turn import Trouble
from tests.core.sync.depot import Depot
from tests.core.sync.life.books import Box, Slip
from tests.core.sync.life.picking import DATA, Picking

SERVED = {"east": "E", "south": "S"}
HERE = {theirs: ours for ours, theirs in SERVED.items()}
ITEMS = {"A", "B", "NEW"}


@dataclass(frozen=True)
class Sent:
    """Parcels left a warehouse."""

    order: int
    place: str
    boxes: Mapping[str, Mapping[str, int]]
    """Units by the order's line numbers, by tracking number."""
    at: int


@dataclass(frozen=True)
class Refused:
    """It will not do work, or not all of it."""

    order: int
    place: str


@dataclass(frozen=True)
class Moved:
    """Units came or went by themselves."""

    sku: str
    place: str
    units: int


class House(Picking):
    """Work is handed over, sent, declined and called back; shelves are counted. What it tells comes late, or twice."""

    def __init__(self) -> None:
        super().__init__()
        self.depot = Depot(self.live.world, f"house-{id(self)}", locations=SERVED)
        self.yard = self.depot.yard
        self.unheard: dict[str, Sent | Refused | Moved | Slip] = {}
        """What it told and was not read yet, by the event's id."""

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            Yard.forget(self.depot.name)

    # The warehouse's own doing.

    def tell(self, what: Sent | Refused | Moved | Slip) -> None:
        self.unheard[f"Y-{len(self.yard._events)}"] = what
        self.live.world.later(1)

    def works(self) -> list[Asked]:
        """What it has to do."""
        return [work for work in self.yard.works().values() if any(work.open(number) > 0 for number in work.asked)]

    def parts(self, work: Asked) -> dict[str, dict[str, int]]:
        """The lines of an order in a piece of work: each with the work's lines and how many of them are one unit."""
        found: dict[str, dict[str, int]] = {}
        for row in self.live.world.rows(
            "SELECT l.number AS of, p.number, p.per FROM handovers h JOIN handover_lines p ON p.handover_id = h.id"
            " JOIN lines l ON l.id = p.line_id JOIN warehouses w ON w.id = h.warehouse_id WHERE h.key = :key"
            " ORDER BY p.line_id, p.number",
            key=work.key,
        ):
            found.setdefault(row.of, {})[row.number] = row.per
        return found

    def order_of(self, work: Asked) -> int:
        return int(self.live.world.value("SELECT order_id FROM handovers WHERE key = :key", key=work.key))

    def some(self, data: st.DataObject, work: Asked, more: int = 0) -> dict[str, int]:
        """Units of an order's lines, of a piece of work."""
        units = {}
        for of, parts in self.parts(work).items():
            able = max(0, min(work.open(number) // per for number, per in parts.items()))
            count = data.draw(st.integers(0, able + more), label=f"of line {of}")
            if count:
                units[of] = count
        return units

    def as_work(self, work: Asked, units: Mapping[str, int]) -> dict[str, int]:
        """Units of an order's lines, as the warehouse calls them."""
        parts = self.parts(work)
        return {number: per * count for of, count in units.items() for number, per in parts[of].items()}

    @precondition(lambda self: self.works())
    @rule(data=DATA, two=st.booleans(), twice=st.booleans(), over=st.integers(0, 9))
    def house_sends(self, data: st.DataObject, two: bool, twice: bool, over: int) -> None:
        work = data.draw(st.sampled_from(self.works()), label="work")
        units = self.some(data, work, more=over == 9)
        heaps = [{of: count // 2 for of, count in units.items()}, {of: -(-count // 2) for of, count in units.items()}]
        heaps = [{of: count for of, count in heap.items() if count} for heap in (heaps if two else [units])]
        boxes = {self.next("H"): heap for heap in heaps if heap}
        if not boxes:
            return
        now = self.live.now
        self.yard.send(work.key, [(name, self.as_work(work, heap)) for name, heap in boxes.items()], at=instant(now))
        self.tell(Sent(self.order_of(work), HERE[work.place], boxes, now))
        if twice:
            self.yard.repeat()

    @precondition(lambda self: self.works())
    @rule(data=DATA, whole=st.booleans(), short=st.booleans(), sure=st.booleans())
    def house_declines(self, data: st.DataObject, whole: bool, short: bool, sure: bool) -> None:
        if not sure:
            return
        work = data.draw(st.sampled_from(self.works()), label="work")
        units = None if whole else self.some(data, work)
        if whole or units:
            self.yard.decline(work.key, None if units is None else self.as_work(work, units), short=short)
            self.tell(Refused(self.order_of(work), HERE[work.place]))

    @precondition(lambda self: self.works())
    @rule(data=DATA)
    def house_accepts(self, data: st.DataObject) -> None:
        self.yard.accept(data.draw(st.sampled_from(self.works()), label="work").key)

    @rule(sku=st.sampled_from("AB"), place=st.sampled_from(sorted(SERVED)), units=st.sampled_from([-2, -1, 1, 3]),
          twice=st.booleans())  # fmt: skip
    def house_adjusts(self, sku: str, place: str, units: int, twice: bool) -> None:
        self.yard.adjust(SERVED[place], sku, units, "seen", at=instant(self.live.now))
        self.tell(Moved(sku, place, units))
        if twice:
            self.yard.repeat()

    @precondition(lambda self: not self.unheard)
    @rule(data=DATA, place=st.sampled_from(sorted(SERVED)), found=st.sampled_from([0, 0, 1, 2]), told=st.booleans())
    def house_counts(self, data: st.DataObject, place: str, found: int, told: bool) -> None:
        """What lies there is written down, to be told now or later, once our books have all that was told."""
        if found:
            self.books.found[data.draw(st.sampled_from("AB")), place] += found
        slip = self.books.write_slip(place, self.live.now)
        self.live.world.later(1)
        if told:
            self.tell_slip(slip)

    @precondition(lambda self: self.books.slips)
    @rule(data=DATA)
    def house_tells_a_count(self, data: st.DataObject) -> None:
        """Any of those that were written, told as it was then."""
        self.tell_slip(data.draw(st.sampled_from(self.books.slips), label="slip"))

    def tell_slip(self, slip: Slip) -> None:
        self.yard.fail(None)
        self.yard.count(SERVED[slip.place], slip.units, as_of=instant(slip.as_of))
        self.tell(slip)
        self.house_turn()

    @precondition(lambda self: self.yard._recalls)
    @rule(data=DATA)
    def house_answers_a_recall(self, data: st.DataObject) -> None:
        rows = self.live.world.rows("SELECT key FROM recalls WHERE state = 'asked' ORDER BY id")
        if rows:
            self.answer(data.draw(st.sampled_from([row.key for row in rows])), data.draw(st.booleans()))

    def answer(self, key: str, well: bool) -> None:
        one = self.yard._recalls[key]
        work = self.yard.works()[one.work]
        able = all(work.open(number) >= units for number, units in one.lines.items())
        self.yard.answer_recall(key, done=well and able, reason="" if well and able else "it is packed")

    @rule(trouble=st.sampled_from([None, None, "unavailable", "lost answer"]), slow=st.booleans(),
          unknown=st.sampled_from([(), (), ("B",)]))  # fmt: skip
    def house_is(self, trouble: str | None, slow: bool, unknown: tuple[str, ...]) -> None:
        self.yard.fail(trouble)
        self.yard.slow, self.yard.unknown = slow, set(unknown)

    # Its turn, and what the books make of what it told.

    def all_is_handed_over(self) -> None:
        for name in self.live.channels:
            self.live.round(name)
        self.house_turn()

    @rule()
    def house_turn(self) -> None:
        due = self.plainly_due()
        handed = {row.id: row.state for row in self.live.world.rows("SELECT id, state FROM handovers")}
        last = self.live.world.value("SELECT COALESCE(MAX(id), 0) FROM notices")
        done = self.depot.turn(1)
        assert not isinstance(done, Trouble) or self.yard._trouble is not None, done
        heard = self.live.world.rows("SELECT * FROM notices WHERE id > :last ORDER BY id", last=last)
        for row in heard:
            what = self.unheard.pop(row.event, None)
            assert row.event not in due or row.state == "taken", f"{what} was not taken: {row.reason}"
            if row.state == "taken" and what is not None:
                self.hear(what)
            if row.event in due and isinstance(what, Refused):
                self.out(what.order, what.place)
        for row in self.live.world.rows(
            "SELECT h.*, p.name FROM handovers h JOIN locations p ON p.id = h.location_id WHERE h.state = 'refused'"
            " AND h.attempts = 1"
        ):
            if row.id not in handed:
                self.out(row.order_id, row.name)

    def plainly_due(self) -> set[str]:
        """What was told of units that are still asked for, where nothing else that it told can have changed that."""
        if any(isinstance(what, Moved | Slip) for what in self.unheard.values()):
            return set()
        told = Counter(what.order for what in self.unheard.values() if isinstance(what, Sent | Refused))
        found = set()
        for event, what in self.unheard.items():
            if not isinstance(what, Sent | Refused) or told[what.order] > 1:
                continue
            rows = self.live.world.rows(
                "SELECT l.number, f.id, w.quantity - w.shipped AS open,"
                " (SELECT MIN((p.quantity - p.shipped - p.withdrawn) / p.per) FROM handover_lines p WHERE"
                " p.handover_id = h.id AND p.line_id = l.id) AS lies FROM handovers h"
                " JOIN fulfilment_orders f ON f.id = h.fulfilment_order_id"
                " JOIN fulfilment_lines w ON w.fulfilment_order_id = f.id JOIN lines l ON l.id = w.line_id"
                " JOIN locations p ON p.id = h.location_id WHERE h.order_id = :id AND p.name = :place"
                " AND h.state IN ('handed', 'accepted') AND f.state = 'released'",
                id=what.order,
                place=what.place,
            )
            if len({row.id for row in rows}) != 1:
                continue
            able = {row.number: min(row.open, row.lies or 0) for row in rows}
            units = Counter[str]()
            for box in what.boxes.values() if isinstance(what, Sent) else ():
                units.update(box)
            if isinstance(what, Refused):
                as_told = all(row.open == row.lies for row in rows)
                if as_told and any(able.values()):
                    found.add(event)
            elif all(count <= able.get(number, 0) for number, count in units.items()):
                found.add(event)
        return found

    def hear(self, what: Sent | Refused | Moved | Slip) -> None:
        if isinstance(what, Slip):
            self.books.hear_slip(what)
        elif isinstance(what, Moved):
            self.books.on_hand[what.sku, what.place] += what.units
        elif isinstance(what, Sent):
            self.left(what)

    def left(self, what: Sent) -> None:
        sold = self.books.orders[what.order]
        for tracking, units in what.boxes.items():
            row = self.live.world.row(
                "SELECT id, shipped_at FROM shipments WHERE order_id = :id AND tracking = :tracking",
                id=what.order,
                tracking=tracking,
            )
            assert row.shipped_at == what.at
            for number, count in units.items():
                kept = sold.lines[number]
                assert count <= kept.open, "more left than was to leave"
                kept.shipped += count
                self.books.leave(kept.sku, count, what.place)
            sold.boxes[row.id] = Box(what.place, {tracking}, dict(units), what.at)

    def out(self, order: int, place: str) -> None:
        self.books.out[order, place] = self.asked_of(order, place)

    # What must be so.

    @invariant()
    def who_cannot_send_is_not_asked_again(self) -> None:
        for (order, place), most in self.books.out.items():
            now = self.asked_of(order, place)
            assert now <= most, f"{place} is asked for {now} of order {order} once more"
            self.books.out[order, place] = now

    def begin(self) -> None:
        super().begin()
        self.house_turn()

    def finish(self) -> None:
        self.house_is(None, False, ())
        super().finish()
        for _ in range(7):
            for row in self.live.world.rows("SELECT key FROM recalls WHERE state = 'asked' ORDER BY id"):
                self.answer(row.key, True)
            self.live.world.later(600)
            self.house_turn()
            self.house_turn()
            if not self.undone() and not self.live.unsettled():
                return
            for name in self.live.channels:
                self.live.round(name, news=True)

    def undone(self) -> list[str]:
        """The warehouse still has to send what is wanted of it, unless somebody said that it is otherwise.

        That is: parcels booked by hand or void, or shown by a channel that were not told by the warehouse; recalls and
        notices that were refused.
        """
        odd = {
            id
            for id, sold in self.books.orders.items()
            for box in sold.boxes.values()
            if box.void or (box.place in SERVED and not any(one.startswith("H") for one in box.numbers))
        }
        rows = self.live.world.rows(
            "SELECT h.order_id FROM handovers h JOIN recalls r ON r.handover_id = h.id WHERE r.state = 'refused' UNION"
            " SELECT h.order_id FROM handovers h JOIN notices n ON n.handover_id = h.id WHERE n.state <> 'taken' UNION"
            " SELECT order_id FROM shipments WHERE origin = 'channel'"
        )
        odd |= {row.order_id for row in rows}
        held = {row.order_id for row in self.live.world.rows("SELECT order_id FROM holds")}
        works = self.yard.works()
        lies: Counter[tuple[int, str, str]] = Counter()
        wanted: Counter[tuple[int, str, str]] = Counter()
        for row in self.live.world.rows(
            "SELECT h.key, h.order_id, p.number, i.sku FROM handovers h JOIN handover_lines p ON p.handover_id = h.id"
            " JOIN items i ON i.id = p.item_id"
        ):
            if row.key in works:
                lies[row.order_id, works[row.key].place, row.sku] += works[row.key].open(row.number)
        for row in self.work_released():
            for sku, per in self.books.parts[row.sku].items():
                wanted[row.order_id, SERVED[row.name], sku] += per * row.open
        return [
            f"order {key[0]}: {lies[key]} of {key[2]} lie at {key[1]}, and {wanted[key]} are wanted"
            for key in sorted(lies.keys() | wanted.keys())
            if key[0] not in odd and (lies[key] > wanted[key] or (lies[key] < wanted[key] and key[0] not in held))
        ]

    def work_released(self) -> Any:
        return self.live.world.rows(
            "SELECT f.order_id, p.name, i.sku, w.quantity - w.shipped AS open FROM fulfilment_orders f"
            " JOIN fulfilment_lines w ON w.fulfilment_order_id = f.id JOIN lines l ON l.id = w.line_id"
            " JOIN items i ON i.id = l.item_id JOIN locations p ON p.id = f.location_id"
            " WHERE f.state = 'released' AND p.name IN :served AND w.quantity > w.shipped",
            served=sorted(SERVED),
        )
