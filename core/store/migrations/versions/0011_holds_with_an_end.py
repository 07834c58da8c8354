"""holds that end by themselves or are set aside, and promises that expire"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("holds", sa.Column("until", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_holds_until",
        "holds",
        ["until"],
        unique=False,
        sqlite_where=sa.text("until IS NOT NULL"),
        postgresql_where=sa.text("until IS NOT NULL"),
    )
    op.create_table(
        "overrides",
        sa.Column("order_id", Id, nullable=False),
        sa.Column("hold", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), server_default="", nullable=False),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.Column("since", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_overrides_order_id")),
        sa.PrimaryKeyConstraint("order_id", "hold", name=op.f("pk_overrides")),
    )
    op.create_table(
        "expiries",
        sa.Column("order_id", Id, autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_expiries_order_id")),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_expiries")),
    )


def downgrade() -> None:
    op.drop_table("expiries")
    op.drop_table("overrides")
    op.drop_index("ix_holds_until", table_name="holds")
    op.drop_column("holds", "until")
