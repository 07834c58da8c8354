"""What comes back, and the money for it."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import (
    precondition,
    rule,
)

from core.model import (
    RefundReason,
    ReturnState,
)
from core.sync.aside import Going, let_go
from core.sync.exchange import Exchange, Exchanged, exchange
from core.sync.received import Came, Disposition, Receiving, receive
from core.sync.refund import Wish, refund
from core.sync.rma import Found, Opening, close_return, find, open_return
from tests.core.sync.life.books import Kept, Sold
from tests.core.sync.life.live import PLACES, SKUS
from tests.core.sync.life.orphans import Orphans
from tests.core.sync.life.picking import DATA, NAME, UNITS


class Desk(Orphans):
    """Returns are opened, told, received with every disposition, and closed; money goes back."""

    @precondition(lambda self: any(sold.out > 0 for sold in self.books.orders.values()))
    @rule(data=DATA, whole=st.booleans())
    def return_opened(self, data: st.DataObject, whole: bool) -> None:
        id = self.known(data, lambda id, sold: sold.out > 0)
        if id is None:
            return
        units = None if whole else self.units(data, id, lambda kept: kept.shipped - kept.returned)
        self.live.attempt(lambda: open_return(self.store, Opening(id, "too small", units), self.live.now))

    @rule(data=DATA, state=st.sampled_from(list(ReturnState)), units=UNITS)
    def return_told(self, data: st.DataObject, state: ReturnState, units: int) -> None:
        """Its channel tells of a return, of an order that is here or not."""
        name = data.draw(NAME)
        far = self.live.far[name]
        orders = [number for number, told in far.told.items() if told[-1].lines]
        if not orders:
            return
        number = data.draw(st.sampled_from(orders))
        one = data.draw(st.sampled_from(far.now(number).lines))
        self.tell_return(name, number, one.number, one.sku, units, state)

    def targets(self) -> list[str]:
        rows = self.live.world.rows("SELECT id FROM rmas WHERE return_id IS NULL ORDER BY id")
        told = self.live.world.rows("SELECT number FROM returns ORDER BY id")
        return [f"RMA-{row.id}" for row in rows] + [row.number for row in told]

    @precondition(lambda self: any(sold.out > 0 for sold in self.books.orders.values()))
    @rule(data=DATA, place=st.sampled_from(["", *PLACES]), what=st.sampled_from(list(Disposition)), twice=st.booleans())
    def came_back(self, data: st.DataObject, place: str, what: Disposition, twice: bool) -> None:
        of_order = self.known(data, lambda id, sold: sold.out > 0)
        if of_order is None:
            return
        sold = self.books.orders[of_order]
        target = f"{sold.channel}:{sold.number}"
        if self.targets() and data.draw(st.booleans(), label="by its return"):
            target = data.draw(st.sampled_from(self.targets()))
        with self.store.read() as tx:
            found = find(tx, target)
        if found.order is None:
            self.orphan_came(data, target, place, what, twice)
            return
        id = found.order.id
        units = self.units(data, id, lambda kept: kept.shipped - kept.returned)
        parts = [(number, count) for number, count in units.items()]
        if parts and parts[0][1] > 1 and data.draw(st.booleans(), label="in two heaps"):
            parts[0:1] = [(parts[0][0], 1), (parts[0][0], parts[0][1] - 1)]
        came = [Came(name=number, units=count, disposition=what) for number, count in parts]
        wish = Receiving(target, came, place, reference=self.next("B"))
        done = self.live.attempt(lambda: receive(self.store, wish, self.live.now))
        if done is None:
            return
        self.found_its_order(done.name, id, units)
        for (number, count), at in zip(parts, done.locations, strict=True):
            kept = self.books.orders[id].lines[number]
            assert count <= kept.shipped - kept.returned
            assert place in ("", at)
            kept.returned += count
            if what is not Disposition.DISPOSE:
                self.books.move(kept.sku, count, at, aside="" if what is Disposition.RESTOCK else what.value)
        if twice and done.name == target:
            assert not receive(self.store, wish, self.live.now).new

    @rule(data=DATA, sku=st.sampled_from(SKUS), units=UNITS, twice=st.booleans(), over=st.booleans())
    def exchanged(self, data: st.DataObject, sku: str, units: int, twice: bool, over: bool) -> None:
        """Other units are sent instead, by an order of our own."""
        targets = self.targets()
        if not targets:
            return
        wish = Exchange(data.draw(st.sampled_from(targets)), {sku: units}, reference=self.next("X"), over=over)
        with self.store.read() as tx:
            found = find(tx, wish.target)
        with self.plenty(sku, sku in ("A", "B") and over):
            done = self.live.attempt(lambda: exchange(self.store, wish, self.live.now))
            if done is not None:
                self.is_exchanged(wish, sku, units, done, found)
        if done is not None and twice:
            assert not exchange(self.store, wish, self.live.now).new

    def is_exchanged(self, wish: Exchange, sku: str, units: int, done: Exchanged, found: Found) -> None:
        self.found_its_order(wish.target, found.order.id, {})
        name = self.live.world.value(
            "SELECT c.name FROM orders o JOIN channels c ON c.id = o.channel_id WHERE o.id = :id", id=done.order_id
        )
        line = Kept(sku, True, ordered=units)
        self.books.orders[done.order_id] = Sold(name, done.number, told=False, lines={"1": line})
        self.has_what_is_free(done.order_id, {})
        self.live.check()

    @rule(data=DATA)
    def return_closed(self, data: st.DataObject) -> None:
        targets = self.targets()
        if not targets:
            return
        target = data.draw(st.sampled_from(targets))
        with self.store.read() as tx:
            found = find(tx, target)
        done = self.live.attempt(lambda: close_return(self.store, found, "", self.live.now))
        if done is not None and found.order is not None:
            self.found_its_order(target, found.order.id, {})

    @precondition(lambda self: any(self.books.aside.values()))
    @rule(data=DATA, kind=st.sampled_from(["release", "dispose"]), units=UNITS)
    def let_go(self, data: st.DataObject, kind: str, units: int) -> None:
        standing = sorted(key for key, count in self.books.aside.items() if count)
        if not standing:
            return
        sku, place, condition = data.draw(st.sampled_from(standing))
        going = Going(sku=sku, location=place, units=units, condition=condition, kind=kind)
        done = self.live.attempt(lambda: let_go(self.store, [going], self.live.now, reference=self.next("G")))
        assert (done is not None) == (units <= self.books.aside[sku, place, condition])
        if done:
            self.books.aside[sku, place, condition] -= units
            self.books.on_hand[sku, place] += units if kind == "release" else 0

    @rule(data=DATA, amount=st.sampled_from([None, "1.00", "4.00"]))
    def refunded(self, data: st.DataObject, amount: str | None) -> None:
        id = self.known(data)
        if id is None:
            return
        wish = Wish(id, RefundReason.GOODWILL, shipping=None if amount is None else Decimal(amount))
        done = self.live.attempt(lambda: refund(self.store, wish, self.live.now))
        sold = self.books.orders[id]
        if done is not None:
            assert done.push is not None
            assert done.amount + done.refunded <= sold.total == done.paid
            assert done.refunded >= sum(sold.shown.values())
