"""Cancelling whole orders and units of orders."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from connectors.shopify import Shopify
from connectors.shopify.simulator import ShopifySimulator, refunding
from connectors.shopify.simulator.cancelling import CancelJob
from connectors.simulation import Fault
from core.errors import Unavailable
from core.model import Ack, AckState, Cancellation, CancelReason, Order
from tests.connectors.shopify.given import EAST, WEST, connector, heard, parcel, placed, refetched, states


def cancellation(of: Order, units: dict[int, int] | None = None, **more: Any) -> Cancellation:
    """So many units of lines by their position (None: the whole order)."""
    open_ = {at: line.ordered - line.cancelled - line.shipped for at, line in enumerate(of.lines)}
    wanted = open_ if units is None else units
    values: dict[str, Any] = {
        "key": f"c-{of.number}",
        "order": of.number,
        "lines": {of.lines[at].number: count for at, count in wanted.items()},
        "before": {of.lines[at].number: of.lines[at].cancelled for at in wanted},
        "reason": CancelReason.OTHER,
        "whole": units is None,
    }
    return Cancellation(**(values | more))


def one(acks: Any) -> Ack:
    (ack,) = acks
    assert isinstance(ack, Ack)
    return ack


def stock(simulator: ShopifySimulator, sku: str = "MUG-1", place: str = EAST) -> tuple[int, int]:
    level = simulator.shop.variants[sku].inventoryItem.levels[place]
    return level.available, level.committed


def asked(simulator: ShopifySimulator) -> list[dict[str, Any]]:
    return [dict(node.asked) for node in simulator.shop.nodes.values() if isinstance(node, CancelJob)]


def test_a_whole_order_is_cancelled_by_a_job_that_is_settled(simulator: ShopifySimulator, shop: Shopify) -> None:
    order = placed(simulator, shop, ("MUG-1", 3), ("TEE-2", 1))
    assert stock(simulator) == (497, 3)
    row = cancellation(order, reason=CancelReason.FRAUD, note="stolen card", notify=False)
    ack = one(shop.push_cancellations([row]))
    assert ack.state is AckState.ACCEPTED
    assert list(shop.settle({row.key: ack.ticket})) == [], "its job has not run"
    assert refetched(shop, order).lines[0].cancelled == 0
    simulator.settle_feeds()
    assert states(connector(simulator).settle({row.key: ack.ticket})) == {row.key: "applied"}
    assert asked(simulator) == [
        {"reason": "FRAUD", "restock": True, "money": True, "notify": False, "note": "stolen card [ordersync c-"
         + f"{order.number}]"}
    ]  # fmt: skip
    after = refetched(shop, order)
    assert [(line.cancelled, line.ordered) for line in after.lines] == [(3, 3), (1, 1)]
    assert stock(simulator) == (500, 0), "what was committed is back on offer"
    assert simulator.truths()[order.number].refunded == order.total
    assert [refund.amount for refund in after.refunds] == [order.total]
    assert after.version > order.version


def test_a_whole_order_cancelled_twice_is_cancelled_once(simulator: ShopifySimulator, shop: Shopify) -> None:
    order = placed(simulator, shop)
    row = cancellation(order)
    list(shop.push_cancellations([row]))
    simulator.settle_feeds()
    assert states(connector(simulator).push_cancellations([row])) == {row.key: "applied"}
    assert simulator.calls["orderCancel"] == 1


def test_units_that_are_not_there_are_not_put_back_on_offer(simulator: ShopifySimulator, shop: Shopify) -> None:
    order = placed(simulator, shop)
    ack = one(shop.push_cancellations([cancellation(order, reason=CancelReason.OUT_OF_STOCK)]))
    simulator.settle_feeds()
    assert one(shop.settle({ack.key: ack.ticket})).state is AckState.APPLIED
    assert asked(simulator)[0]["reason"] == "INVENTORY"
    assert stock(simulator) == (497, 0)


def test_a_closed_location_takes_nothing_back(simulator: ShopifySimulator, shop: Shopify) -> None:
    whole, part, left = (placed(simulator, shop) for _ in range(3))  # in the east, the west, the east
    list(shop.push_tracking([parcel(left, units=1)]))
    for place in simulator.places:
        simulator.shop.locations[place].isActive = False
    ack = one(shop.push_cancellations([cancellation(whole)]))
    simulator.settle_feeds()
    assert one(shop.settle({ack.key: ack.ticket})).state is AckState.APPLIED
    assert asked(simulator)[0]["restock"] is False
    assert one(shop.push_cancellations([cancellation(part, {0: 1})])).state is AckState.APPLIED
    assert stock(simulator, place=WEST) == (497, 2)
    refused = one(shop.push_cancellations([cancellation(left, {0: 1})]))
    assert refused.state is AckState.REFUSED, "without restocking Shopify would take the unit that has left"
    assert "active location" in refused.reason


def test_a_shop_that_pays_back_itself_is_told_so(simulator: ShopifySimulator) -> None:
    shop = connector(simulator, refund_cancelled=False, notify_customer=False)
    whole, part = placed(simulator, shop), placed(simulator, shop)
    acks = list(shop.push_cancellations([cancellation(whole), cancellation(part, {0: 1})]))
    simulator.settle_feeds()
    assert [ack.state for ack in acks] == ["accepted", "applied"]
    assert (asked(simulator)[0]["money"], asked(simulator)[0]["notify"]) == (False, False)
    assert simulator.refunds() == []
    assert [refetched(shop, order).lines[0].cancelled for order in (whole, part)] == [3, 1]
    assert refetched(shop, part).refunds == ()


def test_an_order_that_shipped_before_its_job_ran_is_refused_with_shopifys_words(
    simulator: ShopifySimulator, shop: Shopify
) -> None:
    order = placed(simulator, shop)
    ack = one(shop.push_cancellations([cancellation(order)]))
    list(shop.push_tracking([parcel(order, units=1)]))
    simulator.settle_feeds()
    settled = one(shop.settle({ack.key: ack.ticket}))
    assert settled.state is AckState.REFUSED
    assert "Cannot cancel an order that has fulfillments" in settled.reason
    assert settled.reason.endswith("cancel there what is still open")


def test_a_ticket_that_says_nothing_any_more_has_the_order_looked_at_again(
    simulator: ShopifySimulator, shop: Shopify
) -> None:
    order = placed(simulator, shop)
    ack = one(shop.push_cancellations([cancellation(order)]))
    job = msgspec.json.decode(ack.ticket)
    del simulator.shop.nodes[job["job"]], simulator.shop.nodes[job["result"]]
    bare = msgspec.json.encode({"order": job["order"], "job": job["job"]}).decode()
    told = states(shop.settle({"forgotten": ack.ticket, "bare": bare, "none": "}", "other": '{"feed": 1}'}))
    assert told == dict.fromkeys(("forgotten", "bare", "none", "other"), "retry")


def test_many_jobs_are_settled_in_few_requests(simulator: ShopifySimulator, shop: Shopify) -> None:
    orders = [placed(simulator, shop) for _ in range(25)]
    simulator.calls.clear()
    acks = list(shop.push_cancellations([cancellation(order) for order in orders]))
    assert simulator.calls == {"nodes": 3, "orderCancel": 25}
    simulator.settle_feeds()
    simulator.calls.clear()
    assert set(states(shop.settle({ack.key: ack.ticket for ack in acks})).values()) == {"applied"}
    assert simulator.calls == {"job": 2}


def test_units_are_taken_off_and_paid_back_once(
    simulator: ShopifySimulator, shop: Shopify, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = placed(simulator, shop, ("MUG-1", 3), ("TEE-2", 2))
    told = heard(shop, monkeypatch)
    row = cancellation(order, {0: 2, 1: 1}, reason=CancelReason.BUYER, note="changed her mind")
    for teller in (shop, connector(simulator)):
        assert states(teller.push_cancellations([row])) == {row.key: "applied"}
    assert simulator.calls["refundCreate"] == 1
    assert [name for name, _ in told] == ["GiveBack"]
    given = told[0][1]["input"]
    assert given["note"] == f"changed her mind [ordersync {row.key}]"
    assert [(one["quantity"], one["restockType"], one["locationId"]) for one in given["refundLineItems"]] == [
        (2, "CANCEL", EAST),
        (1, "CANCEL", EAST),
    ]
    worth = Decimal("12.99") * 3 + (order.lines[0].tax * 2 / 3).quantize(Decimal("0.01"))
    worth += (order.lines[1].tax / 2).quantize(Decimal("0.01"))
    assert simulator.truths()[order.number].refunded == worth
    assert (stock(simulator), stock(simulator, "TEE-2")) == ((499, 1), (499, 1))
    after = refetched(shop, order)
    assert [(line.ordered, line.cancelled, line.shipped) for line in after.lines] == [(3, 2, 0), (2, 1, 0)]
    assert after.holds == ()
    assert [refund.lines for refund in after.refunds] == [{order.lines[0].number: 2, order.lines[1].number: 1}]


def test_what_is_left_of_a_partly_shipped_order_can_be_cancelled(simulator: ShopifySimulator, shop: Shopify) -> None:
    order = placed(simulator, shop)
    list(shop.push_tracking([parcel(order, units=1)]))
    row = cancellation(refetched(shop, order), {0: 2})
    assert states(shop.push_cancellations([row])) == {row.key: "applied"}
    (line,) = refetched(shop, order).lines
    assert (line.ordered, line.cancelled, line.shipped) == (3, 2, 1)
    assert simulator.calls["orderCancel"] == 0


def test_units_at_two_locations_go_back_to_each(simulator: ShopifySimulator) -> None:
    shop = connector(simulator, locations={"east": EAST, "west": WEST})
    order = placed(simulator, shop)
    part = simulator.shop.orders[order.number].parts[0]
    simulator.shop.move(part, [(part.lines[0], 1)], simulator.shop.locations[WEST])
    assert (stock(simulator), stock(simulator, place=WEST)) == ((498, 2), (499, 1))
    row = cancellation(order, {0: 3})
    assert states(shop.push_cancellations([row])) == {row.key: "applied"}
    assert (stock(simulator), stock(simulator, place=WEST)) == ((500, 0), (500, 0))


def test_only_what_is_not_cancelled_yet_is(simulator: ShopifySimulator, shop: Shopify) -> None:
    order = placed(simulator, shop, ("MUG-1", 5))
    simulator.cancel(order.number, sku="MUG-1", quantity=1)
    seen = refetched(shop, order)
    row = cancellation(seen, {0: 2})  # decided when one was cancelled
    simulator.cancel(order.number, sku="MUG-1", quantity=1)  # somebody cancels one of the two at Shopify
    assert states(shop.push_cancellations([row])) == {row.key: "applied"}
    assert simulator.truths()[order.number].cancelled == {"MUG-1": 3}
    assert states(shop.push_cancellations([row])) == {row.key: "applied"}
    assert simulator.truths()[order.number].cancelled == {"MUG-1": 3}


def test_an_order_to_which_something_was_added_stays_open(simulator: ShopifySimulator, shop: Shopify) -> None:
    order = placed(simulator, shop, ("MUG-1", 1), ("TEE-2", 1))
    row = cancellation(order)
    added = {at: count for at, count in row.lines.items() if at == order.lines[0].number}
    row = msgspec.structs.replace(row, lines=added)  # the second line came after the decision
    assert states(shop.push_cancellations([row])) == {row.key: "applied"}
    assert simulator.truths()[order.number].cancelled == {"MUG-1": 1}
    assert simulator.calls["orderCancel"] == 0


def test_what_has_shipped_or_is_not_there_is_refused_with_a_cure(simulator: ShopifySimulator, shop: Shopify) -> None:
    gone, good = placed(simulator, shop), placed(simulator, shop)
    list(shop.push_tracking([parcel(gone)]))
    rows = [
        cancellation(gone, {0: 2}, key="shipped", lines={gone.lines[0].number: 2}),
        cancellation(good, {0: 1}, key="no order", order="77"),
        cancellation(good, {0: 1}, key="no id", order="W-1"),
        cancellation(good, {0: 1}, key="no line", lines={"77": 1}),
        cancellation(good, {0: 1}, key="good"),
    ]
    acks = {ack.key: ack for ack in shop.push_cancellations(rows)}
    assert {key: ack.state.value for key, ack in acks.items()} == {
        **dict.fromkeys(("shipped", "no order", "no id", "no line"), "refused"),
        "good": "applied",
    }
    assert "have shipped" in acks["shipped"].reason
    assert all(ack.reason.endswith("what is still open") for ack in acks.values() if ack.reason)


def test_two_cancellations_of_one_order_follow_each_other(simulator: ShopifySimulator, shop: Shopify) -> None:
    order = placed(simulator, shop, ("MUG-1", 3), ("TEE-2", 1))
    rows = [cancellation(order, {0: 1}, key="a"), cancellation(order, {1: 1}, key="b")]
    assert states(shop.push_cancellations(rows)) == {"a": "applied", "b": "applied"}
    assert simulator.truths()[order.number].cancelled == {"MUG-1": 1, "TEE-2": 1}


@pytest.mark.parametrize("whole", [True, False])
def test_a_lost_answer_cancels_once(simulator: ShopifySimulator, monkeypatch: pytest.MonkeyPatch, whole: bool) -> None:
    monkeypatch.setattr("core.http.pause", lambda seconds: None)
    shop = connector(simulator)
    order, other = placed(simulator, shop), placed(simulator, shop)
    rows = [cancellation(order, None if whole else {0: 1}), cancellation(other, {0: 1})]
    simulator.faults.set({Fault.RESET_AFTER_WRITE: 1.0})
    with pytest.raises(Unavailable) as lost:
        list(shop.push_cancellations(rows))
    assert (lost.value.ambiguous, lost.value.keys) == (True, frozenset((rows[0].key,)))
    simulator.faults.heal()
    simulator.settle_feeds()
    assert set(states(shop.push_cancellations(rows)).values()) == {"applied"}
    assert simulator.truths()[order.number].cancelled == {"MUG-1": 3 if whole else 1}
    assert len([effect for effect in simulator.refunds() if effect.order == order.number]) == 1


def test_the_rest_of_what_failed_is_another_request(
    simulator: ShopifySimulator, shop: Shopify, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = placed(simulator, shop)
    row = cancellation(order, {0: 2})
    with monkeypatch.context() as patch:
        patch.setattr(refunding, "_parts", lambda *_: ([], [{"field": None, "message": "Not now"}]))
        assert "(Not now)" in one(shop.push_cancellations([row])).reason
    simulator.cancel(order.number, sku="MUG-1", quantity=1)
    assert one(shop.push_cancellations([row])).state is AckState.APPLIED
    assert simulator.truths()[order.number].cancelled == {"MUG-1": 2}


def test_an_app_that_may_not_cancel_is_told_which_scope_it_lacks(simulator: ShopifySimulator, shop: Shopify) -> None:
    whole, part = placed(simulator, shop), placed(simulator, shop)
    simulator.world.scopes -= {"write_orders"}
    acks = list(shop.push_cancellations([cancellation(whole), cancellation(part, {0: 1})]))
    assert [ack.state for ack in acks] == ["refused", "refused"]
    assert "may not use orderCancel" in acks[0].reason
    assert "may not use refundCreate" in acks[1].reason
    list(shop.pages(None))


def test_units_whose_money_was_not_paid_back_are_cancelled_and_it_is_said(
    simulator: ShopifySimulator, shop: Shopify, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = placed(simulator, shop)
    refund = refunding.refund

    def broke(*given: Any) -> Any:
        made = refund(*given)
        for transaction in made.transactions:
            transaction.status = "FAILURE"
        return made

    monkeypatch.setattr(refunding, "refund", broke)
    ack = one(shop.push_cancellations([cancellation(order, {0: 1})]))
    assert ack.state is AckState.APPLIED
    assert "did not pay back" in ack.reason


def test_an_order_cancelled_between_look_and_write_is_applied(
    simulator: ShopifySimulator, shop: Shopify, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = [placed(simulator, shop) for _ in range(2)]
    tell = shop._graph.tell

    def late(*given: Any, **more: Any) -> Any:
        for order in orders:
            simulator.cancel(order.number)
        return tell(*given, **more)

    monkeypatch.setattr(shop._graph, "tell", late)
    rows = [cancellation(orders[0]), cancellation(orders[1], {0: 3})]
    assert set(states(shop.push_cancellations(rows)).values()) == {"applied"}
    assert asked(simulator) == []
