"""What items need of a location that sends them, and what they weigh.

A kit needs what its components need and weighs what they weigh: traits are the components'.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from core.errors import UserError
from core.model import MAX_QUANTITY
from core.store.database import Store, Tx
from core.store.moves import wake
from core.sync.work import poke

_CAPABILITY = re.compile(r"^[a-z0-9][a-z0-9_-]*$")


class Traits(msgspec.Struct, frozen=True):
    """What is set of an item; None leaves it as it is."""

    needs: tuple[str, ...] | None = None
    weight: int | None = None
    """Of a unit, in grams."""


def set_traits(store: Store, traits: Mapping[str, Traits], actor: str, now: int) -> int:
    """Sets the traits of items by SKU, all or none; returns how many changed. Orders that wait are routed anew.

    Raises `UserError` for an unknown SKU, a kit, a capability nobody could write and a weight there is not.
    """
    for sku, one in traits.items():
        for need in one.needs or ():
            if not _CAPABILITY.match(need):
                raise UserError(f"{sku}: {need!r} is no capability; write small letters, digits, - and _")
        if one.weight is not None and not 0 <= one.weight <= MAX_QUANTITY:
            raise UserError(f"{sku}: {one.weight} is no weight in grams")

    def work(tx: Tx) -> int:
        rows = {
            row.sku: row
            for row in tx.rows("SELECT * FROM items WHERE sku IN :skus ORDER BY id /*lock*/", skus=sorted(traits))
        }
        kits = {row.kit_id for row in tx.rows("SELECT DISTINCT kit_id FROM kits")}
        for sku in traits:
            if sku not in rows:
                raise UserError(f"there is no item {sku!r}; see `ordersync stock show`")
            if rows[sku].id in kits:
                raise UserError(f"{sku} is a kit: it needs and weighs what its components do; set it of those")
        changed = []
        for sku, one in traits.items():
            row = rows[sku]
            needs = row.needs if one.needs is None else " ".join(sorted(set(one.needs)))
            weight = row.weight if one.weight is None else one.weight
            if (needs, weight) != (row.needs, row.weight):
                tx.run(
                    "UPDATE items SET needs = :needs, weight = :weight WHERE id = :id",
                    needs=needs,
                    weight=weight,
                    id=row.id,
                )
                changed.append(row.id)
        if changed:
            wake(tx, changed, now)
        return len(changed)

    count = store.transact(work)
    if count:
        with store.read() as tx:
            channels = [row.id for row in tx.rows("SELECT id FROM channels ORDER BY id")]
        poke(store, channels)
    return count


def read_csv(path: Path) -> dict[str, Traits]:
    """Traits from a file with the columns sku, needs (with spaces between) and weight (grams); an empty field leaves it
    as it is, a needs of - takes all away. Raises `UserError` with the line.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} cannot be read: {error}; save it as UTF-8 with the columns sku, needs, weight"
        ) from None
    if rows and "sku" not in rows[0]:
        raise UserError(f"{path} has no column sku; its first line names sku, needs and weight")
    found: dict[str, Traits] = {}
    for at, row in enumerate(rows, 2):
        sku, needs, weight = ((row.get(name) or "").strip() for name in ("sku", "needs", "weight"))
        if not sku or sku in found:
            raise UserError(f"{path}:{at}: {'no SKU' if not sku else f'{sku} stands twice'}")
        if weight and not (weight.isascii() and weight.isdigit() and len(weight) < 10):
            raise UserError(f"{path}:{at}: {weight!r} is no weight in whole grams")
        found[sku] = Traits(
            None if not needs else () if needs == "-" else tuple(needs.split()), int(weight) if weight else None
        )
    return found
