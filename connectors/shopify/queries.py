"""The GraphQL documents we send, sized to what one request may cost.

A request may cost 1,000 points. An object costs one, a mutation ten, scalars nothing; a connection costs more the more
it is asked for, by a rule Shopify does not publish. Answers seen in the wild fit 2 + f x (one node), f being about
twice the natural logarithm of `first`. The sizes below stay under 1,000 by that rule, with every id of `nodes` counted
in full. Should Shopify count otherwise, a refused page is asked for again at half its size.
"""

from __future__ import annotations

from typing import Final

PAGE: Final = 240
"""Orders a page."""
PAGE_WITH_PLACES: Final = 90
"""Orders a page where the locations of their lines are asked for too."""
SPARE_PAGE: Final = 50
"""Orders a page of what has time."""
SPARE_ORDERS: Final = 7
"""Orders read by their ids at once."""
LISTINGS: Final = 250
SHIPPED_ORDERS: Final = 16
"""Orders whose fulfilment is read at once before parcels are told."""
PARCELS: Final = 20
"""Parcels told of at once. They cost little; but Shopify works them off one by one while the deadline runs."""
LEVELS: Final = 250
"""Quantities set at once: the most Shopify takes."""
SUBSCRIPTIONS: Final = 25
"""Subscriptions changed at once: ten points each, and more for what is answered."""
POINTS: Final = 1000
"""What one request may cost."""

MOST_LINES: Final = 12
MOST_PARTS: Final = 4
MOST_REFUNDS: Final = 2
MANY_REFUNDS: Final = 50
ALL: Final = 250
"""Rows of each list inside one order when that order is read alone."""

_MONEY: Final = "{ shopMoney { amount } }"
_ENDS: Final = "pageInfo { hasNextPage endCursor }"

LINE_FIELDS: Final = f"""
  id sku name quantity currentQuantity unfulfilledQuantity requiresShipping
  originalUnitPriceSet {_MONEY}
  discountAllocations {{ allocatedAmountSet {_MONEY} }}
  taxLines {{ priceSet {_MONEY} }}"""
"""What is read of a line."""

_LINE: Final = f"""
fragment Line on LineItem {{{LINE_FIELDS}
}}"""

ORDER_FIELDS: Final = f"""
  id name createdAt updatedAt cancelledAt test email displayFinancialStatus currencyCode taxesIncluded dutiesIncluded
  risk {{ recommendation }}
  totalPriceSet {{ shopMoney {{ amount }} presentmentMoney {{ amount currencyCode }} }}
  totalTipReceivedSet {_MONEY}
  originalTotalDutiesSet {_MONEY}
  originalTotalAdditionalFeesSet {_MONEY}
  shippingLine {{ title discountedPriceSet {_MONEY} taxLines {{ priceSet {_MONEY} }} }}
  shippingAddress {{ name company address1 address2 city province provinceCode zip countryCodeV2 phone }}"""
"""What is read of an order beside its lists."""

_FULFILLED: Final = f"nodes {{ quantity lineItem {{ id }} }} {_ENDS}"
_ASSIGNED: Final = f"nodes {{ totalQuantity lineItem {{ id }} }} {_ENDS}"


_REFUNDED: Final = f"nodes {{ quantity lineItem {{ id }} }} {_ENDS}"


def _order(lines: int, parts: int, refunds: int, places: bool) -> str:
    """An order with up to so many rows of each list read at once."""
    where = f"assignedLocation {{ location {{ id }} }} lineItems(first: {lines}) {{ {_ASSIGNED} }}" if places else ""
    return f"""
fragment Whole on Order {{{ORDER_FIELDS}
  lineItems(first: {lines}) {{ nodes {{ ...Line }} {_ENDS} }}
  fulfillments(first: {parts}) {{
    id status trackingInfo {{ number company }} fulfillmentLineItems(first: {lines}) {{ {_FULFILLED} }}
  }}
  fulfillmentOrders(first: {parts}) {{ nodes {{ id status fulfillBy {where} }} {_ENDS} }}
  refunds(first: {refunds}) {{
    id processedAt totalRefundedSet {_MONEY} refundLineItems(first: {lines}) {{ {_REFUNDED} }}
  }}
}}{_LINE}"""


def orders(places: bool, by: str = "UPDATED_AT") -> str:
    """A page of orders by their last change, or by another key: $query, $after, $first."""
    return f"""query Orders($query: String!, $after: String, $first: Int!) {{
  orders(query: $query, after: $after, first: $first, sortKey: {by}) {{ nodes {{ ...Whole }} {_ENDS} }}
}}{_order(MOST_LINES, MOST_PARTS, MOST_REFUNDS, places)}"""


def wholes(places: bool) -> str:
    """Several orders as a page has them: $ids."""
    return "query Wholes($ids: [ID!]!) { nodes(ids: $ids) { ...Whole } }" + _order(
        MOST_LINES, MOST_PARTS, MOST_REFUNDS, places
    )


def order(places: bool) -> str:
    """One order with all that one request can hold of it: $id."""
    return f"query Order($id: ID!) {{ order(id: $id) {{ ...Whole }} }}{_order(ALL, ALL, MANY_REFUNDS, places)}"


ROLL_CALL: Final = f"""query RollCall($query: String!, $after: String, $first: Int!) {{
  orders(query: $query, after: $after, first: $first, sortKey: CREATED_AT) {{ nodes {{ id createdAt }} {_ENDS} }}
}}"""
"""A page of orders by when they were placed, and nothing of them but that: $query, $after, $first."""

CHANGES: Final = f"""query Changes($query: String!, $after: String, $first: Int!) {{
  orders(query: $query, after: $after, first: $first, sortKey: UPDATED_AT) {{ nodes {{ id updatedAt }} {_ENDS} }}
}}"""
"""A page of orders by their last change, and nothing of them but that: $query, $after, $first."""

MORE: Final = f"""query More($id: ID!, $after: String!) {{
  node(id: $id) {{
    ... on Order {{ lineItems(first: {ALL}, after: $after) {{ nodes {{ ...Line }} {_ENDS} }} }}
    ... on Fulfillment {{ fulfillmentLineItems(first: {ALL}, after: $after) {{ {_FULFILLED} }} }}
    ... on FulfillmentOrder {{ assigned: lineItems(first: {ALL}, after: $after) {{ {_ASSIGNED} }} }}
    ... on Refund {{ refundLineItems(first: {ALL}, after: $after) {{ {_REFUNDED} }} }}
  }}
}}{_LINE}"""
"""Further rows of a list inside an order; $id names whose, $after where the last rows ended."""

CHANGED: Final = "query Changed($id: ID!) { order(id: $id) { updatedAt } }"


def _fulfilment(lines: int, parts: int) -> str:
    return f"""
fragment Fulfilment on Order {{
  id
  fulfillments(first: {parts}) {{
    id status trackingInfo {{ number company url }} fulfillmentLineItems(first: {lines}) {{ {_FULFILLED} }}
  }}
  fulfillmentOrders(first: {parts}) {{
    nodes {{
      id status supportedActions {{ action }} assignedLocation {{ location {{ id }} }}
      lineItems(first: {lines}) {{ nodes {{ id remainingQuantity lineItem {{ id }} }} {_ENDS} }}
    }}
    {_ENDS}
  }}
}}"""


FULFILMENTS: Final = f"""query Fulfilments($ids: [ID!]!) {{
  nodes(ids: $ids) {{ ...Fulfilment }}
}}{_fulfilment(MOST_LINES, MOST_PARTS)}"""
"""What several orders still want fulfilled and what they know as fulfilled: $ids."""

FULFILMENT: Final = f"query Fulfilment($id: ID!) {{ order(id: $id) {{ ...Fulfilment }} }}{_fulfilment(ALL, ALL)}"
"""The same of one order, in full: $id."""

MORE_FULFILMENT: Final = f"""query MoreFulfilment($id: ID!, $after: String!) {{
  node(id: $id) {{
    ... on Fulfillment {{ fulfillmentLineItems(first: {ALL}, after: $after) {{ {_FULFILLED} }} }}
    ... on FulfillmentOrder {{
      assigned: lineItems(first: {ALL}, after: $after) {{ nodes {{ id remainingQuantity lineItem {{ id }} }} {_ENDS} }}
    }}
  }}
}}"""


def fulfil(count: int) -> str:
    """`count` parcels in one request, each under the alias p0, p1 …, its input in $p0, $p1 …"""
    names = [f"p{number}" for number in range(count)]
    given = ", ".join(f"${name}: FulfillmentInput!" for name in names)
    parcels = "\n".join(
        f"  {name}: fulfillmentCreate(fulfillment: ${name}) {{ fulfillment {{ id }} userErrors {{ field message }} }}"
        for name in names
    )
    return f"mutation Fulfil({given}) {{\n{parcels}\n}}"


SET_QUANTITIES: Final = """mutation SetQuantities($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) {
    userErrors { code field message }
  }
}"""


def levels(places: int) -> str:
    """Available quantities of several items, each at the places $l0, $l1 …: $ids."""
    given = "".join(f", $l{at}: ID!" for at in range(places))
    held = " ".join(
        f'l{at}: inventoryLevel(locationId: $l{at}) {{ quantities(names: ["available"]) {{ quantity }} }}'
        for at in range(places)
    )
    return f"query Levels($ids: [ID!]!{given}) {{ nodes(ids: $ids) {{ ... on InventoryItem {{ id {held} }} }} }}"


def levels_at_once(places: int) -> int:
    """Items a `levels` request may name: an item, and a level with its quantity for each place."""
    return min(250, (POINTS - 10) // (1 + 2 * places))


VARIANTS: Final = f"""query Variants($after: String, $first: Int!) {{
  productVariants(first: $first, after: $after, sortKey: ID) {{
    nodes {{
      sku displayName
      inventoryItem {{
        id tracked
        inventoryLevels(first: {ALL}) {{
          nodes {{ location {{ id }} quantities(names: ["available"]) {{ quantity }} }} pageInfo {{ hasNextPage }}
        }}
      }}
    }}
    {_ENDS}
  }}
}}"""

ORDER_OF: Final = "query OrderOf($id: ID!) { node(id: $id) { ... on FulfillmentOrder { order { id } } } }"
"""The order that a piece of work is of: $id names the fulfilment order."""

WEBHOOKS: Final = f"""query Webhooks($after: String) {{
  webhookSubscriptions(first: 250, after: $after) {{
    nodes {{ id topic uri format includeFields filter }}
    {_ENDS}
  }}
}}"""
"""Every subscription the app has made in this shop by the API."""
