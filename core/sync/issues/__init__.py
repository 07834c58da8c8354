"""The exceptions inbox: everything that needs a person, one row each, the most urgent first.

Nothing is stored for it: each kind is a query over what is there, so an issue closes itself when its cause goes. A new
kind is an entry in one of the `KINDS` here, a row of docs/issues.md, and a test that sees it come and go.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from core.store.database import Store, Tx
from core.sync.issues import afterwards, channels, documents, listings, orders, outward, warehouses
from core.sync.issues.issue import Issue, Kind, View

__all__ = ["KINDS", "Inbox", "Issue", "Kind", "View", "counts", "inbox"]

KINDS: tuple[Kind, ...] = (
    *channels.KINDS,
    *orders.KINDS,
    *outward.KINDS,
    *warehouses.KINDS,
    *documents.KINDS,
    *afterwards.KINDS,
    *listings.KINDS,
)


class Inbox(msgspec.Struct, frozen=True):
    """What there is to see to."""

    issues: list[Issue]
    """By deadline, then since when; at most as many of each kind as were asked for, and in all."""
    counts: dict[str, int]
    """How many there are of each kind of which there are any, told or not."""

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def inbox(store: Store, view: View, kinds: Sequence[str] = (), limit: int = 1000) -> Inbox:
    """The most urgent `limit` issues of these kinds, of all when none is named, in one view of the store."""
    chosen = [kind for kind in KINDS if not kinds or kind.name in kinds]
    found: list[Issue] = []
    counted: dict[str, int] = {}
    with store.read() as tx:
        for kind in chosen:
            some, total = kind.found(tx, view, limit)
            found += some
            if total:
                counted[kind.name] = total
    found.sort(key=_urgency)
    return Inbox(found[:limit], counted)


def counts(tx: Tx, view: View) -> dict[str, int]:
    """How many issues there are of each kind of which there are any."""
    found = {kind.name: kind.counted(tx, view) for kind in KINDS}
    return {name: count for name, count in found.items() if count}


def _urgency(issue: Issue) -> tuple[bool, int, bool, int, str]:
    return (issue.deadline is None, issue.deadline or 0, issue.since is None, issue.since or 0, issue.id)
