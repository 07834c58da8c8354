"""Listings that cannot be told a level, or only one of several of them."""

from __future__ import annotations

from shlex import quote

from core.sync.issues.issue import NO_INSTANT, Query, Told, View, each, names


def _listings(condition: str) -> str:
    return (
        f"SELECT l.sku AS key, c.name AS channel, l.sku AS subject, {NO_INSTANT} AS since, {NO_INSTANT} AS deadline,"
        f" l.twins FROM listings l JOIN channels c ON c.id = l.channel_id WHERE l.listed AND {condition}"
    )


def _unmapped(view: View) -> str:
    return _listings(f"l.item_id IS NULL AND l.fulfiller = 'merchant' AND c.name IN {names(view.channels)}")


KINDS = (
    Query(
        name="listing_unmapped",
        means="the channel offers something of which nobody knows the item: no level is told",
        sql=_unmapped,
        tell=each(
            lambda row: Told(
                "nobody knows its item: no level is told, and its orders will be held",
                (f"ordersync listings map {row.channel} {quote(row.subject)} ITEM-SKU",),
            )
        ),
    ),
    Query(
        name="listing_duplicate",
        means="the channel has several listings of one SKU, and only one is told",
        sql=lambda view: _listings(f"l.twins > 0 AND NOT l.mixed AND c.name IN {names(view.channels)}"),
        tell=each(
            lambda row: Told(
                f"the channel has {row.twins + 1} listings of it and only the first is told; give each its own SKU",
                (f"ordersync listings report {row.channel}",),
            )
        ),
    ),
    Query(
        name="listing_mixed",
        means="one SKU is sold by the channel's own warehouse and by the merchant",
        sql=lambda view: _listings(f"l.mixed AND c.name IN {names(view.channels)}"),
        tell=each(
            lambda row: Told(
                "sold from the channel's warehouse and from ours; only ours is told: keep the two apart by SKU",
                (f"ordersync listings report {row.channel}",),
            )
        ),
    ),
)
