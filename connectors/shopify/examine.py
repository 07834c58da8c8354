"""The shop looked at as a doctor would: a finding for everything the connector depends on. Reads only."""

from __future__ import annotations

import email.utils
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from connectors.shopify import queries
from connectors.shopify.documents import Nodes, Record
from connectors.shopify.graph import VERSION, Graph
from connectors.shopify.orders import gid, short
from core.errors import ChannelError, Unavailable
from core.model import Finding

SKEW: Final = 5
"""Seconds by which our clock may differ from Shopify's."""

SOME: Final = 5
"""Orders looked at."""

NEEDED: Final[Mapping[str, str]] = {
    "read_orders": "reading orders",
    "read_merchant_managed_fulfillment_orders": "reading what is still to be fulfilled",
    "write_merchant_managed_fulfillment_orders": "telling of parcels",
    "read_products": "reading listings",
    "read_inventory": "reading levels",
    "write_inventory": "telling levels",
    "read_locations": "telling locations apart",
}
"""The scopes nothing works without, and what each is for."""

WANTED: Final[Mapping[str, str]] = {
    "read_all_orders": "orders older than 60 days",
    "write_orders": "cancelling and refunding from here",
    "read_returns": "returns",
}
"""The scopes that something is missing without."""

_GRANT: Final = "grant it in the app's configuration and install the app again"

ACCOUNT: Final = """query Account {
  shop { name }
  currentAppInstallation { accessScopes { handle } }
  publicApiVersions { handle supported }
}"""

PLACES: Final = "query Places($ids: [ID!]!) { nodes(ids: $ids) { ... on Location { id name isActive } } }"

COUNT: Final = "query Count { productVariantsCount(limit: null) { count } }"


class _Shop(Record):
    name: str


class _Scope(Record):
    handle: str


class _Installation(Record):
    access_scopes: list[_Scope]


class _Version(Record):
    handle: str
    supported: bool


class _Account(Record):
    shop: _Shop
    current_app_installation: _Installation
    public_api_versions: list[_Version]


class _Place(Record):
    id: str
    name: str
    is_active: bool


class _Places(Record):
    nodes: list[_Place | None]


class _Counted(Record):
    count: int


class _Count(Record):
    product_variants_count: _Counted | None


class _Buyer(Record):
    email: str | None = None
    shipping_address: object = None


class _Orders(Record):
    orders: Nodes[_Buyer]


class _Variants(Record):
    product_variants: Nodes[object]


def examine(graph: Graph, places: Mapping[str, str]) -> Iterator[Finding]:
    """Findings in the order in which they are to be mended. `places`: Shopify's id of each of our locations, or "".

    Behind credentials that are refused, or a shop that does not answer, there is nothing more to see.
    """
    try:
        account = graph.ask(ACCOUNT, {}, _Account)
    except Unavailable as error:
        yield _ill("channel", f"{error}; try again later")
        return
    except ChannelError as error:
        yield _ill("credentials", _cured(error))
        return
    yield _well("credentials", f"accepted by the shop {account.shop.name}")
    yield from _scopes(frozenset(scope.handle for scope in account.current_app_installation.access_scopes))
    yield _clock(graph.date)
    yield _version(graph.version, account.public_api_versions)
    yield from _looked("orders", lambda: _orders(graph))
    yield from _looked("locations", lambda: _locations(graph, places))
    yield from _looked("listings", lambda: _listings(graph))


def _looked(what: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The findings of one look; what keeps it from looking is one too."""
    try:
        yield from look()
    except Unavailable as error:
        yield _ill(what, f"{error}; try again later")
    except ChannelError as error:
        yield _ill(what, _cured(error))


def _scopes(granted: frozenset[str]) -> Iterator[Finding]:
    def has(scope: str) -> bool:  # who may write may read
        return scope in granted or scope.replace("read_", "write_", 1) in granted

    missing = [f"{scope} ({what})" for scope, what in NEEDED.items() if not has(scope)]
    lesser = [f"{scope} ({what})" for scope, what in WANTED.items() if not has(scope)]
    if missing:
        yield _ill("scopes", f"the app lacks {', '.join(missing)}; {_GRANT}")
    elif lesser:
        yield _well("scopes", f"enough for orders, parcels and levels; not granted: {', '.join(lesser)}")
    else:
        yield _well("scopes", "all that are used are granted")


def _clock(date: str) -> Finding:
    try:
        theirs = email.utils.parsedate_to_datetime(date).astimezone(UTC)
    except ValueError:
        return _ill("clock", "Shopify's answer bears no date; check base_url")
    apart = (datetime.now(UTC) - theirs).total_seconds()
    if abs(apart) > SKEW:
        way = "ahead of" if apart > 0 else "behind"
        return _ill("clock", f"ours is {abs(apart):.0f} s {way} Shopify's; let NTP set this machine's clock")
    return _well("clock", f"within {SKEW} s of Shopify's")


def _version(answered: str, versions: list[_Version]) -> Finding:
    if answered != VERSION:
        told = f"{VERSION} was asked for and {answered} answers: ours is retired; install a newer ordersync"
        return _ill("API version", told)
    if not any(one.handle == VERSION and one.supported for one in versions):
        return _ill("API version", f"Shopify supports {VERSION} no more; install a newer ordersync")
    return _well("API version", f"{VERSION}, which Shopify supports")


def _orders(graph: Graph) -> Iterator[Finding]:
    # The very query of the pull. Where the app may not see buyers' data, whatever its scopes, Shopify leaves it out.
    given = {"query": "updated_at:>='2020-01-01T00:00:00Z'", "after": None, "first": SOME}
    some = graph.ask(queries.orders(places=True), given, _Orders).orders.nodes
    if some and not any(one.email or one.shipping_address for one in some):
        told = f"the first {len(some)} come without buyers and addresses; ask for access to protected customer data"
        yield _ill("orders", f"{told} under the app's API access")
    elif some:
        yield _well("orders", "readable with their buyers and addresses")
    else:
        yield _well("orders", "readable; there are none yet")


def _locations(graph: Graph, places: Mapping[str, str]) -> Iterator[Finding]:
    if not places:
        yield _well("locations", "none ships for this channel, so it is told no levels")
        return
    named = {name: gid("Location", place) for name, place in places.items() if place}
    for name in places.keys() - named.keys():
        yield _ill("locations", f"{name} has no location of Shopify's; give its id under `locations`")
    ids = list(dict.fromkeys(named.values()))
    found = {one.id: one for one in graph.ask(PLACES, {"ids": ids}, _Places).nodes if one} if ids else {}
    for name, place in named.items():
        there = found.get(place)
        if there is None:
            yield _ill("locations", f"{name}: the shop has no location {short(place)}; correct `locations`")
        elif not there.is_active:
            told = f"{name}: location {short(place)} is not active; activate it at Shopify or name another one"
            yield _ill("locations", told)
        else:
            yield _well("locations", f"{name} is location {short(place)}, which is active")


def _listings(graph: Graph) -> Iterator[Finding]:
    graph.ask(queries.VARIANTS, {"after": None, "first": 1}, _Variants)
    counted = graph.ask(COUNT, {}, _Count).product_variants_count
    yield _well("listings", f"{counted.count if counted else 'an unknown number'} variants on offer")


def _well(what: str, told: str) -> Finding:
    return Finding(what=what, well=True, told=told)


def _ill(what: str, told: str) -> Finding:
    return Finding(what=what, well=False, told=told)


def _cured(error: ChannelError) -> str:
    """What went wrong, ending in what to do."""
    told = str(error)
    return told if ";" in told else f"{told}; check shop and base_url in the channel's file"
