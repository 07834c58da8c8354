"""shelves in doubt are found by index"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0030"
down_revision: str | None = "0029"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

DOUBTED = sa.text("doubted > 0")


def upgrade() -> None:
    op.create_index("ix_counted_doubted", "counted", ["location_id"], sqlite_where=DOUBTED, postgresql_where=DOUBTED)


def downgrade() -> None:
    op.drop_index("ix_counted_doubted", "counted")
