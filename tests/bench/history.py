"""A store with a long history, made of a short one by copying rows inside the database."""

from __future__ import annotations

from tests.bench.floor import ALL, Driver, Sheet

_COLUMNS = {
    "orders": (
        "id channel_id number name version observed_at digest placed_at imported_at updated_at currency total shipping"
        " shipping_tax discount adjustment money_off fulfiller priced acknowledged test service"
    ),
    "lines": (
        "id order_id number sku title item_id ordered cancelled shipped reserved backordered held allocated returned"
        " first_asked first_filled unit_price tax discount place"
    ),
    "buyers": "order_id email name company line1 line2 city region postal_code country phone",
    "documents": "id order_id observed_at version body",
    "reservations": "line_id item_id per quantity",
    "fulfilment_orders": "id order_id location_id state decision created_at",
    "fulfilment_lines": "fulfilment_order_id line_id quantity shipped",
}
_IDS = {"order_id": "orders", "line_id": "lines", "fulfilment_order_id": "fulfilment_orders"}
"""Which table a column's ids are of."""
OWNERS = ("orders", "lines", "documents", "fulfilment_orders")
"""The tables whose rows have ids of their own."""


def highest(raw: Driver) -> dict[str, int]:
    """The highest id of each table."""
    return {table: int(raw.value(f"SELECT COALESCE(MAX(id), 0) FROM {table}")) for table in OWNERS}


def multiply(raw: Driver, times: int) -> None:
    """Every order with all its rows `times` over: the worst history, in which all orders are still open.

    The copies' order numbers follow on those there are, which must be consecutive; the stock's counters grow along.
    """
    spans = highest(raw)
    for copy in range(1, times):
        for table, columns in _COLUMNS.items():
            names = columns.split()
            values = ", ".join(_value(table, name, copy, spans) for name in names)
            span = spans[table if table in OWNERS else _IDS[names[0]]]
            quoted = ", ".join(f'"{name}"' for name in names)
            raw.run(f"INSERT INTO {table} ({quoted}) SELECT {values} FROM {table} WHERE {names[0]} <= {span}")
        raw.commit()
    raw.run(f"UPDATE items SET reserved = reserved * {times}")
    raw.run(f"UPDATE stock SET allocated = allocated * {times}")
    raw.run(f"UPDATE channels SET received = received * {times}, stored = stored * {times}")
    raw.commit()


def _value(table: str, name: str, copy: int, spans: dict[str, int]) -> str:
    if name == "id":
        return f"id + {copy * spans[table]}"
    if name in _IDS:
        return f"{name} + {copy * spans[_IDS[name]]}"
    if name == "number" and table == "orders":
        return f"CAST(CAST(number AS BIGINT) + {copy * spans['orders']} AS TEXT)"
    return f'"{name}"'


def moved(sheets: list[Sheet], above: dict[str, int], numbers: int) -> list[Sheet]:
    """The same pages as new ones: their ids above those given, their order numbers higher by `numbers`."""
    result = []
    for sheet in sheets:
        rows = {}
        for table, columns in ALL.items():
            by = [above.get(table if name == "id" else _IDS.get(name, ""), 0) for name in columns]
            fresh = [tuple(v + up if up else v for v, up in zip(row, by, strict=True)) for row in sheet.rows[table]]
            rows[table] = fresh
        rows["orders"] = [(*row[:2], str(int(row[2]) + numbers), *row[3:]) for row in rows["orders"]]
        result.append(Sheet(rows, sheet.counters))
    return result
