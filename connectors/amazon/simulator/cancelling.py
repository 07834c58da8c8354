"""The simulated order acknowledgement feed, as far as it cancels: orders told with the status code Failure.

As at the vendor, Failure cancels the whole order whichever items it names, puts the units back on offer unless they
were out of stock, and gives all the money back where something has shipped already. `Book.given_back` tells of that.
"""

from __future__ import annotations

from xml.etree import ElementTree as Xml

from connectors.amazon.simulator.book import Book
from connectors.amazon.simulator.shop import Shop

REASONS = (
    "NoInventory", "ShippingAddressUndeliverable", "CustomerExchange", "BuyerCanceled", "GeneralAdjustment",
    "CarrierCreditDecision", "RiskAssessmentInformationNotValid", "CarrierCoverageFailure", "CustomerReturn",
    "MerchandiseNotReceived",
)  # fmt: skip

ITEM = ("AmazonOrderItemCode", "MerchantOrderItemID", "CancelReason", "Quantity")


def work_off(book: Book, shop: Shop, feed: str, body: bytes) -> bytes | None:
    """Works a document off and writes its report; None where the document as a whole is not what it should be."""
    try:
        envelope = Xml.fromstring(body)  # noqa: S314 - simulated far end, fed by tests
        messages = _messages(envelope, shop.seller)
    except (Xml.ParseError, _Misshapen, ValueError):
        return None
    errors = {number: why for number, told in messages.items() if (why := _acknowledge(book, shop, told))}
    return _report(shop.seller, feed, len(messages), errors)


class _Misshapen(Exception):
    """A document that is not of the schema."""


def _messages(envelope: Xml.Element, seller: str) -> dict[int, Xml.Element]:
    """The acknowledgements by message id."""
    if envelope.tag != "AmazonEnvelope":
        raise _Misshapen
    header, kind, *messages = envelope
    _shape(header, "Header", ("DocumentVersion", "MerchantIdentifier"))
    if header.findtext("MerchantIdentifier") != seller or header.findtext("DocumentVersion") not in ("1.01", "1.02"):
        raise _Misshapen
    if kind.tag != "MessageType" or kind.text != "OrderAcknowledgement" or not messages:
        raise _Misshapen
    found: dict[int, Xml.Element] = {}
    for message in messages:
        _shape(
            message,
            "Message",
            ("MessageID", "OrderAcknowledgement"),
            ("MessageID", "OperationType", "OrderAcknowledgement"),
        )
        number, told = int(message.findtext("MessageID") or ""), message.find("OrderAcknowledgement")
        if number < 1 or number in found or told is None:
            raise _Misshapen
        _shape(
            told,
            "OrderAcknowledgement",
            ("AmazonOrderID", "StatusCode"),
            ("AmazonOrderID", "MerchantOrderID", "StatusCode", "Item"),
        )
        for item in told.findall("Item"):
            _shape(item, "Item", ("AmazonOrderItemCode",), ITEM)
        if told.findtext("StatusCode") not in ("Success", "Failure"):
            raise _Misshapen
        found[number] = told
    return found


def _shape(element: Xml.Element, tag: str, needed: tuple[str, ...], sequence: tuple[str, ...] = ()) -> None:
    """The element has this tag and these children, in the order of `sequence` (of `needed`, where there is none)."""
    tags = [child.tag for child in element]
    order = sequence or needed
    if element.tag != tag or not {*needed} <= {*tags} <= {*order} or tags != sorted(tags, key=order.index):
        raise _Misshapen


def _acknowledge(book: Book, shop: Shop, told: Xml.Element) -> str:
    """Does what one message says; returns what is wrong with it, empty where nothing is."""
    entry = book.orders.get(told.findtext("AmazonOrderID") or "")
    if entry is None:
        return "18024: The order id does not match any of your orders."
    if told.findtext("StatusCode") == "Success":
        return ""
    items = {item.number: item for item in entry.items}
    named = told.findall("Item")
    if not named or any(item.findtext("AmazonOrderItemCode") not in items for item in named):
        return "18028: The data you submitted with this item is incomplete or invalid."
    if any(item.findtext("CancelReason") not in REASONS for item in named):
        return "18028: The cancel reason is missing or is none of the reasons there are."
    if entry.placed.by_channel or entry.status in ("PENDING", "CANCELLED"):
        return f"18026: The order cannot be cancelled: it is {'AMAZON' if entry.placed.by_channel else entry.status}."
    if any(item.fulfilled for item in entry.items):
        book.given_back.append(entry.number)
        return ""
    why = named[0].findtext("CancelReason") or ""
    for item in entry.items:
        units, item.cancelled = item.open, item.ordered
        item.cancelled_by, item.why = "MERCHANT", why
        if why != "NoInventory":
            shop.move(item.sku, units)
    book.touch(entry)
    return ""


def _report(seller: str, feed: str, count: int, errors: dict[int, str]) -> bytes:
    envelope = Xml.Element("AmazonEnvelope")
    header = Xml.SubElement(envelope, "Header")
    for tag, text in (("DocumentVersion", "1.02"), ("MerchantIdentifier", seller)):
        Xml.SubElement(header, tag).text = text
    Xml.SubElement(envelope, "MessageType").text = "ProcessingReport"
    message = Xml.SubElement(envelope, "Message")
    Xml.SubElement(message, "MessageID").text = "1"
    report = Xml.SubElement(message, "ProcessingReport")
    Xml.SubElement(report, "DocumentTransactionID").text = feed
    Xml.SubElement(report, "StatusCode").text = "Complete"
    summary = Xml.SubElement(report, "ProcessingSummary")
    for tag, number in (
        ("MessagesProcessed", count),
        ("MessagesSuccessful", count - len(errors)),
        ("MessagesWithError", len(errors)),
        ("MessagesWithWarning", 0),
    ):
        Xml.SubElement(summary, tag).text = str(number)
    for number, why in errors.items():
        code, _, told = why.partition(": ")
        result = Xml.SubElement(report, "Result")
        for tag, text in (
            ("MessageID", str(number)),
            ("ResultCode", "Error"),
            ("ResultMessageCode", code),
            ("ResultDescription", told),
        ):
            Xml.SubElement(result, tag).text = text
    written: bytes = Xml.tostring(envelope, encoding="UTF-8", xml_declaration=True)
    return written
