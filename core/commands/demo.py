"""`ordersync demo`: the whole loop against simulated channels, judged at the end by the channels' own truth."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from core.commands import show
from core.commands.assortment import APART
from core.errors import UserError

if TYPE_CHECKING:
    from connectors.simulation import Service
    from core.commands.episodes import Happened
    from core.commands.judgement import Row
    from core.commands.judgement_depot import Depot
    from core.commands.rehearsal import Rehearsal
    from core.store.database import Store

PATIENCE = 90.0
"""Seconds the play may take to come to rest after the last order."""

SERVED = "west"
"""The location whose work goes to a warehouse of its own; at the others people look at `ordersync order`."""

IN_PARTS = 0.15
"""How often a location sends one unit first and the rest later."""

HOLD_EVERY = 15
"""Behind so many orders each, one is held back for a while."""

METRICS = (
    *("unit_fill_first", "unit_fill_later", "line_fill_first", "order_fill_first", "time_to_ship_p50", "cancel_rate"),
    *("parcels_per_order", "unit_turnover", "sell_through", "weeks_of_supply", "oversell_window_p99"),
)
"""What is told of the play; `ordersync metrics` has more."""

UNREADABLE_AT = 5
"""Behind so many orders each, one of the channels writes an order in a way its connector has never read."""


def demo(
    orders: Annotated[int, typer.Option(help="Orders placed at each channel.", min=1, max=20_000)] = 60,
    seed: Annotated[int, typer.Option(help="The same seed plays the same buyers and the same kinds of faults.")] = 7,
    faults: Annotated[bool, typer.Option(help="Throttling, error pages, cut and lost answers, dead tokens.")] = True,
    keep: Annotated[
        Path | None, typer.Option(help="Keep configuration, secrets, store and log in this new folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Play the whole loop against simulated channels; exit 0 only if everything holds."""
    # Here and not above: no other command should wait for the simulators to be loaded.
    from connectors.simulation import FaultPlan
    from core.commands.episodes import happened, missing
    from core.commands.rehearsal import Rehearsal

    if keep is not None and keep.exists():
        raise UserError(f"{keep} is there already; name a folder that is not")
    folder = keep or Path(tempfile.mkdtemp(prefix="ordersync-demo-"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made: {error.strerror}; name a folder that can") from None
    rates = FaultPlan.ordinary_bad_day().rates if faults else {}
    play = Rehearsal(folder.resolve(), seed=seed, faults=rates, served=SERVED)
    console = Console(stderr=True)
    play.staff.parts = IN_PARTS
    # Whoever ends it, say a CI's time limit, leaves no daemon behind and no folder.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        store = play.open()
        rows, breaches, seconds = _play(play, orders, console)
        depot = play.judge_warehouse()
        far_ends: dict[str, Service] = {**play.channels}
        if play.warehouse is not None:
            far_ends[play.warehouse.name] = play.warehouse
        struck = {name: {str(f): n for f, n in s.faults.struck.items() if n} for name, s in far_ends.items()}
        story = happened(store)
        numbers = _metrics(store)
    finally:
        play.close()
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            play.keep_secrets()
            console.print(_kept(keep), highlight=False, soft_wrap=True)
    breaches += [*missing(story), *(depot.problems if depot else ())]
    sound = not breaches and not any(row.problems for row in rows)
    if as_json:
        told = {"ok": sound, "seconds": round(seconds, 1), "seed": seed, "faults": struck, "breaches": breaches}
        turns = {one.name: one.times for one in story}
        typer.echo(
            json.dumps(
                {
                    **told,
                    "channels": [asdict(row) for row in rows],
                    "warehouse": asdict(depot) if depot else None,
                    "orders": turns,
                    "metrics": numbers,
                }
            )
        )
    else:
        _print(rows, depot, struck)
        _print_story(story, numbers)
        _print_verdict(rows, breaches, seconds, seed)
    raise typer.Exit(0 if sound else 1)


def _kept(folder: Path) -> str:
    """How to look around in what is kept."""
    return (
        f"kept in {folder}; its channels are gone, what is stored can be looked at:\n"
        f"export CREDENTIALS_DIRECTORY={folder.resolve() / 'secrets'}\n"
        f"ordersync issues --config {folder / 'config'}"
    )


def register(app: typer.Typer) -> None:
    """`demo`."""
    app.command()(demo)


def _play(play: Rehearsal, orders: int, console: Console) -> tuple[list[Row], list[str], float]:
    log = play.folder / "daemon.log"
    began = time.monotonic()
    drifting = play.random.choice(list(play.channels))
    daemon = play.start_daemon(log)
    try:
        bars = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
        with Progress(*bars, TimeElapsedColumn(), console=console, transient=True) as progress:
            task = progress.add_task("buyers order", total=orders)
            for number in range(orders):
                for name in play.channels:
                    play.buy(name)
                    if number % 12 == 7:
                        play.cancel(name)
                    if number % 8 == 3:
                        play.staff.call_off(name, early=False)
                if number == 0:
                    for name in play.channels:
                        play.order(name, dict.fromkeys(APART, 1))
                if number == min(orders - 1, UNREADABLE_AT):
                    play.buy_unreadable(drifting)
                if number == orders // 2:
                    play.staff.discover()
                    play.staff.restock()
                if number % HOLD_EVERY == 4:
                    play.staff.hold(play.random.choice(list(play.channels)))
                if number % HOLD_EVERY == 9:
                    play.staff.lift()
                if number % 5 == 4:
                    play.mend()
                    play.pack()
                    _must_live(daemon, log)
                progress.update(task, completed=number + 1)
                time.sleep(0.05)
            deeds = (("coming to rest", _nothing), ("second thoughts", _think_again), ("what is missing", _complete))
            for title, deed in deeds:
                rest = progress.add_task(title, total=None)
                deed(play)
                rows, breaches = _settle(play, daemon, log)
                progress.update(rest, total=1, completed=1)
    finally:
        if daemon.poll() is None:
            daemon.terminate()
        code = daemon.wait(30)
    if code != 0:
        breaches.append(f"the daemon ended with exit code {code}; see its log (--keep DIR)")
    return rows, breaches, time.monotonic() - began


def _nothing(play: Rehearsal) -> None:
    """Everything has been done."""


def _complete(play: Rehearsal) -> None:
    """What has not happened yet, as few orders were played, happens now."""
    from core.commands.episodes import EPISODES, happened

    if play.store is None:
        return
    for episode, so_far in zip(EPISODES, happened(play.store), strict=True):
        if not so_far.times:
            for name in play.channels:
                episode.deed(play, name)


def _think_again(play: Rehearsal) -> None:
    """What operators decide when everything has left that could: refunds, corrections, and nobody waits any longer."""
    for name in play.channels:
        play.staff.take_back(name)
        for _ in range(3):
            play.staff.give_back(name)
        play.staff.mistype(name)
        for _ in range(2):
            play.staff.call_off(name, early=True)


def _settle(play: Rehearsal, daemon: subprocess.Popen[bytes], log: Path) -> tuple[list[Row], list[str]]:
    """Waits until nothing is left to do; that patience ends before is a breach."""
    ends = time.monotonic() + PATIENCE
    while True:
        _must_live(daemon, log)
        play.mend()
        play.staff.lift()
        busy = play.pack()
        rows = play.judge()
        depot = play.judge_warehouse()
        quiet = not busy and not play.pending() and not any(row.problems for row in rows)
        quiet = quiet and not (depot and depot.problems)
        if quiet:
            return rows, play.breaches()
        if time.monotonic() > ends:
            left = f"not everything came to an end in {PATIENCE:.0f} s: {play.pending()} things are under way still"
            return rows, [*play.breaches(), left]
        time.sleep(0.3)


def _must_live(daemon: subprocess.Popen[bytes], log: Path) -> None:
    if daemon.poll() is not None:
        last = log.read_text(errors="replace").splitlines()[-1:] or ["nothing in its log"]
        raise UserError(f"the daemon ended by itself ({daemon.returncode}): {last[0]}")


def _print(rows: list[Row], depot: Depot | None, struck: dict[str, Any]) -> None:
    console = _wide()
    table = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False)
    for heading in (
        "channel", "orders\nthere", "stored\nhere", "units\nreserved", "back-\nordered", "held",
        "set\naside", "read\nsince", "units\nshipped", "tracking\nconfirmed", "cancelled\nhere", "refunds\ngiven",
        "levels\nequal",
    ):  # fmt: skip
        table.add_column(heading, justify="left" if heading == "channel" else "right", no_wrap=True)
    for row in rows:
        counts = (
            row.at_channel, row.imported, row.reserved, row.backordered, row.held, row.quarantined, row.read_since,
            row.shipped,
        )  # fmt: skip
        told = (
            f"{row.confirmed}/{row.parcels}",
            f"{row.cancelled_confirmed}/{row.cancelled}",
            f"{row.refunds_given}/{row.refunds}",
            f"{row.levels_equal}/{row.levels}",
        )
        table.add_row(row.channel, *map(str, counts), *told)
    console.print(table)
    if depot is not None:
        console.print(_warehouse(depot))
    for row in rows:
        console.print(
            f"[dim]{row.channel}: {show.many(row.cancelled - row.recalled, 'order')} cancelled here before a location "
            f"was asked, {row.recalled} after; {show.many(row.corrected, 'parcel')} corrected later[/dim]",
            highlight=False,
        )
    for name, faults in struck.items():
        words = ", ".join(f"{count} {fault}" for fault, count in sorted(faults.items()) if count) or "none"
        console.print(f"[dim]faults at {name}: {words}[/dim]")


def _warehouse(depot: Depot) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False)
    for heading in (
        "warehouse", "work\nhanded over", "taken\nup", "declined", "called\nback", "too late\nfor that",
        "parcels\nbooked", "lying\nthere", "notices\nset aside",
    ):  # fmt: skip
        table.add_column(heading, justify="left" if heading == "warehouse" else "right", no_wrap=True)
    counts = (depot.handed, depot.taken, depot.declined, depot.recalled, depot.too_late)
    table.add_row(
        f"{depot.warehouse} ({depot.location})", *map(str, counts), f"{depot.booked}/{depot.parcels}",
        str(depot.lying), str(depot.aside),
    )  # fmt: skip
    return table


def _print_story(story: Sequence[Happened], numbers: Sequence[dict[str, str]]) -> None:
    console = _wide()
    table = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False)
    table.add_column("orders", justify="right")
    table.add_column("that")
    for one in story:
        table.add_row(f"{one.times}", one.name)
    console.print()
    console.print(table)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), show_edge=False)
    for heading in ("metric", "value", "definition"):
        table.add_column(heading, no_wrap=heading == "value")
    for number in numbers:
        table.add_row(number["metric"], number["value"], number["definition"])
    console.print()
    console.print(table)


def _print_verdict(rows: list[Row], breaches: list[str], seconds: float, seed: int) -> None:
    console = _wide()
    for row in rows:
        for problem in row.problems[:10]:
            console.print(f"[red]{row.channel}: {problem}[/red]", highlight=False)
    for breach in breaches:
        console.print(f"[red]{breach}[/red]", highlight=False)
    sound = not breaches and not any(row.problems for row in rows)
    verdict = "[green]all checks hold[/green]" if sound else "[red]not all checks hold[/red]"
    console.print(f"{verdict} after {seconds:.0f} s (seed {seed})")


def _wide() -> Console:
    console = Console()
    console.width = max(console.width, 100)
    return console


def _metrics(store: Store) -> list[dict[str, str]]:
    """Some of what `ordersync metrics` tells of the day."""
    from core.commands.metrics import shown
    from core.days import Days
    from core.sync.channel import clock
    from core.sync.metrics.measure import measure, up_to_date
    from core.sync.metrics.period import Period

    days = Days(UTC)
    up_to_date(store, days, clock)
    now = clock()
    period = Period(first=days.day(now) - 1, last=days.day(now))
    return [
        {"metric": one.metric.title, "value": shown(one), "definition": one.metric.formula}
        for one in measure(store, period, days, now, {}, METRICS)
    ]
