"""`ordersync orders` and `ordersync order`: found by any name, told without the buyer."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from connectors.sandbox import FarEnd
from core.commands import show
from tests.core.commands.desk import BUYER, Desk


@pytest.fixture
def taken(desk: Desk, shop: FarEnd) -> list[str]:
    """Orders taken in: one routed, one backordered, one of an unknown SKU, one called off."""
    numbers = [shop.place([(sku, units)]) for sku, units in (("TEE", 2), ("MUG", 3), ("CUP", 1), ("TEE", 1))]
    shop.cancel(numbers[3])
    desk.ok("round")
    return numbers


def test_orders_come_newest_first_with_the_status_of_their_lines(desk: Desk, taken: list[str]) -> None:
    told = {order["number"]: order["status"] for order in desk.ok("orders")["orders"]}
    assert told == dict(zip(taken, ("allocated", "partially_backordered", "held", "cancelled"), strict=True))
    assert [order["number"] for order in desk.ok("orders", "--limit", 2)["orders"]] == taken[:1:-1]


def test_orders_are_chosen_by_status_and_channel(desk: Desk, taken: list[str]) -> None:
    assert [order["number"] for order in desk.ok("orders", "--status", "held")["orders"]] == [taken[2]]
    assert len(desk.ok("orders", "--channel", "shop")["orders"]) == 4
    ran = desk.run("orders", "--channel", "shpo")
    assert (ran.code, ran.told) == (2, "ordersync: no orders of a channel 'shpo'; there are: shop")


def test_an_order_is_found_by_id_number_name_and_channel(desk: Desk, taken: list[str]) -> None:
    (row,) = desk.rows("SELECT id FROM orders WHERE number = :number", number=taken[0])
    for text in (row.id, taken[0], f"#{taken[0][2:]}", f"shop:{taken[0]}"):
        assert desk.ok("order", text)["number"] == taken[0]


def test_an_ambiguous_name_names_the_matches_which_then_work(desk: Desk, taken: list[str]) -> None:
    desk.channel("outlet").place([("TEE", 1)])
    desk.ok("round")
    ran = desk.run("order", "#1001")
    assert ran.code == 2
    assert ran.told == (
        "ordersync: '#1001' names several orders, 1 at shop, 1 at outlet; write one of shop:#1001, outlet:#1001"
    )
    for text in ("outlet:#1001", "outlet:S-1001"):
        assert desk.ok("order", text)["channel"] == "outlet"
    ship = ("ship", "outlet:#1001", "--location", "east", "--carrier", "UPS", "--tracking", "1Z1")
    assert desk.run(*ship).code == 0
    assert desk.ok("resync", "outlet", "outlet:#1001")["orders"].keys() == {"S-1001"}


def test_an_order_nobody_knows_is_exit_2(desk: Desk, taken: list[str]) -> None:
    for text in ("#9", "9" * 40, "shop:S-9", "\x1b[31m"):
        ran = desk.run("order", text)
        assert (ran.code, ran.out) == (2, "")
        assert ran.told.startswith(("ordersync: no order is called ", "ordersync: no order of shop is called 'S-9'"))


def test_what_to_run_for_an_unknown_order_can_be_pasted(desk: Desk, taken: list[str]) -> None:
    assert "`ordersync resync CHANNEL '#9'`" in desk.run("order", "#9").told
    assert "`ordersync resync shop '#9'`" in desk.run("order", "shop:#9").told
    assert desk.run("order", " ").told == "ordersync: an order has a name; see `ordersync orders`"


def test_the_lines_of_an_order_are_readable_at_100_columns(
    desk: Desk, taken: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = io.StringIO()
    monkeypatch.setattr(show, "_console", lambda: Console(file=wide, width=100, highlight=False))
    desk.change("UPDATE lines SET number = '8305000000105', title = 'A rather long title', backordered = backordered")
    desk.run("order", taken[0])
    heading = next(row for row in wide.getvalue().splitlines() if row.startswith("line "))
    assert heading.split() == ["line", "SKU", "title", "ordered", "shipped", "reserved", "allocated"]
    desk.ok("cancel", taken[0], "--line", "8305000000105=1", "--reason", "buyer")
    wide.truncate(0)
    desk.run("order", taken[0])
    assert " cancelled " in wide.getvalue()


def test_no_output_names_the_buyer_unless_asked(desk: Desk, taken: list[str]) -> None:
    for args in (("order", taken[0]), ("orders",), ("status",), ("plan",), ("quarantine", "list"), ("round",)):
        for ran in (desk.run(*args), desk.run(*args, "--json")):
            assert not [secret for secret in BUYER if secret in ran.out + ran.err], args
    told = desk.ok("order", taken[0])
    assert told["to"] == {"city": "Kansas City", "region": "MO", "postal_code": "64106", "country": "US"}
    assert "Kansas City, MO, 64106, US" in desk.run("order", taken[0]).out
    assert desk.ok("order", taken[0], "--buyer")["to"]["line1"] == "1 Analytical Way"
    assert all(secret in desk.run("order", taken[0], "--buyer").out for secret in BUYER)


def test_an_order_tells_why_it_ships_from_where(desk: Desk, taken: list[str]) -> None:
    (work,) = desk.ok("order", taken[0])["fulfilment"]
    assert (work["location"], work["state"]) == ("east", "released")
    assert work["why"][0] == "rule: one location holds everything; locations ranked by priority, then distance"
    assert work["why"][1].startswith("1. east (priority 1, ")
    assert work["why"][1].endswith("km away): chosen: holds everything, and ranks before west by priority")
    assert work["why"][2].endswith("not needed")
    out = desk.run("order", taken[0]).out
    assert "east was asked for 2 TEE (released)" in out
    assert "1. east (priority 1, " in out


def test_an_order_tells_its_timeline_in_order(desk: Desk, shop: FarEnd, taken: list[str]) -> None:
    desk.ok("ship", taken[0], "--location", "east", "--carrier", "UPS", "--tracking", "1Z7")
    desk.ok("round")
    desk.ok("round")
    told = desk.ok("order", taken[0])
    assert [at["at"] for at in told["timeline"]] == sorted(at["at"] for at in told["timeline"])
    what = [happening["what"] for happening in told["timeline"]]
    assert what[0] == "placed at the channel"
    assert {
        "taken in",
        "east was chosen for 2 TEE",
        "released to east",
        "2 TEE left east: UPS 1Z7".replace("left east", "left from east"),
    } <= set(what)
    assert told["shipments"][0]["push"] in ("applied", "confirmed")
    assert (told["status"], told["lines"][0]["shipped"], told["lines"][0]["reserved"]) == ("shipped", 2, 0)


def test_a_promise_that_was_taken_back_does_not_change_what_happened_before(desk: Desk, taken: list[str]) -> None:
    desk.ok("stock", "count", "TEE", "east", 1)
    told = desk.ok("order", taken[0])
    what = [happening["what"] for happening in told["timeline"]]
    assert "east was chosen for 2 TEE" in what
    assert any(one.startswith("promise taken back: 1 of TEE backordered again, 1 of TEE unbound") for one in what)
    ((line,),) = (work["lines"] for work in told["fulfilment"])
    assert (line["asked"], line["quantity"], line["shipped"]) == (2, 1, 0)
    assert "east was asked for 2 TEE, of which 1 was taken back (released)" in desk.run("order", taken[0]).out
    desk.ok("stock", "count", "TEE", "east", 0)
    out = desk.run("order", taken[0]).out
    assert "east was asked for 2 TEE, all taken back\n" in out
    assert "0 TEE" not in out


def test_money_that_does_not_add_up_is_told(desk: Desk, taken: list[str]) -> None:
    desk.change("UPDATE orders SET money_off = 1500000 WHERE number = :number", number=taken[0])
    assert desk.ok("order", taken[0])["money_off"] == "1.50"
    assert "the amounts miss the total by 1.50 USD; look at the order there" in desk.run("order", taken[0]).out


def test_what_a_buyer_typed_cannot_dress_up_the_terminal(desk: Desk, taken: list[str]) -> None:
    desk.change("UPDATE lines SET title = :title", title="[red]x[/red]\x1b[31m\x07")
    out = desk.run("order", taken[0]).out
    assert "[red]x[/red]?[31m?" in out
