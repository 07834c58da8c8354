"""Pulling orders: windows, pages, and everything that could lose one."""

from __future__ import annotations

import email.utils
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from werkzeug.wrappers import Request, Response

from connectors.simulation import Fault
from connectors.walmart import Walmart, windows
from connectors.walmart.simulator import WalmartSimulator
from core.errors import Rejected, Unavailable
from core.model import Fulfiller
from tests.connectors.walmart.conftest import Connect
from tests.connectors.walmart.trade import SKUS, place, pulled

pytestmark = pytest.mark.usefixtures("no_pauses")

Handle = Callable[[Request], Response]


def numbers(connector: Walmart, cursor: str | None = None, **since: datetime) -> list[str]:
    return [one.number for one in pulled(connector, cursor, **since)]


def last_cursor(connector: Walmart, cursor: str | None = None) -> str:
    return list(connector.pages(cursor))[-1].cursor


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "LIMIT", 2)


def answering(simulator: WalmartSimulator, monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], Any]) -> None:
    """Changes what the order list answers, as decoded JSON."""
    handle: Handle = simulator.handle

    def changed(request: Request) -> Response:
        response = handle(request)
        if request.path == "/v3/orders" and response.status_code == 200:
            response.set_data(json.dumps(change(json.loads(response.get_data()))))
        return response

    monkeypatch.setattr(simulator, "handle", changed)


def test_no_orders_is_an_empty_page_and_the_cursor_moves(connector: Walmart) -> None:
    pages = list(connector.pages(None))
    assert [page.observations for page in pages] == [()]
    assert json.loads(pages[0].cursor)["reached"] > 0


def test_a_pull_goes_through_each_ship_node_type_once(simulator: WalmartSimulator, connect: Connect) -> None:
    mine, theirs = place(simulator), place(simulator, by_channel=True)
    assert numbers(connect(ship_node_types=("SellerFulfilled",))) == [mine]
    assert simulator.calls["getAllOrders"] == 1
    both = connect(ship_node_types=("SellerFulfilled", "WFSFulfilled"))
    found = {one.number: both.normalize(one.body).fulfiller for one in pulled(both)}
    assert found == {mine: Fulfiller.MERCHANT, theirs: Fulfiller.CHANNEL}


@pytest.mark.usefixtures("small_pages")
def test_one_page_in_a_pull_moves_no_watermark_before_all_are_taken(
    simulator: WalmartSimulator, connector: Walmart
) -> None:
    for _ in range(5):
        place(simulator)
    pages = list(connector.pages(None))
    reached = [json.loads(page.cursor)["reached"] for page in pages]
    assert len(set(reached[:-1])) == 1
    assert reached[-1] > reached[0]


def test_a_change_of_an_order_older_than_a_week_is_seen(simulator: WalmartSimulator, connector: Walmart) -> None:
    old = place(simulator, placed_at=datetime.now(UTC) - timedelta(days=20))
    cursor = last_cursor(connector)
    assert old not in numbers(connector, cursor)
    simulator.cancel(old, sku=SKUS[0], quantity=1)
    assert numbers(connector, cursor) == [old]


def test_a_first_pull_reaches_back_as_far_as_walmart_does_and_no_farther(
    simulator: WalmartSimulator, connector: Walmart
) -> None:
    inside = place(simulator, placed_at=datetime.now(UTC) - timedelta(days=179))
    place(simulator, placed_at=datetime.now(UTC) - timedelta(days=181))
    assert numbers(connector, since=datetime(2020, 1, 1, tzinfo=UTC)) == [inside]


def test_a_search_too_large_is_cut_into_windows(
    simulator: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "LIMIT", 5)
    monkeypatch.setattr(windows, "LARGEST_SEARCH", 20)
    monkeypatch.setattr("connectors.walmart.simulator.order_desk.LARGEST_SEARCH", 20)
    now = datetime.now(UTC)
    placed = [place(simulator, placed_at=now - timedelta(hours=hour)) for hour in range(1, 100)]
    found = numbers(connector, since=now - timedelta(days=10))
    assert set(found) == set(placed)
    assert len(found) < 2 * len(placed)


def test_more_orders_in_a_moment_than_a_search_shows_is_said(
    simulator: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "LARGEST_SEARCH", 3)
    now = datetime.now(UTC)
    for _ in range(9):
        place(simulator, placed_at=now - timedelta(minutes=5))
    with pytest.raises(Unavailable, match="within seconds"):
        pulled(connector)


def test_an_order_that_leaves_a_closed_window_hides_no_other(
    simulator: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "LIMIT", 5)
    monkeypatch.setattr(windows, "LARGEST_SEARCH", 20)
    now = datetime.now(UTC)
    placed = [place(simulator, placed_at=now - timedelta(hours=hour)) for hour in range(1, 60)]
    found = []
    for at, page in enumerate(connector.pages(None, since=now - timedelta(days=10))):
        found += [one.number for one in page.observations]
        if at < 20 and page.observations:
            simulator.cancel(page.observations[0].number, sku=SKUS[0], quantity=1)
    assert set(found) == set(placed)


@pytest.mark.usefixtures("small_pages")
def test_a_page_that_comes_twice_costs_nothing(
    simulator: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = {place(simulator) for _ in range(9)}
    once = iter([True])
    strikes = simulator.faults.strikes
    monkeypatch.setattr(
        simulator.faults,
        "strikes",
        lambda fault: next(once, False) if fault is Fault.REPEATED_PAGE else strikes(fault),
    )
    assert set(numbers(connector)) == placed


@pytest.mark.usefixtures("small_pages")
def test_a_list_that_repeats_its_pages_for_ever_is_an_outage(simulator: WalmartSimulator, connector: Walmart) -> None:
    for _ in range(9):
        place(simulator)
    simulator.faults.set({Fault.REPEATED_PAGE: 1.0})
    with pytest.raises(Unavailable, match="does not get on"):
        pulled(connector)


@pytest.mark.usefixtures("small_pages")
def test_a_list_that_names_the_same_page_again_is_an_outage(
    simulator: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(9):
        place(simulator)
    named: list[str] = []

    def stuck(answer: Any) -> Any:
        named.append(answer["list"]["meta"].get("nextCursor", ""))
        answer["list"]["meta"]["nextCursor"] = named[0]
        return answer

    answering(simulator, monkeypatch, stuck)
    with pytest.raises(Unavailable, match="named again"):
        pulled(connector)


@pytest.mark.usefixtures("small_pages")
def test_an_empty_page_with_a_next_one_is_not_the_end(
    simulator: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = [place(simulator) for _ in range(6)]
    hidden: list[Any] = []

    def without_its_orders(answer: Any) -> Any:
        if not hidden:
            hidden.extend(answer["list"]["elements"]["order"])
            answer["list"]["elements"]["order"] = []
        return answer

    answering(simulator, monkeypatch, without_its_orders)
    found = numbers(connector)
    assert set(found) == set(placed) - {order["purchaseOrderId"] for order in hidden}
    assert len(found) == 4


@pytest.mark.usefixtures("small_pages")
def test_the_next_page_is_the_vendors_own_query_string(
    simulator: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        place(simulator)
    asked: list[str] = []
    handle: Handle = simulator.handle

    def seen(request: Request) -> Response:
        if request.path == "/v3/orders":
            asked.append(request.query_string.decode())
        return handle(request)

    monkeypatch.setattr(simulator, "handle", seen)
    pulled(connector)
    assert asked[1].startswith("lastModifiedStartDate=")
    assert "hasMoreElements=true" in asked[1]
    assert "nextCursor" not in asked[1]


@pytest.mark.usefixtures("small_pages")
def test_a_place_walmart_has_forgotten_is_searched_anew(simulator: WalmartSimulator, connect: Connect) -> None:
    placed = {place(simulator) for _ in range(7)}
    page = next(iter(connect().pages(None)))
    simulator._orders._named.clear()
    rest = numbers(connect(), page.cursor)
    assert {one.number for one in page.observations} | set(rest) == placed


@pytest.mark.usefixtures("small_pages")
def test_a_place_from_long_ago_is_searched_anew(
    simulator: WalmartSimulator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the vendor counted then has moved: going on at the same number would pass over some.
    placed = {place(simulator, placed_at=datetime.now(UTC) - timedelta(days=1)) for _ in range(7)}
    connector = connect(overlap_seconds=0)
    cursor = next(iter(connector.pages(None))).cursor
    assert set(numbers(connector, cursor)) < placed
    monkeypatch.setattr(windows, "STALE", 60)
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=2), tick=True):
        assert set(numbers(connector, cursor)) == placed


def test_a_clock_that_is_ahead_of_walmarts_loses_nothing(
    simulator: WalmartSimulator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hour_behind() -> datetime:
        return datetime.now(UTC) - timedelta(hours=1)

    monkeypatch.setattr(simulator, "now", hour_behind)
    monkeypatch.setattr(
        "connectors.simulation._Handler.date_time_string",
        lambda *_: email.utils.format_datetime(hour_behind(), usegmt=True),
    )
    connector = connect(overlap_seconds=0)
    cursor = last_cursor(connector)
    number = place(simulator)
    assert number in numbers(connector, cursor)


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        '{"list":{}}',
        '{"list":{"meta":{},"elements":null}}',
        '{"list":{"meta":{"totalCount":3},"elements":{}}}',
        "[]",
    ],
)
def test_an_answer_without_its_list_is_never_an_empty_page(
    simulator: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    place(simulator)
    answering(simulator, monkeypatch, lambda answer: json.loads(body))
    with pytest.raises(Unavailable):
        pulled(connector)


def test_a_404_that_does_not_say_nothing_matches_is_no_empty_page(
    simulator: WalmartSimulator, connect: Connect
) -> None:
    with pytest.raises(Rejected, match="base_url"):
        pulled(connect(base_url=f"{simulator.base_url}/elsewhere"))


def test_an_order_that_cannot_be_read_does_not_hold_its_page_up(
    simulator: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = place(simulator)
    place(simulator)

    def spoil(answer: Any) -> Any:
        for order in answer["list"]["elements"]["order"]:
            if order["purchaseOrderId"] != good:
                order["purchaseOrderId"] = 5
        return answer

    answering(simulator, monkeypatch, spoil)
    assert sorted(numbers(connector)) == ["", good]
