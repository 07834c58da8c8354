"""Parcels that never left: their fulfilments are cancelled, theirs alone, and the units leave in another parcel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from connectors.shopify import Shopify
from connectors.shopify.simulator import ShopifySimulator, returning
from connectors.shopify.simulator.records import Fulfillment
from connectors.simulation import Fault
from core.errors import Unavailable
from core.model import Ack, AckState, Order, Shipment, Voiding
from tests.connectors.shopify.given import connector, parcel, placed, refetched, states


def void(sent: Shipment, ack: Ack | None = None, *, numbers: Sequence[str] = ()) -> Voiding:
    return Voiding(
        key=f"void:{sent.key}",
        order=sent.order,
        told=sent.key,
        numbers=tuple(numbers) or (sent.tracking,),
        lines=sent.lines,
        tickets=(ack.ticket,) if ack else (),
    )


def told(shop: Shopify, sent: Shipment) -> Ack:
    (ack,) = shop.push_tracking([sent])
    assert ack.state is AckState.APPLIED
    return ack


def one(shop: Shopify, row: Voiding) -> Ack:
    (ack,) = shop.push_voids([row])
    return ack


def work(simulator: ShopifySimulator, order: Order) -> list[tuple[str, list[int]]]:
    """Status and remaining units of each fulfilment order."""
    parts = simulator.shop.orders[order.number].parts
    return [(part.status, [row.remainingQuantity for row in part.lines]) for part in parts]


def lives(simulator: ShopifySimulator, order: Order) -> list[bool]:
    """Of each fulfilment, in the order they were made, whether it stands."""
    return [parcel.status != "CANCELLED" for parcel in simulator.shop.orders[order.number].shipped]


def by_hand(simulator: ShopifySimulator, order: Order, units: int, *numbers: str, line: int = 0) -> Fulfillment:
    """Somebody at the shop fulfils units under these numbers."""
    part = simulator.shop.orders[order.number].parts[0]
    tracking: list[dict[str, str | None]] = [{"number": number, "company": "UPS", "url": None} for number in numbers]
    return simulator.shop.ship([(part, part.lines[line], units)], tracking)


def test_units_of_a_whole_order_are_to_be_sent_again_and_are_told_anew(
    simulator: ShopifySimulator, shop: Shopify
) -> None:
    order, levels = placed(simulator, shop), simulator.levels()
    ack = told(shop, parcel(order, "BAD"))
    assert work(simulator, order) == [("CLOSED", [0])]
    assert states(shop.push_voids([void(parcel(order, "BAD"), ack)])) == {f"void:{order.number}/BAD": "applied"}
    assert work(simulator, order) == [("CLOSED", [0]), ("OPEN", [3])], "what was fulfilled entirely stays closed"
    after = refetched(shop, order)
    assert (after.packages, after.lines[0].shipped, after.lines[0].cancelled, after.holds) == ((), 0, 0, ())
    assert after.version > order.version
    told(shop, parcel(order, "GOOD"))
    assert [(effect.tracking, effect.lines) for effect in simulator.effects()] == [("GOOD", {"MUG-1": 3})]
    assert simulator.levels() == levels, "the units stay promised to the order all the while"


def test_units_of_a_part_are_to_be_sent_again_where_they_were(simulator: ShopifySimulator, shop: Shopify) -> None:
    order = placed(simulator, shop)
    bad, good = parcel(order, "BAD", units=2), parcel(order, "GOOD", units=1)
    ack = told(shop, bad)
    assert one(shop, void(bad, ack)).state is AckState.APPLIED
    assert work(simulator, order) == [("IN_PROGRESS", [3])]
    for sent in (good, parcel(order, "REST", units=2)):
        told(shop, sent)
    assert refetched(shop, order).lines[0].shipped == 3


def test_what_is_cancelled_already_is_not_cancelled_again(simulator: ShopifySimulator, shop: Shopify) -> None:
    order = placed(simulator, shop)
    sent = parcel(order, "BAD")
    row = void(sent, told(shop, sent))
    for teller in (shop, connector(simulator)):
        assert one(teller, row).state is AckState.APPLIED
    assert simulator.calls["fulfillmentCancel"] == 1
    version = refetched(shop, order).version
    told(shop, parcel(order, "GOOD"))
    assert one(shop, row).state is AckState.APPLIED
    assert refetched(shop, order).version > version
    assert lives(simulator, order) == [False, True], "the parcel that left instead stays"


@pytest.mark.parametrize("at", [0, 1])
def test_of_two_under_one_number_the_one_that_was_told_is_cancelled(
    simulator: ShopifySimulator, shop: Shopify, at: int
) -> None:
    order = placed(simulator, shop)
    sent = parcel(order, "SAME", units=1)
    if at:
        by_hand(simulator, order, 1, "SAME")
        (work_,) = simulator.shop.orders[order.number].parts
        simulator.shop.orders[order.number].shipped[0].trackingInfo = []  # not seen when ours is told
        ack = told(shop, sent)
        simulator.shop.orders[order.number].shipped[0].trackingInfo = [
            {"number": "SAME", "company": "UPS", "url": None}
        ]
        assert work_.status == "IN_PROGRESS"
    else:
        ack = told(shop, sent)
        by_hand(simulator, order, 1, "SAME")
    refused = one(shop, void(sent))
    assert refused.state is AckState.REFUSED, "the number alone does not say which"
    assert "2 fulfilments under its number, and not which of them it is; look parcel SAME" in refused.reason
    assert lives(simulator, order) == [True, True]
    assert one(shop, void(sent, ack)).state is AckState.APPLIED
    assert lives(simulator, order) == [at == 1, at == 0]
    assert one(shop, void(sent, ack)).state is AckState.APPLIED
    assert lives(simulator, order).count(True) == 1, "the other one is nobody's to cancel"


def test_of_two_under_one_number_what_is_in_them_tells_which(simulator: ShopifySimulator, shop: Shopify) -> None:
    order = placed(simulator, shop)
    by_hand(simulator, order, 2, "SAME")
    by_hand(simulator, order, 1, "SAME")
    assert one(shop, void(parcel(order, "SAME", units=1))).state is AckState.APPLIED
    assert lives(simulator, order) == [True, False]


def test_other_units_under_its_number_are_left_alone(simulator: ShopifySimulator, shop: Shopify) -> None:
    order = placed(simulator, shop, ("MUG-1", 3), ("TEE-2", 1))
    by_hand(simulator, order, 3, "MINE", "OTHER")  # somebody told of two parcels at once
    assert one(shop, void(parcel(order, "MINE", units=1))).state is AckState.REFUSED
    assert lives(simulator, order) == [True]


def test_a_parcel_that_shopify_split_over_locations_is_cancelled_in_each(
    simulator: ShopifySimulator, shop: Shopify
) -> None:
    simulator.shop.variants["MUG-1"].inventoryItem.levels[simulator.places[0]].available = 0
    order = placed(simulator, shop, ("MUG-1", 1), ("TEE-2", 1))
    sent = parcel(order, "BOTH", lines={line.number: 1 for line in order.lines})
    ack = told(shop, sent)
    assert len(ack.ticket.split(",")) == len(lives(simulator, order)) == 2
    first = simulator.shop.orders[order.number].shipped[0]
    simulator.shop.unship(first)  # one of them by hand, or by an attempt whose answer was lost
    for row in (void(sent), void(sent, ack)):
        assert one(shop, row).state is AckState.APPLIED
        assert lives(simulator, order) == [False, False]


def test_a_part_that_is_known_by_its_id_alone_is_cancelled_too(simulator: ShopifySimulator, shop: Shopify) -> None:
    simulator.shop.variants["MUG-1"].inventoryItem.levels[simulator.places[0]].available = 0
    order = placed(simulator, shop, ("MUG-1", 1), ("TEE-2", 1))
    sent = parcel(order, "BOTH", lines={line.number: 1 for line in order.lines})
    told(shop, sent)
    first, last = simulator.shop.orders[order.number].shipped
    simulator.shop.unship(first)
    last.trackingInfo[0]["number"] = "THEIRS"
    known = Ack(key=sent.key, state=AckState.APPLIED, ticket=last.id.rpartition("/")[2])  # the first answer was lost
    assert one(shop, void(sent, known)).state is AckState.APPLIED
    assert lives(simulator, order) == [False, False]


def test_a_corrected_parcel_is_found_under_either_number(simulator: ShopifySimulator, shop: Shopify) -> None:
    orders = [placed(simulator, shop) for _ in range(2)]
    for order, shown in zip(orders, ("OLD", "NEW"), strict=True):
        sent = parcel(order, shown)
        told(shop, sent)
        assert one(shop, void(sent, numbers=("NEW", "OLD"))).state is AckState.APPLIED
        assert lives(simulator, order) == [False]


def test_a_parcel_whose_number_was_changed_there_is_known_by_what_shopify_answered(
    simulator: ShopifySimulator, shop: Shopify
) -> None:
    order = placed(simulator, shop)
    sent = parcel(order, "MINE", units=1)
    ack = told(shop, sent)
    simulator.shop.orders[order.number].shipped[0].trackingInfo[0]["number"] = "THEIRS"
    assert one(shop, void(sent, ack)).state is AckState.APPLIED
    assert lives(simulator, order) == [False]


def test_what_shopify_will_not_have_is_refused_in_its_words(simulator: ShopifySimulator, shop: Shopify) -> None:
    back, fine = placed(simulator, shop), placed(simulator, shop)
    rows = [void(sent, told(shop, sent)) for sent in (parcel(back, "BACK"), parcel(fine, "FINE"))]
    returning.request(simulator.shop, simulator.shop.orders[back.number], {"MUG-1": 1})
    acks = {ack.key: ack for ack in shop.push_voids(rows)}
    assert acks[rows[1].key].state is AckState.APPLIED, "one refusal sinks no other"
    refused = acks[rows[0].key]
    assert refused.state is AckState.REFUSED
    assert refused.reason == (
        "Shopify refused to cancel the fulfilment (Fulfillment has items that are being returned.); look parcel BACK of"
        f" order {back.number} up at Shopify and cancel it there by hand"
    )
    assert lives(simulator, back) == [True]


def test_somebody_may_be_faster(simulator: ShopifySimulator, shop: Shopify, monkeypatch: pytest.MonkeyPatch) -> None:
    order = placed(simulator, shop)
    sent = parcel(order, "BAD")
    ack = told(shop, sent)
    tell = shop._graph.tell

    def late(document: str, variables: dict[str, Any], *rest: Any, **more: Any) -> Any:
        simulator.shop.unship(simulator.shop.orders[order.number].shipped[0])
        return tell(document, variables, *rest, **more)

    monkeypatch.setattr(shop._graph, "tell", late)
    assert one(shop, void(sent, ack)).state is AckState.APPLIED
    assert work(simulator, order) == [("CLOSED", [0]), ("OPEN", [3])]


def test_many_parcels_go_in_one_request_and_a_lost_answer_is_looked_at(
    simulator: ShopifySimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.http.pause", lambda seconds: None)
    shop = connector(simulator)
    orders = [placed(simulator, shop) for _ in range(5)]
    rows = [void(sent, told(shop, sent)) for sent in (parcel(order, f"N{at}") for at, order in enumerate(orders))]
    simulator.faults.set({Fault.RESET_AFTER_WRITE: 1.0})
    acks: list[Ack] = []
    with pytest.raises(Unavailable) as raised:  # noqa: PT012 - what came before it counts
        for ack in shop.push_voids(rows):
            acks.append(ack)
    simulator.faults.heal()
    assert {ack.key: ack.state for ack in acks} == {row.key: AckState.APPLIED for row in rows}
    assert raised.value.ambiguous
    assert raised.value.keys == {row.key for row in rows}
    assert set(states(shop.push_voids(rows)).values()) == {"applied"}
    assert simulator.calls["fulfillmentCancel"] == 1, "all in one request, and never again"


def test_no_order_and_no_number_are_refused(simulator: ShopifySimulator, shop: Shopify) -> None:
    order = placed(simulator, shop)
    for number in ("9", "nonsense"):
        ack = one(shop, msgspec.structs.replace(void(parcel(order, "X")), order=number))
        assert (ack.state, "; look parcel X" in ack.reason) == (AckState.REFUSED, True)


def test_the_simulator_cancels_a_fulfilment_once(simulator: ShopifySimulator, shop: Shopify) -> None:
    order = placed(simulator, shop)
    ack = told(shop, parcel(order, "BAD"))
    document = (
        "mutation C($id: ID!) { fulfillmentCancel(id: $id) { fulfillment { id status } userErrors { message } } }"
    )

    def cancel(id_: str) -> tuple[Any, list[str]]:
        answer, _ = shop._graph.tell(document, {"id": id_}, dict[str, Any])
        said = answer["fulfillmentCancel"]
        return said["fulfillment"], [error["message"] for error in said["userErrors"]]

    gid = f"gid://shopify/Fulfillment/{ack.ticket}"
    assert cancel(gid) == ({"id": gid, "status": "CANCELLED"}, [])
    assert cancel(gid) == (None, ["Fulfillment is already cancelled."])
    assert cancel("gid://shopify/Fulfillment/1") == (None, ["Fulfillment not found."])
    truth = simulator.truths()[order.number]
    assert (truth.shipped, truth.cancelled) == ({}, {})
