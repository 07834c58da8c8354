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
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from connectors.simulation import (
    Fault,
    FaultPlan,
    SimulatedLine,
    SimulatedListing,
    SimulatedOrder,
    Simulator,
)
from core.commands.judgement import Row, judge
from core.connector import SIMULATORS, Ability, find, find_simulator, names
from core.errors import UserError
from core.model import CancelReason, RefundReason
from core.store.database import Store
from core.store.schema import open_store
from core.sync.cancel import Decision, cancel
from core.sync.channel import clock
from core.sync.correct import Correction, correct
from core.sync.kits import define_kit
from core.sync.refund import Part, Wish, refund
from core.sync.ship import Departure, ship
from core.sync.stock import receive
from core.sync.verify import verify

LOCATIONS = {"east": ("10001", 1), "west": ("94110", 2)}
KIT = "GIFT-BOX"
KIT_PARTS = {"TEE-RED-M": 2, "MUG-BLUE": 1}
SCARCE = "LAMP-OAK"
"""So few of it that most who order it wait."""
UNKNOWN = "NEW-ARRIVAL"
"""On offer at the channels before the warehouse knows it: its lines are held, then resume."""
SKUS = [
    *(f"TEE-{colour}-{size}" for colour in ("RED", "BLUE", "SAND") for size in ("S", "M", "L")),
    *(f"MUG-{colour}" for colour in ("BLUE", "WHITE", "GREEN")),
    *(f"BAG-{number}" for number in range(1, 7)),
    SCARCE,
]
TOWNS = [
    ("10001", "New York", "NY"),
    ("60601", "Chicago", "IL"),
    ("73301", "Austin", "TX"),
    ("94110", "San Francisco", "CA"),
]
CARRIERS = ("UPS", "USPS", "FedEx")
ONLY_WHOLE = ("amazon",)
"""Channels that cancel whole orders and nothing less."""


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
    ) -> None:
        """`ways`: more of how each simulator is to be made, by its name."""
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
        prices = {sku: Decimal(self.random.randrange(500, 6000)) / 100 for sku in (*SKUS, KIT, UNKNOWN)}
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
        define_kit(store, KIT, KIT_PARTS)

    def close(self) -> None:
        """Stops the simulators and lets go of the store."""
        for simulator in self.channels.values():
            simulator.stop()
        if self.store is not None:
            self.store.close()

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
        code, city, region = choice.choice(TOWNS)
        return self.channels[name].place(
            SimulatedOrder(
                lines=tuple(SimulatedLine(sku=sku, quantity=choice.choice((1, 1, 1, 2))) for sku in skus),
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
                "SELECT DISTINCT o.number FROM shipments s JOIN orders o ON o.id = s.order_id"
                " JOIN channels c ON c.id = o.channel_id WHERE c.name = :name",
                name=name,
            )
        return {row.number for row in rows}

    def discover(self) -> None:
        """The warehouse finds out about the new arrival: what was held for it may go."""
        if self.store is not None:
            receive(self.store, UNKNOWN, "east", 40, now=clock())

    def send(self, most: int = 1000) -> int:
        """The warehouse ships what was released to it; returns how many parcels left."""
        if self.store is None:
            return 0
        with self.store.read() as tx:
            rows = tx.rows(
                "SELECT f.id, f.order_id, p.name, c.name AS channel, o.number FROM fulfilment_orders f"
                " JOIN locations p ON p.id = f.location_id JOIN orders o ON o.id = f.order_id"
                " JOIN channels c ON c.id = o.channel_id WHERE f.state = 'released' ORDER BY f.id LIMIT :most",
                most=most,
            )
        left = 0
        for row in rows:
            if (row.channel, row.number) in self.called_off:
                continue
            tracking = f"1Z{self.seed % 1000:03d}{row.id:013d}"
            departure = Departure(row.order_id, row.name, self.random.choice(CARRIERS), tracking, clock())
            try:
                left += ship(self.store, departure, clock())[1]
            except UserError:
                continue  # cancelled or held since it was released: it stays on the shelf
        return left

    # What an operator decides. Each reaches the channel through the daemon alone.

    def call_off(self, name: str, *, early: bool | None = None) -> bool:
        """An order that has not left is cancelled here, or what is left of one; whether there was one to cancel.

        `early`: one no location was asked for yet, or (False) one that was.
        """
        choice = self.random
        orders = [
            row for row in self._orders(name, Ability.CANCEL) if row.open and (not row.left or name not in ONLY_WHOLE)
        ]
        if not orders:
            return False
        row = choice.choice(orders)
        units = None
        if name not in ONLY_WHOLE and choice.random() < 0.4:
            units = {str(row.line): 1}
        decision = Decision(row.id, choice.choice(list(CancelReason)), units, notify=False)
        return self._try(lambda store: cancel(store, decision, clock()))

    def give_back(self, name: str) -> bool:
        """One unit of what has left is paid back; whether there was one to pay back."""
        orders = [row for row in self._orders(name, Ability.REFUND) if row.told]
        if not orders:
            return False
        row = self.random.choice(orders)
        wish = Wish(row.id, self.random.choice(list(RefundReason)), {str(row.line): Part(units=1)}, notify=False)
        return self._try(lambda store: refund(store, wish, clock()))

    def mistype(self, name: str) -> bool:
        """A tracking number was mistyped and is corrected; whether there was one."""
        if self.store is None or Ability.CORRECT_TRACKING not in find(self.channels[name].connector).abilities:
            return False
        with self.store.read() as tx:
            parcels = tx.rows(
                "SELECT s.id, s.order_id, s.tracking FROM shipments s JOIN orders o ON o.id = s.order_id"
                " JOIN channels c ON c.id = o.channel_id WHERE c.name = :name AND s.origin = 'operator'"
                " AND s.id NOT IN (SELECT shipment_id FROM corrections) ORDER BY s.id DESC LIMIT 10",
                name=name,
            )
        if not parcels:
            return False
        row = self.random.choice(parcels)
        correction = Correction(row.order_id, row.tracking, tracking=f"1Y{self.seed % 1000:03d}{row.id:013d}")
        return self._try(lambda store: correct(store, correction, clock()))

    def _orders(self, name: str, ability: Ability) -> Sequence[Any]:
        """Lines of this channel's newest orders, where it can be told, and what of them is open, has left, was told."""
        if self.store is None or ability not in find(self.channels[name].connector).abilities:
            return ()
        with self.store.read() as tx:
            return tx.rows(
                "SELECT o.id, l.number AS line, l.reserved + l.backordered AS open,"
                " (SELECT sum(e.shipped) FROM lines e WHERE e.order_id = o.id) AS left,"
                " (SELECT sum(e.allocated) FROM lines e WHERE e.order_id = o.id) AS asked,"
                " EXISTS (SELECT 1 FROM shipment_lines u JOIN pushes p ON p.shipment_id = u.shipment_id"
                "  WHERE u.line_id = l.id AND p.state = 'confirmed') AS told"
                " FROM lines l JOIN orders o ON o.id = l.order_id JOIN channels c ON c.id = o.channel_id"
                " WHERE c.name = :name AND o.fulfiller = 'merchant' AND NOT EXISTS (SELECT 1 FROM lines e"
                " WHERE e.order_id = o.id AND (e.cancelled > 0 OR e.held > 0)) ORDER BY l.id DESC LIMIT 60",
                name=name,
            )

    def _try(self, deed: Callable[[Store], object]) -> bool:
        """What cannot be done any more since it was looked at is left."""
        if self.store is None:
            return False
        try:
            deed(self.store)
        except UserError:
            return False
        return True

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
