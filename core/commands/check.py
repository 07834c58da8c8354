"""`ordersync check`: the configuration, and whether the store it names can be used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from core.commands import given, show
from core.commands.edge import one_line
from core.commands.given import Config, Json
from core.errors import StoreError, UserError
from core.settings import Settings, load, problems
from core.settings.load import ORDERSYNC
from core.settings.problem import Problem
from core.store.credentials import unreadable
from core.store.database import Store, connect
from core.store.schema import is_current
from core.store.seal import Seal


def register(app: typer.Typer) -> None:
    app.command("check")(check)


def check(config: Config = given.FOLDER, json: Json = False) -> None:
    """Check the configuration and the store, one line for each problem; changes nothing and asks no channel."""
    found = problems(config)
    settings = _settings(config)
    trouble, state, sealed = (None, "not looked at", ()) if settings is None else _store(settings)
    found = [*found, *sealed]
    if json:
        show.document({"sound": not found and trouble is None, "problems": [_told(one) for one in found],
                       "store": trouble or state, "channels": list(settings.channels) if settings else [],
                       "warehouses": list(settings.warehouses) if settings else []})  # fmt: skip
    else:
        for problem in found:
            show.line(str(problem))
        if trouble is not None:
            show.line(f"store: {trouble}")
        elif settings is not None and not found:
            names = ", ".join(settings.channels) or "none enabled"
            houses = ", ".join(settings.warehouses)
            also = f", {show.many(len(settings.warehouses), 'warehouse')} ({houses})" if houses else ""
            show.line(
                f"configuration is sound: {show.many(len(settings.channels), 'channel')} ({names}){also}; store {state}"
            )
    if found:
        raise typer.Exit(UserError.code)
    if trouble is not None:
        raise typer.Exit(StoreError.code)


def _settings(config: Path) -> Settings | None:
    """The settings, None where they cannot be used at all; the problems say why."""
    try:
        return load(config)
    except UserError:
        return None


def _store(settings: Settings) -> tuple[str | None, str, Sequence[Problem]]:
    """What is wrong with the store, if anything, how it is, and what its encryption keys do not open.

    A SQLite file that is not there yet is not made.
    """
    url = settings.database
    if url.drivername == "sqlite":
        file = Path(url.database or "")
        if not file.parent.is_dir():
            return f"there is no folder {file.parent}; make it, or mend store.url", "", ()
        if not file.exists():
            return None, f"{file.name} is made when it is first used", ()
    store = Store(connect(url))
    try:
        with given.a_database():
            current = is_current(store)
        if not current:
            return None, "is brought up to date when it is next used", ()
        keys = settings.store.keys()
        return None, "is up to date", _unreadable(store, Seal(keys)) if keys else ()
    except StoreError as error:
        return one_line(str(error)), "", ()
    finally:
        store.close()


def _unreadable(store: Store, seal: Seal) -> list[Problem]:
    return [
        Problem(ORDERSYNC, "store.encryption_key", f"the token kept for {name} cannot be read", why)
        for name, why in unreadable(store, seal).items()
    ]


def _told(problem: Problem) -> dict[str, str]:
    return {"file": problem.file, "key": problem.key, "what": problem.what, "cure": problem.cure}
