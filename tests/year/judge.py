"""Whether the store agrees with what the play has kept by itself."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from core.sync.verify import verify
from tests.year.judge_metrics import judge_metrics
from tests.year.play import Play


def judge(play: Play) -> list[str]:
    """Every disagreement, and every broken invariant."""
    found = [f"{one.name} {one.subject}: {one.wrong}" for one in verify(play.store)]
    return [
        *found,
        *play.wrong,
        *play.books.disagreements(play.store),
        *_money(play),
        *_all_there(play),
        *judge_metrics(play),
    ]


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
