"""What routing remembers besides its decisions: where an order may not go, and which orders wait for a location."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, PrimaryKeyConstraint, Table, Text, UniqueConstraint

from core.store.tables.base import Id, big, count, metadata, own_id, ref, words

left_out = Table(
    "left_out",
    metadata,
    ref("order_id", "orders.id"),
    ref("location_id", "locations.id"),
    words("why"),
    words("actor"),
    big("at"),
    PrimaryKeyConstraint("order_id", "location_id"),
)

rejections = Table(
    "rejections",
    metadata,
    own_id(),
    ref("fulfilment_order_id", "fulfilment_orders.id"),
    words("reference"),  # the sender's own, else what it says: the same one is taken once
    words("units", "{}"),  # JSON: units by line number
    words("why"),
    words("actor"),
    big("at"),
    UniqueConstraint("fulfilment_order_id", "reference"),
)

parked = Table(
    "parked",
    metadata,
    Column("order_id", Id, ForeignKey("orders.id"), primary_key=True, autoincrement=False),
    words("reason"),
    words("why"),
    words("decision", "{}"),  # JSON: every candidate with the rule that dropped it
    big("since"),
    big("due_at", null=True),  # when it is tried again; null: when stock, rules or locations change
    words("rules"),  # the digest of the rules it was parked by
)

loads = Table(
    "loads",
    metadata,
    ref("location_id", "locations.id"),
    Column("day", Text, nullable=False),  # the location's own date
    count("orders"),
    count("units"),
    PrimaryKeyConstraint("location_id", "day"),
)
