"""`make crash`: the real daemon is killed with SIGKILL again and again while the simulated channels misbehave.

At the end every order stands in the store exactly once, `verify` passes, each shipment, cancellation and refund took
effect at its channel exactly once and the levels agree. The play is seeded, and the seed is printed; the instants of
the kills are drawn from it too, but what the operating system makes of them is its own affair.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from connectors.simulation import FaultPlan
from core.commands.judgement import Row
from core.commands.rehearsal import Rehearsal, stop

ORDERS_BETWEEN_KILLS = 4
PATIENCE = 180.0
LONGEST_LIFE = 12.0
"""Seconds after which a daemon is killed even if it has gone quiet."""


class Crash:
    """One crash test: what was done, and what came of it."""

    def __init__(self, folder: Path, seed: int, store_url: str = "sqlite:///ordersync.sqlite") -> None:
        self.seed = seed
        self.random = random.Random(seed)
        rates = FaultPlan.ordinary_bad_day().rates
        self.play = Rehearsal(folder, seed=seed, faults=rates, store_url=store_url)
        self.log = folder / "daemon.log"
        self.kills = 0
        self.moments: Counter[str] = Counter()
        self.rows: list[Row] = []
        self.breaches: list[str] = []

    def run(self, kills: int) -> bool:
        """Kills the daemon `kills` times, lets it come to rest, and judges; True when everything holds."""
        self.play.open()
        daemon = None
        try:
            for _ in range(kills):
                daemon = self.play.start_daemon(self.log)
                self._trade(daemon)
                daemon.kill()
                daemon.wait()
                self.kills += 1
                self._see_moment()
            self.play.staff.discover()
            daemon = self.play.start_daemon(self.log)
            self._settle(daemon)
            code = stop(daemon)
            if code != 0:
                self.breaches.append(f"the last daemon ended with exit code {code}")
        finally:
            if daemon is not None and daemon.poll() is None:
                daemon.kill()
                daemon.wait()
            self.play.close()
        return not self.breaches and not any(row.problems for row in self.rows)

    def _trade(self, daemon: subprocess.Popen[bytes]) -> None:
        """Buyers order, operators decide and the warehouse ships until the kill: a number of calls after the start.

        Counting the channels' calls rather than seconds puts the kill into the middle of the work on any machine.
        """
        for name in self.play.channels:
            for _ in range(ORDERS_BETWEEN_KILLS):
                self.play.buy(name)
            if self.random.random() < 0.5:
                self.play.cancel(name)
            if self.random.random() < 0.5:
                self.play.staff.call_off(name)
            if self.random.random() < 0.5:
                self.play.staff.give_back(name)
            if self.random.random() < 0.3:
                self.play.staff.mistype(name)
        moment = self._calls() + self.random.randrange(1, 60)
        ends = time.monotonic() + LONGEST_LIFE
        while self._calls() < moment and time.monotonic() < ends:
            if daemon.poll() is not None:
                raise SystemExit(f"the daemon ended by itself with {daemon.returncode}; see {self.log}")
            if self.random.random() < 0.05:
                self.play.staff.send(most=self.random.randrange(1, 12))
            if self.random.random() < 0.002:  # about one a second: a daemon that starts slowly must not see a flood
                self.play.staff.call_off(self.random.choice(list(self.play.channels)))
            time.sleep(0.002)
        time.sleep(self.random.uniform(0.0, 0.02))

    def _calls(self) -> int:
        return sum(sum(simulator.calls.values()) for simulator in self.play.channels.values())

    def _see_moment(self) -> None:
        """Notes what the kill left in flight, to show that it hit where it hurts."""
        if self.play.store is None:
            return
        with self.play.store.read() as tx:
            for table in ("pushes", "levels"):
                for row in tx.rows(f"SELECT state, count(*) AS n FROM {table} GROUP BY state"):
                    if row.state in ("sent", "unknown", "accepted"):
                        self.moments[f"{table} {row.state}"] += 1

    def _settle(self, daemon: subprocess.Popen[bytes]) -> None:
        ends = time.monotonic() + PATIENCE
        while True:
            if daemon.poll() is not None:
                raise SystemExit(f"the daemon ended by itself with {daemon.returncode}; see {self.log}")
            busy = self.play.staff.send()
            self.rows = self.play.judge()
            quiet = not busy and not self.play.pending() and not any(row.problems for row in self.rows)
            if quiet or time.monotonic() > ends:
                self.breaches = self.play.breaches()
                return
            time.sleep(0.5)

    def report(self) -> str:
        """What happened, in lines."""
        lines = [f"seed {self.seed}: {self.kills} kills; found in flight: {dict(self.moments) or 'nothing'}"]
        for name, simulator in self.play.channels.items():
            faults = {str(fault): count for fault, count in simulator.faults.struck.items() if count}
            lines.append(f"{name}: faults {faults}")
        for row in self.rows:
            lines.append(
                f"{row.channel}: {row.cancelled_confirmed}/{row.cancelled} cancellations shown there,"
                f" {row.refunds_given}/{row.refunds} refunds given once, {row.corrected} parcels corrected"
            )
            lines.append(
                f"{row.channel}: {row.at_channel} orders there, {row.imported} here, {row.parcels} parcels,"
                f" {row.confirmed} confirmed once, {row.levels_equal}/{row.levels} levels equal"
            )
            lines += [f"  PROBLEM {problem}" for problem in row.problems]
        lines += [f"BREACH {breach}" for breach in self.breaches]
        return "\n".join(lines)


def main() -> None:
    """The command behind `make crash`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--store", default="sqlite:///ordersync.sqlite", help="a store URL; by default a fresh file")
    arguments = parser.parse_args()
    seed = random.randrange(10**6) if arguments.seed is None else arguments.seed
    sys.stdout.write(f"seed {seed}\n")
    sys.stdout.flush()
    folder = Path(tempfile.mkdtemp(prefix="ordersync-crash-"))
    crash = Crash(folder, seed, arguments.store)
    sound = crash.run(arguments.kills)
    sys.stdout.write(crash.report() + f"\n{'all checks hold' if sound else f'NOT all checks hold; see {folder}'}\n")
    raise SystemExit(0 if sound else 1)


if __name__ == "__main__":
    main()
