"""What commands are given: the options they share, the settings and the store behind them, channels by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import sqlalchemy as sa
import typer

from core.commands import logs
from core.connector import Ability, find
from core.errors import StoreError, UserError
from core.settings import ConfigError, Settings, load
from core.store.database import Store, Tx
from core.store.schema import open_store
from core.sync.channel import write_locations

FOLDER = Path("config")


def complete_channel(incomplete: str) -> list[str]:
    """The channels whose names begin so, for the shell; none where the configuration cannot be read."""
    try:
        return [name for name in load(FOLDER).channels if name.startswith(incomplete)]
    except UserError:
        return []


TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M:%S"]
"""How an instant may be written."""

Config = Annotated[Path, typer.Option("--config", metavar="DIR", help="The configuration folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]
Channel = Annotated[str, typer.Argument(metavar="CHANNEL", autocompletion=complete_channel, help="A channel's name.")]
Channels = Annotated[
    list[str] | None,
    typer.Argument(metavar="[CHANNEL]...", autocompletion=complete_channel, help="Channels; all when none is named."),
]
Order = Annotated[
    str,
    typer.Argument(
        metavar="ORDER", help='Our id, the channel\'s number, its name ("#1001"); CHANNEL:ORDER where several have it.'
    ),
]
Reference = Annotated[
    str, typer.Option("--reference", metavar="TEXT", help="Yours: the same one is decided once, however often given.")
]
Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="Why; some channels show it to the buyer.")]
Notify = Annotated[bool, typer.Option("--notify/--no-notify", help="Let the channel write to the buyer.")]


def settings_in(config: Path) -> Settings:
    """The settings of a folder, with logging as they say. Raises `ConfigError`."""
    settings = load(config)
    logs.configure(settings.log, quiet=True)
    return settings


@contextmanager
def opened(config: Path) -> Iterator[tuple[Settings, Store]]:
    """The settings and the open store. Raises `ConfigError`, and `StoreError` when the store cannot be used."""
    settings = settings_in(config)
    store = open_at(settings)
    try:
        yield settings, store
    finally:
        store.close()


def open_at(settings: Settings) -> Store:
    """The store the settings name. Raises `StoreError` also for a file that is no database."""
    with a_database():
        return open_store(settings.database)


@contextmanager
def a_database() -> Iterator[None]:
    """Makes a `StoreError` of what SQLite says of a file that is no database."""
    try:
        yield
    except sa.exc.DatabaseError as error:
        if "not a database" not in str(error.orig):
            raise
        raise StoreError(f"the store cannot be used: {error.orig}; let store.url name another file") from error


def chosen(settings: Settings, names: Sequence[str] | None) -> list[str]:
    """The enabled channels of these names, all of them when none is given. Raises `UserError` for any other name."""
    if not names:
        if not settings.channels:
            raise ConfigError(settings.problems) if settings.problems else UserError(_NONE_ENABLED)
        return list(settings.channels)
    for name in names:
        own = [problem for problem in settings.problems if problem.file.partition(":")[0] == f"channels/{name}.toml"]
        if name in settings.channels:
            continue
        if own:
            raise ConfigError(own)
        if name in settings.disabled:
            raise UserError(f"channel {name} is switched off; take enabled = false out of channels/{name}.toml")
        raise UserError(f"there is no channel {name!r}; there are: {', '.join(settings.channels) or 'none'}")
    return list(dict.fromkeys(names))


def chosen_houses(settings: Settings, names: Sequence[str] | None) -> tuple[list[str] | None, list[str]]:
    """Of the names, those that are no warehouse's (None: no channel is meant), and the warehouses; all when none is
    given."""
    if not names:
        return [], list(settings.warehouses)
    for name in names:
        if name in settings.resting:
            raise UserError(f"warehouse {name} is switched off; take enabled = false out of warehouses/{name}.toml")
        own = [problem for problem in settings.problems if problem.file.startswith(f"warehouses/{name}.toml")]
        if own:
            raise ConfigError(own)
    houses = [name for name in dict.fromkeys(names) if name in settings.warehouses]
    channels = [name for name in names if name not in settings.warehouses]
    wrong = {problem.file.partition(":")[0] for problem in settings.problems}
    for name in channels if settings.warehouses else ():
        if not {name} & {*settings.channels, *settings.disabled} and f"channels/{name}.toml" not in wrong:
            every = ", ".join([*settings.channels, *settings.warehouses])
            raise UserError(f"there is no channel or warehouse {name!r}; there are: {every}")
    return channels or None, houses


def in_utc(instant: datetime) -> datetime:
    """An instant from the command line; one without a zone is meant in UTC. Raises `UserError` for one that has no year
    in UTC."""
    try:
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except OverflowError:
        raise UserError(f"{instant.isoformat()} lies outside the years 1 to 9999 in UTC; name a nearer time") from None


def quantities(pairs: Sequence[str]) -> dict[str, int]:
    """SKU=QTY pairs. Raises `UserError` for anything else, and for a SKU named twice."""
    found: dict[str, int] = {}
    for pair in pairs:
        sku, _, count = pair.rpartition("=")
        if not sku or not (count.isascii() and count.isdigit()) or len(count) > 10 or int(count) < 1:
            raise UserError(f"{pair!r} is no SKU=QTY; write for example TEE-RED=2")
        if sku in found:
            raise UserError(f"{sku} is named twice; name it once, with all its units")
        found[sku] = int(count)
    return found


def unable(settings: Settings, channel: str, ability: Ability) -> str:
    """Why a channel cannot be told something, in its vendor's words; empty where it can.

    Raises `UserError` for a channel that is not configured or switched off.
    """
    chosen(settings, [channel])
    connector = find(settings.channels[channel].connector)
    return "" if ability in connector.abilities else connector.absent[ability]


def write_places(store: Store, settings: Settings) -> None:
    """Makes the configured locations known to the store, so that stock may come there before any channel's turn."""
    with store.read() as tx:
        known = {row.name for row in tx.rows("SELECT name FROM locations")}
    new = [place.as_location() for place in settings.locations if place.name not in known]
    if new:
        store.transact(lambda tx: write_locations(tx, new))


def known_channel(tx: Tx, name: str) -> int:
    """The id of a channel the store knows, configured or not. Raises `UserError` for any other name."""
    ids = {row.name: int(row.id) for row in tx.rows("SELECT id, name FROM channels ORDER BY name")}
    if name not in ids:
        raise UserError(f"no orders of a channel {name!r}; there are: {', '.join(ids) or 'none yet'}")
    return ids[name]


_NONE_ENABLED = "every channel is switched off; take enabled = false out of a file in channels/"
