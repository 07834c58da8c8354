"""What an operator decides of an order."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    rule,
)

from core.model import (
    CancelReason,
    Hold,
)
from core.sync.cancel import Decision, cancel
from core.sync.holds import hold, lift
from core.sync.pushes import drop, retry
from core.sync.reject import reject_at, reroute
from tests.core.sync.life.live import PLACES
from tests.core.sync.life.picking import DATA, PLACE, Picking


class Operator(Picking):
    """Orders are cancelled, held, released, routed elsewhere; pushes are seen to."""

    @rule(data=DATA, whole=st.booleans(), twice=st.booleans())
    def cancelled(self, data: st.DataObject, whole: bool, twice: bool) -> None:
        id = self.known(data, lambda id, sold: any(kept.open for kept in sold.lines.values()))
        if id is None:
            return
        units = None if whole else self.units(data, id, lambda kept: kept.open)
        wish = Decision(id, CancelReason.BUYER, units, reference=self.next("W"))
        refused = self.live.world.rows(
            "SELECT 1 FROM pushes WHERE order_id = :id AND kind = 'cancel' AND state = 'refused'", id=id
        )
        before = self.promises(id)
        done = self.live.attempt(lambda: cancel(self.store, wish, self.live.now))
        sold = self.books.orders[id]
        open = {number: kept.open for number, kept in sold.lines.items() if kept.open}
        wanted = open if units is None else units
        able = bool(wanted) and all(count <= open.get(number, 0) for number, count in wanted.items())
        assert (done is not None) == (able and sold.ours and not refused)
        if done is None:
            return
        assert dict(done.units) == wanted
        for number, count in wanted.items():
            sold.cancel(number, count)
            was, row = before[number], self.promises(id)[number]
            left = min(was.reserved, sold.lines[number].open)  # what waited is given up first
            assert row.reserved == left, f"{row.reserved} of line {number} promised, and {left} were to be"
            bound = min(was.allocated, left)
            assert row.allocated == bound, f"{row.allocated} of line {number} bound, and {bound} were to be"
        if twice:
            assert not cancel(self.store, wish, self.live.now).new

    @rule(data=DATA, whole=st.booleans())
    def cancelled_and_not(self, data: st.DataObject, whole: bool) -> None:
        """Somebody thinks better of it before its channel was told."""
        self.cancelled(data, whole=whole, twice=False)
        push = self.a_cancellation()
        if push is not None:
            self.see_to(push, dropped=True)

    @rule(data=DATA, dropped=st.booleans())
    def push_seen_to(self, data: st.DataObject, dropped: bool) -> None:
        rows = self.live.world.rows(
            "SELECT id, kind, order_id FROM pushes WHERE state IN ('refused', 'queued') ORDER BY id"
        )
        if rows:
            self.see_to(data.draw(st.sampled_from(list(rows))), dropped)

    def a_cancellation(self) -> Any:
        """The push of the newest cancellation that can be taken back; None where there is none."""
        rows = self.live.world.rows(
            "SELECT id, kind, order_id FROM pushes WHERE kind = 'cancel' AND state IN ('refused', 'queued')"
            " ORDER BY id DESC LIMIT 1"
        )
        return rows[0] if rows else None

    def see_to(self, row: Any, dropped: bool) -> None:
        before = {
            one.number: one for one in self.live.world.rows("SELECT * FROM lines WHERE order_id = :id", id=row.order_id)
        }
        act = (
            (lambda: drop(self.store, row.id, "", self.live.now))
            if dropped
            else (lambda: retry(self.store, row.id, self.live.now))
        )
        if self.live.attempt(act) is None or not dropped or row.kind != "cancel":
            return
        for one in self.live.world.rows("SELECT * FROM lines WHERE order_id = :id", id=row.order_id):
            back = before[one.number].cancelling - one.cancelling
            assert back >= 0
            assert before[one.number].cancelled - one.cancelled == back
            kept = self.books.orders[row.order_id].lines[one.number]
            kept.cancelled -= back
            kept.cancelling -= back
        self.has_what_is_free(row.order_id, before)

    @rule(data=DATA, place=PLACE, whole=st.booleans(), desk=st.booleans())
    def rejected(self, data: st.DataObject, place: str, whole: bool, desk: bool) -> None:
        id = self.known(data, lambda id, sold: bool(self.asked(id)))
        if id is None:
            return
        asked = self.asked(id)
        if asked and data.draw(st.integers(0, 4)):
            place = data.draw(st.sampled_from(sorted(asked)))
        units = None if whole else self.units(data, id, lambda kept: min(2, kept.open))
        now, by, before = self.live.now, self.live.desk if desk else None, self.asked_of(id, place)
        done = self.live.attempt(lambda: reject_at(self.store, id, place, units, "broken", "operator", now, desk=by))
        if done is not None and done.new:
            self.books.out[id, place] = before - sum(done.units.values())

    @rule(data=DATA, place=st.sampled_from(["", *PLACES]), allow=st.lists(PLACE, max_size=2), recall=st.booleans(),
          desk=st.booleans())  # fmt: skip
    def rerouted(self, data: st.DataObject, place: str, allow: list[str], recall: bool, desk: bool) -> None:
        id = self.known(data)
        if id is None:
            return
        by = self.live.desk if desk else None
        done = self.live.attempt(
            lambda: reroute(
                self.store, id, "operator", self.live.now, away_from=place, allow=allow, recall=recall, desk=by
            )
        )
        if done is not None:
            for name in allow:
                self.books.out.pop((id, name), None)
            if place:
                self.books.out[id, place] = 0

    @rule(data=DATA, recall=st.booleans(), ends=st.booleans(), sure=st.integers(0, 3))
    def held(self, data: st.DataObject, recall: bool, ends: bool, sure: int) -> None:
        if sure:  # what is held does not leave
            return
        id = self.known(data, lambda id, sold: any(kept.open for kept in sold.lines.values()))
        if id is None:
            return
        until = self.live.seconds(7200) if ends else None
        done = self.live.attempt(lambda: hold(self.store, id, "look", self.live.now, until=until, recall=recall))
        sold = self.books.orders[id]
        assert (done is not None) == (sold.ours and any(kept.open for kept in sold.lines.values()))

    @rule(data=DATA, ends=st.booleans())
    def held_besides(self, data: st.DataObject, ends: bool) -> None:
        """An order that is held for one thing is held for another as well, for a while: the first stays."""
        held = {row.order_id for row in self.live.world.rows("SELECT order_id FROM holds WHERE hold <> 'operator'")}
        able = [id for id, sold in self.books.orders.items() if id in held and sold.ours and sold.open]
        if not able:
            return
        id = data.draw(st.sampled_from(able), label="order")
        until = self.live.seconds(60) if ends else None
        hold(self.store, id, "look", self.live.now, until=until)
        before = self.holds(id)
        if ends:
            self.live.world.later(120)
            self.live.round(self.books.orders[id].channel)
            assert Hold.OPERATOR.value not in self.holds(id), "its time has come"
        else:
            lift(self.store, id, None, self.live.now)
            assert self.holds(id) == before - {Hold.OPERATOR.value}

    def holds(self, id: int) -> set[str]:
        rows = self.live.world.rows("SELECT hold FROM holds WHERE order_id = :id", id=id)
        return {row.hold for row in rows}

    @rule(data=DATA, kind=st.sampled_from([None, None, Hold.PAYMENT, Hold.FRAUD, Hold.PENDING, Hold.ADDRESS]))
    def released(self, data: st.DataObject, kind: Hold | None) -> None:
        held = {row.order_id for row in self.live.world.rows("SELECT order_id FROM holds")}
        id = self.known(data, lambda id, sold: id in held)
        if id is None:
            return
        before = self.holds(id)
        done = self.live.attempt(lambda: lift(self.store, id, kind, self.live.now, why="looked at"))
        one = {(kind or Hold.OPERATOR).value} if done is not None else set()
        assert self.holds(id) == before - one
