"""The fewest locations that together hold what is wanted; of those sets the best ranked one. Exact, within a budget.

A line can be had from a set of locations if their units of it add up to what is wanted. Sets are tried by size, each
size in the ranking's order; a branch is left as soon as what its remaining places could add at best is not enough, or
as the numbers it would end with at best are no better than what was found. Sums of the ranking's numbers are compared
like the numbers themselves, the most important first: that order is kept by adding, so the best a branch can end with
is what it has and the next locations in rank.

Its limit: lines that share an item (a kit beside its own component) are looked at one by one here; whether a set can
really send them together is what `fits` says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

Worth = tuple[int, ...]

BUDGET = 100_000
"""Lines looked at, over all branches, before the search gives up: about 100 ms."""


class Spent(Exception):
    """The budget did not suffice."""


def fewest(
    wanted: Sequence[int],
    holds: Sequence[Sequence[int]],
    worth: Sequence[Worth],
    fits: Callable[[tuple[int, ...]], bool] | None = None,
    budget: int = BUDGET,
) -> tuple[int, ...]:
    """The positions of the locations to ask, ascending; empty where all together do not hold it.

    `wanted`: units by line; `holds`: by location in order of rank, units of each line; `worth`: their numbers. Of the
    sets of fewest locations the one with the smallest sum of numbers, of equals the one that comes first by rank.
    Raises `Spent`.
    """
    search = _Search(wanted, holds, worth, fits, budget)
    for size in range(at_least(wanted, holds), len(holds) + 1):
        found = search.of(size)
        if found is not None:
            return found
    return ()


def at_least(wanted: Sequence[int], holds: Sequence[Sequence[int]]) -> int:
    """How many locations are needed at the very least: as many as the line that is hardest to gather needs, and as many
    as all units together need.
    """
    if not any(wanted):
        return 0
    most = [_needed(want, [row[line] for row in holds]) for line, want in enumerate(wanted)]
    together = [sum(min(want, have) for want, have in zip(wanted, row, strict=True)) for row in holds]
    return max(*most, _needed(sum(wanted), together))


def _needed(want: int, have: list[int]) -> int:
    count = 0
    for units in sorted(have, reverse=True):
        if want <= 0:
            break
        want -= units
        count += 1
    return count


class _Search:
    def __init__(
        self,
        wanted: Sequence[int],
        holds: Sequence[Sequence[int]],
        worth: Sequence[Worth],
        fits: Callable[[tuple[int, ...]], bool] | None,
        budget: int,
    ) -> None:
        self._wanted = tuple(wanted)
        self._holds = [tuple(min(want, units) for want, units in zip(wanted, row, strict=True)) for row in holds]
        self._worth = worth
        self._fits = fits
        self._budget = budget
        self._best: tuple[Worth, tuple[int, ...]] | None = None
        self._zero = tuple(0 for _ in worth[0]) if worth else ()
        # At each position, by line, the most that any location from there on holds.
        most = [(0,) * len(self._wanted)]
        for row in reversed(self._holds):
            most.append(tuple(map(max, row, most[-1])))
        self._most = most[::-1]

    def of(self, size: int) -> tuple[int, ...] | None:
        self._look(0, (), self._wanted, self._zero, size)
        return None if self._best is None else self._best[1]

    def _look(self, start: int, chosen: tuple[int, ...], left: tuple[int, ...], sum_: Worth, more: int) -> None:
        self._budget -= len(left)
        if self._budget < 0:
            raise Spent
        if not more:
            if not any(left) and (self._best is None or sum_ < self._best[0]) and self._sent_by(chosen):
                self._best = sum_, chosen
            return
        for at in range(start, len(self._holds) - more + 1):
            most = self._most[at]
            if any(want > more * units for want, units in zip(left, most, strict=True)) or self._hopeless(
                sum_, at, more
            ):
                return  # nor do the locations behind it hold more, or rank better
            rest = tuple([max(0, want - units) for want, units in zip(left, self._holds[at], strict=True)])
            if self._fits is not None or rest != left:  # by itself, one that adds nothing is in no smallest set
                self._look(at + 1, (*chosen, at), rest, _plus(sum_, self._worth[at]), more - 1)

    def _hopeless(self, sum_: Worth, at: int, more: int) -> bool:
        """Whether the best that can still come, the next locations in rank, is no better than what was found."""
        if self._best is None:
            return False
        for next_ in range(at, at + more):
            sum_ = _plus(sum_, self._worth[next_])
        return sum_ >= self._best[0]

    def _sent_by(self, chosen: tuple[int, ...]) -> bool:
        return self._fits is None or self._fits(chosen)


def _plus(one: Worth, other: Worth) -> Worth:
    return tuple([a + b for a, b in zip(one, other, strict=True)])
