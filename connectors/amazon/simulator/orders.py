"""The simulated Orders API: searchOrders and getOrder of 2026-01-01, confirmShipment of v0."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import time
from collections.abc import Mapping
from itertools import islice
from typing import Any

import msgspec
from werkzeug.wrappers import Request, Response

from connectors.amazon.simulator.book import Book, Entry, Parcel, iso, zulu
from connectors.amazon.simulator.gate import answer, bad, choices, parameters
from connectors.simulation import Fault, FaultPlan

DATA = (
    "BUYER", "RECIPIENT", "PROCEEDS", "EXPENSE", "PROMOTION", "CANCELLATION", "FULFILLMENT", "PACKAGES", "TAX",
    "PAYMENT", "FULFILLMENT_ORDERS",
)  # fmt: skip
STATUSES = (
    "PENDING_AVAILABILITY", "PENDING", "UNSHIPPED", "PARTIALLY_SHIPPED", "SHIPPED", "CANCELLED", "UNFULFILLABLE",
)  # fmt: skip
SEARCH = (
    "createdAfter", "createdBefore", "lastUpdatedAfter", "lastUpdatedBefore", "fulfillmentStatuses", "marketplaceIds",
    "fulfilledBy", "maxResultsPerPage", "paginationToken", "includedData",
)  # fmt: skip
FREE = ("maxResultsPerPage", "includedData", "paginationToken")
"""What may differ between the pages of one search."""

TOKEN_LIFE = 24 * 3600.0


class _Token(msgspec.Struct):
    """A page's token: where it begins, where the page before it began, the window's end, and for which search."""

    place: int
    before: int
    until: int
    search: str
    given: float
    number: int


class _Item(msgspec.Struct, rename="camel"):
    order_item_id: str
    quantity: int


class _Detail(msgspec.Struct, rename="camel"):
    package_reference_id: str
    carrier_code: str
    tracking_number: str
    ship_date: str
    order_items: list[_Item]
    carrier_name: str = ""
    shipping_method: str = ""
    ship_from_supply_source_id: str = ""


class _Confirmation(msgspec.Struct, rename="camel"):
    marketplace_id: str
    package_detail: _Detail


class OrdersApi:
    """Answers for the order book. `lag` is how old a change must be before a search finds it."""

    def __init__(self, book: Book, faults: FaultPlan, lag: float) -> None:
        self.book = book
        self.lag = lag
        self._faults = faults
        self._tokens = 0

    def search(self, request: Request) -> Response:
        """searchOrders. Orders come oldest first; a token is good for 24 hours and for the same search only."""
        given = parameters(request, dict.fromkeys(SEARCH, False))
        by, after, before = self._window(given)
        statuses = choices(given, "fulfillmentStatuses", STATUSES)
        fulfilled_by = choices(given, "fulfilledBy", ("MERCHANT", "AMAZON"))
        included = choices(given, "includedData", DATA)
        size = _size(given.get("maxResultsPerPage", "100"))
        if self.book.marketplace not in choices_of_marketplaces(given, self.book.marketplace):
            raise bad("marketplaceIds names no marketplace of this seller")
        settled = self.book.now() - int(self.lag * 1_000_000)
        if before is not None and before > settled:
            raise bad(f"{by}Before must be at least two minutes before the request")
        until = settled if before is None else before
        if after > until:
            raise bad(f"{by}After lies after the end of the window")
        search = hashlib.sha256(repr(sorted((n, v) for n, v in given.items() if n not in FREE)).encode()).hexdigest()
        start, repeated = None, False
        if "paginationToken" in given:
            token = _read(given["paginationToken"], search)
            start, until = token.place, token.until
            repeated = token.before >= 0 and self._faults.strikes(Fault.REPEATED_PAGE)
            if repeated:
                start = token.before
        found = self.book.between(after, until, by="created" if by == "created" else "updated", start=start)
        page: list[tuple[int, Entry]] = list(
            islice((row for row in found if _wanted(row[1], statuses, fulfilled_by)), size + 1)
        )
        body: dict[str, Any] = {
            "orders": [self.book.document(entry, included) for _, entry in page[:size]],
            "createdBefore" if by == "created" else "lastUpdatedBefore": iso(until),
        }
        if len(page) > size:
            earlier = -1 if repeated else page[0][0]  # a page is repeated once, not for ever
            body["pagination"] = {"nextToken": self._token(page[size][0], earlier, until, search)}
        return answer(body)

    def get(self, request: Request, number: str) -> Response:
        """getOrder."""
        included = choices(parameters(request, {"includedData": False}), "includedData", DATA)
        if not re.fullmatch(r"\d{3}-\d{7}-\d{7}", number):
            raise bad("orderId is not an Amazon order id")
        return answer({"order": self.book.document(self.book.find(number), included)})

    def confirm(self, request: Request, number: str) -> Response:
        """confirmShipment."""
        parameters(request, {})
        try:
            body = msgspec.json.decode(request.get_data(), type=_Confirmation)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise bad(f"The input you have submitted is not valid. {error}") from None
        detail = body.package_detail
        if body.marketplace_id != self.book.marketplace:
            raise bad("marketplaceId is not the order's")
        if not re.fullmatch(r"[0-9]+", detail.package_reference_id) or int(detail.package_reference_id) < 1:
            raise bad("PackageReferenceId: is invalid, must be a positive numeric value.")
        if not detail.carrier_code or not detail.tracking_number.strip():
            raise bad("carrierCode and trackingNumber must not be empty")
        if detail.carrier_code == "Other" and not detail.carrier_name.strip():
            raise bad("carrierName is required when carrierCode is Other")
        lines: dict[str, int] = {}
        for item in detail.order_items:
            if item.quantity < 1 or item.order_item_id in lines:
                raise bad("orderItems must name each item once with a quantity of at least 1")
            lines[item.order_item_id] = item.quantity
        if not lines:
            raise bad("orderItems must not be empty")
        zulu(detail.ship_date, "shipDate")
        self.book.ship(
            self.book.find(number),
            Parcel(
                reference=detail.package_reference_id,
                carrier=detail.carrier_name if detail.carrier_code == "Other" else detail.carrier_code,
                tracking=detail.tracking_number,
                service=detail.shipping_method,
                shipped=detail.ship_date,
                created=self.book.now(),
                lines=lines,
            ),
        )
        return Response(status=204)

    def _window(self, given: Mapping[str, str]) -> tuple[str, int, int | None]:
        """By which instant is searched, from when, and until when where the request says so."""
        if ("createdAfter" in given) == ("lastUpdatedAfter" in given):
            raise bad("exactly one of createdAfter and lastUpdatedAfter is needed")
        by, other = ("created", "lastUpdated") if "createdAfter" in given else ("lastUpdated", "created")
        if f"{other}Before" in given:
            raise bad(f"{other}Before does not go with {by}After")
        after = zulu(given[f"{by}After"], f"{by}After")
        before = zulu(given[f"{by}Before"], f"{by}Before") if f"{by}Before" in given else None
        if before is not None and before < after:
            raise bad(f"{by}Before lies before {by}After")
        return by, after, before

    def _token(self, place: int, before: int, until: int, search: str) -> str:
        self._tokens += 1
        token = _Token(place=place, before=before, until=until, search=search, given=time.time(), number=self._tokens)
        return base64.urlsafe_b64encode(msgspec.json.encode(token)).decode()


def choices_of_marketplaces(given: Mapping[str, str], default: str) -> set[str]:
    """The marketplaces a search names, at most 50; the seller's own where it names none."""
    named = given.get("marketplaceIds", default).split(",")
    if len(named) > 50:
        raise bad("marketplaceIds holds more than 50")
    return set(named)


def _wanted(entry: Entry, statuses: set[str], fulfilled_by: set[str]) -> bool:
    if statuses and entry.status not in statuses:
        return False
    return not fulfilled_by or ("AMAZON" if entry.placed.by_channel else "MERCHANT") in fulfilled_by


def _size(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= 100:
        raise bad("maxResultsPerPage must be between 1 and 100")
    return int(text)


def _read(text: str, search: str) -> _Token:
    try:
        token = msgspec.json.decode(base64.urlsafe_b64decode(text.encode("ascii")), type=_Token)
    except (msgspec.DecodeError, UnicodeError, binascii.Error, ValueError):
        raise bad("paginationToken is invalid") from None
    if token.search != search:
        raise bad("paginationToken goes with the parameters it was given for")
    if time.time() - token.given > TOKEN_LIFE:
        raise bad("paginationToken has expired")
    return token
