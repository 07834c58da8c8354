"""The channel itself, in memory: what a vendor's API and its customers are to a real connector.

A plugin author replaces this file with a simulator of the vendor's API. Two kinds of callers use it:

- the connector, through `answer` alone: an operation's name and a JSON request in, a status and a JSON answer out,
  as over HTTP. It is strict: what a request must not say is answered 400, never guessed;
- tests and the curious, through everything else: they play the buyers (`place`, `cancel`), the passing of time
  (`let_time_pass`), the bad days (`fail`) and the auditors (`truths`, `effects`, `levels`).

What it tells by itself stands in `telling.py`.

State lives as long as the process, by name: `FarEnd.named("spring")` is the same world for everyone who asks.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

import msgspec

from connectors.sandbox import service, wire
from connectors.sandbox.archive import Archive
from connectors.sandbox.telling import Telling

MOST_ORDERS = 200
"""Orders one page may hold."""

MOST_ROWS = 50
"""Rows one batch of levels, acknowledgements or readings may hold."""


WRITES = ("acknowledge", "ship", "unship", "cancel", "refund", "levels")
"""Operations that change something."""


class Trouble(StrEnum):
    """How the far end can misbehave."""

    UNAVAILABLE = "unavailable"
    """503 to everything; nothing takes effect."""
    UNAUTHORIZED = "unauthorized"
    """401 to everything; nothing takes effect."""
    LOST_ANSWER = "lost answer"
    """A write takes effect and its answer is lost; reads are answered."""
    NO_LIST = "no list"
    """Everything takes effect and is answered without its list: the key is absent."""


class OrderTruth(msgspec.Struct, frozen=True, kw_only=True):
    """How an order stands; units by SKU."""

    number: str
    ordered: Mapping[str, int]
    cancelled: Mapping[str, int]
    shipped: Mapping[str, int]
    acknowledged: bool
    refunded: Decimal
    """All that the buyer got back, taxes included."""


class RefundEffect(msgspec.Struct, frozen=True, kw_only=True):
    """One refund that was given."""

    order: str
    number: str
    amount: Decimal


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """One parcel the far end knows of; units by SKU."""

    order: str
    tracking: str
    carrier: str
    lines: Mapping[str, int]


class FarEnd(Telling):
    """One seller's account at the sandbox channel. Every method may be called from any thread."""

    _worlds: ClassVar[dict[str, FarEnd]] = {}
    _worlds_lock: ClassVar[threading.Lock] = threading.Lock()

    @classmethod
    def named(cls, world: str) -> FarEnd:
        """The far end of this name, made empty when nobody has asked for it yet."""
        with cls._worlds_lock:
            return cls._worlds.setdefault(world, cls())

    @classmethod
    def forget(cls, world: str) -> None:
        """Ends a world; the next one of its name starts empty."""
        with cls._worlds_lock:
            cls._worlds.pop(world, None)

    def __init__(self) -> None:
        super().__init__()
        self.asynchronous = False
        """Whether levels are taken now and applied when time passes, as with a vendor's feeds."""
        self._listings: dict[str, wire.Listing] = {}
        self._orders: dict[str, wire.Order] = {}
        self._effects: dict[tuple[str, str], Effect] = {}
        self._refunds: dict[tuple[str, str], tuple[wire.GiveBack, wire.Refund]] = {}
        self._feeds: dict[str, tuple[list[wire.LevelRow], list[wire.Result] | None]] = {}
        self.archive = Archive(self._orders, MOST_ORDERS)
        self._trouble: Trouble | None = None
        self._chance = 1.0
        self._random = random.Random(0)  # noqa: S311 - a seeded bad day
        self._clock = datetime.fromtimestamp(0, UTC)

    # What tests and the curious may do.

    @property
    def skus(self) -> tuple[str, ...]:
        """Everything on offer."""
        with self._lock:
            return tuple(self._listings)

    @property
    def places(self) -> tuple[str, ...]:
        """The places that hold levels."""
        with self._lock:
            return tuple(sorted({place for listing in self._listings.values() for place in listing.quantities}))

    def offer(self, sku: str, quantities: Mapping[str, int], *, price: str = "10.00", title: str = "") -> None:
        """Puts a thing on offer with its level at each place, or replaces it."""
        with self._lock:
            self._listings[sku] = wire.Listing(
                sku=sku, title=title or sku.title(), price=Decimal(price), quantities=dict(quantities)
            )

    def place(self, lines: Sequence[tuple[str, int]], *, buyer: str = "Ada Lovelace") -> str:
        """A buyer orders (SKU, units) line by line: levels fall, never below zero; the order's number is returned."""
        with self._lock:
            number = f"S-{1001 + len(self._orders)}"
            taken = [self._take(f"L{at}", sku, units) for at, (sku, units) in enumerate(lines, start=1)]
            shipping = Decimal("4.90")
            self._orders[number] = wire.Order(
                number=number,
                name=f"#{number[2:]}",
                placed=self._tick(),
                changed=self._clock,
                currency="USD",
                shipping=shipping,
                total=shipping + sum((line.price * line.ordered + line.tax for line in taken), Decimal(0)),
                buyer=wire.Buyer(
                    name=buyer,
                    email="buyer@example.test",
                    street="1 Analytical Way",
                    city="Kansas City",
                    region="MO",
                    postal_code="64106",
                    country="US",
                ),
                lines=taken,
            )
            return number

    def cancel(self, number: str, *, sku: str | None = None, quantity: int | None = None) -> None:
        """A buyer cancels an order, one SKU of it, or some units of that: only what has not shipped. Levels rise."""
        with self._lock:
            left = quantity
            for line in self._orders[number].lines:
                if sku not in (None, line.sku):
                    continue
                units = line.open if left is None else min(line.open, left)
                line.cancelled += units
                left = None if left is None else left - units
                self._put_back(line, units)
            self._orders[number].changed = self._tick()

    def send_back(self, number: str, sku: str, quantity: int) -> str:
        """A buyer asks to send back units that have shipped; the return's number is returned."""
        with self._lock:
            return self.archive.send_back(self._orders[number], sku, quantity, self._tick())

    def change_return(self, number: str, state: str) -> None:
        """A return comes to another state: arrived, refunded, withdrawn."""
        with self._lock:
            self.archive.change_return(number, state, self._tick())

    def keep(self, sku: str, on_hand: int, available: int) -> None:
        """The channel's own warehouse holds units of a SKU."""
        with self._lock:
            self.archive.own[sku] = on_hand, available

    def own_stock(self) -> dict[str, int]:
        """What the channel's own warehouse can sell, by SKU."""
        with self._lock:
            return {sku: available for sku, (_, available) in self.archive.own.items()}

    def truths(self) -> dict[str, OrderTruth]:
        """Every order by its number."""
        with self._lock:
            return {
                order.number: OrderTruth(
                    number=order.number,
                    ordered=_by_sku((line.sku, line.ordered) for line in order.lines),
                    cancelled=_by_sku((line.sku, line.cancelled) for line in order.lines),
                    shipped=_by_sku((line.sku, line.shipped) for line in order.lines),
                    acknowledged=order.acknowledged,
                    refunded=order.refunded,
                )
                for order in self._orders.values()
            }

    def effects(self) -> list[Effect]:
        """Every parcel that was told, oldest first; telling one again replaces it."""
        with self._lock:
            return list(self._effects.values())

    def refunds(self) -> list[RefundEffect]:
        """Every refund that was given, oldest first."""
        with self._lock:
            return [
                RefundEffect(order=order, number=refund.number, amount=refund.amount)
                for (order, _), (_, refund) in self._refunds.items()
            ]

    def levels(self) -> dict[tuple[str, str], int]:
        """What is on offer now, by SKU and place."""
        with self._lock:
            return {
                (listing.sku, place): quantity
                for listing in self._listings.values()
                for place, quantity in listing.quantities.items()
            }

    def let_time_pass(self) -> None:
        """Whatever waits for its time has happened afterwards."""
        with self._lock:
            for feed, (rows, results) in self._feeds.items():
                if results is None:
                    self._feeds[feed] = (rows, [self._set_level(row) for row in rows])

    def fail(self, how: str | None, *, chance: float = 1.0, seed: int = 0) -> bool:
        """From now on this `Trouble`, at each request with this chance; None ends it. True: the far end can do that."""
        with self._lock:
            self._trouble = None if how is None else Trouble(how)
            self._chance = chance
            self._random = random.Random(seed)  # noqa: S311 - a seeded bad day
            return True

    # What the connector may do.

    def answer(self, operation: str, request: bytes) -> tuple[int, bytes]:
        """A status and a JSON body, as an HTTP API would give them. A lost answer is a `ConnectionError`."""
        operations: dict[str, Callable[[bytes], tuple[int, object]]] = {
            "orders": self._answer_orders,
            "order": self._answer_order,
            "acknowledge": self._answer_acknowledge,
            "ship": self._answer_ship,
            "unship": self._answer_unship,
            "cancel": self._answer_cancel,
            "refund": self._answer_refund,
            "levels": self._answer_levels,
            "feed": self._answer_feed,
            "read_levels": self._answer_read_levels,
            "listings": self._answer_listings,
            "roll": lambda request: (200, self.archive.roll(request)),
            "past": lambda request: (200, self.archive.past(request)),
            "returns": lambda request: (200, self.archive.returned(request)),
            "own_stock": lambda request: (200, self.archive.stock(request)),
            "subscriptions": self._answer_subscriptions,
            "subscribe": self._answer_subscribe,
            "unsubscribe": self._answer_unsubscribe,
            "receive": self._answer_receive,
            "delete": self._answer_delete,
        }
        with self._lock:
            trouble = self._trouble if self._trouble and self._random.random() < self._chance else None
            if trouble is Trouble.UNAVAILABLE:
                return 503, b"<html>Service Unavailable</html>"
            if trouble is Trouble.UNAUTHORIZED:
                return 401, b"{}"
            try:
                status, value = operations[operation](request)
            except service.Refused as error:
                return 409, msgspec.json.encode({"error": str(error)})
            except (msgspec.DecodeError, service.Wrong) as error:
                return 400, msgspec.json.encode({"error": str(error)})
            if trouble is Trouble.LOST_ANSWER and operation in WRITES:
                raise ConnectionResetError
            if trouble is Trouble.NO_LIST and isinstance(value, dict):
                value = {key: part for key, part in value.items() if not isinstance(part, list)}
            return status, msgspec.json.encode(value)

    def _answer_orders(self, request: bytes) -> tuple[int, object]:
        asked = msgspec.json.decode(request, type=wire.OrdersAsked)
        if not 1 <= asked.limit <= MOST_ORDERS:
            raise service.Wrong(f"limit is 1 to {MOST_ORDERS}")
        found = sorted(
            (order for order in self._orders.values() if (order.changed, order.number) > asked.after),
            key=lambda order: (order.changed, order.number),
        )
        page = found[: asked.limit]
        reached = (page[-1].changed, page[-1].number) if page else asked.after
        return 200, {"orders": page, "reached": reached, "more": len(found) > asked.limit}

    def _answer_order(self, request: bytes) -> tuple[int, object]:
        order = self._orders.get(msgspec.json.decode(request, type=wire.OrderAsked).number)
        return (404, {}) if order is None else (200, order)

    def _answer_acknowledge(self, request: bytes) -> tuple[int, object]:
        numbers = msgspec.json.decode(request, type=wire.Acknowledge).numbers
        _must_fit(numbers)
        results = []
        for number in numbers:
            order = self._orders.get(number)
            if order is not None and not order.acknowledged:
                order.acknowledged, order.changed = True, self._tick()
            results.append(wire.Result(reference=number, error="" if order else "unknown_order"))
        return 200, {"results": results}

    def _answer_ship(self, request: bytes) -> tuple[int, object]:
        parcel = msgspec.json.decode(request, type=wire.Ship)
        order = self._orders.get(parcel.order)
        if order is None:
            return 404, {}
        if not service.ship(order, parcel):
            return 200, {}  # a repeat changes nothing, not even the instant of the last change
        order.changed = self._tick()
        skus = {line.id: line.sku for line in order.lines}
        self._effects[order.number, parcel.key] = Effect(
            order=order.number,
            tracking=parcel.tracking,
            carrier=parcel.carrier,
            lines=_by_sku((skus[line], units) for line, units in parcel.lines.items()),
        )
        return 200, {}

    def _answer_unship(self, request: bytes) -> tuple[int, object]:
        asked = msgspec.json.decode(request, type=wire.Unship)
        order = self._orders.get(asked.order)
        if order is None:
            return 404, {}
        if service.unship(order, asked.key):
            order.changed = self._tick()
            self._effects.pop((order.number, asked.key))
        return 200, {}

    def _answer_cancel(self, request: bytes) -> tuple[int, object]:
        asked = msgspec.json.decode(request, type=wire.Cancel)
        order = self._orders.get(asked.order)
        if order is None:
            return 404, {}
        service.cancel(order, asked)
        for line in order.lines:
            self._put_back(line, asked.lines.get(line.id, 0))
        order.changed = self._tick()
        return 200, {}

    def _answer_refund(self, request: bytes) -> tuple[int, object]:
        asked = msgspec.json.decode(request, type=wire.GiveBack)
        order = self._orders.get(asked.order)
        if order is None:
            return 404, {}
        known = self._refunds.get((asked.order, asked.key))
        if known is None:
            number = f"R-{len(self._refunds) + 1}"
            known = asked, service.give_back(order, asked, number, self._tick())
            self._refunds[asked.order, asked.key] = known
            order.changed = self._clock
        elif known[0] != asked:
            raise service.Refused("key_used")  # the same key for something else: the client's bug
        return 200, {"refund": known[1].number}

    def _answer_levels(self, request: bytes) -> tuple[int, object]:
        rows = msgspec.json.decode(request, type=wire.SetLevels).rows
        _must_fit(rows)
        if len({(row.sku, row.place) for row in rows}) < len(rows):
            raise service.Wrong("each SKU and place may stand in a batch once")
        if self.asynchronous:
            feed = f"feed-{len(self._feeds) + 1}"
            self._feeds[feed] = (rows, None)
            return 202, {"feed": feed}
        return 200, {"results": [self._set_level(row) for row in rows]}

    def _answer_feed(self, request: bytes) -> tuple[int, object]:
        feed = msgspec.json.decode(request, type=wire.FeedAsked).feed
        if feed not in self._feeds:
            return 404, {}
        results = self._feeds[feed][1]
        return 200, {"done": results is not None, "results": results or []}

    def _answer_read_levels(self, request: bytes) -> tuple[int, object]:
        rows = msgspec.json.decode(request, type=wire.ReadLevels).rows
        _must_fit(rows)
        held = self.levels()
        return 200, {"levels": [(*row, held[row]) for row in rows if row in held]}

    def _answer_listings(self, request: bytes) -> tuple[int, object]:
        asked = msgspec.json.decode(request, type=wire.ListingsAsked)
        found = sorted(sku for sku in self._listings if sku > asked.after)
        return 200, {
            "listings": [self._listings[sku] for sku in found[: asked.limit]],
            "more": len(found) > asked.limit,
        }

    def _set_level(self, row: wire.LevelRow) -> wire.Result:
        listing = self._listings.get(row.sku)
        if listing is None or row.place not in listing.quantities:
            return wire.Result(reference=row.reference, error="unknown_listing")
        if row.quantity < 0:
            return wire.Result(reference=row.reference, error="negative_quantity")
        if row.expected is not None and row.expected != listing.quantities[row.place]:
            return wire.Result(reference=row.reference, error="stale")
        listing.quantities[row.place] = row.quantity
        return wire.Result(reference=row.reference)

    def _put_back(self, line: wire.Line, units: int) -> None:
        """Cancelled units are on offer again, where their listing still is."""
        if line.sku in self._listings:
            self._listings[line.sku].quantities[line.place] += units

    def _take(self, line: str, sku: str, units: int) -> wire.Line:
        """Takes a line's units from the place that holds most. A SKU no longer on offer is sold from nowhere."""
        listing = self._listings.get(sku)
        place = ""
        if listing is not None:
            place = max(listing.quantities, key=lambda name: listing.quantities[name])
            listing.quantities[place] = max(0, listing.quantities[place] - units)
        price = listing.price if listing else Decimal("10.00")
        return wire.Line(
            id=line,
            sku=sku,
            title=listing.title if listing else sku,
            ordered=units,
            price=price,
            tax=round(price * units * Decimal("0.08"), 2),
            place=place,
        )

    def _tick(self) -> datetime:
        """Now, and always later than the last time: no two changes share an instant."""
        self._clock = max(datetime.now(UTC), self._clock + timedelta(microseconds=1))
        return self._clock


def _must_fit(rows: Sequence[object]) -> None:
    if not 1 <= len(rows) <= MOST_ROWS:
        raise service.Wrong(f"a batch holds 1 to {MOST_ROWS} rows")


def _by_sku(units: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Summed by SKU, those without units left out."""
    sums: dict[str, int] = {}
    for sku, count in units:
        if count:
            sums[sku] = sums.get(sku, 0) + count
    return sums
