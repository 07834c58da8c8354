"""what channels tell by themselves"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "hints",
        sa.Column("channel_id", Id, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("parks", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("happened_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("received_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("due_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("mark", sa.BigInteger(), server_default="1", nullable=False),
        sa.CheckConstraint("kind IN ('order', 'level', 'account')", name=op.f("ck_hints_kind")),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_hints_channel_id")),
        sa.PrimaryKeyConstraint("channel_id", "kind", "subject", "place", name=op.f("pk_hints")),
    )
    op.create_table(
        "heard",
        sa.Column("channel_id", Id, nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_heard_channel_id")),
        sa.PrimaryKeyConstraint("channel_id", "event", name=op.f("pk_heard")),
    )
    op.create_index(op.f("ix_heard_received_at"), "heard", ["received_at"], unique=False)
    op.create_table(
        "hearing",
        sa.Column("channel_id", Id, autoincrement=False, nullable=False),
        sa.Column("received", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("repeated", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("refused", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("last_received", sa.BigInteger(), nullable=True),
        sa.Column("last_refused", sa.BigInteger(), nullable=True),
        sa.Column("refusal", sa.Text(), server_default="", nullable=False),
        sa.Column("audited_at", sa.BigInteger(), nullable=True),
        sa.Column("subscribed_to", sa.Text(), server_default="", nullable=False),
        sa.Column("audit_trouble", sa.Text(), server_default="", nullable=False),
        sa.Column("queue_trouble", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_hearing_channel_id")),
        sa.PrimaryKeyConstraint("channel_id", name=op.f("pk_hearing")),
    )


def downgrade() -> None:
    op.drop_table("hearing")
    with op.batch_alter_table("heard", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_heard_received_at"))
    op.drop_table("heard")
    op.drop_table("hints")
