"""`ordersync simulate`: the far ends alone, and what points a channel at them."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from connectors.sandbox_warehouse import Yard
from core.commands import simulate
from core.commands.always_there import AlwaysThere
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


def test_a_warehouse_pointed_at_a_simulated_one_sends_what_it_is_asked(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(desk, "walmart", "--orders", "3", "--warehouse", "east") as told:
        for one, folder in ((told["channels"][0], "channels"), (told["warehouses"][0], "warehouses")):
            for name, value in one["environment"].items():
                monkeypatch.setenv(name, value)
            name = one.get("channel") or one["warehouse"]
            (desk.config / folder).mkdir(exist_ok=True)
            desk.write(f"{folder}/{name}.toml", _toml(one["config"]))
        assert load(desk.config).problems == ()
        for number in range(1, 13):
            desk.ok("stock", "receive", f"SIM-{number:02d}", "east", 20)
        desk.ok("round")
        desk.ok("round")
        work = desk.ok("warehouse", "work")["work"]
        assert len(work) == 3
        ends = time.monotonic() + 60
        while desk.ok("orders", "--status", "shipped")["orders"] == [] and time.monotonic() < ends:
            time.sleep(0.5)
            desk.ok("round")
        shipped = desk.ok("orders", "--status", "shipped")["orders"]
        assert shipped
        parcels = desk.ok("order", shipped[0]["id"])["shipments"]
        assert [(one["location"], one["origin"]) for one in parcels] == [("east", "warehouse")]
    ran = desk.run("simulate", "walmart", "--warehouse", "moon")
    assert (ran.code, ran.told) == (2, "ordersync: there is no location 'moon'; there are: east, west")


def test_people_who_are_always_there_leave_time_to_call_work_back() -> None:
    yard = Yard()
    people = AlwaysThere(yard, packing=5)
    for key in ("OS-1", "OS-2"):
        lines = [{"number": "1", "sku": "TEE", "quantity": 2}]
        asked = {"key": key, "place": "W-1", "lines": lines, "ship_to": {}}
        assert yard.answer("release", json.dumps(asked).encode())[0] == 200
    people.look(0)
    recall = {"key": "R-1", "work": "OS-1", "lines": {"1": 2}}
    assert json.loads(yard.answer("recall", json.dumps(recall).encode())[1]) == {"done": True}
    for now in (4.9, 5, 6):
        people.look(now)
    page = json.loads(yard.answer("events", b'{"after": 0, "limit": 9}')[1])["events"]
    assert [(one["type"], one["work"]) for one in page] == [
        ("accepted", "OS-1"),
        ("accepted", "OS-2"),
        ("left", "OS-2"),
    ]
    assert page[-1]["parcels"][0]["lines"] == {"1": 2}


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
