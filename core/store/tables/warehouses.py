"""Warehouses: the work handed over to each, what is called back, and what each has told."""

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

warehouses = Table(
    "warehouses",
    metadata,
    own_id(),
    Column("name", Text, nullable=False, unique=True),
    words("connector"),
    Column("cursor", Text),  # the connector's own; null until the first page is stored
    big("epoch"),  # grows whenever a worker takes the warehouse up; a stale worker commits nothing
    words("health", "ok"),
    words("reason"),  # why it is not ok, ending in what to do
    count("fails"),
    big("next_due"),
    big("wake_at", null=True),  # when work or a recall that waits to be tried again is due
    big("wanted"),  # grows with each poke
    big("done"),  # the `wanted` that the last finished turn had seen
    big("since"),  # work released before this instant is not handed over
    big("last_success", null=True),
    big("last_told", null=True),  # when something new was last taken in
    big("outage_since", null=True),
    Column("recalls", Boolean, nullable=False, server_default=text("false")),  # it can be asked to stop
    one_of("health", "ok", "unavailable", "parked"),
)

served = Table(
    "served",
    metadata,
    Column("location_id", Id, ForeignKey("locations.id"), primary_key=True, autoincrement=False),
    ref("warehouse_id", "warehouses.id"),
    words("place"),  # the warehouse's own id of the location
    Index(None, "warehouse_id"),
)

handovers = Table(
    "handovers",
    metadata,
    own_id(),
    ref("warehouse_id", "warehouses.id"),
    ref("fulfilment_order_id", "fulfilment_orders.id"),
    ref("order_id", "orders.id"),
    ref("location_id", "locations.id"),
    Column("generation", Integer, nullable=False, server_default="1"),  # grows when work is handed over anew
    Column("key", Text, nullable=False),
    words("state", "queued"),
    words("ticket"),
    words("reason"),
    count("attempts"),
    big("due_at"),
    big("created_at"),
    big("updated_at"),
    UniqueConstraint("warehouse_id", "key"),
    UniqueConstraint("fulfilment_order_id", "generation"),
    CheckConstraint("generation > 0", name="generation_positive"),
    # queued, sent (in doubt until it is answered), handed (it lies there), accepted (it is being done); ended are
    # done, recalled, refused, dropped (never sent)
    one_of("state", "queued", "sent", "handed", "accepted", "done", "recalled", "refused", "dropped"),
    Index(None, "order_id"),
    Index("ix_handovers_live", "warehouse_id", "state",
          sqlite_where=text("state IN ('queued','sent','handed','accepted')"),
          postgresql_where=text("state IN ('queued','sent','handed','accepted')")),
    Index("uq_handovers_one_live", "fulfilment_order_id", unique=True,
          sqlite_where=text("state IN ('queued','sent','handed','accepted')"),
          postgresql_where=text("state IN ('queued','sent','handed','accepted')")),
)  # fmt: skip

handover_lines = Table(
    "handover_lines",
    metadata,
    ref("handover_id", "handovers.id"),
    Column("number", Text, nullable=False),  # what the warehouse calls the line by
    ref("line_id", "lines.id"),
    ref("item_id", "items.id"),
    words("sku"),  # as it was said, in the warehouse's own words
    Column("per", Integer, nullable=False),  # units of the item in one unit of the order's line
    Column("quantity", Integer, nullable=False),  # units of the item, as all that follow
    count("shipped"),
    count("withdrawn"),  # called back, refused or picked short
    count("before"),  # units of the order's line that had left for this work before it was handed over
    PrimaryKeyConstraint("handover_id", "number"),
    CheckConstraint("quantity > 0 AND per > 0", name="positive"),
    CheckConstraint("shipped + withdrawn <= quantity", name="no_more_than_asked"),
    *not_negative("shipped", "withdrawn", "before"),
    Index(None, "line_id"),
)

recalls = Table(
    "recalls",
    metadata,
    own_id(),
    ref("handover_id", "handovers.id"),
    Column("key", Text, nullable=False, unique=True),
    words("lines", "{}"),  # JSON: units of items by the work's line number
    Column("whole", Boolean, nullable=False),
    words("state", "queued"),
    words("reason"),
    count("attempts"),
    big("due_at"),
    big("created_at"),
    big("updated_at"),
    one_of("state", "queued", "sent", "asked", "done", "refused"),
    Index(None, "handover_id"),
    Index("ix_recalls_due", "id", sqlite_where=text("state IN ('queued','sent','asked')"),
          postgresql_where=text("state IN ('queued','sent','asked')")),
)  # fmt: skip

notices = Table(
    "notices",
    metadata,
    own_id(),
    ref("warehouse_id", "warehouses.id"),
    Column("event", Text, nullable=False),  # the warehouse's own id of it
    words("kind"),
    Column("digest", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    big("happened_at"),  # by the warehouse's clock
    big("observed_at"),
    words("state", "taken"),
    words("source"),  # where it stood, such as a file and its line
    words("reason"),  # source, and why it was set aside or not booked; of a taken one, what is to be known of it
    ref("handover_id", "handovers.id", null=True),
    UniqueConstraint("warehouse_id", "event", "digest"),
    # waiting (it came by a call and is not looked at yet), taken, unread, refused; settled: seen to by hand
    one_of("state", "waiting", "taken", "unread", "refused", "settled"),
    Index(None, "handover_id"),
    Index("ix_notices_open", "warehouse_id", "state", sqlite_where=text("state IN ('waiting','unread','refused')"),
          postgresql_where=text("state IN ('waiting','unread','refused')")),
)  # fmt: skip

counted = Table(
    "counted",
    metadata,
    ref("item_id", "items.id"),
    ref("location_id", "locations.id"),
    big("as_of"),
    count("units"),  # as the warehouse told them
    count("doubted"),  # on hand here, asked for and counted there no more
    ref("notice_id", "notices.id"),
    PrimaryKeyConstraint("item_id", "location_id"),
    *not_negative("units", "doubted"),
    Index("ix_counted_doubted", "location_id", sqlite_where=text("doubted > 0"), postgresql_where=text("doubted > 0")),
)
