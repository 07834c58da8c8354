"""`ordersync warehouse …`: what warehouses were handed, what they told, and what of it needs a person."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import typer

from core.commands import given, show
from core.commands.edge import CheckFailed
from core.commands.given import Config, Json
from core.errors import Fenced, UserError
from core.settings import Settings
from core.store.database import Store
from core.sync.channel import clock
from core.sync.connect import Keepers
from core.sync.recall import settle_work
from core.sync.take_notices import settle_notices, take_again
from core.sync.warehouse import take_up
from core.sync.warehouse_standing import WorkThere, work_there

_TRIES = 5

Names = Annotated[
    list[str] | None, typer.Argument(metavar="[WAREHOUSE]...", help="Warehouses; all when none is named.")
]
Ids = Annotated[list[int], typer.Argument(metavar="ID...", help="As `warehouse notices` shows them.")]

_LIST = """
SELECT n.id, n.event, n.kind, n.happened_at, n.observed_at, n.state, n.reason, w.name AS warehouse, h.key AS work,
 h.order_id, length(n.body) AS bytes FROM notices n JOIN warehouses w ON w.id = n.warehouse_id
 LEFT JOIN handovers h ON h.id = n.handover_id
WHERE (:every = 1 OR n.state IN ('unread', 'refused')) AND w.name IN :names ORDER BY n.id DESC LIMIT :limit
"""


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="What warehouses were handed and what they told.", no_args_is_help=True)
    group.command("work")(work)
    group.command("notices")(notices)
    group.command("notice")(notice)
    group.command("retry")(retry)
    group.command("settle")(settle)
    app.add_typer(group, name="warehouse")


def known_names(store: Store, settings: Settings, named: Sequence[str] | None) -> list[str]:
    """Warehouses that are configured or were. Raises `UserError` for any other name."""
    with store.read() as tx:
        known = sorted({row.name for row in tx.rows("SELECT name FROM warehouses")}.union(settings.warehouses))
    for name in named or ():
        if name not in known:
            raise UserError(f"there is no warehouse {name!r}; there are: {', '.join(known) or 'none'}")
    return list(named or known)


def work(
    names: Names = None,
    every: Annotated[bool, typer.Option("--all", help="What is done, too.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="The newest so many.")] = 100,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Show the work that warehouses were handed and have not done yet."""
    with given.opened(config) as (settings, store):
        wanted = known_names(store, settings, names)
        with store.read() as tx:
            found = work_there(tx, wanted, every=every, limit=limit)
    if json:
        show.document({"work": [_document(one) for one in found]})
        return
    show.table(
        ("warehouse", "work", "order", "channel", "state", "units", "recalls"),
        [
            (
                one.warehouse,
                one.key,
                one.order,
                one.channel,
                one.state,
                ", ".join(_units(line) for line in one.lines),
                ", ".join(recall["state"] for recall in one.recalls) or None,
            )
            for one in found
        ],
    )
    for one in found:
        if one.reason:
            show.line(f"{one.key}: {one.reason}")
        for recall in one.recalls:
            if recall["state"] == "refused":
                show.line(f"{one.key}: too late to call back: {recall['reason']}")
    show.line(show.many(len(found), "work order"))


def _document(one: WorkThere) -> dict[str, Any]:
    return {**msgspec.structs.asdict(one), "created_at": show.iso(one.created_at)}


def _units(line: dict[str, Any]) -> str:
    of = ", ".join(f"{line[word]} {word}" for word in ("shipped", "withdrawn") if line[word])
    return f"{line['asked']} {line['sku']}" + (f" ({of})" if of else "")


def notices(
    names: Names = None,
    every: Annotated[bool, typer.Option("--all", help="Those that were taken in, too.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="The newest so many.")] = 100,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Show what warehouses told that could not be read or booked, and why."""
    with given.opened(config) as (settings, store):
        wanted = known_names(store, settings, names)
        with store.read() as tx:
            rows = tx.rows(_LIST, every=int(every), names=wanted, limit=limit)
    if json:
        show.document({"notices": [_told(row) for row in rows]})
        return
    show.table(
        ("id", "warehouse", "what", "work", "happened", "state", "reason"),
        [
            (row.id, row.warehouse, row.kind or None, row.work, show.clock_time(row.happened_at or row.observed_at),
             row.state, row.reason or None)
            for row in rows
        ],
    )  # fmt: skip
    show.line(show.many(len(rows), "notice"))


def _told(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "warehouse": row.warehouse,
        "event": row.event,
        "kind": row.kind,
        "work": row.work,
        "order_id": row.order_id,
        "happened_at": show.iso(row.happened_at or None),
        "observed_at": show.iso(row.observed_at),
        "state": row.state,
        "reason": row.reason,
    }


def notice(
    id: Annotated[int, typer.Argument(metavar="ID", help="As `warehouse notices` shows it.")],
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Print a notice as it came."""
    with given.opened(config) as (_, store):
        (row,) = _rows(store, [id])
    if json:
        show.document({"id": row.id, "warehouse": row.warehouse, "body": bytes(row.body).decode(errors="replace")})
        return
    sys.stdout.buffer.write(bytes(row.body) + b"\n")
    sys.stdout.flush()


def retry(ids: Ids, config: Config = given.FOLDER, json: Json = False) -> None:
    """Read and book notices once more that were set aside, once their cause is mended."""
    with given.opened(config) as (settings, store):
        rows = _rows(store, ids)
        became: dict[int, str] = {}
        for name in sorted({row.warehouse for row in rows}):
            own = [row.id for row in rows if row.warehouse == name]
            became |= _again(store, settings, name, own)
    if json:
        show.document({"notices": [{"id": id, "became": told} for id, told in became.items()]})
    else:
        show.table(("id", "became"), list(became.items()))
    if any(told != "taken" for told in became.values()):
        raise typer.Exit(CheckFailed.code)


def _again(store: Store, settings: Settings, name: str, ids: Sequence[int]) -> dict[int, str]:
    if name not in settings.warehouses:
        raise UserError(f"warehouse {name} is not configured or switched off; see warehouses/{name}.toml")
    own = settings.warehouses[name]
    connector = Keepers(store, settings.store).warehouse(name, own)
    try:
        for _ in range(_TRIES):
            try:
                places = [place.as_location() for place in settings.locations]
                house = take_up(store, name, own, connector, places, clock())
                return dict(take_again(store, house, ids, clock))
            except Fenced:  # the daemon has begun a turn: take it up again between two of its pages
                continue
    finally:
        connector.close()
    raise UserError(f"the daemon is busy with {name}; try again")


def settle(
    ids: Annotated[
        list[int] | None, typer.Argument(metavar="[ID]...", help="As `warehouse notices` shows them.")
    ] = None,
    work: Annotated[
        list[str] | None,
        typer.Option(
            "--work",
            metavar="KEY",
            help="Work that was too late to call back, or whose recall is never answered; see `warehouse work`.",
        ),
    ] = None,
    *,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="What was done about it.")],
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Say that notices which could not be read or booked, or work that was too late to call back, were seen to by hand.

    So is work of which a warehouse was asked to stop some and never answers. Nothing that is not wanted is expected of
    such work any more; what leaves all the same is a notice again.
    """
    if not why.strip():
        raise UserError("say what was done about it, with --why")
    if not ids and not work:
        raise UserError("name notices by their ID, or work with --work")
    ids = ids or []
    with given.opened(config) as (_, store):
        rows = _rows(store, ids)
        wrong = [row.id for row in rows if row.state not in ("unread", "refused")]
        if wrong:
            raise UserError(f"notice {wrong[0]} is not set aside; see `ordersync warehouse notices`")
        if ids:
            settle_notices(store, ids, why.strip(), clock())
        for key in work or []:
            settle_work(store, key, why.strip(), clock())
    if json:
        show.document({"settled": ids, "work": work or []})
        return
    if ids:
        show.line(f"{show.many(len(ids), 'notice')} settled")
    for key in work or []:
        show.line(f"{key} is seen to")


def _rows(store: Store, ids: Sequence[int]) -> list[Any]:
    """The notices of these ids. Raises `UserError` for one that is not there."""
    with store.read() as tx:
        found = {
            row.id: row
            for row in tx.rows(
                "SELECT n.*, w.name AS warehouse FROM notices n JOIN warehouses w ON w.id = n.warehouse_id"
                " WHERE n.id IN :ids",
                ids=list(ids),
            )
        }
    for id in ids:
        if id not in found:
            raise UserError(f"no notice has the id {id}; see `ordersync warehouse notices --all`")
    return [found[id] for id in ids]
