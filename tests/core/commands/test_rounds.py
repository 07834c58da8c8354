"""`ordersync round` and `resync`, alone on the store and beside a daemon."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from connectors.sandbox import FarEnd
from core.commands import rounds
from core.settings import load
from core.sync.pull import Stopped
from core.sync.turn import turn
from tests.core.commands.desk import Desk


def test_a_round_takes_orders_in_and_tells_levels(desk: Desk, shop: FarEnd) -> None:
    shop.place([("TEE", 2)])
    (row,) = desk.ok("round")["channels"]
    assert row["state"] == "ok"
    assert (row["received"], row["stored"], row["listings"], row["acknowledged"], row["released"]) == (1, 1, 2, 1, 1)
    assert shop.levels() == {("TEE", ""): 8, ("MUG", ""): 1}


def test_a_round_prints_one_row_for_each_channel(desk: Desk, shop: FarEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "AT_ONCE", 1)  # side by side, one may give the other a second turn
    desk.channel("outlet")
    shop.place([("TEE", 1)])
    ran = desk.run("round")
    assert ran.code == 0
    assert [line.split()[:2] for line in ran.out.splitlines()[1:]] == [["outlet", "ok"], ["shop", "ok"]]
    assert "1 received, 1 stored" in ran.out
    assert "2 listings read, 1 work order released, 1 order acknowledged" in ran.out


def test_a_round_of_one_channel_leaves_the_others_alone(desk: Desk, shop: FarEnd) -> None:
    desk.channel("outlet").place([("TEE", 1)])
    assert [row["channel"] for row in desk.ok("round", "shop")["channels"]] == ["shop"]
    assert desk.ok("orders")["orders"] == []


def test_after_one_round_every_channel_knows_what_the_others_sold(
    desk: Desk, shop: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "AT_ONCE", 1)  # outlet is through before shop takes its order in
    outlet = desk.channel("outlet")
    outlet.offer("TEE", {"": 1})
    desk.ok("round")
    shop.place([("TEE", 4)])
    told = {row["channel"]: row["levels"] for row in desk.ok("round")["channels"]}
    assert shop.levels()["TEE", ""] == outlet.levels()["TEE", ""] == 6
    assert told["outlet"] == 1


def test_a_round_in_trouble_tells_the_reason_and_exits_3(desk: Desk, shop: FarEnd) -> None:
    shop.fail("unauthorized")
    ran = desk.run("round")
    assert ran.code == 3
    assert "shop: shop refused the credentials; renew them and restart" in ran.out
    assert "Traceback" not in ran.err


def test_one_channels_trouble_does_not_stop_another(desk: Desk, shop: FarEnd) -> None:
    shop.fail("unavailable")
    desk.channel("outlet").place([("TEE", 1)])
    ran = desk.run("round", "--json")
    states = {row["channel"]: (row["state"], row["stored"]) for row in ran.json["channels"]}
    assert (ran.code, states) == (3, {"shop": ("unavailable", 0), "outlet": ("ok", 1)})


def test_a_wrong_channel_file_is_told_and_the_others_have_their_turn(desk: Desk, shop: FarEnd) -> None:
    desk.write("channels/outlet.toml", 'connector = "sandbox"\nlocatoins = {}\n')
    shop.place([("TEE", 1)])
    ran = desk.run("round")
    assert ran.code == 2
    assert ran.err.splitlines()[0].startswith("ordersync: channels/outlet.toml: unknown key `locatoins`; did you mean")
    assert len(desk.ok("orders")["orders"]) == 1


def test_a_channel_that_is_not_there_is_named_with_those_that_are(desk: Desk, shop: FarEnd) -> None:
    ran = desk.run("round", "shpo")
    assert (ran.code, ran.out) == (2, "")
    assert ran.told == "ordersync: there is no channel 'shpo'; there are: shop"


def test_a_channel_that_is_switched_off_is_no_mistake_of_its_file(desk: Desk, shop: FarEnd) -> None:
    desk.channel("outlet", enabled="false")
    ran = desk.run("round", "outlet")
    assert ran.code == 2
    assert ran.told == "ordersync: channel outlet is switched off; take enabled = false out of channels/outlet.toml"


def test_resync_looks_at_single_orders_by_any_of_their_names(desk: Desk, shop: FarEnd) -> None:
    first, second = shop.place([("TEE", 1)]), shop.place([("MUG", 1)])
    desk.ok("round")
    ours = {order["number"]: order["id"] for order in desk.ok("orders")["orders"]}
    third = shop.place([("TEE", 1)])
    told = desk.ok("resync", "shop", ours[first], f"#{second[2:]}", third)
    assert set(told["orders"]) == {first, second, third}
    assert told["orders"][third] == "stored"


def test_resync_of_an_order_the_channel_does_not_know_exits_1(desk: Desk, shop: FarEnd) -> None:
    ran = desk.run("resync", "shop", "S-9", "--json")
    assert (ran.code, ran.json["orders"]) == (1, {"S-9": "not found at the channel"})


def test_resync_since_sees_orders_the_cursor_has_passed(desk: Desk, shop: FarEnd) -> None:
    shop.place([("TEE", 1)])
    desk.ok("round")
    for _ in range(2):  # taking it in acknowledged it, which is a change
        told = desk.ok("resync", "shop", "--since", "2026-01-01")
    assert told["since"] == {"received": 1, "stored": 0, "repeated": 1, "quarantined": 0}


def test_resync_levels_mends_what_somebody_changed_at_the_channel(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    shop.offer("TEE", {"": 99})
    desk.ok("round")
    assert shop.levels()["TEE", ""] == 99
    assert desk.ok("resync", "shop", "--levels")["levels"] == {"listings": 2, "levels": 2}
    assert shop.levels()["TEE", ""] == 10


def test_resync_levels_tells_those_accepted_and_those_refused_apart(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    shop.asynchronous = True
    told = desk.ok("resync", "shop", "--levels")
    assert told["levels"] == {"listings": 2, "levels": 2}
    turn = told["turn"]
    assert (turn["levels"], turn["levels_accepted"], turn["levels_refused"]) == (0, 2, 0)
    assert "2 levels accepted and not worked off yet" in desk.run("resync", "shop", "--levels").out


def test_resync_of_nothing_is_wrong_usage(desk: Desk, shop: FarEnd) -> None:
    ran = desk.run("resync", "shop")
    assert ran.code == 2
    assert ran.told.startswith("ordersync: nothing to look at; name orders, --since TIME or --levels")


def test_resync_since_a_time_to_come_is_wrong_usage(desk: Desk, shop: FarEnd) -> None:
    ran = desk.run("resync", "shop", "--since", "2100-01-01")
    assert (ran.code, ran.out) == (2, "")
    assert ran.told.endswith("--since 2100-01-01 00:00:00 is still to come; nothing can have changed since then")


def test_what_could_not_be_looked_at_stays_asked_for(desk: Desk, shop: FarEnd) -> None:
    number = shop.place([("TEE", 1)])
    shop.fail("unauthorized")
    ran = desk.run("resync", "shop", number)
    assert ran.code == 3
    assert ran.err.splitlines()[-1].startswith("ordersync: shop: shop refused the credentials")
    assert desk.rows("SELECT count(*) FROM requests WHERE done_at IS NULL")[0][0] == 1
    shop.fail(None)
    desk.ok("round")
    assert desk.rows("SELECT count(*) FROM requests WHERE done_at IS NULL")[0][0] == 0


@contextmanager
def daemon(desk: Desk, *, works: bool = True) -> Iterator[threading.Event]:
    """Another process's daemon, as far as a command can tell: it holds the store and takes turns that are due.

    It ends with the block, or when the event is set.
    """
    store = desk.store()
    ends, holds = threading.Event(), threading.Event()
    settings = load(desk.config)

    def run() -> None:
        with store.sole_instance() as sole:
            assert sole
            holds.set()
            while not ends.is_set():
                with store.read() as tx:
                    due = [row.name for row in tx.rows("SELECT name FROM channels WHERE wanted > done")]
                for name in due if works else ():
                    try:
                        turn(store, settings, name, stopping=ends.is_set)
                    except Stopped:
                        return
                ends.wait(0.02)

    thread = threading.Thread(target=run)
    thread.start()
    assert holds.wait(10)
    try:
        yield ends
    finally:
        ends.set()
        thread.join(10)
        store.close()


def test_beside_a_daemon_a_round_is_the_daemons(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    shop.place([("TEE", 1)])
    with daemon(desk):
        (row,) = desk.ok("round")["channels"]
    assert (row["by"], row["state"], row["stored"], row["levels"]) == ("daemon", "ok", 1, None)


def test_beside_a_daemon_resync_waits_for_its_answer(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    number = shop.place([("TEE", 1)])
    with daemon(desk):
        assert desk.ok("resync", "shop", number)["orders"] == {number: "stored"}


def test_beside_a_daemon_the_channels_trouble_is_told(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    shop.fail("unauthorized")
    with daemon(desk):
        ran = desk.run("round", "--json")
    (row,) = ran.json["channels"]
    assert (ran.code, row["state"], row["by"]) == (3, "parked", "daemon")
    assert row["reason"] == "shop refused the credentials; renew them and restart"


def test_a_daemon_that_does_nothing_is_not_waited_for_forever(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    with daemon(desk, works=False):
        ran = desk.run("round", "--wait", 0)
    assert ran.code == 3
    assert ran.told == (
        "ordersync: shop: the daemon has not come to it in 0 s; it goes on by itself, see `ordersync status`"
    )


def test_when_the_daemon_ends_meanwhile_the_command_does_its_work(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    shop.place([("TEE", 1)])
    with daemon(desk, works=False) as ends:
        threading.Timer(0.1, ends.set).start()
        (row,) = desk.ok("round", "--wait", 60)["channels"]
    assert (row["by"], row["stored"]) == ("here", 1)


def test_a_channel_the_daemon_has_not_begun_with_is_no_riddle(desk: Desk, shop: FarEnd) -> None:
    with daemon(desk):
        ran = desk.run("resync", "shop", "S-1001")
    assert ran.code == 2
    assert ran.told == (
        "ordersync: the daemon has not begun with shop yet; try again in a moment (see `ordersync status`)"
    )
