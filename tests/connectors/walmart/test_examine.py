"""An account examined: what is well, and what is to be done."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal

import pytest
from werkzeug.wrappers import Request, Response

from connectors.simulation import SimulatedListing
from connectors.walmart import Walmart
from connectors.walmart.simulator import WalmartSimulator, answers
from core.model import Finding, OwnStock
from tests.connectors.walmart.conftest import Connect, settings_for
from tests.connectors.walmart.trade import SKUS

pytestmark = pytest.mark.usefixtures("no_pauses")

Handle = Callable[[Request], Response]
NODES = {"east": "100009", "west": "361451"}


def looked(connector: Walmart) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for finding in connector.examine():
        found.setdefault(finding.what, []).append(finding)
    return found


def ill(connector: Walmart) -> list[Finding]:
    return [finding for finding in connector.examine() if not finding.well]


def test_an_account_in_order(simulator: WalmartSimulator, connect: Connect) -> None:
    found = looked(connect(locations=NODES))
    assert {what: [one.told for one in findings] for what, findings in found.items()} == {
        "credentials": ["Walmart takes the client id and secret"],
        "scopes": ["orders, inventory, feeds, returns, shipping are granted"],
        "clock": ["within 5 seconds of Walmart's"],
        "account": ["the seller account is active"],
        "locations": ["east is ship node 100009, which is active", "west is ship node 361451, which is active"],
        "listings": [f"{len(SKUS)} SKUs have levels"],
    }
    assert not ill(connect(locations=NODES))


def test_wrong_credentials_end_the_looking(connect: Connect) -> None:
    (finding,) = connect(client_id="wrong").examine()
    assert (finding.what, finding.well) == ("credentials", False)
    assert finding.told.endswith("; take both anew from the developer portal")
    assert "wrong" not in finding.told


@pytest.mark.parametrize(
    ("scopes", "told"),
    [
        ({"orders": "view_only", "returns": "no_access"}, "give the key orders full_access, returns view_only"),
        ({"inventory": "no_access"}, "give the key inventory full_access"),
    ],
)
def test_a_right_the_key_lacks_is_named(
    simulator: WalmartSimulator, connector: Walmart, scopes: dict[str, str], told: str
) -> None:
    simulator.account.scopes |= scopes
    (finding,) = ill(connector)
    assert (finding.what, told in finding.told) == ("scopes", True)


def test_a_right_that_is_enough_is_well(simulator: WalmartSimulator, connector: Walmart) -> None:
    simulator.account.scopes |= {"returns": "view_only", "item": "no_access"}
    del simulator.account.scopes["feeds"]  # what Walmart does not list is not lacking
    assert not ill(connector)


def test_a_suspended_seller_is_told(simulator: WalmartSimulator, connector: Walmart) -> None:
    simulator.account.status = "SUSPENDED"
    (finding,) = ill(connector)
    assert (finding.what, finding.told) == (
        "account",
        "the seller account is SUSPENDED; clear it with Walmart's seller support",
    )


def test_a_ship_node_that_is_unknown_or_not_active_is_told(simulator: WalmartSimulator, connect: Connect) -> None:
    simulator.account.nodes["361451"] = "INACTIVE"
    told = [finding.told for finding in ill(connect(locations=NODES | {"north": "7"}))]
    assert told == [
        "west is ship node 361451, which is INACTIVE; activate it in Seller Center",
        "north is ship node 7, which Walmart does not know; write one of 100009",
    ]


def test_locations_without_a_ship_node_are_told_where_there_are_several(
    simulator: WalmartSimulator, connect: Connect
) -> None:
    here = {"east": ""}
    (finding,) = looked(connect(locations=here))["locations"]
    assert (finding.well, "has 2 ship nodes" in finding.told) == (True, True)
    simulator.account.nodes = {"100009": "ACTIVE"}
    (finding,) = looked(connect(locations=here))["locations"]
    assert finding.told == "the account's one ship node takes all levels"


def test_a_clock_that_is_wrong_is_told(connector: Walmart, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.walmart.examine.clock", lambda response: int(time.time()) - 100)
    (finding,) = ill(connector)
    assert finding.what == "clock"
    assert finding.told.startswith("+1")
    assert finding.told.endswith("seconds off Walmart's; set this machine's clock, or its NTP service")


def test_one_thing_that_cannot_be_seen_keeps_no_other_from_being_looked_at(
    simulator: WalmartSimulator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle: Handle = simulator.handle
    forbidden = answers.gateway(403, "FORBIDDEN", "no").response

    def shut(request: Request) -> Response:
        return forbidden if "shipnodes" in request.path or "partnerprofile" in request.path else handle(request)

    monkeypatch.setattr(simulator, "handle", shut)
    found = looked(connect(locations=NODES))
    assert [what for what, findings in found.items() if not findings[0].well] == ["account", "locations"]
    assert found["listings"][0].well
    assert "rights it lacks" in found["account"][0].told


def test_an_account_without_a_single_item_is_well() -> None:
    with WalmartSimulator() as empty:
        assert isinstance(empty, WalmartSimulator)
        connector = Walmart("walmart-us", settings_for(empty))
        assert [one.told for one in connector.examine() if one.what == "listings"] == ["no SKU has a level yet"]
        connector.close()


def test_the_stock_in_walmarts_warehouses_is_told(simulator: WalmartSimulator, connector: Walmart) -> None:
    assert list(connector.own_stock()) == []
    for number in range(350):
        simulator.offer(
            SimulatedListing(sku=f"W-{number}", title="w", price=Decimal(1), quantities={"100009": 3}, by_channel=True)
        )
    found = list(connector.own_stock())
    assert found[0] == OwnStock(sku="W-0", on_hand=3, available=3, incoming=0)
    assert len({one.sku for one in found}) == 350
    assert simulator.calls["getWFSInventoryDetails"] == 3


def test_stock_in_walmarts_warehouses_is_told_with_what_comes_and_what_is_promised(
    simulator: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {"itemInformation": {"sku": "A"}, "inventoryData": {"availableUnits": 4, "onhandUnits": 9, "inboundUnits": 20}},
        {"itemInformation": {"sku": "B"}, "inventoryData": None},
        {"itemInformation": {"sku": "C"}, "inventoryData": {"availableUnits": -1}},
    ]
    answer = {"headers": {"totalCount": 3}, "payload": {"inventory": rows}}
    handle: Handle = simulator.handle
    monkeypatch.setattr(
        simulator, "handle", lambda r: answers.json(answer) if r.path == "/v3/wfs/inventory" else handle(r)
    )
    assert [(one.sku, one.on_hand, one.available, one.incoming) for one in connector.own_stock()] == [
        ("A", 9, 4, 20),
        ("B", 0, 0, 0),
        ("C", 0, 0, 0),
    ]
