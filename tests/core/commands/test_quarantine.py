"""`ordersync quarantine …`: set aside, looked at, read again."""

from __future__ import annotations

import pytest

from connectors.sandbox import FarEnd, Sandbox, orders
from core.errors import BadDocument
from core.model import Order
from tests.core.commands.desk import BUYER, Desk


@pytest.fixture
def aside(desk: Desk, shop: FarEnd, monkeypatch: pytest.MonkeyPatch) -> str:
    """An order that this version could not read; the one that runs now can."""
    number = shop.place([("TEE", 1)])

    def too_new(self: Sandbox, body: bytes) -> Order:
        raise BadDocument("$.status: a shape of tomorrow")

    with monkeypatch.context() as patch:
        patch.setattr(Sandbox, "normalize", too_new)
        desk.ok("round")
    return number


def open_ones(desk: Desk) -> list[str]:
    return [row["number"] for row in desk.ok("quarantine", "list")["quarantine"]]


def test_what_is_set_aside_is_listed_with_its_reason_and_without_its_buyer(desk: Desk, aside: str) -> None:
    (row,) = desk.ok("quarantine", "list")["quarantine"]
    assert (row["channel"], row["number"], row["state"]) == ("shop", aside, "open")
    assert row["reason"] == "$.status: a shape of tomorrow"
    for ran in (desk.run("quarantine", "list"), desk.run("quarantine", "show", row["id"])):
        assert ran.code == 0
        assert not [secret for secret in BUYER if secret in ran.out]
    assert BUYER[0] in desk.run("quarantine", "show", row["id"], "--body").out
    assert BUYER[0] in desk.ok("quarantine", "show", row["id"], "--body")["body"]
    assert "body" not in desk.ok("quarantine", "show", row["id"])


def test_a_retry_fetches_the_order_and_resolves_it(desk: Desk, aside: str) -> None:
    (row,) = desk.ok("quarantine", "retry")["quarantine"]
    assert (row["number"], row["became"]) == (aside, "stored")
    assert open_ones(desk) == []
    assert len(desk.ok("quarantine", "list", "--all")["quarantine"]) == 1
    assert desk.ok("order", aside)["status"] == "allocated"


def test_a_retry_that_still_cannot_read_says_why_and_exits_1(
    desk: Desk, aside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def still(body: bytes) -> Order:
        raise BadDocument("$.status: a shape of next year")

    monkeypatch.setattr(orders, "normalize", still)
    ran = desk.run("quarantine", "retry", "--json")
    assert ran.code == 1
    assert ran.json["quarantine"][0]["became"] == "still set aside: $.status: a shape of next year"


def test_an_order_gone_from_the_channel_is_read_from_what_was_stored(
    desk: Desk, shop: FarEnd, aside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.change("UPDATE channels SET cursor = :cursor", cursor='["2999-01-01T00:00:00Z",""]')
    monkeypatch.setattr(shop, "_orders", {})
    (row,) = desk.ok("quarantine", "retry")["quarantine"]
    assert row["became"] == "stored"
    assert desk.ok("order", aside)["lines"][0]["reserved"] == 1
    assert open_ones(desk) == []
    assert desk.run("verify").code == 0


def test_a_document_without_a_number_is_read_from_what_was_stored(
    desk: Desk, shop: FarEnd, aside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.change("UPDATE quarantine SET number = ''")
    (row,) = desk.ok("quarantine", "list")["quarantine"]
    (told,) = desk.ok("quarantine", "retry", row["id"])["quarantine"]
    assert told["became"] == "stored"
    assert open_ones(desk) == []


def test_a_channel_that_does_not_answer_is_exit_3_and_it_stays_asked_for(desk: Desk, shop: FarEnd, aside: str) -> None:
    shop.fail("unauthorized")
    ran = desk.run("quarantine", "retry")
    assert ran.code == 3
    assert "still set aside: the channel was not reached" in ran.out
    shop.fail(None)
    desk.ok("round")
    assert open_ones(desk) == []


def test_a_document_that_is_not_there_is_exit_2(desk: Desk, shop: FarEnd) -> None:
    ran = desk.run("quarantine", "retry", 7)
    assert (ran.code, ran.told) == (
        2, "ordersync: no document has the id 7; see `ordersync quarantine list --all`"
    )  # fmt: skip
    assert desk.run("quarantine", "retry").out == "nothing is set aside\n"
