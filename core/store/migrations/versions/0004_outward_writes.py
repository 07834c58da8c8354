"""Cancellations and refunds in the outbox, what a push says, corrected parcels, refunds and deadlines"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from core.store.migrations.checks import replace_check

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

IDS = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
STATES = "'queued', 'sent', 'unknown', 'accepted', 'applied', 'confirmed', 'refused'"
CANCELLING = "cancelling >= 0 AND cancelling <= cancelled"


def upgrade() -> None:
    op.add_column("orders", sa.Column("acknowledge_by", sa.BigInteger()))
    sqlite = op.get_bind().dialect.name == "sqlite"
    # SQLite cannot add a constraint to a table that others refer to, but a column that brings its own.
    own = f" CONSTRAINT ck_lines_cancelling_is_cancelled CHECK ({CANCELLING})" if sqlite else ""
    op.execute(f"ALTER TABLE lines ADD COLUMN cancelling INTEGER DEFAULT '0' NOT NULL{own}")
    if not sqlite:
        replace_check("lines", "cancelling_is_cancelled", CANCELLING)
    op.create_index(
        "ix_lines_cancelling",
        "lines",
        ["order_id"],
        unique=False,
        sqlite_where=sa.text("cancelling > 0"),
        postgresql_where=sa.text("cancelling > 0"),
    )
    op.add_column("pushes", sa.Column("generation", sa.Integer(), server_default="1", nullable=False))
    op.add_column("pushes", sa.Column("argument", sa.Text(), server_default="", nullable=False))
    op.add_column("pushes", sa.Column("digest", sa.LargeBinary()))
    op.add_column("pushes", sa.Column("warned_at", sa.BigInteger()))
    replace_check("pushes", "generation_positive", "generation > 0")
    replace_check("pushes", "kind", "kind IN ('tracking', 'acknowledge', 'cancel', 'refund')")
    replace_check("pushes", "state", f"state IN ({STATES}, 'dropped')")
    op.create_table(
        "refunds",
        sa.Column("id", IDS, nullable=False),
        sa.Column("order_id", IDS, nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("amount", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lines", sa.Text(), server_default="{}", nullable=False),
        sa.Column("origin", sa.Text(), server_default="channel", nullable=False),
        sa.Column("push_id", IDS, nullable=True),
        sa.CheckConstraint("amount > 0", name=op.f("ck_refunds_amount_positive")),
        sa.CheckConstraint("origin IN ('ours', 'channel')", name=op.f("ck_refunds_origin")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_refunds_order_id")),
        sa.ForeignKeyConstraint(["push_id"], ["pushes.id"], name=op.f("fk_refunds_push_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refunds")),
        sa.UniqueConstraint("order_id", "number", name=op.f("uq_refunds_order_id_number")),
        sa.UniqueConstraint("push_id", name=op.f("uq_refunds_push_id")),
    )
    op.create_table(
        "corrections",
        sa.Column("id", IDS, nullable=False),
        sa.Column("shipment_id", IDS, nullable=False),
        sa.Column("order_id", IDS, nullable=False),
        sa.Column("tracking", sa.Text(), nullable=False),
        sa.Column("carrier", sa.Text(), server_default="", nullable=False),
        sa.Column("actor", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_corrections_order_id")),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipments.id"], name=op.f("fk_corrections_shipment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corrections")),
        sa.UniqueConstraint("order_id", "tracking", name=op.f("uq_corrections_order_id_tracking")),
    )
    op.create_index(op.f("ix_corrections_shipment_id"), "corrections", ["shipment_id"], unique=False)


def downgrade() -> None:
    op.drop_table("corrections")
    op.drop_table("refunds")
    # What only the newer schema can say goes: units that the channel still has open count as cancelled all the same.
    op.execute("DELETE FROM pushes WHERE kind IN ('cancel', 'refund') OR state = 'dropped' OR generation > 1")
    replace_check("pushes", "state", f"state IN ({STATES})")
    replace_check("pushes", "kind", "kind IN ('tracking', 'acknowledge')")
    replace_check("pushes", "generation_positive", None)
    for column in ("warned_at", "digest", "argument", "generation"):
        op.drop_column("pushes", column)
    op.drop_index("ix_lines_cancelling", table_name="lines")
    if op.get_bind().dialect.name != "sqlite":
        replace_check("lines", "cancelling_is_cancelled", None)
    op.drop_column("lines", "cancelling")
    op.drop_column("orders", "acknowledge_by")
