"""Who sends what: exact where it can be, and never a unit lost."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from core.routing import Candidate, Decision, Piece, Reason, route
from core.routing.covering import at_least, fewest
from core.routing.division import Free

A, B = 1, 2
EAST, WEST, MID = 10, 20, 30
ONE = ((A, 1),)
BOTH = tuple(Candidate(name, id) for name, id in (("east", EAST), ("west", WEST)))
RANKS = ((1,), (2,))


def shared(decision: Decision) -> list[tuple[int, dict[int, int]]]:
    return [(share.location_id, dict(share.units)) for share in decision.shares]


def test_the_first_location_that_holds_everything_gets_it_all() -> None:
    free = {(A, EAST): 1, (A, WEST): 5, (B, WEST): 5, (B, EAST): 5}
    decision = route([Piece(1, ONE, 2), Piece(2, ((B, 1),), 1)], free, BOTH, RANKS)
    assert shared(decision) == [(WEST, {1: 2, 2: 1})]
    assert decision.lacks == {EAST: {1: (1, 2)}}
    assert decision.rule == "one location holds everything"


def test_what_no_location_holds_alone_leaves_in_order_of_rank() -> None:
    decision = route([Piece(1, ONE, 5)], {(A, EAST): 2, (A, WEST): 4}, BOTH, RANKS)
    assert shared(decision) == [(EAST, {1: 2}), (WEST, {1: 3})]
    assert (decision.unplaced, decision.at_least) == (0, 0)


def test_what_nobody_holds_is_left_unplaced() -> None:
    decision = route([Piece(1, ONE, 5)], {(A, EAST): 2}, BOTH, RANKS)
    assert (decision.unplaced, decision.waits, decision.reason) == (3, {}, None)
    assert shared(decision) == [(EAST, {1: 2})]


def test_what_only_a_dropped_location_has_waits_and_the_rest_is_nobodys() -> None:
    ranked = (BOTH[0], Candidate("west", WEST, dropped="paused: a strike", by="paused"))
    decision = route([Piece(1, ONE, 5)], {(A, EAST): 2, (A, WEST): 2}, ranked, RANKS[:1])
    assert shared(decision) == [(EAST, {1: 2})]
    assert (decision.unplaced, decision.waits, decision.reason) == (3, {1: 2}, Reason.PAUSED)


def test_units_kept_for_the_counter_wait_unless_others_have_them() -> None:
    decision = route([Piece(1, ONE, 3)], {(A, EAST): 0, (A, WEST): 1}, BOTH, RANKS, kept={(A, EAST): 1})
    assert shared(decision) == [(WEST, {1: 1})]
    assert (decision.unplaced, decision.waits, decision.reason) == (2, {1: 1}, Reason.KEPT)


def test_where_it_may_not_be_split_an_order_waits_whole() -> None:
    decision = route([Piece(1, ONE, 3)], {(A, EAST): 2, (A, WEST): 2}, BOTH, RANKS, split=False)
    assert (decision.shares, decision.unplaced, decision.waits) == ((), 3, {1: 3})
    assert decision.reason is Reason.SPLIT
    alone = route([Piece(1, ONE, 3)], {(A, EAST): 2, (A, WEST): 3}, BOTH, RANKS, split=False)
    assert shared(alone) == [(WEST, {1: 3})]


def test_an_order_that_may_not_be_split_waits_for_who_holds_it_all() -> None:
    ranked = (BOTH[0], Candidate("west", WEST, dropped="full", by="capacity"))
    decision = route([Piece(1, ONE, 3)], {(A, EAST): 2, (A, WEST): 9}, ranked, RANKS[:1], split=False)
    assert decision.reason is Reason.CAPACITY


def test_two_lines_of_one_item_are_summed_before_a_location_is_said_to_hold_them() -> None:
    free = {(A, EAST): 3, (A, WEST): 4}
    decision = route([Piece(1, ONE, 2), Piece(2, ONE, 2)], free, BOTH, RANKS)
    assert [share.location_id for share in decision.shares] == [WEST]


def test_a_kit_is_never_split_between_two_locations() -> None:
    kit = Piece(1, ((A, 2), (B, 1)), 2)
    free = {(A, EAST): 3, (B, EAST): 1, (A, WEST): 1, (B, WEST): 9}
    decision = route([kit], free, BOTH, RANKS)
    assert shared(decision) == [(EAST, {1: 1})]
    assert decision.unplaced == 1


def test_fewer_parcels_go_before_more_units_from_one() -> None:
    """Most units first would ask the location with three of each, and then two more for the rest."""
    pieces = [Piece(line, ((line, 1),), 5) for line in (1, 2)]
    free = {(1, 10): 3, (2, 10): 3, (1, 20): 5, (2, 30): 5, (1, 30): 0, (2, 20): 0}
    ranked = [Candidate(str(place), place) for place in (10, 20, 30)]
    decision = route(pieces, free, ranked, [(0,), (5,), (6,)])
    assert [share.location_id for share in decision.shares] == [20, 30]


def test_of_as_few_parcels_those_that_rank_best_together() -> None:
    pieces = [Piece(1, ONE, 4)]
    free = {(A, 10): 1, (A, 20): 3, (A, 30): 3, (A, 40): 2}
    ranked = [Candidate(str(place), place) for place in (10, 20, 30, 40)]
    found = route(pieces, free, ranked, [(1, 0), (2, 50), (2, 60), (2, 70)])
    assert [share.location_id for share in found.shares] == [10, 20]


# Against brute force.


def brute(wanted: Sequence[int], holds: Sequence[Sequence[int]], worth: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    for size in range(len(holds) + 1):
        sets = [
            some
            for some in itertools.combinations(range(len(holds)), size)
            if all(sum(holds[at][line] for at in some) >= want for line, want in enumerate(wanted))
        ]
        if sets:
            return min(
                sets, key=lambda some: ([sum(column) for column in zip(*(worth[at] for at in some), strict=True)], some)
            )
    return ()


numbers = st.integers(0, 4)


@st.composite
def demand(draw: st.DrawFn) -> tuple[list[int], list[list[int]], list[tuple[int, ...]]]:
    lines, places = draw(st.integers(1, 4)), draw(st.integers(1, 7))
    wanted = draw(st.lists(st.integers(0, 6), min_size=lines, max_size=lines))
    row = st.lists(numbers, min_size=lines, max_size=lines)
    holds = draw(st.lists(row, min_size=places, max_size=places))
    worth: list[tuple[int, ...]] = sorted(draw(st.lists(st.tuples(numbers, numbers), min_size=places, max_size=places)))
    return wanted, holds, worth


@given(demand())
@settings(max_examples=300, deadline=None)
def test_the_set_is_that_of_brute_force(case: tuple[list[int], list[list[int]], list[tuple[int, ...]]]) -> None:
    wanted, holds, worth = case
    found = fewest(wanted, holds, worth)
    assert found == brute(wanted, holds, worth)
    if found:
        assert len(found) >= at_least(wanted, holds)


def sends(pieces: Sequence[Piece], free: Free, places: Sequence[int]) -> bool:
    """Whether these places can send everything between them, whatever the lines share: tried out."""
    if not pieces:
        return True
    first, *rest = pieces
    for units in itertools.product(range(first.quantity + 1), repeat=len(places)):
        left = dict(free)
        for place, count in zip(places, units, strict=True):
            for item, per in first.parts:
                left[item, place] = left.get((item, place), 0) - per * count
        if sum(units) == first.quantity and min(left.values(), default=0) >= 0 and sends(rest, left, places):
            return True
    return False


SHAPES = (((1, 1),), ((2, 1),), ((1, 1), (2, 1)), ((1, 2),))


@st.composite
def orders(draw: st.DrawFn) -> tuple[list[Piece], dict[tuple[int, int], int], list[int]]:
    shapes = draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3))
    pieces = [Piece(at, shape, draw(st.integers(1, 3))) for at, shape in enumerate(shapes, 1)]
    places = [10, 20, 30][: draw(st.integers(1, 3))]
    free = {(item, place): draw(st.integers(0, 5)) for item in (1, 2) for place in places}
    return pieces, free, places


@given(orders())
@settings(max_examples=200, deadline=None)
def test_kits_beside_their_components_leave_in_the_fewest_parcels(
    case: tuple[list[Piece], dict[tuple[int, int], int], list[int]],
) -> None:
    pieces, free, places = case
    decision = route(pieces, free, [Candidate(str(p), p) for p in places], [(at,) for at in range(len(places))])
    for place in places:
        for item in (1, 2):
            taken = sum(
                per * share.units.get(piece.line_id, 0)
                for share in decision.shares
                if share.location_id == place
                for piece in pieces
                for part, per in piece.parts
                if part == item
            )
            assert taken <= free[item, place]
    assert all(units > 0 for share in decision.shares for units in share.units.values())
    sent = sum(units for share in decision.shares for units in share.units.values())
    assert sent + decision.unplaced == sum(piece.quantity for piece in pieces)
    sets = [some for size in range(1, 4) for some in itertools.combinations(places, size) if sends(pieces, free, some)]
    if sets:
        assert decision.unplaced == 0
        assert tuple(sorted(share.location_id for share in decision.shares)) == min(
            sets, key=lambda some: (len(some), sum(places.index(place) for place in some), some)
        )


def test_an_order_too_wide_to_be_searched_says_how_few_parcels_it_needs_at_least() -> None:
    """Each of forty locations holds four of thirty lines, all as good as each other."""
    chance = random.Random(7)
    places = list(range(1, 41))
    pieces = [Piece(line, ((line, 1),), 1) for line in range(1, 31)]
    free = {(line, place): 1 for place in places for line in chance.sample(range(1, 31), 4)}
    decision = route(pieces, free, [Candidate(f"{place:02}", place) for place in places], [(0,)] * 40)
    assert decision.unplaced == 0
    assert 8 <= decision.at_least < len(decision.shares)


def test_the_same_question_has_the_same_answer() -> None:
    pieces = [Piece(1, ONE, 4), Piece(2, ((B, 1),), 2)]
    free = {(A, place): 2 for place in (10, 20, 30)} | {(B, place): 1 for place in (10, 20, 30)}
    ranked = [Candidate(name, place) for name, place in (("a", 30), ("b", 20), ("c", 10))]
    found = {str(shared(route(pieces, free, ranked, [(0,)] * 3))) for _ in range(5)}
    assert len(found) == 1
    assert "30" in found.pop().split("{")[0], "of equals the first by name"
