"""the first schema"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "channels",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("connector", sa.Text(), server_default="", nullable=False),
        sa.Column("cursor", sa.Text(), nullable=True),
        sa.Column("epoch", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("health", sa.Text(), server_default="ok", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("fails", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_due", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("wake_at", sa.BigInteger(), nullable=True),
        sa.Column("wanted", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("done", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("since", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("last_pull", sa.BigInteger(), nullable=True),
        sa.Column("last_success", sa.BigInteger(), nullable=True),
        sa.Column("outage_since", sa.BigInteger(), nullable=True),
        sa.Column("listings_read", sa.BigInteger(), nullable=True),
        sa.Column("rules", sa.Text(), server_default="", nullable=False),
        sa.Column("received", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("stored", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("repeated", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("quarantined", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("health IN ('ok', 'unavailable', 'parked')", name=op.f("ck_channels_health")),
        sa.CheckConstraint("received = stored + repeated + quarantined", name=op.f("ck_channels_nothing_dropped")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channels")),
        sa.UniqueConstraint("name", name=op.f("uq_channels_name")),
    )
    op.create_table(
        "items",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column("on_hand", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reserved", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("on_hand >= 0", name=op.f("ck_items_on_hand_not_negative")),
        sa.CheckConstraint("reserved <= on_hand", name=op.f("ck_items_nothing_sold_twice")),
        sa.CheckConstraint("reserved >= 0", name=op.f("ck_items_reserved_not_negative")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_items")),
        sa.UniqueConstraint("sku", name=op.f("uq_items_sku")),
    )
    op.create_table(
        "locations",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column("postal_code", sa.Text(), server_default="", nullable=False),
        sa.Column("country", sa.Text(), server_default="", nullable=False),
        sa.Column("priority", sa.Integer(), server_default="100", nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("(true)"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_locations")),
        sa.UniqueConstraint("name", name=op.f("uq_locations_name")),
    )
    op.create_table(
        "kits",
        sa.Column("kit_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("component_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.CheckConstraint("kit_id <> component_id", name=op.f("ck_kits_not_of_itself")),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_kits_quantity_positive")),
        sa.ForeignKeyConstraint(["component_id"], ["items.id"], name=op.f("fk_kits_component_id")),
        sa.ForeignKeyConstraint(["kit_id"], ["items.id"], name=op.f("fk_kits_kit_id")),
        sa.PrimaryKeyConstraint("kit_id", "component_id", name=op.f("pk_kits")),
    )
    with op.batch_alter_table("kits", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_kits_component_id"), ["component_id"], unique=False)

    op.create_table(
        "ledger",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("location_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("on_hand", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reserved", sa.Integer(), server_default="0", nullable=False),
        sa.Column("allocated", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.Column("actor", sa.Text(), server_default="", nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint(
            "kind IN ('receive', 'set', 'adjust', 'count', 'ship', 'ship_outside', 'repair')",
            name=op.f("ck_ledger_kind"),
        ),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_ledger_item_id")),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_ledger_location_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger")),
        sa.UniqueConstraint("cause", name=op.f("uq_ledger_cause")),
    )
    with op.batch_alter_table("ledger", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_ledger_item_id_location_id"), ["item_id", "location_id"], unique=False)

    op.create_table(
        "listings",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("channel_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column("handle", sa.Text(), server_default="", nullable=False),
        sa.Column("fulfiller", sa.Text(), server_default="merchant", nullable=False),
        sa.Column("mapped_by", sa.Text(), server_default="nobody", nullable=False),
        sa.Column("listed", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.CheckConstraint("fulfiller IN ('merchant', 'channel')", name=op.f("ck_listings_fulfiller")),
        sa.CheckConstraint("mapped_by IN ('nobody', 'sku', 'operator')", name=op.f("ck_listings_mapped_by")),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_listings_channel_id")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_listings_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_listings")),
        sa.UniqueConstraint("channel_id", "sku", name=op.f("uq_listings_channel_id_sku")),
    )
    with op.batch_alter_table("listings", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_listings_item_id"), ["item_id"], unique=False)

    op.create_table(
        "orders",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("channel_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("observed_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("placed_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("imported_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("updated_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("currency", sa.Text(), server_default="", nullable=False),
        sa.Column("total", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("shipping", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("shipping_tax", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("discount", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("adjustment", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("money_off", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("presentment_currency", sa.Text(), server_default="", nullable=False),
        sa.Column("presentment_total", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("fulfiller", sa.Text(), server_default="merchant", nullable=False),
        sa.Column("priced", sa.Boolean(), nullable=False),
        sa.Column("acknowledged", sa.Boolean(), nullable=False),
        sa.Column("test", sa.Boolean(), nullable=False),
        sa.Column("service", sa.Text(), server_default="", nullable=False),
        sa.Column("ship_by", sa.BigInteger(), nullable=True),
        sa.Column("deliver_by", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("fulfiller IN ('merchant', 'channel')", name=op.f("ck_orders_fulfiller")),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_orders_channel_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sa.UniqueConstraint("channel_id", "number", name=op.f("uq_orders_channel_id_number")),
    )
    op.create_table(
        "quarantine",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("channel_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Text(), server_default="", nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("observed_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("resolved_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("state IN ('open', 'resolved')", name=op.f("ck_quarantine_state")),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_quarantine_channel_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantine")),
        sa.UniqueConstraint("channel_id", "digest", name=op.f("uq_quarantine_channel_id_digest")),
    )
    op.create_table(
        "requests",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("channel_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.Column("argument", sa.Text(), server_default="{}", nullable=False),
        sa.Column("asked_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("kind IN ('orders', 'since', 'levels')", name=op.f("ck_requests_kind")),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_requests_channel_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_requests")),
    )
    with op.batch_alter_table("requests", schema=None) as batch_op:
        batch_op.create_index(
            "ix_requests_open",
            ["channel_id"],
            unique=False,
            sqlite_where=sa.text("done_at IS NULL"),
            postgresql_where=sa.text("done_at IS NULL"),
        )

    op.create_table(
        "stock",
        sa.Column("item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("location_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("on_hand", sa.Integer(), server_default="0", nullable=False),
        sa.Column("allocated", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("allocated <= on_hand", name=op.f("ck_stock_nothing_bound_twice")),
        sa.CheckConstraint("allocated >= 0", name=op.f("ck_stock_allocated_not_negative")),
        sa.CheckConstraint("on_hand >= 0", name=op.f("ck_stock_on_hand_not_negative")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_stock_item_id")),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_stock_location_id")),
        sa.PrimaryKeyConstraint("item_id", "location_id", name=op.f("pk_stock")),
    )
    op.create_table(
        "touched",
        sa.Column("item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("mark", sa.BigInteger(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_touched_item_id")),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_touched")),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("actor", sa.Text(), server_default="", nullable=False),
        sa.Column("channel_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("order_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("event", sa.Text(), server_default="", nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_audit_channel_id")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_audit_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_audit_order_id"), ["order_id"], unique=False)

    op.create_table(
        "buyers",
        sa.Column(
            "order_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("email", sa.Text(), server_default="", nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("company", sa.Text(), server_default="", nullable=False),
        sa.Column("line1", sa.Text(), server_default="", nullable=False),
        sa.Column("line2", sa.Text(), server_default="", nullable=False),
        sa.Column("city", sa.Text(), server_default="", nullable=False),
        sa.Column("region", sa.Text(), server_default="", nullable=False),
        sa.Column("postal_code", sa.Text(), server_default="", nullable=False),
        sa.Column("country", sa.Text(), server_default="", nullable=False),
        sa.Column("phone", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_buyers_order_id")),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_buyers")),
    )
    op.create_table(
        "documents",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("order_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("observed_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_documents_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_documents")),
    )
    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_documents_order_id"), ["order_id"], unique=False)

    op.create_table(
        "fulfilment_orders",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("order_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("location_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("state", sa.Text(), server_default="planned", nullable=False),
        sa.Column("decision", sa.Text(), server_default="{}", nullable=False),
        sa.Column("created_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("released_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state IN ('planned', 'released', 'done', 'cancelled')", name=op.f("ck_fulfilment_orders_state")
        ),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_fulfilment_orders_location_id")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_fulfilment_orders_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fulfilment_orders")),
    )
    with op.batch_alter_table("fulfilment_orders", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_fulfilment_orders_order_id"), ["order_id"], unique=False)
        batch_op.create_index(
            "ix_fulfilment_orders_planned",
            ["id"],
            unique=False,
            sqlite_where=sa.text("state = 'planned'"),
            postgresql_where=sa.text("state = 'planned'"),
        )

    op.create_table(
        "holds",
        sa.Column("order_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("hold", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), server_default="", nullable=False),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.Column("since", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_holds_order_id")),
        sa.PrimaryKeyConstraint("order_id", "hold", name=op.f("pk_holds")),
    )
    op.create_table(
        "levels",
        sa.Column("listing_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("channel_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("desired", sa.Integer(), server_default="0", nullable=False),
        sa.Column("told", sa.Integer(), nullable=True),
        sa.Column("sent", sa.Integer(), nullable=True),
        sa.Column("sent_revision", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("expected", sa.Integer(), nullable=True),
        sa.Column("revision", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("ticket", sa.Text(), server_default="", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("known_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "state IN ('queued', 'sent', 'accepted', 'applied', 'refused')", name=op.f("ck_levels_state")
        ),
        sa.CheckConstraint("desired >= 0", name=op.f("ck_levels_desired_not_negative")),
        sa.CheckConstraint("told >= 0", name=op.f("ck_levels_told_not_negative")),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_levels_channel_id")),
        sa.ForeignKeyConstraint(["listing_id"], ["listings.id"], name=op.f("fk_levels_listing_id")),
        sa.PrimaryKeyConstraint("listing_id", "place", name=op.f("pk_levels")),
    )
    with op.batch_alter_table("levels", schema=None) as batch_op:
        batch_op.create_index(
            "ix_levels_due",
            ["channel_id", "state"],
            unique=False,
            sqlite_where=sa.text("state <> 'applied'"),
            postgresql_where=sa.text("state <> 'applied'"),
        )

    op.create_table(
        "lines",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("order_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("sku", sa.Text(), server_default="", nullable=False),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column("item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("ordered", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cancelled", sa.Integer(), server_default="0", nullable=False),
        sa.Column("shipped", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reserved", sa.Integer(), server_default="0", nullable=False),
        sa.Column("backordered", sa.Integer(), server_default="0", nullable=False),
        sa.Column("held", sa.Integer(), server_default="0", nullable=False),
        sa.Column("allocated", sa.Integer(), server_default="0", nullable=False),
        sa.Column("returned", sa.Integer(), server_default="0", nullable=False),
        sa.Column("unit_price", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tax", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("discount", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("place", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("allocated <= reserved", name=op.f("ck_lines_allocated_is_reserved")),
        sa.CheckConstraint("allocated >= 0", name=op.f("ck_lines_allocated_not_negative")),
        sa.CheckConstraint("backordered >= 0", name=op.f("ck_lines_backordered_not_negative")),
        sa.CheckConstraint("cancelled >= 0", name=op.f("ck_lines_cancelled_not_negative")),
        sa.CheckConstraint("held >= 0", name=op.f("ck_lines_held_not_negative")),
        sa.CheckConstraint(
            "ordered = cancelled + shipped + reserved + backordered + held", name=op.f("ck_lines_balance")
        ),
        sa.CheckConstraint("ordered >= 0", name=op.f("ck_lines_ordered_not_negative")),
        sa.CheckConstraint("reserved >= 0", name=op.f("ck_lines_reserved_not_negative")),
        sa.CheckConstraint("returned <= shipped", name=op.f("ck_lines_returned_was_shipped")),
        sa.CheckConstraint("returned >= 0", name=op.f("ck_lines_returned_not_negative")),
        sa.CheckConstraint("shipped >= 0", name=op.f("ck_lines_shipped_not_negative")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_lines_item_id")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_lines_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lines")),
        sa.UniqueConstraint("order_id", "number", name=op.f("uq_lines_order_id_number")),
    )
    with op.batch_alter_table("lines", schema=None) as batch_op:
        batch_op.create_index(
            "ix_lines_unknown",
            ["sku"],
            unique=False,
            sqlite_where=sa.text("held > 0"),
            postgresql_where=sa.text("held > 0"),
        )
        batch_op.create_index(
            "ix_lines_unrouted",
            ["order_id"],
            unique=False,
            sqlite_where=sa.text("reserved > allocated"),
            postgresql_where=sa.text("reserved > allocated"),
        )
        batch_op.create_index(
            "ix_lines_waiting",
            ["item_id"],
            unique=False,
            sqlite_where=sa.text("backordered > 0"),
            postgresql_where=sa.text("backordered > 0"),
        )

    op.create_table(
        "shipments",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("order_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("location_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("carrier", sa.Text(), server_default="", nullable=False),
        sa.Column("tracking", sa.Text(), server_default="", nullable=False),
        sa.Column("service", sa.Text(), server_default="", nullable=False),
        sa.Column("tracking_url", sa.Text(), server_default="", nullable=False),
        sa.Column("origin", sa.Text(), server_default="operator", nullable=False),
        sa.Column("shipped_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("origin IN ('operator', 'warehouse', 'channel')", name=op.f("ck_shipments_origin")),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_shipments_location_id")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_shipments_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shipments")),
        sa.UniqueConstraint("order_id", "tracking", name=op.f("uq_shipments_order_id_tracking")),
    )
    op.create_table(
        "fulfilment_lines",
        sa.Column("fulfilment_order_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("line_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("shipped", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("shipped >= 0 AND shipped <= quantity", name=op.f("ck_fulfilment_lines_shipped_was_asked")),
        sa.ForeignKeyConstraint(
            ["fulfilment_order_id"], ["fulfilment_orders.id"], name=op.f("fk_fulfilment_lines_fulfilment_order_id")
        ),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name=op.f("fk_fulfilment_lines_line_id")),
        sa.PrimaryKeyConstraint("fulfilment_order_id", "line_id", name=op.f("pk_fulfilment_lines")),
    )
    with op.batch_alter_table("fulfilment_lines", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_fulfilment_lines_line_id"), ["line_id"], unique=False)

    op.create_table(
        "pushes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("channel_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("order_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("shipment_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("ticket", sa.Text(), server_default="", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("updated_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("kind IN ('tracking', 'acknowledge')", name=op.f("ck_pushes_kind")),
        sa.CheckConstraint(
            "state IN ('queued', 'sent', 'unknown', 'accepted', 'applied', 'confirmed', 'refused')",
            name=op.f("ck_pushes_state"),
        ),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_pushes_channel_id")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_pushes_order_id")),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipments.id"], name=op.f("fk_pushes_shipment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pushes")),
        sa.UniqueConstraint("kind", "key", name=op.f("uq_pushes_kind_key")),
    )
    with op.batch_alter_table("pushes", schema=None) as batch_op:
        batch_op.create_index(
            "ix_pushes_due",
            ["channel_id", "kind"],
            unique=False,
            sqlite_where=sa.text("state IN ('queued','sent','unknown','accepted')"),
            postgresql_where=sa.text("state IN ('queued','sent','unknown','accepted')"),
        )
        batch_op.create_index(batch_op.f("ix_pushes_order_id"), ["order_id"], unique=False)

    op.create_table(
        "reservations",
        sa.Column("line_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("per", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.CheckConstraint("quantity % per = 0", name=op.f("ck_reservations_whole_units")),
        sa.CheckConstraint("quantity > 0 AND per > 0", name=op.f("ck_reservations_positive")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_reservations_item_id")),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name=op.f("fk_reservations_line_id")),
        sa.PrimaryKeyConstraint("line_id", "item_id", name=op.f("pk_reservations")),
    )
    with op.batch_alter_table("reservations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_reservations_item_id"), ["item_id"], unique=False)

    op.create_table(
        "shipment_lines",
        sa.Column("shipment_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("line_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_shipment_lines_quantity_positive")),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name=op.f("fk_shipment_lines_line_id")),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipments.id"], name=op.f("fk_shipment_lines_shipment_id")),
        sa.PrimaryKeyConstraint("shipment_id", "line_id", name=op.f("pk_shipment_lines")),
    )
    with op.batch_alter_table("shipment_lines", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_shipment_lines_line_id"), ["line_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("shipment_lines", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_shipment_lines_line_id"))

    op.drop_table("shipment_lines")
    with op.batch_alter_table("reservations", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_reservations_item_id"))

    op.drop_table("reservations")
    with op.batch_alter_table("pushes", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_pushes_order_id"))
        batch_op.drop_index(
            "ix_pushes_due",
            sqlite_where=sa.text("state IN ('queued','sent','unknown','accepted')"),
            postgresql_where=sa.text("state IN ('queued','sent','unknown','accepted')"),
        )

    op.drop_table("pushes")
    with op.batch_alter_table("fulfilment_lines", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_fulfilment_lines_line_id"))

    op.drop_table("fulfilment_lines")
    op.drop_table("shipments")
    with op.batch_alter_table("lines", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_lines_waiting", sqlite_where=sa.text("backordered > 0"), postgresql_where=sa.text("backordered > 0")
        )
        batch_op.drop_index(
            "ix_lines_unrouted",
            sqlite_where=sa.text("reserved > allocated"),
            postgresql_where=sa.text("reserved > allocated"),
        )
        batch_op.drop_index("ix_lines_unknown", sqlite_where=sa.text("held > 0"), postgresql_where=sa.text("held > 0"))

    op.drop_table("lines")
    with op.batch_alter_table("levels", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_levels_due", sqlite_where=sa.text("state <> 'applied'"), postgresql_where=sa.text("state <> 'applied'")
        )

    op.drop_table("levels")
    op.drop_table("holds")
    with op.batch_alter_table("fulfilment_orders", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_fulfilment_orders_planned",
            sqlite_where=sa.text("state = 'planned'"),
            postgresql_where=sa.text("state = 'planned'"),
        )
        batch_op.drop_index(batch_op.f("ix_fulfilment_orders_order_id"))

    op.drop_table("fulfilment_orders")
    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_documents_order_id"))

    op.drop_table("documents")
    op.drop_table("buyers")
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_audit_order_id"))

    op.drop_table("audit")
    op.drop_table("touched")
    op.drop_table("stock")
    with op.batch_alter_table("requests", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_requests_open", sqlite_where=sa.text("done_at IS NULL"), postgresql_where=sa.text("done_at IS NULL")
        )

    op.drop_table("requests")
    op.drop_table("quarantine")
    op.drop_table("orders")
    with op.batch_alter_table("listings", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_listings_item_id"))

    op.drop_table("listings")
    with op.batch_alter_table("ledger", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_ledger_item_id_location_id"))

    op.drop_table("ledger")
    with op.batch_alter_table("kits", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_kits_component_id"))

    op.drop_table("kits")
    op.drop_table("locations")
    op.drop_table("items")
    op.drop_table("channels")
