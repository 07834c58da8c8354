"""The real `ordersync` script as a process of its own: exit codes, streams and signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import daemon
import ordersync as script
from tests.core.commands.desk import Desk

SCRIPT = Path(sys.executable).parent / "ordersync"


def ordersync(desk: Desk, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, *args, "--config", str(desk.config)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=desk.folder,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
    )


def test_json_is_one_document_and_nothing_else(desk: Desk) -> None:
    desk.channel()
    ran = ordersync(desk, "round", "--json")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert json.loads(ran.stdout)["channels"][0]["state"] == "ok"


def test_a_wrong_configuration_is_lines_on_stderr_and_exit_2(desk: Desk) -> None:
    desk.write("channels/shop.toml", 'connector = "shopfy"\n')
    ran = ordersync(desk, "round")
    assert (ran.returncode, ran.stdout) == (2, "")
    (line,) = ran.stderr.splitlines()
    assert line.startswith("ordersync: channels/shop.toml: connector: no connector is called 'shopfy'; did you mean")


def test_wrong_usage_is_a_line_on_stderr_and_exit_2(desk: Desk) -> None:
    ran = ordersync(desk, "order")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "ordersync: missing argument 'ORDER'; see `ordersync order --help`\n"


def test_a_store_that_cannot_be_used_is_a_line_on_stderr_and_exit_4(desk: Desk) -> None:
    desk.path.write_text("no database\n" * 200)
    ran = ordersync(desk, "verify")
    assert (ran.returncode, ran.stdout) == (4, "")
    (line,) = ran.stderr.splitlines()
    assert line.startswith("ordersync: the store cannot be used: file is not a database")


def test_a_breach_is_exit_1(desk: Desk) -> None:
    desk.ok("stock", "receive", "TEE", "east", "5")
    desk.change("UPDATE items SET on_hand = 9")
    ran = ordersync(desk, "verify", "--json")
    assert (ran.returncode, json.loads(ran.stdout)["sound"]) == (1, False)


@pytest.mark.parametrize(
    "args",
    [("stock", "show"), ("stock", "show", "--json"), ("check",), ("orders", "--help"), ("simulate", "walmart")],
    ids=" ".join,
)
def test_a_reader_that_leaves_early_ends_it_without_a_word(desk: Desk, args: tuple[str, ...]) -> None:
    """As any tool ends whose output goes to `head`: 141, what shells report of SIGPIPE."""
    file = desk.folder / "stock.csv"
    rows = "".join(f"TEE-{number},east,1,{'x' * 500}\n" for number in range(300))
    file.write_text(f"sku,location,quantity,title\n{rows}")
    desk.ok("stock", "set", "--file", str(file))
    with subprocess.Popen(
        [SCRIPT, *args, *(() if "--help" in args else ("--config", str(desk.config)))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 141


def test_a_reader_of_errors_that_leaves_early_gets_none(desk: Desk) -> None:
    with subprocess.Popen([SCRIPT, "order"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stderr.close()
        assert process.stdout.read() == b""
        assert process.wait(60) == 141


@pytest.fixture
def heeded() -> Iterator[None]:
    """Ctrl-C is not ignored by what is started, though the suite itself may run behind an & in a script."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeded")
@pytest.mark.parametrize("loaded", [b"core.errors", b"sqlalchemy.engine"])
def test_ctrl_c_while_the_commands_are_loaded_is_silent_and_exit_130(desk: Desk, loaded: bytes) -> None:
    with subprocess.Popen(
        [SCRIPT, "status", "--config", str(desk.config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "PYTHONPROFILEIMPORTTIME": "1"},  # tells how far the loading is
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stderr:
            if line.rstrip().endswith(loaded):
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read().splitlines()
        assert process.stdout.read() == b""
        assert process.wait(60) == 130
    assert all(line.startswith(b"import time:") for line in rest[:-1]), "the last one may be cut"


@pytest.mark.usefixtures("heeded")
def test_ctrl_c_again_while_it_ends_is_silent_too(desk: Desk) -> None:
    """What is pressed when the command has said all it had to say."""
    code = (
        "import atexit, os, signal, sys, ordersync\n"
        "atexit.register(os.kill, os.getpid(), signal.SIGINT)\n"
        "sys.argv = ['ordersync', '--help']\n"
        "ordersync.main()\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (130, b"")


def test_who_ignores_ctrl_c_goes_on_ignoring_it(desk: Desk) -> None:
    """Under nohup, or behind an & in a script."""
    code = (
        "import os, signal, sys, ordersync\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "sys.argv = ['ordersync', '--help']\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "try:\n ordersync.main()\n"
        "finally:\n sys.exit(0 if signal.getsignal(signal.SIGINT) is signal.SIG_IGN else 1)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60).returncode == 0


def test_completion_knows_the_channels(desk: Desk) -> None:
    desk.channel("outlet")
    ran = subprocess.run(
        [SCRIPT],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=desk.folder,
        env={
            "PATH": os.environ["PATH"],
            "_ORDERSYNC_COMPLETE": "complete_bash",
            "COMP_WORDS": "ordersync resync out",
            "COMP_CWORD": "2",
        },
    )
    assert ran.stdout.split() == ["outlet"]


@pytest.fixture
def running(desk: Desk) -> subprocess.Popen[bytes]:
    """A real daemon with a channel that had its first turn."""
    desk.channel("shop", poll_seconds="3600")
    process = subprocess.Popen([SCRIPT, "run", "--config", str(desk.config)], stderr=subprocess.DEVNULL)
    for _ in range(600):
        if desk.rows("SELECT 1 FROM channels WHERE last_success IS NOT NULL"):
            break
        time.sleep(0.05)
    return process


def test_beside_a_real_daemon_commands_ask_it(desk: Desk, running: subprocess.Popen[bytes]) -> None:
    try:
        assert desk.ok("status")["daemon_running"] is True
        (row,) = desk.ok("round", "--wait", 60)["channels"]
        assert (row["by"], row["state"]) == ("daemon", "ok")
        ran = desk.run("resync", "shop", "S-1", "--wait", 60, "--json")
        assert (ran.code, ran.json["orders"]) == (1, {"S-1": "not found at the channel"})
        second = ordersync(desk, "run")
        assert second.returncode == 2
        assert second.stderr.splitlines()[-1].startswith("ordersync: another ordersync works on this store already")
    finally:
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0
    assert desk.ok("status")["daemon_running"] is False


def test_ctrl_c_while_the_command_line_is_put_together_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(daemon, "main", pressed)
    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(SystemExit) as ended:
            script.main()
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended.value.code == 130
