"""Telling Shopify of parcels."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from connectors.shopify import Shopify
from connectors.shopify.simulator import ShopifySimulator
from connectors.simulation import Fault
from core.errors import Unavailable
from core.model import AckState
from tests.connectors.shopify.given import EAST, SKUS, WEST, parcel, placed, pulled, refetched, states


def test_a_parcel_arrives_with_a_carrier_that_shopify_links(simulator: ShopifySimulator, shop: Shopify) -> None:
    order = placed(simulator, shop)
    sent = parcel(order, "1Z1", units=2, tracking_url="https://track.example/1Z1")
    assert states(shop.push_tracking([sent])) == {sent.key: "applied"}
    (effect,) = simulator.effects()
    assert (effect.tracking, effect.carrier, effect.lines) == ("1Z1", "UPS", {"MUG-1": 2})
    after = refetched(shop, order)
    assert after.lines[0].shipped == 2
    assert [(package.tracking, package.lines) for package in after.packages] == [("1Z1", {order.lines[0].number: 2})]
    assert after.version > order.version


def test_a_carrier_shopify_cannot_link_to_goes_with_its_own_page(
    simulator: ShopifySimulator, shop: Shopify, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = placed(simulator, shop)
    told: list[Any] = []
    tell = shop._graph.tell

    def heard(text: str, variables: dict[str, Any], shape: Any) -> Any:
        told.append(variables["p0"]["trackingInfo"])
        return tell(text, variables, shape)

    monkeypatch.setattr(shop._graph, "tell", heard)
    for carrier in ("veho", "ups"):
        list(shop.push_tracking([parcel(order, f"N-{carrier}", units=1, carrier=carrier)]))
    assert told == [
        {"number": "N-veho", "company": "Veho", "url": "https://track.shipveho.com/#/trackingId/N-veho"},
        {"number": "N-ups", "company": "UPS"},
    ]


def test_a_parcel_told_twice_is_looked_up_and_not_written_again(simulator: ShopifySimulator, shop: Shopify) -> None:
    order = placed(simulator, shop)
    sent = parcel(order, units=1)
    for _ in range(3):
        assert states(shop.push_tracking([sent])) == {sent.key: "applied"}
    assert len(simulator.effects()) == 1
    assert simulator.calls["fulfillmentCreate"] == 1


def test_many_parcels_take_two_requests_for_every_sixteen_orders(simulator: ShopifySimulator, shop: Shopify) -> None:
    orders = [placed(simulator, shop, ("MUG-1", 2), ("TEE-2", 1)) for _ in range(32)]
    for line, writes in ((0, 2), (1, 2)):
        simulator.calls.clear()
        parcels = [parcel(order, f"T{at}-{line}", line=line) for at, order in enumerate(orders)]
        assert set(states(shop.push_tracking(parcels)).values()) == {"applied"}
        assert simulator.calls == {"nodes": 2, "fulfillmentCreate": writes}
    assert len(simulator.effects()) == 64


def test_more_parcels_than_one_request_takes_are_told_in_several(simulator: ShopifySimulator, shop: Shopify) -> None:
    order = placed(simulator, shop, ("MUG-1", 45))
    simulator.calls.clear()
    told = states(shop.push_tracking([parcel(order, f"T{at}", units=1) for at in range(45)]))
    assert list(told.values()) == ["applied"] * 45
    assert simulator.calls == {"nodes": 1, "fulfillmentCreate": 3}


def test_two_parcels_of_one_batch_never_take_the_same_units(simulator: ShopifySimulator, shop: Shopify) -> None:
    order = placed(simulator, shop)
    parcels = [parcel(order, "A", units=2), parcel(order, "B", units=1), parcel(order, "C", units=1)]
    assert list(states(shop.push_tracking(parcels)).values()) == ["refused", "applied", "applied"]
    assert sorted(effect.tracking for effect in simulator.effects()) == ["A", "B"]


def test_an_order_over_two_locations_ships_from_each_under_one_number(
    simulator: ShopifySimulator, shop: Shopify
) -> None:
    simulator.shop.items[next(iter(simulator.shop.items))].levels[EAST].available = 0
    order = placed(simulator, shop, ("MUG-1", 1), ("TEE-2", 1))
    assert {part.location.id for part in simulator.shop.orders[order.number].parts} == {EAST, WEST}
    sent = parcel(order, "BOTH", lines={line.number: 1 for line in order.lines})
    assert states(shop.push_tracking([sent])) == {sent.key: "applied"}
    assert [effect.lines for effect in simulator.effects()] == [{"MUG-1": 1}, {"TEE-2": 1}]
    assert {effect.tracking for effect in simulator.effects()} == {"BOTH"}
    # Only a part of it there: the rest is written, the part is not repeated.
    simulator.shop.orders[order.number].shipped[1].status = "CANCELLED"
    row = simulator.shop.orders[order.number].parts[1].lines[0]
    row.remainingQuantity, simulator.shop.orders[order.number].parts[1].status = 1, "OPEN"
    assert states(shop.push_tracking([sent])) == {sent.key: "applied"}
    assert [effect.lines for effect in simulator.effects()][1:] == [{"TEE-2": 1}]


def test_an_order_with_many_parts_is_read_whole_before_anything_is_written(
    simulator: ShopifySimulator, shop: Shopify
) -> None:
    order = placed(simulator, shop, *((SKUS[at % 3], 6) for at in range(30)))
    for at in range(6):
        sent = parcel(order, f"P{at}", lines={line.number: 1 for line in order.lines})
        assert states(shop.push_tracking([sent])) == {sent.key: "applied"}
        assert states(shop.push_tracking([sent])) == {sent.key: "applied"}
    assert all(line.shipped == 6 for line in pulled(shop)[order.number].lines)
    assert len({effect.tracking for effect in simulator.effects()}) == 6


def test_a_fifth_parcel_is_found_again_though_few_are_read_at_once(simulator: ShopifySimulator, shop: Shopify) -> None:
    order = placed(simulator, shop, ("MUG-1", 9))
    parcels = [parcel(order, f"P{at}", units=1) for at in range(6)]
    for sent in [*parcels, *parcels]:
        assert states(shop.push_tracking([sent])) == {sent.key: "applied"}
    assert len(simulator.effects()) == 6
    assert [package.tracking for package in pulled(shop)[order.number].packages] == [f"P{at}" for at in range(6)]


def test_what_shopify_has_no_work_left_for_is_refused_with_a_cure(simulator: ShopifySimulator, shop: Shopify) -> None:
    order = placed(simulator, shop)
    list(shop.push_tracking([parcel(order, "FIRST")]))
    (ack,) = shop.push_tracking([parcel(order, "SECOND", units=1)])
    assert ack.state is AckState.REFUSED
    assert ack.reason.endswith("mend it there or cancel the parcel here")
    assert len(simulator.effects()) == 1


def test_an_unknown_order_or_line_sinks_no_other(simulator: ShopifySimulator, shop: Shopify) -> None:
    order = placed(simulator, shop)
    good = parcel(order, "GOOD", units=1)
    others = [
        msgspec.structs.replace(good, key="no order", order="77"),
        msgspec.structs.replace(good, key="no id", order="W-77"),
        msgspec.structs.replace(good, key="no line", tracking="X", lines={"77": 1}),
    ]
    told = states(shop.push_tracking([*others, good]))
    assert told == {"no order": "refused", "no id": "refused", "no line": "refused", good.key: "applied"}


def test_work_on_hold_is_to_be_told_again_later(simulator: ShopifySimulator, shop: Shopify) -> None:
    order = placed(simulator, shop)
    part = simulator.shop.orders[order.number].parts[0]
    part.status = "ON_HOLD"
    sent = parcel(order)
    assert refetched(shop, order).holds == ("channel",)
    (ack,) = shop.push_tracking([sent])
    assert ack.state is AckState.RETRY
    assert "hold" in ack.reason
    part.status = "OPEN"
    assert states(shop.push_tracking([sent])) == {sent.key: "applied"}


def test_a_refusal_at_the_last_moment_is_read_back(
    simulator: ShopifySimulator, shop: Shopify, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = [placed(simulator, shop) for _ in range(3)]
    theirs, ours, third = (parcel(order, f"T{at}") for at, order in enumerate(orders))
    theirs = msgspec.structs.replace(theirs, carrier="fedex", tracking="1Z5R89390357567127")
    tell = shop._graph.tell

    def late(document: str, variables: dict[str, object], *rest: object) -> object:
        """Between our look and our write somebody ships one order otherwise, and one as we would."""
        for order, tracking in ((orders[0], "OTHER"), (orders[1], "T1")):
            part = simulator.shop.orders[order.number].parts[0]
            simulator.shop.ship([(part, part.lines[0], 3)], [{"number": tracking, "company": "UPS", "url": None}])
        return tell(document, variables, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(shop._graph, "tell", late)
    acks = {ack.key: ack for ack in shop.push_tracking([theirs, ours, third])}
    assert {key: ack.state for key, ack in acks.items()} == {
        theirs.key: AckState.REFUSED,
        ours.key: AckState.APPLIED,
        third.key: AckState.APPLIED,
    }
    assert "unfulfillable status" in acks[theirs.key].reason
    assert "and its tracking number looks like UPS's, not FedEx's)" in acks[theirs.key].reason


def test_a_lost_answer_is_read_back_and_raised_only_where_that_fails(
    simulator: ShopifySimulator, shop: Shopify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.http.pause", lambda seconds: None)
    first, second = placed(simulator, shop), placed(simulator, shop)
    simulator.faults.set({Fault.RESET_AFTER_WRITE: 1.0})
    acks = shop.push_tracking([parcel(first)])
    assert next(acks).state is AckState.APPLIED
    with pytest.raises(Unavailable) as lost:
        next(acks)
    assert lost.value.ambiguous
    monkeypatch.setattr("connectors.shopify.pushes_tracking._arrived", lambda graph, shipments: iter(()))
    with pytest.raises(Unavailable) as lost:
        list(shop.push_tracking([parcel(second)]))
    assert lost.value.ambiguous
    simulator.faults.heal()
    assert states(shop.push_tracking([parcel(first), parcel(second)])).keys() == {parcel(first).key, parcel(second).key}
    assert len(simulator.effects()) == 2
