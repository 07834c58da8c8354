"""The invariants of work that warehouses were handed, and of what they told."""

from __future__ import annotations

from collections.abc import Iterator

from core.plurals import many
from core.store.database import Tx
from core.sync.verify_breach import LOOK, MOST, Breach, Check, name_lines, name_orders
from core.sync.warehouse import LIVE


def what_left_is_in_parcels(tx: Tx) -> Iterator[Breach]:
    """I12: units that a warehouse told to have left stand in parcels of their order, void ones included."""
    rows = tx.rows(
        "SELECT t.line_id, t.units, COALESCE(s.units, 0) AS parcels FROM ("
        "  SELECT line_id, max(units) AS units FROM (SELECT l.line_id, l.item_id, sum(l.shipped) / min(l.per) AS units"
        "   FROM handover_lines l GROUP BY l.line_id, l.item_id) AS items GROUP BY line_id"
        " ) t LEFT JOIN (SELECT line_id, sum(quantity) AS units FROM shipment_lines GROUP BY line_id) s"
        f" ON s.line_id = t.line_id WHERE t.units > COALESCE(s.units, 0) ORDER BY t.line_id LIMIT {MOST}"
    )
    names = name_lines(tx, [row.line_id for row in rows])
    for row in rows:
        order_id, subject = names[row.line_id]
        yield Breach(
            name="I12",
            subject=subject,
            wrong=f"its warehouse told of {many(row.units, 'unit')} that left, and its parcels hold {row.parcels}",
            cure=LOOK.format(id=order_id) + " and book what left with `ordersync ship`",
            order_id=order_id,
        )


def live_work_has_something_to_come(tx: Tx) -> Iterator[Breach]:
    """I13: work that a warehouse may still do has units that have neither left nor been given back."""
    rows = tx.rows(
        f"SELECT h.key, h.order_id FROM handovers h WHERE h.{LIVE} AND NOT EXISTS (SELECT 1 FROM handover_lines l"
        f" WHERE l.handover_id = h.id AND l.quantity > l.shipped + l.withdrawn) ORDER BY h.id LIMIT {MOST}"
    )
    orders = name_orders(tx, [row.order_id for row in rows])
    for row in rows:
        yield Breach(
            name="I13",
            subject=f"{orders[row.order_id]}, work {row.key}",
            wrong="it is still to be done, and nothing of it is to come",
            cure=LOOK.format(id=row.order_id),
            order_id=row.order_id,
        )


def movements_have_their_notice(tx: Tx) -> Iterator[Breach]:
    """I24: stock that moved by a warehouse's word has the notice that says so, taken in."""
    known = {row.id: row.state for row in tx.rows("SELECT id, state FROM notices")}
    for row in tx.rows(
        "SELECT id, cause, item_id FROM ledger WHERE cause LIKE 'adjust:warehouse:%' OR cause LIKE 'count:warehouse:%'"
        " OR cause LIKE 'count:late:%' ORDER BY id"
    ):
        notice = int(row.cause.split(":")[2])
        if known.get(notice) != "taken":
            yield Breach(
                name="I24",
                subject=f"ledger row {row.id}",
                wrong=f"a warehouse's notice {notice} moved stock, and it is {known.get(notice, 'not there')}",
                cure="count the shelf (`ordersync stock count`)",
                item_id=row.item_id,
            )


CHECKS: tuple[Check, ...] = (what_left_is_in_parcels, live_work_has_something_to_come, movements_have_their_notice)
