"""Stock and kits from CSV files: read whole, checked whole, and booked in one transaction or not at all."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from core.errors import UserError
from core.model import MAX_QUANTITY
from core.store.database import Store
from core.sync.kits import define_kits
from core.sync.stock import Booking, book
from core.sync.stock_asked import Ask, is_name, item_ids, there_are

Row = tuple[int, dict[str, str]]
"""A line's number in its file, and its cells by column."""

_DIGITS = re.compile("[0-9]{1,10}")
_SIGNED = re.compile("[+-]?[0-9]{1,10}")


class BadFile(UserError):
    """A file that was not booked: one line for each of its `problems`."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def import_csv(
    store: Store,
    path: Path,
    now: int,
    *,
    kind: str = "set",
    reference: str = "",
    expected: str = "",
    over: bool = False,
    actor: str = "operator",
    note: str = "",
) -> Booking:
    """Books what a file says of items at locations: the columns are sku, location, quantity (`change` where `kind` is
    adjust) and, where unknown items are made (set, receive), if wanted, title.

    `kind` is that of an `Ask`; `expected` and `over` are those of `stock.receive`. What the file does not name stays as
    it is. Raises `BadFile` with everything wrong in it; nothing is booked then. And `UserError` where a file that adds
    or takes away has no reference: given twice it would count twice.
    """
    if kind in ("receive", "adjust") and not reference:
        raise UserError(f"{path.name}: give --reference, so that it is booked once however often it is given")
    makes, column = kind in ("set", "receive"), "change" if kind == "adjust" else "quantity"
    rows = _read(path, ("sku", "location", column), ("title",) if makes else ())
    with store.read() as tx:
        places = [row.name for row in tx.rows("SELECT name FROM locations ORDER BY name")]
        kits = {row.sku for row in tx.rows("SELECT sku FROM items WHERE id IN (SELECT kit_id FROM kits)")}
        known = item_ids(tx, [cells["sku"] for _, cells in rows])
    problems: list[str] = []
    first: dict[tuple[str, str], int] = {}
    asks = []
    for number, cells in rows:
        sku, location = cells["sku"], cells["location"]
        units = _change(cells[column]) if kind == "adjust" else _quantity(cells[column], 0)
        said = _about_sku(sku)
        if sku in kits:
            said.append(f"{sku} is a kit and has no stock of its own; name its components")
        elif not said and not makes and sku not in known:
            said.append(f"there is no item {sku}; receive it first (`ordersync stock receive`)")
        if location not in places:
            said.append(f"there is no location {location!r}; {there_are(places)}")
        if units is None:
            least = -MAX_QUANTITY if kind == "adjust" else 0
            said.append(f"{cells[column]!r} is no {column}; write a whole number from {least} to {MAX_QUANTITY}")
        seen = first.setdefault((sku, location), number)
        if seen != number:
            said.append(f"{sku} at {location} stands in line {seen} already; keep one of the two")
        problems += [f"{path.name}:{number}: {text}" for text in said]
        asks.append(Ask(kind=kind, sku=sku, location=location, units=units or 0, title=cells.get("title", "")))
    if problems:
        raise BadFile(problems)
    return book(store, asks, now, reference=reference, expected=expected, over=over, actor=actor, note=note)


def import_kits(store: Store, path: Path) -> int:
    """Defines kits from a file with the columns kit, component and quantity; returns how many have changed.

    Raises `BadFile` with everything wrong in it; nothing is changed then.
    """
    rows = _read(path, ("kit", "component", "quantity"), ())
    with store.read() as tx:
        known = item_ids(tx, [cells["component"] for _, cells in rows])
    problems: list[str] = []
    kits: dict[str, dict[str, int]] = {}
    for number, cells in rows:
        kit, part = cells["kit"], cells["component"]
        units = _quantity(cells["quantity"], 1)
        said = _about_sku(kit) + _about_sku(part)
        if part not in known:
            said.append(f"there is no item {part}; receive it first (`ordersync stock receive`)")
        if units is None:
            said.append(f"{cells['quantity']!r} is no quantity; write a whole number from 1 to {MAX_QUANTITY}")
        if part in kits.setdefault(kit, {}):
            said.append(f"{part} is in {kit} already; keep one of the two lines")
        kits[kit][part] = units or 0
        problems += [f"{path.name}:{number}: {text}" for text in said]
    if problems:
        raise BadFile(problems)
    return define_kits(store, kits)


def _about_sku(sku: str) -> list[str]:
    return [] if is_name(sku) else [f"{sku!r} is no SKU; write it without blanks around it"]


def _quantity(text: str, least: int) -> int | None:
    """Digits only: 1.5, -1, 1E+05 and an empty cell are no quantities."""
    if not _DIGITS.fullmatch(text):
        return None
    return int(text) if least <= int(text) <= MAX_QUANTITY else None


def _change(text: str) -> int | None:
    """Units more or less: 3, +3 or -3."""
    if not _SIGNED.fullmatch(text):
        return None
    return int(text) if abs(int(text)) <= MAX_QUANTITY else None


def _read(path: Path, columns: Sequence[str], optional: Sequence[str]) -> list[Row]:
    """The rows of a CSV file in UTF-8, with or without a byte order mark; empty lines are passed over."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise BadFile([f"{path}: {error.strerror}; name a file that can be read"]) from None
    except UnicodeDecodeError:
        raise BadFile([f"{path.name}: it is not UTF-8; save it as CSV UTF-8"]) from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[Row] = []
    problems: list[str] = []
    head: list[str] | None = None
    try:
        for cells in reader:
            if not any(cells):
                continue
            if head is None:
                head = _head(path, cells, columns, optional)
            elif len(cells) != len(head):
                problems.append(f"{path.name}:{reader.line_num}: {len(cells)} cells; there are {len(head)} columns")
            else:
                rows.append((reader.line_num, dict(zip(head, cells, strict=True))))
    except csv.Error as error:
        problems.append(f"{path.name}:{reader.line_num}: {error}; mend the quotes")
    if not rows and not problems:
        problems.append(f"{path.name}: it has no rows; the first line names the columns {', '.join(columns)}")
    if problems:
        raise BadFile(problems)
    return rows


def _head(path: Path, cells: list[str], columns: Sequence[str], optional: Sequence[str]) -> list[str]:
    wrong = [name for name in cells if name not in (*columns, *optional)]
    if wrong or len(set(cells)) != len(cells) or not set(columns) <= set(cells):
        more = f" and, if wanted, {', '.join(optional)}" if optional else ""
        raise BadFile(
            [f"{path.name}:1: the columns are {', '.join(cells)}; they must be {', '.join(columns)}{more}, with commas"]
        )
    return cells
