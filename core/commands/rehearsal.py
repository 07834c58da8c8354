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
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
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
from core.connector import SIMULATORS, find_simulator, names
from core.errors import UserError
from core.store.database import Store
from core.store.schema import open_store
from core.sync.channel import clock
from core.sync.kits import define_kit
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


@dataclass
class Row:
    """One channel's result."""

    channel: str
    at_channel: int = 0
    imported: int = 0
    reserved: int = 0
    backordered: int = 0
    held: int = 0
    quarantined: int = 0
    shipped: int = 0
    parcels: int = 0
    confirmed: int = 0
    """Parcels the channel itself shows, with their tracking number."""
    levels: int = 0
    levels_equal: int = 0
    problems: list[str] = field(default_factory=list)


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
    ) -> None:
        self.folder = folder
        self.config = folder / "config"
        self.seed = seed
        self.random = random.Random(seed)  # noqa: S311 - a seeded play
        self.store_url = store_url
        self.channels: dict[str, Simulator] = {}
        self.environ: dict[str, str] = {}
        self.called_off: set[tuple[str, str]] = set()
        prices = {sku: Decimal(self.random.randrange(500, 6000)) / 100 for sku in (*SKUS, KIT, UNKNOWN)}
        for name in channels or names(SIMULATORS):
            kind = find_simulator(name)
            ways = {**kind.rehearsal, **kind.hardest}
            simulator = kind(name=name, faults=FaultPlan(seed, faults or {}), seed=seed, **ways)
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

    def cancel(self, name: str) -> None:
        """A buyer thinks better of an order that has not left yet; the warehouse is told not to send it any more."""
        simulator = self.channels[name]
        gone = self._departed(name)
        waiting = [
            truth.number
            for truth in simulator.truths().values()
            if truth.number not in gone and not any(truth.shipped.values()) and not any(truth.cancelled.values())
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

    def pending(self) -> int:
        """How much the daemon has yet to do."""
        if self.store is None:
            return 0
        with self.store.read() as tx:
            return int(
                tx.value(
                    "SELECT (SELECT count(*) FROM touched)"
                    " + (SELECT count(*) FROM levels WHERE state NOT IN ('applied', 'refused'))"
                    " + (SELECT count(*) FROM pushes WHERE state NOT IN ('confirmed', 'refused'))"
                    " + (SELECT count(*) FROM fulfilment_orders WHERE state IN ('planned', 'released'))"
                )
            )

    # The judgement.

    def judge(self) -> list[Row]:
        """Each channel's result beside the channel's own truth."""
        return [self._judge(name, simulator) for name, simulator in self.channels.items()]

    def breaches(self) -> list[str]:
        """What `ordersync verify` says."""
        return [str(breach) for breach in verify(self.store)] if self.store is not None else []

    def _judge(self, name: str, simulator: Simulator) -> Row:
        row = Row(name)
        if self.store is None:
            return row
        truths = simulator.truths()
        row.at_channel = len(truths)
        with self.store.read() as tx:
            channel = tx.row("SELECT * FROM channels WHERE name = :name", name=name)
            if channel is None:
                row.problems.append("the channel was never reached")
                return row
            _orders(tx, row, channel.id, truths)
            _shipments(tx, row, channel.id, simulator)
            _levels(tx, row, channel.id, simulator)
        return row


def _orders(tx: Any, row: Row, channel_id: int, truths: Mapping[str, Any]) -> None:
    """Every order exactly once, each SKU's counts as at the channel."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    numbers = [found.number for found in tx.rows("SELECT number FROM orders WHERE channel_id = :id", id=channel_id)]
    row.imported = len(numbers)
    open_quarantine = "SELECT number FROM quarantine WHERE channel_id = :id AND state = 'open'"
    aside = [found.number for found in tx.rows(open_quarantine, id=channel_id)]
    row.quarantined = len(aside)
    missing = truths.keys() - set(numbers) - set(aside)
    if missing:
        row.problems.append(f"{len(missing)} orders are missing, such as {min(missing)}")
    if len(numbers) != len(set(numbers)) or set(numbers) - truths.keys():
        row.problems.append("orders are stored that the channel does not have, or twice")
    for line in tx.rows(
        "SELECT o.number, l.* FROM lines l JOIN orders o ON o.id = l.order_id WHERE o.channel_id = :id", id=channel_id
    ):
        count = counts[line[0]]
        for word in ("ordered", "cancelled", "shipped"):
            count[f"{word} {line.sku}"] += getattr(line, word)
        row.reserved += line.reserved
        row.backordered += line.backordered
        row.held += line.held
        row.shipped += line.shipped
    for number, truth in truths.items():
        told = Counter({f"ordered {sku}": units for sku, units in truth.ordered.items()})
        told.update({f"cancelled {sku}": units for sku, units in truth.cancelled.items()})
        told.update({f"shipped {sku}": units for sku, units in truth.shipped.items()})
        if number in counts and +told != +counts[number]:
            row.problems.append(f"order {number} stands differently: {dict(+told)} there, {dict(+counts[number])} here")


def _shipments(tx: Any, row: Row, channel_id: int, simulator: Simulator) -> None:
    """Every parcel took effect at the channel exactly once, unit by unit.

    A channel may book one parcel as several effects (Shopify one for each of its own locations): their units add up.
    """
    there: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for effect in simulator.effects():
        there[effect.order, effect.tracking].update(effect.lines)
    here: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    states = {}
    for found in tx.rows(
        "SELECT o.number, s.tracking, p.state, l.sku, u.quantity FROM pushes p JOIN shipments s ON s.id = p.shipment_id"
        " JOIN orders o ON o.id = p.order_id JOIN shipment_lines u ON u.shipment_id = s.id"
        " JOIN lines l ON l.id = u.line_id WHERE p.channel_id = :id AND p.kind = 'tracking'",
        id=channel_id,
    ):
        here[found.number, found.tracking][found.sku] += found.quantity
        states[found.number, found.tracking] = found.state
    row.parcels = len(here)
    row.confirmed = sum(state == "confirmed" for state in states.values())
    for key, units in here.items():
        if there.get(key) != units:
            row.problems.append(f"parcel {key[1]} of {key[0]}: {dict(there.get(key, {}))} there, {dict(units)} here")
        elif states[key] != "confirmed":
            row.problems.append(f"parcel {key[1]} of {key[0]} is {states[key]}, not confirmed")
    strange = there.keys() - here.keys()
    if strange:
        row.problems.append(f"{len(strange)} parcels at the channel did not leave here")


def _levels(tx: Any, row: Row, channel_id: int, simulator: Simulator) -> None:
    """Every level the channel shows is the one it should be told."""
    there = simulator.levels()
    for level in tx.rows(
        "SELECT i.sku, v.* FROM levels v JOIN listings i ON i.id = v.listing_id WHERE v.channel_id = :id", id=channel_id
    ):
        row.levels += 1
        if there.get((level.sku, level.place)) == level.desired:
            row.levels_equal += 1
        else:
            held = there.get((level.sku, level.place))
            row.problems.append(f"{level.sku} at {level.place or 'the channel'}: {held} there, {level.desired} here")
    if not row.levels:
        row.problems.append("no level was pushed")


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
