"""What Walmart is told of orders: that they were received, and which parcels left.

Source: `POST /v3/orders/{id}/acknowledge` and `POST /v3/orders/{id}/shipping`. Acknowledging may be repeated. Shipping
may not: told twice of one unit of a line of two, Walmart ships both. So an order is read before its parcels are told,
and what stands there already is done. Only whole lines of an order this instance has just acknowledged are told
unread: told twice, Walmart refuses them. One call carries every parcel of an order, and takes all or nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import httpx

from connectors import carriers
from connectors.walmart import orders
from connectors.walmart.api import Api, quoted, why
from connectors.walmart.documents import PurchaseOrder, observe, read
from connectors.walmart.methods import method
from connectors.walmart.orders import Counts
from core.errors import BadDocument, NotFound, Rejected, Unavailable, in_doubt
from core.model import Ack, AckState, Fulfiller, Observation, Shipment, micros

FRESH = 5000
"""Orders remembered from their acknowledgement."""

_LOOK = "look at the order in Seller Center"


def fetch(api: Api, number: str) -> Observation:
    """One order as it stands. Raises `NotFound`; an answer that is another order or none is an outage."""
    response = api.ask("getAnOrder", "GET", f"/v3/orders/{quoted(number)}", {"replacementInfo": "true"})
    return _same_order(response, number)


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
        return _refused(number, "Walmart knows no such order; check its number in Seller Center")
    except Rejected as refusal:
        # Also said of an order that is past being acknowledged: then there is nothing left to do.
        try:
            order = orders.normalize(fetch(api, number).body)
        except (BadDocument, NotFound):
            return _refused(number, f"Walmart will not have it acknowledged: {why(refusal.body)}; {_LOOK}")
        if order.fulfiller is Fulfiller.CHANNEL:
            return _refused(number, "Walmart ships this order itself and wants no acknowledgement; leave it alone")
        if order.acknowledged:
            return Ack(key=number, state=AckState.APPLIED)
        return _refused(number, f"Walmart will not have it acknowledged: {why(refusal.body)}; {_LOOK}")
    fresh.keep(number, _same_order(response, number).body)
    return Ack(key=number, state=AckState.APPLIED)


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
        body = standing.telling(group)
        try:
            answer = api.ask("shippingUpdates", "POST", f"/v3/orders/{quoted(number)}/shipping", body=body)
        except (Rejected, NotFound):
            pass  # it has changed since: read it
        else:
            yield from _told(answer, number, group)
            return
    yield from _ship(api, number, group)


def _ship(api: Api, number: str, group: Sequence[Shipment]) -> Iterator[Ack]:
    standing = _standing(api, number)
    if isinstance(standing, str):
        yield from (_refused(shipment.key, standing) for shipment in group)
        return
    ready = []
    for shipment in group:
        verdict = standing.judge(shipment)
        if verdict is None:
            ready.append(shipment)
        else:
            yield verdict
    if ready:
        yield from _send(api, number, standing, ready)


def _standing(api: Api, number: str) -> Standing | str:
    """How the order stands; a text that says why not, where it cannot be known and asking again would not help."""
    try:
        return Standing(read(fetch(api, number).body))
    except NotFound:
        return "Walmart knows no such order; check its number in Seller Center"
    except BadDocument as error:
        return f"Walmart's order cannot be read ({error}); {_LOOK}"


def _send(api: Api, number: str, standing: Standing, ready: Sequence[Shipment]) -> Iterator[Ack]:
    """Tells the shipments in one call; refused, one by one, so that a bad one does not hold the others."""
    path = f"/v3/orders/{quoted(number)}/shipping"
    try:
        response = api.ask("shippingUpdates", "POST", path, body=standing.telling(ready))
    except (Rejected, NotFound) as refusal:
        if len(ready) > 1:
            for shipment in ready:
                yield from _send(api, number, standing, [shipment])
            return
        said = why(refusal.body) if isinstance(refusal, Rejected) else "it knows no such order"
        now = _standing(api, number)
        if isinstance(now, Standing) and now.has(ready[0]):
            yield Ack(key=ready[0].key, state=AckState.APPLIED)
        else:
            doubt = carriers.doubt(ready[0].carrier, ready[0].tracking)
            said = f"{said}, and {doubt}" if doubt else said
            yield _refused(ready[0].key, f"Walmart will not have this shipment: {said}; {_LOOK}")
        return
    yield from _told(response, number, ready)


def _told(response: httpx.Response, number: str, ready: Sequence[Shipment]) -> Iterator[Ack]:
    """The acks of shipments Walmart took, off the order it answers with."""
    try:
        told = Standing(read(_same_order(response, number).body))
    except (BadDocument, Unavailable) as error:
        raise Unavailable(f"Walmart's answer to a shipment cannot be read: {error}", ambiguous=True) from None
    for shipment in ready:
        if told.has(shipment):
            yield Ack(key=shipment.key, state=AckState.APPLIED)
        else:
            yield Ack(key=shipment.key, state=AckState.RETRY, reason="Walmart took it and does not show it yet")


class Standing:
    """An order as it stands at Walmart, against which shipments are held one after another.

    What one shipment uses up, units left to ship or a parcel already there, is not there for the next.
    """

    def __init__(self, document: PurchaseOrder) -> None:
        self._by_channel = document.ship_node is not None and document.ship_node.type == orders.WFS
        self._method = document.shipping_info.method_code if document.shipping_info is not None else None
        packages: orders.Packages = {}
        self._counts: dict[str, Counts] = {}
        self._asks_to_cancel: set[str] = set()
        for index, line in enumerate(document.order_lines.order_line):
            self._counts[line.line_number] = orders.counts_of(line, index, packages)
            if orders.asks_to_cancel(line):
                self._asks_to_cancel.add(line.line_number)
        self._there: dict[str, dict[str, int]] = {}
        for (tracking, _), units in packages.items():
            held = self._there.setdefault(_number(tracking), {})
            for line_number, count in units.items():
                held[line_number] = held.get(line_number, 0) + count
        self._taken: dict[str, int] = {}

    def has(self, shipment: Shipment) -> bool:
        """Whether a parcel with this tracking number and these units is there; if so it is used up."""
        held = self._there.get(_number(shipment.tracking), {})
        if any(held.get(line, 0) < units for line, units in shipment.lines.items()):
            return False
        for line, units in shipment.lines.items():
            held[line] -= units
        return True

    def would_ship_whole(self, group: Sequence[Shipment]) -> bool:
        """Whether all are to be told and take each of their lines whole, so that none can ship twice.

        What they use up is used up.
        """
        return all(
            line in self._counts and self._counts[line].ordered == units
            for shipment in group
            for line, units in shipment.lines.items()
        ) and all(self.judge(shipment) is None for shipment in group)

    def judge(self, shipment: Shipment) -> Ack | None:
        """The answer that is known without asking; None when the shipment is to be told, its units then taken."""
        if self._by_channel:
            return _refused(shipment.key, "Walmart ships this order itself; take the shipment back")
        if not _number(shipment.tracking):
            return _refused(shipment.key, "Walmart wants a tracking number; give the shipment one")
        if self.has(shipment):
            return Ack(key=shipment.key, state=AckState.APPLIED)
        if not shipment.carrier.strip():
            return _refused(shipment.key, "Walmart wants a carrier; give the shipment one")
        name, other, url = _carrier(shipment)
        if not name and not url:
            return _refused(
                shipment.key,
                f"Walmart has no carrier {other!r}, and then wants a tracking URL; give the shipment one, or name "
                "the carrier as Walmart does",
            )
        for line, units in shipment.lines.items():
            counts = self._counts.get(line)
            if counts is None:
                return _refused(shipment.key, f"the order has no line {line} at Walmart; correct the shipment")
            left = counts.open - counts.unknown - self._taken.get(line, 0)
            if units > left:
                return _refused(
                    shipment.key,
                    f"Walmart has {max(left, 0)} units of line {line} left to ship, not {units}: the others were "
                    f"cancelled, or shipped with another tracking number; {_LOOK} and correct the shipment",
                )
            if units > left - counts.created:
                return Ack(
                    key=shipment.key,
                    state=AckState.RETRY,
                    reason=f"line {line} waits for its acknowledgement at Walmart",
                )
        for line, units in shipment.lines.items():
            self._taken[line] = self._taken.get(line, 0) + units
        return None

    def telling(self, ready: Sequence[Shipment]) -> dict[str, Any]:
        """The body that tells these shipments: a line once, with one status for each parcel it left in."""
        lines: dict[str, dict[str, Any]] = {}
        for shipment in ready:
            tracking = self._tracking(shipment)
            for number, units in shipment.lines.items():
                line = lines.setdefault(number, self._line(number, shipment))
                line["orderLineStatuses"]["orderLineStatus"].append(
                    {
                        "status": "Shipped",
                        "statusQuantity": {"unitOfMeasurement": "EACH", "amount": str(units)},
                        "trackingInfo": tracking,
                    }
                )
        return {"orderShipment": {"orderLines": {"orderLine": list(lines.values())}}}

    def _line(self, number: str, shipment: Shipment) -> dict[str, Any]:
        return {
            "lineNumber": number,
            # The parcel has left: whoever asked to cancel meanwhile gets a return, not a second truth.
            "intentToCancelOverride": number in self._asks_to_cancel,
            "sellerOrderId": shipment.order[:30],
            "orderLineStatuses": {"orderLineStatus": []},
        }

    def _tracking(self, shipment: Shipment) -> dict[str, Any]:
        name, other, url = _carrier(shipment)
        told: dict[str, Any] = {
            "shipDateTime": micros(shipment.shipped_at) // 1000,
            "carrierName": {"carrier": name} if name else {"otherCarrier": other},
            "methodCode": method(shipment.service, self._method or ""),
            "trackingNumber": shipment.tracking.strip(),
        }
        if url:
            told["trackingURL"] = url
        return told


def _carrier(shipment: Shipment) -> tuple[str, str, str]:
    """Walmart's name of the carrier, or what it goes by as another one, and the page the parcel is followed on."""
    known = carriers.find(shipment.carrier)
    name = known.walmart if known is not None else ""
    other = "" if name else known.name if known is not None else shipment.carrier.strip()
    url = shipment.tracking_url or (known.link(shipment.tracking) if known is not None and not name else "")
    return name, other, url


def _number(tracking: str) -> str:
    return "".join(tracking.split()).upper()


def _same_order(response: httpx.Response, number: str) -> Observation:
    observation = observe(response.content)
    if observation.number != number:
        raise Unavailable(f"{response.request.method} {response.request.url.path} answered without the order")
    return observation


def _refused(key: str, reason: str) -> Ack:
    return Ack(key=key, state=AckState.REFUSED, reason=reason)
