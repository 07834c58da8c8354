"""Correcting tracking numbers: the parcel that Shopify knows under its old number gets the new one.

`fulfillmentTrackingInfoUpdate` replaces everything that a fulfilment says of its tracking, so a fulfilment under
several numbers keeps its others by being told them again. It is not told twice what it says already. Where Shopify
knows neither number, the parcel was never told: it is told like any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connectors.shopify.documents import Id, Record
from connectors.shopify.fulfilment import Fulfilment, Parcel, plain
from connectors.shopify.graph import Graph
from connectors.shopify.writing import UserError, said
from core.errors import in_doubt
from core.model import Shipment

AT_ONCE = 20
"""Fulfilments corrected in one request."""


class _Answer(Record):
    user_errors: list[UserError]
    fulfillment: Id | None = None


def standing(shipment: Shipment, found: Fulfilment, company: str) -> list[Parcel]:
    """The fulfilments with lines of this parcel that still say what `shipment` corrects."""
    if not shipment.corrects:
        return []
    return [
        parcel
        for parcel in found.fulfillments
        if parcel.is_under(shipment.corrects)
        and any(line in shipment.lines for line, _ in parcel.units)
        and (plain(shipment.corrects) != plain(shipment.tracking) or not _is_of(parcel, shipment, company))
    ]


def correct(
    graph: Graph,
    shipments: Sequence[Shipment],
    known: Mapping[str, Fulfilment],
    tracking: Mapping[str, Mapping[str, str]],
    *,
    notify: bool,
) -> dict[str, str]:
    """Corrects what stands under an old number; returns what Shopify said to those it refused, by key.

    `known` is how the orders stand, `tracking` what each parcel's tracking is to say, both by the shipment's key.
    """
    edits = [
        (shipment.key, parcel, _input(parcel, shipment, tracking[shipment.key]))
        for shipment in shipments
        if shipment.key in known
        for parcel in standing(shipment, known[shipment.key], tracking[shipment.key].get("company", ""))
    ]
    refused: dict[str, str] = {}
    for start in range(0, len(edits), AT_ONCE):
        batch = edits[start : start + AT_ONCE]
        variables: dict[str, Any] = {"notify": notify}
        for at, (_, parcel, given) in enumerate(batch):
            variables |= {f"f{at}": parcel.id, f"t{at}": given}
        with in_doubt([key for key, _, _ in batch]):
            answers, errors = graph.tell(_document(len(batch)), variables, dict[str, _Answer | None])
            for at, (key, _, _) in enumerate(batch):
                answer = answers.get(f"c{at}")
                if answer is None:
                    raise graph.lost(errors)
                if answer.user_errors:
                    refused[key] = said(answer.user_errors)
    return refused


def _is_of(parcel: Parcel, shipment: Shipment, company: str) -> bool:
    """Whether the number goes by this carrier already."""
    return any(
        plain(one.number or "") == plain(shipment.tracking) and (one.company or "") == company
        for one in parcel.tracking_info
    )


def _input(parcel: Parcel, shipment: Shipment, tracking: Mapping[str, str]) -> dict[str, Any]:
    """What the fulfilment is to say: the new number in the place of the old, and its other numbers as they are."""
    if len(parcel.tracking_info) < 2:
        return dict(tracking)
    numbers, urls = [], []
    for one in parcel.tracking_info:
        mine = plain(one.number or "") == plain(shipment.corrects)
        numbers.append(shipment.tracking if mine else one.number or "")
        urls.append(tracking.get("url", "") if mine else one.url or "")
    given: dict[str, Any] = {"numbers": numbers, "company": tracking.get("company", "")}
    # Addresses go by position: all of them or none. Shopify makes them itself for the carriers it knows.
    return given | ({"urls": urls} if all(urls) else {})


def _document(count: int) -> str:
    given = "".join(f", $f{at}: ID!, $t{at}: FulfillmentTrackingInput!" for at in range(count))
    parts = "\n".join(
        f"  c{at}: fulfillmentTrackingInfoUpdate(fulfillmentId: $f{at}, trackingInfoInput: $t{at},"
        " notifyCustomer: $notify) { fulfillment { id } userErrors { field message } }"
        for at in range(count)
    )
    return f"mutation Correct($notify: Boolean!{given}) {{\n{parts}\n}}"
