"""What the sandbox channel tells by itself: signed calls, and messages in a queue.

A hint is believed in nothing but that it is worth a look, so this file is small: is it the channel's, what is it about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Annotated

import msgspec

from connectors.sandbox.pushes import Ask
from core.errors import BadDocument, Forged, NotFound, Stale
from core.model import MAX_QUANTITY, Call, Hint, HintKind, Subscribed
from core.signature import as_hex, same, sha256

OLDEST = timedelta(minutes=5)
"""How old a call may be, by the instant it was signed with; and how far ahead of our clock."""


class _Told(msgspec.Struct):
    event: Annotated[str, msgspec.Meta(min_length=1)]
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    topic: str
    order: str = ""
    sku: str = ""
    place: str = ""
    quantity: Annotated[int, msgspec.Meta(ge=0, le=MAX_QUANTITY)] | None = None
    text: str = ""


def hints(call: Call, secret: str) -> Sequence[Hint]:
    # The signature comes first: before it is known to be right, nothing of the request is read.
    if not same(call.headers.get("sandbox-signature", ""), as_hex(sha256(secret, call.body))):
        raise Forged("the signature is not the channel's; compare signing_secret with the channel's own")
    told = _read(call.body)
    if abs(call.at - told.at) > OLDEST:
        raise Stale("it is too old, or from the future; compare the clocks")
    return [_hint(told)] if told.topic in _KINDS else []


def _read(body: bytes) -> _Told:
    try:
        return msgspec.json.decode(body, type=_Told)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadDocument(str(error)) from None


_KINDS = {"order": HintKind.ORDER, "level": HintKind.LEVEL, "account": HintKind.ACCOUNT}


def _hint(told: _Told) -> Hint:
    return Hint(
        id=told.event,
        kind=_KINDS[told.topic],
        at=told.at,
        order=told.order,
        handle=told.sku,
        place=told.place,
        quantity=told.quantity,
        reason=told.text,
    )


class _Subscription(msgspec.Struct):
    id: str
    address: str


class _Subscriptions(msgspec.Struct):
    subscriptions: list[_Subscription]


def subscriptions(ask: Ask, address: str) -> Subscribed:
    """One subscription for our address; those of others are theirs."""
    ours = [one for one in ask("subscriptions", {}, _Subscriptions).subscriptions if one.address == address]
    if not ours:
        ask("subscribe", {"address": address}, dict)
        return Subscribed(done=("subscribed to every change",))
    done = []
    for one in ours[1:]:
        try:
            ask("unsubscribe", {"id": one.id}, dict)
        except NotFound:
            continue  # somebody else was quicker
        done.append("removed a second subscription")
    return Subscribed(done=tuple(done))


class _Message(msgspec.Struct):
    id: str
    body: str


class _Messages(msgspec.Struct):
    messages: list[_Message]


def listen(ask: Ask, keep: Callable[[Sequence[Hint], Sequence[str]], None], wait: float) -> int:
    messages = ask("receive", {"wait": wait}, _Messages).messages
    if not messages:
        return 0
    heard: list[Hint] = []
    unread = []
    for message in messages:
        try:
            told = _read(message.body.encode())
        except BadDocument as error:
            unread.append(str(error))  # taken out like the others: it would come again and again
        else:
            heard += [_hint(told)] if told.topic in _KINDS else []
    keep(heard, unread)
    # Only now, as what is stored may be forgotten by the queue. Had `keep` raised, all of it would come again.
    ask("delete", {"ids": [message.id for message in messages]}, dict)
    return len(messages)
