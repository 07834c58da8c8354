"""What Walmart is told of stock.

Source: Marketplace Inventory Management. Few SKUs go one by one and are answered at once; many go as one feed, are
accepted, and settle later (`feeds.py`). An account with one ship node keeps one number a SKU (our place is then
empty); with several, one number a SKU and node.

A feed takes effect minutes later, so a level pushed after it could be overwritten by it. While a SKU's feed is in the
works this instance holds back newer levels of that SKU (`RETRY`); after a restart the caller's pending tickets do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from connectors.walmart.api import Api, quoted, reasons, why
from connectors.walmart.feeds import Feeds, Group, files, post, status_of
from core.errors import NotFound, Rejected, Unavailable
from core.http import decode
from core.model import Ack, AckState, Level

FEW = 20
"""So many SKUs go one by one; more go as a feed, of which there are ten an hour."""

WFS_HANDLE = "WFS"
"""The handle of listings whose stock is in Walmart's own warehouse."""

_UNKNOWN = "Walmart knows no such SKU; correct the listing, or set the item up in Seller Center"
_ROW = re.compile(r"nventory\[(\d+)\]")


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
        for part in files(rows, one_number):
            yield from _feed(api, feeds, part, one_number)


def _held_back(api: Api, feeds: Feeds, skus: Sequence[str]) -> set[str]:
    """The SKUs that must wait for their feed; each feed is asked once whether it is through."""
    waiting = feeds.of(skus)
    for feed in sorted(set(waiting.values())):
        try:
            status = status_of(api, feed, 0, 1)
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


def _feed(api: Api, feeds: Feeds, rows: list[Group], one_number: bool) -> Iterator[Ack]:
    """One file; refused with its rows named, without them; refused without, in halves, the last ones one by one."""
    if not rows:
        return
    try:
        feed = post(api, rows, one_number)
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


def _each(group: Sequence[Level], state: AckState, reason: str = "") -> Iterator[Ack]:
    for level in group:
        yield Ack(key=level.key, state=state, reason=reason)
