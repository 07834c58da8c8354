"""What is asked for: some days, and what to break them down by."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from core.days import QUARTER, Days, as_date, month, week

ALL = ""
"""The key of everything together."""


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """Days from `first` to `last`, both included, and what divides them."""

    first: int
    last: int
    by: str = ""
    """channel, location, item, day, week, month, or empty for all together."""
    channel: str = ""
    """Only this channel's orders; empty for all."""

    @property
    def timed(self) -> bool:
        return self.by in ("day", "week", "month")

    def key(self, day: int) -> str:
        """What a day belongs to, where time divides the period."""
        made = {"day": as_date, "week": week, "month": month}
        return made[self.by](day).isoformat() if self.timed else ALL

    def buckets(self) -> dict[str, tuple[int, int]]:
        """The parts of the period by their keys: first and last day of each, within the period."""
        found: dict[str, tuple[int, int]] = {}
        for day in range(self.first, self.last + 1):
            key = self.key(day)
            found[key] = (found[key][0] if key in found else day, day)
        return found

    def quarters(self, days: Days) -> tuple[int, int]:
        """The quarters of hours from the first to, not included, the last."""
        return days.begin(self.first) // QUARTER, days.begin(self.last + 1) // QUARTER

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.first, self.last + 1))
