"""Getting into a shop: a token without end, an app's own (24 hours), or one hour's with a refresh token that rotates.

Source: Shopify's pages on access tokens; changelog of 28 August 2026 on refreshes. A refresh answers a new access token
and a new refresh token and ends the old access token. The old refresh token stays good until the new one is used, for
30 days from its own first use at most: so the new one is kept before anything is done with it, and a refresh whose
answer was lost is simply asked for again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec
from shopify import Session

from core import http
from core.credentials import DEADLINE, Granted, Keeper, Tokens, origin
from core.errors import Rejected, Unauthorized, Unavailable

DAY, HOUR = 86_399.0, 3_600.0


class _Token(msgspec.Struct):
    access_token: str
    expires_in: float | None = None
    refresh_token: str = ""
    refresh_token_expires_in: float | None = None


class _Refusal(msgspec.Struct):
    error: str = ""


def token_endpoint(shop: str, version: str, auth_url: str | None) -> str:
    """Where an app fetches its token."""
    site = auth_url or f"https://{Session(shop, version).url}"
    return f"{site}/admin/oauth/access_token"


def fixed(token: str) -> Tokens:
    """The token of a custom app: it ends when a person ends it."""
    return Tokens(lambda refresh: Granted(token, math.inf))


def of_an_app(account: str, url: str, client_id: str, secret: str, keeper: Keeper) -> Tokens:
    """The token of an app of the shop's own organisation."""
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}

    def fetch(refresh: str) -> Granted:
        token = _ask(account, url, form)
        return Granted(token.access_token, token.expires_in or DAY)

    return Tokens(fetch, account=account, keeper=keeper, origin=origin(url, client_id))


def rotating(account: str, url: str, client_id: str, secret: str, first: str, keeper: Keeper) -> Tokens:
    """The token of an app that others may install. `first` is the refresh token its installation gave."""
    form = {"grant_type": "refresh_token", "client_id": client_id, "client_secret": secret}

    def fetch(refresh: str) -> Granted:
        before = refresh or first
        token = _ask(account, url, form | {"refresh_token": before})
        return Granted(
            token.access_token, token.expires_in or HOUR, token.refresh_token or before, token.refresh_token_expires_in
        )

    came_from = origin(url, client_id, first)
    return Tokens(fetch, account=account, keeper=keeper, origin=came_from, rotates=True)


def _ask(account: str, url: str, form: Mapping[str, str]) -> _Token:
    """One answer of the token service. To ask twice for the same is allowed, and it says itself what it refuses."""
    with http.client(account, expect=(400, 401, 404), deadline=DEADLINE) as client:
        try:
            response = client.post(url, data=form, headers={"accept": "application/json"}, extensions={"safe": True})
        except Rejected:
            raise Unauthorized(_no_client(account)) from None
    if response.status_code != 200:
        if "refresh_token" in form and _code(response.content) not in NO_CLIENT:
            raise Unauthorized(
                f"{account}: Shopify does not renew the app's access: the app was removed, or its refresh token is an "
                "old one; install the app again and give its new refresh token under refresh_token"
            )
        raise Unauthorized(_no_client(account))
    token = http.decode(response, _Token)
    if not token.access_token:
        raise Unavailable(f"{account}: Shopify's token service answered without a token")
    return token


NO_CLIENT = frozenset({"application_cannot_be_found", "invalid_client", "unauthorized_client"})
"""The refusals that are about the app and not about its refresh token."""


def _no_client(account: str) -> str:
    return f"{account}: Shopify gives no token for this client_id and client_secret; check both and the shop"


def _code(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Refusal).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
