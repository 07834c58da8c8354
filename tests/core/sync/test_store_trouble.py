"""A store that is full or locked: the page is kept whole or not at all, and the work goes on once there is room."""

from __future__ import annotations

import sqlite3
from typing import cast

import pytest
import sqlalchemy as sa

from core.connector import Connector
from core.errors import StoreError
from core.model import Order
from core.sync.round import Outcome
from core.sync.take_in import take_in
from core.sync.turn import Trouble, turn
from tests.core.sync.fake import Fake
from tests.core.sync.test_turn import SETTINGS
from tests.core.sync.world import START, World, line, order, page


def test_a_full_disk_loses_nothing_and_the_page_is_taken_in_later(small_world: World) -> None:
    world = small_world
    world.item("A", east=500)
    shop = world.channel()
    many = page(*(order(str(number), line(1, "A")) for number in range(300)), cursor="behind")
    engine = world.store.engine

    def no_room(connection: sqlite3.Connection, record: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 4}")

    sa.event.listen(engine, "connect", no_room)
    engine.dispose()
    with pytest.raises(StoreError, match="full; free some disk space") as told:
        take_in(world.store, shop, many, START, START)
    assert told.value.code == 4
    assert world.value("SELECT count(*) FROM orders") == 0
    assert world.channel_row().cursor is None
    assert world.stock("A") == (500, 0)

    sa.event.remove(engine, "connect", no_room)
    engine.dispose()
    assert take_in(world.store, shop, many, START, START).stored == 300
    assert world.channel_row().cursor == "behind"
    assert world.stock("A") == (500, 300)


def test_a_locked_store_is_told_and_the_page_is_taken_in_later(small_world: World) -> None:
    world = small_world
    world.item("A", east=5)
    shop = world.channel()
    other = sqlite3.connect(str(world.store.engine.url.database), isolation_level=None)

    def impatient(connection: sqlite3.Connection, record: object) -> None:
        connection.execute("PRAGMA busy_timeout = 50")

    sa.event.listen(world.store.engine, "connect", impatient)
    world.store.engine.dispose()
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked; another process is writing"):
        take_in(world.store, shop, page(order("1", line(1, "A"))), START, START)
    other.execute("ROLLBACK")
    other.close()
    assert take_in(world.store, shop, page(order("1", line(1, "A"))), START, START).stored == 1


def _turn(world: World, fake: Fake, *orders: Order) -> Outcome | Trouble:
    world.later()
    fake.pulls = [[page(*orders)]]
    return turn(world.store, SETTINGS, "shop", now=world.clock, connector=cast(Connector, fake))


def _prepared(world: World, *pragmas: str) -> None:
    """Every connection from now on begins so; none of them: as at first."""

    def prepare(connection: sqlite3.Connection, record: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma.format(pages=pages + 1)}")

    sa.event.listen(world.store.engine, "connect", prepare)
    world.store.engine.dispose()


@pytest.mark.parametrize(
    ("pragma", "told"),
    [
        ("max_page_count = {pages}", "full; free some disk space; nothing was lost and work resumes by itself"),
        ("query_only = 1", "readonly database; give this user the right to write the file and its folder"),
    ],
    ids=["full", "readonly"],
)
def test_a_turn_that_cannot_be_written_is_the_stores_trouble_and_not_the_channels(
    small_world: World, pragma: str, told: str
) -> None:
    world, fake = small_world, Fake()
    world.item("A", east=500)
    _turn(world, fake)
    before = world.channel_row()
    _prepared(world, pragma)
    many = [order(str(number), line(1, "A")) for number in range(300)]
    with pytest.raises(StoreError, match=told):
        _turn(world, fake, *many)
    after = world.channel_row()
    assert (after.health, after.fails, after.outage_since, after.cursor) == ("ok", 0, None, before.cursor)
    assert world.value("SELECT count(*) FROM orders") == 0

    _prepared(world, "max_page_count = 1000000", "query_only = 0")
    assert isinstance(outcome := _turn(world, fake, *many), Outcome)
    assert outcome.orders.stored == 300
    assert world.channel_row().health == "ok"
