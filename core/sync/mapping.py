"""Listings mapped by hand: which item a channel's SKU means."""

from __future__ import annotations

from typing import Any

from core.errors import UserError
from core.settings import ChannelSettings
from core.store.database import Store, Tx
from core.store.moves import touch
from core.sync.work import poke


def map_listing(store: Store, channel_id: int, sku: str, item_sku: str) -> str | None:
    """The channel's `sku` means the item `item_sku` from now on; returns the SKU of the item it meant before.

    A SKU the channel has not shown yet may be mapped ahead. Lines that wait for it resume, and its level is told
    anew; what was promised before keeps the parts it was promised with. Raises `UserError` for an unknown item.
    """

    def work(tx: Tx) -> str | None:
        tx.run("SELECT id FROM channels WHERE id = :id /*lock*/", id=channel_id)
        item = tx.row("SELECT id FROM items WHERE sku = :sku", sku=item_sku)
        if item is None:
            raise UserError(
                f"there is no item {item_sku}; receive it first (`ordersync stock receive`), or mend the SKU"
            )
        before = _listing(tx, channel_id, sku)
        tx.run(
            "INSERT INTO listings (channel_id, sku, item_id, mapped_by) VALUES (:channel, :sku, :item, 'operator')"
            " ON CONFLICT (channel_id, sku) DO UPDATE SET item_id = excluded.item_id, mapped_by = 'operator'",
            channel=channel_id,
            sku=sku,
            item=item.id,
        )
        touch(tx, [item.id])
        return None if before is None else before.item

    was = store.transact(work)
    poke(store, [channel_id])
    return was


def unmap_listing(store: Store, channel_id: int, settings: ChannelSettings, sku: str) -> str:
    """The channel's `sku` means nothing any more: its orders are held, and nothing of it is offered.

    Returns the SKU of the item it meant. Raises `UserError` when it is not mapped, and when it would be mapped again
    at once, as it is an item's own SKU and the channel matches by SKU.
    """

    def work(tx: Tx) -> str:
        tx.run("SELECT id FROM channels WHERE id = :id /*lock*/", id=channel_id)
        listing = _listing(tx, channel_id, sku)
        if listing is None or listing.item is None:
            raise UserError(f"{sku} is not mapped; see `ordersync listings list --unmapped`")
        if settings.match == "sku" and tx.row("SELECT id FROM items WHERE sku = :sku", sku=sku) is not None:
            raise UserError(
                f"{sku} is an item's own SKU and this channel matches by SKU; map it to another item, "
                'or write match = "mapped" into its file'
            )
        tx.run("UPDATE listings SET item_id = NULL, mapped_by = 'nobody' WHERE id = :id", id=listing.id)
        tx.run(
            "UPDATE levels SET desired = 0, revision = revision + 1, attempts = 0, reason = '', due_at = 0,"
            # One in flight is left to land first: a lower revision must never land after a higher one.
            " state = CASE WHEN state = 'accepted' THEN 'accepted' ELSE 'queued' END"
            " WHERE listing_id = :id AND desired <> 0",
            id=listing.id,
        )
        return str(listing.item)

    was = store.transact(work)
    poke(store, [channel_id])
    return was


def _listing(tx: Tx, channel_id: int, sku: str) -> Any:
    return tx.row(
        "SELECT l.id, i.sku AS item FROM listings l LEFT JOIN items i ON i.id = l.item_id"
        " WHERE l.channel_id = :channel AND l.sku = :sku",
        channel=channel_id,
        sku=sku,
    )


def read_again(store: Store, channel_ids: list[int]) -> None:
    """Makes the channels' next turns read their listings, however lately they did."""
    store.transact(lambda tx: tx.run("UPDATE channels SET listings_read = NULL WHERE id IN :ids", ids=channel_ids))
