"""`ordersync reconcile`: what the channels have beside what we have, and why it differs where it does."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Annotated, Any

import typer

from core.commands import given, show
from core.commands.edge import CheckFailed, NeedsAttention
from core.commands.given import Channels, Config, Json
from core.commands.rounds import Wait, channel_id, work
from core.connector import Ability, find
from core.settings import Settings
from core.sync.ask import answers, ask_reconcile
from core.sync.channel import clock
from core.sync.evidence import Reconciliation, last

_NOT_COMPARED = {"orders_there": Ability.ROLL_CALL, "levels": Ability.READ_LEVELS}


def register(app: typer.Typer) -> None:
    app.command("reconcile")(reconciled)


def reconciled(
    channels: Channels = None,
    since: Annotated[
        datetime | None,
        typer.Option("--since", metavar="TIME", formats=given.TIMES, help="Orders placed since then; two days if not."),
    ] = None,
    newest: Annotated[bool, typer.Option("--last", help="Show the last one again; ask no channel.")] = False,
    config: Config = given.FOLDER,
    json: Json = False,
    wait: Wait = 600,
) -> None:
    """Compare orders and levels there with ours; exit 1 when nothing explains a difference."""
    troubled: dict[str, str] = {}
    with given.opened(config) as (settings, store):
        names = given.chosen(settings, channels)
        ids = {name: channel_id(store, settings, name) for name in names}
        found: dict[str, Reconciliation | None] = {}
        if newest:
            found = {name: last(store, ids[name]) for name in names}
        else:
            begin = None if since is None else given.in_utc(since)
            asked = {name: ask_reconcile(store, ids[name], begin, clock()) for name in names}
            done = {one.channel: one for one in work(store, settings, names, wait)}
            answered = answers(store, list(asked.values()))
            for name in names:
                answer: Any = answered.get(asked[name], {})
                kept = answer.get("reconciliation")
                found[name] = None if kept is None else last(store, ids[name], kept)
                if kept is None:
                    troubled[name] = answer.get("error") or done[name].reason or "not done yet; its next turn does it"
        if json:
            show.document({"channels": {name: _told(settings, name, one) for name, one in found.items()},
                           "troubles": troubled})  # fmt: skip
        else:
            _print(settings, found, troubled)
    if troubled:
        raise typer.Exit(NeedsAttention.code)
    if any(one is not None and one.unexplained for one in found.values()):
        raise typer.Exit(CheckFailed.code)


def _told(settings: Settings, name: str, found: Reconciliation | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "at": show.iso(found.at),
        "since": show.iso(found.since),
        "until": show.iso(found.until),
        "orders_there": found.orders_there,
        "orders_here": found.orders_here,
        "levels": found.levels,
        "not_compared": _not_compared(settings, name, found),
        "unexplained": found.unexplained,
        "differences": found.differences,
    }


def _not_compared(settings: Settings, name: str, found: Reconciliation) -> list[str]:
    """What could not be compared, with the channel's reason."""
    absent = find(settings.channels[name].connector).absent
    return [
        f"{'orders' if count == 'orders_there' else 'levels'}: {absent.get(ability, 'the settings leave them out')}"
        for count, ability in _NOT_COMPARED.items()
        if getattr(found, count) is None
    ]


def _print(settings: Settings, found: dict[str, Reconciliation | None], troubled: dict[str, str]) -> None:
    rows = {name: one for name, one in found.items() if one is not None}
    show.table(
        ("channel", "at", "orders there", "here", "levels", "differences", "unexplained"),
        [
            (
                name,
                show.clock_time(one.at),
                one.orders_there,
                one.orders_here,
                one.levels,
                _causes(one),
                one.unexplained,
            )
            for name, one in rows.items()
        ],
    )
    for name, one in rows.items():
        show.table(
            ("what", "which", "there", "here", "cause", ""),
            [(d.kind, d.subject, d.there, d.here, d.cause.replace("_", " "), d.told) for d in one.differences],
            title=name,
        )
        for reason in _not_compared(settings, name, one):
            show.line(f"{name}: not compared: {reason}")
    for name, reason in troubled.items():
        show.line(f"{name}: {reason}")
    for name in found.keys() - rows.keys() - troubled.keys():
        show.line(f"{name}: never reconciled yet")


def _causes(found: Reconciliation) -> str:
    counts = Counter(one.cause.replace("_", " ") for one in found.differences)
    return show.counts(counts) or "none"
