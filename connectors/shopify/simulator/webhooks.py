"""The shop's webhooks: who subscribed to what, and a signed POST to each of them when it happens.

As strict as Shopify: an address is https and stands once a topic, topics want their scopes, a subscription whose
deliveries failed to the last retry is dropped. Compliance topics go to the address of the app's own configuration.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import msgspec

from connectors.deliveries import Deliveries, Delivery
from connectors.shopify.simulator import bodies
from connectors.shopify.simulator.records import Order
from connectors.shopify.simulator.shop import Shop
from connectors.simulation import FaultPlan
from core.model import Call
from core.signature import as_base64, sha256

Topic = tuple[str, Callable[[], dict[str, Any]]]
"""What something that happened is told under, and its body."""

RETRIES = tuple(56.0 * 2**number for number in range(8))
"""Seconds before each further try: eight in four hours."""

_NEEDED = {
    "ORDERS": "read_orders",
    "REFUNDS": "read_orders",
    "FULFILLMENT_ORDERS": "read_merchant_managed_fulfillment_orders",
    "INVENTORY_LEVELS": "read_inventory",
    "RETURNS": "read_returns",
    "PRODUCTS": "read_products",
}
"""The scope that a family of topics wants; RETURNS_* is a stricter reading, as some of them do with read_orders."""


def header(topic: str) -> str:
    """A topic as deliveries name it."""
    family = next((name for name in _NEEDED if topic.startswith(f"{name}_")), topic.partition("_")[0])
    return f"{family}/{topic.removeprefix(family)[1:]}".lower()


@dataclass(slots=True, eq=False)
class Subscription:
    """One subscription; attributes are the schema's fields."""

    id: str
    topic: str
    uri: str
    createdAt: str  # noqa: N815
    updatedAt: str  # noqa: N815
    format: str = "JSON"
    includeFields: list[str] = field(default_factory=list)  # noqa: N815
    filter: str | None = None
    kind: str = "WebhookSubscription"


class Webhooks:
    """Subscriptions and deliveries of one shop. Callers hold the simulator's lock."""

    def __init__(
        self, domain: str, secret: str, gid: Callable[[str], str], faults: FaultPlan, speed: float, version: str
    ) -> None:
        self._domain = domain
        self._secret = secret
        self._gid = gid
        self._version = version
        self.subscriptions: dict[str, Subscription] = {}
        self.compliance: str | None = None
        """Where the app's configuration wants the compliance topics."""
        self.dropped: list[Subscription] = []
        """Those that Shopify gave up."""
        self.deliveries = Deliveries(faults, waits=RETRIES, speed=speed, given_up=self._give_up)
        self._events = itertools.count(1)

    # What apps may do.

    def create(
        self, topic: str, given: Mapping[str, Any], scopes: Collection[str]
    ) -> tuple[Subscription | None, list[dict[str, Any]]]:
        errors = self._errors(topic, given, scopes, None)
        if errors:
            return None, errors
        now = _text(datetime.now(UTC))
        made = Subscription(self._gid("WebhookSubscription"), topic, given["uri"], now, now)
        self._fill(made, given)
        self.subscriptions[made.id] = made
        return made, []

    def update(
        self, id: str, given: Mapping[str, Any], scopes: Collection[str]
    ) -> tuple[Subscription | None, list[dict[str, Any]]]:
        known = self.subscriptions.get(id)
        if known is None:
            return None, [_error("Webhook subscription does not exist", "id")]
        errors = self._errors(known.topic, {"uri": known.uri, **given}, scopes, known)
        if errors:
            return None, errors
        self._fill(known, given)
        known.updatedAt = _text(datetime.now(UTC))
        return known, []

    def delete(self, id: str) -> tuple[str | None, list[dict[str, Any]]]:
        if self.subscriptions.pop(id, None) is None:
            return None, [_error("Webhook subscription does not exist", "id")]
        return id, []

    def _errors(
        self, topic: str, given: Mapping[str, Any], scopes: Collection[str], known: Subscription | None
    ) -> list[dict[str, Any]]:
        where = ("webhookSubscription", "uri")
        uri = given.get("uri") or ""
        parts = urlsplit(uri)
        if parts.scheme != "https" or not parts.hostname:
            return [_error("Address protocol http:// is not supported; use https://", *where)]
        if parts.hostname in ("localhost", "127.0.0.1", "::1"):
            return [_error("Address cannot be a local one", *where)]
        scope = next((scope for family, scope in _NEEDED.items() if topic.startswith(f"{family}_")), None)
        if scope is not None and scope not in scopes:
            what = f"You do not have permission to create or update webhooks with {header(topic)} topic."
            return [_error(what, "topic")]
        for other in self.subscriptions.values():
            if other is not known and (other.topic, other.uri) == (topic, uri):
                return [_error("Address for this topic has already been taken", *where)]
        return []

    @staticmethod
    def _fill(made: Subscription, given: Mapping[str, Any]) -> None:
        made.uri = given.get("uri", made.uri)
        made.format = given.get("format") or made.format
        made.includeFields = list(given.get("includeFields", made.includeFields) or ())
        made.filter = given.get("filter", made.filter) or None

    # What happens.

    def happened(self, topics: Iterable[Topic]) -> None:
        """One thing happened that is told under these topics, each with its body."""
        event, at = str(uuid.UUID(int=next(self._events))), datetime.now(UTC)
        for topic, body in topics:
            for one in list(self.subscriptions.values()):
                if one.topic == topic:
                    document = _cut(body(), one.includeFields)
                    self._send(one.id, one.uri, self._signed(header(topic), msgspec.json.encode(document), event, at))

    def comply(self, topic: str, body: Mapping[str, Any]) -> None:
        """A compliance topic, such as customers/redact."""
        if self.compliance is not None:
            event, at = str(uuid.UUID(int=next(self._events))), datetime.now(UTC)
            self._send("", self.compliance, self._signed(topic, msgspec.json.encode(body), event, at))

    def call(self, topic: str, body: bytes, at: datetime | None = None) -> Call:
        """A delivery of an event of its own, as a receiver would get it now."""
        event = str(uuid.UUID(int=next(self._events)))
        headers = self._signed(topic, body, event, at or datetime.now(UTC))[1]
        return Call(body=body, headers={k.lower(): v for k, v in headers.items()}, at=datetime.now(UTC))

    def _signed(self, topic: str, body: bytes, event: str, at: datetime) -> tuple[bytes, dict[str, str]]:
        headers = {
            "Content-Type": "application/json",
            "X-Shopify-Topic": topic,
            "X-Shopify-Hmac-Sha256": as_base64(sha256(self._secret, body)).decode(),
            "X-Shopify-Shop-Domain": self._domain,
            "X-Shopify-API-Version": self._version,
            "X-Shopify-Webhook-Id": str(uuid.UUID(int=next(self._events) << 64)),
            "X-Shopify-Event-Id": event,
            "X-Shopify-Triggered-At": f"{at:%Y-%m-%dT%H:%M:%S.%f}000Z",
        }
        return body, headers

    def _send(self, subscription: str, url: str, signed: tuple[bytes, dict[str, str]]) -> None:
        body, headers = signed
        self.deliveries.send(Delivery(subscription=subscription, url=url, body=body, headers=headers))

    def _give_up(self, delivery: Delivery) -> None:
        gone = self.subscriptions.pop(delivery.subscription, None)
        if gone is not None:
            self.dropped.append(gone)


def _error(message: str, *path: str) -> dict[str, Any]:
    return {"field": list(path), "message": message}


def _cut(document: dict[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    """The document with only these fields, where some are named; a dot leads inside."""
    if not fields:
        return document
    kept: dict[str, Any] = {}
    for name in fields:
        outer, _, inner = name.partition(".")
        if outer in document:
            kept[outer] = _cut(document[outer], [inner]) if inner else document[outer]
    return kept


def _text(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


class Happenings:
    """What has happened in the shop since it was last looked at, whoever did it, and under which topics it is told."""

    def __init__(self, shop: Shop, webhooks: Webhooks) -> None:
        self._shop = shop
        self._webhooks = webhooks
        self._orders: dict[str, tuple[Any, ...]] = {}
        self._levels: dict[tuple[str, str], int] = {}

    def tell(self) -> None:
        """Tells of each order that changed, then of each level."""
        touched, self._shop.touched = self._shop.touched, {}
        for number, order in touched.items():
            before, now = self._orders.get(number), _standing(order)
            self._orders[number] = now
            self._webhooks.happened(_topics(order, before, now))
        if any(one.topic == "INVENTORY_LEVELS_UPDATE" for one in self._webhooks.subscriptions.values()):
            self._tell_levels()
        else:
            self._levels.clear()

    def _tell_levels(self) -> None:
        now = {(id, place): level for id, item in self._shop.items.items() for place, level in item.levels.items()}
        known = self._levels
        self._levels = {key: level.available for key, level in now.items()}
        for key, level in now.items() if known else ():
            if known.get(key) != level.available:
                body = partial(bodies.level, self._shop.items[key[0]], level, self._shop.text(self._shop.tick()))
                self._webhooks.happened([("INVENTORY_LEVELS_UPDATE", body)])


def _standing(order: Order) -> tuple[Any, ...]:
    """What tells one kind of change from another: cancelled, refunds, pieces of work and those of them cancelled,
    units taken off, returns."""
    called_off = sum(part.status == "CANCELLED" for part in order.parts)
    off = sum(line.quantity - line.currentQuantity for line in order.lines)
    return order.cancelledAt, len(order.refunds), len(order.parts), called_off, off, len(order.returns)


def _topics(order: Order, before: tuple[Any, ...] | None, now: tuple[Any, ...]) -> list[Topic]:
    whole, work = partial(bodies.order, order), [partial(bodies.work, part) for part in order.parts]
    if before is None:
        return [("ORDERS_CREATE", whole), ("FULFILLMENT_ORDERS_ORDER_ROUTING_COMPLETE", work[0])]
    topics: list[Topic] = [("ORDERS_UPDATED", whole)]
    if now[0] != before[0]:
        topics.append(("ORDERS_CANCELLED", whole))
    elif now[4] > before[4]:
        topics.append(("ORDERS_EDITED", partial(bodies.edit, order)))
    if now[1] > before[1]:
        topics.append(("REFUNDS_CREATE", partial(bodies.refund, order)))
    if now[2] > before[2]:
        topics.append(("FULFILLMENT_ORDERS_MOVED", partial(bodies.moved, order.parts[0])))
    if now[3] > before[3]:
        topics.append(("FULFILLMENT_ORDERS_CANCELLED", work[0]))
    if now[5] > before[5]:
        topics.append(("RETURNS_REQUEST", partial(bodies.sent_back, order.returns[-1])))
    return topics
