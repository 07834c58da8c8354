"""A small year: the play and the store agree, and the judge sees where they do not."""

from __future__ import annotations

from decimal import Decimal

from core.store.database import Store
from tests.year.judge import judge
from tests.year.play import Play


def test_some_weeks_of_trade_agree_with_the_books(sqlite_store: Store) -> None:
    play = Play(sqlite_store, orders=300, days=20, seed=7)
    play.open()
    play.run()
    assert judge(play) == []
    assert play.did["ordered"] == 300
    seldom = ("returned", "refunded", "transferred", "edited", "cancelled there", "voided")
    assert [what for what in seldom if not play.did[what]] == []
    _is_seen(play)


def _is_seen(play: Play) -> None:
    """A book that is off by one is told: the agreement before was no empty one."""
    sku = next(sku for sku in play.skus if play.books.on_hand[sku, "east"])
    play.move(sku, 1, "east", "received")
    told = judge(play)
    assert f"on hand of ('{sku}', 'east')" in told[1] + told[0]
    assert any(one.startswith("metrics, received of all") for one in told)
    play.move(sku, -1, "east", "received")
    play.refunded["shop"] += Decimal("0.01")
    assert [one.split(":")[0] for one in judge(play)] == ["refunded at shop"]
