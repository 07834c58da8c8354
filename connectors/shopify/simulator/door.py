"""The simulated shop's door: who gets a token, how long it opens, and which refresh token still renews it.

Of an app with tokens of one hour there is one live access token at a time: a refresh ends the one before. A refresh
token that was used stays good until its replacement is used, for 30 days from its first use and never beyond its own
90 days; asked again meanwhile, it answers the same replacement and another access token.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from werkzeug.wrappers import Request, Response

DAY = 86_400.0
HOUR = 3_600.0
REFRESHES_FOR = 90 * DAY
FORGIVES_FOR = 30 * DAY
SCOPES = "read_orders,read_inventory,write_inventory,read_products,write_merchant_managed_fulfillment_orders"


@dataclass
class _Link:
    """One refresh token of the chain."""

    ends: float
    used: float | None = None
    replacement: str = ""
    retired: bool = False


class Door:
    """Tokens of one app at one shop. `rotating`: the app's tokens live an hour; else it fetches its own, for a day."""

    def __init__(self, name: str, *, rotating: bool, life: float | None) -> None:
        self.name = name
        self.client_id = f"client-{name}"
        self.client_secret = f"shpss-{name}"
        self.rotating = rotating
        self.life = life if life is not None else HOUR if rotating else DAY - 1
        self.ahead = 0.0
        """Seconds this clock is ahead of the machine's: a test may let them pass."""
        self.refreshes: list[str] = []
        """The refresh token of each refresh that was granted."""
        self._alive: dict[str, float] = {}
        self._used: set[str] = set()
        self._issued = 0
        self._links: dict[str, _Link] = {}
        self._chained = 0
        self.first_refresh = ""
        """The refresh token that the installation gave."""
        self.installed = False
        self.install()

    @property
    def now(self) -> float:
        return time.monotonic() + self.ahead

    def issue(self, life: float = DAY) -> str:
        """An access token, as the admin shows one for a custom app."""
        self._issued += 1
        token = f"shpat_{self.name}_{self._issued}"
        self._alive[token] = self.now + life
        return token

    def admits(self, token: str) -> bool:
        """Whether the token opens."""
        self._used.add(token)
        return self._alive.get(token, 0.0) > self.now

    def has_served(self, token: str) -> bool:
        return token in self._used

    def expire(self, token: str | None = None) -> None:
        """This access token, or any issued so far, opens no longer."""
        for each in [token] if token is not None else list(self._alive):
            self._alive.pop(each, None)

    def install(self) -> None:
        """The app is installed at the shop; a person is handed its first refresh token, where it has one."""
        self.installed = True
        if self.rotating:
            self.first_refresh = self._link(self.now)

    def remove(self) -> None:
        """The app is removed from the shop."""
        self.installed = False
        self.expire()
        self._links.clear()

    def answer(self, request: Request) -> Response:
        """The token service."""
        if request.method != "POST":
            return _json({"errors": "Method Not Allowed"}, 405)
        given = request.form if request.mimetype == "application/x-www-form-urlencoded" else {}
        if given.get("client_id") != self.client_id:
            return _no("application_cannot_be_found", "The application cannot be found", 400)
        if given.get("client_secret") != self.client_secret:
            return _no("invalid_client", "The client credentials are invalid", 400)
        if given.get("grant_type") == "refresh_token":
            return self._refreshed(given.get("refresh_token", ""))
        if given.get("grant_type") != "client_credentials":
            return _no("unsupported_grant_type", "Grant type is not supported", 400)
        if self.rotating or not self.installed:
            return _no("shop_not_permitted", "Client credentials cannot be performed on this shop.", 400)
        return _json({"access_token": self.issue(self.life), "scope": SCOPES, "expires_in": int(self.life)})

    def _refreshed(self, token: str) -> Response:
        now = self.now
        link = self._links.get(token)
        if link is None or link.retired or link.ends <= now:
            return _no("invalid_request", "This request requires an active refresh_token", 401)
        if link.used is not None and link.used + FORGIVES_FOR <= now:
            return _no("invalid_request", "This request requires an active refresh_token", 401)
        for before in self._links.values():
            before.retired = before.retired or before.replacement == token
        if link.used is None:
            link.used, link.replacement = now, self._link(now)
        self.refreshes.append(token)
        self.expire()
        return _json(
            {
                "access_token": self.issue(self.life),
                "expires_in": int(self.life),
                "refresh_token": link.replacement,
                "refresh_token_expires_in": int(self._links[link.replacement].ends - now),
                "scope": SCOPES,
            }
        )

    def _link(self, now: float) -> str:
        self._chained += 1
        token = f"shprt_{self.name}_{self._chained}"
        self._links[token] = _Link(ends=now + REFRESHES_FOR)
        return token


def _no(error: str, description: str, status: int) -> Response:
    return _json({"error": error, "error_description": description}, status)


def _json(value: Mapping[str, Any], status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, mimetype="application/json")
