"""Backfills and roll calls: every order placed in a window, by what the live pull leaves of the searches."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import time_machine
from werkzeug.wrappers import Request, Response

from connectors.amazon import Amazon, history
from connectors.amazon.simulator import AmazonSimulator
from connectors.simulation import Fault
from core.budgets import USED
from core.errors import Rejected, Unavailable
from core.model import Page
from tests.connectors.amazon.conftest import Connect, hurried, order, seen
from tests.connectors.amazon.test_pull import answering

DAY = timedelta(days=1)
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
END = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def simulator() -> Iterator[AmazonSimulator]:
    """One whose searches are as good as unlimited: where it matters, `pace` limits them."""
    with hurried(pace=1e6) as running:
        assert isinstance(running, AmazonSimulator)
        yield running


def placed(simulator: AmazonSimulator, *instants: datetime) -> list[str]:
    return [simulator.place(order(("SKU-0", 1), placed_at=instant)) for instant in instants]


def asked(simulator: AmazonSimulator) -> list[dict[str, str]]:
    """What every search from now on asks for."""
    queries: list[dict[str, str]] = []
    answering(simulator, lambda request, response: (queries.append(request.args.to_dict()), response)[1])
    return queries


def filled(amazon: Amazon, cursor: str | None = None, since: datetime = BEGIN, until: datetime = END) -> list[Page]:
    return list(amazon.backfill(cursor, since=since, until=until))


def numbers(pages: list[Page]) -> list[str]:
    return [one.number for one in seen(pages)]


def test_a_window_is_searched_stretch_by_stretch_without_a_gap(simulator: AmazonSimulator, amazon: Amazon) -> None:
    all_of_them = placed(simulator, *(BEGIN + number * DAY for number in range(92)))
    queries = asked(simulator)
    pages = filled(amazon)
    assert numbers(pages) == all_of_them
    bounds = [(query["createdAfter"], query["createdBefore"]) for query in queries]
    assert [end for _, end in bounds][:-1] == [begin for begin, _ in bounds][1:]
    assert [datetime.fromisoformat(bounds[0][0]), datetime.fromisoformat(bounds[-1][1])] == [BEGIN, END]
    lengths = [datetime.fromisoformat(end) - datetime.fromisoformat(begin) for begin, end in bounds]
    assert lengths == [30 * DAY, 60 * DAY, 2 * DAY]  # few orders: twice as long
    assert all("PACKAGES" in query["includedData"] for query in queries)


def test_an_order_on_the_edge_belongs_to_the_window_that_begins_there(
    simulator: AmazonSimulator, amazon: Amazon
) -> None:
    before, first, last, after = placed(simulator, BEGIN - timedelta(microseconds=1), BEGIN, END - DAY, END)
    assert numbers(filled(amazon)) == [first, last]
    assert [one.number for one in amazon.roll_call(since=BEGIN, until=END)] == [first, last]
    assert numbers(filled(amazon, since=END, until=END + DAY)) == [after]
    assert numbers(filled(amazon, since=BEGIN - DAY, until=BEGIN)) == [before]


def test_many_orders_make_the_next_stretch_shorter(
    simulator: AmazonSimulator, amazon: Amazon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.amazon.history.MANY", 3)
    placed(simulator, *(BEGIN + number * timedelta(hours=1) for number in range(210)))
    queries = asked(simulator)
    filled(amazon)
    firsts = [query for query in queries if "paginationToken" not in query]
    lengths = [
        datetime.fromisoformat(query["createdBefore"]) - datetime.fromisoformat(query["createdAfter"])
        for query in firsts[:3]
    ]
    assert lengths == [30 * DAY, 15 * DAY, 30 * DAY]


def test_a_stretch_is_never_shorter_than_an_hour(simulator: AmazonSimulator, amazon: Amazon,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr("connectors.amazon.history.MANY", 1)
    monkeypatch.setattr("connectors.amazon.history.FEW", 0)
    monkeypatch.setattr("connectors.amazon.history.FIRST", 1 / 16)
    queries = asked(simulator)
    filled(amazon, since=BEGIN, until=BEGIN + DAY / 8)
    assert len(queries) == 3  # 90 minutes, an hour, the half hour that is left


def test_pages_of_a_stretch_are_asked_for_with_its_bounds_and_nothing_else_differs(
    simulator: AmazonSimulator, amazon: Amazon
) -> None:
    placed(simulator, *(BEGIN + timedelta(minutes=number) for number in range(230)))
    queries = asked(simulator)
    pages = filled(amazon)
    assert [len(page.observations) for page in pages][:3] == [100, 100, 30]
    tokens = [query.pop("paginationToken", "") for query in queries[:3]]
    assert queries[0] == queries[1] == queries[2]
    assert [bool(token) for token in tokens] == [False, True, True]


def test_every_cursor_resumes_in_another_process(simulator: AmazonSimulator, amazon: Amazon, connect: Connect) -> None:
    placed(simulator, *(BEGIN + timedelta(minutes=number) for number in range(230)), END - DAY)
    pages = filled(amazon)
    assert pages[-1].cursor == ""
    for at, page in enumerate(pages[:-1], start=1):
        assert numbers(filled(connect(simulator), page.cursor)) == numbers(pages[at:])


def test_a_token_that_has_expired_begins_its_stretch_again(simulator: AmazonSimulator, amazon: Amazon) -> None:
    all_of_them = placed(simulator, *(BEGIN + timedelta(minutes=number) for number in range(150)))
    first = next(amazon.backfill(None, since=BEGIN, until=END))
    queries = asked(simulator)
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=25), tick=True):
        pages = filled(amazon, first.cursor)
    assert numbers(pages) == all_of_them
    assert [bool(query.get("paginationToken")) for query in queries[:3]] == [True, False, True]
    assert json.loads(first.cursor)["before"] == queries[1]["createdBefore"]


def test_a_refusal_that_is_not_about_a_token_ends_the_backfill(simulator: AmazonSimulator, amazon: Amazon) -> None:
    answering(simulator, lambda request, response: Response('{"errors": []}', 400, mimetype="application/json"))
    with pytest.raises(Rejected):
        filled(amazon)
    with pytest.raises(Rejected):
        list(amazon.roll_call(since=BEGIN, until=END))


def test_the_end_of_a_window_that_is_still_young_is_not_named(simulator: AmazonSimulator, amazon: Amazon) -> None:
    now = datetime.now(UTC)
    (number,) = placed(simulator, now - DAY)
    for until in (now, now + DAY, now - timedelta(minutes=2, seconds=30)):
        queries = asked(simulator)
        assert numbers(filled(amazon, since=now - 2 * DAY, until=until)) == [number]
        assert "createdBefore" not in queries[0]
    queries = asked(simulator)
    filled(amazon, since=now - 2 * DAY, until=now - timedelta(minutes=4))
    assert "createdBefore" in queries[0]


def test_a_window_that_has_not_begun_asks_for_nothing(simulator: AmazonSimulator, amazon: Amazon) -> None:
    now = datetime.now(UTC)
    (page,) = filled(amazon, since=now + DAY, until=now + 2 * DAY)
    assert (page.observations, page.cursor) == ((), "")
    assert list(amazon.roll_call(since=now - timedelta(seconds=100), until=now + DAY)) == []
    assert simulator.calls["searchOrders"] == 0


def test_instants_of_another_zone_are_asked_for_in_utc(simulator: AmazonSimulator, amazon: Amazon) -> None:
    (number,) = placed(simulator, BEGIN)
    tokyo = datetime.fromisoformat("2026-03-01T09:00:00+09:00")
    queries = asked(simulator)
    assert numbers(filled(amazon, since=tokyo, until=END)) == [number]
    assert queries[0]["createdAfter"] == "2026-03-01T00:00:00.000000Z"


@pytest.mark.parametrize(
    "cursor", ["", "x", "{}", '{"after": "yesterday"}', '{"after": "2026-01-01T00:00:00Z", "x": 1}']
)
def test_a_position_that_is_none_says_what_to_do(amazon: Amazon, cursor: str) -> None:
    with pytest.raises(Rejected, match="cannot be read; begin anew"):
        filled(amazon, cursor)


def test_history_leaves_ten_searches_to_the_live_pull_and_goes_on_later(
    simulator: AmazonSimulator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    amazon = connect(simulator, pace=1.0)
    placed(simulator, *(BEGIN + timedelta(minutes=number) for number in range(1250)))
    for _ in range(2):
        with pytest.raises(Unavailable, match="nothing to spare") as raised:
            filled(amazon)
        assert raised.value.after == pytest.approx(180 / USED, abs=5)
    assert simulator.calls["searchOrders"] == 10
    monkeypatch.setattr("core.http.pause", lambda seconds: pytest.fail("the live pull waits"))
    for _ in range(10):
        next(amazon.pages(None))
    assert simulator.calls["searchOrders"] == 20


def test_a_backfill_that_was_broken_off_goes_on_from_its_last_page(
    simulator: AmazonSimulator, connect: Connect
) -> None:
    all_of_them = placed(simulator, *(BEGIN + timedelta(minutes=number) for number in range(1250)))
    backfill = connect(simulator, pace=1.0).backfill(None, since=BEGIN, until=END)
    pages = [next(backfill) for _ in range(10)]
    with pytest.raises(Unavailable, match="nothing to spare"):
        next(backfill)
    pages += filled(connect(simulator), pages[-1].cursor)
    assert numbers(pages) == all_of_them


def test_a_roll_call_asks_for_no_data_set_and_names_each_order_once(simulator: AmazonSimulator, amazon: Amazon) -> None:
    instants = [BEGIN + timedelta(minutes=number) for number in range(250)]
    all_of_them = placed(simulator, *instants)
    simulator.faults.set({Fault.REPEATED_PAGE: 0.5})
    queries = asked(simulator)
    called = list(amazon.roll_call(since=BEGIN, until=END))
    assert [one.number for one in called] == all_of_them
    assert [one.placed_at for one in called] == instants
    assert not any("includedData" in query for query in queries)


def test_a_roll_call_that_was_broken_off_spends_no_call_twice(simulator: AmazonSimulator, connect: Connect) -> None:
    amazon = connect(simulator, pace=1.0)
    all_of_them = placed(simulator, *(BEGIN + timedelta(minutes=number) for number in range(1250)))
    with pytest.raises(Unavailable):
        list(amazon.roll_call(since=BEGIN, until=END))
    assert simulator.calls["searchOrders"] == 10
    amazon._history._account = connect(simulator)._account  # a budget that has recovered
    called = list(amazon.roll_call(since=BEGIN, until=END))
    assert [one.number for one in called] == all_of_them
    assert simulator.calls["searchOrders"] == 13
    list(amazon.roll_call(since=BEGIN, until=END))  # it is done: the next one begins anew
    assert simulator.calls["searchOrders"] == 26


def test_another_window_is_not_taken_for_the_one_that_was_broken_off(
    simulator: AmazonSimulator, connect: Connect
) -> None:
    amazon = connect(simulator, pace=1.0)
    placed(simulator, *(BEGIN + timedelta(minutes=number) for number in range(1250)))
    (late,) = placed(simulator, END - DAY)
    with pytest.raises(Unavailable):
        list(amazon.roll_call(since=BEGIN, until=END))
    amazon._history._account = connect(simulator)._account
    assert [one.number for one in amazon.roll_call(since=END - 2 * DAY, until=END)] == [late]


def test_a_roll_call_begins_again_where_its_token_has_expired(simulator: AmazonSimulator, connect: Connect) -> None:
    amazon = connect(simulator, pace=1.0)
    all_of_them = placed(simulator, *(BEGIN + timedelta(minutes=number) for number in range(1250)))
    with pytest.raises(Unavailable):
        list(amazon.roll_call(since=BEGIN, until=END))
    amazon._history._account = connect(simulator)._account
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=25), tick=True):
        assert [one.number for one in amazon.roll_call(since=BEGIN, until=END)] == all_of_them


@pytest.mark.parametrize("missing", ["orderId", "createdTime"])
def test_an_order_a_roll_call_cannot_place_is_an_outage_not_an_absence(
    simulator: AmazonSimulator, amazon: Amazon, missing: str
) -> None:
    placed(simulator, BEGIN, BEGIN + DAY)

    def without(request: Request, response: Response) -> Response:
        body = msgspec.json.decode(response.get_data())
        for document in body["orders"][1:]:
            del document[missing]
        return Response(json.dumps(body), mimetype="application/json")

    answering(simulator, without)
    with pytest.raises(Unavailable, match="without its number or its instant"):
        list(amazon.roll_call(since=BEGIN, until=END))
    lacking = [one for one in seen(filled(amazon)) if missing not in json.loads(one.body)]
    assert len(lacking) == 1  # a backfill hands it on, to be told as a document that cannot be read


@pytest.mark.parametrize("read", [lambda it: list(it.backfill(None, since=BEGIN, until=END)),
                                  lambda it: list(it.roll_call(since=BEGIN, until=END))])  # fmt: skip
def test_pages_that_go_in_circles_end(
    simulator: AmazonSimulator, amazon: Amazon, read: Callable[[Amazon], object]
) -> None:
    placed(simulator, BEGIN)

    def circle(request: Request, response: Response) -> Response:
        body = msgspec.json.decode(response.get_data()) | {"pagination": {"nextToken": "the same"}}
        return (
            Response(json.dumps(body), 200, mimetype="application/json")
            if response.status_code == 200
            else Response(
                json.dumps({"orders": [], "pagination": {"nextToken": "the same"}}), mimetype="application/json"
            )
        )

    answering(simulator, circle)
    with pytest.raises(Unavailable, match="again and again"):
        read(amazon)


def test_what_history_can_read_in_an_hour_is_what_the_pulls_leave(simulator: AmazonSimulator, connect: Connect) -> None:
    def spare(pace: float, poll: int) -> int:
        return round(history.spare(connect(simulator, pace=pace, poll_seconds=poll).settings))

    assert [spare(1, 240), spare(1, 360), spare(1, 60), spare(10, 15)] == [516, 1016, 0, 0]
    assert spare(20, 15) == 16320
