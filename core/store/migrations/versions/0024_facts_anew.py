"""the daily facts are counted anew: what is not wanted any more, and what never had stock, counts otherwise"""

from collections.abc import Sequence

from alembic import op

revision: str = "0024"
down_revision: str | None = "0023"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_MADE_ANEW = (
    "facts_calendar",
    "facts_due",
    "facts_lines",
    "facts_marks",
    "facts_orders",
    "facts_stock",
    "facts_times",
    "facts_todo",
)


def upgrade() -> None:
    for table in _MADE_ANEW:
        op.execute(f"DELETE FROM {table}")
    op.execute("UPDATE facts_state SET epoch = epoch + 1")  # who is at it by the old way writes nothing any more


def downgrade() -> None:
    upgrade()
