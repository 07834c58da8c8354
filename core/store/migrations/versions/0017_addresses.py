"""addresses that are judged"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("buyers", sa.Column("judged", sa.Text(), server_default="", nullable=False))
    op.add_column("channels", sa.Column("judged_to", sa.BigInteger(), server_default="0", nullable=False))
    # Orders that are here already ship as they would have.
    op.execute("UPDATE channels SET judged_to = (SELECT COALESCE(MAX(id), 0) FROM documents)")


def downgrade() -> None:
    op.drop_column("channels", "judged_to")  # not in a batch, which would make the tables anew under foreign keys
    op.drop_column("buyers", "judged")
