"""Promises that no location is bound to yet: whose they are, and where those may ship from."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Sequence

from core.spare import Sites
from core.store.database import Tx

UNBOUND = """
FROM lines l JOIN reservations r ON r.line_id = l.id JOIN orders o ON o.id = l.order_id
 JOIN channels c ON c.id = o.channel_id
WHERE l.reserved > l.allocated AND r.item_id IN :items
 AND l.item_id IN (SELECT id FROM items WHERE id IN :items UNION SELECT kit_id FROM kits WHERE component_id IN :items)
"""
"""SQL: the unbound lines `l` that hold `items`, with reservations `r`, orders `o` and channels `c`. Led by the index of
unbound lines. Left out is a line that holds an item only as its kit was made up once."""


def unbound(tx: Tx, items: Sequence[int]) -> dict[int, dict[Sites, int]]:
    """The units of items that are promised and not bound, by item and by the locations they may come from."""
    found: defaultdict[int, defaultdict[Sites, int]] = defaultdict(lambda: defaultdict(int))
    rows = tx.rows(
        f"SELECT c.sites, r.item_id, SUM((l.reserved - l.allocated) * r.per) {UNBOUND} GROUP BY c.sites, r.item_id"
        " ORDER BY c.sites, r.item_id",
        items=list(items),
    )
    for sites, item, units in rows:
        found[item][as_sites(sites)] += int(units)
    return {item: dict(by) for item, by in found.items()}


def as_text(sites: Collection[int]) -> str:
    """A list of locations as the channel's row keeps it: equal lists are equal texts."""
    return json.dumps(sorted(sites), separators=(",", ":"))


def as_sites(text: str) -> Sites:
    """The list that a channel's row keeps."""
    return frozenset(json.loads(text)) if text else None
