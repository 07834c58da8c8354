"""What the channel keeps beside its live orders: the past by the instant of placing, returns, its own warehouse.

Part of the far end: a plugin author replaces it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from connectors.sandbox import wire
from connectors.sandbox.service import Wrong


class Archive:
    """Reads the far end's orders; whoever calls holds its lock."""

    def __init__(self, orders: Mapping[str, wire.Order], most: int) -> None:
        self._orders = orders
        self._most = most
        self._returns: dict[str, wire.Return] = {}
        self.own: dict[str, tuple[int, int]] = {}
        """Units on hand and units that can be sold, by SKU."""

    def send_back(self, order: wire.Order, sku: str, quantity: int, now: datetime) -> str:
        line = next(line for line in order.lines if line.sku == sku)
        number = f"R-{501 + len(self._returns)}"
        back = wire.ReturnLine(id="1", line=line.id, sku=sku, units=quantity, reason="too small")
        self._returns[number] = wire.Return(number=number, order=order.number, asked=now, changed=now, lines=[back])
        return number

    def change_return(self, number: str, state: str, now: datetime) -> None:
        self._returns[number].state = state
        self._returns[number].changed = now

    def roll(self, request: bytes) -> object:
        asked, found = self._window(request)
        roll = [(order.number, order.placed) for order in found[: asked.limit]]
        return {"roll": roll, "more": len(found) > asked.limit}

    def past(self, request: bytes) -> object:
        asked, found = self._window(request)
        page = found[: asked.limit]
        reached = page[-1].number if page else asked.after
        return {"orders": page, "reached": reached, "more": len(found) > asked.limit}

    def returned(self, request: bytes) -> object:
        asked = msgspec.json.decode(request, type=wire.ReturnsAsked)
        changed = {f"{one.changed.isoformat()} {one.number}": one for one in self._returns.values()}
        found = sorted(place for place in changed if place > asked.after)
        page = found[: asked.limit]
        reached = page[-1] if page else asked.after
        return {"returns": [changed[at] for at in page], "reached": reached, "more": len(found) > asked.limit}

    def stock(self, request: bytes) -> object:
        msgspec.json.decode(request, type=wire.Nothing)
        return {"stock": [(sku, *units) for sku, units in sorted(self.own.items())]}

    def _window(self, request: bytes) -> tuple[wire.WindowAsked, list[wire.Order]]:
        asked = msgspec.json.decode(request, type=wire.WindowAsked)
        if not 1 <= asked.limit <= self._most:
            raise Wrong(f"limit is 1 to {self._most}")
        within = (
            order
            for order in self._orders.values()
            if asked.since <= order.placed < asked.until and order.number > asked.after
        )
        return asked, sorted(within, key=lambda order: order.number)
