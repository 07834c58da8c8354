"""The operator's stock: received, set, counted, adjusted and shown.

Every operation is one transaction with one ledger row for each item and location. A count includes the units that are
promised: on hand becomes the counted number. Where less is there than was promised, the newest promises are taken
back and their orders named, never in silence. An operation with a reference is booked once, however often it is asked.
Units that were expected (`core.sync.incoming`) are counted towards that as they are received.
"""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from core.errors import UserError
from core.plurals import many
from core.store import tables
from core.store.database import Store, Tx
from core.store.moves import Entry, Stock
from core.sync.doubts import told_by_hand
from core.sync.incoming import find_expected, refuse_too_many, write_received
from core.sync.stock_asked import Ask, check_ask, check_result, known_items, known_locations
from core.sync.stored import load_lines
from core.sync.take_back import NeedOrders, Place, TakenBack, load_holders, plan, take_back, with_orders
from core.sync.work import poke


class Moved(msgspec.Struct, frozen=True):
    """What became of one `Ask`."""

    sku: str
    location: str
    was: int
    on_hand: int
    """At the location."""
    new: bool
    """False: its reference was booked before, and nothing was done."""


class Booking(msgspec.Struct, frozen=True):
    """What an operation did."""

    moved: tuple[Moved, ...]
    taken_back: tuple[TakenBack, ...] = ()
    """The orders that lost promised units, the newest first."""


def receive(
    store: Store,
    sku: str,
    location: str,
    quantity: int,
    now: int,
    *,
    title: str = "",
    reference: str = "",
    expected: str = "",
    over: bool = False,
    actor: str = "operator",
    note: str = "",
) -> Booking:
    """`quantity` units came to a location. An unknown SKU becomes an item.

    `expected`: the reference they were expected by, of which there may be many deliveries; more than is left of it is
    refused, unless `over`.
    """
    ask = Ask(kind="receive", sku=sku, location=location, units=quantity, title=title)
    return book(store, [ask], now, reference=reference, expected=expected, over=over, actor=actor, note=note)


def set_on_hand(
    store: Store,
    sku: str,
    location: str,
    quantity: int,
    now: int,
    *,
    title: str = "",
    reference: str = "",
    actor: str = "operator",
    note: str = "",
) -> Booking:
    """On hand at a location is `quantity`. An unknown SKU becomes an item."""
    ask = Ask(kind="set", sku=sku, location=location, units=quantity, title=title)
    return book(store, [ask], now, reference=reference, actor=actor, note=note)


def count(
    store: Store,
    sku: str,
    location: str,
    quantity: int,
    now: int,
    *,
    reference: str = "",
    actor: str = "operator",
    note: str = "",
) -> Booking:
    """Somebody counted `quantity` units of a known item at a location, the promised ones included."""
    ask = Ask(kind="count", sku=sku, location=location, units=quantity)
    return book(store, [ask], now, reference=reference, actor=actor, note=note)


def adjust(
    store: Store,
    sku: str,
    location: str,
    change: int,
    now: int,
    *,
    reference: str = "",
    actor: str = "operator",
    note: str = "",
) -> Booking:
    """`change` units more (or, below zero, less) of a known item at a location."""
    ask = Ask(kind="adjust", sku=sku, location=location, units=change)
    return book(store, [ask], now, reference=reference, actor=actor, note=note)


def book(
    store: Store,
    asks: Sequence[Ask],
    now: int,
    *,
    reference: str = "",
    expected: str = "",
    over: bool = False,
    actor: str = "operator",
    note: str = "",
) -> Booking:
    """Books all of `asks` in one transaction, or none; channels whose orders or levels follow are due at once.

    `expected` and `over` are those of `receive`. Raises `UserError` for an unknown location, SKU (count, adjust) or
    kit, and for quantities no counter can hold.
    """
    twice = [place for place, times in Counter((ask.sku, ask.location) for ask in asks).items() if times > 1]
    if twice:
        raise UserError(f"{twice[0][0]} at {twice[0][1]} is named twice; name it once")
    for ask in asks:
        check_ask(ask)
    given = _Given(reference, expected, over, actor, note)
    try:
        booking = with_orders(store, lambda tx, held: _by_hand(tx, asks, _Booking(tx, asks, given, now).run(held)))
    except NeedOrders:
        told = "the orders that hold these items keep changing; nothing was booked, try again"
        raise UserError(told) from None
    moved = {moved.sku for moved in booking.moved if moved.new}
    poke_concerned(store, moved, [lost.channel_id for lost in booking.taken_back])
    return booking


def _by_hand(tx: Tx, asks: Sequence[Ask], booking: Booking) -> Booking:
    """What a warehouse counted no more, and that was in doubt since, is settled by what is said of the shelf now."""
    new = {(one.sku, one.location) for one in booking.moved if one.new}
    told = {
        (ask.sku, ask.location): None if ask.kind in ("set", "count") else ask.units
        for ask in asks
        if (ask.sku, ask.location) in new
    }
    told_by_hand(tx, told)
    return booking


def book_within(
    tx: Tx, asks: Sequence[Ask], held: frozenset[int], now: int, *, reference: str, actor: str, note: str = ""
) -> Booking:
    """`book` within a transaction of the caller's, whose orders `held` are locked: see `take_back.with_orders`.

    The caller pokes the channels (`concerned`). Raises `NeedOrders` as well.
    """
    for ask in asks:
        check_ask(ask)
    return _Booking(tx, asks, _Given(reference, "", False, actor, note), now).run(held)


class _Given(msgspec.Struct, frozen=True):
    """What was said with the quantities of one operation."""

    reference: str
    expected: str
    over: bool
    actor: str
    note: str


class _Booking:
    """One try at one operation, in its transaction."""

    def __init__(self, tx: Tx, asks: Sequence[Ask], given: _Given, now: int) -> None:
        self._tx, self._asks, self._given, self._now = tx, asks, given, now

    def run(self, held: frozenset[int]) -> Booking:
        tx = self._tx
        places = known_locations(tx, {ask.location for ask in self._asks})
        items = known_items(tx, self._asks)
        orders = sorted(held)
        tx.rows("SELECT id FROM orders WHERE id IN :ids ORDER BY id /*lock*/", ids=orders)
        lines = load_lines(tx, orders)
        parts = {item for found in lines.values() for line in found for item, _ in line.claim.parts or ()}
        stock = Stock(tx, parts.union(items.values()))
        ids = sorted(set(items.values()))
        at, totals = _counters(tx, ids)
        entries, moved = self._entries(items, places, at, totals)
        over = {item: row[1] - row[0] for item, row in totals.items() if row[1] > row[0]}
        over_at = {place: row[1] - row[0] for place, row in at.items() if row[1] > row[0]}
        lost: list[TakenBack] = []
        less = {entry.item_id for entry in entries if entry.on_hand < 0}
        bound = Counter[int]()
        for (item, _), row in at.items():
            bound[item] += row[1]
        waiting = {item for item in less if totals[item][1] > bound[item]}
        if over or over_at or waiting:
            concerns = sorted({*over, *(item for item, _ in over_at), *waiting})
            losses = plan(load_holders(tx, concerns), over, over_at, _free(at, concerns))
            wanted = {loss.order_id for loss in losses.values()}
            if not wanted <= held:
                raise NeedOrders(wanted)
            lost = take_back(tx, losses, lines, stock, _why(self._asks), self._given.actor, self._now)
        for entry in entries:
            stock.move(entry)
        if any(stock.free.get(item, 0) < 0 for item in ids) or any(stock.free_at.get(place, 0) < 0 for place in at):
            raise UserError("more is promised than the orders hold; run `ordersync verify --repair`, then try again")
        _name(tx, self._asks, items)
        stock.write(self._now)
        write_received(tx, entries, self._now)
        return Booking(tuple(moved), tuple(lost))

    def _entries(
        self,
        items: dict[str, int],
        places: dict[str, int],
        at: defaultdict[Place, list[int]],
        totals: dict[int, list[int]],
    ) -> tuple[list[Entry], list[Moved]]:
        """The ledger rows; `at` and `totals` become what they will be."""
        causes = {ask: self._cause(ask, items[ask.sku], places[ask.location]) for ask in self._asks}
        booked = {
            row.cause: row.on_hand
            for row in self._tx.rows(
                "SELECT cause, on_hand FROM ledger WHERE cause IN :causes", causes=sorted(causes.values())
            )
        }
        entries, moved = [], []
        for ask, cause in causes.items():
            item, place = items[ask.sku], places[ask.location]
            was = at[item, place][0]
            if cause in booked:
                if ask.kind in ("receive", "adjust") and booked[cause] != ask.units:
                    raise UserError(
                        f"{ask.sku} at {ask.location}: {self._given.reference!r} was booked with"
                        f" {many(booked[cause], 'unit')}, not {ask.units}; give another reference, or adjust the"
                        " difference"
                    )
                moved.append(Moved(ask.sku, ask.location, was, was, False))
                continue
            change = ask.units if ask.kind in ("receive", "adjust") else ask.units - was
            at[item, place][0] += change
            totals[item][0] += change
            check_result(ask, was, at[item, place][0], totals[item][0])
            entries.append(self._entry(ask, item, place, cause, change))
            moved.append(Moved(ask.sku, ask.location, was, was + change, True))
        return entries, moved

    def _entry(self, ask: Ask, item: int, place: int, cause: str, change: int) -> Entry:
        """The ledger row, which names what was expected where the units belong to that."""
        given, kind, incoming_id = self._given, ask.kind, None
        if given.expected:
            row = find_expected(self._tx, ask, item, place, given.expected)
            refuse_too_many(row, ask, given.over)
            incoming_id = row.id
            if row.source == "transfer":  # nobody delivered them anew
                kind = "transfer"
        return Entry(
            item_id=item, location_id=place, cause=cause, kind=kind, on_hand=change, actor=given.actor,
            note=given.note, incoming_id=incoming_id,
        )  # fmt: skip

    def _cause(self, ask: Ask, item: int, place: int) -> str:
        return f"{ask.kind}:{self._given.reference or uuid.uuid4().hex}:{item}:{place}"


def _counters(tx: Tx, ids: Sequence[int]) -> tuple[defaultdict[Place, list[int]], dict[int, list[int]]]:
    """Locked items' counters: [on hand, allocated] by place, and [on hand, reserved] by item."""
    at: defaultdict[Place, list[int]] = defaultdict(lambda: [0, 0])
    for row in tx.rows("SELECT * FROM stock WHERE item_id IN :ids", ids=list(ids)):
        at[row.item_id, row.location_id] = [row.on_hand, row.allocated]
    totals = {
        row.id: [row.on_hand, row.reserved]
        for row in tx.rows("SELECT id, on_hand, reserved FROM items WHERE id IN :ids", ids=list(ids))
    }
    return at, totals


def _free(at: Mapping[Place, Sequence[int]], items: Sequence[int]) -> dict[int, dict[int, int]]:
    """On hand less allocated, by item and location."""
    free: dict[int, dict[int, int]] = {item: {} for item in items}
    for (item, place), (on_hand, allocated) in at.items():
        if item in free:
            free[item][place] = on_hand - allocated
    return free


def _name(tx: Tx, asks: Sequence[Ask], items: dict[str, int]) -> None:
    titles = {items[ask.sku]: ask.title for ask in asks if ask.title}
    tx.update(tables.items, ("id",), ("title",), sorted(titles.items()))


def _why(asks: Sequence[Ask]) -> str:
    if len(asks) > 1:
        done = {"count": "counted", "set": "set", "adjust": "adjusted", "receive": "received"}[asks[0].kind]
        return f"{len(asks)} quantities were {done}"
    (ask,) = asks
    said = {"count": "counted", "set": "set to", "adjust": "adjusted by", "receive": "received"}[ask.kind]
    return f"{ask.sku} at {ask.location} was {said} {ask.units}"


def poke_concerned(store: Store, skus: Iterable[str], also: Iterable[int] = ()) -> None:
    """Makes due whoever waits for these items or offers them, and the channels of `also`."""
    with store.read() as tx:
        due = concerned(tx, skus)
    poke(store, sorted(due.union(also)))


def concerned(tx: Tx, skus: Iterable[str]) -> set[int]:
    """The channels with lines that wait for these items, or with listings of them, alone or in kits."""
    names = sorted(set(skus))
    rows: Sequence[Any] = tx.rows(
        "SELECT id FROM items WHERE sku IN :skus"
        " UNION SELECT k.kit_id FROM kits k JOIN items i ON i.id = k.component_id WHERE i.sku IN :skus",
        skus=names,
    )
    rows = tx.rows(
        """
        SELECT channel_id FROM listings WHERE item_id IN :items
        UNION SELECT channel_id FROM listings WHERE item_id IS NULL AND sku IN :skus
        UNION SELECT o.channel_id FROM lines l JOIN orders o ON o.id = l.order_id
          WHERE l.backordered > 0 AND l.item_id IN :items
        UNION SELECT o.channel_id FROM lines l JOIN orders o ON o.id = l.order_id
          WHERE l.held > 0 AND l.item_id IS NULL AND l.sku IN :skus
        UNION SELECT o.channel_id FROM lines l JOIN orders o ON o.id = l.order_id
          WHERE l.reserved > l.allocated AND l.item_id IN :items
        """,
        items=[row.id for row in rows],
        skus=names,
    )
    return {row.channel_id for row in rows}
