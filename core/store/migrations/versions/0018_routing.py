"""what routing goes by: what items need and weigh, locations that keep units back or are paused, the loads of a day"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("items", sa.Column("needs", sa.Text(), server_default="", nullable=False))
    op.add_column("items", sa.Column("weight", sa.Integer(), server_default="0", nullable=False))
    op.add_column("locations", sa.Column("keep", sa.Integer(), server_default="0", nullable=False))
    op.add_column("locations", sa.Column("paused", sa.Text(), server_default="", nullable=False))
    op.add_column("locations", sa.Column("paused_at", sa.BigInteger(), nullable=True))
    op.create_table(
        "loads",
        sa.Column("location_id", Id, nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("orders", sa.Integer(), server_default="0", nullable=False),
        sa.Column("units", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_loads_location_id")),
        sa.PrimaryKeyConstraint("location_id", "day", name=op.f("pk_loads")),
    )


def downgrade() -> None:
    op.drop_table("loads")
    for table, column in (
        ("locations", "paused_at"),
        ("locations", "paused"),
        ("locations", "keep"),
        ("items", "weight"),
        ("items", "needs"),
    ):
        op.drop_column(table, column)
