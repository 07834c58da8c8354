"""Pulling a shop: what changed, and of that only what is not known yet.

A pull reaches back behind the last one, as Shopify lists some changes late. To list what changed there, by id and
instant, costs little: 13 points for 250 orders. To read whole orders costs much. So the list comes first, and nothing
is read where the store has looked at that very change, long enough after it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from connectors.shopify import queries
from connectors.shopify.documents import Instant, Record
from connectors.shopify.graph import Graph
from connectors.shopify.orders import observe, short
from connectors.shopify.paging import MOST_PAGED, position, stamp, window, written
from connectors.shopify.reading import pages as read
from connectors.shopify.reading import wholes
from core.credentials import Look
from core.errors import Unavailable
from core.model import Page, micros

SETTLED: Final = 2_000_000
"""Microseconds after a change, by Shopify's clock, from which on a look has seen all of it: Shopify dates changes by
the second, so a second change within it does not show in the date."""

SPARE_ROWS: Final = 10
"""Orders more than the list has shown that a first page asks for: some are placed meanwhile."""

Seen = Callable[[Sequence[str]], Mapping[str, Look]]
"""What was seen of orders, by number."""


def pages(
    graph: Graph,
    cursor: str | None,
    begin: datetime,
    overlap: timedelta,
    seen: Seen,
    *,
    places: bool,
    most: int = MOST_PAGED,
) -> Iterator[Page]:
    """Orders changed since `cursor` (None: all since `begin`), oldest change first, without what was `seen`."""
    if cursor is None:
        yield from read(graph, begin, begin, places=places, known=False, most=most)
        return
    reached = position(cursor)
    listed, ended = _list(graph, reached - overlap, reached, most)
    known = seen([short(one.id) for one in listed])
    unseen = [at for at, one in enumerate(listed) if not _is_known(one, known.get(short(one.id)), graph.ahead)]
    start = _start(unseen, len(listed), ended)
    late = [listed[at].id for at in unseen if at < start]
    if late:  # shown among orders that were seen
        found = wholes(graph, late, places=places, hurry=True)
        yield Page(observations=tuple(observe(body) for body in found.values()), cursor=cursor)
    if start < len(listed):
        bound, expected = listed[start].updated_at, len(listed) - start + SPARE_ROWS if ended else None
        yield from read(graph, bound, reached, places=places, known=True, expected=expected, most=most)
    elif listed and listed[-1].updated_at > reached:
        yield Page(observations=(), cursor=written(listed[-1].updated_at))


def _start(unseen: Sequence[int], count: int, ended: bool) -> int:
    """The row from which on all is read, page by page; what is `unseen` before is read by its id.

    A page of many costs little a row, one read by its id all of its points: the start is where both together cost
    least. What lies behind a list that has not `ended` is read in any case.
    """
    last = count if ended else count - 1
    starts = [at for at in unseen if at < last]
    return min([*starts, last], key=lambda start: (bisect_left(unseen, start) + weight(count - start), start))


def weight(rows: int) -> int:
    """As how many rows a page of so many counts; see `queries`."""
    return max(1, int(2 * math.log(rows))) if rows else 0


class _Changed(Record):
    id: str
    updated_at: Instant


def _list(graph: Graph, bound: datetime, reached: datetime, most: int) -> tuple[list[_Changed], bool]:
    """What changed since `bound`, and whether that is all: behind `reached` the list need not go on."""
    listed: list[_Changed] = []
    for nodes in window(graph, queries.CHANGES, f"updated_at:>='{stamp(bound)}'", queries.LISTINGS):
        try:
            listed += [msgspec.json.decode(node, type=_Changed) for node in nodes]
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unavailable(f"Shopify answered what cannot be read: {error}") from None
        behind = bool(listed) and listed[-1].updated_at > reached
        if len(nodes) == queries.LISTINGS and (behind or len(listed) > most - queries.LISTINGS):
            return listed, False
    return listed, True


def _is_known(one: _Changed, look: Look | None, ahead: int) -> bool:
    """`ahead`: by how much Shopify's clock is ahead of the one that dates looks."""
    at = micros(one.updated_at)
    return look is not None and look.version == at and look.at + ahead >= at + SETTLED
