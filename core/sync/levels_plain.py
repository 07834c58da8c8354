"""Levels of plain items, which nearly all are: computed from sums that the database makes.

A plain item is no kit, every unit promised of it is bound to a location, and nothing of it is offered ahead. Then what
its channels may have is a sum over their locations, whoever else ships from there. Whatever is not that simple, in an
item, a listing or a channel's rules, is left to `core.sync.levels.desired`, which knows all of it and agrees with this
where both apply (a test compares them).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.levels import Rule
from core.store.database import Tx

Key = tuple[int, str]
"""(listing's id, place)."""

Listing = tuple[int, int, int, int]
"""(listing's id, channel's id, item's id, 1 where it has rules of its own else 0)."""

Wanted = Mapping[int, Mapping[int, Mapping[str, int]]]
"""Levels by channel, item and place."""

OWN_RULES = "(stopped OR buffer IS NOT NULL OR cap IS NOT NULL OR percent IS NOT NULL)"
"""SQL: a listing that has rules of its own."""

_LISTING = f"l.id, l.channel_id, l.item_id, CASE WHEN {OWN_RULES} THEN 1 ELSE 0 END"
_THESE = "WHERE l.item_id IN :items AND l.fulfiller = 'merchant'"


def is_simple(rule: Rule) -> bool:
    """Whether a channel's levels are sums over locations: no buffer and no cap goes for several places together."""
    together = len(rule.places) > 1 and (rule.buffer or rule.cap is not None)
    return rule.quantile is None and bool(rule.places) and not together


def plain_levels(tx: Tx, by: Mapping[int, Rule], items: Sequence[int]) -> tuple[dict[Key, tuple[int, int]], set[int]]:
    """The levels of `items` that are not as they are stored, at channels with simple rules `by`: (channel's id, units).

    And the items of which something is not plain: their levels are still to be computed.
    """
    ids = sorted(set(items))
    wanted, rest = _wanted(tx, by, ids)
    plain = [item for item in ids if item not in rest]
    differ = _joined(tx, wanted, plain) if tx.sqlite else _looked_up(tx, wanted, plain)
    changed: dict[Key, tuple[int, int]] = {}
    for (listing, channel, item, own), stored in differ.items():
        levels = wanted[channel][item]
        if own or not stored.keys() <= levels.keys():
            rest.add(item)
            continue
        for place, units in levels.items():
            if stored.get(place) != units:
                changed[listing, place] = channel, units
    return changed, rest


def _joined(tx: Tx, wanted: Wanted, items: Sequence[int]) -> dict[Listing, dict[str, int]]:
    """The listings that have rules of their own or are not stored as they are `wanted`, and what is stored of them.

    SQLite joins faster than it takes ids back.
    """
    found: dict[Listing, dict[str, int]] = {}
    query = f"SELECT {_LISTING}, v.place, v.desired FROM listings l LEFT JOIN levels v ON v.listing_id = l.id {_THESE}"
    for listing, channel, item, own, place, units in tx.tuples(query, items=items):
        if channel in wanted and (own or wanted[channel][item] != {place: units}):
            stored = found.setdefault((listing, channel, item, own), {})
            if place is not None:  # else there is none
                stored[place] = units
    return found


def _looked_up(tx: Tx, wanted: Wanted, items: Sequence[int]) -> dict[Listing, dict[str, int]]:
    """As `_joined`. PostgreSQL looks up a list of ids faster than it joins, and now and then plans a join of so many as
    a scan of everything."""
    listings = tx.tuples(f"SELECT {_LISTING} FROM listings l {_THESE}", items=items)
    stored: dict[int, dict[str, int]] = {}
    for listing, place, units in tx.tuples(
        "SELECT listing_id, place, desired FROM levels WHERE listing_id IN :ids", ids=[row[0] for row in listings]
    ):
        if listing in stored:
            stored[listing][place] = units
        else:
            stored[listing] = {place: units}
    nothing: dict[str, int] = {}
    return {
        (listing, channel, item, own): stored.get(listing, nothing)
        for listing, channel, item, own in listings
        if channel in wanted and (own or stored.get(listing) != wanted[channel][item])
    }


def _wanted(tx: Tx, by: Mapping[int, Rule], ids: Sequence[int]) -> tuple[Wanted, set[int]]:
    """Levels by channel, item and place; channels with the same rules share them. And the items that are not plain."""
    spots = sorted({tuple(sorted(spots)) for rule in by.values() for spots in rule.places.values()})
    keep = {row[0]: row[1] for row in tx.tuples("SELECT id, keep FROM locations WHERE keep > 0")}
    sums = "".join(f", COALESCE(SUM({_free(one, keep)}), 0)" for one in spots)
    rest = {row[0] for row in tx.tuples("SELECT DISTINCT kit_id FROM kits WHERE kit_id IN :ids", ids=list(ids))}
    rest |= {row[0] for row in tx.tuples("SELECT item_id FROM presales WHERE ahead <> 0 AND item_id IN :ids",
                                         ids=list(ids))}  # fmt: skip
    stood = {
        row[0]: row
        for row in tx.tuples(
            f"SELECT item_id, SUM(allocated){sums} FROM stock WHERE item_id IN :ids GROUP BY item_id", ids=list(ids)
        )
    }
    rows = []
    empty = (0,) * (1 + len(spots))
    for item, reserved in tx.tuples("SELECT id, reserved FROM items WHERE id IN :ids", ids=list(ids)):
        row = stood.get(item) or (item, *empty)
        if row[1] != reserved:
            rest.add(item)
        else:
            rows.append(row)
    found: dict[int, dict[int, dict[str, int]]] = {}
    made: dict[str, dict[int, dict[str, int]]] = {}
    at = {one: 2 + number for number, one in enumerate(spots)}
    for channel, rule in by.items():
        sign = repr(rule)
        if sign not in made:
            columns = [(place, at[tuple(sorted(some))]) for place, some in rule.places.items()]
            made[sign] = {row[0]: _levels(rule, columns, row) for row in rows}
        found[channel] = made[sign]
    return found, rest


def _free(spots: Sequence[int], keep: Mapping[int, int]) -> str:
    """SQL: what of a row of stock is free at `spots`, less what each location keeps for its own counter."""
    kept = "".join(
        f" WHEN location_id = {spot} THEN CASE WHEN on_hand - allocated > {keep[spot]}"
        f" THEN on_hand - allocated - {keep[spot]} ELSE 0 END"
        for spot in spots
        if spot in keep
    )
    return f"CASE{kept} WHEN location_id IN ({', '.join(map(str, spots)) or 'NULL'}) THEN on_hand - allocated END"


def _levels(rule: Rule, columns: Sequence[tuple[str, int]], row: Sequence[int]) -> dict[str, int]:
    """As `core.levels.levels` has it, of sums."""
    buffer, cap, percent = rule.buffer, rule.cap, rule.percent
    levels = {}
    for place, column in columns:
        units = row[column] - buffer
        if units < 0:
            units = 0
        if cap is not None and units > cap:
            units = cap
        levels[place] = units if percent == 100 else units * percent // 100
    return levels
