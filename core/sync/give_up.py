"""Units that have waited for stock for too long: cancelled here as out of stock, and due at the channel.

As the channel's settings say: `backorder = "never"` waits for nothing, `backorder_cancel_days` so many days. An order
that something holds is left alone, and so is one whose channel cannot be told or refuses an earlier cancellation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.connector import Ability
from core.model import CancelReason
from core.plurals import many
from core.store.database import Store, Tx
from core.sync.cancel import Decision, decide
from core.sync.channel import Channel
from core.sync.promise import TAKEN_BACK
from core.sync.stored import load_lines
from core.sync.work import SECOND

BATCH = 50
"""Orders worked on in one transaction."""

DAY = 86_400 * SECOND

# An order waits since it was placed, or since a promise to it was last taken back.
_DUE = """
SELECT o.id FROM orders o WHERE o.id IN (SELECT l.order_id FROM lines l WHERE l.backordered > 0)
 AND o.channel_id = :channel AND o.fulfiller = 'merchant' AND NOT o.test AND o.placed_at <= :until AND o.id > :after
 AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.order_id = o.id)
 AND NOT EXISTS (SELECT 1 FROM audit a WHERE a.order_id = o.id AND a.event = :back AND a.at > :until)
 AND NOT EXISTS (SELECT 1 FROM pushes p WHERE p.order_id = o.id AND p.kind = 'cancel' AND p.state = 'refused')
ORDER BY o.id LIMIT :batch
"""


def give_up(store: Store, channel: Channel, now: int) -> int:
    """Cancels what has waited for too long; returns of how many orders."""
    days = 0 if channel.settings.backorder == "never" else channel.settings.backorder_cancel_days
    if days is None or not channel.tells(Ability.CANCEL):
        return 0
    done, after = 0, 0
    while True:
        with store.read() as tx:
            ids = [row.id for row in _due(tx, channel, now - days * DAY, after)]
        if not ids:
            return done
        done += store.transact(lambda tx: _cancel(tx, channel, ids, days, now))  # noqa: B023 - runs at once
        after = ids[-1]


def _due(tx: Tx, channel: Channel, until: int, after: int, batch: int = BATCH) -> Sequence[Any]:
    return tx.rows(_DUE, channel=channel.id, until=until, after=after, back=TAKEN_BACK, batch=batch)


def _cancel(tx: Tx, channel: Channel, ids: list[int], days: int, now: int) -> int:
    channel.fence(tx)
    tx.rows("SELECT id FROM orders WHERE id IN :ids ORDER BY id /*lock*/", ids=ids)
    still = {row.id for row in _due(tx, channel, now - days * DAY, ids[0] - 1, len(ids))}  # as they are under lock
    lines = load_lines(tx, [id for id in ids if id in still])
    # What may be sold although it is not there is waited for, whatever the channel says.
    kept = {row.item_id for row in tx.rows("SELECT item_id FROM presales")} if not days else set()
    waited = f"waited for stock for {many(days, 'day')}" if days else "out of stock, and the channel waits for none"
    done = 0
    for id, found in lines.items():
        lost = [line for line in found if line.claim.backordered and line.row.item_id not in kept]
        units = {line.row.number: line.claim.backordered for line in lost}
        if not units:
            continue
        done += 1
        decision = Decision(order_id=id, reason=CancelReason.OUT_OF_STOCK, units=units, actor="ordersync", told=waited)
        decide(tx, decision, now)
    return done
