"""What a channel shows of its listings: its own quantities, and SKUs that stand there more than once"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("listings", sa.Column("shown", sa.Text(), server_default="{}", nullable=False))
    op.add_column("listings", sa.Column("twins", sa.Integer(), server_default="0", nullable=False))
    op.add_column("listings", sa.Column("mixed", sa.Boolean(), server_default=sa.text("false"), nullable=False))


def downgrade() -> None:
    for column in ("mixed", "twins", "shown"):
        op.drop_column("listings", column)
