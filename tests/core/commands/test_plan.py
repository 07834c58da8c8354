"""`ordersync plan`: what is due, with nothing sent and nothing kept."""

from __future__ import annotations

from typing import Any

from connectors.sandbox import FarEnd
from core.store import tables
from tests.core.commands.desk import Desk


def levels(told: Any) -> dict[str, tuple[int | None, int]]:
    return {level["sku"]: (level["old"], level["new"]) for level in told["levels"]}


def contents(desk: Desk) -> dict[str, list[tuple[Any, ...]]]:
    return {
        table.name: sorted(map(tuple, desk.rows(f"SELECT * FROM {table.name}")), key=repr)
        for table in tables.metadata.sorted_tables
    }


def test_levels_are_told_as_old_and_new_and_nothing_is_kept(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    desk.ok("stock", "receive", "TEE", "east", 5)
    before, at_channel = contents(desk), shop.levels()
    told = desk.ok("plan")
    assert levels(told) == {"TEE": (10, 15)}
    assert contents(desk) == before
    assert shop.levels() == at_channel
    desk.ok("round")
    assert shop.levels()["TEE", ""] == 15
    assert levels(desk.ok("plan")) == {}


def test_a_changed_rule_shows_before_it_is_told(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    desk.channel("shop", buffer="4")
    assert levels(desk.ok("plan")) == {"TEE": (10, 6), "MUG": (1, 0)}


def test_an_item_received_since_counts_for_the_listing_of_its_sku(desk: Desk, shop: FarEnd) -> None:
    shop.offer("CUP", {"": 0})
    desk.ok("round")
    desk.ok("stock", "receive", "CUP", "west", 7)
    assert levels(desk.ok("plan")) == {"CUP": (None, 7)}


def test_parcels_and_acknowledgements_are_named(desk: Desk, shop: FarEnd) -> None:
    number = shop.place([("TEE", 1)])
    desk.ok("round")
    desk.ok("ship", number, "--location", "east", "--carrier", "UPS", "--tracking", "1Z9")
    (push,) = desk.ok("plan")["pushes"]
    assert (push["kind"], push["order"], push["tracking"], push["state"]) == ("tracking", number, "1Z9", "queued")
    assert shop.effects() == []
    ran = desk.run("plan")
    assert "1Z9" in ran.out
    assert "due: 1 push and 0 levels; nothing was sent" in ran.out


def test_what_the_settings_keep_back_is_not_due(desk: Desk, shop: FarEnd) -> None:
    number = shop.place([("TEE", 1)])
    desk.ok("round")
    desk.ok("ship", number, "--location", "east", "--carrier", "UPS", "--tracking", "1Z9")
    desk.channel("shop", push_tracking="false", push_levels="false")
    assert desk.ok("plan") == {"pushes": [], "levels": [], "refused": [], "work": []}


def test_a_listing_the_channel_has_not_shown_waits(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    desk.ok("listings", "map", "shop", "TEE-OLD", "TEE")
    (level,) = desk.ok("plan")["levels"]
    assert (level["sku"], level["waits_for"]) == ("TEE-OLD", "the channel to show this listing")


def test_what_the_channel_refused_is_listed_apart_with_its_reason(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    desk.change("UPDATE levels SET state = 'refused', reason = 'unknown SKU; mend it' WHERE desired = 1")
    told = desk.ok("plan")
    assert told["levels"] == []
    (refused,) = told["refused"]
    assert refused == {"channel": "shop", "sku": "MUG", "place": "", "old": 1, "new": 1,
                       "reason": "unknown SKU; mend it"}  # fmt: skip
    out = desk.run("plan").out
    assert "refused by the channel: mend the cause, then `ordersync resync CHANNEL --levels`" in out
    assert "unknown SKU; mend it" in out
    assert out.endswith("due: 0 pushes and 0 levels; nothing was sent; 1 level refused earlier\n")
    desk.channel("shop", push_levels="false")
    assert desk.ok("plan")["refused"] == []


def test_what_would_be_given_up_is_planned_and_not_done(desk: Desk, shop: FarEnd) -> None:
    placed = shop.place([("MUG", 3)])
    desk.ok("round")
    desk.channel(backorder='"never"')
    for _ in range(2):
        (due,) = [one for one in desk.ok("plan")["pushes"] if one["kind"] == "cancel"]
        assert (due["order"], due["what"], due["waits_for"]) == (placed, "2 of line L1: out of stock", "")
    (line,) = desk.ok("order", placed)["lines"]
    assert (line["backordered"], line["cancelled"]) == (2, 0)
    desk.ok("round")
    assert shop.truths()[placed].cancelled == {"MUG": 2}
