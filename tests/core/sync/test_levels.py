"""Which levels become due, and what becomes of them at the channel."""

from __future__ import annotations

from typing import Any

import pytest

from core.connector import Ability
from core.errors import Unauthorized, Unavailable
from core.model import Ack, AckState, ChannelListing, Fulfiller
from core.sync import levels as desiring
from core.sync.channel import Channel
from core.sync.levels import refresh, touch_changed_rules
from core.sync.listings import read_listings
from core.sync.push_levels import Told, push_levels, read_bases, settle_levels
from tests.core.sync.fake import SIMPLE, Fake, applied
from tests.core.sync.world import World, connector, line, order

COMPARING = SIMPLE | {Ability.COMPARE_AND_SET, Ability.READ_LEVELS}
LATE = SIMPLE | {Ability.SETTLE}


def shop_of(world: World, abilities: frozenset[Ability] = SIMPLE, *skus: str, **settings: Any) -> Channel:
    """A channel that lists `skus`, by default A, each with nine units in the east."""
    shop = world.channel(fake=Fake(abilities=abilities), **settings)
    for sku in skus or ("A",):
        world.item(sku, east=9)
        world.offer(shop, sku)
    return shop


def follow(world: World, *channels: Channel) -> set[int]:
    settings = {channel.name: channel.settings for channel in channels}
    touch_changed_rules(world.store, settings)
    return refresh(world.store, settings, world.now)


def push(world: World, shop: Channel, *, pull: bool = True) -> int:
    """What a round does of it, in its order; returns how many the channel took, at once or for later."""
    world.later()
    settle_levels(world.store, shop, world.clock)
    follow(world, shop)
    read_bases(world.store, shop, world.clock)
    told = push_levels(world.store, shop, world.clock)
    return told.applied + told.accepted


def told(shop: Channel) -> list[int]:
    return [level.quantity for level in connector(shop).levels]


def level(world: World) -> Any:
    return world.row("SELECT * FROM levels")


def test_a_listing_is_told_its_level_once(world: World) -> None:
    shop = shop_of(world)
    assert push(world, shop) == 1
    assert push(world, shop) == 0
    assert told(shop) == [9]
    row = level(world)
    assert (row.state, row.told, row.desired) == ("applied", 9, 9)


def test_an_order_lowers_the_level_of_every_channel_that_lists_its_item(world: World) -> None:
    shop = shop_of(world)
    other = world.channel("other", buffer=2)
    world.offer(other, "A")
    assert follow(world, shop, other) == {shop.id, other.id}
    world.take(shop, order("1", line(1, "A", 4)))
    assert follow(world, shop, other) == {shop.id, other.id}
    push_levels(world.store, shop, world.clock)
    push_levels(world.store, other, world.clock)
    assert (told(shop), told(other)) == ([5], [3])


def test_a_long_round_with_old_settings_does_not_bring_old_rules_back(world: World) -> None:
    """It holds the settings it began with; what the levels are computed by is what was written since."""
    old = shop_of(world)
    follow(world, old)
    new = world.channel(buffer=2, percent=50)
    follow(world, new)
    assert level(world).desired == 3
    world.receive("A", "east", 4)
    refresh(world.store, {"shop": old.settings}, world.now)
    assert level(world).desired == 5


def test_fifty_changes_are_told_once(world: World) -> None:
    shop = shop_of(world)
    for number in range(50):
        world.take(shop, order(str(number), line(1, "A")))
        world.receive("A", "east", 2)
        follow(world, shop)
    assert level(world).revision >= 50
    assert push(world, shop) == 1
    assert told(shop) == [59]


def test_a_change_that_is_undone_before_the_push_is_not_told(world: World) -> None:
    shop = shop_of(world)
    push(world, shop)
    world.receive("A", "east", 1)
    world.receive("A", "east", -1)
    assert push(world, shop) == 0


def test_a_kits_level_follows_its_components(world: World) -> None:
    shop = shop_of(world)
    world.kit("SET", {"A": 2})
    world.offer(shop, "SET")
    push(world, shop)
    assert sorted(told(shop)) == [4, 9]
    world.take(shop, order("1", line(1, "SET", 2)))
    push(world, shop)
    assert sorted(told(shop)[2:]) == [2, 5]


def test_more_touched_items_than_one_batch_are_all_worked_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desiring, "BATCH", 2)
    shop = shop_of(world, SIMPLE, "A", "B", "C", "D", "E")
    assert push(world, shop) == 5
    assert world.rows("SELECT * FROM touched") == []


def test_other_rules_compute_every_level_anew(world: World) -> None:
    shop = shop_of(world)
    push(world, shop)
    stricter = world.channel(fake=connector(shop), buffer=4)
    assert push(world, stricter) == 1
    assert told(shop) == [9, 5]


def test_unchanged_rules_touch_nothing(world: World) -> None:
    shop = shop_of(world)
    push(world, shop)
    touch_changed_rules(world.store, {"shop": shop.settings})
    assert world.rows("SELECT * FROM touched") == []


def test_a_channel_that_wants_no_levels_is_told_none(world: World) -> None:
    shop = shop_of(world, push_levels=False)
    assert push(world, shop) == 0
    assert world.rows("SELECT * FROM levels") == []


def test_a_listing_without_a_handle_is_told_like_any_other(world: World) -> None:
    """A handle is the connector's own; a channel that finds its listings by SKU needs none."""
    shop = shop_of(world)
    assert connector(shop).offers[0].handle == ""
    assert push(world, shop) == 1


def test_what_the_channel_ships_itself_is_never_told_a_level(world: World) -> None:
    shop = world.channel()
    world.item("A", east=9)
    world.offer(shop, "A", fulfiller=Fulfiller.CHANNEL)
    assert push(world, shop) == 0
    assert told(shop) == []


def test_a_listing_the_channel_takes_over_is_told_nothing_more_even_if_it_was_due(world: World) -> None:
    shop = shop_of(world)
    follow(world, shop)
    connector(shop).offers[:] = [ChannelListing(sku="A", fulfiller=Fulfiller.CHANNEL)]
    read_listings(world.store, shop, world.clock)
    assert push(world, shop) == 0
    assert told(shop) == []
    connector(shop).offers[:] = [ChannelListing(sku="A")]
    read_listings(world.store, shop, world.clock)
    assert push(world, shop) == 1


def test_a_listing_made_anew_at_the_channel_is_told_again(world: World) -> None:
    shop = shop_of(world)
    push(world, shop)
    connector(shop).offers[:] = [ChannelListing(sku="A", handle="another")]
    read_listings(world.store, shop, world.clock)
    assert push(world, shop) == 1
    assert connector(shop).levels[-1].handle == "another"
    read_listings(world.store, shop, world.clock)
    assert push(world, shop) == 0


def test_a_listing_with_a_hostile_title_is_read(world: World) -> None:
    shop = world.channel()
    connector(shop).offers.append(ChannelListing(sku="A\0", title="x\ud800", handle="\0"))
    read_listings(world.store, shop, world.clock)
    assert tuple(world.row("SELECT sku, title, handle FROM listings")) == ("A\ufffd", "x\ufffd", "\ufffd")


def test_a_refused_level_stays_refused_until_it_changes(world: World) -> None:
    shop = shop_of(world)
    connector(shop).answer = lambda one: Ack(key=one.key, state=AckState.REFUSED, reason="no\0; list it first")
    assert push(world, shop) == 0
    assert push(world, shop) == 0
    assert told(shop) == [9]
    assert level(world).reason == "no\ufffd; list it first"
    connector(shop).answer = applied
    world.receive("A", "east", 1)
    assert push(world, shop) == 1
    assert told(shop) == [9, 10]
    assert level(world).reason == ""


def test_a_level_to_be_tried_again_waits_a_little(world: World) -> None:
    shop = shop_of(world)
    connector(shop).answer = lambda one: Ack(key=one.key, state=AckState.RETRY, reason="busy")
    push(world, shop)
    assert push_levels(world.store, shop, world.clock) == Told()
    assert told(shop) == [9]
    connector(shop).answer = applied
    assert push(world, shop) == 1


def test_a_channel_without_compare_and_set_that_answers_stale_is_not_asked_for_ever(world: World) -> None:
    shop = shop_of(world)
    connector(shop).answer = lambda one: Ack(key=one.key, state=AckState.STALE)
    push(world, shop)
    assert told(shop) == [9]


def test_an_outage_keeps_what_was_answered_and_tells_the_rest_again(world: World) -> None:
    shop = shop_of(world, SIMPLE, "A", "B")

    def half(one: Any) -> Ack:
        if one.sku == "B":
            raise Unavailable("down")
        return applied(one)

    connector(shop).answer = half
    with pytest.raises(Unavailable):
        push(world, shop)
    assert [row.state for row in world.rows("SELECT state FROM levels ORDER BY listing_id")] == ["applied", "queued"]
    connector(shop).answer = applied
    assert push(world, shop) == 1
    assert [one.sku for one in connector(shop).levels] == ["A", "B", "B"]


def test_credentials_refused_half_way_lose_no_answer(world: World) -> None:
    shop = shop_of(world, SIMPLE, "A", "B")

    def half(one: Any) -> Ack:
        if one.sku == "B":
            raise Unauthorized("renew")
        return applied(one)

    connector(shop).answer = half
    with pytest.raises(Unauthorized):
        push(world, shop)
    assert [row.state for row in world.rows("SELECT state FROM levels ORDER BY listing_id")] == ["applied", "queued"]


def test_a_crash_after_sending_tells_the_level_again(world: World) -> None:
    shop = shop_of(world)

    def crash(one: Any) -> Ack:
        raise KeyboardInterrupt

    connector(shop).answer = crash
    with pytest.raises(KeyboardInterrupt):
        push(world, shop)
    assert level(world).state == "sent"
    connector(shop).answer = applied
    assert push(world, shop) == 1


def test_a_connector_that_answers_too_little_is_a_loud_bug(world: World) -> None:
    shop = shop_of(world, SIMPLE, "A", "B")
    connector(shop).push_levels = lambda levels: iter([applied(levels[0])])  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="left 1 levels unanswered"):
        push(world, shop)


def test_a_level_that_changes_while_it_is_accepted_is_told_after_it_settled(world: World) -> None:
    shop = shop_of(world, LATE)
    fake = connector(shop)
    fake.answer = lambda one: Ack(key=one.key, state=AckState.ACCEPTED, ticket="feed")
    assert push(world, shop) == 1
    world.receive("A", "east", 1)
    for _ in range(2):  # however long the channel works on it
        assert push(world, shop) == 0
        assert told(shop) == [9]
        world.later(1000)
    fake.settled["feed"] = Ack(key="", state=AckState.APPLIED)
    fake.answer = applied
    assert push(world, shop) == 1
    assert told(shop) == [9, 10]
    assert level(world).told == 10


def test_a_lower_revision_is_never_sent_after_a_higher(world: World) -> None:
    shop = shop_of(world, LATE)
    fake = connector(shop)
    for step in range(8):
        fake.answer = applied if step % 3 else lambda one: Ack(key=one.key, state=AckState.ACCEPTED, ticket="feed")
        if step % 2:
            fake.settled["feed"] = Ack(key="", state=AckState.APPLIED)
        else:
            fake.settled.clear()
        world.receive("A", "east", 1)
        world.later(1000)
        push(world, shop)
    revisions = [one.revision for one in fake.levels]
    assert revisions == sorted(revisions)
    assert len(revisions) > 3


def test_a_feed_that_takes_long_is_asked_for_less_and_less_often(world: World) -> None:
    shop = shop_of(world, LATE)
    connector(shop).answer = lambda one: Ack(key=one.key, state=AckState.ACCEPTED, ticket="feed")
    push(world, shop)
    for _ in range(100):
        world.later(15)
        settle_levels(world.store, shop, world.clock)
    assert 5 < connector(shop).calls.count("settle") < 20


def test_a_settled_refusal_of_an_old_quantity_does_not_refuse_the_new(world: World) -> None:
    shop = shop_of(world, LATE)
    connector(shop).answer = lambda one: Ack(key=one.key, state=AckState.ACCEPTED, ticket="feed")
    push(world, shop)
    world.receive("A", "east", 1)
    follow(world, shop)
    connector(shop).settled["feed"] = Ack(key="", state=AckState.REFUSED, reason="too many")
    connector(shop).answer = applied
    assert push(world, shop) == 1
    assert told(shop) == [9, 10]


def test_a_level_the_channel_does_not_keep_is_refused_until_it_changes(world: World) -> None:
    shop = shop_of(world, COMPARING)
    assert push(world, shop) == 0
    assert level(world).state == "refused"
    assert "stock it at that place" in level(world).reason
    connector(shop).quantities["A", ""] = 0
    world.receive("A", "east", 1)
    assert push(world, shop) == 1


def test_a_place_that_serves_a_channel_no_more_offers_nothing_there(small_world: World) -> None:
    world = small_world
    world.item("A", east=5)
    shop = world.channel(locations={"east": "P1"})
    world.offer(shop, "A")
    refresh(world.store, {"shop": shop.settings}, world.clock())
    moved = shop.settings.model_copy(update={"locations": {"east": "P2"}})
    touch_changed_rules(world.store, {"shop": moved})
    refresh(world.store, {"shop": moved}, world.clock())
    told = {row.place: row.desired for row in world.rows("SELECT place, desired FROM levels")}
    assert told == {"P1": 0, "P2": 5}


def test_a_sku_offered_two_ways_is_told_as_the_merchants_and_marked(world: World) -> None:
    world.item("A", east=5)
    by_channel = ChannelListing(sku="A", handle="fba", fulfiller=Fulfiller.CHANNEL)
    by_us = ChannelListing(sku="A", handle="mfn", quantities={"": 3})
    for offers in ([by_channel, by_us], [by_us, by_channel], [by_us, by_channel, by_us]):
        shop = world.channel(fake=Fake(offers=offers))
        assert read_listings(world.store, shop, world.clock) == 1
        row = world.row("SELECT * FROM listings")
        assert (row.handle, row.fulfiller, row.shown, row.twins, bool(row.mixed)) == (
            "mfn", "merchant", '{"":3}', len(offers) - 1, True,
        )  # fmt: skip


def test_a_listing_the_channel_shows_no_more_is_told_nothing_until_it_does(world: World) -> None:
    world.item("A", east=5)
    shop = world.channel(fake=Fake(offers=[ChannelListing(sku="A")]))
    settings = {"shop": shop.settings}
    read_listings(world.store, shop, world.clock)
    refresh(world.store, settings, world.now)
    assert push_levels(world.store, shop, world.clock) == Told(applied=1)
    connector(shop).offers.clear()
    read_listings(world.store, shop, world.clock)
    world.receive("A", "east", 1)
    refresh(world.store, settings, world.later())
    assert push_levels(world.store, shop, world.clock) == Told()
    connector(shop).offers.append(ChannelListing(sku="A"))
    read_listings(world.store, shop, world.clock)
    world.later()
    assert push_levels(world.store, shop, world.clock) == Told(applied=1)
    assert connector(shop).levels[-1].quantity == 6


def test_a_listing_that_was_away_is_told_again_what_it_was_told_before(world: World) -> None:
    shop = shop_of(world)
    refresh(world.store, {"shop": shop.settings}, world.now)
    assert push_levels(world.store, shop, world.clock) == Told(applied=1)
    for offers in ([], [ChannelListing(sku="A", title="A")]):
        connector(shop).offers[:] = offers
        read_listings(world.store, shop, world.clock)
        world.later()
    assert push_levels(world.store, shop, world.clock) == Told(applied=1)
