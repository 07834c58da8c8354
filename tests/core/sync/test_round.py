from __future__ import annotations

import json
from typing import Any

import pytest

from core.connector import Ability
from core.errors import BadDocument, Fenced, Rejected, Unauthorized, Unavailable
from core.model import Ack, AckState, ChannelListing
from core.sync.channel import Channel
from core.sync.pull import Stopped, pull
from core.sync.round import Outcome, run_round
from tests.core.sync.fake import SIMPLE, Fake, applied, body
from tests.core.sync.world import SECOND, World, connector, line, order, page

ALL = SIMPLE | {Ability.SETTLE, Ability.COMPARE_AND_SET, Ability.READ_LEVELS}


def run(world: World, shop: Channel, *others: Channel, **more: Any) -> Outcome:
    world.later()
    settings = {channel.name: channel.settings for channel in (shop, *others)}
    return run_round(world.store, shop, settings, world.clock, **more)


@pytest.fixture
def shop(world: World) -> Channel:
    """A channel that lists A, of which there are nine in the east."""
    world.item("A", east=9)
    return world.channel(fake=Fake(offers=[ChannelListing(sku="A")]))


def ask(world: World, shop: Channel, kind: str, **argument: Any) -> None:
    with world.store.write() as tx:
        tx.run(
            "INSERT INTO requests (channel_id, kind, argument, asked_at) VALUES (:id, :kind, :argument, :now)",
            id=shop.id,
            kind=kind,
            argument=json.dumps(argument),
            now=world.now,
        )


def outcome(world: World) -> Any:
    return json.loads(world.value("SELECT outcome FROM requests WHERE done_at IS NOT NULL"))


def test_one_round_takes_in_releases_and_tells_what_is_left(world: World, shop: Channel) -> None:
    fake = connector(shop)
    fake.pulls = [[page(order("1", line(1, "A", 2), acknowledged=False))]]
    done = run(world, shop)
    assert (done.orders.stored, done.listings, done.acknowledged, done.released, done.levels) == (1, 1, 1, 1, 1)
    assert [one.quantity for one in fake.levels] == [7]
    assert world.work("1") == [("east", "released", 2, 0)]
    world.ship("1")
    assert run(world, shop).tracking == 1
    quiet = run(world, shop)
    assert quiet == Outcome(channel="shop")


def test_levels_are_read_before_the_pull_and_pushed_after_it(world: World) -> None:
    world.item("A", east=9)
    shop = world.channel(fake=Fake(abilities=ALL, offers=[ChannelListing(sku="A")], quantities={("A", ""): 4}))
    run(world, shop)
    calls = connector(shop).calls
    assert calls.index("read_levels") < calls.index("pages") < calls.index("push_levels")


def test_a_round_that_has_to_read_a_level_pulls_behind_it_though_it_was_not_to(world: World) -> None:
    """Else an order placed before the reading, and not taken in, would be sold again."""
    world.item("A", east=9)
    shop = world.channel(fake=Fake(abilities=ALL, offers=[ChannelListing(sku="A")], quantities={("A", ""): 4}))
    assert run(world, shop, pulling=False).levels == 1
    calls = connector(shop).calls
    assert calls.index("read_levels") < calls.index("pages") < calls.index("push_levels")
    world.receive("A", "east", 1)
    calls.clear()
    assert run(world, shop, pulling=False).levels == 1
    assert calls == ["push_levels"]


def test_a_level_that_has_to_wait_before_it_is_read_again_wants_no_pull(world: World) -> None:
    world.item("A", east=9)
    shop = world.channel(fake=Fake(abilities=ALL, offers=[ChannelListing(sku="A")], quantities={("A", ""): 4}))
    run(world, shop)
    with world.store.write() as tx:
        due = world.now + 3600 * SECOND
        tx.run("UPDATE levels SET state = 'queued', expected = NULL, due_at = :due", due=due)
    connector(shop).calls.clear()
    run(world, shop, pulling=False)
    assert connector(shop).calls == []


def test_a_stale_level_is_read_again_and_pushed_by_the_next_round(world: World) -> None:
    world.item("A", east=9)
    shop = world.channel(fake=Fake(abilities=ALL, offers=[ChannelListing(sku="A")], quantities={("A", ""): 4}))
    run(world, shop)
    connector(shop).quantities["A", ""] = 1
    world.receive("A", "east", 1)
    assert run(world, shop).levels == 0
    assert run(world, shop).levels == 1
    assert connector(shop).quantities["A", ""] == 10


def test_after_a_failed_pull_tracking_is_pushed_and_levels_are_not(world: World, shop: Channel) -> None:
    fake = connector(shop)
    fake.pulls = [[page(order("1", line(1, "A", 2)))]]
    run(world, shop)
    world.ship("1")
    world.receive("A", "east", 1)
    fake.pulls = [[page(order("2", line(1, "A")), cursor="kept"), Unavailable("down")]]
    levels = len(fake.levels)
    with pytest.raises(Unavailable):
        run(world, shop)
    assert len(fake.shipped) == 1
    assert len(fake.levels) == levels
    assert world.channel_row().cursor == "kept"
    assert world.work("2") == [("east", "released", 1, 0)]
    run(world, shop)
    assert [one.quantity for one in fake.levels[levels:]] == [7]


@pytest.mark.parametrize("step", ["settle", "listings", "acknowledge", "push_tracking"])
def test_one_step_that_fails_keeps_no_order_from_being_taken_in(world: World, step: str) -> None:
    world.item("A", east=9)
    shop = world.channel(fake=Fake(abilities=SIMPLE | {Ability.SETTLE}))
    fake = connector(shop)
    fake.answer = lambda one: Ack(key=applied(one).key, state=AckState.ACCEPTED, ticket="feed")
    fake.pulls = [[page(order("1", line(1, "A"), acknowledged=False))]]
    world.offer(shop, "A")
    run(world, shop)
    world.ship("1")
    fake.pulls = [[page(order("2", line(1, "A"), acknowledged=False))]]
    with world.store.write() as tx:
        tx.run("UPDATE channels SET listings_read = NULL")

    def fails(*args: Any) -> Any:
        raise Unavailable(f"{step} is down")

    setattr(fake, step, fails)
    with pytest.raises(Unavailable, match=step):
        run(world, shop)
    assert world.counts("2") == {"ordered": 1, "reserved": 1, "allocated": 1}


def test_refused_credentials_end_the_round_at_once(world: World, shop: Channel) -> None:
    fake = connector(shop)
    fake.pulls = [[Unauthorized("renew the token")]]
    with pytest.raises(Unauthorized):
        run(world, shop)
    assert fake.calls[-1] == "pages"


def test_a_worker_that_was_replaced_stops(world: World, shop: Channel) -> None:
    world.channel(fake=connector(shop))
    with pytest.raises(Fenced):
        run(world, shop)


def test_a_channel_whose_level_fell_through_anothers_order_is_named(world: World, shop: Channel) -> None:
    other = world.channel("other", fake=Fake(offers=[ChannelListing(sku="A")]))
    run(world, shop, other)
    run(world, other, shop)
    connector(shop).pulls = [[page(order("1", line(1, "A")))]]
    wanted = world.channel_row("other").wanted
    assert run(world, shop, other).poked == (other.id,)
    assert world.channel_row("other").wanted == wanted + 1
    assert [one.quantity for one in connector(other).levels] == [9]
    run(world, other, shop)
    assert [one.quantity for one in connector(other).levels] == [9, 8]


def test_a_pull_goes_on_from_its_last_page(world: World, shop: Channel) -> None:
    fake = connector(shop)
    fake.pulls = [[page(order("1"), cursor="c1"), page(order("2"), cursor="c2"), Unavailable("down")], [], []]
    with pytest.raises(Unavailable):
        pull(world.store, shop, world.clock)
    pull(world.store, shop, world.clock)
    assert fake.cursors == [None, "c2"]
    assert world.value("SELECT count(*) FROM orders") == 2


def test_a_page_without_orders_moves_the_cursor(world: World, shop: Channel) -> None:
    connector(shop).pulls = [[page(cursor="c9")]]
    pull(world.store, shop, world.clock)
    assert world.channel_row().cursor == "c9"


def test_a_stop_is_heard_between_two_pages(world: World, shop: Channel) -> None:
    connector(shop).pulls = [[page(order("1"), cursor="c1"), page(order("2"), cursor="c2")]]
    with pytest.raises(Stopped):
        pull(world.store, shop, world.clock, stopping=lambda: True)
    assert world.channel_row().cursor == "c1"
    assert world.value("SELECT count(*) FROM orders") == 1


def test_progress_counts_up_page_by_page(world: World, shop: Channel) -> None:
    connector(shop).pulls = [[page(order("1")), page(order("1"), order("2"))]]
    said: list[tuple[int, int]] = []
    pull(world.store, shop, world.clock, progress=lambda counts: said.append((counts.stored, counts.repeated)))
    assert said == [(1, 0), (2, 1)]


def test_orders_asked_for_by_hand_are_looked_at_and_answered(world: World, shop: Channel) -> None:
    fake = connector(shop)
    fake.orders = {"1": body(order("1", line(1, "A"))), "2": b"?"}
    ask(world, shop, "orders", orders=["1", "2", "3"])
    run(world, shop)
    assert outcome(world) == {"1": "stored", "2": "quarantined", "3": "not found at the channel"}
    assert world.channel_row().cursor is None
    run(world, shop)
    assert fake.calls.count("fetch") == 3


def test_a_resync_since_an_instant_leaves_the_cursor_alone(world: World, shop: Channel) -> None:
    fake = connector(shop)
    fake.pulls = [[page(order("1"), cursor="old")], [page(order("2"), cursor="new")]]
    ask(world, shop, "since", since="2026-01-01T00:00:00+01:00")
    run(world, shop)
    assert fake.cursors == [None, None]
    assert world.channel_row().cursor == "new"
    assert outcome(world)["stored"] == 1


def test_a_resync_of_levels_tells_them_all_again_even_the_refused(world: World, shop: Channel) -> None:
    fake = connector(shop)
    fake.answer = lambda one: Ack(key=one.key, state=AckState.REFUSED, reason="no")
    run(world, shop)
    fake.answer = applied
    run(world, shop)
    assert len(fake.levels) == 1
    ask(world, shop, "levels")
    assert run(world, shop).levels == 1
    ask(world, shop, "levels")
    assert run(world, shop).levels == 1
    assert [one.quantity for one in fake.levels] == [9, 9, 9]


@pytest.mark.parametrize("error", [Rejected("no such number"), BadDocument("odd")])
def test_a_request_the_channel_refuses_is_answered_and_never_stuck(
    world: World, shop: Channel, error: Exception
) -> None:
    fake = connector(shop)

    def refuses(number: str) -> Any:
        raise error

    fake.fetch = refuses  # type: ignore[method-assign]
    fake.pulls = [[page(order("9"))]]
    ask(world, shop, "orders", orders=["1/2"])
    assert run(world, shop).orders.stored == 1
    assert outcome(world) == {"error": str(error)}


def test_a_request_waits_while_the_channel_is_down(world: World, shop: Channel) -> None:
    fake = connector(shop)

    def down(number: str) -> Any:
        raise Unavailable("down")

    fake.fetch = down  # type: ignore[method-assign]
    ask(world, shop, "orders", orders=["1"])
    with pytest.raises(Unavailable):
        run(world, shop)
    assert world.value("SELECT done_at FROM requests") is None


def test_listings_are_read_again_when_they_are_old(world: World, shop: Channel) -> None:
    fake = connector(shop)
    run(world, shop)
    run(world, shop)
    assert fake.calls.count("listings") == 1
    world.later(7 * 3600)
    run(world, shop)
    assert fake.calls.count("listings") == 2


def test_an_item_created_later_is_mapped_and_told(world: World, shop: Channel) -> None:
    fake = connector(shop)
    fake.offers.append(ChannelListing(sku="NEW"))
    run(world, shop)
    world.item("NEW", east=3)
    run(world, shop)
    assert [(one.sku, one.quantity) for one in fake.levels] == [("A", 9), ("NEW", 3)]


def test_a_level_accepted_and_refused_later_is_never_counted_as_told(world: World) -> None:
    for sku in ("A", "B"):
        world.item(sku, east=9)
    fake = Fake(abilities=SIMPLE | {Ability.SETTLE}, offers=[ChannelListing(sku="A"), ChannelListing(sku="B")])
    fake.answer = lambda one: Ack(key=one.key, state=AckState.ACCEPTED, ticket=one.sku)
    shop = world.channel(fake=fake)
    first = run(world, shop)
    assert (first.levels, first.levels_accepted, first.levels_refused) == (0, 2, 0)
    fake.settled["A"] = Ack(key="", state=AckState.APPLIED)
    fake.settled["B"] = Ack(key="", state=AckState.REFUSED, reason="no such thing; list it")
    second = run(world, shop)
    assert (second.levels, second.levels_accepted, second.levels_refused) == (1, 0, 1)


def test_a_level_refused_at_once_is_counted_as_refused(world: World, shop: Channel) -> None:
    connector(shop).answer = lambda one: Ack(key=one.key, state=AckState.REFUSED, reason="no; mend it")
    done = run(world, shop)
    assert (done.levels, done.levels_accepted, done.levels_refused) == (0, 0, 1)
