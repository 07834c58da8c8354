"""The invariants of orders: their lines, documents, parcels and money, and the counts of what was received.

All hold at every commit: a page's orders, documents and counts are written with its cursor.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from core.plurals import are, many
from core.routing import Reason
from core.store.database import Tx
from core.sync.verify_breach import LOOK, MOST, REPAIR, Breach, Check, name_lines, name_orders


def lines_balance(tx: Tx) -> Iterator[Breach]:
    """I4: ordered = cancelled + shipped + reserved + backordered + held, and none of them is below zero."""
    rows = tx.rows(
        "SELECT id, ordered, cancelled, shipped, reserved, backordered, held FROM lines"
        " WHERE ordered <> CAST(cancelled AS bigint) + shipped + reserved + backordered + held OR ordered < 0"
        " OR cancelled < 0 OR shipped < 0 OR reserved < 0 OR backordered < 0 OR held < 0 OR allocated < 0"
        f" OR allocated > reserved OR returned < 0 OR returned > shipped ORDER BY id LIMIT {MOST}"
    )
    lines = name_lines(tx, [row.id for row in rows])
    for row in rows:
        order_id, subject = lines[row.id]
        yield Breach(
            name="I4",
            subject=subject,
            wrong=f"{row.ordered} ordered, but {row.cancelled} cancelled, {row.shipped} shipped,"
            f" {row.reserved} reserved, {row.backordered} backordered, {row.held} held",
            cure=REPAIR,
            order_id=order_id,
        )


def nobody_got_more_than_was_asked(tx: Tx) -> Iterator[Breach]:
    """I4: of what a line asked when it was first seen, no more was promised at once."""
    rows = tx.rows(
        "SELECT id, first_asked, first_filled FROM lines"
        f" WHERE first_filled > first_asked OR first_filled < 0 ORDER BY id LIMIT {MOST}"
    )
    lines = name_lines(tx, [row.id for row in rows])
    for row in rows:
        order_id, subject = lines[row.id]
        yield Breach(
            name="I4",
            subject=subject,
            wrong=f"at first it was promised {row.first_filled} of {many(row.first_asked, 'unit')} it asked for",
            cure="the fill rates of its day are wrong; report it",
            order_id=order_id,
        )


def orders_are_stored_once(tx: Tx) -> Iterator[Breach]:
    """I5: an order is stored once, under the number its channel gave it.

    That none is missing shows only beside the channel itself: `ordersync reconcile` compares the two.
    """
    rows = tx.rows(
        "SELECT o.channel_id, o.number, MAX(o.id) AS id, COUNT(*) AS copies FROM orders o"
        " GROUP BY o.channel_id, o.number HAVING COUNT(*) > 1 OR o.number = ''"
        f" ORDER BY MAX(o.id) LIMIT {MOST}"
    )
    orders = name_orders(tx, [row.id for row in rows])
    for row in rows:
        yield Breach(
            name="I5",
            subject=orders[row.id],
            wrong=f"stored {row.copies} times" if row.number else "stored without its channel's number",
            cure="stop the service and restore the newest backup that verifies",
            order_id=row.id,
        )


def nothing_goes_back(tx: Tx) -> Iterator[Breach]:
    """I6: no document is newer than the order made of it, and no round has done more than was wanted.

    That a cursor itself never goes back is its connector's promise: the store cannot read it.
    """
    rows = tx.rows(
        "SELECT o.id, COUNT(*) AS newer FROM documents d JOIN orders o ON o.id = d.order_id"
        f" WHERE d.version > o.version GROUP BY o.id ORDER BY o.id LIMIT {MOST}"
    )
    orders = name_orders(tx, [row.id for row in rows])
    for row in rows:
        yield Breach(
            name="I6",
            subject=orders[row.id],
            wrong=f"{many(row.newer, 'document')} {are(row.newer)} newer than what is stored of it",
            cure="restore the newest backup that verifies, or wait for the channel's next change of the order",
            order_id=row.id,
        )
    for row in tx.rows("SELECT name, done, wanted FROM channels WHERE done > wanted ORDER BY name"):
        yield Breach(
            name="I6",
            subject=f"channel {row.name}",
            wrong=f"its rounds have done {row.done} of {row.wanted} pokes",
            cure=f"run `ordersync round {row.name}`",
        )


def documents_are_kept(tx: Tx) -> Iterator[Breach]:
    """I7: a channel's order has the document it was made of, and a channel that has been pulled has its cursor."""
    rows = tx.rows(
        "SELECT o.id FROM orders o WHERE NOT EXISTS (SELECT 1 FROM documents d WHERE d.order_id = o.id"
        " AND d.version = o.version) AND o.id NOT IN (SELECT order_id FROM exchanges)"
        f" ORDER BY o.id LIMIT {MOST}"
    )
    orders = name_orders(tx, [row.id for row in rows])
    for row in rows:
        yield Breach(
            name="I7",
            subject=orders[row.id],
            wrong="the document it was made of is gone",
            cure="restore the newest backup that verifies, or wait for the channel's next change of the order",
            order_id=row.id,
        )
    for row in tx.rows(
        "SELECT name FROM channels WHERE last_success IS NOT NULL AND stored > 0 AND cursor IS NULL ORDER BY name"
    ):
        yield Breach(
            name="I7",
            subject=f"channel {row.name}",
            wrong="its orders were pulled, but its cursor is gone",
            cure=f"nothing is lost: `ordersync round {row.name}` pulls from the beginning and drops the repeats",
        )


def shipped_units_are_in_parcels(tx: Tx) -> Iterator[Breach]:
    """I8: a line's shipped units are those of its parcels, and no location sent more than that."""
    rows = tx.rows(
        f"""
        SELECT line_id, SUM(shipped) AS shipped, SUM(parcelled) AS parcelled, SUM(sent) AS sent FROM (
          SELECT id AS line_id, shipped, 0 AS parcelled, 0 AS sent FROM lines WHERE shipped <> 0
          UNION ALL SELECT p.line_id, 0, p.quantity, 0 FROM shipment_lines p JOIN shipments s ON s.id = p.shipment_id
            WHERE s.voided_at IS NULL
          UNION ALL SELECT line_id, 0, 0, shipped FROM fulfilment_lines WHERE shipped <> 0
        ) t GROUP BY line_id HAVING SUM(shipped) <> SUM(parcelled) OR SUM(sent) > SUM(parcelled)
        ORDER BY line_id LIMIT {MOST}
        """
    )
    lines = name_lines(tx, [row.line_id for row in rows])
    for row in rows:
        order_id, subject = lines[row.line_id]
        yield Breach(
            name="I8",
            subject=subject,
            wrong=f"{row.shipped} shipped, {row.parcelled} in parcels, {row.sent} sent by the locations asked",
            cure=LOOK.format(id=order_id),
            order_id=order_id,
        )


def closed_lines_hold_nothing(tx: Tx) -> Iterator[Breach]:
    """I8: nothing is promised to a line without open units, or to an order that does not ship from here."""
    rows = tx.rows(
        f"""
        SELECT l.id, SUM(r.quantity) AS units FROM reservations r JOIN lines l ON l.id = r.line_id
        JOIN orders o ON o.id = l.order_id
        WHERE l.ordered <= l.cancelled + l.shipped OR o.fulfiller <> 'merchant' OR o.test
        GROUP BY l.id ORDER BY l.id LIMIT {MOST}
        """
    )
    lines = name_lines(tx, [row.id for row in rows])
    for row in rows:
        order_id, subject = lines[row.id]
        wrong = f"{many(row.units, 'unit')} {are(row.units)} promised to it, and none may ship"
        yield Breach(name="I8", subject=subject, wrong=wrong, cure=REPAIR, order_id=order_id)


def parcels_stay_with_their_order(tx: Tx) -> Iterator[Breach]:
    """I9: a parcel's lines and a location's work are lines of the order they are for.

    That the lines of a parcel left from its location is the ledger's to say (I1).
    """
    rows = tx.rows(
        f"""
        SELECT l.id, s.order_id AS other FROM shipments s JOIN shipment_lines p ON p.shipment_id = s.id
        JOIN lines l ON l.id = p.line_id WHERE l.order_id <> s.order_id
        UNION
        SELECT l.id, f.order_id FROM fulfilment_orders f JOIN fulfilment_lines w ON w.fulfilment_order_id = f.id
        JOIN lines l ON l.id = w.line_id WHERE l.order_id <> f.order_id
        ORDER BY 1 LIMIT {MOST}
        """
    )
    lines = name_lines(tx, [row.id for row in rows])
    others = name_orders(tx, [row.other for row in rows])
    for row in rows:
        order_id, subject = lines[row.id]
        wrong = f"it is in a parcel or in work of {others[row.other]}"
        yield Breach(name="I9", subject=subject, wrong=wrong, cure=LOOK.format(id=order_id), order_id=order_id)


def what_is_parked_waits(tx: Tx) -> Iterator[Breach]:
    """I9: an order that is kept as waiting for a location has promised units that no location is asked for."""
    rows = tx.rows(
        "SELECT p.order_id, p.reason FROM parked p WHERE p.reason NOT IN"
        f" ({', '.join(repr(reason.value) for reason in Reason)}) OR NOT EXISTS (SELECT 1 FROM lines l"
        f" WHERE l.order_id = p.order_id AND l.reserved > l.allocated) ORDER BY p.order_id LIMIT {MOST}"
    )
    orders = name_orders(tx, [row.order_id for row in rows])
    for row in rows:
        yield Breach(
            name="I9",
            subject=orders[row.order_id],
            wrong=f"kept as waiting for a location ({row.reason}), and nothing of it does, or not for a known reason",
            cure=f"`ordersync reroute {row.order_id}` looks at it anew",
            order_id=row.order_id,
        )


def paused_locations_say_why(tx: Tx) -> Iterator[Breach]:
    """I9: a location is paused since an instant and for a reason, or neither."""
    for row in tx.rows("SELECT name FROM locations WHERE (paused <> '') <> (paused_at IS NOT NULL) ORDER BY name"):
        yield Breach(
            name="I9",
            subject=f"location {row.name}",
            wrong="paused without an instant, or without a reason",
            cure=f"`ordersync location pause {row.name} --why …`, then `ordersync location resume {row.name}`",
        )


def rejected_work_is_nobodys(tx: Tx) -> Iterator[Breach]:
    """I9: work that counts as rejected was rejected by somebody, nothing of it was sent and nothing is asked for."""
    rows = tx.rows(
        "SELECT f.id, f.order_id, COALESCE(SUM(w.quantity), 0) AS asked, COALESCE(SUM(w.shipped), 0) AS sent,"
        " (SELECT COUNT(*) FROM rejections r WHERE r.fulfilment_order_id = f.id) AS said"
        " FROM fulfilment_orders f LEFT JOIN fulfilment_lines w ON w.fulfilment_order_id = f.id"
        " WHERE f.state = 'rejected' GROUP BY f.id, f.order_id"
        " HAVING COALESCE(SUM(w.quantity), 0) <> 0 OR COALESCE(SUM(w.shipped), 0) <> 0 OR"
        " (SELECT COUNT(*) FROM rejections r WHERE r.fulfilment_order_id = f.id) = 0"
        f" ORDER BY f.id LIMIT {MOST}"
    )
    orders = name_orders(tx, [row.order_id for row in rows])
    for row in rows:
        yield Breach(
            name="I9",
            subject=orders[row.order_id],
            wrong=f"fulfilment order {row.id} counts as rejected, said {many(row.said, 'time')},"
            f" and asks for {row.asked} of which {row.sent} were sent",
            cure=LOOK.format(id=row.order_id),
            order_id=row.order_id,
        )


_MONEY = """
SELECT o.id, o.money_off, o.due - o.total AS off FROM (
  SELECT o.id, o.money_off, o.total, SUM(1.0 * l.unit_price * l.ordered + l.tax - l.discount)
    + o.shipping + o.shipping_tax + o.adjustment - o.discount AS due, SUM(1.0 * l.ordered + 2) AS roundings,
    SUM(1.0 * ABS(l.unit_price) * l.ordered) AS gross
  FROM orders o JOIN lines l ON l.order_id = o.id WHERE o.priced
  GROUP BY o.id
) o
"""


def money_is_what_it_was(tx: Tx) -> Iterator[Breach]:
    """I16: by how much an order's amounts miss its total is what they miss it by.

    Amounts are rounded to the millionth one by one, so as many halves of it may be between the two (and SQLite adds
    up in 15 digits). Orders with a line of which less is ordered than has left cannot be added up: they are left out.
    """
    rows = tx.rows(
        f"""{_MONEY} WHERE ABS(o.due - o.total - o.money_off) > (o.roundings + 6) / 2 + o.gross / 1000000000000000
        AND NOT EXISTS (SELECT 1 FROM audit a WHERE a.order_id = o.id AND a.event = 'edited after shipping')
        ORDER BY o.id LIMIT {MOST}"""
    )
    orders = name_orders(tx, [row.id for row in rows])
    for row in rows:
        yield Breach(
            name="I16",
            subject=orders[row.id],
            wrong=f"its amounts miss its total by {_money(row.off)}, not by {_money(row.money_off)}",
            cure=LOOK.format(id=row.id),
            order_id=row.id,
        )


def nothing_is_dropped(tx: Tx) -> Iterator[Breach]:
    """I24: what a channel sent was stored, repeated or set aside; what was counted as such is there."""
    for row in tx.rows(
        """
        SELECT c.*, (SELECT COUNT(*) FROM orders o WHERE o.channel_id = c.id) - (SELECT COUNT(*) FROM exchanges e
            JOIN orders o ON o.id = e.order_id WHERE o.channel_id = c.id) AS orders,
          (SELECT COUNT(*) FROM quarantine q WHERE q.channel_id = c.id) AS aside FROM channels c ORDER BY c.name
        """
    ):
        wrong = ""
        if row.received != row.stored + row.repeated + row.quarantined:
            told = f"{row.stored} stored, {row.repeated} repeated and {row.quarantined} set aside"
            wrong = f"{many(row.received, 'document')} received, but {told}"
        elif row.aside < row.quarantined:
            wrong = f"{many(row.quarantined, 'document')} set aside, but {row.aside} there"
        elif row.stored < row.orders:
            wrong = f"{many(row.orders, 'order')} there, but {many(row.stored, 'document')} stored"
        if wrong:
            cure = f"run `ordersync resync {row.name} --since` with the last instant that was sound"
            yield Breach(name="I24", subject=f"channel {row.name}", wrong=wrong, cure=cure)


def money_misses_the_total(tx: Tx) -> Iterator[Breach]:
    """I16: lines + shipping + taxes - discounts + adjustments = total; an order that misses it is flagged.

    The channel sent it so: this is told as a note, not as a breach, and never mended.
    """
    rows = tx.rows(f"SELECT id, currency, money_off FROM orders WHERE money_off <> 0 ORDER BY id LIMIT {MOST}")
    orders = name_orders(tx, [row.id for row in rows])
    for row in rows:
        yield Breach(
            name="I16",
            subject=orders[row.id],
            wrong=f"its amounts miss its total by {_money(row.money_off)} {row.currency}",
            cure=LOOK.format(id=row.id) + "; the channel sent it so",
            order_id=row.id,
        )


def work_waits_at_closed_locations(tx: Tx) -> Iterator[Breach]:
    """I9: only active locations are asked to send anything; one that was switched off since is told as a note."""
    for row in tx.rows(
        "SELECT l.name, COUNT(*) AS orders FROM fulfilment_orders f JOIN locations l ON l.id = f.location_id"
        " WHERE f.state IN ('planned', 'released') AND NOT l.active GROUP BY l.name ORDER BY l.name"
    ):
        yield Breach(
            name="I9",
            subject=f"location {row.name}",
            wrong=f"it is switched off, and {row.orders} fulfilment orders still wait there",
            cure="ship them, from there or from another location (`ordersync ship --location`)",
        )


CHECKS: tuple[Check, ...] = (
    lines_balance,
    nobody_got_more_than_was_asked,
    orders_are_stored_once,
    nothing_goes_back,
    documents_are_kept,
    shipped_units_are_in_parcels,
    closed_lines_hold_nothing,
    parcels_stay_with_their_order,
    what_is_parked_waits,
    paused_locations_say_why,
    rejected_work_is_nobodys,
    money_is_what_it_was,
    nothing_is_dropped,
)

NOTES: tuple[Check, ...] = (money_misses_the_total, work_waits_at_closed_locations)


def _money(millionths: object) -> str:
    """An amount in its currency; sums of SQLite come as reals, whole numbers of millionths all the same."""
    return f"{Decimal(str(millionths)) / 1_000_000:f}"
