"""What a count of a warehouse means by the time we hear of it. Pure: numbers in, numbers out.

A count says what lay on the shelf at one instant. By the time it is heard, units have moved that it does not know of,
and units have left that it knows of and we do not: their telling is still on its way. So the instant decides. What
moved after it is applied on top; what moved up to and at it, and is told only later, is in the number already.

One thing a count cannot tell: whether units that the warehouse was asked to send, and counts no more, have left or are
missing. They are doubted, not taken away: whoever tells what became of them, a parcel that left or a short pick,
settles it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Movement(NamedTuple):
    """Units that came to a shelf or, below zero, left it."""

    at: int
    """When they really moved, not when it was told."""
    units: int


class Verdict(NamedTuple):
    """What a count makes of a shelf."""

    on_hand: int
    doubted: int
    """Units still on hand by our books that the warehouse counts no more and was asked to send."""


def by_now(counted: int, as_of: int, movements: Iterable[Movement]) -> int:
    """A count with what moved since; below zero where more left since than was there."""
    return counted + sum(one.units for one in movements if one.at > as_of)


def weigh(counted: int, asked: int) -> Verdict:
    """A shelf with `counted` units by now. The warehouse was asked for `asked` units that it has not told to have left;
    they are no more than what our books have there.
    """
    on_hand = max(counted, asked, 0)
    return Verdict(on_hand, on_hand - counted if counted < on_hand else 0)


def told_late(units: int, doubted: int) -> tuple[int, int]:
    """Units told to have gone before the last count: how many are to be taken off the books, and the doubt left.

    The others were missing from that count already.
    """
    off = min(units, doubted)
    return off, doubted - off
