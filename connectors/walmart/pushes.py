"""What every push at Walmart begins with: reading one order; and telling it that orders were received.

Source: `GET /v3/orders/{id}` and `POST /v3/orders/{id}/acknowledge`, which may be repeated. Parcels stand in
`shipping.py`, cancellations in `cancel.py`, refunds in `refunds.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import httpx

from connectors.walmart import orders
from connectors.walmart.api import Api, quoted, why
from connectors.walmart.documents import PurchaseOrder, observe, read
from connectors.walmart.standing import LOOK, Standing, refused
from core.errors import BadDocument, NotFound, Rejected, Unavailable
from core.model import Ack, AckState, Fulfiller, Observation

FRESH = 5000
"""Orders remembered from their acknowledgement."""

UNKNOWN = "Walmart knows no such order; check its number in Seller Center"


def fetch(api: Api, number: str) -> Observation:
    """One order as it stands. Raises `NotFound`; an answer that is another order or none is an outage."""
    response = api.ask("getAnOrder", "GET", f"/v3/orders/{quoted(number)}", {"replacementInfo": "true"})
    return same_order(response, number)


def look(api: Api, number: str) -> PurchaseOrder | str:
    """How one order stands; a text that says why not, where it cannot be known and asking again would not help."""
    try:
        return read(fetch(api, number).body)
    except NotFound:
        return UNKNOWN
    except Rejected as refusal:
        return f"Walmart will not show the order: {why(refusal.body)}; {LOOK}"
    except BadDocument as error:
        return f"Walmart's order cannot be read ({error}); {LOOK}"


def same_order(response: httpx.Response, number: str) -> Observation:
    """The order an answer holds; one that holds another or none is an outage."""
    observation = observe(response.content)
    if observation.number != number:
        raise Unavailable(f"{response.request.method} {response.request.url.path} answered without the order")
    return observation


class Fresh:
    """How orders stood when they were acknowledged: the newest few thousand, each good for one push of parcels."""

    def __init__(self) -> None:
        self._standings: dict[str, Standing] = {}

    def keep(self, number: str, body: bytes) -> None:
        try:
            self._standings[number] = Standing(read(body))
        except BadDocument:
            return  # then the order is read before its parcels are told
        if len(self._standings) > FRESH:
            del self._standings[next(iter(self._standings))]

    def take(self, number: str) -> Standing | None:
        return self._standings.pop(number, None)


def acknowledge(api: Api, fresh: Fresh, numbers: Sequence[str]) -> Iterator[Ack]:
    """See `Connector.acknowledge`."""
    for number in numbers:
        yield _acknowledge(api, fresh, number)


def _acknowledge(api: Api, fresh: Fresh, number: str) -> Ack:
    path = f"/v3/orders/{quoted(number)}/acknowledge"
    try:
        response = api.ask("acknowledgeOrders", "POST", path, repeatable=True)
    except NotFound:
        return refused(number, UNKNOWN)
    except Rejected as refusal:
        # Also said of an order that is past being acknowledged: then there is nothing left to do.
        try:
            order = orders.normalize(fetch(api, number).body)
        except (BadDocument, NotFound):
            return refused(number, f"Walmart will not have it acknowledged: {why(refusal.body)}; {LOOK}")
        if order.fulfiller is Fulfiller.CHANNEL:
            return refused(number, "Walmart ships this order itself and wants no acknowledgement; leave it alone")
        if order.acknowledged:
            return Ack(key=number, state=AckState.APPLIED)
        return refused(number, f"Walmart will not have it acknowledged: {why(refusal.body)}; {LOOK}")
    fresh.keep(number, same_order(response, number).body)
    return Ack(key=number, state=AckState.APPLIED)
