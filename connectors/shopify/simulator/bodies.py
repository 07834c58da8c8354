"""The bodies of webhooks: what the shop's records look like in Shopify's REST form, as far as it is told."""

from __future__ import annotations

from typing import Any

from connectors.shopify.simulator.records import FulfillmentOrder, Item, Level, Order, Return


def number(gid: str) -> int:
    return int(gid.rpartition("/")[2])


def order(order: Order) -> dict[str, Any]:
    address = order.shippingAddress
    return {
        "id": int(order.number),
        "admin_graphql_api_id": order.id,
        "name": order.name,
        "email": order.email,
        "created_at": order.createdAt,
        "updated_at": order.updatedAt,
        "cancelled_at": order.cancelledAt,
        "currency": order.currencyCode,
        "financial_status": order.displayFinancialStatus.lower(),
        "total_price": order.totalPriceSet["shopMoney"]["amount"],
        "shipping_address": {**address, "country_code": address["countryCodeV2"]},
        "line_items": [
            {
                "id": number(line.id),
                "sku": line.sku,
                "quantity": line.quantity,
                "current_quantity": line.currentQuantity,
            }
            for line in order.lines
        ],
    }


def edit(order: Order) -> dict[str, Any]:
    return {"order_edit": {"id": 1, "order_id": int(order.number), "created_at": order.updatedAt}}


def refund(order: Order) -> dict[str, Any]:
    made = order.refunds[-1]
    return {"id": number(made.id), "order_id": int(order.number), "created_at": made.createdAt, "note": made.note}


def sent_back(one: Return) -> dict[str, Any]:
    return {
        "id": number(one.id),
        "admin_graphql_api_id": one.id,
        "status": one.status.lower(),
        "order": {"id": int(one.order.number), "admin_graphql_api_id": one.order.id},
        "name": one.name,
    }


def moved(part: FulfillmentOrder) -> dict[str, Any]:
    return {"original_fulfillment_order": {"id": part.id, "status": part.status.lower()}}


def work(part: FulfillmentOrder) -> dict[str, Any]:
    return {"fulfillment_order": {"id": part.id, "status": part.status.lower()}}


def level(item: Item, level: Level, at: str) -> dict[str, Any]:
    return {
        "inventory_item_id": number(item.id),
        "location_id": number(level.location.id),
        "available": level.available,
        "updated_at": at,
        "admin_graphql_api_id": f"gid://shopify/InventoryLevel/{number(level.location.id)}?inventory_item_id="
        f"{number(item.id)}",
    }
