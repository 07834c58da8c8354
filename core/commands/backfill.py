"""`ordersync backfill`: the past of a channel, beside its live orders."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer

from core.commands import given, show
from core.commands.edge import NeedsAttention
from core.commands.given import Channel, Config, Json
from core.commands.rounds import channel_id, work
from core.connector import Ability, find
from core.errors import UserError
from core.model import instant, micros
from core.settings import Settings
from core.store.database import Store
from core.sync.backfill import Backfill, ask_backfill, backfill_of, open_backfills, stop_backfill
from core.sync.channel import clock

LOOK_SECONDS = 1.0
"""Between two looks at a backfill that waits."""

PATIENCE = 600
"""Seconds a daemon may take for one turn."""


def register(app: typer.Typer) -> None:
    app.command("backfill")(backfill)


def backfill(
    channel: Channel,
    since: Annotated[
        datetime | None,
        typer.Option("--since", metavar="TIME", formats=given.TIMES, help="Orders placed since then (UTC)."),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option("--until", metavar="TIME", formats=given.TIMES, help="And before then; now if not given."),
    ] = None,
    stop: Annotated[bool, typer.Option("--stop", help="End the open one where it stands.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Ask for it and do not wait; the daemon does it.")] = False,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Take in a channel's past orders, beside the live ones. Ctrl-C leaves it to the daemon, from where it is."""
    with given.opened(config) as (settings, store):
        (name,) = given.chosen(settings, [channel])
        own_id = channel_id(store, settings, name)
        if stop:
            ended = stop_backfill(store, own_id, clock())
            _say(json, {"channel": name, "stopped": ended}, f"{name}: {'stopped' if ended else 'no backfill is open'}")
            return
        reason = find(settings.channels[name].connector).absent.get(Ability.BACKFILL)
        if reason is not None:
            raise UserError(f"{name} cannot be backfilled: {reason}")
        id = _asked(store, name, own_id, since, until)
        if detach:
            told = _told(name, backfill_of(store, id))
            _say(json, told, f"{name}: backfill {id} is asked for; see `ordersync status`")
            return
        found = _wait(store, settings, name, id)
    if json:
        show.document(_told(name, found))
    else:
        show.line(f"{name}: {found.state}: {_counts(found)}" + (f"; {found.reason}" if found.reason else ""))
    if found.state != "done":
        raise typer.Exit(NeedsAttention.code)


def _asked(store: Store, name: str, channel_id: int, since: datetime | None, until: datetime | None) -> int:
    """The id of the backfill to wait for: the one asked for, or the open one when no window is given."""
    with store.read() as tx:
        known = open_backfills(tx).get(channel_id)
    if since is None:
        if known is None or until is not None:
            raise UserError("from when on? name --since TIME, such as 2024-01-01")
        return known.id
    begin, end = given.in_utc(since), given.in_utc(until) if until else datetime.now(UTC)
    if begin >= end:
        raise UserError(f"--since {begin:%Y-%m-%d} does not lie before --until {end:%Y-%m-%d}; exchange them")
    id, new = ask_backfill(store, channel_id, begin, end, clock())
    if not new:
        found = backfill_of(store, id)
        if found.since != micros(begin) or (until is not None and found.until != micros(end)):
            window = f"{instant(found.since):%Y-%m-%d} to {instant(found.until):%Y-%m-%d}"
            raise UserError(f"{name} is being backfilled from {window}; let it end, or end it with --stop")
    return id


def _wait(store: Store, settings: Settings, name: str, id: int) -> Backfill:
    """Works on it turn by turn, or has the daemon do so, until it is done."""
    began = time.monotonic()
    first = backfill_of(store, id)
    with show.progress() as bars:
        task = bars.add_task(f"{name}: backfill", total=1.0, told="")
        while True:
            found = backfill_of(store, id)
            told = f"{_counts(found)}{_left(first, found, time.monotonic() - began)}"
            bars.update(task, completed=share(found), told=told)
            if found.state != "open":
                return found
            wait = (found.due_at - clock()) / show.SECOND
            if wait > 0:
                bars.update(task, told=f"{told}{f'; waits: {found.reason}' if found.reason else ''}")
                time.sleep(min(wait, LOOK_SECONDS))
                continue
            (done,) = work(store, settings, [name], PATIENCE)
            if done.state == "parked":
                raise NeedsAttention(f"{name}: {done.reason}")
            if done.state != "ok":
                time.sleep(LOOK_SECONDS)


def share(found: Backfill) -> float:
    """How much of the window is done, as far as the newest order of the last page tells."""
    if found.state == "done":
        return 1.0
    if found.reached is None:
        return 0.0
    return min(1.0, max(0.0, (found.reached - found.since) / (found.until - found.since)))


def _left(first: Backfill, now: Backfill, seconds: float) -> str:
    """How long the rest will take at the pace the channel has allowed so far; empty while that is a guess."""
    gained = share(now) - share(first)
    if now.state != "open" or seconds < 5 or gained < 0.01:
        return ""
    return f", about {show.span(int((1 - share(now)) * seconds / gained))} left"


def _counts(found: Backfill) -> str:
    counts = {"orders seen": found.received, "stored": found.stored, "set aside": found.quarantined}
    return show.counts(counts) or "no orders yet"


def _told(name: str, found: Backfill) -> dict[str, Any]:
    instants = ("since", "until", "asked_at", "due_at", "done_at", "reached")
    told = msgspec.structs.asdict(found)
    return {"channel": name, **told, **{word: show.iso(told[word]) for word in instants}, "share": share(found)}


def _say(json: bool, document: dict[str, Any], line: str) -> None:
    if json:
        show.document(document)
    else:
        show.line(line)
