"""`stock preorder`, `backorder` and `ahead` at an operator's desk."""

from __future__ import annotations

import pytest

from connectors.sandbox import FarEnd
from tests.core.commands.desk import Desk


def test_a_preorder_is_offered_held_and_listed(desk: Desk, shop: FarEnd) -> None:
    shop.offer("NEW", {"": 0})
    told = desk.ok("stock", "preorder", "NEW", "--until", "2031-03-01", "--cap", "5", "--title", "Brand new")
    assert [(one["kind"], one["until"], one["cap"]) for one in told["ahead"]] == [
        ("preorder", "2031-03-01T00:00:00Z", 5)
    ]
    desk.ok("round")
    assert shop.levels()["NEW", ""] == 5
    placed = shop.place([("NEW", 2)])
    desk.ok("round")
    (held,) = desk.ok("order", placed)["holds"]
    assert (held["hold"], held["by"], held["until"]) == ("preorder", "ordersync", "2031-03-01T00:00:00Z")
    assert held["why"] == "NEW ships from 2031-03-01 00:00Z"
    (one,) = desk.ok("stock", "ahead")["ahead"]
    assert (one["sku"], one["promised"], one["ahead"]) == ("NEW", 2, 3)
    assert "2031-03-01" in desk.run("stock", "ahead").out
    assert desk.run("stock", "preorder", "NEW", "--off").out == "the preorder of NEW is over\n"
    desk.ok("round")
    assert desk.ok("order", placed)["status"] == "backordered"
    assert shop.levels()["NEW", ""] == 0


def test_a_backorder_is_offered_beside_what_is_there(desk: Desk, shop: FarEnd) -> None:
    assert desk.run("stock", "backorder", "MUG", "--cap", "4").code == 0
    desk.ok("round")
    assert shop.levels()["MUG", ""] == 5
    assert desk.ok("stock", "backorder", "MUG", "--off") == {"sku": "MUG", "kind": "backorder", "open": False}
    desk.ok("round")
    assert shop.levels()["MUG", ""] == 1


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("preorder", "TEE"), "say --until TIME"),
        (("preorder", "TEE", "--until", "2031-01-01", "--off"), "say --until TIME"),
        (("preorder", "TEE", "--until", "2001-01-01"), "2001-01-01 00:00Z is past"),
        (("preorder", "TEE", "--off"), "no preorder of 'TEE' is open"),
        (("backorder", "TEE"), "say --cap N"),
        (("backorder", "NOBODY", "--cap", "1"), "there is no item NOBODY"),
    ],
)
def test_a_mistake_is_one_line(desk: Desk, shop: FarEnd, args: tuple[str, ...], told: str) -> None:
    ran = desk.run("stock", *args)
    assert (ran.code, told in ran.told) == (2, True)
