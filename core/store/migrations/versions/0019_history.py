"""how promises moved, and what channels took"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0019"
down_revision: str | None = "0018"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "moves",
        sa.Column("id", Id, nullable=False),
        sa.Column("at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("changes", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_moves")),
    )
    op.create_index(op.f("ix_moves_at"), "moves", ["at"], unique=False)
    op.create_table(
        "tellings",
        sa.Column("id", Id, nullable=False),
        sa.Column("at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("listing_id", Id, nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("units", sa.Integer(), server_default="0", nullable=False),
        sa.Column("state", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("state IN ('accepted', 'applied')", name=op.f("ck_tellings_state")),
        sa.ForeignKeyConstraint(["listing_id"], ["listings.id"], name=op.f("fk_tellings_listing_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tellings")),
    )
    op.create_index(op.f("ix_tellings_listing_id"), "tellings", ["listing_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_tellings_listing_id"), "tellings")
    op.drop_table("tellings")
    op.drop_index(op.f("ix_moves_at"), "moves")
    op.drop_table("moves")
