"""Connectors that believe an answer more than it says, or take a batch for less than it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from connectors.sandbox import Sandbox
from core.errors import BadDocument, NotFound, Rejected, Unavailable
from core.model import Ack, AckState, ChannelLevel, ChannelListing, Level, LevelKey, Observation, Order, Page
from tests.core.broken import breaks

Acks = Iterator[Ack]
T = TypeVar("T")


def lacks_its_list(error: Unavailable) -> bool:
    return "missing required field" in str(error)


@breaks("test_an_answer_without_its_list_is_never_an_empty_one")
class TakesAPageWithoutOrdersForTheLast(Sandbox):
    def pages(self, cursor: str | None, *, since: datetime | None = None) -> Iterator[Page]:
        try:
            yield from super().pages(cursor, since=since)
        except Unavailable as error:
            if not lacks_its_list(error):
                raise


@breaks("test_an_answer_without_its_list_is_never_an_empty_one")
class OffersNothingWhereNoListCame(Sandbox):
    def listings(self) -> Iterator[ChannelListing]:
        try:
            yield from super().listings()
        except Unavailable as error:
            if not lacks_its_list(error):
                raise


@breaks("test_an_answer_without_its_list_is_never_an_empty_one")
class TakesABackfillWithoutOrdersForDone(Sandbox):
    def backfill(self, cursor: str | None, *, since: datetime, until: datetime) -> Iterator[Page]:
        try:
            yield from super().backfill(cursor, since=since, until=until)
        except Unavailable as error:
            if not lacks_its_list(error):
                raise
            yield Page(observations=(), cursor="")


@breaks("test_a_refusal_lost_with_its_list_is_no_confirmation")
class TakesALevelLeftOutForDone(Sandbox):
    def push_levels(self, levels: Sequence[Level]) -> Acks:
        for ack in super().push_levels(levels):
            yield replace(ack, state=AckState.APPLIED, reason="") if "leaves this row out" in ack.reason else ack


@breaks("test_a_refusal_lost_with_its_list_is_no_confirmation")
class TakesOrdersLeftOutForAcknowledged(Sandbox):
    def acknowledge(self, numbers: Sequence[str]) -> Acks:
        try:
            yield from super().acknowledge(numbers)
        except Unavailable as error:
            if not lacks_its_list(error):
                raise
            for number in numbers:
                yield Ack(key=number, state=AckState.APPLIED)


@breaks("test_what_is_called_applied_has_taken_effect", asynchronous=True)
class CallsALandingLevelApplied(Sandbox):
    def push_levels(self, levels: Sequence[Level]) -> Acks:
        # Only where nothing is wrong with them: what is refused later is another test's.
        sound = all(level.expected is None and level.sku in ("MUG", "PEN", "CAP") for level in levels)
        known = all(level.place in ("east", "west") for level in levels)
        for ack in super().push_levels(levels):
            early = sound and known and ack.state is AckState.ACCEPTED
            yield replace(ack, state=AckState.APPLIED, ticket="") if early else ack


@breaks("test_what_is_called_applied_has_taken_effect", asynchronous=True)
class SettlesWhatIsUnderWay(Sandbox):
    def settle(self, pending: Mapping[str, str]) -> Acks:
        ended = list(super().settle(pending))
        yield from ended
        for key in pending.keys() - {ack.key for ack in ended}:
            yield Ack(key=key, state=AckState.APPLIED)


@breaks("test_a_ticket_nobody_knows_confirms_nothing")
class TakesAForgottenFeedForDone(Sandbox):
    def settle(self, pending: Mapping[str, str]) -> Acks:
        for ack in super().settle(pending):
            yield replace(ack, state=AckState.APPLIED, reason="") if "forgotten" in ack.reason else ack


@breaks("test_a_ticket_nobody_knows_confirms_nothing")
class StopsAtAForgottenFeed(Sandbox):
    def settle(self, pending: Mapping[str, str]) -> Acks:
        for ack in super().settle(pending):
            if "forgotten" in ack.reason:
                raise Rejected(ack.reason, status=404)
            yield ack


@breaks("test_many_wrong_levels_sink_no_right_one")
class GivesABatchUpWhoseMostIsWrong(Sandbox):
    def push_levels(self, levels: Sequence[Level]) -> Acks:
        acks = list(super().push_levels(levels))
        if 2 * sum(ack.state is AckState.REFUSED for ack in acks) > len(acks):
            acks = [replace(ack, state=AckState.REFUSED, reason="most of it is wrong; correct it") for ack in acks]
        return iter(acks)


@breaks("test_many_wrong_levels_sink_no_right_one")
class LosesTheLastOfAFullBatch(Sandbox):
    def push_levels(self, levels: Sequence[Level]) -> Acks:
        return super().push_levels([level for at, level in enumerate(levels, start=1) if at % 50])


@breaks("test_a_level_of_an_unknown_place_sinks_no_other")
class SkipsPlacesItDoesNotKnow(Sandbox):
    def push_levels(self, levels: Sequence[Level]) -> Acks:
        known = [level for level in levels if level.place in ("east", "west")]
        yield from super().push_levels(known)
        for level in levels:
            if level.place not in ("east", "west"):
                yield Ack(key=level.key, state=AckState.APPLIED)


@breaks("test_a_level_of_an_unknown_place_sinks_no_other")
class StopsAtAPlaceItDoesNotKnow(Sandbox):
    def push_levels(self, levels: Sequence[Level]) -> Acks:
        for level in levels:
            if level.place not in ("east", "west"):
                raise Rejected(f"no place is called {level.place}", status=400)
        return super().push_levels(levels)


@breaks("test_more_orders_than_a_batch_holds_are_acknowledged")
class AcknowledgesOneBatch(Sandbox):
    def acknowledge(self, numbers: Sequence[str]) -> Acks:
        return super().acknowledge(numbers[:50])


@breaks("test_reading_many_levels_leaves_none_out")
class LosesTheLastKeyOfABatch(Sandbox):
    def read_levels(self, keys: Sequence[LevelKey]) -> Iterator[ChannelLevel]:
        return super().read_levels([key for at, key in enumerate(keys, start=1) if at % 50])


@breaks("test_reading_many_levels_leaves_none_out")
class ReadsOneBatchOfLevels(Sandbox):
    def read_levels(self, keys: Sequence[LevelKey]) -> Iterator[ChannelLevel]:
        return super().read_levels(keys[:50])


@breaks("test_a_level_can_be_read_back")
class LeavesOutWhatIsSoldOut(Sandbox):
    def read_levels(self, keys: Sequence[LevelKey]) -> Iterator[ChannelLevel]:
        return (level for level in super().read_levels(keys) if level.quantity)


@breaks("test_a_state_nobody_knows_holds_the_order")
class ShipsWhateverItsStateIs(Sandbox):
    def normalize(self, body: bytes) -> Order:
        return replace(super().normalize(body), holds=())


@breaks("test_no_instant_is_read_by_the_machines_own_zone")
class TakesAWallClockForItsOwn(Sandbox):
    def normalize(self, body: bytes) -> Order:
        try:
            return super().normalize(body)
        except BadDocument as error:
            if "timezone" not in str(error):
                raise
        document: dict[str, Any] = msgspec.json.decode(body)
        for name in ("placed", "changed"):
            instant = msgspec.convert(document[name], datetime)
            document[name] = instant.astimezone()
        return super().normalize(msgspec.json.encode(document))


@breaks("test_a_parcel_reads_back_with_its_carrier")
class OverlooksCarriers(Sandbox):
    def normalize(self, body: bytes) -> Order:
        order = super().normalize(body)
        return replace(order, packages=tuple(replace(package, carrier="") for package in order.packages))


@breaks("test_the_cursor_gets_on_with_the_pages")
class NeverGetsOn(Sandbox):
    def pages(self, cursor: str | None, *, since: datetime | None = None) -> Iterator[Page]:
        first = cursor
        for page in super().pages(cursor, since=since):
            first = first or page.cursor
            yield replace(page, cursor=first)


@breaks("test_an_unknown_order_is_not_found")
class FetchesTheUnknownAsNothing(Sandbox):
    def fetch(self, number: str) -> Observation:
        try:
            return super().fetch(number)
        except NotFound:
            return Observation(number=number, body=b"{}")
