"""What Shopify tells by itself: read from real deliveries, told apart from others' calls, subscribed to and kept so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from connectors.shopify import Shopify
from connectors.shopify.simulator import ShopifySimulator
from connectors.shopify.simulator.webhooks import RETRIES
from connectors.shopify.subscriptions import LEVELS, TOPICS
from connectors.simulation import Fault
from core.errors import BadDocument, Forged, Stale
from core.model import Call, Hint, HintKind
from core.signature import as_base64, sha256
from tests.connectors.receiving import ADDRESS, OUTSIDE, Receiving, receiving
from tests.connectors.shopify.given import EAST, connector, goods, order_of

AT = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.fixture
def address(simulator: ShopifySimulator) -> Iterator[Receiving]:
    """Where the shop's calls arrive once somebody subscribes."""
    with receiving() as found:
        simulator.route(OUTSIDE, found.inside)
        yield found


def signed(simulator: ShopifySimulator, topic: str, body: Any, **headers: str) -> Call:
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    given = {
        "x-shopify-hmac-sha256": as_base64(sha256(simulator.door.client_secret, content)).decode(),
        "x-shopify-topic": topic,
        "x-shopify-shop-domain": f"{simulator.config()['shop']}.myshopify.com",
        "x-shopify-triggered-at": AT.isoformat(),
        "x-shopify-webhook-id": "w-1",
        **{f"x-shopify-{name.replace('_', '-')}": value for name, value in headers.items()},
    }
    return Call(body=content, headers={name: value for name, value in given.items() if value}, at=AT)


def topics(calls: list[Call]) -> list[str]:
    return [call.headers["x-shopify-topic"] for call in calls]


# What is delivered.


def test_what_happens_to_an_order_is_delivered_and_names_it(
    simulator: ShopifySimulator, shop: Shopify, address: Receiving
) -> None:
    shop.subscriptions(ADDRESS)
    number = simulator.place(order_of(("MUG-1", 3)))
    address.until(lambda calls: {"orders/create", "fulfillment_orders/order_routing_complete"} <= set(topics(calls)))
    simulator.cancel(number, sku="MUG-1", quantity=1)
    address.until(lambda calls: {"orders/edited", "refunds/create"} <= set(topics(calls)))
    simulator.cancel(number)
    calls = address.until(lambda calls: "orders/cancelled" in topics(calls))
    for call in calls:
        hints = shop.hints(call)
        if call.headers["x-shopify-topic"].startswith("inventory_levels/"):
            continue
        assert [shop.normalize(shop.fetch(hint.order).body).number for hint in hints] == [number]


def test_nothing_of_a_buyer_is_delivered_to_us(simulator: ShopifySimulator, shop: Shopify, address: Receiving) -> None:
    shop.subscriptions(ADDRESS)
    simulator.place(order_of(("MUG-1", 1)))
    calls = address.until(lambda calls: {"orders/create"} <= set(topics(calls)))
    (call,) = [call for call in calls if call.headers["x-shopify-topic"] == "orders/create"]
    assert set(msgspec.json.decode(call.body)) == {"id", "updated_at"}


def test_a_level_that_somebody_moves_is_delivered(simulator: ShopifySimulator, address: Receiving) -> None:
    shop = connector(simulator, locations={"east": EAST})
    shop.subscriptions(ADDRESS)
    simulator.place(order_of(("MUG-1", 3)))
    levels = address.until(lambda calls: "inventory_levels/update" in topics(calls))
    call = next(call for call in levels if call.headers["x-shopify-topic"] == "inventory_levels/update")
    (hint,) = shop.hints(call)
    handle = next(one.handle for one in shop.listings() if one.sku == "MUG-1")
    assert (hint.kind, hint.handle, hint.quantity) == (HintKind.LEVEL, handle, 497)


def test_levels_are_not_asked_for_where_they_are_not_told(simulator: ShopifySimulator) -> None:
    connector(simulator, push_levels=False).subscriptions(ADDRESS)
    assert {one.topic for one in simulator.webhooks.subscriptions.values()} == set(TOPICS)


def test_an_app_that_is_removed_says_so_and_its_tokens_die(
    simulator: ShopifySimulator, shop: Shopify, address: Receiving
) -> None:
    shop.subscriptions(ADDRESS)
    simulator.uninstall()
    calls = address.until(lambda calls: "app/uninstalled" in topics(calls))
    (hint,) = shop.hints(calls[-1])
    assert (hint.kind, hint.parks) == (HintKind.ACCOUNT, True)
    assert "install it again" in hint.reason


def test_a_buyer_who_wants_to_be_forgotten_is_a_notice_that_names_orders_and_nobody(
    simulator: ShopifySimulator, shop: Shopify, address: Receiving
) -> None:
    number = simulator.place(order_of(("MUG-1", 1)))
    simulator.webhooks.compliance = ADDRESS
    simulator.ask_to_erase(number)
    calls = address.until(lambda calls: "customers/redact" in topics(calls))
    (hint,) = shop.hints(calls[-1])
    assert (hint.kind, hint.parks) == (HintKind.ACCOUNT, False)
    assert hint.reason.startswith(f"customers/redact (orders {number}): ")
    assert "@" not in hint.reason


# Whose call it is, and from when.


def test_a_signature_of_any_letters_is_forged_and_nothing_worse(simulator: ShopifySimulator, shop: Shopify) -> None:
    for signature in ("ä", "\udcff", "", "x" * 10_000):
        call = signed(simulator, "orders/create", {"id": 1})
        with pytest.raises(Forged):
            shop.hints(Call(body=call.body, headers={**call.headers, "x-shopify-hmac-sha256": signature}, at=AT))


def test_an_altered_body_is_forged(simulator: ShopifySimulator, shop: Shopify) -> None:
    call = signed(simulator, "orders/create", {"id": 1})
    with pytest.raises(Forged):
        shop.hints(Call(body=call.body + b" ", headers=call.headers, at=AT))


def test_another_shop_of_the_same_app_is_forged(simulator: ShopifySimulator, shop: Shopify) -> None:
    with pytest.raises(Forged, match="another shop"):
        shop.hints(signed(simulator, "orders/create", {"id": 1}, shop_domain="other.myshopify.com"))


@pytest.mark.parametrize(
    ("ago", "stale"),
    [
        (timedelta(hours=23), False),
        (timedelta(hours=25), True),
        (-timedelta(minutes=4), False),
        (-timedelta(minutes=6), True),
    ],
)
def test_a_change_of_yesterday_or_of_tomorrow_is_stale(
    simulator: ShopifySimulator, shop: Shopify, ago: timedelta, stale: bool
) -> None:
    call = signed(simulator, "orders/create", {"id": 1}, triggered_at=(AT - ago).isoformat())
    if stale:
        with pytest.raises(Stale):
            shop.hints(call)
    else:
        assert len(shop.hints(call)) == 1


@pytest.mark.parametrize("at", ["", "yesterday", "9999-12-31T23:59:59-14:00"])
def test_a_call_that_does_not_say_when_is_new(simulator: ShopifySimulator, shop: Shopify, at: str) -> None:
    (hint,) = shop.hints(signed(simulator, "orders/create", {"id": 1}, triggered_at=at))
    assert hint.at == AT


@pytest.mark.parametrize(
    ("webhook", "event", "same"),
    [("w-1", "e-2", True), ("w-2", "e-1", False), ("", "e-1", False)],
)
def test_a_delivery_is_known_by_its_id(
    simulator: ShopifySimulator, shop: Shopify, webhook: str, event: str, same: bool
) -> None:
    first = shop.hints(signed(simulator, "orders/create", {"id": 1}, event_id="e-1"))
    again = shop.hints(signed(simulator, "orders/create", {"id": 1}, webhook_id=webhook, event_id=event))
    assert (first[0].id == again[0].id) is same


def test_without_an_id_a_body_is_known_by_itself(simulator: ShopifySimulator, shop: Shopify) -> None:
    ids = [shop.hints(signed(simulator, "orders/create", {"id": n}, webhook_id=""))[0].id for n in (1, 1, 2)]
    assert ids[0] == ids[1] != ids[2]


# What a body says.


@pytest.mark.parametrize(
    ("topic", "body", "order"),
    [
        ("orders/updated", {"id": 7}, "7"),
        ("orders/edited", {"order_edit": {"id": 1, "order_id": 7}}, "7"),
        ("refunds/create", {"id": 1, "order_id": 7}, "7"),
        ("returns/request", {"id": 1, "order": {"id": 7, "admin_graphql_api_id": "gid://shopify/Order/7"}}, "7"),
        ("returns/process", {"id": 1, "order_id": 7}, "7"),
        (
            "fulfillment_orders/moved",
            {"original_fulfillment_order": {"id": "gid://shopify/FulfillmentOrder/9"}},
            "gid://shopify/FulfillmentOrder/9",
        ),
        ("orders/updated", {"id": "gid://shopify/Order/7; drop"}, ""),
        ("orders/updated", {}, ""),
    ],
)
def test_topics_name_their_order_or_whatever_has_changed(
    simulator: ShopifySimulator, shop: Shopify, topic: str, body: Any, order: str
) -> None:
    (hint,) = shop.hints(signed(simulator, topic, body))
    assert (hint.kind, hint.order) == (HintKind.ORDER, order)


@pytest.mark.parametrize(("available", "quantity"), [(5, 5), (-3, 0), (None, None)])
def test_an_oversold_level_is_none(simulator: ShopifySimulator, available: int | None, quantity: int | None) -> None:
    shop = connector(simulator, locations={"east": EAST})
    body = {"inventory_item_id": 4, "location_id": int(EAST.rpartition("/")[2]), "available": available}
    (hint,) = shop.hints(signed(simulator, "inventory_levels/update", body))
    assert hint == Hint(
        id="w-1",
        kind=HintKind.LEVEL,
        at=AT,
        handle="gid://shopify/InventoryItem/4",
        place=EAST,
        quantity=quantity,
    )


def test_a_level_of_a_place_that_is_not_ours_is_nothing_to_look_at(simulator: ShopifySimulator, shop: Shopify) -> None:
    body = {"inventory_item_id": 4, "location_id": 999_999, "available": 1}
    assert shop.hints(signed(simulator, "inventory_levels/update", body)) == []


def test_a_topic_of_no_use_is_nothing_to_look_at(simulator: ShopifySimulator, shop: Shopify) -> None:
    assert shop.hints(signed(simulator, "products/update", {"id": 1})) == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff\xfe", b'{"id": {}}'])
def test_a_body_nobody_can_read_names_no_word_of_it(simulator: ShopifySimulator, shop: Shopify, body: bytes) -> None:
    with pytest.raises(BadDocument, match=r"^orders/create: "):
        shop.hints(signed(simulator, "orders/create", body))


# Subscriptions.


def test_the_first_look_subscribes_to_every_topic(simulator: ShopifySimulator, shop: Shopify) -> None:
    found = shop.subscriptions(ADDRESS)
    assert (len(found.done), found.refused) == (len(TOPICS) + len(LEVELS), ())
    kept = {one.topic: one for one in simulator.webhooks.subscriptions.values()}
    assert set(kept) == {*TOPICS, *LEVELS}
    assert all(tuple(kept[topic].includeFields) == tuple(fields) for topic, fields in TOPICS.items())
    assert shop.subscriptions(ADDRESS).done == ()


def test_what_somebody_changed_by_hand_is_mended(simulator: ShopifySimulator, shop: Shopify) -> None:
    shop.subscriptions(ADDRESS)
    by_topic = {one.topic: one for one in simulator.webhooks.subscriptions.values()}
    by_topic["ORDERS_CREATE"].includeFields = []
    by_topic["ORDERS_UPDATED"].format = "XML"
    by_topic["ORDERS_CANCELLED"].filter = "id:1"
    del simulator.webhooks.subscriptions[by_topic["REFUNDS_CREATE"].id]
    assert set(shop.subscriptions(ADDRESS).done) == {
        "mended orders/create",
        "mended orders/updated",
        "removed orders/cancelled",
        "subscribed to orders/cancelled",
        "subscribed to refunds/create",
    }
    assert shop.subscriptions(ADDRESS).done == ()


def test_what_we_do_not_want_any_more_is_removed(simulator: ShopifySimulator, shop: Shopify) -> None:
    shop.subscriptions(ADDRESS)
    found = connector(simulator, push_levels=False).subscriptions(ADDRESS)
    assert found.done == ("removed inventory_levels/update",)


def test_a_topic_the_app_has_no_scope_for_is_told_and_the_others_stand(simulator: ShopifySimulator) -> None:
    simulator.world.scopes = frozenset(simulator.world.scopes) - {"read_returns", "write_returns"}
    found = connector(simulator).subscriptions(ADDRESS)
    assert len(found.refused) == sum(topic.startswith("RETURNS_") for topic in TOPICS)
    assert all("give the app the scope it needs" in refused for refused in found.refused)
    kept = {one.topic for one in simulator.webhooks.subscriptions.values()}
    assert kept == {topic for topic in (*TOPICS, *LEVELS) if not topic.startswith("RETURNS_")}


# How the simulator delivers, as Shopify says it does.


@pytest.fixture
def hurried() -> Iterator[ShopifySimulator]:
    """A shop whose four hours of tries pass in an instant."""
    with ShopifySimulator(listings=goods(), plan_points=2000, hint_speed=1e6) as started:
        assert isinstance(started, ShopifySimulator)
        yield started


def test_an_address_that_never_answers_is_given_up_after_eight_more_tries_and_subscribed_again(
    hurried: ShopifySimulator,
) -> None:
    with receiving() as address:
        hurried.route(OUTSIDE, address.inside)
        address.status = 503
        shop = connector(hurried, push_levels=False)
        shop.subscriptions(ADDRESS)
        hurried.place(order_of(("MUG-1", 1)))
        assert hurried.webhooks.deliveries.settle()
        dropped = {one.topic for one in hurried.webhooks.dropped}
        assert dropped == {"ORDERS_CREATE", "FULFILLMENT_ORDERS_ORDER_ROUTING_COMPLETE"}
        tries = [call for call in address.calls if call.headers["x-shopify-topic"] == "orders/create"]
        assert len(tries) == 1 + len(RETRIES) == 9
        assert len({shop.hints(call)[0].id for call in tries}) == 1
        assert len(shop.subscriptions(ADDRESS).done) == 2


def test_faults_lose_repeat_and_delay_deliveries(hurried: ShopifySimulator) -> None:
    with receiving() as address:
        hurried.route(OUTSIDE, address.inside)
        shop = connector(hurried, push_levels=False)
        shop.subscriptions(ADDRESS)
        hurried.faults.set({Fault.HINT_LOST: 1.0})
        hurried.place(order_of(("MUG-1", 1)))
        assert hurried.webhooks.deliveries.settle()
        assert address.calls == []
        hurried.faults.set({Fault.HINT_TWICE: 1.0, Fault.HINT_LATE: 0.5, Fault.HINT_OUT_OF_ORDER: 1.0})
        number = hurried.place(order_of(("MUG-1", 1)))
        assert hurried.webhooks.deliveries.settle()
        created = [call for call in address.calls if call.headers["x-shopify-topic"] == "orders/create"]
        assert [shop.hints(call)[0].order for call in created] == [number, number]
        assert len({shop.hints(call)[0].id for call in created}) == 1


@pytest.mark.parametrize("uri", ["http://hooks.example.test/x", "https://localhost/x", "https://127.0.0.1/x", ""])
def test_the_simulator_calls_no_address_that_shopify_would_not(simulator: ShopifySimulator, uri: str) -> None:
    made, errors = simulator.webhooks.create("ORDERS_CREATE", {"uri": uri}, simulator.world.scopes)
    assert made is None
    assert errors
