"""Work orders as ShipStation is asked for them. Pure."""

from __future__ import annotations

from typing import Any

from connectors.shipstation import times
from connectors.shipstation.settings import ShipStationSettings
from core.handover import WorkOrder

LONGEST = 50
"""Letters of an order's number, at most."""

PARTING = ":"


def line_key(work: str, number: str) -> str:
    """The lineItemKey of a line: the work is part of it, as people may combine orders into one parcel."""
    return f"{work}{PARTING}{number}"


def line_of(key: str) -> tuple[str, str]:
    """Work and line number of a lineItemKey; an empty work where it is none of ours."""
    work, _, number = key.rpartition(PARTING)
    return work, number


def request(order: WorkOrder, settings: ShipStationSettings) -> dict[str, Any]:
    """The body of createorder. Our key is its number too: the list finds orders by nothing else that we know later."""
    to = order.ship_to
    options: dict[str, Any] = {"source": order.channel, "customField1": order.order}
    if order.place:
        options["warehouseId"] = int(order.place)
    if settings.store_id is not None:
        options["storeId"] = settings.store_id
    more = {
        "shipByDate": times.wall(order.ship_by) if order.ship_by else "",
        "customerEmail": order.email if settings.give_email else "",
        "requestedShippingService": order.service,
        "internalNotes": f"Deliver by {times.wall(order.deliver_by)} Pacific time" if order.deliver_by else "",
    }
    return {
        "orderNumber": order.key,
        "orderKey": order.key,
        "orderDate": times.wall(order.placed_at),
        "orderStatus": "awaiting_shipment",
        "billTo": {"name": to.name or to.company},
        "shipTo": _address(order),
        "items": [
            {
                "lineItemKey": line_key(order.key, line.number),
                "sku": line.sku,
                "name": line.title or line.sku,
                "quantity": line.quantity,
            }
            for line in order.lines
        ],
        "advancedOptions": options,
        **{name: value for name, value in more.items() if value},
    }


def lacks(order: WorkOrder) -> str:
    """Why ShipStation would not take this work, or nobody could send it; empty where nothing is missing."""
    to = order.ship_to
    needed = (("name", to.name or to.company), ("street", to.line1), ("city", to.city), ("country", to.country))
    missing = [name for name, value in needed if not value]
    if missing:
        return f"the address has no {', '.join(missing)}; mend it at the channel"
    if len(order.key) > LONGEST:
        return f"the number {order.key} is longer than {LONGEST} letters; set a shorter key_prefix"
    return ""


def _address(order: WorkOrder) -> dict[str, str]:
    to = order.ship_to
    found = {
        "name": to.name or to.company,
        "company": to.company if to.name else "",
        "street1": to.line1,
        "street2": to.line2,
        "city": to.city,
        "state": to.region,
        "postalCode": to.postal_code,
        "country": to.country,
        "phone": to.phone,
    }
    return {name: value for name, value in found.items() if value}
