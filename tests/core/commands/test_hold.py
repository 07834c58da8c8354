"""`hold` and `release` at an operator's desk."""

from __future__ import annotations

import pytest

from connectors.sandbox import FarEnd
from tests.core.commands.desk import Desk


@pytest.fixture
def number(desk: Desk, shop: FarEnd) -> str:
    """An order of three tees, taken in and released to the east."""
    placed = shop.place([("TEE", 3)])
    desk.ok("round")
    return placed


def test_a_hold_says_what_a_location_was_asked_for_already_and_recalls_it_when_told_to(desk: Desk, number: str) -> None:
    ran = desk.run("hold", number, "--why", "call the buyer")
    assert ran.out.splitlines() == [
        f"order #{number[2:]} is held",
        "east was asked to send 3 of it already, and may: to ask them back, add --recall",
    ]
    told = desk.ok("hold", number, "--why", "wrong size", "--recall", "--until", "2031-01-02")
    assert (told["new"], told["recalled"], told["until"]) == (False, {"east": 3}, "2031-01-02T00:00:00Z")
    story = desk.ok("order", number)
    (held,) = story["holds"]
    assert (held["hold"], held["by"], held["why"]) == ("operator", "operator", "wrong size")
    assert held["until"] == "2031-01-02T00:00:00Z"
    assert story["status"] == "held"
    assert any("held: operator: call the buyer (operator)" in one["what"] for one in story["timeline"])
    out = desk.run("order", number).out
    assert "2031-01-02 00:00:00Z" in out
    assert out.count("held: operator: wrong size") == 1  # once on the timeline, and not a second time as what stands


def test_an_order_that_is_released_ships(desk: Desk, number: str) -> None:
    desk.ok("hold", number, "--why", "wait", "--recall")
    refused = desk.run("ship", number, "--location", "east", "--carrier", "UPS", "--tracking", "T1", "--line", "TEE=3")
    assert (refused.code, "is held (operator)" in refused.told) == (2, True)
    assert desk.run("release", number).out == f"order #{number[2:]} is held for operator no more\n"
    (round_,) = desk.ok("round")["channels"]
    assert round_["released"] == 1
    assert [work["state"] for work in desk.ok("order", number)["fulfilment"]] == ["cancelled", "released"]


def test_a_hold_of_the_channel_needs_a_reason_and_then_stays_set_aside(desk: Desk, number: str) -> None:
    desk.change("INSERT INTO holds (order_id, hold, \"by\", since) SELECT id, 'fraud', 'channel', 5 FROM orders")
    refused = desk.run("release", number, "--hold", "fraud")
    assert (refused.code, "say with --why" in refused.told) == (2, True)
    told = desk.ok("release", number, "--hold", "fraud", "--why", "the buyer is known")
    assert (told["lifted"], told["still"]) == ("fraud", [])
    (aside,) = desk.ok("order", number)["set_aside"]
    assert (aside["hold"], aside["why"], aside["by"]) == ("fraud", "the buyer is known", "operator")
    assert "the buyer is known" in desk.run("order", number).out


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("hold", "NUMBER", "--why", ""), "needs its reason"),
        (("hold", "NUMBER", "--why", "wait", "--until", "2001-01-01"), "2001-01-01 00:00Z is past"),
        (("hold", "nobody", "--why", "wait"), "no order is called"),
        (("release", "NUMBER"), "nothing holds it"),
        (("release", "nobody"), "no order is called"),
    ],
)
def test_a_mistake_is_one_line(desk: Desk, number: str, args: tuple[str, ...], told: str) -> None:
    ran = desk.run(*(number if one == "NUMBER" else one for one in args))
    assert (ran.code, told in ran.told) == (2, True)


def test_a_line_of_an_unknown_sku_is_told_as_a_hold(desk: Desk, shop: FarEnd) -> None:
    placed = shop.place([("TEE", 1), ("NOBODY", 2)])
    desk.ok("round")
    (held,) = desk.ok("order", placed)["holds"]
    assert (held["hold"], held["by"]) == ("unknown_sku", "ordersync")
    assert held["why"].startswith("2 of NOBODY: map it")


def test_a_backordered_order_says_what_it_waits_for(desk: Desk, shop: FarEnd) -> None:
    placed = shop.place([("MUG", 3)])
    desk.ok("round")
    assert desk.ok("orders", "--status", "partially_backordered")["orders"][0]["expected_at"] is None
    desk.ok("stock", "expect", "MUG", "5", "--at", "west", "--ref", "PO7", "--eta", "2031-03-01T12:00:00")
    (told,) = desk.ok("orders", "--status", "partially_backordered")["orders"]
    assert told["expected_at"] == "2031-03-01T12:00:00Z"
    (waiting,) = desk.ok("order", placed)["lines"]
    assert (waiting["backordered"], waiting["expected"], waiting["expected_from"]) == (2, 2, ["PO7"])
    assert waiting["expected_at"] == "2031-03-01T12:00:00Z"
    assert "2031-03-01" in desk.run("orders").out
    assert "PO7" in desk.run("order", placed).out
