"""Eight processes take orders of one SKU in at once, and there is not enough of it. Run as a module it is one of them.

Each has a channel of its own and its pages in memory; all begin at the same moment. The floor is eight processes that
write the orders, lines, reservations and counters of the same pages with the raw driver, the items locked first.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.store.database import Store
from core.sync.channel import clock
from core.sync.take_in import take_in
from core.sync.verify import verify
from tests.bench import floor, seller
from tests.bench.databases import Database, Postgres, databases, opened
from tests.bench.figures import Figure, Report
from tests.bench.shop import HOT, shop

WRITERS = 8
_SHARE = 0.6
"""How much of what is wanted there is, in each warehouse half of it."""


def hot(quick: bool) -> Report:
    """On PostgreSQL, where writers meet; SQLite has one writer at a time."""
    orders, rounds = (500, 1) if quick else (5_000, 3)
    report = Report()
    with databases() as kinds, shop() as address, tempfile.TemporaryDirectory(prefix="ordersync-bench-") as folder:
        database = next(kind for kind in kinds if isinstance(kind, Postgres))
        _measure(report, database, address, Path(folder), orders, rounds)
    return report


def _measure(report: Report, database: Database, address: str, folder: Path, orders: int, rounds: int) -> None:
    stock = int(WRITERS * orders * _SHARE) // 2 * 2
    template = database.template(lambda store: _fill(store, stock))
    ours, bare, deadlocks, oversold = [], [], 0, 0
    for _ in range(rounds):
        url = database.copy(template)
        ours.append(_all_at_once([["take", url, address, str(writer), str(orders)] for writer in range(WRITERS)]))
        with opened(url) as store:
            faults, over = _judge(store, stock)
            report.faults += faults
            oversold += over
            granted = _count(store, "SELECT count(*) FROM reservations")
            deadlocks += _count(store, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
            files = [_pages_of(store, writer, folder) for writer in range(WRITERS)]
        database.drop(url)
        url = database.copy(template)
        bare.append(_all_at_once([["write", url, str(file)] for file in files]))
        database.drop(url)
    database.drop(template)
    if deadlocks:
        report.faults.append(f"{WRITERS} writers of one SKU: {deadlocks} deadlocks")
    middle = rounds // 2
    report.figures += [
        Figure(
            part="hot",
            what=f"{WRITERS} writers, one SKU: reservations",
            unit="rows/s",
            ours=granted / sorted(ours)[middle],
            floor=granted / sorted(bare)[middle],
            against=f"{WRITERS} raw drivers writing orders+lines+reservations+counters",
            note=f"{WRITERS * orders / sorted(ours)[middle]:,.0f} orders/s",
        ),
        Figure(part="hot", what="oversold", unit="units", ours=oversold, note="must be 0"),
        Figure(part="hot", what="deadlocks", unit="in all", ours=deadlocks, note="must be 0"),
    ]


def _fill(store: Store, stock: int) -> None:
    for writer in range(WRITERS):
        shop_ = seller.open_shop("http://127.0.0.1:1", _name(writer))
        channel = seller.take_up_shop(store, shop_)
        shop_.close()
        with store.write() as tx:
            if writer == 0:
                seller.fill_shelves(tx, HOT[:1], stock // 2)
                seller.fill_shelves(tx, HOT[1:], seller.PLENTY)
            seller.list_all(tx, channel)


def _name(writer: int) -> str:
    return f"shop{writer}"


def _judge(store: Store, stock: int) -> tuple[list[str], int]:
    """What is wrong with the store, and by how many units too much was promised."""
    with store.read() as tx:
        item = tx.row("SELECT id, on_hand, reserved FROM items WHERE sku = :sku", sku=HOT[0])
        given = tx.value("SELECT SUM(quantity) FROM reservations WHERE item_id = :id", id=item.id)
    faults = [str(breach) for breach in verify(store)]
    if given > stock or item.reserved > item.on_hand:
        faults.append(f"{HOT[0]} was oversold: {given} units promised of {stock}")
    if given < stock:
        faults.append(f"{HOT[0]} was not sold out: {given} units promised of {stock}")
    return faults, max(0, given - stock)


def _count(store: Store, sql: str) -> int:
    with store.read() as tx:
        return int(tx.value(sql))


def _pages_of(store: Store, writer: int, folder: Path) -> Path:
    with store.read() as tx:
        channel = tx.value("SELECT id FROM channels WHERE name = :name", name=_name(writer))
    file = folder / f"{writer}.pickle"
    file.write_bytes(pickle.dumps(floor.read_back(store, channel)))
    return file


def _all_at_once(tasks: Sequence[Sequence[str]]) -> float:
    """Starts a process for each task, lets them go together once all are ready; seconds from there to the last end."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.bench.hot", *task], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for task in tasks
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise RuntimeError("a writer ended before it began")
        began = time.monotonic()
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        told = [process.communicate()[0] for process in processes]
        if any(process.returncode for process in processes):
            raise RuntimeError(f"a writer ended early: {tasks[0][0]}")
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return float(max(json.loads(end) for end in told) - began)


def _take(url: str, address: str, writer: str, orders: str) -> None:
    first = int(writer) * int(orders)
    connector = seller.open_shop(f"{address}/hot/{first}/{orders}", _name(int(writer)))
    pages = list(connector.pages(None))
    with opened(url) as store:
        channel = seller.take_up_shop(store, connector)
        _ready()
        for page in pages:
            take_in(store, channel, page, clock(), clock())
        _done()


def _write(url: str, file: str) -> None:
    sheets: list[floor.Sheet] = pickle.loads(Path(file).read_bytes())  # noqa: S301 - our own file
    with floor.driver(url) as raw:
        _ready()
        for sheet in sheets:
            raw.lock(sorted({row[floor.ITEM] for row in sheet.rows["lines"]}))
            for table, columns in floor.CORE.items():
                if sheet.rows[table]:
                    raw.insert(table, columns, sheet.rows[table])
            for table, column, rows in sheet.counters[:2]:
                if rows:
                    raw.add(table, column, rows)
            raw.commit()
        _done()


def _ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()


def _done() -> None:
    sys.stdout.write(json.dumps(time.monotonic()))


if __name__ == "__main__":
    work: dict[str, Any] = {"take": _take, "write": _write}
    work[sys.argv[1]](*sys.argv[2:])
