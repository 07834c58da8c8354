"""Kits: items that are sold as one and taken from stock as several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.errors import UserError
from core.model import MAX_QUANTITY
from core.store import tables
from core.store.database import Store, Tx
from core.store.moves import touch
from core.sync.stock import concerned
from core.sync.stock_asked import is_name, item_ids
from core.sync.work import poke


def define_kit(store: Store, sku: str, components: Mapping[str, int], *, title: str = "") -> bool:
    """A kit is made of `components` (units by SKU); returns False when that is what it was already.

    An unknown kit becomes an item. What was promised before keeps the parts it was promised with. Refuses unknown
    components, kits inside kits, and a kit that has stock of its own.
    """
    return define_kits(store, {sku: components}, titles={sku: title} if title else {}) == 1


def define_kits(store: Store, kits: Mapping[str, Mapping[str, int]], *, titles: Mapping[str, str] | None = None) -> int:
    """Defines several kits in one transaction, or none; returns how many are not what they were."""
    for sku, components in kits.items():
        _check(sku, components)
    changed = store.transact(lambda tx: _define(tx, kits, titles or {}))
    with store.read() as tx:
        due = concerned(tx, changed)
    poke(store, sorted(due))
    return len(changed)


def _check(sku: str, components: Mapping[str, int]) -> None:
    if not is_name(sku):
        raise UserError(f"{sku!r} is no SKU; write it without blanks around it and without control characters")
    if not components:
        raise UserError(f"{sku} needs at least one component; name it as SKU=QUANTITY")
    for part, quantity in components.items():
        if part == sku:
            raise UserError(f"{sku} cannot be a component of itself; name what it is made of")
        if type(quantity) is not int or not 1 <= quantity <= MAX_QUANTITY:
            raise UserError(f"{quantity} of {part} in {sku}: write a whole number from 1 to {MAX_QUANTITY}")


def _define(tx: Tx, kits: Mapping[str, Mapping[str, int]], titles: Mapping[str, str]) -> list[str]:
    parts = {part for components in kits.values() for part in components}
    nested = sorted(parts & set(kits))
    if nested:
        raise UserError(f"{', '.join(nested)} cannot be a kit and a component at once; name its own components")
    unknown = sorted(parts - set(item_ids(tx, parts)))
    if unknown:
        raise UserError(
            f"there is no item {', '.join(unknown)}; receive the components first (`ordersync stock receive`)"
        )
    tx.insert(tables.items, ("sku",), [(sku,) for sku in sorted(kits)], "ON CONFLICT DO NOTHING")
    ids = item_ids(tx, [*kits, *parts])
    locked = tx.rows("SELECT * FROM items WHERE id IN :ids ORDER BY id /*lock*/", ids=sorted(ids.values()))
    _refuse(tx, [row for row in locked if row.sku in kits], [row for row in locked if row.sku in parts])
    was: dict[int, dict[int, int]] = {ids[sku]: {} for sku in kits}
    for row in tx.rows("SELECT * FROM kits WHERE kit_id IN :ids", ids=sorted(was)):
        was[row.kit_id][row.component_id] = row.quantity
    wanted = {sku: {ids[part]: quantity for part, quantity in components.items()} for sku, components in kits.items()}
    changed = sorted(sku for sku in kits if was[ids[sku]] != wanted[sku])
    tx.run("DELETE FROM kits WHERE kit_id IN :ids", ids=sorted(ids[sku] for sku in changed))
    tx.insert(
        tables.kits,
        ("kit_id", "component_id", "quantity"),
        sorted((ids[sku], part, quantity) for sku in changed for part, quantity in wanted[sku].items()),
    )
    tx.update(tables.items, ("id",), ("title",), sorted((ids[sku], title) for sku, title in titles.items()))
    touch(tx, [ids[sku] for sku in changed])
    return changed


def _refuse(tx: Tx, kits: Sequence[Any], parts: Sequence[Any]) -> None:
    """What cannot be a kit, and what cannot be in one; all items are locked."""
    stocked = [row.sku for row in kits if row.on_hand]
    if stocked:
        raise UserError(
            f"{', '.join(stocked)} has stock of its own; set it to 0 and receive its components instead, then define it"
        )
    inside = tx.rows("SELECT DISTINCT component_id FROM kits WHERE component_id IN :ids", ids=[row.id for row in kits])
    made = tx.rows("SELECT DISTINCT kit_id FROM kits WHERE kit_id IN :ids", ids=[row.id for row in parts])
    both = {row.component_id for row in inside} | {row.kit_id for row in made}
    names = sorted(row.sku for row in (*kits, *parts) if row.id in both)
    if names:
        raise UserError(f"{', '.join(names)} cannot be a kit and a component at once; name its own components")
