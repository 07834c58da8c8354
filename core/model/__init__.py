"""The words of the trade as values: what a connector says of its channel and what it is asked to tell it.

All are frozen, and none knows the store. Instants are aware and in UTC, quantities are integers from 0 to
`MAX_QUANTITY`, money is a `Decimal` in the currency its order names. Import them from here: the files only sort them
by what they are about.
"""

from core.model.account import Call, Finding, Hint, HintKind, Subscribed
from core.model.listings import ChannelLevel, ChannelListing, Level, LevelKey, OwnStock
from core.model.measures import MAX_QUANTITY, ZERO, Parts, instant, micros
from core.model.orders import (
    Address,
    Fulfiller,
    Hold,
    Line,
    Observation,
    Order,
    Package,
    Page,
    Present,
    Refunded,
    money_off,
)
from core.model.outward import (
    Ack,
    AckState,
    Cancellation,
    CancelReason,
    Refund,
    RefundLine,
    RefundReason,
    Shipment,
    Voiding,
)
from core.model.places import Location
from core.model.returns import Return, ReturnLine, ReturnState

__all__ = [
    "MAX_QUANTITY",
    "ZERO",
    "Ack",
    "AckState",
    "Address",
    "Call",
    "CancelReason",
    "Cancellation",
    "ChannelLevel",
    "ChannelListing",
    "Finding",
    "Fulfiller",
    "Hint",
    "HintKind",
    "Hold",
    "Level",
    "LevelKey",
    "Line",
    "Location",
    "Observation",
    "Order",
    "OwnStock",
    "Package",
    "Page",
    "Parts",
    "Present",
    "Refund",
    "RefundLine",
    "RefundReason",
    "Refunded",
    "Return",
    "ReturnLine",
    "ReturnState",
    "Shipment",
    "Subscribed",
    "Voiding",
    "instant",
    "micros",
    "money_off",
]
