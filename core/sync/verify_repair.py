"""Mending counters that drifted from the rows they sum up: under lock, and told in the ledger or on the timeline.

Rows are believed, totals are corrected: reservations, work at locations and the ledger. Where an item's total and its
locations agree against the ledger, the ledger lacks a movement and gets it. Promises stay as they are, but for those
to lines that have nothing left to ship. What would break another rule is left alone and named.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from core.plurals import are, many
from core.store import tables
from core.store.database import Store, Tx
from core.store.moves import Entry, touch, write_ledger
from core.sync.channel import Clock, clock
from core.sync.verify_breach import REPAIR, Breach, name_items, name_lines, name_locations
from core.sync.verify_incoming import repair_incoming
from core.sync.verify_outward import repair_cancellations

_OF_ITEMS = ("I1", "I2", "I9", "I10")
_OF_LINES = ("I2", "I4", "I8", "I9")


def repair(store: Store, breaches: Sequence[Breach], *, now: Clock = clock) -> list[str]:
    """Mends what can be mended mechanically; returns what was done and what is left, each as one line.

    Everything is counted anew under lock, so breaches that are over by now change nothing.
    """
    told: list[str] = []
    items = {breach.item_id for breach in breaches if breach.item_id is not None and breach.name in _OF_ITEMS}
    orders = {breach.order_id for breach in breaches if breach.order_id is not None and breach.name in _OF_LINES}
    for order_id in sorted(orders):
        told += store.transact(lambda tx: _order(tx, order_id, now()))  # noqa: B023 - runs at once
    for item_id in sorted(items):
        told += store.transact(lambda tx: _item(tx, item_id, now()))  # noqa: B023 - runs at once
        told += store.transact(lambda tx: repair_incoming(tx, item_id, now()))  # noqa: B023 - runs at once
    outward = {breach.order_id for breach in breaches if _is_of_cancelling(breach) and breach.order_id is not None}
    for order_id in sorted(outward):
        told += store.transact(lambda tx: repair_cancellations(tx, order_id, now()))  # noqa: B023 - runs at once
    told += [
        f"left: {breach}"
        for breach in breaches
        if not (breach.item_id in items and breach.name in _OF_ITEMS)
        and not (breach.order_id in orders and breach.name in _OF_LINES)
        and not _is_of_cancelling(breach)
    ]
    return told


def _is_of_cancelling(breach: Breach) -> bool:
    return breach.name == "I12" and breach.cure == REPAIR


def _order(tx: Tx, order_id: int, now: int) -> list[str]:
    """Counts an order's lines anew, and the items whose promises to them went; returns what there is to tell."""
    order = tx.row("SELECT * FROM orders WHERE id = :id /*lock*/", id=order_id)
    lines = tx.rows("SELECT * FROM lines WHERE order_id = :id ORDER BY id", id=order_id)
    ids = [line.id for line in lines]
    held = {row.item_id for row in tx.rows("SELECT DISTINCT item_id FROM reservations WHERE line_id IN :ids", ids=ids)}
    _lock(tx, held)
    promises: defaultdict[int, list[Any]] = defaultdict(list)
    for row in tx.rows("SELECT * FROM reservations WHERE line_id IN :ids ORDER BY item_id", ids=ids):
        promises[row.line_id].append(row)
    asked = {
        row.line_id: int(row.units)
        for row in tx.rows(
            "SELECT w.line_id, SUM(w.quantity - w.shipped) AS units FROM fulfilment_lines w"
            " JOIN fulfilment_orders f ON f.id = w.fulfilment_order_id"
            " WHERE w.line_id IN :ids AND f.state IN ('planned', 'released') GROUP BY w.line_id",
            ids=ids,
        )
    }
    names = name_lines(tx, ids)
    told: list[str] = []
    events: list[str] = []
    freed: set[int] = set()
    ours = order.fulfiller == "merchant" and not order.test
    for line in lines:
        rows = promises[line.id]
        subject = names[line.id][1]
        done, left, gone = _line(tx, line, rows, asked.get(line.id, 0), ours)
        told += [f"repaired: {subject}: {text}" for text in done]
        told += [f"left: {subject}: {text}" for text in left]
        events += [f"line {line.number}: {text}" for text in done]
        freed |= gone
    rows = [(now, "verify --repair", order.channel_id, order_id, "repaired", text) for text in events]
    tx.insert(tables.audit, ("at", "actor", "channel_id", "order_id", "event", "detail"), rows)
    for item_id in sorted(freed):
        told += _item(tx, item_id, now)
    return told


def _line(tx: Tx, line: Any, rows: Sequence[Any], asked: int, ours: bool) -> tuple[list[str], list[str], set[int]]:
    """Counts one line anew: what was done, what is left, and the items whose promises to it were taken back."""
    done: list[str] = []
    freed: set[int] = set()
    open_units = line.ordered - line.cancelled - line.shipped
    if rows and not asked and (open_units == 0 or not ours):
        tx.run("DELETE FROM reservations WHERE line_id = :id", id=line.id)
        freed = {row.item_id for row in rows}
        units = sum(row.quantity for row in rows)
        done.append(f"{many(units, 'unit')} promised to it {are(units)} free again: none of it may ship")
        rows = ()
    promised = {row.quantity // row.per for row in rows} or {0}
    if len(promised) > 1:
        return done, ["its parts are promised in different numbers; cancel it, or count the parts"], freed
    reserved = promised.pop()
    rest = open_units - reserved
    if open_units < 0 or rest < 0 or asked > reserved:
        wrong = f"{open_units} open units, {reserved} promised, {asked} asked of locations"
        return done, [f"{wrong}; compare it with the channel (`ordersync order {line.order_id}`)"], freed
    waits = ours and line.item_id is not None
    counts = {
        "reserved": reserved,
        "backordered": rest if waits else 0,
        "held": 0 if waits else rest,
        "allocated": asked,
    }
    changed = {name: count for name, count in counts.items() if getattr(line, name) != count}
    if changed:
        tx.update(tables.lines, ("id",), tuple(changed), [(line.id, *changed.values())])
        done += [f"{name} was {getattr(line, name)}, its rows say {count}" for name, count in changed.items()]
    return done, [], freed


@dataclass
class _Counted:
    """One item counted anew under lock: by location what stands there, what the ledger says, what is asked for."""

    item: Any
    sku: str
    stands: dict[int, Any]
    ledger: defaultdict[int | None, int]
    asked: defaultdict[int, int]
    promised: int
    entries: list[Entry] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    causes: int = 0

    def entry(self, location_id: int | None, note: str, **moved: int) -> None:
        self.causes += 1
        cause = f"repair:{self.item.id}:{self.causes}"
        self.entries.append(
            Entry(
                item_id=self.item.id, location_id=location_id, cause=cause, kind="repair", actor="verify --repair",
                note=note, **moved,
            )
        )  # fmt: skip


def _item(tx: Tx, item_id: int, now: int) -> list[str]:
    """Counts an item anew and corrects what differs; returns what there is to tell."""
    counted = _count(tx, item_id)
    places = name_locations(tx)
    agree = counted.item.on_hand == sum(row.on_hand for row in counted.stands.values())
    total = 0
    rows = []
    for location_id in sorted({*counted.stands, *(place for place in counted.ledger if place), *counted.asked}):
        on_hand, allocated = _place(counted, location_id, str(places[location_id]), agree)
        total += on_hand
        rows.append((item_id, location_id, on_hand, allocated))
    stray = counted.ledger[None]
    if stray:  # units on hand always stand somewhere
        counted.entry(None, f"{many(stray, 'unit')} moved at no location {are(stray)} taken back", on_hand=-stray)
    tx.insert(tables.stock, ("item_id", "location_id"), [row[:2] for row in rows], "ON CONFLICT DO NOTHING")
    known = {row.location_id: (row.on_hand, row.allocated) for row in _stands(tx, item_id)}
    changed = [row for row in rows if known[row[1]] != row[2:]]
    tx.update(tables.stock, ("item_id", "location_id"), ("on_hand", "allocated"), changed)
    _total(tx, counted, total)
    write_ledger(tx, counted.entries, now)
    touch(tx, [item_id])  # its levels are computed again, whatever was wrong
    told = [f"repaired: {counted.sku}: {entry.note}" for entry in counted.entries]
    return told + [f"left: {counted.sku}: {text}" for text in counted.left]


def _count(tx: Tx, item_id: int) -> _Counted:
    _lock(tx, {item_id})
    ledger: defaultdict[int | None, int] = defaultdict(int)
    for row in tx.rows(
        "SELECT location_id, SUM(on_hand) AS units FROM ledger WHERE item_id = :id GROUP BY location_id", id=item_id
    ):
        ledger[row.location_id] = int(row.units)
    asked: defaultdict[int, int] = defaultdict(int)
    for row in tx.rows(
        "SELECT f.location_id, (w.quantity - w.shipped) AS units, r.per FROM reservations r"
        " JOIN fulfilment_lines w ON w.line_id = r.line_id JOIN fulfilment_orders f ON f.id = w.fulfilment_order_id"
        " WHERE r.item_id = :id AND f.state IN ('planned', 'released')",
        id=item_id,
    ):
        asked[row.location_id] += row.units * row.per
    return _Counted(
        item=tx.row("SELECT * FROM items WHERE id = :id", id=item_id),
        sku=name_items(tx, [item_id])[item_id],
        stands={row.location_id: row for row in _stands(tx, item_id)},
        ledger=ledger,
        asked=asked,
        promised=int(tx.value("SELECT COALESCE(SUM(quantity), 0) FROM reservations WHERE item_id = :id", id=item_id)),
        causes=int(tx.value("SELECT COUNT(*) FROM ledger WHERE item_id = :id AND kind = 'repair'", id=item_id)),
    )


def _place(counted: _Counted, location_id: int, place: str, agree: bool) -> tuple[int, int]:
    """What stands and is allocated at one location by the rows; notes what differs."""
    row = counted.stands.get(location_id)
    was, bound = (row.on_hand, row.allocated) if row is not None else (0, 0)
    said, asked = counted.ledger[location_id], counted.asked[location_id]
    on_hand = was
    if was != said and (agree or said < max(asked, 0) or said < 0):
        counted.entry(
            location_id, f"{was} on hand at {place}, the ledger said {said}: a movement was missing in it",
            on_hand=was - said,
        )  # fmt: skip
    elif was != said:
        on_hand = said
        counted.entry(location_id, f"on hand at {place} was {was}, the ledger says {said}")
    if asked > on_hand:
        counted.left.append(
            f"{place} is asked for {asked} and has {on_hand}; receive what is missing there, or cancel what cannot ship"
        )
        return was, bound
    if bound != asked:
        counted.entry(
            location_id, f"allocated at {place} was {bound}, its work asks for {asked}", allocated=asked - bound
        )
    return on_hand, asked


def _total(tx: Tx, counted: _Counted, total: int) -> None:
    """The item's own counters: what stands at its locations, and what its reservations sum to."""
    item, promised = counted.item, counted.promised
    if promised > total:
        counted.left.append(
            f"{promised} are promised and {total} on hand; receive the missing units, or cancel what cannot ship"
        )
        return
    if item.on_hand != total:
        counted.entry(None, f"on hand was {item.on_hand}, {total} stand at its locations")
    if item.reserved != promised:
        note = f"reserved was {item.reserved}, its reservations say {promised}"
        counted.entry(None, note, reserved=promised - item.reserved)
    tx.update(tables.items, ("id",), ("on_hand", "reserved"), [(item.id, total, promised)])


def _stands(tx: Tx, item_id: int) -> Sequence[Any]:
    return tx.rows("SELECT * FROM stock WHERE item_id = :id ORDER BY location_id", id=item_id)


def _lock(tx: Tx, items: set[int]) -> None:
    """Items by id, as every writer of stock locks them."""
    tx.rows("SELECT id FROM items WHERE id IN :ids ORDER BY id /*lock*/", ids=sorted(items))
