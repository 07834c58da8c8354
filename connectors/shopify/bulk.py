"""Bulk operations: Shopify gathers what a query finds and gives it as one file of lines.

Rows of lists come as lines of their own that name their parent. We ask for them grouped, each order followed by its
rows, and read them in any order all the same. A list inside a plain list cannot be asked for, so what is in which
parcel is not told: where there is one parcel and nothing was taken off, all that is fulfilled is in it, and the
document is the very one that a query gives; every other order is thin, and is read by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from connectors.shopify.documents import Record
from connectors.shopify.graph import Graph
from connectors.shopify.orders import LEFT, NOT_LEFT
from connectors.shopify.queries import LINE_FIELDS, ORDER_FIELDS
from connectors.shopify.writing import UserError, said
from core import http
from core.errors import NotFound, Rejected, Unauthorized, Unavailable

DEADLINE: Final = 300.0
"""Seconds the file of one operation may take to come."""
BUSY_SECONDS: Final = 60.0

RUN: Final = """mutation RunQuery($query: String!) {
  bulkOperationRunQuery(query: $query, groupObjects: true) {
    bulkOperation { id status } userErrors { code field message }
  }
}"""

LOOK: Final = """query Operation($id: ID!) {
  bulkOperation(id: $id) { id status errorCode objectCount url partialDataUrl }
}"""

_ENDS: Final = {"hasNextPage": False, "endCursor": None}


class Refused(Exception):
    """Shopify will not do this in bulk, for reasons that waiting does not mend."""


class Operation(Record):
    """How an operation stands."""

    id: str
    status: str
    error_code: str | None = None
    object_count: str | int = "0"
    url: str | None = None
    partial_data_url: str | None = None


class _Started(Record):
    user_errors: list[UserError]
    bulk_operation: Operation | None = None


class _Run(Record):
    bulk_operation_run_query: _Started | None


class _Look(Record):
    bulk_operation: Operation | None


class Gathered(msgspec.Struct):
    """One order out of a file."""

    id: str
    document: dict[str, Any]
    thin: bool
    """Its document does not tell all."""


def query(search: str, *, places: bool) -> str:
    """What is asked for: orders that `search` finds, by when they were placed."""
    rows = "lineItems { edges { node { id totalQuantity lineItem { id } } } }" if places else ""
    where = f"assignedLocation {{ location {{ id }} }} {rows}" if places else ""
    return f"""{{
  orders(query: "{search}", sortKey: CREATED_AT) {{ edges {{ node {{
    {ORDER_FIELDS}
    fulfillments(first: 250) {{ id status trackingInfo {{ number company }} }}
    refunds(first: 1) {{ id }}
    lineItems {{ edges {{ node {{ {LINE_FIELDS} }} }} }}
    fulfillmentOrders {{ edges {{ node {{ id status fulfillBy {where} }} }} }}
  }} }} }}
}}"""


def start(graph: Graph, text: str) -> str:
    """Asks for an operation; its id. Raises `Refused`, or `Unavailable` while five are under way."""
    try:
        answer, problems = graph.tell(RUN, {"query": text}, _Run)
    except Unauthorized as error:
        if not error.forbidden:
            raise
        raise Refused(str(error)) from None
    started = answer.bulk_operation_run_query
    if started is None:
        raise graph.lost(problems)
    codes = {error.code for error in started.user_errors}
    if codes & {"LIMIT_REACHED", "OPERATION_IN_PROGRESS"}:
        raise Unavailable("Shopify is at as many bulk operations as it does at once", after=BUSY_SECONDS)
    if started.user_errors or started.bulk_operation is None:
        raise Refused(said(started.user_errors))
    return started.bulk_operation.id


def look(graph: Graph, operation: str) -> Operation | None:
    """How an operation stands; None where Shopify has forgotten it."""
    return graph.ask(LOOK, {"id": operation}, _Look).bulk_operation


def download(account: str, url: str, lines: int | None) -> bytes | None:
    """The file of an operation; None where it is not to be had any more. `lines`: so many it must have, if that is
    known. Goes without the shop's token: the address is the right to read."""
    with http.client(account, deadline=DEADLINE) as client:
        try:
            body = client.get(url).content
        except (Unauthorized, NotFound, Rejected):
            return None
    if lines is not None and len(body.splitlines()) != lines:
        raise Unavailable(f"{account}: the file of a bulk operation came cut off")
    return body


def gather(body: bytes, *, places: bool, whole: bool = True) -> list[Gathered]:
    """The orders of a file, in its order. Of one that is not `whole` the last order is left out: its rows may lack."""
    orders: dict[str, dict[str, Any]] = {}
    works: dict[str, dict[str, Any]] = {}
    children: list[tuple[str, dict[str, Any]]] = []
    for line in body.splitlines():
        row = _row(line)
        parent = row.pop("__parentId", None)
        if parent is None:
            empty = {"lineItems": _list(), "fulfillmentOrders": _list()}
            orders[row["id"]] = row | empty
        else:
            children.append((parent, row))
    for parent, row in children:
        if parent in orders:
            name = "lineItems" if "/LineItem/" in row["id"] else "fulfillmentOrders"
            orders[parent][name]["nodes"].append(row)
            if name == "fulfillmentOrders":
                works[row["id"]] = row | ({"lineItems": _list()} if places else {})
                orders[parent][name]["nodes"][-1] = works[row["id"]]
    for parent, row in children:
        if parent in works and places:
            works[parent]["lineItems"]["nodes"].append(row)
    found = list(orders.values())
    return [_gathered(order) for order in (found if whole else found[:-1])]


def _gathered(order: dict[str, Any]) -> Gathered:
    lines = order["lineItems"]["nodes"]
    parcels = order["fulfillments"]
    living = [parcel for parcel in parcels if parcel["status"] not in NOT_LEFT]
    untouched = all(line["quantity"] == line["currentQuantity"] for line in lines)
    thin = bool(order["refunds"]) or len(parcels) >= 250 or not lines
    if living:
        thin = thin or len(living) > 1 or living[0]["status"] not in LEFT or not untouched
    for parcel in parcels:
        parcel["fulfillmentLineItems"] = _list()
    if living and not thin:
        living[0]["fulfillmentLineItems"]["nodes"] = [
            {"quantity": units, "lineItem": {"id": line["id"]}}
            for line in lines
            if (units := line["quantity"] - line["unfulfilledQuantity"]) > 0
        ]
    return Gathered(order["id"], order, thin)


def _list() -> dict[str, Any]:
    return {"nodes": [], "pageInfo": dict(_ENDS)}


def _row(line: bytes) -> dict[str, Any]:
    try:
        row = msgspec.json.decode(line, type=dict[str, Any])
        if isinstance(row["id"], str):
            return row
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError):
        pass
    raise Unavailable("a line of a bulk operation's file cannot be read")


def encoded(orders: Sequence[Gathered]) -> dict[str, bytes]:
    """The documents of those that tell all, by global id."""
    return {one.id: msgspec.json.encode(one.document) for one in orders if not one.thin}
