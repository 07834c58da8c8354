"""`ordersync verify`: exit 1 and names on a breach."""

from __future__ import annotations

from connectors.sandbox import FarEnd
from tests.core.commands.desk import Desk


def test_a_sound_store_is_exit_0(desk: Desk, shop: FarEnd) -> None:
    shop.place([("TEE", 2)])
    desk.ok("round")
    assert desk.ok("verify") == {"sound": True, "breaches": [], "notes": []}
    assert desk.run("verify").out == "all invariants hold\n"


def test_a_breach_is_exit_1_with_its_name_and_cure_and_repair_mends_it(desk: Desk, shop: FarEnd) -> None:
    shop.place([("TEE", 2)])
    desk.ok("round")
    desk.change("UPDATE items SET reserved = reserved + 3 WHERE sku = 'TEE'")
    ran = desk.run("verify")
    assert ran.code == 1
    assert "I2: " in ran.out
    assert "TEE" in ran.out
    told = desk.run("verify", "--repair", "--json")
    assert (told.code, told.json["sound"]) == (0, True)
    assert told.json["repairs"]
    assert desk.run("verify").code == 0


def test_what_an_operator_should_know_is_no_breach(desk: Desk, shop: FarEnd) -> None:
    shop.place([("TEE", 2)])
    desk.ok("round")
    desk.change("UPDATE orders SET money_off = 1000000, total = total - 1000000")
    ran = desk.run("verify")
    assert ran.code == 0
    assert "to know: I16: order #1001 of shop" in ran.out
