"""The order service's part that cancels lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec
from werkzeug.wrappers import Response

from connectors.walmart.simulator.book import WFS, Book, Purchase, PurchaseLine
from connectors.walmart.simulator.front_desk import Asked
from connectors.walmart.simulator.order_desk import OrderDesk, content, positive, shown, told
from connectors.walmart.simulator.shelves import Shelves

MOST_LINES = 100

ASKED, OUT_OF_STOCK = "CUSTOMER_REQUESTED_SELLER_TO_CANCEL", "SELLER_CANCEL_OUT_OF_STOCK"
Reason = Literal[
    "CUSTOMER_REQUESTED_SELLER_TO_CANCEL",
    "SELLER_CANCEL_PRICING_ERROR",
    "SELLER_CANCEL_OUT_OF_STOCK",
    "SELLER_CANCEL_FRAUD_STOP_SHIPMENT",
    "SELLER_CANCEL_ADDRESS_NOT_SERVICEABLE",
]


class _Strict(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    pass


class _Quantity(_Strict):
    unit_of_measurement: Literal["EACH", "EA"]
    amount: str


class _Status(_Strict):
    status: Literal["Cancelled"]
    cancellation_reason: Reason
    status_quantity: _Quantity


class _Statuses(_Strict):
    order_line_status: list[_Status]


class _Line(_Strict):
    line_number: str
    order_line_statuses: _Statuses


class _Lines(_Strict):
    order_line: list[_Line]


class _Cancellation(_Strict):
    order_lines: _Lines


class _Telling(_Strict):
    order_cancellation: _Cancellation


class CancelDesk:
    """Cancels lines of one `Book`, on whose `Shelves` the units were. Callers hold the simulator's lock."""

    def __init__(self, book: Book, shelves: Shelves, orders: OrderDesk, now: Callable[[], int]) -> None:
        self._book = book
        self._shelves = shelves
        self._orders = orders
        self._now = now

    def cancel(self, asked: Asked) -> Response:
        """The seller cancels units: a call is taken whole or not at all."""
        asked.only()
        purchase = self._orders.purchase(asked)
        given = told(asked, _Telling, "the cancellation").order_cancellation.order_lines.order_line
        if purchase.kind == WFS:
            raise content("Walmart ships this order itself")
        lines = {line.number: line for line in purchase.lines}
        if not given or len({line.line_number for line in given}) != len(given):
            raise content("no line, or one line twice")
        if len(given) > MOST_LINES:
            raise content(f"at most {MOST_LINES} lines", "orderLine")
        for line in given:
            _may_cancel(line, lines.get(line.line_number))
        for line in given:
            for status in line.order_line_statuses.order_line_status:
                units = int(status.status_quantity.amount)
                self.take_back(purchase, lines[line.line_number], units, status.cancellation_reason)
        self._book.touch(purchase, self._now(), *(lines[line.line_number] for line in given))
        return shown(purchase)

    def take_back(self, purchase: Purchase, line: PurchaseLine, units: int, reason: str) -> None:
        """Cancels units that have not shipped. Out of stock empties the shelf of the order's ship node."""
        created = min(units, line.created)
        line.created -= created
        line.acknowledged -= units - created
        line.cancellations.append((units, reason))
        back = min(units, line.taken)
        line.taken -= back
        if reason == OUT_OF_STOCK:
            self._shelves.empty(line.sku, purchase.node)
        else:
            self._shelves.give_back(line.sku, purchase.node, back)


def _may_cancel(line: _Line, held: PurchaseLine | None) -> None:
    statuses = line.order_line_statuses.order_line_status
    if not statuses:
        raise content("no status", "orderLineStatus")
    units = sum(positive(status.status_quantity.amount) for status in statuses)
    if held is None:
        raise content("the line is invalid", "lineNumber")
    if units > held.open:
        raise content(f"line {held.number} has not so many units that can be cancelled", "statusQuantity")
    if not held.wants_cancel and any(status.cancellation_reason == ASKED for status in statuses):
        raise content(f"line {held.number} has no intent to cancel", "cancellationReason")
