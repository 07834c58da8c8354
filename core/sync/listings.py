"""What an account offers: its listings, and the items behind them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec

from core.connector import Ability
from core.model import Fulfiller
from core.store import tables
from core.store.database import Store, Tx
from core.store.moves import touch
from core.sync.channel import Channel, Clock
from core.sync.observe import clean

BATCH = 1000
"""Listings written in one transaction."""

_COLUMNS = ("channel_id", "sku", "title", "handle", "fulfiller", "listed", "shown", "twins", "mixed")


def read_listings(store: Store, channel: Channel, clock: Clock) -> int:
    """Reads everything the account offers; returns how many SKUs that are.

    A listing whose SKU is an item's is mapped to it, where the channel's settings say so; a mapping by hand stays. One
    the channel does not show any more is not told anything until it is shown again.
    """
    if Ability.LISTINGS not in channel.connector.abilities:
        return 0
    now = clock()
    rows = _shown(channel)
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        store.transact(lambda tx: _take_listings(tx, channel, batch))  # noqa: B023 - runs at once

    def done(tx: Tx) -> None:
        channel.fence(tx)
        tx.run(
            "UPDATE listings SET listed = FALSE WHERE channel_id = :id AND listed AND NOT (sku IN :skus)",
            id=channel.id,
            skus=[row[1] for row in rows],
        )
        tx.run("UPDATE channels SET listings_read = :now WHERE id = :id", now=now, id=channel.id)

    store.transact(done)
    return len(rows)


def _shown(channel: Channel) -> list[tuple[Any, ...]]:
    """One row a SKU, in the order of `_COLUMNS`. Of several listings of one SKU the merchant's first one counts."""
    rows: dict[str, tuple[Any, ...]] = {}
    fulfillers: defaultdict[str, list[Fulfiller]] = defaultdict(list)
    for listing in channel.connector.listings():
        sku = clean(listing.sku)
        if not sku:
            continue
        fulfillers[sku].append(listing.fulfiller)
        first = fulfillers[sku].count(listing.fulfiller) == 1
        if first and (sku not in rows or listing.fulfiller is Fulfiller.MERCHANT):
            shown = msgspec.json.encode({clean(place): units for place, units in listing.quantities.items()}).decode()
            told = (clean(listing.title), clean(listing.handle), listing.fulfiller.value)
            rows[sku] = (channel.id, sku, *told, True, shown)
    return [(*row, len(fulfillers[sku]) - 1, len(set(fulfillers[sku])) > 1) for sku, row in rows.items()]


def _take_listings(tx: Tx, channel: Channel, rows: Sequence[tuple[Any, ...]]) -> None:
    channel.fence(tx)
    skus = [row[1] for row in rows]
    was = tx.rows(
        "SELECT id, sku, handle, listed FROM listings WHERE channel_id = :id AND sku IN :skus",
        id=channel.id,
        skus=skus,
    )
    tx.insert(
        tables.listings,
        _COLUMNS,
        rows,
        "ON CONFLICT (channel_id, sku) DO UPDATE SET "
        + ", ".join(f'"{name}" = excluded."{name}"' for name in _COLUMNS[2:]),
    )
    handle = {row[1]: row[3] for row in rows}
    # What was told was told to another listing: the channel made this one anew, or had taken it away.
    tx.run(
        "UPDATE levels SET expected = NULL, revision = revision + 1, attempts = 0, reason = '',"
        " state = CASE WHEN state = 'accepted' THEN state ELSE 'queued' END WHERE listing_id IN :ids",
        ids=[row.id for row in was if row.handle != handle[row.sku] or not row.listed],
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
