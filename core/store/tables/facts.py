"""Daily facts: what the metrics are read from. All of it can be made anew from the other tables, except the windows.

Days are numbered from 1970-01-01 in the zone of `[metrics]`; they are worked off behind the rounds (`core.sync.facts`).
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, PrimaryKeyConstraint, Table, Text

from core.store.tables.base import Id, big, count, metadata, not_negative, one_of, ref, words


def _day(name: str = "day", *, null: bool = False) -> Column[int]:
    return Column(name, Integer, nullable=null)


facts_state = Table(
    "facts_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # one row
    big("epoch"),  # grows with each refresh begun; a stale one writes nothing
    big("began_at"),
    big("done_at"),
    words("zone"),  # whose days these are; others make all of it anew
)

facts_marks = Table(
    "facts_marks",
    metadata,
    Column("source", Text, primary_key=True),
    big("mark"),  # every row up to this id has been looked at
)

facts_todo = Table(
    "facts_todo",
    metadata,
    Column("family", Text, nullable=False),
    _day(),
    PrimaryKeyConstraint("family", "day"),
    one_of("family", "placed", "due", "shipped", "stock"),
)

facts_calendar = Table(
    "facts_calendar",  # on which days' facts an order counts
    metadata,
    Column("order_id", Id, ForeignKey("orders.id"), primary_key=True, autoincrement=False),
    _day("placed_day"),
    _day("due_day", null=True),
    Index(None, "placed_day"),
    Index(None, "due_day"),
)

facts_lines = Table(
    "facts_lines",
    metadata,
    _day(),  # of the orders' placing
    ref("channel_id", "channels.id"),
    Column("item_id", Id, nullable=False),  # 0: no item is known
    count("lines"),
    count("lines_first"),
    count("lines_later"),
    big("units"),
    big("units_first"),
    big("units_later"),
    PrimaryKeyConstraint("day", "channel_id", "item_id"),
)

facts_orders = Table(
    "facts_orders",
    metadata,
    _day(),  # of the orders' placing
    ref("channel_id", "channels.id"),
    count("orders"),
    count("asked"),  # of these, orders that asked for anything that could be measured
    count("asked_first"),
    count("asked_later"),
    count("cancelled"),
    count("shipped"),
    count("parcels"),
    PrimaryKeyConstraint("day", "channel_id"),
)

facts_due = Table(
    "facts_due",
    metadata,
    _day(),  # of the orders' ship-by
    ref("channel_id", "channels.id"),
    count("orders"),
    count("late"),
    count("unshipped"),
    PrimaryKeyConstraint("day", "channel_id"),
)

facts_times = Table(
    "facts_times",
    metadata,
    _day(),  # of leaving
    ref("channel_id", "channels.id"),
    Column("location_id", Id, nullable=False),  # 0: not known
    Column("minutes", Integer, nullable=False),  # from placing to leaving
    count("parcels"),
    PrimaryKeyConstraint("day", "channel_id", "location_id", "minutes"),
)

facts_stock = Table(
    "facts_stock",
    metadata,
    _day(),  # of the movement
    ref("item_id", "items.id"),
    ref("location_id", "locations.id"),
    big("on_hand"),  # changes, signed
    big("received"),
    big("sold"),
    big("returned"),
    PrimaryKeyConstraint("day", "item_id", "location_id"),
    Index(None, "item_id", "day"),
)

facts_windows = Table(
    "facts_windows",  # written as channels take levels that fell; a measure, made once
    metadata,
    big("quarter", None),  # of an hour, numbered from 1970 UTC
    ref("channel_id", "channels.id"),
    big("seconds", None),
    count("levels"),
    PrimaryKeyConstraint("quarter", "channel_id", "seconds"),
    *not_negative("seconds"),
)
