"""`ordersync verify`: what must be true of the store, checked and mended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import typer

from core.commands import given, show
from core.commands.edge import CheckFailed
from core.commands.given import Config, Json
from core.store.database import Store
from core.sync.breaches import keep_breaches
from core.sync.channel import clock
from core.sync.verify import Breach, notes, repair, verify


def register(app: typer.Typer) -> None:
    app.command("verify")(verified)


def verified(
    mend: Annotated[bool, typer.Option("--repair", help="Mend what can be mended, and say what was done.")] = False,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Check that nothing is lost, counted twice or sold twice; exit 1 and names when something is."""
    with given.opened(config) as (_, store):
        found = _look(store)
        done: list[str] = []
        if mend and found:
            done = repair(store, found)
            found = _look(store)
        known = notes(store)
        _print(found, known, done if mend else None, json)
        keep_breaches(store, found, clock())
    if found:
        raise typer.Exit(CheckFailed.code)


def _print(found: Sequence[Breach], known: Sequence[Breach], done: Sequence[str] | None, json: bool) -> None:
    """`done`: what was mended, where that was asked for."""
    if json:
        told: dict[str, Any] = {
            "sound": not found,
            "breaches": [msgspec.structs.asdict(breach) for breach in found],
            "notes": [msgspec.structs.asdict(note) for note in known],
        }
        show.document(told if done is None else {**told, "repairs": done})
        return
    for line in done or ():
        show.line(line)
    for breach in found:
        show.line(str(breach))
    for note in known:
        show.line(f"to know: {note}")
    show.line("all invariants hold" if not found else show.many(len(found), "breach"))


def _look(store: Store) -> list[Breach]:
    with show.progress() as bars:
        task = bars.add_task("checking", total=None, told="")
        return verify(store, progress=lambda done, total: bars.update(task, completed=done, total=total))
