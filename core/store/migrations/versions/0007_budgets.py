"""what a channel's last turn left of its budgets"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("channels", sa.Column("budgets", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("channels", "budgets")  # not in a batch, which would make the table anew under its foreign keys
