"""A store that is full or locked: the page is kept whole or not at all, and the work goes on once there is room."""

from __future__ import annotations

import sqlite3

import pytest
import sqlalchemy as sa

from core.errors import StoreError
from core.sync.take_in import take_in
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
