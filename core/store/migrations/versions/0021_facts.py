"""daily facts, what a line got when it first came, what items cost, and since when levels are too high"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0021"
down_revision: str | None = "0020"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_INDEXES = {
    "ix_facts_stock_item_id_day": ("facts_stock", ["item_id", "day"]),
    "ix_facts_calendar_due_day": ("facts_calendar", ["due_day"]),
    "ix_facts_calendar_placed_day": ("facts_calendar", ["placed_day"]),
    "ix_ledger_at": ("ledger", ["at"]),
    "ix_shipments_shipped_at": ("shipments", ["shipped_at"]),
}


def upgrade() -> None:
    op.create_table(
        "facts_marks",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("mark", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_facts_marks")),
    )
    op.create_table(
        "facts_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("began_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("done_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("zone", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_facts_state")),
    )
    op.create_table(
        "facts_todo",
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.CheckConstraint("family IN ('placed', 'due', 'shipped', 'stock')", name=op.f("ck_facts_todo_family")),
        sa.PrimaryKeyConstraint("family", "day", name=op.f("pk_facts_todo")),
    )
    op.create_table(
        "facts_due",
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("channel_id", Id, nullable=False),
        sa.Column("orders", sa.Integer(), server_default="0", nullable=False),
        sa.Column("late", sa.Integer(), server_default="0", nullable=False),
        sa.Column("unshipped", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_facts_due_channel_id")),
        sa.PrimaryKeyConstraint("day", "channel_id", name=op.f("pk_facts_due")),
    )
    op.create_table(
        "facts_lines",
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("channel_id", Id, nullable=False),
        sa.Column("item_id", Id, nullable=False),
        sa.Column("lines", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lines_first", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lines_later", sa.Integer(), server_default="0", nullable=False),
        sa.Column("units", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("units_first", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("units_later", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_facts_lines_channel_id")),
        sa.PrimaryKeyConstraint("day", "channel_id", "item_id", name=op.f("pk_facts_lines")),
    )
    op.create_table(
        "facts_orders",
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("channel_id", Id, nullable=False),
        sa.Column("orders", sa.Integer(), server_default="0", nullable=False),
        sa.Column("asked", sa.Integer(), server_default="0", nullable=False),
        sa.Column("asked_first", sa.Integer(), server_default="0", nullable=False),
        sa.Column("asked_later", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cancelled", sa.Integer(), server_default="0", nullable=False),
        sa.Column("shipped", sa.Integer(), server_default="0", nullable=False),
        sa.Column("parcels", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_facts_orders_channel_id")),
        sa.PrimaryKeyConstraint("day", "channel_id", name=op.f("pk_facts_orders")),
    )
    op.create_table(
        "facts_stock",
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("item_id", Id, nullable=False),
        sa.Column("location_id", Id, nullable=False),
        sa.Column("on_hand", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("received", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("sold", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("returned", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_facts_stock_item_id")),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_facts_stock_location_id")),
        sa.PrimaryKeyConstraint("day", "item_id", "location_id", name=op.f("pk_facts_stock")),
    )
    op.create_table(
        "facts_times",
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("channel_id", Id, nullable=False),
        sa.Column("location_id", Id, nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("parcels", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_facts_times_channel_id")),
        sa.PrimaryKeyConstraint("day", "channel_id", "location_id", "minutes", name=op.f("pk_facts_times")),
    )
    op.create_table(
        "facts_windows",
        sa.Column("quarter", sa.BigInteger(), nullable=False),
        sa.Column("channel_id", Id, nullable=False),
        sa.Column("seconds", sa.BigInteger(), nullable=False),
        sa.Column("levels", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("seconds >= 0", name=op.f("ck_facts_windows_seconds_not_negative")),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_facts_windows_channel_id")),
        sa.PrimaryKeyConstraint("quarter", "channel_id", "seconds", name=op.f("pk_facts_windows")),
    )
    op.create_table(
        "facts_calendar",
        sa.Column("order_id", Id, autoincrement=False, nullable=False),
        sa.Column("placed_day", sa.Integer(), nullable=False),
        sa.Column("due_day", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_facts_calendar_order_id")),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_facts_calendar")),
    )
    op.add_column("items", sa.Column("cost", sa.BigInteger()))
    op.add_column("items", sa.Column("currency", sa.Text(), server_default="", nullable=False))
    op.add_column("levels", sa.Column("fell_at", sa.BigInteger(), server_default="0", nullable=False))
    # Of lines that are there already nobody knows what they got when they came: they are not measured.
    op.add_column("lines", sa.Column("first_asked", sa.Integer(), server_default="0", nullable=False))
    op.add_column("lines", sa.Column("first_filled", sa.Integer(), server_default="0", nullable=False))
    for name, (table, columns) in _INDEXES.items():
        op.create_index(name, table, columns)


def downgrade() -> None:
    for name, (table, _) in _INDEXES.items():
        op.drop_index(name, table)
    for table in (
        "facts_calendar",
        "facts_windows",
        "facts_times",
        "facts_stock",
        "facts_orders",
        "facts_lines",
        "facts_due",
        "facts_todo",
        "facts_state",
        "facts_marks",
    ):
        op.drop_table(table)
    for table, column in (
        ("lines", "first_filled"),
        ("lines", "first_asked"),
        ("levels", "fell_at"),
        ("items", "currency"),
        ("items", "cost"),
    ):
        op.drop_column(table, column)
