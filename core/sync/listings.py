"""What an account offers: its listings, and the items behind them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from core.connector import Ability
from core.model import Fulfiller
from core.store import tables
from core.store.database import Store, Tx
from core.store.moves import touch
from core.sync.channel import Channel, Clock
from core.sync.observe import clean


def read_listings(store: Store, channel: Channel, clock: Clock) -> int:
    """Reads everything the account offers; returns how many listings there are.

    A listing whose SKU is an item's is mapped to it, where the channel's settings say so; a mapping by hand stays.
    """
    if Ability.LISTINGS not in channel.connector.abilities:
        return 0
    now = clock()
    count = 0
    for rows in _in_batches(channel):
        store.transact(lambda tx: _take_listings(tx, channel, rows))  # noqa: B023 - runs at once
        count += len(rows)

    def done(tx: Tx) -> None:
        channel.fence(tx)
        tx.run("UPDATE channels SET listings_read = :now WHERE id = :id", now=now, id=channel.id)

    store.transact(done)
    return count


def _in_batches(channel: Channel, size: int = 1000) -> Iterator[list[tuple[Any, ...]]]:
    rows: dict[str, tuple[Any, ...]] = {}
    for listing in channel.connector.listings():
        if sku := clean(listing.sku):
            fulfiller = listing.fulfiller.value
            if sku not in rows or listing.fulfiller is Fulfiller.MERCHANT:
                rows[sku] = (channel.id, sku, clean(listing.title), clean(listing.handle), fulfiller, True)
        if len(rows) == size:
            yield list(rows.values())
            rows = {}
    if rows:
        yield list(rows.values())


def _take_listings(tx: Tx, channel: Channel, rows: Sequence[tuple[Any, ...]]) -> None:
    channel.fence(tx)
    skus = [row[1] for row in rows]
    was = tx.rows(
        "SELECT id, sku, handle FROM listings WHERE channel_id = :id AND sku IN :skus", id=channel.id, skus=skus
    )
    tx.insert(
        tables.listings,
        ("channel_id", "sku", "title", "handle", "fulfiller", "listed"),
        rows,
        "ON CONFLICT (channel_id, sku) DO UPDATE SET title = excluded.title, handle = excluded.handle,"
        " fulfiller = excluded.fulfiller, listed = excluded.listed",
    )
    handle = {row[1]: row[3] for row in rows}
    # What was told was told to another listing: the channel made this one anew.
    tx.run(
        "UPDATE levels SET expected = NULL, revision = revision + 1, attempts = 0, reason = '',"
        " state = CASE WHEN state = 'accepted' THEN state ELSE 'queued' END WHERE listing_id IN :ids",
        ids=[row.id for row in was if row.handle != handle[row.sku]],
    )
    map_by_sku(tx, channel, skus)


def map_by_sku(tx: Tx, channel: Channel, skus: Sequence[str] | None = None) -> int:
    """Maps unmapped listings to the items of their SKUs, where the channel's settings say so; returns how many."""
    if channel.settings.match != "sku":
        return 0
    named = "" if skus is None else " AND l.sku IN :skus"
    rows = tx.rows(
        "SELECT l.id, i.id AS item_id FROM listings l JOIN items i ON i.sku = l.sku"
        f" WHERE l.channel_id = :channel AND l.item_id IS NULL{named} ORDER BY l.id",
        channel=channel.id,
        **({} if skus is None else {"skus": list(skus)}),
    )
    changes = [(row.id, row.item_id, "sku") for row in rows]
    tx.update(tables.listings, ("id",), ("item_id", "mapped_by"), changes)
    touch(tx, {row.item_id for row in rows})
    return len(changes)
