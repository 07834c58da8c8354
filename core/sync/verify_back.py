"""The invariants of what comes back: parcels that never left.

All hold at every commit: whatever brings units back writes its ledger rows in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterator

from core.store.database import Tx
from core.sync.verify_breach import LOOK, MOST, Breach, Check, name_items, name_orders


def void_parcels_are_back(tx: Tx) -> Iterator[Breach]:
    """I1: what the ledger took off a location for a void parcel it put back there, once, and for no other parcel."""
    rows = tx.rows(
        f"""
        SELECT t.parcel, t.item_id, MAX(t.location_id) AS location_id, SUM(t.moved) AS moved, SUM(t.back) AS back FROM (
          SELECT substr(g.cause, 6) AS parcel, g.item_id, g.location_id, -g.on_hand AS moved, 0 AS back
          FROM shipments s JOIN ledger g ON g.kind = 'ship' AND g.cause LIKE 'ship:' || s.id || ':%'
          WHERE s.voided_at IS NOT NULL
          UNION ALL
          SELECT substr(cause, 6), item_id, location_id, 0, on_hand FROM ledger WHERE kind = 'void'
        ) t GROUP BY t.parcel, t.item_id HAVING SUM(t.moved) <> SUM(t.back) OR MIN(t.location_id) <> MAX(t.location_id)
        ORDER BY t.parcel, t.item_id LIMIT {MOST}
        """
    )
    skus = name_items(tx, [row.item_id for row in rows])
    for row in rows:
        yield Breach(
            name="I1",
            subject=f"{skus[row.item_id]}, parcel {row.parcel.split(':')[0]}",
            wrong=f"{row.moved} left for a void parcel, and {row.back} came back",
            cure="count the item where the parcel was packed (`ordersync stock count`)",
        )


def void_parcels_are_silent(tx: Tx) -> Iterator[Breach]:
    """I12: no channel is about to be told of a parcel that is void."""
    rows = tx.rows(
        "SELECT p.id, p.order_id, p.state FROM shipments s JOIN pushes p ON p.shipment_id = s.id"
        " WHERE s.voided_at IS NOT NULL AND p.state NOT IN ('applied', 'confirmed', 'dropped')"
        f" ORDER BY p.id LIMIT {MOST}"
    )
    orders = name_orders(tx, [row.order_id for row in rows])
    for row in rows:
        yield Breach(
            name="I12",
            subject=f"{orders[row.order_id]}, push {row.id}",
            wrong=f"it is {row.state}, and its parcel is void",
            cure=f"`ordersync push drop {row.id}`, then " + LOOK.format(id=row.order_id),
            order_id=row.order_id,
        )


CHECKS: tuple[Check, ...] = (void_parcels_are_back, void_parcels_are_silent)
