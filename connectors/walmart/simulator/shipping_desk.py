"""The order service's part that ships lines, and corrects the tracking of what has shipped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec
from werkzeug.wrappers import Response

from connectors.carriers import WALMART
from connectors.walmart.methods import METHODS
from connectors.walmart.simulator.book import DAY, HOUR, WFS, Book, Parcel, Purchase, PurchaseLine
from connectors.walmart.simulator.front_desk import Asked
from connectors.walmart.simulator.order_desk import OrderDesk, content, positive, shown, told

CORRECTABLE = 4 * HOUR
"""How long after it was told a parcel's tracking may be replaced."""
_EARLIEST = 946_684_800_000


class _Strict(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    pass


class _Quantity(_Strict):
    unit_of_measurement: Literal["EACH", "EA"]
    amount: str


class _Carrier(_Strict):
    carrier: str | None = None
    other_carrier: str | None = None


class _Tracking(_Strict):
    ship_date_time: int
    carrier_name: _Carrier
    method_code: str
    tracking_number: str
    tracking_url: str | None = msgspec.field(default=None, name="trackingURL")


class _Current(_Strict):
    tracking_number: str


class _Status(_Strict):
    status: Literal["Shipped"]
    status_quantity: _Quantity
    tracking_info: _Tracking
    return_center_address: dict[str, Any] | None = None
    current_tracking_info: _Current | None = None


class _Statuses(_Strict):
    order_line_status: list[_Status]


class _Line(_Strict):
    line_number: str
    seller_order_id: str
    order_line_statuses: _Statuses
    intent_to_cancel_override: bool = False


class _Lines(_Strict):
    order_line: list[_Line]


class _Shipment(_Strict):
    order_lines: _Lines
    process_mode: Literal["PARTIAL_UPDATE"] | None = None


class _Telling(_Strict):
    order_shipment: _Shipment


class ShippingDesk:
    """Answers about parcels of one `Book`. Callers hold the simulator's lock."""

    def __init__(self, book: Book, orders: OrderDesk, now: Callable[[], int]) -> None:
        self._book = book
        self._orders = orders
        self._now = now
        self._calls = 0

    def ship(self, asked: Asked) -> Response:
        """Takes a call whole or not at all."""
        asked.only()
        purchase = self._orders.purchase(asked)
        shipment = told(asked, _Telling, "the shipment").order_shipment
        if purchase.kind == WFS:
            raise content("Walmart ships this order itself")
        lines = {line.number: line for line in purchase.lines}
        given = shipment.order_lines.order_line
        if not given or len({line.line_number for line in given}) != len(given):
            raise content("no line, or one line twice")
        for line in given:
            self._check(line)
            if line.line_number not in lines:
                raise content("OverShipped: a line is invalid, or its quantity more than allowed")
        if shipment.process_mode is None:
            self._ship(given, lines)
        else:
            self._correct(given, lines)
        self._book.touch(purchase, self._now(), *(lines[line.line_number] for line in given))
        return shown(purchase)

    def _ship(self, given: list[_Line], lines: dict[str, PurchaseLine]) -> None:
        for line in given:
            self._may_ship(line, lines[line.line_number])
        self._calls += 1
        for line in given:
            for status in line.order_line_statuses.order_line_status:
                held, units = lines[line.line_number], int(status.status_quantity.amount)
                held.acknowledged -= units
                tracking = msgspec.to_builtins(status.tracking_info)
                held.parcels.append(Parcel(units, tracking, self._calls, self._now()))

    def _may_ship(self, line: _Line, held: PurchaseLine) -> None:
        statuses = line.order_line_statuses.order_line_status
        if any(status.current_tracking_info is not None for status in statuses):
            raise content("currentTrackingInfo belongs to a PARTIAL_UPDATE", "currentTrackingInfo")
        units = sum(positive(status.status_quantity.amount) for status in statuses)
        if held.shipped and not held.acknowledged:
            raise content(f"line {held.number} is in SHIPPED status")
        if units > held.acknowledged:  # units nobody acknowledged yet cannot be shipped either
            raise content("OverShipped: a line is invalid, or its quantity more than allowed")
        if held.wants_cancel and not line.intent_to_cancel_override:
            raise content(f"the buyer asked to cancel line {held.number}", "intentToCancelOverride")

    def _correct(self, given: list[_Line], lines: dict[str, PurchaseLine]) -> None:
        found: list[tuple[Parcel, _Status]] = []
        for line in given:
            for status in line.order_line_statuses.order_line_status:
                found.append((self._parcel(lines[line.line_number], status, [one for one, _ in found]), status))
        for parcel, status in found:
            parcel.tracking = msgspec.to_builtins(status.tracking_info)

    def _parcel(self, line: PurchaseLine, status: _Status, taken: list[Parcel]) -> Parcel:
        """The parcel whose tracking is to be replaced."""
        current = status.current_tracking_info
        if current is None and len(line.parcels) != 1:
            raise content(f"line {line.number} has not one shipment: say which", "currentTrackingInfo")
        units = positive(status.status_quantity.amount)
        for parcel in line.parcels:
            named = current is None or parcel.tracking["trackingNumber"] == current.tracking_number
            if named and parcel.units == units and not any(parcel is one for one in taken):
                if self._now() - parcel.told > CORRECTABLE:
                    raise content("the tracking cannot be updated any more", "trackingNumber")
                return parcel
        raise content(f"line {line.number} has no such shipment", "currentTrackingInfo")

    def _check(self, line: _Line) -> None:
        if not 0 < len(line.seller_order_id) <= 30:
            raise content("between 1 and 30 characters", "sellerOrderId")
        statuses = line.order_line_statuses.order_line_status
        if not statuses:
            raise content("no status", "orderLineStatus")
        for status in statuses:
            _check_tracking(status.tracking_info, self._now(), line.line_number)


def _check_tracking(tracking: _Tracking, now: int, line: str) -> None:
    name = tracking.carrier_name
    if name.carrier is not None and name.carrier not in WALMART:
        raise content("no carrier Walmart knows", "carrier")
    if name.carrier is None and not name.other_carrier:
        raise content("no carrier", "carrierName")
    if name.carrier is None and not tracking.tracking_url:
        raise content("another carrier needs a tracking URL", "trackingURL")
    if tracking.method_code not in METHODS:
        raise content(f"the method code is not supported in line number {line}", "methodCode")
    if not tracking.tracking_number.strip():
        raise content("no tracking number", "trackingNumber")
    if not _EARLIEST < tracking.ship_date_time < now + DAY:
        raise content("no time of shipping in milliseconds", "shipDateTime")


def effects_of(purchase: Purchase) -> list[tuple[str, str, dict[str, int], tuple[int, str, str]]]:
    """The parcels of an order: tracking, carrier, units by SKU, and what sorts them in the order they were told."""
    found: dict[tuple[int, str, str], dict[str, int]] = {}
    for line in purchase.lines:
        for parcel in line.parcels:
            name = parcel.tracking["carrierName"]
            carrier = name.get("carrier") or name.get("otherCarrier") or ""
            units = found.setdefault((parcel.call, parcel.tracking["trackingNumber"], carrier), {})
            units[line.sku] = units.get(line.sku, 0) + parcel.units
    return [(tracking, carrier, units, (call, tracking, carrier)) for (call, tracking, carrier), units in found.items()]
