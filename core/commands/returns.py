"""`ordersync returns`: what buyers send back, as the channels tell it."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated, Any

import typer

from core.commands import given, show
from core.commands.given import Channels, Config, Json
from core.model import ReturnState
from core.store.database import Tx

_RETURNS = """
SELECT r.*, c.name AS channel, o.id AS order_id, o.name AS order_name FROM returns r
JOIN channels c ON c.id = r.channel_id
LEFT JOIN orders o ON o.channel_id = r.channel_id AND o.number = r.order_number
WHERE c.name IN :channels AND (:state = '' OR r.state = :state) AND (:orphans = 0 OR o.id IS NULL)
ORDER BY r.requested_at DESC, r.id DESC LIMIT :limit
"""


def register(app: typer.Typer) -> None:
    app.command("returns")(returns)


def returns(
    channels: Channels = None,
    state: Annotated[ReturnState | None, typer.Option("--state", help="Only those that are so.")] = None,
    orphans: Annotated[bool, typer.Option("--orphans", help="Only those whose order is not here.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="The newest so many.")] = 50,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """List returns as the channels tell them, the newest first. They move no stock by themselves."""
    with given.opened(config) as (settings, store):
        names = given.chosen(settings, channels)
        with store.read() as tx:
            rows = tx.rows(
                _RETURNS,
                channels=names,
                state=state.value if state else "",
                orphans=int(orphans),
                limit=limit,
            )
            lines = _lines(tx, [row.id for row in rows])
    if json:
        show.document({"returns": [_told(row, lines[row.id]) for row in rows]})
        return
    show.table(
        ("channel", "return", "order", "state", "asked", "what", "tracking"),
        [
            (
                row.channel,
                row.number,
                row.order_name or f"{row.order_number} (not here)",
                row.state.replace("_", " "),
                show.clock_time(row.requested_at),
                ", ".join(_line(line) for line in lines[row.id]),
                row.tracking or None,
            )
            for row in rows
        ],
    )
    show.line(show.many(len(rows), "return"))


def _lines(tx: Tx, ids: list[int]) -> defaultdict[int, list[Any]]:
    found: defaultdict[int, list[Any]] = defaultdict(list)
    for row in tx.rows("SELECT * FROM return_lines WHERE return_id IN :ids ORDER BY return_id, number", ids=ids):
        found[row.return_id].append(row)
    return found


def _line(line: Any) -> str:
    refunded = f", {line.refunded} refunded" if line.refunded else ""
    return f"{line.quantity} {line.sku or line.order_line}{refunded}" + (f" ({line.reason})" if line.reason else "")


def _told(row: Any, lines: list[Any]) -> dict[str, Any]:
    return {
        "channel": row.channel,
        "number": row.number,
        "order": row.order_number,
        "order_id": row.order_id,
        "state": row.state,
        "requested_at": show.iso(row.requested_at),
        "carrier": row.carrier,
        "tracking": row.tracking,
        "lines": [
            {name: getattr(line, name) for name in ("number", "order_line", "sku", "quantity", "refunded", "reason")}
            for line in lines
        ],
    }
