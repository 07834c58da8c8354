"""Which free units one channel may have: those that the promises of other channels do not need. Pure.

A promise without a location (an unbound one: its order is held, or its address is not known yet) is worth only what
stands free at the locations its channel ships from. Channels whose lists of locations overlap share those units. So
before one channel is given anything, the promises of the others are laid on locations: first on those this channel
does not ship from, then, as far as they do not suffice, on its own. What they leave is spare.

All promises of an item can be kept if and only if they can be laid side by side (Hall's condition, decided here by
augmenting paths, which is exact). As long as each channel is promised and bound out of what is spare for it, they
always can be.

What this does not decide. Where the others are laid is a choice (the fullest location first): a channel may be sent to
a location it ranks lower, as the better one is kept for somebody else's held order. And it decides item by item: a kit
goes whole from one location, which is looked at when it is promised (`whole`) and when it is routed, not in between.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Mapping

from core.model import Parts

Sites = frozenset[int] | None
"""The ids of the locations a channel ships from; None: not known yet, taken as all there are."""


class Laid:
    """Promises of one item, laid on the locations where it is free."""

    def __init__(self, free: Mapping[int, int]) -> None:
        self.left = dict(free)
        """Free units by location that nothing is laid on."""
        self._on: defaultdict[Sites, defaultdict[int, int]] = defaultdict(lambda: defaultdict(int))

    def add(self, sites: Sites, units: int, *, but: Collection[int] = ()) -> int:
        """Lays `units` of a channel that ships from `sites`, on no location of `but`; returns how many found room.

        What was laid before makes way where it has another location to go to, and is never given up.
        """
        found = 0
        while found < units:
            end, came = self._path(sites, but)
            if end is None:
                break
            steps = _steps(end, came)
            moved = [self._on[by][off] for by, off, _ in steps if off is not None]
            count = min(units - found, self.left[end], *moved)
            for by, off, to in steps:
                self._on[by][to] += count
                if off is not None:
                    self._on[by][off] -= count
            self.left[end] -= count
            found += count
        return found

    def _path(self, sites: Sites, but: Collection[int]) -> tuple[int | None, _Came]:
        """The nearest location with units left, by locations whose holders can make way; and how each was reached."""
        came: _Came = dict.fromkeys(self._reached(sites, but), (sites, None))
        queue = deque(came)
        while queue:
            place = queue.popleft()
            if self.left[place] > 0:
                return place, came
            for holder, on in self._on.items():
                if on.get(place, 0) > 0:
                    new = [other for other in self._reached(holder, but) if other not in came]
                    came |= dict.fromkeys(new, (holder, place))
                    queue += new
        return None, came

    def _reached(self, sites: Sites, but: Collection[int]) -> list[int]:
        """The locations of `sites`, the fullest first."""
        places = [place for place in self.left if (sites is None or place in sites) and place not in but]
        return sorted(places, key=lambda place: (-self.left[place], place))


_Came = dict[int, tuple[Sites, int | None]]
"""How a location was reached: who would move there, and off which location (None: who is to be laid)."""


def _steps(end: int, came: _Came) -> list[tuple[Sites, int | None, int]]:
    """The moves of a path: who, off where, to where."""
    steps = []
    to: int | None = end
    while to is not None:
        by, off = came[to]
        steps.append((by, off, to))
        to = off
    return steps


def spare(free: Mapping[int, int], others: Mapping[Sites, int], sites: frozenset[int]) -> dict[int, int]:
    """What is spare by location for a channel that ships from `sites`, of one item.

    `free` is on hand less allocated by location; `others` the unbound units promised to channels with other lists.
    """
    laid = Laid(free)
    rest = {by: units - laid.add(by, units, but=sites) for by, units in others.items()}
    for by, units in rest.items():
        laid.add(by, units)
    return laid.left


def whole(parts: Parts, free_at: Mapping[tuple[int, int], int], places: Collection[int]) -> int:
    """How many units made of `parts` can be sent each whole from one of `places`."""
    return sum(min(free_at.get((item, place), 0) // per for item, per in parts) for place in places)
