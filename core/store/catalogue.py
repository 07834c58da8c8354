"""What a channel's SKU means here: the item behind it and the parts it is made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from core.model import Parts
from core.store.database import Tx


class Listed(msgspec.Struct, frozen=True):
    """One SKU of one channel, as far as it is known here."""

    listing_id: int | None
    item_id: int | None
    parts: Parts


def look_up(tx: Tx, channel_id: int, skus: Iterable[str], *, by_sku: bool) -> dict[str, Listed]:
    """What each of a channel's SKUs means. `by_sku`: one that nobody mapped is the item of the same SKU.

    A SKU that means nothing is left out.
    """
    wanted = sorted(set(skus) - {""})
    rows = tx.rows(
        "SELECT sku, id, item_id FROM listings WHERE channel_id = :channel AND sku IN :skus",
        channel=channel_id,
        skus=wanted,
    )
    listing = {row[0]: (row[1], row[2]) for row in rows}
    item = {sku: found[1] for sku, found in listing.items() if found[1] is not None}
    if by_sku:
        unmapped = [sku for sku in wanted if sku not in item]
        item |= {row[0]: row[1] for row in tx.rows("SELECT sku, id FROM items WHERE sku IN :skus", skus=unmapped)}
    parts = parts_of(tx, item.values())
    return {sku: Listed(listing.get(sku, (None, None))[0], found, parts[found]) for sku, found in item.items()}


def parts_of(tx: Tx, items: Iterable[int]) -> dict[int, Parts]:
    """The parts of each item; an item that is no kit is its own one part."""
    ids = sorted(set(items))
    components: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for kit, component, quantity in tx.rows(
        "SELECT kit_id, component_id, quantity FROM kits WHERE kit_id IN :ids ORDER BY component_id", ids=ids
    ):
        components[kit].append((component, quantity))
    return {item: tuple(components[item]) if item in components else ((item, 1),) for item in ids}
