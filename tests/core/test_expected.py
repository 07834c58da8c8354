from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from core.expected import Coming, Hope, Waiter, cover

A, B = 1, 2
EAST, WEST = 10, 20
ONE = ((A, 1),)


def coming(units: int, eta: int | None, reference: str = "", item: int = A, at: int = EAST) -> Coming:
    return Coming(item, at, units, eta, reference or f"PO{eta}")


def test_the_first_in_turn_is_covered_by_what_comes_first() -> None:
    queue = [Waiter(1, ONE, 2, None), Waiter(2, ONE, 2, None)]
    assert cover(queue, [coming(3, 9, "A"), coming(2, 5, "Z")]) == {
        1: Hope(2, 5, ("Z",)),
        2: Hope(2, 9, ("A",)),
    }


def test_a_line_covered_by_several_has_the_last_ones_date() -> None:
    assert cover([Waiter(1, ONE, 3, None)], [coming(2, 5), coming(2, 9)]) == {1: Hope(3, 9, ("PO5", "PO9"))}


def test_a_line_not_covered_whole_has_no_date() -> None:
    assert cover([Waiter(1, ONE, 3, None)], [coming(2, 5)]) == {1: Hope(2, None, ("PO5",))}
    assert cover([Waiter(1, ONE, 3, None)], []) == {}


def test_what_has_no_date_comes_last_and_gives_none() -> None:
    queue = [Waiter(1, ONE, 1, None), Waiter(2, ONE, 1, None)]
    assert cover(queue, [coming(1, None, "some day"), coming(1, 5)]) == {
        1: Hope(1, 5, ("PO5",)),
        2: Hope(1, None, ("some day",)),
    }


def test_what_comes_where_the_channel_does_not_ship_from_covers_nothing() -> None:
    queue = [Waiter(1, ONE, 1, frozenset({WEST})), Waiter(2, ONE, 1, frozenset({EAST}))]
    assert cover(queue, [coming(1, 5)]) == {2: Hope(1, 5, ("PO5",))}


def test_a_kit_waits_for_its_last_part() -> None:
    kit = Waiter(1, ((A, 2), (B, 1)), 1, None)
    assert cover([kit], [coming(2, 5), coming(1, 9, item=B)]) == {1: Hope(1, 9, ("PO5", "PO9"))}
    assert cover([kit, Waiter(2, ONE, 1, None)], [coming(1, 5)]) == {2: Hope(1, 5, ("PO5",))}


SITES = st.sampled_from([None, frozenset({EAST}), frozenset({EAST, WEST})])
PARTS = st.sampled_from([ONE, ((B, 1),), ((A, 2), (B, 1))])
QUEUE = st.lists(st.tuples(PARTS, st.integers(1, 4), SITES), max_size=6)
COMING = st.lists(
    st.builds(
        Coming,
        item_id=st.sampled_from([A, B]),
        location_id=st.sampled_from([EAST, WEST]),
        units=st.integers(1, 5),
        eta=st.none() | st.integers(1, 9),
        reference=st.sampled_from(["x", "y", "z"]),
    ),
    max_size=6,
)


@given(queue=QUEUE, some=COMING)
def test_nothing_is_hoped_for_twice_and_nobody_gains_by_standing_further_back(
    queue: list[tuple[tuple[tuple[int, int], ...], int, frozenset[int] | None]], some: list[Coming]
) -> None:
    waiters = [Waiter(number, *about) for number, about in enumerate(queue)]
    found = cover(waiters, some)
    used = Counter[int]()
    for line, hope in found.items():
        assert 0 < hope.units <= waiters[line].units
        assert hope.eta is None or hope.units == waiters[line].units
        for item, per in waiters[line].parts:
            used[item] += per * hope.units
    there = Counter[int]()
    for one in some:
        there[one.item_id] += one.units
    assert all(used[item] <= there[item] for item in used)
    if waiters:
        alone = cover(waiters[:1], some).get(0)
        assert found.get(0) == alone
