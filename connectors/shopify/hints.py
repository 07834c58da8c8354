"""What Shopify tells by itself: a signed request for each change, read as a reason to look.

Signed is the body alone, by HMAC-SHA256 with the app's client secret, base64 (Shopify: Verify webhook deliveries). The
headers are not: they name the topic, the shop, the delivery and the instant, and whoever replays a body may change
them. All that a replay can do by that is to make us look once more at what it names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec

from core.errors import BadDocument, Forged, Stale
from core.model import MAX_QUANTITY, Call, Hint, HintKind
from core.signature import as_base64, same, sha256

OLDEST = timedelta(hours=24)
"""How old a change may be that is worth a look. Shopify delivers again for four hours, with the first instant."""

AHEAD = timedelta(minutes=5)
"""How far ahead of our clock Shopify's may be."""

_Number = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]


class _Ref(msgspec.Struct):
    """A thing by its number, or by its global id, as topics differ."""

    id: _Number | str | None = None
    admin_graphql_api_id: str | None = None


class _Edit(msgspec.Struct):
    order_id: _Number | None = None


class _Body(msgspec.Struct):
    """All that any topic's body is read for."""

    id: _Number | str | None = None
    order_id: _Number | None = None
    updated_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    order: _Ref | None = None
    order_edit: _Edit | None = None
    fulfillment_order: _Ref | None = None
    original_fulfillment_order: _Ref | None = None
    inventory_item_id: _Number | None = None
    location_id: _Number | None = None
    available: int | None = None
    orders_requested: list[_Number] = []
    orders_to_redact: list[_Number] = []


_body = msgspec.json.Decoder(_Body)


def hints(call: Call, secret: str, domain: str, place: Callable[[str], str | None]) -> Sequence[Hint]:
    """See `core.connector.Connector.hints`. `domain` is the shop's; `place` gives the settings' word for a location's
    global id, None for one that is not ours."""
    if not same(call.headers.get("x-shopify-hmac-sha256", ""), as_base64(sha256(secret, call.body))):
        raise Forged("the signature is not Shopify's; check that client_secret or webhook_secret is the app's own")
    if call.headers.get("x-shopify-shop-domain", "").lower() != domain.lower():
        raise Forged("it is signed for another shop of the same app; check the address it was sent to")
    at = _triggered(call)
    if call.at - at > OLDEST or at - call.at > AHEAD:
        raise Stale("it is too old, or from the future; compare the clocks")
    topic = call.headers.get("x-shopify-topic", "")
    try:
        body = _body.decode(call.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadDocument(f"{_plain(topic)}: {error}") from None
    event: dict[str, Any] = {"id": _id(call, topic), "at": _happened(body, topic, at)}
    family, _, what = topic.partition("/")
    if family in ("orders", "refunds", "returns", "fulfillment_orders"):
        return [Hint(kind=HintKind.ORDER, order=_order(family, what, body), **event)]
    if topic == "inventory_levels/update":
        return _level(body, place, event)
    if topic == "app/uninstalled":
        return [Hint(kind=HintKind.ACCOUNT, parks=True, reason=UNINSTALLED, **event)]
    if topic in _PRIVACY:
        return [Hint(kind=HintKind.ACCOUNT, reason=_privacy(topic, body), **event)]
    return []


def _order(family: str, what: str, body: _Body) -> str:
    """The order a change is of: its number, the global id of a piece of its work, or empty where neither is told."""
    if what == "edited":
        number = body.order_edit.order_id if body.order_edit else None
    elif family == "orders":
        number = body.id if isinstance(body.id, int) else None
    elif family == "fulfillment_orders":
        part = body.fulfillment_order or body.original_fulfillment_order
        return _gid("FulfillmentOrder", part)
    else:
        number = body.order_id
        if number is None and body.order is not None:
            return _gid("Order", body.order)
    return "" if number is None else str(number)


def _gid(kind: str, ref: _Ref | None) -> str:
    for value in (ref.admin_graphql_api_id, ref.id) if ref else ():
        text = str(value or "")
        number = text.removeprefix(f"gid://shopify/{kind}/")
        if number.isascii() and number.isdigit():
            return number if kind == "Order" else f"gid://shopify/{kind}/{number}"
    return ""


def _level(body: _Body, place: Callable[[str], str | None], event: dict[str, Any]) -> Sequence[Hint]:
    if body.inventory_item_id is None or body.location_id is None:
        raise BadDocument("inventory_levels/update: no item or no location")
    where = place(f"gid://shopify/Location/{body.location_id}")
    if where is None:
        return []
    known = body.available is not None and body.available <= MAX_QUANTITY
    quantity = max(0, body.available or 0) if known else None  # below zero is oversold, and known here as 0
    handle = f"gid://shopify/InventoryItem/{body.inventory_item_id}"
    return [Hint(kind=HintKind.LEVEL, handle=handle, place=where, quantity=quantity, **event)]


UNINSTALLED = (
    "the app was uninstalled from the shop; install it again, renew its token in the channel's file, then run "
    "`ordersync round`"
)

_PRIVACY = {
    "customers/data_request": "Shopify asks for all that is kept of a buyer; give it to the shop's owner",
    "customers/redact": "Shopify asks to erase what is kept of a buyer; erase it",
    "shop/redact": "Shopify asks to erase what is kept of this shop, which removed the app two days ago; erase it",
}


def _privacy(topic: str, body: _Body) -> str:
    """What a person has to do, naming orders and nobody: the compliance topics give thirty days."""
    numbers = sorted({*body.orders_requested, *body.orders_to_redact})
    named = (
        f" (orders {', '.join(map(str, numbers[:50]))}{', and more' if len(numbers) > 50 else ''})" if numbers else ""
    )
    return f"{topic}{named}: {_PRIVACY[topic]} within 30 days"


def _triggered(call: Call) -> datetime:
    """When the change was noticed; on retries, too. A delivery that does not say is taken as new."""
    try:
        return datetime.fromisoformat(call.headers["x-shopify-triggered-at"]).astimezone(UTC)
    except (KeyError, ValueError, OverflowError):
        return call.at


def _happened(body: _Body, topic: str, triggered: datetime) -> datetime:
    """The instant of the change as the order itself will show it, where the body tells."""
    if body.updated_at is None or not topic.startswith(("orders/", "inventory_levels/")):
        return triggered
    try:
        return min(body.updated_at.astimezone(UTC), triggered)
    except OverflowError:
        return triggered


def _id(call: Call, topic: str) -> str:
    """The delivery's id, which stays the same when it is delivered again; else the event's; else the body's own."""
    delivery, event = call.headers.get("x-shopify-webhook-id"), call.headers.get("x-shopify-event-id")
    if delivery:
        return delivery[:200]
    return f"{event[:200]}/{topic[:100]}" if event else hashlib.sha256(topic.encode() + call.body).hexdigest()


def _plain(topic: str) -> str:
    return "".join(letter for letter in topic[:80] if letter.isalnum() or letter in "/_")
