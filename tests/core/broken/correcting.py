"""Connectors that break a promise about corrected tracking numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from connectors.sandbox import Sandbox
from core.errors import NotFound, Unavailable
from core.model import Ack, AckState, Order, Shipment
from tests.core.broken import breaks

Acks = Iterator[Ack]


def shown(connector: Sandbox, shipment: Shipment) -> Order | None:
    try:
        return connector.normalize(connector.fetch(shipment.order).body)
    except NotFound:
        return None


def trackings(order: Order | None) -> set[str]:
    return {package.tracking for package in order.packages} if order else set()


@breaks("test_a_corrected_number_replaces_the_old_one")
class KeepsTheOldNumber(Sandbox):
    def push_tracking(self, shipments: Sequence[Shipment]) -> Acks:
        for shipment in shipments:
            if sum(shipment.lines.values()) == 2 and shipment.corrects in trackings(shown(self, shipment)):
                yield Ack(key=shipment.key, state=AckState.APPLIED)
            else:
                yield from super().push_tracking([shipment])


@breaks("test_a_correction_told_twice_is_the_same_parcel")
class TakesASecondCorrectionForAParcel(Sandbox):
    def push_tracking(self, shipments: Sequence[Shipment]) -> Acks:
        for shipment in shipments:
            order = shown(self, shipment) if shipment.corrects else None
            if order and order.lines[0].ordered == 4 and shipment.tracking in trackings(order):
                for ack in super().push_tracking([replace(shipment, key=f"{shipment.key}/again")]):
                    yield replace(ack, key=shipment.key)
            else:
                yield from super().push_tracking([shipment])


@breaks("test_a_correction_leaves_other_parcels_alone")
class ForgetsTheOthersOnceOneIsCorrected(Sandbox):
    def normalize(self, body: bytes) -> Order:
        order = super().normalize(body)
        corrected = tuple(package for package in order.packages if package.tracking.startswith("1Z999AA2"))
        return replace(order, packages=corrected) if corrected else order


@breaks("test_a_correction_of_a_parcel_never_told_tells_it")
class CorrectsOnlyWhatIsThere(Sandbox):
    def push_tracking(self, shipments: Sequence[Shipment]) -> Acks:
        for shipment in shipments:
            there = trackings(shown(self, shipment))
            if shipment.corrects and not there & {shipment.corrects, shipment.tracking}:
                yield Ack(key=shipment.key, state=AckState.REFUSED, reason="no such parcel; tell it first")
            else:
                yield from super().push_tracking([shipment])


@breaks("test_a_correction_whose_answer_was_lost_arrives_once")
class SendsALostCorrectionAsAParcel(Sandbox):
    def push_tracking(self, shipments: Sequence[Shipment]) -> Acks:
        for shipment in shipments:
            try:
                yield from super().push_tracking([shipment])
            except Unavailable as error:
                if not (error.ambiguous and shipment.corrects):
                    raise
                yield from super().push_tracking([replace(shipment, key=f"{shipment.key}/again")])
