"""Telling Walmart that units will not ship.

Source: `POST /v3/orders/{id}/cancel`: up to a hundred lines a call, each with units and a reason. It has no idempotency
key, so an order is read first, and what is cancelled there beyond `Cancellation.before` is done.

Walmart knows five reasons. The buyer's own is only taken for a line the buyer asked Walmart to cancel; for any other
there is nothing nearer than that the seller cannot supply it. Walmart then offers no more of that SKU at that ship
node until it is told a level; the rounds tell levels again that a cancelled unit has touched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import httpx

from connectors.walmart import orders
from connectors.walmart.api import Api, quoted, why
from connectors.walmart.documents import PurchaseOrder, read
from connectors.walmart.pushes import look, same_order
from connectors.walmart.standing import LOOK, refused
from core.errors import BadDocument, NotFound, Rejected, Unavailable, in_doubt
from core.model import Ack, AckState, Cancellation, CancelReason

MOST_LINES = 100
"""Lines one call may cancel."""

ASKED: Final = "CUSTOMER_REQUESTED_SELLER_TO_CANCEL"
OUT_OF_STOCK: Final = "SELLER_CANCEL_OUT_OF_STOCK"

REASONS: Final[Mapping[CancelReason, str]] = {
    CancelReason.BUYER: OUT_OF_STOCK,
    CancelReason.OUT_OF_STOCK: OUT_OF_STOCK,
    CancelReason.ADDRESS: "SELLER_CANCEL_ADDRESS_NOT_SERVICEABLE",
    CancelReason.PRICE: "SELLER_CANCEL_PRICING_ERROR",
    CancelReason.FRAUD: "SELLER_CANCEL_FRAUD_STOP_SHIPMENT",
    CancelReason.OTHER: OUT_OF_STOCK,
}
"""Walmart's words for our reasons, on a line the buyer did not ask to cancel."""


class _Order:
    """An order as it stands, against which cancellations are held one after another."""

    def __init__(self, document: PurchaseOrder) -> None:
        self.by_channel = document.ship_node is not None and document.ship_node.type == orders.WFS
        self._open: dict[str, int] = {}
        self._cancelled: dict[str, int] = {}
        self._asked: set[str] = set()
        for index, line in enumerate(document.order_lines.order_line):
            counts = orders.counts_of(line, index, {})
            self._open[line.line_number] = counts.open - counts.unknown
            self._cancelled[line.line_number] = counts.cancelled
            if orders.asks_to_cancel(line):
                self._asked.add(line.line_number)

    def missing(self, cancellation: Cancellation) -> dict[str, int]:
        """Units by line that are still to be cancelled."""
        left = {
            line: min(units, cancellation.before.get(line, 0) + units - self._cancelled.get(line, 0))
            for line, units in cancellation.lines.items()
        }
        return {line: units for line, units in left.items() if units > 0}

    def has(self, cancellation: Cancellation, part: Mapping[str, int]) -> bool:
        """Whether nothing of these lines is to be cancelled any more."""
        missing = self.missing(cancellation)
        return not any(line in missing for line in part)

    def against(self, missing: Mapping[str, int]) -> str:
        """What speaks against cancelling these units, ending in what to do; empty where nothing does."""
        if self.by_channel:
            return "Walmart ships this order itself; ask Walmart's support to stop it"
        for line, units in missing.items():
            if line not in self._open:
                return f"the order has no line {line} at Walmart; {LOOK}"
            if units > self._open[line]:
                return (
                    f"Walmart has {max(self._open[line], 0)} units of line {line} that have not shipped, not {units}; "
                    "refund what has shipped, and cancel the rest anew"
                )
        return ""

    def take(self, missing: Mapping[str, int]) -> None:
        """These units are cancelled from here on."""
        for line, units in missing.items():
            self._open[line] -= units
            self._cancelled[line] += units

    def reason(self, line: str, reason: CancelReason) -> str:
        if line in self._asked and reason in (CancelReason.BUYER, CancelReason.OTHER):
            return ASKED
        return REASONS[reason]


def push_cancellations(api: Api, cancellations: Sequence[Cancellation]) -> Iterator[Ack]:
    """See `Connector.push_cancellations`."""
    by_order: dict[str, list[Cancellation]] = {}
    for cancellation in cancellations:
        by_order.setdefault(cancellation.order, []).append(cancellation)
    for number, group in by_order.items():
        order = _stands(api, number)
        if isinstance(order, str):
            yield from (refused(cancellation.key, order) for cancellation in group)
            continue
        for cancellation in group:
            with in_doubt([cancellation.key]):
                yield _cancel(api, order, cancellation)


def _stands(api: Api, number: str) -> _Order | str:
    """How the order stands, or why that cannot be known."""
    document = look(api, number)
    if isinstance(document, str):
        return document
    try:
        return _Order(document)
    except BadDocument as error:
        return f"Walmart's order cannot be read ({error}); {LOOK}"


def _cancel(api: Api, order: _Order, cancellation: Cancellation) -> Ack:
    missing = order.missing(cancellation)
    if not missing:
        return Ack(key=cancellation.key, state=AckState.APPLIED)
    against = order.against(missing)
    if against:
        return refused(cancellation.key, against)
    lines = list(missing.items())
    for at in range(0, len(lines), MOST_LINES):
        ack = _send(api, order, cancellation, dict(lines[at : at + MOST_LINES]))
        if ack is not None:
            return ack
    return Ack(key=cancellation.key, state=AckState.APPLIED, reason=_remark(order, cancellation, missing))


def _send(api: Api, order: _Order, cancellation: Cancellation, part: Mapping[str, int]) -> Ack | None:
    """One call; the ack where it did not cancel these units."""
    number = cancellation.order
    path = f"/v3/orders/{quoted(number)}/cancel"
    try:
        response = api.ask("cancelOrderLines", "POST", path, body=_told(order, cancellation.reason, part))
    except (Rejected, NotFound) as refusal:
        said = why(refusal.body) if isinstance(refusal, Rejected) else "it knows no such order"
        now = _stands(api, number)
        if isinstance(now, str) or not now.has(cancellation, part):
            return refused(cancellation.key, f"Walmart will not cancel it: {said}; {LOOK}")
        order.take(part)
        return None
    if not _answered(response, number).has(cancellation, part):
        return Ack(key=cancellation.key, state=AckState.RETRY, reason="Walmart took it and does not show it yet")
    order.take(part)
    return None


def _told(order: _Order, reason: CancelReason, part: Mapping[str, int]) -> dict[str, Any]:
    lines = [
        {
            "lineNumber": line,
            "orderLineStatuses": {
                "orderLineStatus": [
                    {
                        "status": "Cancelled",
                        "cancellationReason": order.reason(line, reason),
                        "statusQuantity": {"unitOfMeasurement": "EACH", "amount": str(units)},
                    }
                ]
            },
        }
        for line, units in part.items()
    ]
    return {"orderCancellation": {"orderLines": {"orderLine": lines}}}


def _answered(response: httpx.Response, number: str) -> _Order:
    try:
        return _Order(read(same_order(response, number).body))
    except (BadDocument, Unavailable) as error:
        raise Unavailable(f"Walmart's answer to a cancellation cannot be read: {error}", ambiguous=True) from None


def _remark(order: _Order, cancellation: Cancellation, missing: Mapping[str, int]) -> str:
    """What an operator should know of a cancellation that was taken."""
    if cancellation.reason is not CancelReason.BUYER:
        return ""
    others = [line for line in missing if order.reason(line, cancellation.reason) != ASKED]
    if not others:
        return ""
    return f"Walmart knows of no wish of the buyer's to cancel line {', '.join(others)}; it was told out of stock"
