"""Warehouses in `ordersync status`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from core.commands import show
from core.settings import Settings
from core.sync.warehouse_standing import House


class HouseTold(msgspec.Struct, kw_only=True):
    """One warehouse as status tells it. Instants are ISO 8601 in UTC, null where there is none yet."""

    warehouse: str
    connector: str
    health: str
    """ok, unavailable, parked, misconfigured, disabled, new (never worked on) or removed (no file any more)."""
    reason: str
    """What is wrong and what to do; empty while it is well."""
    locations: list[str]
    last_success: str | None = None
    last_told: str | None = None
    """When something new was last heard of it."""
    outage_since: str | None = None
    to_hand_over: int = 0
    there: int = 0
    """Work it was handed and has not done."""
    to_recall: int = 0
    too_late: int = 0
    """Recalls that came too late, of work that has not left yet."""
    unread: int = 0
    refused: int = 0
    """Notices that could not be booked."""
    doubted: int = 0
    """Shelves where units were asked for and are counted no more."""


_WAITING = {
    "to_hand_over": "to hand over",
    "there": "being done",
    "to_recall": "being called back",
    "too_late": "called back too late",
    "unread": "notice(s) not read",
    "refused": "notice(s) not booked",
    "doubted": "shelves in doubt",
}


def tell_house(name: str, settings: Settings, wrong: Mapping[str, str], found: House | None, now: int) -> HouseTold:
    """One warehouse; `wrong`: why files were left out, by name."""
    own = settings.warehouses.get(name)
    health, reason = _health(name, settings, wrong, found)
    told = HouseTold(
        warehouse=name,
        connector=own.connector if own is not None else found.row.connector if found is not None else "",
        health=health,
        reason=reason,
        locations=list(own.locations) if own is not None else [],
    )
    if found is not None:
        told.last_success = show.iso(found.row.last_success)
        told.last_told = show.iso(found.row.last_told)
        told.outage_since = show.iso(found.row.outage_since)
        for word in _WAITING:
            setattr(told, word, getattr(found, word))
    return told


def _health(name: str, settings: Settings, wrong: Mapping[str, str], found: House | None) -> tuple[str, str]:
    if name in wrong:
        return "misconfigured", wrong[name]
    if name in settings.resting:
        return "disabled", ""
    if name not in settings.warehouses:
        return "removed", ""
    if found is None:
        return "new", "no turn yet; start `ordersync run`, or `ordersync round` for one turn"
    return found.row.health, found.row.reason


def print_houses(told: Sequence[HouseTold]) -> None:
    """Nothing where there are no warehouses."""
    if not told:
        return
    show.table(
        ("warehouse", "connector", "health", "locations", "waiting"),
        [
            (
                one.warehouse,
                one.connector,
                one.health,
                ", ".join(one.locations),
                show.counts({phrase: getattr(one, word) for word, phrase in _WAITING.items()}) or "nothing",
            )
            for one in told
        ],
    )
    for one in told:
        if one.reason:
            show.line(f"{one.warehouse} is {one.health}: {one.reason}")
        if one.unread or one.refused:
            show.line(f"{one.warehouse}: see `ordersync warehouse notices {one.warehouse}`")
        if one.too_late:
            show.line(f"{one.warehouse}: see `ordersync warehouse work {one.warehouse}`")
