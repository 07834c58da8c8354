"""A small year: the play and the store agree, and the judges see where they do not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from core.store.database import Store
from tests.year.judge import judge
from tests.year.judge_metrics import judge_metrics
from tests.year.play import Play
from tests.year.stage import DAY


def played(store: Store, orders: int, days: int) -> Play:
    """Whose metrics are compared half way, too: there much is open."""
    play = Play(store, orders, days, seed=7)
    midway: list[str] = []

    def tell(day: int) -> None:
        if day == days // 2:
            midway.extend(judge_metrics(play))

    play.open()
    play.run(tell)
    assert midway == []
    assert judge(play) == []
    assert play.did["ordered"] == orders
    return play


def test_some_weeks_of_trade_agree_with_the_books(sqlite_store: Store) -> None:
    play = played(sqlite_store, 480, 32)
    seldom = ("returned", "refunded", "transferred", "edited", "cancelled there", "cancelled here", "voided",
              "shipped there", "units short at first", "promises foreseen")  # fmt: skip
    assert [what for what in seldom if not play.did[what]] == []
    assert play.did["metrics with a value"] > 2_000
    _is_seen(play)
    _metrics_are_seen(play)


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_some_days_of_trade_agree_with_the_books(store: Store) -> None:
    assert played(store, 90, 6).did["metrics with a value"] > 500


def _is_seen(play: Play) -> None:
    """A book that is off by one is told: the agreement before was no empty one."""
    sku = next(sku for sku in play.skus if play.books.on_hand[sku, "east"])
    play.move(sku, 1, "east", "received")
    told = judge(play)
    assert f"on hand of ('{sku}', 'east')" in told[1] + told[0]
    assert any(one.startswith("metrics, sell_through of all") for one in told)
    play.move(sku, -1, "east", "received")
    play.refunded["shop"] += Decimal("0.01")
    assert [one.split(":")[0] for one in judge(play)] == ["refunded at shop"]
    play.refunded["shop"] -= Decimal("0.01")


def _metrics_are_seen(play: Play) -> None:
    """Nor is any metric equal by chance: one order, parcel, unit or cent is another, and it is told."""
    id, key = next(
        (id, key)
        for (id, tracking), (_, at) in play.parcels.items()
        if at <= play.ship_by.get(id, 0) and (key := (id, tracking)) and not play.books.orders[id].lines["1"].open
    )
    sold, (place, at) = play.books.orders[id], play.parcels[key]
    line = sold.channel, sold.number, "1"
    month = 31 * DAY
    changes: tuple[tuple[dict[Any, Any], Any, Any, set[str]], ...] = (
        (play.first, line, (play.first[line][0] + 1, play.first[line][1]), {"unit_fill_first", "line_fill_first",
                                                                          "order_fill_first", "unit_fill_later"}),
        (play.ship_by, id, at - 1, {"late_rate"}),
        (play.parcels, key, (place, at + month), {"time_to_ship_p50", "time_to_ship_p90"}),
        (play.placed, id, play.placed[id] - month, {"cancel_rate", "parcels_per_order"}),
        (play.costs, next(iter(play.costs)), Decimal(1), {"turnover"}),
    )  # fmt: skip
    for book, of, wrong, names in changes:
        kept, book[of] = book[of], wrong
        told = judge_metrics(play)
        book[of] = kept
        assert {name for name in names if not any(f", {name} of" in one for one in told)} == set()
    assert judge_metrics(play) == []
