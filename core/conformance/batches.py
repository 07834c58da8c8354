"""Batches as the rounds send them: full ones, mostly wrong ones, and places nobody knows."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from core.conformance.far_end import FarEnd
from core.conformance.given import Given, must, needs
from core.connector import Ability, Connector
from core.model import Ack, AckState, Level, LevelKey


class Batches(Given):
    @needs(Ability.PUSH_LEVELS)
    def test_many_wrong_levels_sink_no_right_one(self, connector: Connector, far_end: FarEnd) -> None:
        right = self.levels_of(connector, far_end, 24)
        wrong = self._unknown(right[0])
        acks = self._brought(connector, far_end, self._across(right, wrong))
        for level in wrong:
            self.refused(acks.pop(level.key, None), f"each of {len(wrong)} levels of unknown listings")
        must(acks.keys() == {one.key for one in right}, f"the right levels are set; of them came {sorted(acks)}")
        self.applied(acks)
        self._hold(far_end, right)

    @needs(Ability.PUSH_LEVELS)
    def test_a_level_of_an_unknown_place_sinks_no_other(self, connector: Connector, far_end: FarEnd) -> None:
        levels = self.levels_of(connector, far_end, 26)
        lost = msgspec.structs.replace(levels[0], key="lost", place=self.unknown_place)
        acks = self._brought(connector, far_end, [*levels[:1], lost, *levels[1:]])
        self.refused(acks.pop("lost", None), "the level of an unknown place")
        must(acks.keys() == {one.key for one in levels}, f"the other levels are set; of them came {sorted(acks)}")
        self.applied(acks)
        self._hold(far_end, levels)

    @needs(Ability.READ_LEVELS)
    def test_reading_many_levels_leaves_none_out(self, connector: Connector, far_end: FarEnd) -> None:
        known = self.levels_of(connector, far_end, 0)
        asked = self._across(known, self._unknown(known[0]))
        keys = [LevelKey(key=one.key, sku=one.sku, handle=one.handle, place=one.place) for one in asked]
        read = sorted(level.key for level in connector.read_levels(keys))
        wanted = sorted(level.key for level in known)
        must(read == wanted, f"of {len(keys)} levels those the channel knows are read: of {wanted} came {read}")

    @needs(Ability.ACKNOWLEDGE)
    def test_more_orders_than_a_batch_holds_are_acknowledged(self, connector: Connector, far_end: FarEnd) -> None:
        numbers = self.placed(far_end, self.full_batch + 1)
        acks = self.settled(connector, far_end, connector.acknowledge(numbers))
        must(acks.keys() == set(numbers), f"each of {len(numbers)} orders gets its answer; of them came {len(acks)}")
        self.applied(acks)
        truths = far_end.truths()
        missing = [number for number in numbers if not truths[number].acknowledged]
        must(not missing, f"each of {len(numbers)} orders is acknowledged at the channel; {missing} are not")

    def _across(self, some: Sequence[Level], others: Sequence[Level]) -> list[Level]:
        """`some` in the midst of `others`, so that they end the first batch and begin the second."""
        return [*others[: self.full_batch - 1], *some, *others[self.full_batch - 1 :]]

    def _unknown(self, known: Level) -> list[Level]:
        """As many levels of listings nobody knows as fill a batch."""
        return [
            msgspec.structs.replace(known, key=f"lost-{at}", sku=f"NO-SUCH-SKU-{at}", handle=handle)
            for at, handle in enumerate(self.unknown_handles(self.full_batch), start=1)
        ]

    def _brought(self, connector: Connector, far_end: FarEnd, levels: Sequence[Level]) -> dict[str, Ack]:
        """The end of each, pushed as the rounds do it: what is to be retried goes again."""
        final: dict[str, Ack] = {}
        left = list(levels)
        for _ in range(20):
            final |= self.settled(connector, far_end, connector.push_levels(left))
            far_end.let_time_pass()
            left = [one for one in levels if one.key in final and final[one.key].state is AckState.RETRY]
            if not left:
                return final
        raise AssertionError(f"a level pushed again and again reaches an end; these never did: {left}")

    @staticmethod
    def _hold(far_end: FarEnd, levels: Sequence[Level]) -> None:
        held = far_end.levels()
        wrong = {one.key: held.get((one.sku, one.place)) for one in levels}
        wrong = {key: quantity for key, quantity in wrong.items() if quantity != levels[0].quantity}
        must(not wrong, f"the right levels land, here as {levels[0].quantity}; the channel holds {wrong}")
