"""The invariants of what comes back: parcels that never left, receipts of returns, units set aside.

All hold at every commit: whatever brings units back writes its ledger rows in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterator

from core.store.database import Tx
from core.sync.verify_breach import LOOK, MOST, Breach, Check, name_items, name_lines, name_locations, name_orders


def void_parcels_are_back(tx: Tx) -> Iterator[Breach]:
    """I1: what the ledger took off a location for a void parcel it put back there, once, and for no other parcel."""
    rows = tx.rows(
        f"""
        SELECT t.parcel, t.item_id, MAX(t.location_id) AS location_id, SUM(t.moved) AS moved, SUM(t.back) AS back FROM (
          SELECT substr(g.cause, 6) AS parcel, g.item_id, g.location_id, -g.on_hand AS moved, 0 AS back
          FROM ledger g WHERE g.kind = 'ship'
            AND substr(g.cause, 1, length(g.cause) - length(CAST(g.item_id AS text)) - 1) IN (
              SELECT 'ship:' || s.id || ':' || p.line_id FROM shipments s
              JOIN shipment_lines p ON p.shipment_id = s.id WHERE s.voided_at IS NOT NULL)
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
        " WHERE s.voided_at IS NOT NULL AND p.kind = 'tracking' AND p.state NOT IN ('applied', 'confirmed', 'dropped')"
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


def only_void_parcels_are_taken_back(tx: Tx) -> Iterator[Breach]:
    """I12: a channel is asked to take back a parcel that is void and that it was told of, and no other."""
    rows = tx.rows(
        "SELECT p.id, p.order_id, s.tracking FROM pushes p JOIN shipments s ON s.id = p.shipment_id"
        " WHERE p.kind = 'void' AND p.state <> 'dropped' AND (s.voided_at IS NULL OR NOT EXISTS (SELECT 1 FROM pushes t"
        " WHERE t.order_id = p.order_id AND t.shipment_id = s.id AND t.kind = 'tracking'"
        f" AND t.state IN ('applied', 'confirmed'))) ORDER BY p.id LIMIT {MOST}"
    )
    orders = name_orders(tx, [row.order_id for row in rows])
    for row in rows:
        yield Breach(
            name="I12",
            subject=f"{orders[row.order_id]}, push {row.id}",
            wrong=f"it has parcel {row.tracking} taken back, which is not void or was never told",
            cure=LOOK.format(id=row.order_id) + " and tell it of the parcel by hand where it is gone there",
            order_id=row.order_id,
        )


def receipts_are_where_they_say(tx: Tx) -> Iterator[Breach]:
    """I1: what was restocked came on hand, what was set aside stands aside, at the receipt's location, and disposed
    units came nowhere; nothing else came on hand or aside by a return."""
    rows = tx.rows(
        f"""
        SELECT cause, MAX(id) AS id, MAX(units) AS units, MAX(disposition) AS disposition, SUM(shelf) AS shelf,
          SUM(beside) AS beside FROM (
          SELECT 'return:' || id AS cause, id, quantity AS units, disposition, location_id, 0 AS shelf, 0 AS beside
          FROM receipts
          UNION ALL
          SELECT substr(cause, 1, length(cause) - length(CAST(item_id AS text)) - 1), NULL, NULL, NULL, location_id,
            on_hand, 0 FROM ledger WHERE kind = 'return' AND cause LIKE 'return:%'
          UNION ALL
          SELECT substr(cause, 1, length(cause) - length(CAST(item_id AS text)) - 1), NULL, NULL, NULL, location_id, 0,
            units FROM aside WHERE kind = 'receive'
        ) t GROUP BY cause HAVING MAX(id) IS NULL OR MIN(location_id) <> MAX(location_id)
          OR (SUM(shelf) < MAX(units) OR SUM(shelf) % MAX(units) <> 0) <> (MAX(disposition) <> 'restock')
          OR (SUM(beside) < MAX(units) OR SUM(beside) % MAX(units) <> 0)
            <> (MAX(disposition) NOT IN ('quarantine', 'damaged'))
          OR (SUM(shelf) <> 0 AND SUM(beside) <> 0)
        ORDER BY cause LIMIT {MOST}
        """
    )
    for row in rows:
        yield Breach(
            name="I1",
            subject=f"receipt {row.cause.removeprefix('return:')}",
            wrong=f"{row.units} came back ({row.disposition}), {row.shelf} of them on hand and {row.beside} aside",
            cure="count the item where they were put (`ordersync stock count`, `ordersync aside list`)",
        )


def returned_units_are_receipts(tx: Tx) -> Iterator[Breach]:
    """I8: a line's returned units are those of its receipts."""
    rows = tx.rows(
        f"""
        SELECT line_id, SUM(returned) AS returned, SUM(received) AS received FROM (
          SELECT id AS line_id, returned, 0 AS received FROM lines WHERE returned <> 0
          UNION ALL SELECT line_id, 0, quantity FROM receipts WHERE line_id IS NOT NULL
        ) t GROUP BY line_id HAVING SUM(returned) <> SUM(received) ORDER BY line_id LIMIT {MOST}
        """
    )
    lines = name_lines(tx, [row.line_id for row in rows])
    for row in rows:
        order_id, subject = lines[row.line_id]
        wrong = f"{row.returned} returned, but {row.received} were received"
        yield Breach(name="I8", subject=subject, wrong=wrong, cure=LOOK.format(id=order_id), order_id=order_id)


def returns_stay_with_their_order(tx: Tx) -> Iterator[Breach]:
    """I9: what was announced and received of a return are lines of its order."""
    rows = tx.rows(
        f"""
        SELECT l.id, m.id AS rma FROM rmas m JOIN rma_lines a ON a.rma_id = m.id JOIN lines l ON l.id = a.line_id
        WHERE m.order_id IS NULL OR l.order_id <> m.order_id
        UNION SELECT l.id, m.id FROM rmas m JOIN receipts r ON r.rma_id = m.id JOIN lines l ON l.id = r.line_id
        WHERE m.order_id IS NULL OR l.order_id <> m.order_id ORDER BY 1 LIMIT {MOST}
        """
    )
    lines = name_lines(tx, [row.id for row in rows])
    for row in rows:
        order_id, subject = lines[row.id]
        wrong = f"it is in return {row.rma}, which is another order's"
        yield Breach(name="I9", subject=subject, wrong=wrong, cure=LOOK.format(id=order_id), order_id=order_id)


def asides_are_there(tx: Tx) -> Iterator[Breach]:
    """I1: no fewer than none stand aside, and what was released is on hand where it stood, once."""
    skus_at = tx.rows(
        "SELECT item_id, location_id, condition, SUM(units) AS units FROM aside"
        f" GROUP BY item_id, location_id, condition HAVING SUM(units) < 0 ORDER BY item_id, location_id LIMIT {MOST}"
    )
    skus, places = name_items(tx, [row.item_id for row in skus_at]), name_locations(tx)
    for row in skus_at:
        yield Breach(
            name="I1",
            subject=f"{skus[row.item_id]} at {places[row.location_id]}",
            wrong=f"{row.units} stand aside ({row.condition})",
            cure="count what stands aside there, and tell whoever released or disposed of more",
        )
    rows = tx.rows(
        f"""
        SELECT item_id, location_id, SUM(gone) AS gone, SUM(came) AS came FROM (
          SELECT cause, item_id, location_id, -units AS gone, 0 AS came FROM aside WHERE kind = 'release'
          UNION ALL
          SELECT substr(cause, 7), item_id, location_id, 0, on_hand FROM ledger
          WHERE kind = 'return' AND cause LIKE 'aside:%'
        ) t GROUP BY cause, item_id, location_id HAVING SUM(gone) <> SUM(came)
        ORDER BY item_id, location_id LIMIT {MOST}
        """
    )
    skus = name_items(tx, [row.item_id for row in rows])
    for row in rows:
        yield Breach(
            name="I1",
            subject=f"{skus[row.item_id]} at {places[row.location_id]}",
            wrong=f"{row.gone} were released, and {row.came} came on hand",
            cure="count the item there (`ordersync stock count`)",
            item_id=None,
        )


CHECKS: tuple[Check, ...] = (
    void_parcels_are_back,
    void_parcels_are_silent,
    only_void_parcels_are_taken_back,
    receipts_are_where_they_say,
    returned_units_are_receipts,
    returns_stay_with_their_order,
    asides_are_there,
)
