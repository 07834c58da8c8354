"""What the simulated shop keeps: plain objects whose attributes are Shopify's fields, changed in place.

The names are those of the schema on purpose, so that serving a field is looking up an attribute.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from typing import Any

CENT = Decimal("0.01")

SOUND = {"recommendation": "ACCEPT"}

Bag = dict[str, dict[str, str]]


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_EVEN)


@lru_cache(maxsize=100_000)
def bag(amount: Decimal) -> Bag:
    """A MoneyBag: the shop's currency is the buyer's. Equal amounts share one, which nobody changes."""
    money = {"amount": f"{cents(amount):f}", "currencyCode": "USD"}
    return {"shopMoney": money, "presentmentMoney": money}


@lru_cache(maxsize=100_000)
def taxes(amount: Decimal) -> list[dict[str, Any]]:
    """Tax lines; equal amounts share them."""
    return [{"title": "State Tax", "priceSet": bag(amount)}]


@lru_cache(maxsize=10_000)
def address(name: str, line1: str, city: str, region: str, postal_code: str) -> dict[str, str | None]:
    """A mailing address; equal ones are shared."""
    return {
        **dict.fromkeys(("company", "address2", "phone")),
        "name": name,
        "address1": line1,
        "city": city,
        "province": region,
        "provinceCode": region,
        "zip": postal_code,
        "countryCodeV2": "US",
    }


@dataclass(slots=True, eq=False)
class Location:
    id: str
    name: str
    kind: str = "Location"


@dataclass(slots=True, eq=False)
class Level:
    """Stock of one item at one location. `taken` units of it are promised to orders and have not left."""

    location: Location
    available: int
    committed: int = 0


@dataclass(slots=True, eq=False)
class Item:
    id: str
    sku: str
    levels: dict[str, Level]
    """By location id."""
    price: Decimal = Decimal(10)
    tracked: bool = True
    kind: str = "InventoryItem"


@dataclass(slots=True, eq=False)
class Variant:
    id: str
    sku: str
    displayName: str  # noqa: N815
    inventoryItem: Item  # noqa: N815
    kind: str = "ProductVariant"


@dataclass(slots=True, eq=False)
class LineItem:
    id: str
    sku: str | None
    name: str
    title: str
    quantity: int
    currentQuantity: int  # noqa: N815
    unfulfilledQuantity: int  # noqa: N815
    originalUnitPriceSet: Bag  # noqa: N815
    discountAllocations: list[dict[str, Bag]]  # noqa: N815
    taxLines: list[dict[str, Any]]  # noqa: N815
    level: Level | None
    """Where its units were taken from; None where the shop has no such item."""
    taken: int
    """Units that were there to be taken and have not been given back."""
    shipped: int = 0
    requiresShipping: bool = True  # noqa: N815


@dataclass(slots=True, eq=False)
class WorkLine:
    id: str
    lineItem: LineItem  # noqa: N815
    totalQuantity: int  # noqa: N815
    remainingQuantity: int  # noqa: N815


@dataclass(slots=True, eq=False)
class FulfillmentOrder:
    id: str
    order: Order
    location: Location
    lines: list[WorkLine]
    status: str = "OPEN"
    fulfillBy: str | None = None  # noqa: N815
    kind: str = "FulfillmentOrder"

    @property
    def assignedLocation(self) -> dict[str, Location]:  # noqa: N802
        return {"location": self.location}

    @property
    def supportedActions(self) -> list[dict[str, str]]:  # noqa: N802
        if self.status in ("OPEN", "IN_PROGRESS"):
            return [{"action": "CREATE_FULFILLMENT"}, {"action": "HOLD"}, {"action": "MOVE"}]
        return [{"action": "RELEASE_HOLD"}] if self.status == "ON_HOLD" else []

    def settle(self) -> None:
        """Closes what has nothing left to do."""
        if all(row.remainingQuantity == 0 for row in self.lines):
            self.status = "CLOSED" if any(row.totalQuantity for row in self.lines) else "CANCELLED"


@dataclass(slots=True, eq=False)
class FulfilledLine:
    id: str
    lineItem: LineItem  # noqa: N815
    quantity: int


@dataclass(slots=True, eq=False)
class Fulfillment:
    id: str
    createdAt: str  # noqa: N815
    trackingInfo: list[dict[str, str | None]]  # noqa: N815
    lines: list[FulfilledLine]
    status: str = "SUCCESS"
    kind: str = "Fulfillment"


@dataclass(slots=True, eq=False)
class Order:
    id: str
    number: str
    name: str
    createdAt: str  # noqa: N815
    processedAt: str  # noqa: N815
    updatedAt: str  # noqa: N815
    changed: int
    """`updatedAt` in microseconds since 1970."""
    email: str
    displayFinancialStatus: str  # noqa: N815
    totalPriceSet: Bag  # noqa: N815
    shippingLine: dict[str, Any]  # noqa: N815
    shippingAddress: dict[str, Any]  # noqa: N815
    lines: list[LineItem]
    parts: list[FulfillmentOrder] = field(default_factory=list)
    shipped: list[Fulfillment] = field(default_factory=list)
    currencyCode: str = "USD"  # noqa: N815
    cancelledAt: str | None = None  # noqa: N815
    test: bool = False
    taxesIncluded: bool = False  # noqa: N815
    dutiesIncluded: bool = False  # noqa: N815
    risk: dict[str, str] = field(default_factory=lambda: SOUND)
    totalTipReceivedSet: Bag = field(default_factory=lambda: bag(Decimal(0)))  # noqa: N815
    originalTotalDutiesSet: Bag | None = None  # noqa: N815
    originalTotalAdditionalFeesSet: Bag | None = None  # noqa: N815
    kind: str = "Order"
