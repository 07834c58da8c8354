"""Returns: what a shop tells of them, and from where a reading goes on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
import structlog

from connectors.shopify import Shopify, returns
from connectors.shopify.simulator import ShopifySimulator, returning
from connectors.shopify.simulator.records import Order
from core.errors import BadDocument, Unauthorized
from core.model import Return, ReturnState
from tests.connectors.shopify.given import FIXTURES, connector, parcel, placed, refetched

DOCUMENT = (FIXTURES / "returns" / "open_with_a_stray_line.json").read_bytes()


def with_return(**fields: Any) -> bytes:
    value = msgspec.json.decode(DOCUMENT)
    value["return"] |= fields
    return msgspec.json.encode(value)


def shipped(simulator: ShopifySimulator, shop: Shopify, *lines: tuple[str, int]) -> Order:
    order = placed(simulator, shop, *lines)
    list(shop.push_tracking([parcel(order, lines={line.number: line.ordered for line in order.lines})]))
    return simulator.shop.orders[order.number]


def told(shop: Shopify, cursor: str | None = None) -> dict[str, Return]:
    found = {}
    for page in shop.returns(cursor):
        for seen in page.observations:
            found[seen.number] = shop.normalize_return(seen.body)
            assert found[seen.number].number == seen.number
    return found


def number(one: Any) -> str:
    return str(one.id.rpartition("/")[2])


def test_a_return_is_told_in_our_words() -> None:
    one = returns.normalize(DOCUMENT)
    assert (one.number, one.order, one.state) == ("71", "5500000001", ReturnState.AUTHORISED)
    assert (one.requested_at, one.requested_at.utcoffset()) == (
        datetime(2026, 3, 8, 8, tzinfo=UTC),
        datetime(2026, 3, 8, tzinfo=UTC).utcoffset(),
    )
    assert one.version == 1773050400_000_000
    assert (one.tracking, one.carrier) == ("9400111", "USPS")
    lines = [(line.number, line.order_line, line.sku, line.quantity, line.refunded, line.reason) for line in one.lines]
    assert lines == [("1", "1", "MUG-1", 2, 1, "Too small"), ("2", "", "", 1, 0, "")]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("REQUESTED", ReturnState.REQUESTED),
        ("OPEN", ReturnState.AUTHORISED),
        ("CLOSED", ReturnState.CLOSED),
        ("CANCELED", ReturnState.CALLED_OFF),
        ("DECLINED", ReturnState.CALLED_OFF),
    ],
)
def test_each_status_has_its_state(status: str, state: ReturnState) -> None:
    assert returns.normalize(with_return(status=status)).state is state


def test_an_open_return_whose_units_are_all_processed_has_arrived() -> None:
    lines = msgspec.json.decode(DOCUMENT)["return"]["returnLineItems"]
    for line in lines["nodes"]:
        line["processedQuantity"] = line["quantity"]
    assert returns.normalize(with_return(returnLineItems=lines)).state is ReturnState.DELIVERED
    assert returns.normalize(with_return(returnLineItems={"nodes": []})).state is ReturnState.AUTHORISED


@pytest.mark.parametrize(
    "body",
    [
        with_return(status="TELEPORTED"),
        with_return(id="gid://shopify/Return/x"),
        with_return(createdAt="2026-03-08T09:00:00"),
        with_return(createdAt="0001-01-01T00:00:00+14:00"),
        msgspec.json.encode(msgspec.json.decode(DOCUMENT) | {"order": "none"}),
        b"{}",
        b"\xff",
    ],
)
def test_what_is_no_return_is_a_bad_document(body: bytes) -> None:
    with pytest.raises(BadDocument, match=r"^[A-Za-z]+: ."):
        returns.normalize(body)


def test_nul_is_replaced() -> None:
    body = DOCUMENT.replace(b'"Too small"', rb'"a\u0000b\\u0000c"')
    assert returns.normalize(body).lines[0].reason == "a\ufffdb\\u0000c"


def test_a_return_is_seen_through_all_that_becomes_of_it(simulator: ShopifySimulator, shop: Shopify) -> None:
    order = shipped(simulator, shop)
    one = returning.request(simulator.shop, order, {"MUG-1": 2, "NO-SUCH": 1}, reason="too-small")
    seen = told(shop)[number(one)]
    assert (seen.order, seen.state) == (order.number, ReturnState.REQUESTED)
    assert [(line.order_line, line.sku, line.quantity, line.reason) for line in seen.lines] == [
        (number(order.lines[0]), "MUG-1", 2, "Too small"),
        ("", "", 1, "Too small"),
    ]
    versions = [seen.version]
    for status, state in (("OPEN", ReturnState.AUTHORISED), ("CLOSED", ReturnState.CLOSED)):
        returning.become(simulator.shop, one, status, tracking="T1" if status == "OPEN" else "", carrier="UPS")
        seen = told(shop)[number(one)]
        assert (seen.state, seen.tracking, seen.carrier) == (state, "T1", "UPS")
        versions.append(seen.version)
    assert versions == sorted(set(versions))


def test_a_return_that_is_called_off_is_told_though_its_order_shows_none(
    simulator: ShopifySimulator, shop: Shopify
) -> None:
    order = shipped(simulator, shop)
    one = returning.request(simulator.shop, order, {"MUG-1": 1})
    cursor = list(shop.returns(None))[-1].cursor
    returning.become(simulator.shop, one, "DECLINED")
    assert order.returnStatus == "NO_RETURN"
    assert told(shop, cursor)[number(one)].state is ReturnState.CALLED_OFF


def test_only_orders_with_returns_are_read_and_few_at_a_time(simulator: ShopifySimulator, shop: Shopify) -> None:
    orders = [shipped(simulator, shop) for _ in range(30)]
    made = {number(returning.request(simulator.shop, order, {"MUG-1": 1})) for order in orders[:14]}
    simulator.calls.clear()
    assert told(shop).keys() == made
    assert simulator.calls == {"orders": 1, "nodes": 2}


def test_an_order_with_many_returns_of_many_lines_is_read_whole(simulator: ShopifySimulator, shop: Shopify) -> None:
    order = shipped(simulator, shop, *((f"X-{at}", 1) for at in range(30)))
    made = {number(returning.request(simulator.shop, order, {f"X-{at}": 1})) for at in range(6)}
    long = returning.request(simulator.shop, order, {f"X-{at}": 1 for at in range(6, 30)})
    found = told(shop)
    assert found.keys() == made | {number(long)}
    assert len(found[number(long)].lines) == 24


def test_the_cursor_moves_though_nothing_comes_back(simulator: ShopifySimulator, shop: Shopify) -> None:
    first = list(shop.returns(None))
    assert [page.observations for page in first] == [()]
    shipped(simulator, shop)
    (page,) = shop.returns(first[-1].cursor)
    assert (page.observations, page.cursor > first[-1].cursor) == ((), True)


def test_an_app_without_the_scope_is_told_and_the_channel_goes_on(simulator: ShopifySimulator) -> None:
    shop = connector(simulator)
    order = placed(simulator, shop)
    simulator.world.scopes -= {"read_returns"}
    with structlog.testing.capture_logs() as logs:
        assert list(shop.returns(None)) == []
    assert "read_returns" in logs[0]["event"]
    assert refetched(shop, order).number == order.number


def test_refused_credentials_are_no_missing_scope(simulator: ShopifySimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = connector(simulator)

    def refuse(*_: object) -> object:
        raise Unauthorized("refused")

    monkeypatch.setattr(shop._graph, "ask", refuse)
    with pytest.raises(Unauthorized):
        list(shop.returns(None))
