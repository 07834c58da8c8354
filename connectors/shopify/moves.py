"""Moving work to the location it is really done at.

Shopify assigns each line to a location of its own choosing. A parcel that leaves from another one is told from there
after its units were moved, so that the units leave the right location's stock at Shopify too. Only what
`supportedActions` says may be moved is; where a move is refused (the location does not stock the item), the parcel is
told from where the work is. Nothing is lost by a move whose answer is: the next look finds the work where it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import structlog

from connectors.shopify.documents import Record
from connectors.shopify.fulfilment import Fulfilment, Row, Work
from connectors.shopify.graph import Graph
from connectors.shopify.orders import short
from connectors.shopify.writing import UserError, said
from core.errors import Unavailable

AT_ONCE = 20
"""Moves in one request."""

Part = tuple[Work, Row, int]
"""So many units of a row of work."""

_log = structlog.get_logger()


class _Answer(Record):
    user_errors: list[UserError]


def take(
    missing: Mapping[str, int], rows: Iterable[tuple[Work, Row]], taken: Mapping[str, int]
) -> tuple[list[Part], dict[str, int]]:
    """Units of `rows` that serve what is missing, and what is missing then; `taken` units of a row are gone."""
    rest, parts = dict(missing), []
    for part, row in rows:
        line = short(row.line_item.id)
        units = min(rest.get(line, 0), row.remaining_quantity - taken.get(row.id, 0))
        if units > 0:
            parts.append((part, row, units))
            rest[line] -= units
    return parts, {line: units for line, units in rest.items() if units}


class Moves:
    """Collects what is to be moved, parcel by parcel."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()
        self._units: dict[tuple[str, str], Counter[str]] = {}

    def want(self, found: Fulfilment, missing: Mapping[str, int], place: str) -> bool:
        """A parcel of `missing` leaves from `place`: what is not there already is to be moved there, where it may.

        Whether there is something to move.
        """
        works = found.fulfillment_orders.nodes
        here = [(part, row) for part in works if part.place == place for row in part.line_items.nodes]
        parts, missing = take(missing, here, self._taken)
        elsewhere = [
            (part, row)
            for part in works
            if part.place != place and part.allows("MOVE")
            for row in part.line_items.nodes
        ]
        there, _ = take(missing, elsewhere, self._taken)
        for part, row, units in there:
            self._units.setdefault((part.id, place), Counter())[row.id] += units
        for _, row, units in (*parts, *there):
            self._taken[row.id] += units
        return bool(there)

    def make(self, graph: Graph) -> None:
        """Moves it."""
        wanted = list(self._units.items())
        for start in range(0, len(wanted), AT_ONCE):
            self._make(graph, wanted[start : start + AT_ONCE])

    def _make(self, graph: Graph, batch: Sequence[tuple[tuple[str, str], Counter[str]]]) -> None:
        variables: dict[str, Any] = {}
        for at, ((work, place), units) in enumerate(batch):
            rows = [{"id": row, "quantity": count} for row, count in units.items()]
            variables |= {f"i{at}": work, f"l{at}": place, f"r{at}": rows}
        try:
            answers, _ = graph.tell(_document(len(batch)), variables, dict[str, _Answer | None])
        except Unavailable as error:
            raise Unavailable(str(error), after=error.after) from None  # no parcel was told by it
        for at, ((work, _), _) in enumerate(batch):
            answer = answers.get(f"m{at}")
            if answer is None or answer.user_errors:
                why = said(answer.user_errors) if answer else "an error inside Shopify"
                _log.info("Shopify moves no work; its parcel is told from where it is", work=short(work), why=why)


def _document(count: int) -> str:
    given = ", ".join(f"$i{at}: ID!, $l{at}: ID!, $r{at}: [FulfillmentOrderLineItemInput!]!" for at in range(count))
    parts = "\n".join(
        f"  m{at}: fulfillmentOrderMove(id: $i{at}, newLocationId: $l{at}, fulfillmentOrderLineItems: $r{at})"
        " { userErrors { field message code } }"
        for at in range(count)
    )
    return f"mutation Move({given}) {{\n{parts}\n}}"
