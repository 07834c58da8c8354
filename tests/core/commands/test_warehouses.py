"""Warehouses at the command line: rounds, status, plan, and what needs a person."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from connectors.sandbox import FarEnd
from connectors.sandbox_warehouse import Yard
from core.errors import Unavailable
from tests.core.commands.desk import BUYER, Desk


@pytest.fixture
def yard(desk: Desk, shop: FarEnd) -> Iterator[Yard]:
    """`east` is served by the warehouse `depot`."""
    name = f"{desk.folder.name}/depot"
    (desk.config / "warehouses").mkdir()
    keys = f'connector = "sandbox"\nyard = {json.dumps(name)}\nlocations = {{ east = "E" }}\nskus = {{ TEE = "T-1" }}\n'
    desk.write("warehouses/depot.toml", keys)
    yield Yard.named(name)
    Yard.forget(name)


def ordered(desk: Desk, shop: FarEnd, *lines: tuple[str, int]) -> None:
    desk.ok("round")
    shop.place(list(lines))
    desk.ok("round")


def send(yard: Yard, tracking: str = "1Z1") -> None:
    (work,) = yard.works().values()
    yard.send(work.key, [(tracking, {number: work.open(number) for number in work.asked})])


def test_a_round_hands_over_and_the_next_tells_the_channel_what_left(desk: Desk, shop: FarEnd, yard: Yard) -> None:
    desk.ok("round")
    shop.place([("TEE", 2)])
    (house,) = desk.ok("round")["warehouses"]
    assert (house["warehouse"], house["state"], house["handed_over"]) == ("depot", "ok", 1)
    (work,) = yard.works().values()
    assert list(work.skus.values()) == ["T-1"]
    send(yard)
    found = desk.ok("round")
    assert found["warehouses"][0]["told"] == 1
    assert found["channels"][0]["tracking"] == 1
    assert [effect.tracking for effect in shop.effects()] == ["1Z1"]
    assert desk.ok("verify")["breaches"] == []


def test_one_warehouse_may_be_named_and_is_worked_alone(desk: Desk, shop: FarEnd, yard: Yard) -> None:
    found = desk.ok("round", "depot")
    assert (found["channels"], [one["warehouse"] for one in found["warehouses"]]) == ([], ["depot"])
    assert desk.ok("round", "shop")["warehouses"] == []
    assert "there is no channel or warehouse 'moon'" in desk.run("round", "moon").told


def test_a_name_nobody_has_is_told_with_channels_and_warehouses(desk: Desk, shop: FarEnd, yard: Yard) -> None:
    for command in ("round", "doctor"):
        ran = desk.run(command, "dpot")
        assert (ran.code, ran.out) == (2, "")
        assert ran.told == "ordersync: there is no channel or warehouse 'dpot'; there are: shop, depot"


def test_a_warehouse_in_trouble_is_told_and_exits_3_while_its_channel_works(
    desk: Desk, shop: FarEnd, yard: Yard
) -> None:
    yard.fail("unauthorized")
    ran = desk.run("round")
    assert ran.code == 3
    assert "depot: depot refused the credentials" in ran.out
    status = desk.run("status", "--json")
    assert status.code == 3
    (house,) = status.json["warehouses"]
    assert (house["health"], house["locations"]) == ("parked", ["east"])
    assert status.json["channels"][0]["health"] == "ok"
    assert status.json["issues"] == {"warehouse_down": 1}
    yard.fail(None)
    desk.ok("round")
    assert desk.ok("status")["warehouses"][0]["health"] == "ok"


def test_plan_shows_what_would_be_handed_over_and_called_back_and_keeps_nothing(
    desk: Desk, shop: FarEnd, yard: Yard
) -> None:
    ordered(desk, shop, ("TEE", 2))
    desk.ok("cancel", "1", "--reason", "buyer", "--line", "TEE=1")
    shop.place([("TEE", 1)])
    yard.fail("unavailable")
    desk.run("round", "shop")
    due = [(one["kind"], one["what"], one["state"]) for one in desk.ok("plan")["work"]]
    assert due == [("work", "1 T-1", "queued"), ("recall", "1 T-1", "queued")]
    assert desk.rows("SELECT count(*) FROM recalls")[0][0] == 0
    ran = desk.run("plan")
    assert "1 T-1" in ran.out
    assert "2 for warehouses" in ran.out
    yard.fail(None)
    desk.ok("round", "depot")
    assert desk.ok("plan")["work"] == []


def test_a_cancellation_says_that_the_warehouse_is_asked(desk: Desk, shop: FarEnd, yard: Yard) -> None:
    ordered(desk, shop, ("TEE", 2))
    ran = desk.run("cancel", "1", "--reason", "buyer")
    assert "east was asked to send 2 of these already: its warehouse is asked to stop" in ran.out
    desk.ok("round")
    (work,) = yard.works().values()
    assert [work.open(number) for number in work.asked] == [0]
    assert any("called back" in one["what"] for one in desk.ok("order", "1")["timeline"])


def test_what_cannot_be_booked_is_listed_shown_retried_and_settled(desk: Desk, shop: FarEnd, yard: Yard) -> None:
    ordered(desk, shop, ("TEE", 2))
    (work,) = yard.works().values()
    (number,) = work.asked
    yard.send(work.key, [("1Z1", {number: 5})])
    yard.adjust("E", "GHOST", 1, "found")
    assert "notices set aside" in desk.run("round").err
    ghost, over = desk.ok("warehouse", "notices")["notices"]
    assert (over["kind"], over["work"], over["state"]) == ("left", work.key, "refused")
    assert "5 of T-1 left" in over["reason"]
    status = desk.run("status")
    assert "2 notices not booked" in status.out
    assert "see `ordersync warehouse notices depot`" in status.out
    assert "1Z1" in desk.ok("warehouse", "notice", str(over["id"]))["body"]
    ran = desk.run("warehouse", "retry", over["id"], ghost["id"])
    assert ran.code == 1
    assert "5 of T-1 left" in ran.out
    over, ghost = sorted(one["id"] for one in desk.ok("warehouse", "notices")["notices"])
    desk.ok("stock", "receive", "GHOST", "east", "3")
    assert desk.ok("warehouse", "retry", str(ghost))["notices"][0]["became"] == "taken"
    assert desk.ok("stock", "show", "GHOST")["stock"][0]["on_hand"] == 4
    desk.ok("warehouse", "settle", str(over), "--why", "they sent two, by the phone")
    assert desk.ok("warehouse", "notices")["notices"] == []
    assert "seen to by hand: they sent two" in desk.ok("warehouse", "notices", "--all")["notices"][1]["reason"]
    assert "is not set aside" in desk.run("warehouse", "settle", over, "--why", "again").told
    assert "no notice has the id 99" in desk.run("warehouse", "retry", 99).told


def test_work_that_was_too_late_to_call_back_is_seen_to_by_hand(desk: Desk, shop: FarEnd, yard: Yard) -> None:
    ordered(desk, shop, ("TEE", 2))
    (work,) = yard.works().values()
    (line,) = work.asked
    work.sent[line] = work.asked[line]  # gone, and not told yet
    settle = ("warehouse", "settle", "--work", work.key)
    assert f"nothing of work {work.key} was too late" in desk.run(*settle, "--why", "looked").told
    assert "name notices by their ID" in desk.run("warehouse", "settle", "--why", "looked").told
    desk.ok("cancel", "1", "--reason", "buyer")
    desk.ok("round", "depot")
    assert [one["kind"] for one in desk.ok("issues", "--kind", "recall_too_late")["issues"]] == ["recall_too_late"]
    assert desk.ok(*settle, "--why", "the buyer keeps it") == {"settled": [], "work": [work.key]}
    assert desk.ok("issues", "--kind", "recall_too_late")["issues"] == []
    yard.send(work.key, [("1Z9", {line: 2})])
    assert desk.run("round").code == 0
    (notice,) = desk.ok("warehouse", "notices")["notices"]
    assert "2 of T-1 left, and 2 were asked for, of which 0 left before and 2 withdrawn" in notice["reason"]


def test_the_work_of_a_warehouse_is_listed_without_a_buyers_data(desk: Desk, shop: FarEnd, yard: Yard) -> None:
    ordered(desk, shop, ("TEE", 2))
    (one,) = desk.ok("warehouse", "work")["work"]
    assert (one["state"], one["lines"][0]["asked"], one["location"]) == ("handed", 2, "east")
    out = "".join(desk.run(*words).out for words in (["warehouse", "work"], ["plan"], ["status"], ["order", "1"]))
    assert not [word for word in BUYER if word in out]
    (work,) = yard.works().values()
    (line,) = work.asked
    yard.send(work.key, [("1Z0", {line: 1})])
    desk.ok("round")
    assert "2 T-1 (1 shipped)" in desk.run("warehouse", "work").out
    send(yard)
    desk.ok("round")
    assert desk.ok("warehouse", "work")["work"] == []
    (one,) = desk.ok("warehouse", "work", "depot", "--all")["work"]
    assert one["state"] == "done"
    assert "there is no warehouse 'moon'" in desk.run("warehouse", "work", "moon").told


def test_check_counts_warehouses_and_names_what_is_wrong_with_them(desk: Desk, shop: FarEnd, yard: Yard) -> None:
    assert desk.ok("check")["warehouses"] == ["depot"]
    assert "1 warehouse (depot)" in desk.run("check").out
    desk.write("warehouses/north.toml", 'connector = "sandbox"\nlocations = { east = "X" }\n')
    ran = desk.run("check")
    assert ran.code == 2
    assert "warehouses/north.toml: locations.east: east is served by depot already" in ran.out
    assert desk.run("status", "--json").json["warehouses"][1]["health"] == "misconfigured"
    assert "is served by depot already" in desk.run("round", "north").told


def test_an_outage_of_the_warehouse_keeps_no_tracking_from_the_channel(desk: Desk, shop: FarEnd, yard: Yard) -> None:
    ordered(desk, shop, ("TEE", 2))
    yard.fail("unavailable")
    desk.ok("ship", "1", "--location", "east", "--carrier", "UPS", "--tracking", "1ZHAND")
    assert desk.run("round").code == 3
    assert [effect.tracking for effect in shop.effects()] == ["1ZHAND"]
    assert Unavailable.__name__ not in desk.run("status").out


def test_the_doctor_asks_a_warehouse_and_takes_nothing(desk: Desk, shop: FarEnd, yard: Yard) -> None:
    ordered(desk, shop, ("TEE", 1))
    send(yard)
    for names in ((), ("depot",)):
        told = desk.ok("doctor", *names)
        found = {one["what"]: one["told"] for one in told["findings"] if one["channel"] == "depot"}
        assert found["connection"] == "it tells something new (1 on the first page)"
        assert ("shop" in {one["channel"] for one in told["findings"]}) is (names == ())
    assert desk.ok("round")["warehouses"][0]["told"] == 1
    assert "it has nothing new to tell" in desk.run("doctor", "depot").out


@pytest.mark.parametrize(("trouble", "what"), [("unauthorized", "credentials"), ("unavailable", "connection")])
def test_the_doctor_finds_a_warehouse_in_trouble(desk: Desk, shop: FarEnd, yard: Yard, trouble: str, what: str) -> None:
    yard.fail(trouble)
    ran = desk.run("doctor", "--json")
    ill = [(one["channel"], one["what"]) for one in ran.json["findings"] if not one["well"]]
    assert (ran.code, ill) == (3, [("depot", what)])
    assert "there is no channel or warehouse 'moon'" in desk.run("doctor", "moon").told


def test_a_round_names_the_files_that_may_still_be_on_their_way(desk: Desk, shop: FarEnd) -> None:
    folder = desk.folder / "drop"
    (folder / "in").mkdir(parents=True)
    (folder / "in" / "stock.csv").write_text("place,sku,quantity,as_of\nE,TEE,4,2026-01-01T00:00:00Z\n")
    (desk.config / "warehouses").mkdir(exist_ok=True)
    keys = f'connector = "filedrop"\nfolder = "{folder}"\nlocations = {{ east = "E" }}\n'
    desk.write("warehouses/files.toml", keys)
    (done,) = desk.ok("round", "files")["warehouses"]
    assert (done["told"], done["waits"].partition(";")[0]) == (0, "not read yet: stock.csv")
    assert f"files: {done['waits']}" in desk.run("round", "files").out.splitlines()
    desk.write("warehouses/files.toml", f"{keys}settle_seconds = 0\n")
    (done,) = desk.ok("round", "files")["warehouses"]
    assert (done["told"], done["waits"]) == (1, "")
