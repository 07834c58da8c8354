"""Which levels become due, and what becomes of them at the channel."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.connector import Ability
from core.errors import Unauthorized, Unavailable
from core.model import Ack, AckState, CancelReason, ChannelListing, Fulfiller, Hold
from core.store.database import Store
from core.store.moves import touch
from core.sync import levels as desiring
from core.sync.cancel import Decision, cancel
from core.sync.channel import Channel
from core.sync.levels import refresh, touch_changed_rules
from core.sync.listing_rules import set_rule
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


def comparing(world: World, held: int = 4) -> Channel:
    shop = shop_of(world, COMPARING)
    connector(shop).quantities["A", ""] = held
    return shop


def test_a_channel_that_compares_is_read_once_and_then_followed(world: World) -> None:
    shop = comparing(world)
    assert push(world, shop) == 1
    assert [(one.expected, one.quantity) for one in connector(shop).levels] == [(4, 9)]
    world.receive("A", "east", 1)
    assert push(world, shop) == 1
    assert [(one.expected, one.quantity) for one in connector(shop).levels] == [(4, 9), (9, 10)]
    assert connector(shop).calls.count("read_levels") == 1


def test_what_a_taken_in_order_took_at_the_channel_is_expected(world: World) -> None:
    shop = comparing(world)
    push(world, shop)
    world.later()
    connector(shop).quantities["A", ""] -= 2
    world.take(shop, order("1", line(1, "A", 2), at=world.now))
    assert push(world, shop) == 1
    assert connector(shop).levels[-1].expected == 7
    assert connector(shop).calls.count("read_levels") == 1


def test_units_cancelled_here_are_expected_back_when_the_channel_shows_it(world: World) -> None:
    shop = comparing(world)
    push(world, shop)
    world.later()
    held = connector(shop).quantities
    held["A", ""] -= 2
    one = order("1", line(1, "A", 2), at=world.now, version=world.now)
    world.take(shop, one)
    push(world, shop)
    cancel(world.store, Decision(world.order("1").id, CancelReason.OTHER), world.now)
    push(world, shop)
    assert [(level.expected, level.quantity) for level in connector(shop).levels][-1:] == [(7, 9)]
    world.later()
    held["A", ""] += 2  # the channel heard of it, and offers the two again by itself
    world.take(shop, msgspec.structs.replace(one, lines=(line(1, "A", 2, cancelled=2),), version=world.now))
    assert push(world, shop) == 1
    assert [(level.expected, level.quantity) for level in connector(shop).levels][-1:] == [(11, 9)]
    assert connector(shop).calls.count("read_levels") == 1


def test_what_moves_to_another_place_of_the_channel_is_expected_there(world: World) -> None:
    world.item("A", east=9, west=9)
    shop = world.channel(fake=Fake(abilities=COMPARING), locations={"east": "E", "west": "W"})
    world.offer(shop, "A")
    connector(shop).quantities |= {("A", "E"): 9, ("A", "W"): 9}
    push(world, shop)
    world.later()
    taken = line(1, "A", 2, place="E")
    connector(shop).quantities["A", "E"] -= 2
    world.take(shop, order("1", taken, at=world.now, version=world.now))
    push(world, shop)
    world.later()
    held = connector(shop).quantities
    held["A", "E"], held["A", "W"] = held["A", "E"] + 2, held["A", "W"] - 2
    connector(shop).levels.clear()
    world.take(shop, order("1", msgspec.structs.replace(taken, place="W"), at=world.now, version=world.now))
    assert push(world, shop) == 2
    assert sum(held.values()) == 16
    assert connector(shop).calls.count("read_levels") == 1


def test_an_order_placed_before_the_reading_is_not_expected_twice(world: World) -> None:
    shop = comparing(world)
    follow(world, shop)
    world.later()
    read_bases(world.store, shop, world.clock)
    world.take(shop, order("1", line(1, "A", 2), at=world.now - 30_000_000))
    follow(world, shop)
    assert push_levels(world.store, shop, world.clock) == Told(applied=1)
    assert connector(shop).levels[-1].expected == 4
    assert connector(shop).levels[-1].quantity == 7


def test_a_stale_level_is_read_again_before_it_is_pushed_again(world: World) -> None:
    shop = comparing(world)
    push(world, shop)
    connector(shop).quantities["A", ""] = 3
    world.receive("A", "east", 1)
    assert push(world, shop) == 0
    assert level(world).expected is None
    assert push_levels(world.store, shop, world.clock) == Told()
    assert push(world, shop) == 1
    assert connector(shop).quantities["A", ""] == 10


def test_after_an_ambiguous_failure_a_compared_level_is_read_again(world: World) -> None:
    shop = comparing(world)

    def lost(one: Any) -> Ack:
        raise Unavailable("reset", ambiguous=True)

    connector(shop).answer = lost
    with pytest.raises(Unavailable):
        push(world, shop)
    assert level(world).expected is None
    connector(shop).quantities["A", ""] = 9
    connector(shop).answer = applied
    assert push(world, shop) == 1


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


# What is computed by sums is what is computed one by one.

_CHANNELS = st.lists(
    st.fixed_dictionaries(
        {
            "locations": st.sampled_from([{"east": "", "west": ""}, {"east": "E", "west": "W"}, {"east": ""}]),
            "buffer": st.sampled_from([0, 0, 3, "auto"]),
            "cap": st.sampled_from([None, 4]),
            "percent": st.sampled_from([100, 60]),
        }
    ),
    min_size=1,
    max_size=3,
)
_MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("order"), st.integers(0, 3), st.integers(1, 5), st.sampled_from(["", "held", "release"])),
        st.tuples(st.just("receive"), st.integers(0, 2), st.integers(1, 5), st.sampled_from(["east", "west"])),
        st.tuples(st.sampled_from(["rule", "buffer", "ahead"]), st.integers(0, 2), st.integers(0, 6), st.just("")),
        st.tuples(st.just("moved"), st.integers(0, 2), st.integers(0, 1), st.just("")),
        st.tuples(st.just("refresh"), st.just(0), st.just(0), st.just("")),
    ),
    min_size=2,
    max_size=8,
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(channels=_CHANNELS, moves=_MOVES, keep=st.sampled_from((0, 1, 5)))
def test_levels_by_sums_are_the_levels_one_by_one(
    store: Store, channels: list[dict[str, Any]], moves: list[tuple[str, int, int, str]], keep: int
) -> None:
    world = World(store)
    run = world.value("SELECT COUNT(*) FROM items")
    shops = [world.channel(f"c{run}-{number}", **given_) for number, given_ in enumerate(channels)]
    store.transact(lambda tx: tx.run("UPDATE locations SET keep = :keep WHERE name = 'east'", keep=keep))
    skus = [f"{letter}{run}" for letter in "ABC"]
    for sku, east in zip(skus, (9, 4, 0), strict=True):
        world.item(sku, east=east, west=2)
    world.kit(f"K{run}", {skus[0]: 2, skus[1]: 1})
    for shop in shops:
        world.offer(shop, *skus, f"K{run}")

    def refreshed() -> None:
        world.later()
        follow(world, *shops)
        settings_ = {shop.name: shop.settings for shop in shops}
        with store.read() as tx:
            by = desiring.in_force(tx, desiring.rules(tx, settings_))
            told = desiring.desired(tx, by, list(world.items.values()))
            places = {id: set(rule.places) for id, rule in by.items()}
        mine = [shop.id for shop in shops]
        stored = {
            (row.listing_id, row.place): (row.channel_id, row.desired)
            for row in world.rows("SELECT * FROM levels WHERE channel_id IN :ids", ids=mine)
            if row.place in places[row.channel_id] or row.desired
        }
        assert stored == told

    for number, (what, one, units, how) in enumerate(moves):
        shop = shops[one % len(shops)]
        sku = [*skus, f"K{run}"][one]
        if what == "order":
            holds = (Hold.PAYMENT,) if how == "held" else ()
            world.take(shop, order(f"{run}-{number}", line(1, sku, units), holds=holds))
            if how == "release":
                world.release(shop)
        elif what == "receive":
            world.receive(sku, how, units)
        elif what == "rule":
            set_rule(store, shop.id, sku, world.now, cap=units or None)
        elif what == "moved":  # the channel keeps its levels at other places from now on
            where = ({"east": "", "west": ""}, {"east": "E", "west": "W"})[units]
            shops[one % len(shops)] = world.channel(shop.name, **{**channels[one % len(shops)], "locations": where})
        elif what == "refresh":
            refreshed()
        else:
            sql = {
                "buffer": "INSERT INTO buffers (channel_id, item_id, units) VALUES (:channel, :item, :units)"
                " ON CONFLICT (channel_id, item_id) DO UPDATE SET units = excluded.units",
                "ahead": "INSERT INTO presales (item_id, kind, cap) VALUES (:item, 'backorder', :units)"
                " ON CONFLICT DO NOTHING",
            }[what]
            with store.write() as tx:
                named = {"channel": shop.id} if what == "buffer" else {}
                tx.run(sql, item=world.items[sku], units=units + 1, **named)
                touch(tx, [world.items[sku]])
    refreshed()
