"""Items, where they lie, and what each channel offers of them."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from core.store.tables.base import Id, big, count, metadata, not_negative, one_of, own_id, ref, words

locations = Table(
    "locations",
    metadata,
    own_id(),
    Column("name", Text, nullable=False, unique=True),
    words("title"),
    words("postal_code"),
    words("country"),
    Column("priority", Integer, nullable=False, server_default="100"),
    Column("active", Boolean, nullable=False, server_default=text("true")),
    count("keep"),  # units of every item that stay there for its own counter
    words("paused"),  # why nothing is routed there for now
    big("paused_at", null=True),
)

items = Table(
    "items",
    metadata,
    own_id(),
    Column("sku", Text, nullable=False, unique=True),
    words("title"),
    count("on_hand"),
    count("reserved"),
    words("needs"),  # what it needs of a location, its capabilities, with spaces between
    count("weight"),  # of a unit, in grams
    big("cost", null=True),  # of one unit, millionths of `currency`; null where nobody said
    words("currency"),
    *not_negative("on_hand", "reserved"),
    CheckConstraint("reserved <= on_hand", name="nothing_sold_twice"),
)

kits = Table(
    "kits",
    metadata,
    ref("kit_id", "items.id"),
    ref("component_id", "items.id"),
    Column("quantity", Integer, nullable=False),
    PrimaryKeyConstraint("kit_id", "component_id"),
    CheckConstraint("quantity > 0", name="quantity_positive"),
    CheckConstraint("kit_id <> component_id", name="not_of_itself"),
    Index(None, "component_id"),
)

stock = Table(
    "stock",
    metadata,
    ref("item_id", "items.id"),
    ref("location_id", "locations.id"),
    count("on_hand"),
    count("allocated"),
    PrimaryKeyConstraint("item_id", "location_id"),
    *not_negative("on_hand", "allocated"),
    CheckConstraint("allocated <= on_hand", name="nothing_bound_twice"),
)

ledger = Table(
    "ledger",
    metadata,
    own_id(),
    big("at"),
    ref("item_id", "items.id"),
    ref("location_id", "locations.id", null=True),
    count("on_hand"),  # changes, signed
    count("reserved"),
    count("allocated"),
    Column("cause", Text, nullable=False, unique=True),
    words("kind"),
    words("actor"),
    words("note"),
    ref("incoming_id", "incoming.id", null=True),  # what was expected, where these units belong to it
    Index(None, "item_id", "location_id"),
    Index(None, "at"),
    Index("ix_ledger_incoming", "incoming_id", sqlite_where=text("incoming_id IS NOT NULL"),
          postgresql_where=text("incoming_id IS NOT NULL")),
    Index("ix_ledger_counted", "item_id", "at", sqlite_where=text("kind IN ('count','set')"),
          postgresql_where=text("kind IN ('count','set')")),
    one_of("kind", "receive", "set", "adjust", "count", "ship", "ship_outside", "repair", "transfer", "void", "return",
           "remap"),
)  # fmt: skip

incoming = Table(
    "incoming",
    metadata,
    own_id(),
    ref("item_id", "items.id"),
    ref("location_id", "locations.id"),  # where it is to come
    ref("from_id", "locations.id", null=True),  # of a transfer: the location it left
    Column("quantity", Integer, nullable=False),
    count("received"),
    count("lost"),  # of a transfer: left there, and will come nowhere
    big("eta", null=True),
    words("source", "purchase"),
    Column("reference", Text, nullable=False),
    words("note"),
    words("state", "open"),
    words("actor"),
    big("created_at"),
    big("updated_at"),
    UniqueConstraint("reference", "item_id", "location_id"),  # one purchase order brings many items
    CheckConstraint("quantity > 0", name="quantity_positive"),
    *not_negative("received", "lost"),
    CheckConstraint("(source = 'transfer') = (from_id IS NOT NULL)", name="transfers_left_somewhere"),
    CheckConstraint("source <> 'transfer' OR received + lost <= quantity", name="no_more_than_was_sent"),
    CheckConstraint("source = 'transfer' OR lost = 0", name="only_transfers_are_lost"),
    CheckConstraint("state <> 'open' OR received + lost < quantity", name="open_until_all_came"),
    one_of("source", "purchase", "transfer"),
    one_of("state", "open", "received", "cancelled"),
    Index("ix_incoming_open", "item_id", "location_id", sqlite_where=text("state = 'open'"),
          postgresql_where=text("state = 'open'")),
)  # fmt: skip

listings = Table(
    "listings",
    metadata,
    own_id(),
    ref("channel_id", "channels.id"),
    Column("sku", Text, nullable=False),
    ref("item_id", "items.id", null=True),
    words("title"),
    words("handle"),  # the connector's own words for it
    words("fulfiller", "merchant"),
    words("mapped_by", "nobody"),
    Column("listed", Boolean, nullable=False, server_default=text("false")),  # the channel has shown it
    words("shown", "{}"),  # JSON: the quantities it showed then, by place
    count("twins"),  # other listings of the same SKU there
    Column("mixed", Boolean, nullable=False, server_default=text("false")),  # some by the channel, some by the merchant
    Column("buffer", Integer),  # its own rules; null: the channel's
    Column("cap", Integer),
    Column("percent", Integer),
    Column("stopped", Boolean, nullable=False, server_default=text("false")),  # nothing of it is offered
    UniqueConstraint("channel_id", "sku"),
    Index(None, "item_id"),
    one_of("fulfiller", "merchant", "channel"),
    one_of("mapped_by", "nobody", "sku", "operator"),
    *not_negative("buffer", "cap"),
    CheckConstraint("percent BETWEEN 1 AND 100", name="percent"),
)

levels = Table(
    "levels",
    metadata,
    ref("listing_id", "listings.id"),
    Column("place", Text, nullable=False),
    ref("channel_id", "channels.id"),
    count("desired"),
    Column("told", Integer),  # what the channel acknowledged last
    Column("sent", Integer),  # what the last push asked for, and at which revision
    big("sent_revision"),
    Column("expected", Integer),  # what we believe it holds now, for channels that compare and set
    big("revision", "1"),
    words("state", "queued"),
    words("ticket"),
    words("reason"),
    count("attempts"),
    big("due_at"),
    big("fell_at"),  # since when there is less than the channel was told; 0 while there is not
    big("known_at"),  # when `expected` was true; orders placed later lower it
    big("wanted_at", null=True),  # since when it is not as the channel was told; null when it is
    PrimaryKeyConstraint("listing_id", "place"),
    *not_negative("desired", "told"),
    one_of("state", "queued", "sent", "accepted", "applied", "refused"),
    Index("ix_levels_due", "channel_id", "state", sqlite_where=text("state <> 'applied'"),
          postgresql_where=text("state <> 'applied'")),
)  # fmt: skip

presales = Table(
    "presales",  # items that may be sold although they are not there
    metadata,
    Column("item_id", Id, ForeignKey("items.id"), primary_key=True, autoincrement=False),
    words("kind", "preorder"),
    big("until", null=True),  # of a pre-order: when it is over
    Column("cap", Integer),  # most units promised before they are there; null: no more is offered than is there
    words("ships", "date"),  # of a pre-order: on its date, or once stock is there
    words("by"),
    big("since"),
    count("ahead"),  # units offered beside what is free, as the levels were computed last; below zero: fewer
    one_of("kind", "preorder", "backorder"),
    one_of("ships", "date", "stock"),
    *not_negative("cap"),
    CheckConstraint("(kind = 'preorder') = (until IS NOT NULL)", name="preorders_end"),
    CheckConstraint("kind = 'preorder' OR cap IS NOT NULL", name="backorders_are_capped"),
)

touched = Table(
    "touched",
    metadata,
    Column("item_id", Id, ForeignKey("items.id"), primary_key=True, autoincrement=False),
    big("mark", "1"),
)

# How large buffers must be: see core.demand. Kept only while some channel's buffer follows demand.

demand = Table(
    "demand",
    metadata,
    ref("item_id", "items.id"),
    ref("channel_id", "channels.id"),
    big("at"),
    big("since"),
    big("slow_units"),  # sums in millionths
    big("slow_squares"),
    big("fast_units"),
    big("fast_squares"),
    PrimaryKeyConstraint("item_id", "channel_id"),
)

windows = Table(
    "windows",
    metadata,
    Column("channel_id", Id, ForeignKey("channels.id"), primary_key=True, autoincrement=False),
    words("intake", "{}"),  # JSON: how long its orders took until they were here, counts by class
    words("told", "{}"),  # likewise, how long its levels took until it had accepted them
)

buffers = Table(
    "buffers",
    metadata,
    ref("channel_id", "channels.id"),
    ref("item_id", "items.id"),
    Column("units", Integer, nullable=False),
    PrimaryKeyConstraint("channel_id", "item_id"),
    CheckConstraint("units > 0", name="units_positive"),
    Index(None, "item_id"),
)

marks = Table(
    "marks",
    metadata,
    Column("name", Text, primary_key=True),  # of something done every now and then
    big("at"),  # when it was done last
    big("reached"),  # how far it came: an id
)

# What was: kept for `history_days`, read by `ordersync stock history`, and by nothing else.

moves = Table(
    "moves",  # how promises moved: one row a transaction, which is what keeps it cheap; see docs/decisions/0028
    metadata,
    own_id(),
    big("at"),
    Column("changes", Text, nullable=False),  # JSON: [[item's id, reserved, {location's id: allocated}], …], signed
    Index(None, "at"),
)

tellings = Table(
    "tellings",  # what channels took, level by level
    metadata,
    own_id(),
    big("at"),
    ref("listing_id", "listings.id"),
    Column("place", Text, nullable=False),
    count("units"),
    words("state"),
    Index(None, "listing_id"),
    one_of("state", "accepted", "applied"),
)
