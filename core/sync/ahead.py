"""How many units of an item are offered beside what is free: those that may be sold although they are not there.

A pre-order with a cap offers the cap less what is promised of it and what has left since it was opened; what is free is
part of that, so it may be less than is free. A backorder with a cap offers, beside what is free, the cap less what
waits. Levels are computed with the number in the item's row (`presales.ahead`), which is reckoned with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.store import tables
from core.store.database import Store, Tx
from core.store.moves import touch


def reckon(tx: Tx, items: Sequence[int] | None = None) -> dict[int, int]:
    """Units ahead of the items that may be sold ahead, of all or of these, as they are by now."""
    which = "" if items is None else " WHERE p.item_id IN :items"
    some: dict[str, Any] = {} if items is None else {"items": sorted(items)}
    rows = tx.rows("SELECT p.*, i.on_hand, i.reserved FROM presales p JOIN items i ON i.id = p.item_id" + which, **some)
    if not rows:
        return {}
    ids = [row.item_id for row in rows]
    waits_for = waiting(tx, ids)
    capped = [row.item_id for row in rows if row.kind == "preorder" and row.cap is not None]
    left = {row[0]: max(0, int(row[1])) for row in (tx.rows(_LEFT, items=capped) if capped else ())}
    found = {}
    for row in rows:
        waits, free = waits_for.get(row.item_id, 0), row.on_hand - row.reserved
        if row.kind == "backorder":
            found[row.item_id] = max(0, row.cap - waits)
        elif row.cap is None:
            found[row.item_id] = 0
        else:
            found[row.item_id] = max(0, row.cap - row.reserved - waits - left.get(row.item_id, 0)) - free
    return found


def waiting(tx: Tx, items: Sequence[int]) -> dict[int, int]:
    """Units of items that orders wait for, alone or in kits."""
    return {row[0]: int(row[1]) for row in tx.rows(_WAITING, items=list(items))}


# Led by the index of what waits: by the item itself, and by kits with it.
_WAITING = """
SELECT item_id, SUM(units) FROM (
  SELECT l.item_id AS item_id, l.backordered AS units FROM lines l WHERE l.backordered > 0 AND l.item_id IN :items
  UNION ALL
  SELECT k.component_id, l.backordered * k.quantity FROM kits k JOIN lines l ON l.item_id = k.kit_id
  WHERE k.component_id IN :items AND l.backordered > 0
) w GROUP BY item_id
"""

_LEFT = """
SELECT g.item_id, -SUM(g.on_hand) FROM ledger g JOIN presales p ON p.item_id = g.item_id
WHERE g.item_id IN :items AND g.kind IN ('ship', 'ship_outside', 'void') AND g.at >= p.since GROUP BY g.item_id
"""


def write(tx: Tx, items: Sequence[int]) -> None:
    """Reckons the rows of these items anew, as their levels are."""
    known = {row.item_id for row in tx.rows("SELECT item_id FROM presales WHERE item_id IN :items", items=list(items))}
    if known:
        tx.update(tables.presales, ("item_id",), ("ahead",), sorted(reckon(tx, sorted(known)).items()))


def watch(store: Store) -> int:
    """Has the levels computed anew of items of which more or fewer are ahead by now; returns how many.

    Who waits for stock moves no counter of it, so nothing else marks the item.
    """

    def changed(tx: Tx) -> list[int]:
        now = reckon(tx)
        was = {row.item_id: row.ahead for row in tx.rows("SELECT item_id, ahead FROM presales")} if now else {}
        return sorted(item for item, units in now.items() if was[item] != units)

    with store.read() as tx:
        if not changed(tx):
            return 0

    def work(tx: Tx) -> int:
        items = changed(tx)
        touch(tx, items)
        return len(items)

    return store.transact(work)
