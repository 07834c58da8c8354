"""How commands print: one JSON document, or tables and lines for people; progress only on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from core.model import instant
from core.plurals import many as many

SECOND = 1_000_000
_SPANS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_WIDE = 10_000
"""Columns of a pipe or a file: nothing is cut or wrapped there."""


def document(value: Any) -> None:
    """The command's one JSON document."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2)
    sys.stdout.buffer.write(text + b"\n")
    sys.stdout.flush()


def line(text: str) -> None:
    """One line for people."""
    _console().print(Text(printable(text)), soft_wrap=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "") -> None:
    """A table; None is shown as a dash and numbers stand to the right. Nothing at all when there are no rows."""
    cells = [list(row) for row in rows]
    if not cells:
        return
    found = Table(title=title or None, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for at, name in enumerate(columns):
        numbers = all(isinstance(row[at], int | Decimal | None) for row in cells)
        found.add_column(name, justify="right" if numbers else "left", overflow="fold")
    for row in cells:
        found.add_row(*(Text(printable("–" if cell is None else str(cell))) for cell in row))
    _console().print(found)


def facts(pairs: Mapping[str, Any], *, title: str = "") -> None:
    """Names and values, one pair a line; empty values are left out."""
    found = Table(
        title=title or None, title_justify="left", title_style="bold", box=None, show_header=False, pad_edge=False
    )
    found.add_column(style="dim", no_wrap=True)
    found.add_column(overflow="fold")
    for name, value in pairs.items():
        if value not in (None, ""):
            found.add_row(name, Text(printable(str(value))))
    _console().print(found)


def printable(text: str) -> str:
    """`text` as a terminal may get it: what a buyer typed moves no cursor and sets no colour."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)


def iso(micros: int | None) -> str | None:
    """A stored instant for JSON and timelines."""
    return None if micros is None else instant(micros).isoformat().replace("+00:00", "Z")


def clock_time(micros: int | None) -> str | None:
    """A stored instant for people, to the second."""
    return None if micros is None else f"{instant(micros):%Y-%m-%d %H:%M:%S}Z"


def day(micros: int | None) -> str | None:
    """The day of a stored instant: "2026-01-31"."""
    return None if micros is None else f"{instant(micros):%Y-%m-%d}"


def ago(micros: int | None, now: int) -> str | None:
    """How long ago a stored instant is: "3 min"."""
    return None if micros is None else span((now - micros) // SECOND)


def span(seconds: int) -> str:
    """A length of time in its largest unit: "2 h"."""
    seconds = max(0, seconds)
    size, unit = next((found for found in _SPANS if seconds >= found[0]), _SPANS[-1])
    return f"{seconds // size} {unit}"


def amount(millionths: int) -> Decimal:
    """Money as it is kept, as a number: at least two decimals, no needless ones."""
    exact = Decimal(millionths).scaleb(-6)
    cents = round(exact, 2)
    return cents if cents == exact else exact.normalize()


def counts(named: Mapping[str, int]) -> str:
    """The counts that are not zero: "3 received, 2 stored". A noun that is counted ends in "(s)": "push(s) due"."""
    return ", ".join(_count(count, name) for name, count in named.items() if count)


def _count(count: int, name: str) -> str:
    noun, counted, rest = name.partition("(s)")
    return many(count, noun) + rest if counted else f"{count} {name}"


@contextmanager
def progress() -> Iterator[Progress]:
    """Progress bars on stderr; none at all where stderr is no terminal."""
    console = Console(stderr=True)
    bars = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[told]}"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    with bars:
        yield bars


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False)
