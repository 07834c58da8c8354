"""The invariants as queries: what must be true of the store at every instant, checked in one view of it.

The same code serves `ordersync verify`, the tests and the night's check of a running daemon: each query holds at
every commit, so it may run beside the rounds. What only the channel can tell is not checked here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from core.store.database import Store, Tx
from core.sync import (
    verify_back,
    verify_incoming,
    verify_orders,
    verify_outward,
    verify_stock,
    verify_waiting,
    verify_warehouses,
)
from core.sync.verify_breach import MOST, Breach, Check
from core.sync.verify_repair import repair

__all__ = ["CHECKS", "Breach", "notes", "repair", "run_checks", "verify"]

Progress = Callable[[int, int], None]
"""Called before each query with how many are done, and of how many."""

CHECKS: tuple[Check, ...] = (
    *verify_stock.CHECKS,
    *verify_incoming.CHECKS,
    *verify_orders.CHECKS,
    *verify_outward.CHECKS,
    *verify_back.CHECKS,
    *verify_waiting.CHECKS,
    *verify_warehouses.CHECKS,
)


def verify(store: Store, *, progress: Progress = lambda done, total: None, file: bool = True) -> list[Breach]:
    """Every breach, at most a thousand of one kind; none when the store is sound. Reads only.

    With `file`, SQLite also checks its own file, which takes longest.
    """
    own = (file_is_whole, references_lead_somewhere) if file and store.sqlite else ()
    return run_checks(store, (*CHECKS, *own), progress)


def notes(store: Store) -> list[Breach]:
    """What an operator should know although nothing is broken: orders whose money does not add up, for one."""
    return run_checks(store, verify_orders.NOTES, lambda done, total: None)


def file_is_whole(tx: Tx) -> Iterator[Breach]:
    """SQLite: the file's pages, indexes and constraints are in order."""
    for row in tx.rows(f"PRAGMA integrity_check({MOST})"):
        if row[0] != "ok":
            counters = str(row[0]).startswith("CHECK constraint failed")
            cure = (
                "see what else is told; if nothing is, restore the newest backup"
                if counters
                else "stop the service and restore the newest backup; orders are pulled again from its cursor"
            )
            yield Breach(name="file", subject="the store's file", wrong=str(row[0]), cure=cure)


def references_lead_somewhere(tx: Tx) -> Iterator[Breach]:
    """SQLite: each reference leads to a row that exists."""
    for row in tx.rows("PRAGMA foreign_key_check")[:MOST]:
        yield Breach(
            name="file",
            subject=f"row {row[1]} of {row[0]}",
            wrong=f"it refers to a row of {row[2]} that does not exist",
            cure="stop the service and restore the newest backup that verifies",
        )


def run_checks(store: Store, checks: Sequence[Check], progress: Progress) -> list[Breach]:
    """What `checks` find, all in one view of the store."""
    found: list[Breach] = []
    with _one_view(store) as tx:
        for done, check in enumerate(checks):
            progress(done, len(checks))
            found += check(tx)
    progress(len(checks), len(checks))
    return found


@contextmanager
def _one_view(store: Store) -> Iterator[Tx]:
    """One view for all queries: a daemon that writes meanwhile is seen between two of its commits."""
    with store.read() as tx:
        if not tx.sqlite:
            tx.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            tx.run("SET LOCAL work_mem = '256MB'")  # sums over a million orders stay in memory
        yield tx
