"""How the account is reached: its token, its secrets, and the surroundings that must not matter."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from sp_api.base.credential_provider import MissingCredentials
from werkzeug.wrappers import Request, Response

from connectors.amazon import Amazon
from connectors.amazon.account import BUDGETS, operation
from connectors.amazon.simulator import AmazonSimulator
from connectors.amazon.simulator.gate import Refused
from connectors.simulation import Fault
from core.errors import Unauthorized, Unavailable
from core.model import Level, Shipment
from tests.connectors.amazon.conftest import Connect, fetched, hurried, order, settings
from tests.connectors.amazon.vendor import OUTBOUND

ROOT = Path(__file__).resolve().parents[3]


def watched(simulator: AmazonSimulator) -> list[Request]:
    """The requests that arrive from now on."""
    arrived: list[Request] = []
    handle: Callable[[Request], Response] = simulator.handle

    def noted(request: Request) -> Response:
        arrived.append(request)
        return handle(request)

    simulator.handle = noted  # type: ignore[method-assign]
    return arrived


def test_one_token_serves_all_requests(simulator: AmazonSimulator, amazon: Amazon) -> None:
    for _ in range(3):
        list(amazon.pages(None))
    assert simulator.calls["token"] == 1


def test_two_accounts_never_share_a_token(connect: Connect) -> None:
    with hurried(name="one") as one, hurried(name="two") as two:
        for simulator in (one, two):
            assert isinstance(simulator, AmazonSimulator)
            list(connect(simulator).pages(None))
        again = connect(one)
        list(again.pages(None))
        assert (one.calls["token"], two.calls["token"]) == (2, 1)  # a connector's token is its own


def test_a_token_that_died_early_is_renewed_once(simulator: AmazonSimulator, amazon: Amazon) -> None:
    number = simulator.place(order())
    list(amazon.pages(None))
    simulator.login.expire()
    assert fetched(amazon, number).number == number
    assert simulator.calls["token"] == 2


def test_tokens_that_are_never_taken_end_as_unauthorized(simulator: AmazonSimulator, amazon: Amazon) -> None:
    list(amazon.pages(None))
    simulator.login.check = lambda token, grantless=False: (_ for _ in ()).throw(  # type: ignore[method-assign]
        Refused(403, "Unauthorized", "Access to requested resource is denied.", "The access token has expired.")
    )
    with pytest.raises(Unauthorized):
        list(amazon.pages(None))
    assert simulator.calls["token"] == 2


def test_a_token_lives_no_longer_than_amazon_says(connect: Connect) -> None:
    with hurried(token_seconds=1.0) as simulator:
        assert isinstance(simulator, AmazonSimulator)
        amazon = connect(simulator)
        list(amazon.pages(None))
        threading.Event().wait(0.9)  # past 80 % of the token's life
        arrived = watched(simulator)
        list(amazon.pages(None))
        assert [request.path for request in arrived] == ["/auth/o2/token", "/orders/2026-01-01/orders"]


@pytest.mark.parametrize(("key", "error"), [("refresh_token", "invalid_grant"), ("client_secret", "invalid_client")])
def test_refused_credentials_say_what_to_do_and_no_secret(
    simulator: AmazonSimulator, connect: Connect, key: str, error: str
) -> None:
    amazon = connect(simulator, **{key: SecretStr("canary-of-a-secret")})
    with pytest.raises(Unauthorized, match=f"{error}.*authorise the application again") as caught:
        list(amazon.pages(None))
    assert "canary" not in str(caught.value)


def test_a_right_that_is_lacking_is_no_matter_of_the_token(simulator: AmazonSimulator, amazon: Amazon) -> None:
    handle = simulator.handle

    def denied(request: Request) -> Response:
        if request.path.startswith("/auth"):
            return handle(request)
        return Response(
            b'{"errors": [{"code": "Unauthorized", "message": "Access to requested resource is denied."}]}',
            403,
            mimetype="application/json",
        )

    simulator.handle = denied  # type: ignore[method-assign]
    with pytest.raises(Unauthorized) as caught:
        list(amazon.pages(None))
    assert caught.value.forbidden
    assert simulator.calls["token"] == 1


@pytest.mark.usefixtures("no_pauses")
def test_a_token_service_that_is_down_is_an_outage(simulator: AmazonSimulator, amazon: Amazon) -> None:
    simulator.faults.set({Fault.HTML_503: 1.0})
    with pytest.raises(Unavailable):
        list(amazon.pages(None))


def test_the_surroundings_do_not_matter(
    simulator: AmazonSimulator, monkeypatch: pytest.MonkeyPatch, connect: Connect
) -> None:
    for name, value in {
        "SP_API_DEFAULT_MARKETPLACE": "UK",
        "SP_API_REFRESH_TOKEN": "Atzr|another",
        "LWA_APP_ID": "another",
        "LWA_CLIENT_SECRET": "another",
        "SP_API_AWS_SECRET_ID": "another",
        "HTTPS_PROXY": "http://127.0.0.1:1",
        "HTTP_PROXY": "http://127.0.0.1:1",
    }.items():
        monkeypatch.setenv(name, value)
    arrived = watched(simulator)
    list(connect(simulator).pages(None))
    assert arrived[-1].args["marketplaceIds"] == "ATVPDKIKX0DER"
    assert set(arrived[-1].args) == {"lastUpdatedAfter", "marketplaceIds", "maxResultsPerPage", "includedData"}


def test_credentials_of_the_surroundings_never_stand_in_for_ours(
    simulator: AmazonSimulator, monkeypatch: pytest.MonkeyPatch, connect: Connect
) -> None:
    monkeypatch.setenv("SP_API_REFRESH_TOKEN", simulator.login.refresh_token)
    monkeypatch.setenv("LWA_APP_ID", simulator.login.client_id)
    monkeypatch.setenv("LWA_CLIENT_SECRET", simulator.login.client_secret)
    with pytest.raises(MissingCredentials):
        list(connect(simulator, client_secret=SecretStr("")).pages(None))


def test_a_fresh_process_with_another_marketplace_in_its_environment_reaches_ours(simulator: AmazonSimulator) -> None:
    """The SDK reads its environment while it is imported, so only another process shows it."""
    keys = {**simulator.config(), "poll_seconds": 180}
    script = (
        "import json, sys\n"
        "from connectors.amazon import Amazon\n"
        "amazon = Amazon('a', Amazon.Settings(**json.load(sys.stdin)))\n"
        "print(len(list(amazon.pages(None))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps(keys),
        env={**simulator.secrets(), "SP_API_DEFAULT_MARKETPLACE": "JP", "PATH": ""},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "1\n", done.stderr


@pytest.mark.parametrize(("region", "host"), [("na", "-na"), ("eu", "-eu"), ("fe", "-fe")])
def test_without_a_base_url_the_regions_own_host_is_asked(simulator: AmazonSimulator, region: str, host: str) -> None:
    keys = {"region": region, "marketplace_id": "A1F83G8C2ARO7P", "base_url": None, "auth_url": None}
    amazon = Amazon("amazon", settings(simulator, **keys))
    seller = amazon._account.seller
    assert seller.marketplace_id == "A1F83G8C2ARO7P"
    assert seller.endpoint == f"https://sellingpartnerapi{host}.amazon.com"
    assert seller._auth.url == "https://api.amazon.com/auth/o2/token"
    amazon.close()


def test_nothing_secret_and_nothing_of_a_buyer_is_logged_even_at_debug(
    simulator: AmazonSimulator, amazon: Amazon, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ["", "sp_api", "sp_api.base.client", "sp_api.auth.access_token_client", "httpx", "httpcore"]:
        monkeypatch.setattr(logging.getLogger(name), "level", logging.DEBUG)
    arrived = watched(simulator)
    number = simulator.place(order(name="Canary Buyer", email="canary@buyer.example", line1="1 Canary Row"))
    list(amazon.pages(None))
    fetched(amazon, number)
    handles = {listing.sku: listing.handle for listing in amazon.listings()}
    list(amazon.push_tracking([_parcel(number, fetched(amazon, number).lines[0].number)]))
    monkeypatch.setattr("connectors.amazon.levels.FEW", 1)
    list(amazon.push_levels([_level(sku, handle) for sku, handle in handles.items()]))
    tokens = {request.headers.get("x-amz-access-token") for request in arrived} - {None}
    signatures = {request.args.get("X-Amz-Signature") for request in arrived} - {None}
    assert len(tokens) == 1
    assert len(signatures) == 1
    assert caplog.records
    for canary in (*simulator.secrets().values(), *tokens, *signatures, "Canary", "canary", "1ZCANARY"):
        assert str(canary) not in caplog.text


def test_a_presigned_address_is_shown_no_token(
    simulator: AmazonSimulator, amazon: Amazon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.amazon.levels.FEW", 0)
    handles = {listing.sku: listing.handle for listing in amazon.listings()}
    arrived = watched(simulator)
    acks = list(amazon.push_levels([_level("SKU-0", handles["SKU-0"])]))
    list(amazon.settle({ack.key: ack.ticket for ack in acks}))
    stored = [request for request in arrived if request.path.startswith("/presigned/")]
    assert [request.method for request in stored] == ["PUT", "GET"]
    assert not any("token" in name.lower() or "authorization" in name.lower() for r in stored for name, _ in r.headers)


def test_every_request_is_known_by_its_operation(
    simulator: AmazonSimulator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[str] = set()
    amazon = connect(simulator, queue_url="https://sqs.us-east-1.amazonaws.com/123456789013/q")
    spend = BUDGETS.keys()

    def noted(request: httpx.Request) -> str:
        asked.add(operation(request))
        return operation(request)

    monkeypatch.setattr("connectors.amazon.account.operation", noted)
    monkeypatch.setattr("connectors.amazon.levels.FEW", 1)
    number = simulator.place(order())
    list(amazon.pages(None))
    handles = {listing.sku: listing.handle for listing in amazon.listings()}
    list(amazon.push_tracking([_parcel(number, fetched(amazon, number).lines[0].number)]))
    levels = [_level(sku, handle) for sku, handle in handles.items()]
    acks = [*amazon.push_levels(levels[:1])]
    acks += amazon.push_levels(levels)
    list(amazon.settle({ack.key: ack.ticket for ack in acks}))
    simulator.send_back(number, "SKU-0", 1)
    list(amazon.returns(None))
    list(amazon.own_stock())
    amazon.subscriptions("")
    for subscription in simulator.notifications.subscriptions.values():
        subscription.version = "0.9"
    amazon.subscriptions("")
    assert asked == spend - OUTBOUND - {"getListingsItem", "getReports", "getMarketplaceParticipations"}


def _parcel(number: str, line: str) -> Shipment:
    return Shipment(
        key="parcel",
        serial=7,
        order=number,
        lines={line: 1},
        carrier="UPS",
        tracking="1ZCANARY",
        shipped_at=datetime.now(UTC),
    )


def _level(sku: str, handle: str) -> Level:
    return Level(key=sku, sku=sku, handle=handle, place="", quantity=9, revision=1)
