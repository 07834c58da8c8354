"""Orders of items that are sold before they are there: held until their day, or until their units have come.

What holds is derived from the pre-orders there are, each turn anew: an order that gained or lost such a line, a day
that moved and a pre-order that ended are all the same to it. A hold that an operator set aside is not set again. Of an
order that locations were asked for whole, nothing is held any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.model import Hold, instant
from core.store import tables
from core.store.database import Store, Tx
from core.sync.channel import Channel
from core.sync.holds import LIFTED
from core.sync.presale import end_due
from core.sync.rows import tell

# Led by the three small indexes of what is not asked of a location yet, never by the orders there were.
_OPEN = """
SELECT o.id, l.item_id, MAX(w.short) AS short FROM (
  SELECT l.id, 1 AS short FROM lines l WHERE l.backordered > 0 AND l.item_id IN :items
  UNION ALL SELECT l.id, 0 FROM lines l WHERE l.reserved > l.allocated AND l.item_id IN :items
  UNION ALL SELECT p.line_id, 0 FROM fulfilment_orders f JOIN fulfilment_lines p ON p.fulfilment_order_id = f.id
   WHERE f.state = 'planned'
) w JOIN lines l ON l.id = w.id JOIN orders o ON o.id = l.order_id
WHERE l.item_id IN :items AND o.channel_id = :channel AND o.fulfiller = 'merchant' AND NOT o.test
 AND NOT EXISTS (SELECT 1 FROM overrides v WHERE v.order_id = o.id AND v.hold = 'preorder')
GROUP BY o.id, l.item_id ORDER BY o.id, l.item_id
"""

_HELD = """
SELECT h.order_id, h.until, h.why FROM holds h JOIN orders o ON o.id = h.order_id
WHERE h.hold = 'preorder' AND o.channel_id = :channel AND h."by" = 'ordersync'
"""


@dataclass(frozen=True)
class _Wait:
    """How long an order waits, and for what."""

    until: int
    why: str


def hold_preorders(store: Store, channel: Channel, now: int) -> tuple[int, int]:
    """Brings the holds of the channel's orders to what the pre-orders say: how many were set, and how many lifted."""
    end_due(store, now)
    with store.read() as tx:
        if _wanted(tx, channel) == _standing(tx, channel):
            return 0, 0
    return store.transact(lambda tx: _bring(tx, channel, now))


def _wanted(tx: Tx, channel: Channel) -> dict[int, _Wait]:
    rows = tx.rows(
        "SELECT p.*, i.sku FROM presales p JOIN items i ON i.id = p.item_id WHERE p.kind = 'preorder'"
        " ORDER BY p.item_id"
    )
    if not rows:
        return {}
    presale = {row.item_id: row for row in rows}
    of = {item: {item} for item in presale}
    for row in tx.rows("SELECT kit_id, component_id FROM kits WHERE component_id IN :ids", ids=sorted(presale)):
        of.setdefault(row.kit_id, set()).add(row.component_id)
    found: dict[int, _Wait] = {}
    for row in tx.rows(_OPEN, items=sorted(of), channel=channel.id):
        for item in sorted(of[row.item_id]):
            one = presale[item]
            if one.ships == "stock" and not row.short:
                continue
            if row.id not in found or one.until > found[row.id].until:
                by = "from" if one.ships == "date" else "once it is there, or on"
                found[row.id] = _Wait(one.until, f"{one.sku} ships {by} {instant(one.until):%Y-%m-%d %H:%M}Z")
    return found


def _standing(tx: Tx, channel: Channel) -> dict[int, _Wait]:
    return {row.order_id: _Wait(row.until or 0, row.why) for row in tx.rows(_HELD, channel=channel.id)}


def _bring(tx: Tx, channel: Channel, now: int) -> tuple[int, int]:
    channel.fence(tx)
    ids = {*_wanted(tx, channel), *_standing(tx, channel)}
    tx.rows("SELECT id FROM orders WHERE id IN :ids ORDER BY id /*lock*/", ids=sorted(ids))
    wanted: Mapping[int, _Wait] = {id: one for id, one in _wanted(tx, channel).items() if id in ids}
    standing = {id: one for id, one in _standing(tx, channel).items() if id in ids}
    over = sorted(standing.keys() - wanted.keys())
    tx.run("DELETE FROM holds WHERE hold = 'preorder' AND order_id IN :ids", ids=over)
    changed = {id: one for id, one in wanted.items() if standing.get(id) != one}
    tx.insert(
        tables.holds,
        ("order_id", "hold", "by", "why", "since", "until"),
        [(id, Hold.PREORDER.value, "ordersync", one.why, now, one.until) for id, one in sorted(changed.items())],
        "ON CONFLICT (order_id, hold) DO UPDATE SET until = excluded.until, why = excluded.why",
    )
    events = [(id, "held", f"preorder: {one.why}") for id, one in sorted(changed.items())]
    tell(tx, [*events, *((id, LIFTED, "preorder") for id in over)], channel, now)
    return len(changed.keys() - standing.keys()), len(over)
