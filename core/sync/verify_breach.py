"""A broken invariant as one line an operator can act on, and the names of what it is about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from core.store.database import Tx

MOST = 1000
"""Breaches told of one kind; where there are more, they show once these are mended."""


class Breach(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it must be."""

    name: str
    """The invariant: I1 to I24; `file` for what SQLite says of its own file."""
    subject: str
    """The SKU, order, line, location or channel it is about."""
    wrong: str
    cure: str
    item_id: int | None = None
    order_id: int | None = None

    def __str__(self) -> str:
        return f"{self.name}: {self.subject}: {self.wrong}; {self.cure}"


Check = Callable[[Tx], Iterator[Breach]]
"""One query; its docstring is the sentence it checks."""

REPAIR = "run `ordersync verify --repair`"
LOOK = "compare it with the channel (`ordersync order {id}`)"


def name_items(tx: Tx, ids: Iterable[int]) -> dict[int, str]:
    """The SKUs of items."""
    return {row.id: row.sku for row in tx.rows("SELECT id, sku FROM items WHERE id IN :ids", ids=sorted(set(ids)))}


def name_locations(tx: Tx) -> dict[int | None, str]:
    """The names of all locations; None is no location."""
    known: dict[int | None, str] = {row.id: row.name for row in tx.rows("SELECT id, name FROM locations")}
    return known | {None: "no location"}


def name_orders(tx: Tx, ids: Iterable[int]) -> dict[int, str]:
    """What people call orders, with their channel."""
    return {
        row.id: f"order {row.name or row.number} of {row.channel}"
        for row in tx.rows(
            "SELECT o.id, o.name, o.number, c.name AS channel FROM orders o JOIN channels c ON c.id = o.channel_id"
            " WHERE o.id IN :ids",
            ids=sorted(set(ids)),
        )
    }


def name_lines(tx: Tx, ids: Iterable[int]) -> dict[int, tuple[int, str]]:
    """Lines with their order: its id, and what people call both."""
    rows = tx.rows("SELECT id, order_id, number, sku FROM lines WHERE id IN :ids", ids=sorted(set(ids)))
    orders = name_orders(tx, [row.order_id for row in rows])
    return {row.id: (row.order_id, f"{orders[row.order_id]}, line {row.number} ({row.sku})") for row in rows}
