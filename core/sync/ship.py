"""A parcel left: on hand, reserved and allocated fall together, and its tracking is due at the channel at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from core.errors import UserError
from core.store import tables
from core.store.database import Store, Tx
from core.store.moves import Stock
from core.sync.doubts import Gone, left_before_a_count
from core.sync.exchange import UNTOLD, is_exchange
from core.sync.promise import write_reservations
from core.sync.stored import StoredLine, close_fulfilment, load_lines, spread
from core.sync.work import poke


@dataclass(frozen=True)
class Departure:
    """One parcel as its sender tells it."""

    order_id: int
    location: str
    carrier: str
    tracking: str
    shipped_at: int
    units: Mapping[str, int] | None = None
    """Units by SKU or line number; None: everything the location was asked for and has not sent."""
    short: Mapping[str, int] = field(default_factory=dict)
    """Units by SKU or line number that the location was asked for and does not send; see `core.sync.short`."""
    service: str = ""
    tracking_url: str = ""
    origin: str = "operator"
    actor: str = "operator"
    work: int | None = None
    """The fulfilment order it was sent for, where its sender says so; None: those of its location, the oldest first."""


def ship(store: Store, departure: Departure, now: int) -> tuple[int, bool]:
    """Books a departure; returns the shipment's id and whether it is new.

    The same tracking number of the same order is the same parcel: booking it again changes nothing. Raises
    `UserError` when the order is unknown or held, or when more is shipped than it holds in reservations.
    """
    parcel = replace(departure, tracking=departure.tracking.strip())
    shipment_id, new, channel_id = store.transact(lambda tx: leave(tx, parcel, now))
    if new:
        poke(store, [channel_id])
    return shipment_id, new


def leave(tx: Tx, parcel: Departure, now: int) -> tuple[int, bool, int]:
    """`ship` within a transaction: the shipment's id, whether it is new, and the channel, for the caller to poke.

    What a warehouse tells has left already: a hold does not keep it from being booked, nor that its promise was taken
    back, as long as units are free.
    """
    order = tx.row("SELECT * FROM orders WHERE id = :id /*lock*/", id=parcel.order_id)
    if order is None:
        raise UserError(f"there is no order {parcel.order_id}; see `ordersync orders`")
    known = tx.row(
        "SELECT id, voided_at FROM shipments WHERE order_id = :id AND tracking = :tracking UNION SELECT s.id,"
        " s.voided_at FROM corrections c JOIN shipments s ON s.id = c.shipment_id WHERE c.order_id = :id"
        " AND c.tracking = :tracking ORDER BY id DESC",
        id=order.id,
        tracking=parcel.tracking,
    )
    if known is not None and known.voided_at is not None:
        raise UserError(
            f"parcel {parcel.tracking} of order {order.name} is void: it never left; a parcel that left has another "
            "number"
        )
    if known is not None:
        return known.id, False, order.channel_id
    if not parcel.tracking:
        raise UserError("a shipment needs its tracking number")
    place = tx.value("SELECT id FROM locations WHERE name = :name", name=parcel.location)
    if place is None:
        names = ", ".join(row.name for row in tx.rows("SELECT name FROM locations ORDER BY name"))
        raise UserError(f"there is no location {parcel.location!r}; there are: {names}")
    holds = [row.hold for row in tx.rows("SELECT hold FROM holds WHERE order_id = :id ORDER BY hold", id=order.id)]
    if holds and parcel.origin != "warehouse":
        raise UserError(f"order {order.name} is held ({', '.join(holds)}); it ships once the hold is lifted")
    lines = load_lines(tx, [order.id])[order.id]
    items = {item for line in lines for item, _ in line.claim.parts or ()}
    stock = Stock(tx, items)
    if parcel.origin == "warehouse":
        _promise_what_left(lines, parcel, stock)
    units = _units(order, lines, parcel, place)
    shipment_id = tx.ids(tables.shipments, 1)[0]
    if parcel.origin != "warehouse":  # its notice has seen to that
        gone = [Gone(item, per * count) for line, count in units for item, per in line.claim.parts or ()]
        left_before_a_count(tx, f"count:left:{shipment_id}", place, gone, parcel.shipped_at, now, actor=parcel.actor)
        stock = Stock(tx, items)
    for line, count in units:
        _leave(line, count, place, parcel, stock, f"ship:{shipment_id}:{line.row.id}")
    _write(tx, order, parcel, place, shipment_id, units, stock, now)
    return shipment_id, True, order.channel_id


def _promise_what_left(lines: Sequence[StoredLine], parcel: Departure, stock: Stock) -> None:
    """Units that left and whose promise was taken back meanwhile are promised again, as far as any are free."""
    for line in lines:
        claim = line.claim
        missing = min((parcel.units or {}).get(line.row.number, 0) - claim.reserved, line.row.backordered)
        if claim.parts is not None and missing > 0:
            claim.reserved += stock.reserve(claim.parts, missing)


def _units(order: Any, lines: list[StoredLine], parcel: Departure, place: int) -> list[tuple[StoredLine, int]]:
    """How many of each line leave; refuses more than the line has reserved, and to be short of what was not asked."""
    asked = {line.row.id: sum(one.open for one in line.bound if one.location_id == place) for line in lines}
    if parcel.units is None:
        short = _short(order, lines, parcel, asked)
        units = [(line, asked[line.row.id] - short.get(line.row.id, 0)) for line in lines]
        units = [(line, count) for line, count in units if count]
        if not units and short:
            raise UserError(
                f"nothing is left to leave {parcel.location} in this parcel; if it sends nothing, say "
                f"`ordersync reject {order.id} --location {parcel.location}`"
            )
        if not units:
            raise UserError(
                f"{parcel.location} was not asked to send anything of order {order.name} that it has not sent; "
                "name what left with --line SKU=QTY"
            )
        return units
    if not parcel.units:
        raise UserError("nothing was named that left; name it with --line SKU=QTY")
    units = spread(
        order,
        lines,
        parcel.units,
        lambda line: line.claim.reserved,
        lambda name, wanted, able: _too_many(order, lines, name, wanted, able),
    )
    for line, count in units:
        asked[line.row.id] = max(0, asked[line.row.id] - count)
    _short(order, lines, parcel, asked)
    return units


def _too_many(order: Any, lines: Sequence[StoredLine], name: str, wanted: int, able: int) -> str:
    """`wanted` of what is called `name`, a SKU or a line's number, is more than is reserved."""
    named = [line for line in lines if name in (line.row.number, line.row.sku)]
    off = sum(line.row.cancelled for line in named)
    cure = "ship those, or receive stock first where it may leave for its channel"
    if off and wanted > sum(line.claim.open for line in named):
        cure = f"{off} of it {'is' if off == 1 else 'are'} cancelled: what left all the same is to come back"
    sku = named[0].row.sku or name
    return f"{wanted} of {sku} cannot ship: order {order.name} has {able} reserved; {cure}"


def _short(order: Any, lines: list[StoredLine], parcel: Departure, asked: Mapping[int, int]) -> dict[int, int]:
    """By line, what the location does not send of what it was asked for."""
    taken = spread(
        order,
        lines,
        parcel.short,
        lambda line: asked[line.row.id],
        lambda name, wanted, able: (
            f"{parcel.location} cannot be short of {wanted} of {name}: it is asked for {able} of it in order "
            f"{order.name} besides what left"
        ),
    )
    return {line.row.id: count for line, count in taken}


def _leave(line: StoredLine, count: int, place: int, parcel: Departure, stock: Stock, cause: str) -> None:
    """Moves one line's units out of `place`; what other work was asked for besides is asked of it no more.

    Only what a work sent counts as sent by it: where another one is lowered instead, what lies there is called back.
    """
    claim = line.claim
    parts = claim.parts or ()
    left = count
    own = [one for one in line.bound if one.location_id == place and parcel.work in (None, one.fulfilment_order_id)]
    for one in sorted(own, key=lambda one: (one.state != "released", one.fulfilment_order_id)):
        bound = min(one.open, left)
        stock.allocate(parts, -bound, place)
        one.shipped += bound
        claim.allocated -= bound
        left -= bound
    elsewhere = left - (claim.reserved - claim.allocated - (count - left))
    short = max((-(-(per * count - stock.free_at.get((item, place), 0)) // per) for item, per in parts), default=0)
    elsewhere = max(elsewhere, min(short, left))  # what is bound to nothing may not lie here
    # Sent by this work, or from here, although another one was asked.
    for one in sorted(line.bound, key=lambda one: (one.fulfilment_order_id != parcel.work, one.location_id != place)):
        moved = 0 if one in own else min(one.open, elsewhere)
        if moved > 0:
            stock.allocate(parts, -moved, one.location_id)
            one.quantity -= moved
            claim.allocated -= moved
            elsewhere -= moved
    for item, per in parts:
        if stock.free_at.get((item, place), 0) < per * count:
            have = stock.free_at.get((item, place), 0)
            raise UserError(
                f"{parcel.location} has {have} of {line.row.sku} that are not another order's; "
                f"count the stock there (`ordersync stock count`) or name the location the {count} left from"
            )
    stock.ship(parts, count, place, cause)
    claim.reserved -= count
    claim.open -= count


def _write(
    tx: Tx,
    order: Any,
    parcel: Departure,
    place: int,
    shipment_id: int,
    units: list[tuple[StoredLine, int]],
    stock: Stock,
    now: int,
) -> None:
    tx.insert(
        tables.shipments,
        ("id", "order_id", "location_id", "carrier", "tracking", "service", "tracking_url", "origin", "shipped_at"),
        [
            (
                shipment_id, order.id, place, parcel.carrier, parcel.tracking, parcel.service, parcel.tracking_url,
                parcel.origin, parcel.shipped_at,
            )
        ],
    )  # fmt: skip
    tx.insert(
        tables.shipment_lines,
        ("shipment_id", "line_id", "quantity"),
        [(shipment_id, line.row.id, count) for line, count in units],
    )
    for line, count in units:
        tx.run(
            "UPDATE lines SET shipped = shipped + :count, reserved = :reserved, backordered = backordered - :again,"
            " allocated = :allocated WHERE id = :id",
            count=count,
            reserved=line.claim.reserved,
            again=line.claim.reserved + count - line.row.reserved,
            allocated=line.claim.allocated,
            id=line.row.id,
        )
    claims = [line.claim for line, _ in units]
    write_reservations(tx, claims, known=True)
    close_fulfilment(tx, [one for line, _ in units for one in line.bound])
    stock.write(now)
    untold = is_exchange(tx, order.id)
    tx.run(
        "INSERT INTO pushes (channel_id, kind, key, order_id, shipment_id, state, reason, due_at, created_at,"
        " updated_at) VALUES (:channel, 'tracking', :key, :order_id, :shipment, :state, :reason, :now, :now, :now)",
        channel=order.channel_id,
        key=f"shipment:{shipment_id}",
        order_id=order.id,
        shipment=shipment_id,
        state="dropped" if untold else "queued",
        reason=UNTOLD if untold else "",
        now=now,
    )
