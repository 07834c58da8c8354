"""Promises to orders that nobody pays for: given back after the channel's `unpaid_expire_hours`.

The order itself stays as its channel has it, and its lines wait as backordered. It is promised nothing, whatever comes,
until the channel says that it is paid and confirmed, or an operator sets that hold aside.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.plurals import many
from core.store import tables
from core.store.database import Store, Tx
from core.sync.channel import Channel
from core.sync.promise import write_reservations
from core.sync.revision import UNPAID
from core.sync.rows import tell
from core.sync.stored import close_fulfilment, give_back, load_lines, write_claims
from core.sync.work import SECOND

EXPIRED = "promise expired"

BATCH = 200
"""Orders worked on in one transaction."""

# What a location was asked to send is on its way out: its promise does not expire.
_DUE = """
SELECT DISTINCT h.order_id FROM holds h JOIN orders o ON o.id = h.order_id
WHERE o.channel_id = :channel AND h.hold IN :unpaid AND h.since <= :until
 AND h.order_id > :after
 AND EXISTS (SELECT 1 FROM lines l WHERE l.order_id = h.order_id AND l.reserved > 0)
 AND NOT EXISTS (SELECT 1 FROM fulfilment_orders f WHERE f.order_id = h.order_id AND f.state = 'released')
ORDER BY h.order_id LIMIT :batch
"""


def expire(store: Store, channel: Channel, now: int) -> int:
    """Gives back what orders have held unpaid for too long; returns how many orders that were."""
    hours = channel.settings.unpaid_expire_hours
    if hours is None:
        return 0
    until = now - hours * 3600 * SECOND
    done, after = 0, 0
    while True:
        with store.read() as tx:
            ids = _due(tx, channel, until, after)
        if not ids:
            return done
        done += store.transact(lambda tx: _expire(tx, channel, ids, until, hours, now))  # noqa: B023 - runs at once
        after = ids[-1]


def _due(tx: Tx, channel: Channel, until: int, after: int) -> list[int]:
    rows = tx.rows(_DUE, channel=channel.id, unpaid=sorted(UNPAID), until=until, after=after, batch=BATCH)
    return [row.order_id for row in rows]


def _expire(tx: Tx, channel: Channel, due: Sequence[int], until: int, hours: int, now: int) -> int:
    channel.fence(tx)
    tx.rows("SELECT id FROM orders WHERE id IN :ids ORDER BY id /*lock*/", ids=list(due))
    still = set(_due(tx, channel, until, due[0] - 1))  # as they are under lock: one may be lifted meanwhile
    ids = [id for id in due if id in still]
    lines = [line for found in load_lines(tx, ids).values() for line in found]
    stock = channel.stock(tx, {item for line in lines for item, _ in line.claim.parts or ()})
    told: dict[int, list[str]] = {id: [] for id in ids}
    for line in lines:
        if line.claim.reserved:
            told[line.row.order_id].append(f"{line.claim.reserved} of {line.row.sku}")
            give_back(line.claim, line.bound, stock, line.claim.reserved)
    claims = [line.claim for line in lines]
    write_claims(tx, claims)
    write_reservations(tx, claims, known=True)
    close_fulfilment(tx, [one for line in lines for one in line.bound])
    stock.write(now)
    tx.insert(tables.expiries, ("order_id", "at"), [(id, now) for id in ids], "ON CONFLICT DO NOTHING")
    why = f"free for others: not paid for {many(hours, 'hour')}; promised again once it is paid, if there is any"
    tell(tx, [(id, EXPIRED, f"{', '.join(units)} {why}") for id, units in told.items()], channel, now)
    return len(ids)
