"""The same observations in any order, cut into any pages, any of them repeated, end in the same state."""

from __future__ import annotations

import itertools
from contextlib import suppress
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import UserError
from core.model import Hold, Line, Observation, Order, Page, Return, ReturnLine, ReturnState, instant
from core.store.database import Store
from core.sync.channel import Channel
from core.sync.returns import take_returns
from core.sync.verify import verify
from tests.core.sync.world import NEW_YORK, OAKLAND, START, World, check, line, order

SKUS = ("A", "B", "SET", "MYSTERY")
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


@st.composite
def next_line(draw: st.DrawFn, was: Line) -> Line:
    """One thing that may happen to a line at its channel: more or fewer ordered, cancelled, shipped."""
    left = was.ordered - was.cancelled - was.shipped
    change = draw(st.sampled_from(["more", "fewer", "cancel", "ship", "reopen", "nothing"]))
    units = draw(st.integers(0, left))
    if change == "more":
        return msgspec.structs.replace(was, ordered=was.ordered + draw(st.integers(1, 3)))
    if change == "fewer":
        return msgspec.structs.replace(was, ordered=was.ordered - units)
    if change == "cancel":
        return msgspec.structs.replace(was, cancelled=was.cancelled + units)
    if change == "ship":
        return msgspec.structs.replace(was, shipped=was.shipped + units)
    if change == "reopen":
        return msgspec.structs.replace(was, cancelled=0)
    return was


@st.composite
def histories(draw: st.DrawFn, most: int = 3) -> list[Order]:
    """Every version of a few orders, as their channel came to know them."""
    found = []
    for number in range(draw(st.integers(1, most))):
        lines = tuple(
            line(index, draw(st.sampled_from(SKUS)), draw(st.integers(0, 4)))
            for index in range(draw(st.integers(1, 3)))
        )
        now = order(str(number), *lines, at=START + number)
        found.append(now)
        for version in range(2, draw(st.integers(1, 4)) + 1):
            now = msgspec.structs.replace(
                now,
                version=version,
                lines=tuple(draw(next_line(was)) for was in now.lines),
                holds=draw(st.sampled_from([(), (), (Hold.FRAUD,), (Hold.PENDING, Hold.ADDRESS)])),
                ship_to=draw(st.sampled_from([NEW_YORK, OAKLAND])),
            )
            found.append(now)
    return found


@st.composite
def two_tellings(draw: st.DrawFn) -> tuple[list[Order], list[list[Order]]]:
    """A history, and the same observations shuffled, some repeated, cut into pages."""
    told = draw(histories())
    again = draw(st.permutations([*told, *draw(st.lists(st.sampled_from(told), max_size=4))]))
    pages: list[list[Order]] = [[]]
    for one in again:
        cut: bool = draw(st.booleans())
        if pages[-1] and cut:
            pages.append([])
        pages[-1].append(one)
    return told, pages


def stocked(world: World, name: str, units: int) -> Channel:
    """A channel with items of its own, so that one store serves many tellings."""
    shop = world.channel(name, import_since=instant(START))
    with world.store.write() as tx:
        tx.run("DELETE FROM kits")
        tx.run("UPDATE items SET sku = CAST(id AS text) || '-' || sku WHERE sku IN :skus", skus=list(SKUS))
    world.item("A", east=units, west=units)
    world.item("B", east=units)
    world.kit("SET", {"A": 2, "B": 1})
    return shop


def state(world: World, shop: Channel) -> dict[str, Any]:
    """What must be the same however it was told."""
    lines = world.rows(
        "SELECT o.number, o.version, l.number AS line, l.ordered, l.cancelled, l.shipped, l.reserved, l.backordered,"
        " l.held, CASE WHEN EXISTS (SELECT 1 FROM holds h WHERE h.order_id = o.id) THEN -1 ELSE l.allocated END"
        " FROM orders o JOIN lines l ON l.order_id = o.id WHERE o.channel_id = :id ORDER BY o.number, l.number",
        id=shop.id,
    )
    held = world.rows(
        "SELECT o.number, h.hold FROM holds h JOIN orders o ON o.id = h.order_id WHERE o.channel_id = :id"
        " ORDER BY o.number, h.hold",
        id=shop.id,
    )
    return {
        "lines": [tuple(row) for row in lines],
        "holds": [tuple(row) for row in held],
        "stock": {sku: world.stock(sku) for sku in ("A", "B")},
    }


_numbers = itertools.count()


@settings(max_examples=25, deadline=None, suppress_health_check=QUIET)
@given(tellings=two_tellings())
def test_observations_in_any_order_end_in_the_same_state(
    store: Store, tellings: tuple[list[Order], list[list[Order]]]
) -> None:
    told, pages = tellings
    world = World(store)
    first = stocked(world, f"a{next(_numbers)}", 1000)
    for one in told:
        world.take(first, one)
    straight = state(world, first)
    second = stocked(world, f"b{next(_numbers)}", 1000)
    for some in pages:
        world.take(second, *some)
    assert state(world, second) == straight
    check(store)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.integers(0, 11)),
        st.tuples(st.just("ship"), st.integers(0, 2), st.sampled_from(["east", "west"]), st.sampled_from(SKUS[:3])),
        st.tuples(st.just("ship all"), st.integers(0, 2), st.sampled_from(["east", "west"])),
        st.tuples(st.just("receive"), st.sampled_from(["A", "B"]), st.sampled_from(["east", "west"])),
        st.tuples(st.just("refill")),
        st.tuples(st.just("release")),
        st.tuples(st.just("hold"), st.integers(0, 2)),
        st.tuples(st.just("lift"), st.integers(0, 2)),
    ),
    min_size=4,
    max_size=25,
)


@settings(max_examples=30, deadline=None, suppress_health_check=QUIET)
@given(told=histories(), steps=STEPS, units=st.integers(0, 4))
def test_whatever_happens_nothing_is_made_up_and_nothing_lost(
    store: Store, told: list[Order], steps: list[tuple[Any, ...]], units: int
) -> None:
    world = World(store)
    name = f"c{next(_numbers)}"
    shop = stocked(world, name, units)
    for count, (what, *about) in enumerate(steps):
        known = {row.number for row in world.rows("SELECT number FROM orders WHERE channel_id = :id", id=shop.id)}
        number = str(about[0]) if about else ""
        if what == "take":
            world.take(shop, told[about[0] % len(told)])
        elif what == "receive":
            world.receive(about[0], about[1], 2)
        elif what == "refill":
            world.refill(shop)
        elif what == "release":
            world.release(shop)
        elif number in known and what.startswith("ship"):
            named = {about[2]: 1} if len(about) > 2 else {}
            with suppress(UserError):
                world.ship(number, about[1], f"T{count}", name, **named)
        elif number in known and what in ("hold", "lift"):
            with store.write() as tx:
                id = world.order(number, name).id
                tx.run("DELETE FROM holds WHERE order_id = :id AND hold = 'operator'", id=id)
                if what == "hold":
                    values = "(:id, 'operator', 'operator', :now)"
                    tx.run(f'INSERT INTO holds (order_id, hold, "by", since) VALUES {values}', id=id, now=world.now)
        check(store)
    assert verify(store, file=False) == []


@st.composite
def trades(draw: st.DrawFn) -> tuple[list[tuple[str, Any]], list[int]]:
    """Orders, returns and parcels booked here, mixed, and which of them are told again once all are."""
    told: list[tuple[str, Any]] = [("order", one) for one in draw(histories())]
    numbers = sorted({one.number for _, one in told})
    for count in range(draw(st.integers(1, 4))):
        number, at = draw(st.sampled_from(numbers)), draw(st.integers(0, len(told)))
        kind = draw(st.sampled_from(["parcel", "return", "refunded"]))
        told.insert(at, (kind, (number, count)))
    again = draw(st.lists(st.integers(0, len(told) - 1), max_size=8))
    return told, again


@settings(max_examples=15, deadline=None, suppress_health_check=QUIET)
@given(trade=trades())
def test_what_was_told_before_changes_nothing_when_it_is_told_again(
    store: Store, trade: tuple[list[tuple[str, Any]], list[int]]
) -> None:
    """Also a prefix replayed from its beginning: a cursor restored from a backup."""
    told, again = trade
    world = World(store)
    name = f"d{next(_numbers)}"
    shop = stocked(world, name, 1000)
    taken = [one for one in told if tell(world, shop, *one)]
    world.refill(shop)
    straight = state(world, shop), *follows(world, shop)
    for one in [*(told[at] for at in again), *told[: len(again)]]:
        if one in taken:
            assert tell(world, shop, *one)
    world.refill(shop)
    assert (state(world, shop), *follows(world, shop)) == straight
    check(store)
    assert verify(store, file=False) == []


def tell(world: World, shop: Channel, what: str, about: Any) -> bool:
    """False where it was refused: a parcel of an order that is not here, or of which nothing is asked there."""
    if what == "order":
        world.take(shop, about)
        return True
    number, count = about
    known = {row.number for row in world.rows("SELECT number FROM orders WHERE channel_id = :id", id=shop.id)}
    if what == "parcel":
        with suppress(UserError):
            return number in known and world.ship(number, "east", f"T{number}-{count}", shop.name)[0] > 0
        return False
    state = ReturnState.CLOSED if what == "refunded" else ReturnState.AUTHORISED
    one = Return(
        number=f"R{number}", order=number, version=START + count, state=state, requested_at=instant(START),
        lines=(ReturnLine(number="1", order_line="0", sku="A", quantity=count + 1),),
    )  # fmt: skip
    page = Page(observations=(Observation(number=one.number, body=msgspec.json.encode(one)),), cursor="r")
    take_returns(world.store, shop, page, world.now, world.later(1))
    return True


def follows(world: World, shop: Channel) -> tuple[list[tuple[Any, ...]], ...]:
    """What follows the orders: parcels, what is to be told, and returns."""
    return tuple(
        [tuple(row) for row in world.rows(query, id=shop.id)]
        for query in (
            "SELECT o.number, s.tracking, p.line_id, p.quantity FROM shipments s JOIN orders o ON o.id = s.order_id"
            " JOIN shipment_lines p ON p.shipment_id = s.id WHERE o.channel_id = :id ORDER BY s.id, p.line_id",
            "SELECT kind, key, state FROM pushes WHERE channel_id = :id ORDER BY id",
            "SELECT r.number, r.version, r.state, l.quantity FROM returns r JOIN return_lines l ON l.return_id = r.id"
            " WHERE r.channel_id = :id ORDER BY r.number, l.number",
        )
    )
