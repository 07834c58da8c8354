"""Connectors that break a promise about parcels that never left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from msgspec.structs import replace

from connectors.sandbox import Sandbox
from core.errors import NotFound, Rejected, Unavailable
from core.model import Ack, AckState, Order, Shipment, Voiding
from tests.core.broken import breaks

Acks = Iterator[Ack]


def now(connector: Sandbox, number: str) -> Order | None:
    """The order as the channel shows it."""
    try:
        return connector.normalize(connector.fetch(number).body)
    except NotFound:
        return None


def shows(connector: Sandbox, one: Voiding) -> bool:
    order = now(connector, one.order)
    return order is not None and any(package.tracking in one.numbers for package in order.packages)


def neighbours(one: Voiding) -> list[Voiding]:
    """Whatever else the suite may have told of the order."""
    return [replace(one, told=f"parcel-{serial}") for serial in range(601, 621) if one.told != f"parcel-{serial}"]


@breaks("test_each_void_parcel_gets_one_ack_in_any_batch")
class AnswersAVoidParcelTwice(Sandbox):
    def push_voids(self, voids: Sequence[Voiding]) -> Acks:
        acks = list(super().push_voids(voids))
        return iter(acks + acks[:1] if len(acks) > 3 else acks)


@breaks("test_a_void_parcel_is_taken_back")
class KeepsParcelsOfWholeOrders(Sandbox):
    def push_voids(self, voids: Sequence[Voiding]) -> Acks:
        for one in voids:
            order = now(self, one.order)
            if order is not None and sum(line.ordered for line in order.lines) == sum(one.lines.values()):
                yield Ack(key=one.key, state=AckState.APPLIED)
            else:
                yield from super().push_voids([one])


@breaks("test_a_void_parcel_alone_is_taken_back")
class TakesWhatWasToldBeforeItBackToo(Sandbox):
    def push_voids(self, voids: Sequence[Voiding]) -> Acks:
        for one in voids:
            earlier = [other for other in neighbours(one) if other.told < one.told] if shows(self, one) else []
            yield from super().push_voids([one])
            list(super().push_voids(earlier))


@breaks("test_a_parcel_is_void_once")
class TakesAnotherBackEachTime(Sandbox):
    seen: ClassVar[set[tuple[str, str]]] = set()

    def push_voids(self, voids: Sequence[Voiding]) -> Acks:
        for one in voids:
            yield from super().push_voids([one])
            if (self.settings.world, one.key) in self.seen:
                list(super().push_voids(neighbours(one)))
            self.seen.add((self.settings.world, one.key))


@breaks("test_a_parcel_never_told_is_void_already")
class TakesAParcelOfTheSameUnitsForIt(Sandbox):
    seen: ClassVar[set[tuple[str, str]]] = set()

    def push_voids(self, voids: Sequence[Voiding]) -> Acks:
        for one in voids:
            known = shows(self, one) or (self.settings.world, one.key) in self.seen
            self.seen.add((self.settings.world, one.key))
            yield from super().push_voids([one])
            if not known and now(self, one.order) is not None:
                list(super().push_voids(neighbours(one)))


@breaks("test_units_of_a_void_parcel_leave_in_another")
class TellsNothingMoreOfAnOrderWithAVoidParcel(Sandbox):
    void: ClassVar[set[tuple[str, str]]] = set()

    def push_voids(self, voids: Sequence[Voiding]) -> Acks:
        self.void.update((self.settings.world, one.order) for one in voids)
        return super().push_voids(voids)

    def push_tracking(self, shipments: Sequence[Shipment]) -> Acks:
        for one in shipments:
            if (self.settings.world, one.order) in self.void:
                yield Ack(key=one.key, state=AckState.REFUSED, reason="it was told before; do nothing more")
            else:
                yield from super().push_tracking([one])


@breaks("test_a_void_parcel_of_an_unknown_order_sinks_no_other")
class SinksVoidParcels(Sandbox):
    def push_voids(self, voids: Sequence[Voiding]) -> Acks:
        for ack in super().push_voids(voids):
            if "does not know" in ack.reason:
                raise Rejected(ack.reason, status=404)
            yield ack


@breaks("test_a_void_whose_answer_was_lost_is_called_ambiguous")
class CallsALostVoidAnOutage(Sandbox):
    def push_voids(self, voids: Sequence[Voiding]) -> Acks:
        try:
            yield from super().push_voids(voids)
        except Unavailable as error:
            raise Unavailable(str(error)) from None


@breaks("test_a_void_whose_answer_was_lost_is_called_ambiguous")
class CallsAnotherVoidLost(Sandbox):
    def push_voids(self, voids: Sequence[Voiding]) -> Acks:
        try:
            yield from super().push_voids(voids)
        except Unavailable as error:
            error.keys = frozenset({voids[-1].key})
            raise


@breaks("test_a_void_whose_answer_was_lost_happens_once")
class TakesWhateverIsThereForALostOne(Sandbox):
    def push_voids(self, voids: Sequence[Voiding]) -> Acks:
        for one in voids:
            try:
                yield from super().push_voids([one])
            except Unavailable as error:
                for other in neighbours(one) if error.ambiguous else ():
                    try:
                        list(super().push_voids([other]))
                    except Unavailable:
                        continue
                raise
