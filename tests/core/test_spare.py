"""What is spare for a channel, beside every case of Hall's condition tried one by one."""

from __future__ import annotations

from itertools import chain, combinations

from hypothesis import given
from hypothesis import strategies as st

from core.spare import Laid, spare, whole

EAST, WEST, SOUTH, FAR = 10, 20, 30, 40
PLACES = (EAST, WEST, SOUTH, FAR)


def test_what_nobody_else_is_promised_is_spare() -> None:
    assert spare({EAST: 3, WEST: 0}, {}, frozenset({EAST})) == {EAST: 3, WEST: 0}


def test_the_others_are_laid_where_the_channel_does_not_ship_from_first() -> None:
    both = frozenset({EAST, WEST})
    assert spare({EAST: 2, WEST: 2}, {both: 1}, frozenset({EAST})) == {EAST: 2, WEST: 1}
    assert spare({EAST: 2, WEST: 2}, {both: 3}, frozenset({EAST})) == {EAST: 1, WEST: 0}


def test_the_others_take_the_fullest_of_its_own_locations() -> None:
    assert spare({EAST: 2, WEST: 5}, {frozenset({EAST, WEST}): 1}, frozenset({EAST, WEST, FAR})) == {EAST: 2, WEST: 4}


def test_who_has_another_location_makes_way() -> None:
    laid = Laid({EAST: 1, WEST: 1, SOUTH: 1})
    assert laid.add(frozenset({EAST, WEST}), 1) == 1
    assert laid.add(frozenset({EAST}), 1) == 1
    assert laid.add(frozenset({WEST, SOUTH}), 1) == 1, "by way of a chain: east's holder to west, west's to south"
    assert laid.left == {EAST: 0, WEST: 0, SOUTH: 0}


def test_nobody_laid_before_loses_anything() -> None:
    laid = Laid({EAST: 1})
    assert laid.add(frozenset({EAST}), 1) == 1
    assert laid.add(None, 5) == 0
    assert laid.add(frozenset({WEST}), 1) == 0, "nothing of it stands there"


def test_a_channel_whose_locations_are_not_known_may_ship_from_all() -> None:
    assert spare({EAST: 2, WEST: 2}, {None: 3}, frozenset({EAST})) == {EAST: 1, WEST: 0}


def test_a_kit_goes_whole_from_one_location() -> None:
    free = {(1, EAST): 5, (2, EAST): 1, (1, WEST): 4, (2, WEST): 9, (1, FAR): 9}
    assert whole(((1, 2), (2, 1)), free, (EAST, WEST, FAR)) == 1 + 2
    assert whole(((1, 3),), {(1, EAST): 2, (1, WEST): 4}, (EAST, WEST)) == 1


sites = st.frozensets(st.sampled_from(PLACES), min_size=1)
free = st.fixed_dictionaries({place: st.integers(0, 5) for place in PLACES})
asked = st.dictionaries(sites, st.integers(1, 6), max_size=5)


def reach(groups: tuple[frozenset[int], ...]) -> frozenset[int]:
    return frozenset(chain.from_iterable(groups))


def subsets(wanted: dict[frozenset[int], int]) -> list[tuple[frozenset[int], ...]]:
    return [some for count in range(len(wanted) + 1) for some in combinations(wanted, count)]


@given(free, asked)
def test_as_many_are_laid_as_can_be_and_the_earlier_ones_first(
    free: dict[int, int], wanted: dict[frozenset[int], int]
) -> None:
    laid, before = Laid(free), 0
    for number, (by, units) in enumerate(wanted.items()):
        told = laid.add(by, units)
        # The most that the first so many can have together: the least of all cuts (max-flow is min-cut).
        first = dict(list(wanted.items())[: number + 1])
        most = min(
            sum(free[place] for place in reach(some)) + sum(n for by, n in first.items() if by not in some)
            for some in subsets(first)
        )
        assert before + told == most
        before = most
    assert min(laid.left.values()) >= 0
    assert sum(laid.left.values()) == sum(free.values()) - before


@given(free, asked, sites)
def test_spare_is_all_that_can_be_promised_besides_and_not_one_unit_more(
    free: dict[int, int], wanted: dict[frozenset[int], int], own: frozenset[int]
) -> None:
    wanted = {by: units for by, units in wanted.items() if by != own}
    if any(sum(wanted[by] for by in some) > sum(free[place] for place in reach(some)) for some in subsets(wanted)):
        return  # promised too much already: `core.sync.refit` takes that back
    room = min(
        sum(free[place] for place in reach((own, *some))) - sum(wanted[by] for by in some) for some in subsets(wanted)
    )
    left = spare(free, wanted, own)
    assert sum(left[place] for place in own) == room
    # And what is bound out of it, wherever it is, leaves the others what they need.
    for place in own:
        rest = Laid({**free, place: free[place] - left[place]})
        assert all(rest.add(by, units) == units for by, units in wanted.items())
