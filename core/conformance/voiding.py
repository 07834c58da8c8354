"""Parcels that never left: taken back once each, they alone, and their units can leave in another parcel."""

from __future__ import annotations

import msgspec

from core.conformance.far_end import FarEnd
from core.conformance.given import Given, must, needs
from core.connector import Ability, Connector
from core.model import Voiding


class Voids(Given):
    @needs(Ability.PUSH_TRACKING, Ability.VOID_TRACKING)
    def test_each_void_parcel_gets_one_ack_in_any_batch(self, connector: Connector, far_end: FarEnd) -> None:
        rows = [self.void(parcel, ack) for parcel, ack in self.told(connector, far_end, self.plenty)]
        for batch in ([], rows[:1], rows[1:]):
            acks = list(connector.push_voids(batch))
            self.one_ack_each(acks, [row.key for row in batch])
            self.applied(self.settled(connector, far_end, acks))

    @needs(Ability.PUSH_TRACKING, Ability.VOID_TRACKING)
    def test_a_void_parcel_is_taken_back(self, connector: Connector, far_end: FarEnd) -> None:
        ((parcel, ack),) = self.told(connector, far_end, 1, units=3)
        self._taken_back(connector, far_end, self.void(parcel, ack))
        shipped = self._shipped_of(far_end, parcel.order)
        must(not shipped, f"units of a void parcel are not shipped at the channel; shipped are {shipped}")
        after = self.fetched(connector, parcel.order)
        shown = [package.tracking for package in after.packages]
        must(not shown, f"a void parcel is shown no more; shown are {shown}")
        must(not after.lines[0].shipped, f"and its units read back as open; {after.lines[0].shipped} are shipped")

    @needs(Ability.PUSH_TRACKING, Ability.VOID_TRACKING)
    def test_a_void_parcel_alone_is_taken_back(self, connector: Connector, far_end: FarEnd) -> None:
        (other, _), (parcel, ack) = self.told(connector, far_end, 1, each=2)
        self._taken_back(connector, far_end, self.void(parcel, ack))
        self._left(far_end, other.order, other.tracking)

    @needs(Ability.PUSH_TRACKING, Ability.VOID_TRACKING)
    def test_a_parcel_is_void_once(self, connector: Connector, far_end: FarEnd) -> None:
        (parcel, ack), (other, _) = self.told(connector, far_end, 1, each=2)
        for teller in (connector, self.again(connector)):
            self._taken_back(teller, far_end, self.void(parcel, ack))
        self._left(far_end, other.order, other.tracking)

    @needs(Ability.PUSH_TRACKING, Ability.VOID_TRACKING)
    def test_a_parcel_never_told_is_void_already(self, connector: Connector, far_end: FarEnd) -> None:
        ((parcel, _),) = self.told(connector, far_end, 1)
        lost = msgspec.structs.replace(parcel, key="parcel-699", serial=699, tracking="1Z999AA10000000699")
        self._taken_back(connector, far_end, self.void(lost))
        self._left(far_end, parcel.order, parcel.tracking)

    @needs(Ability.PUSH_TRACKING, Ability.VOID_TRACKING)
    def test_units_of_a_void_parcel_leave_in_another(self, connector: Connector, far_end: FarEnd) -> None:
        ((parcel, ack),) = self.told(connector, far_end, 1, units=2)  # of three: without it, one is open
        self._taken_back(connector, far_end, self.void(parcel, ack))
        order = self.fetched(connector, parcel.order)
        other = self.parcel(far_end, order, 698, units=2)
        self.applied(self.settled(connector, far_end, connector.push_tracking([other])))
        far_end.let_time_pass()
        self._left(far_end, other.order, other.tracking, units=2)

    @needs(Ability.PUSH_TRACKING, Ability.VOID_TRACKING)
    def test_a_void_parcel_of_an_unknown_order_sinks_no_other(self, connector: Connector, far_end: FarEnd) -> None:
        first, last = (self.void(parcel, ack) for parcel, ack in self.told(connector, far_end, 2))
        lost = msgspec.structs.replace(first, key="void-699", order=self.unknown_number, tickets=())
        acks = self.settled(connector, far_end, connector.push_voids([first, lost, last]))
        self.refused(acks.pop(lost.key, None), "a void parcel of an unknown order")
        must(acks.keys() == {first.key, last.key}, f"the other parcels are taken back; of them came {sorted(acks)}")
        self.applied(acks)

    def _taken_back(self, connector: Connector, far_end: FarEnd, row: Voiding) -> None:
        self.applied(self.settled(connector, far_end, connector.push_voids([row])))
        far_end.let_time_pass()

    def _left(self, far_end: FarEnd, order: str, tracking: str, units: int = 1) -> None:
        """Exactly this parcel stands at the channel for the order."""
        there = [effect.tracking for effect in far_end.effects() if effect.order == order]
        must(there == [tracking], f"the parcel {tracking} alone is left of the order; there are {there}")
        shipped = self._shipped_of(far_end, order)
        must(shipped == units, f"its {units} units alone are shipped; shipped are {shipped}")

    def _shipped_of(self, far_end: FarEnd, order: str) -> int:
        return sum(far_end.truths()[order].shipped.values())
