"""The levels' part of a reconciliation: what the channel holds beside what it is to be told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from core.model import LevelKey
from core.plurals import many
from core.store import tables
from core.store.database import Store, Tx
from core.sync.channel import Channel, Clock
from core.sync.evidence import Cause, Difference, Reconciliation
from core.sync.levels_plain import OWN_RULES
from core.sync.pull import pull

Place = tuple[int, str]
"""(listing's id, the channel's place)."""


def compare_levels(store: Store, channel: Channel, clock: Clock, found: Reconciliation) -> list[Difference]:
    """Every level the channel holds otherwise than it should; counts the compared ones in `found`.

    One that drifted with nothing on its way to it is made due again.
    """
    rows = _told_levels(store, channel)
    there = _held(channel, rows)
    found.levels = len(rows)
    if any(_drifted(row, there) for row in rows):
        # What the channel sold meanwhile is no drift: what it has sold is taken in, and its levels are due by that.
        pull(store, channel, clock)
    rows = _told_levels(store, channel)
    pending = _in_flight(found.differences)
    differences = [one for row in rows if (one := _compared(row, there, pending)) is not None]
    drifted = [row for row in rows if _drifted(row, there)]
    _tell_again(store, channel, drifted, clock())
    return [*differences, *_by_rules(store, channel, rows)]


def _told_levels(store: Store, channel: Channel) -> Sequence[Any]:
    with store.read() as tx:
        return tx.rows(
            "SELECT v.*, i.sku, i.handle FROM levels v JOIN listings i ON i.id = v.listing_id"
            " WHERE v.channel_id = :channel AND v.told IS NOT NULL AND i.listed AND i.fulfiller = 'merchant'"
            " ORDER BY i.sku, v.place",
            channel=channel.id,
        )


def _held(channel: Channel, rows: Sequence[Any]) -> Mapping[Place, int]:
    """What the channel holds now of these levels."""
    keys = {f"{row.listing_id}@{row.place}": (row.listing_id, row.place) for row in rows}
    asked = [LevelKey(key=key, sku=r.sku, handle=r.handle, place=r.place) for key, r in zip(keys, rows, strict=True)]
    return {keys[one.key]: one.quantity for one in channel.connector.read_levels(asked)} if asked else {}


def _drifted(row: Any, there: Mapping[Place, int]) -> bool:
    """Whether the channel holds something else than it has taken from us, with nothing on its way to it."""
    return bool(row.state == "applied") and there.get((row.listing_id, row.place)) != row.desired


def _in_flight(differences: Iterable[Difference]) -> bool:
    return any(one.kind == "order" and one.cause is Cause.IN_FLIGHT for one in differences)


def _compared(row: Any, there: Mapping[Place, int], orders_in_flight: bool) -> Difference | None:
    held = there.get((row.listing_id, row.place))
    if held == row.desired:
        return None
    cause, told = _cause(row, held, orders_in_flight)
    return Difference(
        kind="level",
        subject=f"{row.sku}@{row.place}" if row.place else row.sku,
        there="none" if held is None else str(held),
        here=str(row.desired),
        cause=cause,
        told=told,
    )


def _cause(row: Any, held: int | None, orders_in_flight: bool) -> tuple[Cause, str]:
    if row.state in ("queued", "sent"):
        return Cause.IN_FLIGHT, "it is told with the next push"
    if row.state == "accepted":
        return Cause.UNACKNOWLEDGED, "told; the channel is still working on it"
    if row.state == "refused":
        return Cause.UNACKNOWLEDGED, f"refused: {row.reason}"
    if held is None:
        return Cause.UNEXPLAINED, f"told {row.told}, and the channel keeps no level of it; look the listing up there"
    if row.told != row.desired:
        return Cause.UNEXPLAINED, "nobody told it; told again, run `ordersync verify`"
    if orders_in_flight and held < row.told:
        return Cause.IN_FLIGHT, "orders are on their way that may have taken it"
    return Cause.OUTSIDE_EDIT, f"told {row.told}, changed by other hands since; told again"


def _tell_again(store: Store, channel: Channel, rows: Sequence[Any], now: int) -> None:
    def work(tx: Tx) -> None:
        channel.fence(tx)
        tx.update(
            tables.levels,
            ("listing_id", "place"),
            ("state", "expected", "revision+", "attempts", "reason", "due_at"),
            sorted((row.listing_id, row.place, "queued", None, 1, 0, "", now) for row in rows),
        )

    if rows:
        store.transact(work)


def _has_own_rules(store: Store, channel: Channel) -> bool:
    with store.read() as tx:
        return (
            tx.row(f"SELECT 1 FROM listings WHERE channel_id = :id AND {OWN_RULES} LIMIT 1", id=channel.id) is not None
        )


def _by_rules(store: Store, channel: Channel, rows: Sequence[Any]) -> list[Difference]:
    """One line for everything that is told less than there is on purpose."""
    own = channel.settings
    said = ", ".join(
        text
        for text, on in (
            ("a buffer that follows demand" if own.buffer == "auto" else f"a buffer of {own.buffer}", own.buffer),
            ("rules of single listings", _has_own_rules(store, channel)),
            (f"a cap of {own.cap}", own.cap is not None),
            (f"{own.percent} %", own.percent < 100),
        )
        if on
    )
    if not said:
        return []
    with store.read() as tx:
        spots = list(channel.places)
        available = {
            row.id: row.units
            for row in tx.rows(
                "SELECT i.id, sum(s.on_hand - s.allocated) AS units FROM listings i"
                " JOIN stock s ON s.item_id = i.item_id"
                " WHERE i.channel_id = :channel AND s.location_id IN :spots GROUP BY i.id",
                channel=channel.id,
                spots=spots,
            )
        }
    told: dict[int, int] = {}
    for row in rows:
        told[row.listing_id] = told.get(row.listing_id, 0) + row.desired
    less = {id: available[id] - units for id, units in told.items() if available.get(id, 0) > units}
    if not less:
        return []
    return [
        Difference(
            kind="level",
            subject=many(len(less), "listing"),
            there=str(sum(told[id] for id in less)),
            here=str(sum(available[id] for id in less)),
            cause=Cause.RULES,
            told=f"told {many(sum(less.values()), 'unit')} less than are free, by {said} and what is promised without a"
            " place",
        )
    ]
