"""Cancelled here: released exactly once, due at the channel at once, and right whatever the channel says of it."""

from __future__ import annotations

from typing import Any

import pytest

from core.connector import Ability
from core.errors import UserError
from core.model import Ack, AckState, CancelReason, Fulfiller, Hold, Package
from core.sync.cancel import Cancelled, Decision, cancel
from core.sync.channel import Channel
from core.sync.push import push_cancellations
from core.sync.pushes import drop, retry
from tests.core.sync.fake import SIMPLE, Fake, applied, body
from tests.core.sync.world import World, connector, edited, line, order

ABLE = SIMPLE | {Ability.CANCEL}


@pytest.fixture
def shop(world: World) -> Channel:
    world.item("A", east=5, west=5)
    world.item("B", east=5)
    return world.channel(fake=Fake(abilities=ABLE))


def call_off(world: World, number: str, *, reason: CancelReason = CancelReason.OUT_OF_STOCK, **more: Any) -> Cancelled:
    """Units by SKU; none named: everything."""
    settings = {key: more.pop(key) for key in ("note", "notify", "reference") if key in more}
    decision = Decision(order_id=world.order(number).id, reason=reason, units=more or None, **settings)
    return cancel(world.store, decision, world.now)


def push(world: World, shop: Channel) -> int:
    world.later()
    return push_cancellations(world.store, shop, world.clock)


def pushes(world: World) -> list[str]:
    return [row.state for row in world.rows("SELECT state FROM pushes WHERE kind = 'cancel' ORDER BY id")]


def cancelling(world: World, number: str, of: int = 1) -> int:
    return int(world.line(number, of).cancelling)


def refusing(reason: str = "the channel has shipped it; look there") -> Any:
    return lambda pushed: Ack(key=pushed.key, state=AckState.REFUSED, reason=reason)


def test_what_is_reserved_is_free_at_once_and_due_at_the_channel(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 2)))
    wanted = world.channel_row().wanted
    done = call_off(world, "1", note="the last one broke")
    assert world.counts("1") == {"ordered": 2, "cancelled": 2}
    assert world.stock("A") == (10, 0)
    assert world.at("A") == {"east": (5, 0), "west": (5, 0)}
    assert world.work("1") == [("east", "cancelled", 0, 0)]
    assert (dict(done.units), done.whole, done.recalled) == ({"1": 2}, True, {})
    assert pushes(world) == ["queued"]
    assert world.channel_row().wanted == wanted + 1
    assert push(world, shop) == 1
    told = connector(shop).cancelled[0]
    assert (told.order, dict(told.lines), dict(told.before), told.whole) == ("1", {"1": 2}, {"1": 0}, True)
    assert (told.reason, told.note, told.key) == (
        CancelReason.OUT_OF_STOCK, "the last one broke", f"cancel:{done.push}"
    )  # fmt: skip
    assert pushes(world) == ["applied"]
    assert push(world, shop) == 0
    assert len(connector(shop).cancelled) == 1


def test_an_order_that_waits_for_stock_is_cancelled_without_any(world: World, shop: Channel) -> None:
    world.item("C")
    world.take(shop, order("1", line(1, "C", 2)))
    call_off(world, "1")
    assert world.counts("1") == {"ordered": 2, "cancelled": 2}
    world.receive("C", "east", 5)
    assert world.refill(shop) == 0
    assert world.stock("C") == (5, 0)


def test_what_waits_is_given_up_before_what_is_reserved(world: World, shop: Channel) -> None:
    world.item("C", east=1)
    world.take(shop, order("1", line(1, "C", 3)))
    call_off(world, "1", C=1)
    assert world.counts("1") == {"ordered": 3, "cancelled": 1, "reserved": 1, "backordered": 1, "allocated": 1}
    call_off(world, "1", C=2)
    assert world.counts("1") == {"ordered": 3, "cancelled": 3}
    assert world.stock("C") == (1, 0)


def test_units_of_an_unknown_sku_are_cancelled_too(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "WHAT", 2)))
    call_off(world, "1", WHAT=1)
    assert world.counts("1") == {"ordered": 2, "cancelled": 1, "held": 1}


def test_a_held_order_can_be_cancelled(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 2), holds=(Hold.BUYER_CANCEL,)))
    call_off(world, "1", reason=CancelReason.BUYER)
    assert world.stock("A") == (10, 0)


def test_what_a_location_was_asked_for_is_recalled_and_told(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 2)))
    world.release(shop)
    assert call_off(world, "1", A=1).recalled == {"east": 1}
    assert world.work("1") == [("east", "released", 1, 0)]
    assert call_off(world, "1").recalled == {"east": 1}
    assert world.work("1") == [("east", "cancelled", 0, 0)]
    details = [row.detail for row in world.rows("SELECT detail FROM audit WHERE event = 'cancelled here' ORDER BY id")]
    assert details[0] == "1 of A (out of stock); east was asked for 1 already: tell it"


def test_only_what_has_not_shipped_is_cancelled(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 3), line(2, "B", 1)))
    world.ship("1", A=1)
    done = call_off(world, "1")
    assert (dict(done.units), done.whole) == ({"1": 2, "2": 1}, False)
    assert world.counts("1") == {"ordered": 3, "cancelled": 2, "shipped": 1}
    assert world.stock("A") == (9, 0)


def test_units_that_have_shipped_are_refused_with_the_reason(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 3)))
    world.ship("1", A=2)
    with pytest.raises(
        UserError, match="2 of A cannot be cancelled: 1 of order #1 are open, 2 shipped and 0 cancelled"
    ):
        call_off(world, "1", A=2)
    world.ship("1", tracking="T2", A=1)
    with pytest.raises(UserError, match="nothing of order #1 can be cancelled: 3 shipped, 0 cancelled already"):
        call_off(world, "1")
    assert world.counts("1") == {"ordered": 3, "shipped": 3}
    assert pushes(world) == []


def test_what_cannot_be_is_told_and_nothing_done(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 2)), order("2", line(1, "A", 1), fulfiller=Fulfiller.CHANNEL))
    with pytest.raises(UserError, match="no line 'B'"):
        call_off(world, "1", B=1)
    with pytest.raises(UserError, match="the channel itself ships order #2; cancel it there"):
        call_off(world, "2")
    with pytest.raises(UserError, match="no order 999"):
        cancel(world.store, Decision(999, CancelReason.OTHER), world.now)
    with pytest.raises(UserError, match="nothing was named"):
        cancel(world.store, Decision(world.order("1").id, CancelReason.OTHER, units={}), world.now)
    assert world.counts("1") == {"ordered": 2, "reserved": 2, "allocated": 2}
    assert pushes(world) == []


def test_the_same_reference_is_decided_once(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 3)))
    first = call_off(world, "1", A=1, reference="case 7")
    again = call_off(world, "1", A=1, reference="case 7")
    assert (again.push, again.new, dict(again.units)) == (first.push, False, {"1": 1})
    assert world.counts("1") == {"ordered": 3, "cancelled": 1, "reserved": 2, "allocated": 2}
    assert call_off(world, "1", A=1, reference="case 8").new


def test_a_kit_gives_its_components_back(world: World, shop: Channel) -> None:
    world.item("CUP", east=5)
    world.item("SPOON", east=5)
    world.kit("SET", {"CUP": 2, "SPOON": 1})
    world.take(shop, order("1", line(1, "SET", 2)))
    call_off(world, "1", SET=1)
    assert (world.stock("CUP"), world.stock("SPOON")) == ((5, 2), (5, 1))


# What the channel says of it.


def test_a_newer_version_that_still_shows_the_units_open_reserves_nothing(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    call_off(world, "1", A=1)
    two = edited(one, service="express")
    world.take(shop, two)
    assert world.counts("1") == {"ordered": 2, "cancelled": 1, "reserved": 1, "allocated": 1}
    world.take(shop, edited(two, lines=(line(1, "A", 3),)))
    assert world.counts("1") == {"ordered": 3, "cancelled": 1, "reserved": 2, "allocated": 2}
    assert cancelling(world, "1") == 1
    assert world.refill(shop) == 0
    assert world.stock("A") == (10, 2)


@pytest.mark.parametrize("pushed", [True, False])
def test_what_the_channel_confirms_is_not_released_twice(world: World, shop: Channel, pushed: bool) -> None:
    one = order("1", line(1, "A", 3))
    world.take(shop, one)
    call_off(world, "1", A=2)
    if pushed:
        push(world, shop)
    world.take(shop, edited(one, lines=(line(1, "A", 3, cancelled=2),)))
    assert world.counts("1") == {"ordered": 3, "cancelled": 2, "reserved": 1, "allocated": 1}
    assert world.stock("A") == (10, 1)
    assert cancelling(world, "1") == 0
    assert pushes(world) == ["confirmed"]
    assert "cancellation confirmed" in world.timeline("1")
    assert "cancelled at the channel" not in world.timeline("1")
    assert push(world, shop) == 0


def test_what_the_buyer_cancels_too_is_the_same_units(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 4))
    world.take(shop, one)
    call_off(world, "1", A=2)
    two = edited(one, lines=(line(1, "A", 4, cancelled=1),))
    world.take(shop, two)
    assert world.counts("1") == {"ordered": 4, "cancelled": 2, "reserved": 2, "allocated": 2}
    assert (cancelling(world, "1"), pushes(world)) == (1, ["queued"])
    assert push(world, shop) == 1
    told = connector(shop).cancelled[0]
    assert (dict(told.lines), dict(told.before)) == ({"1": 2}, {"1": 0}), "two beyond none: one of them is there"
    world.take(shop, edited(two, lines=(line(1, "A", 4, cancelled=3),)))
    assert world.counts("1") == {"ordered": 4, "cancelled": 3, "reserved": 1, "allocated": 1}
    assert (cancelling(world, "1"), pushes(world)) == (0, ["confirmed"])
    assert "cancelled at the channel" in world.timeline("1")


def test_a_line_taken_away_confirms_its_cancellation(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 1), line(2, "B", 1))
    world.take(shop, one)
    call_off(world, "1", B=1)
    world.take(shop, edited(one, lines=(line(1, "A", 1),)))
    assert world.counts("1", 2) == {"ordered": 1, "cancelled": 1}
    assert (cancelling(world, "1", 2), pushes(world)) == (0, ["confirmed"])


def test_cancellations_of_one_order_go_one_after_the_other_and_count_on(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 4))
    world.take(shop, one)
    call_off(world, "1", A=1)
    call_off(world, "1", A=2)
    connector(shop).answer = lambda pushed: Ack(key=pushed.key, state=AckState.RETRY)
    push(world, shop)
    assert len(connector(shop).cancelled) == 1, "the second waits for the first"
    connector(shop).answer = applied
    assert push(world, shop) == 2
    assert [dict(told.before) for told in connector(shop).cancelled] == [{"1": 0}, {"1": 0}, {"1": 1}]
    world.take(shop, edited(one, lines=(line(1, "A", 4, cancelled=1),)))
    assert pushes(world) == ["confirmed", "applied"]
    assert world.counts("1") == {"ordered": 4, "cancelled": 3, "reserved": 1, "allocated": 1}


def test_a_cancellation_is_the_channels_whole_order_only_when_nothing_ships(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 1), line(2, "B", 1)))
    assert not call_off(world, "1", A=1).whole
    assert call_off(world, "1").whole


def test_a_reopened_order_keeps_what_was_cancelled_here(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 3, cancelled=1))
    world.take(shop, one)
    call_off(world, "1", A=1)
    two = edited(one, lines=(line(1, "A", 3),))
    world.take(shop, two)
    assert world.counts("1") == {"ordered": 3, "cancelled": 1, "reserved": 2, "allocated": 2}
    assert cancelling(world, "1") == 1
    push(world, shop)
    world.take(shop, edited(two, lines=(line(1, "A", 3, cancelled=1),)))
    assert (cancelling(world, "1"), pushes(world)) == (0, ["confirmed"])


# The channel refuses, or somebody there was faster.


def test_a_refused_cancellation_stands_as_an_issue_and_the_units_stay_free(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    done = call_off(world, "1")
    connector(shop).answer = refusing("the channel cancels no paid order; cancel it there")
    assert push(world, shop) == 0
    assert push(world, shop) == 0
    assert len(connector(shop).cancelled) == 1
    assert pushes(world) == ["refused"]
    world.take(shop, edited(one, service="express"))
    assert world.counts("1") == {"ordered": 2, "cancelled": 2}
    assert cancelling(world, "1") == 2
    with pytest.raises(UserError, match=f"`ordersync push retry {done.push}`, or `ordersync push drop {done.push}`"):
        call_off(world, "1")


def test_a_refused_cancellation_is_retried_under_a_key_of_its_own(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 2)))
    done = call_off(world, "1")
    connector(shop).answer = refusing()
    push(world, shop)
    assert retry(world.store, done.push, world.now).state == "queued"
    connector(shop).answer = applied
    assert push(world, shop) == 1
    first, second = connector(shop).cancelled
    assert (first.key, second.key) == (f"cancel:{done.push}", f"cancel:{done.push}.2")
    assert (dict(second.lines), dict(second.before), second.whole) == ({"1": 2}, {"1": 0}, True)


def test_a_cancellation_taken_back_reserves_again(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 6))
    world.take(shop, one)
    done = call_off(world, "1", A=5)
    world.take(shop, order("2", line(1, "A", 8)))
    connector(shop).answer = refusing()
    push(world, shop)
    assert drop(world.store, done.push, "the buyer wants it after all", world.now).state == "dropped"
    assert world.counts("1") == {"ordered": 6, "reserved": 2, "backordered": 4, "allocated": 1}
    assert cancelling(world, "1") == 0
    world.refill(shop)
    assert world.counts("1") == {"ordered": 6, "reserved": 2, "backordered": 4, "allocated": 2}
    assert "push dropped" in world.timeline("1")
    assert push(world, shop) == 0
    world.take(shop, edited(one, lines=(line(1, "A", 6, cancelled=1),)))
    assert world.counts("1") == {"ordered": 6, "cancelled": 1, "reserved": 2, "backordered": 3, "allocated": 2}
    assert pushes(world) == ["dropped"]


def test_only_what_the_channel_does_not_show_is_taken_back(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 4))
    world.take(shop, one)
    done = call_off(world, "1", A=3)
    connector(shop).answer = refusing()
    push(world, shop)
    world.take(shop, edited(one, lines=(line(1, "A", 4, cancelled=1),)))
    drop(world.store, done.push, "no", world.now)
    assert world.counts("1") == {"ordered": 4, "cancelled": 1, "reserved": 3, "allocated": 1}


def test_what_waits_behind_one_taken_back_is_worded_anew(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 4)))
    first = call_off(world, "1", A=1)
    call_off(world, "1", A=2)
    connector(shop).answer = refusing()
    push(world, shop)
    assert pushes(world) == ["refused", "queued"]
    assert len(connector(shop).cancelled) == 1, "a refused one is in the way"
    drop(world.store, first.push, "no", world.now)
    connector(shop).answer = applied
    assert push(world, shop) == 1
    told = connector(shop).cancelled[-1]
    assert (dict(told.lines), dict(told.before)) == ({"1": 2}, {"1": 0})


def test_a_cancellation_refused_here_and_done_there_by_hand_is_confirmed(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    call_off(world, "1")
    connector(shop).answer = refusing()
    push(world, shop)
    world.take(shop, edited(one, lines=(line(1, "A", 2, cancelled=2),)))
    assert pushes(world) == ["confirmed"]
    assert world.counts("1") == {"ordered": 2, "cancelled": 2}


@pytest.mark.parametrize("pushed", [True, False])
def test_units_that_left_at_the_channel_although_cancelled_here_are_told(
    world: World, shop: Channel, pushed: bool
) -> None:
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    done = call_off(world, "1")
    if pushed:
        connector(shop).answer = refusing()
        push(world, shop)
    two = edited(one, lines=(line(1, "A", 2, shipped=1),), packages=(Package(tracking="T9", lines={"1": 1}),))
    world.take(shop, two)
    assert world.counts("1") == {"ordered": 2, "cancelled": 1, "shipped": 1}
    assert (world.stock("A"), cancelling(world, "1")) == ((9, 0), 1)
    (row,) = world.rows("SELECT state, reason FROM pushes WHERE kind = 'cancel'")
    assert row.state == "refused"
    assert row.reason.startswith("1 of line 1 left at the channel although cancelled here; drop it")
    assert "shipped although cancelled" in world.timeline("1")
    drop(world.store, done.push, "gone", world.now)
    world.refill(shop)
    assert world.counts("1") == {"ordered": 2, "shipped": 1, "reserved": 1, "allocated": 1}


def test_what_has_all_left_at_the_channel_is_never_taken_for_cancelled(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    done = call_off(world, "1")
    two = edited(one, lines=(line(1, "A", 2, shipped=2),), packages=(Package(tracking="T9", lines={"1": 2}),))
    world.take(shop, two)
    world.take(shop, edited(two, service="express"))
    assert (pushes(world), world.stock("A")) == (["refused"], (8, 0))
    with pytest.raises(UserError, match=r"nothing of push .* is left to cancel"):
        retry(world.store, done.push, world.now)
    drop(world.store, done.push, "gone", world.now)
    assert world.counts("1") == {"ordered": 2, "shipped": 2}


def test_cancelled_after_shipping_at_the_channel_is_still_told(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    world.ship("1", A=2)
    world.take(shop, edited(one, lines=(line(1, "A", 2, cancelled=2),)))
    assert world.counts("1") == {"ordered": 2, "shipped": 2}
    assert "cancelled after shipping" in world.timeline("1")


def test_a_parcel_of_what_was_cancelled_is_told_how_much_of_it_was(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 3)))
    call_off(world, "1", A=1)
    with pytest.raises(UserError, match="order #1 has 2 reserved; 1 of it is cancelled"):
        world.ship("1", A=3)
    world.take(shop, order("2", line(1, "A", 11)))
    call_off(world, "2", A=1)
    with pytest.raises(UserError, match="order #2 has 8 reserved; ship those, or receive stock first"):
        world.ship("2", A=9)


def test_ship_part_cancel_the_rest_releases_only_the_rest(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 3))
    world.take(shop, one)
    world.ship("1", A=1)
    call_off(world, "1")
    push(world, shop)
    shown = (line(1, "A", 3, shipped=1, cancelled=2),)
    two = edited(one, lines=shown, packages=(Package(tracking="T1", lines={"1": 1}),))
    for version in (two, edited(two, service="x")):
        world.take(shop, version)
    assert world.counts("1") == {"ordered": 3, "cancelled": 2, "shipped": 1}
    assert world.stock("A") == (9, 0)


# Broken off half-way.


def test_a_cancellation_that_broke_off_is_read_back_and_not_sent_again(world: World, shop: Channel) -> None:
    one = order("1", line(1, "A", 3))
    world.take(shop, one)
    call_off(world, "1", A=1)
    lose(world, shop)
    connector(shop).orders["1"] = body(edited(one, lines=(line(1, "A", 3, cancelled=1),)))
    connector(shop).answer = applied
    assert push(world, shop) == 0
    assert (pushes(world), len(connector(shop).cancelled)) == (["confirmed"], 1)
    assert world.stock("A") == (10, 2)


@pytest.mark.parametrize("changed", [True, False])
def test_a_cancellation_that_never_arrived_is_sent_again_word_for_word(
    world: World, shop: Channel, changed: bool
) -> None:
    one = order("1", line(1, "A", 3))
    world.take(shop, one)
    call_off(world, "1", A=1)
    lose(world, shop)
    connector(shop).orders["1"] = body(edited(one, service="express") if changed else one)
    connector(shop).answer = applied
    assert push(world, shop) == 1
    first, second = connector(shop).cancelled
    assert first == second


def lose(world: World, shop: Channel) -> None:
    """The next cancellation's answer is lost, whether it arrived or not."""
    connector(shop).answer = broken
    with pytest.raises(KeyboardInterrupt):
        push(world, shop)
    assert pushes(world) == ["sent"]


def broken(pushed: Any) -> Ack:
    raise KeyboardInterrupt


def test_a_channel_that_wants_no_cancellations_is_told_none(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 2)))
    call_off(world, "1")
    quiet = world.channel(fake=connector(shop), push_cancellations=False)
    assert push(world, quiet) == 0
    assert pushes(world) == ["queued"]


def test_a_push_on_its_way_cannot_be_dropped_or_retried(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 2)))
    done = call_off(world, "1")
    with pytest.raises(UserError, match="queued and cannot be retried: it is tried again by itself"):
        retry(world.store, done.push, world.now)
    lose(world, shop)
    with pytest.raises(UserError, match="sent and cannot be dropped: it is on its way"):
        drop(world.store, done.push, "no", world.now)
    with pytest.raises(UserError, match="no push 999"):
        drop(world.store, 999, "no", world.now)
    assert world.counts("1") == {"ordered": 2, "cancelled": 2}


def test_what_is_wanted_after_all_is_promised_only_where_its_channel_ships_from(world: World) -> None:
    world.item("A", east=1, west=1)
    shop = world.channel(fake=Fake(abilities=ABLE), locations={"east": ""})
    world.take(shop, order("1", line(1, "A")))
    done = call_off(world, "1")
    world.take(shop, order("2", line(1, "A")))
    connector(shop).answer = refusing()
    push(world, shop)
    drop(world.store, done.push, "the buyer wants it after all", world.now)
    assert world.counts("1") == {"ordered": 1, "backordered": 1}
    assert world.counts("2") == {"ordered": 1, "reserved": 1, "allocated": 1}
