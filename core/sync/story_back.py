"""What came back of an order, as its story tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from core.store.database import Tx
from core.sync.rma import PREFIX, announced


class CameBack(msgspec.Struct, kw_only=True):
    """Units of the order that came back, with what became of them."""

    rma: str
    """RMA-3, or the channel's number of the return."""
    sku: str
    quantity: int
    disposition: str
    location: str
    at: int
    actor: str
    note: str


class Coming(msgspec.Struct, kw_only=True):
    """A return of the order, opened here or told by its channel."""

    name: str
    state: str
    """The channel's word, or open; closed once nothing more is expected here."""
    announced: int
    received: int
    reason: str


def returns_of(tx: Tx, order: Any) -> list[Coming]:
    return [
        Coming(
            name=one.found.name,
            state="closed" if one.over else one.found.told.state if one.found.told is not None else "open",
            announced=sum(one.units.values()),
            received=sum(one.came.values()),
            reason=one.found.rma.reason if one.found.rma is not None else "",
        )
        for one in announced(tx, order)
    ]


def receipts_of(tx: Tx, order_id: int, names: Mapping[int, str]) -> list[CameBack]:
    return [
        CameBack(
            rma=row.number or f"{PREFIX}{row.rma_id}",
            sku=row.sku,
            quantity=row.quantity,
            disposition=row.disposition,
            location=names[row.location_id],
            at=row.at,
            actor=row.actor,
            note=row.note,
        )
        for row in tx.rows(
            "SELECT r.*, t.number FROM receipts r JOIN rmas m ON m.id = r.rma_id"
            " LEFT JOIN returns t ON t.id = m.return_id WHERE m.order_id = :id ORDER BY r.id",
            id=order_id,
        )
    ]
