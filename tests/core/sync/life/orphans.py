"""What comes back of an order that is not here, or not yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import rule

from core.model import Fulfiller, Observation, Page, Return, ReturnLine, ReturnState, instant
from core.sync.received import Came, Disposition, Receiving, receive
from core.sync.returns import take_returns
from core.sync.rma import close_return, find
from tests.core.sync.life.books import ALT
from tests.core.sync.life.live import PLACES, PRICE, SKUS
from tests.core.sync.life.picking import DATA, NAME, Picking
from tests.core.sync.world import line


class Orphans(Picking):
    """Channels tell of returns; goods come of which the SKU alone is known."""

    def __init__(self) -> None:
        super().__init__()
        self.said: dict[str, dict[str, int]] = {}
        """What returns announce, by number and by what the channel calls the item."""
        self.loose: dict[str, list[tuple[str, int]]] = {}
        """What came of a return before its order was here: each receipt by itself."""
        self.bound: set[str] = set()
        """Returns of which what came before their order is of its lines by now, as far as it fitted."""

    def tell_return(
        self, name: str, order: str, of: str, sku: str, units: int, state: ReturnState = ReturnState.AUTHORISED
    ) -> str:
        """A return of a line; the newest word of it counts. Returns its number."""
        told = Return(
            number=f"{order}-back", order=order, version=self.live.now, state=state,
            requested_at=instant(self.live.now),
            lines=(ReturnLine(number="1", order_line=of, sku=sku, quantity=units),),
        )  # fmt: skip
        page = Page(observations=(Observation(number=told.number, body=msgspec.json.encode(told)),), cursor="r")
        take_returns(self.store, self.live.channels[name], page, self.live.now, self.live.world.later(1))
        self.said[told.number] = {sku: units}
        return told.number

    @rule(data=DATA, name=NAME, called=st.sampled_from([*SKUS, ALT]), units=st.sampled_from([2, 1, 3, 4]),
          left=st.sampled_from([1, 0, 2, 3]),
          here=st.sampled_from(["closed", "told", "", "closed"]))  # fmt: skip
    def comes_back_before_its_order(
        self, data: st.DataObject, name: str, called: str, units: int, left: int, here: str
    ) -> None:
        """An order is heard after goods of it have come back, or never."""
        called = called if called != ALT or name == "shop" else "A"
        far, number = self.live.far[name], self.next("ghost")
        if here:
            lines = [line(of, called, max(1, left), unit_price=PRICE) for of in (1, 2)]
            number = self.live.begin(name, lines, (), Fulfiller.MERCHANT)
            if left:
                far.change_line(number, "1", shipped=left)
        back = self.tell_return(name, number, "1", called, units)
        for _ in range(data.draw(st.sampled_from([2, 1]), label="boxes")):
            place, what = data.draw(st.sampled_from([*PLACES, "", *PLACES])), data.draw(st.sampled_from(Disposition))
            self.orphan_came(data, back, place, what, twice=True)
            self.live.check()
        if here:
            self.live.deliver(name, far.now(number))
            self.live.check()
        if here == "closed":
            with self.store.read() as tx:
                found = find(tx, back)
            close_return(self.store, found, "", self.live.now)
            self.found_its_order(back, found.order.id, {})

    def orphan_came(self, data: st.DataObject, number: str, place: str, what: Disposition, twice: bool) -> None:
        """As many as its channel announces, where somebody says, of what means something."""
        loose = self.loose.setdefault(number, [])
        called, announced = data.draw(st.sampled_from(sorted(self.said[number].items())))
        left = announced - sum(units for sku, units in loose if sku == called)
        units = data.draw(st.integers(1, max(1, left + data.draw(st.integers(0, 1)))))
        heaps = [1, units - 1] if units > 1 and data.draw(st.booleans(), label="in two heaps") else [units]
        came = [Came(name=called, units=count, disposition=what) for count in heaps]
        wish = Receiving(number, came, place, reference=self.next("B"))
        done = self.live.attempt(lambda: receive(self.store, wish, self.live.now))
        sku = self.books.alt if called == ALT else called
        known = bool(self.live.world.rows("SELECT 1 FROM items WHERE sku = :sku", sku=sku))
        able = place != "" and units <= left and (known or what is Disposition.DISPOSE)
        assert (done is not None) == able
        if done is None:
            return
        assert set(done.locations) == {place}
        loose += [(called, count) for count in heaps]
        if what is not Disposition.DISPOSE:
            self.books.move(sku, units, place, aside="" if what is Disposition.RESTOCK else what.value)
        if twice:
            assert not receive(self.store, wish, self.live.now).new

    def found_its_order(self, number: str, id: int, since: Mapping[str, int]) -> None:
        """With the first thing that happens to a return after its order is here, what came of it before is of lines
        of which that many have left by then; stock stays as it is.

        `since`: units by line that this thing itself has brought.
        """
        before = self.loose.get(number, [])
        if not before:
            return
        still = [
            (row.sku, row.quantity)
            for row in self.live.world.rows(
                "SELECT r.sku, r.quantity FROM receipts r JOIN rmas m ON m.id = r.rma_id JOIN returns t ON"
                " t.id = m.return_id WHERE t.number = :number AND r.line_id IS NULL ORDER BY r.id",
                number=number,
            )
        ]
        bound: Counter[str] = Counter()
        for of, row in self.promises(id).items():
            kept = self.books.orders[id].lines[of]
            now = row.returned - since.get(of, 0)
            assert kept.returned <= now <= kept.shipped
            bound[row.sku] += now - kept.returned
            kept.returned = now
            fit = [units for sku, units in still if sku == row.sku and units <= kept.shipped - now]
            assert number in self.bound or not fit, f"{fit} of {row.sku} came back and may be of line {of}"
        for sku, units in before:
            bound[sku] -= units
        for sku, units in still:
            bound[sku] += units
        assert not any(bound.values()), f"{bound} came back of lines, and did not come"
        self.loose[number] = still
        self.bound.add(number)
