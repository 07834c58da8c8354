"""Orders with their lines, promises and holds, the documents they were read from, and what happened to them."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from core.store.tables.base import Id, big, count, metadata, not_negative, one_of, own_id, ref, words

orders = Table(
    "orders",
    metadata,
    own_id(),
    ref("channel_id", "channels.id"),
    Column("number", Text, nullable=False),
    words("name"),
    big("version"),
    big("observed_at"),
    Column("digest", LargeBinary, nullable=False),
    big("placed_at"),
    big("imported_at"),
    big("updated_at"),
    words("currency"),
    big("total"),
    big("shipping"),
    big("shipping_tax"),
    big("discount"),
    big("adjustment"),
    big("money_off"),  # by how much the amounts miss the total; never mended
    words("presentment_currency"),
    big("presentment_total"),
    words("fulfiller", "merchant"),
    Column("priced", Boolean, nullable=False),
    Column("acknowledged", Boolean, nullable=False),
    Column("test", Boolean, nullable=False),
    words("service"),
    big("ship_by", null=True),
    big("deliver_by", null=True),
    big("acknowledge_by", null=True),
    UniqueConstraint("channel_id", "number"),
    one_of("fulfiller", "merchant", "channel"),
    Index("ix_orders_money_off", "id", sqlite_where=text("money_off <> 0"), postgresql_where=text("money_off <> 0")),
    Index("ix_orders_unpriced", "id", sqlite_where=text("NOT priced"), postgresql_where=text("NOT priced")),
)

lines = Table(
    "lines",
    metadata,
    own_id(),
    ref("order_id", "orders.id"),
    Column("number", Text, nullable=False),
    words("sku"),
    words("title"),
    ref("item_id", "items.id", null=True),
    count("ordered"),
    count("cancelled"),
    count("cancelling"),  # of these, cancelled here and not shown as cancelled by the channel yet
    count("shipped"),
    count("reserved"),
    count("backordered"),
    count("held"),  # open units that cannot be reserved: no item is known, or the channel ships them itself
    count("allocated"),
    count("returned"),  # units that came back, whatever became of them
    count("late"),  # units its channel cancelled after they had left
    count("late_kept"),  # of these, those somebody decided to leave where they are
    count("first_asked"),  # units open when it was first seen, where none had left by then: what was asked of our stock
    count("first_filled"),  # of these, promised at once
    big("unit_price"),
    big("tax"),
    big("discount"),
    words("place"),
    UniqueConstraint("order_id", "number"),
    *not_negative("ordered", "cancelled", "shipped", "reserved", "backordered", "held", "allocated", "returned"),
    CheckConstraint("ordered = cancelled + shipped + reserved + backordered + held", name="balance"),
    CheckConstraint("cancelling >= 0 AND cancelling <= cancelled", name="cancelling_is_cancelled"),
    CheckConstraint("allocated <= reserved", name="allocated_is_reserved"),
    CheckConstraint("returned <= shipped", name="returned_was_shipped"),
    CheckConstraint("late >= 0 AND late <= shipped", name="late_has_left"),
    *not_negative("late_kept"),
    Index("ix_lines_waiting", "item_id", sqlite_where=text("backordered > 0"),
          postgresql_where=text("backordered > 0")),
    Index("ix_lines_unknown", "sku", sqlite_where=text("held > 0"), postgresql_where=text("held > 0")),
    Index("ix_lines_cancelling", "order_id", sqlite_where=text("cancelling > 0"),
          postgresql_where=text("cancelling > 0")),
    Index("ix_lines_late", "order_id", sqlite_where=text("late > 0"), postgresql_where=text("late > 0")),
    Index("ix_lines_unrouted", "item_id", "order_id", sqlite_where=text("reserved > allocated"),
          postgresql_where=text("reserved > allocated")),
)  # fmt: skip

buyers = Table(
    "buyers",
    metadata,
    Column("order_id", Id, ForeignKey("orders.id"), primary_key=True, autoincrement=False),
    *(words(name) for name in ("email", "name", "company", "line1", "line2", "city", "region")),
    *(words(name) for name in ("postal_code", "country", "phone")),
    words("judged"),  # digest of the address that was found faulty last: it is not held for the same once more
)

documents = Table(
    "documents",
    metadata,
    own_id(),
    ref("order_id", "orders.id"),
    big("observed_at"),
    big("version"),
    Column("body", LargeBinary, nullable=False),
    Index(None, "order_id"),
)

holds = Table(
    "holds",
    metadata,
    ref("order_id", "orders.id"),
    Column("hold", Text, nullable=False),
    words("by"),
    words("why"),
    big("since"),
    big("until", null=True),  # when it lifts by itself
    PrimaryKeyConstraint("order_id", "hold"),
    Index("ix_holds_until", "until", sqlite_where=text("until IS NOT NULL"),
          postgresql_where=text("until IS NOT NULL")),
    Index("ix_holds_preorder", "order_id", sqlite_where=text("hold = 'preorder'"),
          postgresql_where=text("hold = 'preorder'")),
)  # fmt: skip

overrides = Table(
    "overrides",  # holds an operator set aside: not set again while their cause lasts
    metadata,
    ref("order_id", "orders.id"),
    Column("hold", Text, nullable=False),
    words("by"),
    words("why"),
    big("since"),
    PrimaryKeyConstraint("order_id", "hold"),
)

expiries = Table(
    "expiries",  # orders that waited too long for their payment: promised nothing until they are paid
    metadata,
    Column("order_id", Id, ForeignKey("orders.id"), primary_key=True, autoincrement=False),
    big("at"),
)

reservations = Table(
    "reservations",
    metadata,
    ref("line_id", "lines.id"),
    ref("item_id", "items.id"),
    Column("per", Integer, nullable=False),  # units of the item in one unit of the line: 1, or a kit's
    Column("quantity", Integer, nullable=False),
    PrimaryKeyConstraint("line_id", "item_id"),
    CheckConstraint("quantity > 0 AND per > 0", name="positive"),
    CheckConstraint("quantity % per = 0", name="whole_units"),
    Index(None, "item_id"),
)

quarantine = Table(
    "quarantine",
    metadata,
    own_id(),
    ref("channel_id", "channels.id"),
    words("kind", "order"),
    words("number"),
    Column("digest", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    words("reason"),
    big("observed_at"),
    words("state", "open"),
    big("resolved_at", null=True),
    UniqueConstraint("channel_id", "digest"),
    one_of("state", "open", "resolved"),
    one_of("kind", "order", "return"),
)

ASKS_A_PERSON = (
    "shipped although cancelled",
    "shipped without stock",
    "address changed after release",
    "gone at the channel",
)
"""Events of the audit that no later observation takes back: a person has to see to them."""

_ASKS = "event IN (" + ", ".join(f"'{event}'" for event in ASKS_A_PERSON) + ")"

audit = Table(
    "audit",
    metadata,
    own_id(),
    big("at"),
    words("actor"),
    ref("channel_id", "channels.id", null=True),
    ref("order_id", "orders.id", null=True),
    words("event"),
    words("detail"),
    Index(None, "order_id"),
    Index("ix_audit_asks", "at", sqlite_where=text(_ASKS), postgresql_where=text(_ASKS)),
)

breaches = Table(
    "breaches",  # what the last verification found; one that it finds no more is gone
    metadata,
    Column("name", Text, nullable=False),  # the invariant
    Column("subject", Text, nullable=False),
    words("wrong"),
    words("cure"),
    Column("order_id", Id),  # not a reference: what is broken may be just that
    big("since"),  # when it was first found
    PrimaryKeyConstraint("name", "subject"),
)
