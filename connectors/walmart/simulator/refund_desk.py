"""The order service's part that gives money back."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Literal

import msgspec
from werkzeug.wrappers import Response

from connectors.simulation import RefundEffect
from connectors.walmart.simulator.book import WFS, Book, GivenBack, Purchase, PurchaseLine, charged
from connectors.walmart.simulator.front_desk import Asked
from connectors.walmart.simulator.order_desk import OrderDesk, content, shown, told

Reason = Literal[
    "BillingError", "TaxExemptCustomer", "ItemNotAsAdvertised", "IncorrectItemReceived", "CancelledYetShipped",
    "ItemNotReceivedByCustomer", "IncorrectShippingPrice", "DamagedItem", "DefectiveItem", "CustomerChangedMind",
    "CustomerReceivedItemLate", "Missing Parts / Instructions", "Finance -> Goodwill", "Finance -> Rollback",
    "Buyer canceled", "Customer returned item", "General adjustment", "Merchandise not received",
    "Quality -> Missing Parts / Instructions", "Shipping & Delivery -> Damaged",
    "Shipping & Delivery -> Shipping Price Discrepancy", "Others",
]  # fmt: skip


class _Strict(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    pass


class _Money(_Strict):
    currency: Literal["USD"]
    amount: Decimal


class _Tax(_Strict):
    tax_name: str
    tax_amount: _Money


class _Charge(_Strict):
    charge_type: Literal["PRODUCT", "SHIPPING"]
    charge_name: str
    charge_amount: _Money
    tax: _Tax | None = None
    tax_and_other_fees: _Tax | None = None


class _RefundCharge(_Strict):
    refund_reason: Reason
    charge: _Charge


class _RefundCharges(_Strict):
    refund_charge: list[_RefundCharge]


class _Refund(_Strict):
    refund_charges: _RefundCharges
    refund_id: str | None = None
    refund_comments: str | None = None


class _Refunds(_Strict):
    refund: list[_Refund]


class _Line(_Strict):
    line_number: str
    refunds: _Refunds
    is_full_refund: Literal[False] = False


class _Lines(_Strict):
    order_line: list[_Line]


class _OrderRefund(_Strict):
    purchase_order_id: str
    order_lines: _Lines


class _Telling(_Strict):
    order_refund: _OrderRefund


class RefundDesk:
    """Gives back what was paid for orders of one `Book`. Callers hold the simulator's lock."""

    def __init__(self, book: Book, orders: OrderDesk, now: Callable[[], int]) -> None:
        self._book = book
        self._orders = orders
        self._now = now
        self._calls = 0

    def refund(self, asked: Asked) -> Response:
        """A call is taken whole or not at all."""
        asked.only()
        purchase = self._orders.purchase(asked)
        order = told(asked, _Telling, "the refund").order_refund
        if purchase.kind == WFS:
            raise content("Walmart ships this order itself")
        if order.purchase_order_id != purchase.number:
            raise content("another order than the address names", "purchaseOrderId")
        lines = {line.number: (index, line) for index, line in enumerate(purchase.lines)}
        given = order.order_lines.order_line
        if not given or len({line.line_number for line in given}) != len(given):
            raise content("no line, or one line twice")
        back: list[tuple[PurchaseLine, list[GivenBack]]] = []
        self._calls += 1
        for line in given:
            if line.line_number not in lines:
                raise content("the line is invalid", "lineNumber")
            index, held = lines[line.line_number]
            charges = [charge for refund in line.refunds.refund for charge in refund.refund_charges.refund_charge]
            if not charges:
                raise content("no charge", "refundCharge")
            back.append((held, [_given(charge, f"R{self._calls}") for charge in charges]))
            may_give_back(index, held, back[-1][1])
        for held, some in back:
            held.refunds += some
        self._book.touch(purchase, self._now(), *(held for held, _ in back))
        return shown(purchase)

    def give_back(self, purchase: Purchase, line: PurchaseLine, units: int, call: str) -> None:
        """Walmart refunds units of a return at what they cost."""
        index = purchase.lines.index(line)
        amount, tax = charged(index, line, "PRODUCT")
        whole = line.ordered - line.cancelled
        given = GivenBack(
            "PRODUCT", "Customer returned item", amount / whole * units, round(tax / whole * units, 2), call, units
        )
        line.refunds.append(given)
        self._book.touch(purchase, self._now(), line)


def _given(charge: _RefundCharge, call: str) -> GivenBack:
    one = charge.charge
    taxes = {tax.tax_amount.amount for tax in (one.tax, one.tax_and_other_fees) if tax is not None}
    if len(taxes) > 1:
        raise content("tax and taxAndOtherFees differ", "taxAndOtherFees")
    tax = taxes.pop() if taxes else Decimal(0)
    for amount, field in ((one.charge_amount.amount, "chargeAmount"), (tax, "taxAmount")):
        if amount > 0 or amount != round(amount, 2) or (not amount and field == "chargeAmount"):
            raise content("the amount of a refund is negative, in whole cents", field)
    return GivenBack(one.charge_type, charge.refund_reason, -one.charge_amount.amount, -tax, call)


def may_give_back(index: int, line: PurchaseLine, some: list[GivenBack]) -> None:
    """Refuses a refund of what has not shipped, and of more than was paid."""
    if not line.shipped:
        raise content(f"line {line.number} is not in SHIPPED status")
    for kind in ("PRODUCT", "SHIPPING"):
        amount, tax = charged(index, line, kind)
        rows = [given for given in (*line.refunds, *some) if given.kind == kind]
        if sum(given.amount for given in rows) > amount or sum(given.tax for given in rows) > tax:
            raise content(f"more than was charged for line {line.number}", "chargeAmount")


def effects_of(purchase: Purchase) -> list[RefundEffect]:
    """The refunds of an order, one for each call."""
    found: dict[str, RefundEffect] = {}
    for line in purchase.lines:
        for given in line.refunds:
            before = found.get(given.call)
            amount = given.amount + given.tax + (before.amount if before is not None else 0)
            units = dict(before.lines) if before is not None else {}
            if given.units:
                units[line.sku] = units.get(line.sku, 0) + given.units
            found[given.call] = RefundEffect(order=purchase.number, number=given.call, amount=amount, lines=units)
    return list(found.values())
