"""Why a channel is told what it is told of one listing: every number from the shelf to the channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from core.errors import UserError
from core.levels import Rule, buffer_of, levels, ruled
from core.model import Parts
from core.settings import ChannelSettings
from core.store.catalogue import parts_of
from core.store.database import Store, Tx
from core.sync.demand import buffer_for, rates_of, window_of
from core.sync.levels import Shelves, buffers_of, in_force, rules
from core.sync.listing_rules import own_of

DAY = 86_400


class Shelf(msgspec.Struct, frozen=True):
    """One item at one location that ships for the channel."""

    sku: str
    location: str
    place: str
    """The channel's own id of it; empty where it keeps one level."""
    on_hand: int
    allocated: int
    spare: int
    """On hand less allocated, less what the promises of other channels need there and what is kept for the counter."""
    counter: int = 0
    """Units kept there for its own counter (`keep` in locations.toml)."""


class Kept(msgspec.Struct, frozen=True):
    """What is kept back of one item before it is offered."""

    sku: str
    per: int
    """Units of it in one unit of the listing."""
    reserved: int
    unbound: int
    """Promised, not bound to a location yet, and to be kept from this channel's locations."""
    ahead: int
    """Offered although it is not there (`ordersync stock preorder`); below zero: so many of what is there are not."""
    buffer: int
    why: str


class Offer(msgspec.Struct, frozen=True):
    """One level."""

    place: str
    units: int
    """What it comes to now."""
    desired: int | None
    """What it came to when it was computed last; None: not yet."""
    told: int | None
    """What the channel has taken; None: nothing yet."""
    state: str
    reason: str


class Explained(msgspec.Struct, frozen=True):
    channel: str
    sku: str
    item: str
    shelves: tuple[Shelf, ...]
    kept: tuple[Kept, ...]
    cap: int | None
    percent: int
    stopped: bool
    own: tuple[str, ...]
    """Which of the rules are the listing's own."""
    offers: tuple[Offer, ...]
    touched: bool
    """The stock has moved since the levels were computed."""


def explain(store: Store, channels: Mapping[str, ChannelSettings], channel: str, sku: str, now: int) -> Explained:
    """Every number that makes the levels of a channel's `sku`, as of now.

    Raises `UserError` for a listing that the channel does not have, that is nobody's item, or that it fulfils itself.
    """
    with store.read() as tx:
        row = tx.row(
            "SELECT l.*, i.sku AS item FROM listings l JOIN channels c ON c.id = l.channel_id"
            " LEFT JOIN items i ON i.id = l.item_id WHERE c.name = :channel AND l.sku = :sku",
            channel=channel,
            sku=sku,
        )
        if row is None:
            raise UserError(f"{channel} lists no {sku}; see `ordersync listings list {channel}`")
        if row.item_id is None:
            raise UserError(f"nobody knows which item {sku} of {channel} is; map it (`ordersync listings map`)")
        if row.fulfiller != "merchant":
            raise UserError(f"{channel} ships {sku} itself and is told nothing of it")
        by = in_force(tx, rules(tx, channels))
        if row.channel_id not in by:
            raise UserError(f"{channel} is told no levels; see push_levels in channels/{channel}.toml")
        return _explained(tx, channels, channel, row, by, now)


def _explained(
    tx: Tx, channels: Mapping[str, ChannelSettings], channel: str, row: Any, by: Mapping[int, Rule], now: int
) -> Explained:
    own = own_of(row)
    rule = ruled(by[row.channel_id], own)
    parts = parts_of(tx, [row.item_id])[row.item_id]
    sites = frozenset(spot for spots in rule.places.values() for spot in spots)
    unbound, spare = Shelves(tx, [item for item, _ in parts]).of(sites)
    buffers = buffers_of(tx, {row.channel_id: rule}, [parts])[row.channel_id]
    ahead = {
        one.item_id: one.ahead
        for one in tx.rows("SELECT item_id, ahead FROM presales WHERE item_id IN :ids", ids=[item for item, _ in parts])
    }
    told = {one.place: one for one in tx.rows("SELECT * FROM levels WHERE listing_id = :id ORDER BY place", id=row.id)}
    counts = levels(parts, rule, unbound, spare, buffers)
    items = [item for item, _ in parts]
    return Explained(
        channel=channel,
        sku=row.sku,
        item=row.item,
        shelves=_shelves(tx, parts, rule, spare, {(item, min(sites)): ahead.get(item, 0) for item in items if sites}),
        kept=_kept(tx, channels, row.channel_id, parts, rule, unbound, buffers, ahead, own.buffer is not None, now),
        cap=rule.cap if not own.stopped else own.cap,
        percent=rule.percent,
        stopped=own.stopped,
        own=tuple(name for name in ("buffer", "cap", "percent") if getattr(own, name) is not None),
        offers=tuple(
            Offer(
                place,
                units,
                told[place].desired if place in told else None,
                told[place].told if place in told else None,
                told[place].state if place in told else "not computed yet",
                told[place].reason if place in told else "",
            )
            for place, units in counts.items()
        ),
        touched=tx.row("SELECT 1 FROM touched WHERE item_id IN :ids", ids=[*items, row.item_id]) is not None,
    )


def _shelves(
    tx: Tx,
    parts: Parts,
    rule: Rule,
    spare: Mapping[tuple[int, int], int],
    ahead: Mapping[tuple[int, int], int],
) -> tuple[Shelf, ...]:
    """`ahead`: what is offered ahead stands, as levels are computed, at one of the locations; here it does not."""
    place_of = {spot: place for place, spots in rule.places.items() for spot in spots}
    rows = tx.rows(
        "SELECT i.sku, l.name, l.keep, s.* FROM stock s JOIN items i ON i.id = s.item_id JOIN locations l"
        " ON l.id = s.location_id WHERE s.item_id IN :items AND s.location_id IN :spots ORDER BY i.sku, l.name",
        items=[item for item, _ in parts],
        spots=sorted(place_of),
    )
    return tuple(
        Shelf(row.sku, row.name, place_of[row.location_id], row.on_hand, row.allocated,
              spare.get((row.item_id, row.location_id), 0) - max(0, ahead.get((row.item_id, row.location_id), 0)),
              min(row.keep, max(0, row.on_hand - row.allocated)))
        for row in rows
    )  # fmt: skip


def _kept(
    tx: Tx,
    channels: Mapping[str, ChannelSettings],
    channel_id: int,
    parts: Parts,
    rule: Rule,
    unbound: Mapping[int, int],
    buffers: Mapping[int, int],
    ahead: Mapping[int, int],
    own: bool,
    now: int,
) -> tuple[Kept, ...]:
    rows = {row.id: row for row in tx.rows("SELECT * FROM items WHERE id IN :ids", ids=[item for item, _ in parts])}
    whys = dict.fromkeys(rows, "the listing's own" if own else "the channel's")
    if rule.quantile is not None:
        window = window_of(tx, channels, {channel_id: rule})[channel_id]
        rates = rates_of(tx, now, list(rows))
        for item in rows:
            whys[item] = _why(channel_id, rates.get(item, {}), window, rule.quantile)
    return tuple(
        Kept(
            sku=rows[item].sku,
            per=per,
            reserved=rows[item].reserved,
            # Fewer ahead than none are reckoned as promised.
            unbound=max(0, unbound.get(item, 0)) - max(0, -ahead.get(item, 0)),
            ahead=ahead.get(item, 0),
            buffer=buffer_of(item, rule, buffers),
            why=whys[item],
        )
        for item, per in parts
    )


def _why(channel_id: int, sold: Mapping[int, tuple[float, float]], window: float, quantile: float) -> str:
    others = sum(mean for one, (mean, _) in sold.items() if one != channel_id)
    units = buffer_for(channel_id, sold, window, quantile)
    return (
        f"the other channels sell {others * DAY:.1f} a day, this one knows of it within {window:.0f} s: "
        f"{units} suffice in {quantile:.2%} of cases"
    )
