"""What follows an order: work of locations, parcels, what channels are told, money given back, returns."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from core.store.tables.base import big, count, metadata, not_negative, one_of, own_id, ref, words

fulfilment_orders = Table(
    "fulfilment_orders",
    metadata,
    own_id(),
    ref("order_id", "orders.id"),
    ref("location_id", "locations.id"),
    words("state", "planned"),
    words("decision", "{}"),  # JSON: every candidate with the rule that dropped or ranked it
    big("created_at"),
    big("released_at", null=True),
    one_of("state", "planned", "released", "done", "cancelled", "rejected"),
    Index(None, "order_id"),
    Index("ix_fulfilment_orders_planned", "id", sqlite_where=text("state = 'planned'"),
          postgresql_where=text("state = 'planned'")),
    Index("ix_fulfilment_orders_released", "location_id", "id", sqlite_where=text("state = 'released'"),
          postgresql_where=text("state = 'released'")),
)  # fmt: skip

fulfilment_lines = Table(
    "fulfilment_lines",
    metadata,
    ref("fulfilment_order_id", "fulfilment_orders.id"),
    ref("line_id", "lines.id"),
    Column("quantity", Integer, nullable=False),  # units of the line this location is asked for, shipped ones included
    count("shipped"),
    PrimaryKeyConstraint("fulfilment_order_id", "line_id"),
    CheckConstraint("shipped >= 0 AND shipped <= quantity", name="shipped_was_asked"),
    Index(None, "line_id"),
)

shipments = Table(
    "shipments",
    metadata,
    own_id(),
    ref("order_id", "orders.id"),
    ref("location_id", "locations.id", null=True),
    words("carrier"),
    words("tracking"),
    words("service"),
    words("tracking_url"),
    words("origin", "operator"),
    big("shipped_at"),
    big("voided_at", null=True),  # it never left after all: its units came back
    words("void_why"),
    Column("void_shown", Boolean, nullable=False, server_default=text("false")),  # its channel shows it all the same
    Column("void_settled", Boolean, nullable=False, server_default=text("false")),  # and somebody has seen to that
    UniqueConstraint("order_id", "tracking"),
    Index(None, "shipped_at"),
    Index("ix_shipments_void_shown", "id", sqlite_where=text("void_shown"), postgresql_where=text("void_shown")),
    one_of("origin", "operator", "warehouse", "channel"),
)

corrections = Table(
    "corrections",
    metadata,
    own_id(),
    ref("shipment_id", "shipments.id"),
    ref("order_id", "orders.id"),
    Column("tracking", Text, nullable=False),  # the number the parcel had: named again, it is the same parcel
    words("carrier"),
    words("actor"),
    big("at"),
    UniqueConstraint("order_id", "tracking"),
    Index(None, "shipment_id"),
)

shipment_lines = Table(
    "shipment_lines",
    metadata,
    ref("shipment_id", "shipments.id"),
    ref("line_id", "lines.id"),
    Column("quantity", Integer, nullable=False),
    PrimaryKeyConstraint("shipment_id", "line_id"),
    CheckConstraint("quantity > 0", name="quantity_positive"),
    Index(None, "line_id"),
)

pushes = Table(
    "pushes",
    metadata,
    own_id(),
    ref("channel_id", "channels.id"),
    words("kind"),
    Column("key", Text, nullable=False),
    ref("order_id", "orders.id"),
    ref("shipment_id", "shipments.id", null=True),
    Column("generation", Integer, nullable=False, server_default="1"),  # grows with each correction or renewed attempt
    words("argument"),  # JSON: what is to be said
    Column("digest", LargeBinary),  # of `argument` as it was first sent; null before that
    words("state", "queued"),
    words("ticket"),
    words("reason"),
    count("attempts"),
    big("due_at"),
    big("created_at"),
    big("updated_at"),
    big("warned_at", null=True),  # when it was told that its deadline is near
    UniqueConstraint("kind", "key"),
    CheckConstraint("generation > 0", name="generation_positive"),
    one_of("kind", "tracking", "acknowledge", "cancel", "refund", "void"),
    one_of("state", "queued", "sent", "unknown", "accepted", "applied", "confirmed", "refused", "dropped"),
    Index(None, "order_id"),
    Index("ix_pushes_due", "channel_id", "kind", sqlite_where=text("state IN ('queued','sent','unknown','accepted')"),
          postgresql_where=text("state IN ('queued','sent','unknown','accepted')")),
    Index("ix_pushes_refused", "channel_id", sqlite_where=text("state = 'refused'"),
          postgresql_where=text("state = 'refused'")),
    Index("ix_pushes_taken", "updated_at", sqlite_where=text("state = 'applied'"),
          postgresql_where=text("state = 'applied'")),
)  # fmt: skip

refunds = Table(
    "refunds",
    metadata,
    own_id(),
    ref("order_id", "orders.id"),
    Column("number", Text, nullable=False),  # the channel's
    big("at"),
    big("amount"),
    words("lines", "{}"),  # JSON: units by line number
    words("origin", "channel"),  # whether it was decided here
    ref("push_id", "pushes.id", null=True),
    UniqueConstraint("order_id", "number"),
    UniqueConstraint("push_id"),
    CheckConstraint("amount > 0", name="amount_positive"),
    one_of("origin", "ours", "channel"),
)

returns = Table(
    "returns",
    metadata,
    own_id(),
    ref("channel_id", "channels.id"),
    Column("number", Text, nullable=False),
    words("order_number"),  # the channel's; its order need not be here: a return may come without one
    big("version"),
    big("observed_at"),
    Column("digest", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),  # the newest document
    words("state"),
    big("requested_at"),
    big("updated_at"),
    words("carrier"),
    words("tracking"),
    UniqueConstraint("channel_id", "number"),
    Index(None, "channel_id", "order_number"),
    one_of("state", "requested", "authorised", "delivered", "closed", "called_off"),
)

return_lines = Table(
    "return_lines",
    metadata,
    ref("return_id", "returns.id"),
    Column("number", Text, nullable=False),
    words("order_line"),  # the channel's number of the order's line
    words("sku"),
    Column("quantity", Integer, nullable=False),
    count("refunded"),
    words("reason"),
    PrimaryKeyConstraint("return_id", "number"),
    CheckConstraint("quantity > 0", name="quantity_positive"),
    *not_negative("refunded"),
)
