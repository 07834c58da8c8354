"""The past: gathered in bulk or paged through, resumable, and the very documents that a query gives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from connectors.shopify import Shopify, backfill, bulk, reading
from connectors.shopify.simulator import ShopifySimulator
from core.errors import Unavailable
from core.model import Page
from tests.connectors.shopify.given import EAST, WEST, connector, order_of, parcel

DAY = timedelta(days=1)
SINCE = datetime(2025, 3, 1, tzinfo=UTC)
UNTIL = SINCE + 20 * DAY


@pytest.fixture(autouse=True)
def in_bulk(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few there are, and without waiting."""
    monkeypatch.setattr(backfill, "FEW", 0)
    monkeypatch.setattr(backfill, "PAGE", 3)
    monkeypatch.setattr("core.http.pause", lambda seconds: None)


@pytest.fixture
def past(simulator: ShopifySimulator) -> list[str]:
    """Twenty orders, a day apart, and what became of them."""
    shop = connector(simulator)
    numbers = [simulator.place(order_of(("MUG-1", 2), ("TEE-2", 1), placed_at=SINCE + at * DAY)) for at in range(20)]
    orders = [shop.normalize(shop.fetch(number).body) for number in numbers]
    whole = {line.number: line.ordered for line in orders[1].lines}
    list(shop.push_tracking([parcel(orders[1], "WHOLE", lines=whole)]))
    list(shop.push_tracking([parcel(orders[2], "PART", units=1)]))
    list(shop.push_tracking([parcel(orders[3], "ONE", units=1), parcel(orders[3], "TWO", units=1)]))
    simulator.cancel(numbers[4])
    simulator.cancel(numbers[5], sku="MUG-1", quantity=1)
    list(shop.push_tracking([parcel(orders[6], "GONE", units=1)]))
    simulator.shop.orders[numbers[6]].shipped[0].status = "CANCELLED"
    return numbers


def filled(simulator: ShopifySimulator, shop: Shopify, cursor: str | None = None, **window: Any) -> list[Page]:
    """All pages, asked again for as long as Shopify takes its time."""
    given = {"since": SINCE, "until": UNTIL} | window
    pages: list[Page] = []
    for _ in range(200):
        for page in shop.backfill(cursor, **given):
            pages.append(page)
            cursor = page.cursor
            if not cursor:
                return pages
        simulator.settle_feeds()
    raise AssertionError("no backfill ever ended")


def numbers_of(pages: list[Page]) -> list[str]:
    return [seen.number for page in pages for seen in page.observations]


@pytest.mark.parametrize("places", [{}, {"east": EAST, "west": WEST}])
def test_each_order_is_the_one_that_a_query_gives(
    simulator: ShopifySimulator, past: list[str], places: dict[str, str]
) -> None:
    shop = connector(simulator, locations=places)
    pages = filled(simulator, shop)
    assert numbers_of(pages) == past
    for page in pages:
        for seen in page.observations:
            assert shop.normalize(seen.body) == shop.normalize(shop.fetch(seen.number).body)
    assert simulator.calls["bulkOperationRunQuery"] == 1
    assert simulator.bulk.served == 1


def test_only_what_bulk_cannot_tell_is_read_and_several_at_once(
    simulator: ShopifySimulator, shop: Shopify, past: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "PAGE", 100)
    simulator.calls.clear()
    filled(simulator, shop)
    assert simulator.calls["nodes"] == 1, "two parcels, two refunds: three orders"
    assert simulator.calls["orders"] == simulator.calls["order"] == 0
    assert past


def test_rows_may_come_in_any_order(
    simulator: ShopifySimulator, past: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = connector(simulator, locations={"east": EAST, "west": WEST})
    grouped = numbers_of(filled(simulator, shop)), [shop.normalize(shop.fetch(one).body) for one in past]
    monkeypatch.setattr(bulk, "RUN", bulk.RUN.replace("groupObjects: true", "groupObjects: false"))
    pages = filled(simulator, connector(simulator, locations={"east": EAST, "west": WEST}))
    loose = [shop.normalize(seen.body) for page in pages for seen in page.observations]
    assert (numbers_of(pages), loose) == grouped


def rows(*parcels: str, current: int = 2) -> bytes:
    """The file of one order with two units of a line, one of them fulfilled, as it comes."""
    order = {"id": "gid://shopify/Order/1", "refunds": [], "fulfillments": [{"id": "f", "status": s} for s in parcels]}
    line = {"id": "gid://shopify/LineItem/1", "quantity": 2, "currentQuantity": current, "unfulfilledQuantity": 1}
    return b"\n".join(msgspec.json.encode(row) for row in (order, line | {"__parentId": order["id"]}))


def test_what_was_taken_off_makes_an_order_thin_only_where_something_left() -> None:
    def thin(*parcels: str, current: int = 2) -> bool:
        (one,) = bulk.gather(rows(*parcels, current=current), places=False)
        return one.thin

    assert (thin("SUCCESS"), thin("SUCCESS", current=1), thin(current=1)) == (False, True, False)
    assert (thin("CANCELLED"), thin("CANCELLED", "SUCCESS"), thin("TELEPORTED")) == (False, False, True)
    (one,) = bulk.gather(rows("CANCELLED", "SUCCESS"), places=False)
    assert [len(parcel["fulfillmentLineItems"]["nodes"]) for parcel in one.document["fulfillments"]] == [0, 1]


def test_an_order_that_was_deleted_meanwhile_is_left_out(simulator: ShopifySimulator, shop: Shopify) -> None:
    number = simulator.place(order_of(("MUG-1", 1)))
    there = f"gid://shopify/Order/{number}"
    assert reading.wholes(shop._graph, ["gid://shopify/Order/1", there], places=False).keys() == {there}


def test_a_slice_holds_no_more_than_one_operation_should(
    simulator: ShopifySimulator, shop: Shopify, past: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "MOST", 6)
    assert numbers_of(filled(simulator, shop)) == past
    assert 4 <= simulator.calls["bulkOperationRunQuery"] <= 10


def test_every_cursor_resumes_in_a_fresh_instance(
    simulator: ShopifySimulator, shop: Shopify, past: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "MOST", 12)
    pages = filled(simulator, shop)
    for at, page in enumerate(pages[:-1], start=1):
        later = numbers_of(pages[at:])
        again = numbers_of(filled(simulator, connector(simulator), page.cursor))
        assert set(later) <= set(again), at
    assert past


def test_while_shopify_gathers_the_iteration_ends_and_goes_on_later(
    simulator: ShopifySimulator, shop: Shopify, past: list[str]
) -> None:
    simulator.bulk.seconds = 1e9
    (page,) = shop.backfill(None, since=SINCE, until=UNTIL)
    assert (page.observations, bool(page.cursor)) == ((), True)
    assert list(shop.backfill(page.cursor, since=SINCE, until=UNTIL)) == []
    simulator.settle_feeds()
    assert numbers_of(filled(simulator, connector(simulator), page.cursor)) == past
    assert simulator.calls["bulkOperationRunQuery"] == 1


def test_a_turn_that_ends_early_does_not_fetch_the_file_again(
    simulator: ShopifySimulator, shop: Shopify, past: list[str]
) -> None:
    cursor: str | None = None
    found: list[str] = []
    for _ in range(100):
        page = next(iter(shop.backfill(cursor, since=SINCE, until=UNTIL)), None)
        simulator.settle_feeds()
        if page is not None:
            found += numbers_of([page])
            cursor = page.cursor
        if cursor == "":
            break
    assert (found, simulator.bulk.served) == (past, 1)


@pytest.mark.parametrize("lines", [0, 1, 4, 17, 30, 40])
def test_what_a_failed_operation_gathered_is_taken_and_the_rest_tried_again(
    simulator: ShopifySimulator, shop: Shopify, past: list[str], lines: int
) -> None:
    simulator.bulk.failures = [("TIMEOUT", lines)]
    pages = filled(simulator, shop)
    assert set(numbers_of(pages)) == set(past)
    for page in pages:
        for seen in page.observations:
            assert len(shop.normalize(seen.body).lines) == 2, "no order lacks a line"


def test_operations_that_always_fail_end_in_paging(simulator: ShopifySimulator, shop: Shopify, past: list[str]) -> None:
    simulator.bulk.failures = [("INTERNAL_SERVER_ERROR", 0)] * 1000
    assert set(numbers_of(filled(simulator, shop))) == set(past)


def test_a_file_that_is_gone_is_gathered_anew_and_then_paged(
    simulator: ShopifySimulator, shop: Shopify, past: list[str]
) -> None:
    (page,) = shop.backfill(None, since=SINCE, until=UNTIL)
    simulator.settle_feeds()
    simulator.bulk.expire()
    assert numbers_of(filled(simulator, shop, page.cursor)) == past
    assert simulator.calls["bulkOperationRunQuery"] == 2
    simulator.bulk.serve = lambda request: _gone()  # type: ignore[method-assign]
    assert set(numbers_of(filled(simulator, connector(simulator)))) == set(past)
    assert simulator.calls["bulkOperationRunQuery"] == 5


def _gone() -> Any:
    from werkzeug.wrappers import Response

    return Response("<Error/>", 403, mimetype="text/xml")


def test_an_operation_shopify_has_forgotten_is_asked_for_anew(
    simulator: ShopifySimulator, shop: Shopify, past: list[str]
) -> None:
    (page,) = shop.backfill(None, since=SINCE, until=UNTIL)
    simulator.settle_feeds()
    for id_ in [one for one in simulator.shop.nodes if "BulkOperation" in one]:
        del simulator.shop.nodes[id_]
    assert numbers_of(filled(simulator, shop, page.cursor)) == past


def test_where_bulk_is_refused_the_past_is_paged_through(
    simulator: ShopifySimulator, shop: Shopify, past: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulator.bulk, "_wrong", lambda query: "This app may not")
    pages = filled(simulator, shop)
    assert numbers_of(pages) == past
    assert simulator.calls["orders"] > 0
    for at, page in enumerate(pages[:-1], start=1):
        again = numbers_of(filled(simulator, connector(simulator), page.cursor))
        assert set(numbers_of(pages[at:])) <= set(again)


def test_where_five_are_under_way_it_waits(simulator: ShopifySimulator, shop: Shopify, past: list[str]) -> None:
    for _ in range(5):
        simulator.bulk.ask(bulk.query("", places=False), grouped=True)
    with pytest.raises(Unavailable) as raised:
        list(shop.backfill(None, since=SINCE, until=UNTIL))
    assert raised.value.after == 60.0
    simulator.settle_feeds()
    assert numbers_of(filled(simulator, shop)) == past


def test_a_file_that_comes_cut_off_is_an_outage(
    simulator: ShopifySimulator, shop: Shopify, past: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from werkzeug.wrappers import Response

    (page,) = shop.backfill(None, since=SINCE, until=UNTIL)
    simulator.settle_feeds()
    serve = simulator.bulk.serve
    for cut in (lambda body: body[: len(body) // 2], lambda body: b"\n".join(body.split(b"\n")[:9]) + b"\n"):
        monkeypatch.setattr(
            simulator.bulk,
            "serve",
            lambda request, cut=cut: Response(cut(serve(request).get_data()), mimetype="application/jsonl"),
        )
        with pytest.raises(Unavailable, match="cut off"):
            list(shop.backfill(page.cursor, since=SINCE, until=UNTIL))
    monkeypatch.setattr(simulator.bulk, "serve", serve)
    assert numbers_of(filled(simulator, shop, page.cursor)) == past


def test_few_orders_are_paged_through(
    simulator: ShopifySimulator, shop: Shopify, past: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "FEW", 100)
    assert numbers_of(filled(simulator, shop)) == past
    assert simulator.calls["bulkOperationRunQuery"] == 0


@pytest.mark.parametrize("few", [0, 100])
def test_a_window_ends_before_its_end(
    simulator: ShopifySimulator, shop: Shopify, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "FEW", few)
    instants = [SINCE + timedelta(microseconds=part) for part in (-1, 0, 500_000, 999_999, 1_000_000)]
    numbers = [simulator.place(order_of(("MUG-1", 1), placed_at=at)) for at in instants]
    until = SINCE + timedelta(microseconds=999_999)
    assert numbers_of(filled(simulator, shop, until=until)) == numbers[1:3]
    assert numbers_of(filled(simulator, shop, since=instants[2], until=instants[4])) == numbers[2:4]


def test_nothing_there_is_done_at_once(simulator: ShopifySimulator, shop: Shopify) -> None:
    (page,) = shop.backfill(None, since=SINCE, until=UNTIL)
    assert page == Page(observations=(), cursor="")
    assert simulator.calls["bulkOperationRunQuery"] == 0


def test_half_of_the_shops_points_are_left_to_others(
    simulator: ShopifySimulator, shop: Shopify, past: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    shop.fetch(past[0])
    monkeypatch.setattr("core.http.pause", slept.append)
    shop._graph.spare()
    assert slept == []
    simulator.graphql.points, simulator.graphql.restore = simulator.graphql.size / 4, 5_000.0
    shop.fetch(past[0])
    shop._graph.spare()
    assert [1.9 < seconds < 2.2 for seconds in slept] == [True]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("{", "not valid"),
        ("{ orders { edges { node { secret } } } }", "not valid"),
        ('{ node(id: "gid://shopify/Order/1") { id } }', "node or nodes"),
        ("{ ordersCount { count } }", "at least one connection"),
        ("{ orders { edges { node { name } } } }", "ask for the id"),
        ("{ orders { edges { node { id } } } a: orders { edges { node { id } } } }", "one top-level field"),
        (
            "{ orders { edges { node { id fulfillments { id fulfillmentLineItems { edges { node { id } } } } } } } }",
            "connection field within a list field",
        ),
        (
            "{ orders { edges { node { id lineItems { edges { node { id } } } a: lineItems { edges { node { id } } }"
            " b: lineItems { edges { node { id } } } c: lineItems { edges { node { id } } }"
            " d: lineItems { edges { node { id } } } } } } }",
            "more than 5",
        ),
    ],
)
def test_the_simulator_gathers_only_what_shopify_would(simulator: ShopifySimulator, query: str, said: str) -> None:
    made, errors = simulator.bulk.ask(query, grouped=True)
    assert made is None
    assert (errors[0]["code"], said in errors[0]["message"]) == ("INVALID", True), errors


def test_a_file_wants_its_whole_address_and_no_token(simulator: ShopifySimulator, past: list[str]) -> None:
    import httpx

    simulator.bulk.base_url = simulator.base_url
    made, _ = simulator.bulk.ask(bulk.query("", places=False), grouped=True)
    simulator.settle_feeds()
    assert made is not None
    assert made.url is not None
    assert httpx.get(made.url).status_code == 200
    assert httpx.get(made.url.partition("?")[0]).status_code == 403
    assert httpx.get(made.url, headers={"X-Shopify-Access-Token": "x"}).status_code == 400
    assert past
