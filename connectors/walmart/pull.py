"""Pulling orders: windows over the last change, one search for each ship node type.

Source: `GET /v3/orders`. What shapes this, beside what `windows.py` says of all searches:

- `createdStartDate` defaults to a week ago and hides changes of older orders, so it is always sent; it may lie 180 days
  back, so of an order older than that nothing is heard any more.
- "Nothing matches" is a 404. Instants have whole seconds: any finer and the vendor refuses them.
"""

from __future__ import annotations

import email.utils
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import httpx
import msgspec

from connectors.walmart import windows
from connectors.walmart.api import Api, is_content_not_found
from connectors.walmart.documents import observe
from connectors.walmart.windows import SEAM, Found, Place, Walk, Window
from core.errors import Rejected, Unavailable
from core.http import decode
from core.model import Page

REACH = 180 * 86_400 - 300
"""Seconds back that a search may reach: 180 days, less what a slow clock may cost."""
WHAT = "Walmart's order list"


def pages(api: Api, kinds: Sequence[str], cursor: str | None, *, since: datetime, overlap: int) -> Iterator[Page]:
    """See `Connector.pages`. A first pull starts at `since`; `kinds` are the ship node types to search, one by one."""

    def changed(window: Window, kind: str) -> Found | None:
        asked = {"lastModifiedStartDate": text(window.begin - 1)}
        if window.end is not None:
            asked["lastModifiedEndDate"] = text(window.end)
        return search(api, "getAllOrders", window, kind, asked | {"createdStartDate": text(int(time.time()) - REACH)})

    def restart(place: Place) -> Place:
        return _behind(place, overlap)

    walk = Walk(WHAT, changed, kinds)
    now = int(time.time())
    if cursor is None:
        reached = max(int(since.timestamp()), now - REACH)
        return walk.pages(Place(reached, Window(begin=reached, opened=now)), resumed=False, restart=restart)
    place = msgspec.json.decode(cursor, type=Place)
    if place.window is None:
        return walk.pages(restart(place), resumed=False, restart=restart)
    again = walk.trusted(place)
    return walk.pages(again, resumed=again == place, restart=restart)


def _behind(place: Place, overlap: int) -> Place:
    """The window behind what was taken: a little of it once more, as the vendor's index lags."""
    now = int(time.time())
    begin = max(place.reached - max(overlap, SEAM), now - REACH)
    return Place(place.reached, Window(begin=begin, opened=now))


class _Meta(msgspec.Struct, rename="camel"):
    total_count: int | None = None
    next_cursor: str | None = None


class _Elements(msgspec.Struct):
    order: list[msgspec.Raw] | None = None


class _List(msgspec.Struct):
    elements: _Elements
    meta: _Meta


class _Answer(msgspec.Struct):
    list: _List


def search(api: Api, operation: str, window: Window, kind: str, asked: Mapping[str, str]) -> Found | None:
    """One page of orders; None when the vendor no longer knows the place it named itself."""
    first = {**asked, "shipNodeType": kind, "limit": str(windows.LIMIT)}
    first["replacementInfo"] = "true"  # without it replacement orders are left out
    try:
        response = api.ask(operation, "GET", "/v3/orders", window.query or first, missing_is_an_answer=True)
    except Rejected:
        if window.query:
            return None
        raise
    if response.status_code == 404:
        if is_content_not_found(response):
            return Found(at=clock(response))
        if window.query:
            return None
        raise Rejected("GET /v3/orders answered 404; check base_url", status=404, body=response.content)
    answer = decode(response, _Answer).list
    documents, total = answer.elements.order, answer.meta.total_count
    if documents is None:
        if total != 0:
            raise Unavailable("GET /v3/orders answered without a list of orders")
        documents = []
    return Found(
        observations=tuple(observe(document) for document in documents),
        total=total if total is not None else len(documents),
        query=answer.meta.next_cursor or "",
        at=clock(response),
    )


def text(seconds: int) -> str:
    """An instant as Walmart's searches take it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock(response: httpx.Response) -> int | None:
    """The vendor's clock at an answer; None where it does not say."""
    try:
        return int(email.utils.parsedate_to_datetime(response.headers.get("date", "")).timestamp())
    except ValueError:
        return None
