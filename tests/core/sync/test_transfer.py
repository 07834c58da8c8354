"""Units that move between locations: none is lost, none is counted twice, none is taken from a promise."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import UserError
from core.model import Hold, Location
from core.store.database import Store
from core.sync.call_off import call_off
from core.sync.incoming import expect, incoming
from core.sync.stock import receive, set_on_hand
from core.sync.transfer import _movable, transfer
from core.sync.verify import repair, verify
from tests.core.sync.corrupt import corrupting
from tests.core.sync.world import EAST, SECOND, START, WEST, World, line, order

DAY = 86_400 * SECOND


@pytest.fixture
def shop(world: World) -> World:
    world.channel()
    world.item("A", east=10)
    world.receive("A", "west", 1)
    return world


def _ledger(world: World) -> list[tuple[str, int]]:
    return [
        (row.name, row.on_hand)
        for row in world.rows(
            "SELECT l.name, g.on_hand FROM ledger g JOIN locations l ON l.id = g.location_id"
            " WHERE g.kind = 'transfer' ORDER BY g.id"
        )
    ]


def test_without_a_date_both_movements_are_at_once_and_each_has_its_cause(shop: World) -> None:
    done = transfer(shop.store, "A", 4, "east", "west", shop.now, reference="T-1", note="rebalance", actor="ann")
    assert (done.new, done.left_there, done.on_the_way) == (True, 6, None)
    assert (shop.at("A"), shop.stock("A")) == ({"east": (6, 0), "west": (5, 0)}, (11, 0))
    assert _ledger(shop) == [("east", -4), ("west", 4)]
    rows = shop.rows("SELECT DISTINCT cause, actor, note FROM ledger WHERE kind = 'transfer'")
    assert [(row.actor, row.note) for row in rows] == [("ann", "rebalance")] * 2
    assert shop.value("SELECT COUNT(*) FROM touched") == 1


def test_with_a_date_units_are_nowhere_until_they_are_received(shop: World) -> None:
    done = transfer(shop.store, "A", 4, "east", "west", shop.now, eta=START + DAY, reference="T-1")
    way = done.on_the_way
    assert way is not None
    assert (way.source, way.from_location, way.location, way.left) == ("transfer", "east", "west", 4)
    assert (shop.at("A"), shop.stock("A")) == ({"east": (6, 0), "west": (1, 0)}, (7, 0))
    receive(shop.store, "A", "west", 3, shop.now, expected="T-1")
    assert shop.at("A")["west"] == (4, 0)
    with pytest.raises(UserError, match="T-1 still brings 1 of A to west, not 2; receive that, and adjust"):
        receive(shop.store, "A", "west", 2, shop.now, expected="T-1", over=True)
    receive(shop.store, "A", "west", 1, shop.now, expected="T-1")
    assert shop.stock("A") == (11, 0)
    assert _ledger(shop) == [("east", -4), ("west", 3), ("west", 1)]
    assert incoming(shop.store, now=shop.now) == []


def test_a_transfer_without_a_reference_is_given_one(shop: World) -> None:
    way = transfer(shop.store, "A", 2, "east", "west", shop.now, eta=START).on_the_way
    assert way is not None
    assert way.reference.startswith("T-")
    again = transfer(shop.store, "A", 2, "east", "west", shop.now, eta=START + DAY, reference=way.reference)
    assert (again.new, again.on_the_way and again.on_the_way.eta) == (False, START + DAY)
    receive(shop.store, "A", "west", 2, shop.now, expected=way.reference)
    assert shop.at("A") == {"east": (8, 0), "west": (3, 0)}


def test_the_same_reference_moves_once(shop: World) -> None:
    transfer(shop.store, "A", 4, "east", "west", shop.now, reference="T-1")
    assert not transfer(shop.store, "A", 4, "east", "west", shop.now, reference="T-1").new
    assert shop.at("A") == {"east": (6, 0), "west": (5, 0)}
    with pytest.raises(UserError, match="4 of A left by this reference, not 5"):
        transfer(shop.store, "A", 5, "east", "west", shop.now, reference="T-1")


def test_what_is_called_off_is_back_where_it_left_and_what_is_lost_nowhere(shop: World) -> None:
    for reference in ("T-1", "T-2"):
        transfer(shop.store, "A", 3, "east", "west", shop.now, eta=START, reference=reference)
        receive(shop.store, "A", "west", 1, shop.now, expected=reference)
    (back,) = call_off(shop.store, "T-1", shop.now)
    assert (back.state, back.received, shop.at("A")["east"]) == ("cancelled", 1, (6, 0))
    (lost,) = call_off(shop.store, "T-2", shop.now, lost=True)
    assert (lost.state, lost.received, shop.at("A")["east"]) == ("cancelled", 1, (6, 0))
    assert shop.stock("A") == (9, 0)
    assert [tuple(row) for row in shop.rows("SELECT received, lost FROM incoming ORDER BY id")] == [(1, 0), (1, 2)]
    assert shop.value("SELECT note FROM ledger WHERE cause LIKE 'transfer:lost:%'") == "2 of T-2 lost on their way"
    expect(shop.store, "A", "east", 5, "PO-1", shop.now)
    with pytest.raises(UserError, match="PO-1 is a purchase order: nothing of it left anywhere"):
        call_off(shop.store, "PO-1", shop.now, lost=True)


def test_a_reference_is_a_purchase_orders_or_a_transfers(shop: World) -> None:
    transfer(shop.store, "A", 3, "east", "west", shop.now, eta=START, reference="T-1")
    expect(shop.store, "A", "east", 5, "PO-1", shop.now)
    with pytest.raises(UserError, match="T-1 is a transfer already"):
        expect(shop.store, "A", "east", 5, "T-1", shop.now)
    with pytest.raises(UserError, match="PO-1 is a purchase order already"):
        transfer(shop.store, "A", 3, "east", "west", shop.now, eta=START, reference="PO-1")


def test_what_cannot_move_is_refused_with_the_cure(shop: World) -> None:
    with pytest.raises(UserError, match="east has 10 of A, 11 cannot leave"):
        transfer(shop.store, "A", 11, "east", "west", shop.now)
    with pytest.raises(UserError, match="A is at east already"):
        transfer(shop.store, "A", 1, "east", "east", shop.now)
    with pytest.raises(UserError, match="no item Z"):
        transfer(shop.store, "Z", 1, "east", "west", shop.now)
    with pytest.raises(UserError, match="no location 'moon'"):
        transfer(shop.store, "A", 1, "east", "moon", shop.now)
    with pytest.raises(UserError, match="write a whole number from 1"):
        transfer(shop.store, "A", 0, "east", "west", shop.now)
    shop.kit("K", {"A": 2})
    with pytest.raises(UserError, match="K is a kit"):
        transfer(shop.store, "K", 1, "east", "west", shop.now)
    assert _ledger(shop) == []


def test_bound_units_stay_and_their_orders_are_named(shop: World) -> None:
    channel = shop.channel()
    shop.take(channel, order("1", line(1, "A", 4)), order("2", line(1, "A", 3), at=START + SECOND))
    with pytest.raises(UserError, match=r"3 of A may leave east, .* 3 to order #2 of shop, 4 to order #1 of shop;"):
        transfer(shop.store, "A", 4, "east", "west", shop.now)
    transfer(shop.store, "A", 3, "east", "west", shop.now)
    assert shop.at("A") == {"east": (7, 7), "west": (4, 0)}


def test_promises_without_a_location_keep_what_they_can_be_kept_from(world: World) -> None:
    """A held order of a channel that ships from the east alone: what it needs stays there, moved at once or not."""
    only_east = world.channel("east shop", locations={"east": ""})
    world.channel("shop")
    world.item("A", east=5, west=5)
    world.take(only_east, order("1", line(1, "A", 3), holds=(Hold.PAYMENT,)))
    for eta in (None, START):
        with pytest.raises(UserError, match=r"2 of A may leave east, .* 3 to order #1 of east shop;"):
            transfer(world.store, "A", 3, "east", "west", world.now, eta=eta)
    transfer(world.store, "A", 5, "west", "east", world.now, eta=START)
    transfer(world.store, "A", 2, "east", "west", world.now)
    assert world.at("A") == {"east": (3, 0), "west": (2, 0)}


def test_a_promise_that_finds_no_room_keeps_back_what_is_on_hand_at_all(world: World) -> None:
    """Its channel's only location is closed: whatever shelf it is, and nothing on the road while it is needed."""
    only_west = world.channel("west shop", locations={"west": ""})
    world.channel("shop")
    world.item("A", east=3, west=2)
    world.take(only_west, order("1", line(1, "A", 2), holds=(Hold.PAYMENT,)))
    world.locations[1] = msgspec.structs.replace(WEST, active=False)
    world.channel("west shop", locations={"west": ""})
    transfer(world.store, "A", 3, "east", "west", world.now, eta=START, reference="T-1")
    with pytest.raises(UserError, match="0 of A may leave west"):
        transfer(world.store, "A", 1, "west", "east", world.now, eta=START)
    transfer(world.store, "A", 2, "west", "east", world.now)
    assert world.at("A") == {"east": (2, 0), "west": (0, 0)}


def test_units_on_the_road_are_promised_to_nobody_though_they_stay_ours(shop: World) -> None:
    shop.take(shop.channel(), order("1", line(1, "A", 4), holds=(Hold.PAYMENT,)))
    with pytest.raises(UserError, match=r"7 of A may leave east"):  # one of the four is kept from the west
        transfer(shop.store, "A", 8, "east", "west", shop.now, eta=START)
    transfer(shop.store, "A", 7, "east", "west", shop.now, eta=START, reference="T-1")
    assert shop.stock("A") == (4, 4)
    receive(shop.store, "A", "west", 7, shop.now, expected="T-1")
    transfer(shop.store, "A", 3, "east", "west", shop.now)  # at once: the promise is kept from the west as well


def test_a_transfer_whose_counts_drifted_is_counted_anew(shop: World) -> None:
    transfer(shop.store, "A", 4, "east", "west", shop.now, eta=START, reference="T-1")
    receive(shop.store, "A", "west", 1, shop.now, expected="T-1")
    for drift in ("received = 2", "quantity = 5", "lost = 1", "lost = 3, state = 'received'", "state = 'cancelled'"):
        with corrupting(shop.store) as tx:
            tx.run(f"UPDATE incoming SET {drift}")
        (breach,) = verify(shop.store)
        assert (breach.name, breach.subject) == ("I1", "A expected as T-1"), drift
        (told,) = repair(shop.store, [breach], now=shop.clock)
        assert told.startswith("repaired"), drift
        assert verify(shop.store) == []
        with corrupting(shop.store) as tx:
            tx.run("UPDATE incoming SET quantity = 4, received = 1, lost = 0, state = 'open'")


def test_movable_is_exact() -> None:
    both, east = frozenset({1, 2}), frozenset({1})
    assert _movable({1: 5, 2: 0}, {east: 3}, 1, 2) == 2
    assert _movable({1: 5, 2: 0}, {both: 3}, 1, 2) == 5
    assert _movable({1: 5, 2: 0}, {both: 3}, 1, None) == 2
    assert _movable({1: 5, 2: 2}, {both: 3, east: 1}, 1, None) == 3
    assert _movable({1: 0, 2: 2}, {None: 2}, 1, None) == 0
    short = frozenset({3})
    assert _movable({1: 5, 2: 0, 3: 0}, {east: 3, short: 4}, 1, None) == 2  # what cannot be kept keeps nothing back
    assert _movable({1: 5, 2: 0, 3: 0}, {east: 3, short: 4}, 1, 3) == 2


_PLACES = ["east", "west", "south"]
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["now", "later"]), st.sampled_from(_PLACES), st.sampled_from(_PLACES),
                  st.integers(1, 6)),
        st.tuples(st.just("arrive"), st.integers(0, 5), st.integers(1, 4), st.just(0)),
        st.tuples(st.sampled_from(["back", "lost"]), st.integers(0, 5), st.just(0), st.just(0)),
        st.tuples(st.just("order"), st.integers(1, 4), st.booleans(), st.booleans()),
    ),
    max_size=12,
)  # fmt: skip


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS)
def test_whatever_moves_about_nothing_is_lost_and_no_promise_broken(store: Store, steps: list[tuple]) -> None:
    """On hand, on its way and lost together are always what came; promises only ever grow here."""
    world = World(store, locations=[EAST, WEST, Location(name="south", priority=3, postal_code="73301")])
    channel = world.channel("all", locations={"east": "", "west": "", "south": ""})
    narrow = world.channel("narrow", locations={"east": ""})
    run = world.value("SELECT COUNT(*) FROM items")
    sku = f"S{run}"
    for place in _PLACES:
        set_on_hand(store, sku, place, 6, world.now)
    stands = Counter(dict.fromkeys(_PLACES, 6))
    way: dict[str, tuple[str, str, int]] = {}
    lost = promised = 0
    for number, (what, one, two, three) in enumerate(steps):
        reference = f"{sku}-{number}"
        if what == "order":
            holds = (Hold.PAYMENT,) if two else ()
            world.take(
                narrow if three else channel, order(reference, line(1, sku, one), at=START + number, holds=holds)
            )
        elif what in ("now", "later"):
            eta = START if what == "later" else None
            try:
                transfer(store, sku, three, one, two, world.now, eta=eta, reference=reference)
            except UserError:
                continue
            stands[one] -= three
            if eta is None:
                stands[two] += three
            else:
                way[reference] = (one, two, three)
        elif len(way) > one:
            reference, (start, end, left) = sorted(way.items())[one]
            units = min(two, left) if what == "arrive" else left
            if what == "arrive":
                receive(store, sku, end, units, world.now, expected=reference)
                stands[end] += units
            else:
                call_off(store, reference, world.now, lost=what == "lost")
                stands[start] += units if what == "back" else 0
                lost += units if what == "lost" else 0
            way[reference] = (start, end, left - units)
            if left == units:
                del way[reference]
        assert world.stock(sku)[1] >= promised
        promised = world.stock(sku)[1]
    assert {place: units for place, (units, _) in world.at(sku).items()} == dict(stands)
    assert world.stock(sku)[0] + sum(left for _, _, left in way.values()) + lost == 18
    assert verify(store, file=False) == []
