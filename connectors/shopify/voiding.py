"""Taking a parcel back that never left: its fulfilments are cancelled, and their units are to be fulfilled again.

`fulfillmentCancel` takes one fulfilment by its id and has no key, so each order is read first: only what lives is
cancelled. Which fulfilments a parcel is, is known from the answer when it was told. Where that answer was lost, or told
only of some of them, they are those under its number that hold just its units. Where that may be several, nobody
guesses: a person has to look.

What was fulfilled entirely comes back as a new fulfilment order, what was fulfilled in part is open again: the parcel
that is told afterwards finds its units there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from connectors.shopify import queries
from connectors.shopify.documents import Id, Record
from connectors.shopify.fulfilment import Fulfilment, Parcel, plain, read, read_one
from connectors.shopify.graph import Graph
from connectors.shopify.orders import LEFT, gid, is_number, short
from connectors.shopify.reading import batches
from connectors.shopify.writing import UserError, forbidden, said
from core.errors import Unauthorized, Unavailable, in_doubt
from core.model import Ack, AckState, Voiding

AT_ONCE = 20
"""Fulfilments cancelled in one request."""


class _Answer(Record):
    user_errors: list[UserError]
    fulfillment: Id | None = None


def push(graph: Graph, voids: Sequence[Voiding]) -> Iterator[Ack]:
    """One ack a parcel."""
    by_order: dict[str, list[Voiding]] = {}
    for one in voids:
        if not is_number(short(one.order)):
            yield _refused(one, "this is no order id of Shopify")
            continue
        by_order.setdefault(gid("Order", one.order), []).append(one)
    for orders in batches(list(by_order), queries.SHIPPED_ORDERS):
        known = read(graph, orders)
        todo: list[tuple[Voiding, list[Parcel]]] = []
        for order in orders:
            for one in by_order[order]:
                found = known.get(order)
                parcels = "Shopify does not know the order" if found is None else _parcels(one, found)
                if isinstance(parcels, str):
                    yield _refused(one, parcels)
                elif not parcels:
                    yield Ack(key=one.key, state=AckState.APPLIED)
                else:
                    todo.append((one, parcels))
        yield from _tell(graph, todo)


def _parcels(one: Voiding, found: Fulfilment) -> list[Parcel] | str:
    """The living fulfilments that a parcel is, none where it is taken back already; or why nobody can tell."""
    numbers = {plain(number) for number in one.numbers}
    ids = {gid("Fulfillment", number) for ticket in one.tickets for number in ticket.split(",")}
    mine = [parcel for parcel in found.fulfillments if parcel.id in ids]
    under = [
        parcel
        for parcel in found.fulfillments
        if parcel.id in ids or numbers & {plain(info.number or "") for info in parcel.tracking_info}
    ]
    living = _living(under)
    if _units(mine) == one.lines:
        return _living(mine)
    if not living:
        return []
    alone = [parcel for parcel in living if _units([parcel]) == one.lines]
    if _units(living) == one.lines or _units(under) == one.lines:  # in parts, of which some are cancelled by now
        return living
    if len(alone) == 1:
        return alone
    return f"Shopify shows {len(living)} fulfilments under its number, and not which of them it is"


def _living(parcels: Iterable[Parcel]) -> list[Parcel]:
    return [parcel for parcel in parcels if parcel.status in LEFT]


def _units(parcels: Iterable[Parcel]) -> Counter[str]:
    units: Counter[str] = Counter()
    for parcel in parcels:
        for line, count in parcel.units:
            units[line] += count
    return units


def _tell(graph: Graph, todo: Sequence[tuple[Voiding, list[Parcel]]]) -> Iterator[Ack]:
    """Cancels them, as many at once as one request should hold."""
    batch: list[tuple[Voiding, list[Parcel]]] = []
    for one, parcels in todo:
        if batch and sum(len(some) for _, some in batch) + len(parcels) > AT_ONCE:
            yield from _write(graph, batch)
            batch = []
        batch.append((one, parcels))
    if batch:
        yield from _write(graph, batch)


def _write(graph: Graph, batch: Sequence[tuple[Voiding, list[Parcel]]]) -> Iterator[Ack]:
    with in_doubt([one.key for one, _ in batch]):
        rows = [(one.key, parcel.id) for one, parcels in batch for parcel in parcels]
        variables = {f"f{at}": parcel for at, (_, parcel) in enumerate(rows)}
        try:
            answers, errors = graph.tell(_document(len(rows)), variables, dict[str, _Answer | None])
        except Unavailable as error:
            if error.ambiguous:
                yield from _gone(graph, [one for one, _ in batch])
            raise
        except Unauthorized as error:
            for one, _ in batch:
                yield _refused(one, forbidden(error))
            return
        told: dict[str, list[_Answer | None]] = {}
        for at, (key, _) in enumerate(rows):
            told.setdefault(key, []).append(answers.get(f"v{at}"))
        lost = []
        for one, _ in batch:
            mine = told[one.key]
            if all(answer is not None and answer.fulfillment is not None and not answer.user_errors for answer in mine):
                yield Ack(key=one.key, state=AckState.APPLIED)
            elif any(answer is None or (answer.fulfillment is None and not answer.user_errors) for answer in mine):
                lost.append(one)
            else:
                yield _look_again(graph, one, [error for answer in mine if answer for error in answer.user_errors])
        if lost:
            yield from _gone(graph, lost)
            raise graph.lost(errors)


def _gone(graph: Graph, voids: Sequence[Voiding]) -> Iterator[Ack]:
    """Acks for those parcels whose answer was lost and which are taken back all the same, as far as can be read."""
    for batch in batches(voids, queries.SHIPPED_ORDERS):
        try:
            known = read(graph, list(dict.fromkeys(gid("Order", one.order) for one in batch)))
        except Unavailable:
            return  # what was raised for the write says it all
        for one in batch:
            found = known.get(gid("Order", one.order))
            if found is not None and _parcels(one, found) == []:
                yield Ack(key=one.key, state=AckState.APPLIED)


def _look_again(graph: Graph, one: Voiding, errors: list[UserError]) -> Ack:
    """A refusal may mean that it is taken back already: read the order again."""
    found = read_one(graph, gid("Order", one.order))
    if found is not None and _parcels(one, found) == []:
        return Ack(key=one.key, state=AckState.APPLIED)
    return _refused(one, f"Shopify refused to cancel the fulfilment ({said(errors)})")


def _document(count: int) -> str:
    given = ", ".join(f"$f{at}: ID!" for at in range(count))
    parts = "\n".join(
        f"  v{at}: fulfillmentCancel(id: $f{at}) {{ fulfillment {{ id }} userErrors {{ field message }} }}"
        for at in range(count)
    )
    return f"mutation Unfulfil({given}) {{\n{parts}\n}}"


def _refused(one: Voiding, what: str) -> Ack:
    reason = (
        f"{what}; look parcel {', '.join(one.numbers)} of order {one.order} up at Shopify and cancel it there by hand"
    )
    return Ack(key=one.key, state=AckState.REFUSED, reason=reason)
