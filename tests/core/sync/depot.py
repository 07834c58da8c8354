"""A warehouse beside the world: the sandbox's, worked by turns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.sandbox_warehouse import SandboxWarehouse, Yard
from core.model import instant
from core.settings import DaemonSettings, LocationSettings, LogSettings, RoutingSettings, Settings, StoreSettings
from core.sync.take_notices import take_again
from core.sync.turn import Trouble
from core.sync.warehouse import take_up
from core.sync.warehouse_turn import Handled, warehouse_turn
from tests.core.sync.world import SECOND, World


class Depot:
    """`east` of the world is the yard's place E; west is served by nobody, unless named."""

    def __init__(self, world: World, name: str = "depot", **settings: Any) -> None:
        self.world, self.name = world, name
        Yard.forget(name)
        self.yard = Yard.named(name)
        keys = {"connector": "sandbox", "yard": name, "locations": {"east": "E"}, **settings}
        self.settings = SandboxWarehouse.Settings(**keys)
        self.connector: Any = SandboxWarehouse(name, self.settings)
        self.take_up()

    def take_up(self) -> Any:
        places = self.world.locations
        return take_up(self.world.store, self.name, self.settings, self.connector, places, self.world.now)

    @property
    def all_settings(self) -> Settings:
        return Settings(
            folder=Path("/nowhere/config"),
            store=StoreSettings(),
            daemon=DaemonSettings(),
            log=LogSettings(),
            locations=tuple(
                LocationSettings(
                    name=one.name, postal_code=one.postal_code, priority=one.priority, active=one.active, keep=one.keep
                )
                for one in self.world.locations
            ),
            routing=RoutingSettings(),
            channels={},
            warehouses={self.name: self.settings},
        )

    def turn(self, seconds: float = 60) -> Handled | Trouble:
        self.world.later(seconds)
        return warehouse_turn(
            self.world.store, self.all_settings, self.name, now=self.world.clock, connector=self.connector
        )

    def ok(self, seconds: float = 60) -> Handled:
        done = self.turn(seconds)
        assert isinstance(done, Handled), done
        return done

    def again(self, *ids: int) -> Mapping[int, str]:
        return take_again(self.world.store, self.take_up(), ids, self.world.clock)

    # What stands in the store.

    def work(self) -> list[tuple[str, str]]:
        """Each handover's key and state."""
        return [(row.key, row.state) for row in self.world.rows("SELECT key, state FROM handovers ORDER BY id")]

    def key(self, nth: int = -1) -> str:
        return self.work()[nth][0]

    def number(self, sku: str = "", nth: int = -1) -> str:
        """What the warehouse calls a line of its latest work by."""
        lines = list(self.yard.works().values())[nth].skus
        return next(number for number, own in lines.items() if sku in ("", own))

    def recalls(self) -> list[tuple[str, Mapping[str, int]]]:
        rows = self.world.rows("SELECT state, lines FROM recalls ORDER BY id")
        return [(row.state, row.lines) for row in rows]

    def notices(self) -> list[tuple[str, str, str]]:
        """Kind, state and reason of each."""
        rows = self.world.rows("SELECT kind, state, reason FROM notices ORDER BY id")
        return [(row.kind, row.state, row.reason) for row in rows]

    def at(self, seconds: float = 0) -> datetime:
        """The world's time, moved."""
        return instant(self.world.now + int(seconds * SECOND)).astimezone(UTC)

    def send(self, units: Sequence[Mapping[str, int]] = (), *, nth: int = -1, seconds: float = 0, **more: Any) -> None:
        """Parcels of the nth work leave, by SKU; none named: one parcel with all that is open."""
        known = list(self.yard.works().values())[nth]
        numbers = {sku: number for number, sku in known.skus.items()}
        parcels = [{numbers[sku]: count for sku, count in one.items()} for one in units]
        parcels = parcels or [{number: known.open(number) for number in known.asked if known.open(number)}]
        boxes = [(f"1Z{known.key}{len(self.yard._events)}{nth}", lines) for nth, lines in enumerate(parcels)]
        self.yard.send(known.key, boxes, at=self.at(seconds), **more)


def each(rows: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    return (tuple(row) for row in rows)
