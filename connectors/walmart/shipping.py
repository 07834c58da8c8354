"""Telling Walmart which parcels left, and correcting what it was told of one.

Source: `POST /v3/orders/{id}/shipping`. It may not be repeated: told twice of one unit of a line of two, Walmart ships
both. So an order is read before its parcels are told, and what stands there already is done. Only whole lines of an
order this instance has just acknowledged are told unread: told twice, Walmart refuses them. One call carries every
parcel of an order, and takes all or nothing.

A correction is the same call in the mode PARTIAL_UPDATE: the parcel that is there under `currentTrackingInfo` gets the
new number. Walmart takes one for four hours after the parcel was told; later it refuses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import httpx

from connectors import carriers
from connectors.walmart.api import Api, quoted, why
from connectors.walmart.documents import read
from connectors.walmart.pushes import Fresh, look, same_order
from connectors.walmart.standing import LOOK, Standing, Telling, refused
from core.errors import BadDocument, NotFound, Rejected, Unavailable, in_doubt
from core.model import Ack, AckState, Shipment


def push_tracking(api: Api, fresh: Fresh, shipments: Sequence[Shipment]) -> Iterator[Ack]:
    """See `Connector.push_tracking`; an order's shipments are answered together."""
    by_order: dict[str, list[Shipment]] = {}
    for shipment in shipments:
        by_order.setdefault(shipment.order, []).append(shipment)
    for number, group in by_order.items():
        with in_doubt([shipment.key for shipment in group]):
            yield from _push_one(api, fresh.take(number), number, group)


def _push_one(api: Api, standing: Standing | None, number: str, group: Sequence[Shipment]) -> Iterator[Ack]:
    """One order's parcels; `standing` is how it stood a moment ago, where that is known."""
    if standing is not None and standing.would_ship_whole(group):
        try:
            answer = _tell(api, number, standing, group, Telling.SHIP)
        except (Rejected, NotFound):
            pass  # it has changed since: read it
        else:
            yield from _told(answer, number, group)
            return
    now = _standing(api, number)
    if isinstance(now, str):
        yield from (refused(shipment.key, now) for shipment in group)
        return
    ready: dict[Telling, list[Shipment]] = {Telling.CORRECT: [], Telling.SHIP: []}
    for shipment in group:
        verdict = now.judge(shipment)
        if isinstance(verdict, Telling):
            ready[verdict].append(shipment)
        else:
            yield verdict
    for how, parcels in ready.items():
        if parcels:
            yield from _send(api, number, now, parcels, how)


def _tell(api: Api, number: str, standing: Standing, group: Sequence[Shipment], how: Telling) -> httpx.Response:
    body = standing.told(group, how)
    return api.ask("shippingUpdates", "POST", f"/v3/orders/{quoted(number)}/shipping", body=body)


def _standing(api: Api, number: str) -> Standing | str:
    """How the order stands, or why that cannot be known."""
    document = look(api, number)
    if isinstance(document, str):
        return document
    try:
        return Standing(document)
    except BadDocument as error:
        return f"Walmart's order cannot be read ({error}); {LOOK}"


def _send(api: Api, number: str, standing: Standing, ready: Sequence[Shipment], how: Telling) -> Iterator[Ack]:
    """Tells the shipments in one call; refused, one by one, so that a bad one does not hold the others."""
    try:
        response = _tell(api, number, standing, ready, how)
    except (Rejected, NotFound) as refusal:
        if len(ready) > 1:
            for shipment in ready:
                yield from _send(api, number, standing, [shipment], how)
            return
        said = why(refusal.body) if isinstance(refusal, Rejected) else "it knows no such order"
        now = _standing(api, number)
        if isinstance(now, Standing) and now.has(ready[0]):
            yield Ack(key=ready[0].key, state=AckState.APPLIED)
        else:
            yield _refusal(ready[0], said, how)
        return
    yield from _told(response, number, ready)


def _refusal(shipment: Shipment, said: str, how: Telling) -> Ack:
    if how is Telling.CORRECT:
        reason = (
            f"Walmart will not have the new tracking, which it takes for four hours after a parcel was told: {said}"
        )
        return refused(shipment.key, f"{reason}; correct the tracking in Seller Center")
    doubt = carriers.doubt(shipment.carrier, shipment.tracking)
    said = f"{said}, and {doubt}" if doubt else said
    return refused(shipment.key, f"Walmart will not have this shipment: {said}; {LOOK}")


def _told(response: httpx.Response, number: str, ready: Sequence[Shipment]) -> Iterator[Ack]:
    """The acks of shipments Walmart took, off the order it answers with."""
    try:
        told = Standing(read(same_order(response, number).body))
    except (BadDocument, Unavailable) as error:
        raise Unavailable(f"Walmart's answer to a shipment cannot be read: {error}", ambiguous=True) from None
    for shipment in ready:
        if told.has(shipment):
            yield Ack(key=shipment.key, state=AckState.APPLIED)
        else:
            yield Ack(key=shipment.key, state=AckState.RETRY, reason="Walmart took it and does not show it yet")
