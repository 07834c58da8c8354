"""Parcels that are void, and cancellations that came too late"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from core.store.migrations.checks import replace_check

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

KINDS = "'receive', 'set', 'adjust', 'count', 'ship', 'ship_outside', 'repair', 'transfer'"
LATE = "late >= 0 AND late <= shipped"
KEPT = "late_kept >= 0"


def upgrade() -> None:
    op.add_column("shipments", sa.Column("voided_at", sa.BigInteger()))
    op.add_column("shipments", sa.Column("void_why", sa.Text(), server_default="", nullable=False))
    op.add_column("shipments", sa.Column("void_shown", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    sqlite = op.get_bind().dialect.name == "sqlite"
    for column, name, rule in (("late", "late_has_left", LATE), ("late_kept", "late_kept_not_negative", KEPT)):
        # SQLite cannot add a constraint to a table that others refer to, but a column that brings its own.
        own = f" CONSTRAINT ck_lines_{name} CHECK ({rule})" if sqlite else ""
        op.execute(f"ALTER TABLE lines ADD COLUMN {column} INTEGER DEFAULT '0' NOT NULL{own}")
        if not sqlite:
            replace_check("lines", name, rule)
    replace_check("ledger", "kind", f"kind IN ({KINDS}, 'void', 'return')")


def downgrade() -> None:
    # What came back stays on hand: an older version takes it for adjusted.
    op.execute("UPDATE ledger SET kind = 'adjust' WHERE kind IN ('void', 'return')")
    replace_check("ledger", "kind", f"kind IN ({KINDS})")
    if op.get_bind().dialect.name != "sqlite":
        replace_check("lines", "late_has_left", None)
        replace_check("lines", "late_kept_not_negative", None)
    for column in ("late_kept", "late"):
        op.drop_column("lines", column)
    # A parcel that is void never left: an older version knows nothing of it.
    void = "SELECT id FROM shipments WHERE voided_at IS NOT NULL"
    op.execute(f"DELETE FROM shipment_lines WHERE shipment_id IN ({void})")
    op.execute(
        "UPDATE ledger SET kind = 'adjust' WHERE kind = 'ship' AND EXISTS (SELECT 1 FROM shipments s"
        " WHERE s.voided_at IS NOT NULL AND ledger.cause LIKE 'ship:' || s.id || ':%')"
    )
    for table in ("pushes", "corrections"):
        op.execute(f"DELETE FROM {table} WHERE shipment_id IN ({void})")
    op.execute("DELETE FROM shipments WHERE voided_at IS NOT NULL")
    for column in ("void_shown", "void_why", "voided_at"):
        op.drop_column("shipments", column)
