"""What was expected and does not come: a purchase order lapses; units on a transfer go back where they left, or are
lost. What was received stays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.errors import UserError
from core.store import tables
from core.store.database import Store, Tx
from core.store.moves import Entry, Stock
from core.sync.incoming import SHOWN, Expected, as_expected
from core.sync.stock import poke_concerned


def call_off(
    store: Store,
    reference: str,
    now: int,
    *,
    sku: str = "",
    location: str = "",
    lost: bool = False,
    actor: str = "operator",
) -> list[Expected]:
    """Calls off what is left of `reference`: all of it, or one item, or what was to come to one location.

    Units on a transfer are on hand again where they left; with `lost` they are nowhere. Raises `UserError` where
    nothing of it is open, and for a purchase order that is called `lost`.
    """

    def work(tx: Tx) -> list[Any]:
        rows = _open(tx, reference, sku, location)
        if not rows:
            raise UserError(f"nothing is open as {reference!r}; see `ordersync stock incoming --all`")
        if lost and rows[0].source == "purchase":
            raise UserError(f"{reference} is a purchase order: nothing of it left anywhere; leave out --lost")
        stock = Stock(tx, {row.item_id for row in rows})
        rows = _open(tx, reference, sku, location)  # as they stand under the items' locks
        for row in rows:
            if row.source == "transfer":
                stock.move(_ending(row, row.quantity - row.received - row.lost, lost, actor))
        stock.write(now)
        tx.update(
            tables.incoming,
            ("id",),
            ("state", "lost", "actor", "updated_at"),
            [
                (row.id, "cancelled", row.quantity - row.received if lost else row.lost, actor, now)
                for row in rows
            ],
        )  # fmt: skip
        return list(tx.rows(f"{SHOWN} WHERE n.id IN :ids ORDER BY n.id", ids=[row.id for row in rows]))

    found = store.transact(work)
    poke_concerned(store, {row.sku for row in found if row.source == "transfer"})
    return [as_expected(row, now) for row in found]


def _ending(row: Any, left: int, lost: bool, actor: str) -> Entry:
    """The ledger row of what does not arrive; of lost units one that moves nothing, as they are on hand nowhere."""
    return Entry(
        item_id=row.item_id,
        location_id=row.location_id if lost else row.from_id,
        cause=f"transfer:{'lost' if lost else 'back'}:{row.id}",
        kind="transfer",
        on_hand=0 if lost else left,
        actor=actor,
        note=f"{left} of {row.reference} {'lost on their way' if lost else 'came back'}",
        incoming_id=row.id,
    )


def _open(tx: Tx, reference: str, sku: str, location: str) -> Sequence[Any]:
    return tx.rows(
        f"{SHOWN} WHERE n.reference = :reference AND n.state = 'open' AND (:sku = '' OR i.sku = :sku)"
        " AND (:location = '' OR l.name = :location) ORDER BY n.id",
        reference=reference,
        sku=sku,
        location=location,
    )
