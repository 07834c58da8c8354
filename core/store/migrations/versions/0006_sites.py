"""each channel keeps which locations ship for it; promises without a location are found by item"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

UNROUTED = sa.text("reserved > allocated")


def upgrade() -> None:
    op.add_column("channels", sa.Column("sites", sa.Text(), server_default="", nullable=False))
    op.drop_index("ix_lines_unrouted", "lines")
    op.create_index(
        "ix_lines_unrouted", "lines", ["item_id", "order_id"], sqlite_where=UNROUTED, postgresql_where=UNROUTED
    )


def downgrade() -> None:
    op.drop_index("ix_lines_unrouted", "lines")
    op.create_index("ix_lines_unrouted", "lines", ["order_id"], sqlite_where=UNROUTED, postgresql_where=UNROUTED)
    op.drop_column("channels", "sites")
