"""Speaking GraphQL to one shop: endpoint, token, and what Shopify means by its errors.

ShopifyAPI builds the addresses and shapes the request; the request itself goes through our own HTTP client, as the
library's has no deadline, prints error bodies and takes shop and token from globals of the process.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx
import msgspec
import structlog
from shopify import Session
from shopify.resources.graphql import GraphQL

from core import http
from core.budgets import Budget, Budgets, Reading
from core.credentials import Tokens
from core.errors import NotFound, Rejected, Throttled, Unauthorized, Unavailable
from core.model import micros

T = TypeVar("T")

VERSION = "2026-10"
TOKEN_HEADER = "X-Shopify-Access-Token"  # noqa: S105 - a header's name
VERSION_HEADER = "X-Shopify-API-Version"

POINTS = "points"
"""The one budget there is: points of calculated cost, whatever is asked."""
MOST_POINTS = 1_000.0
"""What a request may cost at most."""
BUCKET_SECONDS = 20.0
"""The bucket holds so many seconds' worth of the plan's points."""
LEAST_WAIT = 1.0
"""Seconds a throttled request waits at least: a throttle may come though the numbers say it need not."""
MOST_DOCUMENTS = 500
"""Documents whose cost is remembered."""

_log = structlog.get_logger()


class TooCostly(Rejected):
    """A request that costs more points than one request may."""


class _Extensions(msgspec.Struct):
    code: str = ""


class Problem(msgspec.Struct):
    """One of the `errors` of an answer. Its message may quote what was sent, so it never goes into an error's text."""

    path: list[str | int] | None = None
    extensions: _Extensions = msgspec.field(default_factory=_Extensions)


class _Throttle(msgspec.Struct, rename="camel"):
    currently_available: float
    restore_rate: float
    maximum_available: float | None = None


class _Cost(msgspec.Struct, rename="camel"):
    requested_query_cost: float | None = None
    throttle_status: _Throttle | None = None


class _Costs(msgspec.Struct):
    cost: _Cost | None = None


class _Envelope(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw(b"null")
    errors: list[Problem] | str = msgspec.field(default_factory=list)
    extensions: _Costs | None = None


_envelope = msgspec.json.Decoder(_Envelope)


def endpoint(shop: str, base_url: str | None) -> str:
    """Where the Admin API of `shop` answers; `base_url` replaces the shop's own host."""
    session = Session(shop, VERSION)
    site: str = session.version.api_path(base_url) if base_url else session.site
    return f"{site}/graphql.json"


def domain(shop: str) -> str:
    """The shop's own host, by which Shopify names it."""
    url: str = Session(shop, VERSION).url
    return url


class Graph(GraphQL):  # type: ignore[misc] # the library has no types
    """One shop's GraphQL endpoint. `tokens` gives the access token; `points` is what the plan restores a second.

    Shopify lets a request run only while the bucket holds what it may cost at most, and gives back what it did not
    cost. What that most is, it says with each answer: a document never asked before counts as the dearest there is.
    """

    def __init__(self, account: str, endpoint: str, tokens: Tokens, *, points: float, budgets: Budgets) -> None:
        # Not the library's own constructor: it asks the process which shop is the current one.
        self.endpoint = endpoint
        self.headers = {"accept": "application/json", "content-type": "application/json"}
        self._account = account
        self._points = points
        self.version = VERSION
        """The API version that answered last."""
        self._throttle: _Throttle | None = None
        self.date = ""
        """The instant of the last answer, by Shopify's clock, as its header has it."""
        self.ahead = 0
        """Microseconds by which Shopify's clock is ahead of ours, at least: its header counts whole seconds."""
        self._costs: dict[str, float] = {}
        self._client = http.client(
            account,
            authorise=http.header(TOKEN_HEADER, tokens),
            operation=lambda request: POINTS,
            budgets=budgets.plan({POINTS: Budget(points, max(MOST_POINTS, points * BUCKET_SECONDS))}),
            cost=lambda request: self._costs.get(_document(request), MOST_POINTS),
            reading=self._reading,
            verdict=self._verdict,
        )

    def close(self) -> None:
        self._client.close()

    def execute(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        operation_name: str | None = None,
        *,
        safe: bool = False,
    ) -> bytes:
        """The answer's body. `safe` says that the request may be repeated although it may have taken effect."""
        body = msgspec.json.encode({"query": query, "variables": variables or {}, "operationName": operation_name})
        try:
            response = self._client.post(
                self.endpoint, content=body, headers=self.headers, extensions={"safe": safe, "document": query}
            )
        except NotFound:
            raise Rejected(f"{self._account}: there is no such shop; check shop and base_url", status=404) from None
        self.date = response.headers.get("date", "")
        self.ahead = _ahead(self.date)
        self._note_version(response.headers.get(VERSION_HEADER, VERSION))
        return response.content

    def ask(self, document: str, variables: Mapping[str, Any], shape: type[T]) -> T:
        """What a query answers, as `shape`. Any error makes the whole answer void."""
        data, errors = self._answer(self.execute(document, variables, safe=True))
        if errors:
            raise self._failure(errors, ambiguous=False)
        return self._read(data, shape)

    def tell(
        self, document: str, variables: Mapping[str, Any], shape: type[T], *, safe: bool = False
    ) -> tuple[T, list[Problem]]:
        """What a mutation answers, as `shape`, and the errors beside it: each of its parts stands alone.

        Raises where nothing was answered at all.
        """
        data, errors = self._answer(self.execute(document, variables, safe=safe))
        if errors and bytes(data) == b"null":
            raise self._failure(errors, ambiguous=True)
        return self._read(data, shape), errors

    def lost(self, errors: list[Problem]) -> Exception:
        """What to raise for a part of a mutation that was answered by nothing but `errors`."""
        failure = self._failure(errors, ambiguous=True) if errors else None
        if isinstance(failure, Unauthorized):
            return failure
        return Unavailable(f"{self._account}: Shopify failed inside and does not say what it did", ambiguous=True)

    def spare(self) -> None:
        """Lets the shop's points come back before what has time goes on: half of them are left to others."""
        status = self._throttle
        if status is not None and status.maximum_available is not None:
            missing = status.maximum_available / 2 - status.currently_available
            rate = status.restore_rate if status.restore_rate > 0 else self._points
            if missing > 0:
                http.pause(min(http.PATIENCE, missing / rate))

    def _read(self, data: msgspec.Raw, shape: type[T]) -> T:
        try:
            return msgspec.json.decode(data, type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unavailable(f"{self._account} answered what cannot be read: {error}", ambiguous=True) from None

    def _answer(self, body: bytes) -> tuple[msgspec.Raw, list[Problem]]:
        try:
            envelope = _envelope.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unavailable(f"{self._account} answered what cannot be read: {error}", ambiguous=True) from None
        if envelope.extensions and envelope.extensions.cost:
            self._throttle = envelope.extensions.cost.throttle_status or self._throttle
        errors = envelope.errors
        return envelope.data, [Problem()] if isinstance(errors, str) else errors

    def _failure(self, errors: list[Problem], *, ambiguous: bool) -> Exception:
        """What `errors` mean for the whole request."""
        codes = {problem.extensions.code for problem in errors}
        path = ".".join(str(part) for part in errors[0].path or ())
        if "MAX_COST_EXCEEDED" in codes:
            return TooCostly(f"{self._account}: a request costs more points than one may", status=200)
        if "ACCESS_DENIED" in codes:
            return Unauthorized(
                f"{self._account}: the app may not use {path or 'what was asked for'}; grant it the access scope "
                "(and access to protected customer data) and install it again",
                forbidden=True,
            )
        if "SHOP_INACTIVE" in codes:
            return Unauthorized(f"{self._account}: the shop is closed or frozen; open it at Shopify", forbidden=True)
        if codes & {"INTERNAL_SERVER_ERROR", "TIMEOUT"}:
            return Unavailable(f"{self._account}: Shopify failed inside", ambiguous=ambiguous)
        named = ", ".join(sorted(code for code in codes if code)) or "an error without a code"
        return Rejected(f"{self._account}: Shopify refused the request{f' at {path}' if path else ''}: {named}")

    def _reading(self, response: httpx.Response) -> Reading | None:
        """What the bucket holds by Shopify's own count, and what such a request may cost."""
        cost = _cost(response.content)
        if cost is None:  # turned away before it ran; what a gateway's error stands for, nobody knows
            return Reading(cost=0.0) if response.status_code < 500 else None
        if cost.requested_query_cost is not None:
            if len(self._costs) > MOST_DOCUMENTS:
                self._costs.clear()
            document = _document(response.request)
            self._costs[document] = max(self._costs.get(document, 0.0), cost.requested_query_cost)
        status = cost.throttle_status
        if status is None:
            return None
        return Reading(left=status.currently_available, rate=status.restore_rate, burst=status.maximum_available)

    def _verdict(self, response: httpx.Response) -> None:
        """A throttle comes as a 200: a wait like any other."""
        if b'"THROTTLED"' not in response.content:
            return
        try:
            envelope = _envelope.decode(response.content)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        if isinstance(envelope.errors, str) or all(
            problem.extensions.code != "THROTTLED" for problem in envelope.errors
        ):
            return
        cost = envelope.extensions.cost if envelope.extensions else None
        raise Throttled(f"{self._account}: Shopify asks to slow down", after=self._patience(cost))

    def _patience(self, cost: _Cost | None) -> float:
        """Seconds until the bucket holds what the request costs: some at least, whatever the numbers say."""
        if cost is None or cost.requested_query_cost is None or cost.throttle_status is None:
            return LEAST_WAIT
        status = cost.throttle_status
        rate = status.restore_rate if status.restore_rate > 0 else self._points
        missing = cost.requested_query_cost - status.currently_available
        return max(LEAST_WAIT, math.ceil(missing / rate * 100) / 100)

    def _note_version(self, version: str) -> None:
        if version != self.version:
            self.version = version
            _log.warning("Shopify answers as another API version", channel=self._account, asked=VERSION, got=version)


def _ahead(date: str) -> int:
    try:
        there = parsedate_to_datetime(date)
    except ValueError:
        return 0
    return micros(there.replace(tzinfo=UTC)) - micros(datetime.now(UTC))


def _document(request: httpx.Request) -> str:
    return str(request.extensions.get("document", ""))


def _cost(body: bytes) -> _Cost | None:
    try:
        extensions = _envelope.decode(body).extensions
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return extensions.cost if extensions else None
