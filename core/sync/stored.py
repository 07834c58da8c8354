"""Orders as they are stored: their lines' claims and bindings, loaded and written back under lock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import UserError
from core.model import Parts
from core.store import tables
from core.store.catalogue import parts_of
from core.store.database import Tx
from core.store.moves import Stock
from core.sync.promise import Claim


@dataclass(slots=True)
class Bound:
    """One stored fulfilment line: what a location was asked for."""

    fulfilment_order_id: int
    line_id: int
    location_id: int
    state: str
    quantity: int
    shipped: int

    @property
    def open(self) -> int:
        return self.quantity - self.shipped


@dataclass(slots=True)
class StoredLine:
    """One line's row, with its claim and what locations were asked for."""

    row: Any
    claim: Claim
    bound: list[Bound]


def load_lines(tx: Tx, order_ids: Sequence[int]) -> dict[int, list[StoredLine]]:
    """The lines of locked orders, by order."""
    rows = tx.rows("SELECT * FROM lines WHERE order_id IN :ids ORDER BY order_id, id", ids=list(order_ids))
    ids = [row.id for row in rows]
    parts = parts_of_lines(tx, ids, [row.item_id for row in rows])
    bound = load_bound(tx, ids)
    lines: dict[int, list[StoredLine]] = {id: [] for id in order_ids}
    for row in rows:
        # Units that are held although the item is known are the channel's own to ship.
        known = None if row.held and row.item_id is not None else parts.get(row.id)
        claim = Claim(row.id, known, row.reserved + row.backordered + row.held, row.reserved, row.allocated)
        lines[row.order_id].append(StoredLine(row, claim, bound[row.id]))
    return lines


def lock_items(tx: Tx, orders: Sequence[int], skus: Sequence[str] = ()) -> None:
    """All items of these locked orders, lines of which nothing is promised included, and those of `skus`, in the one
    order there is: what follows locks them again, order by order."""
    lines = load_lines(tx, orders)
    parts = {item for found in lines.values() for line in found for item, _ in line.claim.parts or ()}
    tx.rows(
        "SELECT id FROM items WHERE id IN :parts OR sku IN :skus ORDER BY id /*lock*/",
        parts=sorted(parts),
        skus=list(skus),
    )


def spread(
    order: Any,
    lines: Sequence[StoredLine],
    units: Mapping[str, int],
    able: Callable[[StoredLine], int],
    too_many: Callable[[str, int, int], str],
) -> list[tuple[StoredLine, int]]:
    """Units by SKU or line number as units of lines, each line taking as many as it is `able` to.

    Raises `UserError` for a name that no line has, and what `too_many` says of a name, its units and how many are able.
    """
    taken: dict[int, int] = {}
    for name, wanted in units.items():
        matching = [line for line in lines if name in (line.row.number, line.row.sku)]
        if not matching:
            raise UserError(f"order {order.name} has no line {name!r}; see `ordersync order {order.id}`")
        room = {line.row.id: able(line) - taken.get(line.row.id, 0) for line in matching}
        if not 1 <= wanted <= sum(room.values()):
            raise UserError(too_many(name, wanted, sum(room.values())))
        for line_id, count in room.items():
            taken[line_id] = taken.get(line_id, 0) + min(count, wanted)
            wanted -= min(count, wanted)
    return [(line, taken[line.row.id]) for line in lines if taken.get(line.row.id)]


def write_claims(tx: Tx, claims: Iterable[Claim]) -> None:
    """The lines' counters after their claims changed; shipped and cancelled units are the caller's."""
    rows = [(c.line_id, c.reserved, c.backordered, c.held, c.allocated) for c in claims]
    tx.update(tables.lines, ("id",), ("reserved", "backordered", "held", "allocated"), sorted(rows))


def load_bound(tx: Tx, line_ids: Sequence[int]) -> defaultdict[int, list[Bound]]:
    """The open fulfilment lines of order lines; those not released yet first, so that they are given back first."""
    bound: defaultdict[int, list[Bound]] = defaultdict(list)
    for row in tx.rows(
        "SELECT f.id, l.line_id, f.location_id, f.state, l.quantity, l.shipped"
        " FROM fulfilment_lines l JOIN fulfilment_orders f ON f.id = l.fulfilment_order_id"
        " WHERE l.line_id IN :ids AND l.shipped < l.quantity AND f.state IN ('planned', 'released')"
        " ORDER BY f.state, f.id DESC",
        ids=list(line_ids),
    ):
        bound[row.line_id].append(Bound(row.id, row.line_id, row.location_id, row.state, row.quantity, row.shipped))
    return bound


def parts_of_lines(tx: Tx, line_ids: Sequence[int], item_ids: Sequence[int | None]) -> dict[int, Parts]:
    """Each line's parts: as it was reserved, else as its item stands now. A line whose item is unknown is left out."""
    reserved: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for row in tx.rows(
        "SELECT line_id, item_id, per FROM reservations WHERE line_id IN :ids ORDER BY item_id", ids=list(line_ids)
    ):
        reserved[row.line_id].append((row.item_id, row.per))
    present = parts_of(tx, [item for item in item_ids if item is not None])
    return {
        line_id: tuple(reserved[line_id]) if line_id in reserved else present[item]
        for line_id, item in zip(line_ids, item_ids, strict=True)
        if item is not None
    }


def give_back(claim: Claim, bound: Sequence[Bound], stock: Stock, units: int) -> int:
    """Takes back `units` of a promise, unbound ones first; returns how many a location was already asked for."""
    if not units or claim.parts is None:
        return 0
    unbind = units - (claim.reserved - claim.allocated)
    asked = 0
    for one in bound:
        count = min(one.open, unbind)
        if count > 0:
            stock.allocate(claim.parts, -count, one.location_id)
            one.quantity -= count
            claim.allocated -= count
            unbind -= count
            asked += count if one.state == "released" else 0
    stock.release(claim.parts, units)
    claim.reserved -= units
    return asked


def close_fulfilment(tx: Tx, bound: Sequence[Bound], ended: str = "cancelled") -> None:
    """Writes changed fulfilment lines, and ends the fulfilment orders that have nothing left to send: done where some
    of it was sent, else as `ended` says.
    """
    tx.update(
        tables.fulfilment_lines,
        ("fulfilment_order_id", "line_id"),
        ("quantity", "shipped"),
        sorted((one.fulfilment_order_id, one.line_id, one.quantity, one.shipped) for one in bound),
    )
    ids = sorted({one.fulfilment_order_id for one in bound})
    tx.run(
        "UPDATE fulfilment_orders SET state = CASE WHEN (SELECT sum(l.shipped) FROM fulfilment_lines l"
        " WHERE l.fulfilment_order_id = fulfilment_orders.id) > 0 THEN 'done' ELSE :ended END"
        " WHERE id IN :ids AND state IN ('planned', 'released') AND NOT EXISTS (SELECT 1 FROM fulfilment_lines l"
        " WHERE l.fulfilment_order_id = fulfilment_orders.id AND l.shipped < l.quantity)",
        ids=ids,
        ended=ended,
    )
    # Work that is taken back whole leaves room for other orders of the day, which is counted anew.
    counted = tx.run(
        "DELETE FROM loads WHERE location_id IN (SELECT location_id FROM fulfilment_orders WHERE id IN :ids"
        " AND state IN ('cancelled', 'rejected'))",
        ids=ids,
    )
    if counted:
        tx.run("UPDATE parked SET due_at = 0 WHERE reason = 'capacity'")
