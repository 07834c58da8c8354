"""The far end: Multi-Channel Fulfillment beside everything else of a simulated seller account, as strict as Amazon.

What Amazon's warehouses hold is the account's FBA stock (`warehouse`). Work moves on only when a test lets it: `plan`,
`ship`, `fail`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
from werkzeug.wrappers import Request, Response

from connectors.amazon.simulator import MARKETPLACE, AmazonSimulator
from connectors.amazon.simulator.gate import Refused, answer, bad, parameters

SPEEDS = ("Standard", "Expedited", "Priority", "ScheduledDelivery")
POLICIES = ("FillOrKill", "FillAll", "FillAllAvailable")
REQUIRED = (
    "sellerFulfillmentOrderId", "displayableOrderId", "displayableOrderDate", "displayableOrderComment",
    "shippingSpeedCategory", "destinationAddress", "items",
)  # fmt: skip
LENGTHS = {"sellerFulfillmentOrderId": 40, "displayableOrderId": 40, "displayableOrderComment": 750}


@dataclass
class Line:
    sku: str
    quantity: int
    cancelled: int = 0
    unfulfillable: int = 0
    sent: int = 0

    @property
    def open(self) -> int:
        return self.quantity - self.cancelled - self.unfulfillable - self.sent


@dataclass
class Work:
    """One fulfilment order."""

    asked: Mapping[str, Any]
    lines: dict[str, Line]
    received: datetime
    changed: datetime
    status: str = "Received"
    shipments: list[dict[str, Any]] = field(default_factory=list)


class McfSimulator(AmazonSimulator):
    """`known` are the SKUs that Amazon keeps for the seller; what of them is in stock is `warehouse`'s."""

    def __init__(self, *, known: Sequence[str] = (), page: int = 50, **more: Any) -> None:
        super().__init__(**more)
        self.known = set(known)
        self.page = page
        self.works: dict[str, Work] = {}
        self.slow_to_cancel = False
        self._ticks = 0

    # The far end's people.

    def plan(self, key: str) -> None:
        """Amazon sets the units apart; where it has not all of them, it sends nothing."""
        with self.lock:
            work = self.works[key]
            stock = self.warehouse.sellable()
            self._change(work, "Planning")
            if any(stock.get(line.sku, 0) < line.quantity for line in work.lines.values()):
                self.fail(key)
                return
            for line in work.lines.values():
                self.warehouse.sell(line.sku, line.quantity)

    def ship(self, key: str, parcels: Sequence[tuple[str, Mapping[str, int]]], *, at: datetime | None = None) -> None:
        """One shipment of several packages: (tracking number, units by SKU). A package without a number gets one
        later: `number`."""
        with self.lock:
            work = self.works[key]
            items, packages = [], []
            for nth, (tracking, units) in enumerate(parcels, start=1):
                packages.append({"packageNumber": nth, "carrierCode": "UPS"})
                if tracking:
                    packages[-1]["trackingNumber"] = tracking
                for sku, count in units.items():
                    id, line = next((id, line) for id, line in work.lines.items() if line.sku == sku)
                    line.sent += count
                    items.append({"sellerSku": sku, "sellerFulfillmentOrderItemId": id, "quantity": count,
                                  "packageNumber": nth})  # fmt: skip
            when = _zulu(at or datetime.now(UTC))
            work.shipments.append(
                {"amazonShipmentId": f"D{len(work.shipments) + 1:05d}", "fulfillmentCenterId": "LAX9",
                 "fulfillmentShipmentStatus": "SHIPPED", "shippingDate": when, "fulfillmentShipmentItem": items,
                 "fulfillmentShipmentPackage": packages}
            )  # fmt: skip
            done = all(line.open <= 0 for line in work.lines.values())
            off = any(line.unfulfillable for line in work.lines.values())
            self._change(work, ("CompletePartialled" if off else "Complete") if done else "Processing")

    def number(self, key: str, tracking: str) -> None:
        """The last shipment's packages get their number; nothing else is told to have changed."""
        with self.lock:
            for package in self.works[key].shipments[-1]["fulfillmentShipmentPackage"]:
                package.setdefault("trackingNumber", tracking)

    def fail(self, key: str, status: str = "Unfulfillable", units: Mapping[str, int] | None = None) -> None:
        """Amazon will not send an order, or not these units of it."""
        with self.lock:
            work = self.works[key]
            for line in work.lines.values():
                line.unfulfillable += line.open if units is None else units.get(line.sku, 0)
            if units is None:
                self._change(work, status)

    # The API.

    def _operation(self, operation: str, request: Request, parts: list[str]) -> Response:
        match operation:
            case "createFulfillmentOrder":
                return self._create(request)
            case "listAllFulfillmentOrders":
                return self._list(request)
            case "getFulfillmentOrder":
                parameters(request, {})
                return answer({"payload": self._shown(self._work(*parts))})
            case "cancelFulfillmentOrder":
                return self._cancel(self._work(*parts))
        return super()._operation(operation, request, parts)

    def _work(self, key: str) -> Work:
        if key not in self.works:
            raise Refused(404, "NotFound", "No such fulfillment order.")
        return self.works[key]

    def _create(self, request: Request) -> Response:
        asked = _body(request)
        missing = [name for name in REQUIRED if not asked.get(name)]
        if missing:
            raise bad(f"{', '.join(missing)} is missing")
        for name, most in LENGTHS.items():
            if len(asked[name]) > most:
                raise bad(f"{name} is longer than {most}")
        if asked.get("marketplaceId") != MARKETPLACE:
            raise bad("marketplaceId names no marketplace of this seller")
        if asked["shippingSpeedCategory"] not in SPEEDS or asked.get("fulfillmentPolicy", "FillOrKill") not in POLICIES:
            raise bad("shippingSpeedCategory or fulfillmentPolicy has a value it does not have")
        to = asked["destinationAddress"]
        lacks = [name for name in ("name", "addressLine1", "postalCode", "countryCode") if not to.get(name)]
        if to.get("countryCode") == "US" and not to.get("stateOrRegion"):
            lacks.append("stateOrRegion")
        if lacks:
            raise bad(f"destinationAddress lacks {', '.join(lacks)}")
        lines = {item["sellerFulfillmentOrderItemId"]: Line(item["sellerSku"], item["quantity"])
                 for item in asked["items"]}  # fmt: skip
        if len(lines) < len(asked["items"]) or any(line.quantity < 1 for line in lines.values()):
            raise bad("items holds an id twice, or no quantity")
        strange = sorted({line.sku for line in lines.values()} - self.known)
        if strange:
            raise bad(f"Seller SKU {strange[0]} is not found or not in Amazon's network.")
        if asked["sellerFulfillmentOrderId"] in self.works:
            raise bad("A fulfillment order with this sellerFulfillmentOrderId exists already.")
        now = self._tick()
        self.works[asked["sellerFulfillmentOrderId"]] = Work(asked, lines, now, now)
        return answer({})

    def _cancel(self, work: Work) -> Response:
        if work.status not in ("New", "Received", "Planning"):
            raise bad(f"The fulfillment order is {work.status} and cannot be cancelled.")
        if not self.slow_to_cancel:
            for line in work.lines.values():
                line.cancelled += line.open
            self._change(work, "Cancelled")
        return answer({})

    def _list(self, request: Request) -> Response:
        given = parameters(request, {"queryStartDate": False, "nextToken": False})
        since = given.get("queryStartDate") or given.get("nextToken", "").partition("|")[0]
        start = int(given.get("nextToken", "").partition("|")[2] or 0)
        found = [work for work in self.works.values() if not since or _zulu(work.changed) >= since]
        found.sort(key=lambda work: work.changed)
        page: dict[str, Any] = {"fulfillmentOrders": [self._head(work) for work in found[start : start + self.page]]}
        if start + self.page < len(found):
            page["nextToken"] = f"{since}|{start + self.page}"
        return answer({"payload": page})

    def _head(self, work: Work) -> dict[str, Any]:
        asked = dict(work.asked)
        asked.pop("items")
        return {
            **asked,
            "receivedDate": _zulu(work.received),
            "fulfillmentOrderStatus": work.status,
            "statusUpdatedDate": _zulu(work.changed),
        }

    def _shown(self, work: Work) -> dict[str, Any]:
        return {
            "fulfillmentOrder": self._head(work),
            "fulfillmentOrderItems": [
                {"sellerSku": line.sku, "sellerFulfillmentOrderItemId": id, "quantity": line.quantity,
                 "cancelledQuantity": line.cancelled, "unfulfillableQuantity": line.unfulfillable}
                for id, line in work.lines.items()
            ],
            "fulfillmentShipments": work.shipments,
            "returnItems": [],
            "returnAuthorizations": [],
        }  # fmt: skip

    def _change(self, work: Work, status: str) -> None:
        work.status, work.changed = status, self._tick()

    def _tick(self) -> datetime:
        """Now, and never the same instant twice."""
        self._ticks += 1
        return datetime.now(UTC).replace(microsecond=self._ticks % 1_000_000)


def _body(request: Request) -> dict[str, Any]:
    try:
        return msgspec.json.decode(request.get_data(), type=dict[str, Any])
    except msgspec.DecodeError:
        raise bad("the body is no JSON object") from None


def _zulu(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
