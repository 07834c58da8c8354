"""`ordersync listings …`: mapped by hand, read again."""

from __future__ import annotations

from connectors.sandbox import FarEnd
from tests.core.commands.desk import Desk


def listings(desk: Desk, *args: str) -> dict[str, str | None]:
    return {row["sku"]: row["item"] for row in desk.ok("listings", "list", *args)["listings"]}


def test_a_line_of_an_unknown_sku_resumes_once_it_is_mapped(desk: Desk, shop: FarEnd) -> None:
    shop.offer("T-SHIRT", {"": 2})
    number = shop.place([("T-SHIRT", 2)])
    desk.ok("round")
    assert listings(desk, "--unmapped") == {"T-SHIRT": None}
    assert desk.ok("orders")["orders"][0]["status"] == "held"
    told = desk.ok("listings", "map", "shop", "T-SHIRT", "TEE")
    assert told == {"channel": "shop", "sku": "T-SHIRT", "item": "TEE", "was": None, "moved": [], "left": []}
    desk.ok("round")
    assert desk.ok("order", number)["status"] == "allocated"
    assert listings(desk) == {"MUG": "MUG", "T-SHIRT": "TEE", "TEE": "TEE"}
    assert shop.levels()["T-SHIRT", ""] == shop.levels()["TEE", ""] == 8


def test_a_mapping_by_hand_pokes_its_channel(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    desk.ok("listings", "map", "shop", "TEE", "MUG")
    (row,) = desk.rows("SELECT wanted, done FROM channels")
    assert row.wanted > row.done
    assert "TEE at shop is TEE (was MUG)" in desk.run("listings", "map", "shop", "TEE", "TEE").out


def test_an_item_that_is_not_there_cannot_be_mapped_to(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    ran = desk.run("listings", "map", "shop", "TEE", "CUP")
    assert ran.code == 2
    assert ran.told.startswith("ordersync: there is no item CUP; receive it first")


def test_a_mapping_of_what_the_channel_has_not_shown_says_so(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    assert desk.run("listings", "map", "shop", "TEE-TYPO", "TEE").out == (
        "TEE-TYPO at shop is TEE\nshop has not shown a listing TEE-TYPO so far: "
        "it counts for orders, and once it is shown\n"
    )
    assert desk.run("listings", "map", "shop", "TEE", "TEE").out == "TEE at shop is TEE\n"


def test_what_is_unmapped_is_offered_no_more(desk: Desk, shop: FarEnd) -> None:
    shop.offer("T-SHIRT", {"": 2})
    desk.ok("listings", "map", "shop", "T-SHIRT", "TEE")
    desk.ok("round")
    assert shop.levels()["T-SHIRT", ""] == 10
    assert desk.ok("listings", "unmap", "shop", "T-SHIRT")["was"] == "TEE"
    desk.ok("round")
    assert shop.levels()["T-SHIRT", ""] == 0
    assert listings(desk, "--unmapped") == {"T-SHIRT": None}
    assert desk.run("verify").code == 0
    ran = desk.run("listings", "unmap", "shop", "T-SHIRT")
    assert ran.told.startswith("ordersync: T-SHIRT is not mapped;")


def test_a_sku_that_would_be_mapped_again_at_once_cannot_be_unmapped(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    ran = desk.run("listings", "unmap", "shop", "TEE")
    assert ran.code == 2
    assert 'write match = "mapped" into its file' in ran.told
    desk.channel("shop", match='"mapped"')
    desk.ok("listings", "unmap", "shop", "TEE")
    desk.ok("round")
    assert listings(desk, "--unmapped") == {"TEE": None}


def test_reading_finds_what_is_new_on_offer(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    shop.offer("CUP", {"": 2})
    desk.ok("round")
    assert "CUP" not in listings(desk)
    (told,) = desk.ok("listings", "read")["channels"]
    counts = {"listings": 3, "new": 1, "gone": 0, "unmapped": 1}
    assert told == {"channel": "shop", "state": "ok", "reason": "", **counts}
    assert listings(desk)["CUP"] is None


def test_reading_listings_does_nothing_else_of_a_turn(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    level = shop.levels()["TEE", ""]
    shop.place([("MUG", 1)])
    desk.ok("stock", "receive", "TEE", "east", 5)
    before = desk.rows("SELECT wanted, done, next_due, last_pull FROM channels")
    out = desk.run("listings", "read").out
    assert out.split() == ["channel", "state", "listings", "new", "gone", "unmapped", "shop", "ok", *"2000"]
    assert desk.rows("SELECT wanted, done, next_due, last_pull FROM channels") == before
    assert desk.ok("orders")["orders"] == []
    assert shop.levels()["TEE", ""] == level


def test_what_is_read_is_told_at_the_next_turn(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    desk.ok("stock", "receive", "CUP", "east", 5)
    shop.offer("CUP", {"": 2})
    desk.ok("listings", "read")
    desk.ok("round")
    assert shop.levels()["CUP", ""] == 5


def test_reading_from_a_silent_channel_is_exit_3(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    shop.fail("unavailable")
    ran = desk.run("listings", "read", "shop")
    assert ran.code == 3
    assert "shop: shop answered" in ran.out
    (row,) = desk.rows("SELECT health FROM channels")
    assert row.health == "unavailable"


def test_a_report_says_what_is_wrong_with_listings(desk: Desk, shop: FarEnd) -> None:
    shop.offer("CUP", {"": 4})
    desk.ok("round")
    told = desk.ok("listings", "report")
    assert {(one["sku"], one["remark"]) for one in told["remarks"]} == {("CUP", "unmatched"), ("TEE", "differs"), ("MUG", "differs")}  # fmt: skip  # noqa: E501
    shop._listings.pop("MUG")
    desk.change("UPDATE channels SET listings_read = NULL")
    desk.ok("round")
    told = desk.ok("listings", "report")
    assert {(one["sku"], one["remark"]) for one in told["remarks"]} == {("CUP", "unmatched"), ("MUG", "gone")}
    assert "listings, 2 remarks" in desk.run("listings", "report").out


def test_a_report_names_what_is_sold_two_ways(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    desk.ok("listings", "map", "shop", "TEE-FBA", "TEE")
    desk.change("UPDATE listings SET fulfiller = 'channel', listed = TRUE WHERE sku = 'TEE-FBA'")
    told = desk.ok("listings", "report")["remarks"]
    assert {one["sku"] for one in told if one["remark"] == "both"} == {"TEE", "TEE-FBA"}


def test_a_listing_has_rules_of_its_own_and_its_level_is_explained(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    own = desk.ok("listings", "rule", "shop", "TEE", "--buffer", "2", "--percent", "50")
    assert own == {"channel": "shop", "sku": "TEE", "buffer": 2, "cap": None, "percent": 50, "stopped": False}
    assert "buffer 2, percent 50" in desk.run("listings", "list").out
    told = desk.ok("levels", "explain", "shop", "TEE")
    assert [(one["units"], one["desired"], one["told"]) for one in told["offers"]] == [(4, 10, 10)]
    assert told["own"] == ["buffer", "percent"]
    desk.ok("round")
    assert shop.levels()["TEE", ""] == 4
    assert "then 50 % of it; its own: buffer, percent" in desk.run("levels", "explain", "shop", "TEE").out
    assert "stopped" in desk.run("listings", "rule", "shop", "TEE", "--stop").out
    desk.ok("round")
    assert shop.levels()["TEE", ""] == 0
    assert "stopped: nothing of it is offered" in desk.run("levels", "explain", "shop", "TEE").out
    gone = ("--buffer", "channel", "--percent", "channel", "--no-stop")
    assert "the rules of its channel" in desk.run("listings", "rule", "shop", "TEE", *gone).out
    for wrong in ("1.5", "-1", "many"):
        ran = desk.run("listings", "rule", "shop", "TEE", "--cap", wrong)
        assert (ran.code, len(ran.err.splitlines())) == (2, 1)
    assert desk.run("levels", "explain", "shop", "none").code == 2


def test_a_remap_moves_open_orders_and_names_them(desk: Desk, shop: FarEnd) -> None:
    shop.place([("TEE", 1)])
    desk.ok("round")
    done = desk.ok("listings", "map", "shop", "TEE", "MUG")
    assert (done["was"], [one["reserved"] for one in (*done["moved"], *done["left"])]) == ("TEE", [1])
    shop.place([("TEE", 1)])
    desk.ok("round")
    desk.ok("listings", "map", "shop", "TEE", "TEE", "--keep")
    told = desk.run("listings", "map", "shop", "TEE", "MUG")
    assert told.code == 0


def test_one_unit_is_told_as_one(desk: Desk, shop: FarEnd) -> None:
    shop.place([("CUP", 1)])
    desk.ok("round")
    (issue,) = desk.ok("issues")["issues"]
    assert "1 unit of 1 order is held, and resumes once it is mapped" in issue["cause"]
    assert "shop: 1 order held; see" in desk.run("status").out


def test_an_item_is_renamed(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    assert desk.ok("stock", "rename", "TEE", "TEE-RED") == {"sku": "TEE-RED", "was": "TEE", "channels": ["shop"]}
    assert "there is no item TEE" in desk.run("stock", "rename", "TEE", "X").told
