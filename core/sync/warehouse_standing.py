"""How warehouses stand, read from the rows alone: health, what waits for each, and what each has refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from core.store.database import Store, Tx
from core.sync.recall import lines_of
from core.sync.warehouse import LIVE


class House(msgspec.Struct):
    """One warehouse's row and backlog: counts of work orders, recalls and notices."""

    row: Any
    to_hand_over: int = 0
    there: int = 0
    """Handed over, and neither done nor given back."""
    to_recall: int = 0
    """Recalls that are asked for or to be asked for, and not answered."""
    too_late: int = 0
    """Recalls that came too late, of work that has not left as far as we were told."""
    unread: int = 0
    refused: int = 0
    """Notices that could not be booked."""
    doubted: int = 0
    """Shelves where units were asked for and are counted no more."""


_COUNTS = {
    "to_hand_over": f"SELECT warehouse_id, count(*) FROM handovers WHERE {LIVE} AND state IN ('queued', 'sent')"
    " GROUP BY warehouse_id",
    "there": f"SELECT warehouse_id, count(*) FROM handovers WHERE {LIVE} AND state IN ('handed', 'accepted')"
    " GROUP BY warehouse_id",
    "to_recall": "SELECT h.warehouse_id, count(*) FROM recalls r JOIN handovers h ON h.id = r.handover_id"
    " WHERE r.state IN ('queued','sent','asked') GROUP BY h.warehouse_id",
    "too_late": "SELECT h.warehouse_id, count(*) FROM recalls r JOIN handovers h ON h.id = r.handover_id"
    f" WHERE r.state = 'refused' AND h.{LIVE} GROUP BY h.warehouse_id",
    "unread": "SELECT warehouse_id, count(*) FROM notices WHERE state IN ('waiting','unread','refused')"
    " AND state = 'unread' GROUP BY warehouse_id",
    "refused": "SELECT warehouse_id, count(*) FROM notices WHERE state IN ('waiting','unread','refused')"
    " AND state = 'refused' GROUP BY warehouse_id",
    "doubted": "SELECT s.warehouse_id, count(*) FROM counted c JOIN served s ON s.location_id = c.location_id"
    " WHERE c.doubted > 0 GROUP BY s.warehouse_id",
}


def houses(store: Store) -> dict[str, House]:
    """Every warehouse ever taken up, by name."""
    with store.read() as tx:
        found = {row.id: House(row) for row in tx.rows("SELECT * FROM warehouses ORDER BY name")}
        for word, sql in _COUNTS.items():
            for id, count in tx.rows(sql):
                setattr(found[id], word, int(count))
    return {house.row.name: house for house in found.values()}


class WorkThere(msgspec.Struct, kw_only=True):
    """One handover as its operator reads it."""

    warehouse: str
    key: str
    location: str
    order_id: int
    order: str
    channel: str
    state: str
    reason: str
    lines: list[dict[str, Any]]
    """Units of items: asked, shipped and withdrawn."""
    recalls: list[dict[str, Any]]
    created_at: int


def work_there(tx: Tx, names: Sequence[str], *, every: bool = False, limit: int = 200) -> list[WorkThere]:
    """The work of warehouses, the newest first: what is not done yet, or `every`."""
    live = "" if every else f"AND (h.{LIVE} OR h.state = 'refused')"
    rows = tx.rows(
        "SELECT h.*, w.name AS warehouse, p.name AS location, COALESCE(NULLIF(o.name, ''), o.number) AS order_name,"
        " c.name AS channel FROM handovers h JOIN warehouses w ON w.id = h.warehouse_id"
        " JOIN locations p ON p.id = h.location_id JOIN orders o ON o.id = h.order_id"
        f" JOIN channels c ON c.id = o.channel_id WHERE w.name IN :names {live} ORDER BY h.id DESC LIMIT :limit",
        names=list(names),
        limit=limit,
    )
    lines: dict[int, list[dict[str, Any]]] = {row.id: [] for row in rows}
    for line in tx.rows(
        "SELECT * FROM handover_lines WHERE handover_id IN :ids ORDER BY handover_id, number", ids=list(lines)
    ):
        told = {"line": line.number, "sku": line.sku, "asked": line.quantity}
        lines[line.handover_id].append({**told, "shipped": line.shipped, "withdrawn": line.withdrawn})
    recalls: dict[int, list[dict[str, Any]]] = {row.id: [] for row in rows}
    for one in tx.rows("SELECT * FROM recalls WHERE handover_id IN :ids ORDER BY id", ids=list(lines)):
        recalls[one.handover_id].append(
            {"key": one.key, "state": one.state, "reason": one.reason, "lines": lines_of(one)}
        )
    return [
        WorkThere(
            warehouse=row.warehouse,
            key=row.key,
            location=row.location,
            order_id=row.order_id,
            order=row.order_name,
            channel=row.channel,
            state=row.state,
            reason=row.reason,
            lines=lines[row.id],
            recalls=recalls[row.id],
            created_at=row.created_at,
        )
        for row in rows
    ]
