"""The daily facts: by hand what they hold, and that every change of an order or of stock reaches them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core.days import Days
from core.errors import Fenced
from core.metrics import METRICS
from core.model import Ack, AckState, CancelReason, instant
from core.store.database import Store
from core.sync import facts, stock, turn
from core.sync.cancel import Decision, cancel
from core.sync.channel import Channel
from core.sync.facts import AGAIN, EVERY, facts_wait, refresh_facts
from core.sync.levels import refresh
from core.sync.metrics.measure import measure, up_to_date
from core.sync.metrics.period import Period
from core.sync.metrics.sums import sums
from core.sync.push_levels import push_levels, settle_levels
from core.sync.verify import verify
from core.sync.void import Void, void
from tests.core.sync.corrupt import corrupting
from tests.core.sync.fake import Fake, applied
from tests.core.sync.metrics.test_exact import agree, told
from tests.core.sync.test_levels import LATE
from tests.core.sync.test_turn import SETTINGS
from tests.core.sync.world import START, World, connector, edited, line, order

HOUR = 3600
DAYS = Days(UTC)
TODAY = DAYS.day(START)


@pytest.fixture
def shop(world: World) -> Channel:
    world.item("A", east=5)
    return world.channel()


def found(world: World, **asked: Any) -> dict[str, dict[str, Any]]:
    refresh_facts(world.store, DAYS, world.clock)
    period = Period(**{"first": TODAY, "last": TODAY, **asked})
    with world.store.read() as tx:
        return told(sums(tx, period, DAYS, DAYS.day(world.now)))


def test_a_day_by_hand(world: World, shop: Channel) -> None:
    due = instant(START + 4 * HOUR * 1_000_000)
    world.take(shop, order("1", line(1, "A", 4), line(2, "B", 1), ship_by=due))  # B is not known
    world.take(shop, order("2", line(1, "A", 3), ship_by=due))  # one is there
    world.take(shop, order("3", line(1, "A", 1), ship_by=due))  # none is
    world.take(shop, order("4", line(1, "A", 2), test=True), order("5", line(1, "A", 2, shipped=2)))
    world.later(HOUR)
    world.ship("2", tracking="T2")
    cancel(world.store, Decision(order_id=world.order("3").id, reason=CancelReason.OUT_OF_STOCK), world.now)
    world.later(4 * HOUR)
    world.ship("1", tracking="T1")
    world.later(24 * HOUR)
    assert found(world, by="channel")["shop"] == {
        "lines": 4, "lines_first": 1, "lines_later": 1, "units": 9, "units_first": 5, "units_later": 5,
        "orders": 4, "asked": 3, "cancelled": 1, "shipped": 1, "parcels": 1,
        "due": 2, "late": 2,  # the first left late, the second not wholly; the third is cancelled
        "minutes": {60: 1, 300: 1, 0: 1},
    }  # fmt: skip
    shelf = found(world)[""]
    words = ("opening", "closing", "sold", "unit_days", "out_days")
    assert {word: shelf.get(word, 0) for word in words} == dict(zip(words, (0, 0, 5, 0, 1), strict=True))


def test_a_void_parcel_is_no_parcel_of_its_order(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 1)))
    world.ship("1", tracking="T1")
    void(world.store, Void(world.order("1").id, "T1", "lost"), world.now)
    world.release(shop)
    world.ship("1", tracking="T2", A=1)
    shipped = found(world)[""]
    assert (shipped["shipped"], shipped["parcels"], sum(shipped["minutes"].values())) == (1, 1, 1)


def test_what_a_line_got_when_it_came_is_kept(world: World, shop: Channel) -> None:
    first = order("1", line(1, "A", 4), line(2, "A", 3))
    world.take(shop, first, order("2", line(1, "A", 2, shipped=1)), order("3", line(1, "A", 3, cancelled=1)))
    world.receive("A", "east", 9)
    world.refill(shop)
    world.take(shop, edited(first, lines=(line(1, "A", 2), line(2, "A", 3), line(3, "A", 2))))
    rows = world.rows("SELECT o.number, l.number, first_asked, first_filled FROM lines l JOIN orders o"
                      " ON o.id = l.order_id ORDER BY 1, 2")  # fmt: skip
    assert [tuple(row) for row in rows] == [
        ("1", "1", 4, 4), ("1", "2", 3, 0), ("1", "3", 2, 2), ("2", "1", 0, 0), ("3", "1", 2, 0),
    ]  # fmt: skip


def refilled(world: World, shop: Channel) -> None:
    world.receive("A", "east", 3)
    world.refill(shop)


def counted(world: World, shop: Channel) -> None:
    stock.count(world.store, "A", "east", 1, world.now)


def cancelled(world: World, shop: Channel) -> None:
    cancel(world.store, Decision(order_id=world.order("1").id, reason=CancelReason.BUYER), world.now)


def shipped(world: World, shop: Channel) -> None:
    world.ship("1")


def voided(world: World, shop: Channel) -> None:
    void(world.store, Void(world.order("3").id, "T3", "lost"), world.now)


def moved_to_another_day(world: World, shop: Channel) -> None:
    later = instant(START) + timedelta(days=2)
    changed = order("1", line(1, "A", 2), version=2, at=START + 26 * HOUR * 1_000_000, ship_by=later)
    world.take(shop, changed)


@pytest.mark.parametrize("change", [refilled, counted, cancelled, shipped, voided, moved_to_another_day])
def test_every_change_reaches_the_facts(world: World, shop: Channel, change: Callable[[World, Channel], None]) -> None:
    world.take(shop, order("1", line(1, "A", 2), ship_by=instant(START)), order("3", line(1, "A", 1)))
    world.ship("3", tracking="T3")
    world.take(shop, order("2", line(1, "A", 4), line(2, "B")))
    world.later(25 * HOUR)
    history = _History(world)
    before = found(world)
    change(world, shop)
    agree(history, UTC)  # type: ignore[arg-type]
    assert found(world, last=DAYS.day(world.now)) != before


class _History:
    """Of a world whose zone is UTC."""

    def __init__(self, world: World) -> None:
        self.world, self.days = world, DAYS


def test_only_days_that_changed_are_counted_anew(world: World, shop: Channel, monkeypatch: Any) -> None:
    world.take(shop, order("1", line(1, "A")))
    world.later(5 * 24 * HOUR)
    world.take(shop, order("2", line(1, "A"), at=world.now))
    found(world)
    listed: list[tuple[str, list[int]]] = []
    real = facts._count

    def seen(store: Store, epoch: int, name: str, family: Any, days: list[int], zone: Days) -> None:
        listed.append((name, days))
        real(store, epoch, name, family, days, zone)

    monkeypatch.setattr(facts, "_count", seen)
    found(world)
    assert listed == []
    cancel(world.store, Decision(order_id=world.order("2").id, reason=CancelReason.BUYER), world.now)
    found(world)
    assert listed == [("placed", [TODAY + 5])]


def test_work_that_is_cut_short_goes_on_where_it_was(world: World, shop: Channel, monkeypatch: Any) -> None:
    monkeypatch.setattr(facts, "BATCH", 2)
    for number in range(5):
        world.take(shop, order(str(number), line(1, "A"), ship_by=instant(START)))
        world.ship(str(number), tracking=f"T{number}")
    steps = 0
    while not refresh_facts(world.store, DAYS, world.clock, most=1):
        steps += 1
    assert steps > 5
    agree(_History(world), UTC)  # type: ignore[arg-type]


def test_a_refresh_that_was_overtaken_writes_nothing(world: World, shop: Channel, monkeypatch: Any) -> None:
    world.take(shop, order("1", line(1, "A")))
    real = facts._todo

    def overtaken(store: Store, family: str) -> list[int]:
        monkeypatch.setattr(facts, "_todo", real)
        refresh_facts(world.store, DAYS, world.clock)
        world.take(shop, order("2", line(1, "A")))
        return [TODAY]

    monkeypatch.setattr(facts, "_todo", overtaken)
    with pytest.raises(Fenced):
        refresh_facts(world.store, DAYS, world.clock)
    with world.store.read() as tx:
        assert tx.value("SELECT sum(orders) FROM facts_orders") == 1
    up_to_date(world.store, DAYS, world.clock)
    with world.store.read() as tx:
        assert tx.value("SELECT sum(orders) FROM facts_orders") == 2


def test_another_zone_counts_all_days_anew(world: World, shop: Channel) -> None:
    """At nine in the morning UTC it is still yesterday in Samoa's neighbour."""
    world.take(shop, order("1", line(1, "A")))
    assert found(world, by="day") != {}
    west = Days(ZoneInfo("Pacific/Pago_Pago"))
    refresh_facts(world.store, west, world.clock)
    with world.store.read() as tx:
        assert {row.day for row in tx.rows("SELECT day FROM facts_orders UNION SELECT day FROM facts_stock")} == {
            TODAY - 1
        }


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)  # SQLite has one writer at a time
def test_a_row_that_is_committed_late_is_not_missed(world: World, shop: Channel) -> None:
    """Its id is lower than one that was there when the facts were worked off."""
    world.take(shop, order("1", line(1, "A", 2)))
    taken, go_on = threading.Event(), threading.Event()

    def late() -> None:
        with world.store.write() as tx:
            tx.run("UPDATE lines SET backordered = backordered + reserved, reserved = 0, allocated = 0")
            tx.run("INSERT INTO audit (at, actor, order_id, event) SELECT 1, 'x', id, 'late' FROM orders")
            taken.set()
            go_on.wait(10)
            tx.run("UPDATE lines SET reserved = backordered, allocated = backordered, backordered = 0")
            tx.run("UPDATE lines SET first_filled = 0")

    thread = threading.Thread(target=late)
    thread.start()
    taken.wait(10)
    with world.store.write() as tx:
        tx.run("INSERT INTO audit (at, actor, event) VALUES (1, 'x', 'early')")
    threading.Timer(0.3, go_on.set).start()
    refresh_facts(world.store, DAYS, world.clock)
    thread.join()
    with world.store.read() as tx:
        assert tx.value("SELECT sum(units_first) FROM facts_lines") == 0


def test_a_turn_works_them_off_now_and_then(small_world: World) -> None:
    world = small_world
    world.item("A", east=9)
    fake = Fake()
    settings = replace(SETTINGS, channels={"shop": SETTINGS.channels["shop"]})

    def run() -> None:
        turn.turn(world.store, settings, "shop", now=world.clock, connector=fake)  # type: ignore[arg-type]

    run()
    assert world.rows("SELECT * FROM facts_state") == []  # the first turn has other things to do
    world.later(60)
    run()
    (state,) = world.rows("SELECT * FROM facts_state")
    world.later(60)
    run()
    assert world.value("SELECT epoch FROM facts_state") == state.epoch
    world.later(EVERY / 1_000_000)
    run()
    assert world.value("SELECT epoch FROM facts_state") == state.epoch + 1
    world.rows("SELECT 1")
    with world.store.write() as tx:
        tx.run("UPDATE facts_state SET done_at = 0")  # it was cut short
    assert not facts_wait(world.store, world.now)
    assert facts_wait(world.store, world.now + AGAIN)


def test_how_long_a_channel_could_sell_what_was_gone(world: World, shop: Channel) -> None:
    world.offer(shop, "A")
    own = {"shop": shop.settings}

    def levels() -> None:
        refresh(world.store, own, world.now)

    levels()
    push_levels(world.store, shop, world.clock)  # told for the first time: nothing fell
    world.take(shop, order("1", line(1, "A", 2)))
    levels()
    connector(shop).answer = lambda pushed: Ack(key=pushed.key, state=AckState.RETRY)
    world.later(5)
    push_levels(world.store, shop, world.clock)
    world.take(shop, order("2", line(1, "A", 1)))
    levels()
    connector(shop).answer = applied
    world.later(40)
    push_levels(world.store, shop, world.clock)
    seconds = 5 + 1 + 40
    assert found(world, by="channel")["shop"]["units"] == 3
    with world.store.read() as tx:
        period = Period(first=TODAY, last=TODAY)
        assert sums(tx, period, DAYS, TODAY)[""].seconds == {seconds: 1}
        assert sums(tx, replace_by(period, "channel"), DAYS, TODAY)["shop"].seconds == {seconds: 1}
        assert sums(tx, replace_by(period, "day"), DAYS, TODAY)["2026-11-02"].seconds == {seconds: 1}
    with world.store.write() as tx:
        tx.run("UPDATE levels SET state = 'queued', revision = revision + 1")
    world.later(500)
    assert push_levels(world.store, shop, world.clock).applied == 1  # told once more: that was no window
    with world.store.read() as tx:
        assert sums(tx, Period(first=TODAY, last=TODAY), DAYS, TODAY)[""].seconds == {seconds: 1}
    world.receive("A", "east", 9)
    levels()
    world.later(99)
    push_levels(world.store, shop, world.clock)  # it rose: nobody was sold what is not there
    with world.store.read() as tx:
        assert sums(tx, Period(first=TODAY, last=TODAY), DAYS, TODAY)[""].seconds == {seconds: 1}
    (one,) = measure(world.store, Period(first=TODAY, last=TODAY), DAYS, world.now, {}, ["oversell_window_p50"])
    assert one.value == seconds


def test_a_level_that_falls_further_on_its_way_is_one_window_from_its_first_fall(world: World) -> None:
    shop = world.channel(fake=Fake(abilities=LATE))
    world.item("A", east=9)
    world.offer(shop, "A")
    own = {"shop": shop.settings}
    connector(shop).answer = lambda pushed: Ack(key=pushed.key, state=AckState.ACCEPTED, ticket="t")

    def sell_and_push(number: str, seconds: float) -> None:
        world.take(shop, order(number, line(1, "A", 1)))
        refresh(world.store, own, world.now)
        push_levels(world.store, shop, world.clock)
        world.later(seconds)

    def settle() -> None:
        (row,) = world.rows("SELECT listing_id, place FROM levels WHERE state = 'accepted'")
        connector(shop).settled = {"t": Ack(key=f"{row.listing_id}@{row.place}", state=AckState.APPLIED)}
        settle_levels(world.store, shop, world.clock)

    refresh(world.store, own, world.now)
    push_levels(world.store, shop, world.clock)
    world.later(5)
    settle()
    sell_and_push("1", 10)
    sell_and_push("2", 10)  # the first one is not applied yet
    settle()
    push_levels(world.store, shop, world.clock)
    world.later(30)
    settle()
    with world.store.read() as tx:
        assert sums(tx, Period(first=TODAY, last=TODAY), DAYS, TODAY)[""].seconds == {10 + 1 + 10 + 30: 1}


def replace_by(period: Period, by: str) -> Period:
    return Period(first=period.first, last=period.last, by=by)


def test_a_store_without_anything_measures_nothing(world: World) -> None:
    up_to_date(world.store, DAYS, world.clock)
    values = measure(world.store, Period(first=TODAY, last=TODAY), DAYS, world.now, {})
    assert [one.metric for one in values] == list(METRICS)
    assert {one.value for one in values} <= {None, 0}


def test_a_line_that_got_more_than_it_asked_is_a_breach(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 2)))
    with corrupting(world.store) as tx:
        tx.run("UPDATE lines SET first_filled = 3")
    (breach,) = verify(world.store, file=False)
    assert breach.name == "I4"
    assert "3 of 2" in breach.wrong
    with corrupting(world.store) as tx:
        tx.run("UPDATE lines SET first_filled = 2")
