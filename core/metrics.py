"""The metrics: what each is, and its value from a period's sums. Nothing here knows a table.

A value is exact, or None where it would be a division by nothing; `Metric.nothing` says in words what that means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

import msgspec

Value = Fraction | None


class Sums(msgspec.Struct, kw_only=True):
    """What is added up over a period, of all or of one channel, location or item."""

    lines: int = 0
    lines_first: int = 0
    lines_later: int = 0
    units: int = 0
    units_first: int = 0
    units_later: int = 0
    orders: int = 0
    asked: int = 0
    asked_first: int = 0
    asked_later: int = 0
    cancelled: int = 0
    shipped: int = 0
    parcels: int = 0
    due: int = 0
    late: int = 0
    minutes: dict[int, int] = {}
    """Parcels by their minutes from placing to leaving."""
    seconds: dict[int, int] = {}
    """Levels that fell by their seconds from change to acknowledgement."""
    opening: int = 0
    """Units on hand as the period begins."""
    received: int = 0
    sold: int = 0
    returned: int = 0
    closing: int = 0
    stock_days: int = 0
    """Days of the period since stock was first kept here, until today."""
    unit_days: int = 0
    """Units on hand at each day's end, added up over the days."""
    value_days: int = 0
    """As `unit_days`, each unit at its cost in millionths; of items whose cost is known."""
    cost_sold: int = 0
    """What the sold units cost, in millionths; of items whose cost is known."""
    currencies: int = 0
    """How many currencies those costs are in: more than one cannot be added up."""
    out_days: int = 0
    """Days at whose end an item was out of stock, added up over the items."""
    out_items: int = 0


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    title: str
    formula: str
    """Its definition, printed beside it."""
    unit: str
    by: tuple[str, ...]
    """What it can be broken down by, besides time."""
    value: Callable[[Sums], Value]
    nothing: str = "nothing to measure"
    """What it means that there is no value."""
    better: str = ""
    """"high" or "low", where one of them is."""


TIME = ("day", "week", "month")


def ratio(part: int, whole: int) -> Value:
    return Fraction(part, whole) if whole else None


def percentile(counts: Mapping[int, int], share: Fraction) -> int | None:
    """The nearest rank: the least measure that at least `share` of all are no greater than."""
    total = sum(counts.values())
    if not total:
        return None
    rank = max(1, -(-total * share.numerator // share.denominator))
    for measure in sorted(counts):
        rank -= counts[measure]
        if rank <= 0:
            return measure
    raise AssertionError("unreachable")


def weeks_of_supply(on_hand: int, sold: int, days: int) -> Value:
    """How many weeks the stock lasts at the period's rate of sale."""
    return Fraction(on_hand * days, 7 * sold) if sold > 0 else None


def turnover(cost_sold: int, value_days: int, days: int) -> Value:
    """What was sold at cost, in times of the average stock at cost."""
    return Fraction(cost_sold * days, value_days) if value_days > 0 else None


def _hours(share: Fraction) -> Callable[[Sums], Value]:
    def value(sums: Sums) -> Value:
        found = percentile(sums.minutes, share)
        return None if found is None else Fraction(found, 60)

    return value


def _seconds(share: Fraction) -> Callable[[Sums], Value]:
    def value(sums: Sums) -> Value:
        found = percentile(sums.seconds, share)
        return None if found is None else Fraction(found)

    return value


_HALF, _NINE_TENTHS, _MOST = Fraction(1, 2), Fraction(9, 10), Fraction(99, 100)
_SALES = ("channel", "item")
_STOCK = ("item", "location")
_AT_FIRST = "promised stock when the line was first stored"
_LATER = "promised or shipped by now, or promised at first and not wanted any more"
_DAYS = "over the days of the period from the first movement until today"

METRICS: tuple[Metric, ...] = (
    Metric(
        name="unit_fill_first",
        title="unit fill rate, first time",
        formula=f"units {_AT_FIRST} / units asked, by the day the order was placed",
        unit="%",
        by=_SALES,
        value=lambda s: ratio(s.units_first, s.units),
        better="high",
    ),
    Metric(
        name="unit_fill_later",
        title="unit fill rate, after backorder",
        formula=f"units {_LATER} / units asked",
        unit="%",
        by=_SALES,
        value=lambda s: ratio(s.units_later, s.units),
        better="high",
    ),
    Metric(
        name="line_fill_first",
        title="line fill rate, first time",
        formula=f"order lines wholly {_AT_FIRST} / lines that asked",
        unit="%",
        by=_SALES,
        value=lambda s: ratio(s.lines_first, s.lines),
        better="high",
    ),
    Metric(
        name="line_fill_later",
        title="line fill rate, after backorder",
        formula=f"order lines wholly {_LATER} / lines that asked",
        unit="%",
        by=_SALES,
        value=lambda s: ratio(s.lines_later, s.lines),
        better="high",
    ),
    Metric(
        name="order_fill_first",
        title="order fill rate, first time",
        formula=f"orders with every line wholly {_AT_FIRST} / orders that asked",
        unit="%",
        by=("channel",),
        value=lambda s: ratio(s.asked_first, s.asked),
        better="high",
    ),
    Metric(
        name="order_fill_later",
        title="order fill rate, after backorder",
        formula=f"orders with every line wholly {_LATER} / orders that asked",
        unit="%",
        by=("channel",),
        value=lambda s: ratio(s.asked_later, s.asked),
        better="high",
    ),
    Metric(
        name="time_to_ship_p50",
        title="time to ship, half of the parcels",
        formula="median (nearest rank, in whole minutes) of the hours from an order's placing to a parcel's leaving, by"
        " the day it left",
        unit="hours",
        by=("channel", "location"),
        value=_hours(_HALF),
        nothing="nothing left",
        better="low",
    ),
    Metric(
        name="time_to_ship_p90",
        title="time to ship, nine of ten parcels",
        formula="90th percentile (nearest rank, in whole minutes) of the hours from an order's placing to a parcel's"
        " leaving, by the day it left",
        unit="hours",
        by=("channel", "location"),
        value=_hours(_NINE_TENTHS),
        nothing="nothing left",
        better="low",
    ),
    Metric(
        name="late_rate",
        title="late shipment rate",
        formula="orders of which a parcel left after ship-by, or something has not left by now / orders to ship by a"
        " day that is over; wholly cancelled ones count on neither side",
        unit="%",
        by=("channel",),
        value=lambda s: ratio(s.late, s.due),
        nothing="nothing was due",
        better="low",
    ),
    Metric(
        name="cancel_rate",
        title="seller's cancel rate",
        formula="orders cancelled here, wholly or in part, not for the buyer's wish / orders placed, by the day they"
        " were placed",
        unit="%",
        by=("channel",),
        value=lambda s: ratio(s.cancelled, s.orders),
        nothing="no orders",
        better="low",
    ),
    Metric(
        name="parcels_per_order",
        title="splits: parcels per order",
        formula="parcels (void ones are none) / orders of which something left and nothing is left to ship, by the day"
        " they were placed",
        unit="parcels",
        by=("channel",),
        value=lambda s: ratio(s.parcels, s.shipped),
        nothing="nothing left",
        better="low",
    ),
    Metric(
        name="turnover",
        title="inventory turnover",
        formula=f"cost of units sold / average of each day's closing stock at cost, {_DAYS}; items without a cost are"
        " left out",
        unit="turns",
        by=_STOCK,
        value=lambda s: turnover(s.cost_sold, s.value_days, s.stock_days) if s.currencies == 1 else None,
        nothing="no stock with a cost, or costs in several currencies",
        better="high",
    ),
    Metric(
        name="unit_turnover",
        title="unit turns",
        formula=f"units sold / average of each day's closing units on hand, {_DAYS}",
        unit="turns",
        by=_STOCK,
        value=lambda s: turnover(s.sold, s.unit_days, s.stock_days),
        nothing="no stock",
        better="high",
    ),
    Metric(
        name="sell_through",
        title="sell-through of what came in",
        formula="units sold / units received, in the period",
        unit="%",
        by=_STOCK,
        value=lambda s: ratio(s.sold, s.received),
        nothing="nothing received",
    ),
    Metric(
        name="sell_through_stock",
        title="sell-through of stock",
        formula="units sold / (units on hand as the period began + units received)",
        unit="%",
        by=_STOCK,
        value=lambda s: ratio(s.sold, s.opening + s.received),
        nothing="no stock",
    ),
    Metric(
        name="weeks_of_supply",
        title="weeks of supply",
        formula=f"units on hand as the period ended / units sold in a week, {_DAYS}",
        unit="weeks",
        by=_STOCK,
        value=lambda s: weeks_of_supply(s.closing, s.sold, s.stock_days),
        nothing="no sales",
    ),
    Metric(
        name="restock_rate",
        title="units back on the shelf",
        formula="returned units put on hand again / units sold, in the period",
        unit="%",
        by=_STOCK,
        value=lambda s: ratio(s.returned, s.sold),
        nothing="no sales",
        better="low",
    ),
    Metric(
        name="stock_out_days",
        title="stock-outs: days",
        formula="days at whose end an item that had stock before had none anywhere (by location: there), added up",
        unit="days",
        by=_STOCK,
        value=lambda s: Fraction(s.out_days),
        better="low",
    ),
    Metric(
        name="stock_out_items",
        title="stock-outs: SKUs",
        formula="items with such a day",
        unit="SKUs",
        by=_STOCK,
        value=lambda s: Fraction(s.out_items),
        better="low",
    ),
    Metric(
        name="oversell_window_p50",
        title="oversell window, half of the levels",
        formula="median of the seconds from when a lower quantity was to be told until the channel took it",
        unit="seconds",
        by=("channel",),
        value=_seconds(_HALF),
        nothing="no level fell",
        better="low",
    ),
    Metric(
        name="oversell_window_p99",
        title="oversell window, 99 of 100 levels",
        formula="99th percentile (nearest rank) of the seconds from when a lower quantity was to be told until the"
        " channel took it",
        unit="seconds",
        by=("channel",),
        value=_seconds(_MOST),
        nothing="no level fell",
        better="low",
    ),
)


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """What a marketplace asks of its sellers: a public number, which it may change."""

    connector: str
    metric: str
    most: Fraction
    strict: bool
    """Whether just that much is too much already."""
    over_days: int
    """The period it looks at."""
    source: str

    def met(self, value: Fraction) -> bool:
        return value < self.most if self.strict else value <= self.most


LIMITS: tuple[Limit, ...] = (
    Limit(
        connector="amazon",
        metric="late_rate",
        most=Fraction(4, 100),
        strict=True,
        over_days=30,
        source="Seller Central, Shipping performance: late shipment rate under 4 % over 10 and 30 days"
        " (the account health report's lateShipmentRate: LESS_THAN 0.04)",
    ),
    Limit(
        connector="amazon",
        metric="cancel_rate",
        most=Fraction(25, 1000),
        strict=True,
        over_days=7,
        source="Seller Central, Shipping performance: pre-fulfilment cancel rate under 2.5 % over 7 days",
    ),
    Limit(
        connector="walmart",
        metric="cancel_rate",
        most=Fraction(2, 100),
        strict=False,
        over_days=30,
        source="Marketplace Learn, Seller Performance Standards: cancellation rate of at most 2 % over 30 days",
    ),
)
"""Walmart measures on-time *delivery* (at least 90 %), which only the carrier knows: there is no limit here for it."""


def limit_of(connector: str, metric: str) -> Limit | None:
    return next((one for one in LIMITS if (one.connector, one.metric) == (connector, metric)), None)
