"""`ordersync returns`: what buyers send back, as the channels tell it and as it was opened here."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated, Any

import typer

from core.commands import given, show
from core.commands.back import told
from core.commands.given import Channels, Config, Json
from core.model import ReturnState
from core.store.database import Tx
from core.sync.rma import PREFIX

_RETURNS = """
SELECT r.*, c.name AS channel, o.id AS order_id, o.name AS order_name,
 (SELECT COALESCE(SUM(g.quantity), 0) FROM rmas m JOIN receipts g ON g.rma_id = m.id WHERE m.return_id = r.id)
  AS received FROM returns r
JOIN channels c ON c.id = r.channel_id
LEFT JOIN orders o ON o.channel_id = r.channel_id AND o.number = r.order_number
WHERE c.name IN :channels AND (:state = '' OR r.state = :state) AND (:orphans = 0 OR o.id IS NULL)
ORDER BY r.requested_at DESC, r.id DESC LIMIT :limit
"""

_OWN = """
SELECT m.*, c.name AS channel, o.number AS order_number, o.name AS order_name FROM rmas m
JOIN orders o ON o.id = m.order_id JOIN channels c ON c.id = o.channel_id
WHERE m.return_id IS NULL AND c.name IN :channels ORDER BY m.id DESC LIMIT :limit
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
    """List returns as the channels tell them, then those opened here, the newest first; and how many units came.

    What a channel tells moves no stock: units count again once they are received (`ordersync return receive`).
    """
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
            # Ours have no state of a channel's, and always an order.
            own = [] if state or orphans else tx.rows(_OWN, channels=names, limit=limit)
            announced, received = _units(tx, [row.id for row in own])
    if json:
        rmas = [_own(row, announced[row.id], received[row.id]) for row in own]
        show.document({"returns": [_told(row, lines[row.id]) for row in rows], "rmas": rmas})
        return
    show.table(
        ("channel", "return", "order", "state", "asked", "what", "came", "tracking"),
        [
            (
                row.channel,
                row.number,
                row.order_name or f"{row.order_number} (not here)",
                row.state.replace("_", " "),
                show.clock_time(row.requested_at),
                ", ".join(_line(line) for line in lines[row.id]),
                row.received,
                row.tracking or None,
            )
            for row in rows
        ],
    )
    show.table(
        ("channel", "return", "order", "state", "opened", "what", "came", "reason"),
        [
            (
                row.channel,
                f"{PREFIX}{row.id}",
                row.order_name or row.order_number,
                "open" if row.closed_at is None else "closed",
                show.clock_time(row.opened_at),
                ", ".join(f"{one.quantity} {one.sku}" for one in announced[row.id]) or "not announced",
                sum(one.quantity for one in received[row.id]),
                row.reason,
            )
            for row in own
        ],
        title="opened here",
    )
    show.line(show.many(len(rows) + len(own), "return"))


_RECEIPTS = """
SELECT r.*, l.name AS location FROM receipts r JOIN locations l ON l.id = r.location_id
WHERE r.rma_id IN :ids ORDER BY r.id
"""


def _units(tx: Tx, ids: list[int]) -> tuple[defaultdict[int, list[Any]], defaultdict[int, list[Any]]]:
    """What returns opened here announce, and what was received of them, by return."""
    announced: defaultdict[int, list[Any]] = defaultdict(list)
    for row in tx.rows(
        "SELECT a.*, l.sku, l.number FROM rma_lines a JOIN lines l ON l.id = a.line_id WHERE a.rma_id IN :ids"
        " ORDER BY a.line_id",
        ids=ids,
    ):
        announced[row.rma_id].append(row)
    received: defaultdict[int, list[Any]] = defaultdict(list)
    for row in tx.rows(_RECEIPTS, ids=ids):
        received[row.rma_id].append(row)
    return announced, received


def _own(row: Any, announced: list[Any], received: list[Any]) -> dict[str, Any]:
    return {
        "return": f"{PREFIX}{row.id}",
        "channel": row.channel,
        "order": row.order_number,
        "order_id": row.order_id,
        "reason": row.reason,
        "opened_at": show.iso(row.opened_at),
        "closed_at": show.iso(row.closed_at),
        "lines": [{"order_line": one.number, "sku": one.sku, "quantity": one.quantity} for one in announced],
        "received": [told(one) for one in received],
    }


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
        "received": int(row.received),
        "lines": [
            {name: getattr(line, name) for name in ("number", "order_line", "sku", "quantity", "refunded", "reason")}
            for line in lines
        ],
    }
