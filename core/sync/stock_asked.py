"""What an operator may ask of stock: items and locations that are known, quantities that a counter can hold."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

import msgspec

from core.errors import UserError
from core.model import MAX_QUANTITY
from core.store import tables
from core.store.database import Tx


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One item at one location, as the operator wants it."""

    kind: str
    """receive or adjust: `units` are added (adjust may take away); set or count: on hand becomes `units`."""
    sku: str
    location: str
    units: int
    title: str = ""
    """Of the item, where it is to be made or renamed."""


def known_locations(tx: Tx, names: Iterable[str]) -> dict[str, int]:
    """The ids of locations by name; refuses one that is not there, naming those that are."""
    known = {row.name: row.id for row in tx.rows("SELECT id, name FROM locations ORDER BY name")}
    for name in sorted(names):
        if name not in known:
            raise UserError(f"there is no location {name!r}; {there_are(known)}")
    return known


def there_are(locations: Iterable[str]) -> str:
    """What to write instead of an unknown location."""
    names = ", ".join(locations)
    return f"there are: {names}" if names else "write it into locations.toml and run `ordersync round` once"


def is_name(text: str) -> bool:
    """Whether a text may be a SKU: not empty, no blanks around it, no control characters."""
    return bool(text) and text == text.strip() and not any(unicodedata.category(one) in ("Cc", "Cs") for one in text)


def check_ask(ask: Ask) -> None:
    """Refuses a text that is no SKU or title, and a quantity that cannot be asked for."""
    if not is_name(ask.sku):
        raise UserError(f"{ask.sku!r} is no SKU; write it without blanks around it and without control characters")
    if type(ask.units) is not int or abs(ask.units) > MAX_QUANTITY or (ask.units < 0 and ask.kind != "adjust"):
        least = -MAX_QUANTITY if ask.kind == "adjust" else 0
        raise UserError(f"{ask.units} of {ask.sku}: write a whole number from {least} to {MAX_QUANTITY}")
    if any(unicodedata.category(one) in ("Cc", "Cs") for one in ask.title):
        raise UserError(f"the title of {ask.sku} holds control characters; leave them out")


def check_result(ask: Ask, was: int, here: int, total: int) -> None:
    """Refuses what would leave fewer than no units at the location, or more than can be kept."""
    if here < 0:
        raise UserError(
            f"{ask.location} has {was} of {ask.sku}, {-ask.units} cannot be taken away; "
            "count what is there (`ordersync stock count`)"
        )
    if max(here, total) > MAX_QUANTITY:
        raise UserError(f"{ask.sku} would have {max(here, total)} on hand; the most that can be kept is {MAX_QUANTITY}")


def known_items(tx: Tx, asks: Sequence[Ask]) -> dict[str, int]:
    """The items of `asks` by SKU; makes those that come to stock for the first time."""
    skus = sorted({ask.sku for ask in asks})
    known = item_ids(tx, skus)
    new = {ask.sku: ask.title for ask in asks if ask.sku not in known and ask.kind in ("receive", "set")}
    if new:
        tx.insert(tables.items, ("sku", "title"), sorted(new.items()), "ON CONFLICT DO NOTHING")
        known = item_ids(tx, skus)
    unknown = [sku for sku in skus if sku not in known]
    if unknown:
        raise UserError(
            f"there is no item {', '.join(unknown)}; receive it first (`ordersync stock receive`), or mend the SKU"
        )
    kits = tx.rows("SELECT DISTINCT kit_id FROM kits WHERE kit_id IN :ids", ids=sorted(known.values()))
    if kits:
        names = ", ".join(sorted(sku for sku, id in known.items() if id in {row.kit_id for row in kits}))
        raise UserError(f"{names} is a kit and has no stock of its own; book its components")
    return known


def item_ids(tx: Tx, skus: Iterable[str]) -> dict[str, int]:
    """The items' ids by SKU; an unknown SKU is left out."""
    return {row.sku: row.id for row in tx.rows("SELECT id, sku FROM items WHERE sku IN :skus", skus=sorted(set(skus)))}
