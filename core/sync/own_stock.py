"""Stock in the channels' own warehouses (FBA, WFS): read as it stands there, and never part of ours.

It is a location only its own channel sells from. The channel moves it, so a reading replaces the one before.
"""

from __future__ import annotations

from core.connector import Ability
from core.store import tables
from core.store.database import Store, Tx
from core.sync.channel import Channel, Clock
from core.sync.observe import clean

READ_SECONDS = 900
"""How old a reading may grow."""


def read_own_stock(store: Store, channel: Channel, clock: Clock) -> int:
    """Reads what lies in the channel's own warehouses, where it is time to; returns how many SKUs do.

    Raises what the connector raises; the reading before stays then.
    """
    if Ability.OWN_STOCK not in channel.connector.abilities:
        return 0
    now = clock()
    with store.read() as tx:
        read = tx.value("SELECT own_stock_read FROM channels WHERE id = :id", id=channel.id)
    if read is not None and now - read < READ_SECONDS * 1_000_000:
        return 0
    rows = {
        clean(one.sku): (channel.id, clean(one.sku), one.on_hand, one.available, one.incoming, now)
        for one in channel.connector.own_stock()
    }

    def work(tx: Tx) -> None:
        channel.fence(tx)
        tx.run("DELETE FROM own_stock WHERE channel_id = :id", id=channel.id)
        columns = ("channel_id", "sku", "on_hand", "available", "incoming", "read_at")
        tx.insert(tables.own_stock, columns, [rows[sku] for sku in sorted(rows)])
        tx.run("UPDATE channels SET own_stock_read = :now WHERE id = :id", now=now, id=channel.id)

    store.transact(work)
    return len(rows)
