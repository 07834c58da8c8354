"""What Walmart is told of stock, what became of it, and what it holds.

Source: Marketplace Inventory Management and Feed Management. Few SKUs go one by one and are answered at once; many go
as one feed, are accepted, and settle later. An account with one ship node keeps one number a SKU (our place is then
empty); with several, one number a SKU and node.

A feed takes effect minutes later, so a level pushed after it could be overwritten by it. While a SKU's feed is in the
works this instance holds back newer levels of that SKU (`RETRY`); after a restart the caller's pending tickets do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from connectors.walmart.api import Api, quoted, reasons, why
from core.errors import NotFound, Rejected, Unavailable
from core.http import decode
from core.model import Ack, AckState, Level

FEW = 20
"""So many SKUs go one by one; more go as a feed, of which there are ten an hour."""
LARGEST_FEED = 4_500_000
"""Bytes; Walmart takes 5 MB."""
DETAILS = 50
"""Items a page of a feed's details holds at most."""

WFS_HANDLE = "WFS"
"""The handle of listings whose stock is in Walmart's own warehouse."""

_UNKNOWN = "Walmart knows no such SKU; correct the listing, or set the item up in Seller Center"
_ROW = re.compile(r"nventory\[(\d+)\]")


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


Group = tuple[str, list[Level]]
"""A SKU and its levels: several where it is kept at several ship nodes."""


def push_levels(api: Api, feeds: Feeds, levels: Sequence[Level]) -> Iterator[Ack]:
    """See `Connector.push_levels`."""
    groups: dict[tuple[str, bool], list[Level]] = {}
    for level in levels:
        if level.handle == WFS_HANDLE:
            reason = "the stock of WFS items is Walmart's own; take the listing off this channel's levels"
            yield Ack(key=level.key, state=AckState.REFUSED, reason=reason)
        else:
            groups.setdefault((level.sku, level.place == ""), []).append(level)
    held = _held_back(api, feeds, [sku for sku, _ in groups])
    single: list[Group] = []
    many: dict[bool, list[Group]] = {True: [], False: []}
    for (sku, one_number), group in groups.items():
        if sku in held:
            yield from _each(group, AckState.RETRY, "an earlier feed with this SKU is still in the works at Walmart")
        elif feeds.must_go_singly(sku):
            single.append((sku, group))
        else:
            many[one_number].append((sku, group))
    if len(many[True]) + len(many[False]) <= FEW:
        single, many = single + many[True] + many[False], {True: [], False: []}
    for sku, group in single[:FEW]:
        yield from _put(api, group)
        feeds.told(sku)
    for _, group in single[FEW:]:
        yield from _each(group, AckState.RETRY, "goes one by one, and its turn comes with the next push")
    for one_number, rows in many.items():
        for part in _files(rows, one_number):
            yield from _feed(api, feeds, part, one_number)


def _held_back(api: Api, feeds: Feeds, skus: Sequence[str]) -> set[str]:
    """The SKUs that must wait for their feed; each feed is asked once whether it is through."""
    waiting = feeds.of(skus)
    for feed in sorted(set(waiting.values())):
        try:
            status = _status(api, feed, 0, 1)
        except NotFound:
            feeds.done(feed)
            continue
        if status.feed_status in ("PROCESSED", "ERROR"):
            feeds.done(feed)
    return set(feeds.of(skus))


# One by one.


class _Amount(msgspec.Struct):
    amount: float


class _OneNumber(msgspec.Struct):
    sku: str
    quantity: _Amount


class _NodeAnswer(msgspec.Struct, rename="camel"):
    ship_node: str = ""
    status: str | None = None
    errors: list[Any] | None = None


class _NodesAnswer(msgspec.Struct):
    nodes: list[_NodeAnswer]


def _put(api: Api, group: Sequence[Level]) -> Iterator[Ack]:
    """One SKU by one call, answered at once; refused as a whole, node by node."""
    one_number = group[0].place == ""
    try:
        if one_number:
            yield from _put_one_number(api, group)
        else:
            yield from _put_nodes(api, group)
    except NotFound:
        yield from _each(group, AckState.REFUSED, _UNKNOWN)
    except Rejected as refusal:
        if len(group) > 1 and not one_number:
            for level in group:
                yield from _put(api, [level])
        else:
            reason = f"Walmart refuses the quantity: {why(refusal.body)}; correct the listing in Seller Center"
            yield from _each(group, AckState.REFUSED, reason)


def _put_one_number(api: Api, group: Sequence[Level]) -> Iterator[Ack]:
    level = max(group, key=lambda level: level.revision)
    body = {"sku": level.sku, "quantity": {"unit": "EACH", "amount": level.quantity}}
    response = api.ask(
        "updateInventoryForAnItem", "PUT", "/v3/inventory", {"sku": level.sku}, body=body, repeatable=True
    )
    held = decode(response, _OneNumber)
    if held.sku == level.sku and held.quantity.amount == level.quantity:
        yield from _each(group, AckState.APPLIED)
    else:
        yield from _each(group, AckState.RETRY, "Walmart answered with another quantity")


def _put_nodes(api: Api, group: Sequence[Level]) -> Iterator[Ack]:
    sku = group[0].sku
    body = {
        "inventories": {
            "nodes": [
                {"shipNode": level.place, "inputQty": {"unit": "EACH", "amount": level.quantity}} for level in group
            ]
        }
    }
    path = f"/v3/inventories/{quoted(sku)}"
    answer = decode(api.ask("updateMultiNodeInventory", "PUT", path, body=body, repeatable=True), _NodesAnswer)
    nodes = {node.ship_node: node for node in answer.nodes}
    for level in group:
        node = nodes.get(level.place)
        if node is not None and not node.errors and (node.status or "").lower() == "success":
            yield Ack(key=level.key, state=AckState.APPLIED)
        elif node is not None and node.errors:
            said = why(msgspec.json.encode({"errors": node.errors}))
            reason = f"Walmart refuses the ship node {level.place}: {said}; correct the channel's locations"
            yield Ack(key=level.key, state=AckState.REFUSED, reason=reason)
        else:
            yield Ack(key=level.key, state=AckState.RETRY, reason="Walmart does not say that the node has it")


# As a feed.


class _Accepted(msgspec.Struct, rename="camel"):
    feed_id: str


def _row(group: Group, one_number: bool) -> dict[str, Any]:
    sku, levels = group
    if one_number:
        return {"sku": sku, "quantity": {"unit": "EACH", "amount": max(levels, key=lambda row: row.revision).quantity}}
    nodes = [{"shipNode": level.place, "quantity": {"unit": "EACH", "amount": level.quantity}} for level in levels]
    return {"sku": sku, "shipNodes": nodes}


def _files(rows: Sequence[Group], one_number: bool) -> Iterator[list[Group]]:
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


def _feed(api: Api, feeds: Feeds, rows: list[Group], one_number: bool) -> Iterator[Ack]:
    """One file; refused with its rows named, without them; refused without, in halves, the last ones one by one."""
    if not rows:
        return
    try:
        feed = _post(api, rows, one_number)
    except Rejected as refusal:
        named = {
            int(found.group(1)): str(reason)
            for reason in reasons(refusal.body)
            if (found := _ROW.search(reason.field)) and int(found.group(1)) < len(rows)
        }
        for index, said in named.items():
            reason = f"Walmart refuses the row: {said}; correct the listing, or set the item up in Seller Center"
            yield from _each(rows[index][1], AckState.REFUSED, reason)
        if named:
            yield from _feed(api, feeds, [row for i, row in enumerate(rows) if i not in named], one_number)
        elif len(rows) <= FEW:
            for _, group in rows:
                yield from _put(api, group)
        else:
            half = len(rows) // 2
            yield from _feed(api, feeds, rows[:half], one_number)
            yield from _feed(api, feeds, rows[half:], one_number)
        return
    except Unavailable as error:
        if error.ambiguous or error.after is None:
            raise
        # The hour's feeds are spent, and nothing else is wrong with the channel.
        for _, group in rows:
            yield from _each(group, AckState.RETRY, "the hour's feeds are spent; it goes with the next one")
        return
    feeds.sent(feed, [sku for sku, _ in rows])
    for sku, group in rows:
        ticket = msgspec.json.encode((feed, sku)).decode()
        for level in group:
            yield Ack(key=level.key, state=AckState.ACCEPTED, ticket=ticket)


def _post(api: Api, rows: Sequence[Group], one_number: bool) -> str:
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


# What became of a feed.


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


class _Status(msgspec.Struct, rename="camel"):
    feed_status: str
    items_received: int = 0
    item_details: _Details | None = None
    ingestion_errors: _Errors | None = None


def settle(api: Api, feeds: Feeds, pending: Mapping[str, str]) -> Iterator[Ack]:
    """See `Connector.settle`. A feed that is processed says nothing of its items: each has its own state."""
    by_feed: dict[str, dict[str, list[str]]] = {}
    for key, ticket in pending.items():
        feed, sku = msgspec.json.decode(ticket, type=tuple[str, str])
        by_feed.setdefault(feed, {}).setdefault(sku, []).append(key)
    for feed, keys in by_feed.items():
        yield from _settle(api, feeds, feed, keys)


def _settle(api: Api, feeds: Feeds, feed: str, keys: dict[str, list[str]]) -> Iterator[Ack]:
    offset = 0
    worst: dict[str, _Detail] = {}
    while True:
        try:
            status = _status(api, feed, offset, DETAILS)
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
                f"Walmart refuses one of its ship nodes ({_said(item.ingestion_errors)}); it goes by itself next time"
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


def _status(api: Api, feed: str, offset: int, limit: int) -> _Status:
    query = {"includeDetails": "true", "offset": str(offset), "limit": str(limit)}
    return decode(api.ask("getFeedItemStatus", "GET", f"/v3/feeds/{quoted(feed)}", query), _Status)


def _said(errors: _Errors | None) -> str:
    listed = (errors.ingestion_error if errors is not None else None) or []
    return "; ".join((error.description or error.code)[:200] for error in listed[:2]) or "without a reason"


def _each(group: Sequence[Level], state: AckState, reason: str = "") -> Iterator[Ack]:
    for level in group:
        yield Ack(key=level.key, state=state, reason=reason)


def _answers(keys: Mapping[str, Sequence[str]], state: AckState, reason: str = "") -> Iterator[Ack]:
    for named in keys.values():
        for key in named:
            yield Ack(key=key, state=state, reason=reason)
