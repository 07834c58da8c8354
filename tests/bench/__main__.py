"""`python -m tests.bench`; see the package."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import time
from collections.abc import Callable

import msgspec
import structlog
from rich.console import Console
from rich.table import Table

from tests.bench.calls import calls
from tests.bench.decode import decode
from tests.bench.figures import Figure, Report
from tests.bench.hints import hints
from tests.bench.hot import hot
from tests.bench.intake import intake
from tests.bench.ledger import ledger
from tests.bench.levels import levels
from tests.bench.memory import memory
from tests.bench.million import million
from tests.bench.repeats import repeats
from tests.bench.routing import routing

PARTS: dict[str, Callable[[bool], Report]] = {
    "intake": intake,
    "million": million,
    "memory": memory,
    "hot": hot,
    "repeats": repeats,
    "levels": levels,
    "decode": decode,
    "calls": calls,
    "hints": hints,
    "ledger": ledger,
    "routing": routing,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Throughput, beside the bare means.")
    parser.add_argument("parts", nargs="*", metavar="part", help=f"any of: {', '.join(PARTS)}; all where none is named")
    parser.add_argument("--quick", action="store_true", help="small amounts: a smoke run, no figures to believe")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args()
    unknown = [name for name in given.parts if name not in PARTS]
    if unknown:
        parser.error(f"no part is called {unknown[0]}; there are: {', '.join(PARTS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # servers and folders are cleared away then, too
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    told = Console(stderr=True)
    whole = Report()
    for name in given.parts or PARTS:
        began = time.monotonic()
        with told.status(f"{name} …"):
            report = PARTS[name](given.quick)
        told.print(f"[dim]{name}: {time.monotonic() - began:.0f} s[/dim]")
        whole.figures += report.figures
        whole.faults += report.faults
    if given.json:
        sys.stdout.write(msgspec.json.encode(_plain(whole, given.quick)).decode() + "\n")
    else:
        _print(whole, given.quick)
    return 1 if whole.faults else 0


def _plain(report: Report, quick: bool) -> dict[str, object]:
    figures = [
        {**msgspec.structs.asdict(figure), "ratio": figure.ratio, "met": figure.met} for figure in report.figures
    ]
    return {"quick": quick, "figures": figures, "faults": report.faults}


def _print(report: Report, quick: bool) -> None:
    console = Console(width=None if sys.stdout.isatty() else 170)
    table = Table(caption="quick: amounts too small to believe" if quick else None)
    for heading in ("part", "what", "unit"):
        table.add_column(heading)
    for heading in ("ours", "floor", "ours/floor", "aim"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("floor is; note")
    last = ""
    for figure in report.figures:
        if last and figure.part != last:
            table.add_section()
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
        note = "; ".join(text for text in (figure.against, figure.note) if text)
        told = (_number(figure.ours), "" if figure.floor is None else _number(figure.floor), ratio, _aim(figure))
        table.add_row(figure.part if figure.part != last else "", figure.what, figure.unit, *told, note)
        last = figure.part
    console.print(table)
    for fault in report.faults:
        console.print(f"[red]{fault}[/red]", highlight=False)


def _aim(figure: Figure) -> str:
    if figure.aim is None:
        return ""
    sign = "≤" if figure.less_is_better else "≥"
    colour = "green" if figure.met else "red"
    return f"[{colour}]{sign} {figure.aim:g} {'yes' if figure.met else 'NO'}[/{colour}]"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())
