"""What a warehouse's last count of a shelf says of what is told only afterwards, and what it left in doubt.

Units that had left before the count are in it already, whoever tells of them and however late. Units that it counts no
more, and was asked to send, are in doubt (see `core.counting`) until somebody tells what became of them, or they are
asked for no more: then they are not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from core.counting import told_late
from core.store.database import Tx
from core.store.moves import Entry, Stock


class Gone(NamedTuple):
    """Units of an item in a parcel."""

    item_id: int
    units: int


def count_of(tx: Tx, item: int, place: int) -> Any:
    """The last count of an item at a location; None where its warehouse has never counted it."""
    return tx.row("SELECT * FROM counted WHERE item_id = :item AND location_id = :place", item=item, place=place)


def doubt(tx: Tx, item: int, place: int, left: int) -> None:
    """So many units are in doubt by now."""
    tx.run(
        "UPDATE counted SET doubted = :left WHERE item_id = :item AND location_id = :place",
        item=item,
        place=place,
        left=left,
    )


def left_before_a_count(tx: Tx, cause: str, place: int, gone: Iterable[Gone], at: int, now: int, *, actor: str) -> None:
    """Units of a parcel that is to be booked and had left before the last count: the count had them no more, so what
    the booking would take off twice comes back first. The count may have shown that others need all that is there.

    `cause`: what the ledger's causes begin with, the parcel's own. All items of the parcel are locked."""
    back: dict[int, int] = {}
    for item, units in gone:
        row = count_of(tx, item, place)
        if row is not None and at <= row.as_of:
            off, left = told_late(units, row.doubted)
            doubt(tx, item, place, left)
            back[item] = back.get(item, 0) + units - off
    back = {item: units for item, units in back.items() if units}
    if not back:
        return
    stock = Stock(tx, back)
    for item, units in sorted(back.items()):
        stock.move(
            Entry(
                item_id=item, location_id=place, cause=f"{cause}:{item}:{place}", kind="count", on_hand=units,
                actor=actor, note="it left before the last count, which had it no more",
            )
        )  # fmt: skip
    stock.write(now)


def told_by_hand(tx: Tx, changes: Mapping[tuple[str, str], int | None]) -> None:
    """Somebody has told of shelves, by SKU and location: units more or (below zero) fewer than by our books, of which
    those in doubt are the first; None: so many as there are, and nothing is in doubt any more."""
    rows: Sequence[Any] = tx.rows(
        "SELECT c.item_id, c.location_id, c.doubted, i.sku, p.name FROM counted c JOIN items i ON i.id = c.item_id"
        " JOIN locations p ON p.id = c.location_id WHERE i.sku IN :skus AND c.doubted > 0"
        " ORDER BY c.item_id, c.location_id",
        skus=sorted({sku for sku, _ in changes}),
    )
    for row in rows:
        if (row.sku, row.name) in changes:
            change = changes[row.sku, row.name]
            left = 0 if change is None else max(0, row.doubted + min(0, change))
            doubt(tx, row.item_id, row.location_id, left)
