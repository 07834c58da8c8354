"""CSV files of a warehouse as events, strictly: a value that a spreadsheet has mangled is refused, never guessed.

A file is cut into documents, one for each event or refused row, that hold the cells as they stood; `event` reads such a
document. What a document is called by is made of what it says, so the same rows are the same event in whatever file
they come, and however often.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import NamedTuple

import msgspec

from core.errors import BadDocument
from core.handover import Accepted, Adjusted, Box, Counted, Declined, Event, Left, Withdrawn
from core.model import MAX_QUANTITY

Cells = Mapping[str, str]

COLUMNS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "shipments": (
        ("work", "line", "quantity", "carrier", "tracking", "shipped_at"),
        ("place", "service", "tracking_url"),
    ),
    "stock": (("place", "sku", "quantity", "as_of"), ()),
    "adjustments": (("id", "place", "sku", "change", "at"), ("reason",)),
    "answers": (("work", "answer", "at"), ("line", "quantity", "reason")),
    "recalls": (("recall", "answer", "at"), ("reason",)),
}
"""The columns each kind of file must have, and may have besides; a file's name begins with its kind."""

_MANGLED = re.compile(r"^[0-9]+([.,][0-9]+)?[eE]\+?[0-9]+$")
_ROUNDED = re.compile(r"^[0-9]{15}0{2,}$")
_UNITS = re.compile(r"^[0-9]{1,10}$")
_TIME = re.compile(r"[T ][0-9]{2}")
_CHANGE = re.compile(r"^[+-]?[0-9]{1,10}$")


class Document(msgspec.Struct, frozen=True):
    """Rows of one file that belong together, as they stood in it."""

    file: str
    """The kind of file."""
    id: str
    rows: tuple[dict[str, str], ...]
    problem: str = ""
    """Why they are no event, where that is so."""


class Found(NamedTuple):
    """A document, and in which lines of its file it stands."""

    document: Document
    lines: tuple[int, ...]


class BadFile(BadDocument):
    """A file none of whose rows can be read."""


def cut(kind: str, body: bytes, zone: tzinfo | None) -> list[Found]:
    """The documents of a file. Raises `BadFile` where it is no such file at all."""
    rows: list[tuple[int, dict[str, str]]] = []
    found: list[Found] = []
    for line, cells, problem in _read(kind, body):
        if problem:
            found.append(_refused(kind, cells, (line,), problem))
        else:
            rows.append((line, cells))
    groups: dict[tuple[str, ...], list[tuple[int, dict[str, str]]]] = {}
    for line, cells in rows:
        groups.setdefault(_belongs_to(kind, cells, line), []).append((line, cells))
    for group in groups.values():
        found += _counts(group, zone) if kind == "stock" else [_whole(kind, group)]
    return sorted(found, key=lambda one: one.lines)


def _belongs_to(kind: str, cells: Cells, line: int) -> tuple[str, ...]:
    """What rows of one event have in common."""
    if kind == "shipments":
        return cells["work"], cells["tracking"] or str(line), cells["shipped_at"]
    if kind == "stock":
        return cells["place"], cells["as_of"]
    if kind == "answers":
        return cells["work"], cells["answer"], cells["at"], cells.get("reason", "")
    return (str(line),)


def _whole(kind: str, group: Sequence[tuple[int, dict[str, str]]]) -> Found:
    rows = tuple(cells for _, cells in group)
    own = f"{kind}:{rows[0]['id']}" if kind == "adjustments" and rows[0]["id"] else _id(kind, rows)
    return Found(Document(kind, own, rows), tuple(line for line, _ in group))


def _counts(group: Sequence[tuple[int, dict[str, str]]], zone: tzinfo | None) -> Iterator[Found]:
    """One count without its bad rows, and each bad row: what is missing in a count is not counted."""
    good: list[tuple[int, dict[str, str]]] = []
    times: dict[str, int] = {}
    for _, cells in group:
        times[cells["sku"]] = times.get(cells["sku"], 0) + 1
    for line, cells in group:
        try:
            if times[cells["sku"]] > 1:
                raise BadDocument(f"{cells['sku']} stands {times[cells['sku']]} times in this count; write it once")
            _counted("x", (cells,), zone)
        except BadDocument as error:
            yield _refused("stock", cells, (line,), str(error))
        else:
            good.append((line, cells))
    if good:
        yield _whole("stock", good)


def _refused(kind: str, cells: dict[str, str], lines: tuple[int, ...], problem: str) -> Found:
    return Found(Document(kind, _id(f"{kind}-row", (cells,)), (cells,), problem), lines)


def _id(kind: str, rows: Sequence[Cells]) -> str:
    said = msgspec.json.encode([dict(sorted(cells.items())) for cells in rows])
    return f"{kind}:{hashlib.sha256(said).hexdigest()[:32]}"


def _read(kind: str, body: bytes) -> Iterator[tuple[int, dict[str, str], str]]:
    """Line number, cells by column, and what is wrong with the row as a whole."""
    must, may = COLUMNS[kind]
    text = _text(body)
    first = text.partition("\n")[0]
    split = next((mark for mark in (",", ";", "\t") if set(must) <= {_name(cell) for cell in first.split(mark)}), "")
    if not split:
        raise BadFile(f"its first line must name the columns {', '.join(must)}; it says {first[:120]!r}")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=split, strict=True)
    try:
        names = [_name(cell) for cell in next(reader)]
        twice = [name for name in names if name and names.count(name) > 1]
        if twice:
            raise BadFile(f"the column {twice[0]} stands twice")
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            row = {name: cell.strip() for name, cell in zip(names, cells, strict=False) if name in (*must, *may)}
            problem = "" if len(cells) == len(names) else f"it has {len(cells)} cells, the first line {len(names)}"
            yield reader.line_num, {name: row.get(name, "") for name in must} | row, problem
    except csv.Error as error:
        raise BadFile(f"line {reader.line_num}: {error}; was it uploaded whole?") from None


def _name(cell: str) -> str:
    return cell.strip().strip('"').strip().lower()


def _text(body: bytes) -> str:
    if not body.strip():
        raise BadFile("it is empty")
    try:
        return body.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        raise BadFile("it is not UTF-8 text; save it as CSV UTF-8") from None


def event(document: Document, zone: tzinfo | None) -> Event:
    """What a document says. Raises `BadDocument` with what is wrong and where."""
    if document.problem:
        raise BadDocument(document.problem)
    if not document.rows or document.file not in _EVENTS:
        raise BadDocument(f"no such file is known: {document.file!r}")
    try:
        return _EVENTS[document.file](document.id, document.rows, zone)
    except KeyError as error:
        raise BadDocument(f"the column {error} is missing") from None


def _left(id: str, rows: Sequence[Cells], zone: tzinfo | None) -> Event:
    first = rows[0]
    lines: dict[str, int] = {}
    for cells in rows:
        number = _said("line", cells["line"])
        lines[number] = lines.get(number, 0) + _units("quantity", cells["quantity"], least=1)
    for name in ("carrier", "place", "service", "tracking_url"):
        if len({cells.get(name, "") for cells in rows}) > 1:
            raise BadDocument(f"{name}: the rows of parcel {first['tracking']} differ")
    if max(lines.values()) > MAX_QUANTITY:
        raise BadDocument("quantity: more than there can be")
    box = Box(
        tracking=_untouched("tracking", first["tracking"]),
        carrier=first["carrier"],
        lines=lines,
        service=first.get("service", ""),
        tracking_url=first.get("tracking_url", ""),
    )
    at = _instant("shipped_at", first["shipped_at"], zone)
    return Left(id=id, at=at, work=_said("work", first["work"]), boxes=(box,), place=first.get("place", ""))


def _counted(id: str, rows: Sequence[Cells], zone: tzinfo | None) -> Event:
    units = {_said("sku", cells["sku"]): _units("quantity", cells["quantity"]) for cells in rows}
    as_of = _instant("as_of", rows[0]["as_of"], zone)
    return Counted(id=id, as_of=as_of, place=_said("place", rows[0]["place"]), units=units)


def _adjusted(id: str, rows: Sequence[Cells], zone: tzinfo | None) -> Event:
    (cells,) = rows
    _said("id", cells["id"])
    change = _untouched("change", cells["change"])
    if not _CHANGE.match(change) or not int(change) or abs(int(change)) > MAX_QUANTITY:
        raise BadDocument(f"change: {change!r} is no number of units more or less, such as 3 or -3")
    return Adjusted(
        id=id,
        at=_instant("at", cells["at"], zone),
        place=_said("place", cells["place"]),
        sku=_said("sku", cells["sku"]),
        change=int(change),
        reason=cells.get("reason", ""),
    )


def _answered(id: str, rows: Sequence[Cells], zone: tzinfo | None) -> Event:
    first = rows[0]
    answer, work, at = first["answer"].lower(), _said("work", first["work"]), _instant("at", first["at"], zone)
    if answer == "accepted":
        return Accepted(id=id, at=at, work=work)
    if answer not in ("rejected", "short"):
        raise BadDocument(f"answer: {first['answer']!r} is none; write accepted, rejected or short")
    lines: dict[str, int] = {}
    for cells in rows:
        if cells.get("line", ""):
            number = _said("line", cells["line"])
            lines[number] = lines.get(number, 0) + _units("quantity", cells.get("quantity", ""), least=1)
    if lines and not all(cells.get("line", "") for cells in rows):
        raise BadDocument("line: some rows name a line and some the whole work; write it one way")
    if answer == "short" and not lines:
        raise BadDocument("line: a short pick names its lines and the units that are missing")
    return Declined(id=id, at=at, work=work, reason=first.get("reason", ""), lines=lines, short=answer == "short")


def _recall(id: str, rows: Sequence[Cells], zone: tzinfo | None) -> Event:
    (cells,) = rows
    answer = cells["answer"].lower()
    if answer not in ("stopped", "too late"):
        raise BadDocument(f"answer: {cells['answer']!r} is none; write stopped or too late")
    return Withdrawn(
        id=id,
        at=_instant("at", cells["at"], zone),
        recall=_said("recall", cells["recall"]),
        done=answer == "stopped",
        reason=cells.get("reason", ""),
    )


_EVENTS = {
    "shipments": _left,
    "stock": _counted,
    "adjustments": _adjusted,
    "answers": _answered,
    "recalls": _recall,
}


def _said(name: str, cell: str) -> str:
    if not cell:
        raise BadDocument(f"{name}: it is empty")
    return _untouched(name, cell)


def _untouched(name: str, cell: str) -> str:
    """A cell that no spreadsheet has rewritten, as far as that shows."""
    if _MANGLED.match(cell):
        raise BadDocument(f"{name}: {cell!r} is what a spreadsheet makes of a long number; format the column as text")
    if _ROUNDED.match(cell):
        raise BadDocument(f"{name}: {cell!r} has lost its last digits in a spreadsheet; format the column as text")
    return cell


def _units(name: str, cell: str, least: int = 0) -> int:
    if not _UNITS.match(_untouched(name, cell)) or not least <= int(cell) <= MAX_QUANTITY:
        empty = "an empty cell is not 0" if not cell else f"{cell!r} is no whole number from {least}"
        raise BadDocument(f"{name}: {empty}")
    return int(cell)


def _instant(name: str, cell: str, zone: tzinfo | None) -> datetime:
    try:
        at = datetime.fromisoformat(cell)
    except ValueError:
        raise BadDocument(f"{name}: {cell!r} is no instant; write 2026-01-31T12:02:00Z") from None
    if not _TIME.search(cell):
        raise BadDocument(f"{name}: {cell!r} is a day and no instant; write 2026-01-31T12:02:00Z")
    if at.tzinfo is None and zone is None:
        raise BadDocument(f"{name}: {cell!r} has no time zone; write 2026-01-31T12:02:00Z, or set time_zone")
    if at.tzinfo is None:
        early, late = (at.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        if early != late:
            raise BadDocument(
                f"{name}: {cell!r} is twice or never there, as clocks are changed; write it with its zone"
            )
        return early
    return at.astimezone(UTC)
