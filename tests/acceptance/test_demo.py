"""`ordersync demo` as a person runs it: the whole story, each of its turns at least once, judged by the channels."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from core.commands.episodes import EPISODES, happened, missing
from core.store.database import Store


def ordersync(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "daemon", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "COLUMNS": "100", **env},
    )


def test_the_demo_tells_the_whole_story_however_few_orders_it_plays(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    done = ordersync("demo", "--orders", "2", "--no-faults", "--json", "--keep", str(kept))
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["ok"]
    assert told["breaches"] == []
    assert told["orders"].keys() == {one.name for one in EPISODES}
    assert all(times >= 1 for times in told["orders"].values())
    assert all(row["at_channel"] == row["imported"] >= 2 for row in told["channels"])
    depot = told["warehouse"]
    assert (depot["location"], depot["lying"], depot["aside"], depot["problems"]) == ("west", 0, 0, [])
    assert depot["parcels"] == depot["booked"] > 1
    assert depot["handed"] > depot["taken"] >= 1
    assert depot["declined"] >= 1
    assert depot["recalled"] >= 1
    assert len(told["metrics"]) == len({metric["definition"] for metric in told["metrics"]}) > 5
    assert "export CREDENTIALS_DIRECTORY=" in done.stderr
    looked = ordersync("orders", "--json", "--config", f"{kept}/config", CREDENTIALS_DIRECTORY=f"{kept}/secrets")
    assert looked.returncode == 0, looked.stderr
    assert len(json.loads(looked.stdout)["orders"]) == sum(row["imported"] for row in told["channels"])


def test_a_story_that_misses_a_turn_is_no_whole_one(sqlite_store: Store) -> None:
    told = missing(happened(sqlite_store))
    assert len(told) == len(EPISODES)
    assert "no orders left from two locations" in told
