"""The seller whose day is measured: two warehouses, a thousand items, accounts that are Shopify shops."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import SecretStr

from connectors.shopify import Shopify, ShopifySettings
from core.model import Location
from core.settings import RoutingSettings
from core.store import tables
from core.store.database import Store, Tx
from core.sync.channel import Channel, clock, take_up
from tests.bench.shop import BEGIN, WIDE

PLACE = "gid://shopify/Location/101"
LOCATIONS = [Location(name="east", postal_code="10001", priority=1), Location(name="west", postal_code="94110")]
PLENTY = 10**9
ROUTING = RoutingSettings(rank=("distance", "priority"))


def open_shop(address: str, name: str = "shop", warehouses: Sequence[Location] = LOCATIONS) -> Shopify:
    """The real connector, to be closed. All warehouses ship from the shop's one location, as most sellers have it."""
    settings = ShopifySettings(
        connector="shopify",
        shop="bench",
        base_url=address,
        access_token=SecretStr("shpat_bench"),
        locations=dict.fromkeys((place.name for place in warehouses), PLACE),
        import_since=BEGIN,
    )
    return Shopify(name, settings)


def take_up_shop(store: Store, shop: Shopify, warehouses: Sequence[Location] = LOCATIONS) -> Channel:
    """The shop's channel, taken up as a round does."""
    return take_up(store, shop.name, shop.settings, shop, list(warehouses), ROUTING, clock())


def fill(store: Store) -> None:
    """A store as it stands before its first order: plenty of every item, listed, and every level told."""
    shop = open_shop("http://127.0.0.1:1")
    try:
        channel = take_up_shop(store, shop)
    finally:
        shop.close()
    with store.write() as tx:
        fill_shelves(tx, WIDE, PLENTY)
        list_all(tx, channel)


def fill_shelves(tx: Tx, skus: list[str], units: int) -> None:
    """So many units of each SKU in each warehouse, received."""
    places = [row.id for row in tx.rows("SELECT id FROM locations ORDER BY id")]
    ids = tx.ids(tables.items, len(skus))
    columns = ("id", "sku", "title", "on_hand")
    total = units * len(places)
    tx.insert(tables.items, columns, [(id, sku, sku, total) for id, sku in zip(ids, skus, strict=True)])
    tx.insert(tables.stock, ("item_id", "location_id", "on_hand"), [(i, p, units) for i in ids for p in places])
    tx.insert(
        tables.ledger,
        ("at", "item_id", "location_id", "on_hand", "cause", "kind"),
        [(0, item, place, units, f"receive:{item}:{place}", "receive") for item in ids for place in places],
    )


def list_all(tx: Tx, channel: Channel, *, told: bool = True) -> None:
    """Every item on offer at the channel, which was told its level where `told` says so."""
    items = tx.rows("SELECT id, sku, on_hand FROM items ORDER BY id")
    ids = tx.ids(tables.listings, len(items))
    listed = list(zip(ids, items, strict=True))
    tx.insert(
        tables.listings,
        ("id", "channel_id", "sku", "item_id", "handle", "mapped_by"),
        [(id, channel.id, row.sku, row.id, f"gid://shopify/InventoryItem/{row.id}", "sku") for id, row in listed],
    )
    if told:
        tx.insert(
            tables.levels,
            ("listing_id", "place", "channel_id", "desired", "told", "sent", "expected", "sent_revision", "state"),
            [(id, PLACE, channel.id, *[row.on_hand] * 4, 1, "applied") for id, row in listed],
        )
