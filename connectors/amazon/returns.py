"""Returns of what the seller shipped, from Amazon's returns report.

Amazon has no call that lists a merchant's returns; it has a report, which is asked for and made in its own time, over
at most 60 days by the day a return was asked for. It does not say when a return last changed, so each reading is of
all 60 days, and a return's version counts how far it has come. One older than that is read no more.

A report that takes longer than a reading may wait is left to the next one: the cursor holds its id. What Amazon's own
warehouses take back (FBA) never comes here: it is Amazon's stock.
"""

from __future__ import annotations

import csv
import io
import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from connectors.amazon import reports
from connectors.amazon.account import Account, plain
from connectors.amazon.presigned import Document
from connectors.amazon.reports import State
from core import http
from core.errors import BadDocument, Rejected, Unavailable
from core.model import MAX_QUANTITY, Observation, Page, Return, ReturnLine, ReturnState, micros

REPORT = "GET_FLAT_FILE_RETURNS_DATA_BY_RETURN_DATE"

REACH = timedelta(days=60)
"""The most days one report covers."""

PAGE = 200
"""Returns a page."""

WAITS = (2.0, 3.0, 5.0, 10.0, 10.0)
"""Seconds between looks at a report that is being made; after the last the next reading goes on."""

FRESH = 600.0
"""A report that waited longer than so many seconds for its reading is followed by a new one at once."""

RMA, ORDER, SKU, UNITS = "amazon rma id", "order id", "merchant sku", "return quantity"
ASKED, STATUS = "return request date", "return request status"
NEEDED = (RMA, ORDER, SKU, UNITS, ASKED, STATUS)
"""Columns without which a report is not the one that was asked for; names in small letters, as they vary."""

_RANKS = (
    ReturnState.REQUESTED, ReturnState.AUTHORISED, ReturnState.DELIVERED, ReturnState.CLOSED, ReturnState.CALLED_OFF,
)  # fmt: skip
_STATUSES = {
    "approved": ReturnState.AUTHORISED,
    "authorized": ReturnState.AUTHORISED,
    "authorised": ReturnState.AUTHORISED,
    "completed": ReturnState.CLOSED,
    "closed": ReturnState.CLOSED,
    "refunded": ReturnState.CLOSED,
    "cancelled": ReturnState.CALLED_OFF,
    "canceled": ReturnState.CALLED_OFF,
    "rejected": ReturnState.CALLED_OFF,
    "declined": ReturnState.CALLED_OFF,
    "denied": ReturnState.CALLED_OFF,
}
"""By the first word of a status; any other is only asked for, which nobody acts on."""

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


class _Cursor(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Where a reading goes on: behind the last report (`read`), or in front of a row of one that was asked for."""

    read: str = ""
    report: str = ""
    asked: float = 0.0
    """When it was asked for, in seconds since 1970."""
    row: int = 0


class _Document(msgspec.Struct):
    rma: str
    rows: list[dict[str, str]]


def returns(account: Account, cursor: str | None, since: datetime | None) -> Iterator[Page]:
    """Every return of the last 60 days as it stands now; see the module."""
    place = _resume(account, cursor)
    now = datetime.now(UTC)
    begin = max(since, now - REACH) if since is not None and cursor is None else now - REACH
    resumed = bool(place.report)
    while True:
        if not place.report:
            place = _Cursor(report=reports.ask(account, REPORT, begin), asked=time.time())
        state, document = _await(account, place.report)
        if state is State.UNDER_WAY:
            yield Page(observations=(), cursor=_encode(place))
            return
        late = resumed and time.time() - place.asked > FRESH
        if state is not State.LOST:
            yield from _pages(account, place, document)
        elif not resumed:
            raise Unavailable(f"{account.name} gave up on the report of its returns")
        if not late and state is not State.LOST:
            return
        place, resumed = _Cursor(), False


def _await(account: Account, report: str) -> tuple[State, str]:
    """The report's state after as long as a reading may wait for it."""
    for seconds in WAITS:
        found = reports.look(account, report)
        if found[0] is not State.UNDER_WAY:
            return found
        http.pause(seconds)
    return reports.look(account, report)


def _pages(account: Account, place: _Cursor, document: str) -> Iterator[Page]:
    """A report's returns from the place's row on; the last page leads behind the report."""
    found = _observations(account, reports.read(account, document)) if document else []
    end = _encode(_Cursor(read=place.report))
    row = place.row
    while True:
        some, row = found[row : row + PAGE], row + PAGE
        last = row >= len(found)
        yield Page(
            observations=tuple(some),
            cursor=end if last else _encode(_Cursor(report=place.report, asked=place.asked, row=row)),
        )
        if last:
            return


def _observations(account: Account, document: Document) -> list[Observation]:
    """One document a return, its rows word for word. A request Amazon has given no number yet is none."""
    try:
        rows = list(csv.reader(io.StringIO(_text(document), newline=""), delimiter="\t", quoting=csv.QUOTE_NONE))
    except csv.Error:
        raise Unavailable(f"the report of {account.name}'s returns cannot be read") from None
    names = [name.strip().lower() for name in rows[0]] if rows else []
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise Unavailable(f"the report of {account.name}'s returns lacks its column {missing[0]!r}")
    by_rma: dict[str, list[dict[str, str]]] = {}
    for values in rows[1:]:
        row = dict(zip(names, (value.strip() for value in values), strict=False))
        rma = row.get(RMA, "")
        if rma:
            by_rma.setdefault(rma, []).append(row)
    return [
        Observation(number=rma, body=msgspec.json.encode(_Document(rma=rma, rows=found)))
        for rma, found in by_rma.items()
    ]


def _text(document: Document) -> str:
    for charset in (document.charset, "utf-8-sig", "cp1252"):
        try:
            return (
                document.body.decode(charset).removeprefix("\ufeff") if charset else document.body.decode("utf-8-sig")
            )
        except (UnicodeDecodeError, LookupError):
            continue
    return document.body.decode("latin-1")


def normalize_return(body: bytes) -> Return:
    """A document of `returns` as a return. Raises `BadDocument` with what is wrong and where."""
    try:
        found = msgspec.json.decode(body, type=_Document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadDocument("the return: not a document of its report") from None
    if not found.rma or not found.rows:
        raise BadDocument("the return: it has no number, or no rows")
    rows = [{name: value.replace("\0", "\ufffd") for name, value in row.items()} for row in found.rows]
    orders = {row.get(ORDER, "") for row in rows}
    if len(orders) > 1 or not min(orders):
        raise BadDocument(f"{ORDER}: not one order")
    read = [_line(row, index) for index, row in enumerate(rows)]
    kept = [one for one in read if one[1] is not ReturnState.CALLED_OFF] or read
    state = min((one[1] for one in kept), key=_RANKS.index)
    lines = _numbered([one[0] for one in kept])
    dates = [date for one in read for date in one[2]]
    row = rows[0]
    return Return(
        number=found.rma.replace("\0", "\ufffd"),
        order=min(orders),
        version=_version(max(dates), state, lines, row.get("tracking id", "")),
        state=state,
        requested_at=min(one[2][0] for one in read),
        lines=tuple(lines),
        tracking=row.get("tracking id", ""),
        carrier=row.get("return carrier", ""),
    )


def _line(row: Mapping[str, str], index: int) -> tuple[ReturnLine, ReturnState, list[datetime]]:
    """A row's line, its state, and the days it names, the day it was asked for first."""
    where = f"rows[{index}]"
    units = row.get(UNITS, "")
    if not re.fullmatch(r"[0-9]{1,10}", units) or not 1 <= int(units) <= MAX_QUANTITY:
        raise BadDocument(f"{where}.{UNITS}: not a number of units")
    days = [_day(row.get(ASKED, ""), f"{where}.{ASKED}")]
    delivered = row.get("return delivery date", "")
    if delivered:
        days.append(_day(delivered, f"{where}.return delivery date"))
    paid = row.get("refunded amount", "")
    # The report names money only: whether it was for all units of the row it does not say.
    refunded = int(units) if re.fullmatch(r"[0-9.,]*[1-9][0-9.,]*", paid) else 0
    line = ReturnLine(
        number=row.get("order item id", "") or row.get(SKU, ""),
        order_line=row.get("order item id", ""),
        sku=row.get(SKU, ""),
        quantity=int(units),
        refunded=refunded,
        reason=plain(row.get("return reason", "")),
    )
    return line, _state(row, bool(delivered)), days


def _state(row: Mapping[str, str], delivered: bool) -> ReturnState:
    word = re.match(r"[a-z]*", row.get(STATUS, "").strip().lower())
    state = _STATUSES.get(word.group() if word else "", ReturnState.REQUESTED)
    if state in (ReturnState.CLOSED, ReturnState.CALLED_OFF):
        return state
    if row.get("resolution", "").lower().startswith("returnless"):
        return ReturnState.CLOSED  # the buyer keeps it: nothing comes back
    return ReturnState.DELIVERED if delivered else state


def _day(text: str, where: str) -> datetime:
    """A day as the report writes it (29-Sep-2026): the instant it begins, in UTC; or an instant with its zone."""
    written = re.fullmatch(r"(\d{1,2})-([A-Za-z]{3})-(\d{4})", text)
    try:
        if written:
            day, month, year = written.groups()
            return datetime(int(year), _MONTHS.index(month.lower()) + 1, int(day), tzinfo=UTC)
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            raise BadDocument(f"{where}: an instant without a zone")
        return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadDocument(f"{where}: not a day") from None


def _numbered(lines: list[ReturnLine]) -> list[ReturnLine]:
    """Lines under numbers of their own: those of one item are counted."""
    seen: dict[str, int] = {}
    numbered = []
    for line in lines:
        seen[line.number] = count = seen.get(line.number, 0) + 1
        number = line.number if count == 1 else f"{line.number}/{count}"
        numbered.append(msgspec.structs.replace(line, number=number or f"/{count}"))
    return numbered


def _version(last: datetime, state: ReturnState, lines: list[ReturnLine], tracking: str) -> int:
    """How far a return has come: the last day it names and, within that day, its state, its refunds, its label."""
    refunded = min(sum(line.refunded for line in lines), 1_000_000)
    told = min(len(lines), 400) * 2 + bool(tracking)
    day = micros(last.replace(hour=0, minute=0, second=0, microsecond=0))
    return day + _RANKS.index(state) * 10_000_000_000 + refunded * 1000 + told


def _resume(account: Account, cursor: str | None) -> _Cursor:
    if cursor is None:
        return _Cursor()
    try:
        place = msgspec.json.decode(cursor, type=_Cursor)
    except msgspec.DecodeError:
        raise Rejected(f"the saved position in {account.name}'s returns cannot be read; read them anew") from None
    return place if place.report and not place.read else _Cursor()


def _encode(cursor: _Cursor) -> str:
    return msgspec.json.encode(cursor).decode()
