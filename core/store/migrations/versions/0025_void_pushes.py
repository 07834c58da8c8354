"""a channel is told to take a void parcel back"""

from collections.abc import Sequence

from alembic import op

from core.store.migrations.checks import reword_check

revision: str = "0025"
down_revision: str | None = "0024"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

KINDS = "kind IN ('tracking', 'acknowledge', 'cancel', 'refund')"
MORE = "kind IN ('tracking', 'acknowledge', 'cancel', 'refund', 'void')"


def upgrade() -> None:
    reword_check("pushes", "kind", KINDS, MORE)


def downgrade() -> None:
    op.execute("DELETE FROM pushes WHERE kind = 'void'")  # what they asked for is taken back by hand again
    reword_check("pushes", "kind", MORE, KINDS)
