"""Turns of warehouses for `ordersync round`, here or by the daemon that holds the store."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from core.commands.edge import NeedsAttention
from core.settings import Settings
from core.store.database import Store, Tx
from core.sync.turn import Trouble
from core.sync.warehouse_turn import Handled, warehouse_turn

LOOK_SECONDS = 0.2


class HouseDone(msgspec.Struct, kw_only=True):
    """What one warehouse's turn did. Counts a daemon does not tell are null."""

    warehouse: str
    state: str = "ok"
    """ok, unavailable or parked."""
    reason: str = ""
    by: str = "here"
    told: int | None = None
    """Events that were taken in."""
    unread: int | None = None
    refused: int | None = None
    """Events that could not be booked."""
    handed_over: int | None = None
    recalled: int | None = None
    waits: str = ""
    """What it has told and is not read yet, and until when."""


def turns(store: Store, settings: Settings, names: Sequence[str], wait: float) -> list[HouseDone]:
    """One turn of each warehouse; while a daemon holds the store it is asked instead and waited for."""
    if not names:
        return []
    with store.sole_instance() as sole:
        if sole:
            with ThreadPoolExecutor(8, thread_name_prefix="warehouse") as threads:
                return list(threads.map(lambda name: _told(warehouse_turn(store, settings, name)), names))
    return _by_daemon(store, names, wait)


def _told(done: Handled | Trouble) -> HouseDone:
    if isinstance(done, Trouble):
        return HouseDone(warehouse=done.channel, state="parked" if done.parked else "unavailable", reason=done.reason)
    return HouseDone(
        warehouse=done.warehouse,
        told=done.heard.taken,
        unread=done.heard.unread,
        refused=done.heard.refused,
        handed_over=done.handed_over,
        recalled=done.recalled,
        waits=done.waits,
    )


def _by_daemon(store: Store, names: Sequence[str], wait: float) -> list[HouseDone]:
    """Pokes the warehouses and waits until each has had a turn that saw it."""

    def poke(tx: Tx) -> dict[str, tuple[int, int]]:
        return {
            row.name: (row.wanted, row.fails)
            for row in tx.rows(
                "UPDATE warehouses SET wanted = wanted + 1, next_due = CASE WHEN next_due <= 0 THEN next_due - 1"
                " ELSE 0 END WHERE name IN :names RETURNING name, wanted, fails",
                names=list(names),
            )
        }

    waiting = store.transact(poke)
    done = {name: HouseDone(warehouse=name, reason="the daemon has not begun with it yet") for name in names}
    ends = time.monotonic() + wait
    while waiting and time.monotonic() < ends:
        with store.read() as tx:
            rows = {row.name: row for row in tx.rows("SELECT * FROM warehouses")}
        for name, (wanted, fails) in list(waiting.items()):
            row = rows[name]
            if row.done >= wanted:
                done[name] = HouseDone(warehouse=name, by="daemon")
            elif row.fails > fails:
                done[name] = HouseDone(warehouse=name, by="daemon", state=row.health, reason=row.reason)
            else:
                continue
            del waiting[name]
        if waiting:
            time.sleep(LOOK_SECONDS)
    if waiting:
        raise NeedsAttention(f"{', '.join(waiting)}: the daemon has not come to it in {wait:g} s; it goes on by itself")
    return [done[name] for name in names]
