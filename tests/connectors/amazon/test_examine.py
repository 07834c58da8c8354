"""Examining an account: each thing that can be wrong is found, with what to do, and the rest is still looked at."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import time_machine
from pydantic import SecretStr
from werkzeug.wrappers import Request, Response

from connectors.amazon import Amazon, examine
from connectors.amazon.simulator import AmazonSimulator
from connectors.amazon.simulator.gate import DENIED, Refused, refusal
from core.model import Finding
from tests.connectors.amazon.conftest import Connect, order

pytestmark = pytest.mark.usefixtures("no_pauses")

ALL = ["credentials", "clock", "marketplace", "orders", "buyers", "listings", "feeds", "returns", "own stock"]
REST = ["locations", "history"]


def found(amazon: Amazon) -> dict[str, Finding]:
    findings = list(amazon.examine())
    assert len({each.what for each in findings}) == len(findings)
    return {each.what: each for each in findings}


def ill(amazon: Amazon) -> dict[str, str]:
    return {what: each.told for what, each in found(amazon).items() if not each.well}


def instead(simulator: AmazonSimulator, change: Callable[[Request], Response | None]) -> None:
    handle = simulator.handle
    simulator.handle = lambda request: change(request) or handle(request)  # type: ignore[method-assign]


def test_an_account_in_order_is_looked_at_all_over_without_a_search_for_orders(
    simulator: AmazonSimulator, amazon: Amazon
) -> None:
    simulator.place(order())
    findings = found(amazon)
    assert list(findings) == ALL + REST
    assert all(each.well for each in findings.values())
    assert findings["listings"].told == "3 listings can be read"
    assert simulator.calls["searchOrders"] == 0
    assert not simulator.effects()


@pytest.mark.parametrize("key", ["refresh_token", "client_secret"])
def test_refused_credentials_are_the_only_finding(simulator: AmazonSimulator, connect: Connect, key: str) -> None:
    (finding,) = connect(simulator, **{key: SecretStr("canary-of-a-secret")}).examine()
    assert (finding.what, finding.well) == ("credentials", False)
    assert "; authorise the application again" in finding.told
    assert "canary" not in finding.told


def test_a_token_that_is_still_good_does_not_hide_credentials_that_are_not(
    simulator: AmazonSimulator, amazon: Amazon
) -> None:
    list(amazon.pages(None))
    simulator.login.client_secret = "another"
    assert list(ill(amazon)) == ["credentials"]
    list(amazon.pages(None))


@pytest.mark.parametrize(
    ("operation", "findings", "role"),
    [
        ("getOrder", ["orders", "buyers"], "Inventory and Order Tracking"),
        ("searchListingsItems", ["listings"], "Product Listing"),
        ("getFeeds", ["feeds"], "Inventory and Order Tracking"),
        ("getReports", ["returns"], "Inventory and Order Tracking"),
        ("getInventorySummaries", ["own stock"], "Amazon Fulfillment"),
        ("getMarketplaceParticipations", ["marketplace"], "any role"),
    ],
)
def test_a_role_that_lacks_is_named_and_the_rest_is_looked_at(
    simulator: AmazonSimulator, amazon: Amazon, operation: str, findings: list[str], role: str
) -> None:
    simulator.denied.add(operation)
    lacking = ill(amazon)
    assert list(lacking) == findings
    assert role in lacking[findings[0]]
    assert all("; add it to the application's profile" in told for told in lacking.values())
    assert list(found(amazon))[-2:] == REST


def test_the_role_for_buyers_is_told_from_that_for_orders(simulator: AmazonSimulator, amazon: Amazon) -> None:
    def restricted(request: Request) -> Response | None:
        return (
            refusal(Refused(403, "Unauthorized", DENIED))
            if "RECIPIENT" in request.args.get("includedData", "")
            else None
        )

    instead(simulator, restricted)
    lacking = ill(amazon)
    assert list(lacking) == ["buyers"]
    assert "Direct-to-Consumer Shipping (restricted)" in lacking["buyers"]


def test_tokens_that_are_never_taken_end_the_examination(simulator: AmazonSimulator, amazon: Amazon) -> None:
    revoked = Refused(403, "Unauthorized", DENIED, "The access token you provided is revoked, malformed or invalid.")
    instead(simulator, lambda request: refusal(revoked) if "token" not in request.path else None)
    assert list(ill(amazon)) == ["API"]


def test_a_token_that_is_refused_on_the_way_is_no_lacking_role(simulator: AmazonSimulator, amazon: Amazon) -> None:
    revoked = Refused(403, "Unauthorized", DENIED, "The access token you provided has expired.")
    instead(simulator, lambda request: refusal(revoked) if "/listings/" in request.path else None)
    assert list(ill(amazon)) == ["API"]


@pytest.mark.parametrize(
    ("status", "told"), [(400, "; check the settings of this channel"), (404, "; check seller_id")]
)
def test_a_look_that_is_refused_keeps_no_other_back(
    simulator: AmazonSimulator, amazon: Amazon, status: int, told: str
) -> None:
    instead(simulator, lambda request: refusal(Refused(status, "X", "x")) if "/listings/" in request.path else None)
    lacking = ill(amazon)
    assert list(lacking) == ["listings"]
    assert lacking["listings"].endswith(told)


def test_an_api_that_does_not_answer_ends_the_examination(simulator: AmazonSimulator, amazon: Amazon) -> None:
    instead(simulator, lambda request: Response(status=503) if "/listings/" in request.path else None)
    assert list(ill(amazon)) == ["API"]
    assert ill(amazon)["API"].endswith("; try again later")


@pytest.mark.parametrize(("apart", "told"), [(-60, "60 s behind"), (60, "60 s ahead of"), (4, ""), (-4, "")])
def test_a_clock_that_is_off_is_told_by_how_much(apart: int, told: str) -> None:
    with time_machine.travel(
        datetime(2026, 11, 27, 12, 0, apart % 60, tzinfo=UTC) + timedelta(minutes=apart // 60), tick=False
    ):
        finding = examine._clock(httpx.Response(200, headers={"date": "Fri, 27 Nov 2026 12:00:00 GMT"}))
    assert finding.well is not bool(told)
    assert not told or finding.told == f"ours is {told} Amazon's; let NTP set this machine's clock"


def test_an_answer_without_a_date_is_no_clock() -> None:
    assert examine._clock(httpx.Response(200)).told == "Amazon's answer bears no date; check base_url"


def test_a_marketplace_the_seller_is_not_in(simulator: AmazonSimulator, connect: Connect) -> None:
    assert "correct marketplace_id" in ill(connect(simulator, marketplace_id="A1F83G8C2ARO7P"))["marketplace"]


def test_suspended_listings_are_told(simulator: AmazonSimulator, amazon: Amazon) -> None:
    simulator.suspended = True
    assert "suspended; see Account Health" in ill(amazon)["marketplace"]


def test_a_wrong_seller_id_is_a_finding_of_the_listings(simulator: AmazonSimulator, connect: Connect) -> None:
    lacking = ill(connect(simulator, seller_id="A1SOMEBODYELSE"))
    assert list(lacking) == ["listings"]
    assert "(or seller_id is another seller's); add it" in lacking["listings"]


def test_places_of_their_own_do_not_go_together_with_one_quantity(simulator: AmazonSimulator, connect: Connect) -> None:
    assert ill(connect(simulator, locations={"east": "", "west": ""})) == {}
    assert "not one of west; set" in ill(connect(simulator, locations={"east": "", "west": "SRC-1"}))["locations"]
    assert ill(connect(simulator, locations={"west": "SRC-1"}, push_levels=False)) == {}


def test_pulls_that_leave_nothing_for_history_are_told(simulator: AmazonSimulator, connect: Connect) -> None:
    assert "some 516 orders an hour" in found(connect(simulator, pace=1.0, poll_seconds=240))["history"].told
    assert "raise poll_seconds" in ill(connect(simulator, pace=1.0, poll_seconds=180))["history"]
