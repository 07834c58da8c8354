"""How orders stand at Shopify before they are told anything: what left, under which number, and what is still to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from connectors.shopify import queries
from connectors.shopify.documents import Id, Nodes, Record
from connectors.shopify.graph import Graph
from connectors.shopify.orders import LEFT, WAITING, short
from connectors.shopify.reading import finish
from core.errors import Unavailable


class Row(Record):
    """Units of one order line that one fulfilment order still wants."""

    id: str
    remaining_quantity: int
    line_item: Id


class Action(Record):
    action: str


class At(Record):
    location: Id | None = None


class Work(Record):
    """A fulfilment order: what one location is to send."""

    id: str
    status: str
    supported_actions: list[Action]
    assigned_location: At
    line_items: Nodes[Row]

    def allows(self, action: str) -> bool:
        return any(offer.action == action for offer in self.supported_actions)

    @property
    def place(self) -> str:
        """The global id of its location; its own where it has none."""
        location = self.assigned_location.location
        return location.id if location else self.id


class Number(Record):
    """One tracking number of a parcel."""

    number: str | None = None
    company: str | None = None
    url: str | None = None


class Fulfilled(Record):
    line_item: Id
    quantity: int


class Parcel(Record):
    """A fulfilment: units that left, under no, one or several numbers."""

    id: str
    status: str
    tracking_info: list[Number]
    fulfillment_line_items: Nodes[Fulfilled]

    def is_under(self, number: str) -> bool:
        """Whether it lives and goes under `number`; the empty one is that of a fulfilment without any."""
        known = {plain(one.number or "") for one in self.tracking_info} or {""}
        return self.status in LEFT and plain(number) in known

    @property
    def units(self) -> Iterator[tuple[str, int]]:
        """Line number and units."""
        return ((short(row.line_item.id), row.quantity) for row in self.fulfillment_line_items.nodes)


class Fulfilment(Record):
    """One order: what left under which number, and the work that is still to be done."""

    id: str
    fulfillments: list[Parcel]
    fulfillment_orders: Nodes[Work]

    def left(self, number: str) -> Counter[str]:
        """Units by line that left under a tracking number."""
        units: Counter[str] = Counter()
        for parcel in self.fulfillments:
            if parcel.is_under(number):
                for line, count in parcel.units:
                    units[line] += count
        return units

    def waits(self, lines: Iterable[str]) -> bool:
        """Whether a hold or a date keeps any of these lines back."""
        wanted = set(lines)
        return any(
            part.status in WAITING and any(short(row.line_item.id) in wanted for row in part.line_items.nodes)
            for part in self.fulfillment_orders.nodes
        )


class _Nodes(Record):
    nodes: list[dict[str, Any] | None]


class _One(Record):
    order: dict[str, Any] | None


def plain(text: str) -> str:
    """A tracking number without what people write it with."""
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def read(graph: Graph, orders: Sequence[str]) -> dict[str, Fulfilment]:
    """How several orders stand, by global id; those Shopify does not know are left out."""
    found = {}
    for node in graph.ask(queries.FULFILMENTS, {"ids": orders}, _Nodes).nodes:
        if not node:
            continue
        ends = [part["fulfillmentLineItems"] for part in node["fulfillments"]]
        ends += [node["fulfillmentOrders"], *(part["lineItems"] for part in node["fulfillmentOrders"]["nodes"])]
        if len(node["fulfillments"]) >= queries.MOST_PARTS or any(rows["pageInfo"]["hasNextPage"] for rows in ends):
            one = read_one(graph, node["id"])
        else:
            one = _convert(node)
        if one is not None:
            found[node["id"]] = one
    return found


def read_one(graph: Graph, order: str) -> Fulfilment | None:
    """How one order stands, in full."""
    value = graph.ask(queries.FULFILMENT, {"id": order}, _One).order
    if value is None:
        return None
    finish(graph, value, queries.MORE_FULFILMENT)
    return _convert(value)


def _convert(value: Mapping[str, Any]) -> Fulfilment:
    try:
        return msgspec.convert(value, Fulfilment)
    except msgspec.ValidationError as error:
        raise Unavailable(f"Shopify answered what cannot be read: {error}") from None
