"""The tables. Illegal states cannot be stored: the CHECK and UNIQUE constraints here are the invariants' first guard.

Instants are BIGINT microseconds since 1970 UTC and money is BIGINT millionths of the order's currency, on both
databases alike (docs/decisions/0001). Counters of units are 32-bit integers.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives an automatic rowid only to INTEGER PRIMARY KEY, which there is 64 bits wide all the same.
Id = BigInteger().with_variant(Integer, "sqlite")


def _id() -> Column[int]:
    return Column("id", Id, primary_key=True)


def _ref(name: str, target: str, *, null: bool = False) -> Column[int]:
    return Column(name, Id, ForeignKey(target), nullable=null)


def _text(name: str, default: str = "") -> Column[str]:
    return Column(name, Text, nullable=False, server_default=default)


def _count(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default="0")


def _big(name: str, default: str | None = "0", *, null: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=null, server_default=None if null else default)


def _one_of(column: str, *values: str) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(v) for v in values)})", name=column)


def _not_negative(*columns: str) -> list[CheckConstraint]:
    return [CheckConstraint(f"{column} >= 0", name=f"{column}_not_negative") for column in columns]


channels = Table(
    "channels",
    metadata,
    _id(),
    Column("name", Text, nullable=False, unique=True),
    _text("connector"),
    Column("cursor", Text),  # the connector's own; null until the first page is stored
    _big("epoch"),  # grows whenever a worker takes the channel up; a stale worker commits nothing
    _text("health", "ok"),
    _text("reason"),  # why it is not ok, ending in what to do
    _count("fails"),
    _big("next_due"),
    _big("wake_at", null=True),  # when something that waits for its time (a feed, a retry) is due
    _big("wanted"),  # grows with each poke
    _big("done"),  # the `wanted` that the last finished round had seen
    _big("since"),  # orders placed before this instant do not move stock when they are first seen shipped
    _big("last_pull", null=True),
    _big("last_success", null=True),
    _big("outage_since", null=True),
    _big("listings_read", null=True),
    Column("returns_cursor", Text),  # as `cursor`, of the channel's returns
    _big("returns_read", null=True),
    _big("own_stock_read", null=True),
    _big("reconciled_at", null=True),
    _text("sites"),  # JSON: the ids of the active locations that ship for it; empty before its first turn
    _text("budgets"),  # what its last turn left of them; see core.budgets
    _text("rules"),  # the level rules its levels were computed by; others touch every item
    _big("received"),  # received = stored + repeated + quarantined
    _big("stored"),
    _big("repeated"),
    _big("quarantined"),
    _one_of("health", "ok", "unavailable", "parked"),
    CheckConstraint("received = stored + repeated + quarantined", name="nothing_dropped"),
)

credentials = Table(
    "credentials",
    metadata,
    Column("channel", Text, nullable=False),  # its name: tokens are there before its row
    Column("kind", Text, nullable=False),
    _text("origin"),  # a digest of what they were fetched with: those of another one are not given out
    Column("sealed", LargeBinary, nullable=True),  # encrypted; null while the first one is being fetched
    _big("expires_at", null=True),
    _big("renew_at", null=True),
    _text("leased_by"),  # who may renew them, empty for nobody
    _big("leased_until"),
    _big("version"),  # grows with each save
    PrimaryKeyConstraint("channel", "kind"),
)

locations = Table(
    "locations",
    metadata,
    _id(),
    Column("name", Text, nullable=False, unique=True),
    _text("title"),
    _text("postal_code"),
    _text("country"),
    Column("priority", Integer, nullable=False, server_default="100"),
    Column("active", Boolean, nullable=False, server_default=text("true")),
)

items = Table(
    "items",
    metadata,
    _id(),
    Column("sku", Text, nullable=False, unique=True),
    _text("title"),
    _count("on_hand"),
    _count("reserved"),
    *_not_negative("on_hand", "reserved"),
    CheckConstraint("reserved <= on_hand", name="nothing_sold_twice"),
)

kits = Table(
    "kits",
    metadata,
    _ref("kit_id", "items.id"),
    _ref("component_id", "items.id"),
    Column("quantity", Integer, nullable=False),
    PrimaryKeyConstraint("kit_id", "component_id"),
    CheckConstraint("quantity > 0", name="quantity_positive"),
    CheckConstraint("kit_id <> component_id", name="not_of_itself"),
    Index(None, "component_id"),
)

stock = Table(
    "stock",
    metadata,
    _ref("item_id", "items.id"),
    _ref("location_id", "locations.id"),
    _count("on_hand"),
    _count("allocated"),
    PrimaryKeyConstraint("item_id", "location_id"),
    *_not_negative("on_hand", "allocated"),
    CheckConstraint("allocated <= on_hand", name="nothing_bound_twice"),
)

ledger = Table(
    "ledger",
    metadata,
    _id(),
    _big("at"),
    _ref("item_id", "items.id"),
    _ref("location_id", "locations.id", null=True),
    _count("on_hand"),  # changes, signed
    _count("reserved"),
    _count("allocated"),
    Column("cause", Text, nullable=False, unique=True),
    _text("kind"),
    _text("actor"),
    _text("note"),
    Index(None, "item_id", "location_id"),
    _one_of("kind", "receive", "set", "adjust", "count", "ship", "ship_outside", "repair"),
)

listings = Table(
    "listings",
    metadata,
    _id(),
    _ref("channel_id", "channels.id"),
    Column("sku", Text, nullable=False),
    _ref("item_id", "items.id", null=True),
    _text("title"),
    _text("handle"),  # the connector's own words for it
    _text("fulfiller", "merchant"),
    _text("mapped_by", "nobody"),
    Column("listed", Boolean, nullable=False, server_default=text("false")),  # the channel has shown it
    _text("shown", "{}"),  # JSON: the quantities it showed then, by place
    _count("twins"),  # other listings of the same SKU there
    Column("mixed", Boolean, nullable=False, server_default=text("false")),  # some by the channel, some by the merchant
    UniqueConstraint("channel_id", "sku"),
    Index(None, "item_id"),
    _one_of("fulfiller", "merchant", "channel"),
    _one_of("mapped_by", "nobody", "sku", "operator"),
)

levels = Table(
    "levels",
    metadata,
    _ref("listing_id", "listings.id"),
    Column("place", Text, nullable=False),
    _ref("channel_id", "channels.id"),
    _count("desired"),
    Column("told", Integer),  # what the channel acknowledged last
    Column("sent", Integer),  # what the last push asked for, and at which revision
    _big("sent_revision"),
    Column("expected", Integer),  # what we believe it holds now, for channels that compare and set
    _big("revision", "1"),
    _text("state", "queued"),
    _text("ticket"),
    _text("reason"),
    _count("attempts"),
    _big("due_at"),
    _big("known_at"),  # when `expected` was true; orders placed later lower it
    PrimaryKeyConstraint("listing_id", "place"),
    *_not_negative("desired", "told"),
    _one_of("state", "queued", "sent", "accepted", "applied", "refused"),
    Index("ix_levels_due", "channel_id", "state", sqlite_where=text("state <> 'applied'"),
          postgresql_where=text("state <> 'applied'")),
)  # fmt: skip

touched = Table(
    "touched",
    metadata,
    Column("item_id", Id, ForeignKey("items.id"), primary_key=True, autoincrement=False),
    _big("mark", "1"),
)

orders = Table(
    "orders",
    metadata,
    _id(),
    _ref("channel_id", "channels.id"),
    Column("number", Text, nullable=False),
    _text("name"),
    _big("version"),
    _big("observed_at"),
    Column("digest", LargeBinary, nullable=False),
    _big("placed_at"),
    _big("imported_at"),
    _big("updated_at"),
    _text("currency"),
    _big("total"),
    _big("shipping"),
    _big("shipping_tax"),
    _big("discount"),
    _big("adjustment"),
    _big("money_off"),  # by how much the amounts miss the total; never mended
    _text("presentment_currency"),
    _big("presentment_total"),
    _text("fulfiller", "merchant"),
    Column("priced", Boolean, nullable=False),
    Column("acknowledged", Boolean, nullable=False),
    Column("test", Boolean, nullable=False),
    _text("service"),
    _big("ship_by", null=True),
    _big("deliver_by", null=True),
    _big("acknowledge_by", null=True),
    UniqueConstraint("channel_id", "number"),
    _one_of("fulfiller", "merchant", "channel"),
)

lines = Table(
    "lines",
    metadata,
    _id(),
    _ref("order_id", "orders.id"),
    Column("number", Text, nullable=False),
    _text("sku"),
    _text("title"),
    _ref("item_id", "items.id", null=True),
    _count("ordered"),
    _count("cancelled"),
    _count("cancelling"),  # of these, cancelled here and not shown as cancelled by the channel yet
    _count("shipped"),
    _count("reserved"),
    _count("backordered"),
    _count("held"),  # open units that cannot be reserved: no item is known, or the channel ships them itself
    _count("allocated"),
    _count("returned"),
    _big("unit_price"),
    _big("tax"),
    _big("discount"),
    _text("place"),
    UniqueConstraint("order_id", "number"),
    *_not_negative("ordered", "cancelled", "shipped", "reserved", "backordered", "held", "allocated", "returned"),
    CheckConstraint("ordered = cancelled + shipped + reserved + backordered + held", name="balance"),
    CheckConstraint("cancelling >= 0 AND cancelling <= cancelled", name="cancelling_is_cancelled"),
    CheckConstraint("allocated <= reserved", name="allocated_is_reserved"),
    CheckConstraint("returned <= shipped", name="returned_was_shipped"),
    Index("ix_lines_waiting", "item_id", sqlite_where=text("backordered > 0"),
          postgresql_where=text("backordered > 0")),
    Index("ix_lines_unknown", "sku", sqlite_where=text("held > 0"), postgresql_where=text("held > 0")),
    Index("ix_lines_cancelling", "order_id", sqlite_where=text("cancelling > 0"),
          postgresql_where=text("cancelling > 0")),
    Index("ix_lines_unrouted", "item_id", "order_id", sqlite_where=text("reserved > allocated"),
          postgresql_where=text("reserved > allocated")),
)  # fmt: skip

buyers = Table(
    "buyers",
    metadata,
    Column("order_id", Id, ForeignKey("orders.id"), primary_key=True, autoincrement=False),
    *(_text(name) for name in ("email", "name", "company", "line1", "line2", "city", "region")),
    *(_text(name) for name in ("postal_code", "country", "phone")),
)

documents = Table(
    "documents",
    metadata,
    _id(),
    _ref("order_id", "orders.id"),
    _big("observed_at"),
    _big("version"),
    Column("body", LargeBinary, nullable=False),
    Index(None, "order_id"),
)

holds = Table(
    "holds",
    metadata,
    _ref("order_id", "orders.id"),
    Column("hold", Text, nullable=False),
    _text("by"),
    _text("why"),
    _big("since"),
    PrimaryKeyConstraint("order_id", "hold"),
)

reservations = Table(
    "reservations",
    metadata,
    _ref("line_id", "lines.id"),
    _ref("item_id", "items.id"),
    Column("per", Integer, nullable=False),  # units of the item in one unit of the line: 1, or a kit's
    Column("quantity", Integer, nullable=False),
    PrimaryKeyConstraint("line_id", "item_id"),
    CheckConstraint("quantity > 0 AND per > 0", name="positive"),
    CheckConstraint("quantity % per = 0", name="whole_units"),
    Index(None, "item_id"),
)

fulfilment_orders = Table(
    "fulfilment_orders",
    metadata,
    _id(),
    _ref("order_id", "orders.id"),
    _ref("location_id", "locations.id"),
    _text("state", "planned"),
    _text("decision", "{}"),  # JSON: every candidate with the rule that dropped or ranked it
    _big("created_at"),
    _big("released_at", null=True),
    _one_of("state", "planned", "released", "done", "cancelled"),
    Index(None, "order_id"),
    Index("ix_fulfilment_orders_planned", "id", sqlite_where=text("state = 'planned'"),
          postgresql_where=text("state = 'planned'")),
)  # fmt: skip

fulfilment_lines = Table(
    "fulfilment_lines",
    metadata,
    _ref("fulfilment_order_id", "fulfilment_orders.id"),
    _ref("line_id", "lines.id"),
    Column("quantity", Integer, nullable=False),  # units of the line this location is asked for, shipped ones included
    _count("shipped"),
    PrimaryKeyConstraint("fulfilment_order_id", "line_id"),
    CheckConstraint("shipped >= 0 AND shipped <= quantity", name="shipped_was_asked"),
    Index(None, "line_id"),
)

shipments = Table(
    "shipments",
    metadata,
    _id(),
    _ref("order_id", "orders.id"),
    _ref("location_id", "locations.id", null=True),
    _text("carrier"),
    _text("tracking"),
    _text("service"),
    _text("tracking_url"),
    _text("origin", "operator"),
    _big("shipped_at"),
    UniqueConstraint("order_id", "tracking"),
    _one_of("origin", "operator", "warehouse", "channel"),
)

corrections = Table(
    "corrections",
    metadata,
    _id(),
    _ref("shipment_id", "shipments.id"),
    _ref("order_id", "orders.id"),
    Column("tracking", Text, nullable=False),  # the number the parcel had: named again, it is the same parcel
    _text("carrier"),
    _text("actor"),
    _big("at"),
    UniqueConstraint("order_id", "tracking"),
    Index(None, "shipment_id"),
)

shipment_lines = Table(
    "shipment_lines",
    metadata,
    _ref("shipment_id", "shipments.id"),
    _ref("line_id", "lines.id"),
    Column("quantity", Integer, nullable=False),
    PrimaryKeyConstraint("shipment_id", "line_id"),
    CheckConstraint("quantity > 0", name="quantity_positive"),
    Index(None, "line_id"),
)

pushes = Table(
    "pushes",
    metadata,
    _id(),
    _ref("channel_id", "channels.id"),
    _text("kind"),
    Column("key", Text, nullable=False),
    _ref("order_id", "orders.id"),
    _ref("shipment_id", "shipments.id", null=True),
    Column("generation", Integer, nullable=False, server_default="1"),  # grows with each correction or renewed attempt
    _text("argument"),  # JSON: what is to be said
    Column("digest", LargeBinary),  # of `argument` as it was first sent; null before that
    _text("state", "queued"),
    _text("ticket"),
    _text("reason"),
    _count("attempts"),
    _big("due_at"),
    _big("created_at"),
    _big("updated_at"),
    _big("warned_at", null=True),  # when it was told that its deadline is near
    UniqueConstraint("kind", "key"),
    CheckConstraint("generation > 0", name="generation_positive"),
    _one_of("kind", "tracking", "acknowledge", "cancel", "refund"),
    _one_of("state", "queued", "sent", "unknown", "accepted", "applied", "confirmed", "refused", "dropped"),
    Index(None, "order_id"),
    Index("ix_pushes_due", "channel_id", "kind", sqlite_where=text("state IN ('queued','sent','unknown','accepted')"),
          postgresql_where=text("state IN ('queued','sent','unknown','accepted')")),
)  # fmt: skip

refunds = Table(
    "refunds",
    metadata,
    _id(),
    _ref("order_id", "orders.id"),
    Column("number", Text, nullable=False),  # the channel's
    _big("at"),
    _big("amount"),
    _text("lines", "{}"),  # JSON: units by line number
    _text("origin", "channel"),  # whether it was decided here
    _ref("push_id", "pushes.id", null=True),
    UniqueConstraint("order_id", "number"),
    UniqueConstraint("push_id"),
    CheckConstraint("amount > 0", name="amount_positive"),
    _one_of("origin", "ours", "channel"),
)

quarantine = Table(
    "quarantine",
    metadata,
    _id(),
    _ref("channel_id", "channels.id"),
    _text("kind", "order"),
    _text("number"),
    Column("digest", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    _text("reason"),
    _big("observed_at"),
    _text("state", "open"),
    _big("resolved_at", null=True),
    UniqueConstraint("channel_id", "digest"),
    _one_of("state", "open", "resolved"),
    _one_of("kind", "order", "return"),
)

audit = Table(
    "audit",
    metadata,
    _id(),
    _big("at"),
    _text("actor"),
    _ref("channel_id", "channels.id", null=True),
    _ref("order_id", "orders.id", null=True),
    _text("event"),
    _text("detail"),
    Index(None, "order_id"),
)

requests = Table(
    "requests",
    metadata,
    _id(),
    _ref("channel_id", "channels.id"),
    _text("kind"),
    _text("argument", "{}"),
    _big("asked_at"),
    _big("done_at", null=True),
    _text("outcome"),
    _one_of("kind", "orders", "since", "levels", "reconcile"),
    Index(
        "ix_requests_open", "channel_id", sqlite_where=text("done_at IS NULL"), postgresql_where=text("done_at IS NULL")
    ),
)

own_stock = Table(
    "own_stock",
    metadata,
    _ref("channel_id", "channels.id"),
    Column("sku", Text, nullable=False),
    _count("on_hand"),
    _count("available"),
    _count("incoming"),
    _big("read_at"),
    PrimaryKeyConstraint("channel_id", "sku"),
    *_not_negative("on_hand", "available", "incoming"),
)

returns = Table(
    "returns",
    metadata,
    _id(),
    _ref("channel_id", "channels.id"),
    Column("number", Text, nullable=False),
    _text("order_number"),  # the channel's; its order need not be here: a return may come without one
    _big("version"),
    _big("observed_at"),
    Column("digest", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),  # the newest document
    _text("state"),
    _big("requested_at"),
    _big("updated_at"),
    _text("carrier"),
    _text("tracking"),
    UniqueConstraint("channel_id", "number"),
    Index(None, "channel_id", "order_number"),
    _one_of("state", "requested", "authorised", "delivered", "closed", "called_off"),
)

return_lines = Table(
    "return_lines",
    metadata,
    _ref("return_id", "returns.id"),
    Column("number", Text, nullable=False),
    _text("order_line"),  # the channel's number of the order's line
    _text("sku"),
    Column("quantity", Integer, nullable=False),
    _count("refunded"),
    _text("reason"),
    PrimaryKeyConstraint("return_id", "number"),
    CheckConstraint("quantity > 0", name="quantity_positive"),
    *_not_negative("refunded"),
)

backfills = Table(
    "backfills",
    metadata,
    _id(),
    _ref("channel_id", "channels.id"),
    _big("since"),
    _big("until"),
    Column("cursor", Text),  # the connector's own; null until the first page is stored
    _text("state", "open"),
    _text("reason"),  # why it failed, ending in what to do
    _big("asked_at"),
    _big("due_at"),  # not before: the budget is the live pull's until then
    _big("done_at", null=True),
    _big("reached", null=True),  # placed_at of the newest order of the last page
    _big("received"),
    _big("stored"),
    _big("quarantined"),
    _one_of("state", "open", "done", "stopped", "failed"),
    CheckConstraint("since < until", name="since_before_until"),
    Index("ix_backfills_open", "channel_id", sqlite_where=text("state = 'open'"),
          postgresql_where=text("state = 'open'")),
)  # fmt: skip

reconciliations = Table(
    "reconciliations",
    metadata,
    _id(),
    _ref("channel_id", "channels.id"),
    _big("at"),
    _big("since"),
    _big("until"),
    Column("orders_there", Integer),  # null where the channel cannot be asked for the roll
    Column("orders_here", Integer),
    Column("levels", Integer),  # compared; null where levels cannot be read back
    _count("explained"),
    _count("unexplained"),
    Index(None, "channel_id"),
)

differences = Table(
    "differences",
    metadata,
    _id(),
    _ref("reconciliation_id", "reconciliations.id"),
    _text("kind"),
    _text("subject"),
    _text("there"),
    _text("here"),
    _text("cause"),
    _text("told"),
    Index(None, "reconciliation_id"),
    _one_of("kind", "order", "level"),
    _one_of("cause", "in_flight", "unacknowledged", "rules", "outside_edit", "quarantined", "gone", "unexplained"),
)

hints = Table(
    "hints",
    metadata,
    _ref("channel_id", "channels.id"),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),  # what `fetch` takes, a listing's handle, or a notice's own id
    Column("place", Text, nullable=False),
    Column("quantity", Integer),  # of a level: what the channel says it holds
    _text("reason"),
    Column("parks", Boolean, nullable=False, server_default=text("false")),
    _big("happened_at"),  # by the channel's clock
    _big("received_at"),
    _big("due_at"),
    _count("attempts"),
    _big("mark", "1"),  # grows with each further hint of the same thing: one that comes during a look is not lost
    PrimaryKeyConstraint("channel_id", "kind", "subject", "place"),
    _one_of("kind", "order", "level", "account"),
)

heard = Table(
    "heard",
    metadata,
    _ref("channel_id", "channels.id"),
    Column("event", Text, nullable=False),  # the channel's own id of it
    _big("received_at"),
    PrimaryKeyConstraint("channel_id", "event"),
    Index(None, "received_at"),
)

hearing = Table(
    "hearing",
    metadata,
    Column("channel_id", Id, ForeignKey("channels.id"), primary_key=True, autoincrement=False),
    _big("received"),
    _big("repeated"),
    _big("refused"),
    _big("last_received", null=True),
    _big("last_refused", null=True),
    _text("refusal"),  # why the last one was refused
    _big("audited_at", null=True),  # when the channel's subscriptions were last looked at
    _text("subscribed_to"),  # the address they had to be for
    _text("audit_trouble"),  # why it does not tell us of all changes, ending in what to do
    _text("queue_trouble"),  # why its queue cannot be listened to, likewise
)
