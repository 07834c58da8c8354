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
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import httpx
import msgspec

from connectors.amazon import cancel, listings, orders, pushes
from connectors.amazon.account import Account, AmazonSettings
from connectors.amazon.cancel import Cancellations
from connectors.amazon.levels import Levels
from core import http
from core.connector import Ability
from core.errors import NotFound, Rejected, Unavailable
from core.model import (
    Ack,
    Cancellation,
    ChannelLevel,
    ChannelListing,
    Level,
    LevelKey,
    Observation,
    Order,
    Page,
    Shipment,
)

PAGE = 100
"""Orders a page: the most Amazon gives."""

NUMBER = re.compile(r"[A-Z0-9]{3}-\d{7}-\d{7}")
"""What an Amazon order id looks like; anything else is not asked for."""

SETTLED = timedelta(minutes=3)
"""How old a change is before Amazon's list is sure to hold it."""


class _Cursor(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Where a pull goes on: behind a finished window (`until`), or inside one (`after` and `token`)."""

    until: str = ""
    after: str = ""
    token: str = ""


class _Pagination(msgspec.Struct, rename="camel"):
    next_token: str | None = None


class _Search(msgspec.Struct, rename="camel"):
    orders: list[msgspec.Raw]
    pagination: _Pagination | None = None
    last_updated_before: str | None = None


class _Found(msgspec.Struct):
    order: msgspec.Raw


class _Number(msgspec.Struct, rename="camel"):
    order_id: str = ""


NOT_YET = (
    Ability.RETURNS,
    Ability.OWN_STOCK,
    Ability.BACKFILL,
    Ability.ROLL_CALL,
)


class Amazon:
    """One Amazon seller account in one marketplace."""

    Settings: ClassVar[type[AmazonSettings]] = AmazonSettings
    abilities: ClassVar[frozenset[Ability]] = frozenset(
        {
            *(Ability.PUSH_TRACKING, Ability.CORRECT_TRACKING, Ability.PUSH_LEVELS, Ability.SETTLE),
            *(Ability.READ_LEVELS, Ability.LISTINGS, Ability.CANCEL),
        }
    )
    absent: ClassVar[Mapping[Ability, str]] = {
        Ability.ACKNOWLEDGE: "Amazon's order API has no acknowledgement: an order listed is an order received",
        Ability.COMPARE_AND_SET: "Amazon sets a quantity without comparing: orders are pulled right before a push",
        Ability.REFUND: "Amazon gives money back by a feed that knows no key, so a repeat would pay twice, and its orders "
        "do not show what was paid; refund in Seller Central",
        **dict.fromkeys(NOT_YET, "ordersync does not do this at Amazon yet"),
    }

    def __init__(self, name: str, settings: AmazonSettings) -> None:
        self.name = name
        self.settings = settings
        self._account = Account(name, settings)
        self._levels = Levels(self._account)
        self._cancellations = Cancellations(self._account, self.fetch)

    # Reading orders.

    def pages(self, cursor: str | None, *, since: datetime | None = None) -> Iterator[Page]:
        """Orders updated since the cursor, window by window; see the module."""
        place = self._start(since) if cursor is None else self._resume(cursor)
        after, token, watermark = place.after, place.token, place.until
        resumed = bool(token)
        progress = _Progress(self.name)
        while True:
            try:
                answer = self._search(after, token)
            except Rejected as error:
                if error.status != 400 or not token:
                    raise
                token = ""  # it has expired: the window's first page is asked for once more, and a token for the rest
                continue
            page = http.decode(answer, _Search)
            observations = tuple(_observe(bytes(document)) for document in page.orders)
            token = (page.pagination.next_token or "") if page.pagination is not None else ""
            if not token:
                until = _later(page.last_updated_before or _answered(answer), watermark)
                yield Page(observations=observations, cursor=_encode(_Cursor(until=until)))
                if not resumed:
                    return
                place, resumed = self._behind(until), False  # the window was an old one: what changed since follows
                after, watermark = place.after, place.until
                continue
            progress.note(token, observations)
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

    def _start(self, since: datetime | None) -> _Cursor:
        now = datetime.now(UTC)
        begin = min(since or self.settings.since(now), now - timedelta(seconds=self.settings.overlap_seconds) - SETTLED)
        return _Cursor(after=_zulu(begin))

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
        return _Cursor(until=until, after=_zulu(begin))

    def _search(self, after: str, token: str) -> httpx.Response:
        parameters = {
            "lastUpdatedAfter": after,
            "marketplaceIds": self.settings.marketplace_id,
            "maxResultsPerPage": PAGE,
            "includedData": orders.INCLUDED,
        }
        if token:
            parameters["paginationToken"] = token
        try:
            answer: httpx.Response = self._account.seller.search_orders(**parameters)
        except NotFound as error:  # a list is always there: this is the wrong server
            raise Unavailable(f"{error}; check base_url") from None
        return answer

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

    def close(self) -> None:
        self._account.close()


class _Progress:
    """Sees to it that paging gets on: the same token again, or the same page twice over, would never end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tokens: set[str] = set()
        self._page = b""
        self._repeats = 0

    def note(self, token: str, observations: Sequence[Observation]) -> None:
        digest = hashlib.sha256(b"\0".join(each.body for each in observations)).digest()
        self._repeats = self._repeats + 1 if observations and digest == self._page else 0
        if token in self._tokens or self._repeats > 1:
            raise Unavailable(f"{self._name} gives the same page of orders again and again and does not get on")
        self._tokens.add(token)
        self._page = digest


def _observe(body: bytes) -> Observation:
    """A document of a list; its number is empty where even that cannot be read."""
    try:
        return Observation(number=msgspec.json.decode(body, type=_Number).order_id, body=body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Observation(number="", body=body)


def _answered(answer: httpx.Response) -> str:
    """The end of a window Amazon did not name: what its own clock, not ours, says is settled."""
    try:
        stamp = email.utils.parsedate_to_datetime(answer.headers.get("date", "")).astimezone(UTC)
    except ValueError:
        raise Unavailable("the order list says neither how far it reaches nor when it was made") from None
    return _zulu(stamp - SETTLED)


def _later(until: str, watermark: str) -> str:
    """The window's end, never before the last one's."""
    try:
        end = datetime.fromisoformat(until)
    except ValueError:
        raise Unavailable("the order list does not say how far it reaches") from None
    return _zulu(max(end, datetime.fromisoformat(watermark)) if watermark else end)


def _zulu(instant: datetime) -> str:
    """An instant as Amazon takes it: UTC with a Z; an offset would be refused."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _encode(cursor: _Cursor) -> str:
    return msgspec.json.encode(cursor).decode()
