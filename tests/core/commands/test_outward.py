"""`cancel`, `refund`, `correct` and `push` at an operator's desk, against a channel that answers."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connectors.sandbox import FarEnd, Sandbox
from core.connector import Ability
from tests.core.commands.desk import Desk


@pytest.fixture
def number(desk: Desk, shop: FarEnd) -> str:
    """An order of three tees (10.80 each with tax) and a mug, taken in; shipping 4.90."""
    placed = shop.place([("TEE", 3), ("MUG", 1)])
    desk.ok("round")
    return placed


def stock(desk: Desk, sku: str) -> tuple[int, int]:
    (found,) = desk.ok("stock", "show", sku)["stock"]
    return found["on_hand"], found["reserved"]


# cancel


def test_a_cancellation_frees_the_stock_and_reaches_the_channel(desk: Desk, shop: FarEnd, number: str) -> None:
    told = desk.ok("cancel", number, "--line", "TEE=2", "--reason", "out_of_stock", "--note", "broken")
    assert (told["new"], told["whole"], told["number"]) == (True, False, number)
    assert told["lines"] == [{"line": "L1", "sku": "TEE", "quantity": 2}]
    assert told["recalled"] == {"east": 2}
    assert stock(desk, "TEE") == (10, 1)
    (due,) = desk.ok("plan")["pushes"]
    assert (due["kind"], due["what"], due["state"]) == ("cancel", "2 of line L1: out of stock", "queued")
    assert "2 of line L1: out of stock" in desk.run("plan").out
    (round_,) = desk.ok("round")["channels"]
    assert round_["cancelled"] == 1
    assert shop.truths()[number].cancelled == {"TEE": 2}
    desk.ok("round")
    story = desk.ok("order", number)
    (cancelled,) = story["cancellations"]
    assert (cancelled["state"], cancelled["reason"], cancelled["push"]) == ("confirmed", "out_of_stock", told["push"])
    assert [line["cancelling"] for line in story["lines"]] == [0, 0]
    assert any("cancelled here: 2 of TEE (out of stock); broken" in one["what"] for one in story["timeline"])
    assert stock(desk, "TEE") == (10, 1)


def test_cancelling_tells_people_what_to_stop(desk: Desk, number: str) -> None:
    ran = desk.run("cancel", number, "--reason", "buyer")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0] == f"cancelled of order #{number[2:]}: 3 TEE, 1 MUG; shop is told next (push {_push(desk)})"
    assert lines[1:] == [
        "east was asked to send 3 of these already: tell it to stop",
        "west was asked to send 1 of these already: tell it to stop",
    ]
    out = desk.run("order", number).out
    assert "cancelling" in out
    assert "cancelled here" in out


def _push(desk: Desk) -> int:
    return int(desk.rows("SELECT max(id) FROM pushes")[0][0])


def test_cancelling_twice_by_reference_is_once(desk: Desk, number: str) -> None:
    args = ("cancel", number, "--line", "TEE=1", "--reason", "buyer", "--reference", "case 7")
    assert desk.ok(*args)["new"]
    assert not desk.ok(*args)["new"]
    assert desk.run(*args).out == f"case 7 was decided already (push {_push(desk)}); nothing changed\n"
    assert stock(desk, "TEE") == (10, 2)


def test_what_cannot_be_cancelled_is_exit_2_and_one_line(desk: Desk, number: str) -> None:
    desk.ok("ship", number, "--location", "east", "--carrier", "UPS", "--tracking", "T1", "--line", "TEE=3")
    ran = desk.run("cancel", number, "--line", "TEE=1", "--reason", "buyer")
    assert (ran.code, ran.out) == (2, "")
    assert "1 of TEE cannot be cancelled: 0 of order" in ran.told
    assert desk.run("cancel", number, "--line", "TEE=x", "--reason", "buyer").code == 2
    assert desk.run("cancel", number, "--reason", "whim").code == 2
    assert desk.run("cancel", number).code == 2
    assert desk.run("cancel", "#77", "--reason", "buyer").code == 2


@pytest.fixture
def mute(monkeypatch: pytest.MonkeyPatch) -> None:
    """A vendor who takes nothing of all this."""
    lacks = {
        Ability.CANCEL: "the vendor lets nobody cancel by program",
        Ability.REFUND: "the vendor refunds on its own screens alone",
        Ability.CORRECT_TRACKING: "the vendor takes a number once",
        Ability.VOID_TRACKING: "the vendor takes no parcel back",
    }
    monkeypatch.setattr(Sandbox, "abilities", Sandbox.abilities - lacks.keys())
    monkeypatch.setattr(Sandbox, "absent", {**Sandbox.absent, **lacks})


@pytest.mark.usefixtures("mute")
def test_a_channel_that_cannot_be_told_is_exit_3_with_the_vendors_reason(desk: Desk, number: str) -> None:
    ran = desk.run("cancel", number, "--reason", "buyer")
    assert (ran.code, ran.out) == (3, "")
    assert ran.told == (
        "ordersync: shop cannot be told to cancel: the vendor lets nobody cancel by program; cancel order "
        f"#{number[2:]} there by hand, then `ordersync resync shop {number}` frees its stock"
    )
    assert stock(desk, "TEE") == (10, 3)
    ran = desk.run("refund", number, "--reason", "goodwill", "--yes")
    assert (ran.code, "refunds on its own screens alone; refund order" in ran.told) == (3, True)
    desk.ok("ship", number, "--location", "east", "--carrier", "UPS", "--tracking", "T1", "--line", "TEE=1")
    assert desk.ok("correct", number, "T1", "--tracking", "T2")["again"] is False
    desk.ok("round")
    ran = desk.run("correct", number, "T2", "--tracking", "T3")
    assert (ran.code, "takes no corrections of a parcel it was told of: the vendor takes a number" in ran.told) == (
        3, True
    )  # fmt: skip
    assert desk.rows("SELECT kind FROM pushes WHERE kind IN ('cancel', 'refund')") == []


def test_a_channel_that_is_switched_off_or_unknown_is_exit_2(desk: Desk, number: str) -> None:
    desk.channel(enabled="false")
    ran = desk.run("cancel", number, "--reason", "buyer")
    assert (ran.code, "is switched off" in ran.told) == (2, True)


def test_a_refusal_is_told_with_its_cure_and_can_be_dropped(desk: Desk, shop: FarEnd, number: str) -> None:
    """The channel ships it before it hears of the cancellation."""
    push = desk.ok("cancel", number, "--line", "MUG=1", "--reason", "buyer")["push"]
    shop.answer("ship", _parcel(number))
    desk.ok("round")
    (refused,) = desk.ok("push", "list")["pushes"]
    assert (refused["id"], refused["kind"], refused["state"]) == (push, "cancel", "refused")
    out = desk.run("status").out
    assert "1 cancel refused: 1 of line L2 left at the channel although cancelled here" in out
    assert "see `ordersync push list shop`" in out
    assert str(push) in desk.run("push", "list", "shop").out
    dropped = desk.ok("push", "drop", push, "--reason", "it left")["pushes"]
    assert [one["state"] for one in dropped] == ["dropped"]
    assert desk.ok("push", "list")["pushes"] == []
    assert [one["id"] for one in desk.ok("push", "list", "--all")["pushes"]][-1] == push
    assert stock(desk, "MUG") == (0, 0)


def _parcel(number: str) -> bytes:
    return f'{{"order":"{number}","key":"theirs","tracking":"T9","carrier":"UPS","lines":{{"L2":1}}}}'.encode()


# refund


def test_a_refund_is_shown_then_given_and_moves_no_stock(desk: Desk, shop: FarEnd, number: str) -> None:
    before = stock(desk, "TEE")
    ran = desk.run("refund", number, "--line", "TEE=1", "--reason", "damaged")
    assert (ran.code, ran.told) == (2, "ordersync: nothing was given back; add --yes to do it")
    assert "to give back" in ran.out
    assert "10.80 USD" in ran.out
    assert desk.rows("SELECT 1 FROM pushes WHERE kind = 'refund'") == []
    told = desk.ok("refund", number, "--line", "TEE=1", "--shipping", "1.50", "--reason", "damaged", "--yes")
    assert (told["amount"], told["currency"], told["shipping"], told["paid"]) == ("12.30", "USD", "1.50", "48.1")
    assert told["lines"] == [{"line": "L1", "sku": "TEE", "quantity": 1, "amount": "10.00", "tax": "0.80"}]
    (due,) = desk.ok("plan")["pushes"]
    assert (due["kind"], due["what"]) == ("refund", "12.30 USD: damaged")
    (round_,) = desk.ok("round")["channels"]
    assert round_["refunded"] == 1
    assert [(one.order, one.amount) for one in shop.refunds()] == [(number, Decimal("12.30"))]
    desk.ok("round")
    (given,) = desk.ok("order", number)["refunds"]
    assert (given["number"], given["amount"], given["origin"], given["state"]) == ("R-1", "12.30", "ours", "given")
    assert (given["reason"], given["push"]) == ("damaged", told["push"])
    out = desk.run("order", number).out
    assert "12.30 USD given back (refund R-1)" in out
    desk.change("UPDATE refunds SET origin = 'channel'")  # as one that it gives by itself when it cancels for us
    assert "12.30 USD given back at the channel (refund R-1)" in desk.run("order", number).out
    assert stock(desk, "TEE") == before
    assert len(shop.refunds()) == 1


def test_more_than_was_paid_is_exit_2(desk: Desk, number: str) -> None:
    desk.ok("refund", number, "--line", "TEE=3", "--reason", "returned", "--yes")
    ran = desk.run("refund", number, "--line", "TEE=0:30", "--reason", "goodwill", "--yes")
    assert (ran.code, ran.out) == (2, "")
    assert "32.40 USD cannot be given back: 48.10 was paid" in ran.told
    for wrong in ("TEE", "TEE=", "TEE=-1", "TEE=1:", "TEE=1:x", "TEE=1:NaN", "TEE=1:1e99", "=1"):
        ran = desk.run("refund", number, "--line", wrong, "--reason", "goodwill", "--yes")
        assert (ran.code, ran.out) == (2, ""), wrong
    assert desk.run("refund", number, "--shipping", "a lot", "--reason", "goodwill", "--yes").code == 2
    assert desk.run("refund", number, "--line", "TEE=1", "--line", "TEE=2", "--reason", "goodwill", "--yes").code == 2


def test_all_that_is_left_is_given_back(desk: Desk, shop: FarEnd, number: str) -> None:
    desk.ok("refund", number, "--line", "MUG=1", "--reason", "goodwill", "--yes")
    assert desk.ok("refund", number, "--reason", "other", "--yes")["amount"] == "37.30"
    desk.ok("round")
    desk.ok("round")
    assert shop.truths()[number].refunded == Decimal("48.10")


def test_a_refund_by_reference_is_given_once(desk: Desk, number: str) -> None:
    args = ("refund", number, "--line", "TEE=1", "--reason", "returned", "--reference", "RMA 7", "--yes")
    assert desk.ok(*args)["new"]
    assert not desk.ok(*args)["new"]
    assert "RMA 7 was decided already" in desk.run(*args).out
    assert len(desk.rows("SELECT 1 FROM pushes WHERE kind = 'refund'")) == 1


def test_a_refused_refund_is_retried_once_it_is_mended(desk: Desk, shop: FarEnd, number: str) -> None:
    push = desk.ok("refund", number, "--line", "MUG=1", "--reason", "returned", "--yes")["push"]
    amount = b'"shipping":"10.80","currency":"USD","reason":"goodwill"'
    shop.answer("refund", b'{"order":"' + number.encode() + b'","key":"theirs","lines":{},' + amount + b"}")
    desk.ok("round")
    (refused,) = desk.ok("push", "list")["pushes"]
    assert refused["reason"].startswith("10.80 USD was given back meanwhile (R-1); retry this refund")
    assert len(shop.refunds()) == 1
    assert desk.ok("push", "retry", push)["pushes"][0]["state"] == "queued"
    desk.ok("round")
    assert len(shop.refunds()) == 2
    ran = desk.run("push", "retry", push)
    assert (ran.code, "applied and cannot be retried" in ran.told) == (2, True)
    assert desk.run("push", "drop", 99, "--reason", "x").code == 2
    assert desk.run("push", "drop", push, "--reason", " ").code == 2


# correct


def test_a_corrected_parcel_is_the_same_parcel_at_the_channel(desk: Desk, shop: FarEnd, number: str) -> None:
    desk.ok("ship", number, "--location", "east", "--carrier", "UPS", "--tracking", "T1", "--line", "TEE=3")
    desk.ok("round")
    told = desk.ok("correct", number, "T1", "--tracking", "T2", "--carrier", "USPS")
    assert told["again"]
    (due,) = desk.ok("plan")["pushes"]
    assert (due["kind"], due["what"]) == ("tracking", "USPS T2")
    desk.ok("round")
    assert [(one.tracking, one.carrier, one.lines) for one in shop.effects()] == [("T2", "USPS", {"TEE": 3})]
    out = desk.run("order", number).out
    assert "parcel corrected: parcel T1: UPS T1 is USPS T2" in out
    desk.ok("round")
    (parcel,) = desk.ok("order", number)["shipments"]
    assert (parcel["tracking"], parcel["push"]) == ("T2", "confirmed")


def test_a_correction_says_what_it_did_and_what_it_cannot(desk: Desk, number: str) -> None:
    desk.ok("ship", number, "--location", "east", "--carrier", "UPS", "--tracking", "T1", "--line", "TEE=3")
    out = desk.run("correct", number, "T1", "--carrier", "USPS").out
    assert out == f"parcel 1 of order #{number[2:]} is corrected; shop is told of it so next\n"
    assert desk.run("correct", number, "T1").code == 2
    ran = desk.run("correct", number, "T7", "--tracking", "T8")
    assert (ran.code, "no parcel 'T7'; there are: T1" in ran.told) == (2, True)


# status


def test_an_acknowledgement_near_its_deadline_is_exit_3(desk: Desk, shop: FarEnd, number: str) -> None:
    desk.change("UPDATE pushes SET state = 'queued' WHERE kind = 'acknowledge'")
    desk.change("UPDATE orders SET acknowledge_by = 1")
    ran = desk.run("status", "--json")
    assert ran.code == 3
    (told,) = ran.json["channels"]
    assert (told["health"], told["acknowledge_soon"], told["acknowledge_by"]) == (
        "ok",
        1,
        "1970-01-01T00:00:00.000001Z",
    )
    assert f"shop: 1 order to be acknowledged, the first ({number}) since" in desk.run("status").out
    desk.ok("round")
    assert desk.run("status").code == 0
