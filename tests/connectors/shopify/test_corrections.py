"""Correcting tracking numbers: the same parcel edited, never a second one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from connectors.shopify import Shopify
from connectors.shopify.simulator import ShopifySimulator
from connectors.simulation import Fault
from core.errors import Unavailable
from core.model import AckState, Shipment
from tests.connectors.shopify.given import SKUS, connector, order_of, parcel, placed, refetched, states


def corrected(sent: Shipment, tracking: str, **more: Any) -> Shipment:
    return msgspec.structs.replace(sent, tracking=tracking, corrects=sent.tracking, **more)


def told(simulator: ShopifySimulator) -> list[tuple[str, str, dict[str, int]]]:
    return [(effect.tracking, effect.carrier, dict(effect.lines)) for effect in simulator.effects()]


def test_the_parcel_is_edited_once_and_stays_one(simulator: ShopifySimulator, shop: Shopify) -> None:
    order = placed(simulator, shop)
    sent = parcel(order, "OLD", units=2)  # a unit is left: a second parcel would find something to ship
    list(shop.push_tracking([sent]))
    better = corrected(sent, "NEW", carrier="fedex", tracking_url="https://track.example/NEW")
    for _ in range(2):
        assert states(shop.push_tracking([better])) == {sent.key: "applied"}
    assert told(simulator) == [("NEW", "FedEx", {"MUG-1": 2})]
    assert simulator.calls["fulfillmentTrackingInfoUpdate"] == simulator.calls["fulfillmentCreate"] == 1
    (info,) = simulator.shop.orders[order.number].shipped[0].trackingInfo
    assert info["url"] == "https://track.example/NEW"
    after = refetched(shop, order)
    assert [package.tracking for package in after.packages] == ["NEW"]
    assert (after.lines[0].shipped, after.version > order.version) == (2, True)


def test_the_carrier_alone_can_be_corrected(simulator: ShopifySimulator, shop: Shopify) -> None:
    order = placed(simulator, shop)
    sent = parcel(order, "SAME")
    list(shop.push_tracking([sent]))
    for _ in range(2):
        assert states(shop.push_tracking([corrected(sent, "SAME", carrier="fedex")])) == {sent.key: "applied"}
    assert told(simulator) == [("SAME", "FedEx", {"MUG-1": 3})]
    assert simulator.calls["fulfillmentTrackingInfoUpdate"] == 1


def test_of_several_parcels_of_one_line_only_the_one_meant_is_edited(
    simulator: ShopifySimulator, shop: Shopify
) -> None:
    order = placed(simulator, shop)
    parcels = [parcel(order, tracking, units=1) for tracking in ("A", "B", "C")]
    list(shop.push_tracking(parcels))
    assert states(shop.push_tracking([corrected(parcels[1], "B2")])) == {parcels[1].key: "applied"}
    assert [tracking for tracking, _, _ in told(simulator)] == ["A", "B2", "C"]


def test_a_parcel_that_shopify_split_over_locations_is_edited_in_each(
    simulator: ShopifySimulator, shop: Shopify
) -> None:
    simulator.shop.variants["MUG-1"].inventoryItem.levels[simulator.places[0]].available = 0
    order = placed(simulator, shop, ("MUG-1", 1), ("TEE-2", 1))
    sent = parcel(order, "BOTH", lines={line.number: 1 for line in order.lines})
    list(shop.push_tracking([sent]))
    assert len(simulator.effects()) == 2
    assert states(shop.push_tracking([corrected(sent, "BOTH2")])) == {sent.key: "applied"}
    assert {tracking for tracking, _, _ in told(simulator)} == {"BOTH2"}


def test_the_other_numbers_of_a_fulfilment_stay(simulator: ShopifySimulator, shop: Shopify) -> None:
    order = placed(simulator, shop)
    kept = simulator.shop.orders[order.number]
    row = kept.parts[0].lines[0]
    two = [{"number": number, "company": "UPS", "url": f"https://x.example/{number}"} for number in ("ONE", "TWO")]
    simulator.shop.ship([(kept.parts[0], row, 3)], two)  # somebody told of two parcels at once
    sent = parcel(order, "TWO")
    assert states(shop.push_tracking([corrected(sent, "2", tracking_url="https://x.example/2")])) == {
        sent.key: "applied"
    }
    assert [(info["number"], info["url"]) for info in kept.shipped[0].trackingInfo] == [
        ("ONE", "https://x.example/ONE"),
        ("2", "https://x.example/2"),
    ]
    assert states(shop.push_tracking([corrected(parcel(order, "2"), "3")])) == {f"{order.number}/2": "applied"}
    assert [info["number"] for info in kept.shipped[0].trackingInfo] == ["ONE", "3"], "addresses: all or none"


def test_a_parcel_that_was_never_told_is_told(simulator: ShopifySimulator, shop: Shopify) -> None:
    order = placed(simulator, shop)
    assert states(shop.push_tracking([corrected(parcel(order, "LOST", units=1), "NEW")])) == {
        f"{order.number}/LOST": "applied"
    }
    assert told(simulator) == [("NEW", "UPS", {"MUG-1": 1})]
    assert simulator.calls["fulfillmentTrackingInfoUpdate"] == 0


def test_a_number_shopify_will_not_have_changed_is_refused_and_ships_nothing_more(
    simulator: ShopifySimulator, shop: Shopify, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, other = placed(simulator, shop), placed(simulator, shop)
    sent, fine = parcel(order, "OLD", units=1), parcel(other, "FINE", units=1)
    list(shop.push_tracking([sent]))
    tell = shop._graph.tell

    def late(document: str, variables: dict[str, Any], *rest: Any, **more: Any) -> Any:
        """Between our look and our write somebody takes the fulfilment back, and puts it up again afterwards."""
        fulfillment = simulator.shop.orders[order.number].shipped[0]
        if "Correct" in document:
            fulfillment.status = "CANCELLED"
        answer = tell(document, variables, *rest, **more)
        fulfillment.status = "SUCCESS"
        return answer

    monkeypatch.setattr(shop._graph, "tell", late)
    acks = {ack.key: ack for ack in shop.push_tracking([corrected(sent, "NEW"), fine])}
    assert acks[fine.key].state is AckState.APPLIED
    assert acks[sent.key].state is AckState.REFUSED
    assert "keeps the number OLD (Fulfillment is cancelled" in acks[sent.key].reason
    assert sorted(effect.tracking for effect in simulator.effects()) == ["FINE", "OLD"]


def test_a_correction_whose_answer_was_lost_is_in_doubt_alone_and_found_done(
    simulator: ShopifySimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.http.pause", lambda seconds: None)
    shop = connector(simulator)
    order, other = placed(simulator, shop), placed(simulator, shop)
    sent = parcel(order, "OLD", units=1)
    list(shop.push_tracking([sent]))
    better, plain = corrected(sent, "NEW"), parcel(other, "PLAIN", units=1)
    simulator.faults.set({Fault.RESET_AFTER_WRITE: 1.0})
    with pytest.raises(Unavailable) as lost:
        list(shop.push_tracking([better, plain]))
    assert (lost.value.ambiguous, lost.value.keys) == (True, frozenset((sent.key,)))
    simulator.faults.heal()
    assert states(shop.push_tracking([better, plain])) == {sent.key: "applied", plain.key: "applied"}
    assert sorted(effect.tracking for effect in simulator.effects()) == ["NEW", "PLAIN"]
    assert simulator.calls["fulfillmentTrackingInfoUpdate"] == 1


def test_the_parcel_of_a_500_line_order_is_edited(simulator: ShopifySimulator, shop: Shopify) -> None:
    number = simulator.place(order_of(*((SKUS[at % 3], 1) for at in range(500))))
    order = shop.normalize(shop.fetch(number).body)
    half = {line.number: 1 for line in order.lines[200:450]}
    sent = parcel(order, "OLD", lines=half)
    list(shop.push_tracking([sent]))
    assert states(shop.push_tracking([corrected(sent, "NEW")])) == {sent.key: "applied"}
    after = shop.normalize(shop.fetch(number).body)
    assert {package.tracking for package in after.packages} == {"NEW"}
    assert sum(line.shipped for line in after.lines) == 250
