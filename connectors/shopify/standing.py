"""How an order stands before units of it are cancelled or money is given back: its lines, parcels, work and refunds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from connectors.shopify import queries
from connectors.shopify.documents import Counted, Id, Instant, Nodes, Record
from connectors.shopify.fulfilment import Fulfilled
from connectors.shopify.graph import Graph
from connectors.shopify.orders import LEFT, OVER, gid, is_number, never_shipping, short
from connectors.shopify.reading import finish
from core.errors import BadDocument, Unavailable

AT_ONCE: Final = 12
"""Orders read in one request."""


class Site(Record):
    id: str
    is_active: bool


class At(Record):
    location: Site | None = None


class Row(Record):
    remaining_quantity: int
    line_item: Id


class Work(Record):
    status: str
    assigned_location: At
    line_items: Nodes[Row]


class Parcel(Record):
    status: str
    fulfillment_line_items: Nodes[Fulfilled]


class Line(Counted, kw_only=True):
    refundable_quantity: int


class Transfer(Record):
    status: str


class GivenBack(Record):
    """A refund there is already."""

    id: str
    transactions: Nodes[Transfer]
    note: str | None = None


class Standing(Record):
    """One order as it stands."""

    id: str
    line_items: Nodes[Line]
    fulfillments: list[Parcel]
    fulfillment_orders: Nodes[Work]
    refunds: list[GivenBack]
    cancelled_at: Instant | None = None

    @property
    def lines(self) -> Mapping[str, Line]:
        """By number."""
        return {short(line.id): line for line in self.line_items.nodes}

    def shipped(self) -> Counter[str]:
        """Units by line that left. A line without a parcel is handed over as soon as it is ordered."""
        units: Counter[str] = Counter()
        for parcel in self.fulfillments:
            if parcel.status in LEFT:
                for row in parcel.fulfillment_line_items.nodes:
                    units[short(row.line_item.id)] += row.quantity
        for line in self.line_items.nodes:
            if not line.requires_shipping:
                number = short(line.id)
                units[number] = line.quantity - self.cancelled(line, units[number])
        return units

    def cancelled(self, line: Counted, shipped: int) -> int:
        """Units of a line that will never ship, as `orders` counts them."""
        whole = self.cancelled_at is not None
        removed = line.quantity != line.current_quantity
        return never_shipping(line, shipped, whole=whole) if whole or removed else 0

    def work(self, number: str) -> Iterator[tuple[Site | None, int]]:
        """Where units of a line are still to be fulfilled, and how many."""
        for part in self.fulfillment_orders.nodes:
            for row in part.line_items.nodes if part.status not in OVER else ():
                if short(row.line_item.id) == number and row.remaining_quantity > 0:
                    yield part.assigned_location.location, row.remaining_quantity


def _fragment(lines: int, parts: int) -> str:
    ends = "pageInfo { hasNextPage endCursor }"
    return f"""
fragment Standing on Order {{
  id cancelledAt
  lineItems(first: {lines}) {{ nodes {{ ...Units }} {ends} }}
  fulfillments(first: {parts}) {{
    id status fulfillmentLineItems(first: {lines}) {{ nodes {{ quantity lineItem {{ id }} }} {ends} }}
  }}
  fulfillmentOrders(first: {parts}) {{
    nodes {{
      id status assignedLocation {{ location {{ id isActive }} }}
      lineItems(first: {lines}) {{ nodes {{ remainingQuantity lineItem {{ id }} }} {ends} }}
    }}
    {ends}
  }}
  refunds(first: {parts}) {{ id note transactions(first: 9) {{ nodes {{ status }} }} }}
}}{_UNITS}"""


_UNITS: Final = """
fragment Units on LineItem {
  id quantity currentQuantity unfulfilledQuantity refundableQuantity requiresShipping
}"""

_MANY: Final = "query Standings($ids: [ID!]!) { nodes(ids: $ids) { ...Standing } }" + _fragment(
    queries.MOST_LINES, queries.MOST_PARTS
)
_ONE: Final = "query Standing($id: ID!) { order(id: $id) { ...Standing } }" + _fragment(queries.ALL, queries.ALL)

_MORE: Final = f"""query MoreStanding($id: ID!, $after: String!) {{
  node(id: $id) {{
    ... on Order {{
      lineItems(first: {queries.ALL}, after: $after) {{ nodes {{ ...Units }} pageInfo {{ hasNextPage endCursor }} }}
    }}
    ... on Fulfillment {{
      fulfillmentLineItems(first: {queries.ALL}, after: $after) {{
        nodes {{ quantity lineItem {{ id }} }} pageInfo {{ hasNextPage endCursor }}
      }}
    }}
    ... on FulfillmentOrder {{
      assigned: lineItems(first: {queries.ALL}, after: $after) {{
        nodes {{ remainingQuantity lineItem {{ id }} }} pageInfo {{ hasNextPage endCursor }}
      }}
    }}
  }}
}}{_UNITS}"""


class _Nodes(Record):
    nodes: list[dict[str, Any] | None]


class _One(Record):
    order: dict[str, Any] | None


class Desk:
    """Orders as they stand, read a few at once and read again after each of them was told something."""

    def __init__(self, graph: Graph, numbers: Sequence[str]) -> None:
        self._graph = graph
        self._ahead = list(dict.fromkeys(gid("Order", number) for number in numbers if is_number(short(number))))
        self._known: dict[str, Standing | None] = {}

    def look(self, number: str) -> Standing | None:
        """How an order stands; None where Shopify does not know it. `BadDocument` where not all of it is shown."""
        order = gid("Order", number)
        if not is_number(short(number)):
            return None
        if order not in self._known and order in self._ahead:
            at = self._ahead.index(order)
            some = self._ahead[at : at + AT_ONCE]
            del self._ahead[at : at + AT_ONCE]
            self._known |= dict.fromkeys(some) | self._read(some)
        elif order not in self._known:
            self._known[order] = self._read_one(order)
        return self._known[order]

    def forget(self, number: str) -> None:
        """The order was told something: it is read anew when it is looked at again."""
        self._known.pop(gid("Order", number), None)

    def _read(self, orders: Sequence[str]) -> dict[str, Standing | None]:
        found: dict[str, Standing | None] = {}
        for node in self._graph.ask(_MANY, {"ids": orders}, _Nodes).nodes:
            if not node:
                continue
            ends = [node["lineItems"], node["fulfillmentOrders"]]
            ends += [part["fulfillmentLineItems"] for part in node["fulfillments"]]
            ends += [part["lineItems"] for part in node["fulfillmentOrders"]["nodes"]]
            cut = max(len(node["fulfillments"]), len(node["refunds"])) >= queries.MOST_PARTS
            cut = cut or any(rows["pageInfo"]["hasNextPage"] for rows in ends)
            found[node["id"]] = self._read_one(node["id"]) if cut else _convert(node)
        return found

    def _read_one(self, order: str) -> Standing | None:
        value = self._graph.ask(_ONE, {"id": order}, _One).order
        if value is None:
            return None
        if max(len(value["fulfillments"]), len(value["refunds"])) >= queries.ALL:
            raise BadDocument(f"{queries.ALL} or more parcels or refunds, and Shopify lists no further ones")
        finish(self._graph, value, _MORE)
        return _convert(value)


def _convert(value: Mapping[str, Any]) -> Standing:
    try:
        return msgspec.convert(value, Standing)
    except msgspec.ValidationError as error:
        raise Unavailable(f"Shopify answered what cannot be read: {error}") from None
