"""The simulated Listings Items API: what is on offer, how it is searched, and how a patch lands."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec
from werkzeug.wrappers import Request, Response

from connectors.amazon.simulator.book import iso, zulu
from connectors.amazon.simulator.gate import Refused, answer, bad, choices, parameters
from connectors.simulation import SimulatedListing
from core.model import MAX_QUANTITY

OWN, FBA = "DEFAULT", "AMAZON_NA"
PRODUCT_TYPES = ("LUGGAGE", "SHIRT", "SHOES", "PRODUCT")
DATA = (
    "summaries", "attributes", "issues", "offers", "fulfillmentAvailability", "procurement", "relationships",
    "productTypes",
)  # fmt: skip
SEARCH = {
    "marketplaceIds": True,
    **dict.fromkeys(
        (
            "issueLocale", "includedData", "identifiers", "identifiersType", "variationParentSku",
            "packageHierarchySku", "createdAfter", "createdBefore", "lastUpdatedAfter", "lastUpdatedBefore",
            "withIssueSeverity", "withStatus", "withoutStatus", "sortBy", "sortOrder", "pageSize", "pageToken",
        ),
        False,
    ),
}  # fmt: skip
REACH = 1000
"""How many listings one search can be paged through."""


@dataclass
class Listing:
    """One listing. Instants are microseconds since 1970."""

    sku: str
    title: str
    asin: str
    price: Decimal
    product_type: str
    created: int
    updated: int
    by_channel: bool
    quantity: int
    handling: int | None = 2
    """Days until the seller ships; a replaced availability loses it."""


@dataclass
class Change:
    """A submission that was accepted and has not landed yet."""

    due: float
    sku: str
    op: str
    value: list[dict[str, Any]] = field(default_factory=list)


class _Patch(msgspec.Struct):
    op: str
    path: str
    value: list[dict[str, Any]] | None = None


class _PatchRequest(msgspec.Struct, rename="camel"):
    product_type: str
    patches: list[_Patch]


class Shop:
    """All listings, and the changes on their way to them. `delay` is how many seconds one takes to land."""

    def __init__(self, *, seller: str, marketplace: str, currency: str, delay: float) -> None:
        self.seller, self.marketplace, self.currency = seller, marketplace, currency
        self.delay = delay
        self.listings: dict[str, Listing] = {}
        self.flipped: list[str] = []
        """SKUs whose offer a submission moved between the seller's and Amazon's hands."""
        self._changes: list[Change] = []
        self._sorted: dict[tuple[str, bool], list[Listing]] = {}
        self._count = 0

    def offer(self, listing: SimulatedListing, now: int) -> None:
        earlier = self.listings.get(listing.sku)
        self._count += earlier is None
        number = self._count
        self.listings[listing.sku] = Listing(
            sku=listing.sku,
            title=listing.title,
            asin=earlier.asin if earlier else f"B0{number:08d}",
            price=listing.price,
            product_type=earlier.product_type if earlier else PRODUCT_TYPES[number % len(PRODUCT_TYPES)],
            created=earlier.created if earlier else now,
            updated=now,
            by_channel=listing.by_channel,
            quantity=listing.quantities.get("", 0),
        )
        self._sorted.clear()

    def move(self, sku: str, units: int) -> None:
        """Levels fall when units are bought and rise when they are cancelled; never below zero."""
        listing = self.listings.get(sku)
        if listing is not None and not listing.by_channel:
            listing.quantity = max(0, listing.quantity + units)

    def land(self, *, all_of_them: bool = False) -> None:
        """Lets the accepted changes take effect whose time has come."""
        now = time.monotonic()
        due = [change for change in self._changes if all_of_them or change.due <= now]
        if due:
            self._changes = [change for change in self._changes if not (all_of_them or change.due <= now)]
            for change in due:
                self.apply(change.sku, change.op, change.value)

    def patch(self, request: Request, now: int, seller: str, sku: str) -> Response:
        """patchListingsItem: checked at once, accepted, and landing a little later."""
        given = parameters(
            request, {"marketplaceIds": True, "includedData": False, "mode": False, "issueLocale": False}
        )
        self._mine(seller, given)
        try:
            body = msgspec.json.decode(request.get_data(), type=_PatchRequest)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise bad(f"Request has missing or invalid parameters and cannot be parsed. {error}") from None
        if sku not in self.listings:
            raise bad(f"No listing of this seller has the SKU {sku}")
        patches = [(each.op, each.path, each.value) for each in body.patches]
        issues = self.issues(sku, body.product_type, patches)
        submission = {"sku": sku, "submissionId": f"{now:032x}", "issues": [_issue(text) for text in issues]}
        if given.get("mode") == "VALIDATION_PREVIEW":
            return answer({**submission, "status": "INVALID" if issues else "VALID"})
        if issues:
            return answer({**submission, "status": "INVALID"})
        for op, _, value in patches:
            self._changes.append(Change(time.monotonic() + self.delay, sku, op, value or []))
        self.land()
        return answer({**submission, "status": "ACCEPTED"})

    def issues(self, sku: str, product_type: str, patches: Iterable[tuple[str, str, Any]]) -> list[str]:
        """What is wrong with changes to a listing. Raises `Refused` where they are not even readable."""
        found, patches = [], list(patches)
        if not patches:
            raise bad("patches must hold at least one operation")
        for op, path, value in patches:
            if op not in ("add", "replace", "merge", "delete"):
                raise bad("op is not an operation")
            if not re.fullmatch(r"/attributes/[a-z_]+", path):
                raise bad("path must name a top-level attribute")
            if op != "delete" and not value:
                raise bad("value must be a list of objects")
            if path != "/attributes/fulfillment_availability":
                found.append(f"The attribute of {path} cannot be changed here.")
                continue
            for each in value or ():
                code, quantity = each.get("fulfillment_channel_code"), each.get("quantity")
                if code not in (OWN, FBA):
                    found.append("'fulfillment_channel_code' is required and must be a fulfilment channel.")
                if type(quantity) is not int or not 0 <= quantity <= MAX_QUANTITY:
                    found.append("'quantity' must be a whole number not below zero.")
        if product_type not in (self.listings[sku].product_type, "PRODUCT"):
            found.append(f"The product type {product_type} is not the listing's.")
        return found

    def apply(self, sku: str, op: str, value: list[dict[str, Any]]) -> None:
        """A sound change takes effect. A code of the other fulfilment channel moves the whole offer there."""
        listing = self.listings[sku]
        if op in ("replace", "add", "delete"):
            listing.handling = None
        if op == "delete":
            listing.quantity = 0
        for each in value:
            by_channel = each["fulfillment_channel_code"] != OWN
            if by_channel != listing.by_channel:
                self.flipped.append(sku)
                listing.by_channel = by_channel
            listing.quantity = 0 if by_channel else each["quantity"]
            listing.handling = each.get("lead_time_to_ship_max_days", listing.handling)

    def get(self, request: Request, seller: str, sku: str) -> Response:
        """getListingsItem."""
        given = parameters(request, {"marketplaceIds": True, "includedData": False, "issueLocale": False})
        self._mine(seller, given)
        if sku not in self.listings:
            raise Refused(404, "NOT_FOUND", "The SKU was not found.")
        return answer(self._shown(self.listings[sku], choices(given, "includedData", DATA, ("summaries",))))

    def search(self, request: Request, seller: str) -> Response:
        """searchListingsItems: at most 20 a page and 1,000 in all."""
        given = parameters(request, SEARCH)
        self._mine(seller, given)
        included = choices(given, "includedData", DATA, ("summaries",))
        by = next(iter(choices(given, "sortBy", ("sku", "createdDate", "lastUpdatedDate"), ("lastUpdatedDate",))))
        descending = choices(given, "sortOrder", ("ASC", "DESC"), ("DESC",)) == {"DESC"}
        size = given.get("pageSize", "10")
        if not re.fullmatch(r"[0-9]{1,2}", size) or not 1 <= int(size) <= 20:
            raise bad("pageSize must be between 1 and 20")
        if ("identifiers" in given) != ("identifiersType" in given):
            raise bad("identifiers and identifiersType go together")
        found = self._bounded(self._named(given, by, descending), given)
        start = _page(given.get("pageToken", "0"))
        page = found[start : min(start + int(size), REACH)]
        body: dict[str, Any] = {
            "numberOfResults": len(found),
            "items": [self._shown(listing, included) for listing in page],
        }
        if start + int(size) < min(len(found), REACH):
            body["pagination"] = {"nextToken": f"{start + int(size)}"}
        return answer(body)

    def _named(self, given: Mapping[str, str], by: str, descending: bool) -> list[Listing]:
        if "identifiers" not in given:
            return self._in_order(by, descending)
        skus = given["identifiers"].split(",")
        if len(skus) > 20 or given["identifiersType"] != "SKU":
            raise bad("identifiers holds more than 20, or identifiersType is not SKU")
        return [self.listings[sku] for sku in dict.fromkeys(skus) if sku in self.listings]

    def _bounded(self, listings: list[Listing], given: Mapping[str, str]) -> list[Listing]:
        for name, attribute in (("created", "created"), ("lastUpdated", "updated")):
            if f"{name}After" in given:
                begin = zulu(given[f"{name}After"], f"{name}After")
                listings = [each for each in listings if getattr(each, attribute) >= begin]
            if f"{name}Before" in given:
                end = zulu(given[f"{name}Before"], f"{name}Before")
                listings = [each for each in listings if getattr(each, attribute) <= end]
        return listings

    def _in_order(self, by: str, descending: bool) -> list[Listing]:
        if (by, descending) not in self._sorted:
            keys = {
                "sku": lambda each: each.sku,
                "createdDate": lambda each: (each.created, each.sku),
                "lastUpdatedDate": lambda each: (each.updated, each.sku),
            }
            self._sorted[by, descending] = sorted(self.listings.values(), key=keys[by], reverse=descending)
        return self._sorted[by, descending]

    def _mine(self, seller: str, given: Mapping[str, str]) -> None:
        if seller != self.seller:
            raise Refused(403, "Unauthorized", "Access to requested resource is denied.")
        if self.marketplace not in given["marketplaceIds"].split(","):
            raise bad("marketplaceIds names no marketplace of this seller")

    def _shown(self, listing: Listing, included: set[str]) -> dict[str, Any]:
        own = {"fulfillmentChannelCode": OWN, "quantity": listing.quantity}
        shown: dict[str, Any] = {"sku": listing.sku}
        if "summaries" in included:
            shown["summaries"] = [
                {
                    "marketplaceId": self.marketplace,
                    "asin": listing.asin,
                    "productType": listing.product_type,
                    "conditionType": "new_new",
                    "status": ["BUYABLE", "DISCOVERABLE"],
                    "itemName": listing.title,
                    "createdDate": iso(listing.created),
                    "lastUpdatedDate": iso(listing.updated),
                }
            ]
        if "attributes" in included:
            attribute: dict[str, Any] = {"fulfillment_channel_code": FBA if listing.by_channel else OWN}
            if not listing.by_channel:
                attribute["quantity"] = listing.quantity
                if listing.handling is not None:
                    attribute["lead_time_to_ship_max_days"] = listing.handling
            shown["attributes"] = {"fulfillment_availability": [attribute]}
        if "fulfillmentAvailability" in included:
            shown["fulfillmentAvailability"] = [{"fulfillmentChannelCode": FBA} if listing.by_channel else own]
        if "productTypes" in included:
            shown["productTypes"] = [{"marketplaceId": self.marketplace, "productType": listing.product_type}]
        if "offers" in included:
            price = {"currencyCode": self.currency, "amount": str(listing.price)}
            shown["offers"] = [{"marketplaceId": self.marketplace, "offerType": "B2C", "price": price}]
        if "issues" in included:
            shown["issues"] = []
        return shown


def _issue(text: str) -> dict[str, Any]:
    return {"code": "90220", "message": text, "severity": "ERROR", "categories": ["INVALID_ATTRIBUTE"]}


def _page(token: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", token):
        raise bad("pageToken is invalid")
    return int(token)
