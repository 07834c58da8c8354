"""`ordersync quarantine …`: documents that could not be read as orders."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from core.commands import given, show
from core.commands.edge import CheckFailed, NeedsAttention
from core.commands.given import Channels, Config, Json
from core.commands.rounds import Wait, work
from core.connector import find
from core.errors import Fenced, UserError
from core.settings import Settings
from core.store.database import Store
from core.sync.ask import answers, ask_orders
from core.sync.channel import clock, take_up
from core.sync.reread import reread
from core.sync.returns import reread_return

_TRIES = 5
"""How often a daemon may take the channel up while a document is read again."""

_GONE = "not found at the channel"

_LIST = """
SELECT q.id, q.channel_id, c.name AS channel, q.kind, q.number, q.reason, q.observed_at, q.state, q.resolved_at,
  length(q.body) AS bytes FROM quarantine q JOIN channels c ON c.id = q.channel_id
WHERE (:every = 1 OR q.state = 'open') AND (:named = 0 OR c.name IN :channels) ORDER BY q.id
"""

_WHOLE = "SELECT q.*, c.name AS channel FROM quarantine q JOIN channels c ON c.id = q.channel_id WHERE q.id IN :ids"


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Documents that could not be read as orders.", no_args_is_help=True)
    group.command("list")(listed)
    group.command("show")(shown)
    group.command("retry")(retry)
    app.add_typer(group, name="quarantine")


def listed(
    channels: Channels = None,
    every: Annotated[bool, typer.Option("--all", help="The resolved ones, too.")] = False,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Show what is set aside, and why."""
    with given.opened(config) as (settings, store):
        names = given.chosen(settings, channels) if channels else []
        with store.read() as tx:
            rows = tx.rows(_LIST, every=int(every), named=int(bool(names)), channels=names)
    if json:
        show.document({"quarantine": [_told(row) for row in rows]})
        return
    show.table(
        ("id", "channel", "what", "number", "seen", "state", "reason"),
        [
            (row.id, row.channel, row.kind, row.number or None, show.clock_time(row.observed_at), row.state, row.reason)
            for row in rows
        ],
    )
    show.line(show.many(len(rows), "document"))


def shown(
    id: Annotated[int, typer.Argument(metavar="ID", help="As `quarantine list` shows it.")],
    body: Annotated[bool, typer.Option("--body", help="The document itself. It may hold a buyer's data.")] = False,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Show one document that is set aside."""
    with given.opened(config) as (_, store):
        (row,) = _rows(store, [id])
    if json:
        text = {"body": bytes(row.body).decode(errors="replace")} if body else {}
        show.document({**_told(row), "bytes": len(row.body), **text})
    elif body:
        sys.stdout.buffer.write(bytes(row.body) + b"\n")
        sys.stdout.flush()
    else:
        show.facts(
            {
                "channel": row.channel,
                row.kind: row.number,
                "seen": show.clock_time(row.observed_at),
                "state": row.state,
                "reason": row.reason,
                "size": f"{len(row.body)} bytes",
            },
            title=f"document {row.id}",
        )


def retry(
    ids: Annotated[list[int] | None, typer.Argument(metavar="[ID]...", help="Documents; all open ones.")] = None,
    config: Config = given.FOLDER,
    json: Json = False,
    wait: Wait = 600,
) -> None:
    """Read documents again: their orders are fetched anew, or what is stored is read by the present connector."""
    with given.opened(config) as (settings, store):
        with store.read() as tx:
            rows = _rows(store, ids) if ids else tx.rows(_LIST, every=0, named=0, channels=[])
        became: dict[int, str] = {}
        troubled: dict[str, str] = {}
        for channel in sorted({row.channel for row in rows}):
            own = [row for row in rows if row.channel == channel]
            given.chosen(settings, [channel])
            trouble = _retry(store, settings, channel, own, wait, became)
            if trouble:
                troubled[channel] = trouble
    told = [{**_told(row), "became": became[row.id]} for row in rows]
    if json:
        show.document({"quarantine": told, "troubles": troubled})
    else:
        show.table(
            ("id", "channel", "order", "became"),
            [(one["id"], one["channel"], one["number"] or None, one["became"]) for one in told],
        )
        show.line(f"{show.many(len(told), 'document')} read again" if told else "nothing is set aside")
        for channel, trouble in troubled.items():
            show.line(f"{channel}: {trouble}")
    if troubled:
        raise typer.Exit(NeedsAttention.code)
    if any(one.startswith("still") for one in became.values()):
        raise typer.Exit(CheckFailed.code)


def _retry(
    store: Store, settings: Settings, channel: str, rows: Sequence[Any], wait: float, became: dict[int, str]
) -> str:
    """Reads one channel's documents again and notes what became of each; returns the channel's trouble, if any."""
    numbers = list(dict.fromkeys(row.number for row in rows if row.number and row.kind == "order"))
    answer: dict[str, str] = {}
    trouble = ""
    if numbers:
        request = ask_orders(store, rows[0].channel_id, numbers, clock())
        (done,) = work(store, settings, [channel], wait)
        trouble = done.reason
        answer = answers(store, [request]).get(request, {})
    for row in rows:
        fetched = answer.get(row.number, "")
        if row.kind == "return":
            became[row.id] = _reread(store, settings, channel, row.id)
        elif row.number and not fetched:
            became[row.id] = "still set aside: the channel was not reached; it is fetched by the next turn that is"
        elif row.number and fetched != _GONE:
            (now,) = _rows(store, [row.id])
            became[row.id] = fetched if now.state == "resolved" else f"still set aside: {now.reason}"
        else:
            became[row.id] = _reread(store, settings, channel, row.id)
    return trouble


def _reread(store: Store, settings: Settings, name: str, id: int) -> str:
    (row,) = _rows(store, [id])
    own = settings.channels[name]
    connector = find(own.connector)(name, own)
    places = [place.as_location() for place in settings.locations]
    try:
        for _ in range(_TRIES):
            channel = take_up(store, name, own, connector, places, settings.must_route(), clock())
            try:
                read = reread_return if row.kind == "return" else reread
                return read(store, channel, row, clock)
            except Fenced:  # the daemon has begun a turn: take it up again between two of its pages
                continue
    finally:
        connector.close()
    return "still set aside: the daemon is busy with the channel; try again"


def _rows(store: Store, ids: Sequence[int]) -> list[Any]:
    """The documents of these ids. Raises `UserError` for one that is not there."""
    with store.read() as tx:
        found = {row.id: row for row in tx.rows(_WHOLE, ids=list(ids))}
    for id in ids:
        if id not in found:
            raise UserError(f"no document has the id {id}; see `ordersync quarantine list --all`")
    return [found[id] for id in ids]


def _told(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "channel": row.channel,
        "kind": row.kind,
        "number": row.number,
        "state": row.state,
        "reason": row.reason,
        "observed_at": show.iso(row.observed_at),
        "resolved_at": show.iso(row.resolved_at),
    }
