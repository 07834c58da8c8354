"""A channel at work: its row, its settings and its connector, taken up by one worker at a time."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from core.connector import Ability, Connector
from core.errors import Fenced
from core.model import Location, micros
from core.routing import Rules, Site
from core.routing.rules import rules_of
from core.settings import ChannelSettings, RoutingSettings, Settings
from core.store.database import Store, Tx
from core.store.moves import Stock, touch
from core.store.unbound import as_text

Clock = Callable[[], int]
"""Now, in microseconds since 1970 UTC: the one source of wall-clock time."""


def clock() -> int:
    """The system's clock as a `Clock`."""
    return time.time_ns() // 1000


@dataclass(frozen=True)
class Desk:
    """What orders of a channel are routed by: its locations and the rules. Nobody has to take the channel up for it."""

    id: int
    """The channel's."""
    name: str
    settings: ChannelSettings
    """The connector's own subclass."""
    sites: tuple[Site, ...]
    """The locations that may ship for it."""
    routing: RoutingSettings

    @property
    def ships_from(self) -> frozenset[int]:
        """The ids of the locations that ship for it now; the others of `sites` are switched off."""
        return frozenset(site.id for site in self.sites if site.location.active)

    @cached_property
    def rules(self) -> Rules:
        """routing.toml, in routing's words."""
        return rules_of(self.routing)

    @cached_property
    def digest(self) -> str:
        """The digest of all that orders are routed by: an order parked by other rules is routed anew."""
        told = [
            self.routing.model_dump_json(),
            *(msgspec.json.encode(site, order="sorted").decode() for site in self.sites),
        ]
        return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]

    @cached_property
    def counts(self) -> bool:
        """Whether it matters how much the locations were given today."""
        return "balance" in self.routing.rank or any(site.location.has_capacity for site in self.sites)

    @cached_property
    def plain(self) -> bool:
        """Whether all orders to one address see the locations alike, whatever the hour and whatever is in them."""
        return (
            not self.counts
            and set(self.routing.rank) <= {"priority", "distance", "zone"}
            and not self.routing.services
            and not any(site.location.has_calendar for site in self.sites)
        )

    def stock(self, tx: Tx, items: Iterable[int], *, lock: bool = True) -> Stock:
        """The items under lock; free is what this channel may have of them."""
        keep = {site.id: site.location.keep for site in self.sites if site.location.keep}
        return Stock(tx, items, self.ships_from, keep, lock=lock)


@dataclass(frozen=True)
class Channel(Desk):
    """One channel taken up: every transaction for it checks that `epoch` is still the row's."""

    epoch: int
    since: int
    """Orders placed before this instant do not move stock when they are first seen shipped (microseconds)."""
    connector: Connector
    places: dict[int, str]
    """The channel's own id of each of those locations."""

    def wants(self, ability: Ability) -> bool:
        """Whether the channel is to be told of this: it can be, and the settings want it."""
        own = self.settings
        wanted = {
            Ability.ACKNOWLEDGE: own.acknowledge,
            Ability.PUSH_TRACKING: own.push_tracking,
            Ability.VOID_TRACKING: own.push_tracking,
            Ability.PUSH_LEVELS: own.push_levels,
            Ability.CANCEL: own.push_cancellations,
            Ability.REFUND: own.push_refunds,
        }
        return ability in self.connector.abilities and wanted.get(ability, True)

    def tells(self, ability: Ability) -> bool:
        """Whether the channel is told of this now: it is to be, and the channel is no shadow."""
        return self.settings.mode == "live" and self.wants(ability)

    def fence(self, tx: Tx) -> Any:
        """Locks the channel's row and returns it; raises `Fenced` when another worker has taken it up since."""
        row = tx.row("SELECT * FROM channels WHERE id = :id /*lock*/", id=self.id)
        if row is None or row.epoch != self.epoch:
            raise Fenced(f"another worker has taken up {self.name}")
        return row


def desk_of(tx: Tx, settings: Settings, name: str) -> Desk | None:
    """The desk of a channel that may be another process's at this moment; None where it is not configured."""
    own = settings.channels.get(name)
    row = tx.row("SELECT id FROM channels WHERE name = :name", name=name)
    if own is None or row is None:
        return None
    return Desk(
        id=row.id,
        name=name,
        settings=own,
        sites=_sites(tx, [place.as_location() for place in settings.locations], own),
        routing=settings.must_route(),
    )


def take_up(
    store: Store,
    name: str,
    settings: ChannelSettings,
    connector: Connector,
    locations: list[Location],
    routing: RoutingSettings,
    now: int,
) -> Channel:
    """Takes the channel up: adds 1 to its epoch, so that no earlier worker commits anything any more.

    Creates its row at the first time, and the rows of its locations.
    """

    def work(tx: Tx) -> Channel:
        tx.run(
            "INSERT INTO channels (name, connector, since, judged_to) VALUES (:name, :connector, :since,"
            " (SELECT COALESCE(MAX(id), 0) FROM documents)) ON CONFLICT DO NOTHING",
            name=name,
            connector=settings.connector,
            since=now if settings.import_since is None else micros(settings.import_since),
        )
        tx.run(
            "UPDATE channels SET epoch = epoch + 1, connector = :c WHERE name = :name", name=name, c=settings.connector
        )
        row = tx.row("SELECT id, epoch, since, sites FROM channels WHERE name = :name", name=name)
        sites = _sites(tx, locations, settings)
        channel = Channel(
            id=row.id,
            name=name,
            epoch=row.epoch,
            since=row.since,
            settings=settings,
            connector=connector,
            sites=sites,
            places={site.id: settings.locations[site.location.name] for site in sites},
            routing=routing,
        )
        if row.sites != as_text(channel.ships_from):
            _write_sites(tx, channel)
        return channel

    return store.transact(work)


def _write_sites(tx: Tx, channel: Channel) -> None:
    """Other channels' levels follow as well: what these promises need of their locations is another now."""
    tx.run("UPDATE channels SET sites = :sites WHERE id = :id", id=channel.id, sites=as_text(channel.ships_from))
    rows = tx.rows(
        "SELECT DISTINCT r.item_id FROM lines l JOIN reservations r ON r.line_id = l.id"
        " JOIN orders o ON o.id = l.order_id WHERE l.reserved > l.allocated AND o.channel_id = :id",
        id=channel.id,
    )
    touch(tx, [row.item_id for row in rows])


def _sites(tx: Tx, locations: Iterable[Location], settings: ChannelSettings) -> tuple[Site, ...]:
    """The locations of a channel, brought up to date in the store; paused ones say so."""
    places = list(locations)
    ids = write_locations(tx, places)
    paused = {
        row.id: row.paused or "nobody said why"
        for row in tx.rows("SELECT id, paused FROM locations WHERE paused_at IS NOT NULL")
    }
    wanted = [(ids[place.name], place) for place in places if place.name in settings.locations]
    return tuple(Site(id, msgspec.structs.replace(place, paused=paused.get(id, ""))) for id, place in wanted)


def write_locations(tx: Tx, locations: Iterable[Location]) -> dict[str, int]:
    """The locations as configured, made or brought up to date; returns the ids of all there are, by name."""
    places = list(locations)
    keep = {row.name: row.keep for row in tx.rows("SELECT name, keep FROM locations")}
    for place in places:
        tx.run(
            "INSERT INTO locations (name, postal_code, country, priority, active, keep)"
            " VALUES (:name, :code, :country, :priority, :active, :keep)"
            " ON CONFLICT (name) DO UPDATE SET postal_code = excluded.postal_code, country = excluded.country,"
            " priority = excluded.priority, active = excluded.active, keep = excluded.keep",
            name=place.name,
            code=place.postal_code,
            country=place.country,
            priority=place.priority,
            active=place.active,
            keep=place.keep,
        )
    ids = {row.name: row.id for row in tx.rows("SELECT id, name FROM locations")}
    changed = [ids[place.name] for place in places if keep.get(place.name, 0) != place.keep]
    if changed:  # what is offered of everything there is another now
        touch(
            tx,
            [
                row.item_id
                for row in tx.rows("SELECT DISTINCT item_id FROM stock WHERE location_id IN :ids", ids=changed)
            ],
        )
    return ids
