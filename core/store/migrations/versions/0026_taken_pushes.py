"""what channels took and do not show yet is found by index"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0026"
down_revision: str | None = "0025"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TAKEN = sa.text("state = 'applied'")


def upgrade() -> None:
    op.create_index("ix_pushes_taken", "pushes", ["updated_at"], sqlite_where=TAKEN, postgresql_where=TAKEN)


def downgrade() -> None:
    op.drop_index("ix_pushes_taken", "pushes")
