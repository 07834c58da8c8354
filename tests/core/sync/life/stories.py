"""Steps that only mean something after one another, and that chance alone seldom puts so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import (
    rule,
)

from core.sync.received import Disposition
from tests.core.sync.life.between import Between
from tests.core.sync.life.desk import Desk
from tests.core.sync.life.house import SERVED
from tests.core.sync.life.live import PLACES
from tests.core.sync.life.operator import Operator
from tests.core.sync.life.parcels import Parcels
from tests.core.sync.life.picking import DATA

ACTS = st.lists(
    st.sampled_from(
        [
            "leaves", "leaves in part", "cancelled", "not cancelled", "void", "back", "back again", "exchanged", "sent",
            "sent", "heard", "counted", "counted late", "counted between", "adjusted", "declined", "moved", "arrives",
            "rejected", "turn", "too late",
        ]
    ),
    min_size=4,
    max_size=9,
)  # fmt: skip


class Stories(Parcels, Operator, Desk, Between):
    """Everything is released and handed over; then one thing follows another."""

    @rule(data=DATA, acts=ACTS)
    def goes_through(self, data: st.DataObject, acts: list[str]) -> None:
        self.story(data, acts)

    @rule(data=DATA, acts=ACTS)
    def goes_through_again(self, data: st.DataObject, acts: list[str]) -> None:
        self.story(data, acts)  # under a second name it is chosen twice as often

    def story(self, data: st.DataObject, acts: list[str]) -> None:
        self.all_is_handed_over()
        for act in acts:
            self.act(data, act)()
            self.look()

    def cancelled_too_late(self, data: st.DataObject) -> None:
        """A channel cancels what it does not know to have left; then the parcel turns out to stand there still."""
        self.picked(data, part=False)
        boxes = [
            (id, box)
            for id, sold in self.books.orders.items()
            for box in sold.boxes.values()
            if not box.void and any(self.lines_there(id)[of] < sold.lines[of].shipped for of in box.units)
        ]
        if not boxes:
            return
        id, box = data.draw(st.sampled_from(boxes), label="parcel")
        sold = self.books.orders[id]
        far = self.live.far[sold.channel]
        lines = far.now(sold.number).lines
        lines = tuple(msgspec.structs.replace(one, cancelled=one.ordered - one.shipped) for one in lines)
        self.live.deliver(sold.channel, far.change(sold.number, lines=lines))
        self.look()
        self.voids(data, id, box)

    def lines_there(self, id: int) -> Counter[str]:
        """What its channel shows of an order as shipped, by line; of an exchange, that all of it has."""
        sold = self.books.orders[id]
        if not sold.told:
            return Counter({number: kept.shipped for number, kept in sold.lines.items()})
        return Counter({one.number: one.shipped for one in self.live.far[sold.channel].now(sold.number).lines})

    def act(self, data: st.DataObject, what: str) -> Callable[[], None]:
        """What is to be done; nothing where there is nothing to do it to."""
        sku = data.draw(st.sampled_from("AB"), label="item")
        place = data.draw(st.sampled_from(sorted(SERVED)), label="place")
        boxes = any(sold.boxes for sold in self.books.orders.values())
        out = any(sold.out > 0 for sold in self.books.orders.values())
        acts: dict[str, Callable[[], None]] = {
            "leaves": lambda: self.picked(data, part=False),
            "leaves in part": lambda: self.picked(data, part=True),
            "cancelled": lambda: self.cancelled(data, whole=False, twice=False),
            "heard": self.house_turn,
            "adjusted": lambda: self.house_adjusts(sku=sku, place=place, units=1, twice=True),
            "moved": lambda: self.transferred(sku=sku, start=place, end="west", units=1, journey=True, twice=True),
            "too late": lambda: self.cancelled_too_late(data),
            "rejected": lambda: self.rejected(data, place=place, whole=True, desk=True),
            "counted between": lambda: self.house_counts_between(  # found, turned, broken, last, meanwhile
                data, 1, data.draw(st.booleans()), data.draw(st.booleans()), data.draw(st.booleans()), "received"
            ),
            "turn": lambda: self.live.round(data.draw(st.sampled_from(sorted(self.live.channels)))),
        }
        if self.a_cancellation() is not None:
            acts["not cancelled"] = lambda: self.see_to(self.a_cancellation(), dropped=True)
        if boxes:
            acts["void"] = lambda: self.voided(data)
        if self.targets():
            acts["exchanged"] = lambda: self.exchanged(
                data, sku=sku, units=1, twice=True, over=data.draw(st.booleans())
            )
        if out:
            acts["back again"] = lambda: self.return_opened(data, whole=True)
            acts["back"] = lambda: self.came_back(
                data, place=data.draw(st.sampled_from(["", *PLACES])), what=Disposition.RESTOCK, twice=True
            )
        if self.works():
            acts["sent"] = lambda: self.house_sends(data, two=True, twice=True, over=0)
            acts["declined"] = lambda: self.house_declines(data, whole=False, short=True, sure=True)
        if not self.unheard:
            acts["counted"] = lambda: self.house_counts(data, place=place, found=1, told=data.draw(st.booleans()))
        if self.books.slips:
            acts["counted late"] = lambda: self.house_tells_a_count(data)
        if self.books.ways:
            acts["arrives"] = lambda: self.arrived(data, units=1, over=False)
        return acts.get(what, lambda: None)
