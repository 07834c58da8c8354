"""`ordersync demo` as a person runs it: the whole story, each of its turns at least once, judged by the channels."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
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


def test_a_demo_that_is_ended_leaves_no_daemon_and_no_folder(tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "daemon", "demo", "--orders", "500", "--no-faults"]
    play = subprocess.Popen(arguments, env={**os.environ, "TMPDIR": str(tmp_path)}, stderr=subprocess.DEVNULL)
    try:
        ends = time.monotonic() + 60
        while not (running := processes(tmp_path)) and time.monotonic() < ends:
            time.sleep(0.1)
        assert running, "its daemon never began"
        play.send_signal(signal.SIGTERM)
        assert play.wait(40) == 128 + signal.SIGTERM
        assert processes(tmp_path) == []
        assert list(tmp_path.iterdir()) == []
    finally:
        play.kill()


def processes(folder: Path) -> list[str]:
    """Those whose command line names the folder."""
    found = []
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = one.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it has ended meanwhile
        found += [line] if str(folder) in line and "daemon" in line else []
    return found


def test_a_story_that_misses_a_turn_is_no_whole_one(sqlite_store: Store) -> None:
    told = missing(happened(sqlite_store))
    assert len(told) == len(EPISODES)
    assert "no orders left from two locations" in told
