"""listings have level rules of their own, and buffers may follow demand"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OWN = {
    "buffer_not_negative": ("buffer", "INTEGER", "buffer >= 0"),
    "cap_not_negative": ("cap", "INTEGER", "cap >= 0"),
    "percent": ("percent", "INTEGER", "percent BETWEEN 1 AND 100"),
}


def upgrade() -> None:
    # With its check in one piece: SQLite adds none to a column that is there, and others refer to this table.
    for name, (column, kind, check) in OWN.items():
        op.execute(f"ALTER TABLE listings ADD COLUMN {column} {kind} CONSTRAINT ck_listings_{name} CHECK ({check})")
    op.add_column("listings", sa.Column("stopped", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("levels", sa.Column("wanted_at", sa.BigInteger(), nullable=True))
    op.create_table(
        "demand",
        sa.Column("item_id", Id, nullable=False),
        sa.Column("channel_id", Id, nullable=False),
        sa.Column("at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("since", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("slow_units", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("slow_squares", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("fast_units", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("fast_squares", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_demand_channel_id")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_demand_item_id")),
        sa.PrimaryKeyConstraint("item_id", "channel_id", name=op.f("pk_demand")),
    )
    op.create_table(
        "windows",
        sa.Column("channel_id", Id, autoincrement=False, nullable=False),
        sa.Column("intake", sa.Text(), server_default="{}", nullable=False),
        sa.Column("told", sa.Text(), server_default="{}", nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_windows_channel_id")),
        sa.PrimaryKeyConstraint("channel_id", name=op.f("pk_windows")),
    )
    op.create_table(
        "buffers",
        sa.Column("channel_id", Id, nullable=False),
        sa.Column("item_id", Id, nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.CheckConstraint("units > 0", name=op.f("ck_buffers_units_positive")),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_buffers_channel_id")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_buffers_item_id")),
        sa.PrimaryKeyConstraint("channel_id", "item_id", name=op.f("pk_buffers")),
    )
    op.create_index(op.f("ix_buffers_item_id"), "buffers", ["item_id"], unique=False)
    op.create_table(
        "marks",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reached", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_marks")),
    )


def downgrade() -> None:
    op.drop_table("marks")
    op.drop_index(op.f("ix_buffers_item_id"), "buffers")
    op.drop_table("buffers")
    op.drop_table("windows")
    op.drop_table("demand")
    op.drop_column("levels", "wanted_at")
    op.drop_column("listings", "stopped")
    for column, _, _ in OWN.values():
        op.drop_column("listings", column)  # its check goes with it
