"""What comes back: our own returns, receipts, units set aside, exchanges"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("shipments", sa.Column("void_settled", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_table(
        "rmas",
        sa.Column("id", Id, nullable=False),
        sa.Column("order_id", Id, nullable=True),
        sa.Column("return_id", Id, nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("actor", sa.Text(), server_default="", nullable=False),
        sa.Column("opened_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("order_id IS NOT NULL OR return_id IS NOT NULL", name=op.f("ck_rmas_of_something")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_rmas_order_id")),
        sa.ForeignKeyConstraint(["return_id"], ["returns.id"], name=op.f("fk_rmas_return_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rmas")),
        sa.UniqueConstraint("return_id", name=op.f("uq_rmas_return_id")),
    )
    op.create_index(op.f("ix_rmas_order_id"), "rmas", ["order_id"], unique=False)
    op.create_table(
        "exchanges",
        sa.Column("order_id", Id, autoincrement=False, nullable=False),
        sa.Column("rma_id", Id, nullable=False),
        sa.Column("reference", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_exchanges_order_id")),
        sa.ForeignKeyConstraint(["rma_id"], ["rmas.id"], name=op.f("fk_exchanges_rma_id")),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_exchanges")),
        sa.UniqueConstraint("rma_id", "reference", name=op.f("uq_exchanges_rma_id_reference")),
    )
    op.create_table(
        "receipts",
        sa.Column("id", Id, nullable=False),
        sa.Column("rma_id", Id, nullable=False),
        sa.Column("line_id", Id, nullable=True),
        sa.Column("sku", sa.Text(), server_default="", nullable=False),
        sa.Column("location_id", Id, nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("disposition", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("actor", sa.Text(), server_default="", nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "disposition IN ('restock', 'quarantine', 'damaged', 'dispose')", name=op.f("ck_receipts_disposition")
        ),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_receipts_quantity_positive")),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name=op.f("fk_receipts_line_id")),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_receipts_location_id")),
        sa.ForeignKeyConstraint(["rma_id"], ["rmas.id"], name=op.f("fk_receipts_rma_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipts")),
        sa.UniqueConstraint("rma_id", "reference", "place", name=op.f("uq_receipts_rma_id_reference_place")),
    )
    op.create_index(op.f("ix_receipts_line_id"), "receipts", ["line_id"], unique=False)
    op.create_table(
        "rma_lines",
        sa.Column("rma_id", Id, nullable=False),
        sa.Column("line_id", Id, nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_rma_lines_quantity_positive")),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name=op.f("fk_rma_lines_line_id")),
        sa.ForeignKeyConstraint(["rma_id"], ["rmas.id"], name=op.f("fk_rma_lines_rma_id")),
        sa.PrimaryKeyConstraint("rma_id", "line_id", name=op.f("pk_rma_lines")),
    )
    op.create_index(op.f("ix_rma_lines_line_id"), "rma_lines", ["line_id"], unique=False)
    op.create_table(
        "aside",
        sa.Column("id", Id, nullable=False),
        sa.Column("item_id", Id, nullable=False),
        sa.Column("location_id", Id, nullable=False),
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("receipt_id", Id, nullable=True),
        sa.Column("actor", sa.Text(), server_default="", nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "(kind = 'receive' AND units > 0) OR (kind <> 'receive' AND units < 0)", name=op.f("ck_aside_comes_or_goes")
        ),
        sa.CheckConstraint("(kind = 'receive') = (receipt_id IS NOT NULL)", name=op.f("ck_aside_comes_by_a_receipt")),
        sa.CheckConstraint("condition IN ('quarantine', 'damaged')", name=op.f("ck_aside_condition")),
        sa.CheckConstraint("kind IN ('receive', 'release', 'dispose')", name=op.f("ck_aside_kind")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_aside_item_id")),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_aside_location_id")),
        sa.ForeignKeyConstraint(["receipt_id"], ["receipts.id"], name=op.f("fk_aside_receipt_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_aside")),
        sa.UniqueConstraint("cause", name=op.f("uq_aside_cause")),
    )
    op.create_index(op.f("ix_aside_item_id_location_id"), "aside", ["item_id", "location_id"], unique=False)
    op.create_index(op.f("ix_aside_receipt_id"), "aside", ["receipt_id"], unique=False)
    op.create_table(
        "rma_refunds",
        sa.Column("push_id", Id, autoincrement=False, nullable=False),
        sa.Column("rma_id", Id, nullable=False),
        sa.ForeignKeyConstraint(["push_id"], ["pushes.id"], name=op.f("fk_rma_refunds_push_id")),
        sa.ForeignKeyConstraint(["rma_id"], ["rmas.id"], name=op.f("fk_rma_refunds_rma_id")),
        sa.PrimaryKeyConstraint("push_id", name=op.f("pk_rma_refunds")),
    )
    op.create_index(op.f("ix_rma_refunds_rma_id"), "rma_refunds", ["rma_id"], unique=False)


def downgrade() -> None:
    # Restocked units stay on hand (0010 names their movements anew); what stood aside is forgotten.
    op.drop_index(op.f("ix_rma_refunds_rma_id"), table_name="rma_refunds")
    op.drop_table("rma_refunds")
    op.drop_index(op.f("ix_aside_receipt_id"), table_name="aside")
    op.drop_index(op.f("ix_aside_item_id_location_id"), table_name="aside")
    op.drop_table("aside")
    op.drop_index(op.f("ix_rma_lines_line_id"), table_name="rma_lines")
    op.drop_table("rma_lines")
    op.drop_index(op.f("ix_receipts_line_id"), table_name="receipts")
    op.drop_table("receipts")
    op.drop_table("exchanges")
    op.drop_index(op.f("ix_rmas_order_id"), table_name="rmas")
    op.drop_table("rmas")
    op.drop_column("shipments", "void_settled")
