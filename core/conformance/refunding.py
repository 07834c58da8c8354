"""Refunds: one answer for each, money given back once, never more than was paid, and no unit moved by it."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from core.conformance.documents import flaws
from core.conformance.far_end import FarEnd
from core.conformance.given import Given, must, needs
from core.connector import Ability, Connector
from core.model import ZERO, Ack, AckState, Refund, RefundLine, RefundReason


class Refunding(Given):
    @needs(Ability.REFUND)
    def test_each_refund_gets_one_ack_in_any_batch(self, connector: Connector, far_end: FarEnd) -> None:
        orders = self.sold(connector, far_end, self.plenty)
        rows = [self.refund(order, serial) for serial, order in enumerate(orders, start=1)]
        for batch in ([], rows[:1], rows[1:]):
            acks = list(connector.push_refunds(batch))
            self.one_ack_each(acks, [row.key for row in batch])
            self.applied(self.settled(connector, far_end, acks))

    @needs(Ability.REFUND)
    def test_a_refund_told_twice_pays_once(self, connector: Connector, far_end: FarEnd) -> None:
        order = self.sold(connector, far_end, 1, units=3)[0]
        row = self.refund(order)
        for teller in (connector, self.again(connector)):
            self.applied(self._told_refund(teller, far_end, row))
        paid = [effect.amount for effect in far_end.refunds() if effect.order == order.number]
        must(len(paid) == 1, f"a refund told twice pays once; it paid {paid}")

    @needs(Ability.REFUND)
    def test_a_refund_can_be_read_back(self, connector: Connector, far_end: FarEnd) -> None:
        order = self.sold(connector, far_end, 1)[0]
        row = self.refund(order)
        ack = self._told_refund(connector, far_end, row)[row.key]
        wanted, truth = _amount(row), far_end.truths()[order.number].refunded
        must(truth == wanted, f"a refund of {wanted} reaches the channel; refunded there is {truth}")
        after = self.fetched(connector, order.number)
        found = [flaw for flaw in flaws(after) if flaw.startswith("refund")]
        must(not found, f"an order with a refund keeps what core.model promises; this one does not: {'; '.join(found)}")
        shown = [(refund.number, refund.amount) for refund in after.refunds]
        must(
            shown == [(ack.ticket, wanted)],
            f"a refund reads back under the number its ack has, here {ack.ticket!r}, with its amount {wanted}; "
            f"it did as {shown}",
        )

    @needs(Ability.REFUND)
    def test_two_refunds_of_one_line_add_up(self, connector: Connector, far_end: FarEnd) -> None:
        number = self.sold(connector, far_end, 1, units=3)[0].number
        wanted = ZERO
        for serial in (1, 2):
            row = self.refund(self.fetched(connector, number), serial)
            self.applied(self._told_refund(connector, far_end, row))
            wanted += _amount(row)
        came = far_end.truths()[number].refunded
        must(came == wanted, f"a second refund of the same amount is another one: {wanted} in all; it came to {came}")

    @needs(Ability.REFUND)
    def test_a_refund_of_two_lines_gives_both(self, connector: Connector, far_end: FarEnd) -> None:
        order = self.ready_of_two(connector, far_end)
        if Ability.PUSH_TRACKING in connector.abilities:
            lines = {line.number: line.ordered for line in order.lines}
            parcel = msgspec.structs.replace(self.parcel(far_end, order), lines=lines)
            self.applied(self.settled(connector, far_end, connector.push_tracking([parcel])))
            far_end.let_time_pass()
            order = self.fetched(connector, order.number)
        rows = {
            line.number: RefundLine(quantity=line.ordered, amount=line.unit_price * line.ordered, tax=line.tax)
            for line in order.lines
        }
        row = msgspec.structs.replace(self.refund(order), lines=rows)
        self.applied(self._told_refund(connector, far_end, row))
        wanted, came = _amount(row), far_end.truths()[order.number].refunded
        must(came == wanted, f"a refund of two lines gives {wanted} back; it was {came}")

    @needs(Ability.REFUND)
    def test_a_refund_moves_no_units(self, connector: Connector, far_end: FarEnd) -> None:
        before = self.sold(connector, far_end, 1, units=3)[0]
        levels = dict(far_end.levels())
        self._told_refund(connector, far_end, self.refund(before))
        after = self.fetched(connector, before.number)
        units = [(line.ordered, line.cancelled, line.shipped) for line in before.lines]
        came = [(line.ordered, line.cancelled, line.shipped) for line in after.lines]
        must(came == units, f"a refund of what has shipped leaves ordered, cancelled, shipped {units}; they are {came}")
        must(dict(far_end.levels()) == levels, "a refund puts nothing back on offer; the levels changed")

    @needs(Ability.REFUND)
    def test_the_shipping_charge_can_be_given_back(self, connector: Connector, far_end: FarEnd) -> None:
        order = self.sold(connector, far_end, 1)[0]
        if not order.shipping:
            return  # this channel's buyers pay none
        row = self.refund(order, amount=ZERO, tax=ZERO, shipping=order.shipping)
        self.applied(self._told_refund(connector, far_end, row))
        came = far_end.truths()[order.number].refunded
        must(came == order.shipping, f"the shipping charge of {order.shipping} is given back; it was {came}")

    @needs(Ability.REFUND)
    def test_money_without_units_is_given_or_refused(self, connector: Connector, far_end: FarEnd) -> None:
        order = self.sold(connector, far_end, 1)[0]
        row = self.refund(order, units=0, amount=Decimal("1.00"), tax=ZERO, reason=RefundReason.GOODWILL)
        ack = self._told_refund(connector, far_end, row)[row.key]
        wanted = Decimal("1.00")
        if ack.state is AckState.REFUSED:
            self.refused(ack, "money without units")
            wanted = ZERO
        came = far_end.truths()[order.number].refunded
        must(came == wanted, f"with the ack {ack.state}, {wanted} is given back without units; it was {came}")

    @needs(Ability.REFUND)
    def test_more_than_was_paid_is_not_given_back(self, connector: Connector, far_end: FarEnd) -> None:
        order = self.sold(connector, far_end, 1)[0]
        row = self.refund(order, amount=order.total + 100)
        self.refused(self._told_refund(connector, far_end, row).get(row.key), "a refund of more than was paid")
        came = far_end.truths()[order.number].refunded
        must(not came, f"and gives nothing back; it gave {came}")

    @needs(Ability.REFUND)
    def test_a_refund_of_an_unknown_order_sinks_no_other(self, connector: Connector, far_end: FarEnd) -> None:
        orders = self.sold(connector, far_end, 2)
        first, last = (self.refund(order, serial) for serial, order in zip((1, 3), orders, strict=True))
        lost = msgspec.structs.replace(self.refund(orders[0], 2), order=self.unknown_number)
        acks = self.settled(connector, far_end, connector.push_refunds([first, lost, last]))
        self.refused(acks.pop(lost.key, None), "a refund of an unknown order")
        must(acks.keys() == {first.key, last.key}, f"the other refunds are given; of them came {sorted(acks)}")
        self.applied(acks)

    @needs(Ability.REFUND)
    def test_every_reason_to_refund_is_understood(self, connector: Connector, far_end: FarEnd) -> None:
        orders = self.sold(connector, far_end, len(RefundReason))
        rows = [
            self.refund(order, serial, reason=reason)
            for serial, (order, reason) in enumerate(zip(orders, RefundReason, strict=True), start=1)
        ]
        self.applied(self.settled(connector, far_end, connector.push_refunds(rows)))

    def _told_refund(self, connector: Connector, far_end: FarEnd, row: Refund) -> dict[str, Ack]:
        acks = self.settled(connector, far_end, connector.push_refunds([row]))
        far_end.let_time_pass()
        return acks


def _amount(row: Refund) -> Decimal:
    """All that the buyer gets by it."""
    return row.shipping + sum((line.amount + line.tax for line in row.lines.values()), ZERO)
