"""Subscriptions: seen to every hour, as channels drop them after failures and people change them by hand.

What is wrong here never stands in the way of orders: it is noted for `ordersync status`, and polls go on.
"""

from __future__ import annotations

from typing import Any

import structlog

from core.connector import Ability, Connector
from core.errors import ChannelError
from core.model import Subscribed
from core.store.database import Store, Tx
from core.sync.channel import Channel, Clock
from core.sync.observe import clean
from core.sync.work import SECOND

log = structlog.get_logger("ordersync")

AUDIT_SECONDS = 3600
RETRY_SECONDS = 300
"""Until subscriptions that could not be seen to are looked at again."""


def audit_subscriptions(store: Store, channel: Channel, address: str, clock: Clock) -> None:
    """Sees to the channel's subscriptions where it is time for that. `address`: where it is to call; empty: nowhere."""
    connector = channel.connector
    now = clock()
    with store.read() as tx:
        before = tx.row("SELECT * FROM hearing WHERE channel_id = :id", id=channel.id)
    if channel.settings.mode != "live" or not _may_tell(connector, address):
        if before is not None and before.audit_trouble:  # nobody is to call any more: that is no trouble
            sql = "UPDATE hearing SET audit_trouble = '', audited_at = NULL WHERE channel_id = :id"
            store.transact(lambda tx: tx.run(sql, id=channel.id))
        return
    if not _is_due(before, address, now):
        return
    found, trouble = _see_to(connector, address)
    wait = RETRY_SECONDS if trouble and not found.refused else AUDIT_SECONDS
    for deed in found.done:
        log.info("subscription", channel=channel.name, done=deed)
    if trouble and (before is None or before.audit_trouble != trouble):
        log.warning("channel cannot tell of changes; it is polled", channel=channel.name, reason=trouble)

    def work(tx: Tx) -> None:
        channel.fence(tx)
        tx.run(
            "INSERT INTO hearing (channel_id, audited_at, subscribed_to, audit_trouble)"
            " VALUES (:id, :at, :address, :trouble)"
            " ON CONFLICT (channel_id) DO UPDATE SET audited_at = excluded.audited_at,"
            " subscribed_to = excluded.subscribed_to, audit_trouble = excluded.audit_trouble",
            id=channel.id,
            at=now - (AUDIT_SECONDS - wait) * SECOND,
            address=address,
            trouble=trouble,
        )
        for deed in found.done:
            tx.run(
                "INSERT INTO audit (at, actor, channel_id, event, detail)"
                " VALUES (:at, 'ordersync', :id, 'subscription', :deed)",
                at=now,
                id=channel.id,
                deed=clean(deed),
            )

    store.transact(work)


def _may_tell(connector: Connector, address: str) -> bool:
    """A queue that is not configured is not missed; calls are, once there is an address for them."""
    if Ability.HINTS in connector.abilities and address:
        return True
    return Ability.QUEUE in connector.abilities and not connector.deaf()


def _is_due(before: Any, address: str, now: int) -> bool:
    if before is None or before.audited_at is None or before.subscribed_to != address:
        return True
    return bool(now >= before.audited_at + AUDIT_SECONDS * SECOND)


def _see_to(connector: Connector, address: str) -> tuple[Subscribed, str]:
    """What was done, and what is wrong all the same."""
    missing = connector.deaf()
    if missing:
        return Subscribed(), clean(missing)
    try:
        found = connector.subscriptions(address)
    except ChannelError as error:
        return Subscribed(), clean(str(error))
    return found, clean("; ".join(found.refused))
