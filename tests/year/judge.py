"""Whether the store agrees with what the play has kept by itself."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC
from decimal import Decimal

from core.days import Days
from core.sync.metrics.measure import up_to_date
from core.sync.metrics.period import Period
from core.sync.metrics.sums import sums
from core.sync.verify import verify
from tests.core.sync.world import START
from tests.year.play import Play
from tests.year.stage import DAY


def judge(play: Play) -> list[str]:
    """Every disagreement, and every broken invariant."""
    found = [f"{one.name} {one.subject}: {one.wrong}" for one in verify(play.store)]
    return [*found, *play.books.disagreements(play.store), *_money(play), *_all_there(play), *_metrics(play)]


def _money(play: Play) -> Iterator[str]:
    """What buyers pay, and what they have back."""
    for name in play.channels:
        paid = sum((sold.total for sold in play.books.orders.values() if sold.channel == name), Decimal(0))
        for what, sql, kept in (
            ("paid", "SELECT SUM(o.total) FROM orders o", paid),
            ("refunded", "SELECT SUM(r.amount) FROM refunds r JOIN orders o ON o.id = r.order_id", play.refunded[name]),
        ):
            stored = play.world.value(f"{sql} JOIN channels c ON c.id = o.channel_id WHERE c.name = :name", name=name)
            if Decimal(int(stored or 0)) / 1_000_000 != kept:
                yield f"{what} at {name}: {Decimal(int(stored or 0)) / 1_000_000}, and {kept} were to be"


def _all_there(play: Play) -> Iterator[str]:
    """Every order is here once, as its channel shows it, and whatever was to be told is told."""
    for name, far in play.far.items():
        here = {
            row.number: row.version
            for row in play.world.rows(
                "SELECT o.number, o.version FROM orders o JOIN channels c ON c.id = o.channel_id WHERE c.name = :name",
                name=name,
            )
        }
        there = {number: told[-1].version for number, told in far.told.items()}
        yield from (
            f"order {number} of {name}: version {here.get(number)} here, {there.get(number)} there"
            for number in sorted(here.keys() | there.keys())
            if here.get(number) != there.get(number)
        )
    for row in play.world.rows(
        "SELECT kind, state, COUNT(*) AS n FROM pushes WHERE state NOT IN ('confirmed', 'dropped', 'refused')"
        " GROUP BY kind, state ORDER BY kind, state"
    ):
        if row.state != "applied":
            yield f"{row.n} pushes ({row.kind}) are {row.state}"


def _metrics(play: Play) -> Iterator[str]:
    """What `ordersync metrics` tells of all the days, in all and divided."""
    days = Days(UTC)
    up_to_date(play.store, days, play.world.clock)
    first, last = START // DAY, play.day
    for by in ("", "item", "location"):
        with play.store.read() as tx:
            found = sums(tx, Period(first=first, last=last, by=by), days, last)
        kept = _stock_seen(play, by, first, last)
        for key in sorted(kept):
            for word, count in kept[key].items():
                if getattr(found[key], word) != count:
                    yield f"metrics, {word} of {key or 'all'}: {getattr(found[key], word)}, and {count} was to be"
    with play.store.read() as tx:
        found = sums(tx, Period(first=first, last=last, by="channel"), days, last)
    for name in play.channels:
        for word, count in _orders_seen(play, name).items():
            if getattr(found[name], word) != count:
                yield f"metrics, {word} of {name}: {getattr(found[name], word)}, and {count} was to be"


def _stock_seen(play: Play, by: str, first: int, last: int) -> dict[str, Counter[str]]:
    """By key: units received, sold, returned, at the end, and each day's end added up."""
    kept: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for (day, sku, place, kind), units in play.seen.items():
        own = kept[{"item": sku, "location": place}.get(by, "")]
        own["closing"] += units
        own["unit_days"] += units * (last - max(day, first) + 1)
        if kind != "other":
            own[kind] += -units if kind == "sold" else units
    return kept


def _orders_seen(play: Play, name: str) -> dict[str, object]:
    ours = {id: sold for id, sold in play.books.orders.items() if sold.channel == name and sold.ours}
    parcels = Counter(id for id, _ in play.minutes if id in ours)
    whole = [
        id
        for id, sold in ours.items()
        if any(line.shipped for line in sold.lines.values()) and not any(line.open for line in sold.lines.values())
    ]
    return {
        "orders": len(ours),
        "cancelled": len(play.let_down & ours.keys()),
        "shipped": len(whole),
        "parcels": sum(parcels[id] for id in whole),
        "minutes": dict(Counter(minutes for (id, _), (_, _, minutes) in play.minutes.items() if id in ours)),
    }
