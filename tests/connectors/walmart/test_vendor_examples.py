"""The orders that the vendor prints in its own spec, all of them, read as orders of ours."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from connectors.walmart import Walmart, documents, orders, returns
from connectors.walmart.simulator import WalmartSimulator
from core.conformance.documents import flaws
from core.model import Fulfiller, Order, ReturnState, money_off
from tests.connectors.walmart.trade import SKUS, acknowledged, parcel
from tests.specs import Spec, specs  # noqa: F401 - a fixture

SPEC = "walmart/order-management.openapi.json"

NO_ORDERS = {
    "post /v3/orders/{purchaseOrderId}/refund request": "a refund: the simulator takes it, in a test of its own",
    "post /v3/orders/{purchaseOrderId}/cancel request": "a cancellation: the simulator takes it, in a test of its own",
    "post /v3/orders/{purchaseOrderId}/shipping request": "a shipment: the simulator takes it, in a test of its own",
}
"""Examples in JSON that are no orders. The XML ones are left out: this connector speaks JSON alone."""

Example = tuple[str, dict[str, Any]]


def _examples(spec: Spec) -> Iterator[Example]:
    """Every JSON example of the spec: where it stands, and its value."""
    for path, item in spec.document["paths"].items():
        for method, operation in item.items():
            places = {"request": operation.get("requestBody", {})} | operation["responses"]
            for place, holder in places.items():
                content = holder.get("content", {}).get("application/json", {})
                if "example" in content:
                    yield f"{method} {path} {place}", content["example"]
                for name, example in content.get("examples", {}).items():
                    yield f"{method} {path} {place} {name}", example["value"]


def _documents(spec: Spec) -> Iterator[Example]:
    """Every order among them; those of a list one by one."""
    for where, value in _examples(spec):
        if where in NO_ORDERS:
            continue
        if "list" in value:
            for at, element in enumerate(value["list"]["elements"]["order"]):
                yield f"{where}[{at}]", element
        else:
            yield where, value


def test_every_printed_order_is_read_with_its_units_and_its_money(specs: Callable[[str], Spec]) -> None:  # noqa: F811
    read = 0
    for where, value in _documents(specs(SPEC)):
        observation = documents.observe(json.dumps(value).encode())
        order = orders.normalize(observation.body)
        bare = value.get("order", value)
        assert observation.number == order.number == bare["purchaseOrderId"], where
        assert not flaws(order), where
        assert money_off(order) == 0, where
        assert order.total == _charged(bare), where
        assert _units(order) == _printed_units(bare), where
        assert order.acknowledged is not any(count["Created"] for count in _printed(bare).values()), where
        assert order.fulfiller is Fulfiller.MERCHANT, where
        assert order.ship_to is not None, where
        assert order.ship_to.country == "US", where
        read += 1
    assert read == 28


def test_what_is_no_order_is_listed(specs: Callable[[str], Spec]) -> None:  # noqa: F811
    found = {where for where, value in _examples(specs(SPEC)) if "list" not in value and "order" not in value}
    assert found == NO_ORDERS.keys()


def test_a_wrapped_order_between_bare_ones_is_read_as_well(specs: Callable[[str], Spec]) -> None:  # noqa: F811
    wrapped = [value for where, value in _documents(specs(SPEC)) if "[" in where and "order" in value]
    assert len(wrapped) == 1
    order = orders.normalize(json.dumps(wrapped[0]).encode())
    assert [package.carrier for package in order.packages] == ["UPS"]


def test_tracking_printed_on_units_that_have_not_left_is_no_parcel(specs: Callable[[str], Spec]) -> None:  # noqa: F811
    # This example contradicts itself: a refund and a tracking number on a unit that is only created, and a carrier
    # that is in no list. The unit's status is believed.
    value = dict(_documents(specs(SPEC)))["get /v3/orders/{purchaseOrderId} 200 ATTRIBUTES"]
    order = orders.normalize(json.dumps(value).encode())
    assert not order.acknowledged
    assert (order.lines[0].shipped, order.packages) == (0, ())
    assert order.lines[0].place == "123"


def test_the_simulator_takes_the_printed_shipment(
    specs: Callable[[str], Spec],  # noqa: F811
    simulator: WalmartSimulator,
    connector: Walmart,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    printed = dict(_examples(specs(SPEC)))["post /v3/orders/{purchaseOrderId}/shipping request"]
    number = acknowledged(simulator, connector)
    answer = connector._api.ask("shippingUpdates", "POST", f"/v3/orders/{number}/shipping", body=printed)
    assert answer.status_code == httpx.codes.OK
    assert sorted(effect.carrier for effect in simulator.effects()) == ["FedEx", "UPS"]


def test_the_simulator_takes_the_printed_cancellation(
    specs: Callable[[str], Spec],  # noqa: F811
    simulator: WalmartSimulator,
    connector: Walmart,
) -> None:
    printed = dict(_examples(specs(SPEC)))["post /v3/orders/{purchaseOrderId}/cancel request"]
    number = acknowledged(simulator, connector)
    simulator.ask_to_cancel(number)  # the reason printed is the buyer's
    connector._api.ask("cancelOrderLines", "POST", f"/v3/orders/{number}/cancel", body=printed)
    assert sum(simulator.truths()[number].cancelled.values()) == 1


def test_the_simulator_takes_the_printed_refund(
    specs: Callable[[str], Spec],  # noqa: F811
    simulator: WalmartSimulator,
    connector: Walmart,
) -> None:
    printed = dict(_examples(specs(SPEC)))["post /v3/orders/{purchaseOrderId}/refund request"]
    number = acknowledged(simulator, connector, *[(SKUS[0], 1)] * 4)
    list(connector.push_tracking([parcel(number, {"4": 1})]))
    printed = {"orderRefund": printed["orderRefund"] | {"purchaseOrderId": number}}
    connector._api.ask("refundOrderLines", "POST", f"/v3/orders/{number}/refund", body=printed)
    assert simulator.truths()[number].refunded == Decimal("0.2")


def test_the_printed_refund_is_shown_as_given_back(specs: Callable[[str], Spec]) -> None:  # noqa: F811
    value = dict(_examples(specs(SPEC)))["post /v3/orders/{purchaseOrderId}/refund 200"]
    order = orders.normalize(json.dumps(value).encode())
    assert [(one.number, one.amount) for one in order.refunds] == [
        ("1 PRODUCT 19.99", Decimal("19.99")),
        ("1 SHIPPING 2", Decimal(2)),
    ]


def test_the_printed_returns_are_read(specs: Callable[[str], Spec]) -> None:  # noqa: F811
    spec = specs("walmart/returns-management.openapi.json")
    printed = dict(_examples(spec))["get /v3/returns 200"]["returnOrders"]
    found = [returns.normalize_return(json.dumps(one).encode()) for one in printed]
    first = found[0]
    assert (first.number, first.order, first.state) == ("103738048909818825", "4790210558890", ReturnState.CLOSED)
    assert (first.carrier, first.tracking) == ("FEDEX", "785611449666")
    assert [(line.order_line, line.sku, line.quantity, line.refunded) for line in first.lines] == [
        ("1", "ANTL_GDL-0700", 3, 1)
    ]
    assert [one.number for one in found] == [one["returnOrderId"] for one in printed]
    assert all(one.lines and one.order for one in found)


def _printed(bare: dict[str, Any]) -> dict[str, Counter[str]]:
    """Units by status of each line, off the document itself."""
    counts: dict[str, Counter[str]] = {}
    for line in bare["orderLines"]["orderLine"]:
        counts[line["lineNumber"]] = Counter(ordered=int(line["orderLineQuantity"]["amount"]))
        for status in line["orderLineStatuses"]["orderLineStatus"]:
            counts[line["lineNumber"]][status["status"]] += int(status["statusQuantity"]["amount"])
    return counts


def _printed_units(bare: dict[str, Any]) -> dict[str, tuple[int, int, int]]:
    return {
        line: (count["ordered"], count["Shipped"] + count["Delivered"], count["Cancelled"])
        for line, count in _printed(bare).items()
    }


def _units(order: Order) -> dict[str, tuple[int, int, int]]:
    return {line.number: (line.ordered, line.shipped, line.cancelled) for line in order.lines}


def _charged(bare: dict[str, Any]) -> Decimal:
    total = Decimal(0)
    for line in bare["orderLines"]["orderLine"]:
        for charge in line["charges"]["charge"]:
            total += Decimal(str(charge["chargeAmount"]["amount"]))
            total += Decimal(str(charge.get("taxAndOtherFees", {}).get("taxAmount", {}).get("amount", 0)))
    return total
