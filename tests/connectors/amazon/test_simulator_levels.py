"""The simulated Amazon's listings and feeds refuse what Amazon refuses."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from connectors.amazon.simulator import AmazonSimulator
from tests.connectors.amazon.conftest import hurried
from tests.connectors.amazon.test_simulator import DOCUMENTS, FEEDS, Ask, ask, asking, refused

__all__ = ["ask"]


def patched(ask: Ask, simulator: AmazonSimulator, value: object, op: str = "merge", **more: str) -> httpx.Response:
    listing = simulator.shop.listings["SKU-0"]
    body = {
        "productType": more.get("kind", listing.product_type),
        "patches": [{"op": op, "path": more.get("path", "/attributes/fulfillment_availability"), "value": value}],
    }
    return ask(
        "PATCH",
        f"/listings/2021-08-01/items/{more.get('seller', simulator.seller_id)}/{more.get('sku', 'SKU-0')}",
        params={"marketplaceIds": "ATVPDKIKX0DER"},
        json=body,
    )


OWN = [{"fulfillment_channel_code": "DEFAULT", "quantity": 3}]


@pytest.mark.parametrize(
    ("value", "more", "status", "part"),
    [
        (OWN, {"op": "set"}, 400, "InvalidInput"),
        (OWN, {"path": "/attributes/fulfillment_availability/0/quantity"}, 400, "InvalidInput"),
        (OWN, {"sku": "NONE"}, 400, "InvalidInput"),
        (OWN, {"seller": "AOTHER"}, 403, "Unauthorized"),
        ([], {}, 400, "InvalidInput"),
        ({}, {}, 400, "InvalidInput"),
        ([{"quantity": 3}], {}, 200, "INVALID"),
        ([{"fulfillment_channel_code": "DEFAULT", "quantity": -1}], {}, 200, "INVALID"),
        ([{"fulfillment_channel_code": "DEFAULT", "quantity": "3"}], {}, 200, "INVALID"),
        (OWN, {"kind": "SUBMARINE"}, 200, "INVALID"),
    ],
)
def test_a_patch_keeps_to_the_rules(
    simulator: AmazonSimulator, ask: Ask, value: object, more: dict[str, str], status: int, part: str
) -> None:
    refused(patched(ask, simulator, value, **more), status, part)
    assert simulator.levels()["SKU-0", ""] == 500


def test_a_replaced_availability_loses_the_handling_time_and_a_merged_one_keeps_it(
    simulator: AmazonSimulator, ask: Ask
) -> None:
    assert patched(ask, simulator, OWN).json()["status"] == "ACCEPTED"
    assert simulator.shop.listings["SKU-0"].handling == 2
    patched(ask, simulator, OWN, "replace")
    assert simulator.shop.listings["SKU-0"].handling is None


def test_a_code_of_amazons_fulfilment_flips_the_offer(simulator: AmazonSimulator, ask: Ask) -> None:
    patched(ask, simulator, [{"fulfillment_channel_code": "AMAZON_NA", "quantity": 3}])
    assert simulator.shop.flipped == ["SKU-0"]
    assert ("SKU-0", "") not in simulator.levels()


@pytest.mark.parametrize(
    "query",
    [
        {"pageSize": "21"},
        {"identifiers": "SKU-0"},
        {"identifiers": ",".join(["x"] * 21), "identifiersType": "SKU"},
        {"sortBy": "price"},
        {"pageToken": "x"},
        {"marketplaceIds": "A1F83G8C2ARO7P"},
    ],
)
def test_a_listing_search_keeps_to_the_rules(simulator: AmazonSimulator, ask: Ask, query: dict[str, str]) -> None:
    path = f"/listings/2021-08-01/items/{quote(simulator.seller_id)}"
    here = {"marketplaceIds": "ATVPDKIKX0DER"}
    assert ask("GET", path, params=here).status_code == 200
    refused(ask("GET", path, params=here | query), 400, "InvalidInput")


def test_a_feeds_document_is_taken_only_with_its_signed_headers(simulator: AmazonSimulator, ask: Ask) -> None:
    kind = {"content-type": "application/json; charset=UTF-8"}
    place = ask("POST", DOCUMENTS, json={"contentType": kind["content-type"]}).json()
    put = httpx.Client(trust_env=False)
    with put:
        refused(put.put(place["url"], content=b"{}"), 403, "SignatureDoesNotMatch")
        refused(put.put(place["url"] + "0", content=b"{}", headers=kind), 403, "SignatureDoesNotMatch")
        refused(
            put.put(place["url"], content=b"{}", headers=kind | {"x-amz-access-token": "t"}), 403, "HeadersNotSigned"
        )
        assert put.put(place["url"], content=b"{}", headers=kind).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"feedType": "POST_PRODUCT_DATA"},
        {"inputFeedDocumentId": "none"},
        {"marketplaceIds": ["A1F83G8C2ARO7P"]},
        {"marketplaceIds": []},
        {"path": "/feeds"},
    ],
    ids=str,
)
def test_a_feed_keeps_to_the_rules(simulator: AmazonSimulator, ask: Ask, change: dict[str, Any]) -> None:
    place = ask("POST", DOCUMENTS, json={"contentType": "application/json"}).json()
    wanted = {
        "feedType": "JSON_LISTINGS_FEED",
        "inputFeedDocumentId": place["feedDocumentId"],
        "marketplaceIds": ["ATVPDKIKX0DER"],
    }
    refused(ask("POST", FEEDS, json=wanted), 400, "InvalidInput")  # nothing was uploaded yet
    httpx.put(place["url"], content=b"nonsense", headers={"content-type": "application/json"}, trust_env=False)
    refused(ask("POST", FEEDS, json=wanted | change), 400, "InvalidInput")
    feed = ask("POST", FEEDS, json=wanted)
    assert feed.status_code == 202
    simulator.settle_feeds()
    assert ask("GET", f"{FEEDS}/{feed.json()['feedId']}").json()["processingStatus"] == "FATAL"


def test_feeds_are_worked_off_one_after_another() -> None:
    with hurried(feed_seconds=60.0) as simulator, httpx.Client(trust_env=False) as client:
        assert isinstance(simulator, AmazonSimulator)
        ask = asking(simulator, client)
        for _ in range(2):
            place = ask("POST", DOCUMENTS, json={"contentType": "application/json"}).json()
            client.put(place["url"], content=b"{}", headers={"content-type": "application/json"})
            wanted = {"feedType": "JSON_LISTINGS_FEED", "inputFeedDocumentId": place["feedDocumentId"]}
            ask("POST", FEEDS, json={**wanted, "marketplaceIds": ["ATVPDKIKX0DER"]})
        found = ask("GET", FEEDS, params={"feedTypes": "JSON_LISTINGS_FEED"}).json()["feeds"]
        assert [feed["processingStatus"] for feed in found] == ["IN_QUEUE", "IN_PROGRESS"]
