"""The simulated FBA inventory: what lies in Amazon's warehouses, page by page, under tokens that live 30 seconds."""

from __future__ import annotations

import base64
import binascii
import time
from dataclasses import dataclass
from typing import Any

import msgspec
from werkzeug.wrappers import Request, Response

from connectors.amazon.simulator.book import zulu
from connectors.amazon.simulator.gate import answer, bad, parameters

TOKEN_LIFE = 30.0
PAGE = 50
PARAMETERS = {
    "granularityType": True, "granularityId": True, "marketplaceIds": True,
    **dict.fromkeys(("details", "startDateTime", "sellerSkus", "sellerSku", "nextToken"), False),
}  # fmt: skip


@dataclass
class Pool:
    """Units of one SKU kept under one barcode."""

    sku: str
    fnsku: str
    fulfillable: int = 0
    reserved: int = 0
    researching: int = 0
    unfulfillable: int = 0
    announced: int = 0
    shipped: int = 0
    receiving: int = 0


class _Token(msgspec.Struct):
    start: int
    given: float


class Warehouse:
    """All pools, in the order they came."""

    def __init__(self, marketplace: str) -> None:
        self.marketplace = marketplace
        self.pools: list[Pool] = []

    def put(self, sku: str, fulfillable: int) -> Pool:
        """The pool a SKU is sold from, with so many units that can be sold."""
        for pool in self.pools:
            if pool.sku == sku:
                pool.fulfillable = fulfillable
                return pool
        self.pools.append(Pool(sku, f"X{len(self.pools) + 1:09d}", fulfillable))
        return self.pools[-1]

    def sell(self, sku: str, units: int) -> None:
        """Units a buyer took are reserved, as far as there are any."""
        for pool in self.pools:
            if pool.sku == sku:
                taken = min(units, pool.fulfillable)
                pool.fulfillable -= taken
                pool.reserved += taken
                units -= taken

    def sellable(self) -> dict[str, int]:
        units: dict[str, int] = {}
        for pool in self.pools:
            units[pool.sku] = units.get(pool.sku, 0) + pool.fulfillable
        return units

    def summaries(self, request: Request) -> Response:
        """getInventorySummaries."""
        given = parameters(request, PARAMETERS)
        if given["granularityType"] != "Marketplace" or given["granularityId"] != self.marketplace:
            raise bad("granularityType and granularityId name no marketplace of this seller")
        if given["marketplaceIds"] != self.marketplace:
            raise bad("marketplaceIds names no marketplace of this seller")
        if given.get("details", "false") not in ("true", "false"):
            raise bad("details is true or false")
        if "startDateTime" in given:
            zulu(given["startDateTime"], "startDateTime")
        skus = given["sellerSkus"].split(",") if "sellerSkus" in given else None
        if skus is not None and len(skus) > PAGE:
            raise bad("sellerSkus holds more than 50")
        start = _read(given["nextToken"]) if "nextToken" in given else 0
        found = [pool for pool in self.pools if skus is None or pool.sku in skus]
        body: dict[str, Any] = {
            "payload": {
                "granularity": {"granularityType": "Marketplace", "granularityId": self.marketplace},
                "inventorySummaries": [
                    _shown(pool, given.get("details") == "true") for pool in found[start : start + PAGE]
                ],
            }
        }
        if start + PAGE < len(found):
            token = msgspec.json.encode(_Token(start + PAGE, time.time()))
            body["pagination"] = {"nextToken": base64.urlsafe_b64encode(token).decode()}
        return answer(body)


def _shown(pool: Pool, details: bool) -> dict[str, Any]:
    there = pool.fulfillable + pool.reserved + pool.researching + pool.unfulfillable
    shown: dict[str, Any] = {
        "asin": "B000000000",
        "fnSku": pool.fnsku,
        "sellerSku": pool.sku,
        "condition": "NewItem",
        "productName": pool.sku,
        "lastUpdatedTime": "2026-11-20T08:15:00Z",
        "totalQuantity": there + pool.announced + pool.shipped + pool.receiving,
    }
    if details:
        shown["inventoryDetails"] = {
            "fulfillableQuantity": pool.fulfillable,
            "inboundWorkingQuantity": pool.announced,
            "inboundShippedQuantity": pool.shipped,
            "inboundReceivingQuantity": pool.receiving,
            "reservedQuantity": {
                "totalReservedQuantity": pool.reserved,
                "pendingCustomerOrderQuantity": pool.reserved,
                "pendingTransshipmentQuantity": 0,
                "fcProcessingQuantity": 0,
            },
            "researchingQuantity": {"totalResearchingQuantity": pool.researching, "researchingQuantityBreakdown": []},
            "unfulfillableQuantity": {"totalUnfulfillableQuantity": pool.unfulfillable},
        }
    return shown


def _read(text: str) -> int:
    try:
        token = msgspec.json.decode(base64.urlsafe_b64decode(text.encode("ascii")), type=_Token)
    except (msgspec.DecodeError, UnicodeError, binascii.Error, ValueError):
        raise bad("nextToken is invalid") from None
    if time.time() - token.given > TOKEN_LIFE:
        raise bad("nextToken has expired")
    return token.start
