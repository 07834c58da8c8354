"""What lies in Amazon's warehouses: told whole, summed by SKU, and never half."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from werkzeug.wrappers import Request, Response

from connectors.amazon import Amazon
from connectors.amazon.simulator import AmazonSimulator
from connectors.amazon.simulator.warehouse import Pool
from core.errors import Unauthorized, Unavailable
from core.model import OwnStock
from tests.connectors.amazon.conftest import order


def many(simulator: AmazonSimulator, count: int) -> None:
    simulator.warehouse.pools = [Pool(f"FBA-{number:03d}", f"X{number}", number) for number in range(count)]


def answering(simulator: AmazonSimulator, replace: Callable[[Request, Response], Response]) -> None:
    handle: Callable[[Request], Response] = simulator.handle

    def handled(request: Request) -> Response:
        response = handle(request)
        return replace(request, response) if request.path.startswith("/fba/") else response

    simulator.handle = handled  # type: ignore[method-assign]


def test_units_are_told_as_there_to_be_sold_and_on_their_way(simulator: AmazonSimulator, amazon: Amazon) -> None:
    simulator.warehouse.pools = [
        Pool(
            "A", "X1", fulfillable=10, reserved=3, researching=1, unfulfillable=2, announced=50, shipped=20, receiving=4
        )
    ]
    assert list(amazon.own_stock()) == [OwnStock(sku="A", on_hand=16, available=10, incoming=24)]


def test_a_sku_kept_under_two_barcodes_is_one_entry(simulator: AmazonSimulator, amazon: Amazon) -> None:
    simulator.warehouse.pools = [Pool("A", "X1", 10), Pool("B", "X2", 1), Pool("A", "X3", 5, unfulfillable=1)]
    assert {one.sku: (one.on_hand, one.available) for one in amazon.own_stock()} == {"A": (16, 15), "B": (1, 1)}


def test_a_sku_that_is_sold_out_is_told_with_nothing(simulator: AmazonSimulator, amazon: Amazon) -> None:
    simulator.warehouse.pools = [Pool("A", "X1", 2)]
    simulator.place(order(("A", 2), by_channel=True))
    assert list(amazon.own_stock()) == [OwnStock(sku="A", on_hand=2, available=0)]


def test_an_account_without_any_has_none(amazon: Amazon) -> None:
    assert list(amazon.own_stock()) == []


def test_every_page_is_read_and_each_sku_is_told_once(simulator: AmazonSimulator, amazon: Amazon) -> None:
    many(simulator, 120)
    told = list(amazon.own_stock())
    assert [one.available for one in told] == list(range(120))
    assert simulator.calls["getInventorySummaries"] == 3


def test_a_consumer_may_take_its_time(simulator: AmazonSimulator, amazon: Amazon) -> None:
    many(simulator, 60)
    told = amazon.own_stock()
    first = next(told)
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=5), tick=True):
        assert len([first, *told]) == 60


def test_a_token_that_expires_starts_the_reading_again_and_doubles_nothing(
    simulator: AmazonSimulator, amazon: Amazon, monkeypatch: pytest.MonkeyPatch
) -> None:
    many(simulator, 120)
    slow = iter([True, False, True])

    def expiring(request: Request, response: Response) -> Response:
        if "nextToken" in request.args and next(slow, False):
            return Response(
                '{"errors":[{"code":"InvalidInput","message":"expired"}]}', 400, mimetype="application/json"
            )
        return response

    answering(simulator, expiring)
    assert [one.available for one in amazon.own_stock()] == list(range(120))


def test_tokens_that_always_expire_end_as_an_outage(
    simulator: AmazonSimulator, amazon: Amazon, monkeypatch: pytest.MonkeyPatch
) -> None:
    many(simulator, 60)
    monkeypatch.setattr("connectors.amazon.simulator.warehouse.TOKEN_LIFE", -1.0)
    with pytest.raises(Unavailable, match="expire before"):
        list(amazon.own_stock())


def test_paging_that_does_not_get_on_ends_as_an_outage(simulator: AmazonSimulator, amazon: Amazon) -> None:
    many(simulator, 1)

    def again(request: Request, response: Response) -> Response:
        body = json.loads(response.get_data())
        body["pagination"] = {"nextToken": "same"}
        return Response(json.dumps(body), mimetype="application/json")

    handle = simulator.handle
    first = []

    def handled(request: Request) -> Response:
        if not request.path.startswith("/fba/"):
            return handle(request)
        if not first:
            first.append(again(request, handle(request)))
        return first[0]

    simulator.handle = handled  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match="again and again"):
        list(amazon.own_stock())


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        '{"payload": {}}',
        '{"payload": {"inventorySummaries": null}}',
        '{"payload": {"inventorySummaries": [{"sellerSku": "A"}]}}',
        '{"payload": {"inventorySummaries": [{"sellerSku": "A", "inventoryDetails": {"fulfillableQuantity": -1}}]}}',
    ],
)
def test_an_answer_without_its_list_or_its_details_is_never_no_stock(
    simulator: AmazonSimulator, amazon: Amazon, body: str
) -> None:
    answering(simulator, lambda request, response: Response(body, mimetype="application/json"))
    with pytest.raises(Unavailable):
        list(amazon.own_stock())


def test_units_beyond_counting_are_an_outage(simulator: AmazonSimulator, amazon: Amazon) -> None:
    simulator.warehouse.pools = [Pool("A", "X1", 2**31 - 1), Pool("A", "X2", 1)]
    with pytest.raises(Unavailable, match="more units"):
        list(amazon.own_stock())


def test_nulls_count_nothing(simulator: AmazonSimulator, amazon: Amazon) -> None:
    empty = {
        "sellerSku": "A",
        "inventoryDetails": {"fulfillableQuantity": 1, "reservedQuantity": None, "researchingQuantity": {}},
    }
    body = json.dumps({"payload": {"inventorySummaries": [empty]}, "pagination": None})
    answering(simulator, lambda request, response: Response(body, mimetype="application/json"))
    assert list(amazon.own_stock()) == [OwnStock(sku="A", on_hand=1, available=1)]


def test_a_lacking_role_is_no_empty_warehouse(simulator: AmazonSimulator, amazon: Amazon) -> None:
    simulator.denied.add("getInventorySummaries")
    with pytest.raises(Unauthorized):
        list(amazon.own_stock())
