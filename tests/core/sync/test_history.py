"""What was: the stock, the promises and what channels had taken, at any instant that has been lived through."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import UserError
from core.model import Ack, AckState, Hold
from core.store import tables
from core.store.database import Store
from core.sync.call_off import call_off
from core.sync.history import Past, at_instant, events
from core.sync.kits import define_kit
from core.sync.push_levels import push_levels, settle_levels
from core.sync.stock import count, receive, set_on_hand
from core.sync.told import forget
from core.sync.transfer import transfer
from core.sync.verify import repair, verify
from tests.core.sync.corrupt import corrupting
from tests.core.sync.fake import Fake
from tests.core.sync.test_level_rules import follow
from tests.core.sync.test_levels import LATE
from tests.core.sync.world import SECOND, START, World, connector, edited, line, order

DAY = 86_400 * SECOND


def past(world: World, sku: str, at: int, location: str = "") -> Past:
    return at_instant(world.store, sku, at, location=location)


def stands(world: World, sku: str) -> tuple[int, int, dict[str, tuple[int, int]]]:
    """As it is now: on hand, reserved, and by location on hand and allocated."""
    on_hand, reserved = world.stock(sku)
    return on_hand, reserved, {name: counts for name, counts in world.at(sku).items() if any(counts)}


def stood(world: World, sku: str, at: int) -> tuple[int, int | None, dict[str, tuple[int, int | None]]]:
    found = past(world, sku, at)
    places = {one.location: (one.on_hand, one.allocated) for one in found.places if one.on_hand or one.allocated}
    return found.on_hand, found.reserved, places


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("order"), st.sampled_from(["plain", "kit", "held"]), st.integers(1, 4)),
        st.tuples(st.sampled_from(["receive", "count"]), st.sampled_from(["east", "west"]), st.integers(0, 9)),
        st.tuples(st.sampled_from(["less", "ship", "refill", "release"]), st.just(""), st.integers(0, 3)),
        st.tuples(st.just("transfer"), st.just("west"), st.integers(1, 3)),
    ),
    min_size=3,
    max_size=12,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS)
def test_every_instant_is_told_as_it_was(store: Store, steps: list[tuple[str, str, int]]) -> None:
    world = World(store)
    run = world.value("SELECT COUNT(*) FROM items")
    world.now = START + run * DAY
    channel = world.channel()
    sku, kit = f"S{run}", f"K{run}"
    set_on_hand(store, sku, "east", 8, world.now)
    define_kit(store, kit, {sku: 2})
    world.take(channel, order(f"{sku}-first", line(1, sku, 1)))  # since then it is known how promises move
    lived = [(world.now, stands(world, sku))]
    orders: list[Any] = []
    for number, (what, how, units) in enumerate(steps):
        world.later(7)
        if what == "order":
            holds = (Hold.PAYMENT,) if how == "held" else ()
            made = order(f"{sku}-{number}", line(1, kit if how == "kit" else sku, units), holds=holds)
            world.take(channel, made)
            orders.append(made)
        elif what == "less" and orders:
            orders.append(edited(orders.pop(0), holds=()))
            world.take(channel, orders[-1])
        elif what == "ship":
            for row in world.rows("SELECT DISTINCT o.number, f.location_id FROM fulfilment_orders f JOIN orders o ON"
                                  " o.id = f.order_id WHERE f.state = 'released' ORDER BY 1 LIMIT 1"):  # fmt: skip
                where = world.value("SELECT name FROM locations WHERE id = :id", id=row.location_id)
                world.ship(row.number, where, tracking=f"T{sku}{number}")
        elif what == "transfer":
            try:
                transfer(store, sku, units, "east", how, world.now, eta=world.now, reference=f"{sku}{number}")
            except UserError:
                continue
        elif what in ("refill", "release"):
            (world.refill if what == "refill" else world.release)(channel)
        elif what in ("receive", "count"):
            (receive if what == "receive" else count)(store, sku, how, units, world.now)
        lived.append((world.now, stands(world, sku)))
    for at, was in lived:
        assert stood(world, sku, at) == was
    assert past(world, sku, lived[0][0] - DAY).on_hand == 0


@pytest.fixture
def shop(world: World) -> World:
    world.channel()
    world.item("A", east=5, west=2)
    world.later(60)
    return world


def test_one_location_and_what_was_on_its_way_then(shop: World) -> None:
    began = shop.now
    for reference in ("T-1", "T-2"):
        transfer(shop.store, "A", 2, "east", "west", shop.later(), eta=shop.now, reference=reference)
    sent = shop.now
    call_off(shop.store, "T-2", shop.later(), lost=True)
    receive(shop.store, "A", "west", 1, shop.later(), expected="T-1")
    assert [past(shop, "A", at).on_the_way for at in (began, sent, shop.now)] == [0, 4, 1]
    assert [(one.location, one.on_hand) for one in past(shop, "A", sent, "west").places] == [("west", 2)]
    assert [past(shop, "A", at).on_hand for at in (began, sent, shop.now)] == [7, 3, 4]


def test_promises_from_before_they_were_kept_are_unknown_and_not_made_up(shop: World) -> None:
    assert past(shop, "A", shop.now).reserved is None
    shop.take(shop.channel(), order("1", line(1, "A", 2)))
    known = shop.now
    before, now = past(shop, "A", known - 1), past(shop, "A", known)
    assert (before.on_hand, before.reserved, before.available, before.promises_since) == (7, None, None, known)
    assert [one.allocated for one in before.places] == [None, None]
    assert (now.reserved, now.available) == (2, 5)


def test_what_a_repair_set_right_was_no_promise(shop: World) -> None:
    shop.take(shop.channel(), order("1", line(1, "A", 2)))
    at = shop.now
    with corrupting(shop.store) as tx:
        tx.run("UPDATE items SET reserved = 4; ")
        tx.run("UPDATE stock SET allocated = 3 WHERE allocated = 2")
    drifted = past(shop, "A", at)
    assert (drifted.reserved, drifted.places[0].allocated) == (4, 3)
    shop.later()
    repair(shop.store, verify(shop.store), now=shop.clock)
    told = past(shop, "A", at)
    # As the counters stood then, wrong as they were; what the repair changed is in the ledger.
    assert (told.reserved, told.places[0].allocated) == (4, 3)
    assert past(shop, "A", shop.now).reserved == 2


def test_what_each_channel_had_taken_by_then(world: World) -> None:
    at_once = world.channel("shop")
    late = world.channel("late", fake=Fake(abilities=LATE))
    world.item("A", east=9)
    for channel in (at_once, late):
        world.offer(channel, "A")
    connector(late).answer = lambda one: Ack(key=one.key, state=AckState.ACCEPTED, ticket="t")
    times = [world.now]

    def push() -> None:
        world.later()
        follow(world, at_once, late)
        for channel in (at_once, late):
            push_levels(world.store, channel, world.clock)
        times.append(world.now)

    push()
    connector(late).settled = {"t": Ack(key="", state=AckState.APPLIED)}
    world.later(5)
    settle_levels(world.store, late, world.clock)
    times.append(world.now)
    connector(late).settled = {}
    world.receive("A", "east", -4)
    push()
    world.receive("A", "east", 0)
    push()  # nothing has changed, and nothing is written
    told = [
        [(one.channel, one.units, one.accepted) for one in past(world, "A", at).told] for at in times
    ]  # fmt: skip
    assert told == [
        [],
        [("late", None, 9), ("shop", 9, None)],
        [("late", 9, None), ("shop", 9, None)],
        [("late", 9, 5), ("shop", 5, None)],
        [("late", 9, 5), ("shop", 5, None)],
    ]
    assert past(world, "A", world.now).told[1].since == times[3]
    assert world.value("SELECT COUNT(*) FROM tellings") == 5


def test_a_level_that_is_told_again_as_it_was_is_no_news(world: World) -> None:
    shop = world.channel()
    world.item("A", east=9)
    world.offer(shop, "A")
    for _ in range(3):
        world.later()
        follow(world, shop)
        push_levels(world.store, shop, world.clock)
        with world.store.write() as tx:
            tx.run("UPDATE levels SET state = 'queued', revision = revision + 1")
    assert len(connector(shop).levels) == 3
    assert world.value("SELECT COUNT(*) FROM tellings") == 1
    with world.store.write() as tx:
        tx.run("UPDATE levels SET state = 'applied', sent_revision = revision")


def test_all_that_moved_it_is_told_the_newest_first(shop: World) -> None:
    channel = shop.channel()
    shop.offer(channel, "A")
    shop.take(channel, order("1", line(1, "A", 2)))
    shop.later()
    follow(shop, channel)
    push_levels(shop.store, channel, shop.clock)
    count(shop.store, "A", "west", 1, shop.later(), actor="ann", note="shelf 3")
    told = [(one.what, one.where, one.on_hand, one.reserved, one.allocated, one.told, one.note)
            for one in events(shop.store, "A", limit=4)]  # fmt: skip
    assert told == [
        ("count", "west", -1, 0, 0, None, "ann; shelf 3"),
        ("applied", "shop", 0, 0, 0, 5, ""),
        ("promise", "", 0, 2, 0, None, ""),
        ("promise", "east", 0, 0, 2, None, ""),
    ]
    assert [one.what for one in events(shop.store, "A", location="west")] == ["count", "adjust"]


def test_what_cannot_be_asked_is_refused(shop: World) -> None:
    shop.kit("K", {"A": 2})
    for sku, location, said in (
        ("Z", "", "there is no item Z"),
        ("K", "", "K is a kit and has no stock of its own; ask for its components: A"),
        ("A", "moon", "there is no location 'moon'"),
    ):
        with pytest.raises(UserError, match=said):
            past(shop, sku, shop.now, location)
        with pytest.raises(UserError, match=said):
            events(shop.store, sku, location=location)


def test_what_is_older_than_the_days_it_is_kept_is_forgotten_but_for_what_still_stands(world: World) -> None:
    shop = world.channel()
    world.item("A", east=9)
    world.item("B", east=9)
    world.offer(shop, "A", "B")
    for number in range(4):
        world.later(40 * 86_400)
        if number < 2:
            world.receive("B", "east", -1)
        world.take(shop, order(str(number), line(1, "A", 1)))
        follow(world, shop)
        push_levels(world.store, shop, world.clock)
        world.later(1)
    assert world.value("SELECT COUNT(*) FROM moves") == 4
    before = past(world, "A", world.now - 70 * DAY).told
    assert forget(world.store, 70, world.now) == 2 + 2
    assert forget(world.store, 1, world.now) == 0  # not before an hour has passed
    assert world.value("SELECT COUNT(*) FROM moves") == 2
    assert [one.units for one in before] == [7]
    assert [one.units for one in past(world, "B", world.now).told] == [7]
    assert past(world, "A", world.now - 70 * DAY).told == before  # the one before is needed to tell it
    world.later(3600 + 200 * 86_400)
    forget(world.store, 90, world.now)
    assert world.value("SELECT COUNT(*) FROM moves") == 1
    assert [past(world, sku, world.now).told[0].units for sku in ("A", "B")] == [5, 7]


def test_what_was_only_accepted_since_does_not_drop_what_was_applied(world: World) -> None:
    shop = world.channel()
    world.item("A", east=9)
    world.offer(shop, "A")
    follow(world, shop)
    (listing,) = world.rows("SELECT id FROM listings")
    told = [(world.now, listing.id, "", 9, "applied"), (world.now + 1, listing.id, "", 8, "accepted")]
    with world.store.write() as tx:
        tx.insert(tables.tellings, ("at", "listing_id", "place", "units", "state"), told)
    world.later(100 * 86_400)
    assert forget(world.store, 90, world.now) == 0
    assert world.value("SELECT reached FROM marks WHERE name = 'history'") == 2  # neither is looked at again
    with world.store.write() as tx:
        tx.insert(
            tables.tellings, ("at", "listing_id", "place", "units", "state"), [(world.now, *told[1][1:4], "applied")]
        )
    world.later(100 * 86_400)
    assert forget(world.store, 90, world.now) == 2
