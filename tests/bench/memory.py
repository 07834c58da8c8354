"""Memory: how far a process grows while it takes a long backfill in. Run as a module it is that process."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

from core.sync.channel import clock
from core.sync.pull import pull
from core.sync.take_in import Counts
from tests.bench import seller
from tests.bench.databases import databases, opened
from tests.bench.figures import Figure, Report
from tests.bench.shop import shop

FLAT = 1.1
"""The peak may be so many times what it was after the first fifth, when SQLite's page cache of 64 MiB is full."""


def memory(quick: bool) -> Report:
    """A backfill through the socket, in a process that does nothing else."""
    orders = 5_000 if quick else 200_000
    report = Report()
    with databases() as kinds, shop() as address:
        for database in kinds:
            template = database.template(seller.fill)
            command = [sys.executable, "-m", "tests.bench.memory", template, f"{address}/wide/0/{orders}", str(orders)]
            told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
            database.drop(template)
            if told["stored"] != orders:
                report.faults.append(f"{database.name}: of {orders} backfilled orders {told['stored']} were stored")
            report.figures.append(
                Figure(
                    part="memory",
                    what=f"{database.name}: peak memory of a backfill of {orders:,} orders",
                    unit="MiB",
                    ours=told["peak"],
                    floor=told["early"],
                    against=f"the same process after {orders // 5:,} orders",
                    aim=FLAT,
                    less_is_better=True,
                    note=f"{told['begin']:.0f} MiB before the first page",
                )
            )
    return report


def _peak() -> float:
    """This process's peak resident memory in MiB. On Linux that of the program itself: what it was started from, which
    `getrusage` counts in, is left out."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)


def main(url: str, address: str, orders: int) -> None:
    told = {"begin": _peak()}

    def note(counts: Counts) -> None:
        if "early" not in told and counts.stored >= orders // 5:
            told["early"] = _peak()

    connector = seller.open_shop(address)
    with opened(url) as store:
        counts = pull(store, seller.take_up_shop(store, connector), clock, progress=note)
    connector.close()
    sys.stdout.write(json.dumps({**told, "peak": _peak(), "stored": counts.stored}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
