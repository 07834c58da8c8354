"""Telling Shopify of parcels.

`fulfillmentCreate` has no idempotency key, so every write is preceded by a look: what each order still wants fulfilled
and what it already knows under the parcel's tracking number. Only what is missing is written, which makes a repeat
harmless. Up to 16 orders are read at once and their parcels told in one request; a parcel that Shopify's own split
spreads over several locations becomes one fulfilment each, under the same tracking number.

The work is taken from where Shopify has it: from the parcel's own location if its fulfilment order is there or can be
moved there (see `moves`), else from whichever has the units. A corrected number is edited first (see `corrections`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from connectors import carriers
from connectors.shopify import queries
from connectors.shopify.corrections import correct, standing
from connectors.shopify.documents import Id, Record
from connectors.shopify.fulfilment import Fulfilment, Row, Work, read, read_one
from connectors.shopify.graph import Graph
from connectors.shopify.moves import Moves, Part, take
from connectors.shopify.orders import gid, is_number, short
from connectors.shopify.reading import batches
from connectors.shopify.writing import UserError, said
from core.errors import Unavailable, in_doubt
from core.model import Ack, AckState, Shipment

MOST_LINES = 512
"""Lines one fulfilment may hold."""


class _Answer(Record):
    user_errors: list[UserError]
    fulfillment: Id | None = None


def push(graph: Graph, shipments: Sequence[Shipment], *, place: Callable[[str], str], notify: bool) -> Iterator[Ack]:
    """One ack a shipment. `place` gives a location's global id; `notify` lets Shopify write to the buyers."""
    by_order: dict[str, list[Shipment]] = {}
    for shipment in shipments:
        if not is_number(short(shipment.order)):
            yield _refused(shipment, "this is no order id of Shopify")
            continue
        by_order.setdefault(gid("Order", shipment.order), []).append(shipment)
    for orders in batches(list(by_order), queries.SHIPPED_ORDERS):
        known = read(graph, orders)
        refused = _prepare(graph, [one for order in orders for one in by_order[order]], known, place, notify)
        parcels: list[tuple[Shipment, list[dict[str, Any]]]] = []
        for order in orders:
            found = known.get(order)
            taken: Counter[str] = Counter()
            for shipment in by_order[order]:
                verdict = _plan(shipment, found, taken, place(shipment.place), refused.get(shipment.key, ""))
                if isinstance(verdict, Ack):
                    yield verdict
                else:
                    parcels.append((shipment, [_input(shipment, parts, notify) for parts in verdict]))
        yield from _tell(graph, parcels)


def _prepare(
    graph: Graph,
    shipments: Sequence[Shipment],
    known: dict[str, Fulfilment],
    place: Callable[[str], str],
    notify: bool,
) -> dict[str, str]:
    """Corrects old numbers and moves work to where it was done, and reads such orders again into `known`.

    Returns what Shopify said to the corrections it refused, by the shipment's key.
    """
    told = {one.key: known[order] for one in shipments if (order := gid("Order", one.order)) in known}
    old = [one for one in shipments if one.key in told and standing(one, told[one.key], company(one.carrier))]
    refused = correct(graph, old, told, {one.key: _tracking(one) for one in old}, notify=notify) if old else {}
    moves, moving = Moves(), []
    for one in shipments:
        if one.key in told and one.place and one not in old:
            missing = _missing(one, told[one.key])
            if moves.want(told[one.key], missing, place(one.place)):
                moving.append(one)
    if moving:
        moves.make(graph)
    again = dict.fromkeys(gid("Order", one.order) for one in (*old, *moving))
    for order in again:
        known.pop(order)
    if again:
        known |= read(graph, list(again))
    return refused


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
            made = [short(answer.fulfillment.id) for answer in mine if answer and answer.fulfillment]
            yield Ack(key=shipment.key, state=AckState.APPLIED, ticket=",".join(made))
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
            known = read(graph, list(dict.fromkeys(gid("Order", shipment.order) for shipment in batch)))
        except Unavailable:
            return  # what was raised for the write says it all
        for shipment in batch:
            found = known.get(gid("Order", shipment.order))
            if found is not None and not _missing(shipment, found):
                yield Ack(key=shipment.key, state=AckState.APPLIED)


def _look_again(graph: Graph, shipment: Shipment, errors: list[UserError]) -> Ack:
    """A refusal may mean that the parcel is there already: read the order back."""
    found = read_one(graph, gid("Order", shipment.order))
    if found is not None and not _missing(shipment, found):
        return Ack(key=shipment.key, state=AckState.APPLIED)
    doubt = carriers.doubt(shipment.carrier, shipment.tracking)
    return _refused(shipment, f"Shopify refused the parcel ({said(errors)}{', and ' if doubt else ''}{doubt})")


def _plan(
    shipment: Shipment, found: Fulfilment | None, taken: Counter[str], place: str, refused: str
) -> Ack | list[list[Part]]:
    """What to write for a shipment, by location, or its ack where nothing is to be written.

    `taken` counts the units of each row that earlier parcels of this batch use up; it is added to. `refused` is what
    Shopify said to its correction, where it is one.
    """
    if found is None:
        return _refused(shipment, "Shopify does not know the order")
    if standing(shipment, found, company(shipment.carrier)):
        return _refused(shipment, f"Shopify keeps the number {shipment.corrects} ({refused or 'it still shows it'})")
    missing = _missing(shipment, found)
    if not missing:
        return Ack(key=shipment.key, state=AckState.APPLIED)
    by_place: dict[str, list[tuple[Work, Row]]] = {}
    for part in found.fulfillment_orders.nodes:
        if part.allows("CREATE_FULFILLMENT"):
            rows = by_place.setdefault(part.place, [])
            rows += [(part, row) for row in part.line_items.nodes]
    # The parcel's own place first, then one that has all of it, then whatever adds up.
    ranked = sorted(by_place.values(), key=lambda rows: bool(take(missing, rows, taken)[1]))
    if place in by_place:
        ranked = [by_place[place], *(rows for rows in ranked if rows is not by_place[place])]
    plan = []
    for rows in ranked:
        parts, missing = take(missing, rows, taken)
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


def _missing(shipment: Shipment, found: Fulfilment) -> dict[str, int]:
    """Units by line that Shopify does not know under the parcel's number yet."""
    left = found.left(shipment.tracking)
    return {line: units - left[line] for line, units in shipment.lines.items() if units > left[line]}


def _input(shipment: Shipment, parts: Sequence[Part], notify: bool) -> dict[str, Any]:
    rows: dict[str, list[dict[str, Any]]] = {}
    for part, row, units in parts:
        rows.setdefault(part.id, []).append({"id": row.id, "quantity": units})
    return {
        "lineItemsByFulfillmentOrder": [
            {"fulfillmentOrderId": owner, "fulfillmentOrderLineItems": lines} for owner, lines in rows.items()
        ],
        "notifyCustomer": notify,
        "trackingInfo": _tracking(shipment),
    }


def _tracking(shipment: Shipment) -> dict[str, str]:
    """What a fulfilment is to say of its tracking."""
    tracking = {"number": shipment.tracking, "company": company(shipment.carrier), "url": _url(shipment)}
    return {name: value for name, value in tracking.items() if value}


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


def _refused(shipment: Shipment, what: str) -> Ack:
    reason = f"{what}; compare order {shipment.order} at Shopify and mend it there or cancel the parcel here"
    return Ack(key=shipment.key, state=AckState.REFUSED, reason=reason)
