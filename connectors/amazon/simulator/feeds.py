"""The simulated Feeds API: documents behind presigned addresses, and feeds worked off one after another.

Listings feeds are worked off here, feeds that cancel orders in `cancelling.py`.
"""

from __future__ import annotations

import gzip
import time
from dataclasses import dataclass, field
from typing import Any

import msgspec
from werkzeug.wrappers import Request, Response

from connectors.amazon.simulator import cancelling
from connectors.amazon.simulator.book import Book, iso
from connectors.amazon.simulator.gate import Refused, answer, bad, choices, parameters
from connectors.amazon.simulator.shop import Shop
from connectors.amazon.simulator.store import Document, Store, url

LISTINGS = "JSON_LISTINGS_FEED"
CANCELLING = "POST_ORDER_ACKNOWLEDGEMENT_DATA"
TYPES = (LISTINGS, CANCELLING)
STATES = ("CANCELLED", "DONE", "FATAL", "IN_PROGRESS", "IN_QUEUE")
MOST_MESSAGES = 25_000
MOST_BYTES = 10 * 1024 * 1024


@dataclass
class Feed:
    """A feed; instants are seconds of the monotonic clock but for `created`."""

    number: str
    kind: str
    document: Document
    created: int
    starts: float
    due: float
    state: str = "IN_QUEUE"
    result: str = ""
    report: dict[str, Any] = field(default_factory=dict)


class _Content(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    content_type: str


class _Create(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    feed_type: str
    input_feed_document_id: str
    marketplace_ids: list[str]
    feed_options: dict[str, str] | None = None


class _Header(msgspec.Struct, rename="camel"):
    seller_id: str
    version: str
    issue_locale: str = ""


class _Body(msgspec.Struct):
    header: _Header
    messages: list[dict[str, Any]]


class FeedsApi:
    """Feeds for one seller. `delay` is how many seconds one is worked on; the next waits for it."""

    def __init__(self, shop: Shop, book: Book, store: Store, *, delay: float) -> None:
        self.shop = shop
        self.book = book
        self.delay = delay
        self.feeds: dict[str, Feed] = {}
        self.poison: set[str] = set()
        """SKUs a whole feed of listings is given up for."""
        self._store = store

    @property
    def documents(self) -> dict[str, Document]:
        return self._store.documents

    def create_document(self, request: Request, base: str) -> Response:
        """createFeedDocument."""
        parameters(request, {})
        try:
            kind = msgspec.json.decode(request.get_data(), type=_Content).content_type
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise bad("contentType is missing, or the body holds more than it") from None
        document = self._store.new(kind)
        return answer({"feedDocumentId": document.number, "url": url(base, document)}, 201)

    def create(self, request: Request, now: int) -> Response:
        """createFeed."""
        parameters(request, {})
        try:
            wanted = msgspec.json.decode(request.get_data(), type=_Create)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise bad(f"The feed specification is not valid. {error}") from None
        document = self.documents.get(wanted.input_feed_document_id)
        if wanted.feed_type not in TYPES:
            raise bad("feedType is not supported")
        if wanted.marketplace_ids != [self.shop.marketplace]:
            raise bad("marketplaceIds names no marketplace of this seller")
        if document is None or document.body is None:
            raise bad("inputFeedDocumentId names no document that was uploaded")
        starts = max([time.monotonic(), *(feed.due for feed in self.feeds.values() if feed.state[:3] == "IN_")])
        number = f"{50_000_000_000 + len(self.feeds) + 1}"
        self.feeds[number] = Feed(number, wanted.feed_type, document, now, starts, starts + self.delay)
        return answer({"feedId": number}, 202)

    def search(self, request: Request) -> Response:
        """getFeeds."""
        names = ("feedTypes", "marketplaceIds", "pageSize", "processingStatuses", "createdSince", "createdUntil")
        given = parameters(request, {**dict.fromkeys(names, False), "nextToken": False})
        if "feedTypes" not in given:
            raise bad("either feedTypes or nextToken is needed")
        states = choices(given, "processingStatuses", STATES, STATES)
        kinds = given["feedTypes"].split(",")
        found = [feed for feed in self.feeds.values() if feed.state in states and feed.kind in kinds]
        return answer({"feeds": [self._shown(feed) for feed in reversed(found)][: int(given.get("pageSize", "10"))]})

    def get(self, request: Request, number: str) -> Response:
        """getFeed."""
        parameters(request, {})
        if number not in self.feeds:
            raise Refused(404, "NotFound", "The feed was not found.")
        return answer(self._shown(self.feeds[number]))

    def get_document(self, request: Request, base: str, number: str) -> Response:
        """getFeedDocument: a fresh address each time, good for five minutes."""
        parameters(request, {"enableContentEncodingUrlHeader": False})
        document = self.documents.get(number)
        if document is None:
            raise Refused(404, "NotFound", "The feed document was not found.")
        return answer(self._store.shown(base, document, "feedDocumentId"))

    def work(self, *, all_of_it: bool = False) -> None:
        """Works off the feeds whose time has come, in the order they were created."""
        now = time.monotonic()
        for feed in self.feeds.values():
            if feed.state == "IN_QUEUE" and (all_of_it or feed.starts <= now):
                feed.state = "IN_PROGRESS"
            if feed.state == "IN_PROGRESS" and (all_of_it or feed.due <= now):
                feed.due = now
                if feed.kind == LISTINGS:
                    self._work_off(feed)
                else:
                    self._cancel(feed)

    def _cancel(self, feed: Feed) -> None:
        written = cancelling.work_off(self.book, self.shop, feed.number, feed.document.body or b"")
        feed.state = "DONE" if written is not None else "FATAL"
        if written is not None:
            feed.result = self._store.new("text/xml; charset=UTF-8", written).number

    def _work_off(self, feed: Feed) -> None:
        body = feed.document.body or b""
        try:
            document = msgspec.json.decode(body, type=_Body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            feed.state = "FATAL"
            return
        header, messages = document.header, document.messages
        if any(message.get("sku") in self.poison for message in messages):
            feed.state = "FATAL"
            return
        if header.version != "2.0" or header.seller_id != self.shop.seller:
            feed.state = "FATAL"
            return
        if not 1 <= len(messages) <= MOST_MESSAGES or len(body) >= MOST_BYTES:
            feed.state = "FATAL"
            return
        issues: list[dict[str, Any]] = []
        seen: set[int] = set()
        for message in messages:
            for text in self._message(message, seen):
                issue = {"code": "90220", "severity": "ERROR", "message": text}
                issue |= {name: message[name] for name in ("messageId", "sku") if name in message}
                issues.append(issue)
        invalid = len({issue.get("messageId") for issue in issues})
        feed.report = {
            "header": {"sellerId": self.shop.seller, "version": "2.0", "feedId": feed.number},
            "issues": issues,
            "summary": {
                "errors": len(issues),
                "warnings": 0,
                "messagesProcessed": len(messages),
                "messagesAccepted": len(messages) - invalid,
                "messagesInvalid": invalid,
            },
        }
        report = gzip.compress(msgspec.json.encode(feed.report))
        feed.result, feed.state = self._store.new("application/json; charset=UTF-8", report).number, "DONE"

    def _message(self, message: dict[str, Any], seen: set[int]) -> list[str]:
        """What is wrong with a message; a sound one takes effect."""
        number, sku = message.get("messageId"), message.get("sku")
        if type(number) is not int or number < 1 or number in seen:
            return ["'messageId' is required, positive and unique."]
        seen.add(number)
        if not isinstance(sku, str) or not sku:
            return ["'sku' is required."]
        if message.get("operationType") != "PATCH" or set(message) - {
            "messageId", "sku", "operationType", "productType", "patches",
        }:  # fmt: skip
            return ["Only PATCH messages with 'productType' and 'patches' are taken here."]
        if sku not in self.shop.listings:
            return ["The SKU does not exist."]
        try:
            patches = msgspec.convert(message.get("patches"), list[dict[str, Any]])
            changes = [(each["op"], each["path"], each.get("value")) for each in patches]
            found = self.shop.issues(sku, str(message.get("productType")), changes)
        except (msgspec.ValidationError, KeyError):
            return ["'patches' is required and holds operations."]
        except Refused as error:
            return [error.message]
        if not found:
            for op, _, value in changes:
                self.shop.apply(sku, op, value or [])
        return found

    def _shown(self, feed: Feed) -> dict[str, Any]:
        shown = {
            "feedId": feed.number,
            "feedType": feed.kind,
            "marketplaceIds": [self.shop.marketplace],
            "createdTime": iso(feed.created),
            "processingStatus": feed.state,
        }
        if feed.result:
            shown["resultFeedDocumentId"] = feed.result
        return shown
