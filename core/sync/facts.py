"""The daily facts, worked off behind the rounds: what changed is found by ids, and only its days are counted anew.

Every change of an order leaves a row that is only ever added: a document, an entry of the audit, a shipment; every
movement of stock one of the ledger. Reading is done outside of write transactions, and a day that changes meanwhile is
on the list again afterwards, so what is written is never older than what the next refresh looks at.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from core.days import Days
from core.errors import Fenced
from core.store import tables
from core.store.database import Store, Tx
from core.sync.facts_of_days import FAMILIES, Made

BATCH = 20_000
"""Rows of a source looked at in one transaction."""

AT_ONCE = 7
"""Days counted in one query."""

EVERY = 600 * 1_000_000
"""How old the facts may grow before a turn works them off, in microseconds."""

AGAIN = 120 * 1_000_000
"""How long one that has begun and not ended is left alone, in microseconds."""

_LEDGER = "ledger"
_ORDERS = {
    "documents": "SELECT DISTINCT order_id FROM documents WHERE id > :mark AND id <= :upto",
    "audit": "SELECT DISTINCT order_id FROM audit WHERE id > :mark AND id <= :upto AND order_id IS NOT NULL",
    "shipments": "SELECT DISTINCT order_id FROM shipments WHERE id > :mark AND id <= :upto",
}
_SOURCES = (*_ORDERS, _LEDGER)

_PAUSE = 0.05
_PAUSES = 100


def refresh_facts(store: Store, days: Days, clock: Callable[[], int], *, most: int | None = None) -> bool:
    """Brings the facts up to what is stored; returns whether they are. With `most`, only so many steps are done.

    Raises `Fenced` where another refresh has begun meanwhile: that one goes on.
    """
    epoch = store.transact(lambda tx: _begin(tx, days, clock()))
    left = most
    highest, all_there = _highest(store)
    for source, upto in highest.items():
        mark = _mark(store, source)
        while mark < upto:
            if left == 0:
                return False
            mark = _look(store, epoch, source, mark, min(upto, mark + BATCH), days, keep=all_there)
            left = None if left is None else left - 1
    for name, family in FAMILIES.items():
        while found := _todo(store, name):
            if left == 0:
                return False
            _count(store, epoch, name, family, found, days)
            left = None if left is None else left - 1
    store.transact(lambda tx: _done(tx, epoch, clock()))
    return True


def facts_wait(store: Store, now: int) -> bool:
    """Whether it is time for a turn to work the facts off, and nobody else has just begun to."""
    with store.read() as tx:
        row = tx.row("SELECT began_at, done_at FROM facts_state")
    if row is None:
        return True
    return bool(now - row.began_at >= (EVERY if row.done_at >= row.began_at else AGAIN))


def forget_facts(tx: Tx) -> None:
    """All of them are made anew by the next refresh; the windows stay, which were measured as they happened."""
    for table in _MADE_ANEW:
        tx.run(f"DELETE FROM {table.name}")


_MADE_ANEW: Sequence[sa.Table] = (
    tables.facts_calendar,
    tables.facts_due,
    tables.facts_lines,
    tables.facts_marks,
    tables.facts_orders,
    tables.facts_stock,
    tables.facts_times,
    tables.facts_todo,
)


def _begin(tx: Tx, days: Days, now: int) -> int:
    tx.alone("facts")
    row = tx.row("SELECT zone FROM facts_state")
    if row is not None and row.zone != days.name:
        forget_facts(tx)
    tx.insert(
        tables.facts_state,
        ("id", "epoch", "began_at", "zone"),
        [(1, 1, now, days.name)],
        "ON CONFLICT (id) DO UPDATE SET epoch = facts_state.epoch + 1, began_at = excluded.began_at,"
        " zone = excluded.zone",
    )
    return int(tx.value("SELECT epoch FROM facts_state"))


def _fence(tx: Tx, epoch: int) -> None:
    if tx.value("SELECT epoch FROM facts_state /*lock*/") != epoch:
        raise Fenced("another process works the facts off")


def _done(tx: Tx, epoch: int, now: int) -> None:
    _fence(tx, epoch)
    tx.run("UPDATE facts_state SET done_at = :now", now=now)


def _highest(store: Store) -> tuple[dict[str, int], bool]:
    """The highest id of each source, and whether every row below it is there by now.

    A row may be committed after one with a higher id. On PostgreSQL the transactions that were on their way when the
    ids were read are waited for; where one takes long, the same rows are looked at again by the next refresh.
    """
    with store.read() as tx:
        ids = {source: int(tx.value(f"SELECT COALESCE(max(id), 0) FROM {source}")) for source in _SOURCES}
    if store.sqlite:  # one writer at a time: ids are committed in their order
        return ids, True
    time.sleep(_PAUSE)  # who has taken an id has its own transaction id by then
    with store.read() as tx:
        begun = tx.value("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
    for _ in range(_PAUSES):
        with store.read() as tx:
            if tx.value("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint") >= begun:
                return ids, True
        time.sleep(_PAUSE)
    return ids, False


def _mark(store: Store, source: str) -> int:
    with store.read() as tx:
        return int(tx.value("SELECT max(mark) FROM facts_marks WHERE source = :source", source=source) or 0)


def _look(store: Store, epoch: int, source: str, mark: int, upto: int, days: Days, *, keep: bool) -> int:
    """Puts the days that these rows change on the list; `keep`: the rows need not be looked at again."""

    def work(tx: Tx) -> None:
        _fence(tx, epoch)
        if source == _LEDGER:
            _list_movements(tx, days, mark, upto)
        else:
            _list_orders(tx, days, [row.order_id for row in tx.rows(_ORDERS[source], mark=mark, upto=upto)])
        if keep:
            also = "ON CONFLICT (source) DO UPDATE SET mark = excluded.mark"
            tx.insert(tables.facts_marks, ("source", "mark"), [(source, upto)], also)

    store.transact(work)
    return upto


def _list_movements(tx: Tx, days: Days, mark: int, upto: int) -> None:
    span = tx.row("SELECT min(at) AS low, max(at) AS high FROM ledger WHERE id > :a AND id <= :b", a=mark, b=upto)
    if span.low is not None:
        day = days.sql("at", span.low, span.high)
        _list(tx, "stock", f"SELECT DISTINCT {day} FROM ledger WHERE id > :mark AND id <= :upto", mark=mark, upto=upto)


def _list_orders(tx: Tx, days: Days, orders: list[int]) -> None:
    """Each order's days: those it counted on until now, and those it does by now."""
    if not orders:
        return
    mine = "FROM facts_calendar WHERE order_id IN :ids"
    span = tx.row(
        "SELECT min(placed_at) AS low, max(placed_at) AS high, min(ship_by) AS low_due, max(ship_by) AS high_due"
        " FROM orders WHERE id IN :ids",
        ids=orders,
    )
    due = "NULL" if span.low_due is None else days.sql("ship_by", span.low_due, span.high_due)
    for again in (False, True):
        _list(tx, "placed", f"SELECT DISTINCT placed_day {mine}", ids=orders)
        _list(tx, "due", f"SELECT DISTINCT due_day {mine} AND due_day IS NOT NULL", ids=orders)
        if not again:
            tx.run(
                "INSERT INTO facts_calendar (order_id, placed_day, due_day)"
                f" SELECT id, {days.sql('placed_at', span.low, span.high)}, CAST({due} AS integer) FROM orders"
                " WHERE id IN :ids ON CONFLICT (order_id)"
                " DO UPDATE SET placed_day = excluded.placed_day, due_day = excluded.due_day",
                ids=orders,
            )
    left = tx.row("SELECT min(shipped_at) AS low, max(shipped_at) AS high FROM shipments WHERE order_id IN :ids",
                  ids=orders)  # fmt: skip
    if left.low is not None:
        day = days.sql("shipped_at", left.low, left.high)
        _list(tx, "shipped", f"SELECT DISTINCT {day} FROM shipments WHERE order_id IN :ids", ids=orders)


def _list(tx: Tx, family: str, days: str, **params: Any) -> None:
    tx.run(
        f"INSERT INTO facts_todo (family, day) SELECT '{family}', d.* FROM ({days}) AS d WHERE 1 = 1"
        " ON CONFLICT DO NOTHING",
        **params,
    )


def _todo(store: Store, family: str) -> list[int]:
    with store.read() as tx:
        rows = tx.rows(
            "SELECT day FROM facts_todo WHERE family = :family ORDER BY day DESC LIMIT :most",
            family=family,
            most=AT_ONCE,
        )
    return sorted(row.day for row in rows)


def _count(store: Store, epoch: int, name: str, family: Sequence[Made], listed: list[int], days: Days) -> None:
    """Counts some days anew. What changes after they are read has ids that the next refresh looks at."""
    with store.read() as tx:
        counted = [(made, tx.rows(made.sql(listed, days))) for made in family]

    def work(tx: Tx) -> None:
        _fence(tx, epoch)
        for made, rows in counted:
            tx.run(f"DELETE FROM {made.table.name} WHERE day IN :days", days=listed)
            tx.insert(made.table, made.columns, [tuple(row) for row in rows])
        tx.run("DELETE FROM facts_todo WHERE family = :family AND day IN :days", family=name, days=listed)

    store.transact(work)
