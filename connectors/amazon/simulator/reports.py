"""The simulated Reports API, as far as it tells of returns: what buyers send back, and the report about it."""

from __future__ import annotations

import gzip
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from werkzeug.wrappers import Request, Response

from connectors.amazon.simulator.book import Book, iso, zulu
from connectors.amazon.simulator.gate import Refused, answer, bad, choices, parameters
from connectors.amazon.simulator.store import Store
from core.model import instant

RETURNS = "GET_FLAT_FILE_RETURNS_DATA_BY_RETURN_DATE"
STATES = ("CANCELLED", "DONE", "FATAL", "IN_PROGRESS", "IN_QUEUE")
REACH = timedelta(days=60)
COLUMNS = (
    "Order ID", "Order date", "Return request date", "Return request status", "Amazon RMA ID", "Merchant RMA ID",
    "Label type", "Label cost", "Currency code", "Return carrier", "Tracking ID", "Label to be paid by",
    "A-to-Z Claim", "Is prime", "ASIN", "Merchant SKU", "Item Name", "Return quantity", "Return Reason", "In policy",
    "Return type", "Resolution", "Invoice number", "Return delivery date", "Order Amount", "Order quantity",
    "SafeT Action reason", "SafeT claim id", "SafeT claim state", "SafeT claim creation time",
    "SafeT claim reimbursement amount", "Refunded Amount", "Category", "VAT", "Order Item ID",
)  # fmt: skip


@dataclass
class Back:
    """Units of one item that a buyer sends back. Instants are microseconds since 1970."""

    rma: str
    order: str
    item: str
    sku: str
    asin: str
    title: str
    units: int
    asked: int
    status: str = "Approved"
    delivered: int | None = None
    refunded: str = ""
    resolution: str = "StandardRefund"
    tracking: str = ""
    reason: str = "CR-UNWANTED_ITEM"


@dataclass
class Report:
    """A report; `due` is seconds of the monotonic clock."""

    number: str
    since: int
    until: int
    created: int
    due: float
    state: str = "IN_QUEUE"
    document: str = ""


class _Wanted(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    report_type: str
    marketplace_ids: list[str]
    data_start_time: str | None = None
    data_end_time: str | None = None
    report_options: dict[str, str] | None = None


class ReportsApi:
    """Reports about one seller's returns. `delay` is how many seconds one takes."""

    def __init__(self, book: Book, store: Store, *, delay: float) -> None:
        self.book = book
        self.delay = delay
        self.returned: list[Back] = []
        self.reports: dict[str, Report] = {}
        self._store = store

    def create(self, request: Request) -> Response:
        """createReport."""
        parameters(request, {})
        try:
            wanted = msgspec.json.decode(request.get_data(), type=_Wanted)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise bad(f"The report specification is not valid. {error}") from None
        if wanted.report_type != RETURNS:
            raise bad("reportType is not supported")
        if wanted.marketplace_ids != [self.book.marketplace]:
            raise bad("marketplaceIds names no marketplace of this seller")
        now = self.book.now()
        since = zulu(wanted.data_start_time, "dataStartTime") if wanted.data_start_time else now
        until = zulu(wanted.data_end_time, "dataEndTime") if wanted.data_end_time else now
        if since > until:
            raise bad("dataStartTime lies after dataEndTime")
        number = f"{70_000_000_000 + len(self.reports) + 1}"
        self.reports[number] = Report(number, since, until, now, time.monotonic() + self.delay)
        self.work()
        return answer({"reportId": number}, 202)

    def search(self, request: Request) -> Response:
        """getReports."""
        names = ("reportTypes", "marketplaceIds", "pageSize", "processingStatuses", "createdSince", "createdUntil")
        given = parameters(request, {**dict.fromkeys(names, False), "nextToken": False})
        if "reportTypes" not in given:
            raise bad("either reportTypes or nextToken is needed")
        states = choices(given, "processingStatuses", STATES, STATES)
        found = [each for each in self.reports.values() if each.state in states]
        return answer({"reports": [self._shown(each) for each in found if RETURNS in given["reportTypes"].split(",")]})

    def get(self, request: Request, number: str) -> Response:
        """getReport."""
        parameters(request, {})
        if number not in self.reports:
            raise Refused(404, "NotFound", "The report was not found.")
        return answer(self._shown(self.reports[number]))

    def get_document(self, request: Request, base: str, number: str) -> Response:
        """getReportDocument."""
        parameters(request, {})
        document = self._store.documents.get(number)
        if document is None:
            raise Refused(404, "NotFound", "The report document was not found.")
        return answer(self._store.shown(base, document, "reportDocumentId"))

    def work(self, *, all_of_it: bool = False) -> None:
        """Makes the reports whose time has come. One over too long a time breaks off, an empty one is cancelled."""
        for report in self.reports.values():
            if report.state != "IN_QUEUE" or not (all_of_it or report.due <= time.monotonic()):
                continue
            rows = [back for back in self.returned if report.since <= back.asked <= report.until]
            if report.until - report.since > REACH / timedelta(microseconds=1) + 60_000_000:
                report.state = "FATAL"
            elif not rows:
                report.state = "CANCELLED"
            else:
                text = "\n".join("\t".join(row) for row in (COLUMNS, *map(self._row, rows))) + "\n"
                body = text.encode("cp1252", "replace")
                kind = "text/plain;charset=Cp1252"
                packed = gzip.compress(body) if len(self.reports) % 2 else body
                report.document, report.state = self._store.new(kind, packed, kind).number, "DONE"

    def _row(self, back: Back) -> tuple[str, ...]:
        told = {
            "Order ID": back.order,
            "Order date": _day(self.book.orders[back.order].created),
            "Return request date": _day(back.asked),
            "Return request status": back.status,
            "Amazon RMA ID": back.rma,
            "Label type": "AmazonUnPaidLabel",
            "Currency code": self.book.currency,
            "Return carrier": "USPS" if back.tracking else "",
            "Tracking ID": back.tracking,
            "Label to be paid by": "Customer",
            "A-to-Z Claim": "N",
            "Is prime": "N",
            "ASIN": back.asin,
            "Merchant SKU": back.sku,
            "Item Name": back.title,
            "Return quantity": str(back.units),
            "Return Reason": back.reason,
            "In policy": "Y",
            "Return type": "C-Returns",
            "Resolution": back.resolution,
            "Return delivery date": _day(back.delivered) if back.delivered is not None else "",
            "Refunded Amount": back.refunded,
            "Order Item ID": back.item,
        }
        return tuple(told.get(column, "") for column in COLUMNS)

    def _shown(self, report: Report) -> dict[str, object]:
        shown: dict[str, object] = {
            "reportId": report.number,
            "reportType": RETURNS,
            "marketplaceIds": [self.book.marketplace],
            "dataStartTime": iso(report.since),
            "dataEndTime": iso(report.until),
            "createdTime": iso(report.created),
            "processingStatus": report.state,
        }
        if report.document:
            shown["reportDocumentId"] = report.document
        return shown


def _day(at: int) -> str:
    moment: datetime = instant(at)
    return f"{moment.day:02d}-{_MONTHS[moment.month - 1]}-{moment.year}"


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
