"""What a warehouse tells of its shelves: counts as of an instant, and units that came or went by themselves.

`core.counting` says what a count means by the time it is heard. Here it meets the books: the movements since its
instant, the work the warehouse was asked for, and the promises it may show to be too many.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from core.counting import Movement, by_now, told_late, weigh
from core.errors import UserError
from core.handover import Adjusted, Counted
from core.model import instant, micros
from core.store import tables
from core.store.database import Tx
from core.sync.doubts import count_of, doubt
from core.sync.observe import clean
from core.sync.stock import book_within, concerned
from core.sync.stock_asked import Ask
from core.sync.take_back import TakenBack
from core.sync.warehouse import LIVE, Warehouse

NAMED = 20
"""SKUs or orders that a reason names at most."""

DAY = 86_400_000_000

AHEAD = DAY // 24
"""How far the clock of a warehouse may be ahead of ours: what it says left by then may be booked before that."""


def take_counted(
    tx: Tx, house: Warehouse, id: int, event: Counted, held: frozenset[int], channels: set[int], now: int
) -> str:
    """Books a count as of its instant; returns what it showed: unknown SKUs, orders that lost a promise, doubts."""
    place = _place(house, event.place)
    as_of = micros(event.as_of)
    if as_of > now + DAY:
        raise UserError(f"it is a count of {event.as_of:%Y-%m-%d %H:%M}, which is still to come; mend the clock there")
    items, unknown = _items(tx, house, event.units)
    newer = _counted_since(tx, place, items, as_of)
    told = {item: units for item, units in items.items() if item not in newer}
    moved = _moved_since(tx, place, told, as_of)
    asked = asked_of(tx, place, told)
    here = {
        row.item_id: row
        for row in tx.rows("SELECT * FROM stock WHERE location_id = :place AND item_id IN :ids", place=place,
                           ids=sorted(told))
    }  # fmt: skip
    skus = {row.id: row.sku for row in tx.rows("SELECT id, sku FROM items WHERE id IN :ids", ids=sorted(told))}
    asks: list[Ask] = []
    doubts: dict[int, int] = {}
    off: list[str] = []
    for item, units in sorted(told.items()):
        row = here.get(item)
        on_hand, allocated = (row.on_hand, row.allocated) if row is not None else (0, 0)
        verdict = weigh(by_now(units, as_of, moved[item]), min(asked.get(item, 0), allocated))
        if verdict.doubted:
            doubts[item] = verdict.doubted
        if verdict.on_hand != on_hand:
            off.append(f"{skus[item]} {on_hand} here, {verdict.on_hand} there")
            asks.append(Ask(kind="count", sku=skus[item], location=house.locations[place], units=verdict.on_hand))
    reasons = _left_out(unknown, _skus(tx, newer))
    if not house.settings.book_counts:
        return "; ".join([*reasons, *([f"not booked, as book_counts is off: {_some(off)}"] if off else [])])
    lost: Sequence[TakenBack] = ()
    if asks:
        when = f"counted at {event.as_of:%Y-%m-%d %H:%M} UTC"
        booking = book_within(tx, asks, held, now, reference=f"warehouse:{id}", actor=house.name, note=when)
        lost = booking.taken_back
        channels |= concerned(tx, [ask.sku for ask in asks]) | {one.channel_id for one in lost}
    _write(tx, id, place, told, doubts, as_of)
    return "; ".join([*reasons, *_lost(lost), *_doubted(tx, place, doubts, skus)])


def _place(house: Warehouse, place: str) -> int:
    found = house.location_of(place)
    if found is None:
        raise UserError(
            f"{place!r} is no place that {house.name} serves; name it under locations in warehouses/{house.name}.toml"
        )
    return found


def _items(tx: Tx, house: Warehouse, units: Mapping[str, int]) -> tuple[dict[int, int], list[str]]:
    """The counted units by item, and the SKUs that are none of ours, or a kit's."""
    here = {clean(house.sku_here(sku)): (sku, count) for sku, count in units.items()}
    rows = tx.rows(
        "SELECT id, sku FROM items WHERE sku IN :skus AND id NOT IN (SELECT kit_id FROM kits)",
        skus=sorted(sku for sku in here if sku),
    )
    known = {row.sku: row.id for row in rows}
    unknown = sorted(sku for own, (sku, _) in here.items() if own not in known)
    return {known[own]: count for own, (_, count) in here.items() if own in known}, _explained(tx, unknown)


def _explained(tx: Tx, unknown: Sequence[str]) -> list[str]:
    """Unknown SKUs, each with the one of ours that it would be had a spreadsheet not taken its zeros off."""
    digits = [sku for sku in unknown if sku.isascii() and sku.isdigit()]
    ours = {}
    if digits:
        rows = tx.rows("SELECT sku FROM items WHERE sku LIKE '0%' AND ltrim(sku, '0') IN :bare", bare=digits)
        ours = {row.sku.lstrip("0"): row.sku for row in rows}
    return [f"{sku} (did a spreadsheet take the zeros off {ours[sku]}?)" if sku in ours else sku for sku in unknown]


def _counted_since(tx: Tx, place: int, items: Iterable[int], as_of: int) -> set[int]:
    """Items of which a later count is booked already, the warehouse's or somebody's by hand."""
    ids = sorted(items)
    rows = tx.rows(
        "SELECT item_id FROM counted WHERE location_id = :place AND item_id IN :ids AND as_of >= :as_of"
        " UNION SELECT item_id FROM ledger WHERE location_id = :place AND item_id IN :ids AND id > :floor"
        " AND at > :as_of AND kind IN ('set', 'count') AND cause NOT LIKE 'count:warehouse:%'"
        " AND cause NOT LIKE 'count:late:%' AND cause NOT LIKE 'count:void:%'"
        " AND cause NOT LIKE 'count:left:%' AND cause NOT LIKE 'count:doubt:%'",
        place=place,
        ids=ids,
        as_of=as_of,
        floor=_floor(tx, as_of),
    )
    return {row.item_id for row in rows}


def _floor(tx: Tx, as_of: int) -> int:
    """A ledger row before everything that was booked since: rows are written as time passes."""
    return int(tx.value("SELECT id FROM ledger WHERE at < :at ORDER BY id DESC LIMIT 1", at=as_of - DAY) or 0)


def _moved_since(tx: Tx, place: int, items: Iterable[int], as_of: int) -> defaultdict[int, list[Movement]]:
    """What moved about then and since by our books, each at the instant it really moved."""
    rows = tx.rows(
        "SELECT item_id, at, on_hand, cause, kind FROM ledger WHERE location_id = :place AND item_id IN :ids"
        " AND id > :floor AND at > :booked AND kind NOT IN ('set', 'count', 'repair')",
        place=place,
        ids=sorted(items),
        booked=as_of - AHEAD,
        floor=_floor(tx, as_of),
    )
    when = _when(tx, rows)
    moved: defaultdict[int, list[Movement]] = defaultdict(list)
    for row in rows:
        moved[row.item_id].append(Movement(when.get(row.cause, row.at), row.on_hand))
    return moved


def _when(tx: Tx, rows: Sequence[Any]) -> dict[str, int]:
    """When booked movements really happened, by cause, where that is known apart from when they were booked."""
    # A parcel that never left was there all the time: its coming back is no movement of its own.
    shipped = {row.cause: int(row.cause.split(":")[1]) for row in rows if row.kind in ("ship", "void")}
    at = {
        row.id: row.shipped_at
        for row in tx.rows("SELECT id, shipped_at FROM shipments WHERE id IN :ids", ids=sorted(set(shipped.values())))
    }
    told = {row.cause: int(row.cause.split(":")[2]) for row in rows if row.cause.startswith("adjust:warehouse:")}
    happened = {
        row.id: row.happened_at
        for row in tx.rows("SELECT id, happened_at FROM notices WHERE id IN :ids", ids=sorted(set(told.values())))
    }
    return {cause: at[id] for cause, id in shipped.items()} | {cause: happened[id] for cause, id in told.items()}


def asked_of(tx: Tx, place: int, items: Iterable[int]) -> dict[int, int]:
    """Units that the warehouse was asked to send and has not told to have left, by item."""
    rows = tx.rows(
        "SELECT l.item_id, SUM(l.quantity - l.shipped - l.withdrawn) AS units FROM handovers h"
        f" JOIN handover_lines l ON l.handover_id = h.id WHERE h.{LIVE} AND h.state <> 'queued'"
        " AND h.location_id = :place AND l.item_id IN :ids GROUP BY l.item_id",
        place=place,
        ids=sorted(items),
    )
    return {row.item_id: int(row.units) for row in rows}


def _write(tx: Tx, id: int, place: int, told: Mapping[int, int], doubts: Mapping[int, int], as_of: int) -> None:
    tx.insert(
        tables.counted,
        ("item_id", "location_id", "as_of", "units", "doubted", "notice_id"),
        [(item, place, as_of, units, doubts.get(item, 0), id) for item, units in sorted(told.items())],
        "ON CONFLICT (item_id, location_id) DO UPDATE SET as_of = excluded.as_of, units = excluded.units,"
        " doubted = excluded.doubted, notice_id = excluded.notice_id",
    )


def _left_out(unknown: Sequence[str], newer: Sequence[str]) -> list[str]:
    told = [f"no item of ours, or a kit: {_some(unknown)}"] if unknown else []
    return told + ([f"counted later already: {_some(newer)}"] if newer else [])


def _skus(tx: Tx, items: Iterable[int]) -> list[str]:
    return [row.sku for row in tx.rows("SELECT sku FROM items WHERE id IN :ids ORDER BY sku", ids=sorted(items))]


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _lost(lost: Sequence[TakenBack]) -> list[str]:
    if not lost:
        return []
    names = [
        f"{one.name} of {one.channel} ({one.backordered} backordered, {one.unbound} without a location)" for one in lost
    ]
    return [f"less is there than was promised; orders that lost units: {_some(names)}"]


def _doubted(tx: Tx, place: int, doubts: Mapping[int, int], skus: Mapping[int, str]) -> list[str]:
    if not doubts:
        return []
    orders = tx.rows(
        "SELECT DISTINCT o.name, o.number, c.name AS channel, o.id FROM handovers h"
        " JOIN handover_lines l ON l.handover_id = h.id JOIN orders o ON o.id = h.order_id"
        f" JOIN channels c ON c.id = o.channel_id WHERE h.{LIVE} AND h.location_id = :place AND l.item_id IN :ids"
        " AND l.quantity > l.shipped + l.withdrawn ORDER BY o.id",
        place=place,
        ids=sorted(doubts),
    )
    units = [f"{count} of {skus[item]}" for item, count in sorted(doubts.items())]
    names = [f"{row.name or row.number} of {row.channel}" for row in orders]
    return [
        f"asked for and counted no more, so it has left or is missing: {_some(units)}; orders: {_some(names)}; "
        "where no parcel is told of, `ordersync stock count` what is there"
    ]


def take_adjusted(
    tx: Tx, house: Warehouse, id: int, event: Adjusted, held: frozenset[int], channels: set[int], now: int
) -> str:
    """Books units that came or went, once; returns what is to be known of it. Raises `UserError` for unknown items."""
    place = _place(house, event.place)
    sku = clean(house.sku_here(event.sku))
    item = tx.value("SELECT id FROM items WHERE sku = :sku", sku=sku)
    if item is None:
        raise UserError(
            f"there is no item {event.sku}; receive it once (`ordersync stock receive`) or name it under skus in "
            f"warehouses/{house.name}.toml, then `ordersync warehouse retry`"
        )
    change, known = event.change, ""
    row = count_of(tx, item, place)
    if row is not None and micros(event.at) <= row.as_of:
        known = f"in the count of {instant(row.as_of):%Y-%m-%d %H:%M} UTC already"
        change = 0
        if event.change < 0:
            off, left = told_late(-event.change, row.doubted)
            change = -off
            doubt(tx, item, place, left)
    if change:
        ask = Ask(kind="adjust", sku=sku, location=house.locations[place], units=change)
        booking = book_within(
            tx, [ask], held, now, reference=f"warehouse:{id}", actor=house.name, note=clean(event.reason)
        )
        channels |= concerned(tx, [sku]) | {one.channel_id for one in booking.taken_back}
        return "; ".join([*([known] if known else []), *_lost(booking.taken_back)])
    return known
