"""`reject` and `reroute` at an operator's desk."""

from __future__ import annotations

import pytest

from connectors.sandbox import FarEnd
from tests.core.commands.desk import Desk


@pytest.fixture
def number(desk: Desk, shop: FarEnd) -> str:
    """Three tees, of which east has ten and west two."""
    desk.ok("stock", "receive", "TEE", "west", 2)
    placed = shop.place([("TEE", 3)])
    desk.ok("round")
    return placed


def test_a_rejection_is_routed_again_and_told(desk: Desk, number: str) -> None:
    ran = desk.run("reject", number, "--location", "east", "--line", "TEE=2", "--reason", "damaged by water")
    assert ran.code == 0
    assert ran.out.splitlines() == [
        f"2 units of order #{number[2:]} taken back",
        "east is asked for 1",
        "west is asked for 2",
    ]
    again = desk.run("reject", number, "--location", "east", "--line", "TEE=2", "--reason", "damaged by water")
    assert (again.code, again.out.splitlines()[0]) == (
        0, f"that of order #{number[2:]} was said already; nothing changed",
    )  # fmt: skip
    rest = desk.ok("reject", number, "--location", "east", "--reason", "damaged by water")
    assert (rest["new"], rest["units"], rest["waits"]) == (True, {"L1": 1}, "east: damaged by water")
    told = desk.ok("order", number)
    assert [(one["location"], one["state"]) for one in told["fulfilment"]] == [
        ("east", "rejected"),
        ("west", "planned"),
    ]
    assert (told["waiting"]["reason"], told["waiting"]["what"]) == ("rejected", "east: damaged by water")
    assert [(one["location"], one["why"]) for one in told["left_out"]] == [("east", "damaged by water")]
    out = desk.run("order", number).out
    assert "waits for a location since" in out
    assert "`ordersync reroute 1 --allow LOCATION` lets one be asked again" in out.splitlines()
    assert "rejected: east cannot send 1 of TEE: damaged by water (operator)" in out


def test_rerouting_needs_the_location_told(desk: Desk, number: str) -> None:
    ran = desk.run("reroute", number, "--away-from", "east")
    assert (ran.code, ran.out) == (2, "")
    assert "east may be picking order" in ran.told
    done = desk.ok("reroute", number, "--away-from", "east", "--recall", "--reason", "a strike")
    assert (done["asked"], done["waits"]) == ({"west": 2}, "east: a strike")
    ran = desk.run("reroute", number, "--allow", "east")
    assert ran.code == 0
    assert ran.out.splitlines() == [f"2 units of order #{number[2:]} taken back", "east is asked for 3"]
    assert desk.run("verify").code == 0


def test_a_location_nobody_knows_is_exit_2_and_one_line(desk: Desk, number: str) -> None:
    for words in (("reject", number, "--location", "moon", "--reason", "x"), ("reroute", number, "--allow", "moon")):
        ran = desk.run(*words)
        assert (ran.code, ran.out) == (2, "")
        assert "there is no location 'moon'; there are: east, west" in ran.told
