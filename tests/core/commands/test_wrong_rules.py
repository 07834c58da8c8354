"""A mistake in routing.toml stops what gives orders a location, and nothing else."""

from __future__ import annotations

import pytest

from connectors.sandbox import FarEnd
from tests.core.commands.desk import Desk

WRONG = "routing.toml: unknown key `splitt`; did you mean `split`?"


@pytest.fixture
def mistaken(desk: Desk, shop: FarEnd) -> Desk:
    """One order is here and routed, another waits at the channel, and somebody has mistyped a key."""
    shop.place([("TEE", 1)])
    desk.ok("round")
    shop.place([("TEE", 1)])
    desk.write("routing.toml", "splitt = true\n")
    return desk


def test_status_goes_on_and_tells_of_it(mistaken: Desk) -> None:
    ran = mistaken.run("status")
    assert (ran.code, ran.err) == (2, "")
    assert WRONG in ran.out.splitlines()
    assert "until routing.toml is right, no daemon starts" in ran.out.splitlines()
    told = mistaken.run("status", "--json")
    assert (told.code, told.json["problems"], told.json["channels"][0]["health"]) == (2, [WRONG], "ok")
    mistaken.write("routing.toml", "split = true\n")
    assert mistaken.ok("status")["problems"] == []


def test_status_says_that_a_daemon_keeps_the_rules_that_were_right(mistaken: Desk) -> None:
    store = mistaken.store()
    with store.sole_instance():
        assert "until routing.toml is right, the daemon goes on with the rules that were right last" in (
            mistaken.run("status").out.splitlines()
        )
    store.close()


@pytest.mark.parametrize(
    "command",
    ["stock receive TEE east 4", "stock show", "orders", "order 1", "issues", "verify", "push list", "route", "ship 1 "
     "--location east --carrier UPS --tracking 1Z1", "cancel 1 --line TEE=1 --reason other", "quarantine list"],
)  # fmt: skip
def test_what_routes_nothing_works(mistaken: Desk, command: str) -> None:
    ran = mistaken.run(*command.split())
    assert (ran.code, ran.err) == (0, "")


@pytest.mark.parametrize("command", ["round", "round shop", "plan", "reroute 1 --recall",
                                     "route --what-if RULES --from 2026-01-01 --to 2026-01-02"])  # fmt: skip
def test_what_routes_says_why_not_and_does_nothing(mistaken: Desk, command: str) -> None:
    mistaken.write("rules.toml.new", "split = false\n")
    words = [str(mistaken.config / "rules.toml.new") if word == "RULES" else word for word in command.split()]
    ran = mistaken.run(*words)
    assert (ran.code, ran.told, ran.out) == (2, f"ordersync: {WRONG}", "")
    assert mistaken.rows("SELECT count(*) FROM orders")[0][0] == 1
    assert mistaken.rows("SELECT count(*) FROM channels WHERE health = 'ok'")[0][0] == 1
