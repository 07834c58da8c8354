"""orders that name no amount of money are found by index"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0028"
down_revision: str | None = "0027"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

UNPRICED = sa.text("NOT priced")


def upgrade() -> None:
    op.create_index("ix_orders_unpriced", "orders", ["id"], sqlite_where=UNPRICED, postgresql_where=UNPRICED)


def downgrade() -> None:
    op.drop_index("ix_orders_unpriced", "orders")
