"""What items cost: one number an item, for the metrics alone."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path

import msgspec

from core.errors import UserError
from core.store import tables
from core.store.database import Store, Tx

_MOST = Decimal(1_000_000_000)
_CURRENCY = re.compile("[A-Z]{3}")


class Cost(msgspec.Struct, frozen=True):
    """What one unit costs."""

    amount: Decimal
    currency: str


def cost_of(amount: str, currency: str) -> Cost:
    """A cost as people write it. Raises `UserError` for what is none."""
    try:
        found = Decimal(amount)
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite() or not 0 <= found <= _MOST or found != round(found, 6):
        raise UserError(f"{amount!r} is no cost; write a number such as 12.50, with six decimals at most")
    if not _CURRENCY.fullmatch(currency):
        raise UserError(f"{currency!r} is no currency; write its three capital letters, such as USD")
    return Cost(found, currency)


def set_costs(store: Store, costs: Mapping[str, Cost]) -> int:
    """Writes what items cost, by SKU; returns how many. All or none: raises `UserError` for a SKU nobody knows."""

    def work(tx: Tx) -> int:
        ids = {row.sku: row.id for row in tx.rows("SELECT id, sku FROM items WHERE sku IN :skus", skus=sorted(costs))}
        unknown = sorted(costs.keys() - ids.keys())
        if unknown:
            raise UserError(f"there is no item {unknown[0]!r}; see `ordersync stock show`")
        rows = [(ids[sku], int(one.amount.scaleb(6)), one.currency) for sku, one in costs.items()]
        tx.update(tables.items, ("id",), ("cost", "currency"), sorted(rows))
        return len(rows)

    return store.transact(work)


def read_costs(path: Path) -> dict[str, Cost]:
    """A CSV file with the columns sku, cost and currency. Raises `UserError` with the first line that is wrong."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    reader = csv.DictReader(text.splitlines())
    if not {"sku", "cost", "currency"} <= set(reader.fieldnames or ()):
        raise UserError(f"{path.name}:1: the columns sku, cost and currency are needed; name them in its first line")
    found: dict[str, Cost] = {}
    for row in reader:
        where = f"{path.name}:{reader.line_num}"
        sku = row["sku"] or ""
        if sku in found:
            raise UserError(f"{where}: {sku} stands there already; keep one of the two")
        try:
            found[sku] = cost_of(row["cost"] or "", row["currency"] or "")
        except UserError as error:
            raise UserError(f"{where}: {error}") from None
    return found
