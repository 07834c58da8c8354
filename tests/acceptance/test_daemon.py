"""The daemon as a process: started, signalled, misconfigured, refused; against a simulated channel on a real socket."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.simulation import Fault
from core.commands.rehearsal import Rehearsal

PATIENCE = 60.0


class Running:
    """A daemon on a rehearsal's configuration, and what it logged."""

    def __init__(self, play: Rehearsal) -> None:
        self.play = play
        self.log = play.folder / "daemon.log"
        self.process = play.start_daemon(self.log)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line["event"] == name]

    def until(self, true: Callable[[], object], what: str) -> None:
        """Waits until `true()`, and fails with the log when that takes too long."""
        ends = time.monotonic() + PATIENCE
        while not true():
            assert self.process.poll() is None, f"the daemon ended: {self.log.read_text()}"
            assert time.monotonic() < ends, f"{what} did not happen: {self.log.read_text()[-3000:]}"
            time.sleep(0.05)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Rehearsal]:
    play = Rehearsal(tmp_path, seed=3, channels=["shopify"])
    play.open()
    yield play
    play.close()


@pytest.fixture
def daemon(play: Rehearsal) -> Iterator[Running]:
    running = Running(play)
    yield running
    if running.process.poll() is None:
        running.process.kill()
        running.process.wait()


def _orders(play: Rehearsal) -> int:
    assert play.store is not None
    with play.store.read() as tx:
        return int(tx.value("SELECT count(*) FROM orders"))


def _channel(play: Rehearsal, name: str = "shopify") -> Any:
    assert play.store is not None
    with play.store.read() as tx:
        return tx.row("SELECT * FROM channels WHERE name = :name", name=name)


def test_an_order_is_taken_in_without_being_asked_for(daemon: Running) -> None:
    daemon.play.buy("shopify")
    daemon.until(lambda: _orders(daemon.play) == 1, "the order's arrival")
    assert daemon.stop() == 0


def test_sigterm_ends_it_with_0_and_a_word(daemon: Running) -> None:
    daemon.until(lambda: daemon.events("started"), "the start")
    assert daemon.stop() == 0
    assert daemon.events("stopped")


def test_a_second_daemon_on_the_same_store_is_refused_in_one_line(daemon: Running) -> None:
    daemon.until(lambda: daemon.events("started"), "the start")
    second = subprocess.run(
        [sys.executable, "-m", "daemon", "run", "--config", str(daemon.play.config)],
        env={**os.environ, **daemon.play.environ},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert second.returncode == 2
    assert "another ordersync works on this store" in second.stderr
    assert "Traceback" not in second.stderr
    assert len([line for line in second.stderr.splitlines() if line.strip()]) == 1


def test_a_killed_daemon_leaves_no_lock_behind(daemon: Running) -> None:
    daemon.until(lambda: daemon.events("started"), "the start")
    daemon.process.kill()
    daemon.process.wait()
    again = Running(daemon.play)
    try:
        daemon.play.buy("shopify")
        again.until(lambda: _orders(daemon.play) == 1, "the order's arrival")
        assert again.stop() == 0
    finally:
        again.process.kill()


def test_a_broken_configuration_is_told_and_the_last_good_one_stays(daemon: Running) -> None:
    play = daemon.play
    daemon.until(lambda: daemon.events("started"), "the start")
    file = play.config / "channels" / "shopify.toml"
    good = file.read_text()
    file.write_text(good.replace("poll_seconds = 1", "poll_secnds = 1"))
    daemon.until(lambda: daemon.events("configuration is wrong; the last good one stays"), "the complaint")
    assert "poll_seconds" in json.dumps(daemon.events("configuration is wrong; the last good one stays"))
    play.buy("shopify")
    daemon.until(lambda: _orders(play) == 1, "the order's arrival under the last good configuration")
    file.write_text(good.replace("poll_seconds = 1", "poll_seconds = 2"))
    daemon.until(lambda: daemon.events("configuration changed"), "the change")


def test_an_outage_is_one_line_at_its_start_and_one_at_its_end(daemon: Running) -> None:
    play = daemon.play
    daemon.until(lambda: (row := _channel(play)) is not None and row.last_success is not None, "the first turn")
    play.channels["shopify"].faults.set({Fault.HTML_503: 1.0})
    daemon.until(lambda: _channel(play).fails >= 2, "two failures in a row")
    assert _channel(play).health == "unavailable"
    assert len(daemon.events("channel does not answer")) == 1
    play.channels["shopify"].faults.heal()
    play.buy("shopify")
    daemon.until(lambda: _orders(play) == 1, "the order's arrival after the outage")
    daemon.until(lambda: daemon.events("channel works again"), "the end of the outage")
    assert len(daemon.events("channel does not answer")) == 1


def test_revoked_credentials_park_one_channel_and_no_other(tmp_path: Path) -> None:
    play = Rehearsal(tmp_path, seed=4, channels=["shopify", "walmart"])
    play.open()
    play.environ = {name: "revoked" if "SHOPIFY" in name else value for name, value in play.environ.items()}
    daemon = Running(play)
    try:
        daemon.until(lambda: daemon.events("channel is parked"), "the parking")
        play.buy("walmart")
        daemon.until(lambda: _orders(play) == 1, "the other channel's order")
        row = _channel(play)
        assert row.health == "parked"
        assert row.reason
        assert "revoked" not in daemon.log.read_text()
        assert daemon.stop() == 0
    finally:
        daemon.process.kill()
        play.close()


def test_no_buyer_and_no_secret_reaches_the_log(daemon: Running) -> None:
    play = daemon.play
    play.buy("shopify")
    daemon.until(lambda: _orders(play) == 1, "the order's arrival")
    daemon.until(lambda: play.staff.send() or not play.pending(), "the shipment")
    daemon.stop()
    text = daemon.log.read_text()
    for secret in (*play.environ.values(), "Lovelace", "Analytical", "example.test"):
        assert secret not in text
