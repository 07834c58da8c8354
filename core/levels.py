"""What a channel may be told it can sell. Pure: free units and rules in, one quantity a place out.

It is what the channel's next order would be promised (`core.store.moves.Stock`), less what its rules keep back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from core.model import Parts
from core.spare import whole


class Rule(msgspec.Struct, frozen=True):
    """One channel's level rules."""

    places: Mapping[str, Sequence[int]]
    """The channel's places, each with the ids of our locations behind it."""
    buffer: int = 0
    cap: int | None = None
    percent: int = 100
    quantile: float | None = None
    """The buffer of each item is as large as its demand asks for (`core.demand`), instead of `buffer`."""


class Own(msgspec.Struct, frozen=True):
    """What one listing has of its own, instead of its channel's rules; None: as the channel has it."""

    buffer: int | None = None
    cap: int | None = None
    percent: int | None = None
    stopped: bool = False
    """Nothing of it is offered."""


def ruled(rule: Rule, own: Own) -> Rule:
    """The rule of one listing."""
    return Rule(
        rule.places,
        rule.buffer if own.buffer is None else own.buffer,
        0 if own.stopped else rule.cap if own.cap is None else own.cap,
        rule.percent if own.percent is None else own.percent,
        rule.quantile if own.buffer is None else None,
    )


_NONE: Mapping[int, int] = {}


def levels(
    parts: Parts,
    rule: Rule,
    unbound: Mapping[int, int],
    free_at: Mapping[tuple[int, int], int],
    buffers: Mapping[int, int] = _NONE,
) -> dict[str, int]:
    """The sellable level of a listing at each of a channel's places.

    `free_at` is what is spare for the channel by (item, location): on hand less allocated, less what other channels'
    promises need there. `unbound` counts the units, by item, that are promised to it (and to channels with the same
    locations) and not bound to a location yet. They are taken off the fullest places first, so that all places together
    never offer more than is free. `buffers` are those by item where the rule's buffer follows demand. Then, as the
    trade has it: less the buffer, at most the cap (both over all places together), the percentage of that, rounded
    down; for a kit the minimum over its components, and no more than single locations can send whole.
    """
    if parts == ((parts[0][0], 1),):  # no kit: single locations send all of it whole
        counts = _offered(parts[0][0], rule, unbound, free_at, buffers)
    else:
        counts = {place: whole(parts, free_at, spots) for place, spots in rule.places.items()}
        for item, per in parts:
            for place, units in _offered(item, rule, unbound, free_at, buffers).items():
                counts[place] = min(counts[place], units // per)
    if rule.cap is not None:
        counts = _spread(counts, rule.cap)
    return {place: count * rule.percent // 100 for place, count in counts.items()}


def buffer_of(item: int, rule: Rule, buffers: Mapping[int, int]) -> int:
    """The units of an item that are never offered."""
    return rule.buffer if rule.quantile is None else buffers.get(item, 0)


def _offered(
    item: int,
    rule: Rule,
    unbound: Mapping[int, int],
    free_at: Mapping[tuple[int, int], int],
    buffers: Mapping[int, int],
) -> dict[str, int]:
    at = {place: sum([free_at.get((item, spot), 0) for spot in spots]) for place, spots in rule.places.items()}
    less = max(0, unbound.get(item, 0)) + buffer_of(item, rule, buffers)
    if not less:
        return at
    for place in sorted(at, key=lambda place: (-at[place], place)):
        taken = min(less, at[place])
        at[place] -= taken
        less -= taken
    return at


def _spread(at: dict[str, int], cap: int) -> dict[str, int]:
    """At most `cap` units in all, each place as many as the others as far as it has them: what sells at one of them
    changes little at the others."""
    if sum(at.values()) <= cap:
        return at
    found, left = dict(at), cap
    for number, place in enumerate(sorted(at, key=lambda place: (at[place], place))):
        found[place] = min(at[place], left // (len(at) - number))
        left -= found[place]
    return found
