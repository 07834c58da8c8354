"""The account looked at as a doctor would: a finding for everything the connector depends on. Reads only.

What the application may do is seen by asking for the least of each operation: an order nobody has, one listing, no more
than one feed or report. Not looked at is the search for orders, whose few calls belong to the live pull; the roles it
needs are those of a single order.
"""

from __future__ import annotations

import email.utils
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import httpx
import msgspec

from connectors.amazon import cancel, history, orders, returns
from connectors.amazon.account import Account
from connectors.amazon.hints import Queue
from connectors.amazon.search import PAGE
from core import http
from core.errors import ChannelError, NotFound, Rejected, Unauthorized, Unavailable
from core.model import Finding

NOBODYS = "000-0000000-0000000"
"""An order id that no order has."""

SKEW = 5
"""Seconds by which our clock may differ from Amazon's."""

ORDERS, BUYERS, LISTINGS, WAREHOUSES = (
    "Inventory and Order Tracking",
    "Direct-to-Consumer Shipping (restricted)",
    "Product Listing",
    "Amazon Fulfillment",
)
"""Roles by the names they have in Seller Central."""

GRANT = "add it to the application's profile in Seller Central and authorise the application once more"


class _Marketplace(msgspec.Struct):
    id: str
    name: str = ""


class _Participation(msgspec.Struct, rename="camel"):
    is_participating: bool
    has_suspended_listings: bool = False


class _Taking(msgspec.Struct):
    marketplace: _Marketplace
    participation: _Participation


class _Takings(msgspec.Struct):
    payload: list[_Taking]


class _Count(msgspec.Struct, rename="camel"):
    number_of_results: int


def examine(account: Account, queue: Queue) -> Iterator[Finding]:
    """Findings in the order in which they are to be mended. Behind credentials that are refused, or an API that does
    not answer, there is nothing more to see."""
    try:
        account.prove()
    except ChannelError as error:
        yield _ill("credentials", error)
        return
    yield Finding(what="credentials", well=True, told="Login with Amazon accepts them")
    try:
        yield from _marketplace(account)
        for what, role, look in _LOOKS:
            try:
                told = look(account)
            except Unauthorized as error:
                if not error.forbidden:
                    raise
                yield Finding(what=what, well=False, told=f"the application lacks the role {role}; {GRANT}")
            except Rejected as error:
                yield _ill(what, error)
            else:
                yield Finding(what=what, well=True, told=told)
    except ChannelError as error:
        yield _ill("API", error)
        return
    if account.settings.queue_url:
        yield _queue(queue)
    yield from _settings(account)


def _marketplace(account: Account) -> Iterator[Finding]:
    """Whether the seller sells in the marketplace, and how far our clock is from Amazon's."""
    wanted = account.settings.marketplace_id
    try:
        answer = account.seller.get_marketplace_participation()
    except Unauthorized as error:
        if not error.forbidden:
            raise
        yield Finding(
            what="marketplace",
            well=False,
            told=f"the application may not list the seller's marketplaces; {GRANT} (any role will do)",
        )
        return
    yield _clock(answer)
    taking = {each.marketplace.id: each for each in http.decode(answer, _Takings).payload}.get(wanted)
    if taking is None or not taking.participation.is_participating:
        yield Finding(
            what="marketplace",
            well=False,
            told=f"the seller does not sell in {wanted}; correct marketplace_id or region, or register there",
        )
    elif taking.participation.has_suspended_listings:
        yield Finding(
            what="marketplace",
            well=False,
            told=f"listings in {wanted} are suspended; see Account Health in Seller Central",
        )
    else:
        yield Finding(what="marketplace", well=True, told=f"the seller sells in {wanted} ({taking.marketplace.name})")


def _clock(answer: httpx.Response) -> Finding:
    try:
        theirs = email.utils.parsedate_to_datetime(answer.headers.get("date", "")).astimezone(UTC)
    except ValueError:
        return Finding(what="clock", well=False, told="Amazon's answer bears no date; check base_url")
    apart = (datetime.now(UTC) - theirs).total_seconds()
    if abs(apart) > SKEW:
        way = "ahead of" if apart > 0 else "behind"
        return Finding(
            what="clock",
            well=False,
            told=f"ours is {abs(apart):.0f} s {way} Amazon's; let NTP set this machine's clock",
        )
    return Finding(what="clock", well=True, told=f"within {SKEW} s of Amazon's")


def _orders(account: Account) -> str:
    _nobodys(account)
    return "orders are read by the API of 2026-01-01; parcels are told by v0's confirmShipment, which has no successor"


def _buyers(account: Account) -> str:
    _nobodys(account, includedData=orders.INCLUDED)
    return "orders come with their buyers and addresses"


def _nobodys(account: Account, **parameters: object) -> None:
    """Asks for an order there is not: that it is not found says that it may be looked for."""
    try:
        account.seller.get_order(NOBODYS, **parameters)
    except NotFound:
        return


def _listings(account: Account) -> str:
    settings = account.settings
    try:
        answer = account.seller.search_listings_items(
            settings.seller_id, marketplaceIds=settings.marketplace_id, pageSize=1, includedData="summaries"
        )
    except NotFound as error:
        raise Rejected(f"{error}; check seller_id") from None
    return f"{http.decode(answer, _Count).number_of_results} listings can be read"


def _feeds(account: Account) -> str:
    account.seller.get_feeds(feedTypes=cancel.TYPE, marketplaceIds=account.settings.marketplace_id, pageSize=1)
    return "feeds, which cancel orders and set many quantities, can be handed in"


def _reports(account: Account) -> str:
    account.seller.get_reports(reportTypes=returns.REPORT, marketplaceIds=account.settings.marketplace_id, pageSize=1)
    return "the report of returns can be read"


def _warehouses(account: Account) -> str:
    account.seller.get_inventory_summary_marketplace(details="false", marketplaceIds=account.settings.marketplace_id)
    return "stock in Amazon's warehouses can be read"


_LOOKS: tuple[tuple[str, str, Callable[[Account], str]], ...] = (
    ("orders", ORDERS, _orders),
    ("buyers", BUYERS, _buyers),
    ("listings", f"{LISTINGS} (or seller_id is another seller's)", _listings),
    ("feeds", ORDERS, _feeds),
    ("returns", ORDERS, _reports),
    ("own stock", WAREHOUSES, _warehouses),
)


def _queue(queue: Queue) -> Finding:
    try:
        waiting = queue.look()
    except ChannelError as error:
        return _ill("queue", error)
    return Finding(what="queue", well=True, told=f"it can be read; some {waiting:,} notifications wait there")


def _settings(account: Account) -> Iterator[Finding]:
    """What the configuration says that does not go together with Amazon."""
    settings = account.settings
    named = sorted(name for name, place in settings.locations.items() if place)
    if named and settings.push_levels:
        yield Finding(
            what="locations",
            well=False,
            told=f'Amazon keeps one quantity a listing, not one of {", ".join(named)}; set their ids to ""',
        )
    else:
        yield Finding(what="locations", well=True, told="one quantity a listing, whatever location ships")
    spare = history.spare(settings)
    if spare < PAGE:
        yield Finding(
            what="history",
            well=False,
            told=f"pulls every {settings.poll_seconds} s spend all searches Amazon allows, and reconciliation and "
            "backfills get none; raise poll_seconds to 240 or more",
        )
    else:
        yield Finding(
            what="history", well=True, told=f"some {spare:,.0f} orders an hour can be read beside the live pull"
        )


def _ill(what: str, error: ChannelError) -> Finding:
    told = str(error)
    if ";" not in told:
        told += "; try again later" if isinstance(error, Unavailable) else "; check the settings of this channel"
    return Finding(what=what, well=False, told=told)
