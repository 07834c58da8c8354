"""`ordersync route`: what waits for a location, and what other rules would have made of the orders of a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import typer

from core.commands import given, show
from core.commands.given import Config, Json
from core.errors import UserError
from core.model import micros
from core.routing import Rules
from core.routing.replay import Result, Sums, add_up, replay
from core.routing.rules import rules_of
from core.settings import RoutingSettings, Settings, Table
from core.settings.read import table_of, typed
from core.settings.routing_keys import LocationsFile
from core.settings.secret import Unasked
from core.store.database import Store
from core.sync.whatif import load_window, sites_of

_WAITING = """
SELECT p.*, o.number, o.name, c.name AS channel,
 (SELECT SUM(l.reserved - l.allocated) FROM lines l WHERE l.order_id = p.order_id) AS units
FROM parked p JOIN orders o ON o.id = p.order_id JOIN channels c ON c.id = o.channel_id
ORDER BY p.reason, p.since, p.order_id LIMIT :limit
"""


def register(app: typer.Typer) -> None:
    app.command("route")(route)


def route(
    what_if: Annotated[
        Path | None, typer.Option("--what-if", metavar="RULES.toml", help="Rules to try: a routing.toml by any name.")
    ] = None,
    locations: Annotated[
        Path | None, typer.Option("--locations", metavar="FILE", help="With --what-if: another locations.toml, too.")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option("--from", metavar="TIME", formats=given.TIMES, help="Orders placed from then on (UTC)."),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option("--to", metavar="TIME", formats=given.TIMES, help="And before then (UTC)."),
    ] = None,
    orders: Annotated[bool, typer.Option("--orders", help="Order by order, those of which something differs.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="At most so many orders listed.")] = 50,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """List the orders that wait for a location, by reason; or replay orders by other rules, changing nothing."""
    with given.opened(config) as (settings, store):
        if what_if is None:
            if since is not None or until is not None or locations is not None or orders:
                raise UserError("--from, --to, --locations and --orders go with --what-if RULES.toml")
            _waiting(store, limit, json)
            return
        if since is None or until is None:
            raise UserError("say which orders to replay: --from TIME and --to TIME")
        start, end = micros(given.in_utc(since)), micros(given.in_utc(until))
        if start >= end:
            raise UserError(f"--from {since} is not before --to {until}")
        tried = _tried(settings, what_if, locations)
        given.write_places(store, tried)
        before, skipped = _replayed(store, settings, start, end)
        after, _ = _replayed(store, tried, start, end)
    if json:
        show.document(_document(before, after, skipped, limit if orders else 0))
    else:
        _print(before, after, skipped, limit if orders else 0)


def _waiting(store: Store, limit: int, json: bool) -> None:
    with store.read() as tx:
        rows = tx.rows(_WAITING, limit=limit)
        counts = {row.reason: row.orders for row in tx.rows(
            "SELECT reason, COUNT(*) AS orders FROM parked GROUP BY reason ORDER BY reason"
        )}  # fmt: skip
    if json:
        told = [
            {
                "order": row.order_id, "channel": row.channel, "number": row.number, "name": row.name,
                "reason": row.reason, "why": row.why, "besides": _besides(row), "units": int(row.units or 0),
                "since": show.iso(row.since),
                "retried_at": show.iso(row.due_at),
            }
            for row in rows
        ]  # fmt: skip
        show.document({"waiting": told, "reasons": counts})
        return
    listed: list[tuple[Any, ...]] = []
    for row in rows:
        listed.append(
            (row.order_id, row.channel, row.name or row.number, row.reason, int(row.units or 0),
             show.clock_time(row.since), show.clock_time(row.due_at) or "when something changes", row.why)
        )  # fmt: skip
        listed += [("",) * 7 + (why,) for why in _besides(row)]
    show.table(("id", "channel", "name", "reason", "units", "since", "tried again", "why"), listed)
    total = sum(counts.values())
    show.line(f"{show.many(total, 'order')} {'waits' if total == 1 else 'wait'} for a location" + (
        f": {show.counts(counts)}" if counts else ""
    ))  # fmt: skip


def _besides(row: Any) -> list[str]:
    """Why other locations were left out than those that its reason names, each reason once."""
    places: dict[str, list[str]] = {}
    for one in msgspec.json.decode(row.decision).get("candidates", ()):
        dropped = one.get("dropped", "")
        if dropped and f"{one['location']}: {dropped}" not in row.why:
            places.setdefault(dropped, []).append(one["location"])
    return [f"{', '.join(sorted(those))}: {dropped}" for dropped, those in places.items()]


T = TypeVar("T", bound=Table)


def _tried(settings: Settings, rules: Path, locations: Path | None) -> Settings:
    """The settings with other rules, and other locations where they are given. Raises `UserError`."""
    tried = replace(settings, routing=_read(rules, RoutingSettings))
    if locations is None:
        return tried
    places = _read(locations, LocationsFile).locations
    missing = {name for own in settings.channels.values() for name in own.locations} - {one.name for one in places}
    if missing:
        raise UserError(f"{locations} lacks {', '.join(sorted(missing))}, which channels ship from; add them")
    return replace(tried, locations=places)


def _read(path: Path, kind: type[T]) -> T:
    try:
        body = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; name a file in TOML") from None
    return typed(path.name, kind, table_of(path.name, body), Unasked())


def _replayed(store: Store, settings: Settings, start: int, end: int) -> tuple[list[Result], int]:
    rules: Rules = rules_of(settings.must_route())
    with store.read() as tx:
        window = load_window(tx, settings, rules, start, end)
        sites = sites_of(tx, settings)
    return replay(window.orders, window.moves, window.free, sites, rules), window.skipped


def _differing(before: Sequence[Result], after: Sequence[Result]) -> list[tuple[Result, Result]]:
    """Those that would be sent from elsewhere, at another time or not at all; another price alone is no difference."""
    pairs = list(zip(before, after, strict=True))
    return [(a, b) for a, b in pairs if (a.shares, a.waits, a.late) != (b.shares, b.waits, b.late)]


def _document(before: Sequence[Result], after: Sequence[Result], skipped: int, limit: int) -> dict[str, Any]:
    differ = _differing(before, after)
    told: dict[str, Any] = {
        "now": _sums(add_up(before)),
        "what_if": _sums(add_up(after)),
        "differing": len(differ),
        "skipped": skipped,
    }
    if limit:
        told["orders"] = [{"now": _one(one), "what_if": _one(other)} for one, other in differ[:limit]]
    return told


def _sums(sums: Sums) -> dict[str, Any]:
    return {**msgspec.structs.asdict(sums), "cost": show.amount(sums.cost)}


def _one(result: Result) -> dict[str, Any]:
    cost = None if result.cost is None else show.amount(result.cost)
    return {**msgspec.structs.asdict(result), "cost": cost}


def _print(before: Sequence[Result], after: Sequence[Result], skipped: int, limit: int) -> None:
    now, then = add_up(before), add_up(after)
    show.table(("", "now", "what if"), [(word, own, other) for word, own, other in zip(
        _WORDS, _told(now), _told(then), strict=True
    )], title=f"{show.many(now.orders, 'order')} replayed")  # fmt: skip
    differ = _differing(before, after)
    if limit:
        show.table(
            ("id", "order", "now", "what if"),
            [(one.order_id, one.name, _in_words(one), _in_words(other)) for one, other in differ[:limit]],
            title="orders that differ",
        )
    show.line(f"{show.many(len(differ), 'order')} would have gone otherwise")
    if skipped:
        show.line(f"{show.many(skipped, 'order')} left out: of channels that are not configured, or of unknown items")


_WORDS = (
    "parcels", "orders in several parcels", "unit fill rate", "order fill rate", "km an order", "cost",
    "late, of those with a ship-by", "not sent whole, by reason",
)  # fmt: skip


def _told(sums: Sums) -> tuple[Any, ...]:
    return (
        str(sums.parcels),
        str(sums.split),
        _rate(sums.filled_units, sums.units),
        _rate(sums.filled_orders, sums.orders),
        f"{sums.km // sums.km_known:,} (of {sums.km_known})" if sums.km_known else "not known",
        f"{Decimal(sums.cost) / 1_000_000:.2f} (of {sums.cost_known})" if sums.cost_known else "not known",
        f"{sums.late} of {sums.with_ship_by}",
        show.counts(sums.waits) or "none",
    )


def _rate(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "no orders"


def _in_words(result: Result) -> str:
    words = [f"{place} {units}" for place, units in result.shares.items()]
    words += [f"{result.units - result.placed} wait ({result.waits})"] if result.waits else []
    words += [f"{result.km:,} km"] if result.km is not None else []
    words += [f"costs {Decimal(result.cost) / 1_000_000:.2f}"] if result.cost is not None else []
    words += ["late"] if result.late else []
    return ", ".join(words)
