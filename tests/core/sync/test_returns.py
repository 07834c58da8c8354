"""Returns and the channels' own stock: kept as told, newest version first, and no stock moved by them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from core.connector import Ability
from core.errors import Unavailable
from core.model import Observation, OwnStock, Page, Return, ReturnLine, ReturnState, instant
from core.sync.channel import Channel
from core.sync.own_stock import READ_SECONDS, read_own_stock
from core.sync.returns import PULL_SECONDS, pull_returns, reread_return
from core.sync.take_in import take_in
from tests.core.sync.fake import SIMPLE, Fake
from tests.core.sync.world import START, World, connector, line, order

ABLE = SIMPLE | {Ability.RETURNS, Ability.OWN_STOCK}


@pytest.fixture
def shop(world: World) -> Channel:
    world.item("A", east=9)
    return world.channel(fake=Fake(abilities=ABLE))


def back(number: str = "R1", of: str = "1", version: int = 1, **more: Any) -> Return:
    values: dict[str, Any] = {
        "number": number,
        "order": of,
        "version": version,
        "state": ReturnState.REQUESTED,
        "requested_at": instant(START),
        "lines": (ReturnLine(number="1", order_line="1", sku="A", quantity=2, reason="too small"),),
    }
    return Return(**(values | more))


def page(*returns: Return, cursor: str = "r") -> Page:
    return Page(observations=tuple(Observation(number=r.number, body=msgspec.json.encode(r)) for r in returns),
                cursor=cursor)  # fmt: skip


def pull(world: World, shop: Channel, *pages: Page | Exception) -> int:
    world.later(PULL_SECONDS)
    connector(shop).sent_back = [list(pages)]
    return pull_returns(world.store, shop, world.clock)


def test_a_return_is_kept_with_its_lines_and_told_on_its_order(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 2)))
    before = world.stock("A")
    assert pull(world, shop, page(back())) == 1
    row = world.row("SELECT * FROM returns")
    assert (row.number, row.order_number, row.state) == ("R1", "1", "requested")
    (kept,) = world.rows("SELECT * FROM return_lines")
    assert (kept.order_line, kept.sku, kept.quantity, kept.refunded, kept.reason) == ("1", "A", 2, 0, "too small")
    assert world.timeline("1") == ["return requested"]
    assert world.stock("A") == before
    assert world.channel_row().returns_cursor == "r"


def test_two_lines_of_one_order_line_stand_side_by_side(world: World, shop: Channel) -> None:
    lines = tuple(ReturnLine(number=n, order_line="1", sku="A", quantity=1) for n in ("1", "2"))
    pull(world, shop, page(back(lines=lines)))
    assert world.value("SELECT count(*) FROM return_lines") == 2


def test_a_newer_version_replaces_and_an_older_one_changes_nothing(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 2)))
    closed = back(version=3, state=ReturnState.CLOSED,
                  lines=(ReturnLine(number="1", order_line="1", sku="A", quantity=2, refunded=2),))  # fmt: skip
    assert pull(world, shop, page(back()), page(closed, cursor="s")) == 2
    assert pull(world, shop, page(back(version=2, state=ReturnState.DELIVERED))) == 0
    assert world.row("SELECT state FROM returns").state == "closed"
    assert world.row("SELECT refunded FROM return_lines").refunded == 2
    assert world.timeline("1") == ["return requested", "return closed"]


@pytest.mark.parametrize("order_of", [(0, 1, 2), (2, 1, 0), (1, 2, 1, 0, 2)])
def test_any_order_of_observations_ends_the_same(world: World, shop: Channel, order_of: tuple[int, ...]) -> None:
    states = (ReturnState.REQUESTED, ReturnState.DELIVERED, ReturnState.CLOSED)
    for at in order_of:
        pull(world, shop, page(back(version=at + 1, state=states[at])))
    assert world.row("SELECT state, version FROM returns") == ("closed", 3)


def test_a_return_without_its_order_is_kept(world: World, shop: Channel) -> None:
    assert pull(world, shop, page(back(of="nobody's"))) == 1
    assert world.row("SELECT order_number FROM returns").order_number == "nobody's"


def test_an_unreadable_return_is_set_aside_and_the_others_are_kept(world: World, shop: Channel) -> None:
    bad = Page(observations=(Observation(number="R9", body=b"?"), *page(back()).observations), cursor="r")
    assert pull(world, shop, bad) == 1
    aside = world.row("SELECT * FROM quarantine")
    assert (aside.kind, aside.number, aside.state) == ("return", "R9", "open")
    assert reread_return(world.store, shop, aside, world.clock).startswith("still set aside")
    assert pull(world, shop, page(back("R9"))) == 1
    assert world.row("SELECT state FROM quarantine").state == "resolved"


def test_a_document_that_reads_by_now_is_taken_from_where_it_lies(world: World, shop: Channel) -> None:
    pull(world, shop, Page(observations=(Observation(number="R1", body=b"?"),), cursor="r"))
    with world.store.write() as tx:  # as if a newer connector could read it
        tx.run("UPDATE quarantine SET body = :body", body=msgspec.json.encode(back()))
    assert reread_return(world.store, shop, world.row("SELECT * FROM quarantine"), world.clock) == "stored"
    assert world.row("SELECT state FROM quarantine").state == "resolved"
    assert world.channel_row().returns_cursor == "r"


def test_an_order_of_a_returns_number_does_not_resolve_the_return(world: World, shop: Channel) -> None:
    pull(world, shop, Page(observations=(Observation(number="1", body=b"?"),), cursor="r"))
    world.take(shop, order("1", line(1, "A", 2)))
    assert world.row("SELECT state FROM quarantine").state == "open"


def test_a_return_of_an_orders_number_does_not_resolve_the_order(world: World, shop: Channel) -> None:
    unread = Page(observations=(Observation(number="1", body=b"?"),), cursor="next")
    take_in(world.store, shop, unread, world.now, world.now)
    pull(world, shop, page(back("1")))
    assert world.row("SELECT state FROM quarantine").state == "open"


def test_pages_before_a_failure_are_kept_and_it_goes_on_behind_them(world: World, shop: Channel) -> None:
    with pytest.raises(Unavailable):
        pull(world, shop, page(back()), Unavailable("away"))
    assert world.channel_row().returns_cursor == "r"
    assert pull(world, shop, page(back("R2"))) == 1
    assert connector(shop).cursors == [None, "r"]


def test_a_channel_is_asked_no_more_often_than_it_matters(world: World, shop: Channel) -> None:
    pull(world, shop, page(back()))
    pull_returns(world.store, shop, world.clock)
    assert connector(shop).calls.count("returns") == 1


def test_its_own_stock_is_replaced_by_each_reading(world: World, shop: Channel) -> None:
    connector(shop).own = [OwnStock(sku="A", on_hand=9, available=7, incoming=3), OwnStock(sku="B", on_hand=1, available=1)]  # fmt: skip  # noqa: E501
    assert read_own_stock(world.store, shop, world.clock) == 2
    connector(shop).own = [OwnStock(sku="A", on_hand=4, available=4)]
    assert read_own_stock(world.store, shop, world.clock) == 0
    world.later(READ_SECONDS)
    assert read_own_stock(world.store, shop, world.clock) == 1
    assert [tuple(row)[1:5] for row in world.rows("SELECT * FROM own_stock")] == [("A", 4, 4, 0)]
    assert world.stock("A") == (9, 0)
