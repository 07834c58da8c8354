"""What the simulated shop keeps: plain objects whose attributes are Shopify's fields, changed in place.

The names are those of the schema on purpose, so that serving a field is looking up an attribute.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from typing import Any

CENT = Decimal("0.01")
ZERO = Decimal(0)
ONE = Decimal(1)

SOUND = {"recommendation": "ACCEPT"}

Bag = dict[str, dict[str, str]]


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_EVEN)


@lru_cache(maxsize=100_000)
def bag(amount: Decimal, currency: str = "USD", rate: Decimal = ONE) -> Bag:
    """A MoneyBag: the shop's currency is the buyer's unless said otherwise. Equal amounts share one bag."""
    money = {"amount": f"{cents(amount):f}", "currencyCode": "USD"}
    shown = money if currency == "USD" else {"amount": f"{cents(amount * rate):f}", "currencyCode": currency}
    return {"shopMoney": money, "presentmentMoney": shown}


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
    isActive: bool = True  # noqa: N815
    fulfillsOnlineOrders: bool = True  # noqa: N815
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
    """Where its units were taken from first; None where the shop has no such item."""
    taken: int
    """Units that were there to be taken."""
    shipped: int = 0
    refunded: int = 0
    refundedShipped: int = 0  # noqa: N815
    """Of the refunded units those that had left."""
    requiresShipping: bool = True  # noqa: N815

    @property
    def refundableQuantity(self) -> int:  # noqa: N802
        return self.currentQuantity

    @property
    def due(self) -> Decimal:
        """What the buyer owes for the whole line, its discount off and its tax on."""
        price = Decimal(self.originalUnitPriceSet["shopMoney"]["amount"]) * self.quantity
        off = sum((Decimal(one["allocatedAmountSet"]["shopMoney"]["amount"]) for one in self.discountAllocations), ZERO)
        return price - off + sum((Decimal(tax["priceSet"]["shopMoney"]["amount"]) for tax in self.taxLines), ZERO)

    def worth(self, units: int) -> Decimal:
        """What the next `units` of it to be refunded are worth: shares add up to the whole."""
        whole = self.due
        return cents(whole * (self.refunded + units) / self.quantity) - cents(whole * self.refunded / self.quantity)


@dataclass(slots=True, eq=False)
class WorkLine:
    id: str
    lineItem: LineItem  # noqa: N815
    totalQuantity: int  # noqa: N815
    remainingQuantity: int  # noqa: N815
    level: Level | None
    """Whose stock its units are committed from."""
    taken: int
    """Units of it that were there to be committed and have not been given back."""
    kind: str = "FulfillmentOrderLineItem"

    def drop(self, units: int, *, restock: Level | None) -> None:
        """So many units will not be sent from here: what was committed for them is available again at `restock`."""
        self.remainingQuantity -= units
        self.totalQuantity -= units
        back = min(units, self.taken)
        self.taken -= back
        if self.level is not None:
            self.level.committed -= back
        if restock is not None:
            restock.available += back


_ACTIONS = {
    "OPEN": ("CREATE_FULFILLMENT", "HOLD", "MOVE", "SPLIT"),
    "IN_PROGRESS": ("CREATE_FULFILLMENT", "HOLD", "SPLIT"),
    "ON_HOLD": ("RELEASE_HOLD",),
}
"""What a fulfilment order allows. Of one that has been fulfilled in part nothing may be moved."""


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
        return [{"action": action} for action in _ACTIONS.get(self.status, ())]

    def settle(self) -> None:
        """Closes what has nothing left to do."""
        if all(row.remainingQuantity == 0 for row in self.lines):
            self.status = "CLOSED" if any(row.totalQuantity for row in self.lines) else "CANCELLED"


@dataclass(slots=True, eq=False)
class FulfilledLine:
    id: str
    lineItem: LineItem  # noqa: N815
    quantity: int
    part: FulfillmentOrder
    row: WorkLine
    """The work it fulfilled."""
    taken: int
    """Units of it that had been committed."""


@dataclass(slots=True, eq=False)
class Fulfillment:
    id: str
    order: Order
    createdAt: str  # noqa: N815
    trackingInfo: list[dict[str, str | None]]  # noqa: N815
    lines: list[FulfilledLine]
    status: str = "SUCCESS"
    kind: str = "Fulfillment"


@dataclass(slots=True, eq=False)
class Transaction:
    """Money that moved: a payment, or a part of one given back."""

    id: str
    amount: Decimal
    kindOf: str  # noqa: N815
    gateway: str = "shopify_payments"
    parentTransaction: Transaction | None = None  # noqa: N815
    status: str = "SUCCESS"
    currency: str = "USD"
    """What the buyer pays in, at `rate` for one of the shop's."""
    rate: Decimal = ONE
    kind: str = "OrderTransaction"

    @property
    def amountSet(self) -> Bag:  # noqa: N802
        return bag(self.amount, self.currency, self.rate)


@dataclass(slots=True, eq=False)
class RefundLine:
    lineItem: LineItem  # noqa: N815
    quantity: int
    restockType: str  # noqa: N815
    location: Location | None
    amount: Decimal


@dataclass(slots=True, eq=False)
class Refund:
    id: str
    createdAt: str  # noqa: N815
    processedAt: str  # noqa: N815
    note: str
    lines: list[RefundLine]
    transactions: list[Transaction]
    kind: str = "Refund"

    @property
    def amount(self) -> Decimal:
        return sum((one.amount for one in self.transactions), ZERO)

    @property
    def totalRefundedSet(self) -> Bag:  # noqa: N802
        return bag(self.amount)


@dataclass(slots=True, eq=False)
class ReturnLine:
    """A line of a return. `fulfillmentLineItem` is None where nobody knows what it was sold as."""

    id: str
    fulfillmentLineItem: FulfilledLine | None  # noqa: N815
    quantity: int
    reason: str
    processedQuantity: int = 0  # noqa: N815
    refundedQuantity: int = 0  # noqa: N815

    @property
    def kind(self) -> str:
        return "ReturnLineItem" if self.fulfillmentLineItem is not None else "UnverifiedReturnLineItem"

    @property
    def returnReasonDefinition(self) -> dict[str, str]:  # noqa: N802
        return {"handle": self.reason, "name": self.reason.replace("-", " ").capitalize()}


@dataclass(slots=True, eq=False)
class Return:
    id: str
    name: str
    createdAt: str  # noqa: N815
    order: Order
    lines: list[ReturnLine]
    status: str = "REQUESTED"
    closedAt: str | None = None  # noqa: N815
    parcels: list[dict[str, Any]] = field(default_factory=list)
    """What the buyer sends it back in: deliverables with their tracking."""
    kind: str = "Return"


@dataclass(slots=True, eq=False)
class Order:
    id: str
    number: str
    name: str
    createdAt: str  # noqa: N815
    processedAt: str  # noqa: N815
    updatedAt: str  # noqa: N815
    created: int
    """`createdAt` in microseconds since 1970."""
    changed: int
    """`updatedAt` likewise."""
    email: str
    displayFinancialStatus: str  # noqa: N815
    totalPriceSet: Bag  # noqa: N815
    shippingLine: dict[str, Any]  # noqa: N815
    shippingAddress: dict[str, Any]  # noqa: N815
    lines: list[LineItem]
    parts: list[FulfillmentOrder] = field(default_factory=list)
    shipped: list[Fulfillment] = field(default_factory=list)
    paid: list[Transaction] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    returns: list[Return] = field(default_factory=list)
    currencyCode: str = "USD"  # noqa: N815
    presentmentCurrencyCode: str = "USD"  # noqa: N815
    cancelledAt: str | None = None  # noqa: N815
    cancelReason: str | None = None  # noqa: N815
    test: bool = False
    taxesIncluded: bool = False  # noqa: N815
    dutiesIncluded: bool = False  # noqa: N815
    risk: dict[str, str] = field(default_factory=lambda: SOUND)
    totalTipReceivedSet: Bag = field(default_factory=lambda: bag(Decimal(0)))  # noqa: N815
    originalTotalDutiesSet: Bag | None = None  # noqa: N815
    originalTotalAdditionalFeesSet: Bag | None = None  # noqa: N815
    kind: str = "Order"

    @property
    def transactions(self) -> list[Transaction]:
        return [*self.paid, *(one for refund in self.refunds for one in refund.transactions)]

    @property
    def returnStatus(self) -> str:  # noqa: N802
        """The most pressing of its returns' statuses."""
        states = {one.status for one in self.returns}
        for state, shown in _RETURNS.items():
            if state in states:
                return shown
        return "NO_RETURN"

    def left_to_refund(self, paid: Transaction) -> Decimal:
        """What is left of a payment."""
        back = (one.amount for refund in self.refunds for one in refund.transactions if one.parentTransaction is paid)
        return paid.amount - sum(back, ZERO)


_RETURNS = {"REQUESTED": "RETURN_REQUESTED", "OPEN": "IN_PROGRESS", "CLOSED": "RETURNED", "CANCELED": "RETURN_FAILED"}
