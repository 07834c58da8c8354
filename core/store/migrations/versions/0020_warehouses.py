"""warehouses: work handed over and called back, and what they tell"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0020"
down_revision: str | None = "0019"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "warehouses",
        sa.Column("id", Id, nullable=False),
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
        sa.Column("last_success", sa.BigInteger(), nullable=True),
        sa.Column("last_told", sa.BigInteger(), nullable=True),
        sa.Column("outage_since", sa.BigInteger(), nullable=True),
        sa.Column("recalls", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint("health IN ('ok', 'unavailable', 'parked')", name=op.f("ck_warehouses_health")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_warehouses")),
        sa.UniqueConstraint("name", name=op.f("uq_warehouses_name")),
    )
    op.create_table(
        "served",
        sa.Column("location_id", Id, autoincrement=False, nullable=False),
        sa.Column("warehouse_id", Id, nullable=False),
        sa.Column("place", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_served_location_id")),
        sa.ForeignKeyConstraint(["warehouse_id"], ["warehouses.id"], name=op.f("fk_served_warehouse_id")),
        sa.PrimaryKeyConstraint("location_id", name=op.f("pk_served")),
    )
    op.create_index(op.f("ix_served_warehouse_id"), "served", ["warehouse_id"], unique=False)
    op.create_table(
        "handovers",
        sa.Column("id", Id, nullable=False),
        sa.Column("warehouse_id", Id, nullable=False),
        sa.Column("fulfilment_order_id", Id, nullable=False),
        sa.Column("order_id", Id, nullable=False),
        sa.Column("location_id", Id, nullable=False),
        sa.Column("generation", sa.Integer(), server_default="1", nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("ticket", sa.Text(), server_default="", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("updated_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "state IN ('queued', 'sent', 'handed', 'accepted', 'done', 'recalled', 'refused', 'dropped')",
            name=op.f("ck_handovers_state"),
        ),
        sa.CheckConstraint("generation > 0", name=op.f("ck_handovers_generation_positive")),
        sa.ForeignKeyConstraint(
            ["fulfilment_order_id"], ["fulfilment_orders.id"], name=op.f("fk_handovers_fulfilment_order_id")
        ),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_handovers_location_id")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_handovers_order_id")),
        sa.ForeignKeyConstraint(["warehouse_id"], ["warehouses.id"], name=op.f("fk_handovers_warehouse_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_handovers")),
        sa.UniqueConstraint(
            "fulfilment_order_id", "generation", name=op.f("uq_handovers_fulfilment_order_id_generation")
        ),
        sa.UniqueConstraint("warehouse_id", "key", name=op.f("uq_handovers_warehouse_id_key")),
    )
    op.create_index(
        "ix_handovers_live",
        "handovers",
        ["warehouse_id", "state"],
        unique=False,
        sqlite_where=sa.text("state IN ('queued','sent','handed','accepted')"),
        postgresql_where=sa.text("state IN ('queued','sent','handed','accepted')"),
    )
    op.create_index(op.f("ix_handovers_order_id"), "handovers", ["order_id"], unique=False)
    op.create_index(
        "uq_handovers_one_live",
        "handovers",
        ["fulfilment_order_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('queued','sent','handed','accepted')"),
        postgresql_where=sa.text("state IN ('queued','sent','handed','accepted')"),
    )
    op.create_table(
        "handover_lines",
        sa.Column("handover_id", Id, nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("line_id", Id, nullable=False),
        sa.Column("item_id", Id, nullable=False),
        sa.Column("sku", sa.Text(), server_default="", nullable=False),
        sa.Column("per", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("shipped", sa.Integer(), server_default="0", nullable=False),
        sa.Column("withdrawn", sa.Integer(), server_default="0", nullable=False),
        sa.Column("before", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("before >= 0", name=op.f("ck_handover_lines_before_not_negative")),
        sa.CheckConstraint("quantity > 0 AND per > 0", name=op.f("ck_handover_lines_positive")),
        sa.CheckConstraint("shipped + withdrawn <= quantity", name=op.f("ck_handover_lines_no_more_than_asked")),
        sa.CheckConstraint("shipped >= 0", name=op.f("ck_handover_lines_shipped_not_negative")),
        sa.CheckConstraint("withdrawn >= 0", name=op.f("ck_handover_lines_withdrawn_not_negative")),
        sa.ForeignKeyConstraint(["handover_id"], ["handovers.id"], name=op.f("fk_handover_lines_handover_id")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_handover_lines_item_id")),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name=op.f("fk_handover_lines_line_id")),
        sa.PrimaryKeyConstraint("handover_id", "number", name=op.f("pk_handover_lines")),
    )
    op.create_index(op.f("ix_handover_lines_line_id"), "handover_lines", ["line_id"], unique=False)
    op.create_table(
        "notices",
        sa.Column("id", Id, nullable=False),
        sa.Column("warehouse_id", Id, nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("happened_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("observed_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("state", sa.Text(), server_default="taken", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("handover_id", Id, nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'taken', 'unread', 'refused', 'settled')", name=op.f("ck_notices_state")
        ),
        sa.ForeignKeyConstraint(["handover_id"], ["handovers.id"], name=op.f("fk_notices_handover_id")),
        sa.ForeignKeyConstraint(["warehouse_id"], ["warehouses.id"], name=op.f("fk_notices_warehouse_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.UniqueConstraint("warehouse_id", "event", "digest", name=op.f("uq_notices_warehouse_id_event_digest")),
    )
    op.create_index(op.f("ix_notices_handover_id"), "notices", ["handover_id"], unique=False)
    op.create_index(
        "ix_notices_open",
        "notices",
        ["warehouse_id", "state"],
        unique=False,
        sqlite_where=sa.text("state IN ('waiting','unread','refused')"),
        postgresql_where=sa.text("state IN ('waiting','unread','refused')"),
    )
    op.create_table(
        "recalls",
        sa.Column("id", Id, nullable=False),
        sa.Column("handover_id", Id, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("lines", sa.Text(), server_default="{}", nullable=False),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("updated_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("state IN ('queued', 'sent', 'asked', 'done', 'refused')", name=op.f("ck_recalls_state")),
        sa.ForeignKeyConstraint(["handover_id"], ["handovers.id"], name=op.f("fk_recalls_handover_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recalls")),
        sa.UniqueConstraint("key", name=op.f("uq_recalls_key")),
    )
    op.create_index(
        "ix_recalls_due",
        "recalls",
        ["id"],
        unique=False,
        sqlite_where=sa.text("state IN ('queued','sent','asked')"),
        postgresql_where=sa.text("state IN ('queued','sent','asked')"),
    )
    op.create_index(op.f("ix_recalls_handover_id"), "recalls", ["handover_id"], unique=False)
    op.create_table(
        "counted",
        sa.Column("item_id", Id, nullable=False),
        sa.Column("location_id", Id, nullable=False),
        sa.Column("as_of", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("units", sa.Integer(), server_default="0", nullable=False),
        sa.Column("doubted", sa.Integer(), server_default="0", nullable=False),
        sa.Column("notice_id", Id, nullable=False),
        sa.CheckConstraint("doubted >= 0", name=op.f("ck_counted_doubted_not_negative")),
        sa.CheckConstraint("units >= 0", name=op.f("ck_counted_units_not_negative")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_counted_item_id")),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_counted_location_id")),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.id"], name=op.f("fk_counted_notice_id")),
        sa.PrimaryKeyConstraint("item_id", "location_id", name=op.f("pk_counted")),
    )
    op.create_index(
        "ix_fulfilment_orders_released",
        "fulfilment_orders",
        ["location_id", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'released'"),
        postgresql_where=sa.text("state = 'released'"),
    )


def downgrade() -> None:
    op.drop_index("ix_fulfilment_orders_released", table_name="fulfilment_orders")
    op.drop_table("counted")
    op.drop_table("recalls")
    op.drop_table("notices")
    op.drop_table("handover_lines")
    op.drop_table("handovers")
    op.drop_table("served")
    op.drop_table("warehouses")
