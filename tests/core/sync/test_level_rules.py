"""Rules of single listings, buffers that follow demand, and why a level is what it is."""

from __future__ import annotations

import msgspec
import pytest

from core.errors import UserError
from core.levels import Own
from core.model import Ack, AckState, Hold
from core.sync import demand
from core.sync.channel import Channel
from core.sync.levels import refresh, rules, touch_changed_rules
from core.sync.levels_explained import Explained, explain
from core.sync.listing_rules import set_rule
from core.sync.push_levels import push_levels, settle_levels
from tests.core.sync.fake import Fake
from tests.core.sync.test_levels import LATE
from tests.core.sync.world import SECOND, World, connector, edited, line, order

MINUTE = 60


def follow(world: World, *channels: Channel) -> None:
    settings = {channel.name: channel.settings for channel in channels}
    touch_changed_rules(world.store, settings)
    refresh(world.store, settings, world.now)


def why(world: World, channel: Channel, sku: str, *others: Channel) -> Explained:
    settings = {one.name: one.settings for one in (channel, *others)}
    return explain(world.store, settings, channel.name, sku, world.now)


def desired(world: World, channel: Channel, sku: str = "A") -> dict[str, int]:
    return {
        row.place: row.desired
        for row in world.rows(
            "SELECT v.* FROM levels v JOIN listings l ON l.id = v.listing_id WHERE l.channel_id = :id AND l.sku = :sku",
            id=channel.id,
            sku=sku,
        )
    }


@pytest.fixture
def shop(world: World) -> Channel:
    shop = world.channel(buffer=2, cap=50, percent=50)
    world.item("A", east=30)
    world.item("B", east=30)
    world.offer(shop, "A", "B")
    return shop


def test_a_listings_own_rules_stand_in_for_its_channels(world: World, shop: Channel) -> None:
    follow(world, shop)
    assert (desired(world, shop, "A"), desired(world, shop, "B")) == ({"": 14}, {"": 14})
    for rule, units in (
        ({"buffer": 0}, 15),
        ({"buffer": 20, "percent": 100}, 10),
        ({"cap": 4}, 4),
        ({"stopped": True}, 0),
        ({"stopped": False}, 4),
        ({"buffer": None, "cap": None, "percent": None}, 14),
    ):
        set_rule(world.store, shop.id, "A", world.now, **rule)  # type: ignore[arg-type]
        follow(world, shop)
        assert (desired(world, shop, "A"), desired(world, shop, "B")) == ({"": units}, {"": 14}), rule


def test_a_rule_is_kept_told_and_due_and_changes_no_other_of_its_kind(world: World, shop: Channel) -> None:
    before = world.channel_row().wanted
    assert set_rule(world.store, shop.id, "A", world.now, cap=4, actor="ann") == Own(cap=4)
    assert set_rule(world.store, shop.id, "A", world.now, buffer=1) == Own(buffer=1, cap=4)
    assert set_rule(world.store, shop.id, "A", world.now) == Own(buffer=1, cap=4)
    assert world.channel_row().wanted > before
    told = world.rows("SELECT actor, event, detail FROM audit ORDER BY id")
    assert [tuple(row) for row in told] == [
        ("ann", "level rule", "A: cap 4"),
        ("operator", "level rule", "A: buffer 1, cap 4"),
    ]
    world.offer(shop, "C")  # the listings are read again
    assert world.value("SELECT cap FROM listings WHERE sku = 'A'") == 4


@pytest.mark.parametrize("rule", [{"buffer": -2}, {"cap": 2**31}, {"percent": 0}, {"percent": 101}])
def test_what_is_no_rule_is_refused(world: World, shop: Channel, rule: dict[str, int]) -> None:
    with pytest.raises(UserError, match="write a whole number from"):
        set_rule(world.store, shop.id, "A", world.now, **rule)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="lists no Z"):
        set_rule(world.store, shop.id, "Z", world.now, cap=1)


def test_what_stays_for_a_counter_is_offered_by_no_rule(world: World) -> None:
    """Nor does it lessen what others have, where less is there than stays; what is bound there is not counted twice."""
    shop, mart = world.channel(), world.channel("mart", buffer="auto")
    world.item("A", east=10, west=4)
    world.item("B", east=2, west=4)
    world.kit("SET", {"A": 2, "B": 1})
    for channel in (shop, mart):
        world.offer(channel, "A", "B", "SET")
    with world.store.write() as tx:
        tx.run("UPDATE locations SET keep = 3 WHERE name = 'east'")
    follow(world, shop, mart)
    for channel in (shop, mart):
        assert [desired(world, channel, sku)[""] for sku in ("A", "B", "SET")] == [11, 4, 2]
    world.take(shop, order("1", line(1, "A", 5)))
    assert world.work("1") == [("east", "planned", 5, 0)]
    follow(world, shop, mart)
    for channel in (shop, mart):
        assert [desired(world, channel, sku)[""] for sku in ("A", "B", "SET")] == [6, 4, 2]


def test_a_kit_inside_levels_is_the_least_its_components_make(world: World) -> None:
    """A bundle's SKU is no stock item: what is told of it follows its components, each less its buffer."""
    shop = world.channel(buffer=1)
    world.item("A", east=7, west=2)
    world.item("B", east=4)
    world.kit("K", {"A": 2, "B": 1})
    world.offer(shop, "K")
    follow(world, shop)
    assert desired(world, shop, "K") == {"": 3}
    world.take(shop, order("1", line(1, "K", 1), line(2, "B", 1)))
    follow(world, shop)
    assert desired(world, shop, "K") == {"": 1}
    set_rule(world.store, shop.id, "K", world.now, stopped=True)
    follow(world, shop)
    assert desired(world, shop, "K") == {"": 0}


# Buffers that follow demand.


@pytest.fixture
def pair(world: World) -> tuple[Channel, Channel]:
    """A channel whose buffer follows demand and is asked every four minutes, and a busy one beside it."""
    slow = world.channel("slow", buffer="auto", poll_seconds=240)
    busy = world.channel("busy", poll_seconds=15)
    world.item("A", east=100_000)
    world.item("B", east=100_000)
    for channel in (slow, busy):
        world.offer(channel, "A", "B")
    return slow, busy


def _sell(world: World, channel: Channel, sku: str, times: int, every: float, units: int = 1) -> None:
    """Order lines, five at a time where they are many; each is here ten seconds after it was placed."""
    for first in range(0, times, 5):
        some, at = min(5, times - first), world.now
        orders = [order(f"{channel.name}{at}{number}", line(1, sku, units), at=at) for number in range(some)]
        world.later(9)
        world.take(channel, *orders)
        world.now = max(world.now, at + int(some * every * SECOND))


def _learn(world: World, *channels: Channel) -> None:
    world.later(15 * MINUTE)
    follow(world, *channels)


def test_the_buffer_follows_what_the_other_channels_sell(world: World, pair: tuple[Channel, Channel]) -> None:
    slow, busy = pair
    _sell(world, busy, "A", 300, every=12)  # five a minute, so some twenty within the slow one's window
    _sell(world, slow, "B", 50, every=12)
    _learn(world, slow, busy)
    assert world.rows("SELECT channel_id, item_id FROM buffers") == [(slow.id, world.items["A"])]
    units = world.value("SELECT units FROM buffers")
    assert 15 <= units <= 35
    free = world.stock("A")[0] - world.stock("A")[1]
    assert (desired(world, slow), desired(world, busy)) == ({"": free - units}, {"": free})
    (kept,) = why(world, slow, "A", busy).kept
    assert kept.buffer == units
    assert f"{units} suffice in 95.00% of cases" in kept.why
    world.later(4 * 86_400)  # nobody buys it any more
    _learn(world, slow, busy)
    fewer = world.value("SELECT units FROM buffers")
    assert fewer < units
    assert desired(world, slow) == {"": free - fewer}
    set_rule(world.store, slow.id, "A", world.now, buffer=1)
    follow(world, slow, busy)
    assert desired(world, slow) == {"": free - 1}
    set_rule(world.store, slow.id, "A", world.now, buffer=None)
    calm = world.channel("slow", buffer=3)
    follow(world, calm, busy)
    assert desired(world, slow) == {"": free - 3}


def test_demand_for_a_kit_is_demand_for_its_components(world: World, pair: tuple[Channel, Channel]) -> None:
    slow, busy = pair
    world.kit("K", {"A": 3})
    world.offer(busy, "K")
    _sell(world, busy, "K", 100, every=12)
    _learn(world, slow, busy)
    (row,) = world.rows("SELECT * FROM demand")
    assert (row.item_id, row.channel_id) == (world.items["A"], busy.id)
    assert row.slow_units == pytest.approx(300_000_000, rel=0.01)
    assert row.slow_squares == pytest.approx(900_000_000, rel=0.01)


def test_lines_are_counted_once_and_not_at_every_turn(world: World, pair: tuple[Channel, Channel]) -> None:
    slow, busy = pair
    _sell(world, busy, "A", 10, every=1)
    _learn(world, slow, busy)
    counted = world.value("SELECT slow_units FROM demand")
    assert counted == pytest.approx(10_000_000, rel=0.01)
    _sell(world, busy, "A", 10, every=1)
    world.later(5 * MINUTE)
    follow(world, slow, busy)
    assert world.value("SELECT slow_units FROM demand") == counted
    _learn(world, slow, busy)
    _learn(world, slow, busy)
    assert world.value("SELECT slow_units FROM demand") == pytest.approx(20_000_000, rel=0.01)


def test_a_line_added_to_an_old_order_does_not_hide_younger_ones(world: World, pair: tuple[Channel, Channel]) -> None:
    slow, busy = pair
    old = order("old", line(1, "A"))
    world.take(busy, old)
    world.later(15 * MINUTE)
    world.take(busy, order("young", line(1, "A", 10), at=world.now))
    world.take(busy, edited(old, lines=(*old.lines, line(2, "A", 100))))
    follow(world, slow, busy)
    _learn(world, slow, busy)
    assert world.value("SELECT slow_units FROM demand") == pytest.approx(111_000_000, rel=0.01)


def test_what_a_channel_ships_itself_and_tests_are_no_demand(world: World, pair: tuple[Channel, Channel]) -> None:
    slow, busy = pair
    world.take(busy, order("t", line(1, "A", 5), test=True))
    _learn(world, slow, busy)
    assert world.rows("SELECT * FROM demand") == []


def test_more_lines_than_one_sitting_are_counted_by_and_by(
    world: World, pair: tuple[Channel, Channel], monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, busy = pair
    monkeypatch.setattr(demand, "BATCH", 2)
    monkeypatch.setattr(demand, "MOST_BATCHES", 3)
    _sell(world, busy, "A", 9, every=1)
    for counted in (6_000_000, 9_000_000):
        _learn(world, slow, busy)
        assert world.value("SELECT slow_units FROM demand") == pytest.approx(counted, rel=0.01)


def test_nothing_is_counted_where_no_buffer_follows_demand(world: World, shop: Channel) -> None:
    _sell(world, shop, "A", 5, every=1)
    for _ in range(2):
        world.receive("A", "east", -9)
        _learn(world, shop)
        push_levels(world.store, shop, world.clock)
    assert len(connector(shop).levels) == 3
    for table in ("demand", "marks", "windows", "buffers"):
        assert world.rows(f"SELECT * FROM {table}") == []


def test_the_window_is_measured_from_the_orders_and_the_answers(world: World) -> None:
    slow = world.channel("slow", fake=Fake(abilities=LATE), buffer="auto", poll_seconds=240)
    busy = world.channel("busy")
    world.item("A", east=1_000)
    for channel in (slow, busy):
        world.offer(channel, "A")
    assert demand_window(world, slow, busy) == 240 + 15  # as they are asked, before anything was measured
    follow(world, slow, busy)
    world.later(50 * MINUTE)
    push_levels(world.store, slow, world.clock)  # the first time it is told: no answer to a change
    connector(slow).answer = lambda one: Ack(key=one.key, state=AckState.ACCEPTED, ticket="t")
    for _ in range(5):
        _sell(world, busy, "A", 1, every=1)
        follow(world, slow, busy)
        world.later(65)
        _tell(world, slow, 50)
        world.receive("A", "east", 1)
        follow(world, slow, busy)
        _tell(world, slow, 40 * MINUTE)  # a higher level: nothing is sold too much meanwhile
    assert world.value("SELECT wanted_at FROM levels WHERE channel_id = :id", id=slow.id) is None
    _learn(world, slow, busy)
    # Ten seconds until an order is here (its class ends at 11.3), and 115 until its level is accepted (128).
    assert demand_window(world, slow, busy) == pytest.approx(11.3 + 128, abs=0.2)


def _tell(world: World, slow: Channel, seconds: float) -> None:
    """A level is pushed, and applied so much later."""
    push_levels(world.store, slow, world.clock)
    world.later(seconds)
    (key,) = [f"{row.listing_id}@{row.place}" for row in world.rows(ACCEPTED)]
    connector(slow).settled = {"t": Ack(key=key, state=AckState.APPLIED)}
    settle_levels(world.store, slow, world.clock)


ACCEPTED = "SELECT listing_id, place FROM levels WHERE state = 'accepted'"


def demand_window(world: World, slow: Channel, busy: Channel) -> float:
    settings = {one.name: one.settings for one in (slow, busy)}
    with world.store.read() as tx:
        return demand.window_of(tx, settings, rules(tx, settings))[slow.id]


# Why.


def test_a_level_is_explained_from_the_shelf_to_the_channel(world: World) -> None:
    shop = world.channel("shop", locations={"east": "E", "west": "W"}, buffer=2, cap=9)
    only_east = world.channel("other", locations={"east": ""})
    world.item("A", east=10, west=5)
    world.offer(shop, "A")
    follow(world, shop, only_east)
    push_levels(world.store, shop, world.clock)
    world.take(shop, order("1", line(1, "A", 3)), order("2", line(1, "A", 1), holds=(Hold.PAYMENT,)))
    world.take(only_east, order("3", line(1, "A", 2), holds=(Hold.PAYMENT,)))
    set_rule(world.store, shop.id, "A", world.now, percent=50)
    told = why(world, shop, "A", only_east)
    assert [msgspec.structs.astuple(one) for one in told.shelves] == [
        ("A", "east", "E", 10, 3, 5, 0),
        ("A", "west", "W", 5, 0, 5, 0),
    ]
    assert [(one.sku, one.reserved, one.unbound, one.buffer, one.why) for one in told.kept] == [
        ("A", 6, 1, 2, "the channel's")
    ]
    assert (told.cap, told.percent, told.own, told.touched) == (9, 50, ("percent",), True)
    assert [(one.place, one.units, one.desired, one.told) for one in told.offers] == [("E", 1, 5, 5), ("W", 2, 4, 4)]
    follow(world, shop, only_east)
    assert [(one.units, one.desired) for one in why(world, shop, "A", only_east).offers] == [(1, 1), (2, 2)]
    assert not why(world, shop, "A", only_east).touched


def test_what_is_offered_although_it_is_not_there_is_explained_too(world: World, shop: Channel) -> None:
    world.item("C", east=3)
    world.offer(shop, "C")
    with world.store.write() as tx:
        tx.run("INSERT INTO presales (item_id, kind, cap) SELECT id, 'backorder', 20 FROM items WHERE sku = 'C'")
    follow(world, shop)
    assert desired(world, shop, "C") == {"": 10}  # 3 there and 20 ahead, less the buffer, half of it
    told = why(world, shop, "C")
    assert [(one.on_hand, one.spare) for one in told.shelves] == [(3, 3)]
    assert [(one.unbound, one.ahead, one.buffer) for one in told.kept] == [(0, 20, 2)]
    assert [one.units for one in told.offers] == [10]


def test_what_has_no_level_is_refused_with_the_cure(world: World, shop: Channel) -> None:
    world.offer(shop, "Z")
    silent = world.channel("silent", push_levels=False)
    world.offer(silent, "A")
    for channel, sku, said in (
        (shop, "none", "shop lists no none"),
        (shop, "Z", "nobody knows which item Z of shop is"),
        (silent, "A", "silent is told no levels"),
    ):
        with pytest.raises(UserError, match=said):
            why(world, channel, sku)


def test_what_is_explained_is_what_is_told(world: World, shop: Channel) -> None:
    """Over many states, the explanation comes to what the next refresh makes of it."""
    world.item("C", west=3)
    world.kit("K", {"A": 3, "C": 1})
    world.offer(shop, "K", "C")
    for number in range(6):
        sku = ("A", "K", "C")[number % 3]
        holds = (Hold.PAYMENT,) if number % 2 else ()
        world.take(shop, order(str(number), line(1, sku, 1 + number), holds=holds))
        said = {one: why(world, shop, one).offers for one in ("A", "K", "C")}
        follow(world, shop)
        for one, offers in said.items():
            assert {offer.place: offer.units for offer in offers} == desired(world, shop, one)
