"""What we send and what the simulator answers, judged by Shopify's own introspection of 2026-10."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    parse,
    validate,
)
from werkzeug.wrappers import Request, Response

from connectors.shopify import bulk
from connectors.shopify.simulator import PATH, ShopifySimulator
from connectors.shopify.simulator.schema import build
from core.model import LevelKey, Voiding
from tests.connectors.shopify.given import EAST, SKUS, WEST, connector, levels_of, order_of, parcel
from tests.connectors.shopify.schema import faults, shopifys_schema
from tests.specs import specs  # noqa: F401 - a fixture

pytestmark = pytest.mark.spec


@pytest.fixture
def vendor(specs: Callable[[str], Any]) -> GraphQLSchema:  # noqa: F811 - the fixture that skips
    return shopifys_schema()


def differences(ours: GraphQLSchema, theirs: GraphQLSchema) -> list[str]:
    """Where a part of a schema says what the whole does not."""
    found = []
    for name, kind in ours.type_map.items():
        real = theirs.type_map.get(name)
        if name.startswith("__"):
            continue
        if type(real) is not type(kind):
            found.append(f"{name}: no such type of this kind")
        elif isinstance(kind, GraphQLEnumType) and isinstance(real, GraphQLEnumType):
            found += [f"{name}.{value}: no such value" for value in kind.values if value not in real.values]
        elif isinstance(kind, GraphQLInputObjectType) and isinstance(real, GraphQLInputObjectType):
            found += _inputs(name, kind.fields, real.fields)
            found += [
                f"{name}.{field}: required there and absent here"
                for field, there in real.fields.items()
                if str(there.type).endswith("!") and field not in kind.fields
            ]
        elif isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            assert isinstance(real, GraphQLObjectType | GraphQLInterfaceType)
            implemented = {interface.name for interface in real.interfaces}
            found += [f"{name} implements no {one.name}" for one in kind.interfaces if one.name not in implemented]
            for field, here in kind.fields.items():
                there = real.fields.get(field)
                if there is None or str(there.type) != str(here.type):
                    found.append(f"{name}.{field}: {here.type} here, {there and there.type} there")
                else:
                    found += _inputs(f"{name}.{field}", here.args, there.args)
    return found


def _inputs(where: str, here: dict[str, Any], there: dict[str, Any]) -> list[str]:
    found = []
    for name, mine in here.items():
        real = there.get(name)
        if real is None or (str(mine.type), mine.default_value) != (str(real.type), real.default_value):
            found.append(f"{where}({name}): {mine.type} here, {real and real.type} there")
    return found


def test_the_simulators_schema_is_a_true_part_of_shopifys(vendor: GraphQLSchema) -> None:
    assert differences(build(), vendor) == []
    assert [str(arg.type) for arg in vendor.get_directive("idempotent").args.values()] == ["String!"]  # type: ignore[union-attr]


def test_a_schema_that_strays_is_seen(vendor: GraphQLSchema) -> None:
    strayed = build()
    strayed.type_map["Order"].fields["name"].type = strayed.type_map["Boolean"]  # type: ignore[attr-defined]
    strayed.type_map["CurrencyCode"].values["XXL"] = None  # type: ignore[attr-defined]
    del strayed.type_map["InventorySetQuantitiesInput"].fields["reason"]  # type: ignore[attr-defined]
    assert len(differences(strayed, vendor)) == 3


class Watch:
    """Notes every GraphQL request and answer that passes a simulator."""

    def __init__(self, simulator: ShopifySimulator) -> None:
        self.seen: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self._handle = simulator.handle
        simulator.handle = self._watched  # type: ignore[method-assign]

    def _watched(self, request: Request) -> Response:
        body = request.get_data()
        response = self._handle(request)
        if request.path == PATH and response.status_code == 200:
            self.seen.append((json.loads(body), json.loads(response.get_data())))
        return response


def test_all_that_is_said_keeps_to_shopifys_schema(simulator: ShopifySimulator, vendor: GraphQLSchema) -> None:
    watch = Watch(simulator)
    shop = connector(simulator, locations={"east": EAST, "west": WEST})
    plain = connector(simulator)
    simulator.place(order_of(("MUG-1", 3), ("TEE-2", 1)))
    simulator.place(order_of(*((SKUS[at % 3], 2) for at in range(600))))
    for _ in range(4):
        simulator.place(order_of(("CAP-3", 1)))
    orders = [shop.normalize(one.body) for page in shop.pages(None) for one in page.observations]
    list(plain.pages(None))
    for order in orders[:2]:
        sent = parcel(order, units=1, tracking_url="https://track.example/1Z1")
        assert [ack.state for ack in shop.push_tracking([sent])] == ["applied"]
        never = Voiding(key="v", order=order.number, told="x", numbers=("1Z1",), lines={order.lines[0].number: 1})
        assert [ack.state for ack in shop.push_voids([never])] == ["applied"]
        assert [ack.state for ack in shop.push_tracking([sent])] == ["applied"]
        every = parcel(order, "ALL", lines={line.number: 1 for line in order.lines[1:]})
        assert [ack.state for ack in shop.push_tracking([every, sent])]
        shop.normalize(shop.fetch(order.number).body)
    levels = levels_of(shop, simulator, 3)
    assert [ack.state for ack in shop.push_levels(levels)] == ["applied"] * 3
    keys = [LevelKey(key=one.key, sku=one.sku, handle=one.handle, place=one.place) for one in levels]
    assert len(list(shop.read_levels(keys))) == 3
    simulator.cancel(orders[2].number)
    shop.fetch(orders[2].number)

    asked = {request["query"].split("(")[0] for request, _ in watch.seen}
    assert asked == {
        *("query Orders", "query Order", "query More", "query Changed", "query Fulfilments", "query Fulfilment"),
        *(
            "query MoreFulfilment",
            "mutation Fulfil",
            "mutation Unfulfil",
            "mutation SetQuantities",
            "query Variants",
            "query Levels",
        ),
    }
    wrong = {fault for request, answer in watch.seen for fault in faults(vendor, request, answer)}
    assert wrong == set()


@pytest.mark.parametrize("places", [True, False])
def test_what_is_gathered_in_bulk_keeps_to_shopifys_schema(vendor: GraphQLSchema, places: bool) -> None:
    document = parse(bulk.query("created_at:>='2026-01-01T00:00:00Z'", places=places))
    assert [error.message for error in validate(vendor, document)] == []


def test_an_answer_that_shopify_could_not_give_is_seen(vendor: GraphQLSchema) -> None:
    request = {"query": "query Changed($id: ID!) { order(id: $id) { updatedAt } }", "variables": {"id": "1"}}
    assert faults(vendor, request, {"data": {"order": {"updatedAt": "2026-01-01T00:00:00Z"}}}) == []
    assert faults(vendor, request, {"data": {"order": {"updatedAt": None}}})
    assert faults(vendor, request, {"data": {"order": None, "more": 1}})
    assert faults(vendor, {**request, "variables": {}}, {"data": {"order": None}})
