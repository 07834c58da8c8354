"""The page of commands is the commands."""

from __future__ import annotations

from typing import Any

import pytest
import typer

import daemon
from tests.core.commands.reference import PAGE, page


def _commands(command: Any, path: str = "") -> dict[str, Any]:
    below = getattr(command, "commands", None)
    if below is None:
        return {path: command}
    return {name: found for word in below for name, found in _commands(below[word], f"{path} {word}".strip()).items()}


COMMANDS = _commands(typer.main.get_command(daemon.app()))


def test_the_page_of_commands_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tests.core.commands.reference"


def test_the_commands_are_those_that_are_promised() -> None:
    promised = {
        "round", "run", "check", "status", "resync", "plan", "orders", "order", "ship", "stock show", "stock set",
        "stock receive", "stock adjust", "stock count", "stock kit", "listings list", "listings map", "listings unmap",
        "listings read", "quarantine list", "quarantine show", "quarantine retry", "verify", "simulate", "doctor",
        "reconcile", "backfill", "returns", "listings report", "hold", "release",
        "stock preorder", "stock backorder", "stock ahead", "reject", "reroute",
    }  # fmt: skip
    assert promised <= set(COMMANDS)
    absent = {"return", "metrics"}
    assert not absent & set(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_takes_a_configuration_and_says_what_it_does(name: str) -> None:
    options = {option for param in COMMANDS[name].params for option in param.opts}
    assert "--config" in options or name == "demo"  # which writes its own
    assert "--json" in options or name == "run"  # which prints nothing
    assert COMMANDS[name].help
    assert all(param.help for param in COMMANDS[name].params)
