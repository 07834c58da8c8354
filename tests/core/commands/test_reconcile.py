"""`ordersync reconcile`: asked, answered, shown again, and how it ends."""

from __future__ import annotations

from connectors.sandbox import FarEnd
from tests.core.commands.desk import Desk


def test_where_all_agrees_it_ends_with_0(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    shop.place([("TEE", 1)])
    told = desk.ok("reconcile")["channels"]["shop"]
    assert (told["orders_there"], told["orders_here"], told["levels"], told["differences"]) == (1, 1, 2, [])
    assert "none" in desk.run("reconcile", "--last").out


def test_a_drifted_level_is_told_again_and_shown(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    shop.offer("TEE", {"": 99})
    told = desk.ok("reconcile")["channels"]["shop"]
    assert [(one["subject"], one["cause"]) for one in told["differences"]] == [("TEE", "outside_edit")]
    desk.ok("round")
    assert shop.levels()["TEE", ""] == 10
    again = desk.run("reconcile", "--last")
    assert (again.code, "outside edit" in again.out) == (0, True)


def test_what_nothing_explains_ends_with_1(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    desk.change("UPDATE channels SET since = 0")
    number = shop.place([("TEE", 1)])
    lost = shop._orders[number]  # as if the channel had left it out of every list until now
    lost.placed = lost.changed = lost.placed.replace(year=2020)
    ran = desk.run("reconcile", "--since", "2019-01-01", "--json")
    told = ran.json["channels"]["shop"]
    causes = {one["subject"]: one["cause"] for one in told["differences"] if one["kind"] == "order"}
    assert (ran.code, causes) == (1, {number: "unexplained"})
    assert desk.run("reconcile", "--last").code == 1
    assert "shop: 1 difference nothing explains; see `ordersync reconcile shop --last`" in desk.run("status").out


def test_a_channel_that_does_not_answer_ends_with_3(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    shop.fail("unavailable")
    ran = desk.run("reconcile")
    assert ran.code == 3
    assert "shop answered" in ran.out


def test_never_reconciled_is_said_so(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    assert "shop: never reconciled yet" in desk.run("reconcile", "--last").out


def test_a_shadow_is_compared_and_its_drift_stays(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    shop.offer("TEE", {"": 99})
    desk.channel("shop", mode='"shadow"')
    desk.ok("reconcile")
    desk.ok("round")
    assert shop.levels()["TEE", ""] == 99
