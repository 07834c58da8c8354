"""The order service: searches, single orders and acknowledgements."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
from werkzeug.wrappers import Response

from connectors.walmart.simulator import answers
from connectors.walmart.simulator.book import DAY, SELLER, THIRD_PARTY, WFS, Book, Purchase, PurchaseLine
from connectors.walmart.simulator.front_desk import Asked

LARGEST_SEARCH = 10_000
FLAGS = ("productInfo", "replacementInfo", "incentiveInfo")
SEARCHES = (
    "sku", "customerOrderId", "purchaseOrderId", "status", "createdStartDate", "createdEndDate",
    "lastModifiedStartDate", "lastModifiedEndDate", "limit", "shipNodeType", *FLAGS,
)  # fmt: skip
PAGING = ("hasMoreElements", "soIndex", "poIndex", "partnerId", "sellerId", "turn")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?")


class OrderDesk:
    """Answers about the orders of one `Book`. Callers hold the simulator's lock."""

    def __init__(self, book: Book, now: Callable[[], int], repeated_page: Callable[[], bool]) -> None:
        self._book = book
        self._now = now
        self._repeated_page = repeated_page
        self._named: set[str] = set()
        """The query strings handed out for next pages: no other is taken."""
        self._turns = 0

    def search(self, asked: Asked) -> Response:
        asked.only(*SEARCHES, *PAGING)
        query = asked.query
        if any(name in query for name in PAGING) and asked.raw_query not in self._named:
            raise answers.orders(400, "INVALID_REQUEST_PARAM", "no page that was named", "poIndex")
        limit = _limit(query.get("limit", "100"))
        offset = int(query.get("poIndex", "0"))
        if offset + limit > LARGEST_SEARCH:
            raise answers.orders(400, "INVALID_REQUEST_PARAM", "a search shows 10,000 orders", "limit")
        found = self._found(query)
        onward = offset + limit
        if offset and self._repeated_page():
            offset, onward = offset - limit, offset
        page = found[offset : offset + limit]
        if not page:
            raise answers.orders(404, "CONTENT_NOT_FOUND", "no orders match the search")
        meta: dict[str, Any] = {"totalCount": len(found), "limit": limit}
        if onward < len(found):
            meta["nextCursor"] = self._next(query, onward, len(found))
        body = b'{"list":{"meta":%b,"elements":{"order":[%b]}}}' % (
            msgspec.json.encode(meta),
            b",".join(purchase.body() for purchase in page),
        )
        return Response(body, 200, mimetype="application/json")

    def _found(self, query: dict[str, str]) -> list[Purchase]:
        now = self._now()
        created_after = _instant(query, "createdStartDate", now - 7 * DAY)
        if created_after < now - 180 * DAY:
            raise answers.orders(400, "INVALID_REQUEST_PARAM", "older than 180 days", "createdStartDate")
        created_before = _instant(query, "createdEndDate", now + DAY)
        after = _instant(query, "lastModifiedStartDate", 0)
        before = _instant(query, "lastModifiedEndDate", now + 10 * 365 * DAY)
        kind = query.get("shipNodeType", SELLER)
        if kind not in (SELLER, WFS, THIRD_PARTY):
            raise answers.orders(400, "INVALID_REQUEST_PARAM", "no ship node type", "shipNodeType")
        if after >= before:
            raise answers.orders(400, "INVALID_REQUEST_PARAM", "ends before it begins", "lastModifiedEndDate")
        for flag in FLAGS:
            if query.get(flag, "true") not in ("true", "false"):
                raise answers.orders(400, "INVALID_REQUEST_PARAM", "true or false", flag)
        return [
            purchase
            for purchase in self._book.changed(after, before)
            if purchase.kind == kind
            and created_after < purchase.placed < created_before
            and query.get("purchaseOrderId", purchase.number) == purchase.number
            and query.get("customerOrderId", purchase.customer) == purchase.customer
            and ("sku" not in query or any(line.sku == query["sku"] for line in purchase.lines))
            and ("status" not in query or any(_in_status(line, query["status"]) for line in purchase.lines))
        ]

    def _next(self, query: dict[str, str], offset: int, total: int) -> str:
        self._turns += 1
        asked = {name: value for name, value in query.items() if name in SEARCHES}
        asked |= {
            "hasMoreElements": "true",
            "soIndex": str(total),
            "poIndex": str(offset),
            "partnerId": "10001",
            "sellerId": "8",
            "turn": str(self._turns),
        }
        text = "&".join(f"{name}={quote(value, safe=':')}" for name, value in asked.items())
        self._named.add(text)
        return f"?{text}"

    def one(self, asked: Asked) -> Response:
        asked.only(*FLAGS)
        return shown(self.purchase(asked))

    def acknowledge(self, asked: Asked) -> Response:
        asked.only()
        purchase = self.purchase(asked)
        if purchase.kind == WFS:
            raise content("orders Walmart ships itself are not acknowledged")
        if any(line.shipped for line in purchase.lines) or all(
            line.cancelled == line.ordered for line in purchase.lines
        ):
            raise content("some or all units are in a higher status")
        fresh = [line for line in purchase.lines if line.created]
        for line in fresh:
            line.acknowledged += line.created
            line.created = 0
        if fresh:
            self._book.touch(purchase, self._now(), *fresh)
        return shown(purchase)

    def purchase(self, asked: Asked) -> Purchase:
        purchase = self._book.by_number.get(asked.segments[2])
        if purchase is None:
            raise answers.orders(404, "CONTENT_NOT_FOUND", "no such order")
        return purchase


Shape = TypeVar("Shape")


def told(asked: Asked, shape: type[Shape], what: str) -> Shape:
    """The body of a call, in the shape it has to have."""
    if asked.request.mimetype != "application/json":
        raise answers.orders(415, "UNSUPPORTED_MEDIA_TYPE", "JSON is expected", "")
    try:
        return msgspec.json.decode(asked.request.get_data(), type=shape)
    except msgspec.DecodeError as error:
        raise content(f"{what} cannot be read: {error}") from None


def shown(purchase: Purchase) -> Response:
    return Response(b'{"order":%b}' % purchase.body(), 200, mimetype="application/json")


def content(text: str, field: str = "data") -> answers.Refused:
    return answers.orders(400, "INVALID_REQUEST_CONTENT", text, field)


def positive(amount: str) -> int:
    if not (amount.isascii() and amount.isdecimal() and int(amount) > 0):
        raise content("no quantity", "amount")
    return int(amount)


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 200):
        raise answers.orders(400, "INVALID_REQUEST_PARAM", "from 1 to 200", "limit")
    return int(text)


def _instant(query: dict[str, str], name: str, otherwise: int) -> int:
    """Milliseconds of a parameter. A fraction of a second or an offset is no date to Walmart."""
    text = query.get(name)
    if text is None:
        return otherwise
    try:
        if not _DATE.fullmatch(text):
            raise ValueError
        return int(datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC).timestamp() * 1000)
    except ValueError:
        raise answers.orders(400, "INVALID_REQUEST", "no date", name) from None


def _in_status(line: PurchaseLine, status: str) -> bool:
    units = {
        "Created": line.created,
        "Acknowledged": line.acknowledged,
        "Shipped": line.shipped,
        "Delivered": 0,
        "Cancelled": line.cancelled,
    }
    if status not in units:
        raise answers.orders(400, "INVALID_REQUEST_PARAM", "no status", "status")
    return units[status] > 0
