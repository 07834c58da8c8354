"""Telling a channel what happened: acknowledgements, parcels, void ones, cancellations and refunds, by the outbox.

After an ambiguous failure the order is read back first; what it shows is done, only the rest is sent again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.connector import Ability
from core.errors import NotFound, Rejected
from core.model import Order, Page
from core.store import tables
from core.store.database import Store, Tx
from core.sync.channel import Channel, Clock
from core.sync.confirm import shows_cancelled, told_number
from core.sync.observe import read
from core.sync.outbox import OPEN, book, drain, mark
from core.sync.refunded import match
from core.sync.said import key_of
from core.sync.take_in import take_in
from core.sync.void import load_voids, still_shown


def push_acknowledgements(store: Store, channel: Channel, clock: Clock) -> int:
    """Acknowledges the orders that are due; returns how many the channel took."""
    if not channel.tells(Ability.ACKNOWLEDGE):
        return 0
    return drain(
        store, channel, "acknowledge", lambda due: channel.connector.acknowledge([one.key for one in due]), clock
    )


def push_tracking(store: Store, channel: Channel, clock: Clock) -> int:
    """Tells of the parcels that are due, corrected ones too; returns how many the channel took."""
    return _push(store, channel, Ability.PUSH_TRACKING, "tracking", "push_tracking", clock)


def push_voids(store: Store, channel: Channel, clock: Clock) -> int:
    """Has the parcels taken back that never left; returns how many the channel took back."""
    return _push(store, channel, Ability.VOID_TRACKING, "void", "push_voids", clock)


def push_cancellations(store: Store, channel: Channel, clock: Clock) -> int:
    """Tells of the cancelled units that are due; returns how many cancellations the channel took."""
    return _push(store, channel, Ability.CANCEL, "cancel", "push_cancellations", clock)


def push_refunds(store: Store, channel: Channel, clock: Clock) -> int:
    """Has the refunds given that are due; returns how many the channel took."""
    return _push(store, channel, Ability.REFUND, "refund", "push_refunds", clock)


def _push(store: Store, channel: Channel, ability: Ability, kind: str, method: str, clock: Clock) -> int:
    if not channel.tells(ability):
        return 0
    tell = getattr(channel.connector, method)
    return drain(
        store,
        channel,
        kind,
        lambda due: tell([one.words for one in due]),
        clock,
        lambda: _read_back(store, channel, kind, clock),
    )


def settle_pushes(store: Store, channel: Channel, clock: Clock) -> None:
    """Asks what became of accepted pushes."""
    if Ability.SETTLE not in channel.connector.abilities:
        return
    with store.read() as tx:
        rows = tx.rows(
            f"SELECT * FROM pushes WHERE channel_id = :channel AND state = 'accepted' AND {OPEN}"
            " AND due_at <= :now ORDER BY id",
            channel=channel.id,
            now=clock(),
        )
    if rows:
        ids = {key_of(row): row.id for row in rows}
        for ack in channel.connector.settle({key_of(row): row.ticket for row in rows}):
            book(store, channel, [(ids[ack.key], ack)], clock())


def _read_back(store: Store, channel: Channel, kind: str, clock: Clock) -> None:
    """Looks at each order whose push was interrupted; what the channel does not show is queued again."""
    with store.read() as tx:
        rows = tx.rows(
            "SELECT p.id, p.order_id, o.number FROM pushes p JOIN orders o ON o.id = p.order_id"
            " WHERE p.channel_id = :channel AND p.kind = :kind AND p.state IN ('sent', 'unknown')"
            f" AND p.{OPEN} ORDER BY p.id",
            channel=channel.id,
            kind=kind,
        )
    for number in dict.fromkeys(row.number for row in rows):
        ids = [row.id for row in rows if row.number == number]
        asked = clock()
        try:
            seen = channel.connector.fetch(number)
        except NotFound:
            mark(store, channel, ids, "refused", "the channel does not know this order any more; look there", clock())
            continue
        except Rejected as error:  # one order it will not show keeps no other's push waiting
            mark(store, channel, ids, "unknown", f"{error}; look the order up at the channel", clock())
            continue
        take_in(store, channel, Page(observations=(seen,), cursor=""), asked, clock(), move=False)
        order = read(channel.connector, (seen,))[0].order
        if order is None:  # nobody knows whether it arrived: not sent again before that order reads well
            mark(store, channel, ids, "unknown", "the order cannot be read; see `ordersync quarantine`", clock())
            continue
        _decide(store, channel, kind, ids, order, clock())


def _decide(store: Store, channel: Channel, kind: str, ids: Sequence[int], order: Order, now: int) -> None:
    """What the order shows is confirmed; the rest is queued again."""

    def work(tx: Tx) -> None:
        channel.fence(tx)
        rows: Sequence[Any] = tx.rows(
            "SELECT p.*, s.tracking FROM pushes p LEFT JOIN shipments s ON s.id = p.shipment_id"
            " WHERE p.id IN :ids AND p.state IN ('sent', 'unknown') ORDER BY p.id",
            ids=list(ids),
        )
        if kind == "refund":
            shown = set(match(tx, [(row.order_id, order) for row in rows[:1]], rows))
        elif kind == "tracking":
            numbers = {package.tracking for package in order.packages}
            shown = {row.id for row in rows if told_number(row) in numbers}
        elif kind == "void":
            shown = _taken_back(tx, order, rows)
        else:
            shown = {row.id for row in rows if shows_cancelled(order, row.argument)}
        tx.update(
            tables.pushes,
            ("id",),
            ("state", "reason", "due_at", "updated_at"),
            [(row.id, "confirmed" if row.id in shown else "queued", "", now, now) for row in rows],
        )

    store.transact(work)


def _taken_back(tx: Tx, order: Order, rows: Sequence[Any]) -> set[int]:
    """Those pushes of one order whose void parcel it does not show."""
    orders = [row.order_id for row in rows]
    parcels = tx.rows(
        "SELECT order_id, id, tracking, voided_at, void_shown FROM shipments WHERE order_id IN :ids UNION ALL SELECT"
        " order_id, shipment_id, tracking, NULL, NULL FROM corrections WHERE order_id IN :ids",
        ids=orders,
    )
    voids = [parcel for of_order in load_voids(tx, parcels).values() for parcel in of_order]
    there = {parcel.id for parcel in still_shown(order, voids)}
    return {row.id for row in rows if row.shipment_id not in there}
