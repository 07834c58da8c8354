"""Getting in: what the connector makes of tokens and refusals, and how strict the simulated door is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import respx
from pydantic import SecretStr, ValidationError

from connectors.shopify import Shopify, ShopifySettings
from connectors.shopify.simulator import TOKEN_PATH, ShopifySimulator
from connectors.shopify.simulator.door import DAY, FORGIVES_FOR, REFRESHES_FOR
from core.credentials import Memory
from core.errors import Unauthorized, Unavailable
from tests.connectors.shopify.given import connector, goods, order_of, pulled

TOKEN_URL = "https://my-shop.myshopify.com/admin/oauth/access_token"
URL = "https://my-shop.myshopify.com/admin/api/2026-10/graphql.json"
NO_ORDERS = {"data": {"orders": {"nodes": [], "pageInfo": {"hasNextPage": False, "endCursor": None}}}}
PAIR = {"client_id": "id", "client_secret": SecretStr("hush")}
ROTATING = PAIR | {"refresh_token": SecretStr("first")}


@pytest.fixture
def simulator() -> Iterator[ShopifySimulator]:
    with ShopifySimulator(listings=goods(), plan_points=2000, rotating=True) as started:
        assert isinstance(started, ShopifySimulator)
        yield started


class Refused(Exception):
    """What the door says instead of a token."""


def refreshed(simulator: ShopifySimulator, token: str, **wrong: str) -> dict[str, Any]:
    door = simulator.door
    form = {
        "grant_type": "refresh_token",
        "client_id": door.client_id,
        "client_secret": door.client_secret,
        "refresh_token": token,
    }
    answer = httpx.post(simulator.base_url + TOKEN_PATH, data=form | wrong)
    if answer.status_code != 200:
        raise Refused(f"{answer.status_code} {answer.json()['error']}")
    return dict(answer.json())


def opens(simulator: ShopifySimulator, token: str) -> bool:
    return simulator.door.admits(token)


# The door.


def test_a_refresh_answers_a_new_pair_and_ends_the_access_token_before(simulator: ShopifySimulator) -> None:
    first = refreshed(simulator, simulator.door.first_refresh)
    assert (first["expires_in"], first["refresh_token_expires_in"]) == (3600, int(REFRESHES_FOR))
    assert opens(simulator, first["access_token"])
    second = refreshed(simulator, first["refresh_token"])
    assert second["refresh_token"] != first["refresh_token"]
    assert not opens(simulator, first["access_token"])
    assert opens(simulator, second["access_token"])
    simulator.door.ahead += 3601
    assert not opens(simulator, second["access_token"])


def test_a_used_refresh_token_is_good_until_its_replacement_is_used(simulator: ShopifySimulator) -> None:
    old = simulator.door.first_refresh
    lost = refreshed(simulator, old)
    again = refreshed(simulator, old)
    assert again["refresh_token"] == lost["refresh_token"]
    assert not opens(simulator, lost["access_token"])
    refreshed(simulator, again["refresh_token"])
    with pytest.raises(Refused, match="401 invalid_request"):
        refreshed(simulator, old)


def test_a_used_refresh_token_is_forgiven_for_thirty_days_and_never_beyond_its_own_life(
    simulator: ShopifySimulator,
) -> None:
    old, door = simulator.door.first_refresh, simulator.door
    refreshed(simulator, old)
    door.ahead += FORGIVES_FOR - 60
    refreshed(simulator, old)
    door.ahead += 120
    with pytest.raises(Refused, match="401"):
        refreshed(simulator, old)
    door.install()
    door.ahead += REFRESHES_FOR - DAY
    refreshed(simulator, door.first_refresh)
    door.ahead += 2 * DAY
    with pytest.raises(Refused, match="401"):
        refreshed(simulator, door.first_refresh)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"client_id": "x"}, "400 application_cannot_be_found"),
        ({"client_secret": "x"}, "400 invalid_client"),
        ({"grant_type": "password"}, "400 unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "400 shop_not_permitted"),
        ({"refresh_token": "x"}, "401 invalid_request"),
        ({"refresh_token": ""}, "401 invalid_request"),
    ],
)
def test_the_door_refuses_in_shopifys_words(simulator: ShopifySimulator, wrong: dict[str, str], said: str) -> None:
    with pytest.raises(Refused, match=said):
        refreshed(simulator, simulator.door.first_refresh, **wrong)
    assert simulator.door.refreshes == []


# The connector.


def shop(keeper: Memory | None = None, **keys: Any) -> Shopify:
    return Shopify("spring", ShopifySettings(**({"connector": "shopify", "shop": "my-shop"} | keys)), keeper)


def test_the_settings_say_which_tokens_must_be_kept() -> None:
    assert shop(**ROTATING).settings.keeps_tokens == "refresh_token"
    assert shop(**PAIR).settings.keeps_tokens == ""
    assert shop(access_token=SecretStr("a")).settings.keeps_tokens == ""


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ({"refresh_token": SecretStr("a")}, "how to log in"),
        ({"refresh_token": SecretStr("a"), "client_id": "b"}, "belong together"),
        ({"refresh_token": SecretStr("a"), "access_token": SecretStr("b")}, "two ways"),
    ],
)
def test_a_refresh_token_goes_with_its_client_alone(keys: dict[str, Any], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        shop(**keys)


def test_a_rotating_token_is_refreshed_when_it_dies_and_each_refresh_token_is_used_once(
    simulator: ShopifySimulator,
) -> None:
    number = simulator.place(order_of(("MUG-1", 1)))
    spring = connector(simulator)
    for _ in range(3):
        assert list(pulled(spring)) == [number]
        simulator.expire_tokens()
    refreshes = simulator.door.refreshes
    assert len(refreshes) == 3
    assert len(set(refreshes)) == 3


@respx.mock
def test_a_refresh_says_what_shopify_asks_for_and_what_it_answers_is_kept() -> None:
    answer = {"access_token": "one", "expires_in": 3600, "refresh_token": "next", "refresh_token_expires_in": 7_776_000}
    given = respx.post(TOKEN_URL).mock(return_value=httpx.Response(200, json=answer))
    route = respx.post(URL).mock(return_value=httpx.Response(200, json=NO_ORDERS))
    keeper = Memory()
    list(shop(keeper, **ROTATING).pages(None))
    sent = dict(pair.split("=") for pair in given.calls.last.request.content.decode().split("&"))
    assert sent == {"grant_type": "refresh_token", "client_id": "id", "client_secret": "hush", "refresh_token": "first"}
    assert route.calls.last.request.headers["X-Shopify-Access-Token"] == "one"
    (kept,) = [grant for _, grant in keeper._kept.values()]
    assert (kept.access, kept.refresh) == ("one", "next")
    assert kept.expires_at - kept.renew_at == pytest.approx(720, abs=1)
    assert kept.refresh_expires_at is not None


@respx.mock
def test_an_answer_that_names_no_life_is_taken_for_an_hour_and_one_without_a_replacement_keeps_the_old_one() -> None:
    respx.post(TOKEN_URL).mock(return_value=httpx.Response(200, json={"access_token": "one"}))
    respx.post(URL).mock(return_value=httpx.Response(200, json=NO_ORDERS))
    keeper = Memory()
    list(shop(keeper, **ROTATING).pages(None))
    (kept,) = [grant for _, grant in keeper._kept.values()]
    assert (kept.refresh, kept.expires_at - kept.renew_at) == ("first", pytest.approx(720, abs=1))


@respx.mock
@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (401, "invalid_request", "install the app again and give its new refresh token under refresh_token"),
        (400, "invalid_grant", "install the app again"),
        (400, "application_cannot_be_found", "check both and the shop"),
        (400, "invalid_client", "check both and the shop"),
        (404, "", "install the app again"),
        (403, "", "grant its app the missing scope"),
        (422, "", "check both and the shop"),
    ],
)
def test_a_refusal_says_what_to_do(status: int, error: str, said: str) -> None:
    body = {"error": error, "error_description": "canary"}
    respx.post(TOKEN_URL).mock(return_value=httpx.Response(status, json=body))
    with pytest.raises(Unauthorized, match=said) as raised:
        list(shop(**ROTATING).pages(None))
    assert "canary" not in str(raised.value)


@respx.mock
@pytest.mark.parametrize("body", ["{}", '{"access_token": ""}', '{"access_token": null}', "[]", "<html>", ""])
@pytest.mark.parametrize("keys", [PAIR, ROTATING], ids=["an app's own", "rotating"])
def test_an_answer_without_a_token_is_an_outage_and_nothing_is_kept(
    body: str, keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.http.pause", lambda seconds: None)
    respx.post(TOKEN_URL).mock(
        return_value=httpx.Response(200, text=body, headers={"content-type": "application/json"})
    )
    keeper = Memory()
    with pytest.raises(Unavailable):
        list(shop(keeper, **keys).pages(None))
    assert keeper._kept == {}
