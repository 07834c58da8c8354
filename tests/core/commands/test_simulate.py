"""`ordersync simulate`: the far ends alone, and what points a channel at them."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from core.commands import simulate
from core.connector import SIMULATORS, find, find_simulator, names
from core.settings import load
from core.settings.problem import in_toml
from tests.core.commands.desk import Desk


@contextmanager
def served(desk: Desk, *args: str) -> Iterator[Any]:
    """The command as a process of its own; its JSON document. Ctrl-C ends it, cleanly."""
    process = subprocess.Popen(
        [sys.executable, "-m", "daemon", "simulate", *args, "--json", "--config", str(desk.config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        lines: list[str] = []
        while not lines or lines[-1] != "}\n":
            lines.append(process.stdout.readline())
            assert lines[-1], process.communicate()[1]
        yield json.loads("".join(lines))
    finally:
        process.send_signal(signal.SIGINT)
        rest, told = process.communicate(timeout=30)
    assert (process.returncode, rest, told) == (0, "", "")


def test_a_channel_pointed_at_a_simulator_takes_its_orders_in(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(desk, "walmart", "--orders", "3", "--rate", "300") as told:
        (one,) = told["channels"]
        assert one["config"]["base_url"] == one["base_url"]
        for name, value in one["environment"].items():
            monkeypatch.setenv(name, value)
        desk.write("channels/walmart.toml", _toml(one["config"]))
        assert load(desk.config).problems == ()
        (row,) = desk.ok("round")["channels"]
        assert row["state"] == "ok"
        assert row["stored"] >= 3
        before = row["stored"]
        assert desk.ok("round")["channels"][0]["stored"] + before > 3


def _toml(config: dict[str, Any]) -> str:
    return "".join(f"{key} = {in_toml(value)}\n" for key, value in config.items())


@pytest.mark.parametrize("name", names(SIMULATORS))
def test_every_simulator_can_be_furnished_and_ordered_from(name: str) -> None:
    far_end = find_simulator(name).furnished("acme", seed=1, faulty=True)
    numbers = far_end.let_buyers_order(5)
    assert len(set(numbers)) == 5
    assert set(numbers) == set(far_end.truths())
    assert sum(far_end.faults.rates.values()) > 0
    assert len({sku for sku, _ in far_end.levels()}) == 12


def test_the_printed_keys_are_a_channels_file(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulate, "_serve", lambda *_: None)
    ran = desk.run("simulate", *names(SIMULATORS))
    assert ran.code == 0
    *blocks, last = ran.out.strip().split("\n\n")
    assert last == "# Ctrl-C ends it."
    tables = {table["connector"]: table for table in map(tomllib.loads, blocks)}
    assert sorted(tables) == names(SIMULATORS)
    for name, table in tables.items():
        assert set(table) <= set(find(name).Settings.model_fields)
        assert set(table["locations"]) == {"east", "west"}


def test_a_port_that_is_taken_is_one_line(desk: Desk) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = desk.run("simulate", "walmart", "--port", port)
    assert ran.code == 2
    assert ran.told.startswith(f"ordersync: port {port} cannot be had (")


def test_a_simulator_that_is_not_there_is_named_with_those_that_are(desk: Desk) -> None:
    ran = desk.run("simulate", "ebay")
    assert ran.code == 2
    assert ran.told == f"ordersync: no connector is called 'ebay'; there are: {', '.join(names(SIMULATORS))}"
