"""Addresses judged, outside of any page's transaction: an order whose address cannot be right is held.

Each turn looks at what its channel's orders showed since the last look, found by the documents that were stored: an
order costs nothing until it is new or has changed. The hold says which field is wrong, never what stands there. It
lifts by itself once another address is right, and an operator who knows better lifts it for good: the same address is
not held once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from core.addresses import faults
from core.model import Address, Hold
from core.store import tables
from core.store.database import Store, Tx
from core.sync.channel import Channel
from core.sync.holds import LIFTED
from core.sync.rows import tell

BATCH = 2_000
"""Documents looked at in one transaction."""

IDLE = 500
"""So many documents of other channels are passed over before that is written down."""

_FIELDS = ("line1", "line2", "city", "region", "postal_code", "country", "name", "company")

# Orders of which something is open that no location was asked for: a hold stops nothing else.
_ORDERS = """
SELECT b.*, h."by" AS held_by FROM buyers b
LEFT JOIN holds h ON h.order_id = b.order_id AND h.hold = 'address'
WHERE b.order_id IN (
  SELECT d.order_id FROM documents d JOIN orders o ON o.id = d.order_id
  WHERE d.id > :after AND d.id <= :upto AND o.channel_id = :channel AND o.fulfiller = 'merchant' AND NOT o.test)
 AND EXISTS (SELECT 1 FROM lines l WHERE l.order_id = b.order_id AND l.reserved + l.backordered + l.held > 0)
 AND NOT EXISTS (SELECT 1 FROM fulfilment_orders f WHERE f.order_id = b.order_id AND f.state = 'released')
ORDER BY b.order_id
"""


class _Verdict(msgspec.Struct, frozen=True):
    """What becomes of one order."""

    order_id: int
    why: str
    """Empty: its address may be right."""
    digest: str


def judge_addresses(store: Store, channel: Channel, now: int) -> int:
    """Holds the channel's orders whose address cannot be right, and lets go those whose is by now.

    Returns how many were held. Where the settings want none judged, those that were held are let go.
    """
    if not channel.settings.check_addresses:
        _let_all_go(store, channel, now)
        return 0
    held = 0
    with store.read() as tx:
        after = int(tx.value("SELECT judged_to FROM channels WHERE id = :id", id=channel.id))
    while True:
        with store.read() as tx:
            upto = tx.value(
                "SELECT MAX(id) FROM (SELECT id FROM documents WHERE id > :after ORDER BY id LIMIT :batch) d",
                after=after,
                batch=BATCH,
            )
            if upto is None:
                return held
            rows = tx.rows(_ORDERS, after=after, upto=upto, channel=channel.id)
        verdicts = [verdict for row in rows if (verdict := _judge(row)) is not None]
        if rows or upto - after >= IDLE:
            held += store.transact(lambda tx: _write(tx, channel, verdicts, upto, now))  # noqa: B023 - runs at once
        if upto - after < BATCH:
            return held
        after = upto


def _judge(row: Any) -> _Verdict | None:
    """What is to be done about an order; None: nothing."""
    if row.held_by == "channel":  # it says that there is none; with the next it shows, this is looked at again
        return None
    address = Address(**{field: getattr(row, field) for field in _FIELDS})
    wrong = faults(address)
    ours = row.held_by == "ordersync"
    if not wrong:
        return _Verdict(row.order_id, "", "") if ours else None
    told = "\0".join([address.country, address.region, address.city, address.postal_code, *wrong])
    digest = blake2b(told.encode(), digest_size=8).hexdigest()
    if digest == row.judged:
        return None
    return _Verdict(row.order_id, f"cannot be right: {', '.join(wrong)}", digest)


def _write(tx: Tx, channel: Channel, verdicts: Sequence[_Verdict], upto: int, now: int) -> int:
    channel.fence(tx)
    tx.run("UPDATE channels SET judged_to = :upto WHERE id = :id", upto=upto, id=channel.id)
    if not verdicts:
        return 0
    tx.rows("SELECT id FROM orders WHERE id IN :ids ORDER BY id /*lock*/", ids=sorted(one.order_id for one in verdicts))
    wrong = [one for one in verdicts if one.why]
    right = [one.order_id for one in verdicts if not one.why]
    tx.update(tables.buyers, ("order_id",), ("judged",), [(one.order_id, one.digest) for one in verdicts])
    tx.insert(
        tables.holds,
        ("order_id", "hold", "by", "why", "since"),
        [(one.order_id, Hold.ADDRESS.value, "ordersync", one.why, now) for one in wrong],
        "ON CONFLICT (order_id, hold) DO UPDATE SET why = excluded.why",
    )
    _lift(tx, channel, right, "by now it may be right", now)
    tell(tx, [(one.order_id, "held", f"address: {one.why}") for one in wrong], channel, now)
    return len(wrong)


def _lift(tx: Tx, channel: Channel, orders: Sequence[int], why: str, now: int) -> None:
    tx.run(
        "DELETE FROM holds WHERE hold = 'address' AND \"by\" = 'ordersync' AND order_id IN :orders",
        orders=list(orders),
    )
    tell(tx, [(id, LIFTED, f"address: {why}") for id in orders], channel, now)


def _let_all_go(store: Store, channel: Channel, now: int) -> None:
    ours = (
        "SELECT h.order_id FROM holds h JOIN orders o ON o.id = h.order_id"
        " WHERE h.hold = 'address' AND h.\"by\" = 'ordersync' AND o.channel_id = :channel ORDER BY h.order_id"
    )
    with store.read() as tx:
        if not tx.rows(ours, channel=channel.id):
            return

    def work(tx: Tx) -> None:
        channel.fence(tx)
        ids = [row.order_id for row in tx.rows(ours, channel=channel.id)]
        tx.rows("SELECT id FROM orders WHERE id IN :ids ORDER BY id /*lock*/", ids=ids)
        _lift(tx, channel, ids, "addresses are not judged any more", now)
        tx.run("UPDATE buyers SET judged = '' WHERE order_id IN :ids", ids=ids)

    store.transact(work)
