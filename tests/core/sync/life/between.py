"""A shelf that is counted between two parcels, of which the warehouse tells only after the count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from connectors.sandbox_warehouse.yard import Asked
from core.model import instant
from tests.core.sync.life.house import HERE, SERVED, House, Moved, Sent
from tests.core.sync.life.picking import DATA
from tests.core.sync.life.shelves import Shelves


class Between(Shelves, House):
    """A parcel leaves, the shelf is counted, another one leaves; the count is heard first, or last."""

    @rule(data=DATA, found=st.sampled_from([0, 1]), turned=st.booleans(), broken=st.booleans(), last=st.booleans(),
          meanwhile=st.sampled_from(["", "received", "moved", "comes"]))  # fmt: skip
    def house_counts_between(
        self, data: st.DataObject, found: int, turned: bool, broken: bool, last: bool, meanwhile: str
    ) -> None:
        self.yard.fail(None)
        self.all_is_handed_over()
        able = [work for work in self.works() if self.is_asked(work) and self.is_due(self.rest(work))]
        if self.unheard or not able:
            return
        work = data.draw(st.sampled_from(able), label="work")
        order, place = self.order_of(work), HERE[work.place]
        rest = self.rest(work).boxes[""]
        first = {of: data.draw(st.integers(0, count), label=f"at first of line {of}") for of, count in rest.items()}
        first = {of: count for of, count in first.items() if count} or dict(rest)
        second = {of: count - first.get(of, 0) for of, count in rest.items() if count > first.get(of, 0)}
        sku = data.draw(st.sampled_from("AB"), label="item")
        gone, all_of_it = self.made_of(order, first), self.made_of(order, rest)
        gone[sku] += broken
        all_of_it[sku] += broken
        lies = self.books.really_on_hand(all_of_it, place)
        lies[sku] += found
        if any(lies[part] < units for part, units in all_of_it.items()):
            return
        one, two = self.next("H"), self.next("H")
        sent = [Sent(order, place, {one: first}, self.live.now)]
        broke_at = self.live.now
        self.live.world.later(1)
        self.books.found[sku, place] += found
        slip = self.books.write_slip(place, self.live.now)
        for part, units in gone.items():
            slip.units[part] = slip.units.get(part, 0) - units
        self.live.world.later(1)
        sent += [Sent(order, place, {two: second}, self.live.now)] if second else []
        self.live.world.later(1)
        self.meanwhile(meanwhile, sku, place, all_of_it[sku])
        slow, self.yard.slow = self.yard.slow, True  # what has left is not called back, whatever we ask after the count
        if not last:
            self.tell_slip(slip)
            self.within_bounds(place, gone)
        for parcel in reversed(sent) if turned else sent:
            ((tracking, leaves),) = parcel.boxes.items()
            self.yard.send(work.key, [(tracking, self.as_work(work, leaves))], at=instant(parcel.at))
            self.tell(parcel)
            self.house_turn()
            row = self.live.world.row("SELECT state, reason FROM notices WHERE kind = 'left' ORDER BY id DESC LIMIT 1")
            assert row.state == "taken", row.reason  # whatever was asked back since: it has left
        if broken:
            self.yard.adjust(SERVED[place], sku, -1, "broken before it was counted", at=instant(broke_at))
            self.tell(Moved(sku, place, -1))
            self.house_turn()
        if last:
            told = self.live.world.rows("SELECT kind, state FROM notices ORDER BY id DESC LIMIT 1")
            if broken and tuple(told[0]) == ("adjusted", "refused"):
                self.books.on_hand[sku, place] -= 1  # our books had none left that could break; the count has it right
            self.tell_slip(slip)
        self.yard.slow = slow

    def within_bounds(self, place: str, gone: Counter[str]) -> None:
        """`gone`: units that the count had no more, and that may be in our books as long as nobody told of them."""
        for part, (on_hand, _) in ((part, self.live.world.at(part).get(place, (0, 0))) for part in "AB"):
            most = self.books.on_hand[part, place]
            least = most - gone[part]
            assert least <= on_hand <= most, f"{on_hand} of {part} at {place}, and {least} to {most} were to be"

    @precondition(lambda self: not self.unheard)
    @rule(sku=st.sampled_from("AB"), place=st.sampled_from(sorted(SERVED)), units=st.integers(0, 6),
          how=st.sampled_from(["count", "set", "adjust"]))  # fmt: skip
    def house_counts_before_us(self, sku: str, place: str, units: int, how: str) -> None:
        """Somebody here counts a shelf, or puts more on it; the warehouse had counted it before, and tells later."""
        slip = self.books.write_slip(place, self.live.now)
        self.live.world.later(1)
        self.counted(sku=sku, place=place, how=how, units=units)
        self.live.world.later(1)
        self.tell_slip(slip)

    def made_of(self, order: int, units: Mapping[str, int]) -> Counter[str]:
        """Units of an order's lines, in parts."""
        found: Counter[str] = Counter()
        for number, count in units.items():
            for part, per in self.books.parts[self.books.orders[order].lines[number].sku].items():
                found[part] += per * count
        return found

    def rest(self, work: Asked) -> Sent:
        """All that is open of a piece of work, as if it had left."""
        units = {
            of: min(work.open(number) // per for number, per in parts.items()) for of, parts in self.parts(work).items()
        }
        return Sent(
            self.order_of(work), HERE[work.place], {"": {of: count for of, count in units.items() if count > 0}}, 0
        )

    def is_asked(self, work: Asked) -> bool:
        """Whether it is work that we want done still."""
        return bool(
            self.live.world.rows(
                "SELECT 1 FROM handovers h JOIN fulfilment_orders f ON f.id = h.fulfilment_order_id"
                " WHERE h.key = :key AND h.state IN ('handed', 'accepted') AND f.state = 'released'",
                key=work.key,
            )
        )

    def is_due(self, what: Sent) -> bool:
        """Whether all of it may leave, as far as anybody can see."""
        if not any(what.boxes.values()):
            return False
        self.unheard["?"] = what
        due = self.plainly_due()
        del self.unheard["?"]
        return "?" in due

    def meanwhile(self, what: str, sku: str, place: str, gone: int) -> None:
        """What our own books say of the shelf after it was counted, and before the count is heard.

        `gone`: units that are there in our books alone, or not for long.
        """
        if what == "received":
            self.received(sku=sku, place=place, units=2, twice=True)
        elif what == "moved" and self.books.on_hand[sku, place] > gone:
            self.moves(sku, place, "west", 1, journey=False, twice=True)
        elif what == "comes":
            self.moves(sku, "west", place, 1, journey=False, twice=False)
