"""What comes back: our own returns, what was received of any return, and units set aside that are not for sale."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

from core.store.tables.base import Id, big, metadata, one_of, own_id, ref, words

rmas = Table(
    "rmas",
    metadata,
    own_id(),
    ref("order_id", "orders.id", null=True),
    ref("return_id", "returns.id", null=True),  # the channel's own return, where this is its desk here
    words("reason"),
    words("actor"),
    big("opened_at"),
    big("closed_at", null=True),  # nothing more is expected
    UniqueConstraint("return_id"),
    CheckConstraint("order_id IS NOT NULL OR return_id IS NOT NULL", name="of_something"),
    Index(None, "order_id"),
)

rma_lines = Table(
    "rma_lines",
    metadata,
    ref("rma_id", "rmas.id"),
    ref("line_id", "lines.id"),
    Column("quantity", Integer, nullable=False),  # units announced; a channel's return has its own lines
    PrimaryKeyConstraint("rma_id", "line_id"),
    CheckConstraint("quantity > 0", name="quantity_positive"),
    Index(None, "line_id"),
)

receipts = Table(
    "receipts",
    metadata,
    own_id(),
    ref("rma_id", "rmas.id"),
    ref("line_id", "lines.id", null=True),  # null: its order is not here
    words("sku"),
    ref("location_id", "locations.id"),
    Column("quantity", Integer, nullable=False),
    Column("disposition", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("place", Integer, nullable=False),  # of what was received under one reference
    words("actor"),
    words("note"),
    big("at"),
    UniqueConstraint("rma_id", "reference", "place"),
    CheckConstraint("quantity > 0", name="quantity_positive"),
    one_of("disposition", "restock", "quarantine", "damaged", "dispose"),
    Index(None, "line_id"),
)

aside = Table(
    "aside",  # movements; what stands aside is their sum
    metadata,
    own_id(),
    ref("item_id", "items.id"),
    ref("location_id", "locations.id"),
    Column("condition", Text, nullable=False),
    Column("units", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("cause", Text, nullable=False, unique=True),
    ref("receipt_id", "receipts.id", null=True),
    words("actor"),
    words("note"),
    big("at"),
    one_of("condition", "quarantine", "damaged"),
    one_of("kind", "receive", "release", "dispose"),
    CheckConstraint("(kind = 'receive' AND units > 0) OR (kind <> 'receive' AND units < 0)", name="comes_or_goes"),
    CheckConstraint("(kind = 'receive') = (receipt_id IS NOT NULL)", name="comes_by_a_receipt"),
    Index(None, "item_id", "location_id"),
    Index(None, "receipt_id"),
)

rma_refunds = Table(
    "rma_refunds",
    metadata,
    Column("push_id", Id, ForeignKey("pushes.id"), primary_key=True, autoincrement=False),
    ref("rma_id", "rmas.id"),
    Index(None, "rma_id"),
)

exchanges = Table(
    "exchanges",
    metadata,
    # The order that sends other units instead: its channel does not know it and is told nothing of it.
    Column("order_id", Id, ForeignKey("orders.id"), primary_key=True, autoincrement=False),
    ref("rma_id", "rmas.id"),
    words("reference"),
    UniqueConstraint("rma_id", "reference"),
)
