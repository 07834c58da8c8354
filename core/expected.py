"""When those who wait for stock can be served: by what is expected, in turn. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from core.model import Parts
from core.spare import Sites


class Coming(msgspec.Struct, frozen=True):
    """Units that are expected at a location."""

    item_id: int
    location_id: int
    units: int
    eta: int | None
    """Microseconds since 1970 UTC; None: nobody knows."""
    reference: str


class Waiter(msgspec.Struct, frozen=True):
    """One order line that waits."""

    line_id: int
    parts: Parts
    units: int
    sites: Sites
    """Where it may ship from."""


class Hope(msgspec.Struct, frozen=True):
    """What a line that waits may hope for."""

    units: int
    """Of its waiting units, those that something covers."""
    eta: int | None
    """When the last of them comes; None where nobody knows, or where not all of them are covered."""
    references: tuple[str, ...]
    """What covers them, the soonest first."""


def cover(queue: Iterable[Waiter], coming: Iterable[Coming]) -> dict[int, Hope]:
    """What covers each line of `queue`, whose first is served first: the soonest that is not spoken for, what has no
    date last. Lines that nothing covers are left out. Of a kit, all parts must come.
    """
    shelves: dict[int, list[_Shelf]] = {}
    for one in sorted(coming, key=lambda one: (one.eta is None, one.eta or 0, one.reference, one.location_id)):
        shelves.setdefault(one.item_id, []).append(_Shelf(one, one.units))
    found = {}
    for waiter in queue:
        able = min(_there(shelves.get(item, ()), waiter.sites) // per for item, per in waiter.parts)
        units = min(waiter.units, able)
        if units > 0:
            used = [one for item, per in waiter.parts for one in _take(shelves[item], units * per, waiter.sites)]
            used.sort(key=lambda one: (one.eta is None, one.eta or 0))
            last = used[-1].eta if units == waiter.units else None
            found[waiter.line_id] = Hope(units, last, tuple(dict.fromkeys(one.reference for one in used)))
    return found


class _Shelf:
    """What is left of something that comes."""

    __slots__ = ("coming", "left")

    def __init__(self, coming: Coming, left: int) -> None:
        self.coming = coming
        self.left = left

    def serves(self, sites: Sites) -> bool:
        return sites is None or self.coming.location_id in sites


def _there(shelves: Sequence[_Shelf], sites: Sites) -> int:
    return sum(shelf.left for shelf in shelves if shelf.serves(sites))


def _take(shelves: Sequence[_Shelf], units: int, sites: Sites) -> list[Coming]:
    used = []
    for shelf in shelves:
        taken = min(units, shelf.left) if shelf.serves(sites) else 0
        if taken:
            shelf.left -= taken
            units -= taken
            used.append(shelf.coming)
    return used
