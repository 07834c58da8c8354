"""Cancellations: whole orders in one feed, told only where nothing has shipped, and settled by the order itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest
from werkzeug.wrappers import Request, Response

from connectors.amazon import Amazon, cancel
from connectors.amazon.simulator import AmazonSimulator, cancelling
from connectors.simulation import Fault
from core.errors import Unavailable
from core.model import Ack, AckState, Cancellation, CancelReason, Order
from tests.connectors.amazon.conftest import Connect, fetched, hurried, order
from tests.connectors.amazon.test_tracking import one as ship
from tests.connectors.amazon.test_tracking import parcel, placed

HOUR = 3601.0


def cancelling_all(before: Order, key: str = "c", **more: Any) -> Cancellation:
    """All that is open of an order."""
    made = Cancellation(
        key=key,
        order=before.number,
        lines={line.number: line.ordered - line.cancelled for line in before.lines if line.ordered > line.cancelled},
        before={line.number: line.cancelled for line in before.lines if line.ordered > line.cancelled},
        reason=CancelReason.OUT_OF_STOCK,
        whole=True,
    )
    return msgspec.structs.replace(made, **more)


def pending(acks: Iterable[Ack]) -> dict[str, str]:
    return {ack.key: ack.ticket for ack in acks if ack.state is AckState.ACCEPTED}


def told(amazon: Amazon, *cancellations: Cancellation) -> list[Ack]:
    return list(amazon.push_cancellations(cancellations))


def settled(simulator: AmazonSimulator, amazon: Amazon, *cancellations: Cancellation) -> list[Ack]:
    acks = told(amazon, *cancellations)
    simulator.settle_feeds()
    return list(amazon.settle(pending(acks)))


def state(acks: list[Ack]) -> AckState:
    (ack,) = acks
    return ack.state


def refusal(acks: list[Ack]) -> str:
    assert state(acks) is AckState.REFUSED
    wrong, mark, cure = acks[0].reason.rpartition(";")
    assert wrong
    assert mark
    assert "Seller Central" in cure or "check" in cure
    return acks[0].reason


def documents(simulator: AmazonSimulator) -> list[bytes]:
    return [feed.document.body or b"" for feed in simulator.feeds.feeds.values()]


def test_a_whole_order_is_cancelled_with_every_line(simulator: AmazonSimulator, amazon: Amazon) -> None:
    before = placed(simulator, amazon, ("SKU-0", 2), ("SKU-0", 1), ("SKU-1", 3))
    acks = told(amazon, cancelling_all(before))
    assert state(acks) is AckState.ACCEPTED
    simulator.settle_feeds()
    assert state(list(amazon.settle(pending(acks)))) is AckState.APPLIED
    assert [line.cancelled for line in fetched(amazon, before.number).lines] == [2, 1, 3]
    assert simulator.calls["createFeed"] == 1


def test_the_feed_says_what_the_vendor_asks_for(simulator: AmazonSimulator, amazon: Amazon) -> None:
    before = placed(simulator, amazon)
    told(amazon, cancelling_all(before, reason=CancelReason.BUYER))
    (body,) = documents(simulator)
    lines = [line.number for line in before.lines]
    assert (
        body
        == (
            "<?xml version='1.0' encoding='UTF-8'?>\n"
            '<AmazonEnvelope xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
            ' xsi:noNamespaceSchemaLocation="amzn-envelope.xsd">'
            f"<Header><DocumentVersion>1.01</DocumentVersion><MerchantIdentifier>{simulator.seller_id}"
            "</MerchantIdentifier></Header><MessageType>OrderAcknowledgement</MessageType>"
            f"<Message><MessageID>1</MessageID><OrderAcknowledgement><AmazonOrderID>{before.number}</AmazonOrderID>"
            "<StatusCode>Failure</StatusCode>"
            f"<Item><AmazonOrderItemCode>{lines[0]}</AmazonOrderItemCode><CancelReason>BuyerCanceled</CancelReason></Item>"
            f"<Item><AmazonOrderItemCode>{lines[1]}</AmazonOrderItemCode><CancelReason>BuyerCanceled</CancelReason></Item>"
            "</OrderAcknowledgement></Message></AmazonEnvelope>"
        ).encode()
    )


@pytest.mark.parametrize("reason", list(CancelReason))
def test_every_reason_has_one_amazon_knows(simulator: AmazonSimulator, amazon: Amazon, reason: CancelReason) -> None:
    before = placed(simulator, amazon)
    assert state(settled(simulator, amazon, cancelling_all(before, reason=reason))) is AckState.APPLIED
    assert cancel.REASONS[reason] in cancelling.REASONS


def test_many_orders_are_told_in_one_feed_and_one_bad_one_sinks_no_other(
    simulator: AmazonSimulator, amazon: Amazon
) -> None:
    orders = [placed(simulator, amazon) for _ in range(4)]
    ship(amazon, parcel(orders[1]))
    rows = [cancelling_all(each, key=f"c{number}") for number, each in enumerate(orders)]
    rows.append(cancelling_all(orders[0], key="lost", order="999-9999999-9999999"))
    acks = {ack.key: ack for ack in told(amazon, *rows)}
    assert [acks[key].state for key in ("c1", "lost")] == [AckState.REFUSED] * 2
    simulator.settle_feeds()
    ends = {ack.key: ack.state for ack in amazon.settle(pending(acks.values()))}
    assert ends == dict.fromkeys(("c0", "c2", "c3"), AckState.APPLIED)
    assert simulator.calls["createFeed"] == 1


def test_an_order_of_five_hundred_lines_is_cancelled(simulator: AmazonSimulator, amazon: Amazon) -> None:
    before = placed(simulator, amazon, *(("SKU-0", 1) for _ in range(500)))
    assert state(settled(simulator, amazon, cancelling_all(before))) is AckState.APPLIED
    assert simulator.truths()[before.number].cancelled == {"SKU-0": 500}


# What is never told.


def test_an_order_of_which_something_has_shipped_is_never_told_for_all_money_would_go_back(
    simulator: AmazonSimulator, amazon: Amazon
) -> None:
    before = placed(simulator, amazon, ("SKU-0", 2))
    (line,) = (line.number for line in before.lines)
    ship(amazon, parcel(before, lines={line: 1}))
    reason = refusal(told(amazon, cancelling_all(before, lines={line: 1})))
    assert "whole orders only" in reason
    simulator.settle_feeds()
    assert simulator.book.given_back == []
    assert simulator.calls["createFeed"] == 0


def test_money_that_went_back_for_a_shipped_order_is_told(simulator: AmazonSimulator, amazon: Amazon) -> None:
    before = placed(simulator, amazon, ("SKU-0", 2))
    acks = told(amazon, cancelling_all(before))
    with simulator.lock:
        simulator.book.orders[before.number].items[0].fulfilled = 1
    simulator.settle_feeds()
    assert simulator.book.given_back == [before.number]
    assert "may have given all the money back" in refusal(list(amazon.settle(pending(acks))))


@pytest.mark.parametrize("lines", [[("SKU-0", 3)], [("SKU-0", 2), ("SKU-1", 1)]])
def test_less_than_the_whole_order_is_refused_and_nothing_is_cancelled(
    simulator: AmazonSimulator, amazon: Amazon, lines: list[tuple[str, int]]
) -> None:
    before = placed(simulator, amazon, *lines)
    first = before.lines[0].number
    reason = refusal(told(amazon, cancelling_all(before, lines={first: 2}, whole=False)))
    assert "leaves units open" in reason
    simulator.settle_feeds()
    assert not any(simulator.truths()[before.number].cancelled.values())


def test_an_order_amazon_fulfils_is_left_to_amazon(simulator: AmazonSimulator, amazon: Amazon) -> None:
    before = fetched(amazon, simulator.place(order(by_channel=True)))
    assert "fulfils this order itself" in refusal(told(amazon, cancelling_all(before)))


def test_a_pending_order_waits_until_it_is_confirmed(simulator: AmazonSimulator, amazon: Amazon) -> None:
    before = fetched(amazon, simulator.place(order(pending=True)))
    assert state(told(amazon, cancelling_all(before))) is AckState.RETRY
    simulator.confirm(before.number)
    assert state(settled(simulator, amazon, cancelling_all(before))) is AckState.APPLIED


def test_an_order_or_an_item_amazon_does_not_know_is_refused(simulator: AmazonSimulator, amazon: Amazon) -> None:
    before = placed(simulator, amazon)
    assert "does not know" in refusal(told(amazon, cancelling_all(before, order="999-9999999-9999999")))
    assert "no such item" in refusal(told(amazon, cancelling_all(before, lines={"7": 1})))


def test_an_order_that_cannot_be_read_is_not_cancelled_on_trust(simulator: AmazonSimulator, amazon: Amazon) -> None:
    before = placed(simulator, amazon)
    handle: Callable[[Request], Response] = simulator.handle

    def spoilt(request: Request) -> Response:
        if request.method == "GET" and request.path.endswith(before.number):
            return Response(json.dumps({"order": {"orderId": before.number}}), mimetype="application/json")
        return handle(request)

    simulator.handle = spoilt  # type: ignore[method-assign]
    assert "cannot be read" in refusal(told(amazon, cancelling_all(before)))
    assert simulator.calls["createFeed"] == 0


# Told twice, told late, told half.


def test_what_stands_cancelled_already_is_applied_without_a_word(
    simulator: AmazonSimulator, amazon: Amazon, connect: Connect
) -> None:
    before = placed(simulator, amazon)
    settled(simulator, amazon, cancelling_all(before))
    for again in (amazon, connect(simulator)):
        assert state(told(again, cancelling_all(before))) is AckState.APPLIED
    assert simulator.calls["createFeed"] == 1


def test_what_the_buyer_cancelled_before_is_not_taken_for_this(simulator: AmazonSimulator, amazon: Amazon) -> None:
    number = placed(simulator, amazon, ("SKU-0", 3)).number
    simulator.cancel(number, quantity=2)
    between = fetched(amazon, number)
    assert [(line.ordered, line.cancelled) for line in between.lines] == [(3, 2)]
    assert state(settled(simulator, amazon, cancelling_all(between))) is AckState.APPLIED
    assert simulator.truths()[number].cancelled == {"SKU-0": 3}


def test_units_the_buyer_cancelled_meanwhile_leave_the_rest_to_tell(simulator: AmazonSimulator, amazon: Amazon) -> None:
    before = placed(simulator, amazon, ("SKU-0", 3), ("SKU-1", 1))
    simulator.cancel(before.number, sku="SKU-1")
    assert state(settled(simulator, amazon, cancelling_all(before))) is AckState.APPLIED
    (body,) = documents(simulator)
    assert re.findall(rb"<AmazonOrderItemCode>(\d+)<", body) == [before.lines[0].number.encode()]


def test_two_feeds_for_one_order_end_well(simulator: AmazonSimulator, connect: Connect) -> None:
    with hurried(feed_seconds=60.0) as simulator:
        assert isinstance(simulator, AmazonSimulator)
        first, second = connect(simulator), connect(simulator)
        before = placed(simulator, first)
        tickets = [pending(told(each, cancelling_all(before))) for each in (first, second)]
        simulator.settle_feeds()
        for ticket in tickets:  # the second message found the order cancelled: Amazon calls that an error
            assert state(list(first.settle(ticket))) is AckState.APPLIED


def test_one_order_meant_by_two_cancellations_is_told_once(simulator: AmazonSimulator, amazon: Amazon) -> None:
    before = placed(simulator, amazon)
    acks = settled(simulator, amazon, cancelling_all(before, key="a"), cancelling_all(before, key="b"))
    assert [ack.state for ack in acks] == [AckState.APPLIED] * 2
    (body,) = documents(simulator)
    assert body.count(b"<Message>") == 1


@pytest.mark.usefixtures("no_pauses")
def test_a_feed_whose_answer_was_lost_leaves_its_own_in_doubt_and_no_other(
    simulator: AmazonSimulator, amazon: Amazon
) -> None:
    orders = [placed(simulator, amazon) for _ in range(2)]
    ship(amazon, parcel(orders[0]))
    rows = [cancelling_all(each, key=f"c{number}") for number, each in enumerate(orders)]
    handle: Callable[[Request], Response] = simulator.handle

    def lossy(request: Request) -> Response:
        response = handle(request)
        if request.path.endswith("/feeds") and request.method == "POST":
            simulator.faults.set({Fault.RESET_AFTER_WRITE: 1.0})
        return response

    simulator.handle = lossy  # type: ignore[method-assign]
    acks = amazon.push_cancellations(rows)
    assert next(acks).key == "c0"
    with pytest.raises(Unavailable) as caught:
        next(acks)
    assert caught.value.ambiguous
    assert caught.value.keys == {"c1"}
    simulator.faults.heal()
    simulator.settle_feeds()
    assert state(told(amazon, rows[1])) is AckState.APPLIED


@pytest.mark.usefixtures("no_pauses")
def test_a_document_that_could_not_be_handed_in_is_in_no_doubt(simulator: AmazonSimulator, amazon: Amazon) -> None:
    before = placed(simulator, amazon)
    simulator.faults.set({Fault.RESET_AFTER_WRITE: 1.0})
    with pytest.raises(Unavailable) as caught:
        told(amazon, cancelling_all(before))
    assert not caught.value.ambiguous
    assert simulator.calls["createFeed"] == 0


# What becomes of it.


def test_nothing_is_settled_before_the_feed_is_worked_off(connect: Connect) -> None:
    with hurried(feed_seconds=60.0) as simulator:
        assert isinstance(simulator, AmazonSimulator)
        amazon = connect(simulator)
        tickets = pending(told(amazon, cancelling_all(placed(simulator, amazon))))
        assert list(amazon.settle(tickets)) == []
        simulator.settle_feeds()
        assert state(list(connect(simulator).settle(tickets))) is AckState.APPLIED


def test_a_message_amazon_refuses_is_refused_in_its_words(simulator: AmazonSimulator, amazon: Amazon) -> None:
    before = placed(simulator, amazon)
    acks = told(amazon, cancelling_all(before))
    with simulator.lock:
        simulator.book.orders[before.number].pending = True
    simulator.settle_feeds()
    assert "18026: The order cannot be cancelled: it is PENDING." in refusal(list(amazon.settle(pending(acks))))


def test_an_order_that_shipped_before_the_feed_came_to_it_is_not_called_cancelled(connect: Connect) -> None:
    with hurried(feed_seconds=60.0) as simulator:
        assert isinstance(simulator, AmazonSimulator)
        amazon = connect(simulator)
        before = placed(simulator, amazon)
        acks = told(amazon, cancelling_all(before))
        ship(amazon, parcel(before))
        simulator.settle_feeds()
        assert simulator.book.given_back == [before.number]
        assert "shipped while its cancellation was under way" in refusal(list(amazon.settle(pending(acks))))


def test_an_order_that_does_not_show_it_in_time_is_told_again(
    simulator: AmazonSimulator, amazon: Amazon, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = placed(simulator, amazon)
    monkeypatch.setattr(cancelling, "_acknowledge", lambda *told: "")
    tickets = pending(told(amazon, cancelling_all(before)))
    assert list(amazon.settle(tickets)) == []
    monkeypatch.setattr(cancel, "SHOWS", 0.0)
    assert state(list(amazon.settle(tickets))) is AckState.RETRY
    assert simulator.calls["getFeedDocument"] == 1  # a report is read once


def test_a_feed_that_was_cancelled_or_is_not_known_is_told_again(simulator: AmazonSimulator, amazon: Amazon) -> None:
    before = placed(simulator, amazon)
    tickets = pending(told(amazon, cancelling_all(before)))
    next(iter(simulator.feeds.feeds.values())).state = "CANCELLED"
    assert state(list(amazon.settle(tickets))) is AckState.RETRY
    lost = {key: text.replace('"feed":"', '"feed":"404') for key, text in tickets.items()}
    assert state(list(amazon.settle(lost))) is AckState.RETRY


def test_a_feed_that_breaks_off_is_halved_down_to_the_order_that_breaks_it(
    simulator: AmazonSimulator, amazon: Amazon, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = [placed(simulator, amazon) for _ in range(8)]
    bad = orders[5].number.encode()
    work_off = cancelling.work_off
    monkeypatch.setattr(cancelling, "work_off", lambda *told: None if bad in told[-1] else work_off(*told))
    due = {f"c{number}": cancelling_all(each, key=f"c{number}") for number, each in enumerate(orders)}
    ends: dict[str, AckState] = {}
    for _ in range(10):
        acks = told(amazon, *due.values())
        simulator.settle_feeds()
        for ack in [*acks, *amazon.settle(pending(acks))]:
            if ack.state in (AckState.APPLIED, AckState.REFUSED):
                ends[ack.key] = ack.state
                due.pop(ack.key, None)
        if not due:
            break
    assert ends == {key: AckState.APPLIED for key in ends if key != "c5"} | {"c5": AckState.REFUSED}
    assert len(ends) == 8


def report(results: str = "", processed: str = "2", successful: str = "2", wrong: str = "0") -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><AmazonEnvelope><Header><DocumentVersion>1.02</DocumentVersion></Header>'
        "<MessageType>ProcessingReport</MessageType><Message><MessageID>1</MessageID><ProcessingReport>"
        "<DocumentTransactionID>7</DocumentTransactionID><StatusCode>Complete</StatusCode><ProcessingSummary>"
        f"<MessagesProcessed>{processed}</MessagesProcessed><MessagesSuccessful>{successful}</MessagesSuccessful>"
        f"<MessagesWithError>{wrong}</MessagesWithError><MessagesWithWarning>0</MessagesWithWarning>"
        f"</ProcessingSummary>{results}</ProcessingReport></Message></AmazonEnvelope>"
    ).encode()


ERROR = (
    "<Result><MessageID>2</MessageID><ResultCode>Error</ResultCode><ResultMessageCode>18028</ResultMessageCode>"
    "<ResultDescription>Two\nlines</ResultDescription></Result>"
)
WARNING = ERROR.replace(">Error<", ">Warning<")


@pytest.mark.parametrize(
    ("body", "errors", "sound"),
    [
        (report(), {}, True),
        (report(WARNING), {}, True),
        (report(ERROR, successful="1", wrong="1"), {2: "18028: Two lines"}, True),
        (report(ERROR + ERROR, successful="1", wrong="1"), {2: "18028: Two lines"}, True),
        (report(ERROR), {2: "18028: Two lines"}, False),
        (report(successful="1", wrong="1"), {}, False),
        (report(processed="0", successful="0"), {}, True),
    ],
)
def test_a_report_is_read_message_by_message(body: bytes, errors: dict[int, str], sound: bool) -> None:
    read = cancel.read(body)
    assert (dict(read.errors), read.sound) == (errors, sound)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"{}",
        report()[:200],
        report(processed="many"),
        report(ERROR.replace(">2<", "><")),
        report(ERROR.replace(">2<", ">two<")),
        b"<AmazonEnvelope/>",
        b'<!DOCTYPE a [<!ENTITY b "c">]>' + report().partition(b"?>")[2],
    ],
)
def test_a_report_that_is_none_is_an_outage(body: bytes) -> None:
    if body == report(ERROR.replace(">2<", "><")):
        assert not cancel.read(body).sound  # an error of no message accounts for none
        return
    with pytest.raises(Unavailable, match="cannot be read"):
        cancel.read(body)


def test_a_report_whose_sums_do_not_agree_settles_nothing_by_itself(
    simulator: AmazonSimulator, amazon: Amazon, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = placed(simulator, amazon)
    monkeypatch.setattr(cancelling, "work_off", lambda *told: report(successful="0", wrong="1"))
    tickets = pending(told(amazon, cancelling_all(before)))
    assert state(list(amazon.settle(tickets))) is AckState.RETRY


def test_tickets_of_quantities_and_cancellations_are_told_apart(simulator: AmazonSimulator, amazon: Amazon) -> None:
    before = placed(simulator, amazon)
    acks = told(amazon, cancelling_all(before))
    simulator.settle_feeds()
    mixed = pending(acks) | {"level": '{"sku":"SKU-0","quantity":500,"at":0.0}', "broken": "nonsense"}
    ends = {ack.key: ack.state for ack in amazon.settle(mixed)}
    assert ends.pop("c") is AckState.APPLIED
    assert ends.pop("broken") is AckState.RETRY
    assert ends.keys() == {"level"}


def test_pushing_nothing_asks_nothing(simulator: AmazonSimulator, amazon: Amazon) -> None:
    assert told(amazon) == []
    assert not simulator.calls
