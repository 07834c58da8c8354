"""Connectors that break a promise about cancellations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from connectors.sandbox import Sandbox
from core.errors import NotFound, Rejected, Unavailable
from core.model import Ack, AckState, Cancellation, CancelReason, Order
from tests.core.broken import breaks

Acks = Iterator[Ack]


def there(connector: Sandbox, one: Cancellation) -> dict[str, int]:
    """What the channel has cancelled by now, by line."""
    try:
        order = connector.normalize(connector.fetch(one.order).body)
    except NotFound:
        return {}
    return {line.number: line.cancelled for line in order.lines}


@breaks("test_each_cancellation_gets_one_ack_in_any_batch")
class AnswersACancellationTwice(Sandbox):
    def push_cancellations(self, cancellations: Sequence[Cancellation]) -> Acks:
        acks = list(super().push_cancellations(cancellations))
        return iter(acks + acks[:1] if len(acks) > 3 else acks)


@breaks("test_a_cancellation_told_twice_happens_once")
class CancelsWhatIsLeftOfItEachTime(Sandbox):
    def push_cancellations(self, cancellations: Sequence[Cancellation]) -> Acks:
        rows = list(cancellations)
        if len(rows) == 1:
            rows = [replace(rows[0], before=there(self, rows[0]))]
        return super().push_cancellations(rows)


@breaks("test_a_cancellation_can_be_read_back")
class OverlooksOrdersCancelledWhole(Sandbox):
    def normalize(self, body: bytes) -> Order:
        order = super().normalize(body)
        whole = all(line.cancelled == line.ordered for line in order.lines)
        return replace(order, lines=tuple(replace(line, cancelled=0) for line in order.lines)) if whole else order


@breaks("test_what_was_cancelled_before_is_not_taken_for_this_one")
class IgnoresWhatWasBefore(Sandbox):
    def push_cancellations(self, cancellations: Sequence[Cancellation]) -> Acks:
        return super().push_cancellations([replace(one, before={}) for one in cancellations])


@breaks("test_some_units_of_a_line_can_be_cancelled")
class CancelsOneOfTwo(Sandbox):
    def push_cancellations(self, cancellations: Sequence[Cancellation]) -> Acks:
        rows = [
            one
            if one.whole
            else replace(one, lines={line: 1 if units == 2 else units for line, units in one.lines.items()})
            for one in cancellations
        ]
        return super().push_cancellations(rows)


@breaks("test_the_rest_of_a_partly_shipped_order_can_be_cancelled")
class CancelsNothingOnceAParcelLeft(Sandbox):
    def push_cancellations(self, cancellations: Sequence[Cancellation]) -> Acks:
        for one in cancellations:
            try:
                shipped = self.normalize(self.fetch(one.order).body).packages
            except NotFound:
                shipped = ()
            if shipped:
                yield Ack(key=one.key, state=AckState.REFUSED, reason="a parcel has left; do nothing more")
            else:
                yield from super().push_cancellations([one])


@breaks("test_what_has_shipped_cannot_be_cancelled")
class TakesARefusedCancellationForARepeat(Sandbox):
    def push_cancellations(self, cancellations: Sequence[Cancellation]) -> Acks:
        for ack in super().push_cancellations(cancellations):
            yield replace(ack, state=AckState.APPLIED, reason="") if "fewer open units" in ack.reason else ack


@breaks("test_a_cancellation_of_an_unknown_order_sinks_no_other")
class SinksCancellations(Sandbox):
    def push_cancellations(self, cancellations: Sequence[Cancellation]) -> Acks:
        for ack in super().push_cancellations(cancellations):
            if "does not know" in ack.reason:
                raise Rejected(ack.reason, status=404)
            yield ack


@breaks("test_every_reason_to_cancel_is_understood")
class KnowsNoWrongPrice(Sandbox):
    def push_cancellations(self, cancellations: Sequence[Cancellation]) -> Acks:
        for one in cancellations:
            if one.reason is CancelReason.PRICE:
                yield Ack(key=one.key, state=AckState.REFUSED, reason="no such reason; give another one")
            else:
                yield from super().push_cancellations([one])


@breaks("test_a_cancellation_whose_answer_was_lost_is_called_ambiguous")
class CallsALostCancellationAnOutage(Sandbox):
    def push_cancellations(self, cancellations: Sequence[Cancellation]) -> Acks:
        try:
            yield from super().push_cancellations(cancellations)
        except Unavailable as error:
            raise Unavailable(str(error)) from None


@breaks("test_a_cancellation_whose_answer_was_lost_is_called_ambiguous")
class CallsAnotherCancellationLost(Sandbox):
    def push_cancellations(self, cancellations: Sequence[Cancellation]) -> Acks:
        try:
            yield from super().push_cancellations(cancellations)
        except Unavailable as error:
            error.keys = frozenset({cancellations[-1].key})
            raise


@breaks("test_a_cancellation_whose_answer_was_lost_happens_once")
class SendsALostCancellationAgain(Sandbox):
    def push_cancellations(self, cancellations: Sequence[Cancellation]) -> Acks:
        for one in cancellations:
            try:
                yield from super().push_cancellations([one])
            except Unavailable as error:
                if not error.ambiguous:
                    raise
                yield from super().push_cancellations([replace(one, before=there(self, one))])
