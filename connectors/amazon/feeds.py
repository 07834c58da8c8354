"""Feeds: one document of many messages, answered message by message when Amazon is done with it.

How a feed is handed in, looked at and read stands here, and the listings feed's own document and report; those of the
feed that cancels orders stand in `cancel.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import httpx
import msgspec

from connectors.amazon import presigned
from connectors.amazon.account import Account, plain
from connectors.amazon.listings import OWN
from core import http
from core.errors import NotFound, Rejected, Unauthorized, Unavailable
from core.model import Ack, AckState

TYPE = "JSON_LISTINGS_FEED"
"""The feed that sets quantities."""

CONTENT = "application/json; charset=UTF-8"

MOST_MESSAGES = 25_000
MOST_BYTES = 10 * 1024 * 1024 - 1024
"""A feed's document stays below 10 MiB."""


class State(StrEnum):
    """How far a feed has come."""

    UNDER_WAY = "under way"
    DONE = "done"
    BROKEN = "broken off"
    """Amazon gave up on the whole document: some of it, all or nothing took effect."""
    LOST = "lost"
    """Cancelled, or no longer known: some of it, all or nothing took effect."""


class _Document(msgspec.Struct, rename="camel"):
    feed_document_id: str
    url: str


class _Created(msgspec.Struct, rename="camel"):
    feed_id: str


class _Feed(msgspec.Struct, rename="camel"):
    feed_id: str
    processing_status: str
    result_feed_document_id: str | None = None


class _Feeds(msgspec.Struct):
    feeds: list[_Feed]


class _Issue(msgspec.Struct, rename="camel"):
    severity: str
    message: str = ""
    code: str | None = None
    message_id: int | None = None


class _Summary(msgspec.Struct, rename="camel"):
    messages_processed: int
    messages_accepted: int
    messages_invalid: int


class Report(msgspec.Struct):
    """A processing report."""

    issues: list[_Issue]
    summary: _Summary


def patch(quantity: int) -> list[dict[str, Any]]:
    """The one change we make to a listing. Merged, not replaced: a replacement would drop its handling time."""
    return [
        {
            "op": "merge",
            "path": "/attributes/fulfillment_availability",
            "value": [{"fulfillment_channel_code": OWN, "quantity": quantity}],
        }
    ]


def document(seller: str, rows: Sequence[tuple[str, str, int]]) -> tuple[bytes, int]:
    """A feed's document of as many rows (SKU, product type, quantity) as it may hold, and how many those are.

    Message n is the n-th row, counted from 1.
    """
    head = b'{"header":' + msgspec.json.encode({"sellerId": seller, "version": "2.0"}) + b',"messages":['
    size, messages = len(head) + 2, list[bytes]()
    for number, (sku, product_type, quantity) in enumerate(rows[:MOST_MESSAGES], 1):
        message = msgspec.json.encode(
            {
                "messageId": number,
                "sku": sku,
                "operationType": "PATCH",
                "productType": product_type,
                "patches": patch(quantity),
            }
        )
        size += len(message) + 1
        if size > MOST_BYTES:
            break
        messages.append(message)
    return head + b",".join(messages) + b"]}", len(messages)


def submit(account: Account, body: bytes, *, kind: str = TYPE, content: str = CONTENT) -> str:
    """Hands a document in; returns the feed's id. An ambiguous `Unavailable` means it may be under way."""
    # Nothing is under way before the feed is created, so nothing before that is in doubt.
    try:
        place = http.decode(account.seller.create_feed_document(content), _Document)
    except Unavailable as error:
        raise Unavailable(str(error), after=error.after) from None
    try:
        account.documents.put(place.url, content=body, headers={"content-type": content}).raise_for_status()
    except (httpx.HTTPStatusError, Unavailable, Unauthorized, NotFound, Rejected) as error:
        raise Unavailable(f"the feed's document could not be handed in ({_kind(error)})") from None
    return http.decode(account.seller.create_feed(kind, place.feed_document_id), _Created).feed_id


def under_way(account: Account) -> set[str]:
    """The ids of this account's listings feeds that are not finished, whoever handed them in."""
    answer = account.seller.get_feeds(
        feedTypes=TYPE,
        processingStatuses="IN_QUEUE,IN_PROGRESS",
        marketplaceIds=account.settings.marketplace_id,
        pageSize=100,
    )
    return {feed.feed_id for feed in http.decode(answer, _Feeds).feeds}


def look(account: Account, feed: str) -> tuple[State, str]:
    """A feed's state, and the id of its report once there is one."""
    try:
        found = http.decode(account.seller.get_feed(feed), _Feed)
    except NotFound:
        return State.LOST, ""
    if found.processing_status in ("IN_QUEUE", "IN_PROGRESS"):
        return State.UNDER_WAY, ""
    report = found.result_feed_document_id or ""
    if found.processing_status == "FATAL":
        return State.BROKEN, report
    return (State.DONE if found.processing_status == "DONE" and report else State.LOST), report


def report(account: Account, document_id: str) -> Report:
    """A listings feed's processing report."""
    try:
        return msgspec.json.decode(result(account, document_id), type=Report)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unavailable("the feed's report cannot be read") from None


def result(account: Account, document_id: str) -> bytes:
    """What Amazon wrote about a feed, unpacked."""
    return presigned.read(account, account.seller.get_feed_document(document_id), "the feed's report").body


def outcome(report: Report, messages: Mapping[str, int]) -> list[Ack]:
    """What a report says of our keys, given with their message ids.

    A message with an error is refused. The others took effect if the report's sums agree: as many invalid messages as
    have errors, and enough accepted ones. Where they do not agree, nobody can say, and the others are pushed again.
    """
    errors: dict[int, str] = {}
    for issue in report.issues:
        if issue.severity == "ERROR" and issue.message_id is not None and issue.message_id not in errors:
            errors[issue.message_id] = plain(f"{issue.code}: {issue.message}" if issue.code else issue.message)
    sums = report.summary
    rest = sum(message not in errors for message in messages.values())
    sound = sums.messages_invalid == len(errors) and sums.messages_accepted >= rest
    acks = []
    for key, message in messages.items():
        if message in errors:
            acks.append(refused(key, errors[message]))
        elif sound:
            acks.append(Ack(key=key, state=AckState.APPLIED))
        else:
            acks.append(
                Ack(key=key, state=AckState.RETRY, reason="the feed's report does not account for this listing")
            )
    return acks


def refused(key: str, why: str) -> Ack:
    """The answer for a listing Amazon refuses to change."""
    return Ack(
        key=key,
        state=AckState.REFUSED,
        reason=f"Amazon refuses the quantity ({why}); mend the listing in Seller Central, then push its level again",
    )


def _kind(error: Exception) -> str:
    return type(error).__name__
