"""What lies in Amazon's warehouses (FBA): only Amazon sells and ships it.

Of a SKU's units some can be sold (fulfillable); the others there are promised to buyers, on their way between
warehouses, looked into, or damaged. Units that have left for Amazon are on their way; an inbound shipment that was only
announced has not left yet and is not counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

from connectors.amazon.account import Account
from core import http
from core.errors import Rejected, Unavailable
from core.model import MAX_QUANTITY, OwnStock

BEGINNINGS = 4
"""How often one reading may begin: the token of a next page lives 30 seconds, which an outage outlasts."""

_Units = Annotated[int, msgspec.Meta(ge=0)]


class _Reserved(msgspec.Struct, rename="camel"):
    total_reserved_quantity: _Units | None = None


class _Researching(msgspec.Struct, rename="camel"):
    total_researching_quantity: _Units | None = None


class _Unfulfillable(msgspec.Struct, rename="camel"):
    total_unfulfillable_quantity: _Units | None = None


class _Details(msgspec.Struct, rename="camel"):
    fulfillable_quantity: _Units | None = None
    inbound_shipped_quantity: _Units | None = None
    inbound_receiving_quantity: _Units | None = None
    reserved_quantity: _Reserved | None = None
    researching_quantity: _Researching | None = None
    unfulfillable_quantity: _Unfulfillable | None = None

    @property
    def units(self) -> tuple[int, int, int]:
        """Units there, units that can be sold, units on their way."""
        can = self.fulfillable_quantity or 0
        reserved = (self.reserved_quantity.total_reserved_quantity if self.reserved_quantity else 0) or 0
        looked_into = (self.researching_quantity.total_researching_quantity if self.researching_quantity else 0) or 0
        spoilt = (self.unfulfillable_quantity.total_unfulfillable_quantity if self.unfulfillable_quantity else 0) or 0
        coming = (self.inbound_shipped_quantity or 0) + (self.inbound_receiving_quantity or 0)
        return can + reserved + looked_into + spoilt, can, coming


class _Summary(msgspec.Struct, rename="camel"):
    seller_sku: str
    inventory_details: _Details


class _Payload(msgspec.Struct, rename="camel"):
    inventory_summaries: list[_Summary]


class _Pagination(msgspec.Struct, rename="camel"):
    next_token: str | None = None


class _Answer(msgspec.Struct):
    payload: _Payload
    pagination: _Pagination | None = None


def own_stock(account: Account) -> Iterator[OwnStock]:
    """Every SKU Amazon keeps for the seller, once.

    All pages are read before the first entry is given: no consumer can be slow enough to let a token expire.
    """
    for _ in range(BEGINNINGS):
        try:
            summaries = list(_summaries(account))
        except _Expired:
            continue
        break
    else:
        raise Unavailable(f"{account.name} lets the pages of its own stock expire before they can be read")
    units: dict[str, tuple[int, int, int]] = {}
    for summary in summaries:  # a SKU comes once for each condition and barcode it is kept under
        there, can, coming = units.get(summary.seller_sku, (0, 0, 0))
        more = summary.inventory_details.units
        units[summary.seller_sku] = there + more[0], can + more[1], coming + more[2]
    for sku, (there, can, coming) in units.items():
        if max(there, coming) > MAX_QUANTITY:
            raise Unavailable(f"{account.name} tells of more units of one SKU than can be counted")
        yield OwnStock(sku=sku, on_hand=there, available=can, incoming=coming)


class _Expired(Exception):
    """The token of a next page is refused."""


def _summaries(account: Account) -> Iterator[_Summary]:
    token, tokens = "", set[str]()
    while True:
        more = {"nextToken": token} if token else {}
        try:
            answer = account.seller.get_inventory_summary_marketplace(
                details="true", marketplaceIds=account.settings.marketplace_id, **more
            )
        except Rejected as error:
            if error.status == 400 and token:
                raise _Expired from None
            raise
        page = http.decode(answer, _Answer)
        yield from page.payload.inventory_summaries
        token = (page.pagination.next_token or "") if page.pagination is not None else ""
        if not token:
            return
        if token in tokens:
            raise Unavailable(f"{account.name} gives the same page of its own stock again and again")
        tokens.add(token)
