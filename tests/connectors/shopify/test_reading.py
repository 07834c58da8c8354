"""Pulling, fetching, reading levels and listings, against the simulator over a socket."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
import pytest

from connectors.shopify import Shopify, queries, reading
from connectors.shopify.simulator import ShopifySimulator
from connectors.simulation import Fault, FaultPlan, SimulatedListing
from core.errors import NotFound, Unavailable
from core.model import LevelKey, money_off
from tests.connectors.shopify.given import EAST, SKUS, WEST, connector, goods, order_of, parcel, pulled, states


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "PAGE", 3)


def test_a_page_is_as_large_as_a_request_may_cost(simulator: ShopifySimulator, shop: Shopify) -> None:
    for _ in range(260):
        simulator.place(order_of(("MUG-1", 1), ("TEE-2", 1)))
    assert [len(page.observations) for page in shop.pages(None)] == [240, 20]
    both = connector(simulator, locations={"east": EAST, "west": WEST})
    assert [len(page.observations) for page in both.pages(None)] == [90, 90, 80]
    assert simulator.calls["orders"] == 5


def test_a_page_that_costs_too_much_is_asked_for_at_half_its_size(
    simulator: ShopifySimulator, shop: Shopify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.shopify.simulator.endpoint.MOST_POINTS", 500)
    for _ in range(20):
        simulator.place(order_of(("MUG-1", 1)))
    assert len(pulled(shop)) == 20


@pytest.mark.usefixtures("small_pages")
def test_orders_come_by_their_last_change_and_add_up(simulator: ShopifySimulator, shop: Shopify) -> None:
    numbers = [simulator.place(order_of(("MUG-1", 2), ("TEE-2", 1))) for _ in range(10)]
    simulator.cancel(numbers[0], sku="MUG-1", quantity=1)
    orders = [shop.normalize(seen.body) for page in shop.pages(None) for seen in page.observations]
    assert [order.number for order in orders] == [*numbers[1:], numbers[0]]
    assert all(one.version < other.version for one, other in pairwise(orders))
    assert all(money_off(order) == 0 for order in orders)
    assert orders[-1].lines[0].cancelled == 1


@pytest.mark.usefixtures("small_pages")
def test_the_cursor_of_every_page_resumes_behind_it(simulator: ShopifySimulator, shop: Shopify) -> None:
    for _ in range(10):
        simulator.place(order_of(("MUG-1", 1)))
    exact = connector(simulator, overlap_seconds=0)
    pages = list(exact.pages(None))
    assert len(pages) == 4
    for at, page in enumerate(pages):
        later = [seen.number for further in pages[at + 1 :] for seen in further.observations]
        again = [seen.number for further in exact.pages(page.cursor) for seen in further.observations]
        assert set(later) <= set(again)
    assert pulled(shop, pages[-1].cursor), "the overlap is read again"


def test_a_pull_reaches_back_by_the_overlap_and_its_cursor_never_goes_back(simulator: ShopifySimulator) -> None:
    numbers = [simulator.place(order_of(("MUG-1", 1))) for _ in range(3)]
    start = simulator.shop.orders[numbers[0]].changed
    for minutes, number in enumerate(numbers):
        simulator.shop.touch(simulator.shop.orders[number], start + 1 + minutes * 60_000_000)
    for overlap, found in ((0, numbers[2:]), (60, numbers[1:]), (120, numbers)):
        shop = connector(simulator, overlap_seconds=overlap)
        cursor = list(shop.pages(None))[-1].cursor
        again = list(shop.pages(cursor))
        assert [seen.number for page in again for seen in page.observations] == found
        assert again[-1].cursor == cursor


@pytest.mark.usefixtures("small_pages")
def test_no_page_of_the_overlap_has_an_older_cursor(simulator: ShopifySimulator, shop: Shopify) -> None:
    for _ in range(10):
        simulator.place(order_of(("MUG-1", 1)))
    cursor = list(shop.pages(None))[-1].cursor
    again = list(shop.pages(cursor))
    assert len(again) == 4
    assert {page.cursor for page in again} == {cursor}


def test_a_first_pull_without_orders_leaves_a_cursor_and_a_later_one_nothing(
    simulator: ShopifySimulator, shop: Shopify
) -> None:
    (page,) = shop.pages(None)
    assert page.observations == ()
    assert list(shop.pages(page.cursor)) == []
    number = simulator.place(order_of(("MUG-1", 1)))
    assert list(pulled(shop, page.cursor)) == [number]


def test_a_first_pull_starts_at_since(simulator: ShopifySimulator, shop: Shopify) -> None:
    now = datetime.now(UTC)
    simulator.place(order_of(("MUG-1", 1), placed_at=now - timedelta(days=9)))
    young = simulator.place(order_of(("MUG-1", 1), placed_at=now - timedelta(hours=1)))
    assert list(pulled(shop)) == [young]
    seen = [one for page in shop.pages(None, since=now - timedelta(days=10)) for one in page.observations]
    assert len(seen) == 2


def test_behind_25_000_orders_the_query_starts_anew(
    simulator: ShopifySimulator, shop: Shopify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "PAGE", 3)
    monkeypatch.setattr("connectors.shopify.simulator.reads.MOST_PAGED", 9)
    numbers = [simulator.place(order_of(("MUG-1", 1))) for _ in range(30)]
    # Whole seconds are searched for: spread the orders over more than one.
    for at, number in enumerate(numbers):
        order = simulator.shop.orders[number]
        simulator.shop.touch(order, order.changed + at * 1_000_000)
    begin = datetime.now(UTC) - timedelta(minutes=5)
    pages = list(reading.pages(shop._graph, begin, begin, places=False, known=False, most=9))
    assert {seen.number for page in pages for seen in page.observations} == set(numbers)
    later = datetime.now(UTC) + timedelta(days=1)
    with pytest.raises(Unavailable, match="at one instant"):
        list(reading.pages(shop._graph, later, later, places=False, known=False, most=0))


def test_a_500_line_order_is_read_whole(simulator: ShopifySimulator, shop: Shopify) -> None:
    number = simulator.place(order_of(*((SKUS[at % 3], 1) for at in range(500))))
    both = connector(simulator, locations={"east": EAST, "west": WEST})
    for reader in (shop, both):
        order = pulled(reader)[number]
        assert len(order.lines) == len({line.number for line in order.lines}) == 500
        assert money_off(order) == 0
    assert all(line.place in (EAST, WEST) for line in order.lines)
    lines = {line.number: 1 for line in order.lines if line.place == EAST}
    sent = parcel(order, lines=lines)
    assert states(shop.push_tracking([sent])) == {sent.key: "applied"}
    shipped = {line.number for line in shop.normalize(shop.fetch(number).body).lines if line.shipped}
    assert shipped == lines.keys()


def test_a_page_whose_long_order_cannot_be_read_on_is_not_yielded(
    simulator: ShopifySimulator, shop: Shopify, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator.place(order_of(*(("MUG-1", 1) for _ in range(300))))
    ask = shop._graph.ask

    def breaking(document: str, variables: dict[str, object], shape: type) -> object:
        return {"node": None} if document == queries.MORE else ask(document, variables, shape)

    monkeypatch.setattr(shop._graph, "ask", breaking)
    with pytest.raises(Unavailable, match="breaks off in the middle of lineItems"):
        next(shop.pages(None))


def test_an_order_that_changes_between_its_requests_is_read_again(
    simulator: ShopifySimulator, shop: Shopify, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = simulator.place(order_of(*(("MUG-1", 2) for _ in range(300))))
    changes = iter([True])
    finish = reading.finish

    def finish_slowly(*args: object) -> None:
        finish(*args)  # type: ignore[arg-type]
        if next(changes, False):
            simulator.cancel(number, sku="MUG-1", quantity=1)

    monkeypatch.setattr(reading, "finish", finish_slowly)
    assert sum(line.cancelled for line in pulled(shop)[number].lines) == 1


def test_a_page_served_again_and_again_ends_the_pull_and_loses_nothing(simulator: ShopifySimulator) -> None:
    for _ in range(5):
        simulator.place(order_of(("MUG-1", 1)))
    shop = connector(simulator)
    simulator.faults.set({Fault.REPEATED_PAGE: 1.0})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queries, "PAGE", 2)
        pages = shop.pages(None)
        first = next(pages)
        with pytest.raises(Unavailable, match="again and again"):
            next(pages)
        simulator.faults.heal()
        assert len(pulled(shop, first.cursor)) == 5  # with the overlap


def test_an_unreadable_order_does_not_take_its_page_along(
    simulator: ShopifySimulator, shop: Shopify, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = [simulator.place(order_of(("MUG-1", 1))) for _ in range(3)]
    ask = shop._graph.ask

    def broken(document: str, variables: dict[str, object], shape: type) -> object:
        answer = ask(document, variables, shape)
        if hasattr(answer, "orders"):
            answer.orders.nodes[1] = msgspec.Raw(b'{"id": 7, "lineItems": "none"}')
        return answer

    monkeypatch.setattr(shop._graph, "ask", broken)
    (page,) = shop.pages(None)
    assert [seen.number for seen in page.observations] == [numbers[0], "", numbers[2]]


def test_one_order_is_fetched_by_its_number_or_global_id(simulator: ShopifySimulator, shop: Shopify) -> None:
    number = simulator.place(order_of(("MUG-1", 1)))
    assert shop.fetch(number) == shop.fetch(f"gid://shopify/Order/{number}")
    for unknown in ("1", "none", "gid://shopify/Order/x", ""):
        with pytest.raises(NotFound):
            shop.fetch(unknown)


def test_pending_orders_hold_until_they_are_paid(simulator: ShopifySimulator, shop: Shopify) -> None:
    number = simulator.place(order_of(("MUG-1", 1), pending=True))
    assert pulled(shop)[number].holds == ("payment",)
    simulator.confirm(number)
    assert pulled(shop)[number].holds == ()


def test_levels_are_read_in_few_requests_and_unknown_ones_left_out(simulator: ShopifySimulator) -> None:
    for listing in goods(7, skus=[f"S-{at}" for at in range(400)]):
        simulator.offer(listing)
    shop = connector(simulator, locations={"east": EAST.rpartition("/")[2], "west": WEST})
    simulator.place(order_of(("S-9", 3)))
    handles = {listing.sku: listing.handle for listing in shop.listings()}
    keys = [
        LevelKey(key=f"{sku}@{place}", sku=sku, handle=handle, place=place)
        for sku, handle in handles.items()
        for place in ("101", WEST)
    ]
    strange = [
        LevelKey(key="no item", sku="x", handle="gid://shopify/InventoryItem/1", place=EAST),
        LevelKey(key="no id", sku="x", handle="", place=EAST),
        LevelKey(key="no place", sku="x", handle=handles["S-9"], place=""),
        LevelKey(key="other place", sku="x", handle=handles["S-9"], place="999"),
    ]
    read = {level.key: level.quantity for level in shop.read_levels([*keys, *strange])}
    held = simulator.levels()
    assert read == {key.key: held[key.sku, EAST if key.place == "101" else WEST] for key in keys}
    assert {read["S-9@101"], read[f"S-9@{WEST}"]} == {4, 7}
    assert simulator.calls["nodes"] <= 4


def test_listings_are_told_with_the_settings_own_words_for_places(simulator: ShopifySimulator) -> None:
    simulator.offer(SimulatedListing(sku="ONE-PLACE", title="Lamp", price=goods()[0].price, quantities={WEST: 3}))
    shop = connector(simulator, locations={"east": "101"})
    listings = {listing.sku: listing for listing in shop.listings()}
    assert listings["MUG-1"].quantities == {"101": 500, WEST: 500}
    assert listings["ONE-PLACE"].quantities == {WEST: 3}
    assert listings["MUG-1"].handle.startswith("gid://shopify/InventoryItem/")


def test_a_plan_without_points_waits_and_goes_on() -> None:
    with ShopifySimulator(listings=goods(), plan_points=60, faults=FaultPlan()) as simulator:
        assert isinstance(simulator, ShopifySimulator)
        for _ in range(300):
            simulator.place(order_of(("MUG-1", 1), ("TEE-2", 1)))
        shop = connector(simulator)
        simulator.graphql.restore = 9000.0
        simulator.graphql.points, simulator.graphql.filled = 0.0, time.monotonic()
        assert len(pulled(shop)) == 300
        assert simulator.calls["orders"] > 2, "some were throttled"
