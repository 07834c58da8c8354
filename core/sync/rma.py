"""Returns as the desk sees them: what was announced, by the channel or here, what has come, and what is still to come.

A return is a row of `rmas`: one opened here, or the desk of a return its channel tells of, which gets its row with the
first thing that happens to it. What came is a row of `receipts` each. What the channel says of a return moves no stock,
and what is received here moves no money.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from core.errors import UserError
from core.store import tables
from core.store.database import Store, Tx
from core.sync.find import find_order
from core.sync.stored import StoredLine, load_lines, spread

PREFIX = "RMA-"


@dataclass(frozen=True, slots=True)
class Found:
    """A return, or the order something came back of."""

    rma: Any = None
    """Its row here; None where it has none yet."""
    told: Any = None
    """The channel's return, where it is one."""
    order: Any = None
    """The order's row; None where it is not here."""

    @property
    def name(self) -> str:
        if self.told is not None:
            return str(self.told.number)
        return f"{PREFIX}{self.rma.id}" if self.rma is not None else ""

    @property
    def whose(self) -> str:
        """The order, as people call it."""
        if self.order is not None:
            return f"order {self.order.name or self.order.number}"
        return f"order {self.told.order_number}, which is not here"


def find(tx: Tx, text: str) -> Found:
    """The return `text` names (RMA-3, the channel's number, CHANNEL:NUMBER), else the order. Raises `UserError`."""
    own = text.upper().removeprefix(PREFIX)
    if text.upper().startswith(PREFIX) and own.isascii() and own.isdigit() and len(own) <= 18:
        row = tx.row("SELECT * FROM rmas WHERE id = :id", id=int(own))
        if row is None:
            raise UserError(f"there is no return {text}; see `ordersync returns`")
        return by_row(tx, row)
    channel, _, number = text.partition(":")
    rows = tx.rows(
        "SELECT r.*, c.name AS channel FROM returns r JOIN channels c ON c.id = r.channel_id"
        " WHERE r.number = :text OR (c.name = :channel AND r.number = :number) ORDER BY r.id",
        text=text,
        channel=channel,
        number=number,
    )
    if len(rows) > 1:
        ways = ", ".join(f"{row.channel}:{row.number}" for row in rows)
        raise UserError(f"{text!r} names several returns; write one of {ways}")
    if rows:
        return of_channel(tx, rows[0])
    return Found(order=find_order(tx, text))


def by_row(tx: Tx, row: Any) -> Found:
    if row.return_id is not None:
        return of_channel(tx, tx.row("SELECT * FROM returns WHERE id = :id", id=row.return_id))
    return Found(rma=row, order=_order(tx, row.order_id))


def of_channel(tx: Tx, told: Any) -> Found:
    """A channel's return with its row here and its order, where they are there."""
    order_id = tx.value(
        "SELECT id FROM orders WHERE channel_id = :channel AND number = :number",
        channel=told.channel_id,
        number=told.order_number,
    )
    rma = tx.row("SELECT * FROM rmas WHERE return_id = :id", id=told.id)
    return Found(rma=rma, told=told, order=None if order_id is None else _order(tx, order_id))


def paid_order(tx: Tx, order_id: int) -> Any:
    """The order that was paid for: of one sent in exchange, that of the return it was made for, and so on."""
    while True:
        before = tx.value(
            "SELECT m.order_id FROM exchanges e JOIN rmas m ON m.id = e.rma_id WHERE e.order_id = :id", id=order_id
        )
        if before is None:
            return _order(tx, order_id)
        order_id = before


def _order(tx: Tx, order_id: int) -> Any:
    return tx.row(
        "SELECT o.*, c.name AS channel FROM orders o JOIN channels c ON c.id = o.channel_id WHERE o.id = :id",
        id=order_id,
    )


@dataclass(slots=True)
class Announced:
    """What one return of an order announces, and what of it has come, by line id."""

    found: Found
    units: dict[int, int]
    came: dict[int, int]
    over: bool
    """Nothing more is expected: it was closed here, or is done at its channel."""

    @property
    def open(self) -> dict[int, int]:
        """Units still to come."""
        if self.over:
            return {}
        left = {line: units - self.came.get(line, 0) for line, units in self.units.items()}
        return {line: units for line, units in left.items() if units > 0}


def announced(tx: Tx, order: Any) -> list[Announced]:
    """All returns of an order, those opened here first."""
    lines = {row.number: row.id for row in tx.rows("SELECT id, number FROM lines WHERE order_id = :id", id=order.id)}
    rmas = tx.rows("SELECT * FROM rmas WHERE order_id = :id ORDER BY id", id=order.id)
    told = tx.rows(
        "SELECT * FROM returns WHERE channel_id = :channel AND order_number = :number ORDER BY id",
        channel=order.channel_id,
        number=order.number,
    )
    ids = [row.id for row in rmas]
    own: dict[int, dict[int, int]] = {}
    for row in tx.rows("SELECT * FROM rma_lines WHERE rma_id IN :ids", ids=ids):
        own.setdefault(row.rma_id, {})[row.line_id] = row.quantity
    came: dict[int, dict[int, int]] = {}
    for row in tx.rows(
        "SELECT rma_id, line_id, SUM(quantity) AS units FROM receipts WHERE rma_id IN :ids AND line_id IS NOT NULL"
        " GROUP BY rma_id, line_id",
        ids=ids,
    ):
        came.setdefault(row.rma_id, {})[row.line_id] = int(row.units)
    says: dict[int, dict[int, int]] = {}
    for row in tx.rows("SELECT * FROM return_lines WHERE return_id IN :ids", ids=[row.id for row in told]):
        if row.order_line in lines:
            units = says.setdefault(row.return_id, {})
            units[lines[row.order_line]] = units.get(lines[row.order_line], 0) + row.quantity
    desk = {row.return_id: row for row in rmas if row.return_id is not None}
    found = [
        Announced(Found(row, None, order), own.get(row.id, {}), came.get(row.id, {}), row.closed_at is not None)
        for row in rmas
        if row.return_id is None
    ]
    for one in told:
        rma = desk.get(one.id)
        over = one.state in ("called_off", "closed") or (rma is not None and rma.closed_at is not None)
        has = came.get(rma.id, {}) if rma is not None else {}
        found.append(Announced(Found(rma, one, order), says.get(one.id, {}), has, over))
    return found


def authorised(tx: Tx, found: Found) -> dict[str, int]:
    """Units that may come by a return, come or not, by line number: none of one that is closed, or only asked for."""
    if found.rma.closed_at is not None:
        return {}
    if found.told is None:
        rows = tx.rows(
            "SELECT l.number, a.quantity FROM rma_lines a JOIN lines l ON l.id = a.line_id WHERE a.rma_id = :id",
            id=found.rma.id,
        )
    elif found.told.state in ("authorised", "delivered"):
        rows = tx.rows(
            "SELECT order_line AS number, SUM(quantity) AS quantity FROM return_lines WHERE return_id = :id"
            " GROUP BY order_line",
            id=found.told.id,
        )
    else:
        rows = []
    return {row.number: int(row.quantity) for row in rows}


@dataclass(frozen=True)
class Opening:
    """Units of an order are to come back, by a return of our own."""

    order_id: int
    reason: str
    units: Mapping[str, int] | None = None
    """Units by SKU or line number; None: all that left and is not announced or back."""
    actor: str = "operator"


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    name: str
    units: Mapping[str, int]
    """By line number."""


def open_return(store: Store, wish: Opening, now: int) -> Opened:
    """Opens a return of our own. Tells no channel, and moves nothing.

    Raises `UserError` when fewer units have left that are neither back nor announced.
    """
    return store.transact(lambda tx: _open(tx, wish, now))


def _open(tx: Tx, wish: Opening, now: int) -> Opened:
    order = tx.row("SELECT * FROM orders WHERE id = :id /*lock*/", id=wish.order_id)
    if order is None:
        raise UserError(f"there is no order {wish.order_id}; see `ordersync orders`")
    lines = load_lines(tx, [order.id])[order.id]
    coming: dict[int, int] = {}
    for one in announced(tx, order):
        for id, count in one.open.items():
            coming[id] = coming.get(id, 0) + count

    def able(line: StoredLine) -> int:
        return int(max(0, line.row.shipped - line.row.returned - coming.get(line.row.id, 0)))

    def too_many(name: str, wanted: int, left: int) -> str:
        rows = [line.row for line in lines if name in (line.row.number, line.row.sku)]
        left_, back = sum(row.shipped for row in rows), sum(row.returned for row in rows)
        return (
            f"{wanted} of {name} cannot come back: of order {order.name} {left_} left, {back} came back and "
            f"{sum(coming.get(row.id, 0) for row in rows)} are announced already, so {left} are left; "
            "see `ordersync returns`"
        )

    units = [(line, able(line)) for line in lines if able(line)] if wish.units is None else spread(
        order, lines, wish.units, able, too_many
    )  # fmt: skip
    if not units:
        raise UserError(f"nothing of order {order.name} has left that is not back or announced already")
    (rma_id,) = tx.ids(tables.rmas, 1)
    tx.insert(
        tables.rmas,
        ("id", "order_id", "reason", "actor", "opened_at"),
        [(rma_id, order.id, wish.reason, wish.actor, now)],
    )
    tx.insert(
        tables.rma_lines, ("rma_id", "line_id", "quantity"), [(rma_id, line.row.id, count) for line, count in units]
    )
    told = ", ".join(f"{count} of {line.row.sku}" for line, count in units)
    told = f"{PREFIX}{rma_id}: {told}" + (f"; {wish.reason}" if wish.reason else "")
    write_event(tx, order.channel_id, order.id, "return opened", told, wish.actor, now)
    return Opened(id=rma_id, name=f"{PREFIX}{rma_id}", units={line.row.number: count for line, count in units})


def close_return(store: Store, found: Found, why: str, now: int, *, actor: str = "operator") -> bool:
    """Nothing more of a return is expected; False where that was so already. Raises `UserError` for a bare order."""
    if not found.name:
        raise UserError(f"{found.whose} is no return; name the return, see `ordersync returns`")
    return store.transact(lambda tx: _close(tx, found, why, now, actor))


def _close(tx: Tx, found: Found, why: str, now: int, actor: str) -> bool:
    lock(tx, found)
    row = desk_row(tx, found, actor, now)
    if row.closed_at is not None:
        return False
    tx.update(tables.rmas, ("id",), ("closed_at",), [(row.id, now)])
    told = f"{found.name}: nothing more is expected" + (f"; {why}" if why else "")
    channel = found.order.channel_id if found.order is not None else found.told.channel_id
    write_event(tx, channel, found.order.id if found.order is not None else None, "return closed", told, actor, now)
    return True


def lock(tx: Tx, found: Found) -> None:
    """What everything that happens to a return waits for: its order, else the channel's return."""
    if found.order is not None:
        tx.row("SELECT id FROM orders WHERE id = :id /*lock*/", id=found.order.id)
    else:
        tx.row("SELECT id FROM returns WHERE id = :id /*lock*/", id=found.told.id)


def desk_row(tx: Tx, found: Found, actor: str, now: int) -> Any:
    """The row of a locked return here, made now where it has none; its order is bound to it once it is there.

    A return without an order gets its order with the first thing that happens after that came.
    """
    row = None  # looked at again: it may have been made or closed meanwhile
    if found.told is not None:
        row = tx.row("SELECT * FROM rmas WHERE return_id = :id", id=found.told.id)
    elif found.rma is not None:
        row = tx.row("SELECT * FROM rmas WHERE id = :id", id=found.rma.id)
    order_id = None if found.order is None else found.order.id
    if row is None:
        (id,) = tx.ids(tables.rmas, 1)
        told = None if found.told is None else found.told.id
        tx.insert(
            tables.rmas, ("id", "order_id", "return_id", "actor", "opened_at"), [(id, order_id, told, actor, now)]
        )
        return tx.row("SELECT * FROM rmas WHERE id = :id", id=id)
    if row.order_id is None and order_id is not None:
        tx.update(tables.rmas, ("id",), ("order_id",), [(row.id, order_id)])
        _adopt(tx, row.id, order_id)
    return tx.row("SELECT * FROM rmas WHERE id = :id", id=row.id)


def _adopt(tx: Tx, rma_id: int, order_id: int) -> None:
    """What was received before the order was here is received of its lines, as far as that many have left."""
    lines = tx.rows("SELECT * FROM lines WHERE order_id = :id ORDER BY id", id=order_id)
    room = {row.id: row.shipped - row.returned for row in lines}
    taken: dict[int, int] = {}
    bound = []
    for row in tx.rows(
        "SELECT * FROM receipts WHERE rma_id = :id AND line_id IS NULL ORDER BY quantity DESC, id", id=rma_id
    ):
        able = [one for one in lines if one.sku == row.sku and room[one.id] >= row.quantity]
        if able:  # the narrowest it fits into, so that others find room
            line = min(able, key=lambda one: (room[one.id], one.id))
            room[line.id] -= row.quantity
            taken[line.id] = taken.get(line.id, 0) + row.quantity
            bound.append((row.id, line.id))
    tx.update(tables.receipts, ("id",), ("line_id",), bound)
    tx.update(tables.lines, ("id",), ("returned+",), sorted(taken.items()))


def write_event(tx: Tx, channel_id: int, order_id: int | None, event: str, detail: str, actor: str, now: int) -> None:
    tx.insert(
        tables.audit,
        ("at", "actor", "channel_id", "order_id", "event", "detail"),
        [(now, actor, channel_id, order_id, event, detail)],
    )


def announced_of(tx: Tx, found: Found) -> Sequence[Any]:
    """The lines a channel's return announces."""
    return tx.rows("SELECT * FROM return_lines WHERE return_id = :id ORDER BY number", id=found.told.id)
