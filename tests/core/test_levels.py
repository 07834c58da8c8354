from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.levels import Rule, levels

A, B = 1, 2
EAST, WEST, FAR = 10, 20, 30
ONE = ((A, 1),)


def test_a_channel_with_one_number_is_told_the_sum_of_its_locations() -> None:
    rule = Rule({"": (EAST, WEST)})
    assert levels(ONE, rule, {}, {(A, EAST): 3, (A, WEST): 4, (A, FAR): 9}) == {"": 7}


def test_each_place_is_told_its_own_locations() -> None:
    rule = Rule({"e": (EAST,), "w": (WEST, FAR)})
    assert levels(ONE, rule, {}, {(A, EAST): 3, (A, WEST): 4, (A, FAR): 9}) == {"e": 3, "w": 13}


def test_an_item_without_stock_is_told_as_none() -> None:
    assert levels(ONE, Rule({"e": (EAST,), "w": (WEST,)}), {}, {}) == {"e": 0, "w": 0}


def test_a_channel_without_places_is_told_nothing() -> None:
    assert levels(ONE, Rule({}), {}, {(A, EAST): 3}) == {}


def test_the_buffer_is_taken_off_once_and_never_below_nothing() -> None:
    rule = Rule({"e": (EAST,), "w": (WEST,)}, buffer=3)
    assert levels(ONE, rule, {}, {(A, EAST): 5, (A, WEST): 4}) == {"e": 2, "w": 4}
    assert levels(ONE, rule, {}, {(A, EAST): 1, (A, WEST): 1}) == {"e": 0, "w": 0}


def test_buffer_then_cap_then_percentage_rounded_down() -> None:
    free = {(A, EAST): 20}
    assert levels(ONE, Rule({"": (EAST,)}, buffer=5, cap=9, percent=50), {}, free) == {"": 4}
    assert levels(ONE, Rule({"": (EAST,)}, buffer=15, cap=9, percent=50), {}, free) == {"": 2}
    assert levels(ONE, Rule({"": (EAST,)}, cap=0), {}, free) == {"": 0}


def test_the_cap_is_over_all_places_together() -> None:
    rule = Rule({"e": (EAST,), "w": (WEST,)}, cap=3)
    assert levels(ONE, rule, {}, {(A, EAST): 5, (A, WEST): 2}) == {"e": 2, "w": 1}
    assert levels(ONE, rule, {}, {(A, EAST): 1, (A, WEST): 1}) == {"e": 1, "w": 1}
    assert levels(((A, 2),), rule, {}, {(A, EAST): 9, (A, WEST): 9}) == {"e": 1, "w": 2}
    assert levels(ONE, rule, {}, {(A, EAST): 0, (A, WEST): 9}) == {"e": 0, "w": 3}


def test_promised_units_without_a_location_are_taken_off_the_fullest_place_first() -> None:
    rule = Rule({"e": (EAST,), "w": (WEST,)})
    assert levels(ONE, rule, {A: 4}, {(A, EAST): 3, (A, WEST): 5}) == {"e": 3, "w": 1}
    assert levels(ONE, rule, {A: 6}, {(A, EAST): 3, (A, WEST): 5}) == {"e": 2, "w": 0}


def test_a_count_of_unbound_units_below_nothing_adds_none() -> None:
    """Stock and promises are read one after the other; in between a parcel may leave."""
    assert levels(ONE, Rule({"": (EAST,)}), {A: -1}, {(A, EAST): 9}) == {"": 9}


def test_a_kit_is_told_as_its_scarcest_component_at_each_place() -> None:
    rule = Rule({"e": (EAST,), "w": (WEST,)})
    free = {(A, EAST): 5, (B, EAST): 9, (A, WEST): 9, (B, WEST): 1}
    assert levels(((A, 2), (B, 1)), rule, {}, free) == {"e": 2, "w": 1}


@st.composite
def cases(draw: st.DrawFn) -> tuple[tuple[tuple[int, int], ...], Rule, dict[int, int], dict[tuple[int, int], int]]:
    units = st.integers(0, 12)
    spots = [EAST, WEST, FAR]
    free = {(item, spot): draw(units) for item in (A, B) for spot in spots}
    # Promises are kept out of what is on hand, so those without a location are never more than what is free.
    unbound = {item: draw(st.integers(0, sum(free[item, spot] for spot in spots))) for item in (A, B)}
    at = draw(st.lists(st.sampled_from(["", "e", "w", None]), min_size=3, max_size=3))
    places: dict[str, tuple[int, ...]] = {}
    for spot, place in zip(spots, at, strict=True):
        if place is not None:
            places[place] = (*places.get(place, ()), spot)
    rule = Rule(places, draw(st.integers(0, 5)), draw(st.none() | units), draw(st.integers(1, 100)))
    parts = draw(st.sampled_from([((A, 1),), ((A, 2),), ((A, 1), (B, 1)), ((A, 2), (B, 3))]))
    return parts, rule, unbound, free


@given(cases())
def test_all_places_together_never_offer_more_than_is_free(
    case: tuple[tuple[tuple[int, int], ...], Rule, dict[int, int], dict[tuple[int, int], int]],
) -> None:
    parts, rule, unbound, free = case
    told = levels(parts, rule, unbound, free)
    assert set(told) == set(rule.places)
    assert rule.cap is None or sum(told.values()) <= rule.cap
    for place, units in told.items():
        assert units >= 0
        for item, per in parts:
            assert per * units <= sum(free[item, spot] for spot in rule.places[place])
    for item, per in parts:
        available = sum(units for (one, _), units in free.items() if one == item) - unbound[item]
        assert per * sum(told.values()) <= max(0, available - rule.buffer)
