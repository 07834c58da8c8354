"""Connectors that break a promise about roll calls, backfills, returns or the channel's own stock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from msgspec.structs import replace

from connectors.sandbox import Sandbox
from core.model import OwnStock, Page, Present, Return
from tests.core.broken import breaks

Pages = Iterator[Page]
_LONG = timedelta(days=1)


@breaks("test_a_roll_call_names_every_order_once")
class CallsOnlyTheFirstPage(Sandbox):
    def roll_call(self, *, since: datetime, until: datetime) -> Iterator[Present]:
        return (one for at, one in enumerate(super().roll_call(since=since, until=until)) if at < 2)


@breaks("test_a_roll_call_names_every_order_once")
class CallsOneTwice(Sandbox):
    def roll_call(self, *, since: datetime, until: datetime) -> Iterator[Present]:
        for at, one in enumerate(super().roll_call(since=since, until=until)):
            yield from [one] * (2 if at == 1 else 1)


@breaks("test_a_roll_call_names_no_order_outside_its_window")
class CallsWithoutAnEnd(Sandbox):
    def roll_call(self, *, since: datetime, until: datetime) -> Iterator[Present]:
        return super().roll_call(since=since, until=until + 100 * _LONG)


@breaks("test_a_backfill_yields_every_order_of_its_window")
class LosesALastPage(Sandbox):
    def backfill(self, cursor: str | None, *, since: datetime, until: datetime) -> Pages:
        for page in super().backfill(cursor, since=since, until=until):
            yield page if page.cursor else Page(observations=(), cursor="")


@breaks("test_a_backfill_yields_no_order_outside_its_window")
class FillsWithoutAnEnd(Sandbox):
    def backfill(self, cursor: str | None, *, since: datetime, until: datetime) -> Pages:
        return super().backfill(cursor, since=since, until=until + 100 * _LONG)


@breaks("test_the_cursor_of_every_page_of_a_backfill_resumes")
class ResumesAPageTooLate(Sandbox):
    def backfill(self, cursor: str | None, *, since: datetime, until: datetime) -> Pages:
        pages = super().backfill(cursor, since=since, until=until)
        if cursor:
            next(pages)
        return pages


@breaks("test_a_return_is_told_with_its_order_and_line")
class TellsADoubledReturn(Sandbox):
    def normalize_return(self, body: bytes) -> Return:
        found = super().normalize_return(body)
        return replace(found, lines=tuple(replace(line, quantity=2 * line.quantity) for line in found.lines))


@breaks("test_a_return_is_told_with_its_order_and_line")
class ForgetsTheOrderOfAReturn(Sandbox):
    def normalize_return(self, body: bytes) -> Return:
        return replace(super().normalize_return(body), order="")


@breaks("test_the_cursor_of_returns_resumes_without_loss")
class ResumesReturnsNeverAgain(Sandbox):
    def returns(self, cursor: str | None, *, since: datetime | None = None) -> Pages:
        return iter(()) if cursor else super().returns(None, since=since)


@breaks("test_any_document_gives_a_return_or_is_a_bad_document")
class StumblesOverAReturn(Sandbox):
    def normalize_return(self, body: bytes) -> Return:
        if body.count(b"{") > body.count(b"}"):
            raise IndexError("the end")
        return super().normalize_return(body)


@breaks("test_the_channels_own_stock_is_told_whole")
class TellsWhatLiesThereForWhatCanBeSold(Sandbox):
    def own_stock(self) -> Iterator[OwnStock]:
        return (replace(one, available=one.on_hand) for one in super().own_stock())
