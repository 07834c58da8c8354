"""Pulling orders: windows, tokens, and answers that are none."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice

import httpx
import msgspec
import pytest
import time_machine
from werkzeug.wrappers import Request, Response

from connectors.amazon import Amazon
from connectors.amazon.client import _answered
from connectors.amazon.simulator import AmazonSimulator
from connectors.simulation import Fault
from core.errors import NotFound, Rejected, Unauthorized, Unavailable
from tests.connectors.amazon.conftest import Connect, hurried, order, seen

Handler = Callable[[Request], Response]


def answering(simulator: AmazonSimulator, replace: Callable[[Request, Response], Response]) -> None:
    """Lets `replace` exchange the simulator's answers to searches."""
    handle: Handler = simulator.handle

    def handled(request: Request) -> Response:
        response = handle(request)
        return replace(request, response) if request.path.endswith("/orders") else response

    simulator.handle = handled  # type: ignore[method-assign]


def place(simulator: AmazonSimulator, count: int) -> list[str]:
    return [simulator.place(order()) for _ in range(count)]


def until(cursor: str) -> datetime:
    return datetime.fromisoformat(json.loads(cursor)["until"])


def test_every_order_is_seen_once_over_several_pages(simulator: AmazonSimulator, amazon: Amazon) -> None:
    numbers = place(simulator, 230)
    pages = list(amazon.pages(None))
    assert [len(page.observations) for page in pages] == [100, 100, 30]
    assert [observation.number for observation in seen(pages)] == numbers


def test_a_document_is_kept_byte_for_byte(simulator: AmazonSimulator, amazon: Amazon) -> None:
    place(simulator, 1)
    bodies: list[bytes] = []

    def spaced(request: Request, response: Response) -> Response:
        found = msgspec.json.decode(response.get_data())["orders"]
        bodies.extend(json.dumps(each, indent=3).encode() for each in found)
        return Response(b'{"orders": [' + b" , ".join(bodies) + b'], "lastUpdatedBefore": "2026-01-01T00:00:00Z"}',
                        mimetype="application/json")  # fmt: skip

    answering(simulator, spaced)
    assert [observation.body for observation in seen(list(amazon.pages(None)))] == bodies


def test_the_next_pull_begins_at_the_end_amazon_named_less_the_overlap(
    simulator: AmazonSimulator, connect: Connect
) -> None:
    amazon = connect(simulator, overlap_seconds=90)
    asked: list[str] = []
    answering(simulator, lambda request, response: (asked.append(request.args["lastUpdatedAfter"]), response)[1])
    (page,) = amazon.pages(None)
    list(amazon.pages(page.cursor))
    assert datetime.fromisoformat(asked[1]) == until(page.cursor) - timedelta(seconds=90)
    assert all(text.endswith("Z") for text in asked)


def test_no_end_of_the_window_is_asked_for(simulator: AmazonSimulator, amazon: Amazon) -> None:
    asked: list[dict[str, str]] = []
    answering(simulator, lambda request, response: (asked.append(request.args.to_dict()), response)[1])
    list(amazon.pages(None))
    assert not {"lastUpdatedBefore", "createdBefore"} & asked[0].keys()


def test_all_parameters_of_a_search_stay_the_same_from_page_to_page(simulator: AmazonSimulator, amazon: Amazon) -> None:
    place(simulator, 201)
    asked: list[dict[str, str]] = []
    answering(simulator, lambda request, response: (asked.append(request.args.to_dict()), response)[1])
    list(amazon.pages(None))
    assert len({each.pop("paginationToken", "") for each in asked}) == 3
    assert asked[0] == asked[1] == asked[2]


def test_an_order_too_fresh_for_amazons_list_comes_with_a_later_pull(connect: Connect) -> None:
    with hurried(data_lag_seconds=0.4) as simulator:
        assert isinstance(simulator, AmazonSimulator)
        amazon = connect(simulator)
        number = simulator.place(order())
        (page,) = amazon.pages(None)
        assert page.observations == ()
        simulator.orders.lag = 0.0
        assert [each.number for each in seen(list(amazon.pages(page.cursor)))] == [number]


def test_a_pull_in_the_middle_of_a_window_goes_on_and_catches_up(simulator: AmazonSimulator, amazon: Amazon) -> None:
    numbers = place(simulator, 150)
    cursor = next(iter(amazon.pages(None))).cursor
    late = simulator.place(order())
    found = [observation.number for observation in seen(list(amazon.pages(cursor)))]
    assert found[:50] == numbers[100:]
    assert late in found


def test_a_token_that_has_expired_starts_its_window_again(simulator: AmazonSimulator, amazon: Amazon) -> None:
    numbers = place(simulator, 150)
    cursor = next(iter(amazon.pages(None))).cursor
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=25), tick=True):
        pages = list(amazon.pages(cursor))
    assert {observation.number for observation in seen(pages)} == set(numbers)


def test_an_empty_page_with_a_token_is_not_the_end(simulator: AmazonSimulator, amazon: Amazon) -> None:
    place(simulator, 130)

    def emptied(request: Request, response: Response) -> Response:
        if "paginationToken" in request.args:
            return response
        body = msgspec.json.decode(response.get_data())
        return Response(json.dumps({**body, "orders": []}), mimetype="application/json")

    answering(simulator, emptied)
    assert [len(page.observations) for page in amazon.pages(None)] == [0, 30]


def test_a_page_served_twice_is_passed_over(simulator: AmazonSimulator, amazon: Amazon) -> None:
    numbers = place(simulator, 250)
    simulator.faults.set({Fault.REPEATED_PAGE: 1.0})
    pages = list(amazon.pages(None))
    assert [len(page.observations) for page in pages] == [100, 100, 100, 100, 50]
    assert {observation.number for observation in seen(pages)} == set(numbers)


@pytest.mark.parametrize("fresh_tokens", [True, False])
def test_paging_that_does_not_get_on_ends_as_unavailable(
    simulator: AmazonSimulator, amazon: Amazon, fresh_tokens: bool
) -> None:
    place(simulator, 1)
    count = iter(range(10_000))

    def again(request: Request, response: Response) -> Response:
        body = msgspec.json.decode(response.get_data())
        body["pagination"] = {"nextToken": f"token-{next(count) if fresh_tokens else 0}"}
        return Response(json.dumps(body), mimetype="application/json")

    first = json.dumps({"orders": [], "lastUpdatedBefore": "2026-01-01T00:00:00Z"})
    page: list[Response] = []

    def replayed(request: Request, response: Response) -> Response:
        if response.status_code == 200:
            page.append(response)
        return again(request, page[0] if page else Response(first))

    answering(simulator, replayed)
    with pytest.raises(Unavailable, match="again and again"):
        list(islice(amazon.pages(None), 50))  # else it would have no end


def test_empty_pages_under_one_token_end_as_unavailable(simulator: AmazonSimulator, amazon: Amazon) -> None:
    same = b'{"orders": [], "pagination": {"nextToken": "same"}}'
    answering(simulator, lambda request, response: Response(same, mimetype="application/json"))
    with pytest.raises(Unavailable, match="again and again"):
        list(islice(amazon.pages(None), 50))  # else it would have no end


def test_an_unreadable_order_is_observed_all_the_same(simulator: AmazonSimulator, amazon: Amazon) -> None:
    (number,) = place(simulator, 1)

    def spoilt(request: Request, response: Response) -> Response:
        body = msgspec.json.decode(response.get_data())
        body["orders"] += [{"orderId": 7}, "nothing", {"orderId": "111-0000000-0000001"}]
        return Response(json.dumps(body), mimetype="application/json")

    answering(simulator, spoilt)
    (page,) = amazon.pages(None)
    assert [each.number for each in page.observations] == [number, "", "", "111-0000000-0000001"]


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"orders": null}',
        b'{"orders": {}}',
        b"[]",
        b"",
        b'{"payload": {"orders": []}}',
        b'{"orders": [], "lastUpdatedBefore": "soon"}',
    ],
)
@pytest.mark.usefixtures("no_pauses")
def test_an_answer_without_its_list_or_its_end_is_never_an_empty_page(
    simulator: AmazonSimulator, amazon: Amazon, body: bytes
) -> None:
    answering(simulator, lambda request, response: Response(body, mimetype="application/json"))
    with pytest.raises(Unavailable):
        list(amazon.pages(None))


def test_an_end_that_is_not_named_is_taken_from_amazons_clock(simulator: AmazonSimulator, amazon: Amazon) -> None:
    answering(simulator, lambda request, response: Response(b'{"orders": []}', mimetype="application/json"))
    (page,) = amazon.pages(None)
    age = datetime.now(UTC) - until(page.cursor)
    assert timedelta(minutes=3) <= age < timedelta(minutes=4)
    dated = httpx.Response(200, headers={"date": "Fri, 27 Nov 2026 12:00:00 GMT"})
    assert _answered(dated) == "2026-11-27T11:57:00.000000Z"  # whatever our own clock says


def test_the_watermark_never_goes_back(simulator: AmazonSimulator, amazon: Amazon) -> None:
    def early(request: Request, response: Response) -> Response:
        return Response(b'{"orders": [], "lastUpdatedBefore": "2020-01-01T00:00:00Z"}', mimetype="application/json")

    (page,) = amazon.pages(None)
    answering(simulator, early)
    (later,) = amazon.pages(page.cursor)
    assert until(later.cursor) == until(page.cursor)


@pytest.mark.parametrize(
    ("status", "body", "kind", "raised"),
    [
        (503, b"<html>Service Unavailable</html>", "text/html", Unavailable),
        (500, b"", "application/json", Unavailable),
        (200, b"<html>Maintenance</html>", "text/html", Unavailable),
        (429, b'{"message": "Too many requests"}', "application/json", Unavailable),
        (403, b'{"message": "Forbidden"}', "application/json", Unauthorized),
        (404, b"{}", "application/json", Unavailable),
        (400, b'{"errors": []}', "application/json", Rejected),
    ],
)
@pytest.mark.usefixtures("no_pauses")
def test_a_failure_is_raised_and_never_reads_as_no_orders(
    simulator: AmazonSimulator,
    amazon: Amazon,
    status: int,
    body: bytes,
    kind: str,
    raised: type[Exception],
) -> None:
    answering(simulator, lambda request, response: Response(body, status, content_type=kind))
    with pytest.raises(raised):
        list(amazon.pages(None))


@pytest.mark.parametrize("cursor", ["", "{}", "nonsense", '{"until": "yesterday"}', '{"unknown": 1}'])
def test_a_cursor_that_is_none_says_what_to_do(amazon: Amazon, cursor: str) -> None:
    with pytest.raises(Rejected, match="resync"):
        list(amazon.pages(cursor))


def test_fetching_gives_the_order_as_it_stands(simulator: AmazonSimulator, amazon: Amazon) -> None:
    (number,) = place(simulator, 1)
    simulator.cancel(number, sku="SKU-0", quantity=1)
    assert [line.cancelled for line in amazon.normalize(amazon.fetch(number).body).lines] == [1, 0]


@pytest.mark.parametrize("number", ["", "7", "../../feeds/2021-06-30/feeds", "111-1111111-1111111"])
def test_an_order_amazon_does_not_know_is_not_found(amazon: Amazon, number: str) -> None:
    with pytest.raises(NotFound):
        amazon.fetch(number)
