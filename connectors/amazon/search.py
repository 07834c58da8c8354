"""`searchOrders`: one page, how documents are observed, and seeing that paging gets on.

Every page of a search is asked for with the parameters of its first. What they are is its caller's matter: what
changed (`client.py`), or what was placed (`history.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import httpx
import msgspec

from connectors.amazon.account import Account
from core import http
from core.errors import NotFound, Unavailable
from core.model import Observation

PAGE = 100
"""Orders a page: the most Amazon gives."""


class _Pagination(msgspec.Struct, rename="camel"):
    next_token: str | None = None


class _Orders(msgspec.Struct, rename="camel"):
    orders: list[msgspec.Raw]
    pagination: _Pagination | None = None
    last_updated_before: str | None = None


class Found(msgspec.Struct):
    """A page of a search: its documents, the token of the next (empty: there is none), and the end Amazon names."""

    documents: list[bytes]
    token: str
    until: str
    answer: httpx.Response


class Head(msgspec.Struct, rename="camel"):
    """What tells an order document from others."""

    order_id: str = ""
    created_time: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class _Number(msgspec.Struct, rename="camel"):
    order_id: str = ""


def search(account: Account, token: str, **parameters: Any) -> Found:
    """One page of the search with these parameters. Raises `Rejected` (400) where Amazon takes the token no more."""
    more = {"paginationToken": token} if token else {}
    try:
        answer = account.seller.search_orders(
            marketplaceIds=account.settings.marketplace_id, maxResultsPerPage=PAGE, **parameters, **more
        )
    except NotFound as error:  # a list is always there: this is the wrong server
        raise Unavailable(f"{error}; check base_url") from None
    page = http.decode(answer, _Orders)
    following = (page.pagination.next_token or "") if page.pagination is not None else ""
    return Found([bytes(document) for document in page.orders], following, page.last_updated_before or "", answer)


def observe(body: bytes) -> Observation:
    """A document of a list; its number is empty where even that cannot be read."""
    try:
        return Observation(number=msgspec.json.decode(body, type=_Number).order_id, body=body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Observation(number="", body=body)


def head(body: bytes) -> Head:
    """A document's number and the instant it was placed; neither where they cannot be read."""
    try:
        return msgspec.json.decode(body, type=Head)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Head()


class Progress:
    """Sees to it that paging gets on: the same token again, or the same page twice over, would never end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tokens: set[str] = set()
        self._page = b""
        self._repeats = 0

    def note(self, token: str, documents: Sequence[bytes]) -> None:
        digest = hashlib.sha256(b"\0".join(documents)).digest()
        self._repeats = self._repeats + 1 if documents and digest == self._page else 0
        if token in self._tokens or self._repeats > 1:
            raise Unavailable(f"{self._name} gives the same page of orders again and again and does not get on")
        self._tokens.add(token)
        self._page = digest


def zulu(instant: datetime) -> str:
    """An instant as Amazon takes it: UTC with a Z; an offset would be refused."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
