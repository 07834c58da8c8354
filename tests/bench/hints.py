"""How long an order takes from its channel to the other one, where the channel tells of it: no poll comes to help.

A real daemon that polls once an hour, two simulated channels on real sockets that call its receiver, and buyers who
order at both of them all the while. An order is done twice: when its stock is reserved, and when the other channel has
accepted a level that counts it. The simulators and whoever watches share the machine with the daemon.
"""

from __future__ import annotations

import itertools
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from connectors.simulation import SimulatedLine, SimulatedOrder
from core.commands.rehearsal import SKUS, Rehearsal
from core.store.database import Tx
from core.sync.channel import clock
from core.sync.stock import receive
from tests.bench.figures import Figure, Report

PLUS = 1000
"""Points a second of the plan that shops of so many orders have: a look at one order takes thirty."""

AIM_MS = 2000.0
CHANNELS = ("shopify", "walmart")
GOODS = SKUS[:-1]
"""All but the scarce one."""

PLENTY = 20_000
PATIENCE = 60.0
LOOK_SECONDS = 0.005
OUTSIDE = "https://hooks.example.test"


class _Placed(msgspec.Struct):
    """An order on its way. `level`: what the other channel is to be told of its SKU, or less."""

    number: str
    here: str
    there: str
    sku: str
    level: int
    at: float
    reserved: float | None = None
    told: float | None = None


def hints(quick: bool) -> Report:
    """200 orders, eight a second, half of them at each channel."""
    count, rate = (20, 8.0) if quick else (200, 8.0)
    report = Report()
    with _daemon() as play:
        placed = _play(play, count, rate)
    lost = [one for one in placed if one.reserved is None or one.told is None]
    if lost:
        report.faults.append(f"{len(lost)} of {count} orders were not taken in or not told on in {PATIENCE:g} s")
        return report
    for here, there in (CHANNELS, CHANNELS[::-1]):
        ones = [one for one in placed if one.here == here]
        report.figures += [
            *_figures(f"{here}: placed to reserved", [(one.reserved or 0.0) - one.at for one in ones], rate),
            *_figures(f"{here}: placed to {there}'s level", [(one.told or 0.0) - one.at for one in ones], rate),
        ]
    return report


def _figures(what: str, seconds: list[float], rate: float) -> Iterator[Figure]:
    ordered = sorted(seconds)
    for name, part in (("p50", 0.50), ("p99", 0.99)):
        took = ordered[min(len(ordered) - 1, int(part * len(ordered)))] * 1000
        yield Figure(
            part="hints",
            what=f"{what}, {name}",
            unit="ms",
            ours=took,
            floor=AIM_MS,
            against="two seconds",
            aim=1.0,
            less_is_better=True,
            note=f"{len(ordered)} orders, {rate:g} a second at both channels",
        )


@contextmanager
def _daemon() -> Iterator[Rehearsal]:
    """A daemon that has told both channels everything, is called by both, and has nothing else to do for an hour."""
    with tempfile.TemporaryDirectory(prefix="ordersync-bench-") as folder:
        play = Rehearsal(Path(folder), seed=1, channels=CHANNELS, ways={"shopify": {"plan_points": PLUS}})
        store = play.open()
        for sku in GOODS:
            receive(store, sku, "east", PLENTY, now=clock())
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        common = play.config / "ordersync.toml"
        common.write_text(f'{common.read_text()}\n[receiver]\nlisten = "127.0.0.1:{port}"\npublic_url = "{OUTSIDE}"\n')
        for file in (play.config / "channels").iterdir():
            file.write_text(file.read_text().replace("poll_seconds = 1\n", "poll_seconds = 3600\n"))
        for simulator in play.channels.values():
            simulator.route(OUTSIDE, f"http://127.0.0.1:{port}")
        process = play.start_daemon(Path(folder) / "daemon.log")
        try:
            _until_quiet(play, Path(folder) / "daemon.log")
            yield play
        finally:
            process.terminate()
            process.wait(PATIENCE)
            play.close()


def _until_quiet(play: Rehearsal, log: Path) -> None:
    ends = time.monotonic() + PATIENCE
    while not _is_quiet(play):
        if time.monotonic() > ends:
            raise RuntimeError(f"the daemon did not come to rest: {log.read_text()[-2000:]}")
        time.sleep(0.1)


def _is_quiet(play: Rehearsal) -> bool:
    assert play.store is not None
    with play.store.read() as tx:
        subscribed = tx.value("SELECT count(*) FROM hearing WHERE audited_at > 0 AND audit_trouble = ''")
        waits = tx.value("SELECT count(*) FROM levels WHERE state <> 'applied'")
        touched = tx.value("SELECT count(*) FROM touched")
        rested = tx.value("SELECT count(*) FROM channels WHERE last_success > 0 AND next_due > :now", now=clock())
    return (subscribed, rested) == (len(CHANNELS), len(CHANNELS)) and not waits and not touched


def _play(play: Rehearsal, count: int, rate: float) -> list[_Placed]:
    """Places orders at their pace and watches what becomes of them."""
    assert play.store is not None
    with play.store.read() as tx:
        standing = _levels(tx)
    placed: list[_Placed] = []
    began = time.monotonic()
    for number in itertools.count():
        if number < count:
            _watch(play, placed, until=began + number / rate)
            here, there = CHANNELS if number % 2 else CHANNELS[::-1]
            sku = GOODS[number // 2 % len(GOODS)]
            for channel in CHANNELS:  # both are to count it: the one it was placed at does so by itself
                standing[channel, sku] -= 1
            at = time.monotonic()
            bought = play.channels[here].place(SimulatedOrder(lines=(SimulatedLine(sku=sku, quantity=1),)))
            placed.append(_Placed(bought, here, there, sku, standing[there, sku], at))
        else:
            _watch(play, placed, until=began + count / rate + PATIENCE)
            return placed
    raise AssertionError


def _watch(play: Rehearsal, placed: list[_Placed], until: float) -> None:
    """Looks what has become of the orders until it is time, or nothing is on its way any more."""
    final = time.monotonic() + PATIENCE < until + 1.0
    while (now := time.monotonic()) < until:
        waiting = [one for one in placed if one.told is None or one.reserved is None]
        if waiting:
            _look(play, waiting)
        elif final:
            return
        time.sleep(max(0.0, min(LOOK_SECONDS, until - now)))


def _look(play: Rehearsal, waiting: list[_Placed]) -> None:
    assert play.store is not None
    with play.store.read() as tx:
        reserved = {
            row.number
            for row in tx.rows(
                "SELECT o.number FROM orders o JOIN lines l ON l.order_id = o.id WHERE o.number IN :numbers"
                " AND l.reserved = l.ordered",
                numbers=[one.number for one in waiting],
            )
        }
        levels = _levels(tx)
    now = time.monotonic()
    for one in waiting:
        if one.reserved is None and one.number in reserved:
            one.reserved = now
        if one.told is None and levels[one.there, one.sku] <= one.level:
            one.told = now


def _levels(tx: Tx) -> dict[tuple[str, str], int]:
    """What each channel has accepted of each SKU, over all its places."""
    rows: Any = tx.rows(
        "SELECT c.name, i.sku, sum(CASE WHEN v.state = 'accepted' THEN v.sent ELSE v.told END) AS units FROM levels v"
        " JOIN listings i ON i.id = v.listing_id JOIN channels c ON c.id = v.channel_id GROUP BY c.name, i.sku"
    )
    return {(row.name, row.sku): int(row.units) for row in rows}
