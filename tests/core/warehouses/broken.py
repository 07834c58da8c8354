"""One broken warehouse connector for each promise of the suite."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from connectors.sandbox_warehouse import SandboxWarehouse
from connectors.sandbox_warehouse.client import SandboxWarehouseSettings
from connectors.sandbox_warehouse.yard import Yard
from core.errors import BadDocument, Rejected, Unavailable
from core.handover import Accepted, Adjusted, Box, Counted, Declined, Event, Left, Notice, NoticePage, Recall, WorkOrder
from core.model import Ack, AckState, Address
from core.warehouse import Deed

Acks = Iterator[Ack]
replace: Callable[..., Any] = msgspec.structs.replace

BROKEN: list[tuple[str, type[SandboxWarehouse], bool]] = []
"""The promise, who breaks it, and whether its yard is slow."""


def breaks(promise: str, *, slow: bool = False) -> Callable[[type[SandboxWarehouse]], type[SandboxWarehouse]]:
    def note(kind: type[SandboxWarehouse]) -> type[SandboxWarehouse]:
        BROKEN.append((promise, kind, slow))
        return kind

    return note


@breaks("test_every_deed_is_present_or_absent_with_a_reason")
class Mute(SandboxWarehouse):
    absent = {Deed.CALLS: ""}  # noqa: RUF012


@breaks("test_the_settings_explain_each_key_of_their_own")
class Unexplained(SandboxWarehouse):
    class Settings(SandboxWarehouseSettings):
        shelf: int = 3


@breaks("test_making_an_instance_needs_no_warehouse")
class Eager(SandboxWarehouse):
    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._ask("events", {"after": 0, "limit": 1}, msgspec.Raw)


@breaks("test_closing_twice_is_safe")
class ClosesOnce(SandboxWarehouse):
    def close(self) -> None:
        del self.name


@breaks("test_work_arrives_with_its_units_and_address")
class Addressless(SandboxWarehouse):
    def release(self, orders: Sequence[WorkOrder]) -> Acks:
        return super().release([replace(one, ship_to=Address()) for one in orders])


@breaks("test_each_work_order_gets_one_ack")
class AnswersThree(SandboxWarehouse):
    def release(self, orders: Sequence[WorkOrder]) -> Acks:
        acks = list(super().release(orders))
        return iter([*acks, *(acks[-1:] if len(acks) == 3 and acks[1].state is AckState.ACCEPTED else [])])


@breaks("test_work_handed_over_twice_is_done_once")
class ForgetsWhatItHandedOver(SandboxWarehouse):
    def release(self, orders: Sequence[WorkOrder]) -> Acks:
        there = Yard.named(self.settings.yard).works()
        known = [one for one in orders if one.key in there]
        if len(known) == 2:
            return super().release([replace(one, key=f"{one.key}-again") for one in orders])
        return super().release(orders)


@breaks("test_work_that_is_refused_sinks_no_other")
class SinksTheRest(SandboxWarehouse):
    def release(self, orders: Sequence[WorkOrder]) -> Acks:
        for ack in super().release(orders):
            yield ack
            if ack.state is AckState.REFUSED:
                return


@breaks("test_work_that_is_called_back_is_not_sent")
class CallsBackOneLine(SandboxWarehouse):
    def recall(self, recalls: Sequence[Recall]) -> Acks:
        whole = [replace(one, lines=dict([*one.lines.items()][:1])) if one.whole else one for one in recalls]
        return super().recall(whole)


@breaks("test_some_units_can_be_called_back")
class CallsBackTheWholeLine(SandboxWarehouse):
    def recall(self, recalls: Sequence[Recall]) -> Acks:
        works = Yard.named(self.settings.yard).works()
        return super().recall(
            [replace(one, lines={number: works[one.work].asked[number] for number in one.lines}) for one in recalls]
        )


@breaks("test_a_recall_asked_for_twice_happens_once")
class CallsBackTwice(SandboxWarehouse):
    def recall(self, recalls: Sequence[Recall]) -> Acks:
        known = Yard.named(self.settings.yard)._recalls
        return super().recall([replace(one, key=f"{one.key}+") if one.key in known else one for one in recalls])


@breaks("test_what_has_left_cannot_be_called_back")
class AlwaysInTime(SandboxWarehouse):
    def recall(self, recalls: Sequence[Recall]) -> Acks:
        return (replace(ack, state=AckState.APPLIED, reason="") for ack in super().recall(recalls))


def told(change: Callable[[Event], Event]) -> type[SandboxWarehouse]:
    """A connector that tells events otherwise than they were."""

    class Telling(SandboxWarehouse):
        def normalize(self, body: bytes) -> Event:
            return change(super().normalize(body))

    return Telling


def only(kind: type[Any], change: Callable[[Any], Event]) -> Callable[[Event], Event]:
    return lambda event: change(event) if isinstance(event, kind) else event


class Renamed:
    """Gives a class made on the spot a name in reports."""

    def __init__(self, name: str, promise: str, change: Callable[[Event], Event]) -> None:
        kind = told(change)
        kind.__name__ = name
        BROKEN.append((promise, kind, False))


Renamed(
    "ForgetsWhoseWorkWasTakenUp",
    "test_work_that_is_taken_up_is_told",
    only(Accepted, lambda one: replace(one, work=f"{one.work[:-1]}9")),
)
Renamed(
    "NoReason",
    "test_declined_work_is_told_with_its_reason",
    only(Declined, lambda one: replace(one, reason="") if not one.lines else one),
)
Renamed(
    "DeclinesOneMore",
    "test_declined_units_are_told_by_line",
    only(Declined, lambda one: replace(one, lines={n: units + 1 for n, units in one.lines.items()})),
)


def _fewer(event: Left) -> Event:
    """One unit fewer where a parcel holds two lines."""
    return replace(
        event,
        boxes=tuple(
            replace(box, lines=dict([*box.lines.items()][:1]) if len(box.lines) > 1 else box.lines)
            for box in event.boxes
        ),
    )


Renamed("DropsLines", "test_parcels_are_told_with_their_units_and_numbers", only(Left, _fewer))
Renamed(
    "OneParcelOnly",
    "test_parcels_that_left_at_once_are_all_told",
    only(Left, lambda one: replace(one, boxes=one.boxes[:1])),
)
Renamed(
    "NoCarrier",
    "test_a_parcel_is_told_with_its_work_and_instant",
    only(Left, lambda one: replace(one, boxes=tuple(replace(box, carrier="") for box in one.boxes))),
)
Renamed(
    "MissingIsNought",
    "test_a_count_names_what_was_counted_and_nothing_else",
    only(Counted, lambda one: replace(one, units={"PEN": 0, **one.units})),
)
Renamed(
    "NoughtIsMissing",
    "test_nothing_left_is_counted_as_nought",
    only(Counted, lambda one: replace(one, units={sku: units for sku, units in one.units.items() if units})),
)
Renamed(
    "CountsLater",
    "test_a_count_says_as_of_when_it_is",
    only(Counted, lambda one: replace(one, as_of=datetime.now(UTC) + timedelta(hours=1))),
)
Renamed(
    "OnlyLosses",
    "test_what_came_or_went_is_told_with_its_reason",
    only(Adjusted, lambda one: replace(one, change=-abs(one.change))),
)


@breaks("test_every_event_has_an_id_of_its_own_that_stays")
class NewIds(SandboxWarehouse):
    """An id that depends on where the event stood in the reading."""

    def events(self, cursor: str | None) -> Iterator[NoticePage]:
        self._readings = getattr(Yard.named(self.settings.yard), "_readings", 0) + 1
        Yard.named(self.settings.yard)._readings = self._readings  # type: ignore[attr-defined]
        for page in super().events(cursor):
            yield replace(page, notices=tuple(self._renamed(one) for one in page.notices))

    def _renamed(self, one: Notice) -> Notice:
        id = f"{self._readings}-{one.id}"
        return Notice(id=id, body=one.body.replace(f'"{one.id}"'.encode(), f'"{id}"'.encode()))


@breaks("test_a_notice_is_called_as_its_event_is")
class OtherNames(SandboxWarehouse):
    def normalize(self, body: bytes) -> Event:
        found = super().normalize(body)
        return replace(found, id=f"{found.id}!")


@breaks("test_a_page_that_was_not_taken_comes_once_more")
class TakenWhenRead(SandboxWarehouse):
    """Forgets at once what it gave out, as a queue that acknowledges on delivery; its ids are gone with it."""

    def events(self, cursor: str | None) -> Iterator[NoticePage]:
        own = Yard.named(self.settings.yard)
        given = getattr(own, "_given", 0)
        for page in super().events(cursor):
            if given and not any(_tracking(one) in (b"1Z99", b"1Z98") for one in page.notices):
                page = replace(page, notices=tuple(self._garbled(one) for one in page.notices))
            yield page
        own._given = 1  # type: ignore[attr-defined]

    def _garbled(self, one: Notice) -> Notice:
        return Notice(id=one.id, body=one.body.replace(b'"1Z', b'"2Z'))


def _tracking(one: Notice) -> bytes:
    return next((mark for mark in (b"1Z99", b"1Z98") if mark in one.body), b"")


@breaks("test_what_happens_later_is_told_by_the_cursor")
class SkipsOne(SandboxWarehouse):
    def events(self, cursor: str | None) -> Iterator[NoticePage]:
        return super().events(None if cursor is None else str(int(cursor) + 1))


@breaks("test_an_event_says_the_same_whatever_happens_after_it")
class SaysItAnew(SandboxWarehouse):
    """Tells each event with how things stand by now, such as when the order changed last."""

    def events(self, cursor: str | None) -> Iterator[NoticePage]:
        by_now = b" " * len(Yard.named(self.settings.yard)._events)
        for page in super().events(cursor):
            yield replace(page, notices=tuple(Notice(id=one.id, body=one.body + by_now) for one in page.notices))


@breaks("test_what_cannot_be_read_hides_nothing")
class DropsWhatItCannotRead(SandboxWarehouse):
    def events(self, cursor: str | None) -> Iterator[NoticePage]:
        for page in super().events(cursor):
            yield replace(page, notices=tuple(one for one in page.notices if self._reads(one)))

    def _reads(self, one: Notice) -> bool:
        try:
            self.normalize(one.body)
        except BadDocument:
            return False
        return True


@breaks("test_any_document_is_an_event_or_a_bad_one")
class Tolerant(SandboxWarehouse):
    def normalize(self, body: bytes) -> Event:
        if body == b"[]":
            return Left(id="", at=datetime.now(UTC), work="", boxes=(Box(tracking="", carrier="", lines={}),))
        return super().normalize(body)


@breaks("test_reading_in_an_outage_is_unavailable")
class NothingInAnOutage(SandboxWarehouse):
    def events(self, cursor: str | None) -> Iterator[NoticePage]:
        try:
            yield from super().events(cursor)
        except Unavailable:
            return


@breaks("test_handing_over_in_an_outage_confirms_and_refuses_nothing")
class RefusesInAnOutage(SandboxWarehouse):
    def release(self, orders: Sequence[WorkOrder]) -> Acks:
        try:
            yield from super().release(orders)
        except Unavailable as error:
            if error.ambiguous:
                raise
            yield from (Ack(key=one.key, state=AckState.REFUSED, reason="down") for one in orders)


@breaks("test_a_recall_in_an_outage_is_neither_done_nor_refused")
class TooLateInAnOutage(SandboxWarehouse):
    def recall(self, recalls: Sequence[Recall]) -> Acks:
        try:
            yield from super().recall(recalls)
        except Unavailable:
            yield from (Ack(key=one.key, state=AckState.REFUSED, reason="down") for one in recalls)


@breaks("test_refused_credentials_are_unauthorized")
class UnavailableWhenRefused(SandboxWarehouse):
    def _ask(self, operation: str, request: Mapping[str, Any], shape: type[Any]) -> Any:
        try:
            return super()._ask(operation, request, shape)
        except Rejected:
            raise
        except Exception as error:
            raise Unavailable(str(error), ambiguous=getattr(error, "ambiguous", False)) from error


@breaks("test_work_whose_answer_was_lost_is_called_ambiguous")
class SureOfItself(SandboxWarehouse):
    def release(self, orders: Sequence[WorkOrder]) -> Acks:
        try:
            yield from super().release(orders)
        except Unavailable as error:
            raise Unavailable(str(error)) from None


@breaks("test_work_whose_answer_was_lost_is_done_once")
class NewKeysAfterAFailure(SandboxWarehouse):
    def release(self, orders: Sequence[WorkOrder]) -> Acks:
        own = Yard.named(self.settings.yard)
        for one in orders:
            lost = one.key in getattr(own, "_lost", ())
            try:
                (ack,) = super().release([replace(one, key=f"{one.key}-2") if lost else one])
            except Unavailable as error:
                if error.ambiguous:
                    own._lost = {one.key}  # type: ignore[attr-defined]
                raise
            yield replace(ack, key=one.key)
