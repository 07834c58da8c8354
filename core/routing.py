"""From which locations an order ships. Pure: quantities and locations in, a decision with its reasons out.

Of the locations that may serve the order, in order of rank, the first that holds everything gets it all. Where none
does, the location that can send most units is asked for what it has, then the next for the rest: few parcels, not
provably the fewest. Where splitting is off, an order no single location holds waits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cache

import msgspec
import zipcodes

from core.model import Location, Parts


class Piece(msgspec.Struct, frozen=True, gc=False):
    """Units of one order line that hold a reservation but no location yet."""

    line_id: int
    parts: Parts
    quantity: int


class Site(msgspec.Struct, frozen=True):
    """A location with its id in the store."""

    id: int
    location: Location


class Candidate(msgspec.Struct, frozen=True, omit_defaults=True):
    """One location in a decision: its place in the ranking, or the rule that dropped it."""

    location: str
    id: int = 0
    priority: int = 0
    km: int | None = None
    dropped: str = ""
    by: str = ""
    """The `Reason` of a location that was dropped and may be asked another time."""


class Share(msgspec.Struct, frozen=True):
    """What one location is asked to send: units by line."""

    location_id: int
    units: Mapping[int, int]


class Decision(msgspec.Struct, frozen=True):
    """Where everything goes. `unplaced` counts the units no location was found for."""

    shares: tuple[Share, ...]
    unplaced: int
    rule: str
    short: tuple[int, ...] = ()
    """Locations that were passed over, as they do not hold everything."""
    waits: Mapping[int, int] = {}
    """Of the unplaced units, by line, those that keep their promise: a location has them that may not send them now."""
    reason: Reason | None = None
    """Why they wait."""


class Reason(StrEnum):
    """Why an order waits for a location."""

    SPLIT = "split"
    """No single location holds all of it, and it may not be split."""
    REJECTED = "rejected"
    """The locations that hold it have said they cannot send it."""


def candidates(
    sites: Sequence[Site], rank: Sequence[str], country: str, postal_code: str, left_out: Mapping[int, str] = {}
) -> tuple[Candidate, ...]:
    """The channel's locations in order of preference, the dropped ones last with their reason.

    `rank` names the criteria in order: `priority` (smaller first), `distance` (nearer first; unknown last). `left_out`:
    the locations that are out of the question for the order, by id, and why.
    """
    ranked, dropped = [], []
    for site in sites:
        place = site.location
        if not place.active:
            dropped.append(Candidate(place.name, site.id, place.priority, dropped="not active"))
            continue
        if site.id in left_out:
            why = left_out[site.id]
            dropped.append(Candidate(place.name, site.id, place.priority, dropped=why, by=Reason.REJECTED.value))
            continue
        km = distance_km(place.country, place.postal_code, country or place.country, postal_code)
        ranked.append(Candidate(place.name, site.id, place.priority, None if km is None else round(km)))

    def key(candidate: Candidate) -> tuple[float | str, ...]:
        worth = {"priority": candidate.priority, "distance": math.inf if candidate.km is None else candidate.km}
        return (*(worth[name] for name in rank), candidate.location)

    return (*sorted(ranked, key=key), *dropped)


def route(
    pieces: Sequence[Piece], free: Mapping[tuple[int, int], int], ranked: Sequence[Candidate], *, split: bool = True
) -> Decision:
    """Divides `pieces` among `ranked`, given what is `free` by (item, location)."""
    able = [candidate.id for candidate in ranked if not candidate.dropped]
    need: dict[int, int] = {}
    wanted: dict[int, int] = {}
    for piece in pieces:
        wanted[piece.line_id] = piece.quantity
        for item, per in piece.parts:
            need[item] = need.get(item, 0) + per * piece.quantity
    for passed, place in enumerate(able):
        for item, count in need.items():
            if free.get((item, place), 0) < count:
                break
        else:
            return Decision((Share(place, wanted),), 0, "holds everything", tuple(able[:passed]))
    if not split:
        rule = "no single location holds everything, and splitting is off"
        return Decision((), sum(wanted.values()), rule, tuple(able), wanted, Reason.SPLIT)
    left = dict(free)
    shares: list[Share] = []
    while any(wanted.values()):
        used = {share.location_id for share in shares}
        units, place = _best(pieces, wanted, left, [place for place in able if place not in used])
        if not units:
            break
        for piece in pieces:
            for item, per in piece.parts:
                left[item, place] = left.get((item, place), 0) - per * units.get(piece.line_id, 0)
            wanted[piece.line_id] -= units.get(piece.line_id, 0)
        shares.append(Share(place, units))
    unplaced = sum(wanted.values())
    waits = _kept(pieces, wanted, left, [one.id for one in ranked if one.by]) if unplaced else {}
    rule = "most units first" if shares else "no location may send it"
    return Decision(tuple(shares), unplaced, rule, tuple(able), waits, Reason.REJECTED if waits else None)


def _kept(
    pieces: Sequence[Piece], wanted: Mapping[int, int], free: Mapping[tuple[int, int], int], places: Sequence[int]
) -> dict[int, int]:
    """What locations could send, of those that may not at present: nobody else is to be promised these units."""
    open, left, kept = dict(wanted), dict(free), dict[int, int]()
    for place in places:
        units = _sendable(pieces, open, left, place)
        for piece in pieces:
            count = units.get(piece.line_id, 0)
            open[piece.line_id] -= count
            if count:
                kept[piece.line_id] = kept.get(piece.line_id, 0) + count
            for item, per in piece.parts:
                left[item, place] = left.get((item, place), 0) - per * count
    return kept


def _best(
    pieces: Sequence[Piece], wanted: Mapping[int, int], free: Mapping[tuple[int, int], int], places: Sequence[int]
) -> tuple[dict[int, int], int]:
    """The place that can send most units (the better ranked of equals), with those units by line."""
    best: dict[int, int] = {}
    where = 0
    for place in places:
        units = _sendable(pieces, wanted, free, place)
        if sum(units.values()) > sum(best.values()):
            best, where = units, place
    return best, where


def _sendable(
    pieces: Sequence[Piece], wanted: Mapping[int, int], free: Mapping[tuple[int, int], int], place: int
) -> dict[int, int]:
    """What `place` can send of `wanted`, first lines first; a kit goes whole or not at all."""
    left: dict[int, int] = {}
    units: dict[int, int] = {}
    for piece in pieces:
        count = wanted[piece.line_id]
        for item, per in piece.parts:
            count = min(count, left.get(item, free.get((item, place), 0)) // per)
        if count > 0:
            units[piece.line_id] = count
            for item, per in piece.parts:
                left[item] = left.get(item, free.get((item, place), 0)) - per * count
    return units


def distance_km(country: str, postal_code: str, other_country: str, other_code: str) -> float | None:
    """Great-circle distance between two US ZIP codes' centres (haversine); None where one is not known."""
    here, there = _centre(country, postal_code), _centre(other_country, other_code)
    if here is None or there is None:
        return None
    (lat1, lon1), (lat2, lon2) = here, there
    half = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * 6371.0088 * math.asin(math.sqrt(half))


def _centre(country: str, postal_code: str) -> tuple[float, float] | None:
    """Latitude and longitude in radians."""
    return _centres().get(postal_code.strip()[:5]) if country in ("US", "USA", "") else None


@cache
def _centres() -> dict[str, tuple[float, float]]:
    return {
        entry["zip_code"]: (math.radians(float(entry["lat"])), math.radians(float(entry["long"])))
        for first in "0123456789"  # the whole table at once takes 130 MiB
        for entry in zipcodes.similar_to(first)  # type: ignore[no-untyped-call]
        if entry["lat"] and entry["long"]
    }
