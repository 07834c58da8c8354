"""Reconciliation: what the channel has beside what we have, every difference with its cause, kept as evidence.

Orders are compared by their numbers within a window, levels by what the channel holds now. Done at the end of a turn:
after its pull and its pushes, so that what is still on its way is little, and named as such. What nothing explains is
an alert: an order that should be here is taken in at once, a level that drifted is told again, and the difference
stays in the evidence all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import structlog

from core.connector import Ability
from core.model import micros
from core.store.database import Store
from core.sync.channel import Channel, Clock
from core.sync.evidence import Reconciliation, keep
from core.sync.reconcile_levels import compare_levels
from core.sync.reconcile_orders import compare_orders

log = structlog.get_logger("ordersync")

HOUR = 3_600_000_000
WINDOW = 48 * HOUR
"""How far back a reconciliation looks where nobody says: two days, so that two daily ones overlap."""


def is_due(store: Store, channel: Channel, now: int) -> bool:
    """Whether the daily reconciliation is: the first one with the second turn that goes well."""
    hours = channel.settings.reconcile_hours
    with store.read() as tx:
        row = tx.row("SELECT reconciled_at, last_success FROM channels WHERE id = :id", id=channel.id)
    if not hours or row.last_success is None:
        return False
    return row.reconciled_at is None or bool(now - row.reconciled_at >= hours * HOUR)


def reconcile(
    store: Store, channel: Channel, clock: Clock, pulled_at: int, *, since: datetime | None = None
) -> Reconciliation:
    """Compares, takes in what is missing, makes drifted levels due, and keeps the evidence.

    `pulled_at`: when the last pull began, which ended well. `since`: the window's beginning, two days ago where it is
    not given; never before the channel's first pull, which took nothing older in. Raises what the connector raises;
    nothing is kept then, and it is due again.
    """
    at = clock()
    begin = max(at - WINDOW if since is None else micros(since), channel.since)
    found = Reconciliation(at=at, since=min(begin, at), until=at)
    if Ability.ROLL_CALL in channel.connector.abilities:
        found.differences += compare_orders(store, channel, clock, found, pulled_at)
    if {Ability.READ_LEVELS, Ability.PUSH_LEVELS} <= channel.connector.abilities and channel.settings.push_levels:
        found.differences += compare_levels(store, channel, clock, found)
    found.id = keep(store, channel, found)
    if found.unexplained:
        log.error(
            "reconciliation found what nothing explains",
            channel=channel.name,
            unexplained=found.unexplained,
            cure=f"ordersync reconcile {channel.name} --last",
        )
    return found


def beginning(argument: Mapping[str, Any]) -> datetime | None:
    """The window's beginning of a stored request."""
    since = argument.get("since")
    return None if since is None else datetime.fromisoformat(since).astimezone(UTC)
