"""`ordersync issues`: what needs a person, and what to run."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from connectors.sandbox import FarEnd
from core.commands import show
from core.sync.issues import KINDS
from tests.core.commands.desk import Desk

PAGE = Path(__file__).parents[3] / "docs" / "issues.md"


def test_nothing_to_do_is_said(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    assert desk.run("issues", "--fail").out == "nothing needs a person\n"
    assert desk.run("issues", "--fail").code == 0
    assert desk.ok("issues") == {"total": 0, "counts": {}, "issues": []}
    assert desk.ok("status")["issues"] == {}


def test_an_issue_is_told_with_what_to_run_and_goes_once_that_was_run(desk: Desk, shop: FarEnd) -> None:
    shop.place([("CUP", 2)])
    desk.ok("round")
    told = desk.ok("issues")
    assert (told["total"], told["counts"]) == (1, {"unknown_sku": 1})
    (issue,) = told["issues"]
    assert "2 units of 1 order are held, and resume once it is mapped" in issue["cause"]
    assert issue["id"] == "unknown_sku:shop:CUP"
    assert issue["since"].endswith("Z")
    assert issue["deadline"] is None
    assert issue["commands"][0] == "ordersync listings map shop CUP ITEM-SKU"
    assert desk.ok("status")["issues"] == {"unknown_sku": 1}
    assert "1 issue for a person (1 unknown_sku); see `ordersync issues`" in desk.run("status").out
    assert desk.run("issues").code == 0
    assert desk.run("issues", "--fail").code == 1
    desk.ok("stock", "receive", "CUP", "east", 2)
    desk.ok(*issue["commands"][0].split()[1:-1], "CUP")
    desk.ok("round")
    assert desk.ok("issues")["total"] == 0


def test_kinds_and_channels_are_chosen_by_name(desk: Desk, shop: FarEnd) -> None:
    desk.channel("mall").place([("POT", 1)])
    shop.place([("CUP", 2)])
    shop.place([("MUG", 5)])
    desk.ok("round")
    desk.change("UPDATE orders SET imported_at = 1")
    assert desk.ok("issues")["counts"] == {"unknown_sku": 2, "backorder": 1}
    assert desk.ok("issues", "--channel", "mall")["counts"] == {"unknown_sku": 1}
    assert desk.ok("issues", "--kind", "backorder", "--kind", "late")["counts"] == {"backorder": 1}
    late = desk.run("issues", "--kind", "late", "--fail")
    assert (late.code, late.out) == (0, "none of these needs a person\n"), "others do"
    short = desk.ok("issues", "--limit", 1)
    assert (short["total"], len(short["issues"])) == (3, 1)
    told = desk.run("issues", "--limit", 1).out
    assert "3 issues: 2 unknown_sku, 1 backorder (the most urgent 1; see --limit)" in told


def test_a_kind_or_channel_there_is_none_of_is_a_mistake_of_one_line(desk: Desk, shop: FarEnd) -> None:
    desk.ok("round")
    for words in (("--kind", "nonsense"), ("--channel", "nonsense")):
        ran = desk.run("issues", *words)
        assert ran.code == 2
        assert "nonsense" in ran.told


def test_a_table_of_issues_is_readable_at_100_columns(
    desk: Desk, shop: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.place([("A-RATHER-LONG-SKU-THAT-NOBODY-KNOWS", 2)])
    shop.place([("MUG", 5)])
    desk.ok("round")
    desk.change("UPDATE orders SET imported_at = 1, ship_by = 1000000")
    wide = io.StringIO()
    monkeypatch.setattr(show, "_console", lambda: Console(file=wide, width=100, highlight=False))
    desk.run("issues")
    lines = wide.getvalue().splitlines()
    assert max(map(len, lines)) <= 100
    assert any(line.rstrip().endswith("ordersync order 2") for line in lines)  # a command stays in one piece
    assert sum("unknown_sku" in line for line in lines) == 2  # its row, and the count


def test_a_breach_is_an_issue_until_verify_finds_it_no_more(desk: Desk, shop: FarEnd) -> None:
    shop.place([("TEE", 2)])
    desk.ok("round")
    desk.change("UPDATE items SET reserved = reserved + 3 WHERE sku = 'TEE'")
    assert desk.ok("issues")["total"] == 0  # nobody has looked
    assert desk.run("verify").code == 1
    told = desk.ok("issues")
    assert set(told["counts"]) == {"breach"}
    assert ("TEE" in told["issues"][0]["subject"], told["issues"][0]["commands"][1]) == (
        True,
        "ordersync verify --repair",
    )
    assert desk.run("verify", "--repair").code == 0
    assert desk.ok("issues")["total"] == 0


def test_a_channel_whose_token_died_stands_in_the_inbox_and_the_others_do_not(desk: Desk, shop: FarEnd) -> None:
    mall = desk.channel("mall")
    desk.ok("round")
    mall.fail("unauthorized")
    assert desk.run("round").code == 3
    assert desk.ok("issues")["counts"] == {"parked": 1}
    assert desk.ok("issues")["issues"][0]["commands"] == ["ordersync doctor mall"]


def test_every_kind_is_documented_and_no_other() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(kind.name for kind in KINDS)
