"""Money and units given back at the simulated shop: refunds, and what Shopify suggests for one.

As strict as Shopify: never more units than were bought and not refunded yet, CANCEL only of units that have not left
and RETURN only of those that have, both with the location that stocks them again, NO_RESTOCK without one; a
transaction names the payment it gives back and that payment's gateway, and never gives back more than is left of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from graphql import GraphQLResolveInfo

from connectors.shopify.simulator.records import (
    ZERO,
    Level,
    LineItem,
    Location,
    Order,
    Refund,
    RefundLine,
    Transaction,
    bag,
    cents,
)
from connectors.shopify.simulator.shop import Shop
from connectors.shopify.simulator.world import idempotent, user_error

Part = tuple[LineItem, int, str, Location | None]
"""Line, units, how they are restocked, and where."""

Paid = tuple[Transaction, Decimal]
"""A payment, and how much of it is given back."""


def refund(shop: Shop, order: Order, parts: Sequence[Part], money: Sequence[Paid], note: str = "") -> Refund:
    """Gives units and money back: checked by whoever calls."""
    lines = []
    for line, units, restock, location in parts:
        amount = line.worth(units)
        line.refunded += units
        line.currentQuantity -= units
        left = units
        if restock == "RETURN":
            line.refundedShipped += units
            _put_back(shop, line, units, location)
        elif restock == "NO_RESTOCK":  # the units that have left go first
            gone = min(units, line.shipped - line.refundedShipped)
            line.refundedShipped += gone
            left -= gone
        if restock != "RETURN":
            _drop(shop, order, line, left, location if restock == "CANCEL" else None)
        lines.append(RefundLine(line, units, restock, location, amount))
    made = Refund(
        shop.gid("Refund"),
        "",
        "",
        note,
        lines,
        [
            Transaction(
                shop.gid("OrderTransaction"), amount, "REFUND", paid.gateway, paid, "SUCCESS", paid.currency, paid.rate
            )
            for paid, amount in money
            if amount
        ],
    )
    order.refunds.append(made)
    shop.nodes[made.id] = made
    for part in order.parts:
        part.settle()
    order.displayFinancialStatus = status(order)
    shop.touch(order)
    made.createdAt = made.processedAt = order.updatedAt
    return made


def _put_back(shop: Shop, line: LineItem, units: int, location: Location | None) -> None:
    level = level_of(shop, line, location)
    if level is not None:
        level.available += units


def _drop(shop: Shop, order: Order, line: LineItem, units: int, location: Location | None) -> None:
    """Takes units off the work that is still to be done, first off the location they are restocked at."""
    rows = [(part, row) for part in order.parts for row in part.lines if row.lineItem is line]
    for _, row in sorted(rows, key=lambda pair: pair[0].location is not location):
        count = min(units, row.remainingQuantity)
        row.drop(count, restock=level_of(shop, line, location))
        line.unfulfilledQuantity -= count
        units -= count


def level_of(shop: Shop, line: LineItem, location: Location | None) -> Level | None:
    """The stock of a line's item at a location; None where it has none."""
    variant = shop.variants.get(line.sku or "")
    if variant is None or location is None:
        return None
    return variant.inventoryItem.levels.get(location.id)


def cancel(shop: Shop, order: Order, *, restock: bool, money: bool) -> None:
    """The whole order: nothing of it has left."""
    parts: list[Part] = [
        (
            line,
            line.unfulfilledQuantity,
            "CANCEL" if restock else "NO_RESTOCK",
            line.level.location if line.level else None,
        )
        for line in order.lines
        if line.unfulfilledQuantity
    ]
    left = sum((order.left_to_refund(paid) for paid in order.paid), ZERO)
    refund(shop, order, parts, split(order, left) if money else [])
    order.cancelledAt = order.updatedAt
    order.displayFinancialStatus = status(order)


def cancel_units(shop: Shop, number: str, sku: str | None, quantity: int | None) -> None:
    """A buyer cancels up to `quantity` unshipped units (None: all) of a SKU (None: of every line), and is refunded."""
    order = shop.orders[number]
    left = sum(line.unfulfilledQuantity for line in order.lines) if quantity is None else quantity
    parts: list[Part] = []
    for line in order.lines:
        units = min(left, line.unfulfilledQuantity) if sku in (None, line.sku) else 0
        if units:
            parts.append((line, units, "CANCEL", line.level.location if line.level else None))
            left -= units
    if not parts:
        return
    if sum(units for _, units, _, _ in parts) == sum(line.currentQuantity for line in order.lines):
        cancel(shop, order, restock=True, money=True)
    else:
        refund(shop, order, parts, split(order, sum((line.worth(units) for line, units, _, _ in parts), ZERO)))


def split(order: Order, amount: Decimal) -> list[Paid]:
    """An amount over the payments there are, as far as they go."""
    money = []
    for paid in order.paid:
        part = min(amount, order.left_to_refund(paid))
        if part > 0:
            money.append((paid, part))
            amount -= part
    return money


def status(order: Order) -> str:
    """How the order's money stands."""
    paid = sum((one.amount for one in order.paid), ZERO)
    back = paid - sum((order.left_to_refund(one) for one in order.paid), ZERO)
    if not paid:
        return "VOIDED" if order.cancelledAt else "PENDING"
    if back >= paid:
        return "REFUNDED"
    return "PARTIALLY_REFUNDED" if back else "PAID"


def refund_create(_: Any, info: GraphQLResolveInfo, input: Mapping[str, Any]) -> dict[str, Any]:
    shop: Shop = info.context.shop

    def work() -> tuple[Any, list[dict[str, Any]]]:
        order = shop.nodes.get(input["orderId"])
        if not isinstance(order, Order):
            return None, [user_error("Order does not exist", "orderId")]
        parts, errors = _parts(shop, order, input.get("refundLineItems") or [])
        money, more = _money(order, input)
        if errors or more:
            return None, errors + more
        if not parts and not money and not input.get("shipping"):
            return None, [user_error("Refund must have line items, shipping or transactions", "base")]
        return refund(shop, order, parts, money, input.get("note") or ""), []

    made, errors = idempotent(info, input, work)
    return {"refund": made, "userErrors": errors}


def _parts(shop: Shop, order: Order, given: Sequence[Mapping[str, Any]]) -> tuple[list[Part], list[dict[str, Any]]]:
    lines = {line.id: line for line in order.lines}
    wanted: dict[tuple[str, str], int] = {}
    parts: list[Part] = []
    for at, row in enumerate(given):
        where = ("refundLineItems", str(at))
        line, restock = lines.get(row["lineItemId"]), row.get("restockType") or "NO_RESTOCK"
        if line is None:
            return [], [user_error("Line item does not exist", *where, "lineItemId")]
        if row["quantity"] < 1:
            return [], [user_error("Quantity must be greater than 0", *where, "quantity")]
        location = shop.locations.get(row.get("locationId") or "")
        wrong = _restock_is_wrong(shop, line, restock, row.get("locationId"), location)
        if wrong:
            return [], [user_error(wrong, *where, "restockType")]
        for kind in (restock, ""):
            wanted[line.id, kind] = wanted.get((line.id, kind), 0) + row["quantity"]
        most = {
            "CANCEL": line.unfulfilledQuantity,
            "RETURN": line.shipped - line.refundedShipped,
            "NO_RESTOCK": line.currentQuantity,
        }[restock]
        if wanted[line.id, restock] > most or wanted[line.id, ""] > line.currentQuantity:
            return [], [user_error("Quantity cannot refund more items than were purchased", *where, "quantity")]
        parts.append((line, row["quantity"], restock, location))
    return parts, []


def _restock_is_wrong(shop: Shop, line: LineItem, restock: str, named: str | None, location: Location | None) -> str:
    if restock == "LEGACY_RESTOCK":
        return "Restock type is not accepted when creating new refunds"
    if restock == "NO_RESTOCK":
        return "Location must be empty where nothing is restocked" if named else ""
    if location is None or not location.isActive:
        return "Location must be an active one where items are restocked"
    if line.sku in shop.variants and level_of(shop, line, location) is None:
        return "The item is not stocked at the location"
    return ""


def _money(order: Order, input: Mapping[str, Any]) -> tuple[list[Paid], list[dict[str, Any]]]:
    payments = {one.id: one for one in order.paid}
    foreign = order.presentmentCurrencyCode != order.currencyCode
    if input.get("currency") != order.presentmentCurrencyCode and (foreign or input.get("currency")):
        return [], [user_error("Currency must be the one the buyer paid in", "currency")]
    money: list[Paid] = []
    asked: dict[str, Decimal] = {}
    for at, row in enumerate(input.get("transactions") or []):
        where = ("transactions", str(at))
        amount = _amount(row["amount"])
        paid = payments.get(row.get("parentId") or "")
        if row["orderId"] != order.id or row["kind"] != "REFUND" or paid is None:
            return [], [user_error("Transaction must refund a payment of the order", *where)]
        if row["gateway"] != paid.gateway:
            return [], [user_error("Gateway is not the payment's", *where, "gateway")]
        if amount is None or amount <= 0 or amount != cents(amount):
            return [], [user_error("Amount must be greater than 0", *where, "amount")]
        amount = cents(amount / paid.rate)  # given in the buyer's currency
        asked[paid.id] = asked.get(paid.id, ZERO) + amount
        if asked[paid.id] > order.left_to_refund(paid) and not input.get("allowOverRefunding"):
            return [], [user_error("Refund amount exceeds the amount that is left of the payment", *where, "amount")]
        money.append((paid, amount))
    shipping = input.get("shipping")
    if shipping and shipping.get("amount") is not None and (_amount(shipping["amount"]) or ZERO) <= 0:
        return [], [user_error("Shipping amount must be greater than 0", "shipping", "amount")]
    return money, []


def _amount(text: Any) -> Decimal | None:
    try:
        amount = Decimal(str(text))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None


def suggested(
    order: Order,
    info: GraphQLResolveInfo,
    refundLineItems: Sequence[Mapping[str, Any]] = (),  # noqa: N803
    shippingAmount: Any = None,  # noqa: N803
    suggestFullRefund: bool = False,  # noqa: N803
) -> dict[str, Any]:
    """What Shopify would give back for these lines, over the payments there are."""
    lines = {line.id: line for line in order.lines}
    most = sum((order.left_to_refund(paid) for paid in order.paid), ZERO)
    due = most if suggestFullRefund else _amount(shippingAmount or 0) or ZERO
    for row in () if suggestFullRefund else refundLineItems:
        line = lines.get(row["lineItemId"])
        if line is not None:
            due += line.worth(min(row["quantity"], line.currentQuantity))
    amount = min(due, most)
    parts = dict(split(order, amount))
    return {
        "amountSet": bag(amount),
        "maximumRefundableSet": bag(most),
        "suggestedTransactions": [
            {
                "kind": "SUGGESTED_REFUND",
                "gateway": paid.gateway,
                "parentTransaction": paid,
                "amountSet": bag(parts[paid], paid.currency, paid.rate),
                "maximumRefundableSet": bag(order.left_to_refund(paid), paid.currency, paid.rate),
            }
            for paid in parts
        ],
    }
