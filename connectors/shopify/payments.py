"""An order's payments: what is left of each, what Shopify suggests to give back, and the buyer's currency.

Money is given back in the currency the buyer paid in. Where that is not the shop's, an amount is converted at the rate
the order itself was placed at, as its payment shows it; the difference is a rounding of the last digit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from connectors.shopify.documents import Amount, Record
from connectors.shopify.graph import Graph
from core.model import ZERO

WHOLE: Final = frozenset(
    "BIF CLP DJF GNF JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split()  # noqa: SIM905 - one word each
)
"""Currencies without cents (ISO 4217)."""

PAID: Final = frozenset(("SALE", "CAPTURE"))
TAKEN: Final = frozenset(("SUCCESS", "PENDING", "AWAITING_RESPONSE"))
"""Statuses of a refund's transaction under which its money is gone or on its way."""


class _Both(Record):
    shop_money: Amount
    presentment_money: Amount


class _Parent(Record):
    id: str


class _Transaction(Record):
    id: str
    kind: str
    status: str
    amount_set: _Both
    gateway: str | None = None
    parent_transaction: _Parent | None = None


class _Suggested(Record):
    amount_set: _Both
    gateway: str | None = None
    maximum_refundable_set: _Both | None = None
    parent_transaction: _Parent | None = None


class _Refund(Record):
    amount_set: _Both
    suggested_transactions: list[_Suggested]


class _Order(Record):
    currency_code: str
    presentment_currency_code: str
    transactions: list[_Transaction]
    part: _Refund | None = None
    full: _Refund | None = None


class _Answer(Record):
    order: _Order | None


_MONEY: Final = "{ shopMoney { amount } presentmentMoney { amount } }"
_SUGGESTED: Final = f"""{{
  amountSet {_MONEY}
  suggestedTransactions {{
    gateway amountSet {_MONEY} maximumRefundableSet {_MONEY} parentTransaction {{ id }}
  }}
}}"""

DOCUMENT: Final = f"""query Payments($id: ID!, $rows: [RefundLineItemInput!], $shipping: Money) {{
  order(id: $id) {{
    currencyCode presentmentCurrencyCode
    transactions(first: 100) {{ id kind status gateway amountSet {_MONEY} parentTransaction {{ id }} }}
    part: suggestedRefund(refundLineItems: $rows, shippingAmount: $shipping) {_SUGGESTED}
    full: suggestedRefund(suggestFullRefund: true) {_SUGGESTED}
  }}
}}"""


class Payments:
    """What an order's buyer has paid and not got back, payment by payment, in the buyer's currency."""

    def __init__(self, graph: Graph, order: str, rows: Sequence[Mapping[str, Any]], shipping: Decimal = ZERO) -> None:
        """Asks for it, and for what Shopify suggests for these rows and so much of the shipping charge."""
        given = {"id": order, "rows": list(rows), "shipping": f"{shipping:f}"}
        found = graph.ask(DOCUMENT, given, _Answer).order
        self._order = order
        self._left: dict[str, Decimal] = {}
        self._gateways: dict[str, str] = {}
        self._rate = Decimal(1)
        self.suggested = ZERO
        """What Shopify would give back for the rows, in the shop's currency."""
        self._suggestions: list[tuple[str, Decimal]] = []
        self.currency = ""
        if found is not None:
            self.currency = found.presentment_currency_code
            self._read(found)

    def _read(self, found: _Order) -> None:
        for one in found.transactions:
            if one.kind in PAID and one.status == "SUCCESS" and one.gateway:
                self._left[one.id] = one.amount_set.presentment_money.amount
                self._gateways[one.id] = one.gateway
                if one.amount_set.shop_money.amount:
                    self._rate = one.amount_set.presentment_money.amount / one.amount_set.shop_money.amount
        for one in found.transactions:
            parent = one.parent_transaction.id if one.parent_transaction else ""
            if one.kind == "REFUND" and one.status in TAKEN and parent in self._left:
                self._left[parent] -= one.amount_set.presentment_money.amount
        for suggestion in (*_rows(found.full), *_rows(found.part)):  # a payment's own limit may be lower
            if suggestion.parent_transaction and suggestion.maximum_refundable_set:
                parent, most = suggestion.parent_transaction.id, suggestion.maximum_refundable_set
                if parent in self._left:
                    self._left[parent] = min(self._left[parent], most.presentment_money.amount)
        if found.part is not None:
            self.suggested = found.part.amount_set.shop_money.amount
            self._suggestions = [
                (one.parent_transaction.id, one.amount_set.presentment_money.amount)
                for one in found.part.suggested_transactions
                if one.parent_transaction and one.parent_transaction.id in self._left
            ]

    @property
    def left(self) -> Decimal:
        """All that is left to give back."""
        return sum(self._left.values(), ZERO)

    def converted(self, amount: Decimal) -> Decimal:
        """An amount of the shop's currency in the buyer's."""
        if self._rate == 1:
            return amount
        digits = Decimal(1) if self.currency in WHOLE else Decimal("0.01")
        return (amount * self._rate).quantize(digits, ROUND_HALF_UP)

    def giving(self, amount: Decimal) -> list[dict[str, Any]]:
        """`amount`, in the buyer's currency, over the payments in the order they were made; at most `left`."""
        transactions = []
        for parent, left in self._left.items():
            part = min(amount, left)
            if part > 0:
                transactions.append(self._input(parent, part))
                amount -= part
        return transactions

    def giving_as_suggested(self) -> list[dict[str, Any]]:
        """What Shopify suggests, payment by payment."""
        return [self._input(parent, amount) for parent, amount in self._suggestions if amount > 0]

    def _input(self, parent: str, amount: Decimal) -> dict[str, Any]:
        return {
            "orderId": self._order,
            "parentId": parent,
            "gateway": self._gateways[parent],
            "kind": "REFUND",
            "amount": f"{amount:f}",
        }


def _rows(refund: _Refund | None) -> list[_Suggested]:
    return refund.suggested_transactions if refund else []
