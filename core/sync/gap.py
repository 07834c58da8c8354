"""An outage that outlasted what the channel still shows: what may be missing is said, and kept as evidence."""

from __future__ import annotations

import structlog

from core.model import instant
from core.store.database import Store
from core.sync.channel import Channel
from core.sync.evidence import Cause, Difference, Reconciliation, keep

log = structlog.get_logger("ordersync")


def note_gap(store: Store, channel: Channel, now: int) -> bool:
    """Notes when a channel was not worked on for longer than it shows changes; returns whether it was so.

    What changed in between and not since cannot be pulled any more. It stands in `ordersync status` for a day, and in
    the evidence of reconciliations for ever.
    """
    look_back = channel.connector.look_back
    if look_back is None:
        return False
    with store.read() as tx:
        row = tx.row("SELECT cursor, last_success FROM channels WHERE id = :id", id=channel.id)
    begin, end = row.last_success, now - int(look_back.total_seconds()) * 1_000_000
    if row.cursor is None or begin is None or begin >= end:
        return False
    window = f"{instant(begin):%Y-%m-%d %H:%M}Z to {instant(end):%Y-%m-%d %H:%M}Z"
    told = (
        f"nobody pulled, and the channel shows changes of the last {look_back.days} days only; "
        "compare its own list of orders with `ordersync orders`, and `ordersync resync` those that are missing"
    )
    missing = Difference(
        kind="order",
        subject=f"changed {window}",
        there="not shown any more",
        here="unknown",
        cause=Cause.UNEXPLAINED,
        told=told,
    )
    found = Reconciliation(at=now, since=begin, until=end, differences=[missing])
    with store.read() as tx:
        known = tx.row(
            "SELECT id FROM reconciliations WHERE channel_id = :id AND since = :begin", id=channel.id, begin=begin
        )
    if known is None:  # once an outage, however often its first pull is tried
        keep(store, channel, found)
        log.error("orders may be missing", channel=channel.name, changed=window, cure=told)
    return True
