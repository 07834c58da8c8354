"""Acknowledgements and parcels: one answer for each, one effect for each, and both can be read back."""

from __future__ import annotations

import msgspec

from core.conformance.far_end import FarEnd
from core.conformance.given import Given, corrected, must, needs
from core.connector import Ability, Connector
from core.model import AckState, Shipment


class Shipping(Given):
    @needs(Ability.ACKNOWLEDGE)
    def test_each_order_gets_one_acknowledgement_in_any_batch(self, connector: Connector, far_end: FarEnd) -> None:
        numbers = self.placed(far_end, self.plenty)
        for batch in ([], numbers[:1], numbers[1:]):
            acks = list(connector.acknowledge(batch))
            self.one_ack_each(acks, batch)
            self.applied(self.settled(connector, far_end, acks))

    @needs(Ability.ACKNOWLEDGE)
    def test_an_acknowledgement_can_be_read_back(self, connector: Connector, far_end: FarEnd) -> None:
        number = self.placed(far_end, 1)[0]
        self.settled(connector, far_end, connector.acknowledge([number]))
        far_end.let_time_pass()
        must(far_end.truths()[number].acknowledged, "an acknowledgement reaches the channel; it has none")
        must(self.fetched(connector, number).acknowledged, "an acknowledged order reads back as acknowledged")

    @needs(Ability.ACKNOWLEDGE)
    def test_acknowledging_again_is_harmless(self, connector: Connector, far_end: FarEnd) -> None:
        numbers = self.placed(far_end, 2)
        self.settled(connector, far_end, connector.acknowledge(numbers))
        self.applied(self.settled(connector, far_end, connector.acknowledge(numbers)))

    @needs(Ability.ACKNOWLEDGE)
    def test_acknowledging_an_unknown_order_sinks_no_other(self, connector: Connector, far_end: FarEnd) -> None:
        first, last = self.placed(far_end, 2)
        acks = self.settled(connector, far_end, connector.acknowledge([first, self.unknown_number, last]))
        self.refused(acks.pop(self.unknown_number, None), "the acknowledgement of an unknown order")
        must(acks.keys() == {first, last}, f"the other orders are acknowledged; of them came {sorted(acks)}")
        self.applied(acks)

    @needs(Ability.PUSH_TRACKING)
    def test_each_parcel_gets_one_ack_in_any_batch(self, connector: Connector, far_end: FarEnd) -> None:
        orders = self.ready(connector, far_end, self.plenty)
        parcels = [self.parcel(far_end, order, serial) for serial, order in enumerate(orders, start=1)]
        for batch in ([], parcels[:1], parcels[1:]):
            acks = list(connector.push_tracking(batch))
            self.one_ack_each(acks, [parcel.key for parcel in batch])
            self.applied(self.settled(connector, far_end, acks))

    @needs(Ability.PUSH_TRACKING)
    def test_a_parcel_told_twice_arrives_once(self, connector: Connector, far_end: FarEnd) -> None:
        order = self.ready(connector, far_end, 1)[0]
        parcel = self.parcel(far_end, order)
        for _ in range(2):
            self.applied(self.settled(connector, far_end, connector.push_tracking([parcel])))
            far_end.let_time_pass()
        came = [effect for effect in far_end.effects() if effect.order == order.number]
        must(len(came) == 1, f"a parcel told twice has one effect; it had {len(came)}")
        shipped = dict(far_end.truths()[order.number].shipped)
        must(shipped == {order.lines[0].sku: order.lines[0].ordered}, f"its units ship once; shipped are {shipped}")

    @needs(Ability.PUSH_TRACKING)
    def test_a_parcel_can_be_read_back(self, connector: Connector, far_end: FarEnd) -> None:
        order = self.ready(connector, far_end, 1)[0]
        parcel = self.parcel(far_end, order)
        self.settled(connector, far_end, connector.push_tracking([parcel]))
        far_end.let_time_pass()
        after = self.fetched(connector, order.number)
        must(after.lines[0].shipped == 2, f"two units shipped read back as two; they did as {after.lines[0].shipped}")
        shown = [package.tracking for package in after.packages]
        must(shown == [parcel.tracking], f"a parcel reads back with its tracking {parcel.tracking}; it did as {shown}")

    @needs(Ability.PUSH_TRACKING)
    def test_a_parcel_reads_back_with_its_carrier(self, connector: Connector, far_end: FarEnd) -> None:
        order = self.ready(connector, far_end, 1)[0]
        self.settled(connector, far_end, connector.push_tracking([self.parcel(far_end, order)]))
        far_end.let_time_pass()
        shown = [package.carrier for package in self.fetched(connector, order.number).packages]
        kept = all(self.carrier.casefold() in carrier.casefold() for carrier in shown)
        must(kept, f"a parcel reads back with its carrier {self.carrier}; it did with {shown}")

    @needs(Ability.PUSH_TRACKING)
    def test_two_parcels_of_one_line_add_up(self, connector: Connector, far_end: FarEnd) -> None:
        order = self.ready(connector, far_end, 1, units=3)[0]
        for serial, units in ((1, 2), (2, 1)):
            parcel = self.parcel(far_end, order, serial, units=units)
            self.applied(self.settled(connector, far_end, connector.push_tracking([parcel])))
            far_end.let_time_pass()
        told = sorted(units for effect in far_end.effects() for units in effect.lines.values())
        must(told == [1, 2], f"a line may leave in two parcels, of two units and one; they arrived as {told}")

    @needs(Ability.PUSH_TRACKING)
    def test_a_parcel_of_two_lines_ships_both(self, connector: Connector, far_end: FarEnd) -> None:
        order = self.ready_of_two(connector, far_end)
        lines = {line.number: line.ordered for line in order.lines}
        parcel = msgspec.structs.replace(self.parcel(far_end, order), lines=lines)
        self.applied(self.settled(connector, far_end, connector.push_tracking([parcel])))
        far_end.let_time_pass()
        wanted = {line.sku: line.ordered for line in order.lines}
        shipped = dict(far_end.truths()[order.number].shipped)
        must(shipped == wanted, f"a parcel ships all its lines, {wanted}; shipped are {shipped}")

    @needs(Ability.PUSH_TRACKING)
    def test_a_parcel_of_an_unknown_order_sinks_no_other(self, connector: Connector, far_end: FarEnd) -> None:
        orders = self.ready(connector, far_end, 2)
        first, last = (self.parcel(far_end, order, serial) for serial, order in zip((1, 3), orders, strict=True))
        lost = msgspec.structs.replace(self.parcel(far_end, orders[0], 2), order=self.unknown_number)
        acks = self.settled(connector, far_end, connector.push_tracking([first, lost, last]))
        self.refused(acks.pop(lost.key, None), "a parcel of an unknown order")
        must(acks.keys() == {first.key, last.key}, f"the other parcels are told; of them came {sorted(acks)}")
        self.applied(acks)

    @needs(Ability.PUSH_TRACKING)
    def test_a_parcel_of_more_than_is_open_ships_nothing(self, connector: Connector, far_end: FarEnd) -> None:
        order = self.ready(connector, far_end, 1)[0]
        parcels = [self.parcel(far_end, order, serial=serial) for serial in (1, 2)]
        for parcel in parcels:
            ack = self.settled(connector, far_end, connector.push_tracking([parcel]))[parcel.key]
        far_end.let_time_pass()
        self.refused(ack, "a parcel of units that have all shipped already")
        must(ack.state is AckState.REFUSED and len(far_end.effects()) == 1, "and it ships nothing; it had an effect")

    @needs(Ability.PUSH_TRACKING, Ability.CORRECT_TRACKING)
    def test_a_corrected_number_replaces_the_old_one(self, connector: Connector, far_end: FarEnd) -> None:
        order = self.ready(connector, far_end, 1)[0]
        parcel = self.parcel(far_end, order)
        self._shipped(connector, far_end, parcel)
        self._shipped(connector, far_end, corrected(parcel))
        after = self.fetched(connector, order.number)
        shown = [package.tracking for package in after.packages]
        wanted = corrected(parcel).tracking
        must(shown == [wanted], f"a corrected parcel reads back with {wanted} alone; it did as {shown}")
        must(after.lines[0].shipped == 2, f"its two units stay two; shipped are {after.lines[0].shipped}")

    @needs(Ability.PUSH_TRACKING, Ability.CORRECT_TRACKING)
    def test_a_correction_told_twice_is_the_same_parcel(self, connector: Connector, far_end: FarEnd) -> None:
        order = self.ready(connector, far_end, 1, units=4)[0]
        parcel = self.parcel(far_end, order, units=1)  # there would be units left to ship again
        self._shipped(connector, far_end, parcel)
        for teller in (connector, self.again(connector)):
            self._shipped(teller, far_end, corrected(parcel))
        came = [effect for effect in far_end.effects() if effect.order == order.number]
        must(len(came) == 1, f"a parcel corrected twice is one parcel; there are {len(came)}")

    @needs(Ability.PUSH_TRACKING, Ability.CORRECT_TRACKING)
    def test_a_correction_leaves_other_parcels_alone(self, connector: Connector, far_end: FarEnd) -> None:
        order = self.ready(connector, far_end, 1, units=3)[0]
        parcels = [self.parcel(far_end, order, serial, units=1) for serial in (1, 2)]
        for parcel in parcels:
            self._shipped(connector, far_end, parcel)
        self._shipped(connector, far_end, corrected(parcels[0]))
        shown = sorted(package.tracking for package in self.fetched(connector, order.number).packages)
        other = parcels[1].tracking
        must(shown.count(other) == 1 and len(shown) == 2, f"the other parcel keeps {other}; the order shows {shown}")

    @needs(Ability.PUSH_TRACKING, Ability.CORRECT_TRACKING)
    def test_a_correction_of_a_parcel_never_told_tells_it(self, connector: Connector, far_end: FarEnd) -> None:
        order = self.ready(connector, far_end, 1)[0]
        parcel = corrected(self.parcel(far_end, order))
        self._shipped(connector, far_end, parcel)
        came = [effect.tracking for effect in far_end.effects() if effect.order == order.number]
        must(
            came == [parcel.tracking],
            f"a parcel whose old number the channel never saw is told with its new one; there are {came}",
        )

    def _shipped(self, connector: Connector, far_end: FarEnd, parcel: Shipment) -> None:
        self.applied(self.settled(connector, far_end, connector.push_tracking([parcel])))
        far_end.let_time_pass()
