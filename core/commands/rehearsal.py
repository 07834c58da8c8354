"""A rehearsal: simulated channels, a real daemon, buyers who order and a warehouse that ships.

`ordersync demo` runs one and judges it; the crash test runs one and kills its daemon again and again. The daemon is a
process of its own that knows nothing of the rehearsal: it reads a configuration folder and speaks to real sockets.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from connectors.simulated_warehouse import SimulatedWarehouse
from connectors.simulation import (
    Fault,
    FaultPlan,
    SimulatedLine,
    SimulatedListing,
    SimulatedOrder,
    Simulator,
)
from core.commands.assortment import APART, KIT, KIT_PARTS, LOCATIONS, SCARCE, SKUS, TOWNS, UNKNOWN
from core.commands.judgement import Row, judge
from core.commands.judgement_depot import Depot, judge_depot
from core.commands.packers import Packers
from core.commands.staff import Staff
from core.connector import SIMULATORS, find_simulator, names
from core.model import instant
from core.store.database import Store
from core.store.schema import open_store
from core.sync.channel import clock
from core.sync.kits import define_kit
from core.sync.stock import receive
from core.sync.verify import verify

WAREHOUSE = "depot"
"""What the warehouse of a rehearsal is called."""


class Rehearsal:
    """Simulators, configuration and store of one rehearsal, in a folder of its own."""

    def __init__(
        self,
        folder: Path,
        *,
        seed: int = 0,
        faults: Mapping[Fault, float] | None = None,
        channels: Sequence[str] = (),
        store_url: str = "sqlite:///ordersync.sqlite",
        ways: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
        served: str = "",
    ) -> None:
        """`ways`: more of how each simulator is to be made, by its name. `served`: the location whose work goes to a
        warehouse of its own, which is reached through a connector; nowhere if not given."""
        self.folder = folder
        self.config = folder / "config"
        self.seed = seed
        self.random = random.Random(seed)  # noqa: S311 - a seeded play
        self.store_url = store_url
        self.channels: dict[str, Simulator] = {}
        self.environ: dict[str, str] = {}
        self.called_off: set[tuple[str, str]] = set()
        self.unreadable: set[tuple[str, str]] = set()
        """Orders that are written in a way no connector knows, and not mended yet."""
        everything = (*SKUS, *APART, KIT, UNKNOWN)
        prices = {sku: Decimal(self.random.randrange(500, 6000)) / 100 for sku in everything}
        for name in channels or names(SIMULATORS):
            kind = find_simulator(name)
            made = {**kind.rehearsal, **kind.hardest, **ways.get(name, {})}
            simulator = kind(name=name, faults=FaultPlan(seed, faults or {}), seed=seed, **made)
            for sku, price in prices.items():
                title = sku.replace("-", " ").title()
                quantities = dict.fromkeys(simulator.places, 3)
                simulator.offer(SimulatedListing(sku=sku, title=title, price=price, quantities=quantities))
            self.channels[name] = simulator
        self.store: Store | None = None
        self.staff = Staff(self)
        self.served = served
        self.warehouse = self.packers = None
        if served:
            secret = self.random.randbytes(32).hex()
            self.warehouse = SimulatedWarehouse(
                name=WAREHOUSE, secret=secret, faults=FaultPlan(seed, faults or {}), seed=seed
            )
            self.packers = Packers(self, self.warehouse.yard)

    # The set.

    def open(self) -> Store:
        """Starts the simulators, writes the configuration, fills the shelves."""
        (self.config / "channels").mkdir(parents=True, exist_ok=True)
        # Where the faults kill two tokens in one call the channel is parked: nobody is there to restart it.
        store = {"url": self.store_url, "encryption_key": "secret:ORDERSYNC_KEY"}
        self.environ["ORDERSYNC_KEY"] = self.random.randbytes(32).hex()
        common = {"store": store, "daemon": {"parked_retry_seconds": 10}, "log": {"format": "json"}}
        (self.config / "ordersync.toml").write_text(_toml(common))
        (self.config / "locations.toml").write_text(
            "".join(
                f'[[locations]]\nname = "{name}"\npostal_code = "{code}"\npriority = {priority}\n\n'
                for name, (code, priority) in LOCATIONS.items()
            )
        )
        (self.config / "routing.toml").write_text('rank = ["distance", "priority"]\n')
        for name, simulator in self.channels.items():
            simulator.start()
            places = [simulator.places[number % len(simulator.places)] for number in range(len(LOCATIONS))]
            keys = {
                **simulator.config(),
                "poll_seconds": 1,
                "locations": dict(zip(LOCATIONS, places, strict=True)),
                "buffer": 1 if name == "amazon" else 0,
            }
            (self.config / "channels" / f"{name}.toml").write_text(_toml(keys))
            self.environ |= simulator.secrets()
        if self.warehouse is not None:
            self.warehouse.start()
            (self.config / "warehouses").mkdir(exist_ok=True)
            # All that is released is meant for it: nothing was before the play began.
            since = instant(clock()).isoformat()
            keys = {"poll_seconds": 1, "hand_over_since": since, "locations": {self.served: "W-1"}}
            (self.config / "warehouses" / f"{WAREHOUSE}.toml").write_text(_toml({**self.warehouse.config(), **keys}))
            self.environ |= self.warehouse.secrets()
        url = sa.make_url(self.store_url)
        if url.get_backend_name() == "sqlite":
            url = url.set(database=str(self.folder / (url.database or "ordersync.sqlite")))
        self.store = open_store(url)
        self._fill_shelves(self.store)
        return self.store

    def _fill_shelves(self, store: Store) -> None:
        with store.write() as tx:
            for name, (code, priority) in LOCATIONS.items():
                tx.run(
                    "INSERT INTO locations (name, postal_code, country, priority) VALUES (:n, :c, 'US', :p)"
                    " ON CONFLICT DO NOTHING",
                    n=name,
                    c=code,
                    p=priority,
                )
        for sku in SKUS:
            for location in LOCATIONS:
                quantity = 2 if sku == SCARCE else self.random.randrange(20, 60)
                receive(store, sku, location, quantity, now=clock())
        for sku, location in zip(APART, LOCATIONS, strict=True):
            receive(store, sku, location, 200, now=clock())
        define_kit(store, KIT, KIT_PARTS)

    def close(self) -> None:
        """Stops the simulators and lets go of the store."""
        for simulator in self.channels.values():
            simulator.stop()
        if self.warehouse is not None:
            self.warehouse.stop()
        if self.store is not None:
            self.store.close()

    def keep_secrets(self) -> None:
        """Writes what the configuration refers to beside it, for who looks around later. It opens nothing but play."""
        folder = self.folder / "secrets"
        folder.mkdir(mode=0o700)
        for name, value in self.environ.items():
            path = folder / name
            path.touch(mode=0o600)
            path.write_text(value)

    # The play.

    def start_daemon(self, log: Path) -> subprocess.Popen[bytes]:
        """The real command, as a process of its own."""
        with log.open("ab") as output:
            return subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-m", "daemon", "run", "--config", str(self.config)],
                env={**os.environ, **self.environ},
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
            )

    def buy(self, name: str) -> str:
        """A buyer orders something at a channel."""
        choice = self.random
        skus = choice.sample([*SKUS, KIT], choice.choice((1, 1, 2, 2, 3)))
        if choice.random() < 0.15 and SCARCE not in skus:
            skus.append(SCARCE)
        if choice.random() < 0.04:
            skus.append(UNKNOWN)
        return self.order(name, {sku: choice.choice((1, 1, 1, 2)) for sku in skus})

    def pack(self) -> int:
        """What was released leaves its location, or is taken up there; returns how much was done."""
        return self.staff.send() + (self.packers.work() if self.packers is not None else 0)

    def order(self, name: str, units: Mapping[str, int], town: tuple[str, str, str] | None = None) -> str:
        """A buyer orders just this, to be sent to a town."""
        choice = self.random
        code, city, region = town or choice.choice(TOWNS)
        return self.channels[name].place(
            SimulatedOrder(
                lines=tuple(SimulatedLine(sku=sku, quantity=quantity) for sku, quantity in units.items()),
                postal_code=code,
                city=city,
                region=region,
                email=f"buyer{choice.randrange(10**6)}@example.test",
            )
        )

    def buy_unreadable(self, name: str) -> str:
        """A buyer orders, and the channel writes that order in a new way."""
        simulator = self.channels[name]
        with simulator.lock:  # nobody reads it between the two
            number = self.buy(name)
            simulator.drift(number)
        self.unreadable.add((name, number))
        return number

    def mend(self) -> None:
        """The channels take their new way back, for the orders that were set aside."""
        if self.store is None:
            return
        with self.store.read() as tx:
            rows = tx.rows(
                "SELECT c.name, q.number FROM quarantine q JOIN channels c ON c.id = q.channel_id"
                " WHERE q.state = 'open'"
            )
        for name, number in self.unreadable & {(row.name, row.number) for row in rows}:
            self.channels[name].mend(number)
            self.unreadable.discard((name, number))

    def cancel(self, name: str) -> None:
        """A buyer thinks better of an order that has not left yet; the warehouse is told not to send it any more."""
        simulator = self.channels[name]
        gone = self._departed(name)
        waiting = [
            truth.number
            for truth in simulator.truths().values()
            if truth.number not in gone
            and not any(truth.shipped.values())
            and not any(truth.cancelled.values())
            and (name, truth.number) not in self.unreadable
        ]
        if waiting:
            number = self.random.choice(waiting)
            self.called_off.add((name, number))
            simulator.cancel(number)

    def _departed(self, name: str) -> set[str]:
        if self.store is None:
            return set()
        with self.store.read() as tx:
            rows = tx.rows(
                "SELECT DISTINCT o.number FROM orders o JOIN channels c ON c.id = o.channel_id WHERE c.name = :name"
                " AND (EXISTS (SELECT 1 FROM shipments s WHERE s.order_id = o.id) OR o.id IN :moving)",
                name=name,
                moving=sorted(self.packers.untold()) if self.packers is not None else [],
            )
        return {row.number for row in rows}

    def pending(self) -> int:
        """How much the daemon has yet to do."""
        if self.store is None:
            return 0
        with self.store.read() as tx:
            return int(
                tx.value(
                    "SELECT (SELECT count(*) FROM touched)"
                    " + (SELECT count(*) FROM levels WHERE state NOT IN ('applied', 'refused'))"
                    " + (SELECT count(*) FROM pushes WHERE state NOT IN ('confirmed', 'refused', 'dropped'))"
                    " + (SELECT count(*) FROM fulfilment_orders WHERE state IN ('planned', 'released'))"
                    " + (SELECT count(*) FROM handovers WHERE state IN ('queued', 'sent', 'handed', 'accepted'))"
                    " + (SELECT count(*) FROM recalls WHERE state IN ('queued', 'sent', 'asked'))"
                )
            )

    # The judgement.

    def judge(self) -> list[Row]:
        """Each channel's result beside the channel's own truth."""
        rows = [judge(self.store, name, simulator) for name, simulator in self.channels.items()]
        for row in rows:
            waiting = sorted(number for name, number in self.unreadable if name == row.channel)
            row.problems += [f"order {number} cannot be read, and was not set aside" for number in waiting]
        return rows

    def judge_warehouse(self) -> Depot | None:
        """What is stored of the warehouse's work beside what it did itself; None where there is none."""
        if self.warehouse is None or self.packers is None or self.store is None:
            return None
        return judge_depot(self.store, WAREHOUSE, self.warehouse.yard, self.packers)

    def breaches(self) -> list[str]:
        """What `ordersync verify` says."""
        return [str(breach) for breach in verify(self.store)] if self.store is not None else []


def stop(process: subprocess.Popen[bytes], seconds: float = 30) -> int:
    """Asks a daemon to stop and returns its exit code."""
    process.send_signal(signal.SIGTERM)
    return process.wait(seconds)


def _toml(table: Mapping[str, Any], prefix: str = "") -> str:
    """The few shapes a configuration needs, as TOML."""
    plain = [f"{key} = {_value(value)}\n" for key, value in table.items() if not isinstance(value, Mapping)]
    nested = [
        f"\n[{prefix}{key}]\n{_toml(value, f'{prefix}{key}.')}"
        for key, value in table.items()
        if isinstance(value, Mapping)
    ]
    return "".join(plain + nested)


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value)  # TOML writes strings, numbers and booleans as JSON does
