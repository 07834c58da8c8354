"""Events about handed-over work: taken up, declined, left, called back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from core.errors import UserError
from core.handover import Box, Declined, Left, Withdrawn
from core.model import micros
from core.store.database import Tx
from core.sync.credit import credit
from core.sync.decline import Units, decline
from core.sync.doubts import Gone, left_before_a_count
from core.sync.hand_over import decline_all, note
from core.sync.observe import clean
from core.sync.recall import close_work, end_recall
from core.sync.ship import Departure, leave
from core.sync.warehouse import LIVE, Warehouse


def take_accepted(tx: Tx, house: Warehouse, row: Any, now: int) -> None:
    """The warehouse does the work. One that has ended stays ended."""
    changed = tx.run(
        f"UPDATE handovers SET state = 'accepted', reason = '', updated_at = :now WHERE id = :id AND {LIVE}"
        " AND state <> 'accepted'",
        id=row.id,
        now=now,
    )
    if changed:
        note(tx, house, row, "work accepted", now)


def take_withdrawn(tx: Tx, house: Warehouse, event: Withdrawn, now: int) -> None:
    """What became of a recall of this warehouse's."""
    row = tx.row("SELECT * FROM recalls WHERE key = :key", key=clean(event.recall))
    end_recall(tx, house, row, event.done, event.reason, now)


def take_declined(tx: Tx, house: Warehouse, row: Any, event: Declined, now: int) -> None:
    """Units the warehouse will not send: they go back to the order. Raises `UserError` for more than it was asked."""
    reason = clean(event.reason) or "it does not say why"
    why = f"picked short: {reason}" if event.short else reason
    if event.lines:
        units = _off(tx, row, event.lines)
    else:
        units = decline_all(tx, row)
        tx.run(f"UPDATE handovers SET state = 'refused', reason = :why WHERE id = :id AND {LIVE}", id=row.id, why=why)
    note(tx, house, row, "picked short" if event.short else "work declined", now, reason)
    decline(tx, row, units, why, f"event:{event.id}", house.name, now)
    close_work(tx, [row.id], now)


def _off(tx: Tx, row: Any, lines: Mapping[str, int]) -> Units:
    """Withdraws units by the work's line numbers; returns them as units of order lines, parts of a kit rounded up."""
    known = _lines(tx, row)
    units: Units = {}
    for number, count in _numbered(row, known, lines).items():
        line = known[number]
        open = line.quantity - line.shipped - line.withdrawn
        if count > open:
            raise UserError(
                f"{row.key}: {count} of {line.sku} cannot be declined, {open} are open; compare it with them"
            )
        units[line.line_id] = max(units.get(line.line_id, 0), -(-count // line.per))
    for line in known.values():  # a kit that lacks one part is not sent at all: its other parts are off as well
        off = units.get(line.line_id, 0) * line.per
        open = line.quantity - line.shipped - line.withdrawn
        if off:
            _add(tx, row, line.number, "withdrawn", min(off, open))
    return units


def take_left(tx: Tx, house: Warehouse, row: Any, id: int, event: Left, now: int) -> str:
    """Parcels left: all are booked, or `UserError` says why none is. Returns what is to be known of it."""
    place = row.location_id if not event.place else house.location_of(event.place)
    if place is None or place not in house.locations:
        raise UserError(
            f"{event.place or 'its location'} is none that {house.name} serves; name it in warehouses/{house.name}.toml"
        )
    order = tx.row("SELECT * FROM orders WHERE id = :id", id=row.order_id)
    repeated = []
    for nth, box in enumerate(_parcels(event.boxes)):
        known = _lines(tx, row)
        told = _numbered(row, known, box.lines)
        units = _whole_lines(row, known, told)
        parcel = Departure(
            order_id=row.order_id,
            location=house.locations[place],
            carrier=clean(box.carrier),
            tracking=clean(box.tracking).strip(),
            shipped_at=micros(event.at),
            units=_numbers(tx, units),
            service=clean(box.service),
            tracking_url=clean(box.tracking_url),
            origin="warehouse",
            actor=house.name,
            work=row.fulfilment_order_id,
        )
        if _is_known(tx, row, box, units):
            repeated.append(parcel.tracking)
            continue
        counted = _by_hand(tx, row.order_id, parcel.tracking)
        for number, count in told.items():
            _add(tx, row, number, "shipped", count, known[number])
        if counted:
            _credit(tx, house, row, parcel, units, now)
            continue
        gone = [Gone(known[number].item_id, count) for number, count in told.items()]
        left_before_a_count(tx, f"count:late:{id}:{nth}", place, gone, micros(event.at), now, actor=house.name)
        leave(tx, parcel, now)
    close_work(tx, [row.id], now)
    if repeated:
        return f"order {order.name}: {', '.join(repeated)} had been told before"
    return ""


def _credit(tx: Tx, house: Warehouse, row: Any, parcel: Departure, units: Mapping[int, int], now: int) -> None:
    moved = credit(tx, row, units, now)
    if moved:
        numbers = _numbers(tx, moved)
        told = ", ".join(f"{count} of line {number}" for number, count in numbers.items())
        note(tx, house, row, "parcel was of this work", now, f"{parcel.tracking}: {told} had been taken for another's")


def _parcels(boxes: Sequence[Box]) -> list[Box]:
    """Boxes that left at once under one number are one parcel: carriers number a consignment by its first."""
    parcels: dict[str, Box] = {}
    for box in boxes:
        number = clean(box.tracking).strip()
        lines = dict(parcels[number].lines) if number in parcels else {}
        for name, units in box.lines.items():
            lines[name] = lines.get(name, 0) + units
        parcels[number] = msgspec.structs.replace(parcels.get(number, box), lines=lines)
    return list(parcels.values())


def _lines(tx: Tx, row: Any) -> dict[str, Any]:
    rows = tx.rows("SELECT * FROM handover_lines WHERE handover_id = :id ORDER BY number", id=row.id)
    return {line.number: line for line in rows}


def _line(row: Any, known: Mapping[str, Any], name: str) -> Any:
    """A line of the work by its number, or by its SKU where only one has it: not every warehouse keeps our numbers."""
    if name in known:
        return known[name]
    of = [line for line in known.values() if line.sku == name]
    if len(of) != 1:
        has = ", ".join(f"{line.number} ({line.sku})" for line in known.values())
        why = f"several lines of {name}, name one" if of else f"no line {name!r}"
        raise UserError(f"{row.key} has {why}; it has: {has}")
    return of[0]


def _numbered(row: Any, known: Mapping[str, Any], lines: Mapping[str, int]) -> dict[str, int]:
    """Units by the work's line numbers, whichever way the warehouse names its lines."""
    units: dict[str, int] = {}
    for name, count in lines.items():
        number = _line(row, known, name).number
        units[number] = units.get(number, 0) + count
    return units


def _whole_lines(row: Any, known: Mapping[str, Any], lines: Mapping[str, int]) -> dict[int, int]:
    """Units of items as units of order lines. A parcel with a part of a kit only cannot be told to a channel."""
    told: defaultdict[int, dict[str, int]] = defaultdict(dict)
    for number, count in lines.items():
        told[known[number].line_id][number] = count
    units = {}
    for line_id, counts in told.items():
        of = [line for line in known.values() if line.line_id == line_id]
        kits = {(counts.get(line.number, 0) / line.per) for line in of}
        if len(kits) > 1 or not next(iter(kits)).is_integer():
            skus = ", ".join(f"{counts.get(line.number, 0)} of {line.sku}" for line in of)
            raise UserError(f"{row.key}: {skus} left, which is no whole kit; book it by hand with `ordersync ship`")
        units[line_id] = int(next(iter(kits)))
    return units


def _numbers(tx: Tx, units: Mapping[int, int]) -> dict[str, int]:
    rows = tx.rows("SELECT id, number FROM lines WHERE id IN :ids", ids=sorted(units))
    return {row.number: units[row.id] for row in rows}


def _is_known(tx: Tx, row: Any, box: Box, units: Mapping[int, int]) -> bool:
    """Whether the warehouse has told of this parcel before, in another event. Raises `UserError` where it differs."""
    found = _shipment(tx, row.order_id, clean(box.tracking).strip())
    if found is None:
        return False
    if found.voided_at is not None:
        raise UserError(
            f"{row.key}: parcel {box.tracking} is void here, and told to have left; if it did, the warehouse has to "
            "tell it under a number of its own"
        )
    before = {
        line.line_id: line.quantity
        for line in tx.rows("SELECT * FROM shipment_lines WHERE shipment_id = :id", id=found.id)
    }
    if before != units:
        raise UserError(
            f"{row.key}: parcel {box.tracking} is booked with other units; what left besides needs a number of its own"
        )
    return bool(found.origin == "warehouse")


def _by_hand(tx: Tx, order_id: int, tracking: str) -> bool:
    """Whether an operator has booked this parcel already."""
    return _shipment(tx, order_id, tracking) is not None


def _shipment(tx: Tx, order_id: int, tracking: str) -> Any:
    return tx.row(
        "SELECT * FROM shipments WHERE order_id = :id AND tracking = :tracking AND tracking <> '' UNION"
        " SELECT s.* FROM shipments s JOIN corrections c ON c.shipment_id = s.id"
        " WHERE c.order_id = :id AND c.tracking = :tracking",
        id=order_id,
        tracking=tracking,
    )


def _add(tx: Tx, row: Any, number: str, column: str, units: int, line: Any = None) -> None:
    if line is not None and units > line.quantity - line.shipped - line.withdrawn:
        off = f" and {line.withdrawn} withdrawn" if line.withdrawn else ""  # called back, declined, or seen to by hand
        raise UserError(
            f"{row.key}: {units} of {line.sku} left, and {line.quantity} were asked for, of which {line.shipped} left "
            f"before{off}; ask the warehouse what is in the parcel"
        )
    tx.run(
        f"UPDATE handover_lines SET {column} = {column} + :units WHERE handover_id = :id AND number = :number",
        id=row.id,
        number=number,
        units=units,
    )
