"""Returns, stock in the channels' own warehouses, backfills, and the evidence of reconciliations"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from core.store.migrations.checks import replace_check

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

CHANNELS = ("returns_cursor", "returns_read", "own_stock_read", "reconciled_at")
TABLES = ("backfills", "own_stock", "differences", "reconciliations", "return_lines", "returns")


def upgrade() -> None:
    op.create_table(
        "backfills",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("channel_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("since", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("until", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cursor", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("asked_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("due_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.Column("reached", sa.BigInteger(), nullable=True),
        sa.Column("received", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("stored", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("quarantined", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("state IN ('open', 'done', 'stopped', 'failed')", name=op.f("ck_backfills_state")),
        sa.CheckConstraint("since < until", name=op.f("ck_backfills_since_before_until")),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_backfills_channel_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backfills")),
    )
    with op.batch_alter_table("backfills", schema=None) as batch_op:
        batch_op.create_index(
            "ix_backfills_open",
            ["channel_id"],
            unique=False,
            sqlite_where=sa.text("state = 'open'"),
            postgresql_where=sa.text("state = 'open'"),
        )

    op.create_table(
        "own_stock",
        sa.Column("channel_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("on_hand", sa.Integer(), server_default="0", nullable=False),
        sa.Column("available", sa.Integer(), server_default="0", nullable=False),
        sa.Column("incoming", sa.Integer(), server_default="0", nullable=False),
        sa.Column("read_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("available >= 0", name=op.f("ck_own_stock_available_not_negative")),
        sa.CheckConstraint("incoming >= 0", name=op.f("ck_own_stock_incoming_not_negative")),
        sa.CheckConstraint("on_hand >= 0", name=op.f("ck_own_stock_on_hand_not_negative")),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_own_stock_channel_id")),
        sa.PrimaryKeyConstraint("channel_id", "sku", name=op.f("pk_own_stock")),
    )
    op.create_table(
        "reconciliations",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("channel_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("since", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("until", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("orders_there", sa.Integer(), nullable=True),
        sa.Column("orders_here", sa.Integer(), nullable=True),
        sa.Column("levels", sa.Integer(), nullable=True),
        sa.Column("explained", sa.Integer(), server_default="0", nullable=False),
        sa.Column("unexplained", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_reconciliations_channel_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliations")),
    )
    with op.batch_alter_table("reconciliations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_reconciliations_channel_id"), ["channel_id"], unique=False)

    op.create_table(
        "returns",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("channel_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("order_number", sa.Text(), server_default="", nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("observed_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), server_default="", nullable=False),
        sa.Column("requested_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("updated_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("carrier", sa.Text(), server_default="", nullable=False),
        sa.Column("tracking", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint(
            "state IN ('requested', 'authorised', 'delivered', 'closed', 'called_off')", name=op.f("ck_returns_state")
        ),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_returns_channel_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_returns")),
        sa.UniqueConstraint("channel_id", "number", name=op.f("uq_returns_channel_id_number")),
    )
    with op.batch_alter_table("returns", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_returns_channel_id_order_number"), ["channel_id", "order_number"], unique=False
        )

    op.create_table(
        "differences",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("reconciliation_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.Column("subject", sa.Text(), server_default="", nullable=False),
        sa.Column("there", sa.Text(), server_default="", nullable=False),
        sa.Column("here", sa.Text(), server_default="", nullable=False),
        sa.Column("cause", sa.Text(), server_default="", nullable=False),
        sa.Column("told", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint(
            "cause IN ('in_flight', 'unacknowledged', 'rules', 'outside_edit', 'quarantined', 'gone', 'unexplained')",
            name=op.f("ck_differences_cause"),
        ),
        sa.CheckConstraint("kind IN ('order', 'level')", name=op.f("ck_differences_kind")),
        sa.ForeignKeyConstraint(
            ["reconciliation_id"], ["reconciliations.id"], name=op.f("fk_differences_reconciliation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_differences")),
    )
    with op.batch_alter_table("differences", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_differences_reconciliation_id"), ["reconciliation_id"], unique=False)

    op.create_table(
        "return_lines",
        sa.Column("return_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("order_line", sa.Text(), server_default="", nullable=False),
        sa.Column("sku", sa.Text(), server_default="", nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("refunded", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_return_lines_quantity_positive")),
        sa.CheckConstraint("refunded >= 0", name=op.f("ck_return_lines_refunded_not_negative")),
        sa.ForeignKeyConstraint(["return_id"], ["returns.id"], name=op.f("fk_return_lines_return_id")),
        sa.PrimaryKeyConstraint("return_id", "number", name=op.f("pk_return_lines")),
    )
    op.add_column("channels", sa.Column("returns_cursor", sa.Text()))
    op.add_column("channels", sa.Column("returns_read", sa.BigInteger()))
    op.add_column("channels", sa.Column("own_stock_read", sa.BigInteger()))
    op.add_column("channels", sa.Column("reconciled_at", sa.BigInteger()))
    replace_check("requests", "kind", "kind IN ('orders', 'since', 'levels', 'reconcile')")
    op.add_column("quarantine", sa.Column("kind", sa.Text(), server_default="order", nullable=False))
    replace_check("quarantine", "kind", "kind IN ('order', 'return')")


def downgrade() -> None:
    op.execute("DELETE FROM requests WHERE kind = 'reconcile'")
    op.execute("DELETE FROM quarantine WHERE kind = 'return'")
    replace_check("requests", "kind", "kind IN ('orders', 'since', 'levels')")
    replace_check("quarantine", "kind", None)
    op.drop_column("quarantine", "kind")
    for column in CHANNELS:
        op.drop_column("channels", column)
    for table in TABLES:
        op.drop_table(table)
