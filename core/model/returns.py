"""What comes back, as its channel tells it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec


class ReturnState(StrEnum):
    """How far a return has come at its channel. What stands on our shelves is told by people, never by this."""

    REQUESTED = "requested"
    AUTHORISED = "authorised"
    """The buyer may send it."""
    DELIVERED = "delivered"
    """The channel or its carrier says it has arrived."""
    CLOSED = "closed"
    """Refunded or otherwise done."""
    CALLED_OFF = "called_off"
    """Declined or withdrawn: nothing comes back."""


class ReturnLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Units of one order line that come back. Two may be of the same order line."""

    number: str
    """The channel's id, unique within the return."""
    order_line: str
    """The order's line number; empty where the channel does not say."""
    sku: str
    quantity: int
    refunded: int = 0
    """Units the channel has refunded."""
    reason: str = ""
    """In the channel's words."""


class Return(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One return (RMA) of one channel, as of one observation; `version` orders them as it does for orders."""

    number: str
    """The channel's return id: with the channel's name it is unique for ever."""
    order: str
    """The channel's order id."""
    version: int
    state: ReturnState
    requested_at: datetime
    lines: tuple[ReturnLine, ...]
    tracking: str = ""
    carrier: str = ""
