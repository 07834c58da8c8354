"""Work and recalls as files: CSV for people and spreadsheets, JSON for programs."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from datetime import datetime

import msgspec

from connectors import notices
from core.handover import Recall, WorkOrder

WORK_COLUMNS = (
    "work", "place", "order", "channel", "placed_at", "line", "sku", "quantity", "title", "name", "company", "address1",
    "address2", "city", "region", "postal_code", "country", "phone", "email", "service", "ship_by", "deliver_by",
)  # fmt: skip
RECALL_COLUMNS = ("recall", "work", "place", "line", "quantity", "whole")

_FORMULA = re.compile(r"^[=+\-@\t\r]")
_NUMBER = re.compile(r"^[+-][0-9 ().-]*$")


def work_csv(order: WorkOrder) -> bytes:
    """One row for each line, each with the whole address."""
    to = order.ship_to
    return _csv(
        WORK_COLUMNS,
        (
            (
                order.key, order.place, order.order, order.channel, _instant(order.placed_at), line.number, line.sku,
                str(line.quantity), line.title, to.name, to.company, to.line1, to.line2, to.city, to.region,
                to.postal_code, to.country, to.phone, order.email, order.service, _instant(order.ship_by),
                _instant(order.deliver_by),
            )
            for line in order.lines
        ),
    )  # fmt: skip


def recall_csv(one: Recall) -> bytes:
    """One row for each line that is not to be sent."""
    return _csv(
        RECALL_COLUMNS,
        (
            (one.key, one.work, one.place, number, str(units), "yes" if one.whole else "no")
            for number, units in sorted(one.lines.items())
        ),
    )


def work_json(order: WorkOrder) -> bytes:
    return msgspec.json.format(msgspec.json.encode(notices.work(order)), indent=1)


def recall_json(one: Recall) -> bytes:
    return msgspec.json.format(msgspec.json.encode(notices.recall(one)), indent=1)


def safe(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: buyers write what they like. Telephone numbers stay."""
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.match(cell) else cell


def _csv(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([safe(cell) for cell in row] for row in rows)
    return out.getvalue().encode()


def _instant(at: datetime | None) -> str:
    return "" if at is None else at.isoformat().replace("+00:00", "Z")
