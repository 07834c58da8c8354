"""Levels and listings: every row answered, every quantity landed, and nothing overwritten unseen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import msgspec

from core.conformance.far_end import FarEnd
from core.conformance.given import Given, must, needs
from core.connector import Ability, Connector
from core.model import Ack, AckState, Fulfiller, Level, LevelKey


class Levels(Given):
    @needs(Ability.PUSH_LEVELS)
    def test_each_level_gets_one_ack_in_any_batch(self, connector: Connector, far_end: FarEnd) -> None:
        levels = self.levels_of(connector, far_end, 40)
        for batch in ([], levels[:1], levels):
            acks = list(connector.push_levels(batch))
            self.one_ack_each(acks, [level.key for level in batch])
            self.applied(self.settled(connector, far_end, acks))

    @needs(Ability.PUSH_LEVELS)
    def test_a_level_lands_whether_higher_lower_or_zero(self, connector: Connector, far_end: FarEnd) -> None:
        for revision, quantity in enumerate((60, 3, 0, 1), start=1):
            levels = self.levels_of(connector, far_end, quantity, skus=far_end.skus[:1], revision=revision)
            self.applied(self.settled(connector, far_end, connector.push_levels(levels)))
            self._landed(far_end, levels)

    @needs(Ability.PUSH_LEVELS)
    def test_a_level_told_twice_is_the_same(self, connector: Connector, far_end: FarEnd) -> None:
        levels = self.levels_of(connector, far_end, 17)
        for _ in range(2):
            self.applied(self.settled(connector, far_end, connector.push_levels(levels)))
            self._landed(far_end, levels)

    @needs(Ability.PUSH_LEVELS)
    def test_a_level_of_an_unknown_listing_sinks_no_other(self, connector: Connector, far_end: FarEnd) -> None:
        levels = self.levels_of(connector, far_end, 23)
        lost = msgspec.structs.replace(levels[0], key="lost", sku="NO-SUCH-SKU", handle=self.unknown_handle)
        acks = self.settled(connector, far_end, connector.push_levels([*levels[:1], lost, *levels[1:]]))
        self.refused(acks.pop("lost", None), "the level of an unknown listing")
        must(acks.keys() == {level.key for level in levels}, f"the other levels are set; of them came {sorted(acks)}")
        self.applied(acks)
        self._landed(far_end, levels)

    @needs(Ability.PUSH_LEVELS, Ability.SETTLE)
    def test_settling_in_a_fresh_instance_reaches_an_end(self, connector: Connector, far_end: FarEnd) -> None:
        levels = self.levels_of(connector, far_end, 31)
        tickets = {ack.key: ack.ticket for ack in connector.push_levels(levels) if ack.state is AckState.ACCEPTED}
        other = self.again(connector)
        final: dict[str, Ack] = {}
        for _ in range(20):
            pending = {key: ticket for key, ticket in tickets.items() if key not in final}
            final |= {ack.key: ack for ack in other.settle(pending) if ack.state is not AckState.ACCEPTED}
            far_end.let_time_pass()
        other.close()
        missing = sorted(tickets.keys() - final.keys())
        must(not missing, f"accepted pushes reach an end, after a restart too; these did not: {missing}")
        self.applied(final)

    @needs(Ability.PUSH_LEVELS, Ability.SETTLE)
    def test_settling_answers_only_what_was_asked_and_once(self, connector: Connector, far_end: FarEnd) -> None:
        nothing = list(connector.settle({}))
        must(not nothing, f"settling nothing yields nothing; it gave {nothing}")
        acks = list(connector.push_levels(self.levels_of(connector, far_end, 29)))
        tickets = {ack.key: ack.ticket for ack in acks if ack.state is AckState.ACCEPTED}
        asked = dict(list(tickets.items())[::2])
        far_end.let_time_pass()
        came = Counter(ack.key for ack in connector.settle(asked))
        must(
            came <= Counter(asked.keys()),
            f"settling answers each key asked for at most once; "
            f"asked for {sorted(asked)} it answered {sorted(came.elements())}",
        )

    @needs(Ability.PUSH_LEVELS, Ability.READ_LEVELS)
    def test_a_level_can_be_read_back(self, connector: Connector, far_end: FarEnd) -> None:
        for revision, quantity in enumerate((12, 0), start=1):
            levels = self.levels_of(connector, far_end, quantity, revision=revision)
            self.settled(connector, far_end, connector.push_levels(levels))
            far_end.let_time_pass()
            wanted = {level.key: far_end.levels()[level.sku, level.place] for level in levels}
            read = {level.key: level.quantity for level in connector.read_levels([_key(level) for level in levels])}
            must(read == wanted, f"levels are read as the channel holds them, {wanted}; they were as {read}")

    @needs(Ability.READ_LEVELS)
    def test_reading_an_unknown_level_leaves_it_out(self, connector: Connector, far_end: FarEnd) -> None:
        keys = [_key(level) for level in self.levels_of(connector, far_end, 0)]
        lost = LevelKey(key="lost", sku="NO-SUCH-SKU", handle=self.unknown_handle, place=far_end.places[0])
        for asked in ([lost], [*keys[:1], lost, *keys[1:]], []):
            read = sorted(level.key for level in connector.read_levels(asked))
            wanted = sorted(key.key for key in asked if key.key != "lost")
            must(
                read == wanted, f"a level the channel does not know is left out, and only that; of {wanted} came {read}"
            )

    @needs(Ability.PUSH_LEVELS, Ability.COMPARE_AND_SET)
    def test_a_wrong_expectation_is_stale_and_changes_nothing(self, connector: Connector, far_end: FarEnd) -> None:
        before = dict(far_end.levels())
        wrong, right = self._expecting(connector, far_end, before)
        wrong = [msgspec.structs.replace(level, expected=before[level.sku, level.place] + 1) for level in wrong]
        acks = self.settled(connector, far_end, connector.push_levels([*wrong, *right]))
        states = {acks[level.key].state for level in wrong if level.key in acks}
        must(states == {AckState.STALE}, f"a wrong expectation is STALE; it is {sorted(states)}")
        after = far_end.levels()
        changed = [level.key for level in wrong if after[level.sku, level.place] != before[level.sku, level.place]]
        must(not changed, f"a stale level changes nothing; it did {changed}")

    @needs(Ability.PUSH_LEVELS, Ability.COMPARE_AND_SET)
    def test_a_right_expectation_lands_beside_a_wrong_one(self, connector: Connector, far_end: FarEnd) -> None:
        before = dict(far_end.levels())
        wrong, right = self._expecting(connector, far_end, before)
        wrong = [msgspec.structs.replace(level, expected=before[level.sku, level.place] + 1) for level in wrong]
        acks = self.settled(connector, far_end, connector.push_levels([*wrong, *right]))
        self.applied({level.key: acks[level.key] for level in right})
        self._landed(far_end, right)

    @needs(Ability.LISTINGS)
    def test_every_listing_is_told_once(self, connector: Connector, far_end: FarEnd) -> None:
        listings = [listing for listing in connector.listings() if listing.fulfiller is Fulfiller.MERCHANT]
        told = Counter(listing.sku for listing in listings)
        must(
            told == Counter(far_end.skus),
            f"everything on offer is told once; of {sorted(far_end.skus)} came {sorted(told.elements())}",
        )

    @needs(Ability.LISTINGS, Ability.PUSH_LEVELS)
    def test_a_listing_that_is_sold_out_is_still_told(self, connector: Connector, far_end: FarEnd) -> None:
        sku = far_end.skus[0]
        levels = self.levels_of(connector, far_end, 0, skus=[sku])
        self.applied(self.settled(connector, far_end, connector.push_levels(levels)))
        far_end.let_time_pass()
        told = sorted(listing.sku for listing in connector.listings())
        must(sku in told, f"a listing without a unit left is a listing; {sku} is not told among {told}")

    @needs(Ability.LISTINGS)
    def test_a_listings_quantities_are_the_channels(self, connector: Connector, far_end: FarEnd) -> None:
        held = far_end.levels()
        for listing in connector.listings():
            wrong = {
                place: quantity
                for place, quantity in listing.quantities.items()
                if listing.fulfiller is Fulfiller.MERCHANT and held.get((listing.sku, place)) != quantity
            }
            must(
                not wrong,
                f"a listing's quantities, where told, are those the channel holds; of {listing.sku} were told {wrong}",
            )

    def _expecting(
        self, connector: Connector, far_end: FarEnd, held: Mapping[tuple[str, str], int]
    ) -> tuple[list[Level], list[Level]]:
        """New levels for two SKUs, expecting what the channel holds."""
        one, other = (
            [
                msgspec.structs.replace(level, expected=held[level.sku, level.place])
                for level in self.levels_of(connector, far_end, 19, skus=[sku])
            ]
            for sku in far_end.skus[:2]
        )
        return one, other

    @staticmethod
    def _landed(far_end: FarEnd, levels: list[Level]) -> None:
        far_end.let_time_pass()
        held = far_end.levels()
        wrong = {
            level.key: held.get((level.sku, level.place))
            for level in levels
            if held.get((level.sku, level.place)) != level.quantity
        }
        must(not wrong, f"the channel holds the {levels[0].quantity} it was told; it holds {wrong}")


def _key(level: Level) -> LevelKey:
    return LevelKey(key=level.key, sku=level.sku, handle=level.handle, place=level.place)
