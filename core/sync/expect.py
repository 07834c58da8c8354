"""What a channel's own orders did to its own levels.

A channel lowers its level when an order is placed and raises it when units are cancelled, at a place of its own
choosing, which need not be where we would take the units from. So the levels an order touched are due again even where
what we want them to be has not changed. Where the channel compares and sets, our expectation follows its orders as
well: the push then compares, and a wrong expectation is found out at once instead of standing as a wrong level.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from core.connector import Ability
from core.store import tables
from core.store.catalogue import Listed
from core.store.database import Tx
from core.sync.channel import Channel


class Taken(NamedTuple):
    """Units a channel's order took off one of its levels; negative where it gave them back."""

    sku: str
    place: str
    """Empty where the channel does not say."""
    units: int
    at: int
    """When, in microseconds, by the channel's clock."""


def expect(tx: Tx, channel: Channel, taken: Iterable[Taken], listed: Mapping[str, Listed], now: int) -> None:
    """Lets the expectations follow `taken`, and makes the levels concerned due."""
    places = set(channel.places.values())
    only = next(iter(places)) if len(places) == 1 else ""
    moved: defaultdict[int, list[Taken]] = defaultdict(list)
    for one in taken:
        found = listed.get(one.sku)
        if one.units and found is not None and found.listing_id is not None:
            moved[found.listing_id].append(one if one.place else one._replace(place=only))
    if not moved:
        return
    rows = tx.rows(
        "SELECT listing_id, place, known_at, state, revision, expected FROM levels WHERE channel_id = :channel"
        " AND listing_id IN :ids AND state IN ('applied', 'accepted', 'queued', 'sent')"
        " ORDER BY listing_id, place /*lock*/",
        channel=channel.id,
        ids=sorted(moved),
    )
    touched = [row for row in rows if any(one.place in ("", row.place) for one in moved[row.listing_id])]
    if Ability.COMPARE_AND_SET in channel.connector.abilities:
        changes = ((row, _less(row, moved[row.listing_id])) for row in touched if row.expected is not None)
        rows = [(row.listing_id, row.place, less) for row, less in changes if less]
        tx.update(tables.levels, ("listing_id", "place"), ("expected+",), rows)
    tx.update(
        tables.levels,
        ("listing_id", "place"),
        ("state", "revision+", "due_at"),
        [
            # One in flight lands first; its revision is no longer the newest, so it is pushed again behind that.
            (row.listing_id, row.place, "queued", 1, now) if row.state == "applied"
            else (row.listing_id, row.place, "accepted", 1, now)
            for row in touched
            if row.state in ("applied", "accepted")
        ],
    )  # fmt: skip


def _less(row: Any, taken: Iterable[Taken]) -> int:
    """What the channel took off this level later than we knew it: what it held before that has it taken off already."""
    return -sum(one.units for one in taken if one.place == row.place and one.at > row.known_at)
