"""What a channel that compares and sets is expected to hold, after its own orders moved its levels.

The channel lowered its level when an order was placed and raised it when units were cancelled, at a place of its own
choosing. Our expectation follows, and the level is due again even where what we want it to be has not changed: the
push then compares, and a wrong expectation is found out at once instead of standing as a wrong level.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from core.store import tables
from core.store.catalogue import Listed
from core.store.database import Tx
from core.sync.channel import Channel


class Taken(NamedTuple):
    """Units a channel's order took off one of its levels; negative where it gave them back."""

    sku: str
    place: str
    units: int
    at: int
    """When, in microseconds, by the channel's clock."""


def expect(tx: Tx, channel: Channel, taken: Iterable[Taken], listed: Mapping[str, Listed], now: int) -> None:
    """Lets the expectations follow `taken`, and makes the levels concerned due."""
    places = set(channel.places.values())
    only = next(iter(places)) if len(places) == 1 else ""
    moved: defaultdict[tuple[int, str], list[Taken]] = defaultdict(list)
    for one in taken:
        found = listed.get(one.sku)
        if one.units and found is not None and found.listing_id is not None:
            moved[found.listing_id, one.place or only].append(one)
    if not moved:
        return
    rows = tx.rows(
        "SELECT listing_id, place, known_at, state FROM levels WHERE channel_id = :channel AND listing_id IN :ids"
        " AND expected IS NOT NULL ORDER BY listing_id, place /*lock*/",
        channel=channel.id,
        ids=sorted({listing for listing, _ in moved}),
    )
    known = [row for row in rows if (row.listing_id, row.place) in moved]
    tx.update(
        tables.levels,
        ("listing_id", "place"),
        ("expected+",),
        [
            # What was known later than the order was placed has its units taken off already.
            (r.listing_id, r.place, -sum(one.units for one in moved[r.listing_id, r.place] if one.at > r.known_at))
            for r in known
        ],
    )
    tx.update(
        tables.levels,
        ("listing_id", "place"),
        ("state", "due_at"),
        [(row.listing_id, row.place, "queued", now) for row in known if row.state == "applied"],
    )
