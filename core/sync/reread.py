"""Documents that were set aside, read again as they were stored: after an upgrade the connector may understand them."""

from __future__ import annotations

from typing import Any

from core.model import Observation, Page
from core.store.database import Store, Tx
from core.sync.channel import Channel, Clock
from core.sync.observe import read
from core.sync.take_in import take_in


def reread(store: Store, channel: Channel, row: Any, clock: Clock) -> str:
    """Takes in a quarantined document if it can be read by now; returns what became of it.

    It counts as seen when it was first seen, so it never replaces what was seen of its order since.
    """
    observation = Observation(number=row.number, body=bytes(row.body))
    (seen,) = read(channel.connector, [observation])
    if seen.order is None:
        return f"still set aside: {seen.reason}"
    page = Page(observations=(observation,), cursor="")
    counts = take_in(store, channel, page, row.observed_at, clock(), move=False)

    def resolve(tx: Tx) -> None:
        channel.fence(tx)
        tx.run("UPDATE quarantine SET state = 'resolved', resolved_at = :now WHERE id = :id", now=clock(), id=row.id)

    store.transact(resolve)
    return "stored" if counts.stored else "unchanged"
