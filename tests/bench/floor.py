"""The floor under the intake: the raw driver writing the very rows that a pull has stored, page by page.

The rows are read back from a store that took the orders in, and replayed into an empty one: the same tables with the
same constraints and indexes, the same pages, one commit each, executemany on SQLite and unnest on PostgreSQL. Nothing
is decoded, looked up, decided or read; the rows lie ready in memory.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
import psycopg
import sqlalchemy as sa

from core.store import tables
from core.store.database import Store, Tx
from core.store.sql import array
from core.sync.rows import BUYER_COLUMNS, FIRST_COLUMNS, LINE_COLUMNS, ORDER_COLUMNS
from tests.bench.databases import opened
from tests.bench.shop import PAGE

Row = tuple[Any, ...]

ORDERS = ("id", "channel_id", "number", "imported_at", *ORDER_COLUMNS)
LINES = ("id", "order_id", "number", *LINE_COLUMNS, *FIRST_COLUMNS)
RESERVATIONS = ("line_id", "item_id", "per", "quantity")
ITEM = LINES.index("item_id")
CORE = {"orders": ORDERS, "lines": LINES, "reservations": RESERVATIONS}
"""Orders, lines and reservations alone."""
ALL = {
    "orders": ORDERS,
    "lines": LINES,
    "buyers": ("order_id", *BUYER_COLUMNS),
    "documents": ("order_id", "observed_at", "version", "body"),
    "reservations": RESERVATIONS,
    "fulfilment_orders": ("id", "order_id", "location_id", "decision", "created_at"),
    "fulfilment_lines": ("fulfilment_order_id", "line_id", "quantity"),
}
"""Every row an order leaves."""
_OWNER = {
    "orders": "SELECT {columns}, t.id AS owner FROM orders t",
    "lines": "SELECT {columns}, t.order_id AS owner FROM lines t",
    "buyers": "SELECT {columns}, t.order_id AS owner FROM buyers t",
    "documents": "SELECT {columns}, t.order_id AS owner FROM documents t",
    "reservations": "SELECT {columns}, l.order_id AS owner FROM reservations t JOIN lines l ON l.id = t.line_id",
    "fulfilment_orders": "SELECT {columns}, t.order_id AS owner FROM fulfilment_orders t",
    "fulfilment_lines": "SELECT {columns}, f.order_id AS owner FROM fulfilment_lines t"
    " JOIN fulfilment_orders f ON f.id = t.fulfilment_order_id",
}


@dataclass
class Sheet:
    """What one page has written."""

    rows: dict[str, list[Row]] = field(default_factory=dict)
    """Inserted rows by table."""
    counters: list[tuple[str, str, list[Row]]] = field(default_factory=list)
    """Counters raised: table, column, and rows of (keys …, by how much)."""


_KEYS = {"items": ("id",), "stock": ("item_id", "location_id"), "levels": ("listing_id", "place")}


def read_back(store: Store, channel_id: int | None = None) -> list[Sheet]:
    """The sheets of all pages in a store that was pulled into in pages of `PAGE`; of one channel, where it is named."""
    with store.read() as tx:
        where = "" if channel_id is None else f" WHERE channel_id = {channel_id}"
        ids = [row.id for row in tx.rows(f"SELECT id FROM orders{where} ORDER BY id")]
        sheets = [Sheet({table: [] for table in ALL}) for _ in range(0, len(ids), PAGE)]
        page = {id: at // PAGE for at, id in enumerate(ids)}
        for table, columns in ALL.items():
            sql = _OWNER[table].format(columns=", ".join(f't."{column}"' for column in columns))
            for row in tx.rows(f"{sql} ORDER BY 1"):
                if row.owner in page:
                    sheets[page[row.owner]].rows[table].append(tuple(row)[:-1])
        for sheet in sheets:
            sheet.counters = _counters(tx, sheet)
    return sheets


def _counters(tx: Tx, sheet: Sheet) -> list[tuple[str, str, list[Row]]]:
    """What a page's rows move: promised and bound units, and what the channel is believed to hold."""
    promised: Counter[int] = Counter()
    for _, item, _, units in sheet.rows["reservations"]:
        promised[item] += units
    item_of = {row[0]: row[ITEM] for row in sheet.rows["lines"]}
    location_of = {row[0]: row[2] for row in sheet.rows["fulfilment_orders"]}
    bound: Counter[tuple[int, int]] = Counter()
    for order, line, units in sheet.rows["fulfilment_lines"]:
        bound[item_of[line], location_of[order]] += units
    told = [
        (row.listing_id, row.place, -promised[row.item_id])
        for row in tx.rows(
            "SELECT v.listing_id, v.place, l.item_id FROM levels v JOIN listings l ON l.id = v.listing_id"
        )
        if row.item_id in promised
    ]
    return [
        ("items", "reserved", sorted(promised.items())),
        ("stock", "allocated", sorted((*place, units) for place, units in bound.items())),
        ("levels", "expected", sorted(told)),
    ]


class Driver(Protocol):
    """A raw database driver, in transactions."""

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None: ...

    def add(self, table: str, column: str, rows: Sequence[Row]) -> None:
        """Raises a counter; the rows hold the keys and by how much."""
        ...

    def touch(self, items: Sequence[Row]) -> None: ...

    def lock(self, items: Sequence[int]) -> None: ...

    def read_stock(self, items: Sequence[int]) -> list[Row]: ...

    def untouch(self, items: Sequence[int]) -> None: ...

    def run(self, sql: str) -> None: ...

    def value(self, sql: str) -> Any:
        """The first column of the first row."""
        ...

    def commit(self) -> None: ...

    def without_checks(self) -> None:
        """Leaves foreign keys unchecked, where that is what makes seeding slow; for this connection."""
        ...

    def settle(self, tables: Sequence[str], *, analyze: bool = True) -> None:
        """Lets fresh ids follow on those written here, and the planner know what there is, as a server would."""
        ...


_STOCK = "SELECT item_id, location_id, on_hand, allocated FROM stock WHERE item_id {}"
_TOUCH = "ON CONFLICT (item_id) DO UPDATE SET mark = touched.mark + 1"


_PRAGMAS = ("synchronous", "foreign_keys", "cache_size", "wal_autocheckpoint")
"""What of the store's own a raw connection has not by itself."""


class SqliteDriver:
    """sqlite3 itself, with the pragmas of the store."""

    def __init__(self, url: str) -> None:
        with opened(url) as store, store.read() as tx:
            pragmas = {name: tx.value(f"PRAGMA {name}") for name in _PRAGMAS}
        self.connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        for name, value in pragmas.items():
            self.connection.execute(f"PRAGMA {name} = {value}")
        self.connection.execute("BEGIN IMMEDIATE")

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        marks = ", ".join("?" for _ in columns)
        self.connection.executemany(f"INSERT INTO {table} ({_quoted(columns)}) VALUES ({marks})", rows)

    def add(self, table: str, column: str, rows: Sequence[Row]) -> None:
        keys = _KEYS[table]
        where = " AND ".join(f"{key} = ?{at + 1}" for at, key in enumerate(keys))
        sql = f"UPDATE {table} SET {column} = {column} + ?{len(keys) + 1} WHERE {where}"
        self.connection.executemany(sql, rows)

    def touch(self, items: Sequence[Row]) -> None:
        self.connection.executemany(f"INSERT INTO touched (item_id) VALUES (?) {_TOUCH}", items)

    def lock(self, items: Sequence[int]) -> None:
        """The one writer holds everything."""

    def read_stock(self, items: Sequence[int]) -> list[Row]:
        sql = _STOCK.format("IN (SELECT value FROM json_each(?))")
        return self.connection.execute(sql, [msgspec.json.encode(items).decode()]).fetchall()

    def untouch(self, items: Sequence[int]) -> None:
        sql = "DELETE FROM touched WHERE item_id IN (SELECT value FROM json_each(?))"
        self.connection.execute(sql, [msgspec.json.encode(items).decode()])

    def run(self, sql: str) -> None:
        self.connection.execute(sql)

    def value(self, sql: str) -> Any:
        return self.connection.execute(sql).fetchone()[0]

    def commit(self) -> None:
        self.connection.execute("COMMIT")
        self.connection.execute("BEGIN IMMEDIATE")

    def without_checks(self) -> None:
        self.connection.execute("COMMIT")
        self.connection.execute("PRAGMA foreign_keys = OFF")
        self.connection.execute("BEGIN IMMEDIATE")

    def settle(self, tables: Sequence[str], *, analyze: bool = True) -> None:
        """Nothing: ids follow the highest, and the store itself never analyses."""


class PostgresDriver:
    """psycopg itself: a set is one statement over arrays, each bound as its literal, which costs it least."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url.replace("+psycopg", ""))

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        sql = f"INSERT INTO {table} ({_quoted(columns)}) SELECT * FROM {_unnest(table, columns)}"
        self.connection.execute(sql.encode(), [array(column) for column in zip(*rows, strict=True)])

    def add(self, table: str, column: str, rows: Sequence[Row]) -> None:
        keys = _KEYS[table]
        where = " AND ".join(f"t.{key} = v.{key}" for key in keys)
        source = f"{_unnest(table, (*keys, column))} AS v({_quoted((*keys, column))})"
        sql = f"UPDATE {table} t SET {column} = t.{column} + v.{column} FROM {source} WHERE {where}"
        self.connection.execute(sql.encode(), [array(values) for values in zip(*rows, strict=True)])

    def touch(self, items: Sequence[Row]) -> None:
        sql = f"INSERT INTO touched (item_id) SELECT * FROM unnest(%s::bigint[]) {_TOUCH}"
        self.connection.execute(sql.encode(), [array([item for (item,) in items])])

    def lock(self, items: Sequence[int]) -> None:
        self.connection.execute("SELECT id FROM items WHERE id = ANY(%s) ORDER BY id FOR UPDATE", [array(items)])

    def read_stock(self, items: Sequence[int]) -> list[Row]:
        return self.connection.execute(_STOCK.format("= ANY(%s)").encode(), [array(items)]).fetchall()

    def untouch(self, items: Sequence[int]) -> None:
        self.connection.execute("DELETE FROM touched WHERE item_id = ANY(%s)", [array(items)])

    def run(self, sql: str) -> None:
        self.connection.execute(sql.encode())

    def value(self, sql: str) -> Any:
        row = self.connection.execute(sql.encode()).fetchone()
        assert row is not None
        return row[0]

    def commit(self) -> None:
        self.connection.commit()

    def without_checks(self) -> None:
        self.connection.execute("SET session_replication_role = replica")

    def settle(self, tables: Sequence[str], *, analyze: bool = True) -> None:
        for table in tables:
            self.run(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")
        if analyze:
            self.run("ANALYZE")
        self.commit()


@contextlib.contextmanager
def driver(url: str) -> Iterator[Driver]:
    """The raw driver on a store."""
    made = SqliteDriver(url) if url.startswith("sqlite") else PostgresDriver(url)
    try:
        yield made
    finally:
        made.connection.close()


def replay(raw: Driver, sheets: Sequence[Sheet], which: dict[str, tuple[str, ...]]) -> None:
    """Writes the pages of `sheets`, one commit each: the tables of `which`, and the counters too where it is `ALL`."""
    for sheet in sheets:
        for table, columns in which.items():
            if sheet.rows[table]:
                raw.insert(table, columns, sheet.rows[table])
        if which is ALL:
            for table, column, rows in sheet.counters:
                if rows:
                    raw.add(table, column, rows)
            raw.touch([(row[0],) for row in sheet.counters[0][2]])
        raw.commit()


def _quoted(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)


def _unnest(table: str, columns: Sequence[str]) -> str:
    kinds = {sa.Boolean: "boolean", sa.BigInteger: "bigint", sa.Integer: "bigint", sa.LargeBinary: "bytea"}

    def kind(column: str) -> str:
        type_ = tables.metadata.tables[table].c[column].type
        return next((name for known, name in kinds.items() if isinstance(type_, known)), "text")

    return f"unnest({', '.join(f'%s::{kind(column)}[]' for column in columns)})"
