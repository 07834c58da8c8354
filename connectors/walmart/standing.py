"""An order as it stands at Walmart, against which parcels are held one after another before they are told.

What one parcel uses up, units left to ship or a parcel already there, is not there for the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

from connectors import carriers
from connectors.walmart import orders
from connectors.walmart.documents import PurchaseOrder
from connectors.walmart.methods import method
from connectors.walmart.orders import Counts
from core.model import Ack, AckState, Shipment, micros

LOOK = "look at the order in Seller Center"


class Telling(Enum):
    """How a parcel that is to be told is told."""

    SHIP = "ship"
    CORRECT = "correct"
    """It is there under the number it had before: that number is replaced."""


class Standing:
    """One order. `judge` and `has` use up what they find."""

    def __init__(self, document: PurchaseOrder) -> None:
        self._by_channel = document.ship_node is not None and document.ship_node.type == orders.WFS
        self._method = document.shipping_info.method_code if document.shipping_info is not None else None
        packages: orders.Packages = {}
        self._counts: dict[str, Counts] = {}
        self._asks_to_cancel: set[str] = set()
        for index, line in enumerate(document.order_lines.order_line):
            self._counts[line.line_number] = orders.counts_of(line, index, packages)
            if orders.asks_to_cancel(line):
                self._asks_to_cancel.add(line.line_number)
        self._there: dict[str, dict[str, int]] = {}
        self._carriers: set[tuple[str, str]] = set()
        for (tracking, carrier), units in packages.items():
            self._carriers.add((_number(tracking), carrier))
            held = self._there.setdefault(_number(tracking), {})
            for line_number, count in units.items():
                held[line_number] = held.get(line_number, 0) + count
        self._taken: dict[str, int] = {}

    def has(self, shipment: Shipment) -> bool:
        """Whether the parcel is there as it should be; if so it is used up.

        It is, when one with its tracking number and its units is; one that was corrected also needs its carrier, as a
        correction may be of the carrier alone.
        """
        if shipment.corrects and _number(shipment.corrects) == _number(shipment.tracking):
            name, other, _ = named(shipment)
            if (_number(shipment.tracking), name or other) not in self._carriers:
                return False
        return self._use(shipment.tracking, shipment)

    def _use(self, tracking: str, shipment: Shipment) -> bool:
        held = self._there.get(_number(tracking), {})
        if any(held.get(line, 0) < units for line, units in shipment.lines.items()):
            return False
        for line, units in shipment.lines.items():
            held[line] -= units
        return True

    def would_ship_whole(self, group: Sequence[Shipment]) -> bool:
        """Whether all are to be told and take each of their lines whole, so that none can ship twice.

        What they use up is used up.
        """
        return all(
            line in self._counts and self._counts[line].ordered == units
            for shipment in group
            for line, units in shipment.lines.items()
        ) and all(self.judge(shipment) is Telling.SHIP for shipment in group)

    def judge(self, shipment: Shipment) -> Ack | Telling:
        """The answer that is known without asking, or how the shipment is to be told; its units are taken then."""
        if self._by_channel:
            return refused(shipment.key, "Walmart ships this order itself; take the shipment back")
        if not _number(shipment.tracking):
            return refused(shipment.key, "Walmart wants a tracking number; give the shipment one")
        if self.has(shipment):
            return Ack(key=shipment.key, state=AckState.APPLIED)
        if not shipment.carrier.strip():
            return refused(shipment.key, "Walmart wants a carrier; give the shipment one")
        name, other, url = named(shipment)
        if not name and not url:
            return refused(
                shipment.key,
                f"Walmart has no carrier {other!r}, and then wants a tracking URL; give the shipment one, or name the "
                "carrier as Walmart does",
            )
        if shipment.corrects and self._use(shipment.corrects, shipment):
            return Telling.CORRECT
        return self._judge_units(shipment) or Telling.SHIP

    def _judge_units(self, shipment: Shipment) -> Ack | None:
        for line, units in shipment.lines.items():
            counts = self._counts.get(line)
            if counts is None:
                return refused(shipment.key, f"the order has no line {line} at Walmart; correct the shipment")
            left = counts.open - counts.unknown - self._taken.get(line, 0)
            if units > left:
                return refused(
                    shipment.key,
                    f"Walmart has {max(left, 0)} units of line {line} left to ship, not {units}: the others were "
                    f"cancelled, or shipped with another tracking number; {LOOK} and correct the shipment",
                )
            if units > left - counts.created:
                reason = f"line {line} waits for its acknowledgement at Walmart"
                return Ack(key=shipment.key, state=AckState.RETRY, reason=reason)
        for line, units in shipment.lines.items():
            self._taken[line] = self._taken.get(line, 0) + units
        return None

    def told(self, ready: Sequence[Shipment], how: Telling) -> dict[str, Any]:
        """The body that tells these shipments: a line once, with one status for each parcel it left in."""
        lines: dict[str, dict[str, Any]] = {}
        for shipment in ready:
            tracking = self._tracking(shipment)
            for number, units in shipment.lines.items():
                line = lines.setdefault(number, self._line(number, shipment))
                status: dict[str, Any] = {
                    "status": "Shipped",
                    "statusQuantity": {"unitOfMeasurement": "EACH", "amount": str(units)},
                    "trackingInfo": tracking,
                }
                if how is Telling.CORRECT:
                    status["currentTrackingInfo"] = {"trackingNumber": shipment.corrects.strip()}
                line["orderLineStatuses"]["orderLineStatus"].append(status)
        mode = {"processMode": "PARTIAL_UPDATE"} if how is Telling.CORRECT else {}
        return {"orderShipment": mode | {"orderLines": {"orderLine": list(lines.values())}}}

    def _line(self, number: str, shipment: Shipment) -> dict[str, Any]:
        return {
            "lineNumber": number,
            # The parcel has left: whoever asked to cancel meanwhile gets a return, not a second truth.
            "intentToCancelOverride": number in self._asks_to_cancel,
            "sellerOrderId": shipment.order[:30],
            "orderLineStatuses": {"orderLineStatus": []},
        }

    def _tracking(self, shipment: Shipment) -> dict[str, Any]:
        name, other, url = named(shipment)
        told: dict[str, Any] = {
            "shipDateTime": micros(shipment.shipped_at) // 1000,
            "carrierName": {"carrier": name} if name else {"otherCarrier": other},
            "methodCode": method(shipment.service, self._method or ""),
            "trackingNumber": shipment.tracking.strip(),
        }
        if url:
            told["trackingURL"] = url
        return told


def named(shipment: Shipment) -> tuple[str, str, str]:
    """Walmart's name of the carrier, or what it goes by as another one, and the page the parcel is followed on."""
    known = carriers.find(shipment.carrier)
    name = known.walmart if known is not None else ""
    other = "" if name else known.name if known is not None else shipment.carrier.strip()
    url = shipment.tracking_url or (known.link(shipment.tracking) if known is not None and not name else "")
    return name, other, url


def refused(key: str, reason: str) -> Ack:
    return Ack(key=key, state=AckState.REFUSED, reason=reason)


def _number(tracking: str) -> str:
    return "".join(tracking.split()).upper()
