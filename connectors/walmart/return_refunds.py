"""Refunding one of Walmart's returns.

Source: `POST /v3/returns/{returnOrderId}/refund`. Walmart refunds units at what they cost, and has no key for it: so
only all units of an order's line that the return has left are refunded, in one go, and a second time nothing is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from connectors.walmart.api import Api, quoted, why
from connectors.walmart.returns import Answer, Line, ReturnOrder, read, units
from connectors.walmart.standing import LOOK, refused
from core.errors import BadDocument, NotFound, Rejected, Unavailable
from core.http import decode
from core.model import ZERO, Ack, AckState, Refund


class _Told(msgspec.Struct, rename="camel"):
    return_order_id: str | None = None


def refund_return(api: Api, refund: Refund) -> Ack:
    """See the module. The ack's ticket is the return's number."""
    found = _of(api, refund.rma)
    if isinstance(found, str):
        return refused(refund.key, found)
    try:
        return _refund(api, refund, found)
    except BadDocument as error:
        return refused(refund.key, f"Walmart's return cannot be read ({error}); {LOOK}")


def _refund(api: Api, refund: Refund, found: ReturnOrder) -> Ack:
    if refund.shipping:
        reason = "Walmart refunds a return without what was paid for shipping; refund that apart"
        return refused(refund.key, reason)
    rows: list[tuple[int, int]] = []
    done = 0
    for number, row in refund.lines.items():
        mine = _mine(found, refund.order, number)
        left = sum(quantity - back for _, quantity, back, _ in mine)
        if not mine:
            return refused(refund.key, f"the return {refund.rma} is not of line {number}; {LOOK}")
        if not left:
            done += 1  # by whomever: these units are not paid for again
            continue
        if row.quantity != left:
            reason = (
                f"Walmart refunds what is left of a return's line in one go, which is {left} units of line {number}"
            )
            return refused(refund.key, f"{reason}; refund all of them, or do it in Seller Center")
        worth = sum((price * (quantity - back) for _, quantity, back, price in mine), ZERO)
        if abs(worth - row.amount - row.tax) > Decimal("0.01") * left:
            reason = f"Walmart refunds the returned units of line {number} at what they cost, {worth} {refund.currency}"
            return refused(refund.key, f"{reason}; refund that, or part of it without the return, which stays open")
        rows += [(line, quantity - back) for line, quantity, back, _ in mine if quantity > back]
    if not rows:
        state = AckState.APPLIED if done else AckState.REFUSED
        reason = "" if done else "the refund is of nothing; enter what is given back"
        return Ack(key=refund.key, state=state, ticket=refund.rma if done else "", reason=reason)
    return _send(api, refund, found, rows)


def _send(api: Api, refund: Refund, found: ReturnOrder, rows: Sequence[tuple[int, int]]) -> Ack:
    body = {
        "customerOrderId": found.customer_order_id or "",
        "refundLines": [
            {"returnOrderLineNumber": line, "quantity": {"unitOfMeasure": "EACH", "measurementValue": units}}
            for line, units in rows
        ],
    }
    try:
        response = api.ask("issueRefund", "POST", f"/v3/returns/{quoted(refund.rma)}/refund", body=body)
    except (Rejected, NotFound) as refusal:
        said = why(refusal.body) if isinstance(refusal, Rejected) else "it knows no such return"
        now = _of(api, refund.rma)
        mine = [] if isinstance(now, str) else [_mine(now, refund.order, number) for number in refund.lines]
        if mine and all(quantity == back for one in mine for _, quantity, back, _ in one):
            return Ack(key=refund.key, state=AckState.APPLIED, ticket=refund.rma)
        return refused(refund.key, f"Walmart will not refund the return: {said}; {LOOK}")
    try:
        told = decode(response, _Told)
    except Unavailable as error:
        raise Unavailable(str(error), ambiguous=True) from None
    if told.return_order_id != refund.rma:
        raise Unavailable("Walmart answered a refund of a return without the return", ambiguous=True)
    return Ack(key=refund.key, state=AckState.APPLIED, ticket=refund.rma)


def _of(api: Api, number: str) -> ReturnOrder | str:
    """One return, or why that cannot be known."""
    query = {"returnOrderId": number, "limit": "1"}
    unknown = f"Walmart knows no return {number}; check its number in Seller Center"
    try:
        response = api.ask("getReturns", "GET", "/v3/returns", query, missing_is_an_answer=True)
    except Rejected as refusal:
        return f"Walmart will not show the return: {why(refusal.body)}; {LOOK}"
    if response.status_code == 404:
        return unknown
    documents = decode(response, Answer).return_orders
    try:
        found = [one for one in (read(bytes(document)) for document in documents) if one.return_order_id == number]
    except BadDocument as error:
        return f"Walmart's return cannot be read ({error}); {LOOK}"
    return found[0] if found else unknown


def _mine(found: ReturnOrder, order: str, number: str) -> list[tuple[int, int, int, Decimal]]:
    """The return's lines that are of this order's line: number, units, units refunded, and what one unit cost."""
    rows = []
    for index, line in enumerate(found.return_order_lines):
        if (line.purchase_order_id, str(line.purchase_order_line_number)) == (order, number):
            where = f"returnOrderLines[{index}]"
            quantity = units(line.quantity.measurement_value, where)
            back = min(quantity, units(line.refunded_qty or ZERO, where))
            rows.append((line.return_order_line_number, quantity, back, _price(line)))
    return rows


def _price(line: Line) -> Decimal:
    """What one unit cost, taxes included; discounts stand there as less than nothing."""
    price = ZERO
    for charge in line.charges or ():
        if charge.is_billable is False or charge.charge_per_unit is None:
            continue
        price += charge.charge_per_unit.currency_amount
        price += sum((tax.tax_per_unit.currency_amount for tax in charge.tax or () if tax.tax_per_unit), ZERO)
    return price
