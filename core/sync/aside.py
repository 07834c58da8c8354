"""Units set aside: they stand at a location, in quarantine or damaged, and are nobody's to sell.

They are not on hand. They came by a return's receipt and go in one of two ways: released, they are on hand; disposed
of, they are gone. How many stand aside is the sum of their movements.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from core.errors import UserError
from core.store import tables
from core.store.database import Store, Tx
from core.store.moves import Entry, Stock
from core.sync.stock import concerned
from core.sync.stock_asked import item_ids, known_locations
from core.sync.work import poke


class Condition(StrEnum):
    """How units stand aside."""

    QUARANTINE = "quarantine"
    """Somebody has yet to look at them."""
    DAMAGED = "damaged"
    """They are not for sale as they are."""


class Aside(msgspec.Struct, frozen=True, kw_only=True):
    """Units of an item that stand aside at a location in one condition."""

    sku: str
    location: str
    condition: str
    """quarantine or damaged."""
    units: int
    since: int
    """When the first of those ever set aside there came. Microseconds since 1970 UTC."""


def standing(store: Store) -> list[Aside]:
    """All that stands aside."""
    with store.read() as tx:
        return _standing(tx)


def _standing(tx: Tx) -> list[Aside]:
    return [
        Aside(sku=row.sku, location=row.name, condition=row.condition, units=int(row.units), since=row.since)
        for row in tx.rows(
            "SELECT i.sku, l.name, a.condition, SUM(a.units) AS units, MIN(a.at) AS since FROM aside a"
            " JOIN items i ON i.id = a.item_id JOIN locations l ON l.id = a.location_id"
            " GROUP BY i.sku, l.name, a.condition HAVING SUM(a.units) <> 0 ORDER BY i.sku, l.name, a.condition"
        )
    ]


class Going(msgspec.Struct, frozen=True, kw_only=True):
    """Units of one SKU that stand aside no more."""

    sku: str
    location: str
    units: int
    condition: str
    kind: str
    """release: they are on hand; dispose: they are gone."""


def let_go(
    store: Store, going: Sequence[Going], now: int, *, reference: str, note: str = "", actor: str = "operator"
) -> bool:
    """Releases or disposes of units that stand aside, all of them or none; once for a reference.

    False: the reference was booked before. Raises `UserError` when fewer stand there.
    """
    done, channels = store.transact(lambda tx: _let_go(tx, going, reference, note, actor, now))
    poke(store, sorted(channels))
    return done


def _let_go(tx: Tx, going: Sequence[Going], reference: str, note: str, actor: str, now: int) -> tuple[bool, set[int]]:
    items = item_ids(tx, [one.sku for one in going])
    places = known_locations(tx, [one.location for one in going])
    unknown = sorted({one.sku for one in going} - items.keys())
    if unknown:
        raise UserError(f"there is no item {', '.join(unknown)}; see `ordersync aside list`")
    stock = Stock(tx, items.values())  # its lock guards what stands aside too
    rows = []
    for one in going:
        item, place = items[one.sku], places[one.location]
        cause = f"{one.kind}:{reference}:{one.condition}:{item}:{place}"
        if tx.row("SELECT id FROM aside WHERE cause = :cause", cause=cause):
            return False, set()
        there = tx.value(
            "SELECT COALESCE(SUM(units), 0) FROM aside WHERE item_id = :item AND location_id = :place"
            " AND condition = :condition",
            item=item,
            place=place,
            condition=one.condition,
        )
        if not 1 <= one.units <= there:
            raise UserError(
                f"{one.units} of {one.sku} cannot go: {there} stand aside at {one.location} ({one.condition}); "
                "see `ordersync aside list`"
            )
        rows.append((item, place, one.condition, -one.units, one.kind, cause, actor, note, now))
        if one.kind == "release":
            stock.move(
                Entry(
                    item_id=item, location_id=place, cause=f"aside:{cause}", kind="return", on_hand=one.units,
                    actor=actor, note=note,
                )
            )  # fmt: skip
    columns = ("item_id", "location_id", "condition", "units", "kind", "cause", "actor", "note", "at")
    tx.insert(tables.aside, columns, rows)
    stock.write(now)
    return True, concerned(tx, {one.sku for one in going if one.kind == "release"})
