"""What the simulated Walmart offers: units by SKU and ship node, and the feeds that change them later."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from connectors.simulation import SimulatedListing


class Item:
    """One SKU. `units` is by ship node; the stock of items in Walmart's own warehouse is apart from it."""

    def __init__(self, sku: str, title: str, price: Decimal, units: dict[str, int], *, wfs: int | None) -> None:
        self.sku = sku
        self.title = title
        self.price = price
        self.units = units
        self.wfs = wfs


class Row:
    """One SKU's new quantities in a feed, and what became of them."""

    def __init__(self, sku: str, units: Mapping[str, int]) -> None:
        self.sku = sku
        self.units = units
        self.error = ""


class Feed:
    """A file that was taken and is processed when its time has come."""

    def __init__(self, rows: Sequence[Row], due: float) -> None:
        self.number = f"{uuid.uuid4().hex.upper()}@AU8BAgA"
        self.rows = rows
        self.begun = time.monotonic()
        self.due = due
        self.done = False

    @property
    def status(self) -> str:
        if self.done:
            return "PROCESSED"
        return "RECEIVED" if time.monotonic() < (self.begun + self.due) / 2 else "INPROGRESS"


class Shelves:
    """Stock and feeds of one account."""

    def __init__(self, nodes: Sequence[str], feed_seconds: float) -> None:
        self.nodes = tuple(nodes)
        self.items: dict[str, Item] = {}
        self.feeds: dict[str, Feed] = {}
        self._open: list[Feed] = []
        self._feed_seconds = feed_seconds

    def offer(self, listing: SimulatedListing, units: Mapping[str, int]) -> None:
        """Puts an item on offer; `units` is by ship node, and a node left out has none."""
        strangers = set(units) - set(self.nodes)
        if strangers:
            raise ValueError(f"the account has no ship node {', '.join(sorted(strangers))}")
        self.items[listing.sku] = Item(
            listing.sku,
            listing.title,
            listing.price,
            {} if listing.by_channel else {node: units.get(node, 0) for node in self.nodes},
            wfs=sum(units.values()) if listing.by_channel else None,
        )

    def node_for(self, wanted: Mapping[str, int]) -> str:
        """The first ship node that has all of it, otherwise the first of all."""
        for node in self.nodes:
            if all(sku in self.items and self.items[sku].units.get(node, 0) >= n for sku, n in wanted.items()):
                return node
        return self.nodes[0]

    def take(self, sku: str, node: str, units: int) -> int:
        """Takes units off a shelf, as many as there are; says how many."""
        item = self.items.get(sku)
        if item is None:
            return 0
        if item.wfs is not None:
            taken = min(units, item.wfs)
            item.wfs -= taken
            return taken
        taken = min(units, item.units.get(node, 0))
        item.units[node] = item.units.get(node, 0) - taken
        return taken

    def give_back(self, sku: str, node: str, units: int) -> None:
        item = self.items.get(sku)
        if item is None:
            return
        if item.wfs is not None:
            item.wfs += units
        else:
            item.units[node] = item.units.get(node, 0) + units

    def empty(self, sku: str, node: str) -> None:
        """Nothing of it is on offer at a ship node until the seller says so again."""
        if sku in self.items and self.items[sku].wfs is None:
            self.items[sku].units[node] = 0

    def wrong(self, sku: str, node: str, units: object) -> str:
        """Why a quantity cannot be set; empty when it can."""
        item = self.items.get(sku)
        if item is None:
            return f"SKU {sku} is not set up for this seller"
        if item.wfs is not None:
            return f"SKU {sku} is fulfilled by Walmart"
        if node not in self.nodes:
            return f"{node} is no ship node of this seller"
        if isinstance(units, bool) or not isinstance(units, int) or not 0 <= units < 2**31:
            return "the amount is no quantity"
        return ""

    def accept(self, rows: Sequence[Row]) -> Feed:
        """Takes a file in; it takes effect later."""
        feed = Feed(rows, time.monotonic() + self._feed_seconds)
        self.feeds[feed.number] = feed
        self._open.append(feed)
        return feed

    def process(self, *, everything: bool = False) -> None:
        """Processes the feeds whose time has come, in the order they came, over whatever was set meanwhile."""
        now = time.monotonic()
        waiting = []
        for feed in self._open:
            if not (everything or feed.due <= now):
                waiting.append(feed)
                continue
            for row in feed.rows:
                row.error = next(
                    (text for node, units in row.units.items() if (text := self.wrong(row.sku, node, units))), ""
                )
                if not row.error:
                    self.items[row.sku].units.update(row.units)
            feed.done = True
        self._open = waiting

    def shown(self, feed: Feed, details: bool, offset: int, limit: int) -> dict[str, Any]:
        """A feed's state as the feed service shows it."""
        failed = sum(1 for row in feed.rows if row.error)
        shown: dict[str, Any] = {
            "feedId": feed.number,
            "feedStatus": feed.status,
            "itemsReceived": len(feed.rows),
            "itemsSucceeded": len(feed.rows) - failed if feed.done else 0,
            "itemsFailed": failed if feed.done else 0,
            "itemsProcessing": 0 if feed.done else len(feed.rows),
            "offset": offset,
            "limit": limit,
        }
        if details:
            page = list(enumerate(feed.rows))[offset : offset + limit]
            shown["itemDetails"] = {"itemIngestionStatus": [_detail(index, row, feed.done) for index, row in page]}
        return shown


def _detail(index: int, row: Row, done: bool) -> dict[str, Any]:
    status = "INPROGRESS" if not done else "DATA_ERROR" if row.error else "SUCCESS"
    detail: dict[str, Any] = {"martId": 0, "sku": row.sku, "index": index, "ingestionStatus": status}
    if row.error and done:
        error = {"type": "DATA_ERROR", "code": "ERR_PDI_0001", "description": row.error}
        detail["ingestionErrors"] = {"ingestionError": [error]}
    return detail
