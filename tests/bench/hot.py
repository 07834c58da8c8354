"""Eight processes take orders of one SKU in at once, and there is not enough of it.

Each has a channel of its own and its pages in memory; all begin at the same moment. The floor is eight processes that
write the orders, lines, reservations and counters of the same pages with the raw driver, the items locked first.
"""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from core.routing import distance_km
from core.store.database import Store
from core.sync.channel import clock
from core.sync.take_in import take_in
from core.sync.verify import verify
from tests.bench import floor, seller
from tests.bench.databases import Database, Postgres, databases, opened
from tests.bench.figures import Figure, Report
from tests.bench.shop import HOT, shop

Work = Callable[..., None]

WRITERS = 8
_SHARE = 0.6
"""How much of what is wanted there is, in each warehouse half of it."""


def hot(quick: bool) -> Report:
    """On PostgreSQL, where writers meet; SQLite has one writer at a time."""
    orders, rounds = (250, 1) if quick else (5_000, 3)
    report = Report()
    with databases() as kinds, shop() as address:
        database = next(kind for kind in kinds if isinstance(kind, Postgres))
        _measure(report, database, address, orders, rounds)
    return report


def _measure(report: Report, database: Database, address: str, orders: int, rounds: int) -> None:
    stock = int(WRITERS * orders * _SHARE) // 2 * 2
    template = database.template(lambda store: _fill(store, stock))
    ours, bare, deadlocks, oversold = [], [], 0, 0
    for _ in range(rounds):
        url = database.copy(template)
        ours.append(_all_at_once(_take, [(url, address, writer, orders) for writer in range(WRITERS)]))
        with opened(url) as store:
            faults, over = _judge(store, stock)
            report.faults += faults
            oversold += over
            granted = _count(store, "SELECT count(*) FROM reservations")
            deadlocks += _count(store, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
            pages = [_pages_of(store, writer) for writer in range(WRITERS)]
        database.drop(url)
        url = database.copy(template)
        bare.append(_all_at_once(_write, [(url, sheets) for sheets in pages]))
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


def _pages_of(store: Store, writer: int) -> list[floor.Sheet]:
    with store.read() as tx:
        channel = tx.value("SELECT id FROM channels WHERE name = :name", name=_name(writer))
    return floor.read_back(store, channel)


def _all_at_once(work: Work, tasks: Sequence[tuple[Any, ...]]) -> float:
    """Does each task in a process of its own, all from the moment all are ready; seconds from there to the last end."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    barrier, ends = context.Barrier(len(tasks) + 1), context.Queue()
    processes = [context.Process(target=_timed, args=(work, task, barrier, ends), daemon=True) for task in tasks]
    for process in processes:
        process.start()
    try:
        barrier.wait(300)
        began = time.monotonic()
        last = max(ends.get(timeout=900) for _ in processes)
    except threading.BrokenBarrierError:
        last = 0.0
    finally:
        for process in processes:
            process.join()
    if not last or any(process.exitcode for process in processes):
        raise RuntimeError(f"a writer ended early, at {work.__name__}")
    return float(last - began)


def _timed(work: Work, task: tuple[Any, ...], barrier: Any, ends: Any) -> None:
    """Runs in its process. A writer that fails lets the others go, and its exit code tells."""
    end = 0.0
    try:
        work(barrier.wait, *task)
        end = time.monotonic()
    except BaseException:
        barrier.abort()
        raise
    finally:
        ends.put(end)


def _take(ready: Callable[[], object], url: str, address: str, writer: int, orders: int) -> None:
    connector = seller.open_shop(f"{address}/hot/{writer * orders}/{orders}", _name(writer))
    pages = list(connector.pages(None))
    with opened(url) as store:
        channel = seller.take_up_shop(store, connector)
        distance_km("US", "10001", "US", "94110")  # reads its table of places, once a process
        ready()
        for page in pages:
            take_in(store, channel, page, clock(), clock())
    connector.close()


def _write(ready: Callable[[], object], url: str, sheets: list[floor.Sheet]) -> None:
    with floor.driver(url) as raw:
        ready()
        for sheet in sheets:
            raw.lock(sorted({row[floor.ITEM] for row in sheet.rows["lines"]}))
            for table, columns in floor.CORE.items():
                if sheet.rows[table]:
                    raw.insert(table, columns, sheet.rows[table])
            for table, column, rows in sheet.counters[:2]:
                if rows:
                    raw.add(table, column, rows)
            raw.commit()
