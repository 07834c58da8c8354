"""what the last verification found, and the indexes of what needs a person"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_ASKS = (
    "event IN ('shipped although cancelled', 'shipped without stock', 'address changed after release',"
    " 'gone at the channel')"
)
_INDEXES = {
    "ix_lines_late": ("lines", "order_id", "late > 0"),
    "ix_audit_asks": ("audit", "at", _ASKS),
    "ix_orders_money_off": ("orders", "id", "money_off <> 0"),
    "ix_pushes_refused": ("pushes", "channel_id", "state = 'refused'"),
}


def upgrade() -> None:
    op.create_table(
        "breaches",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("wrong", sa.Text(), server_default="", nullable=False),
        sa.Column("cure", sa.Text(), server_default="", nullable=False),
        sa.Column("order_id", Id, nullable=True),
        sa.Column("since", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name", "subject", name=op.f("pk_breaches")),
    )
    for name, (table, column, where) in _INDEXES.items():
        condition = sa.text(where)
        op.create_index(name, table, [column], sqlite_where=condition, postgresql_where=condition)


def downgrade() -> None:
    for name, (table, _, _) in _INDEXES.items():
        op.drop_index(name, table)
    op.drop_table("breaches")
