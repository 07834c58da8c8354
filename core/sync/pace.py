"""When a channel is asked next for changed orders: the one place that decides how a dear budget of pulls is spent.

A cheap pull keeps to `poll_seconds`. A dear one (Amazon's list of orders: one request in three minutes, twenty at once)
has a burst that fills while nothing happens, and is spent when it shortens somebody's wait:

- while orders flow, pulls come the quicker the fuller the burst is, and slow down as it empties: it settles where what
  is spent is what comes back, above a reserve that stays for long lists, restarts and a person's resync;
- while nothing happens, pulls come a little more rarely than the plan allows, until the burst is full again;
- what the channel tells by itself is fetched order by order, from a budget of its own. Only when more is told than that
  can pay, the list is quicker: one request for a hundred orders.
"""

from __future__ import annotations

from core.budgets import USED, Left

QUICKEST = 30.0
"""Seconds between two pulls of a dear budget, at least: the channel's list itself lags by minutes."""

RESERVE = 0.25
"""The part of the burst that flowing orders leave alone."""

FLOWS_FOR = 900.0
"""Seconds after an order during which more are expected."""

RESTING = 4 / 3
"""How much more rarely than the plan allows a quiet channel is asked while its burst fills."""


def next_pull(
    poll: float,
    listing: Left | None,
    now: float,
    *,
    quiet_for: float,
    told: int = 0,
    fetching: Left | None = None,
) -> float:
    """Seconds until the next pull.

    `listing`: what is left for it, None where pulls are not counted; `quiet_for`: seconds since orders were
    last taken in; `told`: orders the channel has told of that wait to be fetched one by one, `fetching`: what is left
    for that. `now` is in seconds since 1970.
    """
    if listing is None or listing.rate <= 0:
        return poll
    slow = max(poll, 1 / (listing.rate * USED))
    quick = min(QUICKEST, slow)
    left, reserve = listing.now(now), RESERVE * listing.burst
    if left < 1:
        return max(slow, listing.shut_until - now)
    if told and fetching is not None and told > fetching.now(now) and left > reserve:
        return quick
    if quiet_for > FLOWS_FOR:
        return slow if left >= listing.burst - 1 else slow * RESTING
    surplus = max(0.0, left - reserve) / (listing.burst - reserve)
    return slow - (slow - quick) * min(1.0, surplus)
