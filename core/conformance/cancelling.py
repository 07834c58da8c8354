"""Cancellations: one answer for each, one effect for each, never of what has shipped, and all can be read back."""

from __future__ import annotations

import msgspec

from core.conformance.far_end import FarEnd
from core.conformance.given import Given, must, needs
from core.connector import Ability, Connector
from core.model import Ack, Cancellation, CancelReason


class Cancelling(Given):
    @needs(Ability.CANCEL)
    def test_each_cancellation_gets_one_ack_in_any_batch(self, connector: Connector, far_end: FarEnd) -> None:
        orders = self.ready(connector, far_end, self.plenty)
        rows = [self.cancellation(order, serial) for serial, order in enumerate(orders, start=1)]
        for batch in ([], rows[:1], rows[1:]):
            acks = list(connector.push_cancellations(batch))
            self.one_ack_each(acks, [row.key for row in batch])
            self.applied(self.settled(connector, far_end, acks))

    @needs(Ability.CANCEL)
    def test_a_cancellation_told_twice_happens_once(self, connector: Connector, far_end: FarEnd) -> None:
        order = self.ready(connector, far_end, 1, units=3)[0]
        row = self.cancellation(order, units=None if self.only_whole else 1)
        for teller in (connector, self.again(connector)):
            self.applied(self._told_cancellation(teller, far_end, row))
        cancelled = self._cancelled(far_end, order.number)
        wanted = sum(row.lines.values())
        must(
            cancelled == wanted, f"a cancellation told twice cancels its {wanted} units once; cancelled are {cancelled}"
        )

    @needs(Ability.CANCEL)
    def test_a_cancellation_can_be_read_back(self, connector: Connector, far_end: FarEnd) -> None:
        order = self.ready(connector, far_end, 1)[0]
        self._told_cancellation(connector, far_end, self.cancellation(order))
        cancelled = self._cancelled(far_end, order.number)
        must(cancelled == 2, f"a cancellation of two units reaches the channel; cancelled there are {cancelled}")
        shown = [line.cancelled for line in self.fetched(connector, order.number).lines]
        must(shown == [2], f"two units cancelled read back as two; they did as {shown}")

    @needs(Ability.CANCEL)
    def test_what_was_cancelled_before_is_not_taken_for_this_one(self, connector: Connector, far_end: FarEnd) -> None:
        order = self.ready(connector, far_end, 1)[0]
        far_end.cancel(order.number, sku=order.lines[0].sku, quantity=1)
        far_end.let_time_pass()
        self.applied(
            self._told_cancellation(connector, far_end, self.cancellation(self.fetched(connector, order.number)))
        )
        cancelled = self._cancelled(far_end, order.number)
        must(cancelled == 2, f"one unit cancelled before and one now are two; cancelled are {cancelled}")

    @needs(Ability.CANCEL)
    def test_every_line_of_a_cancellation_is_cancelled(self, connector: Connector, far_end: FarEnd) -> None:
        order = self.ready_of_two(connector, far_end)
        lines = {line.number: line.ordered for line in order.lines}
        row = msgspec.structs.replace(self.cancellation(order), lines=lines, before=dict.fromkeys(lines, 0), whole=True)
        self.applied(self._told_cancellation(connector, far_end, row))
        wanted, cancelled = sum(lines.values()), self._cancelled(far_end, order.number)
        must(
            cancelled == wanted,
            f"{wanted} units in two lines are cancelled at once; cancelled are {cancelled}",
        )

    @needs(Ability.CANCEL)
    def test_some_units_of_a_line_can_be_cancelled(self, connector: Connector, far_end: FarEnd) -> None:
        order = self.ready(connector, far_end, 1, units=5)[0]
        row = self.cancellation(order, units=2)
        self._some(far_end, self._told_cancellation(connector, far_end, row)[row.key], row)

    @needs(Ability.CANCEL, Ability.PUSH_TRACKING)
    def test_the_rest_of_a_partly_shipped_order_can_be_cancelled(self, connector: Connector, far_end: FarEnd) -> None:
        order = self.ready(connector, far_end, 1, units=4)[0]
        parcel = self.parcel(far_end, order, units=1)
        self.applied(self.settled(connector, far_end, connector.push_tracking([parcel])))
        far_end.let_time_pass()
        row = self.cancellation(self.fetched(connector, order.number))
        self._some(far_end, self._told_cancellation(connector, far_end, row)[row.key], row)

    @needs(Ability.CANCEL, Ability.PUSH_TRACKING)
    def test_what_has_shipped_cannot_be_cancelled(self, connector: Connector, far_end: FarEnd) -> None:
        order = self.sold(connector, far_end, 1)[0]
        row = self.cancellation(order, units=2)  # decided before the parcel left
        self.refused(
            self._told_cancellation(connector, far_end, row).get(row.key), "the cancellation of units that have shipped"
        )
        cancelled = self._cancelled(far_end, order.number)
        must(not cancelled, f"and nothing is cancelled by it; cancelled are {cancelled}")

    @needs(Ability.CANCEL)
    def test_a_cancellation_of_an_unknown_order_sinks_no_other(self, connector: Connector, far_end: FarEnd) -> None:
        orders = self.ready(connector, far_end, 2)
        first, last = (self.cancellation(order, serial) for serial, order in zip((1, 3), orders, strict=True))
        lost = msgspec.structs.replace(self.cancellation(orders[0], 2), order=self.unknown_number)
        acks = self.settled(connector, far_end, connector.push_cancellations([first, lost, last]))
        self.refused(acks.pop(lost.key, None), "the cancellation of an unknown order")
        must(acks.keys() == {first.key, last.key}, f"the other orders are cancelled; of them came {sorted(acks)}")
        self.applied(acks)

    @needs(Ability.CANCEL)
    def test_every_reason_to_cancel_is_understood(self, connector: Connector, far_end: FarEnd) -> None:
        orders = self.ready(connector, far_end, len(CancelReason))
        rows = [
            self.cancellation(order, serial, reason=reason)
            for serial, (order, reason) in enumerate(zip(orders, CancelReason, strict=True), start=1)
        ]
        self.applied(self.settled(connector, far_end, connector.push_cancellations(rows)))

    def _told_cancellation(self, connector: Connector, far_end: FarEnd, row: Cancellation) -> dict[str, Ack]:
        acks = self.settled(connector, far_end, connector.push_cancellations([row]))
        far_end.let_time_pass()
        return acks

    def _cancelled(self, far_end: FarEnd, number: str) -> int:
        return sum(far_end.truths()[number].cancelled.values())

    def _some(self, far_end: FarEnd, ack: Ack, row: Cancellation) -> None:
        """Less than an order: exactly these units are cancelled, or none where the channel cannot do that."""
        wanted = 0 if self.only_whole else sum(row.lines.values())
        if self.only_whole:
            self.refused(ack, "cancelling less than an order where the channel cannot")
        else:
            self.applied({ack.key: ack})
        cancelled = self._cancelled(far_end, row.order)
        must(
            cancelled == wanted,
            f"{wanted} units of the order are cancelled by this, no more; cancelled are {cancelled}",
        )
