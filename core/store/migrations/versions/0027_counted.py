"""when an item was counted last is found by index"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0027"
down_revision: str | None = "0026"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

COUNTED = sa.text("kind IN ('count','set')")


def upgrade() -> None:
    op.create_index("ix_ledger_counted", "ledger", ["item_id", "at"], sqlite_where=COUNTED, postgresql_where=COUNTED)


def downgrade() -> None:
    op.drop_index("ix_ledger_counted", "ledger")
