"""An account looked at as a doctor would: what is well, and what is to be done where something is not.

Source: `GET /v3/token/detail`, `/v3/settings/partnerprofile`, `/v3/settings/shipping/shipnodes` and `/v3/inventories`.
Reads only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from connectors.walmart import stock
from connectors.walmart.api import Api
from connectors.walmart.pull import clock
from core.errors import ChannelError, NotFound, Unauthorized
from core.http import decode
from core.model import Finding

SKEW = 5
"""Seconds by which our clock may differ from Walmart's: windows of time are asked for by ours."""

NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "orders": ("full_access",),
    "inventory": ("full_access",),
    "feeds": ("full_access",),
    "returns": ("full_access", "view_only"),
    "shipping": ("full_access", "view_only"),
}
"""What the key must be allowed: orders and levels are told and read, returns and ship nodes at least read."""

_PORTAL = "in the developer portal, give the key"


class _Token(msgspec.Struct):
    is_valid: bool | str
    scopes: dict[str, Any] | None = None


class _Configuration(msgspec.Struct, rename="camel"):
    configuration_name: str | None = None
    configuration: dict[str, Any] | None = None


class _Profile(msgspec.Struct):
    configurations: list[_Configuration] | None = None


class _Node(msgspec.Struct, rename="camel"):
    ship_node: str
    status: str | None = None
    ship_node_name: str | None = None


def examine(api: Api, places: Mapping[str, str]) -> Iterator[Finding]:
    """See `Connector.examine`. `places`: the ship node of each of our locations; empty where it has none."""
    findings = list(_credentials(api))
    yield from findings
    if not findings[0].well:
        return
    looks: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
        ("account", lambda: _account(api)),
        ("locations", lambda: _locations(api, places)),
        ("listings", lambda: _listings(api)),
    )
    for what, look in looks:
        try:
            yield from look()
        except ChannelError as error:
            yield _ill(what, error)


def _credentials(api: Api) -> Iterator[Finding]:
    try:
        response = api.ask("getTokenDetail", "GET", "/v3/token/detail", headers={"Content-Type": "application/json"})
        token = decode(response, _Token)
    except ChannelError as error:
        yield _ill("credentials", error)
        return
    if str(token.is_valid).lower() != "true":
        told = "Walmart calls the token it just gave invalid; take client_id and client_secret anew from the portal"
        yield Finding(what="credentials", well=False, told=told)
        return
    yield Finding(what="credentials", well=True, told="Walmart takes the client id and secret")
    yield _scopes(token.scopes or {})
    theirs = clock(response)
    if theirs is not None:
        off = round(time.time() - theirs)
        told = f"within {SKEW} seconds of Walmart's" if abs(off) <= SKEW else f"{off:+d} seconds off Walmart's"
        cure = "" if abs(off) <= SKEW else "; set this machine's clock, or its NTP service"
        yield Finding(what="clock", well=abs(off) <= SKEW, told=told + cure)


def _scopes(scopes: Mapping[str, Any]) -> Finding:
    lacking = [f"{name} {able[-1]}" for name, able in NEEDED.items() if scopes.get(name, "full_access") not in able]
    if lacking:
        return Finding(what="scopes", well=False, told=f"the key lacks a right; {_PORTAL} {', '.join(lacking)}")
    return Finding(what="scopes", well=True, told=f"{', '.join(NEEDED)} are granted")


def _account(api: Api) -> Iterator[Finding]:
    profile = decode(api.ask("getPartnerConfigurations", "GET", "/v3/settings/partnerprofile"), _Profile)
    status = next(
        (
            str((one.configuration or {}).get("status", ""))
            for one in profile.configurations or ()
            if one.configuration_name == "ACCOUNT"
        ),
        "",
    )
    if status in ("ACTIVE", ""):
        yield Finding(what="account", well=True, told="the seller account is active" if status else "it says nothing")
    else:
        told = f"the seller account is {status}; clear it with Walmart's seller support"
        yield Finding(what="account", well=False, told=told)


def _locations(api: Api, places: Mapping[str, str]) -> Iterator[Finding]:
    response = api.ask("getAllFulfillmentCenters", "GET", "/v3/settings/shipping/shipnodes")
    nodes = {node.ship_node: node for node in decode(response, list[_Node])}
    active = [name for name, node in nodes.items() if (node.status or "ACTIVE").upper() == "ACTIVE"]
    named = {location: place for location, place in places.items() if place}
    for location, place in named.items():
        if place not in nodes:
            known = ", ".join(active) or "none"
            told = f"{location} is ship node {place}, which Walmart does not know; write one of {known}"
            yield Finding(what="locations", well=False, told=told)
        elif place not in active:
            told = f"{location} is ship node {place}, which is {nodes[place].status}; activate it in Seller Center"
            yield Finding(what="locations", well=False, told=told)
        else:
            yield Finding(what="locations", well=True, told=f"{location} is ship node {place}, which is active")
    if places and not named and len(active) > 1:
        told = f"the account has {len(active)} ship nodes, and levels go to its default one"
        yield Finding(what="locations", well=True, told=f"{told}; name each location's ship node to tell them apart")
    elif places and not named:
        yield Finding(what="locations", well=True, told="the account's one ship node takes all levels")


def _listings(api: Api) -> Iterator[Finding]:
    try:
        count = stock.count(api)
    except NotFound:
        count = 0
    told = f"{count} SKUs have levels" if count else "no SKU has a level yet"
    yield Finding(what="listings", well=True, told=told)


def _ill(what: str, error: ChannelError) -> Finding:
    if isinstance(error, Unauthorized):
        cure = f"{_PORTAL} the rights it lacks" if error.forbidden else "take both anew from the developer portal"
    else:
        cure = "wait and look again, and see whether Walmart reports an outage"
    return Finding(what=what, well=False, told=f"{str(error).replace(';', ',')}; {cure}")
