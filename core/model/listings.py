"""What a channel offers for sale, and how much of it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from core.model.orders import Fulfiller


class ChannelListing(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One thing a channel offers for sale."""

    sku: str
    title: str = ""
    handle: str = ""
    """What the connector needs to push its level (ids, product type): opaque to others."""
    fulfiller: Fulfiller = Fulfiller.MERCHANT
    quantities: Mapping[str, int] = msgspec.field(default_factory=dict)
    """Level by place; the empty place where the channel keeps one number."""


class Level(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The quantity one listing may sell at one of the channel's places."""

    key: str
    """Ours: listing and place. An `Ack` answers with it."""
    sku: str
    handle: str
    """The connector's own words for the listing (`ChannelListing.handle`)."""
    place: str
    """The channel's location id; empty where the channel keeps one number a listing."""
    quantity: int
    revision: int
    """Grows with every new desired quantity of this key; a lower one never lands after a higher."""
    expected: int | None = None
    """What we believe the channel holds now, for channels that compare and set; None: not known."""


class LevelKey(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Names one level to read back."""

    key: str
    sku: str
    handle: str
    place: str


class ChannelLevel(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A level as the channel holds it."""

    key: str
    quantity: int


class OwnStock(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Units that lie in the channel's own warehouses (FBA, WFS). Only that channel sells and ships them."""

    sku: str
    on_hand: int
    """Units there, whatever is promised."""
    available: int
    """Units that can be sold now."""
    incoming: int = 0
    """Units on their way there."""
