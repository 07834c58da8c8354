"""Reports: asked for, made by Amazon in its own time, and read once they are done."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from connectors.amazon import presigned
from connectors.amazon.account import Account
from connectors.amazon.presigned import Document
from core import http
from core.errors import NotFound


class State(StrEnum):
    """How far a report has come."""

    UNDER_WAY = "under way"
    DONE = "done"
    EMPTY = "empty"
    """Cancelled: Amazon does that with a report that would hold nothing."""
    LOST = "lost"
    """Given up by Amazon, or no longer known."""


class _Created(msgspec.Struct, rename="camel"):
    report_id: str


class _Report(msgspec.Struct, rename="camel"):
    processing_status: str
    report_document_id: str | None = None


_STATES = {"IN_QUEUE": State.UNDER_WAY, "IN_PROGRESS": State.UNDER_WAY, "CANCELLED": State.EMPTY}


def ask(account: Account, kind: str, since: datetime) -> str:
    """Asks for a report of what happened since then; returns its id. Asked twice, there are two: nobody minds."""
    answer = account.seller.create_report(
        reportType=kind,
        marketplaceIds=[account.settings.marketplace_id],
        dataStartTime=since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    return http.decode(answer, _Created).report_id


def look(account: Account, report: str) -> tuple[State, str]:
    """A report's state, and the id of its document once there is one."""
    try:
        found = http.decode(account.seller.get_report(report), _Report)
    except NotFound:
        return State.LOST, ""
    if found.processing_status == "DONE" and found.report_document_id:
        return State.DONE, found.report_document_id
    return _STATES.get(found.processing_status, State.LOST), ""


def read(account: Account, document: str) -> Document:
    """A report's document."""
    return presigned.read(account, account.seller.get_report_document(document), "the report")
