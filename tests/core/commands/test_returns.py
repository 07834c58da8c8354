"""`ordersync returns`, and returns among what is set aside."""

from __future__ import annotations

from connectors.sandbox import FarEnd
from tests.core.commands.desk import Desk


def test_returns_are_listed_with_their_orders(desk: Desk, shop: FarEnd) -> None:
    number = shop.place([("TEE", 2)])
    returned = shop.send_back(number, "TEE", 1)
    orphan = shop.send_back(shop.place([("MUG", 1)]), "MUG", 1)
    shop._orders.pop("S-1002")
    desk.ok("round")
    told = {one["number"]: one for one in desk.ok("returns")["returns"]}
    assert told.keys() == {returned, orphan}
    assert (told[returned]["order"], told[returned]["state"], told[returned]["order_id"]) == (number, "requested", 1)
    assert [(line["sku"], line["quantity"]) for line in told[returned]["lines"]] == [("TEE", 1)]
    assert [one["number"] for one in desk.ok("returns", "--orphans")["returns"]] == [orphan]
    assert desk.ok("returns", "--state", "closed")["returns"] == []
    assert "S-1002 (not here)" in desk.run("returns").out
    assert "return requested" in desk.run("order", number).out


def test_an_unreadable_return_waits_and_resumes(desk: Desk, shop: FarEnd) -> None:
    number = shop.place([("TEE", 1)])
    returned = shop.send_back(number, "TEE", 1)
    shop.change_return(returned, "lost in space")
    desk.ok("round")
    (aside,) = desk.ok("quarantine", "list")["quarantine"]
    assert (aside["kind"], aside["number"]) == ("return", returned)
    ran = desk.run("quarantine", "retry")
    assert (ran.code, "still set aside: state: nobody knows it" in ran.out) == (1, True)


def test_own_stock_stands_beside_ours(desk: Desk, shop: FarEnd) -> None:
    shop.keep("TEE", 40, 35)
    desk.ok("round")
    tee = next(one for one in desk.ok("stock", "show")["stock"] if one["sku"] == "TEE")
    assert tee["on_hand"] == 10
    (own,) = tee["elsewhere"]
    assert (own["channel"], own["on_hand"], own["available"]) == ("shop", 40, 35)
    assert own["read_at"].endswith("Z")
    assert "shop's own" in desk.run("stock", "show", "TEE").out
