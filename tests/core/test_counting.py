"""What a count means by the time it is heard: whatever crosses on its way, the books end as the shelf is."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from core.counting import Movement, by_now, told_late, weigh


def test_what_moved_after_the_instant_is_applied_on_top() -> None:
    moved = [Movement(1201, -2), Movement(1202, -3), Movement(1203, -4), Movement(1204, 5)]
    assert by_now(10, 1202, moved) == 11


def test_what_was_asked_for_and_is_counted_no_more_is_doubted_and_not_taken() -> None:
    assert weigh(0, 2) == (2, 2)
    assert weigh(1, 2) == (2, 1)
    assert weigh(5, 2) == (5, 0)
    assert weigh(-1, 0) == (0, 1)


def test_what_is_told_late_settles_the_doubt_first() -> None:
    assert told_late(3, 2) == (2, 0)
    assert told_late(1, 2) == (1, 1)
    assert told_late(2, 0) == (0, 0)


class Books:
    """One shelf as our books have it, told of events in any order."""

    def __init__(self, on_hand: int) -> None:
        self.on_hand = on_hand
        self.asked = 0
        self.as_of, self.doubted = -1, 0
        self.moved: list[Movement] = []

    def told(self, at: int, units: int, *, work: bool) -> None:
        """Units left (work) or were adjusted at an instant."""
        if work:
            self.asked += units  # units < 0
        if at > self.as_of:
            self.on_hand += units
            self.moved.append(Movement(at, units))
        elif units < 0:
            off, self.doubted = told_late(-units, self.doubted)
            self.on_hand -= off

    def counted(self, as_of: int, units: int) -> None:
        if as_of <= self.as_of:
            return
        floor = min(self.asked, self.on_hand)
        self.on_hand, self.doubted = weigh(by_now(units, as_of, self.moved), floor)
        self.as_of = as_of


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_once_everything_is_told_the_books_are_the_shelf(data: st.DataObject) -> None:
    """Parcels, breakage and counts, each heard in its own time: the end is what lies there."""
    shelf = start = data.draw(st.integers(0, 20))
    events: list[tuple[str, int, int]] = []
    for at in range(data.draw(st.integers(1, 12))):
        kind = data.draw(st.sampled_from(["left", "broken", "counted"]))
        if kind == "counted":
            events.append((kind, at, shelf))
        elif shelf:
            units = data.draw(st.integers(1, shelf))
            shelf -= units
            events.append((kind, at, -units))
    books = Books(start)
    books.asked = -sum(units for kind, _, units in events if kind == "left")
    for kind, at, units in data.draw(st.permutations(events)):
        if kind == "counted":
            books.counted(at, units)
        else:
            books.told(at, units, work=kind == "left")
        assert books.on_hand >= 0
    assert books.on_hand == shelf
