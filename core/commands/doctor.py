"""`ordersync doctor`: store, accounts and warehouses examined, with what is to be done where one is not well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from core.commands import given, show
from core.commands.edge import NeedsAttention
from core.commands.given import Config, Json
from core.connector import find
from core.errors import StoreError
from core.model import Finding
from core.settings import ChannelSettings, Settings, WarehouseSettings
from core.store.database import Store, connect
from core.store.health import examine_store
from core.store.schema import is_current
from core.sync.connect import Keepers
from core.sync.examine_house import examine_house, reached
from core.warehouse import find as find_warehouse

STORE = "store"
"""What findings about the store stand under."""


def register(app: typer.Typer) -> None:
    app.command("doctor")(doctor)


Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME]...",
        autocompletion=given.complete_channel,
        help="Channels and warehouses; all when none is named.",
    ),
]


def doctor(names: Names = None, config: Config = given.FOLDER, json: Json = False) -> None:
    """Examine accounts, warehouses and store: credentials, rights, clock, locations, listings. Changes nothing."""
    settings = given.settings_in(config)
    of_channels, houses = given.chosen_houses(settings, names)
    channels = given.chosen(settings, of_channels) if of_channels or not names else []
    found: list[tuple[str, Finding]] = []
    with show.progress() as bars:
        task = bars.add_task("examining", total=len(channels) + len(houses) + 1, told="")
        for finding in examine_store(settings.database):
            found.append((STORE, finding))
        with _usable(settings) as store:
            keepers = Keepers(store, settings.store) if store is not None else None
            for name in channels:
                bars.update(task, advance=1, told=name)
                found += [(name, finding) for finding in _examine(name, settings.channels[name], keepers)]
            for name in houses:
                bars.update(task, advance=1, told=name)
                cursor = reached(store, name) if store is not None else None
                found += [(name, one) for one in _look_at(name, settings.warehouses[name], keepers, cursor)]
    if json:
        show.document(
            {
                "well": all(one.well for _, one in found),
                "findings": [{"channel": name, **msgspec.structs.asdict(one)} for name, one in found],
            }
        )
    else:
        show.table(
            ("where", "what", "", "found"),
            [(name, one.what, "well" if one.well else "NOT WELL", one.told) for name, one in found],
        )
        ill = sum(not one.well for _, one in found)
        show.line("everything is well" if not ill else f"{show.many(ill, 'finding')} to mend")
    if any(not one.well for name, one in found if name != STORE):
        raise typer.Exit(NeedsAttention.code)
    if any(not one.well for _, one in found):
        raise typer.Exit(StoreError.code)


@contextmanager
def _usable(settings: Settings) -> Iterator[Store | None]:
    """The store; None where there is none to be used as it is."""
    url = settings.database
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        yield None
        return
    store = Store(connect(url))
    try:
        usable = is_current(store)
    except StoreError:
        usable = False
    try:
        yield store if usable else None
    finally:
        store.close()


def _examine(name: str, settings: ChannelSettings, keepers: Keepers | None) -> Iterator[Finding]:
    if keepers is None and settings.keeps_tokens:
        told = "its newest token is in the store, which cannot be used yet; begin with the store, or with a first round"
        yield Finding(what="credentials", well=False, told=told)
        return
    connector = find(settings.connector)(name, settings) if keepers is None else keepers.connect(name, settings)
    try:
        yield from connector.examine()
    finally:
        connector.close()


def _look_at(name: str, settings: WarehouseSettings, keepers: Keepers | None, cursor: str | None) -> Iterator[Finding]:
    connector = (
        find_warehouse(settings.connector)(name, settings) if keepers is None else keepers.warehouse(name, settings)
    )
    try:
        yield from examine_house(connector, cursor)
    finally:
        connector.close()
