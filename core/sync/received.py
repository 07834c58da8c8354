"""Units that came back, as somebody has them in hand: each with its disposition, once.

Restocked units are on hand again, here or wherever they were put. Units in quarantine and damaged ones are set aside
(`core.sync.aside`): they stand at a location and are nobody's to sell. Disposed ones are gone. No more comes back than
has left: what did not leave is never restocked. What a buyer gets back for it is another fact (`core.sync.refund`).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from core.errors import UserError
from core.model import Parts
from core.store import tables
from core.store.catalogue import look_up, parts_of
from core.store.database import Store, Tx
from core.store.moves import Entry, Stock
from core.sync.rma import Announced, Found, announced, announced_of, by_row, desk_row, find, lock, write_event
from core.sync.stock import concerned
from core.sync.stock_asked import known_locations
from core.sync.stored import StoredLine, load_lines, spread
from core.sync.void import left_of
from core.sync.work import poke


class Disposition(StrEnum):
    """What becomes of a unit that came back."""

    RESTOCK = "restock"
    """It is for sale again."""
    QUARANTINE = "quarantine"
    """It stands aside until somebody has looked at it."""
    DAMAGED = "damaged"
    """It stands aside and is not for sale as it is."""
    DISPOSE = "dispose"
    """It is gone."""


class Came(msgspec.Struct, frozen=True, kw_only=True):
    """Units of one SKU or line with one disposition."""

    name: str
    """SKU or line number."""
    units: int
    disposition: Disposition


@dataclass(frozen=True)
class Receiving:
    """A box was opened."""

    target: str
    """The return (RMA-3, the channel's number), or the order: its one open return, else one nobody announced."""
    came: Sequence[Came]
    location: str = ""
    """Where the units are now; empty: where they had left from."""
    reference: str = ""
    """The receiver's own: the same one of the same return, or of the order that is named, is booked once, however often
    given."""
    note: str = ""
    actor: str = "operator"


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """What was booked."""

    name: str
    """The return's: RMA-3, or the channel's number."""
    whose: str
    new: bool
    """False: the same reference was booked before, and nothing was done."""
    rows: tuple[Came, ...] = ()
    """By SKU."""
    locations: tuple[str, ...] = ()
    """Of each row."""
    done: bool = False
    """All that was announced has come."""


def receive(store: Store, wish: Receiving, now: int, *, by_sku: bool = True) -> Received:
    """Books what came back, in one transaction; channels that wait for the stock or offer it are due at once.

    `by_sku`: a channel's SKU that nobody mapped is the item of that name, for a return whose order is not here. Raises
    `UserError` when more comes back than has left, and when it cannot be told what or where the units are.
    """
    done, channels = store.transact(lambda tx: _receive(tx, wish, by_sku, now))
    poke(store, sorted(channels))
    return done


@dataclass(slots=True)
class _Units:
    """Units of one line, or of one SKU of a return without its order, with one disposition, at one location."""

    sku: str
    line_id: int | None
    parts: Parts
    count: int
    disposition: Disposition
    location_id: int


def _receive(tx: Tx, wish: Receiving, by_sku: bool, now: int) -> tuple[Received, set[int]]:
    found = find(tx, wish.target)
    lock(tx, found)
    if not found.name:
        before = _booked_of(tx, found, wish.reference)
        if before is not None:
            return Received(name=before.name, whose=before.whose, new=False), set()
        found = _the_return(found, announced(tx, found.order))
    if not wish.came:
        raise UserError("nothing was named that came back; name it with --line SKU=QTY")
    row = desk_row(tx, found, wish.actor, now)
    found = Found(row, found.told, found.order)
    if wish.reference and tx.row(
        "SELECT id FROM receipts WHERE rma_id = :id AND reference = :text", id=row.id, text=wish.reference
    ):
        return Received(name=found.name, whose=found.whose, new=False), set()
    place = known_locations(tx, [wish.location])[wish.location] if wish.location else None
    units = _of_order(tx, found, wish, place) if found.order is not None else _orphans(tx, found, wish, place, by_sku)
    skus = _book(tx, row.id, units, wish, now)
    over = _is_over(tx, found)
    if over and row.closed_at is None:
        tx.update(tables.rmas, ("id",), ("closed_at",), [(row.id, now)])
    names = {row.id: row.name for row in tx.rows("SELECT id, name FROM locations")}
    said = [f"{one.count} of {one.sku} {_SAID[one.disposition]} {names[one.location_id]}" for one in units]
    told = f"{found.name}: {', '.join(said)}" + (f"; {wish.note}" if wish.note else "")
    channel = found.order.channel_id if found.order is not None else found.told.channel_id
    order_id = found.order.id if found.order is not None else None
    write_event(tx, channel, order_id, "return received", told, wish.actor, now)
    done = Received(
        name=found.name,
        whose=found.whose,
        new=True,
        rows=tuple(Came(name=one.sku, units=one.count, disposition=one.disposition) for one in units),
        locations=tuple(names[one.location_id] for one in units),
        done=over,
    )
    return done, concerned(tx, skus)


_SAID = {
    Disposition.RESTOCK: "restocked at",
    Disposition.QUARANTINE: "in quarantine at",
    Disposition.DAMAGED: "damaged, aside at",
    Disposition.DISPOSE: "disposed of at",
}


def _booked_of(tx: Tx, found: Found, reference: str) -> Found | None:
    """The return of a bare order that this reference was booked for, which may be closed by now."""
    row = tx.row(
        "SELECT m.* FROM rmas m WHERE m.order_id = :order AND EXISTS (SELECT 1 FROM receipts r WHERE r.rma_id = m.id"
        " AND r.reference = :text AND r.reference <> '') ORDER BY m.id",
        order=found.order.id,
        text=reference,
    )
    return None if row is None else by_row(tx, row)


def _the_return(found: Found, returns: Sequence[Announced]) -> Found:
    """The one return of an order that something is still to come of; the order itself where there is none."""
    open_ones = [one.found for one in returns if one.open]
    if len(open_ones) > 1:
        names = ", ".join(one.name for one in open_ones)
        raise UserError(f"{found.whose} has several returns; name one of {names}")
    return open_ones[0] if open_ones else found


def _of_order(tx: Tx, found: Found, wish: Receiving, place: int | None) -> list[_Units]:
    """What came back of an order's lines: never more than left and is not back yet."""
    order = found.order
    lines = load_lines(tx, [order.id])[order.id]
    back = {line.row.id: line.row.returned for line in lines}

    def able(line: StoredLine) -> int:
        return int(line.row.shipped - back[line.row.id])

    def too_many(name: str, wanted: int, left: int) -> str:
        rows = [line.row for line in lines if name in (line.row.number, line.row.sku)]
        return (
            f"{wanted} of {name} cannot have come back: {sum(row.shipped for row in rows)} of order {order.name} left "
            f"and {sum(back[row.id] for row in rows)} came back, so {left} are left; "
            "count others where they lie (`ordersync stock receive`)"
        )

    units = []
    for came in wish.came:
        for line, count in spread(order, lines, {came.name: came.units}, able, too_many):
            back[line.row.id] += count
            parts, home = _as_left(tx, line)
            at = place or home
            if at is None:
                raise UserError(f"where the {count} of {line.row.sku} are now has to be said: --at LOCATION")
            if not parts and came.disposition is not Disposition.DISPOSE:
                raise UserError(
                    f"{line.row.sku or f'line {line.row.number}'} is no item here; map it first "
                    "(`ordersync listings map`), or dispose of it"
                )
            units.append(_Units(line.row.sku, line.row.id, parts, count, came.disposition, at))
    return units


def _as_left(tx: Tx, line: StoredLine) -> tuple[Parts, int | None]:
    """What one unit of a line is made of and where it left from, by its newest parcel; as it stands now where the
    channel shipped it."""
    item = line.row.item_id
    now = line.claim.parts or (() if item is None else parts_of(tx, [item])[item])
    parcel = tx.row(
        "SELECT s.id, s.location_id, p.quantity FROM shipment_lines p JOIN shipments s ON s.id = p.shipment_id"
        " WHERE p.line_id = :id AND s.voided_at IS NULL ORDER BY s.id DESC LIMIT 1",
        id=line.row.id,
    )
    if parcel is None:
        return now, None
    rows = left_of(tx, parcel.id, {line.row.id: now})
    begins = f"ship:{parcel.id}:{line.row.id}:"
    parts = tuple((row.item_id, -row.on_hand // parcel.quantity) for row in rows if row.cause.startswith(begins))
    return parts or now, parcel.location_id


def _orphans(tx: Tx, found: Found, wish: Receiving, place: int | None, by_sku: bool) -> list[_Units]:
    """What came back of a return whose order is not here, by its SKUs: no more than its channel announces."""
    if place is None:
        raise UserError(f"{found.whose}: say where the units are now, with --at LOCATION")
    announces: dict[str, int] = {}
    rows = announced_of(tx, found)
    for row in rows:
        announces[row.sku] = announces.get(row.sku, 0) + row.quantity
    known = look_up(tx, found.told.channel_id, announces, by_sku=by_sku)
    came = {
        row.sku: int(row.units)
        for row in tx.rows(
            "SELECT sku, SUM(quantity) AS units FROM receipts WHERE rma_id = :id GROUP BY sku", id=found.rma.id
        )
    }
    units = []
    for one in wish.came:
        left = announces.get(one.name, 0) - came.get(one.name, 0)
        if not 1 <= one.units <= left:
            raise UserError(
                f"{one.units} of {one.name} cannot have come back: return {found.name} announces "
                f"{announces.get(one.name, 0)} and {came.get(one.name, 0)} came, so {max(0, left)} are left"
            )
        if one.name not in known and one.disposition is not Disposition.DISPOSE:
            raise UserError(f"{one.name} is no item here; map it first (`ordersync listings map`), or dispose of it")
        parts = known[one.name].parts if one.name in known else ()
        for count in _by_line([row.quantity for row in rows if row.sku == one.name], came.get(one.name, 0), one.units):
            units.append(_Units(one.name, None, parts, count, one.disposition, place))
        came[one.name] = came.get(one.name, 0) + one.units
    return units


def _by_line(announced: Sequence[int], before: int, units: int) -> list[int]:
    """Units as the lines that announce them part them: each is of one line of the order that may come later."""
    parted = []
    for count in announced:
        skipped = min(count, before)
        taken = min(count - skipped, units)
        before -= skipped
        units -= taken
        parted += [taken] if taken else []
    return parted


def _book(tx: Tx, rma_id: int, units: Sequence[_Units], wish: Receiving, now: int) -> set[str]:
    """Writes the receipts and what they move; returns the SKUs of items that are on hand again."""
    reference = wish.reference or uuid.uuid4().hex
    ids = tx.ids(tables.receipts, len(units))
    stock = Stock(tx, {item for one in units for item, _ in one.parts})
    tx.insert(
        tables.receipts,
        ("id", "rma_id", "line_id", "sku", "location_id", "quantity", "disposition", "reference", "place", "actor",
         "note", "at"),
        [
            (id, rma_id, one.line_id, one.sku, one.location_id, one.count, one.disposition.value, reference, place,
             wish.actor, wish.note, now)
            for place, (id, one) in enumerate(zip(ids, units, strict=True))
        ],
    )  # fmt: skip
    returned: dict[int, int] = {}
    restocked: set[int] = set()
    put_aside = []
    for id, one in zip(ids, units, strict=True):
        if one.line_id is not None:
            returned[one.line_id] = returned.get(one.line_id, 0) + one.count
        for item, per in one.parts:
            moved = per * one.count
            cause = f"return:{id}:{item}"
            if one.disposition is Disposition.RESTOCK:
                restocked.add(item)
                stock.move(
                    Entry(
                        item_id=item, location_id=one.location_id, cause=cause, kind="return", on_hand=moved,
                        actor=wish.actor, note=wish.note,
                    )
                )  # fmt: skip
            elif one.disposition is not Disposition.DISPOSE:
                condition = one.disposition.value
                put_aside.append(
                    (item, one.location_id, condition, moved, "receive", cause, id, wish.actor, wish.note, now)
                )
    tx.update(tables.lines, ("id",), ("returned+",), sorted(returned.items()))
    tx.insert(
        tables.aside,
        ("item_id", "location_id", "condition", "units", "kind", "cause", "receipt_id", "actor", "note", "at"),
        put_aside,
    )
    stock.write(now)
    return {row.sku for row in tx.rows("SELECT sku FROM items WHERE id IN :ids", ids=sorted(restocked))}


def _is_over(tx: Tx, found: Found) -> bool:
    """Whether all that a return announced has come."""
    if found.order is not None:
        this = next(one for one in announced(tx, found.order) if one.found.name == found.name)
        return bool(this.units) and all(this.came.get(line, 0) >= units for line, units in this.units.items())
    left: dict[str, int] = {}
    for row in announced_of(tx, found):
        left[row.sku] = left.get(row.sku, 0) + row.quantity
    for row in tx.rows("SELECT sku, quantity FROM receipts WHERE rma_id = :id", id=found.rma.id):
        left[row.sku] = left.get(row.sku, 0) - row.quantity
    return all(units <= 0 for units in left.values())


def by_disposition(rows: Sequence[Any]) -> Mapping[str, int]:
    """Units of receipts by what became of them."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.disposition] = counts.get(row.disposition, 0) + row.quantity
    return counts
