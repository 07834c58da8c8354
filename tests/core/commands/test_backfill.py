"""`ordersync backfill`: asked for, worked on, waited for, stopped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from connectors.sandbox import FarEnd
from tests.core.commands.desk import Desk


def placed_long_ago(shop: FarEnd, days: int) -> str:
    number = shop.place([("TEE", 1)])
    found = shop._orders[number]
    found.placed = found.changed = datetime.now(UTC) - timedelta(days=days)
    return number


def test_the_past_is_taken_in_to_its_end(desk: Desk, shop: FarEnd) -> None:
    desk.channel("shop", page_size="2")
    numbers = [placed_long_ago(shop, days) for days in (400, 300, 200, 100, 50)]
    assert desk.ok("round")["channels"][0]["stored"] == 0
    told = desk.ok("backfill", "shop", "--since", "2020-01-01")
    assert (told["state"], told["received"], told["stored"], told["share"]) == ("done", 5, 5, 1.0)
    assert {row.number for row in desk.rows("SELECT number FROM orders")} == set(numbers)


def test_a_window_leaves_out_what_lies_outside(desk: Desk, shop: FarEnd) -> None:
    placed_long_ago(shop, 400)
    wanted = placed_long_ago(shop, 200)
    begin, end = (f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%d}" for days in (300, 100))
    desk.ok("backfill", "shop", "--since", begin, "--until", end)
    assert [row.number for row in desk.rows("SELECT number FROM orders")] == [wanted]


def test_a_detached_one_goes_on_with_the_next_turns_and_can_be_stopped(desk: Desk, shop: FarEnd) -> None:
    placed_long_ago(shop, 400)
    told = desk.ok("backfill", "shop", "--since", "2020-01-01", "--detach")
    assert told["state"] == "open"
    assert desk.ok("status")["channels"][0]["backfill"] == 0.0
    assert "backfill 0% done" in desk.run("status").out
    assert desk.ok("backfill", "shop", "--stop") == {"channel": "shop", "stopped": True}
    assert desk.run("backfill", "shop", "--stop").out.strip() == "shop: no backfill is open"
    desk.ok("backfill", "shop", "--since", "2020-01-01", "--detach")
    desk.ok("round")
    assert desk.rows("SELECT state FROM backfills ORDER BY id") == [("stopped",), ("done",)]


def test_wrong_windows_are_refused_in_one_line(desk: Desk, shop: FarEnd) -> None:
    for args, told in (
        ((), "from when on?"),
        (("--since", "2024-02-01", "--until", "2024-01-01"), "does not lie before"),
        (("--until", "2024-01-01"), "from when on?"),
    ):
        ran = desk.run("backfill", "shop", *args)
        assert (ran.code, told in ran.told) == (2, True)
    desk.ok("backfill", "shop", "--since", "2020-01-01", "--detach")
    ran = desk.run("backfill", "shop", "--since", "2021-01-01")
    assert (ran.code, "is being backfilled from 2020-01-01" in ran.told) == (2, True)


def test_refused_credentials_end_with_3_and_it_stays_open(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    shop.fail("unauthorized")
    ran = desk.run("backfill", "shop", "--since", "2020-01-01")
    assert (ran.code, "ordersync: shop: shop refused the credentials; renew them" in ran.err) == (3, True)
    assert desk.rows("SELECT state FROM backfills") == [("open",)]
