"""The returns service, and what buyers send back."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec
from werkzeug.wrappers import Response

from connectors.walmart.simulator import answers
from connectors.walmart.simulator.book import TAX, WFS, Purchase, PurchaseLine
from connectors.walmart.simulator.front_desk import Asked
from connectors.walmart.simulator.order_desk import told
from connectors.walmart.simulator.refund_desk import RefundDesk

SEARCHES = (
    "returnOrderId", "customerOrderId", "status", "isWFSEnabled", "returnCreationStartDate", "returnCreationEndDate",
    "returnLastModifiedStartDate", "returnLastModifiedEndDate", "limit",
)  # fmt: skip
PAGING = ("sellerId", "offset")
STATUSES = ("INITIATED", "DELIVERED", "COMPLETED")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?Z)?")


class _Strict(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    pass


class _Measure(_Strict):
    unit_of_measure: Literal["EACH", "EA"]
    measurement_value: int


class _RefundLine(_Strict):
    return_order_line_number: int
    quantity: _Measure


class _Refund(_Strict):
    customer_order_id: str
    refund_lines: list[_RefundLine]


class SentBack:
    """One return of units of one line of an order. `changed` strictly grows."""

    def __init__(self, number: str, purchase: Purchase, line: PurchaseLine, units: int, at: int) -> None:
        self.number = number
        self.purchase = purchase
        self.line = line
        self.units = units
        self.refunded = 0
        self.created = at
        self.changed = at
        self.status = "INITIATED"
        self.events: list[tuple[str, int]] = [("RETURN_INITIATED", at)]

    @property
    def called_off(self) -> bool:
        return self.events[-1][0] == "RETURN_CANCELLED"

    def come(self, event: str, status: str, at: int) -> None:
        """The return has come to another state."""
        self.changed = max(at, self.changed + 1)
        self.status = status
        self.events.append((event, self.changed))


class ReturnsDesk:
    """Answers about returns. Callers hold the simulator's lock."""

    def __init__(self, refunds: RefundDesk, now: Callable[[], int]) -> None:
        self._refunds = refunds
        self._now = now
        self._named: set[str] = set()
        self.returns: dict[str, SentBack] = {}

    def send_back(self, purchase: Purchase, line: PurchaseLine, units: int) -> str:
        """A buyer asks to send back units that have shipped."""
        away = sum(one.units for one in self.returns.values() if one.line is line and not one.called_off)
        if not 0 < units <= line.shipped - away:
            raise ValueError(f"line {line.number} has not so many units to send back")
        number = f"{100_000_000_000_000_000 + len(self.returns):018d}"
        self.returns[number] = SentBack(number, purchase, line, units, self._now())
        return number

    def search(self, asked: Asked) -> Response:
        asked.only(*SEARCHES, *PAGING)
        if any(name in asked.query for name in PAGING) and asked.raw_query not in self._named:
            raise _refused(400, "INVALID_REQUEST_PARAM", "no page that was named")
        limit = asked.query.get("limit", "10")
        if not (limit.isascii() and limit.isdecimal() and 1 <= int(limit) <= 200):
            raise _refused(400, "INVALID_REQUEST_PARAM", "from 1 to 200", "limit")
        offset = int(asked.query.get("offset", "0"))
        found = sorted(self._found(asked.query), key=lambda one: (-one.created, one.number))
        page = found[offset : offset + int(limit)]
        query = {name: value for name, value in asked.query.items() if name not in PAGING}
        query |= {"sellerId": "8", "limit": limit, "offset": str(offset + len(page))}
        text = "&".join(f"{name}={value}" for name, value in query.items())
        more = offset + len(page) < len(found)
        if more:
            self._named.add(text)
        meta = {"totalCount": len(found), "limit": int(limit), "nextCursor": f"?{text}" if more else ""}
        return answers.json({"meta": meta, "returnOrders": [_shown(one) for one in page]})

    def _found(self, query: dict[str, str]) -> list[SentBack]:
        whose = query.get("isWFSEnabled")
        if whose not in (None, "Y", "N"):
            raise _refused(400, "INVALID_REQUEST_PARAM", "Y or N", "isWFSEnabled")
        if query.get("status", STATUSES[0]) not in STATUSES:
            raise _refused(400, "INVALID_REQUEST_PARAM", "no status", "status")
        created = _window(query, "returnCreation")
        changed = _window(query, "returnLastModified")
        return [
            one
            for one in self.returns.values()
            if query.get("returnOrderId", one.number) == one.number
            and query.get("customerOrderId", one.purchase.customer) == one.purchase.customer
            and query.get("status", one.status) == one.status
            and (whose is None or (one.purchase.kind == WFS) is (whose == "Y"))
            and created[0] <= one.created <= created[1]
            and changed[0] <= one.changed <= changed[1]
        ]

    def refund(self, asked: Asked) -> Response:
        asked.only()
        found = self.returns.get(asked.segments[2])
        if found is None:
            raise _refused(404, "CONTENT_NOT_FOUND", "no such return")
        wanted = told(asked, _Refund, "the refund")
        if found.purchase.kind == WFS:
            raise _refused(400, "INVALID_REQUEST_CONTENT", "Walmart refunds these itself")
        if wanted.customer_order_id != found.purchase.customer:
            raise _refused(400, "INVALID_REQUEST_CONTENT", "another customer's order", "customerOrderId")
        rows = wanted.refund_lines
        if len(rows) != 1 or rows[0].return_order_line_number != 1:
            raise _refused(400, "INVALID_REQUEST_CONTENT", "no such line", "returnOrderLineNumber")
        units = rows[0].quantity.measurement_value
        if found.called_off or not 0 < units <= found.units - found.refunded:
            raise _refused(400, "INVALID_REQUEST_CONTENT", "not so many units left to refund", "quantity")
        self.give_back(found, units)
        return answers.json(
            {
                "returnOrderId": found.number,
                "customerOrderId": found.purchase.customer,
                "refundLines": [{"returnOrderLineNumber": 1, "quantity": _units(units)}],
            }
        )

    def give_back(self, found: SentBack, units: int) -> None:
        """Units of a return are refunded, by the seller or by Walmart itself."""
        found.refunded += units
        self._refunds.give_back(found.purchase, found.line, units, f"{found.number}/{found.refunded}")
        done = found.refunded == found.units
        found.come("REFUND_ISSUED" if done else "REFUND_INITIATED", "COMPLETED" if done else found.status, self._now())


def _shown(one: SentBack) -> dict[str, Any]:
    line, tax = one.line, round(one.line.price * TAX, 2)
    reason, channel = "DEFECTIVE", "ONLINE"
    return {
        "returnOrderId": one.number,
        "customerEmailId": one.purchase.buyer["email"],
        "customerName": {"firstName": "A", "lastName": "Buyer"},
        "customerOrderId": one.purchase.customer,
        "returnOrderDate": _text(one.created),
        "returnByDate": _text(one.created + 30 * 86_400_000),
        "refundMode": "POST_DELIVERY",
        "totalRefundAmount": _money((line.price + tax) * one.units),
        "returnLineGroups": [
            {
                "groupNo": 1,
                "returnLines": [{"returnOrderLineNumber": 1}],
                "labels": [
                    {
                        "labelImageURL": "https://labels.example/1.png",
                        "carrierInfoList": [
                            {"carrierId": "11", "carrierName": "FEDEX", "trackingNo": f"7856{one.number[-8:]}"}
                        ],
                    }
                ],
                "returnExpectedFlag": True,
            }
        ],
        "returnOrderLines": [
            {
                "returnOrderLineNumber": 1,
                "salesOrderLineNumber": int(line.number),
                "returnReason": reason,
                "purchaseOrderId": one.purchase.number,
                "purchaseOrderLineNumber": int(line.number),
                "item": {"sku": line.sku, "productName": line.title},
                "charges": [
                    {
                        "chargeCategory": "PRODUCT",
                        "chargeName": "ItemPrice",
                        "chargePerUnit": _money(line.price),
                        "isDiscount": False,
                        "isBillable": True,
                        "tax": [{"taxName": "Tax1", "taxPerUnit": _money(tax)}],
                    }
                ],
                "unitPrice": _money(line.price),
                "quantity": _units(one.units),
                "returnExpectedFlag": True,
                "refundedQty": one.refunded,
                "returnTrackingDetail": [
                    {"sequenceNo": at, "eventTag": tag, "eventTime": _text(when)}
                    for at, (tag, when) in enumerate(one.events)
                ],
                "status": one.status,
                "statusTime": _text(one.events[-1][1]),
                "currentRefundStatus": "REFUND_COMPLETED" if one.refunded else "NOT_INITIATED",
            }
        ],
        "returnChannel": {"channelName": channel},
    }


def _money(amount: Decimal) -> dict[str, Any]:
    return {"currencyAmount": msgspec.Raw(str(amount).encode()), "currencyUnit": "USD"}


def _units(units: int) -> dict[str, Any]:
    return {"unitOfMeasure": "EACH", "measurementValue": units}


def _text(millis: int) -> str:
    return datetime.fromtimestamp(millis / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _window(query: dict[str, str], name: str) -> tuple[float, float]:
    bounds = []
    for part, otherwise in (("StartDate", float("-inf")), ("EndDate", float("inf"))):
        text = query.get(f"{name}{part}")
        if text is None:
            bounds.append(otherwise)
            continue
        try:
            if not _DATE.fullmatch(text):
                raise ValueError
            bounds.append(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)
        except ValueError:
            raise _refused(400, "INVALID_REQUEST_PARAM", "no date", f"{name}{part}") from None
    return bounds[0], bounds[1]


def _refused(status: int, code: str, text: str, field: str = "data") -> answers.Refused:
    return answers.returns(status, code, text, field)
