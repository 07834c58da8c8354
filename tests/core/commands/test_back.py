"""`ordersync void`, `keep`, `return …` and `aside …`: what an operator types and reads."""

from __future__ import annotations

import pytest

from connectors.sandbox import FarEnd, Sandbox
from core.connector import Ability
from tests.core.commands.desk import Desk


def ship(desk: Desk, number: str, tracking: str = "T1", told: bool = True) -> None:
    desk.ok("ship", number, "--location", "east", "--carrier", "UPS", "--tracking", tracking)
    if told:
        desk.ok("round")


def test_a_parcel_that_never_left(desk: Desk, shop: FarEnd) -> None:
    number = shop.place([("TEE", 2)])
    desk.ok("round")
    ship(desk, number, told=False)
    void = ("void", number, "--tracking", "T1", "--why", "label bought twice")
    done = desk.ok(*void)
    assert (done["new"], done["location"], done["shown"]) == (True, "east", False)
    assert [(one["sku"], one["quantity"]) for one in done["lines"]] == [("TEE", 2)]
    assert "was void already; nothing changed" in desk.run(*void).out
    desk.ok("round")
    (line,) = desk.ok("order", number)["lines"]
    assert (line["shipped"], line["allocated"]) == (0, 2)
    assert "void since" in desk.run("order", number).out
    ran = desk.run("void", number, "--tracking", "T9", "--why", "x")
    assert (ran.code, "has no parcel 'T9'" in ran.told) == (2, True)


def test_a_void_parcel_the_channel_was_told_of_is_taken_back_there(desk: Desk, shop: FarEnd) -> None:
    number = shop.place([("TEE", 2)])
    desk.ok("round")
    ship(desk, number)
    (told,) = shop.effects()
    ran = desk.run("void", number, "--tracking", "T1", "--why", "label bought twice")
    assert "shop was told of it: it is taken back there with the next round (push 3)" in ran.out
    (due,) = desk.ok("plan")["pushes"]
    assert (due["kind"], due["what"]) == ("void", "UPS T1 never left")
    assert "shown there until it is taken back there (queued)" in desk.run("order", number).out
    assert desk.ok("issues", "--kind", "void_shown")["issues"] == []
    desk.ok("round")
    ship(desk, number, "T2")
    assert (told.tracking, [one.tracking for one in shop.effects()]) == ("T1", ["T2"])
    desk.ok("round")
    void, sent = desk.ok("order", number)["shipments"]
    assert (void["void_shown"], void["void_push"], sent["push"]) == (False, "confirmed", "confirmed")
    assert "taking the void parcel back is confirmed at the channel" in desk.run("order", number).out
    assert desk.ok("push", "list")["pushes"] == []


def test_a_void_parcel_the_channel_was_told_of_is_settled_there(
    desk: Desk, shop: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sandbox, "abilities", Sandbox.abilities - {Ability.VOID_TRACKING})
    monkeypatch.setattr(Sandbox, "absent", {Ability.VOID_TRACKING: "the vendor takes no parcel back"})
    number = shop.place([("TEE", 1)])
    desk.ok("round")
    ship(desk, number)
    void = ("void", number, "--tracking", "T1", "--why", "never left")
    assert "shop was told of it: take it back there by hand" in desk.run(*void).out
    desk.ok("round")
    (parcel,) = desk.ok("order", number)["shipments"]
    assert (parcel["void_shown"], parcel["void_why"]) == (True, "never left")
    (issue,) = desk.ok("issues", "--kind", "void_shown")["issues"]
    assert issue["subject"] == "#1001"
    assert desk.ok(*void, "--settled")["new"]
    assert "was settled already" in desk.run(*void, "--settled").out
    assert desk.ok("issues", "--kind", "void_shown")["issues"] == []


def test_units_cancelled_too_late_stay_with_the_buyer(desk: Desk, shop: FarEnd) -> None:
    number = shop.place([("TEE", 2)])
    desk.ok("round")
    ship(desk, number, told=False)
    shop.cancel(number)
    desk.ok("round")
    (line,) = desk.ok("order", number)["lines"]
    assert line["late"] == 2
    assert "late" in desk.run("order", number).out
    assert list(desk.ok("keep", number, "--why", "a gift", "--line", "TEE=1")["lines"].values()) == [1]
    assert desk.run("keep", number, "--why", "a gift").out.endswith(": 1 TEE\n")
    ran = desk.run("keep", number, "--why", "a gift")
    assert (ran.code, "waits for a decision" in ran.told) == (2, True)


def test_a_return_from_its_opening_to_the_shelf(desk: Desk, shop: FarEnd) -> None:
    number = shop.place([("TEE", 4)])
    desk.ok("round")
    ship(desk, number)
    opened = desk.ok("return", "open", number, "--line", "TEE=4", "--reason", "too small")
    assert opened["return"] == "RMA-1"
    received = desk.ok("return", "receive", "RMA-1", "--line", "TEE=1:restock", "--line", "TEE=1:damaged")
    assert [(one["quantity"], one["disposition"], one["location"]) for one in received["received"]] == [
        (1, "restock", "east"),
        (1, "damaged", "east"),
    ]
    out = desk.run("return", "receive", number, "--line", "TEE=2", "--at", "west", "--note", "no box").out
    assert "all that was announced has come" in out
    assert [(one["condition"], one["location"], one["units"]) for one in desk.ok("aside", "list")["aside"]] == [
        ("damaged", "east", 1),
        ("quarantine", "west", 2),
    ]
    assert desk.ok("aside", "release", "TEE=2", "--at", "west", "--reference", "look 1")["new"]
    assert "booked already" in desk.run("aside", "release", "TEE=2", "--at", "west", "--reference", "look 1").out
    assert "1 TEE gone at east" in desk.run("aside", "dispose", "TEE=1", "--at", "east").out
    assert "0 units stand aside" in desk.run("aside", "list").out
    tee = next(one for one in desk.ok("stock", "show")["stock"] if one["sku"] == "TEE")
    assert tee["on_hand"] == 9
    (rma,) = desk.ok("returns")["rmas"]
    assert (rma["return"], len(rma["received"]), rma["closed_at"] is not None) == ("RMA-1", 3, True)
    assert "RMA-1" in desk.run("returns").out
    story = desk.ok("order", number)
    assert story["status"] == "returned"
    assert [(one["name"], one["announced"], one["received"]) for one in story["returns"]] == [("RMA-1", 4, 4)]
    assert [one["disposition"] for one in story["receipts"]] == ["restock", "damaged", "quarantine"]
    assert "no box" in desk.run("order", number).out


def test_an_opened_return_is_said_by_its_skus(desk: Desk, shop: FarEnd) -> None:
    number = shop.place([("TEE", 4)])
    desk.ok("round")
    ship(desk, number)
    assert desk.run("return", "open", number, "--line", "TEE=3").out == "RMA-1 of order #1001 is open: 3 TEE\n"


def test_a_channels_return_is_received_and_closed(desk: Desk, shop: FarEnd) -> None:
    number = shop.place([("TEE", 2)])
    returned = shop.send_back(number, "TEE", 2)
    desk.ok("round")
    ship(desk, number)
    first = ("return", "receive", returned, "--line", "TEE=1", "--disposition", "restock", "--reference", "box")
    assert desk.ok(*first)["complete"] is False
    assert desk.ok(*first)["new"] is False
    (told,) = desk.ok("returns")["returns"]
    assert (told["number"], told["received"]) == (returned, 1)
    assert f"{returned} is closed" in desk.run("return", "close", returned, "--why", "kept one").out
    assert desk.ok("return", "close", returned) == {"return": returned, "new": False}
    ran = desk.run("return", "receive", returned, "--line", "TEE=2:shelf")
    assert (ran.code, "'shelf' is no disposition" in ran.told) == (2, True)
    ran = desk.run("return", "receive", returned, "--line", "TEE=2")
    assert (ran.code, "2 of TEE cannot have come back" in ran.told) == (2, True)


def test_a_parcel_that_is_short(desk: Desk, shop: FarEnd) -> None:
    desk.ok("stock", "receive", "TEE", "west", 5)
    number = shop.place([("TEE", 4)])
    desk.ok("round")
    ship = ("ship", number, "--location", "east", "--carrier", "UPS", "--tracking", "T1", "--short", "TEE=1")
    assert "asked for by now: west (1)" in desk.run(*ship).out
    again = desk.ok(*ship)
    assert (again["new"], again["rest"]["new"], again["rest"]["asked"]) == (False, False, {"west": 1})
    second = ("--location", "west", "--carrier", "UPS", "--tracking", "T2", "--short", "TEE=1")
    ran = desk.run("ship", number, *second)
    assert (ran.code, "ordersync reject" in ran.told) == (2, True)
    other = shop.place([("TEE", 2)])
    desk.ok("round")
    cancel = desk.ok("ship", other, *ship[2:], "--rest", "cancel")
    assert (cancel["rest"]["rest"], cancel["rest"]["cancel_push"] is not None) == ("cancel", True)
    third = shop.place([("TEE", 2)])
    desk.ok("round")
    assert "off its shelf" in desk.run("ship", third, *ship[2:], "--rest", "backorder").out


def test_money_and_other_units_for_what_came_back(desk: Desk, shop: FarEnd) -> None:
    number = shop.place([("TEE", 2)])
    desk.ok("round")
    ship(desk, number)
    desk.ok("return", "open", number, "--reason", "too small")
    ran = desk.run("return", "refund", "RMA-1", "--yes")
    assert (ran.code, "nothing of return RMA-1 was received" in ran.told) == (2, True)
    desk.ok("return", "receive", "RMA-1", "--line", "TEE=1:restock")
    shown = desk.run("return", "refund", "RMA-1")
    assert (shown.code, "add --yes" in shown.told) == (2, True)
    given = desk.ok("return", "refund", "RMA-1", "--yes")
    assert [(one["quantity"], one["amount"]) for one in given["lines"]] == [(1, "10.00")]
    assert given["amount"] in shown.out
    desk.ok("round")
    assert [str(one.amount) for one in shop.refunds()] == [given["amount"]]
    made = desk.ok("return", "exchange", "RMA-1", "--for", "MUG=1", "--reference", "e1")
    assert (made["number"], made["reserved"], made["backordered"]) == ("RMA-1-X1", {"MUG": 1}, {})
    again = ("return", "exchange", "RMA-1", "--for", "MUG=1", "--reference", "e1")
    assert "was decided already: order RMA-1-X1" in desk.run(*again).out
    desk.ok("round")
    effects = len(shop.effects())
    desk.ok("ship", "RMA-1-X1", "--location", "west", "--carrier", "UPS", "--tracking", "T2")
    desk.ok("round")
    assert len(shop.effects()) == effects
    story = desk.ok("order", "RMA-1-X1")
    assert (story["exchange"], story["status"]) == (True, "shipped")
    assert "made here for a return" in desk.run("order", "RMA-1-X1").out
    another = ("return", "exchange", "RMA-1", "--for", "TEE=1")
    ran = desk.run(*another)
    assert ran.code == 2
    assert ran.told.strip().endswith(
        "return RMA-1 has 0 units left to exchange, not 1: 2 came back or may come, of 1 the money is given back and"
        " 1 is exchanged (RMA-1-X1); --over sends more"
    )
    assert desk.ok(*another, "--over")["number"] == "RMA-1-X2"
    assert "its channel does not know it" in desk.run("cancel", "RMA-1-X2", "--reason", "buyer").out
    assert desk.run("verify").code == 0
