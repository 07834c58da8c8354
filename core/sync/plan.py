"""Every outward write that is due, with nothing sent and nothing kept.

The levels are computed by the very code that a turn computes them by, in a transaction that is rolled back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec

from core.connector import Ability, find
from core.settings import Settings, WarehouseSettings
from core.store.database import Store, Tx
from core.sync.channel import Channel
from core.sync.give_up import give_up
from core.sync.hand_over import plan_work
from core.sync.levels import refresh, touch_changed_rules
from core.sync.listings import map_by_sku
from core.sync.outbox import before
from core.sync.pushes import describe
from core.sync.recall import plan_recalls, told
from core.sync.warehouse import LIVE, Warehouse
from core.warehouse import find as find_warehouse

T = TypeVar("T")


class DuePush(msgspec.Struct, kw_only=True):
    """What the channel is to be told of one of its orders."""

    channel: str
    kind: str
    """acknowledge, cancel, tracking or refund."""
    order: str
    """The channel's number."""
    name: str
    what: str
    """The parcel, the units or the money; empty for an acknowledgement."""
    carrier: str
    tracking: str
    state: str
    """queued; or sent and unknown: interrupted, so the order is read back before anything is sent again."""
    due_at: int
    """Microseconds since 1970 UTC; later than now while it waits to be tried again."""
    waits_for: str = ""
    """Why it is not sent yet, where it is not."""


class DueLevel(msgspec.Struct, kw_only=True):
    """A quantity that the channel is to be told."""

    channel: str
    sku: str
    place: str
    old: int | None
    """What it was told last, None: nothing yet."""
    new: int
    due_at: int
    waits_for: str = ""
    """Why it is not sent yet, where it is not."""


class RefusedLevel(msgspec.Struct, kw_only=True):
    """A quantity that the channel refused, and that is not told again by itself."""

    channel: str
    sku: str
    place: str
    old: int | None
    """What it took last, None: nothing yet."""
    new: int
    """What it refused."""
    reason: str


class DueWork(msgspec.Struct, kw_only=True):
    """What a warehouse is to be handed, or asked to stop."""

    warehouse: str
    kind: str
    """work or recall."""
    key: str
    order: str
    what: str
    """Units of items, in the warehouse's own words."""
    state: str
    """queued; or sent: interrupted, so that it is told once more under the same key."""
    due_at: int


class Plan(msgspec.Struct):
    pushes: list[DuePush]
    levels: list[DueLevel]
    refused: list[RefusedLevel]
    work: list[DueWork] = []


class _Planned(Exception):
    """Carries the plan out of its transaction, which is thereby rolled back."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan


class _Within(Store):
    """A store all of whose transactions are part of one, for code that opens its own."""

    def __init__(self, store: Store, tx: Tx) -> None:
        super().__init__(store.engine)
        self._tx = tx

    @contextmanager
    def read(self) -> Iterator[Tx]:
        yield self._tx

    @contextmanager
    def write(self) -> Iterator[Tx]:
        yield self._tx


def plan(store: Store, settings: Settings, now: int) -> Plan:
    """What the enabled channels would be told if each had its turn now, and no new order came."""

    def work(tx: Tx) -> Plan:
        within = _Within(store, tx)
        ids = {row.name: row for row in tx.rows("SELECT * FROM channels ORDER BY id /*lock*/")}
        known = {name: ids[name] for name in settings.channels if name in ids}
        for name, row in known.items():
            channel = _as_channel(settings, name, row)
            map_by_sku(tx, channel)
            give_up(within, channel, now)
        touch_changed_rules(within, settings.channels)
        refresh(within, settings.channels, now)
        able = _told_levels(settings, known)
        work = [one for name, own in settings.warehouses.items() for one in _work(tx, within, name, own, now)]
        raise _Planned(Plan(_pushes(tx, settings, known), _levels(tx, settings, able), _refused(tx, able), work))

    try:
        return store.transact(work)
    except _Planned as planned:
        return planned.plan


def _as_channel(settings: Settings, name: str, row: Any) -> Channel:
    own = settings.channels[name]
    return Channel(
        id=row.id,
        name=name,
        epoch=row.epoch,
        since=row.since,
        settings=own,
        connector=find(own.connector)(name, own),
        sites=(),
        places={},
        routing=settings.must_route(),
    )


_KINDS = {
    "acknowledge": Ability.ACKNOWLEDGE,
    "void": Ability.VOID_TRACKING,
    "cancel": Ability.CANCEL,
    "tracking": Ability.PUSH_TRACKING,
    "refund": Ability.REFUND,
}
"""In the order a round tells them."""


def _pushes(tx: Tx, settings: Settings, known: dict[str, Any]) -> list[DuePush]:
    channels = [_as_channel(settings, name, row) for name, row in known.items()]
    found = []
    for kind, ability in _KINDS.items():
        rows = tx.rows(
            "SELECT c.name AS channel, p.*, o.number AS number, o.name, COALESCE(s.carrier, '') AS carrier,"
            f" COALESCE(s.tracking, '') AS tracking, ({before(kind)}) AS before FROM pushes p"
            " JOIN channels c ON c.id = p.channel_id JOIN orders o ON o.id = p.order_id"
            " LEFT JOIN shipments s ON s.id = p.shipment_id"
            " WHERE p.channel_id IN :channels AND p.kind = :kind AND p.state IN ('queued','sent','unknown','accepted')"
            " AND p.state <> 'accepted' ORDER BY p.channel_id, p.id",
            channels=[channel.id for channel in channels if channel.wants(ability)],
            kind=kind,
        )
        found += [
            DuePush(
                channel=row.channel,
                kind=row.kind,
                order=row.number,
                name=row.name,
                what=describe(row),
                carrier=row.carrier,
                tracking=row.tracking,
                state=row.state,
                due_at=row.due_at,
                waits_for=_mode(settings, row.channel) or (f"push {row.before} of the order" if row.before else ""),
            )
            for row in rows
        ]
    return found


def _work(tx: Tx, within: Store, name: str, own: WarehouseSettings, now: int) -> Iterator[DueWork]:
    """By the very code that a warehouse's turn plans by."""
    row = tx.row("SELECT * FROM warehouses WHERE name = :name", name=name)
    if row is None:
        return
    served = tx.rows(
        "SELECT s.*, p.name FROM served s JOIN locations p ON p.id = s.location_id WHERE s.warehouse_id = :id",
        id=row.id,
    )
    house = Warehouse(
        id=row.id,
        name=name,
        epoch=row.epoch,
        since=row.since,
        settings=own,
        connector=find_warehouse(own.connector)(name, own),
        places={one.location_id: one.place for one in served},
        locations={one.location_id: one.name for one in served},
    )
    plan_work(within, house, now)
    plan_recalls(within, house, now)
    orders = "COALESCE(NULLIF(o.name, ''), o.number)"
    for work in tx.rows(
        f"SELECT h.*, {orders} AS order_name FROM handovers h JOIN orders o ON o.id = h.order_id"
        f" WHERE h.warehouse_id = :id AND h.{LIVE} AND h.state IN ('queued', 'sent') ORDER BY h.id",
        id=row.id,
    ):
        lines = tx.rows("SELECT * FROM handover_lines WHERE handover_id = :id ORDER BY number", id=work.id)
        what = ", ".join(f"{line.quantity} {line.sku}" for line in lines)
        yield DueWork(warehouse=name, kind="work", key=work.key, order=work.order_name, what=what, state=work.state,
                      due_at=work.due_at)  # fmt: skip
    for one in tx.rows(
        f"SELECT r.*, {orders} AS order_name FROM recalls r JOIN handovers h ON h.id = r.handover_id"
        " JOIN orders o ON o.id = h.order_id WHERE h.warehouse_id = :id"
        " AND r.state IN ('queued','sent','asked') AND r.state <> 'asked' ORDER BY r.id",
        id=row.id,
    ):
        yield DueWork(warehouse=name, kind="recall", key=one.key, order=one.order_name, what=told(tx, one),
                      state=one.state, due_at=one.due_at)  # fmt: skip


def _told_levels(settings: Settings, known: dict[str, Any]) -> list[int]:
    """The ids of the channels that are told levels."""
    return [
        row.id
        for name, row in known.items()
        if settings.channels[name].push_levels
        and Ability.PUSH_LEVELS in find(settings.channels[name].connector).abilities
    ]


def _refused(tx: Tx, channels: list[int]) -> list[RefusedLevel]:
    rows = tx.rows(
        "SELECT c.name AS channel, i.sku, v.place, v.told, v.desired, v.reason FROM levels v"
        " JOIN listings i ON i.id = v.listing_id JOIN channels c ON c.id = v.channel_id"
        " WHERE v.channel_id IN :channels AND v.state <> 'applied' AND v.state = 'refused'"
        " AND i.listed AND i.fulfiller = 'merchant'"
        " ORDER BY v.channel_id, i.sku, v.place",
        channels=channels,
    )
    return [
        RefusedLevel(
            channel=row.channel, sku=row.sku, place=row.place, old=row.told, new=row.desired, reason=row.reason
        )
        for row in rows
    ]


def _levels(tx: Tx, settings: Settings, channels: list[int]) -> list[DueLevel]:
    rows = tx.rows(
        "SELECT c.name AS channel, i.sku, i.listed, v.* FROM levels v JOIN listings i ON i.id = v.listing_id"
        " JOIN channels c ON c.id = v.channel_id WHERE v.channel_id IN :channels AND v.state <> 'applied'"
        " AND i.fulfiller = 'merchant' AND (v.state IN ('queued', 'sent')"
        "  OR (v.state = 'accepted' AND v.revision > v.sent_revision))"
        " ORDER BY v.channel_id, i.sku, v.place",
        channels=channels,
    )
    return [
        DueLevel(
            channel=row.channel,
            sku=row.sku,
            place=row.place,
            old=row.told,
            new=row.desired,
            due_at=row.due_at,
            waits_for=_mode(settings, row.channel) or _waits_for(row),
        )
        for row in rows
    ]


def _mode(settings: Settings, channel: str) -> str:
    return "the channel to leave shadow mode" if settings.channels[channel].mode == "shadow" else ""


def _waits_for(row: Any) -> str:
    if not row.listed:
        return "the channel to show this listing"
    return "the quantity sent before it, which the channel is still working on" if row.state == "accepted" else ""
