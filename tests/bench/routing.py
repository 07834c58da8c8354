"""Routing alone: orders a second over 5, 50 and 500 locations, and how far from the fewest parcels it ends.

No store: what is measured is the deciding, with the rules most sellers have (priority, then distance) and with all of
them (capabilities, calendars, zones, costs). One order in ten is held by no single location.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Sequence

from core.model import Location
from core.routing import Ask, Candidate, Piece, Rules, Site, Standing, candidates, distance_km, route
from core.routing.covering import fewest
from tests.bench.figures import Figure, Report

PLACES = (5, 50, 500)
CODES = ("10001", "94110", "60601", "77002", "98101", "33101", "80202", "30303", "02108", "85001")
PLAIN = Rules()
ALL = Rules(
    rank=("ship_day", "cost", "distance"),
    late="avoid",
    zones={f"p{at:03}": {code[0]: 1 + (at + int(code[0])) % 8 for code in CODES} for at in range(max(PLACES))},
    parcel={0: 5_000_000, 8: 9_000_000},
    per_kg={0: 800_000},
)


def routing(quick: bool) -> Report:
    """Speed at each size, then the gap."""
    report = Report()
    distance_km("US", CODES[0], "US", CODES[1])  # reads its table of places, once a process
    for places in PLACES:
        orders = (40 if quick else 2_000) * 5 // max(5, places // 10)
        for what, rules in (("priority, distance", PLAIN), ("every rule", ALL)):
            report.figures.append(
                Figure(
                    part="routing",
                    what=f"{places} locations, {what}",
                    unit="orders/s",
                    ours=_speed(places, orders, rules),
                    note="one process, candidates ranked anew for each order",
                )
            )
    gap, worse, cases = _gap(30 if quick else 400)
    report.figures.append(
        Figure(part="routing", what="parcels beyond the fewest", unit="in all", ours=gap, note=f"{cases} random orders")
    )
    report.figures.append(
        Figure(part="routing", what="sets that rank worse than the best", unit="in all", ours=worse, note="must be 0")
    )
    if gap or worse:
        report.faults.append(f"of {cases} orders {gap} parcels too many and {worse} sets that are not the best")
    return report


def _speed(places: int, orders: int, rules: Rules) -> float:
    chance = random.Random(places)
    full = rules is ALL
    sites = [
        Site(
            at,
            Location(
                name=f"p{at:03}",
                priority=at % 3,
                postal_code=chance.choice(CODES),
                cut_off=14 * 60 if full else None,
                timezone="America/New_York" if full else "UTC",
                capabilities=frozenset({"cold"}) if at % 2 else frozenset(),
            ),
        )
        for at in range(places)
    ]
    asked = []
    for number in range(orders):
        lines = [Piece(line, ((line, 1),), chance.randint(1, 3)) for line in range(1, 1 + chance.randint(1, 4))]
        # One in ten is held by nobody alone.
        most = 2 if number % 10 == 0 else 9
        free = {
            (line.line_id, site.id): chance.randint(0, most) if number % 10 == 0 else most
            for line in lines
            for site in sites
        }
        needs = frozenset({"cold"}) if full and number % 3 == 0 else frozenset[str]()
        asked.append((lines, free, Ask("US", chance.choice(CODES), needs, 3, 1_500)))
    standing = Standing(1_790_000_000_000_000)
    began = time.process_time()
    for lines, free, ask in asked:
        ranked, worth = candidates(sites, rules, ask, standing)
        route(lines, free, ranked, worth)
    return orders / (time.process_time() - began)


def _gap(cases: int) -> tuple[int, int, int]:
    """Parcels beyond the fewest, sets that are not the best of the fewest, and how many orders could be sent whole."""
    chance = random.Random(11)
    gap = worse = whole = 0
    for _ in range(cases):
        count = chance.randint(2, 9)
        pieces = [Piece(line, ((line, 1),), chance.randint(1, 5)) for line in range(1, 1 + chance.randint(1, 5))]
        holds = [[chance.randint(0, 4) for _ in pieces] for _ in range(count)]
        worth = sorted((chance.randint(0, 5), chance.randint(0, 5)) for _ in range(count))
        best = _brute([piece.quantity for piece in pieces], holds, worth)
        if not best:
            continue
        whole += 1
        free = {(piece.line_id, at): row[line] for at, row in enumerate(holds) for line, piece in enumerate(pieces)}
        decision = route(pieces, free, [Candidate(f"{at:02}", at) for at in range(count)], worth)
        gap += len(decision.shares) - len(best)
        worse += fewest([piece.quantity for piece in pieces], holds, worth) != best
    return gap, worse, whole


def _brute(
    wanted: Sequence[int], holds: Sequence[Sequence[int]], worth: Sequence[tuple[int, ...]]
) -> tuple[int, ...] | None:
    for size in range(1, len(holds) + 1):
        sets = [
            some
            for some in itertools.combinations(range(len(holds)), size)
            if all(sum(holds[at][line] for at in some) >= want for line, want in enumerate(wanted))
        ]
        if sets:
            return min(sets, key=lambda some: ([sum(c) for c in zip(*(worth[at] for at in some), strict=True)], some))
    return None
