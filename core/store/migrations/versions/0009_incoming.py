"""stock that is expected: ordered, or on its way between locations"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from core.store.migrations.checks import drop_column, replace_check

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KINDS = "'receive', 'set', 'adjust', 'count', 'ship', 'ship_outside', 'repair'"


def upgrade() -> None:
    op.create_table(
        "incoming",
        sa.Column("id", Id, nullable=False),
        sa.Column("item_id", Id, nullable=False),
        sa.Column("location_id", Id, nullable=False),
        sa.Column("from_id", Id, nullable=True),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("received", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lost", sa.Integer(), server_default="0", nullable=False),
        sa.Column("eta", sa.BigInteger(), nullable=True),
        sa.Column("source", sa.Text(), server_default="purchase", nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("actor", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("updated_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_incoming_quantity_positive")),
        sa.CheckConstraint("received >= 0", name=op.f("ck_incoming_received_not_negative")),
        sa.CheckConstraint("lost >= 0", name=op.f("ck_incoming_lost_not_negative")),
        sa.CheckConstraint(
            "(source = 'transfer') = (from_id IS NOT NULL)", name=op.f("ck_incoming_transfers_left_somewhere")
        ),
        sa.CheckConstraint(
            "source <> 'transfer' OR received + lost <= quantity", name=op.f("ck_incoming_no_more_than_was_sent")
        ),
        sa.CheckConstraint("source = 'transfer' OR lost = 0", name=op.f("ck_incoming_only_transfers_are_lost")),
        sa.CheckConstraint(
            "state <> 'open' OR received + lost < quantity", name=op.f("ck_incoming_open_until_all_came")
        ),
        sa.CheckConstraint("source IN ('purchase', 'transfer')", name=op.f("ck_incoming_source")),
        sa.CheckConstraint("state IN ('open', 'received', 'cancelled')", name=op.f("ck_incoming_state")),
        sa.ForeignKeyConstraint(["from_id"], ["locations.id"], name=op.f("fk_incoming_from_id")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_incoming_item_id")),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_incoming_location_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incoming")),
        sa.UniqueConstraint(
            "reference", "item_id", "location_id", name=op.f("uq_incoming_reference_item_id_location_id")
        ),
    )
    op.create_index(
        "ix_incoming_open",
        "incoming",
        ["item_id", "location_id"],
        unique=False,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    kind = "INTEGER" if op.get_bind().dialect.name == "sqlite" else "BIGINT"
    # In one piece: SQLite adds no reference to a column that is there.
    op.execute(
        f"ALTER TABLE ledger ADD COLUMN incoming_id {kind} CONSTRAINT fk_ledger_incoming_id REFERENCES incoming (id)"
    )
    replace_check("ledger", "kind", f"kind IN ({KINDS}, 'transfer')")
    op.create_index(
        "ix_ledger_incoming",
        "ledger",
        ["incoming_id"],
        unique=False,
        sqlite_where=sa.text("incoming_id IS NOT NULL"),
        postgresql_where=sa.text("incoming_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_ledger_incoming", "ledger")
    op.execute("UPDATE ledger SET kind = 'adjust' WHERE kind = 'transfer'")
    replace_check("ledger", "kind", f"kind IN ({KINDS})")
    drop_column("ledger", "incoming_id")
    op.drop_index("ix_incoming_open", "incoming")
    op.drop_table("incoming")
