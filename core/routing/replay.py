"""Orders routed once more, in the order they were placed, by any rules: to compare what other rules would have done.

Each order is routed at the instant it was placed, out of what is free by then; what it is given is gone for the next.
What finds no location then stays unfilled: nothing is resumed later. Holds do not count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import msgspec

from core.routing.calendar import today
from core.routing.division import route
from core.routing.eligibility import is_late, ships
from core.routing.ranking import candidates, cost_of
from core.routing.words import Ask, Candidate, Decision, Piece, Reason, Rules, Site, Standing


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """One order, as it stands today."""

    order_id: int
    name: str
    channel: str
    at: int
    """When it was placed, in microseconds since 1970 UTC."""
    ask: Ask
    pieces: Sequence[Piece]
    total: int = 0
    """What it is worth, in millionths of its currency."""
    grams: Mapping[int, int] = {}
    """What a unit weighs, by line."""


class Moved(msgspec.Struct, frozen=True):
    """Units that came to a location or left it other than by these orders."""

    at: int
    item_id: int
    location_id: int
    units: int


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one order."""

    order_id: int
    name: str
    channel: str
    units: int
    shares: Mapping[str, int]
    """Units by location, in parcels."""
    km: int | None
    """Of its parcels together; None where one is not known, or nothing is sent."""
    cost: int | None
    """In millionths; None where one is not known, or nothing is sent."""
    late: bool | None
    """Whether a parcel would leave after it has to; None where there is no such instant, or nothing is sent."""
    waits: str
    """Why units of it are not sent: a `Reason`, or "stock"."""

    @property
    def placed(self) -> int:
        return sum(self.shares.values())


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """What became of all of them.

    Unit fill rate: units given a location of units ordered; order fill rate: orders given all of theirs. Distance and
    cost count the orders of which they are known.
    """

    orders: int
    units: int
    filled_units: int
    filled_orders: int
    parcels: int
    split: int
    """Orders in more than one parcel."""
    km: int
    km_known: int
    """Orders of which the distance is known."""
    cost: int
    cost_known: int
    late: int
    with_ship_by: int
    """Orders sent that have to leave by an instant: those that can be late."""
    waits: Mapping[str, int]
    """Orders that are not sent whole, by reason."""


def replay(
    orders: Iterable[Placed],
    moves: Iterable[Moved],
    free: Mapping[tuple[int, int], int],
    sites: Mapping[str, Sequence[Site]],
    rules: Rules,
) -> list[Result]:
    """Routes the orders. `free`: units by (item, location) at the beginning; `sites`: the locations of each channel."""
    left = dict(free)
    pending = sorted(moves, key=lambda move: (move.at, move.item_id, move.location_id), reverse=True)
    loads = _Loads()
    found = []
    for order in sorted(orders, key=lambda order: (order.at, order.order_id)):
        while pending and pending[-1].at <= order.at:
            move = pending.pop()
            place = move.item_id, move.location_id
            left[place] = left.get(place, 0) + move.units
        found.append(_routed(order, left, sites[order.channel], rules, loads))
    return found


class _Loads:
    """What locations were given on their own days."""

    def __init__(self) -> None:
        self._given: dict[tuple[int, date], tuple[int, int]] = {}

    def of(self, sites: Sequence[Site], now: int) -> dict[int, tuple[int, int]]:
        return {site.id: self._given.get((site.id, today(site.location, now)), (0, 0)) for site in sites}

    def add(self, site: Site, now: int, units: int) -> None:
        day = site.id, today(site.location, now)
        orders, before = self._given.get(day, (0, 0))
        self._given[day] = orders + 1, before + units


def _routed(
    order: Placed, left: dict[tuple[int, int], int], sites: Sequence[Site], rules: Rules, loads: _Loads
) -> Result:
    standing = Standing(order.at, loads.of(sites, order.at))
    ranked, worth = candidates(sites, rules, order.ask, standing)
    items = {item for piece in order.pieces for item, _ in piece.parts}
    free, kept = {}, {}
    for site in sites:
        for item in items:
            units = max(0, left.get((item, site.id), 0))
            kept[item, site.id] = min(site.location.keep, units)
            free[item, site.id] = units - kept[item, site.id]
    split = rules.split and (rules.split_above is None or order.total > rules.split_above)
    there = {place: units + kept[place] for place, units in free.items()}
    promised = _promised(order.pieces, there)
    decision = route(promised, free, ranked, worth, split=split, kept=kept) if promised else Decision((), 0, "")
    short = sum(piece.quantity for piece in order.pieces) > sum(sum(share.units.values()) for share in decision.shares)
    if short and rules.ship_complete:
        reason = decision.reason or Reason.INCOMPLETE
        decision = msgspec.structs.replace(decision, shares=(), reason=reason)
    by_id = {site.id: site for site in sites}
    parts = {piece.line_id: piece.parts for piece in order.pieces}
    for share in decision.shares:
        loads.add(by_id[share.location_id], order.at, sum(share.units.values()))
        for line, count in share.units.items():
            for item, per in parts[line]:
                left[item, share.location_id] -= per * count
    return _result(order, decision, ranked, by_id, rules, standing)


def _promised(pieces: Sequence[Piece], free: Mapping[tuple[int, int], int]) -> list[Piece]:
    """What an order is promised of what is there, line by line. Only that is routed; the rest waits for stock."""
    left: Counter[int] = Counter()
    for (item, _), units in free.items():
        left[item] += units
    promised = []
    for piece in pieces:
        units = min(piece.quantity, *(left[item] // per for item, per in piece.parts))
        for item, per in piece.parts:
            left[item] -= per * units
        if units:
            promised.append(msgspec.structs.replace(piece, quantity=units))
    return promised


def _result(
    order: Placed,
    decision: Decision,
    ranked: Sequence[Candidate],
    sites: Mapping[int, Site],
    rules: Rules,
    standing: Standing,
) -> Result:
    looked = {one.id: one for one in ranked}
    kms, costs, lates = [], [], []
    for share in decision.shares:
        one, site = looked[share.location_id], sites[share.location_id]
        kms.append(one.km)
        grams = sum(order.grams.get(line, 0) * count for line, count in share.units.items())
        costs.append(cost_of(rules, one.zone, grams))
        lates.append(is_late(site, order.ask, standing, ships(site, order.ask, standing)))
    shares = {looked[share.location_id].location: sum(share.units.values()) for share in decision.shares}
    units = sum(piece.quantity for piece in order.pieces)
    return Result(
        order_id=order.order_id,
        name=order.name,
        channel=order.channel,
        units=units,
        shares=shares,
        km=_sum(kms),
        cost=_sum(costs),
        late=any(lates) if shares and order.ask.ship_by is not None else None,
        waits="" if sum(shares.values()) == units else (decision.reason.value if decision.reason else "stock"),
    )


def _sum(numbers: Sequence[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known and len(known) == len(numbers) else None


def add_up(results: Sequence[Result]) -> Sums:
    """The sums of a replay."""
    kms = [one.km for one in results if one.km is not None]
    costs = [one.cost for one in results if one.cost is not None]
    lates = [one.late for one in results if one.late is not None]
    return Sums(
        orders=len(results),
        units=sum(one.units for one in results),
        filled_units=sum(one.placed for one in results),
        filled_orders=sum(not one.waits for one in results),
        parcels=sum(len(one.shares) for one in results),
        split=sum(len(one.shares) > 1 for one in results),
        km=sum(kms),
        km_known=len(kms),
        cost=sum(costs),
        cost_known=len(costs),
        late=sum(lates),
        with_ship_by=len(lates),
        waits=dict(sorted(Counter(one.waits for one in results if one.waits).items())),
    )
