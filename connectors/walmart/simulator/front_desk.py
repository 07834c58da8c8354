"""Who gets in: the token service, the headers every call must carry, and the limits of the usage plan."""

from __future__ import annotations

import base64
import binascii
import time
import uuid
from datetime import UTC, datetime
from random import Random
from urllib.parse import parse_qsl, unquote, urlsplit

from werkzeug.wrappers import Request, Response

from connectors.walmart.api import PLAN
from connectors.walmart.simulator import answers

RESERVED = frozenset(":/?#[]@!$&'()*+,;={} ")
"""What must be percent-encoded inside a SKU."""


class Asked:
    """One request, taken apart from its bytes on the wire: the server's own decoding loses what was encoded."""

    def __init__(self, request: Request) -> None:
        parts = urlsplit(request.environ["RAW_URI"])
        self.request = request
        self.method = request.method
        self.raw_query = parts.query
        self.raw_segments = parts.path.strip("/").split("/")
        self.segments = [unquote(segment) for segment in self.raw_segments]
        self.query: dict[str, str] = {}
        for pair in filter(None, parts.query.split("&")):
            name, _, value = pair.partition("=")
            if name in self.query:
                raise answers.gateway(400, "INVALID_REQUEST_PARAM", "the parameter is given twice", name)
            if name == "sku" and RESERVED & set(value):
                raise answers.gateway(400, "INVALID_REQUEST_PARAM", "the SKU is not URL-encoded", name)
            self.query[name] = unquote(value)

    def only(self, *names: str) -> None:
        """Refuses parameters the operation does not have."""
        for name in self.query:
            if name not in names:
                raise answers.gateway(400, "INVALID_REQUEST_PARAM", "no parameter of this operation", name)

    def sku_in_path(self) -> str:
        if RESERVED & set(self.raw_segments[2]):
            raise answers.gateway(400, "INVALID_REQUEST_PARAM", "the SKU is not URL-encoded", "sku")
        return self.segments[2]


class _Bucket:
    """A token bucket that begins full."""

    def __init__(self, count: int, rate: float) -> None:
        self.count = count
        self.rate = rate
        self.tokens = float(count)
        self.at = time.monotonic()

    def take(self) -> bool:
        now = time.monotonic()
        self.tokens = min(float(self.count), self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def next_in(self) -> float:
        return max(0.0, (1 - self.tokens) / self.rate)


class FrontDesk:
    """Token service, headers and limits of one account."""

    def __init__(
        self, *, client_id: str, client_secret: str, token_seconds: float, pace: float, random: Random
    ) -> None:
        self._pair = f"{client_id}:{client_secret}"
        self._token_seconds = token_seconds
        self._random = random
        self._tokens: dict[str, float] = {}
        self._used: set[str] = set()
        self._buckets = {name: _Bucket(count, pace * count / span) for name, (count, span) in PLAN.items()}

    def token(self, asked: Asked) -> Response:
        """A new token; older ones stay good for their time."""
        self._identified(asked.request)
        kind, _, pair = asked.request.headers.get("Authorization", "").partition(" ")
        try:
            given = base64.b64decode(pair, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            given = ""
        if kind != "Basic" or given != self._pair:
            raise answers.gateway(400, "INVALID_REQUEST_HEADER", "client id and secret do not match", "Authorization")
        if asked.request.mimetype != "application/x-www-form-urlencoded":
            raise answers.gateway(415, "UNSUPPORTED_MEDIA_TYPE", "a form is expected")
        if dict(parse_qsl(asked.request.get_data(as_text=True))) != {"grant_type": "client_credentials"}:
            raise answers.gateway(400, "INVALID_REQUEST_CONTENT", "grant_type is missing or not granted", "grant_type")
        value = f"{self._random.getrandbits(256):064x}"
        self._tokens[value] = time.monotonic() + self._token_seconds
        return answers.json({"access_token": value, "token_type": "Bearer", "expires_in": int(self._token_seconds)})

    def expire(self) -> None:
        """Every token dies now."""
        self._tokens.clear()

    def has_served(self, asked: Asked) -> bool:
        """Whether the request's token was good for an earlier one: a token dies early, but not before its first use."""
        return asked.request.headers.get("WM_SEC.ACCESS_TOKEN", "") in self._used

    def admit(self, asked: Asked) -> None:
        """Refuses a request without a good token or without the headers that name it."""
        self._identified(asked.request)
        token = asked.request.headers.get("WM_SEC.ACCESS_TOKEN", "")
        if time.monotonic() >= self._tokens.get(token, 0.0):
            raise answers.gateway(401, "UNAUTHORIZED", "the access token is unknown or has expired")
        self._used.add(token)

    def pay(self, operation: str) -> Response | None:
        """Takes one of the operation's tokens; where none is left, the refusal."""
        bucket = self._buckets[operation]
        if bucket.take():
            return None
        after = bucket.next_in()
        # The inventory service leaves Retry-After out and only names the time of the next token.
        response = answers.throttled(None if "nventory" in operation else max(1, round(after)))
        self.stamp(response, operation)
        return response

    def stamp(self, response: Response, operation: str) -> None:
        """What is left of the operation's limit, under the two names and in the two forms the services use."""
        bucket = self._buckets[operation]
        due = time.time() + bucket.next_in()
        response.headers["x-current-token-count"] = str(int(bucket.tokens))
        if "nventory" in operation:
            response.headers["x-next-replenishment-time"] = datetime.fromtimestamp(due, UTC).isoformat()
        else:
            response.headers["x-next-replenish-time"] = str(int(due * 1000))

    @staticmethod
    def _identified(request: Request) -> None:
        for name in ("WM_QOS.CORRELATION_ID", "WM_SVC.NAME"):
            if not request.headers.get(name):
                raise answers.gateway(400, "MISSING_REQUEST_HEADER", "a header is missing", name)
        try:
            uuid.UUID(request.headers["WM_QOS.CORRELATION_ID"])
        except ValueError:
            raise answers.gateway(400, "INVALID_REQUEST_HEADER", "no GUID", "WM_QOS.CORRELATION_ID") from None
