"""Telling Shopify quantities."""

from __future__ import annotations

import msgspec
import pytest

from connectors.shopify import Shopify, pushes_levels
from connectors.shopify.graph import Problem
from connectors.shopify.simulator import ShopifySimulator
from connectors.simulation import Fault
from core.errors import Rejected, Unavailable
from core.model import AckState, Level
from tests.connectors.shopify.given import EAST, WEST, connector, goods, levels_of, order_of, states


def of(levels: list[Level], at: int, **fields: object) -> Level:
    return msgspec.structs.replace(levels[at], **fields)


def test_250_quantities_are_one_request(simulator: ShopifySimulator, shop: Shopify) -> None:
    for listing in goods(9, skus=[f"S-{at}" for at in range(247)]):
        simulator.offer(listing)
    levels = levels_of(shop, simulator, 4)
    assert len(levels) == 250
    assert set(states(shop.push_levels(levels)).values()) == {"applied"}
    assert simulator.calls["inventorySetQuantities"] == 1
    assert {quantity for (_, place), quantity in simulator.levels().items() if place == EAST} == {4}
    assert set(states(shop.push_levels(levels_of(shop, simulator, 5) * 1)).values()) == {"applied"}


def test_a_level_without_an_expectation_is_stale_and_sets_nothing(simulator: ShopifySimulator, shop: Shopify) -> None:
    levels = [msgspec.structs.replace(level, expected=None) for level in levels_of(shop, simulator, 4)]
    assert set(states(shop.push_levels(levels)).values()) == {"stale"}
    assert simulator.calls["inventorySetQuantities"] == 0


def test_a_sale_we_have_not_seen_makes_a_level_stale_and_the_others_land(
    simulator: ShopifySimulator, shop: Shopify
) -> None:
    levels = levels_of(shop, simulator, 100)
    simulator.place(order_of(("TEE-2", 1)))
    before = simulator.levels()
    told = states(shop.push_levels(levels))
    stale = [key for key, state in told.items() if state == "stale"]
    assert stale == ([f"TEE-2@{EAST}"] if before["TEE-2", EAST] == 499 else [])
    assert stale, "the sale came from the pushed place"
    assert simulator.levels()["TEE-2", EAST] == 499
    assert simulator.levels()["MUG-1", EAST] == 100


def test_bad_rows_are_refused_with_a_cure_and_sink_no_other(simulator: ShopifySimulator, shop: Shopify) -> None:
    levels = levels_of(shop, simulator, 20)
    bad = [
        of(levels, 0, key="gone", handle="gid://shopify/InventoryItem/1"),
        of(levels, 0, key="nowhere", place="999"),
        of(levels, 0, key="no handle", handle=""),
        of(levels, 0, key="no place", place=""),
        of(levels, 1, key="huge", place=WEST, quantity=2_000_000_000),
    ]
    acks = {ack.key: ack for ack in shop.push_levels([*bad[:2], *levels, *bad[2:]])}
    assert {key for key, ack in acks.items() if ack.state is AckState.REFUSED} == {row.key for row in bad}
    assert all(acks[level.key].state is AckState.APPLIED for level in levels)
    assert all(len(ack.reason.rpartition(";")[2].split()) > 1 for ack in acks.values() if ack.reason)


def test_where_shopify_does_not_say_which_row_the_halves_are_tried(
    simulator: ShopifySimulator, shop: Shopify, monkeypatch: pytest.MonkeyPatch
) -> None:
    for listing in goods(9, skus=[f"S-{at}" for at in range(61)]):
        simulator.offer(listing)
    levels = levels_of(shop, simulator, 20)
    levels[40] = of(levels, 40, key="gone", handle="gid://shopify/InventoryItem/1")
    wrong = "connectors.shopify.simulator.quantities._wrong"
    told: list[int] = []

    from connectors.shopify.simulator import quantities

    rows = quantities._wrong

    def mute(*given: object) -> list[dict[str, object]]:
        errors = rows(*given)  # type: ignore[arg-type]
        told.append(len(errors))
        return [error | {"field": None} for error in errors]

    monkeypatch.setattr(wrong, mute)
    told_states = states(shop.push_levels(levels))
    assert told_states.pop("gone") == "refused"
    assert set(told_states.values()) == {"applied"}
    assert len(told_states) == 63
    assert simulator.calls["inventorySetQuantities"] <= 14


def test_the_same_item_and_place_twice_is_set_in_the_order_of_its_revisions(
    simulator: ShopifySimulator, shop: Shopify
) -> None:
    level = levels_of(shop, simulator, 7)[0]
    later = msgspec.structs.replace(level, key="later", revision=2, quantity=6, expected=7)
    assert states(shop.push_levels([later, level])) == {level.key: "applied", "later": "applied"}
    assert simulator.levels()[level.sku, EAST] == 6


def test_the_same_push_again_is_applied_and_changes_nothing(simulator: ShopifySimulator, shop: Shopify) -> None:
    levels = levels_of(shop, simulator, 7)
    for _ in range(3):
        assert set(states(shop.push_levels(levels)).values()) == {"applied"}
    simulator.place(order_of(*(("MUG-1", 1),)))
    simulator.place(order_of(*(("MUG-1", 499),)))  # both places have sold
    assert states(shop.push_levels(levels))[f"MUG-1@{EAST}"] in ("stale", "applied")
    assert simulator.levels()["MUG-1", EAST] <= 7


def test_an_answered_push_is_a_new_request_when_the_shop_has_drifted_back(
    simulator: ShopifySimulator, shop: Shopify
) -> None:
    levels = levels_of(shop, simulator, 7)
    list(shop.push_levels(levels))
    for listing in goods(500):
        simulator.offer(listing)  # somebody put the old numbers back
    assert set(states(shop.push_levels(levels)).values()) == {"applied"}
    assert {quantity for (_, place), quantity in simulator.levels().items() if place == EAST} == {7}


def test_a_push_whose_answer_was_lost_is_the_same_request_in_a_fresh_instance(
    simulator: ShopifySimulator, shop: Shopify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.http.pause", lambda seconds: None)
    levels = levels_of(shop, simulator, 7)
    simulator.faults.set({Fault.RESET_AFTER_WRITE: 1.0})
    with pytest.raises(Unavailable):
        list(shop.push_levels(levels))
    simulator.faults.heal()
    fresh = connector(simulator)
    simulator.calls.clear()
    assert set(states(fresh.push_levels(levels)).values()) == {"applied"}
    assert simulator.calls == {"inventorySetQuantities": 1, "access_token": 1}


def test_a_new_attempt_after_a_failed_one_has_another_key(simulator: ShopifySimulator, shop: Shopify) -> None:
    level = levels_of(shop, simulator, 7)[0]
    wrong = msgspec.structs.replace(level, expected=499)
    assert states(shop.push_levels([wrong])) == {level.key: "stale"}
    for listing in goods(499):
        simulator.offer(listing)
    fresh = connector(simulator)  # knows nothing of the first attempt: Shopify says that it failed
    assert states(fresh.push_levels([wrong])) == {level.key: "applied"}
    assert simulator.levels()[level.sku, EAST] == 7


def test_a_quantity_below_zero_is_known_as_0_and_can_be_set(simulator: ShopifySimulator, shop: Shopify) -> None:
    levels = levels_of(shop, simulator, 5)
    item = simulator.shop.items[levels[0].handle]
    item.levels[EAST].available = -3
    assert states(shop.push_levels([of(levels, 0, expected=0)])) == {levels[0].key: "applied"}
    assert item.levels[EAST].available == 5


def test_an_only_location_needs_no_naming(simulator: ShopifySimulator) -> None:
    shop = connector(simulator, locations={"east": EAST})
    levels = [msgspec.structs.replace(level, place="") for level in levels_of(shop, simulator, 5)]
    assert set(states(shop.push_levels(levels)).values()) == {"applied"}


def test_a_refusal_of_the_request_itself_is_raised(
    simulator: ShopifySimulator, shop: Shopify, monkeypatch: pytest.MonkeyPatch
) -> None:
    levels = levels_of(shop, simulator, 5)
    monkeypatch.setattr(pushes_levels, "_key", lambda rows, sent, attempt: f"always the same {attempt}")
    list(shop.push_levels(levels[:1]))
    shop._spent.clear()
    with pytest.raises(Rejected, match="IDEMPOTENCY_KEY_PARAMETER_MISMATCH"):
        list(shop.push_levels(levels[1:]))


def test_another_attempt_still_under_way_is_to_be_told_again(
    simulator: ShopifySimulator, shop: Shopify, monkeypatch: pytest.MonkeyPatch
) -> None:
    levels = levels_of(shop, simulator, 5)
    body = {"inventorySetQuantities": {"userErrors": [{"code": "IDEMPOTENCY_CONCURRENT_REQUEST", "message": "…"}]}}

    def busy(document: str, variables: object, shape: type, *, safe: bool) -> tuple[object, list[Problem]]:
        return msgspec.convert(body, shape), []

    monkeypatch.setattr(shop._graph, "tell", busy)
    assert set(states(shop.push_levels(levels)).values()) == {"retry"}
