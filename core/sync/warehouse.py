"""A warehouse at work: its row, its settings and its connector, taken up by one worker at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import Fenced
from core.model import Location, micros
from core.settings import WarehouseSettings
from core.store.database import Store, Tx
from core.sync.channel import write_locations
from core.warehouse import Deed, WarehouseConnector

LIVE = "state IN ('queued','sent','handed','accepted')"
"""SQL: work that a warehouse may still do, word for word the partial index's condition."""


@dataclass(frozen=True)
class Warehouse:
    """One warehouse taken up: every transaction for it checks that `epoch` is still the row's."""

    id: int
    name: str
    epoch: int
    since: int
    """Work released before this instant is not handed over (microseconds)."""
    settings: WarehouseSettings
    connector: WarehouseConnector
    places: Mapping[int, str]
    """The warehouse's own id of each location it serves, by our id."""
    locations: Mapping[int, str]
    """What we call each of them."""

    def does(self, deed: Deed) -> bool:
        """Whether the warehouse is to be asked for this: it can be, and the settings want it."""
        return deed in self.connector.abilities and self.settings.hand_over

    def location_of(self, place: str) -> int | None:
        """Our id of one of its places; None for one that no location is."""
        return next((id for id, known in self.places.items() if known == place), None)

    def sku_there(self, sku: str) -> str:
        """What the warehouse calls an item of ours."""
        return self.settings.skus.get(sku, sku)

    def sku_here(self, sku: str) -> str:
        """What we call an item of the warehouse's. Empty where it means by it an item that it calls otherwise."""
        ours = {theirs: own for own, theirs in self.settings.skus.items()}
        if sku in ours:
            return ours[sku]
        return "" if sku in self.settings.skus else sku

    def fence(self, tx: Tx) -> Any:
        """Locks the warehouse's row and returns it; raises `Fenced` when another worker has taken it up since."""
        row = tx.row("SELECT * FROM warehouses WHERE id = :id /*lock*/", id=self.id)
        if row is None or row.epoch != self.epoch:
            raise Fenced(f"another worker has taken up {self.name}")
        return row


def take_up(
    store: Store,
    name: str,
    settings: WarehouseSettings,
    connector: WarehouseConnector,
    locations: Iterable[Location],
    now: int,
) -> Warehouse:
    """Takes the warehouse up: adds 1 to its epoch, so that no earlier worker commits anything any more.

    Creates its row at the first time, and writes down which locations it serves.
    """

    def work(tx: Tx) -> Warehouse:
        tx.run(
            "INSERT INTO warehouses (name, connector, since) VALUES (:name, :connector, :since) ON CONFLICT DO NOTHING",
            name=name,
            connector=settings.connector,
            since=now,
        )
        recalls = settings.hand_over and Deed.RECALL in connector.abilities
        tx.run(
            "UPDATE warehouses SET epoch = epoch + 1, connector = :connector, recalls = :recalls,"
            " since = COALESCE(:since, since) WHERE name = :name",
            name=name,
            connector=settings.connector,
            recalls=recalls,
            since=None if settings.hand_over_since is None else micros(settings.hand_over_since),
        )
        row = tx.row("SELECT id, epoch, since FROM warehouses WHERE name = :name", name=name)
        ids = write_locations(tx, locations)
        places = {ids[location]: place for location, place in settings.locations.items()}
        _write_served(tx, row.id, places)
        return Warehouse(
            id=row.id,
            name=name,
            epoch=row.epoch,
            since=row.since,
            settings=settings,
            connector=connector,
            places=places,
            locations={ids[location]: location for location in settings.locations},
        )

    return store.transact(work)


def _write_served(tx: Tx, id: int, places: Mapping[int, str]) -> None:
    """A location that another warehouse served passes over to this one: the settings name one only."""
    tx.run("DELETE FROM served WHERE warehouse_id = :id AND NOT location_id IN :now", id=id, now=list(places))
    for location_id, place in sorted(places.items()):
        tx.run(
            "INSERT INTO served (location_id, warehouse_id, place) VALUES (:location, :id, :place)"
            " ON CONFLICT (location_id) DO UPDATE SET warehouse_id = excluded.warehouse_id, place = excluded.place",
            location=location_id,
            id=id,
            place=place,
        )


def stopped_by_connector(tx: Tx, location_ids: Iterable[int]) -> frozenset[int]:
    """Of these locations, those whose warehouse is asked to stop by itself when work is called off."""
    rows = tx.rows(
        "SELECT s.location_id FROM served s JOIN warehouses w ON w.id = s.warehouse_id"
        " WHERE w.recalls AND s.location_id IN :ids",
        ids=sorted(set(location_ids)),
    )
    return frozenset(row.location_id for row in rows)


def poke_warehouses(store: Store) -> None:
    """Something was released or called off: every warehouse that is there looks what of it is its own."""
    store.transact(lambda tx: tx.run("UPDATE warehouses SET wanted = wanted + 1"))
