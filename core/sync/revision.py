"""What a newer version of an order we have changes, loaded before anything moves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.model import Fulfiller, Hold, Line, Order
from core.store import tables
from core.store.catalogue import Listed
from core.store.database import Tx
from core.sync.allocate import load_left_out
from core.sync.observe import Seen
from core.sync.promise import Claim
from core.sync.stored import Bound, load_bound, parts_of_lines
from core.sync.void import VoidParcel, load_voids

UNPAID = frozenset({Hold.PENDING.value, Hold.PAYMENT.value})
"""The holds of an order that is not paid, or not confirmed, yet."""

CHANNELS_OWN = frozenset(hold.value for hold in Hold) - {Hold.OPERATOR.value, Hold.PREORDER.value}
"""The holds a channel may set."""


@dataclass(slots=True)
class LineChange:
    """One line before and after: `row` is None for a line that was added, `line` for one that was taken away."""

    row: Any
    line: Line | None
    item_id: int | None
    claim: Claim
    bound: list[Bound]
    shipped: int = 0
    cancelled: int = 0
    ordered: int = 0
    cancelling: int = 0
    """Of the cancelled units, those cancelled here that the channel does not show as cancelled yet."""
    overtaken: int = 0
    """Units cancelled here that have turned out to have left."""
    late: int = 0
    """Units its channel has cancelled that had left."""

    @property
    def number(self) -> str:
        return self.line.number if self.line is not None else str(self.row.number)


@dataclass(slots=True)
class Revision:
    """One order's change, loaded before anything moves."""

    row: Any
    seen: Seen
    order: Order
    moves_stock: bool
    """False for the channel's own fulfilment and test orders."""
    holds: set[str]
    """Holds that are not the channel's own, and so stay."""
    channel_holds: set[str]
    overridden: set[str]
    """Holds of the channel that an operator set aside: they stand no more, as often as it says them."""
    expired: bool
    """It waited too long for its payment: it is promised nothing until that is there."""
    trackings: frozenset[str]
    voids: Sequence[VoidParcel]
    rerouted: bool
    """The address changed: what is not released yet is routed anew."""
    left_out: Mapping[int, str]
    """Locations that are out of the question for it, and why."""
    changes: list[LineChange] = field(default_factory=list)
    events: list[tuple[str, str]] = field(default_factory=list)

    def claims(self) -> Iterator[Claim]:
        return (change.claim for change in self.changes)

    def items(self) -> set[int]:
        return {item for claim in self.claims() for item, _ in claim.parts or ()}

    @property
    def said(self) -> set[str]:
        """What the channel holds it for now, less what an operator set aside."""
        return {hold.value for hold in self.order.holds} - self.overridden

    @property
    def may_route(self) -> bool:
        return self.moves_stock and not self.said and not self.holds

    @property
    def may_reserve(self) -> bool:
        return not self.expired or not self.said & UNPAID


def load(tx: Tx, newer: Sequence[tuple[Any, Seen, Order]], listed: dict[str, Listed]) -> list[Revision]:
    """Everything the changes of known, locked orders need."""
    if not newer:
        return []
    ids = [row.id for row, _, _ in newer]
    lines: defaultdict[int, dict[str, Any]] = defaultdict(dict)
    for row in tx.rows("SELECT * FROM lines WHERE order_id IN :ids ORDER BY id", ids=ids):
        lines[row.order_id][row.number] = row
    line_ids = [row.id for found in lines.values() for row in found.values()]
    parts = parts_of_lines(tx, line_ids, [row.item_id for found in lines.values() for row in found.values()])
    bound = load_bound(tx, line_ids)
    holds: defaultdict[tuple[int, str], set[str]] = defaultdict(set)
    for row in tx.rows(
        "SELECT order_id, hold, CASE WHEN \"by\" = 'channel' THEN 'channel' ELSE 'own' END AS kind FROM holds"
        " WHERE order_id IN :ids UNION ALL SELECT order_id, hold, 'overridden' FROM overrides WHERE order_id IN :ids"
        " UNION ALL SELECT order_id, '', 'expired' FROM expiries WHERE order_id IN :ids",
        ids=ids,
    ):
        holds[row.order_id, row.kind].add(row.hold)
    trackings: defaultdict[int, set[str]] = defaultdict(set)
    parcels = tx.rows(
        "SELECT order_id, id, tracking, voided_at, void_shown FROM shipments WHERE order_id IN :ids"
        " UNION ALL SELECT order_id, shipment_id, tracking, NULL, NULL FROM corrections WHERE order_id IN :ids",
        ids=ids,
    )
    for row in parcels:
        trackings[row.order_id].add(row.tracking)
    voids = load_voids(tx, parcels)
    codes = {
        row.order_id: (row.country, row.postal_code)
        for row in tx.rows("SELECT order_id, country, postal_code FROM buyers WHERE order_id IN :ids", ids=ids)
    }
    left_out = load_left_out(tx, ids)
    added = iter(
        tx.ids(tables.lines, sum(line.number not in lines[row.id] for row, _, order in newer for line in order.lines))
    )
    revisions = []
    for row, seen, order in newer:
        to = order.ship_to
        ours = order.fulfiller is Fulfiller.MERCHANT and not order.test
        revision = Revision(
            row=row,
            seen=seen,
            order=order,
            moves_stock=ours,
            holds=holds[row.id, "own"],
            channel_holds=holds[row.id, "channel"],
            overridden=holds[row.id, "overridden"] & CHANNELS_OWN,
            expired=bool(holds[row.id, "expired"]),
            trackings=frozenset(trackings[row.id]),
            voids=voids.get(row.id, ()),
            rerouted=to is not None and codes.get(row.id) not in (None, ("", ""), (to.country, to.postal_code)),
            left_out=left_out[row.id],
        )
        stored = lines[row.id]
        now_there = {line.number: line for line in order.lines}
        for number in {**stored, **now_there}:
            was, line = stored.get(number), now_there.get(number)
            found = listed.get(line.sku) if line else None
            if was is None:
                parts_now = found.parts if found and ours else None
                claim = Claim(next(added), parts_now, 0)
                item_id = found.item_id if found else None
            else:
                item_id = was.item_id if was.item_id is not None or found is None else found.item_id
                parts_now = parts.get(was.id) or (found.parts if found else None)
                claim = Claim(
                    was.id,
                    parts_now,
                    was.ordered - was.cancelled - was.shipped,
                    reserved=was.reserved,
                    allocated=was.allocated,
                )
            revision.changes.append(LineChange(was, line, item_id, claim, bound[claim.line_id]))
        revisions.append(revision)
    return revisions
