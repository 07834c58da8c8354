"""promises that move to another item, as their SKU was mapped to it, stand in the ledger"""

from collections.abc import Sequence

from alembic import op

from core.store.migrations.checks import replace_check

revision: str = "0022"
down_revision: str | None = "0021"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

KINDS = "'receive', 'set', 'adjust', 'count', 'ship', 'ship_outside', 'repair', 'transfer', 'void', 'return'"


def upgrade() -> None:
    replace_check("ledger", "kind", f"kind IN ({KINDS}, 'remap')")


def downgrade() -> None:
    op.execute("DELETE FROM ledger WHERE kind = 'remap'")  # they moved promises, no units
    replace_check("ledger", "kind", f"kind IN ({KINDS})")
