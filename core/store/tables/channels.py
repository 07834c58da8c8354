"""Channels: how far each has come, what it told and was asked, and what keeps it."""

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
    text,
)

from core.store.tables.base import Id, big, count, metadata, not_negative, one_of, own_id, ref, words

channels = Table(
    "channels",
    metadata,
    own_id(),
    Column("name", Text, nullable=False, unique=True),
    words("connector"),
    Column("cursor", Text),  # the connector's own; null until the first page is stored
    big("epoch"),  # grows whenever a worker takes the channel up; a stale worker commits nothing
    words("health", "ok"),
    words("reason"),  # why it is not ok, ending in what to do
    count("fails"),
    big("next_due"),
    big("wake_at", null=True),  # when something that waits for its time (a feed, a retry) is due
    big("wanted"),  # grows with each poke
    big("done"),  # the `wanted` that the last finished round had seen
    big("since"),  # orders placed before this instant do not move stock when they are first seen shipped
    big("last_pull", null=True),
    big("last_success", null=True),
    big("outage_since", null=True),
    big("listings_read", null=True),
    Column("returns_cursor", Text),  # as `cursor`, of the channel's returns
    big("returns_read", null=True),
    big("own_stock_read", null=True),
    big("reconciled_at", null=True),
    big("judged_to"),  # addresses of its orders are judged up to this document's id
    words("sites"),  # JSON: the ids of the active locations that ship for it; empty before its first turn
    words("budgets"),  # what its last turn left of them; see core.budgets
    words("rules"),  # the level rules its levels were computed by; others touch every item
    big("received"),  # received = stored + repeated + quarantined
    big("stored"),
    big("repeated"),
    big("quarantined"),
    one_of("health", "ok", "unavailable", "parked"),
    CheckConstraint("received = stored + repeated + quarantined", name="nothing_dropped"),
)

credentials = Table(
    "credentials",
    metadata,
    Column("channel", Text, nullable=False),  # its name: tokens are there before its row
    Column("kind", Text, nullable=False),
    words("origin"),  # a digest of what they were fetched with: those of another one are not given out
    Column("sealed", LargeBinary, nullable=True),  # encrypted; null while the first one is being fetched
    big("expires_at", null=True),
    big("renew_at", null=True),
    words("leased_by"),  # who may renew them, empty for nobody
    big("leased_until"),
    big("version"),  # grows with each save
    PrimaryKeyConstraint("channel", "kind"),
)

requests = Table(
    "requests",
    metadata,
    own_id(),
    ref("channel_id", "channels.id"),
    words("kind"),
    words("argument", "{}"),
    big("asked_at"),
    big("done_at", null=True),
    words("outcome"),
    one_of("kind", "orders", "since", "levels", "reconcile"),
    Index(
        "ix_requests_open", "channel_id", sqlite_where=text("done_at IS NULL"), postgresql_where=text("done_at IS NULL")
    ),
)

own_stock = Table(
    "own_stock",
    metadata,
    ref("channel_id", "channels.id"),
    Column("sku", Text, nullable=False),
    count("on_hand"),
    count("available"),
    count("incoming"),
    big("read_at"),
    PrimaryKeyConstraint("channel_id", "sku"),
    *not_negative("on_hand", "available", "incoming"),
)

backfills = Table(
    "backfills",
    metadata,
    own_id(),
    ref("channel_id", "channels.id"),
    big("since"),
    big("until"),
    Column("cursor", Text),  # the connector's own; null until the first page is stored
    words("state", "open"),
    words("reason"),  # why it failed, ending in what to do
    big("asked_at"),
    big("due_at"),  # not before: the budget is the live pull's until then
    big("done_at", null=True),
    big("reached", null=True),  # placed_at of the newest order of the last page
    big("received"),
    big("stored"),
    big("quarantined"),
    one_of("state", "open", "done", "stopped", "failed"),
    CheckConstraint("since < until", name="since_before_until"),
    Index("ix_backfills_open", "channel_id", sqlite_where=text("state = 'open'"),
          postgresql_where=text("state = 'open'")),
)  # fmt: skip

reconciliations = Table(
    "reconciliations",
    metadata,
    own_id(),
    ref("channel_id", "channels.id"),
    big("at"),
    big("since"),
    big("until"),
    Column("orders_there", Integer),  # null where the channel cannot be asked for the roll
    Column("orders_here", Integer),
    Column("levels", Integer),  # compared; null where levels cannot be read back
    count("explained"),
    count("unexplained"),
    Index(None, "channel_id"),
)

differences = Table(
    "differences",
    metadata,
    own_id(),
    ref("reconciliation_id", "reconciliations.id"),
    words("kind"),
    words("subject"),
    words("there"),
    words("here"),
    words("cause"),
    words("told"),
    Index(None, "reconciliation_id"),
    one_of("kind", "order", "level"),
    one_of("cause", "in_flight", "unacknowledged", "rules", "outside_edit", "quarantined", "gone", "unexplained"),
)

hints = Table(
    "hints",
    metadata,
    ref("channel_id", "channels.id"),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),  # what `fetch` takes, a listing's handle, or a notice's own id
    Column("place", Text, nullable=False),
    Column("quantity", Integer),  # of a level: what the channel says it holds
    words("reason"),
    Column("parks", Boolean, nullable=False, server_default=text("false")),
    big("happened_at"),  # by the channel's clock
    big("received_at"),
    big("due_at"),
    count("attempts"),
    big("mark", "1"),  # grows with each further hint of the same thing: one that comes during a look is not lost
    PrimaryKeyConstraint("channel_id", "kind", "subject", "place"),
    one_of("kind", "order", "level", "account"),
)

heard = Table(
    "heard",
    metadata,
    ref("channel_id", "channels.id"),
    Column("event", Text, nullable=False),  # the channel's own id of it
    big("received_at"),
    PrimaryKeyConstraint("channel_id", "event"),
    Index(None, "received_at"),
)

hearing = Table(
    "hearing",
    metadata,
    Column("channel_id", Id, ForeignKey("channels.id"), primary_key=True, autoincrement=False),
    big("received"),
    big("repeated"),
    big("refused"),
    big("last_received", null=True),
    big("last_refused", null=True),
    words("refusal"),  # why the last one was refused
    big("audited_at", null=True),  # when the channel's subscriptions were last looked at
    words("subscribed_to"),  # the address they had to be for
    words("audit_trouble"),  # why it does not tell us of all changes, ending in what to do
    words("queue_trouble"),  # why its queue cannot be listened to, likewise
)
