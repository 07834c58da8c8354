"""Connectors that break a promise about refunds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta, timezone
from uuid import uuid4

from msgspec.structs import replace

from connectors.sandbox import Sandbox
from core.errors import NotFound, Rejected, Unavailable
from core.model import ZERO, Ack, AckState, Level, Order, Refund, RefundReason
from tests.core.broken import breaks

Acks = Iterator[Ack]


def anew(refund: Refund) -> Refund:
    """The same money under a key the channel does not know."""
    return replace(refund, key=f"{refund.key}/{uuid4()}")


@breaks("test_each_refund_gets_one_ack_in_any_batch")
class AnswersARefundTwice(Sandbox):
    def push_refunds(self, refunds: Sequence[Refund]) -> Acks:
        acks = list(super().push_refunds(refunds))
        return iter(acks + acks[:1] if len(acks) > 3 else acks)


@breaks("test_a_refund_told_twice_pays_once")
class PaysEachTimeItIsTold(Sandbox):
    def push_refunds(self, refunds: Sequence[Refund]) -> Acks:
        rows = [anew(refund) if len(refunds) == 1 else refund for refund in refunds]
        for refund, ack in zip(refunds, super().push_refunds(rows), strict=True):
            yield replace(ack, key=refund.key)


@breaks("test_a_refund_can_be_read_back")
class KeepsTheNumberToItself(Sandbox):
    def push_refunds(self, refunds: Sequence[Refund]) -> Acks:
        return (replace(ack, ticket="") for ack in super().push_refunds(refunds))


@breaks("test_a_refund_can_be_read_back")
class OverlooksRefunds(Sandbox):
    def normalize(self, body: bytes) -> Order:
        return replace(super().normalize(body), refunds=())


@breaks("test_a_refund_can_be_read_back")
class TellsARefundInTheChannelsTimeZone(Sandbox):
    def normalize(self, body: bytes) -> Order:
        order = super().normalize(body)
        zone = timezone(timedelta(hours=9))
        return replace(order, refunds=tuple(replace(one, at=one.at.astimezone(zone)) for one in order.refunds))


@breaks("test_two_refunds_of_one_line_add_up")
class TakesAnyRefundForThisOne(Sandbox):
    def push_refunds(self, refunds: Sequence[Refund]) -> Acks:
        for refund in refunds:
            try:
                shown = self.normalize(self.fetch(refund.order).body).refunds
            except NotFound:
                shown = ()
            if shown:
                yield Ack(key=refund.key, state=AckState.APPLIED, ticket=shown[0].number)
            else:
                yield from super().push_refunds([refund])


@breaks("test_a_refund_moves_no_units")
class TakesRefundedUnitsForNeverShipped(Sandbox):
    def normalize(self, body: bytes) -> Order:
        order = super().normalize(body)
        given = {number: units for refund in order.refunds for number, units in refund.lines.items()}
        lines = tuple(replace(line, shipped=line.shipped - given.get(line.number, 0)) for line in order.lines)
        return replace(order, lines=lines)


@breaks("test_a_refund_moves_no_units")
class PutsRefundedUnitsOnOffer(Sandbox):
    def push_refunds(self, refunds: Sequence[Refund]) -> Acks:
        yield from super().push_refunds(refunds)
        levels = [
            Level(key=f"{listing.sku}@{place}", sku=listing.sku, handle="", place=place, quantity=units + 1, revision=1)
            for listing in self.listings()
            for place, units in listing.quantities.items()
        ]
        list(self.push_levels(levels))


@breaks("test_the_shipping_charge_can_be_given_back")
class KeepsTheShippingCharge(Sandbox):
    def push_refunds(self, refunds: Sequence[Refund]) -> Acks:
        return super().push_refunds([replace(refund, shipping=ZERO) for refund in refunds])


@breaks("test_money_without_units_is_given_or_refused")
class GivesNothingWithoutUnits(Sandbox):
    def push_refunds(self, refunds: Sequence[Refund]) -> Acks:
        for refund in refunds:
            if any(not row.quantity for row in refund.lines.values()):
                yield Ack(key=refund.key, state=AckState.APPLIED)
            else:
                yield from super().push_refunds([refund])


@breaks("test_more_than_was_paid_is_not_given_back")
class CallsARefusedRefundDone(Sandbox):
    def push_refunds(self, refunds: Sequence[Refund]) -> Acks:
        for ack in super().push_refunds(refunds):
            yield replace(ack, state=AckState.APPLIED, reason="") if "not paid that much" in ack.reason else ack


@breaks("test_a_refund_of_an_unknown_order_sinks_no_other")
class SinksRefunds(Sandbox):
    def push_refunds(self, refunds: Sequence[Refund]) -> Acks:
        for ack in super().push_refunds(refunds):
            if "does not know" in ack.reason:
                raise Rejected(ack.reason, status=404)
            yield ack


@breaks("test_every_reason_to_refund_is_understood")
class KnowsNoDamage(Sandbox):
    def push_refunds(self, refunds: Sequence[Refund]) -> Acks:
        for refund in refunds:
            if refund.reason is RefundReason.DAMAGED:
                yield Ack(key=refund.key, state=AckState.REFUSED, reason="no such reason; give another one")
            else:
                yield from super().push_refunds([refund])


@breaks("test_a_refund_whose_answer_was_lost_is_called_ambiguous")
class CallsALostRefundAnOutage(Sandbox):
    def push_refunds(self, refunds: Sequence[Refund]) -> Acks:
        try:
            yield from super().push_refunds(refunds)
        except Unavailable as error:
            raise Unavailable(str(error)) from None


@breaks("test_a_refund_whose_answer_was_lost_pays_once")
class SendsALostRefundAgain(Sandbox):
    def push_refunds(self, refunds: Sequence[Refund]) -> Acks:
        for refund in refunds:
            try:
                yield from super().push_refunds([refund])
            except Unavailable as error:
                if not error.ambiguous:
                    raise
                try:
                    yield from super().push_refunds([anew(refund)])
                except Unavailable:
                    raise error from None
