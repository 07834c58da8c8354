"""Quantities, money and instants: how they are counted."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

MAX_QUANTITY = 2**31 - 1
"""The largest quantity a line, a level or a count may hold: what a 32-bit column keeps."""

ZERO = Decimal(0)

Parts = tuple[tuple[int, int], ...]
"""What one unit of a line or a listing takes from stock: (item's id, units). Itself once, or a kit's components."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(instant: datetime) -> int:
    """Microseconds since 1970 UTC of an aware instant: how versions and the store keep time."""
    if instant.tzinfo is None:
        raise ValueError("an instant without a time zone")
    delta = instant - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def instant(value: int) -> datetime:
    """The aware UTC instant of `micros`."""
    return datetime.fromtimestamp(value // 1_000_000, UTC).replace(microsecond=value % 1_000_000)
