"""The metrics of some days, each as its printed definition says, from the books' record alone."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeVar

from tests.year.record import Record, Shelf

Value = Fraction | None
Found = dict[tuple[str, str], Value]
"""Values by metric and key."""

T = TypeVar("T", bound=Any)


def ratio(part: int | Fraction, whole: int | Fraction) -> Value:
    return Fraction(part) / whole if whole else None


def measures(record: Record, costs: dict[str, Decimal], first: int, last: int, by: str, channel: str = "") -> Found:
    """Of the days from `first` to `last`, broken down by channel, location, item or nothing.

    What there is no division of, such as late orders by item, is absent.
    """
    found: Found = {}
    for key, lines in _divided(record.lines, first, last, by, channel, ("channel", "item")):
        found |= _of(key, _lines(lines))
    for key, orders in _divided(record.orders, first, last, by, channel, ("channel",)):
        found |= _of(key, _orders(orders))
    for key, due in _divided(record.due, first, last, by, channel, ("channel",)):
        found["late_rate", key] = ratio(sum(one.late for one in due), len(due))
    for key, parcels in _divided(record.parcels, first, last, by, channel, ("channel", "location")):
        minutes = sorted(one.minutes for one in parcels)
        for name, share in (("time_to_ship_p50", 50), ("time_to_ship_p90", 90)):
            found[name, key] = Fraction(minutes[-(-len(minutes) * share // 100) - 1], 60)
    if not channel and by != "channel":
        found |= _stock(record, costs, first, last, by)
    return found


def _of(key: str, values: dict[str, Value]) -> Found:
    return {(name, key): value for name, value in values.items()}


def _divided(
    rows: Sequence[T], first: int, last: int, by: str, channel: str, knows: tuple[str, ...]
) -> Iterator[tuple[str, list[T]]]:
    if by and by not in knows:
        return
    mine: defaultdict[str, list[T]] = defaultdict(list)
    for row in rows[bisect_left(rows, first, key=_day) : bisect_left(rows, last + 1, key=_day)]:
        if channel in ("", row.channel):
            mine[getattr(row, by) if by else ""].append(row)
    yield from mine.items()


def _day(row: Any) -> int:
    return int(row.day)


def _lines(lines: Sequence[Any]) -> dict[str, Value]:
    units = sum(line.units for line in lines)
    return {
        "unit_fill_first": ratio(sum(line.first for line in lines), units),
        "unit_fill_later": ratio(sum(line.later for line in lines), units),
        "line_fill_first": ratio(sum(line.first == line.units for line in lines), len(lines)),
        "line_fill_later": ratio(sum(line.later == line.units for line in lines), len(lines)),
    }


def _orders(orders: Sequence[Any]) -> dict[str, Value]:
    asked = [order for order in orders if order.asked]
    parcels = [order.parcels for order in orders if order.parcels is not None]
    return {
        "order_fill_first": ratio(sum(order.first for order in asked), len(asked)),
        "order_fill_later": ratio(sum(order.later for order in asked), len(asked)),
        "cancel_rate": ratio(sum(order.let_down for order in orders), len(orders)),
        "parcels_per_order": ratio(sum(parcels), len(parcels)),
    }


def _stock(record: Record, costs: dict[str, Decimal], first: int, last: int, by: str) -> Found:
    """Days before the first movement and days to come are none."""
    begin, end = max(first, record.began) - record.began, min(last, record.today) - record.began + 1
    if begin >= end:
        return {}
    mine: defaultdict[str, dict[tuple[str, str], Shelf]] = defaultdict(dict)
    for spot, shelf in record.shelves.items():
        if shelf.since < end:
            mine[{"item": spot[0], "location": spot[1]}.get(by, "")][spot] = shelf
    found: Found = {}
    for key, shelves in mine.items():
        found |= _of(key, _turns(shelves, costs, begin, end))
        found |= _of(key, _outs(shelves, begin, end, apart=by == "location"))
    return found


def _turns(shelves: dict[tuple[str, str], Shelf], costs: dict[str, Decimal], begin: int, end: int) -> dict[str, Value]:
    days = end - begin

    def total(what: Callable[[Shelf], list[int]]) -> int:
        return sum(sum(what(shelf)[begin:end]) for shelf in shelves.values())

    sold, received, returned = (
        total(lambda one: one.sold),
        total(lambda one: one.received),
        total(lambda one: one.returned),
    )
    average = Fraction(total(lambda one: one.closing), days)
    opening = sum(shelf.closing[begin - 1] for shelf in shelves.values()) if begin else 0
    closing = sum(shelf.closing[end - 1] for shelf in shelves.values())
    dear = {spot: Fraction(costs[spot[0]]) for spot in shelves if spot[0] in costs}
    at_cost = sum((cost * sum(shelves[spot].sold[begin:end]) for spot, cost in dear.items()), Fraction(0))
    value = sum((cost * sum(shelves[spot].closing[begin:end]) for spot, cost in dear.items()), Fraction(0)) / days
    return {
        "turnover": ratio(at_cost, value),
        "unit_turnover": ratio(sold, average),
        "sell_through": ratio(sold, received),
        "sell_through_stock": ratio(sold, opening + received),
        "weeks_of_supply": closing / (Fraction(sold * 7, days)) if sold > 0 else None,
        "restock_rate": ratio(returned, sold),
    }


def _outs(shelves: dict[tuple[str, str], Shelf], begin: int, end: int, *, apart: bool) -> dict[str, Value]:
    """`apart`: each location is asked by itself."""
    together: defaultdict[Any, list[Shelf]] = defaultdict(list)
    for spot, shelf in shelves.items():
        together[spot if apart else spot[0]].append(shelf)
    days, items = 0, set()
    for one, some in together.items():
        since = min(shelf.since for shelf in some)
        out = sum(not any(shelf.closing[day] for shelf in some) for day in range(max(begin, since), end))
        days += out
        items |= {one[0] if apart else one} if out else set()
    return {"stock_out_days": Fraction(days), "stock_out_items": Fraction(len(items))}
