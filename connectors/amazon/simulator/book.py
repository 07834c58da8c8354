"""The simulated marketplace's order book: orders, their documents, and the parcels sellers confirm."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from connectors.amazon.simulator.gate import Refused, bad
from connectors.simulation import Effect, OrderTruth, SimulatedOrder
from core.model import instant, micros

TAX = Decimal("0.08")
CENT = Decimal("0.01")
SHIPPING = Decimal("4.99")


@dataclass
class Item:
    """One line of an order."""

    number: str
    sku: str
    title: str
    asin: str
    ordered: int
    price: Decimal
    discount: Decimal
    """Taken off each unit."""
    shipping: Decimal
    fulfilled: int = 0
    cancelled: int = 0
    cancelled_by: str = "BUYER"
    why: str = "No longer needed"
    """Who cancelled units last, and what for."""

    @property
    def open(self) -> int:
        return self.ordered - self.fulfilled - self.cancelled

    def charges(self) -> dict[str, Decimal]:
        """What the buyer pays for the units that were not cancelled, by kind; taxes apart for goods and shipping."""
        kept = self.ordered - self.cancelled
        shipping = self.shipping if kept else Decimal(0)
        goods, discount = self.price * kept, self.discount * kept
        return {
            "ITEM": goods,
            "SHIPPING": shipping,
            "DISCOUNT": -discount,
            "TAX": ((goods - discount) * TAX).quantize(CENT),
            "SHIPPING_TAX": (shipping * TAX).quantize(CENT),
        }


@dataclass
class Parcel:
    """A package a seller confirmed."""

    reference: str
    carrier: str
    tracking: str
    service: str
    shipped: str
    created: int
    lines: dict[str, int]


@dataclass
class Entry:
    """An order as the marketplace keeps it. Instants are microseconds since 1970."""

    number: str
    placed: SimulatedOrder
    created: int
    updated: int
    items: list[Item]
    pending: bool
    wish: str = ""
    """The buyer's reason for asking to cancel; empty: did not ask."""
    parcels: dict[str, Parcel] = field(default_factory=dict)

    @property
    def status(self) -> str:
        ordered, cancelled = sum(i.ordered for i in self.items), sum(i.cancelled for i in self.items)
        shipped = sum(i.fulfilled for i in self.items)
        if cancelled == ordered:
            return "CANCELLED"
        if self.pending:
            return "PENDING"
        if shipped + cancelled == ordered:
            return "SHIPPED"
        return "PARTIALLY_SHIPPED" if shipped else "UNSHIPPED"


class Book:
    """All orders, found by number and by when they were created or last changed."""

    def __init__(self, *, marketplace: str, currency: str, prefix: int) -> None:
        self.marketplace, self.currency = marketplace, currency
        self.orders: dict[str, Entry] = {}
        self.changed: Callable[[Entry], None] = lambda entry: None
        """Told of each order that is new or has changed."""
        self._prefix = prefix
        self._effects: dict[tuple[str, str], Effect] = {}
        self._changes: list[tuple[int, str]] = []
        """Every change ever, oldest first; one that a later change overtook is passed over when read."""
        self.given_back: list[str] = []
        """Orders whose money went back whole, as their seller cancelled them after something had shipped."""
        self.drifted: set[str] = set()
        """Orders whose counts are written as quantities with a unit."""
        self._created: list[tuple[int, str]] = []
        self._last = 0

    def tick(self) -> int:
        """The present instant, always later than the last one told."""
        self._last = max(self._last + 1, micros(datetime.now(UTC)))
        return self._last

    def now(self) -> int:
        return max(self._last, micros(datetime.now(UTC)))

    def add(self, placed: SimulatedOrder, items: list[Item]) -> Entry:
        count = len(self.orders) + 1
        number = f"{self._prefix:03d}-{count // 10**7:07d}-{count % 10**7:07d}"
        changed = self.tick()
        created = micros(placed.placed_at) if placed.placed_at is not None else changed
        for place, item in enumerate(items):
            item.number = f"{count:010d}{place + 1:04d}"
        entry = Entry(
            number=number, placed=placed, created=created, updated=changed, items=items, pending=placed.pending
        )
        self.orders[number] = entry
        self._changes.append((changed, number))
        if self._created and created < self._created[-1][0]:
            self._created.insert(bisect_right(self._created, (created, number)), (created, number))
        else:
            self._created.append((created, number))
        self.changed(entry)
        return entry

    def touch(self, entry: Entry) -> None:
        """The order has changed."""
        entry.updated = self.tick()
        self._changes.append((entry.updated, entry.number))
        self.changed(entry)

    def between(self, after: int, until: int, *, by: str, start: int | None) -> Iterator[tuple[int, Entry]]:
        """Orders whose instant lies in [after, until] with their place in the index, from place `start` on."""
        index = self._changes if by == "updated" else self._created
        place = bisect_left(index, (after, "")) if start is None else start
        while place < len(index) and index[place][0] <= until:
            at, number = index[place]
            entry = self.orders[number]
            if by == "created" or entry.updated == at:
                yield place, entry
            place += 1

    def find(self, number: str) -> Entry:
        if number not in self.orders:
            raise Refused(404, "NotFound", "The requested order was not found.")
        return self.orders[number]

    def document(self, entry: Entry, included: set[str]) -> dict[str, Any]:
        """An order as the API shows it, with the data sets asked for."""
        placed = entry.placed
        shown = not entry.pending  # a pending order keeps its buyer, its address and its prices to itself
        document: dict[str, Any] = {
            "orderId": entry.number,
            "createdTime": iso(entry.created),
            "lastUpdatedTime": iso(entry.updated),
            "salesChannel": {
                "channelName": "AMAZON",
                "marketplaceId": self.marketplace,
                "marketplaceName": "Amazon.com",
            },
            "orderItems": [self._item(entry, item, included) for item in entry.items],
        }
        if "BUYER" in included and shown:
            document["buyer"] = {"buyerName": placed.name, "buyerEmail": placed.email}
        if "RECIPIENT" in included and shown:
            document["recipient"] = {
                "deliveryAddress": {
                    "name": placed.name,
                    "addressLine1": placed.line1,
                    "city": placed.city,
                    "stateOrRegion": placed.region,
                    "postalCode": placed.postal_code,
                    "countryCode": "US",
                    "addressType": "RESIDENTIAL",
                }
            }
        if "PROCEEDS" in included and shown and entry.status != "CANCELLED":
            document["proceeds"] = self._proceeds(entry)
        if "FULFILLMENT" in included:
            begin = instant(entry.created)
            document["fulfillment"] = {
                "fulfillmentStatus": entry.status,
                "fulfilledBy": "AMAZON" if placed.by_channel else "MERCHANT",
                "fulfillmentServiceLevel": "STANDARD",
                "shipByWindow": _window(begin, begin + timedelta(days=2)),
                "deliverByWindow": _window(begin + timedelta(days=3), begin + timedelta(days=7)),
            }
        if "PACKAGES" in included and not placed.by_channel:
            document["packages"] = [_package(parcel) for parcel in entry.parcels.values()]
        for item in document["orderItems"] if entry.number in self.drifted else ():
            item["quantityOrdered"] = {"amount": item["quantityOrdered"], "unit": "EACH"}
        return document

    def ship(self, entry: Entry, parcel: Parcel) -> None:
        """Confirms a parcel, or corrects the one with the same reference. Raises `Refused` as the vendor does."""
        if entry.placed.by_channel or entry.status in ("PENDING", "CANCELLED"):
            raise bad(f"The order cannot be confirmed as shipped: it is {entry.status}.")
        items = {item.number: item for item in entry.items}
        if not parcel.lines.keys() <= items.keys():
            raise bad("orderItemId is not an item of this order")
        earlier = entry.parcels.get(parcel.reference)
        before = earlier.lines if earlier is not None else {}
        room = {number: items[number].open + before.get(number, 0) for number in parcel.lines}
        if earlier is None and not any(room.values()):
            raise bad(
                "Failed to create package: no package to update and the order is fulfilled. "
                "ErrorMessage(errorCode=GeneralError, errorMetric=PackageToUpdateNotFound)"
            )
        if any(quantity > room[number] for number, quantity in parcel.lines.items()):
            raise bad("quantity is more than is left to ship of the item")
        for number in before.keys() | parcel.lines.keys():
            items[number].fulfilled += parcel.lines.get(number, 0) - before.get(number, 0)
        entry.parcels[parcel.reference] = parcel
        lines: dict[str, int] = {}
        for number, quantity in parcel.lines.items():
            lines[items[number].sku] = lines.get(items[number].sku, 0) + quantity
        self._effects[entry.number, parcel.reference] = Effect(
            order=entry.number, tracking=parcel.tracking, carrier=parcel.carrier, lines=lines
        )
        self.touch(entry)

    def effects(self) -> list[Effect]:
        return list(self._effects.values())

    def truths(self) -> dict[str, OrderTruth]:
        return {
            entry.number: OrderTruth(
                number=entry.number,
                ordered=_by_sku(entry, "ordered"),
                cancelled=_by_sku(entry, "cancelled"),
                shipped=_by_sku(entry, "fulfilled"),
                acknowledged=True,
                by_channel=entry.placed.by_channel,
            )
            for entry in self.orders.values()
        }

    def _item(self, entry: Entry, item: Item, included: set[str]) -> dict[str, Any]:
        product: dict[str, Any] = {"asin": item.asin, "title": item.title, "sellerSku": item.sku}
        if not entry.pending:
            product["price"] = {"unitPrice": self._money(item.price)}
        shown: dict[str, Any] = {"orderItemId": item.number, "quantityOrdered": item.ordered, "product": product}
        if "PROCEEDS" in included and not entry.pending and entry.status != "CANCELLED":
            charges = item.charges()
            taxes = {"ITEM": charges["TAX"], "SHIPPING": charges["SHIPPING_TAX"]}
            breakdowns: list[dict[str, Any]] = [
                {"type": kind, "subtotal": self._money(charges[kind])}
                for kind in ("ITEM", "SHIPPING", "DISCOUNT")
                if charges[kind] or kind == "ITEM"
            ]
            breakdowns.append(
                {
                    "type": "TAX",
                    "subtotal": self._money(sum(taxes.values(), Decimal(0))),
                    "detailedBreakdowns": [
                        {"subtype": kind, "value": self._money(tax)} for kind, tax in taxes.items() if tax
                    ],
                }
            )
            shown["proceeds"] = {
                "proceedsTotal": self._money(sum(charges.values(), Decimal(0))),
                "breakdowns": breakdowns,
            }
        if "CANCELLATION" in included and (entry.wish or item.cancelled):
            cancellation: dict[str, Any] = {}
            if entry.wish:
                cancellation["cancellationRequest"] = {"requester": "BUYER", "cancelReason": entry.wish}
            if item.cancelled:
                cancellation["cancellationExecution"] = {"cancelledBy": item.cancelled_by, "cancelReason": item.why}
            shown["cancellation"] = cancellation
        if "FULFILLMENT" in included:
            shown["fulfillment"] = {"quantityFulfilled": item.fulfilled, "quantityUnfulfilled": item.open}
        return shown

    def _proceeds(self, entry: Entry) -> dict[str, Any]:
        sums: dict[str, Decimal] = {}
        for item in entry.items:
            for kind, amount in item.charges().items():
                kind = kind.removeprefix("SHIPPING_") if kind == "SHIPPING_TAX" else kind
                sums[kind] = sums.get(kind, Decimal(0)) + amount
        return {
            "grandTotal": self._money(sum(sums.values(), Decimal(0))),
            "breakdowns": [{"type": kind, "subtotal": self._money(amount)} for kind, amount in sums.items() if amount],
        }

    def _money(self, amount: Decimal) -> dict[str, str]:
        return {"amount": str(amount.quantize(CENT)), "currencyCode": self.currency}


def iso(at: int) -> str:
    """Microseconds since 1970 as the API writes an instant."""
    return instant(at).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def zulu(text: str, name: str) -> int:
    """An instant of a request; only UTC written with a Z is taken."""
    try:
        if not text.endswith("Z"):
            raise ValueError
        return micros(datetime.fromisoformat(text))
    except ValueError:
        raise bad(f"{name} is not an ISO 8601 instant in UTC") from None


def _by_sku(entry: Entry, count: str) -> Mapping[str, int]:
    sums: dict[str, int] = {}
    for item in entry.items:
        sums[item.sku] = sums.get(item.sku, 0) + int(getattr(item, count))
    return sums


def _window(begin: datetime, end: datetime) -> dict[str, str]:
    return {"earliestDateTime": iso(micros(begin)), "latestDateTime": iso(micros(end))}


def _package(parcel: Parcel) -> dict[str, Any]:
    return {
        "packageReferenceId": parcel.reference,
        "createdTime": iso(parcel.created),
        "packageStatus": {"status": "SHIPPED"},
        "carrier": parcel.carrier,
        "shipTime": parcel.shipped,
        "shippingService": parcel.service or "Standard",
        "trackingNumber": parcel.tracking,
        "packageItems": [{"orderItemId": number, "quantity": count} for number, count in parcel.lines.items()],
    }
