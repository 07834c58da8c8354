"""`ordersync plan`: what the channels would be told now."""

from __future__ import annotations

from typing import Any

import msgspec
import typer

from core.commands import given, show
from core.commands.given import Config, Json
from core.sync.channel import clock
from core.sync.plan import DueLevel, DuePush, DueWork, plan


def register(app: typer.Typer) -> None:
    app.command("plan")(planned)


def planned(config: Config = given.FOLDER, json: Json = False) -> None:
    """Show every outward write that is due, and send nothing."""
    with given.opened(config) as (settings, store):
        now = clock()
        found = plan(store, settings, now)
    if json:
        due = {"pushes": [_told(one) for one in found.pushes], "levels": [_told(one) for one in found.levels]}
        show.document({**due, "refused": found.refused, "work": [_told(one) for one in found.work]})
        return
    show.table(
        ("channel", "push", "order", "name", "what", "state", "due"),
        [(p.channel, p.kind, p.order, p.name, p.what, p.state, _due(p, now)) for p in found.pushes],
    )
    show.table(
        ("channel", "SKU", "place", "old", "", "new", "due"),
        [
            (v.channel, v.sku, v.place, v.old, "->", v.new, _due(v, now))
            for v in found.levels
        ],
    )  # fmt: skip
    show.table(
        ("warehouse", "what", "key", "order", "units", "state", "due"),
        [(w.warehouse, w.kind, w.key, w.order, w.what, w.state, _when(w.due_at, now)) for w in found.work],
    )
    if found.refused:
        show.line("refused by the channel: mend the cause, then `ordersync resync CHANNEL --levels`")
    show.table(
        ("channel", "SKU", "place", "old", "", "new", "why"),
        [(v.channel, v.sku, v.place, v.old, "->", v.new, v.reason) for v in found.refused],
    )
    show.line(
        f"due: {show.many(len(found.pushes), 'push')} and {show.many(len(found.levels), 'level')}"
        + (f", {len(found.work)} for warehouses" if found.work else "")
        + "; nothing was sent"
        + (f"; {show.many(len(found.refused), 'level')} refused earlier" if found.refused else "")
    )


def _told(one: DuePush | DueLevel | DueWork) -> dict[str, Any]:
    return {**msgspec.structs.asdict(one), "due_at": show.iso(one.due_at or None)}


def _due(one: DuePush | DueLevel, now: int) -> str:
    if one.waits_for:
        return f"waits for {one.waits_for}"
    return _when(one.due_at, now)


def _when(due_at: int, now: int) -> str:
    return "now" if due_at <= now else f"in {show.span((due_at - now) // show.SECOND)}"
