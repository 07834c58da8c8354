"""Returns: pulled by the orders they are of, as Shopify lists them nowhere else.

A return has no instant of its own change; its order's moves with it. So changed orders are looked over, cheaply, for
whether they have returns at all, and the returns of those that do are read. What one order's returns were when it
changed last is thus seen whatever became of them: called off, declined or closed.

**State.** REQUESTED waits for the seller; OPEN may be sent, and counts as delivered once all of its units are
processed; CLOSED is done; CANCELED and DECLINED are called off.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec
import structlog

from connectors.shopify.documents import Id, Instant, Nodes, Record, SomeUnits, Units
from connectors.shopify.graph import Graph
from connectors.shopify.orders import is_number, short, without_nul
from connectors.shopify.paging import changes
from connectors.shopify.reading import batches, extend
from core.errors import BadDocument, Unauthorized, Unavailable
from core.model import Observation, Page, Return, ReturnLine, ReturnState, micros

PAGE: Final = 250
AT_ONCE: Final = 12
"""Orders whose returns are read in one request."""

_ENDS: Final = "pageInfo { hasNextPage endCursor }"

LOOK: Final = f"""query Returning($query: String!, $after: String, $first: Int!) {{
  orders(query: $query, after: $after, first: $first, sortKey: UPDATED_AT) {{
    nodes {{ id updatedAt returns(first: 1) {{ nodes {{ id }} }} }} {_ENDS}
  }}
}}"""

_LINES: Final = f"""
    nodes {{
      id quantity refundedQuantity processedQuantity returnReasonDefinition {{ name }}
      ... on ReturnLineItem {{ fulfillmentLineItem {{ lineItem {{ id sku }} }} }}
    }} {_ENDS}"""

_RETURN: Final = f"""
fragment Whole on Return {{
  id name status createdAt
  returnLineItems(first: 10) {{ {_LINES} }}
  reverseFulfillmentOrders(first: 2) {{ nodes {{ reverseDeliveries(first: 2) {{ nodes {{
    deliverable {{ ... on ReverseDeliveryShippingDeliverable {{ tracking {{ number carrierName }} }} }}
  }} }} }} }}
}}"""

READ: Final = f"""query Returns($ids: [ID!]!) {{
  nodes(ids: $ids) {{ ... on Order {{ id updatedAt returns(first: 3) {{ nodes {{ ...Whole }} {_ENDS} }} }} }}
}}{_RETURN}"""

MORE: Final = f"""query MoreReturns($id: ID!, $after: String!) {{
  node(id: $id) {{
    ... on Order {{ returns(first: 9, after: $after) {{ nodes {{ ...Whole }} {_ENDS} }} }}
    ... on Return {{ returnLineItems(first: 250, after: $after) {{ {_LINES} }} }}
  }}
}}{_RETURN}"""

STATES: Final = {
    "REQUESTED": ReturnState.REQUESTED,
    "OPEN": ReturnState.AUTHORISED,
    "CLOSED": ReturnState.CLOSED,
    "CANCELED": ReturnState.CALLED_OFF,
    "DECLINED": ReturnState.CALLED_OFF,
}

_log = structlog.get_logger()


class _Look(Record):
    id: str
    updated_at: Instant
    returns: Nodes[Id]


class _Seen(NamedTuple):
    """An order that changed, and whether there is something to read of it."""

    order: str
    changed: datetime | None
    has_returns: bool


class _Nodes(Record):
    nodes: list[dict[str, Any] | None]


def pages(graph: Graph, cursor: str | None, begin: datetime, overlap: timedelta) -> Iterator[Page]:
    """The returns of every order changed since `cursor` (None: since `begin`), oldest change first.

    An app without the scope read_returns has none: that is a finding of `examine`, and no reason to stop the channel.
    """
    try:
        for some, reached in changes(graph, LOOK, PAGE, _look, cursor, begin, overlap):
            orders = list(dict.fromkeys(one.order for one in some if one.has_returns))
            yield Page(observations=tuple(_read(graph, orders)), cursor=reached)
    except Unauthorized as error:
        if not error.forbidden:
            raise
        _log.warning("The app may not read returns; grant it the access scope read_returns")


def _look(node: bytes) -> _Seen:
    try:
        one = msgspec.json.decode(node, type=_Look)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unavailable(f"Shopify answered what cannot be read: {error}") from None
    return _Seen(one.id, one.updated_at, bool(one.returns.nodes))


def _read(graph: Graph, orders: Sequence[str]) -> Iterator[Observation]:
    for some in batches(orders, AT_ONCE):
        for order in graph.ask(READ, {"ids": some}, _Nodes).nodes:
            if not order:
                continue
            extend(graph, MORE, order["id"], "returns", order["returns"])
            for one in order["returns"]["nodes"]:
                extend(graph, MORE, one["id"], "returnLineItems", one["returnLineItems"])
                document = {"order": order["id"], "updatedAt": order["updatedAt"], "return": one}
                yield Observation(number=short(one["id"]), body=msgspec.json.encode(document))


# A document of these pages.


class _Sold(Record):
    id: str
    sku: str | None = None


class _Fulfilled(Record):
    line_item: _Sold


class _Reason(Record):
    name: str = ""


class _Line(Record):
    id: str
    quantity: SomeUnits
    refunded_quantity: Units = 0
    processed_quantity: Units = 0
    return_reason_definition: _Reason | None = None
    fulfillment_line_item: _Fulfilled | None = None


class _Tracking(Record):
    number: str | None = None
    carrier_name: str | None = None


class _Deliverable(Record):
    tracking: _Tracking | None = None


class _Delivery(Record):
    deliverable: _Deliverable | None = None


class _Reverse(Record):
    reverse_deliveries: Nodes[_Delivery]


class _Return(Record):
    id: str
    status: str
    created_at: Instant
    return_line_items: Nodes[_Line]
    reverse_fulfillment_orders: Nodes[_Reverse]


class _Document(Record):
    order: str
    updated_at: Instant
    given: _Return = msgspec.field(name="return")


_document = msgspec.json.Decoder(_Document)


def normalize(body: bytes) -> Return:
    """A document of `pages` as a return. Raises `BadDocument`: "path: what"."""
    try:
        document = _document.decode(without_nul(body))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadDocument(f"return: {error}") from None
    one = document.given
    if not is_number(short(one.id)) or not is_number(short(document.order)):
        raise BadDocument("id: no return's or no order's id")
    if one.status not in STATES:
        raise BadDocument("status: one that this version does not know")
    lines = one.return_line_items.nodes
    state = STATES[one.status]
    if state is ReturnState.AUTHORISED and lines and all(line.processed_quantity >= line.quantity for line in lines):
        state = ReturnState.DELIVERED
    tracking = next(_trackings(one), _Tracking())
    try:
        return Return(
            number=short(one.id),
            order=short(document.order),
            version=micros(document.updated_at),
            state=state,
            requested_at=one.created_at.astimezone(UTC),
            lines=tuple(_line(line) for line in lines),
            tracking=tracking.number or "",
            carrier=tracking.carrier_name or "",
        )
    except ArithmeticError:
        raise BadDocument("createdAt: an instant beyond all bounds") from None


def _line(line: _Line) -> ReturnLine:
    sold = line.fulfillment_line_item.line_item if line.fulfillment_line_item else None
    return ReturnLine(
        number=short(line.id),
        order_line=short(sold.id) if sold else "",
        sku=(sold.sku or "") if sold else "",
        quantity=line.quantity,
        refunded=line.refunded_quantity,
        reason=line.return_reason_definition.name if line.return_reason_definition else "",
    )


def _trackings(one: _Return) -> Iterator[_Tracking]:
    for reverse in one.reverse_fulfillment_orders.nodes:
        for delivery in reverse.reverse_deliveries.nodes:
            tracking = delivery.deliverable.tracking if delivery.deliverable else None
            if tracking is not None and tracking.number:
                yield tracking
