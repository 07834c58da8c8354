"""The invariants of stock: what is on hand, promised, bound to locations, and told to channels.

All hold at every commit: each movement writes its counters, its rows and its ledger entries in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from core.store.database import Tx
from core.sync.verify_breach import MOST, REPAIR, Breach, Check, name_items, name_lines, name_locations


def stock_is_its_ledger(tx: Tx) -> Iterator[Breach]:
    """I1: what stands at a location is the sum of all that the ledger says came there and left."""
    rows = tx.rows(
        f"""
        SELECT item_id, location_id, SUM(stood) AS stood, SUM(moved) AS moved FROM (
          SELECT item_id, location_id, on_hand AS stood, 0 AS moved FROM stock
          UNION ALL
          SELECT item_id, location_id, 0, SUM(on_hand) FROM ledger GROUP BY item_id, location_id
        ) t GROUP BY item_id, location_id HAVING SUM(stood) <> SUM(moved) ORDER BY item_id, location_id LIMIT {MOST}
        """
    )
    yield from _at_places(tx, "I1", rows, lambda row: f"{row.stood} on hand, but the ledger adds up to {row.moved}")


def item_is_its_stock(tx: Tx) -> Iterator[Breach]:
    """I1: what is on hand of an item is what stands at its locations together."""
    rows = tx.rows(
        f"""
        SELECT item_id, SUM(total) AS total, SUM(stood) AS stood FROM (
          SELECT id AS item_id, on_hand AS total, 0 AS stood FROM items
          UNION ALL
          SELECT item_id, 0, SUM(on_hand) FROM stock GROUP BY item_id
        ) t GROUP BY item_id HAVING SUM(total) <> SUM(stood) ORDER BY item_id LIMIT {MOST}
        """
    )
    yield from _of_items(tx, "I1", rows, lambda row: f"{row.total} on hand, but {row.stood} stand at its locations")


def parcels_left_the_ledger(tx: Tx) -> Iterator[Breach]:
    """I1: each line of a parcel that left from here took its units, or whole multiples for a kit, off its location."""
    rows = tx.rows(
        f"""
        SELECT cause, SUM(units) AS units, SUM(moved) AS moved, MAX(line_id) AS line_id, MAX(item_id) AS item_id
        FROM (
          SELECT 'ship:' || s.id || ':' || p.line_id AS cause, s.location_id, p.quantity AS units, 1 AS parcels,
            0 AS moved, 0 AS entries, p.line_id AS line_id, NULL AS item_id, l.item_id AS wanted
          FROM shipments s JOIN shipment_lines p ON p.shipment_id = s.id JOIN lines l ON l.id = p.line_id
          WHERE s.origin <> 'channel'
          UNION ALL
          SELECT substr(cause, 1, length(cause) - length(CAST(item_id AS text)) - 1), location_id, 0, 0,
            -on_hand, 1, NULL, item_id, NULL
          FROM ledger WHERE kind = 'ship'
        ) t GROUP BY cause HAVING SUM(parcels) <> 1 OR SUM(entries) < 1 OR SUM(moved) < SUM(units)
          OR SUM(moved) % NULLIF(SUM(units), 0) <> 0 OR (MAX(wanted) = MAX(item_id) AND SUM(moved) <> SUM(units))
          OR MIN(location_id) <> MAX(location_id) OR COUNT(*) <> COUNT(location_id)
        ORDER BY cause LIMIT {MOST}
        """
    )
    lines = name_lines(tx, [row.line_id for row in rows if row.line_id is not None])
    skus = name_items(tx, [row.item_id for row in rows if row.item_id is not None])
    for row in rows:
        order_id, subject = lines.get(row.line_id, (None, skus.get(row.item_id, row.cause)))
        yield Breach(
            name="I1",
            subject=subject,
            wrong=f"{row.units} left in parcels, but the ledger took {row.moved} off the parcel's location",
            cure="count the item where the parcel left from (`ordersync stock count`)",
            order_id=order_id,
        )


def item_promises_are_reservations(tx: Tx) -> Iterator[Breach]:
    """I2: what is promised of an item is the sum of its reservations."""
    rows = tx.rows(
        f"""
        SELECT item_id, SUM(total) AS total, SUM(promised) AS promised FROM (
          SELECT id AS item_id, reserved AS total, 0 AS promised FROM items WHERE reserved <> 0
          UNION ALL
          SELECT item_id, 0, SUM(quantity) FROM reservations GROUP BY item_id
        ) t GROUP BY item_id HAVING SUM(total) <> SUM(promised) ORDER BY item_id LIMIT {MOST}
        """
    )
    yield from _of_items(tx, "I2", rows, lambda row: f"{row.total} reserved, but its reservations are {row.promised}")


def line_promises_are_reservations(tx: Tx) -> Iterator[Breach]:
    """I2: a line's reserved units are its reservations of each part, and a reservation belongs to reserved units.

    Reservations of closed lines are I8's.
    """
    rows = tx.rows(
        f"""
        SELECT id, reserved, MIN(promised) AS promised FROM (
          SELECT l.id, l.reserved, 0 AS promised FROM lines l
          WHERE l.reserved <> 0 AND NOT EXISTS (SELECT 1 FROM reservations r WHERE r.line_id = l.id)
          UNION ALL
          SELECT l.id, l.reserved, r.quantity / r.per FROM reservations r JOIN lines l ON l.id = r.line_id
          WHERE r.quantity <> CAST(l.reserved AS bigint) * r.per AND l.ordered > l.cancelled + l.shipped
        ) t GROUP BY id, reserved ORDER BY id LIMIT {MOST}
        """
    )
    lines = name_lines(tx, [row.id for row in rows])
    for row in rows:
        order_id, subject = lines[row.id]
        wrong = f"{row.reserved} reserved, but its reservations are for {row.promised}"
        yield Breach(name="I2", subject=subject, wrong=wrong, cure=REPAIR, order_id=order_id)


def nothing_below_zero(tx: Tx) -> Iterator[Breach]:
    """I3: nothing is below zero, and no more is promised or bound than is on hand."""
    rows = tx.rows(
        "SELECT id AS item_id, on_hand, reserved FROM items WHERE on_hand < 0 OR reserved < 0 OR reserved > on_hand"
        f" ORDER BY id LIMIT {MOST}"
    )
    cure = "count the item at its locations (`ordersync stock count`)"
    yield from _of_items(tx, "I3", rows, lambda row: f"{row.on_hand} on hand, {row.reserved} reserved", cure)
    rows = tx.rows(
        "SELECT item_id, location_id, on_hand, allocated FROM stock WHERE on_hand < 0 OR allocated < 0"
        f" OR allocated > on_hand ORDER BY item_id, location_id LIMIT {MOST}"
    )
    yield from _at_places(tx, "I3", rows, lambda row: f"{row.on_hand} on hand, {row.allocated} allocated", cure)


def lines_are_bound_by_work(tx: Tx) -> Iterator[Breach]:
    """I9: a line's allocated units are what locations are asked for and have not sent."""
    rows = tx.rows(
        f"""
        SELECT line_id, SUM(allocated) AS allocated, SUM(asked) AS asked FROM (
          SELECT id AS line_id, allocated, 0 AS asked FROM lines WHERE allocated <> 0
          UNION ALL
          SELECT w.line_id, 0, w.quantity - w.shipped FROM fulfilment_orders f
          JOIN fulfilment_lines w ON w.fulfilment_order_id = f.id
          WHERE f.state IN ('planned', 'released') AND w.quantity <> w.shipped
        ) t GROUP BY line_id HAVING SUM(allocated) <> SUM(asked) ORDER BY line_id LIMIT {MOST}
        """
    )
    lines = name_lines(tx, [row.line_id for row in rows])
    for row in rows:
        order_id, subject = lines[row.line_id]
        wrong = f"{row.allocated} allocated, but locations are asked for {row.asked}"
        yield Breach(name="I9", subject=subject, wrong=wrong, cure=REPAIR, order_id=order_id)


def stock_is_bound_by_work(tx: Tx) -> Iterator[Breach]:
    """I9: what is allocated at a location is what it is asked for, and a location that is asked is known."""
    rows = tx.rows(
        f"""
        SELECT item_id, location_id, SUM(allocated) AS allocated, SUM(asked) AS asked FROM (
          SELECT item_id, location_id, allocated, 0 AS asked FROM stock WHERE allocated <> 0
          UNION ALL
          SELECT r.item_id, f.location_id, 0, CAST(w.quantity - w.shipped AS bigint) * r.per
          FROM fulfilment_orders f JOIN fulfilment_lines w ON w.fulfilment_order_id = f.id
          JOIN reservations r ON r.line_id = w.line_id
          WHERE f.state IN ('planned', 'released') AND w.quantity <> w.shipped
        ) t GROUP BY item_id, location_id
        HAVING SUM(allocated) <> SUM(asked)
          OR (SUM(asked) > 0 AND NOT EXISTS (SELECT 1 FROM locations l WHERE l.id = t.location_id))
        ORDER BY item_id, location_id LIMIT {MOST}
        """
    )
    yield from _at_places(tx, "I9", rows, lambda row: f"{row.allocated} allocated, but it is asked for {row.asked}")


def applied_levels_are_told(tx: Tx) -> Iterator[Breach]:
    """I10: a level that counts as applied was told as it is desired now, and no push is ahead of its revision.

    What the channel really holds is read back by reconciliation, not here.
    """
    rows = tx.rows(
        f"""
        SELECT i.sku, c.name AS channel, v.place, v.desired, v.told, v.revision, v.sent_revision FROM levels v
        JOIN listings i ON i.id = v.listing_id JOIN channels c ON c.id = v.channel_id
        WHERE (v.state = 'applied' AND (v.told IS NULL OR v.told <> v.desired OR v.sent_revision <> v.revision))
          OR (v.state IN ('sent', 'accepted') AND v.sent IS NULL)
          OR v.sent_revision > v.revision OR v.desired < 0 OR v.told < 0 OR v.channel_id <> i.channel_id
        ORDER BY v.listing_id, v.place LIMIT {MOST}
        """
    )
    for row in rows:
        yield Breach(
            name="I10",
            subject=f"level of {row.sku} at {row.channel} {row.place}".rstrip(),
            wrong=f"desired {row.desired} (revision {row.revision}), told {row.told} (revision {row.sent_revision})",
            cure=f"run `ordersync resync {row.channel} --levels`",
        )


def levels_offer_what_is_free(tx: Tx) -> Iterator[Breach]:
    """I10: a channel is offered no more of a listing than is free of it (for a kit, of its scarcest component), or
    may be sold although it is not there.

    Left out are items whose levels are still to be computed, and places a channel's rules do not name any more.
    """
    rules = tx.rows("SELECT id, rules FROM channels WHERE rules <> ''")
    places = [f"{row.id}@{place}" for row in rules for place in _places(row.rules)]
    free = "(t.on_hand - t.reserved + CASE WHEN s.ahead > 0 THEN s.ahead ELSE 0 END) / p.per"
    rows = tx.rows(
        f"""
        SELECT i.sku, i.item_id, c.name AS channel, o.units AS units, MIN({free}) AS free
        FROM (
          SELECT v.listing_id, SUM(v.desired) AS units FROM levels v
          WHERE CAST(v.channel_id AS text) || '@' || v.place IN :places AND v.desired > 0 GROUP BY v.listing_id
        ) o
        JOIN listings i ON i.id = o.listing_id JOIN channels c ON c.id = i.channel_id
        JOIN (
          SELECT n.id AS item_id, COALESCE(k.component_id, n.id) AS part_id, COALESCE(k.quantity, 1) AS per
          FROM items n LEFT JOIN kits k ON k.kit_id = n.id
        ) p ON p.item_id = i.item_id
        JOIN items t ON t.id = p.part_id
        LEFT JOIN presales s ON s.item_id = p.part_id
        LEFT JOIN touched m ON m.item_id = i.item_id LEFT JOIN touched n ON n.item_id = p.part_id
        WHERE i.fulfiller = 'merchant'
        GROUP BY i.id, i.sku, i.item_id, c.name, o.units
        HAVING o.units > MIN({free}) AND COUNT(m.item_id) + COUNT(n.item_id) = 0
        ORDER BY i.id LIMIT {MOST}
        """,
        places=places,
    )
    for row in rows:
        yield Breach(
            name="I10",
            subject=f"level of {row.sku} at {row.channel}",
            wrong=f"{row.units} offered, but {row.free} are free",
            cure=REPAIR,
            item_id=row.item_id,
        )


CHECKS: tuple[Check, ...] = (
    stock_is_its_ledger,
    item_is_its_stock,
    parcels_left_the_ledger,
    item_promises_are_reservations,
    line_promises_are_reservations,
    nothing_below_zero,
    lines_are_bound_by_work,
    stock_is_bound_by_work,
    applied_levels_are_told,
    levels_offer_what_is_free,
)


class _Rule(msgspec.Struct):
    places: dict[str, list[int]]


def _places(rules: str) -> list[str]:
    return sorted(msgspec.json.decode(rules, type=_Rule).places)


def _of_items(tx: Tx, name: str, rows: Sequence[Any], wrong: Any, cure: str = REPAIR) -> Iterator[Breach]:
    skus = name_items(tx, [row.item_id for row in rows])
    for row in rows:
        yield Breach(name=name, subject=skus[row.item_id], wrong=wrong(row), cure=cure, item_id=row.item_id)


def _at_places(tx: Tx, name: str, rows: Sequence[Any], wrong: Any, cure: str = REPAIR) -> Iterator[Breach]:
    skus, places = name_items(tx, [row.item_id for row in rows]), name_locations(tx)
    for row in rows:
        subject = f"{skus.get(row.item_id, row.item_id)} at {places.get(row.location_id, row.location_id)}"
        yield Breach(name=name, subject=subject, wrong=wrong(row), cure=cure, item_id=row.item_id)
