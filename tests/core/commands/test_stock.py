"""`ordersync stock …` and `ordersync ship`."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.sandbox import FarEnd
from core.commands import stock_history
from core.model import micros
from tests.core.commands.desk import Desk


def on_hand(desk: Desk) -> dict[str, tuple[int, int, int]]:
    return {
        item["sku"]: (item["on_hand"], item["reserved"], item["available"])
        for item in desk.ok("stock", "show")["stock"]
    }


def test_stock_may_come_before_any_channels_first_turn(desk: Desk) -> None:
    (moved,) = desk.ok("stock", "receive", "TEE", "east", 5, "--title", "A tee")["moved"]
    assert moved == {"sku": "TEE", "location": "east", "was": 0, "on_hand": 5, "new": True}
    assert on_hand(desk) == {"TEE": (5, 0, 5)}
    assert "A tee" in desk.run("stock", "show").out


def test_stock_is_set_adjusted_and_counted(desk: Desk, shop: FarEnd) -> None:
    desk.ok("stock", "set", "TEE", "east", 8)
    desk.ok("stock", "adjust", "TEE", "east", "-3", "--note", "broken")
    desk.ok("stock", "adjust", "TEE", "east", "+1")
    assert on_hand(desk)["TEE"] == (6, 0, 6)
    desk.ok("stock", "count", "TEE", "east", 4)
    assert on_hand(desk)["TEE"] == (4, 0, 4)
    (row,) = desk.rows("SELECT note FROM ledger WHERE kind = 'adjust' AND on_hand = -3")
    assert row.note == "broken"


def test_a_reference_is_booked_once(desk: Desk) -> None:
    for _ in range(2):
        told = desk.ok("stock", "receive", "TEE", "east", 5, "--reference", "PO-1")
    assert told["moved"][0]["new"] is False
    assert "booked before" in desk.run("stock", "receive", "TEE", "east", 5, "--reference", "PO-1").out
    assert on_hand(desk)["TEE"] == (5, 0, 5)


def test_a_file_is_booked_whole_or_not_at_all(desk: Desk) -> None:
    file = desk.folder / "stock.csv"
    file.write_text("sku,location,quantity\nTEE,east,5\nMUG,nowhere,1\nCUP,west,1.5\n")
    ran = desk.run("stock", "set", "--file", str(file))
    assert (ran.code, ran.out) == (2, "")
    assert [line.partition("; ")[0] for line in ran.err.splitlines()] == [
        "ordersync: stock.csv:3: there is no location 'nowhere'",
        "ordersync: stock.csv:4: '1.5' is no quantity",
    ]
    assert on_hand(desk) == {}
    file.write_text("sku,location,quantity\nTEE,east,5\nMUG,west,1\n")
    assert len(desk.ok("stock", "set", "--file", str(file))["moved"]) == 2
    assert on_hand(desk) == {"MUG": (1, 0, 1), "TEE": (5, 0, 5)}


def test_counts_deliveries_and_changes_come_from_files(desk: Desk) -> None:
    file = desk.folder / "stock.csv"
    file.write_text("sku,location,quantity\nTEE,east,5\nMUG,west,1\n")
    assert desk.run("stock", "receive", "--file", str(file)).told == (
        "ordersync: stock.csv: give --reference, so that it is booked once however often it is given"
    )
    for new in (True, False):
        moved = desk.ok("stock", "receive", "--file", str(file), "--reference", "N1")["moved"]
        assert [one["new"] for one in moved] == [new, new]
    file.write_text("sku,location,change\nTEE,east,-1\n")
    desk.ok("stock", "adjust", "--file", str(file), "--reference", "N2")
    file.write_text("sku,location,quantity\nMUG,west,3\n")
    desk.ok("stock", "count", "--file", str(file))
    assert on_hand(desk) == {"MUG": (3, 0, 3), "TEE": (4, 0, 4)}


@pytest.mark.parametrize("command", ["receive", "set", "adjust", "count"])
def test_one_item_and_a_file_at_once_are_refused(desk: Desk, command: str) -> None:
    ran = desk.run("stock", command, "TEE", "--file", "x.csv")
    assert (ran.code, ran.told) == (2, "ordersync: --file and 'TEE' at once; give one of the two")
    assert "write SKU LOCATION" in desk.run("stock", command, "TEE").told


def test_set_wants_one_thing_or_a_file(desk: Desk) -> None:
    assert desk.run("stock", "set", "TEE").told == "ordersync: nothing to set; write SKU LOCATION QTY, or --file CSV"
    assert desk.run("stock", "set", "TEE", "--file", "x.csv").code == 2


def test_an_adjustment_that_is_no_number_is_exit_2(desk: Desk, shop: FarEnd) -> None:
    for change in ("1.5", "--3", "+", "many", "9" * 30):
        ran = desk.run("stock", "adjust", "TEE", "east", change)
        assert ran.code == 2
        assert len(ran.err.splitlines()) == 1


def test_a_count_that_takes_promises_back_names_the_orders(desk: Desk, shop: FarEnd) -> None:
    number = shop.place([("TEE", 4)])
    desk.ok("round")
    ran = desk.run("stock", "count", "TEE", "east", 1)
    assert ran.code == 0
    (row,) = desk.rows("SELECT id FROM orders WHERE number = :number", number=number)
    assert "taken back: order #1001 of shop: 3 units wait for stock again" in ran.out
    assert f"(`ordersync order {row.id}`)" in ran.out
    desk.ok("stock", "receive", "TEE", "east", 1)
    desk.ok("round")
    assert (
        "taken back: order #1001 of shop: 1 unit waits for stock again"
        in desk.run("stock", "count", "TEE", "east", 1).out
    )


def test_a_kit_is_made_of_its_components(desk: Desk, shop: FarEnd) -> None:
    assert desk.ok("stock", "kit", "SET", "TEE=2", "MUG=1") == {"changed": 1}
    assert on_hand(desk)["SET"] == (0, 0, 1)
    assert "kit: 1 MUG, 2 TEE" in desk.run("stock", "show", "SET").out
    assert desk.run("stock", "kit", "SET", "TEE=2", "MUG=1").out.startswith("nothing changed")
    ran = desk.run("stock", "kit", "SET", "TEE")
    assert ran.told == "ordersync: 'TEE' is no SKU=QTY; write for example TEE-RED=2"
    file = desk.folder / "kits.csv"
    file.write_text("kit,component,quantity\nPAIR,MUG,2\n")
    assert desk.ok("stock", "kit", "--file", str(file)) == {"changed": 1}
    assert desk.run("stock", "kit").code == 2


def test_a_parcel_is_booked_once_and_told_by_the_next_turn(desk: Desk, shop: FarEnd) -> None:
    number = shop.place([("TEE", 2), ("MUG", 1)])
    desk.ok("round")
    args = ("ship", number, "--location", "east", "--carrier", "UPS", "--tracking", "1Z1", "--line", "TEE=2")
    assert desk.ok(*args)["new"] is True
    assert desk.ok(*args)["new"] is False
    assert "booked already, with 2 TEE from east; nothing changed" in desk.run(*args).out
    other = "was booked with 2 TEE from east, which is not what is said now; another parcel has another number"
    for said in (("east", "TEE=1"), ("east", "MUG=2"), ("west", "TEE=2")):
        again = desk.run(*args[:3], said[0], *args[4:-1], said[1])
        assert (again.code, other in again.told) == (2, True), said
    tee = next(one["number"] for one in desk.ok("order", number)["lines"] if one["sku"] == "TEE")
    assert desk.run(*args[:-1], f"{tee}=2").code == 0, "a line may be named by its number"
    early = desk.run(*args[:7], "1Z2", "--line", "MUG=1", "--at", "2020-01-01")
    assert (early.code, "--at 2020-01-01 00:00:00: the order was placed on " in early.told) == (2, True)
    desk.ok("round")
    (effect,) = shop.effects()
    assert (effect.tracking, effect.carrier, effect.lines) == ("1Z1", "UPS", {"TEE": 2})
    assert on_hand(desk)["TEE"] == (8, 0, 8)


def test_what_cannot_ship_is_one_line(desk: Desk, shop: FarEnd) -> None:
    number = shop.place([("TEE", 2)])
    desk.ok("round")
    parcel = ("ship", number, "--carrier", "UPS", "--tracking", "1Z1")
    for more, told in (
        (("--location", "nowhere"), "there is no location 'nowhere'; there are: east, west"),
        (("--location", "east", "--line", "TEE=3"), "3 of TEE cannot ship: order #1001 has 2 reserved;"),
        (("--location", "east", "--line", "TEE=1", "--line", "TEE=1"), "TEE is named twice; name it once,"),
        (("--location", "east", "--line", "TEE=0"), "'TEE=0' is no SKU=QTY;"),
        (("--location", "east", "--at", "2999-01-01"), "--at 2999-01-01 00:00:00: that is not over yet;"),
    ):
        ran = desk.run(*parcel, *more)
        assert (ran.code, ran.out) == (2, "")
        assert ran.told.startswith(f"ordersync: {told}")
    assert desk.rows("SELECT count(*) FROM shipments")[0][0] == 0


def test_a_purchase_order_is_expected_received_in_parts_and_cancelled(desk: Desk) -> None:
    (due,) = desk.ok("stock", "expect", "TEE", 5, "--at", "east", "--eta", "2026-12-01", "--ref", "PO-17")["incoming"]
    assert (due["left"], due["eta"], due["source"]) == (5, "2026-12-01T23:59:59Z", "purchase")
    desk.ok("stock", "receive", "TEE", "east", 2, "--ref", "PO-17")
    assert on_hand(desk)["TEE"] == (2, 0, 2)
    shown = desk.run("stock", "incoming")
    assert "2026-12-01" in shown.out
    assert "3 units to come" in shown.out
    refused = desk.run("stock", "receive", "TEE", "east", 9, "--ref", "PO-17")
    assert (refused.code, on_hand(desk)["TEE"]) == (2, (2, 0, 2))
    assert refused.told.startswith("ordersync: PO-17 still brings 3 of TEE to east, not 9;")
    assert desk.run("stock", "receive", "TEE", "east", 1, "--over").code == 2
    (gone,) = desk.ok("stock", "cancel", "PO-17", "--sku", "TEE")["incoming"]
    assert gone["state"] == "cancelled"
    assert desk.ok("stock", "incoming") == {"incoming": []}
    assert len(desk.ok("stock", "incoming", "--all")["incoming"]) == 1


def test_a_date_is_a_day_or_an_instant(desk: Desk) -> None:
    for written, meant in (
        ("2026-12-01T15:00:00+01:00", "2026-12-01T14:00:00Z"),
        ("2026-12-01 15:00", "2026-12-01T15:00:00Z"),
    ):
        told = desk.ok("stock", "expect", "TEE", 5, "--at", "east", "--eta", written, "--ref", "PO-1")
        assert told["incoming"][0]["eta"] == meant
    ran = desk.run("stock", "expect", "TEE", 5, "--at", "east", "--eta", "tomorrow", "--ref", "PO-1")
    assert (ran.code, ran.told) == (
        2,
        "ordersync: 'tomorrow' is no date; write 2026-12-01 or 2026-12-01T15:00:00+01:00",
    )


def test_units_move_at_once_or_on_a_journey(desk: Desk, shop: FarEnd) -> None:
    done = desk.ok("stock", "transfer", "TEE", 2, "--from", "east", "--to", "west")
    assert (done["left_there"], done["on_the_way"]) == (8, None)
    journey = ("stock", "transfer", "TEE", 3, "--from", "east", "--to", "west", "--eta", "2027-01-05", "--ref", "T")
    sent = desk.run(*journey)
    assert "on its way until 2027-01-05; as it arrives: ordersync stock receive TEE west 3 --ref T" in sent.out
    assert on_hand(desk)["TEE"] == (7, 0, 7)
    assert "booked before" in desk.run(*journey).out
    desk.ok("stock", "receive", "TEE", "west", 1, "--ref", "T")
    (back,) = desk.ok("stock", "cancel", "T")["incoming"]
    assert (back["state"], back["from_location"], on_hand(desk)["TEE"]) == ("cancelled", "east", (10, 0, 10))
    shop.place([("TEE", 4)])
    desk.ok("round")
    refused = desk.run("stock", "transfer", "TEE", 7, "--from", "east", "--to", "west")
    assert refused.code == 2
    assert "3 of TEE may leave east, the rest is promised: 4 to order #1001 of shop" in refused.told


def test_what_is_still_to_come_is_not_told_as_what_was(desk: Desk, shop: FarEnd) -> None:
    ran = desk.run("stock", "history", "TEE", "--at", "2100-01-01")
    assert (ran.code, ran.out) == (2, "")
    assert ran.told.endswith("is still to come; what is now, `ordersync stock show TEE` tells")


def test_what_was_is_shown_at_an_instant_and_as_it_came(
    desk: Desk, shop: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stock_history, "clock", lambda: micros(datetime(2101, 1, 1, tzinfo=UTC)))
    shop.place([("TEE", 4)])
    desk.ok("round")
    told = desk.ok("stock", "history", "TEE", "--limit", 3)["events"][0]
    assert (told["what"], told["where"], told["told"]) == ("applied", "shop", 6)
    now = desk.ok("stock", "history", "TEE", "--at", "2100-01-01")
    assert (now["on_hand"], now["reserved"], now["available"]) == (10, 4, 6)
    assert [(one["channel"], one["units"], one["accepted"]) for one in now["told"]] == [("shop", 6, None)]
    assert "promise" in desk.run("stock", "history", "TEE", "--location", "east").out
    long_ago = desk.run("stock", "history", "TEE", "--at", "2020-01-01T10:00:00")
    assert "how promises moved is known since 20" in long_ago.out
    assert desk.run("stock", "history", "none").code == 2
