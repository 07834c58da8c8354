"""What the account offers, and the quantities its own offers hold.

An offer that Amazon fulfils (any fulfilment channel code that begins with AMAZON) is Fulfiller.CHANNEL whatever else
it shows: its quantity is never read as ours and never written, as writing one flips the offer out of Amazon's hands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import msgspec

from connectors.amazon.account import Account
from core import http
from core.errors import NotFound, Unavailable
from core.model import ChannelLevel, ChannelListing, Fulfiller, LevelKey

OWN = "DEFAULT"
"""The fulfilment channel code of offers the seller ships."""

PAGE = 20
"""Listings a page, and SKUs a search: the most Amazon takes."""

REACH = 1000
"""How many listings one search can be paged through; more are reached by another search behind the last one."""


class Handle(msgspec.Struct, omit_defaults=True):
    """What is needed to push a listing's level: its product type, and the code of who fulfils it."""

    product_type: str
    channel: str = OWN

    def __str__(self) -> str:
        return msgspec.json.encode(self).decode()

    @classmethod
    def read(cls, text: str) -> Handle | None:
        """The handle behind its text; None where it is not one."""
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.DecodeError:
            return None


class _Summary(msgspec.Struct, rename="camel"):
    product_type: str | None = None
    item_name: str | None = None
    created_date: datetime | None = None


class _ProductType(msgspec.Struct, rename="camel"):
    product_type: str


class _Availability(msgspec.Struct, rename="camel"):
    fulfillment_channel_code: str
    quantity: int | None = None


class Item(msgspec.Struct, rename="camel"):
    """A listing as Amazon shows it."""

    sku: str
    summaries: list[_Summary] | None = None
    product_types: list[_ProductType] | None = None
    fulfillment_availability: list[_Availability] | None = None

    @property
    def channel(self) -> str:
        """The code of who fulfils the offer."""
        codes = [each.fulfillment_channel_code for each in self.fulfillment_availability or ()]
        return next((code for code in codes if code.startswith("AMAZON")), OWN)

    @property
    def quantity(self) -> int | None:
        """What the seller's own offer holds; None where Amazon fulfils it or no quantity is shown."""
        if self.channel != OWN:
            return None
        held = (each for each in self.fulfillment_availability or () if each.fulfillment_channel_code == OWN)
        return next((each.quantity for each in held if each.quantity is not None), None)

    @property
    def product_type(self) -> str:
        given = [each.product_type for each in self.product_types or ()]
        given += [each.product_type for each in self.summaries or () if each.product_type]
        return given[0] if given else "PRODUCT"

    @property
    def title(self) -> str:
        return next((each.item_name for each in self.summaries or () if each.item_name), "")

    @property
    def created(self) -> datetime | None:
        return next((each.created_date for each in self.summaries or () if each.created_date), None)


class _Pagination(msgspec.Struct, rename="camel"):
    next_token: str | None = None


class _Items(msgspec.Struct, rename="camel"):
    items: list[Item]
    pagination: _Pagination | None = None


def read_levels(account: Account, keys: Sequence[LevelKey]) -> Iterator[ChannelLevel]:
    """The quantities of the seller's own offers; what is no such offer is left out."""
    for start in range(0, len(keys), PAGE):
        batch = keys[start : start + PAGE]
        items = by_sku(account, [key.sku for key in batch])
        for key in batch:
            held = items[key.sku].quantity if key.sku in items else None
            if held is not None and not key.place:
                yield ChannelLevel(key=key.key, quantity=held)


def by_sku(account: Account, skus: Sequence[str]) -> dict[str, Item]:
    """The listings of at most `PAGE` SKUs; one that does not exist is left out."""
    found = {}
    listed = [sku for sku in dict.fromkeys(skus) if "," not in sku]  # a comma parts the SKUs of a search
    if listed:
        for item in _search(
            account,
            identifiers=",".join(listed),
            identifiersType="SKU",
            includedData="summaries,fulfillmentAvailability",
        ):
            found[item.sku] = item
    for sku in dict.fromkeys(skus):
        if "," in sku:
            try:
                answer = account.seller.get_listings_item(
                    account.settings.seller_id,
                    sku,
                    marketplaceIds=account.settings.marketplace_id,
                    includedData="summaries,fulfillmentAvailability",
                )
            except NotFound:
                continue
            found[sku] = http.decode(answer, Item)
    return {sku: found[sku] for sku in skus if sku in found}


def listings(account: Account) -> Iterator[ChannelListing]:
    """Every listing of the marketplace, oldest first.

    A search can be paged through 1,000 listings only, so the next one begins where the last one stopped: at the
    instant its last listing was created, whose listings come again and are passed over.
    """
    begin: datetime | None = None
    edge: set[str] = set()
    while True:
        bounds = {"createdAfter": _zulu(begin)} if begin is not None else {}
        seen, last, fresh = 0, begin, 0
        for item in _search(
            account,
            **bounds,
            sortBy="createdDate",
            sortOrder="ASC",
            includedData="summaries,productTypes,fulfillmentAvailability",
        ):
            seen += 1
            if item.sku in edge:
                continue
            fresh += 1
            if item.created is not None and item.created != last:
                last, edge = item.created, set()
            edge.add(item.sku)
            yield _listing(item)
        if seen < REACH:
            return
        if not fresh or last is None or last == begin:
            raise Unavailable(
                f"{account.name} has more than {REACH} listings created at the same instant, and Amazon lists no more "
                "of them; map these SKUs by hand"
            )
        begin = last


def _listing(item: Item) -> ChannelListing:
    own = item.channel == OWN
    return ChannelListing(
        sku=item.sku,
        title=item.title,
        handle=str(Handle(product_type=item.product_type, channel=item.channel)),
        fulfiller=Fulfiller.MERCHANT if own else Fulfiller.CHANNEL,
        quantities={"": item.quantity} if item.quantity is not None else {},
    )


def _search(account: Account, **parameters: str) -> Iterator[Item]:
    """All pages of one search, with the parameters it began with."""
    token, tokens = "", set[str]()
    while True:
        more = {"pageToken": token} if token else {}
        answer = account.seller.search_listings_items(
            account.settings.seller_id,
            marketplaceIds=account.settings.marketplace_id,
            pageSize=PAGE,
            **parameters,
            **more,
        )
        page = http.decode(answer, _Items)
        yield from page.items
        token = (page.pagination.next_token or "") if page.pagination is not None else ""
        if not token:
            return
        if token in tokens:
            raise Unavailable(f"{account.name} gives the same page of listings again and again and does not get on")
        tokens.add(token)


def _zulu(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
