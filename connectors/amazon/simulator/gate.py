"""The simulated API's door: Login with Amazon, access tokens, usage plans, and the shape of refusals."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from urllib.parse import parse_qsl

import msgspec
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Request, Response

SCOPE = "sellingpartnerapi::notifications"
DENIED = "Access to requested resource is denied."


class Refused(Exception):
    """The vendor's refusal of a request, raised where the rule stands."""

    def __init__(self, status: int, code: str, message: str, details: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.details = status, code, message, details


def bad(message: str) -> Refused:
    """A request that Amazon calls invalid input."""
    return Refused(400, "InvalidInput", message)


def answer(value: object, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(msgspec.json.encode(value), status, content_type="application/json")


def refusal(error: Refused) -> Response:
    """A refusal as the API words it."""
    return answer({"errors": [{"code": error.code, "message": error.message, "details": error.details}]}, error.status)


def parameters(request: Request, known: Mapping[str, bool]) -> dict[str, str]:
    """A request's query parameters by name. `known` lists those of the operation and whether they are required."""
    given: MultiDict[str, str] = request.args
    for name, values in given.lists():
        if name not in known:
            raise bad(f"{name} is no parameter of this operation")
        if len(values) > 1:
            raise bad(f"{name} is given more than once")
    missing = [name for name, required in known.items() if required and not given.get(name)]
    if missing:
        raise bad(f"{', '.join(missing)} is missing")
    return dict(given.items())


def choices(given: Mapping[str, str], name: str, allowed: tuple[str, ...], default: tuple[str, ...] = ()) -> set[str]:
    """A comma-parted list of words out of `allowed`."""
    if name not in given:
        return set(default)
    words = set(given[name].split(","))
    if not words <= set(allowed):
        raise bad(f"{name} holds a value it does not have")
    return words


class Bucket:
    """A token bucket of the usage plan: `rate` requests a second, `burst` at once."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst = rate, burst
        self._level, self._at = float(burst), time.monotonic()

    def take(self) -> bool:
        now = time.monotonic()
        self._level = min(float(self.burst), self._level + (now - self._at) * self.rate)
        self._at = now
        if self._level < 1:
            return False
        self._level -= 1
        return True


class Login:
    """Login with Amazon: access tokens for one refresh token."""

    def __init__(self, *, client_id: str, client_secret: str, refresh_token: str, life: float, chance: random.Random):
        self.client_id, self.client_secret, self.refresh_token = client_id, client_secret, refresh_token
        self.life = life
        self._chance = chance
        self._tokens: dict[str, float] = {}
        self._grantless: set[str] = set()
        """Tokens of the application itself, for no seller."""
        self.used: set[str] = set()
        """Tokens that have opened the door at least once."""

    def grant(self, request: Request) -> Response:
        """The token endpoint; its errors have a shape of their own."""
        if request.mimetype != "application/x-www-form-urlencoded":
            return _no("invalid_request", "The request is not a form.")
        form = {name: values[0] for name, values in _form(request).lists()}
        if any(not form.get(name) for name in ("grant_type", "client_id", "client_secret")):
            return _no("invalid_request", "The request lacks a required parameter.")
        if form["client_id"] != self.client_id or form["client_secret"] != self.client_secret:
            return _no("invalid_client", "Client authentication failed", 401)
        if form["grant_type"] == "client_credentials":
            return self._of_the_application(form)
        if form["grant_type"] != "refresh_token":
            return _no("unsupported_grant_type", "The grant type is not supported by the authorization server")
        if form.get("refresh_token") != self.refresh_token:
            return _no("invalid_grant", "The request has an invalid grant parameter : refresh_token")
        return answer(
            {
                "access_token": self._token(),
                "refresh_token": self.refresh_token,
                "token_type": "bearer",
                "expires_in": int(self.life),
            }
        )

    def _of_the_application(self, form: Mapping[str, str]) -> Response:
        if form.get("scope") != SCOPE:
            return _no("invalid_scope", "The requested scope is invalid, unknown, or malformed")
        if "refresh_token" in form:
            return _no("invalid_request", "The request has a parameter that does not belong to its grant type.")
        token = self._token()
        self._grantless.add(token)
        return answer({"access_token": token, "token_type": "bearer", "scope": SCOPE, "expires_in": int(self.life)})

    def _token(self) -> str:
        token = f"Atza|{self._chance.getrandbits(128):032x}"
        self._tokens[token] = time.monotonic() + self.life
        return token

    def check(self, token: str | None, *, grantless: bool = False) -> None:
        """Raises `Refused` unless the token of an API request is alive and of the right kind."""
        if not token:
            raise Refused(403, "Unauthorized", DENIED, "Access token is missing in the request header.")
        if token not in self._tokens:
            raise Refused(
                403, "Unauthorized", DENIED, "The access token you provided is revoked, malformed or invalid."
            )
        if self._tokens[token] <= time.monotonic():
            raise Refused(403, "Unauthorized", DENIED, "The access token you provided has expired.")
        if (token in self._grantless) != grantless:
            raise Refused(403, "Unauthorized", DENIED, "The operation belongs to another kind of login.")
        self.used.add(token)

    def expire(self, token: str | None = None) -> None:
        """Ends a token's life, or that of all."""
        for each in [token] if token is not None else list(self._tokens):
            if each in self._tokens:
                self._tokens[each] = 0.0


def _form(request: Request) -> MultiDict[str, str]:
    # The body was read before anyone knew it was a form.

    return MultiDict(parse_qsl(request.get_data(as_text=True), keep_blank_values=True))


def _no(error: str, description: str, status: int = 400) -> Response:
    return answer({"error": error, "error_description": description}, status)
