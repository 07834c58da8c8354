"""Examining a shop: each thing that can be wrong is found, with what to do, and the rest is still looked at."""

from __future__ import annotations

import email.utils
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from connectors.shopify import Shopify, examine
from connectors.shopify.simulator import ShopifySimulator
from core.errors import Rejected, Unauthorized, Unavailable
from core.model import Finding
from tests.connectors.shopify.given import EAST, WEST, connector, order_of

HERE, THERE = (place.rpartition("/")[2] for place in (EAST, WEST))


@pytest.fixture
def both(simulator: ShopifySimulator) -> Shopify:
    return connector(simulator, locations={"east": HERE, "west": THERE})


def ill(shop: Shopify) -> dict[str, str]:
    """What is not well and what is said of it; everything has been looked at."""
    findings = list(shop.examine())
    assert {one.what for one in findings} == {
        *("credentials", "scopes", "clock", "API version", "orders", "locations", "listings")
    }
    bad = [one for one in findings if not one.well]
    assert all(len(one.told.rpartition(";")[2].split()) > 1 for one in bad), bad
    return {one.what: one.told for one in bad}


def told(shop: Shopify, what: str) -> list[str]:
    return [one.told for one in shop.examine() if one.what == what]


def test_orders_without_their_buyers_are_found(simulator: ShopifySimulator, both: Shopify) -> None:
    assert told(both, "orders") == ["readable; there are none yet"]
    number = simulator.place(order_of(("MUG-1", 1)))
    assert told(both, "orders") == ["readable with their buyers and addresses"]
    kept = simulator.shop.orders[number]
    kept.email, kept.shippingAddress = None, None  # type: ignore[assignment] # as without leave to see them
    assert ill(both)["orders"].endswith("protected customer data under the app's API access")


def test_a_shop_in_order_is_well(both: Shopify) -> None:
    assert ill(both) == {}
    assert told(both, "listings") == ["3 variants on offer"]
    assert told(both, "locations") == [
        f"east is location {HERE}, which is active",
        f"west is location {THERE}, which is active",
    ]


def test_a_scope_that_is_needed_is_named_with_what_it_is_for(simulator: ShopifySimulator, both: Shopify) -> None:
    simulator.world.scopes -= {"write_inventory"}
    assert ill(both) == {
        "scopes": "the app lacks write_inventory (telling levels); "
        "grant it in the app's configuration and install the app again"
    }


def test_a_scope_that_is_only_wanted_is_told_and_no_illness(simulator: ShopifySimulator, both: Shopify) -> None:
    simulator.world.scopes -= {"read_returns", "read_all_orders"}
    assert ill(both) == {}
    assert "not granted: read_all_orders (orders older than 60 days), read_returns (returns)" in told(both, "scopes")[0]


def test_who_may_write_may_read(simulator: ShopifySimulator, both: Shopify) -> None:
    simulator.world.scopes -= {"read_orders", "read_inventory", "read_merchant_managed_fulfillment_orders"}
    assert ill(both) == {}


def test_what_the_app_may_not_read_is_found_and_the_rest_is_looked_at(
    simulator: ShopifySimulator, both: Shopify
) -> None:
    simulator.world.scopes -= {"read_products"}
    found = ill(both)
    assert found.keys() == {"scopes", "listings"}
    assert "may not use productVariants" in found["listings"]


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (60, "ours is 60 s behind Shopify's; let NTP set this machine's clock"),
        (-60, "ours is 60 s ahead of Shopify's; let NTP set this machine's clock"),
        (3, "within 5 s of Shopify's"),
        (None, "Shopify's answer bears no date; check base_url"),
    ],
)
def test_a_clock_that_is_off_is_told_by_how_much(seconds: int | None, told: str) -> None:
    now = datetime(2026, 11, 27, 12, tzinfo=UTC)
    date = "" if seconds is None else email.utils.format_datetime(now + timedelta(seconds=seconds), usegmt=True)
    with time_machine.travel(now, tick=False):
        finding = examine._clock(date)
    assert (finding.told, finding.well) == (told, seconds == 3)


def test_a_version_that_is_retired_or_forwarded_is_found(simulator: ShopifySimulator, both: Shopify) -> None:
    simulator.world.versions = [{"handle": "2027-01", "supported": True}, {"handle": "2026-10", "supported": False}]
    assert ill(both) == {"API version": "Shopify supports 2026-10 no more; install a newer ordersync"}
    simulator.answers_as = "2027-01"
    assert "2027-01 answers" in ill(both)["API version"]


def test_each_location_is_looked_at(simulator: ShopifySimulator) -> None:
    simulator.shop.locations[WEST].isActive = False
    shop = connector(simulator, locations={"east": HERE, "west": THERE, "south": "999", "north": ""})
    findings = [one for one in shop.examine() if one.what == "locations"]
    assert {one.told.partition(" ")[0].rstrip(":"): one.well for one in findings} == {
        "east": True,
        "west": False,
        "south": False,
        "north": False,
    }
    assert all(";" in one.told for one in findings if not one.well)
    assert told(connector(simulator), "locations") == ["none ships for this channel, so it is told no levels"]


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (Unavailable("no answer"), "channel"),
        (Unauthorized("refused; renew them"), "credentials"),
        (Rejected("there is no such shop"), "credentials"),
    ],
)
def test_what_keeps_it_from_looking_is_a_finding(
    both: Shopify, monkeypatch: pytest.MonkeyPatch, error: Exception, what: str
) -> None:
    def fail(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(both._graph, "ask", fail)
    (finding,) = both.examine()
    assert isinstance(finding, Finding)
    assert (finding.what, finding.well, ";" in finding.told) == (what, False, True)


def test_an_outage_in_the_middle_is_a_finding_of_what_was_looked_at(
    both: Shopify, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = both._graph.ask

    def fail(document: str, *rest: Any) -> Any:
        if "Places" in document:
            raise Unavailable("no answer")
        return ask(document, *rest)

    monkeypatch.setattr(both._graph, "ask", fail)
    assert ill(both) == {"locations": "no answer; try again later"}
