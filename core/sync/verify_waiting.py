"""The invariants of orders that wait: what an operator set aside stays so, what has expired is promised nothing, and
what is waited for is still to come."""

from __future__ import annotations

from collections.abc import Iterator

from core.plurals import are, many
from core.routing import Reason
from core.store.database import Tx
from core.sync.verify_breach import LOOK, MOST, Breach, Check, name_orders


def expired_orders_hold_nothing(tx: Tx) -> Iterator[Breach]:
    """I2: an order whose promise has expired holds none, and still waits for its payment."""
    rows = tx.rows(
        "SELECT e.order_id, (SELECT SUM(l.reserved) FROM lines l WHERE l.order_id = e.order_id) AS units"
        " FROM expiries e"
        " WHERE EXISTS (SELECT 1 FROM lines l WHERE l.order_id = e.order_id AND l.reserved > 0)"
        " OR NOT EXISTS (SELECT 1 FROM holds h WHERE h.order_id = e.order_id AND h.hold IN ('pending', 'payment'))"
        f" ORDER BY e.order_id LIMIT {MOST}"
    )
    orders = name_orders(tx, [row.order_id for row in rows])
    for row in rows:
        units = int(row.units or 0)
        yield Breach(
            name="I2",
            subject=orders[row.order_id],
            wrong=f"its promise has expired, and {many(units, 'unit')} {are(units)} promised to it"
            if units
            else "its promise has expired, and it waits for no payment",
            cure=LOOK.format(id=row.order_id),
            order_id=row.order_id,
        )


def holds_stand_or_are_set_aside(tx: Tx) -> Iterator[Breach]:
    """I8: a hold that an operator set aside does not hold the order."""
    rows = tx.rows(
        "SELECT h.order_id, h.hold FROM holds h JOIN overrides v ON v.order_id = h.order_id AND v.hold = h.hold"
        f" ORDER BY h.order_id, h.hold LIMIT {MOST}"
    )
    orders = name_orders(tx, [row.order_id for row in rows])
    for row in rows:
        yield Breach(
            name="I8",
            subject=orders[row.order_id],
            wrong=f"it is held for {row.hold}, which was set aside",
            cure=f"lift it again: `ordersync release {row.order_id} --hold {row.hold}`",
            order_id=row.order_id,
        )


# What ends by itself has its instant. Of the rest these can be seen in the store; countries, capabilities and what
# locations keep stand in the rules, and a change of those has every order looked at anew.
_ENDED = f"""
SELECT p.order_id, p.reason FROM parked p WHERE p.due_at IS NULL AND CASE p.reason
 WHEN '{Reason.CAPACITY.value}' THEN 0
 WHEN '{Reason.PAUSED.value}' THEN (SELECT count(*) FROM locations x WHERE x.paused <> '')
 WHEN '{Reason.REJECTED.value}' THEN (SELECT count(*) FROM left_out x WHERE x.order_id = p.order_id)
 WHEN '{Reason.INCOMPLETE.value}' THEN (SELECT count(*) FROM lines x WHERE x.order_id = p.order_id
  AND x.backordered + x.held > 0)
 ELSE 1 END = 0 ORDER BY p.order_id LIMIT {MOST}
"""


def reasons_to_wait_stand(tx: Tx) -> Iterator[Breach]:
    """I9: what an order waits for a location for is still so, or it is due to be looked at anew."""
    rows = tx.rows(_ENDED)
    orders = name_orders(tx, [row.order_id for row in rows])
    for row in rows:
        yield Breach(
            name="I9",
            subject=orders[row.order_id],
            wrong=f"it waits for a location ({row.reason}), which is over, and nobody looks at it anew",
            cure=f"`ordersync reroute {row.order_id}` does",
            order_id=row.order_id,
        )


CHECKS: tuple[Check, ...] = (expired_orders_hold_nothing, holds_stand_or_are_set_aside, reasons_to_wait_stand)
