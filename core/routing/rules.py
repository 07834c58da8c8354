"""routing.toml in routing's words."""

from __future__ import annotations

from decimal import Decimal

from core.routing.words import Rules
from core.settings import RoutingSettings


def rules_of(settings: RoutingSettings) -> Rules:
    """The rules as they are configured; money in millionths, zone 0 for what is said of any."""
    prices = {0 if zone == "any" else int(zone): price for zone, price in settings.costs.items()}
    return Rules(
        rank=settings.rank,
        split=settings.split,
        split_above=None if settings.split_above is None else _millionths(settings.split_above),
        ship_complete=settings.ship_complete,
        late=settings.late,
        services={name.casefold(): capability for name, capability in settings.services.items()},
        zones=settings.zones,
        parcel={zone: _millionths(price.parcel) for zone, price in prices.items()},
        per_kg={zone: _millionths(price.per_kg) for zone, price in prices.items()},
    )


def _millionths(amount: Decimal) -> int:
    return int(amount * 1_000_000)
