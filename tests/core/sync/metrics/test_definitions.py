"""What the printed definitions say at their edges, by hand, on both databases."""

from __future__ import annotations

from fractions import Fraction

import pytest

from core.metrics import METRICS
from core.model import instant
from core.store.schema import downgrade, migrate
from core.sync import stock
from core.sync.channel import Channel
from core.sync.metrics.explain import explain
from core.sync.metrics.measure import measure, up_to_date
from core.sync.metrics.period import Period
from core.sync.void import Void, void
from tests.core.sync.metrics.test_facts import DAYS, HOUR, TODAY
from tests.core.sync.world import SECOND, START, World, edited, line, order


@pytest.fixture
def shop(world: World) -> Channel:
    world.item("A", east=5)
    return world.channel()


def value(world: World, name: str, last: int = TODAY, **period: str) -> dict[str, Fraction | None]:
    up_to_date(world.store, DAYS, world.clock)
    found = measure(world.store, Period(first=TODAY, last=last, **period), DAYS, world.now, {}, [name])
    return {one.key: one.value for one in found}


def test_a_unit_that_was_promised_and_edited_away_was_there(world: World, shop: Channel) -> None:
    first = order("1", line(1, "A", 3))
    world.take(shop, first)
    world.take(shop, edited(first, lines=(line(1, "A", 2),)))
    world.ship("1")
    assert value(world, "unit_fill_first") == value(world, "unit_fill_later") == {"": 1}
    assert value(world, "line_fill_later") == value(world, "order_fill_later") == {"": 1}


def test_a_unit_that_was_edited_away_as_it_waited_was_not(world: World, shop: Channel) -> None:
    first = order("1", line(1, "A", 7))
    world.take(shop, first)
    world.take(shop, edited(first, lines=(line(1, "A", 5),)))
    assert value(world, "unit_fill_later") == {"": Fraction(5, 7)}
    assert value(world, "line_fill_later") == {"": 0}


def test_what_was_cancelled_before_it_was_seen_was_never_asked(world: World, shop: Channel) -> None:
    """It makes nothing filled that waits again."""
    world.take(shop, order("1", line(1, "A", 7, cancelled=2)))
    assert value(world, "unit_fill_later") == {"": 1}
    stock.count(world.store, "A", "east", 3, world.now)
    assert world.counts("1") == {"ordered": 7, "cancelled": 2, "reserved": 3, "backordered": 2, "allocated": 3}
    assert value(world, "unit_fill_first") == {"": 1}
    assert value(world, "unit_fill_later") == {"": Fraction(3, 5)}
    assert value(world, "order_fill_later") == {"": 0}


def test_days_to_come_are_no_days_of_the_shelves(world: World, shop: Channel) -> None:
    """A month that has just begun is not measured as if it had passed without sales."""
    world.take(shop, order("1", line(1, "A", 5)))
    world.ship("1")
    world.receive("A", "east", 2)
    world.later(24 * HOUR)
    so_far = {name: value(world, name, TODAY + 1) for name in ("unit_turnover", "weeks_of_supply")}
    assert so_far == {"unit_turnover": {"": Fraction(5, 2)}, "weeks_of_supply": {"": Fraction(2 * 2, 7 * 5)}}
    assert {name: value(world, name, TODAY + 29) for name in so_far} == so_far
    assert value(world, "unit_turnover", TODAY + 29, by="day") == {"2026-11-02": Fraction(5, 2), "2026-11-03": 0}
    stock.count(world.store, "A", "east", 0, world.now)
    assert value(world, "stock_out_days", TODAY + 29) == {"": 1}
    with world.store.read() as tx:
        behind = explain(tx, "stock_out_days", Period(first=TODAY, last=TODAY + 29), DAYS, TODAY + 1, 9)
        ahead = explain(tx, "stock_out_days", Period(first=TODAY + 2, last=TODAY + 29), DAYS, TODAY + 1, 9)
    assert behind is not None
    assert ahead is not None
    assert [row[-1] for row in behind.rows] == [1]
    assert ahead.rows == []
    later = measure(world.store, Period(first=TODAY + 2, last=TODAY + 29), DAYS, world.now, {})
    assert {one.metric.name: one.value for one in later} == dict.fromkeys([one.name for one in METRICS])


def test_an_item_that_never_had_stock_is_not_out_of_it(world: World, shop: Channel) -> None:
    world.item("B")
    stock.count(world.store, "B", "east", 0, world.now)
    stock.count(world.store, "A", "west", 0, world.now)
    assert value(world, "stock_out_items") == {"": 0}
    assert value(world, "stock_out_items", by="location") == {"east": 0}
    stock.count(world.store, "A", "east", 0, world.now)
    assert value(world, "stock_out_items") == {"": 1}
    assert value(world, "stock_out_items", by="item") == {"A": 1}


def test_an_older_store_counts_all_its_days_anew(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 5)), order("2", line(1, "A", 5)))
    assert value(world, "order_fill_first") == {"": Fraction(1, 2)}
    downgrade(world.store, "0023")
    assert value(world, "order_fill_first") == {"": Fraction(1, 2)}
    with world.store.write() as tx:
        tx.run("INSERT INTO facts_windows (quarter, channel_id, seconds, levels) SELECT 1, id, 2, 3 FROM channels")
        tx.run("UPDATE facts_orders SET asked_first = 2")
        epoch = tx.value("SELECT epoch FROM facts_state")
    assert value(world, "order_fill_first") == {"": 1}
    migrate(world.store)
    assert world.value("SELECT epoch FROM facts_state") > epoch
    assert value(world, "order_fill_first") == {"": Fraction(1, 2)}
    assert world.value("SELECT levels FROM facts_windows") == 3


def test_a_void_parcel_was_not_late(world: World, shop: Channel) -> None:
    first = order("1", line(1, "A"), line(2, "A"), ship_by=instant(START + 4 * HOUR * SECOND))
    world.take(shop, first)
    world.ship("1", tracking="T1", **{"1": 1})
    world.later(8 * HOUR)
    world.ship("1", tracking="T2", **{"2": 1})
    world.later(24 * HOUR)
    assert value(world, "late_rate") == {"": 1}
    void(world.store, Void(world.order("1").id, "T2", "label only"), world.now)
    assert value(world, "late_rate") == {"": 1}  # something has not left
    world.take(shop, edited(first, lines=(line(1, "A"), line(2, "A", cancelled=1))))
    assert world.counts("1", 2) == {"ordered": 1, "cancelled": 1}
    assert value(world, "late_rate") == {"": 0}
