"""`ordersync`: the commands, and the background service `ordersync run`.

The service only schedules: what is due, and how the last turn went, stands in the channels' and warehouses' rows, so a
service that was killed goes on where it stopped. Each channel and each warehouse has one turn at a time, in a thread of
its own; a tick a second looks what is due. Whatever makes one due before its time, a hint that came or another
channel's orders, wakes it at once.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import structlog
import typer
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from core.asked import Asked
from core.commands.app import build
from core.commands.given import FOLDER, Config, open_at
from core.commands.logs import configure
from core.connector import Connector
from core.errors import StoreError, UserError
from core.handover import Notice
from core.settings import ChannelSettings, Settings, WarehouseSettings, Watched
from core.store.database import Store
from core.sync.channel import clock
from core.sync.clock_back import CLOCK_STEP, heed_clock
from core.sync.connect import Keepers
from core.sync.hear import due_hints
from core.sync.pull import Stopped
from core.sync.take_notices import keep_notices
from core.sync.turn import turn
from core.sync.warehouse_turn import Handled, warehouse_is_due, warehouse_turn
from core.sync.work import SECOND
from core.warehouse import WarehouseConnector
from core.web.inbox import Inbox
from core.web.listeners import Listeners
from core.web.receiver import Receiver
from core.web.server import Server

log = structlog.get_logger("ordersync")

MOST_THREADS = 64

STORE_PAUSE = 5.0
"""Seconds a channel rests after the store could not be used: it may be readable and yet full."""


class Service:
    """The daemon of one store: started once, stopped once."""

    def __init__(self, watched: Watched, store: Store) -> None:
        self._watched = watched
        self._store = store
        self._keepers = Keepers(store, watched.settings.store)
        self._stopping = threading.Event()
        self._running: set[str] = set()
        self._passed_over: set[str] = set()
        """Running channels that were due again meanwhile."""
        self._connectors: dict[str, tuple[ChannelSettings, Connector]] = {}
        self._houses: dict[str, tuple[WarehouseSettings, WarehouseConnector]] = {}
        self._lock = threading.Lock()
        self._store_trouble = ""
        self._changed: set[str] = set()
        self._not_before: dict[str, float] = {}
        """Until when a channel rests whose last turn could not even be booked, by the monotonic clock."""
        self._clock_stands: int | None = None
        """By how much the clock is ahead of the monotonic one, as of the last tick."""
        self._woken = threading.Event()
        self._inbox = Inbox(store, self.wake)
        self._listeners = Listeners(store, self._inbox)
        self._server: Server | None = None
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={
                "default": ThreadPoolExecutor(MOST_THREADS),
                # Ticks never wait for a free thread behind the channels' turns.
                "ticks": ThreadPoolExecutor(1),
            },
        )

    def start(self) -> None:
        """Begins to work off what is due, and to listen. Raises `UserError` where it cannot listen as configured."""
        seconds = self._watched.settings.daemon.tick_seconds
        place = self._watched.settings.receiver.place
        if place is not None:
            receiver = Receiver(
                lambda: self._watched.settings.channels,
                self._inbox,
                self._unready,
                lambda: self._watched.settings.warehouses,
                self._keep,
            )
            self._server = Server(*place, receiver.answer)
            host, port = self._server.start()
            log.info("listening", host=host, port=port)
        self._inbox.start()
        self._scheduler.add_job(
            self._tick,
            "interval",
            seconds=seconds,
            id="tick",
            executor="ticks",
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
            next_run_time=datetime.now(UTC),
        )
        self._scheduler.start()

    def stop(self) -> None:
        """Lets each channel finish the page at hand and ends; what takes longer than the grace is left behind."""
        self._stopping.set()
        if self._server is not None:
            self._server.stop()
        self._listeners.stop()
        self._inbox.stop()
        ends = time.monotonic() + self._watched.settings.daemon.stop_grace_seconds
        while self._running and time.monotonic() < ends:
            time.sleep(0.02)
        left = sorted(self._running)
        if left:
            log.warning("stopping without waiting longer; it goes on from its last page", channels=left)
        self._scheduler.shutdown(wait=False)
        opened: list[Connector | WarehouseConnector] = [connector for _, connector in self._connectors.values()]
        opened += [connector for _, connector in self._houses.values()]
        for connector in () if left else opened:
            connector.close()

    def wake(self) -> None:
        """Looks now what is due. Many calls before that look are one; one during it is another look."""
        if not self._woken.is_set() and not self._stopping.is_set():
            self._woken.set()
            self._scheduler.add_job(self._tick, executor="ticks", misfire_grace_time=None)

    def _keep(self, name: str, notices: Sequence[Notice]) -> bool:
        """What a warehouse brought by a call: kept, and looked at now."""
        stored = keep_notices(self._store, name, notices, clock())
        self.wake()
        return stored

    def _unready(self) -> str:
        """Why the service is not ready; empty when it is."""
        return "stopping" if self._stopping.is_set() else self._store_trouble

    def _tick(self) -> None:
        self._woken.clear()
        try:
            self._reload()
            self._heed_clock()
            settings = self._watched.settings
            self._listeners.follow(settings.channels)
            due = self._due(settings)
        except StoreError as error:
            self._store_failed(error)
            return
        for name in due:
            self._begin(settings, name)

    def _due(self, settings: Settings) -> list[str]:
        """The channels and warehouses whose turn it is; no two have one name."""
        now = clock()
        with self._store.read() as tx:
            rows = {row.name: row for row in tx.rows("SELECT * FROM channels")}
            hints = due_hints(tx)
            houses = {row.name: row for row in tx.rows("SELECT * FROM warehouses")} if settings.warehouses else {}
        due = [name for name in settings.channels if name not in rows or _is_due(rows[name], hints, now)]
        return due + [name for name in settings.warehouses if name not in houses or warehouse_is_due(houses[name], now)]

    def _begin(self, settings: Settings, name: str) -> None:
        with self._lock:
            if name in self._running:
                self._passed_over.add(name)
                return
            if self._stopping.is_set() or time.monotonic() < self._not_before.get(name, 0.0):
                return
            self._running.add(name)
        self._scheduler.add_job(self._turn, args=(settings, name), misfire_grace_time=None)

    def _turn(self, settings: Settings, name: str) -> None:
        try:
            self._take_turn(settings, name)
            self._store_works()
        except Stopped:
            pass
        except StoreError as error:
            self._not_before[name] = time.monotonic() + STORE_PAUSE
            self._store_failed(error)
        except Exception:
            # The turn books every trouble of its channel; what comes here is a bug of ours, told and tried again.
            self._not_before[name] = time.monotonic() + settings.daemon.parked_retry_seconds
            log.exception("turn failed", channel=name)
        finally:
            with self._lock:
                self._running.discard(name)
                again = name in self._passed_over
                self._passed_over.discard(name)
        if again:
            self.wake()

    def _take_turn(self, settings: Settings, name: str) -> None:
        if name in settings.warehouses:
            house = self._house(name, settings.warehouses[name])
            done = warehouse_turn(self._store, settings, name, connector=house, stopping=self._stopping.is_set)
            if isinstance(done, Handled) and done.heard.taken:
                self.wake()  # parcels it told of are their channels' to tell
            return
        turn(
            self._store,
            settings,
            name,
            connector=self._connector(name, settings.channels[name]),
            keepers=self._keepers,
            stopping=self._stopping.is_set,
            woken=self.wake,
        )

    def _house(self, name: str, settings: WarehouseSettings) -> WarehouseConnector:
        """The warehouse's connector, opened anew when its settings changed."""
        known = self._houses.get(name)
        if known is None or known[0] != settings:
            if known is not None:
                known[1].close()
            known = self._houses[name] = settings, self._keepers.warehouse(name, settings)
        return known[1]

    def _connector(self, name: str, settings: ChannelSettings) -> Connector:
        """The channel's connector, opened anew when its settings changed."""
        known = self._connectors.get(name)
        if known is not None and known[0] == settings:
            return known[1]
        if known is not None:
            known[1].close()
        opened = self._keepers.connect(name, settings)
        self._connectors[name] = settings, opened
        return opened

    def _store_failed(self, error: StoreError) -> None:
        """One line when the store's trouble begins; each tick tries again."""
        if not self._store_trouble:
            log.error("store cannot be used; nothing is lost, it is tried again", reason=str(error))
        self._store_trouble = str(error)

    def _store_works(self) -> None:
        """One line when it ends: a turn has written to the store."""
        if self._store_trouble:
            self._store_trouble = ""
            log.info("store works again")

    def _reload(self) -> None:
        seen = self._watched.look()
        if seen is not None:
            for problem in seen.problems:
                log.error("configuration is wrong; the last good one stays", problem=str(problem))
            for change in seen.changes:
                log.info("configuration changed", change=str(change))
                self._changed.add(change.file.rpartition("/")[2].removesuffix(".toml"))
        if self._changed:  # kept until it is written: a parked channel whose file was mended is tried at once
            names = sorted(self._changed)
            for table in ("channels", "warehouses"):
                self._store.transact(
                    lambda tx: tx.run(f"UPDATE {table} SET next_due = 0 WHERE name IN :names", names=names)  # noqa: B023
                )
            self._changed.clear()

    def _heed_clock(self) -> None:
        """Makes due what a clock that was set back since would leave waiting; at the start, what it had booked."""
        now = clock()
        stands, before = now - int(time.monotonic() * SECOND), self._clock_stands
        if before is not None and before - stands <= CLOCK_STEP * SECOND:
            self._clock_stands = stands
            return
        if self._store.transact(lambda tx: heed_clock(tx, now, stepped=before is not None)):
            log.warning("the clock was set back; everything is looked at now, see to the machine's time")
        self._clock_stands = stands


def _is_due(row: Any, hints: Mapping[int, int], now: int) -> bool:
    """By the clock; or, while the channel is well, when something waits for now, a hint came or somebody poked it."""
    if row.next_due <= now:
        return True
    waits = [at for at in (row.wake_at, hints.get(row.id)) if at is not None]
    return row.health == "ok" and (row.wanted > row.done or any(at <= now for at in waits))


@contextmanager
def _alone(store: Store) -> Iterator[bool]:
    """The store's lock, with a second's patience: `ordersync status` takes it for an instant to see who is there."""
    ends = time.monotonic() + 1.0
    while True:
        with store.sole_instance() as sole:
            if sole or time.monotonic() > ends:
                yield sole
                return
        time.sleep(0.05)


def serve(config: Path) -> None:
    """`ordersync run`: works until SIGTERM or SIGINT; a second signal ends it at once."""
    watched = Watched(config)
    settings = watched.settings
    configure(settings.log)
    for problem in settings.problems:
        log.error("configuration is wrong; this is left out", problem=str(problem))
    store = open_at(settings)
    asked = Asked()

    def ask(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            os._exit(128 + number)
        asked.set()

    with _alone(store) as sole:
        if not sole:
            raise UserError("another ordersync works on this store already; stop it first (see `ordersync status`)")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, ask)
        service = Service(watched, store)
        service.start()
        log.info("started", channels=sorted(settings.channels), warehouses=sorted(settings.warehouses))
        asked.wait()
        log.info("stopping")
        service.stop()
        log.info("stopped")
        if threading.active_count() > 1:  # a turn that outlived its grace must not keep the process
            os._exit(0)


def run(config: Config = FOLDER) -> None:
    """Run the background service until it is told to stop."""
    serve(config)


def app() -> typer.Typer:
    """The whole command line."""
    commands = build()
    commands.command("run")(run)
    return commands


def main() -> None:
    """The `ordersync` script."""
    app()(prog_name="ordersync")


if __name__ == "__main__":
    main()
