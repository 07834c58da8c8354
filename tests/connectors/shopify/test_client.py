"""Settings, tokens, and what Shopify means by its errors."""

from __future__ import annotations

from typing import Any

import httpx
import pydantic
import pytest
import respx
import structlog
from pydantic import SecretStr

from connectors.shopify import Shopify, ShopifySettings
from connectors.shopify.graph import endpoint
from connectors.shopify.simulator import ShopifySimulator
from core.budgets import USED
from core.credentials import Memory
from core.errors import Rejected, Unauthorized, Unavailable
from tests.connectors.shopify.given import connector, order_of, pulled, settings
from tests.passing import passing

URL = "https://my-shop.myshopify.com/admin/api/2026-10/graphql.json"
TOKEN_URL = "https://my-shop.myshopify.com/admin/oauth/access_token"
NO_ORDERS = {"data": {"orders": {"nodes": [], "pageInfo": {"hasNextPage": False, "endCursor": None}}}}


def shop(**keys: Any) -> Shopify:
    values = {"connector": "shopify", "shop": "my-shop", "access_token": SecretStr("shpat_canary")} | keys
    return Shopify("spring", ShopifySettings(**values))


def error(code: str | None, **more: Any) -> dict[str, Any]:
    extensions = {} if code is None else {"extensions": {"code": code}}
    return {"errors": [{"message": "Ada Lovelace did it", "path": ["orders"], **extensions}], **more}


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What would have been slept."""
    return passing(monkeypatch)


def test_the_address_is_the_shops_own_or_the_one_given() -> None:
    assert endpoint("my-shop", None) == endpoint("my-shop.myshopify.com", None) == URL
    assert endpoint("my-shop", "http://127.0.0.1:9") == "http://127.0.0.1:9/admin/api/2026-10/graphql.json"


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ({}, "how to log in"),
        ({"client_id": "a"}, "belong together"),
        ({"client_secret": SecretStr("b")}, "belong together"),
        ({"access_token": SecretStr("a"), "client_id": "b", "client_secret": SecretStr("c")}, "two ways"),
        ({"access_token": SecretStr("a"), "shop": "https://my-shop.myshopify.com"}, "shop"),
        ({"access_token": SecretStr("a"), "plan_points": 0}, "plan_points"),
    ],
)
def test_the_settings_want_exactly_one_way_in(keys: dict[str, Any], what: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=what):
        ShopifySettings(**({"connector": "shopify", "shop": "my-shop"} | keys))


@respx.mock
def test_a_fixed_token_goes_with_every_request_and_nowhere_else() -> None:
    route = respx.post(URL).mock(return_value=httpx.Response(200, json=NO_ORDERS))
    list(shop().pages(None))
    request = route.calls.last.request
    assert request.headers["X-Shopify-Access-Token"] == "shpat_canary"
    assert b"canary" not in request.content
    assert b"canary" not in str(request.url).encode()


@respx.mock
def test_an_apps_token_is_fetched_once_and_anew_after_a_401() -> None:
    tokens = iter(("one", "two"))
    given = respx.post(TOKEN_URL).mock(
        side_effect=lambda request: httpx.Response(200, json={"access_token": next(tokens), "expires_in": 86399})
    )
    answers = iter((200, 200, 401, 200))
    route = respx.post(URL).mock(side_effect=lambda request: httpx.Response(next(answers), json=NO_ORDERS))
    spring = shop(access_token=None, client_id="id", client_secret=SecretStr("hush"))
    for _ in range(3):
        list(spring.pages(None))
    assert given.call_count == 2
    sent = [call.request.headers["X-Shopify-Access-Token"] for call in route.calls]
    assert sent == ["one", "one", "one", "two"]
    assert b"grant_type=client_credentials" in given.calls.last.request.content


@respx.mock
@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_refused_client_credentials_ask_for_a_person(status: int) -> None:
    respx.post(TOKEN_URL).mock(return_value=httpx.Response(status, json={"error": "invalid_client"}))
    with pytest.raises(Unauthorized):
        list(shop(access_token=None, client_id="id", client_secret=SecretStr("hush")).pages(None))


@respx.mock
def test_a_throttle_inside_a_200_is_waited_for(pauses: list[float]) -> None:
    throttled = error(
        "THROTTLED",
        extensions={
            "cost": {
                "requestedQueryCost": 926,
                "actualQueryCost": None,
                "throttleStatus": {"maximumAvailable": 2000.0, "currentlyAvailable": 326, "restoreRate": 100.0},
            }
        },
    )
    route = respx.post(URL)
    route.side_effect = [httpx.Response(200, json=throttled), httpx.Response(200, json=NO_ORDERS)]
    assert len(list(shop().pages(None))) == 1
    assert sum(pauses) == pytest.approx(6.0 / USED, abs=0.1)

    throttled["extensions"]["cost"]["throttleStatus"]["restoreRate"] = 1.0
    route.side_effect = [httpx.Response(200, json=throttled)]
    with pytest.raises(Unavailable) as raised:
        list(shop().pages(None))
    assert raised.value.after == 600.0
    assert not raised.value.ambiguous


@respx.mock
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error("ACCESS_DENIED", data={"orders": None}), Unauthorized),
        (error("ACCESS_DENIED", **NO_ORDERS), Unauthorized),
        (error("SHOP_INACTIVE"), Unauthorized),
        (error("INTERNAL_SERVER_ERROR", data=None), Unavailable),
        (error("INTERNAL_SERVER_ERROR", **NO_ORDERS), Unavailable),
        (error("undefinedField"), Rejected),
        (error(None, **NO_ORDERS), Rejected),
        ({"errors": "Ada Lovelace did it"}, Rejected),
        ({}, Unavailable),
        ({"data": None}, Unavailable),
        ({"data": {"orders": None}}, Unavailable),
        ({"data": {"orders": {"nodes": []}}}, Unavailable),
        ([], Unavailable),
    ],
)
def test_an_error_or_half_an_answer_is_never_a_page_without_orders(answer: Any, kind: type[Exception]) -> None:
    respx.post(URL).mock(return_value=httpx.Response(200, json=answer))
    with pytest.raises(kind) as raised:
        list(shop().pages(None))
    assert "Ada" not in str(raised.value)


@respx.mock
@pytest.mark.parametrize(
    ("status", "headers", "body", "kind"),
    [
        (503, {"content-type": "text/html"}, "<html>Ada</html>", Unavailable),
        (200, {"content-type": "text/html"}, "<html>Ada</html>", Unavailable),
        (200, {"content-type": "application/json"}, '{"data": {"ord', Unavailable),
        (200, {"content-type": "application/json"}, "", Unavailable),
        (500, {}, "", Unavailable),
        (429, {"retry-after": "99"}, '{"errors": "Exceeded"}', Unavailable),
        (403, {}, '{"errors": "Ada"}', Unauthorized),
        (401, {}, '{"errors": "Ada"}', Unauthorized),
        (404, {}, '{"errors": "Not Found"}', Rejected),
        (402, {}, '{"errors": "Unavailable Shop"}', Rejected),
    ],
)
@pytest.mark.usefixtures("pauses")
def test_a_failure_of_the_wire_is_never_a_page_without_orders(
    status: int, headers: dict[str, str], body: str, kind: type[Exception]
) -> None:
    respx.post(URL).mock(return_value=httpx.Response(status, headers=headers, text=body))
    with pytest.raises(kind) as raised:
        list(shop().pages(None))
    assert "Ada" not in str(raised.value)


@respx.mock
def test_an_answer_by_another_api_version_is_logged_once() -> None:
    respx.post(URL).mock(return_value=httpx.Response(200, json=NO_ORDERS, headers={"X-Shopify-API-Version": "2027-01"}))
    spring = shop()
    with structlog.testing.capture_logs() as logs:
        list(spring.pages(None))
        list(spring.pages(None))
    assert [(line["asked"], line["got"]) for line in logs] == [("2026-10", "2027-01")]


def test_a_token_that_dies_in_the_middle_is_replaced_once(simulator: ShopifySimulator) -> None:
    number = simulator.place(order_of(("MUG-1", 1)))
    spring = connector(simulator)
    assert list(pulled(spring)) == [number]
    simulator.expire_tokens()
    assert list(pulled(spring)) == [number]
    assert simulator.calls["access_token"] == 2


def test_a_fixed_token_works_at_the_simulator_and_its_end_asks_for_a_person(simulator: ShopifySimulator) -> None:
    keys = {"client_id": None, "client_secret": None, "access_token": SecretStr(simulator.issue_token())}
    spring = Shopify("spring", settings(simulator, **keys))
    list(spring.pages(None))
    simulator.expire_tokens()
    with pytest.raises(Unauthorized):
        list(spring.pages(None))


# Points.


def costing(requested: float | None, available: float, **more: Any) -> dict[str, Any]:
    status = {"maximumAvailable": 2000.0, "currentlyAvailable": available, "restoreRate": 100.0}
    return NO_ORDERS | {"extensions": {"cost": {"requestedQueryCost": requested, "throttleStatus": status}}} | more


@respx.mock
def test_points_are_counted_before_a_request_is_sent_and_corrected_by_each_answer(pauses: list[float]) -> None:
    keeper = Memory()
    spring = Shopify("spring", shop().settings, keeper)
    route = respx.post(URL).mock(return_value=httpx.Response(200, json=costing(300.0, 400.0)))
    list(spring.pages(None))
    left = keeper.budgets.left("points")
    assert left is not None
    assert (left.left, left.burst, left.rate) == (pytest.approx(400.0, abs=20), 2000.0, 100.0)
    list(spring.pages(None))
    assert pauses == [], "300 of 400 are there"
    route.mock(return_value=httpx.Response(200, json=costing(300.0, 20.0)))
    list(spring.pages(None))
    list(spring.pages(None))
    assert sum(pauses) == pytest.approx(280 / (100 * USED), abs=0.5), "and now 280 are missing"


@respx.mock
def test_a_document_never_asked_before_counts_as_the_dearest(pauses: list[float]) -> None:
    keeper = Memory()
    spring = Shopify("spring", shop().settings, keeper)
    respx.post(URL).mock(return_value=httpx.Response(200, json=costing(10.0, 600.0)))
    list(spring.pages(None))
    list(spring.pages(None))
    assert pauses == []
    spring._graph.execute("query Another { shop { name } }")
    assert sum(pauses) == pytest.approx(400 / (100 * USED), abs=0.5)


@respx.mock
@pytest.mark.parametrize("requested", [0.0, None, 5.0])
def test_a_throttle_that_by_its_numbers_need_not_be_is_waited_for_all_the_same(
    pauses: list[float], requested: float | None
) -> None:
    throttled = costing(requested, 2000.0, **error("THROTTLED"))
    route = respx.post(URL)
    route.side_effect = [httpx.Response(200, json=throttled), httpx.Response(200, json=NO_ORDERS)]
    list(shop().pages(None))
    assert len(pauses) == 1
    assert pauses[0] >= 1.0


@respx.mock
@pytest.mark.usefixtures("pauses")
def test_what_was_turned_away_before_it_ran_costs_nothing() -> None:
    keeper = Memory()
    respx.post(URL).mock(return_value=httpx.Response(403, json={"errors": "no"}))
    for _ in range(5):
        with pytest.raises(Unauthorized):
            list(Shopify("spring", shop().settings, keeper).pages(None))
    left = keeper.budgets.left("points")
    assert left is not None
    assert left.left == 2000.0
