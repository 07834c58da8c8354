"""Backfills: resumable, behind what is live, and never over what the live pull has seen."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core.connector import Ability
from core.errors import Rejected, Unauthorized, Unavailable
from core.model import Observation, Page, instant
from core.sync import backfill as module
from core.sync.backfill import Backfill, ask_backfill, backfill_of, stop_backfill, work_on_backfill
from core.sync.channel import Channel
from core.sync.round import run_round
from core.sync.take_in import Counts
from core.sync.work import finished
from tests.core.sync.fake import SIMPLE, Fake
from tests.core.sync.world import SECOND, START, World, connector, edited, line, order, page

LAST_YEAR = START - 365 * 24 * 3600 * SECOND
ABLE = SIMPLE | {Ability.BACKFILL}


@pytest.fixture
def shop(world: World) -> Channel:
    world.item("A", east=9)
    return world.channel(fake=Fake(abilities=ABLE))


@pytest.fixture
def asked(world: World, shop: Channel) -> int:
    id, new = ask_backfill(world.store, shop.id, instant(LAST_YEAR), instant(START), world.now)
    assert new
    return id


def old(number: str, days: int = 0, **more: Any) -> Any:
    return order(number, line(1, "A", 1), at=LAST_YEAR + days * 24 * 3600 * SECOND, **more)


def work(world: World, shop: Channel, **more: Any) -> Counts:
    world.later()
    return work_on_backfill(world.store, shop, world.clock, **more)


def stands(world: World, id: int) -> Backfill:
    return backfill_of(world.store, id)


def test_its_pages_are_taken_in_and_the_last_one_ends_it(world: World, shop: Channel, asked: int) -> None:
    connector(shop).past = [[page(old("1"), cursor="a"), page(old("2", 5), cursor="")]]
    before = world.channel_row().cursor
    assert work(world, shop).stored == 2
    found = stands(world, asked)
    assert (found.state, found.received, found.stored, found.done_at) == ("done", 2, 2, world.now)
    assert found.reached == LAST_YEAR + 5 * 24 * 3600 * SECOND
    assert world.channel_row().cursor == before
    assert world.channel_row().last_pull is None
    assert world.counts("1")["reserved"] == 1
    assert work(world, shop) == Counts()


def test_after_a_restart_it_goes_on_from_its_last_page(world: World, shop: Channel, asked: int) -> None:
    connector(shop).past = [[page(old("1"), cursor="a"), Unavailable("away")], [page(old("2"), cursor="")]]
    work(world, shop)
    assert stands(world, asked).state == "open"
    world.later(600)
    again = world.channel(fake=Fake(abilities=ABLE, past=[[page(old("2"), cursor="")]]))
    work(world, again)
    assert connector(again).cursors == ["a"]
    assert stands(world, asked).state == "done"


def test_a_page_and_how_far_it_has_come_are_one_transaction(
    world: World, shop: Channel, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector(shop).past = [[page(old("1"), cursor="a")]]

    def stumble(*_: object) -> None:
        raise RuntimeError("killed")

    monkeypatch.setattr("core.sync.take_in._resolve", stumble)
    with pytest.raises(RuntimeError):
        work(world, shop)
    assert world.rows("SELECT * FROM orders") == []
    assert stands(world, asked).received == 0


def test_a_budget_that_is_spent_makes_it_wait_and_nothing_else(world: World, shop: Channel, asked: int) -> None:
    connector(shop).past = [[Unavailable("the budget is spent", after=180)], [page(old("1"), cursor="")]]
    connector(shop).pulls = [[page()]]
    run_round(world.store, shop, {"shop": shop.settings}, world.clock)
    found = stands(world, asked)
    assert (found.state, found.due_at - world.now, found.reason) == ("open", 180 * SECOND, "the budget is spent")
    assert work(world, shop) == Counts()
    row = world.channel_row()
    world.store.transact(lambda tx: finished(tx, shop.id, shop.epoch, row, world.now + 10**12, world.now))
    assert world.channel_row().wake_at == found.due_at
    world.later(180)
    assert work(world, shop).stored == 1


def test_the_live_pull_comes_first_and_what_it_saw_stays(world: World, shop: Channel, asked: int) -> None:
    seen = old("1", version=7, currency="USD")
    connector(shop).pulls = [[page(seen)]]
    connector(shop).past = [
        [page(edited(seen, version=7, name="less"), cursor="a"), page(edited(seen, version=6), cursor="b"),
         page(edited(seen, version=8, name="newer"), cursor="")]
    ]  # fmt: skip
    run_round(world.store, shop, {"shop": shop.settings}, world.clock)
    calls = connector(shop).calls
    assert calls.index("pages") < calls.index("backfill")
    assert world.order("1").name == "newer"
    assert world.value("SELECT count(*) FROM documents") == 2


def test_of_equal_versions_what_the_live_pull_has_seen_stays(world: World, shop: Channel, asked: int) -> None:
    seen = old("1", version=7)
    world.take(shop, seen)
    connector(shop).past = [[page(edited(seen, version=7, name="less"), cursor="")]]
    assert work(world, shop).stored == 0
    assert world.order("1").name == "#1"


def test_a_live_look_at_an_equal_version_replaces_what_a_backfill_stored(
    world: World, shop: Channel, asked: int
) -> None:
    first = old("1", version=7)
    connector(shop).past = [[page(first, cursor="")]]
    work(world, shop)
    world.take(shop, edited(first, version=7, name="live"))
    assert world.order("1").name == "live"


def test_it_stops_between_two_pages_when_the_daemon_does(world: World, shop: Channel, asked: int) -> None:
    connector(shop).past = [[page(old("1"), cursor="a"), page(old("2"), cursor="")]]
    assert work(world, shop, stopping=lambda: True).stored == 1
    found = stands(world, asked)
    assert (found.state, found.due_at <= world.now + SECOND) == ("open", True)


def test_a_slice_ends_when_its_time_is_up(
    world: World, shop: Channel, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SLICE_SECONDS", 0.0)
    connector(shop).past = [[page(old("1"), cursor="a"), page(old("2"), cursor="")]]
    assert work(world, shop).stored == 1


def test_stopped_while_it_works_it_keeps_no_further_page(world: World, shop: Channel, asked: int) -> None:
    def pages() -> Any:
        yield page(old("1"), cursor="a")
        assert stop_backfill(world.store, shop.id, world.now)
        yield page(old("2"), cursor="")

    connector(shop).past = [pages()]  # type: ignore[list-item]
    work(world, shop)
    assert [row.number for row in world.rows("SELECT number FROM orders")] == ["1"]
    assert stands(world, asked).state == "stopped"


def test_what_the_channel_refuses_fails_it_with_what_to_do(world: World, shop: Channel, asked: int) -> None:
    connector(shop).past = [[Rejected("it keeps 180 days")]]
    run_round(world.store, shop, {"shop": shop.settings}, world.clock)
    found = stands(world, asked)
    assert (found.state, found.reason) == ("failed", "it keeps 180 days; mend it, then ask for the backfill again")


def test_refused_credentials_are_the_channels_trouble(world: World, shop: Channel, asked: int) -> None:
    connector(shop).past = [[Unauthorized("refused; renew them")]]
    with pytest.raises(Unauthorized):
        work(world, shop)
    assert stands(world, asked).state == "open"


def test_a_page_that_holds_an_unreadable_order_sets_it_aside(world: World, shop: Channel, asked: int) -> None:
    bad = Page(observations=(Observation(number="9", body=b"?"), *page(old("1")).observations), cursor="")
    connector(shop).past = [[bad]]
    work(world, shop)
    found = stands(world, asked)
    assert (found.state, found.stored, found.quarantined) == ("done", 1, 1)


def test_one_is_open_at_a_time(world: World, shop: Channel, asked: int) -> None:
    later = instant(LAST_YEAR) + timedelta(days=9)
    assert ask_backfill(world.store, shop.id, later, instant(START), world.now) == (asked, False)
