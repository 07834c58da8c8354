"""void parcels that their channel shows are found at once"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0023"
down_revision: str | None = "0022"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    shown = sa.text("void_shown")
    op.create_index("ix_shipments_void_shown", "shipments", ["id"], sqlite_where=shown, postgresql_where=shown)


def downgrade() -> None:
    op.drop_index("ix_shipments_void_shown", "shipments")
