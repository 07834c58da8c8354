"""The past at Walmart: backfills and roll calls, within what a search shows, behind the live pull."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from connectors.walmart import Walmart, history, windows
from connectors.walmart.simulator import WalmartSimulator
from core.errors import Rejected, Unavailable
from core.http import sparing
from core.model import Page
from tests.connectors.walmart.conftest import Connect
from tests.connectors.walmart.trade import SKUS, place

pytestmark = pytest.mark.usefixtures("no_pauses")

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


def filled(connector: Walmart, since: datetime, until: datetime, cursor: str | None = None) -> list[Page]:
    return list(connector.backfill(cursor, since=since, until=until))


def numbers(pages: list[Page]) -> list[str]:
    return [one.number for page in pages for one in page.observations]


def test_a_backfill_shows_what_was_placed_then_whatever_has_changed_since(
    simulator: WalmartSimulator, connector: Walmart
) -> None:
    before, first, last, after = (place(simulator, placed_at=NOW - days * DAY) for days in (11, 10, 5, 4))
    simulator.cancel(first)
    theirs = place(simulator, by_channel=True, placed_at=NOW - 7 * DAY)
    found = filled(connector, NOW - 10 * DAY, NOW - 4 * DAY)
    assert set(numbers(found)) == {first, last, theirs}
    assert found[-1].cursor == ""
    assert before not in numbers(found)
    assert after not in numbers(found)


def test_a_window_with_nothing_in_it_is_done_all_the_same(simulator: WalmartSimulator, connector: Walmart) -> None:
    place(simulator)
    pages = filled(connector, NOW - 3 * DAY, NOW - 2 * DAY)
    assert [(page.observations, page.cursor) for page in pages] == [((), "")]


def test_a_window_is_exact_to_the_instant(simulator: WalmartSimulator, connector: Walmart) -> None:
    since = NOW.replace(microsecond=500_000) - DAY
    until = since + timedelta(seconds=2)
    inside = {
        place(simulator, placed_at=at) for at in (since, since + timedelta(seconds=1), until - timedelta(0, 0, 1000))
    }
    for at in (since - timedelta(0, 0, 1000), until, until + timedelta(0, 0, 400_000)):
        place(simulator, placed_at=at)
    assert set(numbers(filled(connector, since, until))) == inside
    assert {one.number for one in connector.roll_call(since=since, until=until)} == inside


def test_a_window_that_holds_too_much_is_cut(
    simulator: WalmartSimulator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "LIMIT", 5)
    monkeypatch.setattr(windows, "LARGEST_SEARCH", 20)
    monkeypatch.setattr("connectors.walmart.simulator.order_desk.LARGEST_SEARCH", 20)
    placed = {place(simulator, placed_at=NOW - timedelta(hours=hour)) for hour in range(1, 100)}
    connector = connect(ship_node_types=("SellerFulfilled",))
    pages = filled(connector, NOW - 10 * DAY, NOW)
    assert set(numbers(pages)) == placed
    assert [page.cursor for page in pages].count("") == 1
    called = [one.number for one in connector.roll_call(since=NOW - 10 * DAY, until=NOW)]
    assert sorted(called) == sorted(placed)


def test_a_backfill_goes_on_days_later(
    simulator: WalmartSimulator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "LIMIT", 2)
    placed = [place(simulator, placed_at=NOW - timedelta(hours=hour)) for hour in range(1, 8)]
    connector = connect(ship_node_types=("SellerFulfilled",))
    first = next(iter(connector.backfill(None, since=NOW - DAY, until=NOW)))
    with time_machine.travel(datetime.now(UTC) + 3 * DAY):
        rest = filled(connect(ship_node_types=("SellerFulfilled",)), NOW - DAY, NOW, first.cursor)
    assert set(numbers([first, *rest])) == set(placed)
    assert rest[-1].cursor == ""


def test_what_lies_beyond_walmarts_reach_is_said(simulator: WalmartSimulator, connector: Walmart) -> None:
    with pytest.raises(Rejected, match=r"the last 180 days, so nothing before .* can be read; ask since 20"):
        filled(connector, NOW - 400 * DAY, NOW)
    just = place(simulator, placed_at=NOW - 179 * DAY)
    assert numbers(filled(connector, NOW - 180 * DAY, NOW)) == [just]
    assert [page.cursor for page in filled(connector, NOW - 180 * DAY, NOW - 180 * DAY)] == [""]
    assert [one.number for one in connector.roll_call(since=NOW - 400 * DAY, until=NOW)] == [just]
    assert list(connector.roll_call(since=NOW - 400 * DAY, until=NOW - 300 * DAY)) == []


def test_a_backfill_begun_in_time_is_finished_when_its_beginning_is_out_of_reach(
    simulator: WalmartSimulator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "LIMIT", 1)
    placed = [place(simulator, placed_at=NOW - days * DAY) for days in (10, 20, 30)]
    connector = connect(ship_node_types=("SellerFulfilled",))
    first = next(iter(connector.backfill(None, since=NOW - 179 * DAY, until=NOW)))
    with time_machine.travel(datetime.now(UTC) + 5 * DAY):
        rest = filled(connect(ship_node_types=("SellerFulfilled",)), NOW - 179 * DAY, NOW, first.cursor)
    assert set(numbers([first, *rest])) == set(placed)


def test_history_leaves_the_budget_to_the_live_pull(
    simulator: WalmartSimulator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(simulator)
    monkeypatch.setattr(history, "KEPT", 5_000)
    connector = connect()
    for read in (
        lambda: filled(connector, NOW - DAY, NOW),
        lambda: list(connector.roll_call(since=NOW - DAY, until=NOW)),
    ):
        with pytest.raises(Unavailable, match="nothing to spare"):
            read()
    assert len(list(connector.pages(None))) >= 1
    with sparing(29):  # the token's own budget is no part of this
        assert list(connect().pages(None))


def test_a_roll_call_says_when_each_was_placed(simulator: WalmartSimulator, connector: Walmart) -> None:
    at = NOW.replace(microsecond=0) - DAY
    number = place(simulator, (SKUS[0], 1), placed_at=at)
    (one,) = connector.roll_call(since=at, until=NOW)
    assert (one.number, one.placed_at) == (number, at)
