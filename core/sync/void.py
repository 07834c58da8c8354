"""A parcel that never left after all: its label was bought, and the units still stand where they were packed.

Its units are on hand again where it was to leave from, and promised to their order again, once; units the channel has
cancelled meanwhile are free instead. Whoever voids a parcel a second time changes nothing.

A channel that was told of it is told to take it back where it can be (`core.sync.untell`); else that is for people. As
long as it shows the parcel, `shipments.void_shown` says so, and units it shows as shipped by that parcel are never
taken for units that left (`still_shown`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from core.errors import UserError
from core.model import Order, Parts
from core.store import tables
from core.store.database import Store, Tx
from core.store.moves import Entry, Stock
from core.store.unbound import as_sites
from core.sync.promise import expired_of, reserve, write_reservations
from core.sync.stored import StoredLine, load_lines
from core.sync.unsent import unsend_work
from core.sync.untell import settle_untold, untell
from core.sync.warehouse import poke_warehouses
from core.sync.work import poke

_TOGETHER = 10_000
"""How far apart the ledger's rows of one transaction may stand, with those of others between them."""


@dataclass(frozen=True)
class Void:
    """Somebody says that a parcel never left."""

    order_id: int
    tracking: str
    why: str
    actor: str = "operator"


class Voided(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it."""

    shipment: int
    new: bool
    """False: it was void already, and nothing changed."""
    location: str
    units: Mapping[str, int] = {}
    """Units that came back, by line number."""
    cancelled: Mapping[str, int] = {}
    """Of these, units the channel had cancelled: they are nobody's now."""
    shown: bool = False
    """The channel was told of the parcel: it has to be taken back there."""
    push: int | None = None
    """The push that has it taken back; None where people have to, or where it was never told."""
    handed: bool = False
    """A warehouse was handed work that has these units: it may send them once more."""
    stopping: bool = False
    """Its connector asks it to stop; else it has to be told by people."""


def void(store: Store, wish: Void, now: int, *, takes_back: bool = False) -> Voided:
    """Takes a parcel of an order back, in one transaction. `takes_back`: its channel takes back what it was told.

    Raises `UserError` when the order has no such parcel, when somebody at the channel shipped it, while its tracking is
    on its way to the channel, and when units of it came back as a return.
    """
    done, channel_id = store.transact(lambda tx: _void(tx, wish, now, takes_back))
    if done.new:
        poke(store, [channel_id])
    if done.stopping:
        poke_warehouses(store)
    return done


def _void(tx: Tx, wish: Void, now: int, takes_back: bool) -> tuple[Voided, int]:
    order = tx.row("SELECT * FROM orders WHERE id = :id /*lock*/", id=wish.order_id)
    if order is None:
        raise UserError(f"there is no order {wish.order_id}; see `ordersync orders`")
    parcel = _parcel(tx, order, wish.tracking.strip())
    place = str(tx.value("SELECT name FROM locations WHERE id = :id", id=parcel.location_id))
    if parcel.voided_at is not None:
        return Voided(shipment=parcel.id, new=False, location=place, shown=bool(parcel.void_shown)), order.channel_id
    if not wish.why.strip():
        raise UserError("say why the parcel is void, with --why")
    shown = _silence(tx, order, parcel, now)
    back = _back(tx, order, parcel)
    stock = _move(tx, order, parcel, back, wish)
    _write(tx, back)
    _unsend(tx, parcel, back)
    units = {one.line.row.id: one.units for one in back}
    lying = unsend_work(tx, parcel, units, {one.line.row.id: one.line.row.shipped - one.units for one in back}, now)
    stock.write(now)
    tx.update(tables.shipments, ("id",), ("voided_at", "void_why", "void_shown"), [(parcel.id, now, wish.why, shown)])
    cancelled = {one.number: one.cancelled for one in back if one.cancelled}
    told = f"{parcel.carrier} {parcel.tracking}: " + ", ".join(f"{one.units} of {one.line.row.sku}" for one in back)
    told += f" back at {place}; {wish.why}" + ("; the channel was told of it already" if shown else "")
    push = untell(tx, order, parcel, now) if shown and takes_back else None
    told += f" and takes it back (push {push})" if push else ""
    if lying.handed:
        told += f"; {place} may send it once more: " + ("it is asked to stop" if lying.stopping else "tell it")
    tx.insert(
        tables.audit,
        ("at", "actor", "channel_id", "order_id", "event", "detail"),
        [(now, wish.actor, order.channel_id, order.id, "parcel voided", told)],
    )
    done = Voided(
        shipment=parcel.id,
        new=True,
        location=place,
        units={one.number: one.units for one in back},
        cancelled=cancelled,
        shown=shown,
        push=push,
        handed=lying.handed,
        stopping=lying.stopping,
    )
    return done, order.channel_id


def settle(store: Store, wish: Void, now: int) -> bool:
    """Somebody has seen to a void parcel at its channel, as far as that could be done; False where that was so already.

    Raises `UserError` when the order has no such void parcel.
    """

    def book(tx: Tx) -> bool:
        order = tx.row("SELECT * FROM orders WHERE id = :id /*lock*/", id=wish.order_id)
        if order is None:
            raise UserError(f"there is no order {wish.order_id}; see `ordersync orders`")
        parcel = _parcel(tx, order, wish.tracking.strip())
        if parcel.voided_at is None:
            raise UserError(f"parcel {parcel.tracking} is not void; say first that it never left, without --settled")
        if not settle_untold(tx, parcel, now) and parcel.void_settled:
            return False
        tx.update(tables.shipments, ("id",), ("void_settled",), [(parcel.id, True)])
        told = f"{parcel.carrier} {parcel.tracking}; {wish.why}"
        tx.insert(
            tables.audit,
            ("at", "actor", "channel_id", "order_id", "event", "detail"),
            [(now, wish.actor, order.channel_id, order.id, "void parcel settled", told)],
        )
        return True

    return store.transact(book)


def _parcel(tx: Tx, order: Any, tracking: str) -> Any:
    """The order's parcel of this number, also by a number it had before it was corrected."""
    rows = tx.rows("SELECT * FROM shipments WHERE order_id = :id ORDER BY id", id=order.id)
    was = tx.value(
        "SELECT max(shipment_id) FROM corrections WHERE order_id = :id AND tracking = :tracking",
        id=order.id,
        tracking=tracking,
    )
    found = next((row for row in rows if row.tracking == tracking), None)
    found = found or next((row for row in rows if row.id == was), None)
    if found is None:
        known = ", ".join(row.tracking for row in rows if row.voided_at is None) or "none"
        raise UserError(f"order {order.name} has no parcel {tracking!r}; there are: {known}")
    if found.origin == "channel":
        raise UserError(f"parcel {tracking} was shipped by somebody at the channel; take it back there")
    return found


def _silence(tx: Tx, order: Any, parcel: Any, now: int) -> bool:
    """Drops what the channel has not been told yet; whether it has been told."""
    pushes = tx.rows(
        "SELECT * FROM pushes WHERE order_id = :order AND shipment_id = :id AND kind = 'tracking' ORDER BY id /*lock*/",
        order=order.id,
        id=parcel.id,
    )
    flying = next((row for row in pushes if row.state in ("sent", "unknown", "accepted")), None)
    if flying is not None:
        raise UserError(
            f"the channel is just being told of parcel {parcel.tracking} (push {flying.id} is {flying.state}); "
            "void it after the channel's next round"
        )
    rows = [(row.id, "dropped", "the parcel is void", now) for row in pushes if row.state in ("queued", "refused")]
    tx.update(tables.pushes, ("id",), ("state", "reason", "updated_at"), rows)
    return any(row.state in ("applied", "confirmed") for row in pushes)


@dataclass(slots=True)
class _Back:
    """Units of one line that come back."""

    line: StoredLine
    units: int
    cancelled: int
    """Of these, those that the channel cancelled after they had left."""

    @property
    def number(self) -> str:
        return str(self.line.row.number)


def _back(tx: Tx, order: Any, parcel: Any) -> list[_Back]:
    left = {
        row.line_id: row.quantity
        for row in tx.rows("SELECT line_id, quantity FROM shipment_lines WHERE shipment_id = :id", id=parcel.id)
    }
    found = []
    for line in load_lines(tx, [order.id])[order.id]:
        units = left.get(line.row.id, 0)
        if units and line.row.shipped - units < line.row.returned:
            raise UserError(
                f"{line.row.returned} of {line.row.sku} came back as a return: parcel {parcel.tracking} has left; "
                "what comes back besides is received as a return too"
            )
        if units:
            found.append(_Back(line, units, min(units, line.row.late)))
    return found


def _move(tx: Tx, order: Any, parcel: Any, back: Sequence[_Back], wish: Void) -> Stock:
    """The units on hand again, exactly those the ledger took for this parcel, and promised to their lines again."""
    moved = left_of(tx, parcel.id, {one.line.row.id: one.line.claim.parts or () for one in back})
    parts = {item for one in back for item, _ in one.line.claim.parts or ()}
    sites = as_sites(tx.value("SELECT sites FROM channels WHERE id = :id", id=order.channel_id))
    stock = Stock(tx, parts.union(row.item_id for row in moved), sites)
    for row in moved:
        stock.move(
            Entry(
                item_id=row.item_id,
                location_id=row.location_id,
                cause=f"void:{row.cause.removeprefix('ship:')}",
                kind="void",
                on_hand=-row.on_hand,
                actor=wish.actor,
                note=wish.why,
            )
        )
    for row in _counted_since(tx, parcel, moved):
        stock.move(
            Entry(
                item_id=row.item_id,
                location_id=row.location_id,
                cause=f"count:void:{row.cause.removeprefix('ship:')}",
                kind="count",
                on_hand=row.on_hand,
                actor=wish.actor,
                note="it never left, so the last count had it already",
            )
        )
    ours = order.fulfiller == "merchant" and not order.test
    for one in back:
        claim = one.line.claim
        claim.open += one.units - one.cancelled
        if not ours:
            claim.parts = None
    if not expired_of(tx, [order.id]):
        reserve([one.line.claim for one in back], stock)
    return stock


def _counted_since(tx: Tx, parcel: Any, moved: Sequence[Any]) -> list[Any]:
    """Of a parcel's ledger rows, those whose shelf its warehouse has counted since: the units stood there."""
    counts = {
        (row.item_id, row.location_id): row.as_of
        for row in tx.rows(
            "SELECT item_id, location_id, as_of FROM counted WHERE item_id IN :items",
            items=sorted({row.item_id for row in moved}),
        )
    }
    return [row for row in moved if counts.get((row.item_id, row.location_id), -1) >= parcel.shipped_at]


def left_of(tx: Tx, shipment_id: int, parts: Mapping[int, Parts]) -> Sequence[Any]:
    """The ledger's rows of a parcel that left from here: what it took off the shelf, a kit's parts as they were then.

    `parts` of its lines as they are now lead to the rows: all of one parcel were written together. Where none does,
    the whole ledger is read.
    """
    causes = [f"ship:{shipment_id}:{line}:{item}" for line, made_of in parts.items() for item, _ in made_of]
    found = tx.rows("SELECT id FROM ledger WHERE cause IN :causes", causes=causes)
    first, last = (min(row.id for row in found), max(row.id for row in found)) if found else (0, 0)
    return tx.rows(
        "SELECT * FROM ledger WHERE kind = 'ship' AND cause LIKE :cause"
        + (" AND id BETWEEN :first AND :last ORDER BY id" if found else " AND :first = :last ORDER BY id"),
        cause=f"ship:{shipment_id}:%",
        first=first - _TOGETHER if found else 0,
        last=last + _TOGETHER if found else 0,
    )


def _write(tx: Tx, back: Sequence[_Back]) -> None:
    tx.update(
        tables.lines,
        ("id",),
        ("shipped+", "cancelled+", "late+", "reserved", "backordered", "held", "allocated"),
        sorted(
            (c.line_id, -units, cancelled, -cancelled, c.reserved, c.backordered, c.held, c.allocated)
            for c, units, cancelled in ((one.line.claim, one.units, one.cancelled) for one in back)
        ),
    )
    write_reservations(tx, [one.line.claim for one in back], known=True)


def _unsend(tx: Tx, parcel: Any, back: Sequence[_Back]) -> None:
    """The work of its location that it fulfilled counts for nothing: what is to leave is routed anew.

    Of several works it was that which told of it, as in `unsend_work`; where none did, the newest.
    """
    less: list[tuple[int, int, int, int]] = []
    left = {one.line.row.id: one.units for one in back}
    for row in tx.rows(
        "SELECT w.* FROM fulfilment_lines w JOIN fulfilment_orders f ON f.id = w.fulfilment_order_id"
        " WHERE f.order_id = :order AND f.location_id = :place AND w.shipped > 0"
        " ORDER BY CASE WHEN EXISTS (SELECT 1 FROM handovers h JOIN notices n ON n.handover_id = h.id"
        "  WHERE h.fulfilment_order_id = f.id AND n.kind = 'left' AND n.state = 'taken' AND n.happened_at = :at)"
        "  THEN 0 ELSE 1 END, w.fulfilment_order_id DESC",
        order=parcel.order_id,
        place=parcel.location_id,
        at=parcel.shipped_at,
    ):
        units = min(row.shipped, left.get(row.line_id, 0))
        if units:
            left[row.line_id] -= units
            less.append((row.fulfilment_order_id, row.line_id, row.quantity - units, row.shipped - units))
    tx.update(tables.fulfilment_lines, ("fulfilment_order_id", "line_id"), ("quantity", "shipped"), sorted(less))
    tx.run(
        "UPDATE fulfilment_orders SET state = 'cancelled' WHERE id IN :ids AND state = 'done' AND NOT EXISTS ("
        "SELECT 1 FROM fulfilment_lines w WHERE w.fulfilment_order_id = fulfilment_orders.id AND w.shipped > 0)",
        ids=sorted({row[0] for row in less}),
    )


# What a channel says of a parcel that is void here.


@dataclass(slots=True)
class VoidParcel:
    """One of an order's parcels that are void: every number it ever had, and what was in it by line number."""

    id: int
    numbers: set[str]
    shown: bool
    """Whether the channel showed it when it was seen last."""
    units: dict[str, int] = field(default_factory=dict)


def load_voids(tx: Tx, parcels: Sequence[Any]) -> dict[int, list[VoidParcel]]:
    """The void ones, by order, of `parcels` (order_id, id, tracking, voided_at, void_shown; corrections with the id of
    their parcel and no instant)."""
    void_ids = {row.id: VoidParcel(row.id, set(), bool(row.void_shown)) for row in parcels if row.voided_at is not None}
    if not void_ids:
        return {}
    found: dict[int, list[VoidParcel]] = {}
    for row in parcels:
        if row.id in void_ids:
            void_ids[row.id].numbers.add(row.tracking)
        if row.voided_at is not None:
            found.setdefault(row.order_id, []).append(void_ids[row.id])
    for row in tx.rows(
        "SELECT p.shipment_id, p.quantity, l.number FROM shipment_lines p JOIN lines l ON l.id = p.line_id"
        " WHERE p.shipment_id IN :ids",
        ids=sorted(void_ids),
    ):
        void_ids[row.shipment_id].units[row.number] = row.quantity
    return found


def still_shown(order: Order, parcels: Collection[VoidParcel]) -> list[VoidParcel]:
    """Those of an order's void parcels that its channel shows. Where it shows no parcel at all, those it was told of,
    as long as it counts units of their lines as shipped."""
    numbers = {package.tracking for package in order.packages}
    if numbers:
        return [one for one in parcels if one.numbers & numbers]
    left = {line.number for line in order.lines if line.shipped}
    return [one for one in parcels if one.shown and not left.isdisjoint(one.units)]
