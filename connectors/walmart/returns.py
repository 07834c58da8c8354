"""Returns: what buyers send back, as Walmart tells it.

Source: `GET /v3/returns`. A return's lines each have a state: INITIATED, DELIVERED (at the return centre) or COMPLETED,
which is also said of one that was called off; its last event tells. Walmart itself refunds what was delivered after a
while, and lists what a seller refunded without a return as a return that is completed.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from connectors.walmart import windows
from connectors.walmart.api import Api, is_content_not_found
from connectors.walmart.orders import WFS as WFS_ORDERS
from connectors.walmart.pull import clock, text
from connectors.walmart.windows import SEAM, Found, Place, Walk, Window
from core.errors import BadDocument, Rejected
from core.http import decode
from core.model import (
    MAX_QUANTITY,
    ZERO,
    Observation,
    Page,
    Return,
    ReturnLine,
    ReturnState,
    micros,
)

WHAT = "Walmart's list of returns"

ALL, SELLERS, WFS = "", "N", "Y"
"""Whose returns are searched: `isWFSEnabled`."""

_STATES = {
    "INITIATED": ReturnState.AUTHORISED,
    "DELIVERED": ReturnState.DELIVERED,
    "COMPLETED": ReturnState.CLOSED,
    "CANCELLED": ReturnState.CALLED_OFF,
}
_ADVANCED = (ReturnState.AUTHORISED, ReturnState.DELIVERED, ReturnState.CLOSED)


class _Document(msgspec.Struct, gc=False, rename="camel"):
    pass


class _Measure(_Document):
    measurement_value: Decimal


class _Money(_Document):
    currency_amount: Decimal


class _Tax(_Document):
    tax_per_unit: _Money | None = None


class _Charge(_Document):
    charge_per_unit: _Money | None = None
    is_billable: bool | None = None
    tax: list[_Tax] | None = None


class _Event(_Document):
    event_tag: str | None = None
    event_time: str | None = None
    sequence_no: int | None = None


class _Item(_Document):
    sku: str | None = None


class Line(_Document):
    return_order_line_number: int
    quantity: _Measure
    status: str
    purchase_order_id: str | None = None
    purchase_order_line_number: int | None = None
    status_time: str | None = None
    item: _Item | None = None
    return_reason: str | None = None
    refunded_qty: Decimal | None = None
    charges: list[_Charge] | None = None
    return_tracking_detail: list[_Event] | None = None


class _Carrier(_Document):
    carrier_name: str | None = None
    tracking_no: str | None = None


class _Label(_Document):
    carrier_info_list: list[_Carrier] | None = None


class _Group(_Document):
    labels: list[_Label] | None = None


class ReturnOrder(_Document):
    return_order_id: str
    return_order_date: str
    return_order_lines: list[Line]
    customer_order_id: str | None = None
    return_line_groups: list[_Group] | None = None


class _Number(_Document):
    return_order_id: str = ""


class _Meta(_Document):
    total_count: int = 0
    next_cursor: str | None = None


class Answer(_Document):
    meta: _Meta
    return_orders: list[msgspec.Raw]


_decode = msgspec.json.Decoder(ReturnOrder).decode


# Reading.


def whose(kinds: Collection[str]) -> str:
    """Whose returns are told to an account that reads these orders: of those Walmart ships, where it reads them."""
    if WFS_ORDERS not in kinds:
        return SELLERS
    return ALL if len(kinds) > 1 else WFS


def returns(api: Api, whose: str, cursor: str | None, *, since: datetime, overlap: int) -> Iterator[Page]:
    """See `Connector.returns`: windows over the last change, read as `pull.py` reads orders."""

    def changed(window: Window, kind: str) -> Found | None:
        return _search(api, window, kind)

    def restart(place: Place) -> Place:
        return Place(place.reached, Window(begin=place.reached - max(overlap, SEAM), opened=int(time.time())))

    walk = Walk(WHAT, changed, (whose,))
    if cursor is None:
        reached = int(since.timestamp())
        return walk.pages(
            Place(reached, Window(begin=reached, opened=int(time.time()))), resumed=False, restart=restart
        )
    place = msgspec.json.decode(cursor, type=Place)
    if place.window is None:
        return walk.pages(restart(place), resumed=False, restart=restart)
    again = walk.trusted(place)
    return walk.pages(again, resumed=again == place, restart=restart)


def _search(api: Api, window: Window, whose: str) -> Found | None:
    asked = {"returnLastModifiedStartDate": text(window.begin), "limit": str(windows.LIMIT)}
    if window.end is not None:
        asked["returnLastModifiedEndDate"] = text(window.end)
    if whose:
        asked["isWFSEnabled"] = whose
    try:
        response = api.ask("getReturns", "GET", "/v3/returns", window.query or asked, missing_is_an_answer=True)
    except Rejected:
        if window.query:
            return None
        raise
    if response.status_code == 404:
        if is_content_not_found(response):
            return Found(at=clock(response))
        if window.query:
            return None
        raise Rejected("GET /v3/returns answered 404; check base_url", status=404, body=response.content)
    answer = decode(response, Answer)
    more = len(answer.return_orders) >= windows.LIMIT  # the last page may name a next one all the same
    return Found(
        observations=tuple(_observe(bytes(document)) for document in answer.return_orders),
        total=answer.meta.total_count,
        query=(answer.meta.next_cursor or "") if more else "",
        at=clock(response),
    )


def _observe(body: bytes) -> Observation:
    try:
        return Observation(number=msgspec.json.decode(body, type=_Number).return_order_id, body=body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Observation(number="", body=body)


# Meaning.


def normalize_return(body: bytes) -> Return:
    """See `Connector.normalize_return`."""
    document = read(body)
    orders = [line.purchase_order_id for line in document.return_order_lines if line.purchase_order_id]
    if not document.return_order_id or not document.return_order_lines:
        raise BadDocument("the return: no number, or no lines")
    numbers = {line.return_order_line_number for line in document.return_order_lines}
    if len(numbers) != len(document.return_order_lines):
        raise BadDocument("returnOrderLines: a line's number stands twice")
    order = orders[0] if orders else ""
    requested = _instant(document.return_order_date, "returnOrderDate")
    newest = requested
    lines, states = [], []
    for index, line in enumerate(document.return_order_lines):
        where = f"returnOrderLines[{index}]"
        times = [line.status_time, *(event.event_time for event in line.return_tracking_detail or ())]
        newest = max([newest, *(_instant(at, where) for at in times if at)])
        states.append(_state(line, where))
        # The return may be of several purchase orders of one customer order; it is filed under the first.
        own = line.purchase_order_id == order and line.purchase_order_line_number is not None
        quantity = units(line.quantity.measurement_value, where)
        if not quantity:
            raise BadDocument(f"{where}.quantity: 0 units")
        lines.append(
            ReturnLine(
                number=str(line.return_order_line_number),
                order_line=str(line.purchase_order_line_number) if own else "",
                sku=(line.item.sku or "") if line.item is not None else "",
                quantity=quantity,
                refunded=min(quantity, units(line.refunded_qty or ZERO, where)),
                reason=line.return_reason or "",
            )
        )
    carrier = next(
        (
            info
            for group in document.return_line_groups or ()
            for label in group.labels or ()
            for info in label.carrier_info_list or ()
            if info.tracking_no
        ),
        _Carrier(),
    )
    coming = [state for state in states if state is not ReturnState.CALLED_OFF]
    return Return(
        number=document.return_order_id,
        order=order,
        version=micros(newest),
        state=min(coming, key=_ADVANCED.index) if coming else ReturnState.CALLED_OFF,
        requested_at=requested,
        lines=tuple(lines),
        tracking=carrier.tracking_no or "",
        carrier=carrier.carrier_name or "",
    )


def read(body: bytes) -> ReturnOrder:
    """The document as its vendor means it. Raises `BadDocument` with the path and what is wrong there."""
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        what, _, path = str(error).rpartition(" - at `$")
        raise BadDocument(f"{path.strip('.`')}: {what}" if what else f"the return: {error}") from None


def _state(line: Line, where: str) -> ReturnState:
    state = _STATES.get(line.status)
    if state is None:
        raise BadDocument(f"{where}.status: nobody knows it; upgrade ordersync")
    events = [event for event in line.return_tracking_detail or () if event.event_tag]
    last = max(events, key=lambda event: (event.event_time or "", event.sequence_no or 0), default=None)
    if state is ReturnState.CLOSED and last is not None and last.event_tag == "RETURN_CANCELLED":
        return ReturnState.CALLED_OFF
    return state


def units(value: Decimal, where: str) -> int:
    if not value.is_finite() or value != int(value) or not 0 <= value <= MAX_QUANTITY:
        raise BadDocument(f"{where}: not a quantity from 0 to {MAX_QUANTITY}")
    return int(value)


def _instant(text: str, where: str) -> datetime:
    try:
        when = datetime.fromisoformat(text)
        return (when if when.tzinfo is not None else when.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadDocument(f"{where}: no instant") from None
