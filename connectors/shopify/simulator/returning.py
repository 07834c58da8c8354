"""Returns at the simulated shop: what its buyers and its people do with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.shopify.simulator.records import Order, Return, ReturnLine
from connectors.shopify.simulator.shop import Shop


def request(shop: Shop, order: Order, units: Mapping[str, int], *, reason: str = "unwanted") -> Return:
    """A buyer asks to send back so many shipped units by SKU; an unknown SKU is a line nobody can place."""
    lines = []
    for sku, wanted in units.items():
        left = wanted
        for parcel in order.shipped:
            for row in parcel.lines:
                if row.lineItem.sku == sku and left:
                    count = min(left, row.quantity)
                    left -= count
                    lines.append(ReturnLine(shop.gid("ReturnLineItem"), row, count, reason))
        if left == wanted:
            lines.append(ReturnLine(shop.gid("UnverifiedReturnLineItem"), None, wanted, reason))
    made = Return(shop.gid("Return"), f"{order.name}-R{len(order.returns) + 1}", "", order, lines)
    order.returns.append(made)
    shop.nodes |= {made.id: made, **{line.id: line for line in lines}}
    shop.touch(order)
    made.createdAt = order.updatedAt
    return made


def become(shop: Shop, one: Return, status: str, *, tracking: str = "", carrier: str = "") -> None:
    """A return is approved, closed, cancelled or declined; the buyer may have told how it travels."""
    one.status = status
    if tracking:
        parcel: dict[str, Any] = {"kind": "ReverseDeliveryShippingDeliverable"}
        one.parcels.append(parcel | {"tracking": {"number": tracking, "carrierName": carrier or None}})
    shop.touch(one.order)


def process(shop: Shop, one: Return) -> None:
    """All that came back was looked at."""
    for line in one.lines:
        line.processedQuantity = line.quantity
    shop.touch(one.order)
