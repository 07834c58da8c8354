"""Cancellations: whole orders, told in an order acknowledgement feed whose status code is Failure.

Amazon's own rules for this feed (Seller Central, "Cancel an order" and "Acknowledge receipt of orders"):

- Failure cancels the entire order, whichever items it names; less than that is cancelled by people in Seller Central.
- After a parcel was confirmed it would give all the money back instead. So each order is looked at first, and one of
  which anything has shipped is never told.
- An order that is still pending cannot be cancelled by its seller: it waits.
- For every reason but NoInventory Amazon puts the units back on offer itself.

Telling an order twice does no harm: the second message finds it cancelled. What became of a message is told by the
order, and by the feed's report where the order has not changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from xml.etree import ElementTree as Xml

import msgspec

from connectors.amazon import feeds, orders
from connectors.amazon.account import Account, plain
from connectors.amazon.feeds import State
from core.errors import BadDocument, NotFound, Unavailable, in_doubt
from core.model import Ack, AckState, Cancellation, CancelReason, Fulfiller, Hold, Observation, Order

Fetch = Callable[[str], Observation]

TYPE = "POST_ORDER_ACKNOWLEDGEMENT_DATA"
CONTENT = "text/xml; charset=UTF-8"

REASONS = {
    CancelReason.BUYER: "BuyerCanceled",
    CancelReason.OUT_OF_STOCK: "NoInventory",
    CancelReason.ADDRESS: "ShippingAddressUndeliverable",
    CancelReason.PRICE: "GeneralAdjustment",
    CancelReason.FRAUD: "RiskAssessmentInformationNotValid",
    CancelReason.OTHER: "GeneralAdjustment",
}
"""Amazon's reasons; it has none of its own for a wrong price."""

MOST_ORDERS = 1000
"""Orders told in one feed."""

SHOWS = 3600.0
"""Seconds a cancelled order may take to show that it is, before it is told again."""

BY_HAND = "cancel it in Seller Central under Manage Orders"


class Telling(msgspec.Struct, forbid_unknown_fields=True):
    """The ticket of a cancellation: its place in a feed, and when it was handed in, in seconds since 1970."""

    order: str
    feed: str
    message: int
    at: float


class Report(msgspec.Struct):
    """A processing report: errors by message, and whether its sums account for every other message."""

    errors: Mapping[int, str]
    sound: bool


class Cancellations:
    """The account's cancellations. What is kept here only saves requests; nothing depends on it."""

    def __init__(self, account: Account, fetch: Fetch) -> None:
        self._account = account
        self._fetch = fetch
        self._most = MOST_ORDERS
        """Halved whenever a feed breaks off, until the order that breaks it stands alone."""
        self._reports: dict[str, Report] = {}

    def push(self, cancellations: Sequence[Cancellation]) -> Iterator[Ack]:
        """One ack a cancellation, ACCEPTED for those a feed was created for."""
        told: dict[str, list[tuple[Cancellation, Order]]] = {}
        for cancellation in cancellations:
            try:
                order = orders.normalize(self._fetch(cancellation.order).body)
            except NotFound:
                yield _refused(cancellation.key, "Amazon does not know this order; check that it belongs here")
                continue
            except BadDocument as error:
                yield _refused(cancellation.key, f"what has shipped of this order cannot be read ({error}); {BY_HAND}")
                continue
            ack = _judge(cancellation, order)
            if ack is not None:
                yield ack
            else:
                told.setdefault(order.number, []).append((cancellation, order))
        numbers = list(told)
        while numbers:
            some, numbers = numbers[: self._most], numbers[self._most :]
            rows = [told[number][0] for number in some]
            with in_doubt(cancellation.key for number in some for cancellation, _ in told[number]):
                feed = feeds.submit(
                    self._account, document(self._account.settings.seller_id, rows), kind=TYPE, content=CONTENT
                )
            for message, number in enumerate(some, 1):
                ticket = Telling(order=number, feed=feed, message=message, at=time.time())
                for cancellation, _ in told[number]:
                    yield Ack(
                        key=cancellation.key, state=AckState.ACCEPTED, ticket=msgspec.json.encode(ticket).decode()
                    )

    def settle(self, pending: Mapping[str, Telling]) -> Iterator[Ack]:
        """One ack for each cancellation whose end is known."""
        by_feed: dict[str, dict[str, Telling]] = {}
        for key, ticket in pending.items():
            by_feed.setdefault(ticket.feed, {})[key] = ticket
        for feed, tickets in by_feed.items():
            state, report = feeds.look(self._account, feed)
            if state is State.UNDER_WAY:
                continue
            alone = len({ticket.order for ticket in tickets.values()}) == 1
            if state is State.BROKEN and not alone:
                self._most = max(1, min(self._most, len(tickets)) // 2)
            for key, ticket in tickets.items():
                ack = self._end(key, ticket, state, report, alone)
                if ack is not None:
                    yield ack
            if state is State.DONE:
                self._most = MOST_ORDERS

    def _end(self, key: str, ticket: Telling, state: State, report: str, alone: bool) -> Ack | None:
        """What became of one order; None where it may still be on its way."""
        try:
            order = orders.normalize(self._fetch(ticket.order).body)
        except (NotFound, BadDocument):
            return _refused(key, "Amazon no longer shows this order as it was; look it up in Seller Central")
        if any(line.shipped for line in order.lines):
            return _refused(
                key,
                "the order shipped while its cancellation was under way, and Amazon may have given all the money back; "
                "compare its payments in Seller Central",
            )
        if not _open(order):
            return Ack(key=key, state=AckState.APPLIED)
        if state is State.BROKEN and alone:
            return _refused(key, f"Amazon breaks off the feed that cancels this order; {BY_HAND}")
        if state is not State.DONE:
            return _again(key, "Amazon did not work the feed off")
        said = self._report(ticket.feed, report)
        if ticket.message in said.errors:
            return _refused(key, f"Amazon does not cancel the order ({said.errors[ticket.message]}); {BY_HAND}")
        if not said.sound:
            return _again(key, "the feed's report does not account for this order")
        if time.time() - ticket.at > SHOWS:
            return _again(key, "the order does not show that it was cancelled")
        return None

    def _report(self, feed: str, document_id: str) -> Report:
        if feed not in self._reports:
            self._reports.clear()  # the last one is enough: tickets come feed by feed
            self._reports[feed] = read(feeds.result(self._account, document_id))
        return self._reports[feed]


def ticket(text: str) -> Telling | None:
    """The cancellation behind a ticket; None where it is another push's."""
    try:
        return msgspec.json.decode(text, type=Telling)
    except msgspec.DecodeError:
        return None


def document(seller: str, rows: Sequence[tuple[Cancellation, Order]]) -> bytes:
    """The feed that cancels these orders, one message each, counted from 1."""
    envelope = Xml.Element(
        "AmazonEnvelope",
        {
            "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
            "xsi:noNamespaceSchemaLocation": "amzn-envelope.xsd",
        },
    )
    header = Xml.SubElement(envelope, "Header")
    _text(header, "DocumentVersion", "1.01")
    _text(header, "MerchantIdentifier", seller)
    _text(envelope, "MessageType", "OrderAcknowledgement")
    for number, (cancellation, order) in enumerate(rows, 1):
        message = Xml.SubElement(envelope, "Message")
        _text(message, "MessageID", str(number))
        told = Xml.SubElement(message, "OrderAcknowledgement")
        _text(told, "AmazonOrderID", order.number)
        _text(told, "StatusCode", "Failure")
        for line in _open(order):
            item = Xml.SubElement(told, "Item")
            _text(item, "AmazonOrderItemCode", line)
            _text(item, "CancelReason", REASONS[cancellation.reason])
    written: bytes = Xml.tostring(envelope, encoding="UTF-8", xml_declaration=True)
    return written


def read(body: bytes) -> Report:
    """A processing report. One that cannot be read is no report: `Unavailable`."""
    try:
        if b"<!DOCTYPE" in body:  # it could define entities that expand without end
            raise Xml.ParseError
        root = Xml.fromstring(body)  # noqa: S314 - it defines no entities
        whole = next(root.iter("ProcessingReport"))
        sums = {name: int(whole.findtext(f"ProcessingSummary/{name}") or "") for name in _SUMS}
        errors: dict[int, str] = {}
        for result in whole.iter("Result"):
            if result.findtext("ResultCode") == "Error":
                code, told = result.findtext("ResultMessageCode") or "", result.findtext("ResultDescription") or ""
                errors.setdefault(int(result.findtext("MessageID") or "0"), plain(f"{code}: {told}" if code else told))
    except (Xml.ParseError, StopIteration, ValueError):
        raise Unavailable("the report of the feed that cancels orders cannot be read") from None
    rest = sums["MessagesProcessed"] - len(errors)
    return Report(
        errors=errors,
        sound=sums["MessagesWithError"] == len(errors) and sums["MessagesSuccessful"] >= rest >= 0,
    )


_SUMS = ("MessagesProcessed", "MessagesSuccessful", "MessagesWithError")


def _judge(cancellation: Cancellation, order: Order) -> Ack | None:
    """What the order itself says of a cancellation; None: it is to be told."""
    key, lines = cancellation.key, {line.number: line for line in order.lines}
    if not cancellation.lines.keys() <= lines.keys():
        return _refused(key, f"the order has no such item at Amazon; {BY_HAND}")
    if all(
        lines[number].cancelled - cancellation.before.get(number, 0) >= units
        for number, units in cancellation.lines.items()
    ):
        return Ack(key=key, state=AckState.APPLIED)
    if order.fulfiller is Fulfiller.CHANNEL:
        return _refused(
            key, "Amazon fulfils this order itself; cancel it in Seller Central, as long as that is offered"
        )
    if any(line.shipped for line in order.lines):
        return _refused(
            key,
            "Amazon takes cancellations of whole orders only, and of this one something has shipped; cancel its other "
            "units in Seller Central under Manage Orders",
        )
    if any(units > cancellation.lines.get(number, 0) for number, units in _open(order).items()):
        return _refused(
            key,
            "Amazon takes cancellations of whole orders only, and this one leaves units open; cancel items of an order "
            "in Seller Central under Manage Orders",
        )
    if Hold.PENDING in order.holds:
        return _again(key, "the order is pending, and Amazon lets nobody cancel it before it is confirmed")
    return None


def _open(order: Order) -> dict[str, int]:
    """Units neither shipped nor cancelled, by item."""
    units = {line.number: line.ordered - line.cancelled - line.shipped for line in order.lines}
    return {number: count for number, count in units.items() if count}


def _text(parent: Xml.Element, tag: str, text: str) -> None:
    Xml.SubElement(parent, tag).text = text


def _refused(key: str, why: str) -> Ack:
    return Ack(key=key, state=AckState.REFUSED, reason=why)


def _again(key: str, why: str) -> Ack:
    return Ack(key=key, state=AckState.RETRY, reason=why)
