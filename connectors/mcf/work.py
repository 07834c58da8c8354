"""Work orders as Amazon is asked for them. Pure."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from connectors.mcf.settings import McfSettings
from core.handover import WorkOrder

LONGEST_KEY = 40
LONGEST_SKU = 50


def request(order: WorkOrder, settings: McfSettings) -> dict[str, Any]:
    """The body of createFulfillmentOrder. All or nothing: what Amazon cannot send whole is routed elsewhere."""
    features = [("BLANK_BOX", settings.blank_box), ("BLOCK_AMZL", settings.block_amazon_logistics)]
    constraints = [{"featureName": name, "featureFulfillmentPolicy": "Required"} for name, wanted in features if wanted]
    return {
        "marketplaceId": settings.marketplace_id,
        "sellerFulfillmentOrderId": order.key,
        "displayableOrderId": (order.order or order.key)[:LONGEST_KEY],
        "displayableOrderDate": f"{order.placed_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "displayableOrderComment": settings.comment,
        "shippingSpeedCategory": settings.speeds.get(order.service, settings.speed),
        "fulfillmentAction": "Ship",
        "fulfillmentPolicy": "FillOrKill",
        "destinationAddress": _address(order),
        **({"featureConstraints": constraints} if constraints else {}),
        "items": [
            {"sellerSku": line.sku, "sellerFulfillmentOrderItemId": line.number, "quantity": line.quantity}
            for line in order.lines
        ],
    }


def lacks(order: WorkOrder) -> str:
    """Why Amazon would not take this work; empty where nothing is missing."""
    to = order.ship_to
    missing = [
        name
        for name, value in (
            ("name", to.name or to.company), ("street", to.line1), ("postal code", to.postal_code),
            ("country", to.country),
        )
        if not value
    ]  # fmt: skip
    if missing:
        return f"the address has no {', '.join(missing)}; mend it at the channel"
    if len(order.key) > LONGEST_KEY:
        return f"the number {order.key} is longer than {LONGEST_KEY} letters; set a shorter key_prefix"
    long = next((line.sku for line in order.lines if len(line.sku) > LONGEST_SKU), "")
    return f"the SKU {long} is longer than Amazon's {LONGEST_SKU} letters; name Amazon's own under skus" if long else ""


def _address(order: WorkOrder) -> dict[str, str]:
    to = order.ship_to
    lines = [line for line in (to.company if to.name else "", to.line1, to.line2) if line]
    found = {
        "name": to.name or to.company,
        **{f"addressLine{nth}": line for nth, line in enumerate(lines[:3], start=1)},
        "city": to.city,
        "stateOrRegion": to.region,
        "postalCode": to.postal_code,
        "countryCode": to.country,
        "phone": to.phone,
    }
    return {name: value for name, value in found.items() if value}
