"""Pulling orders: windows over the last change, one search for each ship node type, pages by the vendor's own query.

Source: `GET /v3/orders`. What shapes this:

- The vendor promises no order of change within a search (its own example goes by order date, newest first). So the
  watermark moves only when every search of a window is done; until then a cursor says where in the window it stands.
- The last window has no end. Orders then only ever join the search while it is read: a page may come again, none is
  skipped. Behind a window's end orders leave it as they change, and what follows moves up over the page border; so such
  a search, when it gave fewer orders than it first promised, is read again in smaller windows.
- A search gives at most 10,000 orders; a window with more is cut.
- `createdStartDate` defaults to a week ago and hides changes of older orders, so it is always sent.
- "Nothing matches" is a 404. Instants have whole seconds: any finer and the vendor refuses them.
"""

from __future__ import annotations

import email.utils
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import httpx
import msgspec

from connectors.walmart.api import Api, is_content_not_found
from connectors.walmart.documents import observe
from core.errors import Rejected, Unavailable
from core.http import decode
from core.model import Observation, Page

LIMIT = 200
LARGEST_SEARCH = 10_000
REACH = 180 * 86_400 - 300
"""Seconds back that a search may reach: 180 days, less what a slow clock may cost."""
STALE = 900
"""Seconds after which the vendor's place in a search is not trusted any more: what it counts has moved."""
SEAM = 2
"""Seconds by which neighbouring windows overlap: both bounds of a search leave their own second out."""
LONGEST_SEARCH = 4 * LARGEST_SEARCH // LIMIT
"""Pages after which a search that never ends is called one."""


class Window(msgspec.Struct, frozen=True, omit_defaults=True):
    """A stretch of last-changed instants, in whole seconds, and how far it has been read."""

    begin: int
    opened: int
    """When it began to be read, by the slower of our clock and the vendor's."""
    end: int | None = None
    """None: up to now."""
    kind: str = ""
    """The ship node type being searched; empty: the first."""
    query: str = ""
    """The vendor's word for the next page; empty: the search has not begun."""
    asked: int = 0
    """When the vendor gave it."""
    total: int = 0
    """How many orders the search's first page promised."""
    seen: int = 0


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """A cursor: everything changed before `reached` is taken; the window behind it may be half read."""

    reached: int
    window: Window | None = None


class Found(msgspec.Struct, frozen=True):
    """One page of a search."""

    observations: tuple[Observation, ...] = ()
    total: int = 0
    query: str = ""
    """The next page; empty: this was the last."""
    at: int | None = None
    """The vendor's clock."""


def pages(api: Api, kinds: Sequence[str], cursor: str | None, *, since: datetime, overlap: int) -> Iterator[Page]:
    """See `Connector.pages`. A first pull starts at `since`; `kinds` are the ship node types to search, one by one."""
    place = _start(kinds, cursor, since, overlap)
    progress = _Progress(resumed=cursor is not None and place == msgspec.json.decode(cursor, type=Place))
    while (window := place.window) is not None:
        found = _search(api, window, window.kind or kinds[0])
        if found is None:
            place = Place(place.reached, progress.again(window))
            continue
        place = _advance(place, window, found, kinds, progress)
        if place.window is None and progress.resumed:
            # The window was opened in an earlier call; what changed since belongs to this one.
            progress.resumed = False
            place = _start(kinds, msgspec.json.encode(place).decode(), since, overlap)
        if found.observations or place.window is None:
            yield Page(observations=found.observations, cursor=msgspec.json.encode(place).decode())


def _start(kinds: Sequence[str], cursor: str | None, since: datetime, overlap: int) -> Place:
    now = int(time.time())
    if cursor is None:
        reached = max(int(since.timestamp()), now - REACH)
        return Place(reached, Window(begin=reached, opened=now))
    place = msgspec.json.decode(cursor, type=Place)
    window = place.window
    if window is None:
        begin = max(place.reached - max(overlap, SEAM), now - REACH)
        return Place(place.reached, Window(begin=begin, opened=now))
    if now - window.asked > STALE or (window.kind and window.kind not in kinds):
        return Place(place.reached, Window(begin=window.begin, end=window.end, opened=now))
    return place


def _advance(place: Place, window: Window, found: Found, kinds: Sequence[str], progress: _Progress) -> Place:
    """Where the pull stands after this page."""
    now = int(time.time())
    kind = window.kind or kinds[0]
    if not window.query:
        opened = window.opened if found.at is None else min(window.opened, found.at)
        window = msgspec.structs.replace(window, kind=kind, total=found.total, opened=opened)
        if found.total > LARGEST_SEARCH:
            return Place(place.reached, progress.narrower(window, now, LARGEST_SEARCH / (2 * found.total)))
    new = progress.new_page(window, found)
    seen = window.seen + (len(found.observations) if new else 0)
    if found.query:
        return Place(place.reached, msgspec.structs.replace(window, query=found.query, asked=now, seen=seen))
    if window.end is not None and window.query and seen < window.total:
        return Place(place.reached, progress.narrower(window, now, 0.5))
    progress.new_search()
    following = kinds.index(kind) + 1
    if following < len(kinds):
        rest = Window(begin=window.begin, opened=window.opened, end=window.end, kind=kinds[following], asked=now)
        return Place(place.reached, rest)
    if window.end is None:
        return Place(max(place.reached, window.opened))
    return Place(max(place.reached, window.end), Window(begin=window.end - SEAM, opened=now, asked=now))


class _Progress:
    """Sees to it that a pull gets on: what would go on for ever is raised as `Unavailable`."""

    def __init__(self, *, resumed: bool) -> None:
        self.resumed = resumed
        self._restarts = 0
        self.new_search()

    def new_search(self) -> None:
        self._queries: set[str] = set()
        self._last: tuple[Observation, ...] = ()
        self._repeats = 0

    def new_page(self, window: Window, found: Found) -> bool:
        """Whether this page is another than the one before. One may come twice; no token may, and no page thrice."""
        if found.query in self._queries or (found.query and found.query == window.query):
            raise Unavailable("Walmart's order list does not get on: the same page is named again; it is tried anew")
        self._queries.add(found.query)
        if len(self._queries) > LONGEST_SEARCH:
            raise Unavailable("Walmart's order list does not end; it is tried anew")
        if not found.observations or found.observations != self._last:
            self._last, self._repeats = found.observations, 0
            return True
        self._repeats += 1
        if self._repeats > 1:
            raise Unavailable("Walmart's order list does not get on: one page came three times; it is tried anew")
        return False

    def again(self, window: Window) -> Window:
        """The same search from its first page, as the vendor no longer knows the place in it."""
        self._restarts += 1
        if self._restarts > 3:
            raise Unavailable("Walmart's order list refuses the pages it names; it is tried anew")
        self.new_search()
        return msgspec.structs.replace(window, query="", seen=0, total=0)

    def narrower(self, window: Window, now: int, share: float) -> Window:
        """The first part of a window that holds too much, or moves too much, to be read at once."""
        self.new_search()
        span = (window.opened if window.end is None else window.end) - window.begin
        end = window.begin + max(SEAM + 1, int(span * share))
        if span <= SEAM + 1 or end >= window.begin + span:
            raise Unavailable("more orders changed within seconds than Walmart's order list can show; it is tried anew")
        return Window(begin=window.begin, opened=window.opened, end=end, asked=now)


class _Meta(msgspec.Struct, rename="camel"):
    total_count: int | None = None
    next_cursor: str | None = None


class _Elements(msgspec.Struct):
    order: list[msgspec.Raw] | None = None


class _List(msgspec.Struct):
    elements: _Elements
    meta: _Meta


class _Answer(msgspec.Struct):
    list: _List


def _search(api: Api, window: Window, kind: str) -> Found | None:
    """One page; None when the vendor no longer knows the place it named itself."""
    query: str | dict[str, str] = window.query or _first_page(window, kind)
    try:
        response = api.ask("getAllOrders", "GET", "/v3/orders", query, missing_is_an_answer=True)
    except Rejected:
        if window.query:
            return None
        raise
    if response.status_code == 404:
        if is_content_not_found(response):
            return Found(at=_clock(response))
        if window.query:
            return None
        raise Rejected("GET /v3/orders answered 404; check base_url", status=404, body=response.content)
    answer = decode(response, _Answer).list
    documents, total = answer.elements.order, answer.meta.total_count
    if documents is None:
        if total != 0:
            raise Unavailable("GET /v3/orders answered without a list of orders")
        documents = []
    return Found(
        observations=tuple(observe(document) for document in documents),
        total=total if total is not None else len(documents),
        query=answer.meta.next_cursor or "",
        at=_clock(response),
    )


def _first_page(window: Window, kind: str) -> dict[str, str]:
    asked = {
        "lastModifiedStartDate": _text(window.begin - 1),
        "createdStartDate": _text(int(time.time()) - REACH),
        "shipNodeType": kind,
        "limit": str(LIMIT),
        "replacementInfo": "true",  # without it replacement orders are left out
    }
    if window.end is not None:
        asked["lastModifiedEndDate"] = _text(window.end)
    return asked


def _text(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _clock(response: httpx.Response) -> int | None:
    try:
        return int(email.utils.parsedate_to_datetime(response.headers.get("date", "")).timestamp())
    except ValueError:
        return None
