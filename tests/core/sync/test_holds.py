from __future__ import annotations

import itertools
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import UserError
from core.model import CancelReason, Fulfiller, Hold, micros
from core.store.database import Store
from core.sync.cancel import Decision, cancel
from core.sync.channel import Channel
from core.sync.expire import expire
from core.sync.holds import hold, lift, lift_due
from core.sync.round import run_round
from core.sync.verify import verify
from core.sync.work import SECOND
from tests.core.sync.corrupt import corrupting
from tests.core.sync.world import OAKLAND, World, check, connector, edited, line, order, page

HOUR = 3600


@pytest.fixture
def shop(world: World) -> Channel:
    world.item("A", east=9, west=9)
    return world.channel()


def id_of(world: World, number: str = "1") -> int:
    return int(world.order(number).id)


def events(world: World, number: str = "1") -> list[tuple[str, str, str]]:
    rows = world.rows(
        "SELECT actor, event, detail FROM audit WHERE order_id = :id ORDER BY id", id=id_of(world, number)
    )
    return [tuple(row) for row in rows]


def test_a_hold_keeps_the_plan_and_stops_the_release(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 2)))
    assert hold(world.store, id_of(world), "call the buyer", world.now).new
    assert world.release(shop) == 0
    assert world.work("1") == [("east", "planned", 2, 0)]
    assert world.counts("1") == {"ordered": 2, "reserved": 2, "allocated": 2}
    assert events(world) == [("operator", "held", "operator: call the buyer")]
    assert lift(world.store, id_of(world), None, world.now).still == []
    assert world.release(shop) == 1


def test_a_hold_set_before_anything_was_planned_keeps_it_from_being_planned(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 2), holds=(Hold.PAYMENT,)))
    hold(world.store, id_of(world), "call the buyer", world.now)
    world.take(shop, order("1", line(1, "A", 2), version=2))
    assert (world.refill(shop), world.release(shop), world.work("1")) == (0, 0, [])
    lift(world.store, id_of(world), None, world.now)
    assert (world.refill(shop), world.release(shop)) == (1, 1)


def test_a_hold_after_the_release_asks_back_nothing_by_itself(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 2)))
    world.release(shop)
    held = hold(world.store, id_of(world), "wait", world.now)
    assert (held.recalled, held.asked) == ({}, {"east": 2})
    assert world.work("1") == [("east", "released", 2, 0)]


def test_a_recall_unbinds_what_has_not_left_and_the_lift_routes_it_anew(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 3)))
    world.release(shop)
    world.ship("1", A=1)
    held = hold(world.store, id_of(world), "wrong size", world.now, recall=True)
    assert (held.recalled, held.asked) == ({"east": 2}, {})
    assert world.work("1") == [("east", "done", 1, 1)]
    assert world.counts("1") == {"ordered": 3, "shipped": 1, "reserved": 2}
    assert world.at("A")["east"] == (8, 0)
    assert events(world)[-1][2] == "operator: wrong size; 2 asked back from east: tell it"
    assert (world.refill(shop), world.release(shop)) == (0, 0)
    lift(world.store, id_of(world), None, world.now)
    assert (world.refill(shop), world.release(shop)) == (1, 1)
    assert world.work("1") == [("east", "done", 1, 1), ("east", "released", 2, 0)]


def test_a_recall_leaves_planned_work_planned(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    world.release(shop)
    world.take(shop, edited(one, lines=(line(1, "A", 3),)))
    assert hold(world.store, id_of(world), "wait", world.now, recall=True).recalled == {"east": 2}
    assert world.work("1") == [("east", "cancelled", 0, 0), ("east", "planned", 1, 0)]


def test_said_again_a_hold_has_the_new_reason_and_end(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A")))
    hold(world.store, id_of(world), "wait", world.now, until=world.now + HOUR * SECOND)
    assert not hold(world.store, id_of(world), "wait longer", world.now).new
    row = world.row("SELECT * FROM holds")
    assert (row.why, row.by, row.until) == ("wait longer", "operator", None)
    assert lift_due(world.store, shop, world.later(2 * HOUR)) == 0


def test_a_hold_with_an_end_lifts_in_the_turn_that_comes_then(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A")))
    other = world.channel("other")
    end = world.now + HOUR * SECOND
    hold(world.store, id_of(world), "wait", world.now, until=end)
    own = {"shop": shop.settings}
    assert run_round(world.store, shop, own, world.clock).lifted == 0
    assert world.work("1") == [("east", "planned", 1, 0)]
    world.now = end - 1
    assert lift_due(world.store, shop, world.now) == 0
    world.now = end
    assert lift_due(world.store, other, world.now) == 0
    done = run_round(world.store, shop, own, world.clock)
    assert (done.lifted, done.released) == (1, 1)
    assert world.holds("1") == set()
    assert events(world)[-1] == ("ordersync", "hold lifted", "operator: its time has come")
    assert run_round(world.store, shop, own, world.clock).lifted == 0


def test_several_holds_stand_at_once_and_only_the_named_one_lifts(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A"), holds=(Hold.FRAUD,)))
    hold(world.store, id_of(world), "wait", world.now)
    assert world.holds("1") == {"fraud", "operator"}
    assert lift(world.store, id_of(world), None, world.now).still == ["fraud"]
    assert (world.refill(shop), world.release(shop)) == (0, 0)


def test_a_hold_of_the_channel_set_aside_is_not_set_by_its_saying_it_again(world: World, shop: Channel) -> None:
    risky = order("1", line(1, "A"), holds=(Hold.FRAUD,))
    world.take(shop, risky)
    lift(world.store, id_of(world), Hold.FRAUD, world.now, why="the buyer is known")
    assert world.row("SELECT hold, why FROM overrides")[:] == ("fraud", "the buyer is known")
    for version in (2, 3):
        world.take(shop, edited(risky, version=version))
        assert world.holds("1") == set()
    assert (world.refill(shop), world.release(shop)) == (0, 1)  # routed as it was taken in
    assert events(world)[0] == ("operator", "hold set aside", "fraud: the buyer is known")


def test_another_hold_of_the_channel_stands_beside_the_one_set_aside(world: World, shop: Channel) -> None:
    risky = order("1", line(1, "A"), holds=(Hold.FRAUD,))
    world.take(shop, risky)
    lift(world.store, id_of(world), Hold.FRAUD, world.now, why="known")
    world.take(shop, edited(risky, holds=(Hold.FRAUD, Hold.PAYMENT)))
    assert world.holds("1") == {"payment"}
    assert (world.refill(shop), world.release(shop)) == (0, 0)


def test_a_hold_set_aside_stands_again_once_the_channel_stopped_and_began_anew(world: World, shop: Channel) -> None:
    risky = order("1", line(1, "A"), holds=(Hold.FRAUD,))
    world.take(shop, risky)
    lift(world.store, id_of(world), Hold.FRAUD, world.now, why="known")
    world.take(shop, edited(risky, version=2, holds=()))
    assert world.rows("SELECT * FROM overrides") == []
    world.take(shop, edited(risky, version=3))
    assert world.holds("1") == {"fraud"}


@pytest.mark.parametrize("firm", [Hold.PENDING, Hold.TEST, Hold.ADDRESS])
def test_what_only_the_channel_can_lift_is_not_set_aside(world: World, shop: Channel, firm: Hold) -> None:
    world.take(shop, order("1", line(1, "A"), holds=(firm,)))
    with pytest.raises(UserError, match="only there it lifts"):
        lift(world.store, id_of(world), firm, world.now, why="I want it")
    assert world.holds("1") == {firm.value}


def test_what_cannot_be_held_or_lifted_is_told(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A"), holds=(Hold.FRAUD,)), order("2", line(1, "A", 1, cancelled=1)))
    world.take(shop, order("3", line(1, "A"), fulfiller=Fulfiller.CHANNEL))
    now = world.now
    with pytest.raises(UserError, match="needs its reason"):
        hold(world.store, id_of(world), " ", now)
    with pytest.raises(UserError, match="is past"):
        hold(world.store, id_of(world), "wait", now, until=now)
    with pytest.raises(UserError, match="nothing of order #2 is open"):
        hold(world.store, id_of(world, "2"), "wait", now)
    with pytest.raises(UserError, match="the channel itself ships order #3"):
        hold(world.store, id_of(world, "3"), "wait", now)
    with pytest.raises(UserError, match="there is no order 99"):
        hold(world.store, 99, "wait", now)
    with pytest.raises(UserError, match="held for fraud: name it with --hold"):
        lift(world.store, id_of(world), None, now)
    with pytest.raises(UserError, match="nothing holds it"):
        lift(world.store, id_of(world, "2"), Hold.FRAUD, now)
    with pytest.raises(UserError, match="say with --why"):
        lift(world.store, id_of(world), Hold.FRAUD, now)
    with pytest.raises(UserError, match="there is no order 99"):
        lift(world.store, 99, None, now)


def test_a_held_order_may_still_be_cancelled(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 2)))
    hold(world.store, id_of(world), "wait", world.now)
    cancel(world.store, Decision(order_id=id_of(world), reason=CancelReason.BUYER), world.now)
    assert world.counts("1") == {"ordered": 2, "cancelled": 2}
    assert world.stock("A") == (18, 0)


def test_a_pending_order_without_address_reserves_and_is_never_released_before_it_is_confirmed(
    world: World, shop: Channel
) -> None:
    bare = order("1", line(1, "A", 2), holds=(Hold.PENDING, Hold.ADDRESS), ship_to=None)
    connector(shop).pulls = [[page(bare)]]
    own = {"shop": shop.settings}
    assert run_round(world.store, shop, own, world.clock).released == 0
    assert world.counts("1") == {"ordered": 2, "reserved": 2}
    connector(shop).pulls = [[page(edited(bare, holds=(), ship_to=OAKLAND))]]
    assert run_round(world.store, shop, own, world.clock).released == 1
    assert world.work("1") == [("east", "released", 2, 0)]


def test_a_hold_that_stands_although_it_was_set_aside_is_a_breach(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A"), holds=(Hold.FRAUD,)))
    with corrupting(world.store) as tx:
        tx.run("INSERT INTO overrides (order_id, hold) SELECT order_id, hold FROM holds")
    (breach,) = verify(world.store, file=False)
    assert (breach.name, "which was set aside" in breach.wrong) == ("I8", True)
    with corrupting(world.store) as tx:
        tx.run("DELETE FROM overrides")


def test_until_is_an_instant_of_the_store(world: World, shop: Channel) -> None:
    """Microseconds, as every other: a hold of a past century would lift at once."""
    world.take(shop, order("1", line(1, "A")))
    end = micros(order("x").placed_at) + 24 * HOUR * SECOND
    hold(world.store, id_of(world), "wait", world.now, until=end)
    assert world.value("SELECT until FROM holds") == end


QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
_numbers = itertools.count()
_KINDS = [Hold.FRAUD, Hold.PAYMENT, Hold.PENDING]


@st.composite
def days(draw: st.DrawFn) -> list[tuple[str, Any]]:
    """What happens on a few days: the channel says why it holds the order, people hold and release, stock comes."""
    steps: list[tuple[str, Any]] = []
    for _ in range(draw(st.integers(2, 4))):
        steps.append(("channel says", draw(st.sets(st.sampled_from(_KINDS), max_size=2))))
        if draw(st.booleans()):
            steps.append(("hold", draw(st.booleans())))
        steps += [("a day passes", None)] * draw(st.integers(0, 1))
        steps += [("lift", draw(st.integers(0, 2)))] * draw(st.integers(0, 2))  # which of those that stand
        steps.append(("channel says", None))  # the same again
        steps.append(("receive", draw(st.integers(1, 2))))
    return steps


@settings(max_examples=15, deadline=None, suppress_health_check=QUIET)
@given(steps=days(), units=st.integers(0, 2))
def test_whatever_is_said_and_lifted_nothing_held_is_released_and_nothing_else_is_held_back(
    sqlite_store: Store, steps: list[tuple[str, Any]], units: int
) -> None:
    store = sqlite_store
    world = World(store)
    run = next(_numbers)
    sku, name = f"H{run}", f"h{run}"
    world.item(sku, east=units)
    shop = world.channel(name, unpaid_expire_hours=24)
    one = order("1", line(1, sku, 3))
    world.take(shop, one)
    set_aside: set[str] = set()
    said: set[Hold] = set()
    operator = False
    for version, (what, about) in enumerate(steps, 2):
        id = world.order("1", name).id
        if what == "channel says":
            said = said if about is None else about
            world.take(shop, edited(one, version=version, holds=tuple(sorted(said))))
            set_aside &= {kind.value for kind in said}
        elif what == "hold":
            hold(store, id, "wait", world.now, recall=about)
            operator = True
        elif what == "lift":
            stands = sorted(world.holds("1", name)) or ["operator"]
            with suppress(UserError):
                lifted = lift(store, id, Hold(stands[about % len(stands)]), world.now, why="known").lifted
                operator = operator and lifted != "operator"
                set_aside |= {lifted} - {"operator"}
        elif what == "receive":
            world.receive(sku, "east", about)
        standing = ({kind.value for kind in said} - set_aside) | ({"operator"} if operator else set())
        assert world.holds("1", name) == standing
        world.later(25 * HOUR if what == "a day passes" else 1)
        expire(store, shop, world.now)
        world.refill(shop)
        assert not (world.release(shop) and standing)
        waits = world.rows("SELECT 1 FROM fulfilment_orders f WHERE f.order_id = :id AND f.state = 'planned'", id=id)
        counts = world.counts("1", channel=name)
        assert standing or not waits
        assert standing or counts.get("allocated", 0) == counts.get("reserved", 0)
        check(store)
    assert verify(store, file=False) == []
