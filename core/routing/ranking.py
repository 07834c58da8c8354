"""In which order locations are preferred. Each criterion is a whole number, smaller is better; ties go by name.

The numbers of a criterion are added up over the parcels of an order that is split, so every unknown is a number too:
larger than any that is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from core.routing.calendar import today
from core.routing.distance import distance_km
from core.routing.eligibility import dropped, is_late, ships
from core.routing.words import Ask, Candidate, Rules, Site, Standing

UNKNOWN = 10**12
"""What is not known ranks behind everything that is: farther than anything on earth, dearer than any parcel."""

Worth = tuple[int, ...]
"""A location's numbers, the most important first."""


def candidates(
    sites: Sequence[Site], rules: Rules, ask: Ask, standing: Standing
) -> tuple[tuple[Candidate, ...], tuple[Worth, ...]]:
    """The locations in order of preference with their worth, then the dropped ones with their reason, by name."""
    ranked, out = [], []
    for site in sites:
        place = site.location
        no = dropped(site, ask, rules, standing)
        if no is not None:
            by = no.by.value if no.by is not None else ""
            out.append(Candidate(place.name, site.id, place.priority, dropped=no.why, by=by, retry_at=no.retry_at))
            continue
        ranked.append(_looked_at(site, rules, ask, standing))
    ranked.sort(key=lambda pair: (pair[1], pair[0].location))
    out.sort(key=lambda candidate: candidate.location)
    return (*(candidate for candidate, _ in ranked), *out), tuple(worth for _, worth in ranked)


def _looked_at(site: Site, rules: Rules, ask: Ask, standing: Standing) -> tuple[Candidate, Worth]:
    place = site.location
    km = distance_km(place.country, place.postal_code, ask.country or place.country, ask.postal_code)
    zone = zone_of(rules, place.name, ask.postal_code)
    day = ships(site, ask, standing) if place.has_calendar or "ship_day" in rules.rank else None
    late = is_late(site, ask, standing, day) if day is not None else False
    candidate = Candidate(
        place.name,
        site.id,
        place.priority,
        None if km is None else round(km),
        zone,
        cost_of(rules, zone, ask.grams),
        standing.loads[site.id][0] if site.id in standing.loads else None,
        day.isoformat() if day is not None and place.has_calendar else "",
        late,
    )
    wait = (day - today(place, standing.now)).days if day is not None else 0
    worth = tuple([_CRITERIA[name](candidate, wait) for name in rules.rank])
    return candidate, ((int(late), *worth) if rules.late == "avoid" else worth)


_CRITERIA: Mapping[str, Callable[[Candidate, int], int]] = {
    "priority": lambda one, wait: one.priority,
    "distance": lambda one, wait: UNKNOWN if one.km is None else one.km,
    "zone": lambda one, wait: UNKNOWN if one.zone is None else one.zone,
    "cost": lambda one, wait: UNKNOWN if one.cost is None else one.cost,
    "balance": lambda one, wait: one.load or 0,
    "ship_day": lambda one, wait: wait,
}


def zone_of(rules: Rules, location: str, postal_code: str) -> int | None:
    """The zone a postal code lies in from a location: that of its longest beginning in the table."""
    table = rules.zones.get(location)
    if not table:
        return None
    code = postal_code.strip()
    return next((table[code[:size]] for size in range(len(code), -1, -1) if code[:size] in table), None)


def cost_of(rules: Rules, zone: int | None, grams: int) -> int | None:
    """What a parcel of this weight costs, in millionths; None where nothing is said of its zone."""
    by = zone or 0
    parcel, per_kg = rules.parcel.get(by, rules.parcel.get(0)), rules.per_kg.get(by, rules.per_kg.get(0))
    if parcel is None and per_kg is None:
        return None
    return (parcel or 0) + (per_kg or 0) * grams // 1000
