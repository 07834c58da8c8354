"""Reading a search of Walmart's that shows a stretch of time, page by page, so that nothing is left out.

Walmart's searches promise no order of change, their pages are counted from the start of a set that moves, and a search
shows 10,000 things at most. So the watermark moves only when every search of a window is done; until then a cursor
says where in the window it stands.

- The last window of a pull has no end. Things then only ever join the search while it is read: a page may come again,
  none is skipped. Behind a window's end things leave it as they change, and what follows moves up over the page border;
  so such a search, when it gave less than it first promised, is read again in smaller windows.
- A window that holds more than a search shows is cut.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import msgspec

from core.errors import Unavailable
from core.model import Observation, Page

LARGEST_SEARCH = 10_000
LIMIT = 200
"""Things a page holds at most."""
STALE = 900
"""Seconds after which the vendor's place in a search is not trusted any more: what it counts has moved."""
SEAM = 2
"""Seconds by which neighbouring windows overlap: both bounds of a search leave their own second out."""
LONGEST_SEARCH = 4 * LARGEST_SEARCH // LIMIT
"""Pages after which a search that never ends is called one."""


class Window(msgspec.Struct, frozen=True, omit_defaults=True):
    """A stretch of instants, in whole seconds, and how far it has been read."""

    begin: int
    opened: int
    """When it began to be read, by the slower of our clock and the vendor's."""
    end: int | None = None
    """None: up to now."""
    kind: str = ""
    """Which of several searches is being read; empty: the first."""
    query: str = ""
    """The vendor's word for the next page; empty: the search has not begun."""
    asked: int = 0
    """When the vendor gave it."""
    total: int = 0
    """How many things the search's first page promised."""
    seen: int = 0


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """A cursor: everything before `reached` is taken; the window behind it may be half read."""

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


Search = Callable[[Window, str], Found | None]
"""Asks for one page of a window, of one of the searches; None when the vendor no longer knows the place it named."""


class Walk(msgspec.Struct, frozen=True):
    """What is read: `what` for messages, `kinds` of searches read one after another for each window."""

    what: str
    search: Search
    kinds: Sequence[str]
    until: int | None = None
    """The end of it all; None: a pull, which never ends."""

    def pages(self, place: Place, *, resumed: bool, restart: Callable[[Place], Place]) -> Iterator[Page]:
        """Reads on from `place`. `resumed`: its window was opened by an earlier call; what changed since then belongs
        to this one, so `restart` gives the place behind it.
        """
        progress = _Progress(self.what, resumed=resumed)
        while (window := place.window) is not None:
            found = self.search(window, window.kind or self.kinds[0])
            if found is None:
                place = Place(place.reached, progress.again(window))
                continue
            place = self._advance(place, window, found, progress)
            if place.window is None and progress.resumed and self.until is None:
                progress.resumed = False
                place = restart(place)
            if found.observations or place.window is None:
                yield Page(observations=found.observations, cursor=self._cursor(place))

    def _cursor(self, place: Place) -> str:
        if self.until is not None and place.window is None:
            return ""
        return msgspec.json.encode(place).decode()

    def trusted(self, place: Place) -> Place:
        """The place, its window begun anew where the vendor's word for the next page is no longer good."""
        window, now = place.window, int(time.time())
        if window is not None and (now - window.asked > STALE or (window.kind and window.kind not in self.kinds)):
            return Place(place.reached, Window(begin=window.begin, end=window.end, opened=now))
        return place

    def _advance(self, place: Place, window: Window, found: Found, progress: _Progress) -> Place:
        """Where the reading stands after this page."""
        now = int(time.time())
        kind = window.kind or self.kinds[0]
        if not window.query:
            opened = window.opened if found.at is None else min(window.opened, found.at)
            window = msgspec.structs.replace(window, kind=kind, total=found.total, opened=opened)
            if found.total > LARGEST_SEARCH:
                return Place(place.reached, progress.narrower(window, now, LARGEST_SEARCH / (2 * found.total)))
        new = progress.new_page(window, found)
        seen = window.seen + (len(found.observations) if new else 0)
        if found.query:
            return Place(place.reached, msgspec.structs.replace(window, query=found.query, asked=now, seen=seen))
        if self.until is None and window.end is not None and window.query and seen < window.total:
            return Place(place.reached, progress.narrower(window, now, 0.5))
        progress.new_search()
        following = self.kinds.index(kind) + 1
        if following < len(self.kinds):
            rest = Window(
                begin=window.begin, opened=window.opened, end=window.end, kind=self.kinds[following], asked=now
            )
            return Place(place.reached, rest)
        if window.end == self.until:
            return Place(max(place.reached, window.opened))
        end = window.end or 0
        return Place(max(place.reached, end), Window(begin=end - SEAM, opened=now, end=self.until, asked=now))


class _Progress:
    """Sees to it that a reading gets on: what would go on for ever is raised as `Unavailable`."""

    def __init__(self, what: str, *, resumed: bool) -> None:
        self.resumed = resumed
        self._what = what
        self._restarts = 0
        self.new_search()

    def new_search(self) -> None:
        self._queries: set[str] = set()
        self._last: tuple[Observation, ...] = ()
        self._repeats = 0

    def new_page(self, window: Window, found: Found) -> bool:
        """Whether this page is another than the one before. One may come twice; no token may, and no page thrice."""
        if found.query in self._queries or (found.query and found.query == window.query):
            raise Unavailable(f"{self._what} does not get on: the same page is named again; it is tried anew")
        self._queries.add(found.query)
        if len(self._queries) > LONGEST_SEARCH:
            raise Unavailable(f"{self._what} does not end; it is tried anew")
        if not found.observations or found.observations != self._last:
            self._last, self._repeats = found.observations, 0
            return True
        self._repeats += 1
        if self._repeats > 1:
            raise Unavailable(f"{self._what} does not get on: one page came three times; it is tried anew")
        return False

    def again(self, window: Window) -> Window:
        """The same search from its first page, as the vendor no longer knows the place in it."""
        self._restarts += 1
        if self._restarts > 3:
            raise Unavailable(f"{self._what} refuses the pages it names; it is tried anew")
        self.new_search()
        return msgspec.structs.replace(window, query="", seen=0, total=0)

    def narrower(self, window: Window, now: int, share: float) -> Window:
        """The first part of a window that holds too much, or moves too much, to be read at once."""
        self.new_search()
        span = (window.opened if window.end is None else window.end) - window.begin
        end = window.begin + max(SEAM + 1, int(span * share))
        if span <= SEAM + 1 or end >= window.begin + span:
            raise Unavailable(f"{self._what} holds more within seconds than it can show; it is tried anew")
        return Window(begin=window.begin, opened=window.opened, end=end, asked=now)
