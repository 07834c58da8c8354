"""The purchase orders the simulated Walmart keeps, and how its order service shows them."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import msgspec

HOUR = 3_600_000
DAY = 24 * HOUR
TAX = Decimal("0.08")
SHIPPING = Decimal("4.99")
_CENT = Decimal("0.01")

SELLER, WFS, THIRD_PARTY = "SellerFulfilled", "WFSFulfilled", "3PLFulfilled"


class Parcel:
    """Some units of a line that left, with the tracking the seller told: in which call, and when."""

    def __init__(self, units: int, tracking: dict[str, Any], call: int, told: int) -> None:
        self.units = units
        self.tracking = tracking
        self.call = call
        self.told = told


class GivenBack:
    """Money given back for a line: `amount` and `tax` are positive."""

    def __init__(self, kind: str, reason: str, amount: Decimal, tax: Decimal, call: str, units: int = 0) -> None:
        self.kind = kind
        self.reason = reason
        self.amount = amount
        self.tax = tax
        self.call = call
        self.units = units


class PurchaseLine:
    """One line: every unit is created, acknowledged, in a parcel or cancelled."""

    def __init__(self, number: str, sku: str, title: str, price: Decimal, ordered: int) -> None:
        self.number = number
        self.sku = sku
        self.title = title
        self.price = price
        self.ordered = ordered
        self.created = ordered
        self.acknowledged = 0
        self.cancellations: list[tuple[int, str]] = []
        """Units, and why."""
        self.parcels: list[Parcel] = []
        self.refunds: list[GivenBack] = []
        self.taken = 0
        """Units the order took off the shelf, so many go back when it is cancelled."""
        self.wants_cancel = False
        self.status_date = 0

    @property
    def open(self) -> int:
        return self.created + self.acknowledged

    @property
    def cancelled(self) -> int:
        return sum(units for units, _ in self.cancellations)

    @property
    def shipped(self) -> int:
        return sum(parcel.units for parcel in self.parcels)


_AMOUNT = re.compile(rb'"amount":(-?\d+\.\d+)')
"""An amount of money; a quantity is written as text."""


class Purchase:
    """One purchase order. `changed` is the millisecond of its last change; it strictly grows."""

    def __init__(
        self, number: str, customer: str, kind: str, node: str, placed: int, lines: list[PurchaseLine]
    ) -> None:
        self.number = number
        self.customer = customer
        self.kind = kind
        self.node = node
        self.placed = placed
        self.changed = placed
        self.lines = lines
        self.buyer: dict[str, str] = {}
        self._drifted = False
        self._body: bytes | None = None
        for line in lines:
            line.status_date = placed

    def touch(self, now: int, *lines: PurchaseLine) -> None:
        self.changed = max(now, self.changed + 1)
        for line in lines:
            line.status_date = self.changed
        self._body = None

    def drift(self, drifted: bool) -> None:
        """Whether its amounts are written as text with their currency."""
        self._drifted = drifted
        self._body = None

    def body(self) -> bytes:
        """The order as the order service shows it."""
        if self._body is None:
            self._body = msgspec.json.encode(self._document())
            if self._drifted:
                self._body = _AMOUNT.sub(rb'"amount":"USD \1"', self._body)
        return self._body

    def _document(self) -> dict[str, Any]:
        buyer = self.buyer
        return {
            "purchaseOrderId": self.number,
            "customerOrderId": self.customer,
            "customerEmailId": buyer["email"],
            "orderType": "REGULAR",
            "orderDate": self.placed,
            "shippingInfo": {
                "phone": "5550100",
                "estimatedDeliveryDate": self.placed + 6 * DAY,
                "estimatedShipDate": self.placed + 2 * DAY,
                "methodCode": "Value",
                "postalAddress": {
                    "name": buyer["name"],
                    "address1": buyer["line1"],
                    "address2": None,
                    "city": buyer["city"],
                    "state": buyer["region"],
                    "postalCode": buyer["postal_code"],
                    "country": "USA",
                    "addressType": "RESIDENTIAL",
                },
            },
            "orderLines": {"orderLine": [self._line(index, line) for index, line in enumerate(self.lines)]},
            "shipNode": {"type": self.kind} | ({"id": self.node, "name": self.node} if self.kind == SELLER else {}),
        }

    def _line(self, index: int, line: PurchaseLine) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "lineNumber": line.number,
            "item": {"productName": line.title, "sku": line.sku, "condition": "New"},
            "charges": {"charge": _charges(index, line)},
            "orderLineQuantity": _quantity(line.ordered),
            "statusDate": line.status_date,
            "orderLineStatuses": {"orderLineStatus": list(_statuses(line))},
            "refund": _refund(line),
            "fulfillment": {"fulfillmentOption": "S2H", "shipMethod": "VALUE", "pickUpDateTime": self.placed + 6 * DAY},
        }
        if line.wants_cancel:
            shown["intentToCancel"] = "TRUE"
        return shown


def _refund(line: PurchaseLine) -> dict[str, Any] | None:
    if not line.refunds:
        return None
    return {"refundCharges": {"refundCharge": [_refund_charge(given) for given in line.refunds]}}


def _refund_charge(given: GivenBack) -> dict[str, Any]:
    levy = {"taxName": "Tax1", "taxAmount": {"currency": "USD", "amount": _number(-given.tax)}}
    return {
        "refundReason": given.reason,
        "charge": {
            "chargeType": given.kind,
            "chargeName": "ItemPrice" if given.kind == "PRODUCT" else "Shipping",
            "chargeAmount": {"currency": "USD", "amount": _number(-given.amount)},
            "tax": levy,
            "taxAndOtherFees": levy,
        },
    }


def charged(index: int, line: PurchaseLine, kind: str) -> tuple[Decimal, Decimal]:
    """What the buyer paid for a line's goods or shipping, and the tax on it."""
    left = line.ordered - line.cancelled
    amount = line.price * left if kind == "PRODUCT" else SHIPPING if index == 0 and left else Decimal(0)
    return amount, (amount * TAX).quantize(_CENT, ROUND_HALF_UP)


def _charges(index: int, line: PurchaseLine) -> list[dict[str, Any]]:
    """The line's amounts; what was cancelled is charged no more, and the first line carries the shipping."""
    left = line.ordered - line.cancelled
    charges = [_charge("PRODUCT", "ItemPrice", line.price * left)]
    if index == 0:
        charges.append(_charge("SHIPPING", "Shipping", SHIPPING if left else Decimal(0)))
    return charges


def _charge(kind: str, name: str, amount: Decimal) -> dict[str, Any]:
    tax = (amount * TAX).quantize(_CENT, ROUND_HALF_UP)
    levy = {"taxName": "Tax1", "taxAmount": {"currency": "USD", "amount": _number(tax)}}
    return {
        "chargeType": kind,
        "chargeName": name,
        "chargeAmount": {"currency": "USD", "amount": _number(amount)},
        "tax": levy,
        "taxAndOtherFees": levy,
    }


def _number(amount: Decimal) -> msgspec.Raw:
    """A JSON number with the very digits of the amount."""
    return msgspec.Raw(str(amount).encode())


def _quantity(units: int) -> dict[str, str]:
    return {"unitOfMeasurement": "EACH", "amount": str(units)}


def _statuses(line: PurchaseLine) -> Iterator[dict[str, Any]]:
    for status, units, reason in (
        ("Created", line.created, None),
        ("Acknowledged", line.acknowledged, None),
        *(("Cancelled", units, reason) for units, reason in line.cancellations),
    ):
        if units:
            yield {
                "status": status,
                "statusQuantity": _quantity(units),
                "cancellationReason": reason,
                "trackingInfo": None,
            }
    for parcel in line.parcels:
        yield {"status": "Shipped", "statusQuantity": _quantity(parcel.units), "trackingInfo": parcel.tracking}


class Book:
    """All purchase orders, found by number and by the time of their last change without walking through all."""

    def __init__(self) -> None:
        self.by_number: dict[str, Purchase] = {}
        self._log: list[tuple[int, str]] = []
        """(changed, number), sorted; an entry whose order has changed since is out of date and passed over."""

    def add(self, purchase: Purchase) -> None:
        self.by_number[purchase.number] = purchase
        self._note(purchase)

    def touch(self, purchase: Purchase, now: int, *lines: PurchaseLine) -> None:
        """Marks a change of the order and of these lines."""
        purchase.touch(now, *lines)
        self._note(purchase)

    def changed(self, after: int, before: int) -> list[Purchase]:
        """The orders last changed between two milliseconds, both left out, newest order date first."""
        start = bisect.bisect_right(self._log, (after, "~"))
        end = bisect.bisect_left(self._log, (before, ""))
        found = [
            purchase
            for changed, number in self._log[start:end]
            if (purchase := self.by_number[number]).changed == changed
        ]
        found.sort(key=lambda purchase: (-purchase.placed, purchase.number))
        return found

    def _note(self, purchase: Purchase) -> None:
        bisect.insort(self._log, (purchase.changed, purchase.number))
        if len(self._log) > 1000 + 4 * len(self.by_number):
            self._log = sorted((kept.changed, kept.number) for kept in self.by_number.values())
