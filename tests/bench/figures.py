"""What a part of the bench reports, and how costs are taken."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median

import msgspec


@dataclass
class Cost:
    """What a stretch of work took of the wall clock, of this process's CPU and of the server's, in seconds."""

    wall: float = 0.0
    cpu: float = 0.0
    server: float = 0.0


@contextmanager
def measured(server: Callable[[], float] = lambda: 0.0) -> Iterator[Cost]:
    """Fills the cost in when the block ends; `server` tells what the database's own processes have used so far.

    What is in memory already does not make this block's garbage collections dearer.
    """
    cost = Cost()
    gc.collect()
    gc.freeze()
    elsewhere, wall, cpu = server(), time.perf_counter(), time.process_time()
    yield cost
    cost.wall, cost.cpu = time.perf_counter() - wall, time.process_time() - cpu
    cost.server = server() - elsewhere
    gc.unfreeze()


@dataclass
class Runs:
    """The same work done several times, in turn with what it is compared to.

    The median stands for the wall time, and the least for the CPU: what else the machine does can only add to it.
    """

    units: int
    """Orders, levels … that one run works off."""
    costs: list[Cost] = field(default_factory=list)

    def per_second(self) -> float:
        return self.units / median(cost.wall for cost in self.costs)

    def cpu_micros(self) -> float:
        """Microseconds of our process's CPU for one unit."""
        return min(cost.cpu for cost in self.costs) / self.units * 1e6

    def whole_cpu_micros(self) -> float:
        """Microseconds of CPU for one unit, the database server's processes included."""
        return min(cost.cpu + cost.server for cost in self.costs) / self.units * 1e6

    def served(self) -> bool:
        """Whether a server did a part of it."""
        return any(cost.server for cost in self.costs)

    def spread(self) -> float:
        """The slowest run's wall time over the fastest's: how noisy the machine was."""
        walls = [cost.wall for cost in self.costs]
        return max(walls) / min(walls)


class Figure(msgspec.Struct, kw_only=True):
    """One line of the table."""

    part: str
    what: str
    unit: str
    ours: float
    floor: float | None = None
    """The same by the bare means."""
    against: str = ""
    """What those are."""
    aim: float | None = None
    """What the ratio is to reach: at most this where less is better, else at least."""
    less_is_better: bool = False
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours over the floor."""
        return None if not self.floor else self.ours / self.floor

    @property
    def met(self) -> bool | None:
        """Whether the aim is reached; None where there is none."""
        if self.aim is None or self.ratio is None:
            return None
        return self.ratio <= self.aim if self.less_is_better else self.ratio >= self.aim


class Report(msgspec.Struct, kw_only=True):
    """What one part found out."""

    figures: list[Figure] = []
    faults: list[str] = []
    """What must never be, however fast: oversold stock, deadlocks, lost orders."""


def compare(
    part: str, what: str, unit: str, ours: Runs, floor: Runs, against: str, *, aim: float | None = None
) -> list[Figure]:
    """Speed and CPU of the same work by us and by the bare means.

    `aim` is for the CPU of all that is done, by a server too where there is one: at most so many times the floor.
    """
    speed = Figure(
        part=part,
        what=f"{what}: speed",
        unit=f"{unit}s/s",
        ours=ours.per_second(),
        floor=floor.per_second(),
        against=against,
        note=f"slowest/fastest run {ours.spread():.2f} (floor {floor.spread():.2f})",
    )

    def cpu(of: str, ours: float, floor: float, aim: float | None) -> Figure:
        return Figure(
            part=part,
            what=f"{what}: CPU{of}",
            unit=f"µs/{unit}",
            ours=ours,
            floor=floor,
            against=against,
            aim=aim,
            less_is_better=True,
        )

    if not ours.served():
        return [speed, cpu("", ours.cpu_micros(), floor.cpu_micros(), aim)]
    return [
        speed,
        cpu(", the server's too", ours.whole_cpu_micros(), floor.whole_cpu_micros(), aim),
        cpu(" of our process", ours.cpu_micros(), floor.cpu_micros(), None),
    ]
