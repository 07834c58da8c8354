"""Feeds: one file with many SKUs' quantities, and what became of each.

Source: `POST /v3/feeds` with the feed type `inventory` (1.4, one number a SKU) or `MP_INVENTORY` (1.5, one a SKU and
ship node), and `GET /v3/feeds/{feedId}`. A feed that is processed says nothing of its items: each has its own state.
A ticket is the feed's id and the SKU.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from connectors.walmart.api import Api, quoted
from core.errors import NotFound, Unavailable
from core.http import decode
from core.model import Ack, AckState, Level

LARGEST_FEED = 4_500_000
"""Bytes; Walmart takes 5 MB."""
DETAILS = 50
"""Items a page of a feed's details holds at most."""

Group = tuple[str, list[Level]]
"""A SKU and its levels: several where it is kept at several ship nodes."""


class Feeds:
    """Which SKUs wait for a feed, as far as this instance knows."""

    def __init__(self) -> None:
        self._waiting: dict[str, str] = {}
        self._singly: set[str] = set()
        """SKUs of feeds that failed as a whole: they go one by one, so that the bad one is found."""

    def sent(self, feed: str, skus: Sequence[str]) -> None:
        self._waiting.update(dict.fromkeys(skus, feed))

    def failed(self, skus: Sequence[str]) -> None:
        self._singly.update(skus)

    def done(self, feed: str) -> None:
        self._waiting = {sku: waited for sku, waited in self._waiting.items() if waited != feed}

    def told(self, sku: str) -> None:
        self._singly.discard(sku)

    def must_go_singly(self, sku: str) -> bool:
        return sku in self._singly

    def of(self, skus: Sequence[str]) -> dict[str, str]:
        """The feed each of these SKUs waits for."""
        return {sku: self._waiting[sku] for sku in skus if sku in self._waiting}


class _Accepted(msgspec.Struct, rename="camel"):
    feed_id: str


def _row(group: Group, one_number: bool) -> dict[str, Any]:
    sku, levels = group
    if one_number:
        return {"sku": sku, "quantity": {"unit": "EACH", "amount": max(levels, key=lambda row: row.revision).quantity}}
    nodes = [{"shipNode": level.place, "quantity": {"unit": "EACH", "amount": level.quantity}} for level in levels]
    return {"sku": sku, "shipNodes": nodes}


def files(rows: Sequence[Group], one_number: bool) -> Iterator[list[Group]]:
    """The rows in as few files as Walmart's size allows."""
    part: list[Group] = []
    size = 0
    for row in rows:
        bytes_ = len(msgspec.json.encode(_row(row, one_number))) + 1
        if part and size + bytes_ > LARGEST_FEED:
            yield part
            part, size = [], 0
        part.append(row)
        size += bytes_
    if part:
        yield part


def post(api: Api, rows: Sequence[Group], one_number: bool) -> str:
    """Sends the rows as one file; returns the feed's id. Not to be repeated blindly: each try costs a feed."""
    kind = "inventory" if one_number else "MP_INVENTORY"
    version = {"version": "1.4" if one_number else "1.5"}
    names = ("InventoryHeader", "Inventory") if one_number else ("inventoryHeader", "inventory")
    file = msgspec.json.encode({names[0]: version, names[1]: [_row(row, one_number) for row in rows]})
    response = api.ask(
        "feedInventory",
        "POST",
        "/v3/feeds",
        {"feedType": kind},
        files={"file": ("levels.json", file, "application/json")},
    )
    try:
        return decode(response, _Accepted).feed_id
    except Unavailable as error:  # taken, by all signs, and its ticket lost
        raise Unavailable(str(error), ambiguous=True) from None


class _Error(msgspec.Struct):
    type: str = ""
    code: str = ""
    description: str | None = None


class _Errors(msgspec.Struct, rename="camel"):
    ingestion_error: list[_Error] | None = None


class _Detail(msgspec.Struct, rename="camel"):
    ingestion_status: str
    sku: str | None = None
    ingestion_errors: _Errors | None = None


class _Details(msgspec.Struct, rename="camel"):
    item_ingestion_status: list[_Detail] | None = None


class Status(msgspec.Struct, rename="camel"):
    """How far a feed is: RECEIVED, INPROGRESS, PROCESSED or ERROR; and a page of its items."""

    feed_status: str
    items_received: int = 0
    item_details: _Details | None = None
    ingestion_errors: _Errors | None = None


def settle(api: Api, feeds: Feeds, pending: Mapping[str, str]) -> Iterator[Ack]:
    """See `Connector.settle`. A feed that is processed says nothing of its items: each has its own state."""
    by_feed: dict[str, dict[str, list[str]]] = {}
    for key, ticket in pending.items():
        try:
            feed, sku = msgspec.json.decode(ticket, type=tuple[str, str])
        except msgspec.DecodeError:  # of another version: what became of it will never be known
            yield Ack(key=key, state=AckState.RETRY, reason="its ticket cannot be read; it is sent again")
            continue
        by_feed.setdefault(feed, {}).setdefault(sku, []).append(key)
    for feed, keys in by_feed.items():
        yield from _settle(api, feeds, feed, keys)


def _settle(api: Api, feeds: Feeds, feed: str, keys: dict[str, list[str]]) -> Iterator[Ack]:
    offset = 0
    worst: dict[str, _Detail] = {}
    while True:
        try:
            status = status_of(api, feed, offset, DETAILS)
        except NotFound:
            feeds.done(feed)
            yield from _answers(keys, AckState.RETRY, "Walmart no longer knows the feed it went with")
            return
        if status.feed_status == "ERROR":
            feeds.done(feed)
            feeds.failed(list(keys))
            said = _said(status.ingestion_errors)
            yield from _answers(
                keys, AckState.RETRY, f"its feed failed as a whole ({said}); it goes by itself next time"
            )
            return
        if status.feed_status != "PROCESSED":
            return
        items = (status.item_details.item_ingestion_status if status.item_details is not None else None) or []
        for item in items:
            if item.sku in keys and (item.sku not in worst or worst[item.sku].ingestion_status == "SUCCESS"):
                worst[item.sku] = item  # a SKU may be listed once for each of its ship nodes
        offset += len(items)
        if not items or offset >= status.items_received:
            break
    feeds.done(feed)
    for sku, named in keys.items():
        found = worst.get(sku)
        if len(named) > 1 and found is not None and found.ingestion_status == "DATA_ERROR":
            # One of its ship nodes may be all that is wrong; told by itself each node has its own answer.
            feeds.failed([sku])
            reason = (
                f"Walmart refuses one of its ship nodes ({_said(found.ingestion_errors)}); it goes by itself next time"
            )
            yield from _answers({sku: named}, AckState.RETRY, reason)
        else:
            yield from _outcome({sku: named}, found)


def _outcome(keys: dict[str, list[str]], item: _Detail | None) -> Iterator[Ack]:
    if item is None:
        yield from _answers(keys, AckState.RETRY, "the feed it went with does not list it")
    elif item.ingestion_status == "SUCCESS":
        yield from _answers(keys, AckState.APPLIED)
    elif item.ingestion_status == "DATA_ERROR":
        said = _said(item.ingestion_errors)
        reason = f"Walmart refuses it: {said}; correct the listing, or set the item up in Seller Center"
        yield from _answers(keys, AckState.REFUSED, reason)
    elif item.ingestion_status != "INPROGRESS":
        yield from _answers(keys, AckState.RETRY, f"Walmart failed to process it: {_said(item.ingestion_errors)}")


def status_of(api: Api, feed: str, offset: int, limit: int) -> Status:
    """A feed's state with one page of its items. Raises `NotFound`."""
    query = {"includeDetails": "true", "offset": str(offset), "limit": str(limit)}
    return decode(api.ask("getFeedItemStatus", "GET", f"/v3/feeds/{quoted(feed)}", query), Status)


def _said(errors: _Errors | None) -> str:
    listed = (errors.ingestion_error if errors is not None else None) or []
    return "; ".join((error.description or error.code)[:200] for error in listed[:2]) or "without a reason"


def _answers(keys: Mapping[str, Sequence[str]], state: AckState, reason: str = "") -> Iterator[Ack]:
    for named in keys.values():
        for key in named:
            yield Ack(key=key, state=state, reason=reason)
