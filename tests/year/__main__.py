"""`make year`: a year of trade by a simulated clock, and whether the store agrees with the books kept beside it.

`python -m tests.year [--orders N] [--days D] [--seed S] [--keep FILE]`. Prints what was done, how fast, and every
disagreement; the exit code is 1 where there is one.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from core.store.schema import open_store
from tests.year.judge import judge
from tests.year.judge_metrics import judge_metrics
from tests.year.play import Play


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="make year", description=__doc__)
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="the store's file, kept afterwards")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ordersync-year-") as folder:
        store = open_store(f"sqlite:///{asked.keep or Path(folder) / 'year.sqlite'}")
        try:
            play = Play(store, asked.orders, asked.days, asked.seed)
            found: list[str] = []
            began = time.monotonic()

            def tell(day: int) -> None:
                if (day + 1) % 30 == 0:
                    spent = time.monotonic() - began
                    say(f"day {day + 1:>3}: {play.did['ordered']:,} orders, {spent:,.0f} s")
                if day == asked.days // 2:
                    found.extend(f"half way, {one}" for one in judge_metrics(play))

            play.open()
            play.run(tell)
            spent = time.monotonic() - began
            found += judge(play)
        finally:
            store.close()
    for what, count in sorted(play.did.items()):
        say(f"  {what:<24}{count:>12,}")
    rate = play.did["ordered"] / spent
    say(f"{asked.days} days in {spent:,.1f} s, {rate:,.0f} orders a second (seed {asked.seed})")
    for one in found:
        say(f"DISAGREES: {one}")
    say("store and books agree" if not found else f"{len(found)} disagreements")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
