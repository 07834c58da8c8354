"""work that locations reject, where orders may not go, and orders that wait for a location"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from core.store.migrations.checks import reword_check

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
STATES = "state IN ('planned', 'released', 'done', 'cancelled')"
MORE = "state IN ('planned', 'released', 'done', 'cancelled', 'rejected')"


def upgrade() -> None:
    reword_check("fulfilment_orders", "state", STATES, MORE)
    op.create_table(
        "left_out",
        sa.Column("order_id", Id, nullable=False),
        sa.Column("location_id", Id, nullable=False),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.Column("actor", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_left_out_location_id")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_left_out_order_id")),
        sa.PrimaryKeyConstraint("order_id", "location_id", name=op.f("pk_left_out")),
    )
    op.create_table(
        "rejections",
        sa.Column("id", Id, nullable=False),
        sa.Column("fulfilment_order_id", Id, nullable=False),
        sa.Column("reference", sa.Text(), server_default="", nullable=False),
        sa.Column("units", sa.Text(), server_default="{}", nullable=False),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.Column("actor", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["fulfilment_order_id"], ["fulfilment_orders.id"], name=op.f("fk_rejections_fulfilment_order_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rejections")),
        sa.UniqueConstraint(
            "fulfilment_order_id", "reference", name=op.f("uq_rejections_fulfilment_order_id_reference")
        ),
    )
    op.create_table(
        "parked",
        sa.Column("order_id", Id, autoincrement=False, nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.Column("decision", sa.Text(), server_default="{}", nullable=False),
        sa.Column("since", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("rules", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_parked_order_id")),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_parked")),
    )


def downgrade() -> None:
    op.drop_table("parked")
    op.drop_table("rejections")
    op.drop_table("left_out")
    op.execute("UPDATE fulfilment_orders SET state = 'cancelled' WHERE state = 'rejected'")
    reword_check("fulfilment_orders", "state", MORE, STATES)
