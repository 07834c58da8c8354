"""The one way to Walmart: addresses, headers, the token, the budgets, and what its refusals say.

Source: Marketplace Authentication (`POST /v3/token`), and the headers every operation asks for. Errors come in several
shapes; `reasons` reads them all.
"""

from __future__ import annotations

import base64
import re
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

import httpx
import msgspec

from core.budgets import Budget, Reading
from core.credentials import DEADLINE, Granted, Keeper, Tokens, origin
from core.errors import NotFound, Rejected, Unauthorized, Unavailable
from core.http import client, decode, sparing

PRODUCTION: Final = "https://marketplace.walmartapis.com"
SERVICE: Final = "Walmart Marketplace"

MINUTE, HOUR = 60, 3600

PLAN: Final[Mapping[str, tuple[int, int]]] = {
    "token": (30, MINUTE),
    "getAllOrders": (5000, MINUTE),
    "getAnOrder": (5000, MINUTE),
    "acknowledgeOrders": (60, MINUTE),
    "shippingUpdates": (60, MINUTE),
    "cancelOrderLines": (60, MINUTE),
    "refundOrderLines": (60, MINUTE),
    "getReturns": (200, MINUTE),
    "getTokenDetail": (60, MINUTE),
    "getPartnerConfigurations": (60, MINUTE),
    "getAllFulfillmentCenters": (60, MINUTE),
    "issueRefund": (60, MINUTE),
    "getInventory": (200, MINUTE),
    "updateInventoryForAnItem": (200, MINUTE),
    "getMultiNodeInventoryForSkuAndAllShipnodes": (200, MINUTE),
    "updateMultiNodeInventory": (200, MINUTE),
    "getMultiNodeInventoryForAllSkuAndAllShipNodes": (200, MINUTE),
    "getWFSInventoryDetails": (200, MINUTE),
    "feedInventory": (10, HOUR),
    "getFeedItemStatus": (5000, MINUTE),
    "getAllSubscriptions": (200, MINUTE),
    "getEventTypes": (200, MINUTE),
    "createSubscription": (200, MINUTE),
    "updateSubscription": (200, MINUTE),
    "deleteSubscription": (200, MINUTE),
}
"""Requests by operation: so many in so many seconds, given back evenly. The specs print no limits; these are the ones
sellers are told, the inventory calls' for those nobody is told of. What an answer's headers say goes before them."""


class Api:
    """One account's requests. Every method raises what `core.http` raises; a 404 is `NotFound` unless asked for."""

    def __init__(
        self,
        account: str,
        *,
        base_url: str,
        auth_url: str,
        client_id: str,
        client_secret: str,
        pace: float,
        keeper: Keeper,
    ) -> None:
        self._account = account
        self._base = base_url
        self._token_url = f"{auth_url}/v3/token"
        pair = f"{client_id}:{client_secret}".encode()
        self._basic = f"Basic {base64.b64encode(pair).decode()}"
        came_from = origin(self._token_url, client_id)
        self._tokens = Tokens(self._fetch_token, account=account, keeper=keeper, origin=came_from)
        plan = {name: Budget(pace * count / span, count) for name, (count, span) in PLAN.items()}
        budgets = keeper.budgets.plan(plan)
        self._client = client(
            account,
            authorise=self._authorise,
            operation=_operation,
            budgets=budgets,
            expect=(404,),
            reading=reading,
        )
        self._token_client = client(
            account,
            authorise=self._introduce,
            operation=_operation,
            budgets=budgets,
            reading=reading,
            expect=(400,),
            deadline=DEADLINE,
        )

    def ask(
        self,
        operation: str,
        method: str,
        path: str,
        query: Mapping[str, str] | str = "",
        *,
        body: Any = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool | None = None,
        missing_is_an_answer: bool = False,
    ) -> httpx.Response:
        """One request. `query` is parameters, or the vendor's own query string as it came, with or without its `?`.

        `body` is sent as JSON. `repeatable`: whether the wire may send it again after a lost answer; None: as its
        method says. `missing_is_an_answer`: a 404 is returned rather than raised.
        """
        text = query.removeprefix("?") if isinstance(query, str) else urlencode(query, quote_via=quote, safe="")
        extensions: dict[str, Any] = {"operation": operation}
        if repeatable is not None:
            extensions["safe"] = repeatable
        told = {"Accept": "application/json", **(headers or {})}
        content = None
        if body is not None:
            content, told["Content-Type"] = msgspec.json.encode(body), "application/json"
        try:
            response = self._client.request(
                method,
                f"{self._base}{path}{'?' if text else ''}{text}",
                content=content,
                files=files,
                headers=told,
                extensions=extensions,
            )
        except Rejected as refusal:
            if refusal.status == 423:
                raise Unavailable(f"{method} {path} is locked by Walmart for a moment", after=30.0) from None
            raise
        if response.status_code == 404 and not missing_is_an_answer:
            raise NotFound(f"{method} {path} answered 404")
        return response

    def close(self) -> None:
        self._client.close()
        self._token_client.close()

    def _authorise(self, request: httpx.Request, fresh: bool) -> None:
        """The headers of each attempt; a correlation id names one attempt, so that the vendor can find it."""
        used = request.headers.get("WM_SEC.ACCESS_TOKEN") if fresh else None
        request.headers["WM_SEC.ACCESS_TOKEN"] = self._tokens.get(newer_than=used)
        _identify(request)

    def _introduce(self, request: httpx.Request, fresh: bool) -> None:
        request.headers["Authorization"] = self._basic
        _identify(request)

    def _fetch_token(self, refresh: str) -> Granted:
        with sparing(0):  # whoever leaves most of a budget to others still needs a token
            response = self._token_client.post(
                self._token_url,
                content=b"grant_type=client_credentials",
                headers={"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"},
                extensions={"operation": "token", "safe": True},
            )
        if response.status_code == 400:  # what Walmart answers to a wrong client id or secret
            raise Unauthorized(
                f"Walmart refuses client_id and client_secret of {self._account}; take both anew from the developer "
                "portal and restart"
            )
        token = decode(response, _Token)
        if not token.access_token or token.expires_in <= 0:
            raise Unavailable("the token service answered without a token")
        return Granted(token.access_token, token.expires_in)


class _Token(msgspec.Struct):
    access_token: str
    expires_in: float


def quoted(part: str) -> str:
    """A SKU, order or feed id as one segment of a path: everything that means something in a URL is encoded."""
    return part.replace(".", "%2E") if part in (".", "..") else quote(part, safe="")


def _operation(request: httpx.Request) -> str:
    return str(request.extensions.get("operation", ""))


def _identify(request: httpx.Request) -> None:
    request.headers["WM_QOS.CORRELATION_ID"] = str(uuid.uuid4())
    request.headers["WM_SVC.NAME"] = SERVICE


def reading(response: httpx.Response) -> Reading | None:
    """What the headers say of the operation's limit: tokens left, and when the next one comes where there is none."""
    text = response.headers.get("x-current-token-count", "").strip()
    left = float(text) if re.fullmatch(r"\d{1,9}", text) else None
    none_left = left == 0 or response.status_code == 429
    wait = replenished_in(response.headers) if none_left else None
    return None if left is None and wait is None else Reading(left=left, wait=wait)


def replenished_in(headers: httpx.Headers) -> float | None:
    """Seconds until the next token, from 0 to an hour; None where the headers do not say or cannot be read."""
    text = (headers.get("x-next-replenish-time") or headers.get("x-next-replenishment-time") or "").strip()
    try:
        if re.fullmatch(r"\d{10,16}(\.\d+)?", text):
            due = float(text) / (1000 if float(text) > 1e11 else 1)
        else:
            when = datetime.fromisoformat(text)
            due = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except ValueError:
        return None
    return min(max(0.0, due - time.time()), float(HOUR))


class Reason(msgspec.Struct, frozen=True):
    """One point of a refusal."""

    code: str = ""
    field: str = ""
    text: str = ""

    def __str__(self) -> str:
        words = self.text or self.code
        return (f"{words} ({self.field})" if self.field and self.field != "data" else words)[:200]


def reasons(body: bytes) -> list[Reason]:
    """What a refusal says, in whichever of the vendor's shapes; empty where it says nothing that can be read."""
    if body.lstrip()[:1] == b"<":
        return _of_xml(body.decode(errors="replace"))
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []
    return [_reason(point) for point in _points(value)]


def why(body: bytes) -> str:
    """A refusal in one line, for a person."""
    return "; ".join(str(reason) for reason in reasons(body)[:3]) or "without a reason"


def is_content_not_found(response: httpx.Response) -> bool:
    """Whether a 404 says "nothing matches", which on a list is an empty list."""
    return response.status_code == 404 and any(
        reason.code.startswith("CONTENT_NOT_FOUND") for reason in reasons(response.content)
    )


def _points(value: Any) -> list[Mapping[str, Any]]:
    while isinstance(value, Mapping):
        inner = value.get("errors") or value.get("error")
        if not isinstance(inner, Mapping | list):
            return [value]
        value = inner
    return [point for point in value if isinstance(point, Mapping)] if isinstance(value, list) else []


def _reason(point: Mapping[str, Any]) -> Reason:
    def text(*names: str) -> str:
        return next((str(point[name]) for name in names if point.get(name)), "")

    return Reason(
        code=text("code", "type"), field=text("field"), text=text("description", "message", "detail", "info", "title")
    )


def _of_xml(text: str) -> list[Reason]:
    def first(name: str) -> str:
        found = re.search(rf"<(?:\w+:)?{name}>([^<]*)<", text)
        return found.group(1) if found else ""

    reason = Reason(code=first("code"), field=first("field"), text=first("description"))
    return [reason] if reason.code else []
