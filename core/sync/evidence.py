"""What a reconciliation found, and where that is kept."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from core.store import tables
from core.store.database import Store, Tx
from core.sync.channel import Channel
from core.sync.observe import clean


class Cause(StrEnum):
    """Why something differs. All but the last explain it."""

    IN_FLIGHT = "in_flight"
    """So new that it is still on its way: an order just placed, a level about to be told."""
    UNACKNOWLEDGED = "unacknowledged"
    """Told, and the channel has not said yet what became of it, or refused it; the push says which."""
    RULES = "rules"
    """Buffer, cap or percentage: the channel is told less than there is on purpose."""
    OUTSIDE_EDIT = "outside_edit"
    """The channel holds a quantity we did not tell it: somebody else did. It is told ours again."""
    QUARANTINED = "quarantined"
    """The order's document is set aside."""
    GONE = "gone"
    """The channel does not know the order any more; it is kept here."""
    UNEXPLAINED = "unexplained"


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not the same there and here."""

    kind: str
    """order or level."""
    subject: str
    """The order's number; the listing's SKU, and the place behind an @ where the channel has several."""
    there: str
    here: str
    cause: Cause
    told: str
    """In words; where a person has to act, ending in what to do."""


class Reconciliation(msgspec.Struct, kw_only=True):
    """What one reconciliation found."""

    id: int = 0
    at: int
    since: int
    until: int
    """The orders' window, microseconds since 1970 UTC."""
    orders_there: int | None = None
    """None: this channel cannot be asked for the roll."""
    orders_here: int | None = None
    levels: int | None = None
    """Compared; None: this channel's levels cannot be read back."""
    differences: list[Difference] = []

    @property
    def unexplained(self) -> int:
        return sum(one.cause is Cause.UNEXPLAINED for one in self.differences)


def keep(store: Store, channel: Channel, found: Reconciliation) -> int:
    """Writes a reconciliation down, whole; returns its id."""

    def work(tx: Tx) -> int:
        channel.fence(tx)
        (id,) = tx.ids(tables.reconciliations, 1)
        columns = ("id", "channel_id", "at", "since", "until", "orders_there", "orders_here", "levels")
        counts = (found.orders_there, found.orders_here, found.levels)
        explained = len(found.differences) - found.unexplained
        tx.insert(
            tables.reconciliations,
            (*columns, "explained", "unexplained"),
            [(id, channel.id, found.at, found.since, found.until, *counts, explained, found.unexplained)],
        )
        tx.insert(
            tables.differences,
            ("reconciliation_id", "kind", "subject", "there", "here", "cause", "told"),
            [
                (id, one.kind, one.subject, one.there, one.here, one.cause.value, clean(one.told))
                for one in found.differences
            ],
        )
        tx.run("UPDATE channels SET reconciled_at = :at WHERE id = :id", at=found.at, id=channel.id)
        return int(id)

    return store.transact(work)


def last(store: Store, channel_id: int, id: int | None = None) -> Reconciliation | None:
    """A kept reconciliation of a channel, the newest where `id` is None; None when there is none."""
    with store.read() as tx:
        row = tx.row(
            "SELECT * FROM reconciliations WHERE channel_id = :channel AND (:id = 0 OR id = :id)"
            " ORDER BY id DESC LIMIT 1",
            channel=channel_id,
            id=id or 0,
        )
        if row is None:
            return None
        rows = tx.rows("SELECT * FROM differences WHERE reconciliation_id = :id ORDER BY id", id=row.id)
    return Reconciliation(
        id=row.id,
        at=row.at,
        since=row.since,
        until=row.until,
        orders_there=row.orders_there,
        orders_here=row.orders_here,
        levels=row.levels,
        differences=[
            Difference(
                kind=one.kind,
                subject=one.subject,
                there=one.there,
                here=one.here,
                cause=Cause(one.cause),
                told=one.told,
            )
            for one in rows
        ],
    )
