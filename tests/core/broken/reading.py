"""Connectors that break a promise about themselves or about pages and cursors."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import msgspec
from pydantic import Field

from connectors.sandbox import Sandbox
from connectors.sandbox.client import SandboxSettings
from core.connector import Ability
from core.model import Observation, Page
from tests.core.broken import breaks

Pages = Iterator[Page]


def cursor_at(instant: datetime) -> str:
    return msgspec.json.encode((instant, "")).decode()


def keeping(page: Page, *kept: Observation) -> Page:
    return msgspec.structs.replace(page, observations=kept)


@breaks("test_every_ability_is_present_or_absent_with_a_reason")
class ForgetsAnAbility(Sandbox):
    abilities = Sandbox.abilities - {Ability.SETTLE}


@breaks("test_every_ability_is_present_or_absent_with_a_reason")
class LacksAnAbilityWithoutReason(Sandbox):
    abilities = Sandbox.abilities - {Ability.SETTLE}
    absent = MappingProxyType({**Sandbox.absent, Ability.SETTLE: ""})


@breaks("test_every_ability_is_present_or_absent_with_a_reason")
class HasAndLacksAnAbility(Sandbox):
    absent = MappingProxyType({**Sandbox.absent, Ability.SETTLE: "the channel has no feeds"})


class MuteSettings(SandboxSettings):
    region: str = Field(default="us", description="")


@breaks("test_the_settings_explain_each_key_of_their_own")
class HasAKeyWithoutDescription(Sandbox):
    Settings = MuteSettings


@breaks("test_making_an_instance_needs_no_channel")
class AsksWhileItIsMade(Sandbox):
    def __init__(self, name: str, settings: Any) -> None:
        super().__init__(name, settings)
        list(self.listings())


@breaks("test_closing_twice_is_safe")
class ClosesOnce(Sandbox):
    open = True

    def close(self) -> None:
        if not self.open:
            raise RuntimeError("already closed")
        self.open = False


@breaks("test_a_pull_yields_every_order")
class ForgetsTheFirstOrder(Sandbox):
    def pages(self, cursor: str | None, *, since: datetime | None = None) -> Pages:
        for page in super().pages(cursor, since=since):
            first = page.observations[0].body if page.observations and cursor is None and since is None else b""
            forgotten = b'"S-1001"' in first and b'"L3"' not in first and b'"cancelled":1' not in first
            yield keeping(page, *page.observations[1:]) if forgotten else page


@breaks("test_the_oldest_change_comes_first")
class YieldsAPageBackwards(Sandbox):
    def pages(self, cursor: str | None, *, since: datetime | None = None) -> Pages:
        for page in super().pages(cursor, since=since):
            yield keeping(page, *reversed(page.observations))


@breaks("test_an_order_is_yielded_whole")
class ReadsTheFirstPageOfLines(Sandbox):
    def pages(self, cursor: str | None, *, since: datetime | None = None) -> Pages:
        for page in super().pages(cursor, since=since):
            yield keeping(page, *map(self._shortened, page.observations))

    @staticmethod
    def _shortened(one: Observation) -> Observation:
        document = msgspec.json.decode(one.body)
        document["lines"] = document["lines"][:5]
        return Observation(number=one.number, body=msgspec.json.encode(document))


@breaks("test_a_first_pull_takes_since_in_any_time_zone")
class TakesTheWallClockForUtc(Sandbox):
    def pages(self, cursor: str | None, *, since: datetime | None = None) -> Pages:
        return super().pages(cursor, since=since and since.replace(tzinfo=UTC))


@breaks("test_the_cursor_of_every_page_resumes_without_loss")
class LosesAnOrderWhenItResumes(Sandbox):
    def pages(self, cursor: str | None, *, since: datetime | None = None) -> Pages:
        pages = list(super().pages(cursor, since=since))
        quiet = not any(b'"cancelled":1' in one.body for page in pages for one in page.observations)
        if cursor is not None and len(pages) > 1 and quiet:
            pages[1] = keeping(pages[1], *pages[1].observations[1:])
        yield from pages


@breaks("test_the_cursor_of_every_page_still_resumes_after_changes")
class ResumesWithoutWhatChanged(Sandbox):
    def pages(self, cursor: str | None, *, since: datetime | None = None) -> Pages:
        for page in super().pages(cursor, since=since):
            unchanged = [one for one in page.observations if cursor is None or b'"cancelled":1' not in one.body]
            yield keeping(page, *unchanged)


@breaks("test_a_change_in_the_middle_of_a_pull_is_not_lost")
class TakesNowForTheWatermark(Sandbox):
    def pages(self, cursor: str | None, *, since: datetime | None = None) -> Pages:
        pages = list(super().pages(cursor, since=since))
        yield from pages[:-1]
        for page in pages[-1:]:
            yield msgspec.structs.replace(page, cursor=cursor_at(datetime.now(UTC)))


@breaks("test_a_cursor_works_in_a_fresh_instance")
class KeepsItsCursorsInMemory(Sandbox):
    def __init__(self, name: str, settings: Any) -> None:
        super().__init__(name, settings)
        self.given: set[str] = set()

    def pages(self, cursor: str | None, *, since: datetime | None = None) -> Pages:
        if cursor is not None and cursor not in self.given:
            return
        for page in super().pages(cursor, since=since):
            self.given.add(page.cursor)
            yield page


@breaks("test_a_repeated_pull_yields_the_same")
class YieldsAnOrderOnce(Sandbox):
    pulled = False

    def pages(self, cursor: str | None, *, since: datetime | None = None) -> Pages:
        for page in super().pages(cursor, since=since):
            yield keeping(page, *page.observations[1:]) if self.pulled and cursor is None else page
        self.pulled = True


@breaks("test_a_pull_with_nothing_new_leads_on")
class RunsAheadWhenNothingIsNew(Sandbox):
    def pages(self, cursor: str | None, *, since: datetime | None = None) -> Pages:
        for page in super().pages(cursor, since=since):
            ahead = cursor_at(datetime.now(UTC) + timedelta(hours=1))
            yield msgspec.structs.replace(page, cursor=ahead) if page.cursor == cursor else page


@breaks("test_a_channel_without_orders_is_pulled_in_peace")
class NeedsAnOrderToBegin(Sandbox):
    def pages(self, cursor: str | None, *, since: datetime | None = None) -> Pages:
        for page in super().pages(cursor, since=since):
            if cursor is None:
                _ = page.observations[0]
            yield page
