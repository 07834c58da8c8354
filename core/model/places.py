"""Where stock ships from."""

from __future__ import annotations

from datetime import date

import msgspec


class Location(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A place stock ships from, as routing sees it."""

    name: str
    priority: int = 100
    """Smaller is preferred."""
    postal_code: str = ""
    country: str = "US"
    active: bool = True
    paused: str = ""
    """Why nothing is routed here for now; empty where it is not paused."""
    capabilities: frozenset[str] = frozenset()
    """What it can handle that not every location can: hazmat, cold, a carrier, a service."""
    serves: frozenset[str] = frozenset()
    """The countries it ships to, ISO 3166-1 alpha-2; empty: all."""
    capacity_orders: int | None = None
    """So many fulfilment orders a day, at most."""
    capacity_units: int | None = None
    timezone: str = "UTC"
    """Where its days begin and end (IANA)."""
    cut_off: int | None = None
    """What is routed here later than so many minutes after its midnight ships on its next ship day."""
    ship_days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    """The weekdays it ships on, Monday is 0."""
    holidays: frozenset[date] = frozenset()
    keep: int = 0
    """Units of every item that are kept for its own counter: neither promised to channels nor routed."""

    @property
    def has_calendar(self) -> bool:
        """Whether the hour an order comes at decides when it ships."""
        return self.cut_off is not None or len(self.ship_days) < 7 or bool(self.holidays)

    @property
    def has_capacity(self) -> bool:
        return self.capacity_orders is not None or self.capacity_units is not None
