"""What a channel's own orders did to its own levels.

A channel lowers its level when an order is placed and raises it when units are cancelled, at a place of its own
choosing, which need not be where we would take the units from. So the levels an order touched are due again even where
what we want them to be has not changed. Where the channel compares and sets, our expectation follows its orders as
well: the push then compares, and a wrong expectation is found out at once instead of standing as a wrong level.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from core.connector import Ability
from core.store import tables
from core.store.catalogue import Listed
from core.store.database import Tx
from core.sync.channel import Channel


class Taken(msgspec.Struct, frozen=True, gc=False):
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
    moved: defaultdict[int, list[tuple[str, int, int]]] = defaultdict(list)
    for one in taken:
        found = listed.get(one.sku)
        if one.units and found is not None and found.listing_id is not None:
            moved[found.listing_id].append((one.place or only, one.units, one.at))
    if not moved:
        return
    compares = Ability.COMPARE_AND_SET in channel.connector.abilities
    less: list[tuple[int, str, int]] = []
    due: list[tuple[int, str, str, int, int]] = []
    for listing_id, place, known_at, state, expected in tx.rows(
        "SELECT listing_id, place, known_at, state, expected FROM levels WHERE channel_id = :channel"
        " AND listing_id IN :ids AND state IN ('applied', 'accepted', 'queued', 'sent')"
        " ORDER BY listing_id, place /*lock*/",
        channel=channel.id,
        ids=sorted(moved),
    ):
        concerned, later = False, 0
        for at_place, units, at in moved[listing_id]:
            concerned = concerned or at_place in ("", place)
            # What the level was known to be has everything taken off it that was placed before.
            if at_place == place and at > known_at:
                later += units
        if later and compares and expected is not None:
            less.append((listing_id, place, -later))
        if concerned and state == "applied":
            due.append((listing_id, place, "queued", 1, now))
        elif concerned and state == "accepted":
            # One in flight lands first; its revision is no longer the newest, so it is pushed again behind that.
            due.append((listing_id, place, "accepted", 1, now))
    tx.update(tables.levels, ("listing_id", "place"), ("expected+",), less)
    tx.update(tables.levels, ("listing_id", "place"), ("state", "revision+", "due_at"), due)
