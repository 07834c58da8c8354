"""A channel in shadow: read and computed, and never told anything, however often and for however long."""

from __future__ import annotations

import pytest

from connectors.sandbox import FarEnd, Sandbox
from connectors.sandbox.client import SandboxSettings
from core.connector import WRITES
from core.sync.shadow import in_shadow
from tests.core.commands.desk import Desk


def test_nothing_is_told_until_the_channel_goes_live_and_then_all_of_it(desk: Desk, shop: FarEnd) -> None:
    desk.channel("shop", mode='"shadow"')
    number = shop.place([("TEE", 1)])
    before = shop.levels()
    for _ in range(2):
        desk.ok("round")
    desk.ok("ship", number, "--location", "east", "--carrier", "UPS", "--tracking", "1Z9")
    desk.ok("round")
    assert shop.levels() == before
    assert shop.effects() == []
    assert not shop.truths()[number].acknowledged

    told = desk.ok("plan")
    assert {push["kind"] for push in told["pushes"]} == {"acknowledge", "tracking"}
    assert {level["sku"]: level["new"] for level in told["levels"]} == {"TEE": 9, "MUG": 1}
    waiting = {one["waits_for"] for one in (*told["pushes"], *told["levels"])}
    assert waiting == {"the channel to leave shadow mode"}

    desk.channel("shop", mode='"live"')
    desk.ok("round")
    assert shop.levels() == {("TEE", ""): 9, ("MUG", ""): 1}
    assert [effect.tracking for effect in shop.effects()] == ["1Z9"]
    assert shop.truths()[number].acknowledged


def test_its_orders_take_stock_that_other_channels_stop_offering(desk: Desk, shop: FarEnd) -> None:
    other = desk.channel("other")
    other.offer("TEE", {"": 0})
    desk.channel("shop", mode='"shadow"')
    shop.place([("TEE", 4)])
    desk.ok("round")
    desk.ok("round")
    assert other.levels()["TEE", ""] == 6


def test_status_says_which_channel_is_a_shadow(desk: Desk, shop: FarEnd) -> None:
    desk.channel("shop", mode='"shadow"')
    desk.ok("round")
    (told,) = desk.ok("status")["channels"]
    assert (told["mode"], told["health"]) == ("shadow", "ok")
    assert "ok, shadow" in desk.run("status").out


def test_no_write_gets_through_even_where_a_round_asks_for_one() -> None:
    shadow = in_shadow(Sandbox("shop", SandboxSettings(connector="sandbox")))
    for name in WRITES:
        with pytest.raises(RuntimeError, match=name):
            getattr(shadow, name)
    assert shadow.abilities == Sandbox.abilities


def test_every_method_of_the_protocol_that_changes_the_channel_is_a_write() -> None:
    """A new push that nobody listed among the writes would get through."""
    from core.connector import Connector

    pushes = {name for name in vars(Connector) if name.startswith("push_")}
    pushes |= {"acknowledge", "subscriptions", "listen"}
    assert pushes == set(WRITES)
