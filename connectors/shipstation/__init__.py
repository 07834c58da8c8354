"""ShipStation, the shipping tool, as a warehouse: whoever packs there is handed our work and makes its labels.

`client.py` is the connector, `settings.py` its keys, `orders.py` what ShipStation is asked, `events.py` what its labels
mean, `times.py` its clock. It speaks the v1 API.

Facts, and the vendor's page (below docs.shipstation.com/apis/shipstation-v1) that each was read on:

- docs/start-here/requirements: https://ssapi.shipstation.com, Basic authentication with key and secret; 40 requests a
  minute for each key; X-Rate-Limit-Limit, -Remaining and -Reset (seconds) on every answer; instants are Pacific time,
  standard or daylight-saving.
- openapi/orders/create_update_order: POST /orders/createorder; the orderKey makes a second one an update of the first,
  and only awaiting_payment, awaiting_shipment and on_hold can be updated. The former www.shipstation.com/docs/api says
  which fields are required, and that an orderNumber has 50 letters at most.
- openapi/orders/list_orders: orderNumber finds all that begin with it; pages by number, of 500 at most.
- openapi/orders/delete_order: DELETE /orders/{orderId} makes an order inactive.
- docs/shipments/list: labels made there and no others (an order marked as shipped by hand is not among them); items
  with includeShipmentItems; createDateStart and voidDateStart.
- docs/models/advanced-options, order-item: warehouseId, storeId, customField1, source, mergedOrSplit, parentId;
  lineItemKey, and that an item's name is needed.

Unverified, as no page says so and no account was at hand: that voided labels stay in the list with `voided` true
(projects that read the API find them so); that a label's items repeat the lineItemKey (the vendor's example has none:
then the SKU is taken); that an order once shipped is refused by DELETE (it is never asked: the state is looked at
before, and labels after); that deleted orders are no longer listed; the words of a refusal.
"""

from connectors.shipstation.client import ShipStation

__all__ = ["ShipStation"]
