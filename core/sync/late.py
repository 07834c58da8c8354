"""Cancellations that came too late: the channel has cancelled units that had left.

The parcel stays what it is and nothing is put back on a shelf. Until the units come back as a return, the parcel turns
out never to have left (`core.sync.void`), or somebody decides to leave them where they are, they are an exception:
`lines.late` less what came back and `lines.late_kept`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import UserError
from core.plurals import many
from core.store import tables
from core.store.database import Store, Tx

UNDECIDED = "(l.late - l.returned - l.late_kept)"
"""SQL: of line `l`, the units nobody has decided on; none where it is below one."""


@dataclass(frozen=True)
class Keep:
    """Somebody decides that units cancelled too late stay with the buyer."""

    order_id: int
    why: str
    units: Mapping[str, int] | None = None
    """Units by SKU or line number; None: all nobody has decided on."""
    actor: str = "operator"


def keep(store: Store, wish: Keep, now: int) -> dict[str, int]:
    """Leaves units that were cancelled too late where they are; returns them by line number.

    Moves no stock, gives no money back and tells no channel. Raises `UserError` when fewer are undecided.
    """
    return store.transact(lambda tx: _keep(tx, wish, now))


def _keep(tx: Tx, wish: Keep, now: int) -> dict[str, int]:
    order = tx.row("SELECT * FROM orders WHERE id = :id /*lock*/", id=wish.order_id)
    if order is None:
        raise UserError(f"there is no order {wish.order_id}; see `ordersync orders`")
    rows = tx.rows(
        f"SELECT l.*, {UNDECIDED} AS undecided FROM lines l WHERE l.order_id = :id AND {UNDECIDED} > 0 ORDER BY l.id",
        id=order.id,
    )
    if not rows:
        raise UserError(f"nothing of order {order.name} was cancelled after it had left and waits for a decision")
    if not wish.why.strip():
        raise UserError("say why the units stay with the buyer, with --why")
    left = {row.id: row.undecided for row in rows} if wish.units is None else _named(order, rows, wish.units)
    tx.update(tables.lines, ("id",), ("late_kept+",), sorted(left.items()))
    told = ", ".join(f"{left[row.id]} of {row.sku}" for row in rows if left.get(row.id))
    tx.insert(
        tables.audit,
        ("at", "actor", "channel_id", "order_id", "event", "detail"),
        [(now, wish.actor, order.channel_id, order.id, "left with the buyer", f"{told}; {wish.why}")],
    )
    return {row.number: left[row.id] for row in rows if left.get(row.id)}


def _named(order: Any, rows: Any, units: Mapping[str, int]) -> dict[int, int]:
    left: dict[int, int] = {}
    for name, wanted in units.items():
        named = [row for row in rows if name in (row.number, row.sku)]
        able = sum(row.undecided - left.get(row.id, 0) for row in named)
        if not 1 <= wanted <= able:
            raise UserError(
                f"{wanted} of {name}: {many(able, 'unit')} of it in order {order.name}, cancelled after leaving, "
                f"{'waits' if able == 1 else 'wait'} for a decision"
            )
        for row in named:
            taken = min(wanted, row.undecided - left.get(row.id, 0))
            left[row.id] = left.get(row.id, 0) + taken
            wanted -= taken
    return {id: count for id, count in left.items() if count}
