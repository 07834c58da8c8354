"""How large a buffer must be: the demand that other channels may have while a channel does not know of it yet. Pure.

A channel sells what is gone when an order elsewhere takes the unit and the channel has not accepted the lower level
yet. That stretch of time is its oversell window, and it is measured. The buffer is a quantile of the units that the
other channels sell within one window: enough in all but, say, five of a hundred windows.

Sales are counted in two memories that fade, one by half in a week and one by half in six hours; the higher rate of the
two counts, so a peak is met on its day and a quiet spell does not make reckless. Orders come as they like (Poisson) and
take as many units as they do; the sum is taken as a negative binomial with the same mean and variance.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from statistics import NormalDist

import msgspec

HOUR = 3600.0
SLOW, FAST = 7 * 24 * HOUR, 6 * HOUR
"""Seconds in which a memory forgets one half."""

_LEAST_AGE = {SLOW: 24 * HOUR, FAST: HOUR}
"""A memory younger than this is taken as that old: one sale is no rate."""

_STEPS, _FIRST, _LAST, _ENOUGH = 2, -2, 24, 1000
"""Two classes for each doubling, from half a second to an hour and eight minutes; counts are halved beyond so many."""


class Sold(msgspec.Struct, frozen=True):
    """One channel's sales of one item, as they fade. Instants in seconds."""

    at: float
    """When the sums were as they stand."""
    since: float
    """When the first was sold."""
    slow: tuple[float, float] = (0.0, 0.0)
    """Units, and units of each order squared."""
    fast: tuple[float, float] = (0.0, 0.0)


def sell(sold: Sold, units: int, at: float) -> Sold:
    """One order line more; one from the past counts as far as it would have faded since."""
    now = max(sold.at, at)
    return Sold(
        now,
        min(sold.since, at),
        _added(sold.slow, now - sold.at, units, now - at, SLOW),
        _added(sold.fast, now - sold.at, units, now - at, FAST),
    )


def _added(sums: tuple[float, float], passed: float, units: int, ago: float, half: float) -> tuple[float, float]:
    faded, new = 0.5 ** (passed / half), 0.5 ** (ago / half)
    return sums[0] * faded + units * new, sums[1] * faded + units * units * new


def rate(sold: Sold, now: float) -> tuple[float, float]:
    """Units a second, and the variance that they have a second: of the memory in which they sell faster."""
    return max(_rate(sold, sold.slow, now, SLOW), _rate(sold, sold.fast, now, FAST))


def _rate(sold: Sold, sums: tuple[float, float], now: float, half: float) -> tuple[float, float]:
    age = max(_LEAST_AGE[half], now - sold.since)
    whole = half / math.log(2) * (1 - 0.5 ** (age / half))
    faded = 0.5 ** (max(0.0, now - sold.at) / half)
    return sums[0] * faded / whole, sums[1] * faded / whole


def needed(mean: float, variance: float, quantile: float) -> int:
    """The least number of units that demand of this mean and variance stays within, so often as `quantile` says.

    0 <= `mean` <= `variance`; 0 < `quantile` < 1.
    """
    if mean <= -math.log(quantile):  # nothing at all is sold often enough
        return 0
    over = variance - mean
    if over > 1e-9 * mean:
        size, kept = mean * mean / over, mean / variance
        first = size * math.log(kept)
    else:
        size, kept = 0.0, 1.0
        first = -mean
    if first < -600:  # so many that the sum is as good as normal, and the first term would be nothing
        return max(0, math.ceil(NormalDist(mean, math.sqrt(variance)).inv_cdf(quantile)))
    term = math.exp(first)
    total, units = term, 0
    while total < quantile and term > 0:
        term *= (units + size) * (1 - kept) / (units + 1) if size else mean / (units + 1)
        units += 1
        total += term
    return units


def note_lags(counts: Mapping[int, int], lags: Iterable[float]) -> dict[int, int]:
    """The classes of how long something took, with more of them counted in; what is long ago weighs less and less."""
    found = dict(counts)
    for seconds in lags:
        step = math.ceil(_STEPS * math.log2(seconds)) if seconds > 0 else _FIRST
        step = min(_LAST, max(_FIRST, step))
        found[step] = found.get(step, 0) + 1
    if sum(found.values()) > _ENOUGH:
        found = {step: count // 2 for step, count in found.items() if count > 1}
    return found


def percentile(counts: Mapping[int, int], quantile: float) -> float | None:
    """Seconds within which so many were done, never told too short; None where nothing was counted."""
    total, seen = sum(counts.values()), 0
    for step in sorted(counts):
        seen += counts[step]
        if seen >= quantile * total:
            return float(2.0 ** (step / _STEPS))
    return None
