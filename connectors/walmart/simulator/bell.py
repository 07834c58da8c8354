"""Notifications: who subscribed to what, and a signed POST to each of them when an order changes."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from random import Random
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from werkzeug.wrappers import Response

from connectors.deliveries import Deliveries, Delivery
from connectors.simulation import FaultPlan
from connectors.walmart.simulator import answers
from connectors.walmart.simulator.book import Purchase
from connectors.walmart.simulator.front_desk import Asked
from core.model import Call
from core.signature import as_base64, sha256

RETRIES = (60.0, 300.0)
"""Seconds before each further try: three tries in all. The vendor names their number and not their times."""

EVENTS = (("ORDER_UPDATES", "ORDER"), ("INVENTORY_OOS", "INVENTORY"), ("OFFER_UNPUBLISHED", "ITEM"))
"""Some of the event types there are, each with its resource; all are of version V1."""


class _Strict(msgspec.Struct, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    pass


class _Auth(_Strict):
    auth_method: Literal["BASIC_AUTH", "HMAC"]
    auth_header_name: str
    user_name: str | None = None
    password: str | None = None
    client_secret: str | None = None


class _Wanted(_Strict):
    event_type: str
    event_version: str
    resource_name: str
    event_url: str
    status: Literal["ACTIVE", "INACTIVE"]
    auth_details: _Auth | None = None
    headers: dict[str, str] = {}


class _Creation(_Strict):
    events: list[_Wanted]


class Bell:
    """Subscriptions and deliveries of one account. Callers hold the simulator's lock."""

    def __init__(self, random: Random, faults: FaultPlan, speed: float) -> None:
        self._random = random
        self.subscriptions: dict[str, _Wanted] = {}
        self.deliveries = Deliveries(faults, waits=RETRIES, speed=speed)

    # The API.

    def list_all(self, asked: Asked) -> Response:
        asked.only("subscriptionId", "eventType", "resourceName", "status")
        shown = [_shown(id, one) for id, one in self.subscriptions.items() if _matches(id, one, asked.query)]
        return answers.json({"events": [{"event": shown}] if shown else []})

    def event_types(self, asked: Asked) -> Response:
        asked.only()
        types = [{"eventType": name, "resourceName": of, "eventVersion": "V1"} for name, of in EVENTS]
        return answers.json({"eventTypes": types})

    def create(self, asked: Asked) -> Response:
        asked.only()
        made = []
        for wanted in _read(asked, _Creation).events:
            self._check(wanted, "")
            id = str(uuid.UUID(int=self._random.getrandbits(128)))
            self.subscriptions[id] = wanted
            made.append(_shown(id, wanted))
        if not made:
            raise _refused("no event is named", "events")
        return answers.json({"event": made})

    def update(self, asked: Asked) -> Response:
        asked.only()
        id = asked.segments[3]
        known = self._known(id)
        given = _read(asked, dict[str, Any])
        try:
            wanted = msgspec.convert({**msgspec.to_builtins(known), **given}, _Wanted)
        except msgspec.ValidationError as error:
            raise _refused(f"the subscription cannot be read: {error}", "data") from None
        self._check(wanted, id)
        self.subscriptions[id] = wanted
        return answers.json({"event": [_shown(id, wanted)]})

    def delete(self, asked: Asked) -> Response:
        asked.only()
        id = asked.segments[3]
        self._known(id)
        del self.subscriptions[id]
        return answers.json({"subscriptionId": id, "message": "Successfully deleted subscription"})

    def _known(self, id: str) -> _Wanted:
        if id not in self.subscriptions:
            raise answers.notifications(404, "CONTENT_NOT_FOUND", "no such subscription", "subscriptionId")
        return self.subscriptions[id]

    def _check(self, wanted: _Wanted, own: str) -> None:
        if (wanted.event_type, wanted.resource_name) not in EVENTS or wanted.event_version != "V1":
            raise _refused("no event type, version and resource that go together", "eventType")
        parts = urlsplit(wanted.event_url)
        if parts.scheme not in ("http", "https") or parts.hostname in (None, "localhost", "127.0.0.1", "::1"):
            raise _refused("no public address", "eventUrl")
        auth = wanted.auth_details
        if auth is not None:
            needed = auth.client_secret if auth.auth_method == "HMAC" else auth.user_name and auth.password
            if not needed or not auth.auth_header_name:
                raise _refused("the authentication lacks what its method needs", "authDetails")
        twin = (wanted.event_type, wanted.event_url)
        if any(id != own and (one.event_type, one.event_url) == twin for id, one in self.subscriptions.items()):
            raise _refused("the address is subscribed to this event", "eventUrl")

    def subscribe_by_hand(self, address: str) -> None:
        """As a person does it in the portal, where nothing keeps an address from standing twice."""
        id = str(uuid.UUID(int=self._random.getrandbits(128)))
        self.subscriptions[id] = _Wanted("ORDER_UPDATES", "V1", "ORDER", address, "ACTIVE")

    # What happens.

    def rings(self, what: str, purchase: Purchase) -> None:
        """Something happened to an order: those who want to know are told."""
        for id, one in self.subscriptions.items():
            if one.event_type == "ORDER_UPDATES" and one.status == "ACTIVE":
                body = self._body(what, purchase, datetime.now(UTC))
                headers = {"Content-Type": "application/json", **one.headers, **_proof(one.auth_details, body)}
                self.deliveries.send(Delivery(subscription=id, url=one.event_url, body=body, headers=headers))

    def call(self, body: bytes) -> Call:
        """A delivery as the first subscription's receiver would get it."""
        one = next(iter(self.subscriptions.values()))
        headers = {**one.headers, **_proof(one.auth_details, body)}
        return Call(body=body, headers={k.lower(): v for k, v in headers.items()}, at=datetime.now(UTC))

    def body(self, purchase: Purchase, at: datetime | None) -> bytes:
        return self._body("PO_CREATED", purchase, at or datetime.now(UTC))

    def _body(self, what: str, purchase: Purchase, at: datetime) -> bytes:
        source = {
            "eventType": "ORDER_UPDATES",
            "eventFilters": None,
            "eventTime": f"{at:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z",
            "eventId": str(uuid.UUID(int=self._random.getrandbits(128))),
        }
        order = {
            "purchaseOrderId": purchase.number,
            "customerOrderId": purchase.customer,
            "shipNodeType": purchase.kind,
            "orderLines": [{"lineNumber": line.number, "sku": line.sku} for line in purchase.lines],
        }
        return msgspec.json.encode({"source": source, "payload": {"subEventType": what, "order": order}})


def _proof(auth: _Auth | None, body: bytes) -> dict[str, str]:
    if auth is None:
        return {}
    if auth.auth_method == "HMAC":
        return {auth.auth_header_name: as_base64(sha256(auth.client_secret or "", body)).decode()}
    pair = f"{auth.user_name}:{auth.password}".encode()
    return {auth.auth_header_name: base64.b64encode(pair).decode()}


def _shown(id: str, one: _Wanted) -> dict[str, Any]:
    return {"subscriptionId": id, "partnerId": "10001", **msgspec.to_builtins(one)}


def _matches(id: str, one: _Wanted, query: Mapping[str, str]) -> bool:
    facts = {"subscriptionId": id, "eventType": one.event_type, "resourceName": one.resource_name, "status": one.status}
    return all(facts[name] == value for name, value in query.items())


def _read(asked: Asked, shape: Any) -> Any:
    if asked.request.mimetype != "application/json":
        raise answers.notifications(415, "UNSUPPORTED_MEDIA_TYPE", "JSON is expected", "")
    try:
        return msgspec.json.decode(asked.request.get_data(), type=shape)
    except msgspec.DecodeError as error:
        raise _refused(f"the subscription cannot be read: {error}", "data") from None


def _refused(text: str, field: str) -> answers.Refused:
    return answers.notifications(400, "INVALID_REQUEST_CONTENT", text, field)
