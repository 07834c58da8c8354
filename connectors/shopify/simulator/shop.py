"""The simulated shop: its stock, its orders, and the order in which they changed."""

from __future__ import annotations

import bisect
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from connectors.shopify.simulator.records import (
    FulfilledLine,
    Fulfillment,
    FulfillmentOrder,
    Item,
    Level,
    LineItem,
    Location,
    Order,
    Transaction,
    Variant,
    WorkLine,
    address,
    bag,
    cents,
    taxes,
)
from connectors.simulation import SimulatedLine, SimulatedListing, SimulatedOrder

SHIPPING = Decimal("4.95")
TAX = Decimal("0.08")
SHIPPING_TAX = cents(SHIPPING * TAX)
FREIGHT = {"title": "Standard", "discountedPriceSet": bag(SHIPPING), "taxLines": taxes(SHIPPING_TAX)}
DISCOUNT = Decimal("0.10")
DISCOUNTED_EVERY = 5
OVER = ("CLOSED", "CANCELLED")
"""Every fifth order has a tenth off, spread over its lines."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Shop:
    """One shop's state. Not safe for threads by itself: the simulator holds its lock."""

    def __init__(self, name: str, places: Sequence[str], *, whole_seconds: bool = True) -> None:
        self._base = (zlib.crc32(name.encode()) % 9_000 + 1_000) * 1_000_000_000
        self.name = name
        self._whole_seconds = whole_seconds
        self._made = 0
        self.locations = {place: Location(place, f"Warehouse {at}") for at, place in enumerate(places, start=1)}
        self.variants: dict[str, Variant] = {}
        self.items: dict[str, Item] = {}
        self.orders: dict[str, Order] = {}
        """By number."""
        self.nodes: dict[str, Any] = dict(self.locations)
        """Everything that can be asked for by its global id."""
        self._changes: list[tuple[int, str]] = []
        self._placed: list[tuple[int, str]] = []
        self._clock = 0
        self.touched: dict[str, Order] = {}
        """Orders that changed since somebody last told of it."""

    def gid(self, kind: str) -> str:
        self._made += 1
        return f"gid://shopify/{kind}/{self._base + self._made}"

    def text(self, at: int) -> str:
        """An instant as the API writes it: in whole seconds, so that two changes within one look alike."""
        written = (_EPOCH + timedelta(microseconds=at)).isoformat(
            timespec="seconds" if self._whole_seconds else "microseconds"
        )
        return written.replace("+00:00", "Z")

    def tick(self) -> int:
        """Now, in microseconds since 1970, and later than ever before."""
        self._clock = max(self._clock + 1, micros(datetime.now(UTC)))
        return self._clock

    def touch(self, order: Order, at: int | None = None) -> None:
        """The order has changed: it moves behind all others."""
        self.touched[order.number] = order
        order.changed = self.tick() if at is None else at
        order.updatedAt = self.text(order.changed)
        bisect.insort(self._changes, (order.changed, order.number))
        if len(self._changes) > 2 * len(self.orders) + 1000:
            self._changes = [(when, number) for when, number in self._changes if self.orders[number].changed == when]

    def changed(self, start: tuple[int, str]) -> Iterator[Order]:
        """Orders by their last change, from behind `start` on."""
        for at in range(bisect.bisect_right(self._changes, start), len(self._changes)):
            when, number = self._changes[at]
            order = self.orders[number]
            if order.changed == when:
                yield order

    def changed_before(self, end: tuple[int, str]) -> Iterator[Order]:
        """Orders by their last change, backwards from `end` on, itself included."""
        for at in range(bisect.bisect_right(self._changes, end) - 1, -1, -1):
            when, number = self._changes[at]
            order = self.orders[number]
            if order.changed == when:
                yield order

    def placed(self, start: tuple[int, str]) -> Iterator[Order]:
        """Orders by the instant they were placed, from behind `start` on."""
        for at in range(bisect.bisect_right(self._placed, start), len(self._placed)):
            yield self.orders[self._placed[at][1]]

    def between(self, start: tuple[int, str], end: tuple[int, str]) -> int:
        """Orders behind `start` and up to `end`."""
        first, last = bisect.bisect_right(self._changes, start), bisect.bisect_right(self._changes, end)
        return sum(self.orders[number].changed == when for when, number in self._changes[first:last])

    def exceeds(self, most: int, start: tuple[int, str], end: tuple[int, str]) -> bool:
        """Whether there are more than `most` orders between; cheap where there are far fewer."""
        entries = bisect.bisect_right(self._changes, end) - bisect.bisect_right(self._changes, start)
        return entries > most and self.between(start, end) > most

    # Stock.

    def offer(self, listing: SimulatedListing) -> None:
        variant = self.variants.get(listing.sku)
        if variant is None:
            item = Item(self.gid("InventoryItem"), listing.sku, {})
            variant = Variant(self.gid("ProductVariant"), listing.sku, listing.title, item)
            self.variants[listing.sku] = variant
            self.items[item.id] = item
            self.nodes |= {item.id: item, variant.id: variant}
        variant.displayName, variant.inventoryItem.price = listing.title, listing.price
        levels = variant.inventoryItem.levels
        for place in levels.keys() - listing.quantities.keys():
            del levels[place]
        for place, quantity in listing.quantities.items():
            if place in levels:
                levels[place].available = quantity
            else:
                levels[place] = Level(self.locations[place], quantity)

    def _take(self, sku: str, units: int) -> tuple[Level | None, int]:
        """Promises units from where most are available; how many were there."""
        variant = self.variants.get(sku)
        if variant is None or not variant.inventoryItem.levels:
            return None, 0
        level = max(variant.inventoryItem.levels.values(), key=lambda level: level.available)
        taken = max(0, min(units, level.available))
        level.available -= taken
        level.committed += taken
        return level, taken

    # Orders.

    def place(self, wanted: SimulatedOrder) -> Order:
        now = self.tick()
        placed = now if wanted.placed_at is None else micros(wanted.placed_at)
        serial = len(self.orders) + 1
        share = DISCOUNT if serial % DISCOUNTED_EVERY == 0 else Decimal(0)
        lines, sums = [], [Decimal(0)]
        for line in wanted.lines:
            made, due = self._line(line, share)
            lines.append(made)
            sums.append(due)
        gid = self.gid("Order")
        number = gid.rpartition("/")[2]
        order = Order(
            id=gid,
            number=number,
            name=f"#{1000 + serial}",
            createdAt=self.text(placed),
            processedAt=self.text(placed),
            updatedAt="",
            created=placed,
            changed=0,
            email=wanted.email,
            displayFinancialStatus="PENDING" if wanted.pending else "PAID",
            totalPriceSet=bag(sum(sums, SHIPPING + SHIPPING_TAX)),
            shippingLine=FREIGHT,
            shippingAddress=address(wanted.name, wanted.line1, wanted.city, wanted.region, wanted.postal_code),
            lines=lines,
        )
        self._assign(order)
        if not wanted.pending:
            self._pay(order)
        self.orders[number] = self.nodes[order.id] = order
        bisect.insort(self._placed, (placed, number))
        self.touch(order, now if wanted.placed_at is None else placed)
        return order

    def _pay(self, order: Order) -> None:
        """The buyer pays all of it, in one payment."""
        payment = Transaction(self.gid("OrderTransaction"), Decimal(order.totalPriceSet["shopMoney"]["amount"]), "SALE")
        order.paid.append(payment)
        self.nodes[payment.id] = payment

    def _line(self, wanted: SimulatedLine, share: Decimal) -> tuple[LineItem, Decimal]:
        """A line and what the buyer owes for it."""
        variant = self.variants.get(wanted.sku)
        price = wanted.price if wanted.price is not None else variant.inventoryItem.price if variant else Decimal(10)
        discount = cents(price * wanted.quantity * share)
        tax = cents((price * wanted.quantity - discount) * TAX)
        level, taken = self._take(wanted.sku, wanted.quantity)
        title = variant.displayName if variant else wanted.sku
        line = LineItem(
            id=self.gid("LineItem"),
            sku=wanted.sku,
            name=title,
            title=title,
            quantity=wanted.quantity,
            currentQuantity=wanted.quantity,
            unfulfilledQuantity=wanted.quantity,
            originalUnitPriceSet=bag(price),
            discountAllocations=[{"allocatedAmountSet": bag(discount)}] if discount else [],
            taxLines=taxes(tax),
            level=level,
            taken=taken,
        )
        return line, price * wanted.quantity - discount + tax

    def _assign(self, order: Order) -> None:
        """One fulfilment order for each location that gives units."""
        for line in order.lines:
            location = line.level.location if line.level else next(iter(self.locations.values()))
            part = next((part for part in order.parts if part.location is location), None)
            if part is None:
                part = FulfillmentOrder(self.gid("FulfillmentOrder"), order, location, [])
                order.parts.append(part)
                self.nodes[part.id] = part
            id_ = self.gid("FulfillmentOrderLineItem")
            row = WorkLine(id_, line, line.quantity, line.quantity, line.level, line.taken)
            part.lines.append(row)
            self.nodes[row.id] = row

    def confirm(self, number: str) -> None:
        order = self.orders[number]
        if order.displayFinancialStatus == "PENDING":
            order.displayFinancialStatus = "PAID"
            self._pay(order)
            self.touch(order)

    def ship(
        self, rows: Sequence[tuple[FulfillmentOrder, WorkLine, int]], tracking: list[dict[str, str | None]]
    ) -> Fulfillment:
        """Units leave: checked by whoever calls."""
        lines = []
        for part, row, units in rows:
            line = row.lineItem
            row.remainingQuantity -= units
            line.unfulfilledQuantity -= units
            line.shipped += units
            gone = min(units, row.taken)
            row.taken -= gone
            if row.level is not None:
                row.level.committed -= gone
            lines.append(FulfilledLine(self.gid("FulfillmentLineItem"), line, units, part, row, gone))
            part.status = "IN_PROGRESS"
        order = rows[0][0].order
        for part, _, _ in rows:
            part.settle()
        self.touch(order)
        fulfillment = Fulfillment(self.gid("Fulfillment"), order, order.updatedAt, tracking, lines)
        order.shipped.append(fulfillment)
        self.nodes[fulfillment.id] = fulfillment
        return fulfillment

    def unship(self, parcel: Fulfillment) -> None:
        """Units have not left after all: checked by whoever calls.

        What was fulfilled in part has them to do again. What was fulfilled entirely stays closed, and a new fulfilment
        order takes them over, at its location.
        """
        made: dict[str, FulfillmentOrder] = {}
        for gone in parcel.lines:
            part, row, units = gone.part, gone.row, gone.quantity
            if part.status in OVER:
                if part.id not in made:
                    made[part.id] = FulfillmentOrder(self.gid("FulfillmentOrder"), parcel.order, part.location, [])
                    self.nodes[made[part.id].id] = made[part.id]
                    parcel.order.parts.append(made[part.id])
                part = made[part.id]
                row = WorkLine(self.gid("FulfillmentOrderLineItem"), gone.lineItem, units, units, row.level, gone.taken)
                part.lines.append(row)
                self.nodes[row.id] = row
            else:
                row.remainingQuantity += units
                row.taken += gone.taken
            if row.level is not None:
                row.level.committed += gone.taken
            gone.lineItem.unfulfilledQuantity += units
            gone.lineItem.shipped -= units
        parcel.status = "CANCELLED"
        self.touch(parcel.order)

    def move(
        self, part: FulfillmentOrder, rows: Sequence[tuple[WorkLine, int]], location: Location
    ) -> FulfillmentOrder:
        """Work goes to another location, and what was committed for it with it: checked by whoever calls.

        All of it, where the location has none of the order's yet: the fulfilment order itself moves. Else a new one is
        made there, which takes over what the location had.
        """
        order = part.order
        there = next((one for one in order.parts if one.location is location and one.status == "OPEN"), None)
        whole = len(rows) == len(part.lines) and all(units == row.totalQuantity for row, units in rows)
        if whole and there is None:
            part.location = location
            for row in part.lines:
                self._commit_at(row, location)
            moved = part
        else:
            moved = FulfillmentOrder(self.gid("FulfillmentOrder"), order, location, [])
            for row, units in rows:
                moved.lines.append(self._part_of(row, units))
                self._commit_at(moved.lines[-1], location)
            if there is not None:
                moved.lines += [self._part_of(row, row.remainingQuantity) for row in there.lines]
                there.status = "CLOSED"
            order.parts.append(moved)
            self.nodes[moved.id] = moved
            if all(row.totalQuantity == 0 for row in part.lines):
                part.status = "CLOSED"
        self.touch(order)
        return moved

    def _part_of(self, row: WorkLine, units: int) -> WorkLine:
        """So many units of a row as a row of their own."""
        taken = min(units, row.taken)
        made = WorkLine(self.gid("FulfillmentOrderLineItem"), row.lineItem, units, units, row.level, taken)
        row.totalQuantity -= units
        row.remainingQuantity -= units
        row.taken -= taken
        self.nodes[made.id] = made
        return made

    def _commit_at(self, row: WorkLine, location: Location) -> None:
        variant = self.variants[row.lineItem.sku or ""]
        to = variant.inventoryItem.levels[location.id]
        if row.level is not None:
            row.level.available += row.taken
            row.level.committed -= row.taken
        to.available -= row.taken
        to.committed += row.taken
        row.level = to


def micros(instant: datetime) -> int:
    """Microseconds since 1970."""
    since = instant - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def units_by_sku(pairs: Iterable[tuple[str | None, int]]) -> Mapping[str, int]:
    """Units added up by SKU; SKUs without any are left out."""
    units: dict[str, int] = {}
    for sku, count in pairs:
        if count:
            units[sku or ""] = units.get(sku or "", 0) + count
    return units
