"""Repeats: pages that hold nothing new, as every overlap of two pulls brings them."""

from __future__ import annotations

import msgspec
import psycopg

from core.store.database import Store
from core.store.sql import array
from core.sync.channel import clock
from core.sync.pull import pull
from tests.bench import floor, seller
from tests.bench.databases import Database, databases, opened
from tests.bench.figures import Cost, Report, Runs, compare, measured
from tests.bench.intake import taken
from tests.bench.shop import BEGIN, shop


def repeats(quick: bool) -> Report:
    """The floor looks each order of a page up by its number, updates the channel's row and commits."""
    orders, rounds = (1_000, 1) if quick else (10_000, 5)
    report = Report()
    with databases() as kinds, shop() as address:
        for database in kinds:
            _measure(report, database, f"{address}/wide/0/{orders}", orders, rounds)
    return report


def _measure(report: Report, database: Database, address: str, orders: int, rounds: int) -> None:
    url = database.template(seller.fill)
    with opened(url) as store:
        taken(database, store, address, orders)
        sheets = floor.read_back(store)
    pages = [[row[2] for row in sheet.rows["orders"]] for sheet in sheets]
    ours, bare = Runs(orders), Runs(orders)
    for _ in range(rounds):
        with opened(url) as store:
            ours.costs.append(_again(database, store, address, orders))
        with floor.driver(url) as raw, measured(database.cpu) as cost:
            for numbers in pages:
                _look_up(raw, numbers)
        bare.costs.append(cost)
    database.drop(url)
    against = "raw driver: versions by number, the channel's row, a commit"
    report.figures += compare("repeats", database.name, "order", ours, bare, against)


def _again(database: Database, store: Store, address: str, orders: int) -> Cost:
    connector = seller.open_shop(address)
    try:
        channel = seller.take_up_shop(store, connector)
        with measured(database.cpu) as cost:
            counts = pull(store, channel, clock, since=BEGIN)
    finally:
        connector.close()
    if counts.repeated != orders:
        raise RuntimeError(f"{orders} repeats were served: {counts}")
    return cost


def _look_up(raw: floor.Driver, numbers: list[str]) -> None:
    columns = "SELECT id, number, version, observed_at, digest FROM orders WHERE channel_id = 1"
    if isinstance(raw, floor.PostgresDriver):
        connection: psycopg.Connection = raw.connection
        connection.execute(
            f"{columns} AND number = ANY(%s) ORDER BY id FOR UPDATE".encode(), [array(numbers)]
        ).fetchall()
    elif isinstance(raw, floor.SqliteDriver):
        sql = f"{columns} AND number IN (SELECT value FROM json_each(?)) ORDER BY id"
        raw.connection.execute(sql, [msgspec.json.encode(numbers).decode()]).fetchall()
    count = len(numbers)
    raw.run(f"UPDATE channels SET received = received + {count}, repeated = repeated + {count} WHERE id = 1")
    raw.commit()
