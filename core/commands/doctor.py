"""`ordersync doctor`: the store and the channels' accounts examined, with what is to be done where one is not well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import typer

from core.commands import given, show
from core.commands.edge import NeedsAttention
from core.commands.given import Channels, Config, Json
from core.connector import find
from core.errors import StoreError
from core.model import Finding
from core.settings import ChannelSettings, Settings
from core.store.database import Store, connect
from core.store.health import examine_store
from core.store.schema import is_current
from core.sync.connect import Keepers

STORE = "store"
"""What findings about the store stand under."""


def register(app: typer.Typer) -> None:
    app.command("doctor")(doctor)


def doctor(channels: Channels = None, config: Config = given.FOLDER, json: Json = False) -> None:
    """Examine accounts and store: credentials, rights, clock, locations, listings. Changes nothing anywhere."""
    settings = given.settings_in(config)
    names = given.chosen(settings, channels)
    found: list[tuple[str, Finding]] = []
    with show.progress() as bars:
        task = bars.add_task("examining", total=len(names) + 1, told="")
        for finding in examine_store(settings.database):
            found.append((STORE, finding))
        with _keepers(settings) as keepers:
            for name in names:
                bars.update(task, advance=1, told=name)
                found += [(name, finding) for finding in _examine(name, settings.channels[name], keepers)]
    if json:
        show.document(
            {
                "well": all(one.well for _, one in found),
                "findings": [{"channel": name, **msgspec.structs.asdict(one)} for name, one in found],
            }
        )
    else:
        show.table(
            ("channel", "what", "", "found"),
            [(name, one.what, "well" if one.well else "NOT WELL", one.told) for name, one in found],
        )
        ill = sum(not one.well for _, one in found)
        show.line("everything is well" if not ill else f"{show.many(ill, 'finding')} to mend")
    if any(not one.well for name, one in found if name != STORE):
        raise typer.Exit(NeedsAttention.code)
    if any(not one.well for _, one in found):
        raise typer.Exit(StoreError.code)


@contextmanager
def _keepers(settings: Settings) -> Iterator[Keepers | None]:
    """What the store keeps of the accounts; None where there is no store to be used as it is."""
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
        yield Keepers(store, settings.store) if usable else None
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
