"""The past: orders by the instant they were placed, for backfills and roll calls.

Source: `GET /v3/orders` with `createdStartDate` and `createdEndDate`, which reach 180 days back and no farther. Windows
that hold more than a search shows are cut, see `windows.py`. Both leave most of the budget to the live pull.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import msgspec

from connectors.walmart.api import Api
from connectors.walmart.pull import REACH, WHAT, search, text
from connectors.walmart.windows import Found, Place, Walk, Window
from core.errors import Rejected
from core.http import sparing
from core.model import Observation, Page, Present, instant

KEPT = 1_000
"""Calls of the order list's burst that are left to the live pull."""
LATE = 3_600
"""Seconds by which a window may reach too far back without a word: it was asked for in time, and read later."""


class _Placed(msgspec.Struct, rename="camel"):
    order_date: int


def backfill(api: Api, kinds: Sequence[str], cursor: str | None, *, since: datetime, until: datetime) -> Iterator[Page]:
    """See `Connector.backfill`. Raises `Rejected` for a window that reaches back beyond what Walmart shows."""
    floor = int(time.time()) - REACH
    if cursor is None and since.timestamp() < floor - LATE:
        day = datetime.fromtimestamp(floor + 86_400, UTC).date()
        raise Rejected(
            f"Walmart shows orders of the last 180 days, so nothing before {day} can be read; ask since {day}"
        )
    end = math.ceil(until.timestamp())
    begin = max(math.floor(since.timestamp()), floor)
    if end <= begin:
        yield Page(observations=(), cursor="")
        return
    walk = _walk(api, kinds, end)
    place = _start(begin, end) if cursor is None else walk.trusted(msgspec.json.decode(cursor, type=Place))
    for page in walk.pages(place, resumed=False, restart=lambda place: place):
        kept = tuple(one for one in page.observations if _is_within(one, since, until))
        if kept or not page.cursor:
            yield Page(observations=kept, cursor=page.cursor)


def roll_call(api: Api, kinds: Sequence[str], *, since: datetime, until: datetime) -> Iterator[Present]:
    """See `Connector.roll_call`. Walmart has no shorter list: whole orders are read, and their numbers told."""
    begin = max(math.floor(since.timestamp()), int(time.time()) - REACH)
    end = math.ceil(until.timestamp())
    if end <= begin:
        return
    called: set[str] = set()
    for page in _walk(api, kinds, end).pages(_start(begin, end), resumed=False, restart=lambda place: place):
        for one in page.observations:
            placed = _placed(one)
            if one.number and one.number not in called and placed is not None and since <= placed < until:
                called.add(one.number)
                yield Present(number=one.number, placed_at=placed)


def _walk(api: Api, kinds: Sequence[str], end: int) -> Walk:
    def placed(window: Window, kind: str) -> Found | None:
        floor = int(time.time()) - REACH
        asked = {"createdStartDate": text(max(window.begin - 1, floor)), "createdEndDate": text(window.end or end)}
        with sparing(KEPT):
            return search(api, "getAllOrders", window, kind, asked)

    return Walk(WHAT, placed, kinds, until=end)


def _start(begin: int, end: int) -> Place:
    return Place(begin, Window(begin=begin, opened=int(time.time()), end=end))


def _placed(one: Observation) -> datetime | None:
    """When an order was placed; None where that cannot be read."""
    try:
        return instant(msgspec.json.decode(one.body, type=_Placed).order_date * 1000)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, OverflowError, OSError):
        return None


def _is_within(one: Observation, since: datetime, until: datetime) -> bool:
    """Whether an order belongs to a window; one that cannot be read does, so that it is set aside and not lost."""
    placed = _placed(one)
    return placed is None or since <= placed < until
