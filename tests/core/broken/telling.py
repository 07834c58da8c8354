"""Connectors that break a promise about acknowledgements and parcels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from connectors.sandbox import Sandbox
from core.errors import NotFound, Rejected, Unauthorized, Unavailable
from core.model import Ack, AckState, Observation, Order, Page, Shipment
from tests.core.broken import breaks

Acks = Iterator[Ack]


@breaks("test_each_order_gets_one_acknowledgement_in_any_batch")
class AnswersAnAcknowledgementTwice(Sandbox):
    def acknowledge(self, numbers: Sequence[str]) -> Acks:
        acks = list(super().acknowledge(numbers))
        return iter(acks + acks[:1] if len(acks) > 3 else acks)


@breaks("test_an_acknowledgement_can_be_read_back")
class OverlooksAcknowledgements(Sandbox):
    def normalize(self, body: bytes) -> Order:
        return replace(super().normalize(body), acknowledged=False)


@breaks("test_acknowledging_again_is_harmless")
class RefusesASecondAcknowledgement(Sandbox):
    def acknowledge(self, numbers: Sequence[str]) -> Acks:
        for number in numbers:
            try:
                again = self.normalize(self.fetch(number).body).acknowledged
            except NotFound:
                again = False
            if again:
                yield Ack(key=number, state=AckState.REFUSED, reason="acknowledged already; do nothing")
            else:
                yield from super().acknowledge([number])


@breaks("test_acknowledging_an_unknown_order_sinks_no_other")
class SinksAcknowledgements(Sandbox):
    def acknowledge(self, numbers: Sequence[str]) -> Acks:
        acks = list(super().acknowledge(numbers))
        if any(ack.state is AckState.REFUSED for ack in acks):
            raise Rejected("one of the orders is unknown", status=400)
        return iter(acks)


@breaks("test_acknowledging_an_unknown_order_sinks_no_other")
class RefusesAnAcknowledgementWithoutCure(Sandbox):
    def acknowledge(self, numbers: Sequence[str]) -> Acks:
        for ack in super().acknowledge(numbers):
            yield replace(ack, reason="unknown_order") if ack.reason else ack


@breaks("test_each_parcel_gets_one_ack_in_any_batch")
class ForgetsToAnswerForTheLastParcel(Sandbox):
    def push_tracking(self, shipments: Sequence[Shipment]) -> Acks:
        acks = list(super().push_tracking(shipments)) if len(shipments) > 3 else super().push_tracking(shipments)
        return iter(acks[:-1]) if isinstance(acks, list) else acks


@breaks("test_a_parcel_told_twice_arrives_once")
class TellsEachTimeUnderANewKey(Sandbox):
    told = 0

    def push_tracking(self, shipments: Sequence[Shipment]) -> Acks:
        for shipment in shipments:
            known = self.__dict__.setdefault("known", set())
            self.told += shipment.tracking in known
            known.add(shipment.tracking)
            again = replace(shipment, key=f"{shipment.key}/{self.told}" if self.told else shipment.key)
            for ack in super().push_tracking([shipment if shipment.corrects else again]):
                yield replace(ack, key=shipment.key)


@breaks("test_a_parcel_can_be_read_back")
class OverlooksParcels(Sandbox):
    def normalize(self, body: bytes) -> Order:
        order = super().normalize(body)
        corrected = any(package.tracking.startswith("1Z999AA2") for package in order.packages)
        return order if corrected else replace(order, packages=())


@breaks("test_two_parcels_of_one_line_add_up")
class TakesOneParcelAnOrder(Sandbox):
    def push_tracking(self, shipments: Sequence[Shipment]) -> Acks:
        for shipment in shipments:
            try:
                packages = self.normalize(self.fetch(shipment.order).body).packages
                known = {package.tracking for package in packages if sum(package.lines.values()) > 1}
            except NotFound:
                known = set()
            if known - {shipment.tracking, shipment.corrects}:
                yield Ack(key=shipment.key, state=AckState.REFUSED, reason="it has a parcel; do nothing")
            else:
                yield from super().push_tracking([shipment])


@breaks("test_a_parcel_of_an_unknown_order_sinks_no_other")
class SinksParcels(Sandbox):
    def push_tracking(self, shipments: Sequence[Shipment]) -> Acks:
        for ack in super().push_tracking(shipments):
            if "does not know" in ack.reason:
                raise Rejected(ack.reason, status=404)
            yield ack


@breaks("test_a_parcel_of_an_unknown_order_sinks_no_other")
class RefusesAParcelWithoutCure(Sandbox):
    def push_tracking(self, shipments: Sequence[Shipment]) -> Acks:
        for ack in super().push_tracking(shipments):
            yield replace(ack, reason="404; sorry") if "does not know" in ack.reason else ack


@breaks("test_a_parcel_of_more_than_is_open_ships_nothing")
class TakesARefusalForARepeat(Sandbox):
    def push_tracking(self, shipments: Sequence[Shipment]) -> Acks:
        for ack in super().push_tracking(shipments):
            yield replace(ack, state=AckState.APPLIED, reason="") if "fewer open units" in ack.reason else ack


@breaks("test_reading_in_an_outage_is_unavailable")
class TakesAnOutageForNoOrders(Sandbox):
    def pages(self, cursor: str | None, *, since: object = None) -> Iterator[Page]:
        try:
            yield from super().pages(cursor)
        except Unavailable as error:
            if "503" not in str(error):
                raise


@breaks("test_telling_in_an_outage_confirms_and_refuses_nothing")
class TakesAnOutageForAConfirmation(Sandbox):
    def push_tracking(self, shipments: Sequence[Shipment]) -> Acks:
        for shipment in shipments:
            try:
                yield from super().push_tracking([shipment])
            except Unavailable as error:
                if error.ambiguous:
                    raise
                yield Ack(key=shipment.key, state=AckState.APPLIED)


@breaks("test_telling_in_an_outage_confirms_and_refuses_nothing")
class TakesAnOutageForARefusal(Sandbox):
    def acknowledge(self, numbers: Sequence[str]) -> Acks:
        try:
            yield from super().acknowledge(numbers)
        except Unavailable:
            for number in numbers:
                yield Ack(key=number, state=AckState.REFUSED, reason="the channel is away; push it again")


@breaks("test_refused_credentials_are_unauthorized")
class TakesRefusedCredentialsForAnOutage(Sandbox):
    def fetch(self, number: str) -> Observation:
        try:
            return super().fetch(number)
        except Unauthorized as error:
            raise Unavailable(str(error)) from None


@breaks("test_a_parcel_whose_answer_was_lost_is_called_ambiguous")
class CallsALostAnswerAnOutage(Sandbox):
    def push_tracking(self, shipments: Sequence[Shipment]) -> Acks:
        try:
            yield from super().push_tracking(shipments)
        except Unavailable as error:
            raise Unavailable(str(error)) from None


@breaks("test_a_parcel_whose_answer_was_lost_is_called_ambiguous")
class GoesOnAfterALostAnswer(Sandbox):
    def push_tracking(self, shipments: Sequence[Shipment]) -> Acks:
        lost = None
        for shipment in shipments:
            try:
                yield from super().push_tracking([shipment])
            except Unavailable as error:
                lost = error
        if lost:
            raise lost


@breaks("test_a_parcel_whose_answer_was_lost_arrives_once")
class SendsALostParcelAgain(Sandbox):
    def push_tracking(self, shipments: Sequence[Shipment]) -> Acks:
        for shipment in shipments:
            try:
                yield from super().push_tracking([shipment])
            except Unavailable as error:
                if shipment.corrects or not error.ambiguous:
                    raise
                yield from super().push_tracking([replace(shipment, key=f"{shipment.key}/again")])
