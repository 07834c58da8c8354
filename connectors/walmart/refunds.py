"""Having Walmart give money back.

Source: `POST /v3/orders/{id}/refund`, of lines that have shipped: charges of the kinds PRODUCT and SHIPPING, as amounts
below nothing, with a reason each. It has no idempotency key, so an order is read first: what is given back there and is
none of `Refund.known` either is this refund, then nothing is sent, or is somebody else's, then a person has to look,
as a second one would be paid as well. Which shipping charges are given back follows from the order and `known` alone,
so that it is the same at every try.

A refund for a return of Walmart's goes another way, see `return_refunds.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import httpx
import msgspec

from connectors.walmart import orders
from connectors.walmart.api import Api, quoted, why
from connectors.walmart.documents import PurchaseOrder, read
from connectors.walmart.pushes import look, same_order
from connectors.walmart.refunded import Charge, charges
from connectors.walmart.return_refunds import refund_return
from connectors.walmart.standing import LOOK, refused
from core.errors import BadDocument, NotFound, Rejected, Unavailable, in_doubt
from core.model import ZERO, Ack, AckState, Refund, RefundReason

PRODUCT, SHIPPING = "PRODUCT", "SHIPPING"

REASONS: Final[Mapping[RefundReason, str]] = {
    RefundReason.RETURNED: "Customer returned item",
    RefundReason.NOT_RECEIVED: "ItemNotReceivedByCustomer",
    RefundReason.DAMAGED: "DamagedItem",
    RefundReason.WRONG_ITEM: "IncorrectItemReceived",
    RefundReason.PRICE: "BillingError",
    RefundReason.CANCELLED: "CancelledYetShipped",
    RefundReason.GOODWILL: "Finance -> Goodwill",
    RefundReason.OTHER: "Others",
}
"""Walmart's words for our reasons, out of its twenty-two."""

_NAMES = {PRODUCT: ("ItemPrice", "Item Price Tax"), SHIPPING: ("Shipping", "Shipping Tax")}


class Wanted(msgspec.Struct, frozen=True):
    """One charge to be given back; `amount` and `tax` are positive."""

    line: str
    kind: str
    amount: Decimal
    tax: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        return self.amount + self.tax


class _Order:
    """What was charged for an order's lines, and what is given back of it."""

    def __init__(self, document: PurchaseOrder) -> None:
        self.by_channel = document.ship_node is not None and document.ship_node.type == orders.WFS
        self.gone: dict[str, int] = {}
        self.shipping: dict[str, tuple[Decimal, Decimal]] = {}
        """What was paid for shipping by line, and the tax on it."""
        for index, line in enumerate(document.order_lines.order_line):
            self.gone[line.line_number] = orders.counts_of(line, index, {}).shipped
            given = (line.charges.charge or ()) if line.charges is not None else ()
            paid = [charge for charge in given if charge.charge_type == SHIPPING]
            taxes = [(charge.tax_and_other_fees or charge.tax) for charge in paid]
            self.shipping[line.line_number] = (
                sum((charge.charge_amount.amount for charge in paid), ZERO),
                sum((tax.tax_amount.amount for tax in taxes if tax is not None and tax.tax_amount is not None), ZERO),
            )
        self.back = list(charges(document))

    def beyond(self, known: frozenset[str]) -> list[Charge]:
        """What is given back and none of `known`."""
        return [charge for charge in self.back if charge.number not in known]

    def wanted(self, refund: Refund, known: frozenset[str]) -> list[Wanted] | str:
        """The charges of a refund; a text that ends in what to do, where Walmart cannot give that back."""
        found = []
        for line, row in refund.lines.items():
            if line not in self.gone:
                return f"the order has no line {line} at Walmart; {LOOK}"
            if not self.gone[line]:
                return f"nothing of line {line} has shipped, and Walmart refunds what has; cancel it instead"
            if row.amount <= ZERO and row.tax <= ZERO:
                continue
            if row.amount <= ZERO:
                return "Walmart gives taxes back with a price only; refund some of the price as well"
            found.append(Wanted(line, PRODUCT, row.amount, row.tax))
        left = refund.shipping
        for line, (amount, tax) in self.shipping.items():
            taken = [c for c in self.back if (c.line, c.kind) == (line, SHIPPING) and c.number in known]
            amount -= sum((charge.amount for charge in taken), ZERO)
            tax -= sum((charge.tax for charge in taken), ZERO)
            part = min(left, amount + tax) if self.gone[line] else ZERO
            if part > ZERO:
                levy = min(tax, round(part * tax / (amount + tax), 2))
                found.append(Wanted(line, SHIPPING, part - levy, levy))
                left -= part
        if left > ZERO:
            return (
                f"Walmart charged {left} {refund.currency} less than that for shipping what has left; "
                "refund less of it, or some of the price"
            )
        if any(value != round(value, 2) for one in found for value in (one.amount, one.tax)):
            return "Walmart gives back whole cents; round the amounts"
        return found or "the refund is of nothing; enter an amount"


def push_refunds(api: Api, refunds: Sequence[Refund]) -> Iterator[Ack]:
    """See `Connector.push_refunds`; refunds of one order one after another."""
    by_order: dict[str, list[Refund]] = {}
    for refund in refunds:
        by_order.setdefault(refund.order, []).append(refund)
    for number, group in by_order.items():
        yield from _of_order(api, number, [refund for refund in group if not refund.rma])
        for refund in group:  # last, as they may show among the order's refunds as well
            if refund.rma:
                with in_doubt([refund.key]):
                    yield refund_return(api, refund)


def _of_order(api: Api, number: str, group: Sequence[Refund]) -> Iterator[Ack]:
    order = _stands(api, number) if group else ""
    others: frozenset[str] = frozenset()
    for refund in group:
        if isinstance(order, str):
            yield refused(refund.key, order)
            continue
        with in_doubt([refund.key]):
            ack, made, order = _refund(api, order, refund, frozenset(refund.known) | others)
        others |= made
        yield ack


Outcome = tuple[Ack, frozenset[str], "_Order"]
"""The ack, the numbers this refund has at Walmart, and how the order stands then."""


def _refund(api: Api, order: _Order, refund: Refund, known: frozenset[str]) -> Outcome:
    if order.by_channel:
        reason = "Walmart ships this order itself and refunds it; ask Walmart's support"
        return refused(refund.key, reason), frozenset(), order
    wanted = order.wanted(refund, known)
    if isinstance(wanted, str):
        return refused(refund.key, wanted), frozenset(), order
    done = _found(order, wanted, known)
    if done is not None:
        return _applied(refund, done), frozenset(done), order
    strangers = order.beyond(known)
    if strangers:
        told = ", ".join(f"{charge.total} {refund.currency} on line {charge.line}" for charge in strangers)
        reason = f"Walmart shows a refund nobody here knew of: {told}; compare, and decide the refund anew"
        return refused(refund.key, reason), frozenset(), order
    path = f"/v3/orders/{quoted(refund.order)}/refund"
    try:
        response = api.ask("refundOrderLines", "POST", path, body=_told(refund, wanted))
    except (Rejected, NotFound) as refusal:
        said = why(refusal.body) if isinstance(refusal, Rejected) else "it knows no such order"
        now = _stands(api, refund.order)
        done = None if isinstance(now, str) else _found(now, wanted, known)
        if done is None or isinstance(now, str):
            return refused(refund.key, f"Walmart will not refund it: {said}; {LOOK}"), frozenset(), order
        return _applied(refund, done), frozenset(done), now
    now = _answered(response, refund.order)
    done = _found(now, wanted, known)
    if done is None:  # it was taken: to send it again could pay twice
        reason = f"Walmart took the refund and does not show it yet; {LOOK}"
        return Ack(key=refund.key, state=AckState.APPLIED, reason=reason), frozenset(), now
    return _applied(refund, done), frozenset(done), now


def _applied(refund: Refund, numbers: Sequence[str]) -> Ack:
    return Ack(key=refund.key, state=AckState.APPLIED, ticket=", ".join(numbers))


def _found(order: _Order, wanted: Sequence[Wanted], known: frozenset[str]) -> list[str] | None:
    """The numbers of these charges among what is given back beyond `known`; None where one is not there."""
    missing = Counter((one.line, one.kind, one.total) for one in wanted)
    numbers = []
    for charge in order.beyond(known):
        if missing[charge.line, charge.kind, charge.total] > 0:
            missing[charge.line, charge.kind, charge.total] -= 1
            numbers.append(charge.number)
    return None if any(missing.values()) else numbers


def _stands(api: Api, number: str) -> _Order | str:
    """How the order stands, or why that cannot be known."""
    document = look(api, number)
    if isinstance(document, str):
        return document
    try:
        return _Order(document)
    except BadDocument as error:
        return f"Walmart's order cannot be read ({error}); {LOOK}"


def _answered(response: httpx.Response, number: str) -> _Order:
    try:
        return _Order(read(same_order(response, number).body))
    except (BadDocument, Unavailable) as error:
        raise Unavailable(f"Walmart's answer to a refund cannot be read: {error}", ambiguous=True) from None


def _told(refund: Refund, wanted: Sequence[Wanted]) -> dict[str, Any]:
    lines: dict[str, list[Wanted]] = {}
    for one in wanted:
        lines.setdefault(one.line, []).append(one)
    comments = {"refundComments": refund.note} if refund.note else {}
    return {
        "orderRefund": {
            "purchaseOrderId": refund.order,
            "orderLines": {
                "orderLine": [
                    {
                        "lineNumber": line,
                        "isFullRefund": False,
                        "refunds": {
                            "refund": [
                                comments
                                | {"refundCharges": {"refundCharge": [_charge(refund, one) for one in several]}}
                            ]
                        },
                    }
                    for line, several in lines.items()
                ]
            },
        }
    }


def _charge(refund: Refund, one: Wanted) -> dict[str, Any]:
    name, tax = _NAMES[one.kind]
    charge: dict[str, Any] = {
        "chargeType": one.kind,
        "chargeName": name,
        "chargeAmount": _money(one.amount, refund.currency),
    }
    if one.tax:
        levy = {"taxName": tax, "taxAmount": _money(one.tax, refund.currency)}
        charge |= {"tax": levy, "taxAndOtherFees": levy}  # the same twice, as on the order itself
    return {"refundReason": REASONS[refund.reason], "charge": charge}


def _money(amount: Decimal, currency: str) -> dict[str, Any]:
    return {"currency": currency, "amount": msgspec.Raw(f"{-amount:f}".encode())}
