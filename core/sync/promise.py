"""Promising stock to order lines: within one transaction, under lock. `core.sync.allocate` binds it to locations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from core.model import Parts
from core.store import tables
from core.store.database import Tx
from core.store.moves import Stock

TAKEN_BACK = "promise taken back"
"""On a timeline: units that were promised are backordered again."""


def nowhere(units: int, sku: str) -> str:
    """Why units are promised no more that are there and cannot be sent."""
    return f"{units} of {sku} backordered again: no location that ships for the channel can send them"


class Claim(msgspec.Struct, gc=False):
    """One order line at work: its open units and how far they are promised and bound."""

    line_id: int
    parts: Parts | None
    """None: nobody knows what the SKU means, or the units are not ours to ship; they are held."""
    open: int
    """Units neither shipped nor cancelled."""
    reserved: int = 0
    allocated: int = 0

    @property
    def backordered(self) -> int:
        return 0 if self.parts is None else self.open - self.reserved

    @property
    def held(self) -> int:
        return self.open - self.reserved if self.parts is None else 0


def is_complete(claims: Iterable[Claim]) -> bool:
    """Whether all that is open of an order is promised."""
    return all(claim.reserved == claim.open for claim in claims)


def expired_of(tx: Tx, order_ids: Iterable[int]) -> set[int]:
    """Those of some orders that are promised nothing, whatever is free: nobody has paid for them in time."""
    return {
        row.order_id for row in tx.rows("SELECT order_id FROM expiries WHERE order_id IN :ids", ids=sorted(order_ids))
    }


def reserve(claims: Iterable[Claim], stock: Stock, most: Mapping[int, int] | None = None) -> None:
    """Promises what is free, first come first served. What two lines take of one item is summed by construction.

    `most`: by line, how many units it may get at this turn of it; the lines it does not name get none.
    """
    for claim in claims:
        wanted = claim.open - claim.reserved
        if most is not None:
            wanted = min(wanted, most.get(claim.line_id, 0))
        if claim.parts is not None and wanted > 0:
            claim.reserved += stock.reserve(claim.parts, wanted)


def write_reservations(tx: Tx, claims: Iterable[Claim], *, known: bool = False) -> None:
    """The reservation rows of `claims`; `known` when the lines may have rows already, which are replaced.

    The lines' own counters are written before: an order of which nothing waits for a location any more is not parked.
    """
    claims = list(claims)
    if known and claims:
        ids = [claim.line_id for claim in claims]
        tx.run("DELETE FROM reservations WHERE line_id IN :ids", ids=ids)
        tx.run(
            "DELETE FROM parked WHERE order_id IN (SELECT order_id FROM lines WHERE id IN :ids) AND NOT EXISTS"
            " (SELECT 1 FROM lines l WHERE l.order_id = parked.order_id AND l.reserved > l.allocated)",
            ids=ids,
        )
    tx.insert(
        tables.reservations,
        ("line_id", "item_id", "per", "quantity"),
        [
            (claim.line_id, item, per, per * claim.reserved)
            for claim in claims
            if claim.reserved
            for item, per in claim.parts or ()
        ],
    )
