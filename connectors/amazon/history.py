"""What was placed in a window: every order of it (backfill), or only their numbers (roll call).

Both search by the instant of placing, with the one operation the live pull lives on: a call every three minutes by the
default usage plan. So they leave `KEPT` calls of its burst to the live pull, and take a call only where more are there;
without one they end as `Unavailable` and go on later. A page is 100 orders.

A backfill's search covers a stretch of the window, which grows where orders are few and shrinks where they are many: a
page's token lives 24 hours, and one that has expired starts its stretch again. Amazon shows orders of the last two
years, in Japan, Australia and Singapore of all years since 2016.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec

from connectors.amazon import orders
from connectors.amazon.account import BUDGETS, Account
from connectors.amazon.search import PAGE, Found, Progress, head, observe, search, zulu
from connectors.amazon.settings import AmazonSettings
from core import http
from core.errors import Rejected, Unavailable
from core.model import Page, Present

KEPT = 10
"""Calls of the burst that are left to the live pull."""

SETTLED = timedelta(minutes=3)
"""How old the end of a window must be to be named: Amazon refuses one younger than two minutes by its clock."""

FIRST, LEAST, MOST = 30.0, 1 / 24, 3650.0
"""Days one stretch of a backfill covers: at first, at least, at most."""

FEW, MANY = 2, 20
"""Pages up to which the next stretch is twice as long, and from which it is half as long."""


class _Stretch(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Part of a window and the page to go on with. All its pages are asked for with the same two bounds."""

    after: str
    before: str = ""
    """Empty where its end is too young to be named: Amazon then takes the latest instant it answers for."""
    days: float = FIRST
    """How long it was meant to be."""
    token: str = ""
    pages: int = 0


class _Roll(msgspec.Struct):
    """A roll call as far as it has come."""

    window: tuple[datetime, datetime]
    stretch: _Stretch
    called: dict[str, datetime]


class History:
    """The account's past. A roll call that was broken off is remembered, so that its calls were not spent in vain."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._roll: _Roll | None = None

    def backfill(self, cursor: str | None, since: datetime, until: datetime) -> Iterator[Page]:
        """Every order placed in the window, stretch by stretch; the last page's cursor is empty."""
        since, until = since.astimezone(UTC), until.astimezone(UTC)
        place = _stretch(since, until, FIRST) if cursor is None else self._resume(cursor)
        progress = Progress(self._account.name)
        while place is not None:
            try:
                found = self._search(place, includedData=orders.INCLUDED)
            except Rejected as error:
                if error.status != 400 or not place.token:
                    raise
                # Its token has expired: the stretch begins again.
                place, progress = (
                    _Stretch(after=place.after, before=place.before, days=place.days),
                    Progress(self._account.name),
                )
                continue
            begin, end = _bounds(place, until)
            pages = place.pages + 1
            if found.token:
                progress.note(found.token, found.documents)
                place = _Stretch(place.after, place.before, place.days, found.token, pages)
            else:
                longer = 2.0 if pages <= FEW else 0.5 if pages >= MANY else 1.0
                place = _stretch(end, until, min(MOST, max(LEAST, place.days * longer)))
            yield Page(
                observations=tuple(observe(document) for document in found.documents if _within(document, begin, end)),
                cursor="" if place is None else msgspec.json.encode(place).decode(),
            )
            if place is None:
                return
        yield Page(observations=(), cursor="")

    def roll_call(self, since: datetime, until: datetime) -> Iterator[Present]:
        """The number of every order placed in the window; no data set is asked for, which is the least there is."""
        since, until = since.astimezone(UTC), until.astimezone(UTC)
        roll = self._roll
        if roll is None or roll.window != (since, until):
            stretch = _stretch(since, until, MOST)
            if stretch is None:
                return
            roll = _Roll((since, until), stretch, {})
        progress = Progress(self._account.name)
        while True:
            try:
                found = self._search(roll.stretch)
            except Rejected as error:
                if error.status != 400 or not roll.stretch.token:
                    raise
                roll.stretch.token = ""
                continue
            except Unavailable:
                self._roll = roll
                raise
            for document in found.documents:
                one = head(document)
                if not one.order_id or one.created_time is None:
                    raise Unavailable(f"{self._account.name} lists an order without its number or its instant")
                if since <= one.created_time < until:
                    roll.called[one.order_id] = one.created_time.astimezone(UTC)
            if not found.token:
                break
            progress.note(found.token, found.documents)
            roll.stretch.token = found.token
        self._roll = None
        for number, placed_at in roll.called.items():
            yield Present(number=number, placed_at=placed_at)

    def _search(self, stretch: _Stretch, **parameters: object) -> Found:
        """One page of a stretch, where the budget can spare it."""
        bounds = {"createdAfter": stretch.after}
        if stretch.before:
            bounds["createdBefore"] = stretch.before
        with http.sparing(KEPT):
            return search(self._account, stretch.token, **bounds, **parameters)

    def _resume(self, cursor: str) -> _Stretch:
        try:
            place = msgspec.json.decode(cursor, type=_Stretch)
            _bounds(place, datetime.now(UTC))
        except (msgspec.DecodeError, ValueError):
            raise Rejected(
                f"the saved position of {self._account.name}'s backfill cannot be read; begin anew"
            ) from None
        return place


def _stretch(begin: datetime, until: datetime, days: float) -> _Stretch | None:
    """The next stretch of a window; None where there is nothing of it yet. One that reaches into the present takes in
    all the rest of the window."""
    settled = datetime.now(UTC) - SETTLED
    if begin >= until or begin > settled:
        return None
    end = min(until, begin + timedelta(days=days))
    return _Stretch(after=zulu(begin), before=zulu(end) if end <= settled else "", days=days)


def _bounds(stretch: _Stretch, until: datetime) -> tuple[datetime, datetime]:
    return datetime.fromisoformat(stretch.after), datetime.fromisoformat(stretch.before) if stretch.before else until


def _within(document: bytes, begin: datetime, end: datetime) -> bool:
    """Whether a document belongs to a stretch: Amazon's ends count on both sides, ours on the first."""
    placed = head(document).created_time
    return placed is None or begin <= placed < end


def spare(settings: AmazonSettings) -> float:
    """Orders an hour that history can read beside the live pull, once the burst is spent."""
    calls = BUDGETS["searchOrders"].rate * settings.pace - 1 / settings.poll_seconds
    return max(0.0, calls) * 3600 * PAGE
