"""Counts as of an instant, and units that came or went by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from connectors.sandbox_warehouse import Yard
from core.sync import stock
from core.sync.channel import Channel
from core.sync.verify import verify
from tests.core.sync.depot import Depot
from tests.core.sync.world import START, World, line, order


@pytest.fixture
def shop(world: World) -> Channel:
    return world.channel(locations={"east": "", "west": ""})


@pytest.fixture
def depot(world: World, shop: Channel) -> Iterator[Depot]:
    world.item("TEE", east=10)
    world.item("MUG", east=10)
    made = Depot(world)
    made.ok()
    yield made
    Yard.forget("depot")


def work(world: World, shop: Channel, depot: Depot, number: str = "1", **units: int) -> None:
    """An order of these units, handed over."""
    world.take(shop, order(number, *(line(n, sku, count) for n, (sku, count) in enumerate(units.items(), 1))))
    world.release(shop)
    depot.ok()


def reasons(depot: Depot) -> list[str]:
    return [reason for _, _, reason in depot.notices()]


def test_a_count_becomes_what_is_on_hand_with_the_promises_among_it(world: World, shop: Channel, depot: Depot) -> None:
    work(world, shop, depot, TEE=3)
    depot.yard.count("E", {"TEE": 8, "MUG": 12}, as_of=depot.at())
    assert depot.ok().heard.taken == 1
    assert world.stock("TEE") == (8, 3)
    assert world.stock("MUG") == (12, 0)
    (kind, state, reason) = depot.notices()[0]
    assert (kind, state, reason) == ("counted", "taken", "")
    assert world.rows("SELECT DISTINCT kind, actor FROM ledger WHERE actor = 'depot'")[0][0] == "count"


def test_a_missing_row_is_not_a_zero(world: World, depot: Depot) -> None:
    depot.yard.count("E", {"MUG": 0}, as_of=depot.at())
    depot.ok()
    assert (world.stock("TEE"), world.stock("MUG")) == ((10, 0), (0, 0))


def test_a_count_of_1202_crosses_movements_of_1202(world: World, shop: Channel, depot: Depot) -> None:
    """One parcel left before the count and is told after it, one left after it and is told before it."""
    work(world, shop, depot, "1", TEE=2)
    work(world, shop, depot, "2", TEE=3)
    noon = depot.at()
    depot.send(nth=1, seconds=2)  # the second order's, after the count
    world.later(3)
    depot.ok(1)
    assert world.stock("TEE") == (7, 2)
    depot.yard.count("E", {"TEE": 8}, as_of=noon)  # the first order's parcel was gone by then
    depot.ok(1)
    assert world.stock("TEE") == (5, 2)  # 8 then, less the 3 that left since
    world.now -= 10_000_000
    depot.send(nth=0)
    world.now += 10_000_000
    depot.ok(1)
    assert world.stock("TEE") == (5, 0)  # not taken off once more
    assert verify(world.store, file=False) == []


def test_what_left_at_the_very_instant_is_in_the_count(world: World, shop: Channel, depot: Depot) -> None:
    work(world, shop, depot, TEE=2)
    at = depot.at()
    depot.send()
    depot.yard.count("E", {"TEE": 8}, as_of=at)
    depot.ok()
    assert world.stock("TEE") == (8, 0)


def test_what_was_asked_for_and_is_not_there_any_more_has_left_until_somebody_says_otherwise(
    world: World, shop: Channel, depot: Depot
) -> None:
    work(world, shop, depot, TEE=4)
    depot.yard.count("E", {"TEE": 5}, as_of=depot.at(5))
    depot.yard.count("E", {"TEE": 2}, as_of=depot.at(6))
    depot.ok()
    assert world.stock("TEE") == (4, 4)  # nobody's promise is taken back
    assert "2 of TEE; orders: #1 of shop" in reasons(depot)[1]
    depot.send(seconds=-90)
    depot.ok()
    assert world.stock("TEE") == (2, 0)
    assert world.value("SELECT doubted FROM counted WHERE doubted > 0 UNION SELECT 0") == 0


def test_breakage_told_late_settles_a_doubt(world: World, shop: Channel, depot: Depot) -> None:
    work(world, shop, depot, TEE=10)
    depot.yard.count("E", {"TEE": 7}, as_of=depot.at())
    depot.ok()
    assert world.stock("TEE") == (10, 10)
    depot.yard.adjust("E", "TEE", -3, "broken", at=depot.at(-120))
    depot.ok()
    assert world.stock("TEE") == (7, 7)
    assert "orders that lost units: #1 of shop" in reasons(depot)[1]
    assert depot.ok().recalled == 0  # called back in the turn that took it in
    assert [state for state, _ in depot.recalls()] == ["done"]


def test_less_than_is_promised_names_the_orders(world: World, shop: Channel, depot: Depot) -> None:
    """Promised and not handed over: nobody can have sent it."""
    world.take(shop, order("1", line(1, "TEE", 4)), order("2", line(1, "TEE", 4), at=world.now))
    depot.yard.count("E", {"TEE": 5}, as_of=depot.at())
    depot.ok()
    assert world.stock("TEE") == (5, 5)
    assert reasons(depot)[0].startswith("less is there than was promised; orders that lost units: #")
    assert "of shop (3 backordered" in reasons(depot)[0]
    assert sorted(world.counts(n).get("backordered", 0) for n in "12") == [0, 3]
    row = world.channel_row()
    assert row.wanted > row.done


def test_a_count_while_reservations_are_open_keeps_them(world: World, shop: Channel, depot: Depot) -> None:
    world.take(shop, order("1", line(1, "TEE", 4)))
    depot.yard.count("E", {"TEE": 4}, as_of=depot.at())
    depot.ok()
    assert world.stock("TEE") == (4, 4)
    assert world.counts("1") == {"ordered": 4, "reserved": 4, "allocated": 4}
    assert reasons(depot) == [""]


@pytest.mark.parametrize("ahead", [0, 300, 1800])
def test_a_warehouse_whose_clock_is_ahead_counts_what_left_after_its_count_once(
    world: World, shop: Channel, depot: Depot, ahead: int
) -> None:
    """The parcel is booked before its instant has come here, and before that of the count."""
    work(world, shop, depot, TEE=2)
    depot.send(seconds=ahead)
    depot.ok(1)
    assert world.stock("TEE") == (8, 0)
    depot.yard.count("E", {"TEE": 10}, as_of=depot.at(ahead - 10))
    depot.ok(1)
    assert world.stock("TEE") == (8, 0)
    depot.yard.count("E", {"TEE": 8}, as_of=depot.at(ahead + 10))
    depot.ok(1)
    assert world.stock("TEE") == (8, 0)


def test_an_older_count_does_not_come_after_a_newer_one(world: World, depot: Depot) -> None:
    depot.yard.count("E", {"TEE": 7}, as_of=depot.at(10))
    depot.yard.count("E", {"TEE": 9, "MUG": 3}, as_of=depot.at(5))
    depot.ok()
    assert (world.stock("TEE"), world.stock("MUG")) == ((7, 0), (3, 0))
    assert "counted later already: TEE" in reasons(depot)[1]


def test_what_somebody_counted_by_hand_since_stays(world: World, depot: Depot) -> None:
    at = depot.at()
    world.later()
    stock.count(world.store, "TEE", "east", 6, world.now)
    depot.yard.count("E", {"TEE": 9}, as_of=at)
    depot.ok()
    assert world.stock("TEE") == (6, 0)
    assert "counted later already: TEE" in reasons(depot)[0]


def test_what_came_by_hand_since_is_on_top(world: World, depot: Depot) -> None:
    at = depot.at()
    world.later()
    stock.receive(world.store, "TEE", "east", 20, world.now)
    depot.yard.count("E", {"TEE": 9}, as_of=at)
    depot.ok()
    assert world.stock("TEE") == (29, 0)


def test_skus_that_are_none_of_ours_are_named_and_make_nothing(world: World, depot: Depot) -> None:
    world.kit("SET", {"TEE": 1})
    depot.yard.count("E", {"GHOST": 3, "SET": 2, "TEE": 4}, as_of=depot.at())
    depot.ok()
    assert reasons(depot) == ["no item of ours, or a kit: GHOST, SET"]
    assert world.stock("TEE") == (4, 0)
    assert world.rows("SELECT * FROM items WHERE sku = 'GHOST'") == []


def test_a_count_of_tomorrow_is_refused(world: World, depot: Depot) -> None:
    depot.yard.count("E", {"TEE": 4}, as_of=depot.at(3 * 86_400))
    assert depot.ok().heard.refused == 1
    assert world.stock("TEE") == (10, 0)


def test_a_count_where_nobody_serves_is_refused_with_its_cure(world: World, depot: Depot) -> None:
    depot.yard.count("MOON", {"TEE": 4}, as_of=depot.at())
    assert depot.ok().heard.refused == 1
    assert "'MOON' is no place that depot serves" in reasons(depot)[0]


def test_counts_that_are_only_compared_change_nothing(world: World, shop: Channel) -> None:
    world.item("TEE", east=10)
    depot = Depot(world, book_counts=False)
    depot.yard.count("E", {"TEE": 4}, as_of=depot.at())
    depot.ok()
    assert world.stock("TEE") == (10, 0)
    assert reasons(depot) == ["not booked, as book_counts is off: TEE 10 here, 4 there"]


def test_the_warehouses_own_words_for_items_are_understood(world: World, shop: Channel) -> None:
    world.item("TEE", east=10)
    depot = Depot(world, skus={"TEE": "100-T"})
    depot.yard.count("E", {"100-T": 4, "TEE": 99}, as_of=depot.at())
    depot.yard.adjust("E", "100-T", -1, "broken", at=depot.at(1))
    depot.ok()
    assert world.stock("TEE") == (3, 0)
    assert reasons(depot)[0] == "no item of ours, or a kit: TEE"


def test_an_adjustment_is_booked_once_with_its_reason(world: World, depot: Depot) -> None:
    depot.yard.adjust("E", "TEE", -2, "fell off the shelf", at=depot.at())
    depot.yard.repeat()
    depot.yard.adjust("E", "MUG", 5, "found", at=depot.at())
    depot.ok()
    assert (world.stock("TEE"), world.stock("MUG")) == ((8, 0), (15, 0))
    rows = world.rows("SELECT kind, on_hand, note FROM ledger WHERE actor = 'depot' ORDER BY id")
    assert [tuple(row) for row in rows] == [("adjust", -2, "fell off the shelf"), ("adjust", 5, "found")]


def test_an_adjustment_from_before_the_count_is_in_it(world: World, depot: Depot) -> None:
    depot.yard.count("E", {"TEE": 7}, as_of=depot.at(10))
    depot.yard.adjust("E", "TEE", -3, "broken", at=depot.at(5))
    depot.yard.adjust("E", "TEE", 4, "found", at=depot.at(5))
    depot.yard.adjust("E", "TEE", 1, "found", at=depot.at(11))
    depot.ok()
    assert world.stock("TEE") == (8, 0)
    assert "already" in reasons(depot)[1]


@pytest.mark.parametrize(("sku", "change", "told"), [("GHOST", 1, "no item GHOST"), ("TEE", -11, "cannot be taken")])
def test_an_adjustment_that_cannot_be_booked_says_why(
    world: World, depot: Depot, sku: str, change: int, told: str
) -> None:
    depot.yard.adjust("E", sku, change, "", at=depot.at())
    assert depot.ok().heard.refused == 1
    assert told in reasons(depot)[0]
    assert world.stock("TEE") == (10, 0)


def test_a_later_count_knows_what_was_told_late_before_it(world: World, shop: Channel, depot: Depot) -> None:
    """A count, a parcel from before it told after it, then another count: nothing is taken or given twice."""
    work(world, shop, depot, TEE=2)
    depot.yard.count("E", {"TEE": 8}, as_of=depot.at(1))
    depot.ok()
    depot.send(seconds=-120)
    depot.ok()
    assert world.stock("TEE") == (8, 0)
    depot.yard.count("E", {"TEE": 8}, as_of=depot.at(-30))
    depot.ok()
    assert world.stock("TEE") == (8, 0)
    causes: list[Any] = [row.cause for row in world.rows("SELECT cause FROM ledger WHERE kind = 'count' ORDER BY id")]
    assert [cause.split(":")[1] for cause in causes] == ["warehouse", "late"]


def test_a_parcel_from_before_a_count_that_took_its_promise_back_has_left(
    world: World, shop: Channel, depot: Depot
) -> None:
    """All that the count shows is promised to others; what left is missing there already, and from nobody else."""
    work(world, shop, depot, "new", TEE=3)
    world.take(shop, order("old", line(1, "TEE", 7), at=START - 1))
    world.release(shop)
    depot.yard.fail("unavailable")
    depot.turn(1)  # it is not asked for the old one yet
    depot.yard.fail(None)
    depot.yard.slow = True
    depot.yard.count("E", {"TEE": 7}, as_of=depot.at(1))
    depot.ok(1)
    assert world.counts("new") == {"ordered": 3, "backordered": 3}
    depot.send(nth=0, seconds=-10)
    depot.ok(1)
    assert depot.notices()[-1] == ("left", "taken", "")
    assert world.counts("new") == {"ordered": 3, "shipped": 3}
    assert world.counts("old") == {"ordered": 7, "reserved": 7, "allocated": 7}
    assert world.stock("TEE") == (7, 7)
    assert verify(world.store, file=False) == []


def test_a_sku_that_has_lost_its_zeros_is_told_and_not_guessed(world: World, depot: Depot) -> None:
    world.item("00123", east=4)
    depot.yard.count("E", {"123": 9, "77": 1}, as_of=depot.at())
    depot.ok()
    assert reasons(depot) == ["no item of ours, or a kit: 123 (did a spreadsheet take the zeros off 00123?), 77"]
    assert world.stock("00123") == (4, 0)


@pytest.mark.parametrize("told_late", [False, True])
def test_a_parcel_that_never_left_is_in_the_count_already(
    world: World, shop: Channel, depot: Depot, told_late: bool
) -> None:
    """Its label was bought, the shelf was counted with the units on it, and then it is void."""
    from core.sync.void import Void, void

    work(world, shop, depot, TEE=2)
    if told_late:
        depot.yard.count("E", {"TEE": 10}, as_of=depot.at(1))
        depot.ok()
        depot.send(seconds=-120)
        depot.ok()
    else:
        depot.send()
        depot.ok()
        depot.yard.count("E", {"TEE": 10}, as_of=depot.at(1))
        depot.ok()
    assert world.stock("TEE") == (10, 0)
    tracking = world.value("SELECT tracking FROM shipments")
    void(world.store, Void(order_id=world.order("1").id, tracking=tracking, why="label only"), world.now)
    assert world.stock("TEE") == (10, 2)
    depot.yard.count("E", {"TEE": 10}, as_of=depot.at(-30))
    depot.ok()
    assert world.stock("TEE") == (10, 2)
