"""Connectors that break a promise about levels and listings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from connectors.sandbox import Sandbox
from core.errors import Rejected, Unavailable
from core.model import Ack, AckState, ChannelLevel, ChannelListing, Level, LevelKey
from tests.core.broken import breaks

Acks = Iterator[Ack]


def held(connector: Sandbox, levels: Sequence[Level]) -> dict[str, int]:
    """What the channel holds, by key."""
    keys = [LevelKey(key=level.key, sku=level.sku, handle=level.handle, place=level.place) for level in levels]
    return {level.key: level.quantity for level in connector.read_levels(keys)}


def unmet(connector: Sandbox, levels: Sequence[Level]) -> set[str]:
    """The keys whose expectation is wrong."""
    now = held(connector, levels) if any(level.expected is not None for level in levels) else {}
    return {level.key for level in levels if level.expected not in (None, now.get(level.key))}


@breaks("test_each_level_gets_one_ack_in_any_batch")
class AnswersALevelTwice(Sandbox):
    def push_levels(self, levels: Sequence[Level]) -> Acks:
        acks = list(super().push_levels(levels))
        return iter(acks + acks[:1] if len(acks) > 3 else acks)


@breaks("test_a_level_lands_whether_higher_lower_or_zero")
class NeverSellsOut(Sandbox):
    def push_levels(self, levels: Sequence[Level]) -> Acks:
        return super().push_levels([replace(level, quantity=max(1, level.quantity)) for level in levels])


@breaks("test_a_level_told_twice_is_the_same")
class AddsWhatItIsToldAgain(Sandbox):
    def push_levels(self, levels: Sequence[Level]) -> Acks:
        told = self.__dict__.setdefault("told", {})
        rows = [
            replace(level, quantity=level.quantity + 1) if told.get(level.key) == level.quantity else level
            for level in levels
        ]
        for ack, level in zip(super().push_levels(rows), levels, strict=True):
            told[ack.key] = level.quantity
            yield ack


@breaks("test_a_level_of_an_unknown_listing_sinks_no_other")
class SinksLevels(Sandbox):
    def push_levels(self, levels: Sequence[Level]) -> Acks:
        acks = list(super().push_levels(levels))
        if any(ack.state is AckState.REFUSED for ack in acks) and any(level.sku == "NO-SUCH-SKU" for level in levels):
            raise Rejected("one of the rows is wrong", status=400)
        return iter(acks)


@breaks("test_a_level_of_an_unknown_listing_sinks_no_other")
class RefusesALevelWithoutCure(Sandbox):
    def push_levels(self, levels: Sequence[Level]) -> Acks:
        mute = {level.key for level in levels if level.sku == "NO-SUCH-SKU"}
        for ack in super().push_levels(levels):
            yield replace(ack, reason="unknown_listing") if ack.reason and ack.key in mute else ack


@breaks("test_settling_in_a_fresh_instance_reaches_an_end", asynchronous=True)
class KeepsItsTicketsInMemory(Sandbox):
    def push_levels(self, levels: Sequence[Level]) -> Acks:
        for ack in super().push_levels(levels):
            self.__dict__.setdefault("tickets", {})[ack.key] = ack.ticket
            yield ack

    def settle(self, pending: Mapping[str, str]) -> Acks:
        known = self.__dict__.get("tickets", {})
        return super().settle({key: ticket for key, ticket in pending.items() if key in known})


@breaks("test_settling_answers_only_what_was_asked_and_once", asynchronous=True)
class SettlesTwice(Sandbox):
    def settle(self, pending: Mapping[str, str]) -> Acks:
        acks = list(super().settle(pending))
        return iter(acks + acks)


@breaks("test_settling_answers_only_what_was_asked_and_once", asynchronous=True)
class SettlesWhatNobodyAsked(Sandbox):
    def settle(self, pending: Mapping[str, str]) -> Acks:
        yield from super().settle(pending)
        yield Ack(key="another", state=AckState.APPLIED)


@breaks("test_a_level_can_be_read_back")
class ReadsOneTooMany(Sandbox):
    def read_levels(self, keys: Sequence[LevelKey]) -> Iterator[ChannelLevel]:
        return (replace(level, quantity=level.quantity + 1) for level in super().read_levels(keys))


@breaks("test_reading_an_unknown_level_leaves_it_out")
class ReadsTheUnknownAsZero(Sandbox):
    def read_levels(self, keys: Sequence[LevelKey]) -> Iterator[ChannelLevel]:
        yield from super().read_levels(keys)
        yield from (ChannelLevel(key=key.key, quantity=0) for key in keys if key.sku == "NO-SUCH-SKU")


@breaks("test_a_wrong_expectation_is_stale_and_changes_nothing")
class SetsBlindly(Sandbox):
    def push_levels(self, levels: Sequence[Level]) -> Acks:
        return super().push_levels([replace(level, expected=None) for level in levels])


@breaks("test_a_wrong_expectation_is_stale_and_changes_nothing")
class SetsBlindlyAndCallsItStale(Sandbox):
    def push_levels(self, levels: Sequence[Level]) -> Acks:
        wrong = unmet(self, levels)
        for ack in super().push_levels([replace(level, expected=None) for level in levels]):
            yield replace(ack, state=AckState.STALE) if ack.key in wrong else ack


@breaks("test_a_right_expectation_lands_beside_a_wrong_one")
class CallsTheWholeBatchStale(Sandbox):
    def push_levels(self, levels: Sequence[Level]) -> Acks:
        if unmet(self, levels):
            return iter([Ack(key=level.key, state=AckState.STALE) for level in levels])
        return super().push_levels(levels)


@breaks("test_every_listing_is_told_once")
class TellsAListingTwice(Sandbox):
    def listings(self) -> Iterator[ChannelListing]:
        listings = list(super().listings())
        return iter(listings + listings[:1])


@breaks("test_a_listings_quantities_are_the_channels")
class ListsOneTooMany(Sandbox):
    def listings(self) -> Iterator[ChannelListing]:
        for listing in super().listings():
            more = {place: quantity + 1 for place, quantity in listing.quantities.items()}
            yield replace(listing, quantities=more)


@breaks("test_levels_whose_answer_was_lost_end_as_told")
class TakesALostAnswerForARefusal(Sandbox):
    def push_levels(self, levels: Sequence[Level]) -> Acks:
        try:
            yield from super().push_levels(levels)
        except Unavailable as error:
            if not error.ambiguous:
                raise
            for level in levels:
                yield Ack(key=level.key, state=AckState.REFUSED, reason="no answer; push it again")
