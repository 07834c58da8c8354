"""The connector of one Amazon seller account: pulling orders, and the contract's other methods by their files.

**The window.** A pull asks for everything updated since the last window's end less the overlap, and names no end of its
own: Amazon then takes the latest instant it answers for (two minutes ago) and says which that was. That echo, on
Amazon's clock, is the next watermark. It is trusted only once the window's last page is read; until then a cursor holds
the window's beginning and the token of the next page; a pull that resumes there finishes that window and goes on with
the one behind it. A token lives 24 hours and goes with exactly the parameters it was given for; one that is refused
starts its window again.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import httpx
import msgspec

from connectors.amazon import cancel, examine, listings, orders, own_stock, pushes, returns, subscriptions
from connectors.amazon.account import Account
from connectors.amazon.cancel import Cancellations
from connectors.amazon.hints import Keep, Queue
from connectors.amazon.history import History
from connectors.amazon.levels import Levels
from connectors.amazon.search import Progress, observe, search, zulu
from connectors.amazon.settings import AmazonSettings
from core import http
from core.connector import Ability
from core.credentials import Keeper, Memory
from core.errors import NotFound, Rejected, Unavailable
from core.model import (
    Ack,
    Cancellation,
    ChannelLevel,
    ChannelListing,
    Finding,
    Level,
    LevelKey,
    Observation,
    Order,
    OwnStock,
    Page,
    Present,
    Return,
    Shipment,
    Subscribed,
)

NUMBER = re.compile(r"[A-Z0-9]{3}-\d{7}-\d{7}")
"""What an Amazon order id looks like; anything else is not asked for."""

SETTLED = timedelta(minutes=3)
"""How old a change is before Amazon's list is sure to hold it."""


class _Cursor(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Where a pull goes on: behind a finished window (`until`), or inside one (`after` and `token`)."""

    until: str = ""
    after: str = ""
    token: str = ""


class _Found(msgspec.Struct):
    order: msgspec.Raw


class Amazon:
    """One Amazon seller account in one marketplace."""

    Settings: ClassVar[type[AmazonSettings]] = AmazonSettings
    abilities: ClassVar[frozenset[Ability]] = frozenset(
        {
            *(Ability.PUSH_TRACKING, Ability.CORRECT_TRACKING, Ability.PUSH_LEVELS, Ability.SETTLE),
            *(Ability.READ_LEVELS, Ability.LISTINGS, Ability.CANCEL, Ability.RETURNS, Ability.OWN_STOCK),
            *(Ability.BACKFILL, Ability.ROLL_CALL, Ability.QUEUE),
        }
    )
    absent: ClassVar[Mapping[Ability, str]] = {
        Ability.ACKNOWLEDGE: "Amazon's order API has no acknowledgement: an order listed is an order received",
        Ability.COMPARE_AND_SET: "Amazon sets a quantity without comparing: orders are pulled right before a push",
        Ability.VOID_TRACKING: "Amazon takes no confirmed shipment back; correct its number where its units leave "
        "in another parcel",
        Ability.REFUND: "Amazon pays back by a feed without a key: a repeat would pay twice, and no order shows it; "
        "refund in Seller Central",
        Ability.HINTS: "Amazon calls no address of ours; what it tells goes to a queue of the seller's",
    }

    look_back: ClassVar[timedelta] = timedelta(days=730)
    """Source: Orders API, searchOrders: orders of the last two years."""

    def __init__(self, name: str, settings: AmazonSettings, keeper: Keeper | None = None) -> None:
        self.name = name
        self.settings = settings
        self._account = Account(name, settings, keeper or Memory())
        self._levels = Levels(self._account)
        self._history = History(self._account)
        self._queue = Queue(name, settings)
        self._cancellations = Cancellations(self._account, self.fetch)

    # Reading orders.

    def pages(self, cursor: str | None, *, since: datetime | None = None) -> Iterator[Page]:
        """Orders updated since the cursor, window by window; see the module."""
        place = self._start(since) if cursor is None else self._resume(cursor)
        after, token, watermark = place.after, place.token, place.until
        resumed = bool(token)
        progress = Progress(self.name)
        while True:
            try:
                found = search(self._account, token, lastUpdatedAfter=after, includedData=orders.INCLUDED)
            except Rejected as error:
                if error.status != 400 or not token:
                    raise
                token = ""  # it has expired: the window's first page is asked for once more, and a token for the rest
                continue
            observations = tuple(observe(document) for document in found.documents)
            token = found.token
            if not token:
                until = _later(found.until or _answered(found.answer), watermark)
                yield Page(observations=observations, cursor=_encode(_Cursor(until=until)))
                if not resumed:
                    return
                place, resumed = self._behind(until), False  # the window was an old one: what changed since follows
                after, watermark = place.after, place.until
                continue
            progress.note(token, found.documents)
            yield Page(observations=observations, cursor=_encode(_Cursor(after=after, token=token)))

    def fetch(self, number: str) -> Observation:
        """One order as it stands now."""
        if not NUMBER.fullmatch(number):
            raise NotFound(f"{self.name} has no order of this number; Amazon's look like 123-1234567-1234567")
        answer = self._account.seller.get_order(number, includedData=orders.INCLUDED)
        return Observation(number=number, body=bytes(http.decode(answer, _Found).order))

    def normalize(self, body: bytes) -> Order:
        """A document of `pages` or `fetch` as an order."""
        return orders.normalize(body)

    def returns(self, cursor: str | None, *, since: datetime | None = None) -> Iterator[Page]:
        """Returns of what the seller shipped, over the last 60 days; see `returns`."""
        return returns.returns(self._account, cursor, since)

    def normalize_return(self, body: bytes) -> Return:
        """A document of `returns` as a return."""
        return returns.normalize_return(body)

    def own_stock(self) -> Iterator[OwnStock]:
        """What lies in Amazon's warehouses; see `own_stock`."""
        return own_stock.own_stock(self._account)

    def backfill(self, cursor: str | None, *, since: datetime, until: datetime) -> Iterator[Page]:
        """Every order placed in a window, with what the live pull leaves of the budget; see `history`."""
        return self._history.backfill(cursor, since, until)

    def roll_call(self, *, since: datetime, until: datetime) -> Iterator[Present]:
        """The numbers of all orders placed in a window; see `history`."""
        return self._history.roll_call(since, until)

    def examine(self) -> Iterator[Finding]:
        """Credentials, marketplace, clock, roles, listings, and what the settings leave for history; see `examine`."""
        return examine.examine(self._account, self._queue)

    def _start(self, since: datetime | None) -> _Cursor:
        now = datetime.now(UTC)
        begin = min(since or self.settings.since(now), now - timedelta(seconds=self.settings.overlap_seconds) - SETTLED)
        return _Cursor(after=zulu(begin))

    def _resume(self, cursor: str) -> _Cursor:
        try:
            place = msgspec.json.decode(cursor, type=_Cursor)
            if place.token:
                return place
            return self._behind(place.until)
        except (msgspec.DecodeError, ValueError):
            raise Rejected(f"the saved position of {self.name} cannot be read; resync it with --since") from None

    def _behind(self, until: str) -> _Cursor:
        """The window behind one that ended at `until`."""
        begin = datetime.fromisoformat(until) - timedelta(seconds=self.settings.overlap_seconds)
        return _Cursor(until=until, after=zulu(begin))

    # Telling the channel.

    def push_tracking(self, shipments: Sequence[Shipment]) -> Iterator[Ack]:
        """Parcels, one confirmation each; see `pushes`."""
        return pushes.push_tracking(self._account, self.fetch, shipments)

    def push_cancellations(self, cancellations: Sequence[Cancellation]) -> Iterator[Ack]:
        """Whole orders, all in one feed; see `cancel`."""
        return self._cancellations.push(cancellations)

    def push_levels(self, levels: Sequence[Level]) -> Iterator[Ack]:
        """Quantities, each by itself or all in a feed; see `levels`."""
        return self._levels.push(levels)

    def settle(self, pending: Mapping[str, str]) -> Iterator[Ack]:
        """What became of accepted quantities and cancellations; see `levels` and `cancel`."""
        cancelling = {key: told for key, text in pending.items() if (told := cancel.ticket(text)) is not None}
        yield from self._cancellations.settle(cancelling)
        yield from self._levels.settle({key: text for key, text in pending.items() if key not in cancelling})

    # Reading levels and listings.

    def read_levels(self, keys: Sequence[LevelKey]) -> Iterator[ChannelLevel]:
        """The quantities the seller's own offers hold now."""
        return listings.read_levels(self._account, keys)

    def listings(self) -> Iterator[ChannelListing]:
        """Everything on offer in the marketplace."""
        return listings.listings(self._account)

    # Hearing of changes.

    def deaf(self) -> str:
        return "" if self.settings.queue_url else "Amazon tells of changes in an SQS queue only; set queue_url"

    def subscriptions(self, address: str) -> Subscribed:
        """The queue of the settings, told of every changed order; see `subscriptions`."""
        return subscriptions.subscriptions(self._account)

    def listen(self, keep: Keep, *, wait: float) -> int:
        """Changed orders out of the queue; see `hints`."""
        return self._queue.listen(keep, wait)

    def close(self) -> None:
        self._queue.close()
        self._account.close()


def _answered(answer: httpx.Response) -> str:
    """The end of a window Amazon did not name: what its own clock, not ours, says is settled."""
    try:
        stamp = email.utils.parsedate_to_datetime(answer.headers.get("date", "")).astimezone(UTC)
    except ValueError:
        raise Unavailable("the order list says neither how far it reaches nor when it was made") from None
    return zulu(stamp - SETTLED)


def _later(until: str, watermark: str) -> str:
    """The window's end, never before the last one's."""
    try:
        end = datetime.fromisoformat(until)
    except ValueError:
        raise Unavailable("the order list does not say how far it reaches") from None
    return zulu(max(end, datetime.fromisoformat(watermark)) if watermark else end)


def _encode(cursor: _Cursor) -> str:
    return msgspec.json.encode(cursor).decode()
