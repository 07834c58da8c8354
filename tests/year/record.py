"""What the metrics are of, by the books of the play: each line, order, deadline and parcel, and each day's shelves.

Written from what `ordersync metrics` prints as definitions. No fact of the store is read, and no column that it keeps
for its own metrics; only what is promised at this very instant is asked of the reservations, as nobody else knows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from tests.core.sync.life.books import Kept, Sold
from tests.year.play import Play
from tests.year.stage import day_of

MINUTE = 60_000_000


class Asked(NamedTuple):
    """A line that asked for stock."""

    day: int
    channel: str
    item: str
    units: int
    first: int
    later: int


class Placed(NamedTuple):
    """An order."""

    day: int
    channel: str
    asked: bool
    first: bool
    later: bool
    let_down: bool
    parcels: int | None
    """None where something of it is left to ship, or nothing has left."""


class Due(NamedTuple):
    """An order whose ship-by is over."""

    day: int
    channel: str
    late: bool


class Left(NamedTuple):
    """A parcel."""

    day: int
    channel: str
    location: str
    minutes: int


@dataclass
class Shelf:
    """One item at one location: units at the end of each day, and what each day brought and took."""

    closing: list[int]
    received: list[int]
    sold: list[int]
    returned: list[int]
    since: int
    """On which day, by its place in the lists, it had units first."""


@dataclass
class Record:
    lines: list[Asked]
    orders: list[Placed]
    due: list[Due]
    parcels: list[Left]
    began: int
    """The day of the first movement."""
    today: int
    shelves: dict[tuple[str, str], Shelf]


def record(play: Play) -> Record:
    promised = _promised(play)
    left_at: defaultdict[int, list[int]] = defaultdict(list)
    for (id, _), (_, at) in play.parcels.items():
        left_at[id].append(at)
    lines: list[Asked] = []
    orders, due = [], []
    for id, sold in play.books.orders.items():
        if not sold.ours:
            continue
        day = day_of(play.placed[id])
        mine = [_asked(play, id, sold, number, kept, day, promised) for number, kept in sold.lines.items()]
        lines += (line for line in mine if line.units)
        orders.append(_placed(play, id, sold, day, [line for line in mine if line.units], len(left_at[id])))
        due += _due(play, id, sold, left_at[id])
    parcels = [
        Left(day_of(at), play.books.orders[id].channel, place, (at - play.placed[id]) // MINUTE)
        for (id, _), (place, at) in play.parcels.items()
        if play.books.orders[id].ours
    ]
    began = min(day for day, *_ in play.seen)
    shelves = dict(_shelves(play, began))
    return Record(sorted(lines), sorted(orders, key=_day), sorted(due), sorted(parcels), began, play.day, shelves)


def _placed(play: Play, id: int, sold: Sold, day: int, asked: list[Asked], parcels: int) -> Placed:
    whole = not sold.open and any(kept.shipped for kept in sold.lines.values())
    return Placed(
        day=day,
        channel=sold.channel,
        asked=bool(asked),
        first=all(line.first == line.units for line in asked),
        later=all(line.later == line.units for line in asked),
        let_down=id in play.let_down,
        parcels=parcels if whole else None,
    )


def _due(play: Play, id: int, sold: Sold, left_at: list[int]) -> Iterator[Due]:
    by = play.ship_by.get(id)
    wanted = any(kept.ordered > kept.cancelled for kept in sold.lines.values())
    if by is not None and wanted and day_of(by) < play.day:
        yield Due(day_of(by), sold.channel, sold.open or any(at > by for at in left_at))


def _day(one: Placed) -> int:
    return one.day


def _asked(
    play: Play, id: int, sold: Sold, number: str, kept: Kept, day: int, promised: dict[tuple[int, str], int]
) -> Asked:
    units, first = play.first[sold.channel, sold.number, number]
    have = kept.shipped + promised.get((id, number), 0)
    unwanted = max(0, units - (kept.ordered - kept.cancelled))
    """Units it asked for at first, and that have been cancelled or edited away since."""
    there = min(unwanted, max(0, first - have))
    return Asked(day, sold.channel, kept.sku, units, first, min(units, have + there))


def _promised(play: Play) -> dict[tuple[int, str], int]:
    """Units promised now, by order and line, of the lines of which something is open."""
    rows = play.world.rows(
        "SELECT l.order_id, l.number, MIN(r.quantity / r.per) AS units FROM reservations r"
        " JOIN lines l ON l.id = r.line_id GROUP BY l.order_id, l.number"
    )
    return {(row.order_id, row.number): int(row.units) for row in rows}


def _shelves(play: Play, began: int) -> Iterator[tuple[tuple[str, str], Shelf]]:
    days = play.day - began + 1
    moved: defaultdict[tuple[str, str], dict[str, list[int]]] = defaultdict(
        lambda: {kind: [0] * days for kind in ("all", "received", "sold", "returned", "other")}
    )
    since: dict[tuple[str, str], int] = {}
    for (day, sku, place, kind), units in play.seen.items():
        moved[sku, place][kind][day - began] += -units if kind == "sold" else units
        moved[sku, place]["all"][day - began] += units
        since[sku, place] = min(since.get((sku, place), days), day - began)
    for spot, by in moved.items():
        closing = list(accumulate(by["all"]))
        yield spot, Shelf(closing, by["received"], by["sold"], by["returned"], since[spot])
