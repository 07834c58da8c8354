"""The store's door: one class for SQLite and PostgreSQL.

SQLite runs in WAL mode with foreign keys, full synchronisation and one writer at a time (`BEGIN IMMEDIATE`); PostgreSQL
at READ COMMITTED with row locks, always taken in the order channel, orders, items, stock, each by id.
"""

from __future__ import annotations

import fcntl
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, make_url

from core.errors import StoreError, UserError
from core.guard import transaction
from core.store import sql

T = TypeVar("T")

BUSY_SECONDS = 30
"""How long a writer waits for another process's write on SQLite before it gives up."""

_TRIES = 6

_BY_INDEX = ", ".join(
    f"set_config('{name}', '0', true)"
    for name in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin", "max_parallel_workers_per_gather")
)


class Tx:
    """One open transaction: plain SQL with `:named` parameters, and set-based writes.

    In SQL, `IN :name` with a list means membership, and `/*lock*/` locks the selected rows where rows can be locked.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.sqlite = connection.dialect.name == "sqlite"
        self._last_id: dict[str, int] = {}

    def rows(self, query: str, **params: Any) -> Sequence[Any]:
        """All rows of a query."""
        return self._execute(query, params).fetchall()

    def tuples(self, query: str, **params: Any) -> list[tuple[Any, ...]]:
        """All rows as the driver gives them: for queries of very many, which nobody reads by name."""
        result = self._execute(query, params)
        found = list(result.cursor.fetchall())
        result.close()
        return found

    def row(self, query: str, **params: Any) -> Any:
        """The first row, or None."""
        return self._execute(query, params).fetchone()

    def value(self, query: str, **params: Any) -> Any:
        """The first column of the first row, or None."""
        row = self.row(query, **params)
        return None if row is None else row[0]

    def run(self, statement: str, **params: Any) -> int:
        """Executes a statement; returns how many rows it changed."""
        return self._execute(statement, params).rowcount

    def alone(self, what: str) -> None:
        """Waits until no other transaction does `what`, and keeps others from it until this one ends."""
        if not self.sqlite:
            self.run("SELECT pg_advisory_xact_lock(hashtext(:what))", what=f"ordersync {what}")

    def by_index(self) -> None:
        """Has the rest of this transaction look rows up by index, whatever the statistics say.

        PostgreSQL knows nothing yet of a table that was just filled, and reads all of it for a few thousand rows.
        """
        if not self.sqlite:
            self.run(f"SELECT {_BY_INDEX}")

    def ids(self, table: sa.Table, count: int) -> Sequence[int]:
        """`count` fresh ids for `table`, ascending. A transaction that rolls back may leave a gap."""
        if count == 0:
            return ()
        if self.sqlite:  # the one writer holds the lock, so the highest id moves only with what is handed out here
            highest = int(self.value(f"SELECT COALESCE(MAX(id), 0) FROM {table.name}"))
            first = max(highest, self._last_id.get(table.name, 0)) + 1
            self._last_id[table.name] = first + count - 1
            return range(first, first + count)
        fresh = "SELECT nextval(pg_get_serial_sequence(:table, 'id')) FROM generate_series(1, :count)"
        return sorted(row[0] for row in self.rows(fresh, table=table.name, count=count))

    def insert(self, table: sa.Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]], also: str = "") -> None:
        """Inserts `rows` in one statement; `also` is an ON CONFLICT clause."""
        if rows:
            self._set(sql.insert(table, tuple(columns), also, self.sqlite), rows)

    def update(
        self, table: sa.Table, keys: Sequence[str], sets: Sequence[str], rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Updates by key in one statement. A row holds the keys' values, then those of `sets`.

        An entry of `sets` is a column, replaced, or `column+`, to which the value is added.
        """
        if rows:
            if self.sqlite:
                rows = [(*row[len(keys) :], *row[: len(keys)]) for row in rows]
            self._set(sql.update(table, tuple(keys), tuple(sets), self.sqlite), rows)

    def _set(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if self.sqlite:
            self.connection.exec_driver_sql(statement, list(rows))
        else:
            self.connection.exec_driver_sql(statement, tuple(sql.array(column) for column in zip(*rows, strict=True)))

    def _execute(self, text: str, params: dict[str, Any]) -> sa.CursorResult[Any]:
        lists = tuple([name for name, value in params.items() if isinstance(value, list)])
        for name in lists:
            params[name] = sql.values(params[name], self.sqlite)
        # As the driver takes it: a statement that SQLAlchemy compiles costs twice as much, looked up in its cache.
        return self.connection.exec_driver_sql(sql.statement(text, lists, self.sqlite), params)


class Store:
    """The database, opened and of the right version."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.sqlite = engine.dialect.name == "sqlite"
        # Threads of one process queue here rather than poll SQLite's file lock.
        self._writer = threading.Lock()

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """A read-only view as of one instant (SQLite) or statement (PostgreSQL)."""
        with _told(), transaction(), self.engine.connect() as connection:
            try:
                yield Tx(connection)
            finally:
                connection.rollback()

    @contextmanager
    def write(self) -> Iterator[Tx]:
        """One write transaction: committed on leaving, rolled back on any exception."""
        if self.sqlite:
            self._writer.acquire()
        try:
            with _told(), transaction(), self.engine.connect() as connection:
                connection = connection.execution_options(ordersync_write=True)
                with connection.begin():
                    yield Tx(connection)
        finally:
            if self.sqlite:
                self._writer.release()

    def transact(self, work: Callable[[Tx], T]) -> T:
        """Runs `work` in a write transaction, again from the start when the database asks for that.

        `work` has no effect but through its transaction.
        """
        for attempt in range(_TRIES):
            try:
                with self.write() as tx:
                    return work(tx)
            except sa.exc.DBAPIError as error:
                if attempt + 1 == _TRIES or not _transient(error):
                    raise
        raise AssertionError("unreachable")

    @contextmanager
    def sole_instance(self) -> Iterator[bool]:
        """Whether this process is now the only daemon on this store; held until left, and freed by death."""
        if self.sqlite:
            path = Path(self.engine.url.database or "") if self.engine.url.database else None
            if path is None or str(path) == ":memory:":
                yield True
                return
            with path.with_name(path.name + ".lock").open("a") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    yield False
                    return
                yield True
            return
        with self.engine.connect() as connection:
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            key = 0x6F72_6465_7273  # "orders": this program's own advisory lock
            got = bool(connection.execute(sa.text("SELECT pg_try_advisory_lock(:key)"), {"key": key}).scalar())
            try:
                yield got
            finally:
                if got:
                    connection.execute(sa.text("SELECT pg_advisory_unlock(:key)"), {"key": key})

    def close(self) -> None:
        self.engine.dispose()


def connect(url: str | sa.URL) -> Engine:
    """An engine for `url` with this project's settings; opens nothing yet."""
    try:
        parsed = make_url(url)
    except sa.exc.ArgumentError:
        raise UserError("store.url is no database URL; write sqlite:///file or postgresql+psycopg://…") from None
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
        return sa.create_engine(parsed, hide_parameters=True, pool_pre_ping=True, pool_size=20, max_overflow=20)
    if backend != "sqlite":
        raise UserError(f"store.url names {backend}; ordersync keeps its store in sqlite or postgresql")
    engine = sa.create_engine(
        parsed,
        hide_parameters=True,
        pool_size=20,
        max_overflow=64,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
    )
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "cache_size=-65536",
    "temp_store=MEMORY",
    "wal_autocheckpoint=8000",  # pages: what many commits change alike is copied into the file once, not for each
)


def _prepare_sqlite(connection: sqlite3.Connection, record: object) -> None:
    connection.isolation_level = None  # transactions begin where `_begin_sqlite` says, not where sqlite3 guesses
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("ordersync_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


@contextmanager
def _told() -> Iterator[None]:
    """Database trouble a person can mend, told in one line; everything else passes."""
    try:
        yield
    except sa.exc.OperationalError as error:
        if _transient(error) and not isinstance(error.orig, sqlite3.Error):
            raise
        said = str(error.orig).strip().splitlines()[0] if error.orig else "no answer"
        raise StoreError(f"the store cannot be used: {said}; {_cure(said)}") from error
    except sa.exc.IntegrityError as error:
        diagnosis = getattr(error.orig, "diag", None)
        if diagnosis is None:
            raise
        # PostgreSQL tells the failing row in full, a buyer's address too: only the rule it broke goes on.
        bare = ValueError(f"{diagnosis.message_primary} ({diagnosis.constraint_name})")
        raise sa.exc.IntegrityError(error.statement, None, bare, hide_parameters=True) from None


def _cure(said: str) -> str:
    for sign, cure in (
        ("locked", "another process is writing to it; stop that one or try again"),
        ("full", "free some disk space; nothing was lost and work resumes by itself"),
        ("unable to open", "check that the folder of store.url exists and may be written"),
        ("readonly", "give this user the right to write the file and its folder"),
        ("malformed", "restore the newest backup; orders are pulled again from its cursor"),
        ("password", "check the user and the secret of store.url"),
        ("does not exist", "create the database first"),
    ):
        if sign in said:
            return cure
    return "check that the database of store.url is running and can be reached"


def _transient(error: sa.exc.DBAPIError) -> bool:
    """Deadlocks and serialisation failures: the whole transaction may be run again."""
    return getattr(error.orig, "sqlstate", None) in ("40001", "40P01", "55P03")
