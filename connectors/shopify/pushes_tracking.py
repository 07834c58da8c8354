"""Telling Shopify of parcels.

`fulfillmentCreate` has no idempotency key, so every write is preceded by a look: what each order still wants fulfilled
and what it already knows under the parcel's tracking number. Only what is missing is written, which makes a repeat
harmless. Up to 16 orders are read at once and their parcels told in one request; a parcel that Shopify's own split
spreads over several locations becomes one fulfilment each, under the same tracking number.

The work is taken from where Shopify has it: from the parcel's own location if its fulfilment order is there, else from
whichever has the units. Nothing is moved between locations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from connectors import carriers
from connectors.shopify import queries
from connectors.shopify.documents import Id, Nodes, Record, Tracking
from connectors.shopify.graph import Graph
from connectors.shopify.orders import LEFT, WAITING, gid, is_number, short
from connectors.shopify.reading import batches, finish
from core.errors import Unavailable, in_doubt
from core.model import Ack, AckState, Shipment

MOST_LINES = 512
"""Lines one fulfilment may hold."""


class _Row(Record):
    """Units of one order line that one fulfilment order still wants."""

    id: str
    remaining_quantity: int
    line_item: Id


class _Action(Record):
    action: str


class _Location(Record):
    location: Id | None = None


class _Work(Record):
    id: str
    status: str
    supported_actions: list[_Action]
    assigned_location: _Location
    line_items: Nodes[_Row]


class _Fulfilled(Record):
    line_item: Id
    quantity: int


class _Parcel(Record):
    status: str
    tracking_info: list[Tracking]
    fulfillment_line_items: Nodes[_Fulfilled]


class _Fulfilment(Record):
    """How an order stands: what left under which number, and the work that is still to be done."""

    id: str
    fulfillments: list[_Parcel]
    fulfillment_orders: Nodes[_Work]

    def left(self, number: str) -> Counter[str]:
        """Units by line that left under a tracking number."""
        units: Counter[str] = Counter()
        for parcel in self.fulfillments:
            known = {_plain(tracking.number or "") for tracking in parcel.tracking_info} or {""}
            if parcel.status in LEFT and _plain(number) in known:
                for row in parcel.fulfillment_line_items.nodes:
                    units[short(row.line_item.id)] += row.quantity
        return units

    def waits(self, lines: Mapping[str, int]) -> bool:
        """Whether a hold or a date keeps any of these lines back."""
        return any(
            part.status in WAITING and any(short(row.line_item.id) in lines for row in part.line_items.nodes)
            for part in self.fulfillment_orders.nodes
        )


class _Nodes(Record):
    nodes: list[dict[str, Any] | None]


class _One(Record):
    order: dict[str, Any] | None


class _UserError(Record):
    message: str
    field: list[str] | None = None


class _Answer(Record):
    user_errors: list[_UserError]
    fulfillment: Id | None = None


Part = tuple[_Work, _Row, int]
"""So many units of a row of work."""


def push(graph: Graph, shipments: Sequence[Shipment], *, place: Callable[[str], str], notify: bool) -> Iterator[Ack]:
    """One ack a shipment. `place` gives a location's global id; `notify` lets Shopify write to the buyers."""
    by_order: dict[str, list[Shipment]] = {}
    for shipment in shipments:
        if not is_number(short(shipment.order)):
            yield _refused(shipment, "this is no order id of Shopify")
            continue
        by_order.setdefault(gid("Order", shipment.order), []).append(shipment)
    for orders in batches(list(by_order), queries.SHIPPED_ORDERS):
        known = _read(graph, orders)
        parcels: list[tuple[Shipment, list[dict[str, Any]]]] = []
        for order in orders:
            found = known.get(order)
            taken: Counter[str] = Counter()
            for shipment in by_order[order]:
                verdict = _plan(shipment, found, taken, place(shipment.place))
                if isinstance(verdict, Ack):
                    yield verdict
                else:
                    parcels.append((shipment, [_input(shipment, parts, notify) for parts in verdict]))
        yield from _tell(graph, parcels)


def _tell(graph: Graph, parcels: Sequence[tuple[Shipment, list[dict[str, Any]]]]) -> Iterator[Ack]:
    """Writes the planned parcels, as many at once as one request may cost."""
    batch: list[tuple[Shipment, list[dict[str, Any]]]] = []
    size = 0
    for shipment, inputs in parcels:
        if batch and size + len(inputs) > queries.PARCELS:
            with in_doubt([one.key for one, _ in batch]):
                yield from _write(graph, batch)
            batch, size = [], 0
        batch.append((shipment, inputs))
        size += len(inputs)
    if batch:
        with in_doubt([one.key for one, _ in batch]):
            yield from _write(graph, batch)


def _write(graph: Graph, batch: Sequence[tuple[Shipment, list[dict[str, Any]]]]) -> Iterator[Ack]:
    inputs = [(shipment.key, given) for shipment, several in batch for given in several]
    variables = {f"p{at}": given for at, (_, given) in enumerate(inputs)}
    try:
        answers, errors = graph.tell(queries.fulfil(len(inputs)), variables, dict[str, _Answer | None])
    except Unavailable as error:
        if error.ambiguous:
            yield from _arrived(graph, [shipment for shipment, _ in batch])
        raise
    told: dict[str, list[_Answer | None]] = {}
    for at, (key, _) in enumerate(inputs):
        told.setdefault(key, []).append(answers.get(f"p{at}"))
    lost = []
    for shipment, _ in batch:
        mine = told[shipment.key]
        if all(answer is not None and answer.fulfillment is not None and not answer.user_errors for answer in mine):
            yield Ack(key=shipment.key, state=AckState.APPLIED)
        elif None in mine:
            lost.append(shipment)
        else:
            yield _look_again(graph, shipment, [error for answer in mine if answer for error in answer.user_errors])
    if lost:
        yield from _arrived(graph, lost)
        raise graph.lost(errors)


def _arrived(graph: Graph, shipments: Sequence[Shipment]) -> Iterator[Ack]:
    """Acks for those parcels whose answer was lost and which are there all the same, as far as that can be read."""
    for batch in batches(shipments, queries.SHIPPED_ORDERS):
        try:
            known = _read(graph, list(dict.fromkeys(gid("Order", shipment.order) for shipment in batch)))
        except Unavailable:
            return  # what was raised for the write says it all
        for shipment in batch:
            found = known.get(gid("Order", shipment.order))
            if found is not None and not _missing(shipment, found):
                yield Ack(key=shipment.key, state=AckState.APPLIED)


def _look_again(graph: Graph, shipment: Shipment, errors: list[_UserError]) -> Ack:
    """A refusal may mean that the parcel is there already: read the order back."""
    found = _read_one(graph, gid("Order", shipment.order))
    if found is not None and not _missing(shipment, found):
        return Ack(key=shipment.key, state=AckState.APPLIED)
    said = "; ".join(error.message for error in errors)[:200] or "without a reason"
    doubt = carriers.doubt(shipment.carrier, shipment.tracking)
    return _refused(shipment, f"Shopify refused the parcel ({said}{', and ' if doubt else ''}{doubt})")


def _plan(shipment: Shipment, found: _Fulfilment | None, taken: Counter[str], place: str) -> Ack | list[list[Part]]:
    """What to write for a shipment, by location, or its ack where nothing is to be written.

    `taken` counts the units of each row that earlier parcels of this batch use up; it is added to.
    """
    if found is None:
        return _refused(shipment, "Shopify does not know the order")
    missing = _missing(shipment, found)
    if not missing:
        return Ack(key=shipment.key, state=AckState.APPLIED)
    by_place: dict[str, list[tuple[_Work, _Row]]] = {}
    for part in found.fulfillment_orders.nodes:
        if any(offer.action == "CREATE_FULFILLMENT" for offer in part.supported_actions):
            location = part.assigned_location.location
            rows = by_place.setdefault(location.id if location else part.id, [])
            rows += [(part, row) for row in part.line_items.nodes]
    # The parcel's own place first, then one that has all of it, then whatever adds up.
    ranked = sorted(by_place.values(), key=lambda rows: bool(_take(missing, rows, taken)[1]))
    if place in by_place:
        ranked = [by_place[place], *(rows for rows in ranked if rows is not by_place[place])]
    plan = []
    for rows in ranked:
        parts, missing = _take(missing, rows, taken)
        plan += [parts[at : at + MOST_LINES] for at in range(0, len(parts), MOST_LINES)]
        if not missing:
            break
    if missing:
        if found.waits(missing):
            reason = "Shopify keeps the order on hold or scheduled; release it there and it is told again by itself"
            return Ack(key=shipment.key, state=AckState.RETRY, reason=reason)
        lines = ", ".join(sorted(missing))
        return _refused(shipment, f"Shopify has nothing left to fulfil of line {lines}, and not under this number")
    for parts in plan:
        for _, row, units in parts:
            taken[row.id] += units
    return plan


def _take(
    missing: Mapping[str, int], rows: Sequence[tuple[_Work, _Row]], taken: Mapping[str, int]
) -> tuple[list[Part], dict[str, int]]:
    """Units of `rows` that serve what is missing, and what is missing then."""
    rest, parts = dict(missing), []
    for part, row in rows:
        line = short(row.line_item.id)
        units = min(rest.get(line, 0), row.remaining_quantity - taken.get(row.id, 0))
        if units > 0:
            parts.append((part, row, units))
            rest[line] -= units
    return parts, {line: units for line, units in rest.items() if units}


def _missing(shipment: Shipment, found: _Fulfilment) -> dict[str, int]:
    """Units by line that Shopify does not know under the parcel's number yet."""
    left = found.left(shipment.tracking)
    return {line: units - left[line] for line, units in shipment.lines.items() if units > left[line]}


def _input(shipment: Shipment, parts: Sequence[Part], notify: bool) -> dict[str, Any]:
    rows: dict[str, list[dict[str, Any]]] = {}
    for part, row, units in parts:
        rows.setdefault(part.id, []).append({"id": row.id, "quantity": units})
    tracking = {"number": shipment.tracking, "company": company(shipment.carrier), "url": _url(shipment)}
    return {
        "lineItemsByFulfillmentOrder": [
            {"fulfillmentOrderId": owner, "fulfillmentOrderLineItems": lines} for owner, lines in rows.items()
        ],
        "notifyCustomer": notify,
        "trackingInfo": {name: value for name, value in tracking.items() if value},
    }


def company(carrier: str) -> str:
    """A carrier as Shopify writes it, so that the buyer gets a link; one nobody knows goes as it is."""
    known = carriers.find(carrier)
    return carrier.strip() if known is None else known.shopify or known.name


def _url(shipment: Shipment) -> str:
    """The page the parcel is followed on, where Shopify does not make the link itself."""
    known = carriers.find(shipment.carrier)
    if shipment.tracking_url or known is None or known.shopify:
        return shipment.tracking_url
    return known.link(shipment.tracking)


def _plain(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def _refused(shipment: Shipment, what: str) -> Ack:
    reason = f"{what}; compare order {shipment.order} at Shopify and mend it there or cancel the parcel here"
    return Ack(key=shipment.key, state=AckState.REFUSED, reason=reason)


def _read(graph: Graph, orders: Sequence[str]) -> dict[str, _Fulfilment]:
    """How several orders stand, by global id; those Shopify does not know are left out."""
    found = {}
    for node in graph.ask(queries.FULFILMENTS, {"ids": orders}, _Nodes).nodes:
        if not node:
            continue
        ends = [part["fulfillmentLineItems"] for part in node["fulfillments"]]
        ends += [node["fulfillmentOrders"], *(part["lineItems"] for part in node["fulfillmentOrders"]["nodes"])]
        if len(node["fulfillments"]) >= queries.MOST_PARTS or any(rows["pageInfo"]["hasNextPage"] for rows in ends):
            one = _read_one(graph, node["id"])
        else:
            one = _convert(node)
        if one is not None:
            found[node["id"]] = one
    return found


def _read_one(graph: Graph, order: str) -> _Fulfilment | None:
    """How one order stands, in full."""
    value = graph.ask(queries.FULFILMENT, {"id": order}, _One).order
    if value is None:
        return None
    finish(graph, value, queries.MORE_FULFILMENT)
    return _convert(value)


def _convert(value: dict[str, Any]) -> _Fulfilment:
    try:
        return msgspec.convert(value, _Fulfilment)
    except msgspec.ValidationError as error:
        raise Unavailable(f"Shopify answered what cannot be read: {error}") from None
