"""What Walmart tells by itself: order notifications, and the one subscription that brings them.

Of the ways to be authenticated to us that a subscription offers, ours asks for HMAC: a header of our naming holds the
HMAC-SHA256 of the complete body (Walmart: Create subscription). Walmart does not say whether in hexadecimal or base64,
so both are taken. The key is made from the account's client secret, which itself is never handed out.

From December 15th, 2026 the one event of orders is ORDER_UPDATES, whose `subEventType` says what happened. All of them
mean the same to us: look at the order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import msgspec

from connectors.walmart.api import Api, is_content_not_found, quoted
from core.errors import BadDocument, Forged, NotFound, Stale, Unavailable
from core.model import Call, Hint, HintKind, Subscribed
from core.signature import as_base64, as_hex, same, sha256

WINDOW: Final = timedelta(minutes=5)
"""How far from ours the instant of a notification may be. An older one is left to the next poll."""

SIGNATURE: Final = "X-Walmart-Signature"
KEY_ID: Final = "X-Ordersync-Key"
"""A header of ours that comes back with each notification and with the subscription: which key it was made with."""

_EVENT: Final = {"eventType": "ORDER_UPDATES", "eventVersion": "V1", "resourceName": "ORDER"}
_PATH: Final = "/v3/webhooks/subscriptions"


def signing_key(client_secret: str) -> str:
    """The key Walmart signs with for this account."""
    return sha256(client_secret, b"ordersync: Walmart notifications").hex()


# Reading notifications.

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class _Source(msgspec.Struct, rename="camel"):
    event_type: str
    event_id: _Text
    event_time: Annotated[datetime, msgspec.Meta(tz=True)]


class _Order(msgspec.Struct, rename="camel"):
    purchase_order_id: str = ""


class _Payload(msgspec.Struct, rename="camel"):
    order: _Order | None = None
    purchase_order_id: str = ""


class _Notification(msgspec.Struct):
    source: _Source
    payload: _Payload


_notification = msgspec.json.Decoder(_Notification)


def hints(call: Call, key: str) -> Sequence[Hint]:
    """See `core.connector.Connector.hints`."""
    digest = sha256(key, call.body)
    given = call.headers.get(SIGNATURE.lower(), "")
    if not (same(given, as_base64(digest)) | same(given, as_hex(digest))):
        raise Forged("the signature is not Walmart's for this account; its subscription is seen to every hour")
    try:
        told = _notification.decode(call.body)
        at = told.source.event_time.astimezone(UTC)
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError) as error:
        raise BadDocument(f"a notification cannot be read: {error}") from None
    for stamped in (at, _stamp(call)):
        if stamped is not None and abs(call.at - stamped) > WINDOW:
            raise Stale("it is more than five minutes old, or from the future; compare the clocks")
    if told.source.event_type not in _ABOUT_ORDERS:
        return []
    number = (told.payload.order.purchase_order_id if told.payload.order else "") or told.payload.purchase_order_id
    return [Hint(id=told.source.event_id, kind=HintKind.ORDER, at=at, order=number if number.isdigit() else "")]


_ABOUT_ORDERS = frozenset(("ORDER_UPDATES", "PO_CREATED", "PO_LINE_AUTOCANCELLED", "INTENT_TO_CANCEL"))
"""The event of orders, and those it replaces."""


def _stamp(call: Call) -> datetime | None:
    """When it was sent, where a header says so: seconds since 1970. One that cannot be read was never on time."""
    text = call.headers.get("wm_sec.timestamp")
    if text is None:
        return None
    try:
        return datetime.fromtimestamp(float(text), UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


# Subscriptions.


class _Auth(msgspec.Struct, rename="camel"):
    auth_method: str | None = None
    auth_header_name: str | None = None


class _Subscription(msgspec.Struct, rename="camel"):
    subscription_id: str
    event_type: str = ""
    event_version: str = ""
    resource_name: str = ""
    status: str = ""
    event_url: str = ""
    auth_details: _Auth | None = None
    headers: dict[str, str] | None = None


class _Listed(msgspec.Struct):
    """The list as the schema has it, in groups under `event`, or as the vendor's examples show it, flat."""

    events: list[dict[str, Any]]


def see_to(api: Api, address: str, key: str) -> Subscribed:
    """See `core.connector.Connector.subscriptions`: one subscription of ORDER_UPDATES for our address."""
    mark = hashlib.sha256(key.encode()).hexdigest()[:16]
    wanted = {
        **_EVENT,
        "eventUrl": address,
        "authDetails": {"authMethod": "HMAC", "authHeaderName": SIGNATURE, "clientSecret": key},
        "headers": {KEY_ID: mark},
        "status": "ACTIVE",
    }
    ours = [one for one in _all(api) if one.event_url == address]
    kept = next((one for one in ours if one.event_type == _EVENT["eventType"]), None)
    done = []
    for one in ours:
        if one is not kept and _remove(api, one.subscription_id):
            done.append(f"removed {one.event_type or 'a subscription'}")
    if kept is None:
        api.ask("createSubscription", "POST", _PATH, body={"events": [wanted]})
        done.append(f"subscribed to {_EVENT['eventType']}")
    elif not _is_as_wanted(kept, mark):
        api.ask("updateSubscription", "PATCH", f"{_PATH}/{quoted(kept.subscription_id)}", body=wanted, repeatable=True)
        done.append(f"mended {_EVENT['eventType']}")
    return Subscribed(done=tuple(done))


def _is_as_wanted(one: _Subscription, mark: str) -> bool:
    auth = one.auth_details or _Auth()
    signed = auth.auth_method == "HMAC" and auth.auth_header_name == SIGNATURE
    same_event = (one.event_version, one.resource_name) == (_EVENT["eventVersion"], _EVENT["resourceName"])
    return signed and same_event and one.status == "ACTIVE" and (one.headers or {}).get(KEY_ID) == mark


def _remove(api: Api, id: str) -> bool:
    try:
        api.ask("deleteSubscription", "DELETE", f"{_PATH}/{quoted(id)}", repeatable=True)
    except NotFound:
        return False  # somebody else was quicker
    return True


def _all(api: Api) -> Iterator[_Subscription]:
    answer = api.ask("getAllSubscriptions", "GET", _PATH, missing_is_an_answer=True)
    if is_content_not_found(answer):
        return
    if answer.status_code == 404:
        raise Unavailable("the list of subscriptions answered 404; check base_url")
    try:
        listed = msgspec.json.decode(answer.content, type=_Listed)
        for entry in listed.events:
            yield from msgspec.convert(entry.get("event", [entry]), list[_Subscription])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unavailable(f"the list of subscriptions cannot be read: {error}") from None
