"""Hints in the rounds: stored once, coalesced, answered by a look and by nothing else, never a channel's trouble."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from core.connector import Ability, Connector
from core.errors import Rejected, Unauthorized, Unavailable
from core.model import ChannelListing, Hint, HintKind, instant
from core.sync import hints
from core.sync.channel import Channel
from core.sync.hear import LEVEL_PATIENCE, REMEMBERED_SECONDS, Heard, due_hints, forget, hear
from core.sync.round import Outcome, run_round
from core.sync.turn import Trouble, turn
from tests.core.sync.fake import SIMPLE, Fake, body
from tests.core.sync.test_turn import SETTINGS
from tests.core.sync.world import SECOND, START, World, connector, edited, line, order, page

COMPARES = SIMPLE | {Ability.COMPARE_AND_SET, Ability.READ_LEVELS}


@pytest.fixture
def shop(world: World) -> Channel:
    """A channel that lists A, of which there are nine in the east; its first round is over."""
    world.item("A", east=9)
    shop = world.channel(fake=Fake(offers=[ChannelListing(sku="A")]))
    run(world, shop)
    connector(shop).calls.clear()
    return shop


def run(world: World, shop: Channel, *others: Channel, pulling: bool = True, **more: Any) -> Outcome:
    world.later()
    settings = {channel.name: channel.settings for channel in (shop, *others)}
    return run_round(world.store, shop, settings, world.clock, pulling=pulling, **more)


def of(number: str, event: str = "e1", **more: Any) -> Hint:
    return Hint(**({"id": event, "kind": HintKind.ORDER, "at": instant(START), "order": number} | more))


def say(world: World, *told: Hint, channel: str = "shop") -> None:
    world.later(1)
    assert hear(world.store, {channel: Heard(hints=list(told))}, world.now) == set()


def waiting(world: World) -> list[Any]:
    return list(world.rows("SELECT * FROM hints ORDER BY kind, subject, place"))


def hearing(world: World) -> Any:
    return world.row("SELECT * FROM hearing")


# Hearing.


def test_the_same_event_counts_once_however_often_it_comes(world: World, shop: Channel) -> None:
    say(world, of("1"))
    say(world, of("1"), of("1", "e2"))
    say(world, of("1"))
    (row,) = waiting(world)
    assert (row.subject, row.mark) == ("1", 2)
    assert (hearing(world).received, hearing(world).repeated) == (2, 2)
    assert hearing(world).last_received == world.now


def test_a_thousand_hints_of_one_order_are_one_row(world: World, shop: Channel) -> None:
    say(world, *(of("1", f"e{number}") for number in range(1000)))
    (row,) = waiting(world)
    assert row.mark == 1000


def test_the_latest_word_on_a_level_stands_whatever_order_it_came_in(world: World, shop: Channel) -> None:
    def level(event: str, quantity: int, seconds: int) -> Hint:
        at = instant(START) + timedelta(seconds=seconds)
        return Hint(id=event, kind=HintKind.LEVEL, at=at, handle="A", quantity=quantity)

    say(world, level("e1", 7, 10), level("e2", 5, 30))
    say(world, level("e3", 6, 20))
    (row,) = waiting(world)
    assert (row.quantity, row.happened_at) == (5, START + 30 * SECOND)


def test_a_channel_never_taken_up_keeps_nothing_and_is_said_so(world: World) -> None:
    assert hear(world.store, {"nobody": Heard(hints=[of("1")])}, world.now) == {"nobody"}
    assert waiting(world) == []


def test_what_was_refused_is_counted_with_the_last_reason(world: World, shop: Channel) -> None:
    hear(world.store, {"shop": Heard(refused=3, refusal="forged \0 one")}, world.now)
    hear(world.store, {"shop": Heard(hints=[of("1")])}, world.now)
    row = hearing(world)
    assert (row.refused, row.refusal, row.last_refused) == (3, "forged \ufffd one", world.now)


def test_the_ids_of_old_events_are_forgotten(world: World, shop: Channel) -> None:
    say(world, of("1"))
    world.later(REMEMBERED_SECONDS / 2)
    say(world, of("2", "e2"))
    world.later(REMEMBERED_SECONDS / 2 + 1)
    assert forget(world.store, world.now) == 1
    assert [row.event for row in world.rows("SELECT event FROM heard")] == ["e2"]


# Answering.


def test_a_hint_is_answered_by_a_look_at_its_order_without_a_pull(world: World, shop: Channel) -> None:
    connector(shop).orders["1"] = body(order("1", line(1, "A", 2)))
    say(world, of("1"))
    done = run(world, shop, pulling=False)
    assert done.orders.stored == 1
    assert connector(shop).calls[0] == "fetch"
    assert "pages" not in connector(shop).calls
    assert world.counts("1") == {"ordered": 2, "reserved": 2, "allocated": 2}
    assert waiting(world) == []


def test_a_look_moves_no_pulls_place(world: World, shop: Channel) -> None:
    connector(shop).pulls = [[page(cursor="here")]]
    run(world, shop)
    before = world.channel_row()
    connector(shop).orders["1"] = body(order("1", line(1, "A", 2)))
    say(world, of("1"))
    run(world, shop, pulling=False)
    assert (world.channel_row().cursor, world.channel_row().last_pull) == ("here", before.last_pull)


def test_who_waits_is_served_before_who_is_hinted_at(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 10)))
    world.receive("A", "east", 1)
    connector(shop).orders["2"] = body(order("2", line(1, "A")))
    say(world, of("2"))
    done = run(world, shop, pulling=False)
    assert (done.resumed, done.orders.stored) == (1, 1)
    assert (world.counts("1")["reserved"], world.line("2").backordered) == (10, 1)


def test_a_hint_and_a_pull_together_reserve_once(world: World, shop: Channel) -> None:
    fake, placed = connector(shop), order("1", line(1, "A", 2))
    fake.orders["1"] = body(placed)
    fake.pulls = [[page(placed)]]
    say(world, of("1"))
    run(world, shop)
    say(world, of("1", "e2"))
    run(world, shop)
    assert world.counts("1") == {"ordered": 2, "reserved": 2, "allocated": 2}
    assert world.stock("A") == (9, 2)


def test_hints_in_any_order_end_as_the_channel_stands(world: World, shop: Channel) -> None:
    fake, placed = connector(shop), order("1", line(1, "A", 2))
    fake.orders["1"] = body(edited(placed, lines=(line(1, "A", 2, cancelled=2),)))
    say(world, of("1", "cancelled"))
    run(world, shop, pulling=False)
    say(world, of("1", "created"))  # of the order as it was first: a late one only makes us look again
    run(world, shop, pulling=False)
    assert world.counts("1") == {"ordered": 2, "cancelled": 2}
    assert world.stock("A") == (9, 0)


def test_a_hint_that_comes_during_the_look_is_not_lost(world: World, shop: Channel) -> None:
    fake = connector(shop)
    fake.orders["1"] = body(order("1", line(1, "A", 2)))
    fetch = fake.fetch

    def meanwhile(number: str) -> Any:
        say(world, of("1", "e2"))
        return fetch(number)

    fake.fetch = meanwhile  # type: ignore[method-assign]
    say(world, of("1"))
    run(world, shop, pulling=False)
    assert [row.subject for row in waiting(world)] == ["1"]


def test_an_order_seen_since_its_hint_costs_no_look(world: World, shop: Channel) -> None:
    say(world, of("1"))
    world.later()
    world.take(shop, order("1", line(1, "A"), version=START), move=False)
    run(world, shop, pulling=False)
    assert "fetch" not in connector(shop).calls
    assert waiting(world) == []


def test_an_order_seen_since_but_older_than_its_hint_is_looked_at(world: World, shop: Channel) -> None:
    """A list may lag behind what the hint is about."""
    connector(shop).orders["1"] = body(order("1", line(1, "A", cancelled=1), version=START))
    say(world, of("1"))
    world.later()
    world.take(shop, order("1", line(1, "A"), version=START - 1), move=False)
    run(world, shop, pulling=False)
    assert world.counts("1") == {"ordered": 1, "cancelled": 1}


def test_other_channels_follow_and_are_woken_before_the_hinted_one_is_told_anything(
    world: World, shop: Channel
) -> None:
    other = world.channel("other", Fake(offers=[ChannelListing(sku="A")]))
    run(world, other, shop)
    run(world, shop, other)
    fake = connector(shop)
    fake.orders["1"] = body(order("1", line(1, "A", 2)))
    fake.calls.clear()
    say(world, of("1"))
    calls_when_woken: list[str] = []
    done = run(world, shop, other, pulling=False, woken=lambda: calls_when_woken.extend(fake.calls))
    assert calls_when_woken == ["fetch"]
    assert done.poked == (other.id,)
    run(world, other, shop, pulling=False)
    assert connector(other).levels[-1].quantity == 7


def test_an_order_the_channel_does_not_know_yet_is_looked_at_later_and_in_the_end_dropped(
    world: World, shop: Channel
) -> None:
    say(world, of("1"))
    pauses = []
    for _ in range(hints.TRIES - 1):
        run(world, shop, pulling=False)
        (row,) = waiting(world)
        pauses.append((row.due_at - world.now) // SECOND)
        assert due_hints_of(world, shop) == row.due_at
        world.later(pauses[-1])
    assert pauses == [2, 4, 8, 16, 32]
    run(world, shop, pulling=False)
    assert waiting(world) == []


def due_hints_of(world: World, shop: Channel) -> int:
    with world.store.read() as tx:
        return due_hints(tx)[shop.id]


def test_a_look_before_its_time_is_not_taken(world: World, shop: Channel) -> None:
    say(world, of("1"))
    run(world, shop, pulling=False)
    with world.store.write() as tx:
        tx.run("UPDATE hints SET due_at = :later", later=world.now + 3600 * SECOND)
    connector(shop).calls.clear()
    run(world, shop, pulling=False)
    assert connector(shop).calls == []


def test_a_spent_budget_lets_hints_wait_and_is_nobodys_trouble(world: World, shop: Channel) -> None:
    fake = connector(shop)
    looks: list[str] = []

    def spent(number: str) -> Any:
        looks.append(number)
        raise Unavailable("the budget of getOrder is spent", after=40)

    fake.fetch = spent  # type: ignore[method-assign]
    fake.pulls = [[page(order("7", line(1, "A")))]]
    say(world, of("1"), of("2", "e2"))
    done = run(world, shop)
    assert done.orders.stored == 1  # the round went on
    assert looks == ["1"]
    assert {row.due_at for row in waiting(world)} == {world.now + 40 * SECOND}


def test_an_outage_keeps_hints_and_is_the_channels_trouble(world: World, shop: Channel) -> None:
    fake = connector(shop)

    def down(number: str) -> Any:
        raise Unavailable("down")

    fake.fetch = down  # type: ignore[method-assign]
    fake.pulls = [[page(order("7", line(1, "A")))]]
    say(world, of("1"))
    with pytest.raises(Unavailable):
        run(world, shop)
    assert len(waiting(world)) == 1
    assert world.order("7").number == "7"  # what does not depend on it was done


def test_a_look_the_channel_refuses_is_dropped_and_told(small_world: World) -> None:
    shop = small_world.channel()
    run(small_world, shop)

    def refuse(number: str) -> Any:
        raise Rejected("no")

    connector(shop).fetch = refuse  # type: ignore[method-assign]
    say(small_world, of("1"))
    with capture_logs() as lines:
        run(small_world, shop, pulling=False)
    assert [one["event"] for one in lines] == ["hint dropped: the channel refuses the look"]
    assert waiting(small_world) == []


def test_a_slice_of_looks_leaves_the_rest_to_the_next_turn(small_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = small_world.channel()
    run(small_world, shop)
    monkeypatch.setattr(hints, "SLICE", 0.0)
    for number in ("1", "2", "3"):
        connector(shop).orders[number] = body(order(number, line(1, "A")))
    say(small_world, *(of(number, f"e{number}") for number in ("1", "2", "3")))
    left = []
    for _ in range(3):
        run(small_world, shop, pulling=False)
        left.append(len(waiting(small_world)))
    assert left == [2, 1, 0]


def test_a_change_the_channel_does_not_name_is_answered_by_a_pull(world: World, shop: Channel) -> None:
    connector(shop).pulls = [[page(order("1", line(1, "A")))]]
    say(world, of(""))
    assert run(world, shop, pulling=False).orders.stored == 1
    assert waiting(world) == []


def test_it_waits_while_the_pull_fails(world: World, shop: Channel) -> None:
    connector(shop).pulls = [[Unavailable("down")]]
    say(world, of(""))
    with pytest.raises(Unavailable):
        run(world, shop, pulling=False)
    assert len(waiting(world)) == 1


def test_old_hints_expire(world: World, shop: Channel) -> None:
    say(world, of("1"))
    world.later(hints.LIFE / SECOND)
    say(world, of("2", "e2"))
    connector(shop).orders["2"] = body(order("2", line(1, "A")))
    run(world, shop, pulling=False)
    assert connector(shop).calls.count("fetch") == 1
    assert waiting(world) == []
    assert world.rows("SELECT number FROM orders") == [("2",)]


# Levels.


@pytest.fixture
def comparing(world: World) -> Channel:
    """A channel that compares, was told nine of A, and holds them."""
    world.item("A", east=9)
    offers = [ChannelListing(sku="A", handle="gid-A")]
    shop = world.channel(fake=Fake(abilities=COMPARES, offers=offers, quantities={("A", ""): 9}))
    run(world, shop)
    run(world, shop)
    assert world.value("SELECT state FROM levels") == "applied"
    connector(shop).calls.clear()
    return shop


def moved(quantity: int | None, event: str = "e1", at: int = 3600) -> Hint:
    when = instant(START) + timedelta(seconds=at)
    return Hint(id=event, kind=HintKind.LEVEL, at=when, handle="gid-A", quantity=quantity)


def test_a_level_somebody_moved_is_read_pulled_behind_and_told_again(world: World, comparing: Channel) -> None:
    connector(comparing).quantities["A", ""] = 30
    say(world, moved(30))
    run(world, comparing, pulling=False)
    assert connector(comparing).calls == ["read_levels", "pages", "push_levels"]
    assert connector(comparing).quantities["A", ""] == 9
    assert waiting(world) == []


def test_the_echo_of_our_own_push_ends(world: World, comparing: Channel) -> None:
    say(world, moved(9))
    run(world, comparing, pulling=False)
    assert connector(comparing).calls == []


def test_what_an_order_taken_in_did_to_its_level_is_known(world: World, comparing: Channel) -> None:
    fake = connector(comparing)
    fake.orders["1"] = body(order("1", line(1, "A", 2), version=START + 3600 * SECOND, at=START + 3600 * SECOND))
    fake.quantities["A", ""] = 7
    say(world, of("1", "order"), moved(7, "level", at=3601))
    world.later(LEVEL_PATIENCE / SECOND)
    run(world, comparing, pulling=False)
    assert "read_levels" not in fake.calls
    assert "pages" not in fake.calls


def test_a_word_from_before_we_last_knew_moves_nothing(world: World, comparing: Channel) -> None:
    say(world, moved(30, at=-10))
    run(world, comparing, pulling=False)
    assert connector(comparing).calls == []
    assert waiting(world) == []


def test_a_level_is_given_a_moment_before_it_is_looked_at(world: World, comparing: Channel) -> None:
    say(world, moved(30))
    (row,) = waiting(world)
    assert row.due_at == world.now + LEVEL_PATIENCE


# The account.


def removed(event: str = "e1") -> Hint:
    return Hint(id=event, kind=HintKind.ACCOUNT, at=instant(START), parks=True, reason="uninstalled; install it again")


def take_turn(world: World, fake: Fake) -> Outcome | Trouble:
    world.later()
    return turn(world.store, SETTINGS, "shop", now=world.clock, connector=cast(Connector, fake))


def test_a_channel_that_lets_us_in_no_more_is_parked_with_what_it_told(small_world: World) -> None:
    fake = Fake()
    take_turn(small_world, fake)
    say(small_world, removed())
    fake.pulls = [[Unauthorized("401", forbidden=True)]]
    trouble = take_turn(small_world, fake)
    assert trouble == Trouble("shop", "uninstalled; install it again", parked=True)
    assert small_world.channel_row().reason == "uninstalled; install it again"


def test_a_channel_that_lets_us_in_all_the_same_is_not_parked(small_world: World) -> None:
    """A late word of an app that was installed again meanwhile."""
    fake = Fake()
    take_turn(small_world, fake)
    say(small_world, removed())
    assert isinstance(take_turn(small_world, fake), Outcome)
    assert small_world.channel_row().health == "ok"
    assert waiting(small_world) == []


def test_a_notice_is_told_once_kept_in_the_history_and_shown_for_its_time(small_world: World) -> None:
    shop = small_world.channel()
    run(small_world, shop)
    say(small_world, Hint(id="n1", kind=HintKind.ACCOUNT, at=instant(START), reason="erase a buyer; within 30 days"))
    with capture_logs() as lines:
        run(small_world, shop)
        run(small_world, shop)
    told = [one for one in lines if one["event"] == "the channel gives notice"]
    assert [one["reason"] for one in told] == ["erase a buyer; within 30 days"]
    assert small_world.value("SELECT detail FROM audit WHERE event = 'notice'") == "erase a buyer; within 30 days"
    assert len(waiting(small_world)) == 1
    small_world.later(hints.NOTICE_LIFE / SECOND)
    run(small_world, shop)
    assert waiting(small_world) == []
