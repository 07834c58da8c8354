"""`ordersync status`: health, backlog and what to do."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from connectors.sandbox import FarEnd
from core.budgets import Left, written
from core.model import Hint, HintKind
from core.sync.channel import clock
from core.sync.hear import Heard, hear, note_queue
from tests.core.commands.desk import Desk


def test_a_channel_that_is_well_is_exit_0(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    told = desk.ok("status")
    (one,) = told["channels"]
    assert (one["channel"], one["connector"], one["health"], one["reason"]) == ("shop", "sandbox", "ok", "")
    assert one["last_success"].endswith("Z")
    assert 0 <= one["lag_seconds"] < 60
    assert told["daemon_running"] is False


def test_what_waits_is_counted(desk: Desk, shop: FarEnd) -> None:
    shop.place([("TEE", 1)])
    shop.place([("MUG", 5)])
    shop.place([("CUP", 1)])
    desk.ok("round")
    (one,) = desk.ok("status")["channels"]
    waiting = {word: count for word, count in one["waiting"].items() if count}
    assert waiting == {"held": 1, "backordered": 1}
    assert one["orders"]["stored"] == 3
    assert "orders: 1 held, 1 backordered" in desk.run("status").out
    (order,) = [order for order in desk.ok("orders")["orders"] if order["status"] == "allocated"]
    desk.ok("ship", order["id"], "--location", "east", "--carrier", "UPS", "--tracking", "1Z1")
    (one,) = desk.ok("status")["channels"]
    assert one["waiting"]["pushes_due"] == 1


def test_a_level_whose_listing_the_channel_does_not_show_is_not_due_before_it_does(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    desk.ok("listings", "map", "shop", "NEW", "TEE")
    desk.ok("round")
    (one,) = desk.ok("status")["channels"]
    assert {word: count for word, count in one["waiting"].items() if count} == {"levels_unlisted": 1}
    assert "1 level of listings it does not show" in desk.run("status").out
    desk.change("UPDATE listings SET listed = TRUE WHERE sku = 'NEW'")
    (one,) = desk.ok("status")["channels"]
    assert {word: count for word, count in one["waiting"].items() if count} == {"levels_due": 1}
    assert "1 level due" in desk.run("status").out


def test_what_a_channel_refuses_is_told_with_its_cure(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    desk.change("UPDATE levels SET state = 'refused', reason = 'it is not stocked there; stock it'")
    (count,) = desk.rows("SELECT count(*) FROM levels")[0]
    assert f"shop: {count} levels refused: it is not stocked there; stock it" in desk.run("status").out


def test_held_orders_say_where_to_look(desk: Desk, shop: FarEnd) -> None:
    shop.place([("CUP", 1)])
    desk.ok("round")
    assert "shop: 1 order held; see `ordersync orders --status held`" in desk.run("status").out


def test_a_parked_channel_is_exit_3_with_what_to_do(desk: Desk, shop: FarEnd) -> None:
    shop.fail("unauthorized")
    desk.run("round")
    ran = desk.run("status")
    assert ran.code == 3
    assert "shop is parked for 0 s: shop refused the credentials; renew them and restart" in ran.out
    (one,) = desk.run("status", "--json").json["channels"]
    assert one["outage_since"] is not None


def test_a_silent_channel_is_exit_3(desk: Desk, shop: FarEnd) -> None:
    shop.fail("unavailable")
    desk.run("round")
    ran = desk.run("status")
    assert ran.code == 3
    assert "tried again by itself" in ran.out


def test_a_channel_whose_file_is_wrong_is_exit_3(desk: Desk, shop: FarEnd) -> None:
    desk.write("channels/shop.toml", 'connector = "sandbox"\n')
    ran = desk.run("status", "--json")
    (one,) = ran.json["channels"]
    assert (ran.code, one["health"]) == (3, "misconfigured")
    assert one["reason"].startswith("channels/shop.toml: locations: no location ships for this channel;")


def test_new_disabled_and_removed_channels_are_told_apart(desk: Desk, shop: FarEnd) -> None:
    desk.channel("gone")
    desk.ok("round")
    (desk.config / "channels" / "gone.toml").unlink()
    desk.channel("off", enabled="false")
    desk.channel("young")
    healths = {one["channel"]: one["health"] for one in desk.ok("status")["channels"]}
    assert healths == {"gone": "removed", "off": "disabled", "shop": "ok", "young": "new"}


def test_it_says_whether_a_daemon_holds_the_store(desk: Desk, shop: FarEnd) -> None:
    assert "no daemon is running; start `ordersync run`" in desk.run("status").out
    store = desk.store()
    with store.sole_instance():
        assert desk.ok("status")["daemon_running"] is True
        assert "the daemon is running" in desk.run("status").out
    store.close()


def test_nothing_configured_yet_is_told(desk: Desk) -> None:
    assert "no channel is configured yet" in desk.run("status").out


def test_what_is_left_of_the_budgets_is_told_by_now(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    (one,) = desk.ok("status")["channels"]
    assert one["budgets"] == {}
    now = time.time()
    stood = {
        "searchOrders": Left(left=2.0, rate=0.0056, burst=20.0, at=now - 1000),
        "getOrder": Left(left=1.0, rate=0.5, burst=30.0, at=now - 1000),
        "createFeed": Left(left=15.0, rate=0.0083, burst=15.0, at=now, shut_until=now + 600),
    }
    desk.change("UPDATE channels SET budgets = :budgets", budgets=written(stood))
    (one,) = desk.ok("status")["channels"]
    assert one["budgets"]["searchOrders"] == {"left": pytest.approx(7.6, abs=0.2), "burst": 20.0, "per_second": 0.0056}
    assert (one["budgets"]["getOrder"]["left"], one["budgets"]["createFeed"]["left"]) == (30.0, 0.0)
    assert "shop: left of its budgets: createFeed 0 of 15, searchOrders 8 of 20" in desk.run("status").out


def test_what_a_channel_tells_by_itself_is_counted(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    assert desk.ok("status")["channels"][0]["hints"] is None
    assert "hints" not in desk.run("status").out
    order = Hint(id="1", kind=HintKind.ORDER, at=datetime.now(UTC), order="R-1")
    account = Hint(id="2", kind=HintKind.ACCOUNT, at=datetime.now(UTC), reason="a buyer asks for his data; send it")
    store = desk.store()
    hear(store, {"shop": Heard([order, account])}, clock())
    hear(store, {"shop": Heard([order], refused=1, refusal="the signature is not shop's")}, clock())
    note_queue(store, "shop", "no queue there; create it")
    store.close()

    (one,) = desk.ok("status")["channels"]
    hints = one["hints"]
    counts = {word: hints[word] for word in ("received", "repeated", "refused", "waiting")}
    assert counts == {"received": 2, "repeated": 1, "refused": 1, "waiting": 1}
    assert hints["last_received"].endswith("Z")
    assert hints["last_refused"].endswith("Z")
    assert hints["refusal"] == "the signature is not shop's"
    assert hints["trouble"] == "no queue there; create it"
    assert hints["notices"] == ["a buyer asks for his data; send it"]
    out = desk.run("status").out
    assert " ago; 2 received, 1 waiting, 1 refused\n" in out
    assert "shop: hints last heard " in out
    assert " ago: the signature is not shop's\n" in out
    assert "shop: it cannot tell of all changes and is polled: no queue there; create it\n" in out
    assert "shop: a buyer asks for his data; send it\n" in out


def test_a_channel_that_only_refused_calls_was_never_heard(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    store = desk.store()
    hear(store, {"shop": Heard(refused=2, refusal="the signature is not shop's")}, clock())
    store.close()
    assert "shop: hints never heard; 2 refused\n" in desk.run("status").out
