"""Acknowledgements that a channel stops waiting for soon: told before it is too late, not after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import structlog

from core.connector import Ability, find
from core.model import instant
from core.settings import ChannelSettings
from core.store.database import Store, Tx
from core.sync.channel import Channel
from core.sync.work import SECOND

log = structlog.get_logger("ordersync")


class Deadline(msgspec.Struct, frozen=True, kw_only=True):
    """A channel's orders that have to be acknowledged soon."""

    orders: int
    first: str
    """The channel's number of the most urgent one."""
    by: int
    """Until when that one: microseconds since 1970 UTC; it may be over."""


def warn(store: Store, channel: Channel, now: int) -> None:
    """Logs once of each order whose acknowledgement is due soon and not done; all that are new at once are one line."""
    if not channel.tells(Ability.ACKNOWLEDGE):
        return
    until = _until(channel.settings, now)
    with store.read() as tx:
        if not _near(tx, channel.id, until, new=True):
            return

    def work(tx: Tx) -> Sequence[Any]:
        rows = _near(tx, channel.id, until, new=True)
        tx.run("UPDATE pushes SET warned_at = :now WHERE id IN :ids", now=now, ids=[row.id for row in rows])
        return rows

    rows = store.transact(work)
    if rows:
        log.warning(
            "acknowledgements are near their deadline",
            channel=channel.name,
            orders=len(rows),
            first=rows[0].number,
            by=instant(rows[0].acknowledge_by).isoformat(),
        )


def near(store: Store, channels: Mapping[str, ChannelSettings], now: int) -> dict[str, Deadline]:
    """The channels with acknowledgements due soon, refused ones too, that are neither done nor given up."""
    found = {}
    with store.read() as tx:
        ids = {row.name: row.id for row in tx.rows("SELECT id, name FROM channels ORDER BY name")}
        for name, own in channels.items():
            able = Ability.ACKNOWLEDGE in find(own.connector).abilities and own.acknowledge and own.mode == "live"
            if not able or name not in ids:
                continue
            until = _until(own, now)
            rows = [*_near(tx, ids[name], until), *_near(tx, ids[name], until, refused=True)]
            if rows:
                first = min(rows, key=lambda row: row.acknowledge_by)
                found[name] = Deadline(orders=len(rows), first=first.number, by=first.acknowledge_by)
    return found


def _until(settings: ChannelSettings, now: int) -> int:
    return now + settings.acknowledge_alert_minutes * 60 * SECOND


def _near(tx: Tx, channel_id: int, until: int, *, new: bool = False, refused: bool = False) -> Sequence[Any]:
    """The most urgent first. Those not refused are found by the partial index of what is due."""
    states = "p.state = 'refused'" if refused else "p.state IN ('queued','sent','unknown','accepted')"
    return tx.rows(
        "SELECT p.id, o.number, o.acknowledge_by FROM pushes p JOIN orders o ON o.id = p.order_id"
        f" WHERE p.channel_id = :channel AND p.kind = 'acknowledge' AND {states}"
        f" AND o.acknowledge_by <= :until{' AND p.warned_at IS NULL' if new else ''} ORDER BY o.acknowledge_by, p.id",
        channel=channel_id,
        until=until,
    )
