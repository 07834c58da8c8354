"""items that may be sold although they are not there"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "presales",
        sa.Column("item_id", Id, autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), server_default="preorder", nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("cap", sa.Integer(), nullable=True),
        sa.Column("ships", sa.Text(), server_default="date", nullable=False),
        sa.Column("by", sa.Text(), server_default="", nullable=False),
        sa.Column("since", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("ahead", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("kind IN ('preorder', 'backorder')", name=op.f("ck_presales_kind")),
        sa.CheckConstraint("ships IN ('date', 'stock')", name=op.f("ck_presales_ships")),
        sa.CheckConstraint("cap >= 0", name=op.f("ck_presales_cap_not_negative")),
        sa.CheckConstraint("(kind = 'preorder') = (until IS NOT NULL)", name=op.f("ck_presales_preorders_end")),
        sa.CheckConstraint("kind = 'preorder' OR cap IS NOT NULL", name=op.f("ck_presales_backorders_are_capped")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_presales_item_id")),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_presales")),
    )
    op.create_index(
        "ix_holds_preorder",
        "holds",
        ["order_id"],
        unique=False,
        sqlite_where=sa.text("hold = 'preorder'"),
        postgresql_where=sa.text("hold = 'preorder'"),
    )


def downgrade() -> None:
    op.drop_index("ix_holds_preorder", table_name="holds")
    op.drop_table("presales")
