"""`ordersync push …`: what the channels are to be told, and what they refuse."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from core.commands import given, show
from core.commands.given import Channels, Config, Json
from core.errors import UserError
from core.sync import pushes
from core.sync.channel import clock
from core.sync.pushes import Listed

Push = Annotated[int, typer.Argument(metavar="ID", help="As `push list` shows it.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="What channels are told of orders, and what they refuse.", no_args_is_help=True)
    group.command("list")(listed)
    group.command("retry")(retry)
    group.command("drop")(drop)
    app.add_typer(group, name="push")


def listed(
    channels: Channels = None,
    every: Annotated[bool, typer.Option("--all", help="What is done or dropped, too.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="The newest so many.")] = 200,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Show the acknowledgements, cancellations, parcels and refunds not done with, and why they are refused."""
    with given.opened(config) as (_, store):
        with store.read() as tx:
            ids = [given.known_channel(tx, name) for name in channels or []]
            ids = ids or [row.id for row in tx.rows("SELECT id FROM channels")]
        found = pushes.listed(store, ids, all=every, limit=limit)
    if json:
        show.document({"pushes": [_told(one) for one in found]})
        return
    show.table(
        ("id", "channel", "order", "name", "kind", "what", "state", "tries", "since", "reason"),
        [
            (p.id, p.channel, p.order, p.name, p.kind, p.what, p.state, p.attempts, show.clock_time(p.updated_at),
             p.reason)
            for p in found
        ],
    )  # fmt: skip
    show.line(show.many(len(found), "push") + (f" (the newest {limit}; see --limit)" if len(found) == limit else ""))


def retry(
    ids: Annotated[list[int], typer.Argument(metavar="ID...", help="As `push list` shows them.")],
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Have pushes told again: refused ones, with whatever was mended meanwhile, and those taken and never shown."""
    with given.opened(config) as (_, store):
        done = [pushes.retry(store, id, clock()) for id in dict.fromkeys(ids)]
    _print(done, json, "is due again")


def drop(
    ids: Annotated[list[int], typer.Argument(metavar="ID...", help="As `push list` shows them.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the order's timeline.")],
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Give pushes up: the channel is never told. A dropped cancellation is taken back: its units are reserved again."""
    if not reason.strip():
        raise UserError("--reason is empty; say why the channel is never to be told")
    with given.opened(config) as (_, store):
        done = [pushes.drop(store, id, reason.strip(), clock()) for id in dict.fromkeys(ids)]
    _print(done, json, "is dropped")


def _print(done: list[Listed], json: bool, became: str) -> None:
    if json:
        show.document({"pushes": [_told(one) for one in done]})
        return
    for one in done:
        what = f" ({one.what})" if one.what else ""
        show.line(f"push {one.id} of order {one.name or one.order}, {one.kind}{what}, {became}")


def _told(one: Listed) -> dict[str, Any]:
    instants = {word: show.iso(getattr(one, word)) for word in ("created_at", "updated_at")}
    return {**msgspec.structs.asdict(one), **instants}
