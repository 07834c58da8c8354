"""`ordersync metrics`: how well it goes, each number with its definition, and what stands behind it."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import typer

from core.commands import given, show
from core.commands.charts import draw
from core.commands.given import Config, Json
from core.days import Days, as_date, of_date
from core.errors import UserError
from core.metrics import METRICS, Metric
from core.settings import Settings
from core.store.database import Store
from core.sync.channel import clock
from core.sync.facts import forget_facts
from core.sync.metrics.explain import explain
from core.sync.metrics.measure import Measured, fits, measure, up_to_date
from core.sync.metrics.period import Period


class By(StrEnum):
    """What metrics may be broken down by."""

    CHANNEL = "channel"
    LOCATION = "location"
    ITEM = "item"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


DATES = ["%Y-%m-%d"]
_LENGTH = 30
"""Days of a period whose beginning nobody named."""
_YEARS = (1970, 2999)
"""Of the days that can be asked for."""

From = Annotated[
    datetime | None, typer.Option("--from", metavar="DATE", formats=DATES, help="The first day; 30 days if not given.")
]
To = Annotated[
    datetime | None, typer.Option("--to", metavar="DATE", formats=DATES, help="The last day; today if not given.")
]
Channel = Annotated[
    str, typer.Option("--channel", metavar="CHANNEL", autocompletion=given.complete_channel, help="Only its orders.")
]


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        help="How well it goes: fill rates, turnover, time to ship, late and cancelled orders, stock-outs.",
        invoke_without_command=True,
    )
    group.callback()(metrics)
    group.command("explain")(explained)
    app.add_typer(group, name="metrics")


def metrics(
    context: typer.Context,
    first: From = None,
    last: To = None,
    by: Annotated[By | None, typer.Option("--by", help="One value for each.")] = None,
    metric: Annotated[
        list[str] | None, typer.Option("--metric", metavar="NAME", help="Only this one. May be given again.")
    ] = None,
    channel: Channel = "",
    chart: Annotated[
        Path | None, typer.Option("--chart", metavar="FILE", help="Draw them, too: FILE.svg or FILE.png.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of tables.")] = False,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Count every day anew first.")] = False,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Show the metrics of some days, each with its definition. Days are in the zone of `[metrics]`."""
    if context.invoked_subcommand is not None:
        return
    if json and as_csv:
        raise UserError("--json and --csv are two forms of one output; choose one")
    chosen = _known(metric or [])
    with given.opened(config) as (settings, store):
        days = Days(settings.metrics.zone)
        now = clock()
        period = _period(settings, store, days, now, first, last, by, channel)
        _possible(chosen, period)
        if rebuild:
            store.transact(forget_facts)
        up_to_date(store, days, clock)
        found = measure(store, period, days, now, settings.channels, [one.name for one in chosen])
    if chart is not None:
        draw(found, period, chart)
    if json:
        show.document(
            {
                "from": str(as_date(period.first)),
                "to": str(as_date(period.last)),
                "time_zone": days.name,
                "by": period.by,
                "metrics": [_document(one, period) for one in found],
            }
        )
    elif as_csv:
        _print_csv(found, period)
    else:
        _print(found, period, days)


def _known(names: Sequence[str]) -> list[Metric]:
    known = {metric.name: metric for metric in METRICS}
    for name in names:
        if name not in known:
            raise UserError(f"there is no metric {name!r}; there are: {', '.join(known)}")
    return [metric for metric in METRICS if metric.name in names]


def _period(
    settings: Settings,
    store: Store,
    days: Days,
    now: int,
    first: datetime | None,
    last: datetime | None,
    by: By | None,
    channel: str,
) -> Period:
    if channel and channel not in settings.channels:
        with store.read() as tx:
            given.known_channel(tx, channel)
    end = days.day(now) if last is None else _day("--to", last)
    begin = end - _LENGTH + 1 if first is None else _day("--from", first)
    if begin > end:
        raise UserError(f"--from {as_date(begin)} lies behind --to {as_date(end)}; the first day comes first")
    return Period(first=begin, last=end, by="" if by is None else by.value, channel=channel)


def _day(option: str, when: datetime) -> int:
    if not _YEARS[0] <= when.year <= _YEARS[1]:
        raise UserError(f"{option} {when.date()} lies outside the years {_YEARS[0]} to {_YEARS[1]}; name a nearer day")
    return of_date(date(when.year, when.month, when.day))


def _possible(chosen: Sequence[Metric], period: Period) -> None:
    for metric in chosen:
        if not fits(metric, period):
            what = f"--by {period.by}" if period.by and not period.timed else "--channel"
            ways = ", ".join((*metric.by, "day", "week", "month"))
            raise UserError(f"{metric.name} is not known for {what}; it is by {ways}")


def shown(one: Measured) -> str:
    """A value with its unit, for people."""
    value = one.value
    if value is None:
        return one.metric.nothing
    if one.metric.unit == "%":
        return f"{_decimal(value * 100, 2)} %"
    return f"{_decimal(value, 2)} {one.metric.unit}"


def _decimal(value: Fraction, places: int) -> str:
    """Rounded half to even, without needless zeros."""
    scaled = round(value * 10**places)
    text = f"{scaled // 10**places}.{scaled % 10**places:0{places}}" if scaled >= 0 else f"-{_decimal(-value, places)}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _limit(one: Measured) -> str:
    if one.limit is None:
        return ""
    sign = "<" if one.limit.strict else "≤"
    told = f"{sign} {_decimal(one.limit.most * 100, 2)} %"
    if one.value is None:
        return told
    return f"{told}: {'met' if one.limit.met(one.value) else 'NOT MET'}"


def _print(found: Sequence[Measured], period: Period, days: Days) -> None:
    show.line(f"{as_date(period.first)} to {as_date(period.last)}, days in {days.name}")
    if not found:
        show.line("nothing happened in these days")
    if period.by:
        for metric in dict.fromkeys(one.metric for one in found):
            mine = [one for one in found if one.metric is metric]
            show.line(f"\n{metric.title} ({metric.name}): {metric.formula}")
            show.table((period.by, "value", "limit"), [(one.key, shown(one), _limit(one) or None) for one in mine])
        return
    show.table(
        ("metric", "value", "limit", "definition"),
        [(one.metric.name, shown(one), _limit(one) or None, one.metric.formula) for one in found],
    )


def _document(one: Measured, period: Period) -> dict[str, Any]:
    told: dict[str, Any] = {
        "metric": one.metric.name,
        "title": one.metric.title,
        "definition": one.metric.formula,
        "unit": "share" if one.metric.unit == "%" else one.metric.unit,
        "value": None if one.value is None else _number(one.value),
        "said": shown(one),
    }
    if period.by:
        told[period.by] = one.key
    if one.limit is not None:
        told["limit"] = {
            "most": _number(one.limit.most),
            "itself_allowed": not one.limit.strict,
            "over_days": one.limit.over_days,
            "met": None if one.value is None else one.limit.met(one.value),
            "source": one.limit.source,
        }
    return told


def _number(value: Fraction) -> int | float:
    """To six decimals."""
    return value.numerator if value.denominator == 1 else round(float(value), 6)


def _print_csv(found: Sequence[Measured], period: Period) -> None:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("from", "to", period.by or "of", "metric", "value", "unit", "definition"))
    for one in found:
        value = "" if one.value is None else _number(one.value)
        unit = "share" if one.metric.unit == "%" else one.metric.unit
        first, last = as_date(period.first), as_date(period.last)
        rows.writerow((first, last, _harmless(one.key) or "all", one.metric.name, value, unit, one.metric.formula))
    sys.stdout.write(text.getvalue())


def _harmless(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def explained(
    metric: Annotated[str, typer.Argument(metavar="METRIC", help="Its name.")],
    first: From = None,
    last: To = None,
    channel: Channel = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="The weightiest so many.")] = 50,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Show what stands behind a metric: the order lines, orders, parcels, movements of stock or levels told."""
    (chosen,) = _known([metric])
    with given.opened(config) as (settings, store):
        days = Days(settings.metrics.zone)
        now = clock()
        period = _period(settings, store, days, now, first, last, None, channel)
        _possible([chosen], period)
        up_to_date(store, days, clock)
        with store.read() as tx:
            found = explain(tx, metric, period, days, days.day(now), limit)
    if json:
        rows = [_row(found.columns, row, show.iso) for row in found.rows]
        show.document({"metric": metric, "definition": chosen.formula, "listed": found.what, "rows": rows})
        return
    show.line(f"{chosen.title}: {chosen.formula}")
    show.line(f"listed are {found.what}")
    columns = tuple(column.removesuffix("_at").replace("_", " ") for column in found.columns)
    show.table(columns, [tuple(_row(found.columns, row, show.clock_time).values()) for row in found.rows])
    show.line(show.many(len(found.rows), "row") + (f" (the weightiest {limit})" if len(found.rows) == limit else ""))


def _row(columns: Sequence[str], row: Sequence[Any], told: Any) -> dict[str, Any]:
    return {column: told(cell) if column.endswith("_at") else cell for column, cell in zip(columns, row, strict=True)}
