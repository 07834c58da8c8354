"""How far apart two US ZIP codes lie."""

from __future__ import annotations

import math
from functools import cache

import zipcodes


def distance_km(country: str, postal_code: str, other_country: str, other_code: str) -> float | None:
    """Great-circle distance between two US ZIP codes' centres (haversine); None where one is not known."""
    here, there = _centre(country, postal_code), _centre(other_country, other_code)
    if here is None or there is None:
        return None
    (lat1, lon1), (lat2, lon2) = here, there
    half = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * 6371.0088 * math.asin(math.sqrt(half))


def _centre(country: str, postal_code: str) -> tuple[float, float] | None:
    """Latitude and longitude in radians."""
    return _centres().get(postal_code.strip()[:5]) if country in ("US", "USA", "") else None


@cache
def _centres() -> dict[str, tuple[float, float]]:
    return {
        entry["zip_code"]: (math.radians(float(entry["lat"])), math.radians(float(entry["long"])))
        for first in "0123456789"  # the whole table at once takes 130 MiB
        for entry in zipcodes.similar_to(first)  # type: ignore[no-untyped-call]
        if entry["lat"] and entry["long"]
    }
