"""The tables. Illegal states cannot be stored: the CHECK and UNIQUE constraints here are the invariants' first guard.

Instants are BIGINT microseconds since 1970 UTC and money is BIGINT millionths of the order's currency, on both
databases alike (docs/decisions/0001). Counters of units are 32-bit integers.
"""

from __future__ import annotations

from core.store.tables.back import aside, exchanges, receipts, rma_lines, rma_refunds, rmas
from core.store.tables.base import metadata
from core.store.tables.channels import (
    backfills,
    channels,
    credentials,
    differences,
    heard,
    hearing,
    hints,
    own_stock,
    reconciliations,
    requests,
)
from core.store.tables.fulfilment import (
    corrections,
    fulfilment_lines,
    fulfilment_orders,
    pushes,
    refunds,
    return_lines,
    returns,
    shipment_lines,
    shipments,
)
from core.store.tables.orders import (
    audit,
    breaches,
    buyers,
    documents,
    expiries,
    holds,
    lines,
    orders,
    overrides,
    quarantine,
    reservations,
)
from core.store.tables.routing import left_out, parked, rejections
from core.store.tables.stock import incoming, items, kits, ledger, levels, listings, locations, presales, stock, touched

__all__ = [
    "aside",
    "audit",
    "backfills",
    "breaches",
    "buyers",
    "channels",
    "corrections",
    "credentials",
    "differences",
    "documents",
    "exchanges",
    "expiries",
    "fulfilment_lines",
    "fulfilment_orders",
    "heard",
    "hearing",
    "hints",
    "holds",
    "incoming",
    "items",
    "kits",
    "ledger",
    "left_out",
    "levels",
    "lines",
    "listings",
    "locations",
    "metadata",
    "orders",
    "overrides",
    "own_stock",
    "parked",
    "presales",
    "pushes",
    "quarantine",
    "receipts",
    "reconciliations",
    "refunds",
    "rejections",
    "requests",
    "reservations",
    "return_lines",
    "returns",
    "rma_lines",
    "rma_refunds",
    "rmas",
    "shipment_lines",
    "shipments",
    "stock",
    "touched",
]
