"""Quantities: a few one by one, many in one feed; and what became of those Amazon took for later.

Both ways are answered before they take effect, and Amazon works a feed off minutes after a patch has landed. A
quantity must never be overtaken by an older one, so a SKU that stands in an unfinished feed waits for it. After a
restart, or a feed whose answer was lost, nobody knows what the unfinished feeds hold: then all SKUs wait for them.

A quantity written to an offer that Amazon has come to fulfil would flip it out of Amazon's hands, so who fulfils each
is looked at right before it is written. Of a feed Amazon gives up on, a single row may be to blame: its SKUs go one by
one the next time.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence

import msgspec

from connectors.amazon import feeds
from connectors.amazon.account import BUDGETS, Account, plain, reason
from connectors.amazon.feeds import State, refused
from connectors.amazon.listings import OWN, PAGE, Handle, by_sku
from core import http
from core.errors import NotFound, Rejected, Unavailable
from core.model import Ack, AckState, Level

FEW = 20
"""Up to so many levels go one by one, which takes effect sooner than a feed."""

FEED_EVERY = 1200.0
"""Seconds between two feeds of a type: Amazon asks for no more."""

PATIENCE = 20.0
"""For so many seconds of its budget a push goes on one by one where no feed may be sent."""


class Landing(msgspec.Struct):
    """The ticket of a quantity set by itself."""

    sku: str
    quantity: int
    at: float
    """When it was accepted, in seconds since 1970."""


class _Issue(msgspec.Struct):
    severity: str
    message: str = ""
    code: str = ""


class _Submission(msgspec.Struct):
    status: str
    issues: list[_Issue] | None = None


class Levels:
    """The account's pushes of quantities, and the feeds it knows to be unfinished."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._next_feed = 0.0
        self._open: dict[str, frozenset[str] | None] = {}
        """Unfinished feeds and the SKUs they hold; None: not known which."""
        self._in_doubt = True
        self._suspects = set[str]()
        """The SKUs of feeds that Amazon gave up on."""

    def push(self, levels: Sequence[Level]) -> Iterator[Ack]:
        """One ack a level: REFUSED where it may not be pushed at all, ACCEPTED or REFUSED by Amazon, or RETRY."""
        rows = list[tuple[Level, str]]()
        for level in levels:
            handle = Handle.read(level.handle)
            wrong = _wrong(level, handle)
            if wrong or handle is None:
                yield Ack(key=level.key, state=AckState.REFUSED, reason=wrong)
            else:
                rows.append((level, handle.product_type))
        if not rows:
            return
        waiting = self._waiting()
        free = []
        for level, product_type in rows:
            if waiting is None or level.sku in waiting:
                yield Ack(key=level.key, state=AckState.RETRY, reason="an earlier feed is still being worked off")
            else:
                free.append((level, product_type))
        safe = [row for row in free if row[0].sku not in self._suspects]
        if len(safe) > FEW and time.monotonic() >= self._next_feed:
            own = yield from self._own(safe)
            taken = (yield from self._feed(own)) if own else 0
            free = own[taken:] + [row for row in free if row[0].sku in self._suspects]
        most = max(FEW, int(PATIENCE * BUDGETS["patchListingsItem"].rate * self._account.settings.pace))
        for level, product_type in (yield from self._own(free[:most])):
            yield self._one(level, product_type)
            self._suspects.discard(level.sku)
        for level, _ in free[most:]:
            yield Ack(key=level.key, state=AckState.RETRY, reason="Amazon takes the next feed of quantities later")

    def settle(self, pending: Mapping[str, str]) -> Iterator[Ack]:
        """One ack for each pending key whose end is known."""
        by_feed: dict[str, dict[str, int]] = {}
        landings: dict[str, Landing] = {}
        for key, ticket in pending.items():
            feed, _, message = ticket.partition("#")
            if message.isdigit():
                by_feed.setdefault(feed, {})[key] = int(message)
            else:
                try:
                    landings[key] = msgspec.json.decode(ticket, type=Landing)
                except msgspec.DecodeError:
                    yield Ack(key=key, state=AckState.RETRY, reason="its ticket cannot be read")
        yield from self._landed(landings)
        for feed, messages in by_feed.items():
            yield from self._worked_off(feed, messages)

    def _waiting(self) -> set[str] | None:
        """The SKUs that stand in unfinished feeds; None: all may."""
        if self._in_doubt:
            self._open |= dict.fromkeys(feeds.under_way(self._account) - self._open.keys())
            self._in_doubt = False
        for feed in list(self._open):
            state, _ = feeds.look(self._account, feed)
            if state is not State.UNDER_WAY:
                self._close(feed, state)
        waiting = set[str]()
        for skus in self._open.values():
            if skus is None:
                return None
            waiting |= skus
        return waiting

    def _own(self, rows: Sequence[tuple[Level, str]]) -> Generator[Ack, None, list[tuple[Level, str]]]:
        """Refuses the rows whose offers Amazon fulfils by now, and returns the others."""
        own = []
        for start in range(0, len(rows), PAGE):
            batch = rows[start : start + PAGE]
            items = by_sku(self._account, [level.sku for level, _ in batch])
            for level, product_type in batch:
                item = items.get(level.sku)
                if item is not None and item.channel != OWN:
                    yield Ack(key=level.key, state=AckState.REFUSED, reason=_theirs(level.sku, item.channel))
                else:
                    own.append((level, product_type))
        return own

    def _close(self, feed: str, state: State) -> None:
        """A feed is over."""
        skus = self._open.pop(feed, None)
        if state is State.BROKEN:
            self._suspects |= skus or set()

    def _feed(self, rows: Sequence[tuple[Level, str]]) -> Generator[Ack, None, int]:
        """Sends as many rows as a feed takes; returns how many those were."""
        body, count = feeds.document(
            self._account.settings.seller_id,
            [(level.sku, product_type, level.quantity) for level, product_type in rows],
        )
        self._next_feed = time.monotonic() + FEED_EVERY / self._account.settings.pace
        try:
            feed = feeds.submit(self._account, body)
        except Unavailable as error:
            self._in_doubt = self._in_doubt or error.ambiguous
            raise
        self._open[feed] = frozenset(level.sku for level, _ in rows[:count])
        for number, (level, _) in enumerate(rows[:count], 1):
            yield Ack(key=level.key, state=AckState.ACCEPTED, ticket=f"{feed}#{number}")
        return count

    def _one(self, level: Level, product_type: str) -> Ack:
        settings = self._account.settings
        try:
            answer = self._account.seller.patch_listings_item(
                settings.seller_id,
                level.sku,
                marketplaceIds=settings.marketplace_id,
                body={"productType": product_type, "patches": feeds.patch(level.quantity)},
            )
        except NotFound:
            return refused(level.key, "no such listing")
        except Rejected as error:
            if error.status != 400:
                raise
            return refused(level.key, reason(error.body))
        submission = http.decode(answer, _Submission)
        if submission.status == "ACCEPTED":
            landing = Landing(sku=level.sku, quantity=level.quantity, at=time.time())
            return Ack(key=level.key, state=AckState.ACCEPTED, ticket=msgspec.json.encode(landing).decode())
        issues = [f"{issue.code}: {issue.message}" for issue in submission.issues or () if issue.severity == "ERROR"]
        return refused(level.key, plain("; ".join(issues[:3])) or submission.status)

    def _landed(self, landings: Mapping[str, Landing]) -> Iterator[Ack]:
        """Quantities set one by one, read from their listings."""
        keys = list(landings)
        for start in range(0, len(keys), PAGE):
            batch = keys[start : start + PAGE]
            items = by_sku(self._account, [landings[key].sku for key in batch])
            for key in batch:
                landing = landings[key]
                item = items.get(landing.sku)
                if item is not None and item.channel != OWN:
                    yield refused(key, "Amazon fulfils this offer now")
                elif item is not None and item.quantity == landing.quantity:
                    yield Ack(key=key, state=AckState.APPLIED)
                elif time.time() - landing.at > self._account.settings.landing_seconds:
                    # Sold since, changed by hand, or never landed: what counts is the quantity as it should be now.
                    yield Ack(key=key, state=AckState.RETRY, reason="the listing does not show the quantity")

    def _worked_off(self, feed: str, messages: Mapping[str, int]) -> Iterator[Ack]:
        state, document = feeds.look(self._account, feed)
        if state is State.UNDER_WAY:
            return
        if state in (State.LOST, State.BROKEN):
            self._close(feed, state)
            for key in messages:
                yield Ack(key=key, state=AckState.RETRY, reason="Amazon did not work the feed off")
            return
        acks = feeds.outcome(feeds.report(self._account, document), messages)
        self._close(feed, state)
        yield from acks


def _wrong(level: Level, handle: Handle | None) -> str:
    """Why a level may not be pushed, ending in what to do; empty where it may."""
    if handle is None:
        return f"the listing of {level.sku} has not been read from Amazon yet; list the channel's listings anew"
    if handle.channel != OWN:
        return _theirs(level.sku, handle.channel)
    if level.place:
        return "Amazon keeps one quantity a listing; leave the location's id at this channel empty"
    return ""


def _theirs(sku: str, channel: str) -> str:
    return f"Amazon fulfils {sku} itself ({channel}); take its level off this channel"
