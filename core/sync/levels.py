"""Levels: what each channel should be told follows from the stock; what differs from what it was told is pushed.

Level-triggered: an item that changed fifty times since the last push is pushed once. Movements only mark an item as
touched, in their own transaction; `refresh` turns marks into desired levels for all channels at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from core.levels import Own, Rule, levels, ruled
from core.model import Parts
from core.settings import ChannelSettings
from core.spare import Sites, spare
from core.store import tables
from core.store.catalogue import parts_of
from core.store.database import Store, Tx
from core.store.moves import touch
from core.store.unbound import unbound
from core.sync.ahead import write
from core.sync.demand import learn
from core.sync.levels_plain import Key, is_simple, plain_levels

BATCH = 4_000
"""Touched items worked off in one transaction."""


def rules(tx: Tx, channels: Mapping[str, ChannelSettings]) -> dict[int, Rule]:
    """The level rules of the configured channels, by id; a channel never taken up has none yet."""
    ids = {row.name: row.id for row in tx.rows("SELECT id, name FROM channels")}
    spots = {row.name: row.id for row in tx.rows("SELECT id, name FROM locations WHERE active")}
    found = {}
    for name, settings in channels.items():
        places: defaultdict[str, list[int]] = defaultdict(list)
        for location, place in settings.locations.items():
            places[place] += [spots[location]] if location in spots else []  # a closed one offers nothing
        if name in ids and settings.push_levels:
            auto = settings.buffer_quantile if settings.buffer == "auto" else None
            fixed = 0 if settings.buffer == "auto" else settings.buffer
            found[ids[name]] = Rule(dict(places), fixed, settings.cap, settings.percent, auto)
    return found


def touch_changed_rules(store: Store, channels: Mapping[str, ChannelSettings]) -> None:
    """Touches every item on offer when a channel's rules are not the ones its levels were computed by."""

    def changed(tx: Tx, lock: str = "") -> dict[int, str]:
        now = {id: msgspec.json.encode(rule, order="sorted").decode() for id, rule in rules(tx, channels).items()}
        was = {row.id: row.rules for row in tx.rows(f"SELECT id, rules FROM channels ORDER BY id {lock}")}
        # A channel that is told nothing any more has no rules: told again some day, all of it is computed anew.
        now |= {id: "" for id in was if id not in now}
        return {id: rule for id, rule in now.items() if was[id] != rule}

    def work(tx: Tx) -> None:
        rows = sorted(changed(tx, "/*lock*/").items())
        if rows:
            touch(tx, [r.item_id for r in tx.rows("SELECT DISTINCT item_id FROM listings WHERE item_id IS NOT NULL")])
            tx.update(tables.channels, ("id",), ("rules",), rows)

    with store.read() as tx:  # a round of one channel must not wait for the pages of all others
        differs = bool(changed(tx))
    if differs:
        store.transact(work)


def refresh(store: Store, channels: Mapping[str, ChannelSettings], now: int) -> set[int]:
    """Works off the touched items; returns the ids of the channels that have levels due by it."""
    due: set[int] = set()
    if any(settings.buffer == "auto" for settings in channels.values()):
        with store.read() as tx:
            by = in_force(tx, rules(tx, channels))
        learn(store, channels, by, now)
    while True:
        count, more = store.transact(lambda tx: _refresh(tx, channels, now))
        due |= more
        if count < BATCH:
            return due


def _refresh(tx: Tx, channels: Mapping[str, ChannelSettings], now: int) -> tuple[int, set[int]]:
    tx.alone("levels")  # two at once could each see but one moved component of a kit
    tx.by_index()
    marks = tx.tuples("SELECT item_id FROM touched ORDER BY item_id LIMIT :batch /*lock*/", batch=BATCH)
    if not marks:
        return 0, set()
    touched = [row[0] for row in marks]
    kits = [row.kit_id for row in tx.rows("SELECT kit_id FROM kits WHERE component_id IN :ids", ids=touched)]
    write(tx, [*touched])
    changed = _changed(tx, in_force(tx, rules(tx, channels)), touched, kits)
    tx.insert(
        tables.levels,
        ("listing_id", "place", "channel_id", "desired", "due_at", "wanted_at"),
        [(*key, channel, units, now, now) for key, (channel, units) in sorted(changed.items())],
        "ON CONFLICT (listing_id, place) DO UPDATE SET desired = excluded.desired, revision = levels.revision + 1,"
        " wanted_at = COALESCE(levels.wanted_at, excluded.wanted_at),"
        " fell_at = CASE WHEN excluded.desired >= levels.told THEN 0 WHEN levels.desired < levels.told"
        " THEN levels.fell_at WHEN excluded.desired < levels.told THEN excluded.due_at ELSE 0 END,"
        " attempts = 0, reason = '', due_at = CASE WHEN levels.state = 'accepted' THEN levels.due_at"
        " ELSE excluded.due_at END,"
        # One in flight is left to land first: a lower revision must never land after a higher one.
        " state = CASE WHEN levels.state = 'accepted' THEN 'accepted' ELSE 'queued' END",
    )
    tx.run("DELETE FROM touched WHERE item_id IN :ids", ids=touched)
    return len(marks), {channel for channel, _ in changed.values()}


def _changed(tx: Tx, by: Mapping[int, Rule], touched: Sequence[int], kits: Sequence[int]) -> dict[Key, tuple[int, int]]:
    """The levels that are not as they are stored: plain ones by sums, the others one by one."""
    simple = {id: rule for id, rule in by.items() if is_simple(rule)}
    changed, rest = plain_levels(tx, simple, touched) if simple else ({}, set(touched))
    changed |= _differing(tx, desired(tx, simple, [*rest, *kits]))
    others = {id: rule for id, rule in by.items() if id not in simple}
    return changed | _differing(tx, desired(tx, others, [*touched, *kits])) if others else changed


def in_force(tx: Tx, by: Mapping[int, Rule]) -> dict[int, Rule]:
    """The rules the stored levels were computed by, where there are any: a long round may still hold older ones."""
    stored = {row.id: row.rules for row in tx.rows("SELECT id, rules FROM channels")}
    return {id: msgspec.json.decode(stored[id], type=Rule) if stored.get(id) else rule for id, rule in by.items()}


def desired(tx: Tx, by: Mapping[int, Rule], items: Sequence[int]) -> dict[Key, tuple[int, int]]:
    """What the channels should be told of the listings of `items`: (channel's id, units) by key.

    Listings that the channel fulfils itself are never told anything.
    """
    ids = sorted(set(items))
    if not ids:
        return {}
    listings = tx.rows(
        "SELECT id, channel_id, item_id, buffer, cap, percent, stopped FROM listings"
        " WHERE item_id IN :ids AND fulfiller = 'merchant' ORDER BY id",
        ids=ids,
    )
    parts = parts_of(tx, [row[2] for row in listings])
    shelves = Shelves(tx, {item for found in parts.values() for item, _ in found})
    sites = {id: frozenset(spot for spots in rule.places.values() for spot in spots) for id, rule in by.items()}
    seen = {id: shelves.of(sites[id]) for id in by}
    buffers = buffers_of(tx, by, parts.values())
    found: dict[Key, tuple[int, int]] = {}
    for listing, channel, item, buffer, cap, percent, stopped in listings:
        if channel in by:
            rule = by[channel]
            if stopped or not (buffer is None and cap is None and percent is None):
                rule = ruled(rule, Own(buffer, cap, percent, bool(stopped)))
            for place, units in levels(parts[item], rule, *seen[channel], buffers[channel]).items():
                found[listing, place] = channel, units
    return found


def buffers_of(tx: Tx, by: Mapping[int, Rule], parts: Iterable[Parts]) -> dict[int, dict[int, int]]:
    """The buffers that follow demand: units by item, by channel."""
    found: dict[int, dict[int, int]] = {id: {} for id in by}
    auto = [id for id, rule in by.items() if rule.quantile is not None]
    if auto:
        for channel, item, units in tx.rows(
            "SELECT channel_id, item_id, units FROM buffers WHERE channel_id IN :auto AND item_id IN :items",
            auto=auto,
            items=sorted({item for found in parts for item, _ in found}),
        ):
            found[channel][item] = units
    return found


class Shelves:
    """What is free of some items, as each list of locations sees it."""

    def __init__(self, tx: Tx, items: Iterable[int]) -> None:
        ids = sorted(set(items))
        self._free_at: dict[tuple[int, int], int] = {}
        self._waiting: defaultdict[int, int] = defaultdict(int)
        stands = "SELECT item_id, location_id, on_hand, allocated FROM stock WHERE item_id IN :ids"
        keep = {row.id: row.keep for row in tx.rows("SELECT id, keep FROM locations WHERE keep > 0")}
        for item, place, on_hand, allocated in tx.rows(stands, ids=ids):
            self._free_at[item, place] = max(min(0, on_hand - allocated), on_hand - allocated - keep.get(place, 0))
            self._waiting[item] -= allocated
        for item, reserved in tx.rows("SELECT id, reserved FROM items WHERE id IN :ids", ids=ids):
            self._waiting[item] += reserved
        asked = [item for item, units in self._waiting.items() if units > 0]
        alike = tx.value("SELECT count(DISTINCT sites) FROM channels") < 2
        self._unbound = unbound(tx, asked) if asked and not alike else {}
        sold_ahead = tx.rows("SELECT item_id, ahead FROM presales WHERE ahead <> 0 AND item_id IN :ids", ids=ids)
        self._ahead = {row.item_id: row.ahead for row in sold_ahead}
        self._seen: dict[frozenset[int], tuple[Mapping[int, int], Mapping[tuple[int, int], int]]] = {}

    def of(self, sites: frozenset[int]) -> tuple[Mapping[int, int], Mapping[tuple[int, int], int]]:
        """For a channel that ships from `sites`: the unbound units that come off its own, and what is spare for it."""
        if sites not in self._seen:
            others = {item: {by: n for by, n in told.items() if by != sites} for item, told in self._unbound.items()}
            others = {item: told for item, told in others.items() if told}
            seen = self._without(others, sites) if others else (self._waiting, self._free_at)
            self._seen[sites] = self._with_ahead(*seen, sites) if self._ahead and sites else seen
        return self._seen[sites]

    def _with_ahead(
        self, waiting: Mapping[int, int], free_at: Mapping[tuple[int, int], int], sites: frozenset[int]
    ) -> tuple[Mapping[int, int], Mapping[tuple[int, int], int]]:
        """Units that may be sold although they are not there stand at one of the locations, as if they were."""
        place = min(sites)
        more = {(item, place): max(0, units) + free_at.get((item, place), 0) for item, units in self._ahead.items()}
        less = {item: max(0, -units) + waiting.get(item, 0) for item, units in self._ahead.items()}
        return {**waiting, **less}, {**free_at, **more}

    def _without(
        self, others: Mapping[int, Mapping[Sites, int]], sites: frozenset[int]
    ) -> tuple[Mapping[int, int], Mapping[tuple[int, int], int]]:
        waiting = self._waiting | {item: self._waiting[item] - sum(told.values()) for item, told in others.items()}
        free: defaultdict[int, dict[int, int]] = defaultdict(dict)
        for (item, place), units in self._free_at.items():
            if item in others:
                free[item][place] = units
        left = {
            (item, place): units
            for item, told in others.items()
            for place, units in spare(free[item], told, sites).items()
        }
        return waiting, self._free_at | left


def _differing(tx: Tx, wanted: Mapping[Key, tuple[int, int]]) -> dict[Key, tuple[int, int]]:
    channel = {listing: value[0] for (listing, _), value in wanted.items()}
    known = {
        (row.listing_id, row.place): row.desired
        for row in tx.rows(
            "SELECT listing_id, place, desired FROM levels WHERE listing_id IN :ids", ids=sorted(channel)
        )
    }
    changed = {key: value for key, value in wanted.items() if known.get(key) != value[1]}
    # A place that serves the channel no more offers nothing there, instead of what it was told last.
    gone = {key: (channel[key[0]], 0) for key, units in known.items() if key not in wanted and units}
    return changed | gone
