"""What must be so, kept in dictionaries beside the store: what came, what left, and how every line stands.

It knows nothing of how the store keeps it, or of who is promised what. `disagreements` compares the two.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from core.levels import Own
from core.model import Fulfiller, Order
from core.store.database import Store, Tx

PARTS: dict[str, dict[str, int]] = {"A": {"A": 1}, "B": {"B": 1}, "SET": {"A": 2, "B": 1}, "NEW": {"NEW": 1}}
"""What one unit of an item is made of. NEW is nothing anybody knows at first."""

ALT = "ALT"
"""A SKU of one channel that is mapped by hand, to one item and then to another."""


@dataclass
class Kept:
    """One order line."""

    sku: str
    """The item it is of, not what its channel calls it."""
    ours: bool
    alt: bool = False
    """Its channel calls it ALT."""
    ordered: int = 0
    cancelled: int = 0
    cancelling: int = 0
    """Of these, units cancelled here that the channel does not show as cancelled."""
    shipped: int = 0
    returned: int = 0
    late: int = 0
    """Units the channel cancelled that had left."""

    @property
    def open(self) -> int:
        return self.ordered - self.cancelled - self.shipped

    def hear(self, ordered: int, cancelled: int, shipped: int, void: int) -> int:
        """What the channel says of it now; returns how many more units have turned out to have left.

        `void`: of the shipped ones, those in parcels that never left.
        """
        before = self.shipped
        self.shipped = max(shipped - void, before)
        self.late = max(0, cancelled + self.shipped - ordered)
        self.ordered = max(ordered, self.shipped)
        shows = min(cancelled, self.ordered - self.shipped)
        shown_anew = max(0, shows - (self.cancelled - self.cancelling))
        waiting = max(0, self.cancelling - shown_anew)
        self.cancelled = min(shows + waiting, self.ordered - self.shipped)
        self.cancelling = self.cancelled - shows
        return self.shipped - before

    def gone(self) -> None:
        """The channel shows the line no more: an edit took it away."""
        self.late = self.shipped
        self.cancelled, self.cancelling = self.ordered - self.shipped, 0


@dataclass
class Box:
    """A parcel booked here."""

    place: str
    numbers: set[str]
    units: dict[str, int]
    """By line number."""
    at: int
    """When it left."""
    void: bool = False


@dataclass
class Sold:
    """One order."""

    channel: str
    number: str
    version: int = 0
    ours: bool = True
    told: bool = True
    """False for an exchange: its channel does not know it."""
    total: Decimal = Decimal(0)
    lines: dict[str, Kept] = field(default_factory=dict)
    boxes: dict[int, Box] = field(default_factory=dict)
    shown: dict[str, Decimal] = field(default_factory=dict)
    """Refunds its channel shows, by number."""
    wished: dict[int, Decimal] = field(default_factory=dict)
    """Refunds decided here, by push."""

    @property
    def out(self) -> int:
        """Units that left and are not back."""
        return sum(kept.shipped - kept.returned for kept in self.lines.values())

    @property
    def open(self) -> bool:
        """Whether anything is neither shipped nor cancelled."""
        return any(kept.open for kept in self.lines.values())

    def cancel(self, number: str, units: int) -> None:
        """Units are cancelled here."""
        self.lines[number].cancelled += units
        self.lines[number].cancelling += units if self.told else 0

    def hear(self, order: Order, alt: str) -> Counter[str]:
        """A version of it; one that is not newer says nothing. Returns the units of items that left elsewhere.

        `alt`: the item that ALT means now.
        """
        left: Counter[str] = Counter()
        if order.version <= self.version:
            return left
        self.version, self.total = order.version, order.total
        self.ours = order.fulfiller is Fulfiller.MERCHANT and not order.test
        numbers = {package.tracking for package in order.packages}
        void: Counter[str] = Counter()
        for box in self.boxes.values():
            if box.void and box.numbers & numbers:
                void.update(box.units)
        for line in order.lines:
            is_alt = line.sku == ALT
            kept = self.lines.setdefault(line.number, Kept(alt if is_alt else line.sku, self.ours, is_alt))
            left[kept.sku] += kept.hear(line.ordered, line.cancelled, line.shipped, void[line.number])
        for number in self.lines.keys() - {line.number for line in order.lines}:
            self.lines[number].gone()
        self.shown |= {one.number: one.amount for one in order.refunds}
        return +left if self.ours else Counter()


@dataclass
class Way:
    """Units that are to come."""

    sku: str
    start: str | None
    """Of a transfer."""
    place: str
    quantity: int
    received: int = 0
    lost: int = 0
    state: str = "open"

    @property
    def left(self) -> int:
        return max(0, self.quantity - self.received - self.lost) if self.state == "open" else 0


@dataclass(frozen=True)
class Slip:
    """A warehouse wrote down what lay at a location, rightly."""

    place: str
    as_of: int
    units: dict[str, int]
    found: dict[str, int]
    """Of these, units that nobody had known of, since the beginning."""


@dataclass
class Ahead:
    """An item that is sold before it is there."""

    kind: str
    cap: int | None
    ships: str
    until: int
    left: int
    """Units of it that had left when it was opened."""


@dataclass
class Books:
    parts: Mapping[str, Mapping[str, int]] = field(default_factory=lambda: PARTS)
    on_hand: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By SKU and location."""
    aside: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """By SKU, location and condition."""
    ways: dict[str, Way] = field(default_factory=dict)
    orders: dict[int, Sold] = field(default_factory=dict)
    """By the store's id."""
    alt: str = "A"
    """The item that ALT means."""
    ahead: dict[str, Ahead] = field(default_factory=dict)
    """By item."""
    own: dict[str, Own] = field(default_factory=dict)
    """What listings of one channel have of their own, by what it calls them."""
    left: Counter[str] = field(default_factory=Counter)
    """Units of items that left for buyers, less those that never did."""
    unread: set[tuple[str, str]] = field(default_factory=set)
    """Channel and number of orders that could not be read when they were told last."""
    slips: list[Slip] = field(default_factory=list)
    found: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Units a warehouse has found that nobody had known of, by SKU and location."""
    booked: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Of these, those that are in our books."""
    by_hand: dict[tuple[str, str], int] = field(default_factory=dict)
    """When somebody here counted a shelf last."""
    by_slip: dict[tuple[str, str], int] = field(default_factory=dict)
    """The instant of the newest slip that was taken."""
    out: dict[tuple[int, str], int] = field(default_factory=dict)
    """Orders, each with a location that has said it cannot send it, and the most units it may still be asked for."""
    _ledger: int = 0

    def left_elsewhere(self, store: Store, left: Counter[str]) -> list[tuple[str, str, int]]:
        """Takes over from where units left that a channel knows as shipped: never more than it says, by SKU.

        Returns each SKU, location and units, below zero.
        """
        found = []
        with store.read() as tx:
            rows = tx.rows(
                "SELECT g.id, g.on_hand, g.kind, i.sku, p.name FROM ledger g JOIN items i ON i.id = g.item_id"
                " JOIN locations p ON p.id = g.location_id WHERE g.id > :last ORDER BY g.id",
                last=self._ledger,
            )
        most: Counter[str] = Counter()
        for sku, units in left.items():
            for part, per in self.parts[sku].items():
                most[part] += per * units
        for row in rows:
            self._ledger = row.id
            if row.kind == "ship_outside":
                most[row.sku] += row.on_hand
                self.on_hand[row.sku, row.name] += row.on_hand
                self.left[row.sku] -= row.on_hand
                found.append((row.sku, row.name, row.on_hand))
        assert all(units >= 0 for units in most.values()), most
        return found

    def move(self, sku: str, units: int, place: str, *, aside: str = "") -> None:
        """`units` of what a line of `sku` is made of come to a location, or leave it."""
        for part, per in self.parts[sku].items():
            if aside:
                self.aside[part, place, aside] += per * units
            else:
                self.on_hand[part, place] += per * units

    def leave(self, sku: str, units: int, place: str) -> None:
        """`units` of an item or a kit leave for a buyer; fewer than none never did."""
        self.move(sku, -units, place)
        for part, per in self.parts[sku].items():
            self.left[part] += per * units

    def offered(self, sku: str, reserved: int, waits: int) -> int:
        """What a channel is to offer of an item that every location has open for it, by what orders are promised of it
        and wait for."""
        there = sum(units for (of, _), units in self.on_hand.items() if of == sku)
        one = self.ahead.get(sku)
        if one is not None and one.kind == "backorder":
            return there - reserved + max(0, (one.cap or 0) - waits)
        if one is not None and one.cap is not None:
            return max(0, one.cap - reserved - waits - max(0, self.left[sku] - one.left))
        return there - reserved

    def told(self, listing: str, units: int) -> int:
        """What is told of so many units that could be offered, by what the listing has of its own."""
        own = self.own.get(listing, Own())
        units = max(0, units - (own.buffer or 0))
        units = units if own.cap is None else min(units, own.cap)
        return 0 if own.stopped else units * (100 if own.percent is None else own.percent) // 100

    def count_by_hand(self, sku: str, place: str, units: int, now: int) -> None:
        """Somebody here counted a shelf: that is what lies there, whoever wrote down something before."""
        self.on_hand[sku, place] = units
        self.by_hand[sku, place] = now
        self.booked[sku, place] = self.found[sku, place]

    def write_slip(self, place: str, now: int) -> Slip:
        """What lies at a location now, when everything that moved there is in our books, but for what was found."""
        there = [sku for sku, of in self.on_hand if of == place]
        slip = Slip(place, now, dict(self.really_on_hand(there, place)), {sku: self.found[sku, place] for sku in there})
        self.slips.append(slip)
        return slip

    def really_on_hand(self, skus: Iterable[str], place: str) -> Counter[str]:
        """What lies there: with what was found, and nobody was told of yet."""
        return Counter(
            {sku: self.on_hand[sku, place] + self.found[sku, place] - self.booked[sku, place] for sku in skus}
        )

    def hear_slip(self, slip: Slip) -> None:
        """It was right when it was written, so it changes nothing but what had not been known, however late it comes.

        What was counted since, here or there, is known better.
        """
        for sku in slip.units:
            key = sku, slip.place
            if self.by_hand.get(key, -1) > slip.as_of or self.by_slip.get(key, -1) >= slip.as_of:
                continue
            self.by_slip[key] = slip.as_of
            self.on_hand[key] += slip.found[sku] - self.booked[key]
            self.booked[key] = slip.found[sku]

    def never_left(self, box: Box, skus: Mapping[str, str]) -> None:
        """A parcel stood there all the time. Whoever has counted its shelf since had it in the count.

        `skus`: the item of each of its lines.
        """
        for number, units in box.units.items():
            for part, per in self.parts[skus[number]].items():
                self.left[part] -= per * units
                if self.by_slip.get((part, box.place), -1) >= box.at:
                    continue
                self.on_hand[part, box.place] += per * units
                for slip in self.slips:
                    if slip.place == box.place and slip.as_of >= box.at and part in slip.units:
                        slip.units[part] += per * units

    def disagreements(self, store: Store) -> list[str]:
        with store.read() as tx:
            return [*self._lines(tx), *self._promises(tx), *self._stock(tx), *self._ways(tx)]

    def _lines(self, tx: Tx) -> Iterator[str]:
        rows = {
            (row.order_id, row.number): row
            for row in tx.rows("SELECT l.*, i.sku AS item FROM lines l LEFT JOIN items i ON i.id = l.item_id")
        }
        kept = {(id, number): line for id, sold in self.orders.items() for number, line in sold.lines.items()}
        yield from (f"line {key} is not in both" for key in rows.keys() ^ kept.keys())
        for key in rows.keys() & kept.keys():
            row, line = rows[key], kept[key]
            for word in ("ordered", "cancelled", "cancelling", "shipped", "returned", "late"):
                if getattr(row, word) != getattr(line, word):
                    yield f"line {key}: {getattr(row, word)} {word}, and {getattr(line, word)} were to be"
            if row.item not in (None, line.sku):
                yield f"line {key}: of {row.item}, and {line.sku} was to be"
            open = row.reserved + row.backordered + row.held
            if open != line.open:
                yield f"line {key}: {open} reserved, backordered and held, and {line.open} are open"
            if not line.ours and row.held != line.open:
                yield f"line {key}: {row.held} of {line.open} held, and its channel ships it"
            if row.held and line.ours and line.sku != "NEW":
                yield f"line {key}: {row.held} of {line.sku} held"

    def _promises(self, tx: Tx) -> Iterator[str]:
        """Nothing is promised twice: what lines are promised is there, and counted."""
        promised: Counter[str] = Counter()
        for row in tx.rows(
            "SELECT i.sku, SUM(l.reserved) AS units FROM lines l JOIN items i ON i.id = l.item_id GROUP BY i.sku"
        ):
            for part, per in self.parts[row.sku].items():
                promised[part] += per * int(row.units)
        for row in tx.rows("SELECT sku, on_hand, reserved FROM items"):
            there = sum(units for (sku, _), units in self.on_hand.items() if sku == row.sku)
            if not row.reserved == promised[row.sku] <= there:
                yield f"{row.sku}: {promised[row.sku]} promised to lines, {row.reserved} counted, {there} there"
            if row.on_hand != there:
                yield f"{row.sku}: {row.on_hand} on hand, and {there} were to be"

    def _stock(self, tx: Tx) -> Iterator[str]:
        yield from _differ(
            "on hand",
            self.on_hand,
            tx.rows(
                "SELECT i.sku, p.name, s.on_hand FROM stock s JOIN items i ON i.id = s.item_id"
                " JOIN locations p ON p.id = s.location_id"
            ),
        )
        yield from _differ(
            "aside",
            self.aside,
            tx.rows(
                "SELECT i.sku, p.name, a.condition, SUM(a.units) FROM aside a JOIN items i ON i.id = a.item_id"
                " JOIN locations p ON p.id = a.location_id GROUP BY i.sku, p.name, a.condition"
            ),
        )

    def _ways(self, tx: Tx) -> Iterator[str]:
        for row in tx.rows("SELECT * FROM incoming"):
            way = self.ways[row.reference]
            for word in ("quantity", "received", "lost", "state"):
                if getattr(row, word) != getattr(way, word):
                    yield f"{row.reference}: {word} {getattr(row, word)}, and {getattr(way, word)} was to be"


def _differ(what: str, kept: Mapping[Any, int], rows: Any) -> Iterator[str]:
    stored = {tuple(row)[:-1]: int(tuple(row)[-1]) for row in rows}
    for key in sorted(stored.keys() | kept.keys()):
        if stored.get(key, 0) != kept.get(key, 0):
            yield f"{what} of {key}: {stored.get(key, 0)}, and {kept.get(key, 0)} were to be"
